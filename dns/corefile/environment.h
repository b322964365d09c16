/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_ENVIRONMENT_H
#define BINNACLE_DNS_COREFILE_ENVIRONMENT_H

/* {$NAME} and {%NAME%} in a token become the variable's value, nothing where it
 * is not set. One pass from the left: a value is not read for further
 * references, and it stays one token whatever is in it. A reference without its
 * end or without a name is left as it stands. */

#include "arena.h"
#include "reader.h"

/* text itself where there is nothing to replace, else a string in the arena;
 * NULL: no room. */
const char *environment_expand(
	const struct corefile_reader *reader, struct arena *arena, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_PROTO_TREE_H
#define BINNACLE_WATCH_PROTO_TREE_H

/* A protobuf message as the tree that cJSON would have made of the same object in JSON, so
 * that one set of decoders reads both. What the tables (proto_schema.h) do not name is
 * passed over without a copy. A string with a NUL byte in it, which no C string can be, is
 * left out.
 *
 * Depth is bounded by the tables. Any thread. */

#include "decode.h"

struct cJSON;

/* The document is a message. *out is cJSON's (of the arena, where one is active: json_arena.h).
 * OK, SYNTAX or NOMEM with why. */
enum decode_result proto_tree(
	const struct document *document, struct cJSON **out, char why[DECODE_WHY_MAX]);

#endif

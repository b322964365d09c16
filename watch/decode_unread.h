/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DECODE_UNREAD_H
#define BINNACLE_WATCH_DECODE_UNREAD_H

/* Which members of the API's objects the decoders do not look at, so that they need not be
 * parsed: of a slice as its controller writes it two thirds, of a Pod nearly all. Bookmarks
 * and Status objects, which come in the same streams, keep all that decode_meta() reads. */

#include "decode.h"
#include "json_value.h"

#define DECODE_UNREAD_MAX 48

/* The table for frames_new(). Any thread. */
void decode_unread(enum resource resource, const struct decode_options *options,
	struct json_member out[DECODE_UNREAD_MAX]);

#endif

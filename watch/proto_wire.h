/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_PROTO_WIRE_H
#define BINNACLE_WATCH_PROTO_WIRE_H

/* The fields of a protobuf message, one after the other ("Encoding", protobuf.dev). Pure.
 * Groups (wire types 3 and 4), which nobody writes any more, are errors. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proto_wire { PROTO_WIRE_VARINT = 0, PROTO_WIRE_8 = 1, PROTO_WIRE_BYTES = 2, PROTO_WIRE_4 = 5 };

/* A varint has at most this many bytes. */
#define PROTO_VARINT_MAX 10

struct proto_reader {
	const char *at, *end;
};

struct proto_value {
	uint64_t number; /* the field's; never 0 */
	enum proto_wire wire;
	uint64_t varint;   /* WIRE_VARINT */
	const char *bytes; /* all others; in what is read */
	size_t len;
};

static inline struct proto_reader proto_reader_of(const char *bytes, size_t len)
{
	return (struct proto_reader){bytes, bytes + len};
}

/* The field at r->at, which moves behind it. False: these bytes are no field, or one that
 * goes on behind the end. Not at the end. */
bool proto_next(struct proto_reader *r, struct proto_value *out);

#endif

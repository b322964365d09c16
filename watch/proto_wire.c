/* SPDX-License-Identifier: Apache-2.0 */
#include "proto_wire.h"

static bool varint_read(struct proto_reader *r, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < PROTO_VARINT_MAX && r->at < r->end; i++) {
		const uint8_t byte = (uint8_t)*r->at++;

		value |= (uint64_t)(byte & 0x7f) << 7 * i;
		if (byte < 0x80) {
			*out = value;
			return i < PROTO_VARINT_MAX - 1 || byte <= 1; /* 64 bits and no more */
		}
	}
	return false;
}

static bool bytes_take(struct proto_reader *r, uint64_t len, struct proto_value *out)
{
	if (len > (uint64_t)(r->end - r->at))
		return false;
	out->bytes = r->at;
	out->len = (size_t)len;
	r->at += len;
	return true;
}

bool proto_next(struct proto_reader *r, struct proto_value *out)
{
	uint64_t key, len;

	if (!varint_read(r, &key) || key >> 3 == 0)
		return false;
	out->number = key >> 3;
	out->wire = (enum proto_wire)(key & 7);
	switch (key & 7) {
	case PROTO_WIRE_VARINT:
		return varint_read(r, &out->varint);
	case PROTO_WIRE_8:
		return bytes_take(r, 8, out);
	case PROTO_WIRE_BYTES:
		return varint_read(r, &len) && bytes_take(r, len, out);
	case PROTO_WIRE_4:
		return bytes_take(r, 4, out);
	default:
		return false;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_BYTES_H
#define BINNACLE_DNS_WIRE_BYTES_H

/* A bounded cursor over bytes, with a sticky error: once a read or a write does
 * not fit, `bad` is set, reads give 0, writes do nothing, and the caller checks
 * once at the end. Network byte order throughout. No allocation. */

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes_in {
	const uint8_t *at, *end;
	bool bad;
};

struct bytes_out {
	uint8_t *start, *at, *end;
	bool bad;
};

static inline struct bytes_in bytes_in(const uint8_t *data, size_t len)
{
	return (struct bytes_in){data, data + len, false};
}

static inline struct bytes_out bytes_out(uint8_t *data, size_t cap)
{
	return (struct bytes_out){data, data, data + cap, false};
}

static inline size_t bytes_left(const struct bytes_in *in)
{
	return (size_t)(in->end - in->at);
}

static inline size_t bytes_room(const struct bytes_out *out)
{
	return (size_t)(out->end - out->at);
}

static inline size_t bytes_used(const struct bytes_out *out)
{
	return (size_t)(out->at - out->start);
}

/* The next n bytes, or NULL (and bad). */
static inline const uint8_t *bytes_take(struct bytes_in *in, size_t n)
{
	const uint8_t *at = in->at;

	if (in->bad || bytes_left(in) < n) {
		in->bad = true;
		return NULL;
	}
	in->at += n;
	return at;
}

static inline uint8_t bytes_get_u8(struct bytes_in *in)
{
	const uint8_t *p = bytes_take(in, 1);

	return p ? p[0] : 0;
}

static inline uint16_t bytes_get_u16(struct bytes_in *in)
{
	const uint8_t *p = bytes_take(in, 2);

	return (uint16_t)(p ? (unsigned)p[0] << 8 | p[1] : 0);
}

static inline uint32_t bytes_get_u32(struct bytes_in *in)
{
	const uint8_t *p = bytes_take(in, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

/* Room for n bytes, which the caller fills, or NULL (and bad). */
static inline uint8_t *bytes_reserve(struct bytes_out *out, size_t n)
{
	uint8_t *at = out->at;

	if (out->bad || bytes_room(out) < n) {
		out->bad = true;
		return NULL;
	}
	out->at += n;
	return at;
}

static inline void bytes_put(struct bytes_out *out, const void *data, size_t n)
{
	uint8_t *p = bytes_reserve(out, n);

	if (p && n)
		memcpy(p, data, n);
}

static inline void bytes_put_u8(struct bytes_out *out, uint8_t v)
{
	uint8_t *p = bytes_reserve(out, 1);

	if (p)
		p[0] = v;
}

static inline void bytes_set_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void bytes_set_u32(uint8_t *p, uint32_t v)
{
	const uint32_t wire = htobe32(v); /* one store; of four shifts gcc makes four at -O3 */

	memcpy(p, &wire, sizeof wire);
}

static inline uint32_t bytes_u32(const uint8_t *p)
{
	uint32_t wire;

	memcpy(&wire, p, sizeof wire);
	return be32toh(wire);
}

static inline void bytes_put_u16(struct bytes_out *out, uint16_t v)
{
	uint8_t *p = bytes_reserve(out, 2);

	if (p)
		bytes_set_u16(p, v);
}

static inline void bytes_put_u32(struct bytes_out *out, uint32_t v)
{
	uint8_t *p = bytes_reserve(out, 4);

	if (p)
		bytes_set_u32(p, v);
}

#endif

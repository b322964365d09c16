/* SPDX-License-Identifier: Apache-2.0 */
#include "address_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct address_pool {
	const struct address_range *range;
	uint8_t taken[]; /* a bit per address */
};

struct address_pool *address_pool_new(const struct address_range *range)
{
	struct address_pool *pool = calloc(1, sizeof *pool + ((size_t)1 << range->bits) / 8);

	if (pool)
		pool->range = range;
	return pool;
}

void address_pool_free(struct address_pool *pool)
{
	free(pool);
}

static size_t length_of(const struct address_range *range)
{
	return range->family == 4 ? 4 : 16;
}

/* The host part of an address of the range; false: of another one. */
static bool host_get(const struct address_range *range, const struct ip *ip, uint32_t *host)
{
	const uint32_t mask = ((uint32_t)1 << range->bits) - 1;
	const size_t len = length_of(range);
	uint32_t low = 0, base = 0;

	if (ip->family != range->family || memcmp(ip->bytes, range->base, len - 4) != 0)
		return false;
	for (size_t i = len - 4; i < len; i++) {
		low = low << 8 | ip->bytes[i];
		base = base << 8 | range->base[i];
	}
	*host = low & mask;
	return (low & ~mask) == base;
}

static struct ip ip_make(const struct address_range *range, uint32_t host)
{
	struct ip ip = {.family = range->family};

	memcpy(ip.bytes, range->base, length_of(range));
	for (size_t i = length_of(range); host > 0; host >>= 8)
		ip.bytes[--i] |= (uint8_t)(host & 0xff);
	return ip;
}

void address_pool_take(struct address_pool *pool, const struct ip *ip)
{
	uint32_t host;

	if (host_get(pool->range, ip, &host))
		pool->taken[host / 8] |= (uint8_t)(1u << host % 8);
}

int address_pool_pick(struct address_pool *pool, uint32_t hash, struct ip *out)
{
	const struct address_range *range = pool->range;
	const uint32_t usable = ((uint32_t)1 << range->bits) - 2 * range->margin;

	for (uint32_t tried = 0; tried < usable; tried++) {
		const uint32_t host = range->margin + (hash % usable + tried) % usable;

		if (pool->taken[host / 8] & 1u << host % 8)
			continue;
		pool->taken[host / 8] |= (uint8_t)(1u << host % 8);
		*out = ip_make(range, host);
		return 0;
	}
	return -ENOSPC;
}

/* FNV-1a with a last mixing, because its low bits alone are weak. */
uint32_t address_hash(const char *const parts[], size_t count)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < count; i++) {
		for (const char *at = parts[i]; *at; at++)
			hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
	}
	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15u;
	return (uint32_t)(hash >> 32);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "plain.h"

#include <stdlib.h>
#include <string.h>

/* From so many on it is worth while to look whether a map of bits will do. */
#define MAP_LEAST 64
/* From so many on a radix sort is cheaper than qsort(). */
#define RADIX_LEAST 256
/* As many bits are looked at in one pass: addresses of one Service differ in up to some
 * twenty, and the counters stay in the nearest cache. */
#define BITS 11

bool plain_begin(struct plain *plain, size_t n)
{
	if (n > plain->cap) {
		plain_free(plain);
		plain->memory = malloc(2 * n * sizeof *plain->memory);
		plain->cap = plain->memory ? n : 0;
	}
	plain->number = plain->memory;
	plain->count = 0;
	return n <= plain->cap;
}

void plain_free(struct plain *plain)
{
	free(plain->memory);
	*plain = (struct plain){.count = 0};
}

static int order(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The bits in which they differ; 0 where they are in order. */
static uint64_t bits_used(const struct plain *plain)
{
	uint64_t differ = 0;
	size_t in_order = 1;

	while (in_order < plain->count && plain->number[in_order - 1] <= plain->number[in_order])
		in_order++;
	if (in_order >= plain->count)
		return 0;
	for (size_t i = 1; i < plain->count; i++)
		differ |= plain->number[i] ^ plain->number[0];
	return differ;
}

static void spread(const uint64_t *from, size_t n, unsigned shift, uint64_t *to)
{
	const unsigned mask = (1u << BITS) - 1;
	uint32_t at[1u << BITS] = {0}, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[from[i] >> shift & mask]++;
	for (unsigned value = 0; value <= mask; value++) {
		const uint32_t count = at[value];

		at[value] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i] >> shift & mask]++] = from[i];
}

/* The half of the memory that is not in use. */
static uint64_t *spare(const struct plain *plain)
{
	return plain->number == plain->memory ? plain->memory + plain->cap : plain->memory;
}

/* One bit for each address that differs from the others in no other bits than the used ones;
 * then they come out in order. False, and nothing has changed, where the spare half is too
 * small for that, and where bits would not say all: an address is there twice, or there are
 * several lists. */
static bool sort_by_map(struct plain *plain, uint64_t used)
{
	uint64_t *const number = plain->number, *const map = spare(plain);
	const uint64_t span = (UINT64_C(2) << (63 - __builtin_clzll(used))) - 1;
	const uint64_t base = number[0] & ~span;
	const uint32_t list = (uint32_t)number[0];
	const size_t count = plain->count, words = (size_t)(span >> 32) / 64 + 1;
	size_t at = 0;

	if ((uint32_t)used || words > plain->cap)
		return false;
	memset(map, 0, words * sizeof *map);
	for (size_t i = 0; i < count; i++) {
		const uint64_t bit = (number[i] & span) >> 32;
		const uint64_t before = map[bit / 64];

		map[bit / 64] = before | UINT64_C(1) << bit % 64;
		if (before == map[bit / 64])
			return false;
	}
	for (size_t w = 0; w < words; w++) {
		for (uint64_t left = map[w]; left; left &= left - 1)
			number[at++] =
				base | (w * 64 + (uint64_t)__builtin_ctzll(left)) << 32 | list;
	}
	return true;
}

void plain_sort(struct plain *plain)
{
	uint64_t used = bits_used(plain);

	if (used && plain->count >= MAP_LEAST && sort_by_map(plain, used))
		return;
	if (plain->count < RADIX_LEAST || plain->count > UINT32_MAX) {
		if (used)
			qsort(plain->number, plain->count, sizeof *plain->number, order);
		return;
	}
	while (used) { /* the lowest bits first */
		const unsigned shift = (unsigned)__builtin_ctzll(used);
		uint64_t *to = spare(plain);

		spread(plain->number, plain->count, shift, to);
		plain->number = to;
		used &= ~(((UINT64_C(1) << BITS) - 1) << shift);
	}
}

size_t plain_find(const struct plain *plain, const uint8_t *addr)
{
	const uint32_t wanted = bytes_u32(addr);
	size_t low = 0, high = plain->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (plain_address(plain, middle) < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low < plain->count && plain_address(plain, low) == wanted ? low : plain->count;
}

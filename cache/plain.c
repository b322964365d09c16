/* SPDX-License-Identifier: Apache-2.0 */
#include "plain.h"

#include <stdlib.h>

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
	bool sorted = true;

	for (size_t i = 1; i < plain->count; i++) {
		differ |= plain->number[i] ^ plain->number[0];
		sorted &= plain->number[i - 1] <= plain->number[i];
	}
	return sorted ? 0 : differ;
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

void plain_sort(struct plain *plain)
{
	uint64_t used = bits_used(plain);

	if (plain->count < RADIX_LEAST || plain->count > UINT32_MAX) {
		if (used)
			qsort(plain->number, plain->count, sizeof *plain->number, order);
		return;
	}
	while (used) { /* the lowest bits first */
		const unsigned shift = (unsigned)__builtin_ctzll(used);
		uint64_t *to = plain->memory;

		if (plain->number == to)
			to += plain->cap;
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

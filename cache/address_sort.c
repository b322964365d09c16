/* SPDX-License-Identifier: Apache-2.0 */
#include "address_sort.h"

#include <stdlib.h>
#include <string.h>

#define RADIX_LEAST 64
/* What is compared: whether there is a hostname, the address from its end, the family. */
#define DIGITS 18

struct key {
	uint8_t digit[DIGITS]; /* the least first */
	uint32_t index;
};

static int by_address(const void *x, const void *y)
{
	const struct draft_item *a = x, *b = y;
	const int order = draft_compare(a, b);

	return order ? order : (a->host != NULL) - (b->host != NULL);
}

static void keys_make(const struct draft_item *items, size_t n, struct key *keys)
{
	for (size_t i = 0; i < n; i++) {
		keys[i].digit[0] = items[i].host != NULL;
		for (unsigned d = 0; d < 16; d++)
			keys[i].digit[1 + d] = items[i].addr[15 - d];
		keys[i].digit[17] = items[i].family;
		keys[i].index = (uint32_t)i;
	}
}

/* The digits in which they differ, as bits. */
static uint32_t digits_used(const struct key *keys, size_t n)
{
	uint8_t differ[DIGITS] = {0};
	uint32_t used = 0;

	for (size_t i = 1; i < n; i++) {
		for (unsigned d = 0; d < DIGITS; d++)
			differ[d] |= keys[i].digit[d] ^ keys[0].digit[d];
	}
	for (unsigned d = 0; d < DIGITS; d++)
		used |= differ[d] ? 1u << d : 0;
	return used;
}

static void keys_spread(const struct key *from, size_t n, unsigned digit, struct key *to)
{
	size_t at[256] = {0}, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[from[i].digit[digit]]++;
	for (unsigned value = 0; value < 256; value++) {
		const size_t count = at[value];

		at[value] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i].digit[digit]]++] = from[i];
}

/* keys: room for 2 n; copy: for n. */
static void radix(struct draft_item *items, size_t n, struct key *keys, struct draft_item *copy)
{
	struct key *from = keys, *to = keys + n;
	uint32_t used;

	keys_make(items, n, from);
	used = digits_used(from, n);
	for (unsigned d = 0; d < DIGITS; d++) {
		struct key *sorted = to;

		if (!(used & 1u << d))
			continue;
		keys_spread(from, n, d, to);
		to = from;
		from = sorted;
	}
	memcpy(copy, items, n * sizeof *items);
	for (size_t i = 0; i < n; i++)
		items[i] = copy[from[i].index];
}

static bool is_sorted(const struct draft_item *items, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (by_address(&items[i - 1], &items[i]) > 0)
			return false;
	}
	return true;
}

void address_sort(struct draft_item *items, size_t n)
{
	struct draft_item *copy;
	struct key *keys;

	if (is_sorted(items, n))
		return;
	keys = n < RADIX_LEAST ? NULL : malloc(2 * n * sizeof *keys);
	copy = keys ? malloc(n * sizeof *copy) : NULL;
	if (copy)
		radix(items, n, keys, copy);
	else
		qsort(items, n, sizeof *items, by_address);
	free(copy);
	free(keys);
}

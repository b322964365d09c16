/* SPDX-License-Identifier: Apache-2.0 */
#include "address_sort.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define RADIX_LEAST 64
/* What is compared byte by byte, the least first: the address from its end, the family. */
#define DIGITS 17
/* As many digits as a key has room for, above the item's number. */
#define KEY_DIGITS 4

static int by_address(const void *x, const void *y)
{
	const struct draft_item *a = x, *b = y;
	const int order = draft_compare(a, b);

	return order ? order : (a->host != NULL) - (b->host != NULL);
}

/* Where a digit lies in an item. */
static size_t digit_at(unsigned digit)
{
	if (digit == DIGITS - 1)
		return offsetof(struct draft_item, family);
	return offsetof(struct draft_item, addr) + DIGITS - 2 - digit;
}

/* The digits in which they differ, as bits. */
static uint32_t digits_used(const struct draft_item *items, size_t n)
{
	uint64_t first[2], at[2], differ[2] = {0, 0};
	uint8_t family = 0, addr[16];
	uint32_t used = 0;

	memcpy(first, items->addr, sizeof first);
	for (size_t i = 1; i < n; i++) {
		memcpy(at, items[i].addr, sizeof at);
		differ[0] |= at[0] ^ first[0];
		differ[1] |= at[1] ^ first[1];
		family |= items[i].family ^ items->family;
	}
	memcpy(addr, differ, sizeof addr);
	for (unsigned d = 0; d < DIGITS - 1; d++)
		used |= addr[DIGITS - 2 - d] ? 1u << d : 0;
	return used | (family ? 1u << (DIGITS - 1) : 0);
}

/* The items' numbers: without a hostname, then those with one. */
static void keys_number(const struct draft_item *items, size_t n, uint64_t *keys)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (!items[i].host)
			keys[count++] = i;
	}
	for (size_t i = 0; count < n; i++) {
		if (items[i].host)
			keys[count++] = i;
	}
}

/* Up to KEY_DIGITS of the used digits into the keys, which keep their order, the least one
 * lowest. Returns those that are left. */
static uint32_t keys_fill(
	const struct draft_item *items, size_t n, uint32_t used, uint64_t *keys, unsigned *filled)
{
	for (size_t i = 0; i < n; i++)
		keys[i] = (uint32_t)keys[i];
	for (*filled = 0; used && *filled < KEY_DIGITS; ++*filled) {
		const uint8_t *digits =
			(const uint8_t *)items + digit_at((unsigned)__builtin_ctz(used));
		const unsigned shift = 32 + 8 * *filled;

		for (size_t i = 0; i < n; i++)
			keys[i] |= (uint64_t)digits[(uint32_t)keys[i] * sizeof *items] << shift;
		used &= used - 1;
	}
	return used;
}

static void keys_spread(const uint64_t *from, size_t n, unsigned shift, uint64_t *to)
{
	size_t at[256] = {0}, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[from[i] >> shift & 0xff]++;
	for (unsigned value = 0; value < 256; value++) {
		const size_t count = at[value];

		at[value] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i] >> shift & 0xff]++] = from[i];
}

/* keys: room for 2 n; copy: for n. */
static void radix(struct draft_item *items, size_t n, uint64_t *keys, struct draft_item *copy)
{
	uint32_t used = digits_used(items, n);
	uint64_t *from = keys, *to = keys + n;

	keys_number(items, n, from);
	while (used) {
		unsigned filled;

		used = keys_fill(items, n, used, from, &filled);
		for (unsigned k = 0; k < filled; k++) {
			uint64_t *sorted = to;

			keys_spread(from, n, 32 + 8 * k, to);
			to = from;
			from = sorted;
		}
	}
	memcpy(copy, items, n * sizeof *items);
	for (size_t i = 0; i < n; i++)
		items[i] = copy[(uint32_t)from[i]];
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
	uint64_t *keys;

	if (is_sorted(items, n))
		return;
	keys = n < RADIX_LEAST || n > UINT32_MAX ? NULL : malloc(2 * n * sizeof *keys);
	copy = keys ? malloc(n * sizeof *copy) : NULL;
	if (copy)
		radix(items, n, keys, copy);
	else
		qsort(items, n, sizeof *items, by_address);
	free(copy);
	free(keys);
}

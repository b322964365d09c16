/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_PLAIN_H
#define BINNACLE_CACHE_PLAIN_H

/* Endpoints with an IPv4 address and without a hostname, as nearly all are: each is one
 * number, its address above the number of its list of ports (ports_builder.h). A change of
 * one slice sorts all endpoints of its Service anew, which has to be cheap for thousands.
 * Pure but for its memory. One thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/wire/bytes.h"

/* A zeroed one is empty. */
struct plain {
	uint64_t *number; /* one half of the memory; the other is for sorting */
	size_t count, cap;
	uint64_t *memory;
};

/* Forget all and make room for n; false: no memory, there is room for none. */
bool plain_begin(struct plain *plain, size_t n);
void plain_free(struct plain *plain);

/* n addresses of four bytes, one behind the other. There must be room. */
static inline void plain_add_all(struct plain *plain, const uint8_t *addrs, size_t n, uint32_t list)
{
	uint64_t *to = plain->number + plain->count;

	for (size_t i = 0; i < n; i++)
		to[i] = (uint64_t)bytes_u32(addrs + 4 * i) << 32 | list;
	plain->count += n;
}

/* There must be room. */
static inline void plain_add(struct plain *plain, const uint8_t *addr, uint32_t list)
{
	plain->number[plain->count++] = (uint64_t)bytes_u32(addr) << 32 | list;
}

static inline uint32_t plain_address(const struct plain *plain, size_t i)
{
	return (uint32_t)(plain->number[i] >> 32);
}

static inline uint32_t plain_list(const struct plain *plain, size_t i)
{
	return (uint32_t)plain->number[i];
}

/* Whether it is another address than the one before; sorted. */
static inline bool plain_starts(const struct plain *plain, size_t i)
{
	return !i || plain_address(plain, i) != plain_address(plain, i - 1);
}

/* How many from i on, which is one of them, have the list of that at i and, but for i
 * itself, another address than the one before; sorted. */
static inline size_t plain_run(const struct plain *plain, size_t i)
{
	const uint64_t *number = plain->number;
	size_t end = i + 1;

	while (end < plain->count && (uint32_t)number[end] == (uint32_t)number[i] &&
		number[end] != number[end - 1])
		end++;
	return end - i;
}

/* By address, then by list. */
void plain_sort(struct plain *plain);
/* The first with the address, `count` if there is none; sorted. */
size_t plain_find(const struct plain *plain, const uint8_t *addr);

#endif

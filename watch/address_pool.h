/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_ADDRESS_POOL_H
#define BINNACLE_WATCH_ADDRESS_POOL_H

/* Stable addresses for what manifests leave without one. Where an address is
 * looked for follows from a hash of its owner's name; if that one is taken, the
 * next free one is it. So an address depends on others only where two owners meet,
 * and then on the order in which they ask.
 *
 *	10.240.0.0/12, margin 256, hash h  ->  10.240.1.0 + h % (2^20 - 512)
 *
 * A bit per address. One pool per reading of the files and family; any thread.
 */

#include "object.h"

struct address_range {
	uint8_t family;
	uint8_t base[16]; /* the first address: its last `bits` bits are 0 */
	uint8_t bits;     /* 3 to 24 */
	uint32_t margin;  /* at both ends, never given */
};

struct address_pool;

/* The range has to outlive the pool. NULL: out of memory. */
struct address_pool *address_pool_new(const struct address_range *range);
void address_pool_free(struct address_pool *pool);

/* Take this one out; others than the range's are no matter. */
void address_pool_take(struct address_pool *pool, const struct ip *ip);
/* The first free one from the hash on, which is taken then. 0 or -ENOSPC. */
int address_pool_pick(struct address_pool *pool, uint32_t hash, struct ip *out);

/* Of the parts, one after the other. The addresses that people see depend on it:
 * it never changes. */
uint32_t address_hash(const char *const parts[], size_t count);

#endif

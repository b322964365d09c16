/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_REVERSE_H
#define BINNACLE_CACHE_REVERSE_H

/* From an address to the Services that may have it, for PTR. One writer, any
 * number of readers without locks.
 *
 * It maps the keyed hash of an address to nodes of the index, and knows no
 * addresses itself: a reader looks whether the address is in what the node has
 * published now. So a forward name and its PTR change in the one store that
 * publishes the entry, no PTR can exist without its forward name, and an
 * endpoint costs a slot of 12 bytes.
 *
 *	hash   [ 0 ][ 7a ][ 7b ][ 83 ][ 1 ]      0 ends a probe, 1 has gone
 *	what   [   ][node][node][many][   ]
 *
 * The first node of a hash lies in the table. From the second on they are in a
 * `many`: an address that thousands of Services share costs no long probes.
 *
 * The writer adds before it publishes an entry and removes behind that, so that
 * what is published can always be found. Removing needs no memory.
 */

#include "index.h"

struct reverse_table;

struct reverse {
	_Atomic(struct reverse_table *) table;
	uint8_t secret[16];
	/* The writer's only: */
	struct epoch_bin *bin;
	uint64_t bytes; /* that are not retired */
};

/* 0 or -ENOMEM. bin must live as long as it. */
int reverse_init(struct reverse *reverse, const uint8_t secret[16], struct epoch_bin *bin);
/* No reader may be inside; a zeroed struct is allowed. */
void reverse_free(struct reverse *reverse);

/* At least 2: 0 and 1 mean something else in the table. */
uint32_t reverse_hash(const struct reverse *reverse, uint8_t family, const uint8_t *addr);

/* Writer: these will be added, removed or looked for soon. A table of many Services is in no
 * cache, and to wait for its lines one by one costs more than all the rest. */
void reverse_prefetch(const struct reverse *reverse, const uint32_t *hash, size_t count);

/* Writer: 0 or -ENOMEM. A pair is added once. */
int reverse_add(struct reverse *reverse, uint32_t hash, struct node *node);
/* Writer: cannot fail; a pair that is not there is passed over. */
void reverse_remove(struct reverse *reverse, uint32_t hash, struct node *node);

/* Reader: the nodes of a hash, one after the other:
 *
 *	struct reverse_walk walk = reverse_walk(r, hash);
 *	while ((node = reverse_next(&walk))) ...
 */
struct reverse_walk {
	const struct reverse_table *table;
	const struct reverse_many *many;
	size_t at; /* the next slot, or the next of many */
	uint32_t hash;
};
struct reverse_walk reverse_walk(const struct reverse *reverse, uint32_t hash);
const struct node *reverse_next(struct reverse_walk *walk);

#endif

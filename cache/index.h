/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_INDEX_H
#define BINNACLE_CACHE_INDEX_H

/* Name to what is published there. One writer, any number of readers without
 * locks; a look-up is one hash and, nearly always, one comparison of bytes.
 *
 * Keys are canonical wire names relative to the zone: the labels left of it,
 * without a terminator. So one set of nodes serves all zones of a directive.
 *
 *	web.shop.svc.cluster.local  ->  03 w e b 04 s h o p 03 s v c
 *
 * Open addressing with linear probing over a power-of-two table that is at most
 * half full (tombstones counted). The hash is keyed, names come from outside;
 * 32 bits of it lie in the node and are compared before the name.
 *
 *	slots   [ - ][ node ][ tomb ][ node ][ - ] ...     - ends a probe
 *	node    hash, references, entry, the key itself (one allocation)
 *
 * Invariants
 *  - A node's ancestors are in the index (web.shop.svc: shop.svc and svc): empty
 *    non-terminals exist, so NODATA and NXDOMAIN are told apart exactly.
 *  - references = those who hold the node + its children. The node leaves the
 *    index when the last one goes; a parent so outlives its children.
 *  - entry NULL: the node is being prepared, and readers do not see it. The
 *    writer can so take all the memory that a change needs before the first
 *    of its names is seen.
 *  - Slots go empty -> node -> tombstone -> node; never back to empty in the same
 *    table. Growth and cleaning build another table and publish the pointer.
 *  - What leaves (tables, nodes, entries) goes to the epoch bin and is freed
 *    after a grace period; a reader's pointers are good until it goes offline.
 */

#include <stdatomic.h>

#include "answer.h"
#include "epoch.h"

#define INDEX_KEY_MAX NAME_MAX_LEN

struct index_table;

struct node {
	_Atomic(const struct entry *) entry;
	uint32_t hash;
	/* The writer's only: */
	uint32_t references;
	uint8_t len;
	uint8_t key[];
};

struct index {
	_Atomic(struct index_table *) table;
	uint8_t secret[16];
	/* The writer's only: */
	struct epoch_bin *bin;
	uint64_t nodes;
	uint64_t bytes; /* of nodes, tables and entries that are not retired */
};

/* 0 or -ENOMEM. bin must live as long as the index. */
int index_init(struct index *index, const uint8_t secret[16], struct epoch_bin *bin);
/* Frees everything at once: no reader may be inside. NULL table: nothing. */
void index_free(struct index *index);

/* Reader: what is published for a name, NULL: the name does not exist. */
const struct entry *index_find(const struct index *index, const uint8_t *key, size_t len);

/* Writer: the node of a name, prepared or not; NULL: none. */
struct node *index_node(const struct index *index, const uint8_t *key, size_t len);

/* Writer: call for every node, in no order, until it returns false; whether it
 * never did. Nothing may be held or dropped meanwhile. */
bool index_each(
	const struct index *index, bool (*call)(void *user, const struct node *node), void *user);

/* Writer: hold a name, made with its ancestors (entry NULL) where it is not
 * there. 0 or -ENOMEM (nothing has changed then). */
int index_hold(struct index *index, const uint8_t *key, size_t len, struct node **out);

/* Writer: let go of a name. With the last reference the node, what is published
 * there, and ancestors that nothing else needs are gone. */
void index_drop(struct index *index, struct node *node);

/* Writer: replace what a held node says, atomically. entry comes from malloc
 * and is the index's from now on, or is &entry_empty. Cannot fail. */
void index_publish(struct index *index, struct node *node, const struct entry *entry);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_PODS_H
#define BINNACLE_CACHE_PODS_H

/* The Pods, for `pods verified`: is there one with this address in this namespace?
 * One writer, which the store calls, and any number of readers without locks.
 *
 *	space    "shop"           how many Pods are in it
 *	record   "shop/web-7k2p"  its addresses; what an update or a delete needs
 *	v4, v6   10.1.0.7 shop    the pairs that readers look into (pod_set.h)
 *
 * Every address of a Pod counts, and a Pod that shares one with others of its
 * namespace (hostNetwork) counts once more: the pair stays until the last of them
 * has gone. Pairs are compared whole, hashes decide nothing.
 *
 * The objects are not kept. A Pod with one IPv4 address and a name of 25 bytes
 * costs, without what malloc() adds:
 *
 *	record    60    31, its name, its addresses
 *	table   8-16    a bucket of the record (table.h)
 *	pair   17-23    32-44 for IPv6, and 16 more in the record
 *
 * Each change is seen when the call returns: what it adds is published before what
 * it takes away. What takes memory comes first, and without memory nothing has
 * changed. Spaces go to the epoch bin, as readers look into their keys; records are
 * freed at once.
 */

#include "pod_set.h"
#include "table.h"
#include "watch/object.h"

#define PODS_NAME_MAX UINT8_MAX

/* The key is the one that the namespace has in the index: 04 s h o p 03 s v c. It
 * never changes; the rest is the writer's. */
struct pod_space {
	struct table_link link;
	uint32_t pods;
	uint8_t key_len;
	uint8_t key[];
};

struct pods {
	struct pod_set v4, v6;
	/* The writer's only: */
	struct table records, spaces;
	struct epoch_bin *bin;
	uint8_t secret[16];
	uint64_t bytes; /* of records and spaces that are not retired */
};

enum pods_change { PODS_SAME, PODS_NEW, PODS_CHANGED };

/* 0 or -ENOMEM. bin must live as long as it; pods must be zeroed. */
int pods_init(struct pods *pods, const uint8_t secret[16], struct epoch_bin *bin);
/* No reader may be inside; a zeroed struct is allowed. */
void pods_free(struct pods *pods);

/* Writer: a Pod with at least one address and a name of PODS_NAME_MAX bytes at most,
 * in the namespace with this index key; the object stays the caller's. generation is
 * the mark that pods_sweep() goes by. 0 or -ENOMEM. */
int pods_upsert(struct pods *pods, const uint8_t *key, size_t len, const struct pod *pod,
	uint32_t generation, enum pods_change *change);
/* Writer: true if it was there. */
bool pods_remove(struct pods *pods, const uint8_t *key, size_t len, const char *name);
/* Writer, for table_each(&pods->records): drop a record with another mark; true if so. */
bool pods_sweep(struct pods *pods, struct table_link *link, uint32_t generation);
uint64_t pods_bytes(const struct pods *pods);

/* Reader: is there a Pod with this address (family 4 or 6) in the namespace with this
 * label, a wire label in lower case? */
bool pods_have(const struct pods *pods, const uint8_t *label, uint8_t family, const uint8_t *addr);

/* Reader: the index key of the namespace that has a Pod with this address; NULL: none.
 * Of several, as at a node's address, the first one in the order of their names. Lives
 * until the reader goes offline. A zeroed struct has none. */
const uint8_t *pods_find_namespace(
	const struct pods *pods, uint8_t family, const uint8_t *addr, size_t *len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_TABLE_H
#define BINNACLE_CACHE_TABLE_H

/* A hash table of records that carry their own link: no allocation per record.
 * One thread. Chained; as many buckets as records, within a factor of two. The
 * records belong to the caller, who also compares their keys:
 *
 *	for (link = table_first(&t, hash); link; link = table_next(link))
 *		if (same key) ...
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_link {
	struct table_link *next;
	uint32_t hash;
};

struct table {
	struct table_link **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	bool visiting; /* inside table_each(): the buckets must stay */
};

/* 0 or -ENOMEM. */
int table_init(struct table *table);
/* The records are the caller's; a zeroed table is allowed. */
void table_free(struct table *table);

/* Cannot fail: without memory to grow, chains get longer. */
void table_add(struct table *table, struct table_link *link, uint32_t hash);
void table_remove(struct table *table, struct table_link *link);

/* Those with this hash. */
struct table_link *table_first(const struct table *table, uint32_t hash);
struct table_link *table_next(const struct table_link *link);

/* Visit all records, in no order.
 * `visit` may remove the record it is called with (and no other). */
void table_each(
	struct table *table, void (*visit)(void *user, struct table_link *link), void *user);

size_t table_bytes(const struct table *table);

#endif

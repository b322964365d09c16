/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_SERVE_ZONES_H
#define BINNACLE_DNS_SERVE_ZONES_H

/* Which server block answers a name: the blocks that share a listener, by zone.
 * Made once per configuration, read by all threads. */

#include "plugin.h"

struct zone_table;

/* The table that a listener answers by now: exchanged by a reload, read inside an epoch. */
struct zone_slot {
	_Atomic(const struct zone_table *) table;
	_Atomic unsigned exchanges; /* raised behind each */
};

/* blocks and their zones outlive the table. clash may be NULL where count is 0. 0, -EEXIST (a zone that two blocks
 * claim: *clash is its text) or -ENOMEM. */
int zone_table_new(const struct block *const *blocks, size_t count, struct zone_table **out,
	const char **clash);
void zone_table_free(struct zone_table *table);

/* The block with the longest zone that holds the name, a DS question going to
 * the parent's side where that is served (RFC 4035 section 3.1.4.1). NULL: none;
 * otherwise *zone is the zone's place in block->zones. */
const struct block *zone_table_find(
	const struct zone_table *table, const struct query *query, unsigned *zone);

/* The first plugin that wants to know of refused questions, and its block; NULL: none. */
const struct block_plugin *zone_table_refused(
	const struct zone_table *table, const struct block **block);

#endif

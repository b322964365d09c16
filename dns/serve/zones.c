/* SPDX-License-Identifier: Apache-2.0 */
/* Zones sorted by number of labels, most first, then by bytes; one group per
 * number of labels. A question tries each group that is not longer than itself
 * with one binary search, so that hundreds of reverse zones (a CIDR key) cost a
 * few comparisons and the usual single zone costs one memcmp. */

#include "zones.h"

#include "dns/wire/type.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct zone_entry {
	const struct name *zone;
	const struct block *block;
	unsigned index; /* of the block's zones */
};

struct zone_group {
	unsigned labels;
	size_t first, count;
};

struct zone_table {
	struct zone_entry *entries;
	struct zone_group *groups;
	size_t group_count;
	const struct block_plugin *refused;
	const struct block *refused_block;
};

static int wire_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return memcmp(a, b, a_len);
}

static int entry_compare(const void *left, const void *right)
{
	const struct name *a = ((const struct zone_entry *)left)->zone;
	const struct name *b = ((const struct zone_entry *)right)->zone;

	if (a->labels != b->labels)
		return a->labels > b->labels ? -1 : 1;
	return wire_compare(a->wire, a->len, b->wire, b->len);
}

static void groups_make(struct zone_table *table, size_t entry_count)
{
	for (size_t i = 0; i < entry_count; i++) {
		unsigned labels = table->entries[i].zone->labels;

		if (i == 0 || labels != table->groups[table->group_count - 1].labels)
			table->groups[table->group_count++] = (struct zone_group){labels, i, 0};
		table->groups[table->group_count - 1].count++;
	}
}

static void refused_find(struct zone_table *table, const struct block *block)
{
	for (size_t i = 0; i < block->plugin_count && !table->refused; i++) {
		if (!block->plugins[i].plugin->refused)
			continue;
		table->refused = &block->plugins[i];
		table->refused_block = block;
	}
}

int zone_table_new(const struct block *const *blocks, size_t count, struct zone_table **out,
	const char **clash)
{
	struct zone_table *table = calloc(1, sizeof *table);
	size_t total = 0, at = 0;
	int rc = -ENOMEM;

	for (size_t i = 0; i < count; i++)
		total += blocks[i]->zone_count;
	if (!table)
		return -ENOMEM;
	table->entries = calloc(total ? total : 1, sizeof *table->entries);
	table->groups = calloc(total ? total : 1, sizeof *table->groups);
	if (!table->entries || !table->groups)
		goto fail;
	for (size_t i = 0; i < count; i++) {
		for (size_t z = 0; z < blocks[i]->zone_count; z++)
			table->entries[at++] =
				(struct zone_entry){&blocks[i]->zones[z], blocks[i], (unsigned)z};
	}
	qsort(table->entries, total, sizeof *table->entries, entry_compare);
	for (size_t i = 1; i < total; i++) {
		if (entry_compare(&table->entries[i - 1], &table->entries[i]) == 0) {
			*clash = table->entries[i].block->zone_texts[table->entries[i].index];
			rc = -EEXIST;
			goto fail;
		}
	}
	groups_make(table, total);
	for (size_t i = 0; i < count && !table->refused; i++)
		refused_find(table, blocks[i]);
	*out = table;
	return 0;
fail:
	zone_table_free(table);
	return rc;
}

void zone_table_free(struct zone_table *table)
{
	if (!table)
		return;
	free(table->entries);
	free(table->groups);
	free(table);
}

static const struct zone_entry *group_find(
	const struct zone_table *table, const struct zone_group *group, const struct query *query)
{
	const uint8_t *suffix = query->name + query->label_at[group->labels];
	size_t suffix_len = (size_t)query->name_len - query->label_at[group->labels];
	size_t low = group->first, high = group->first + group->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct zone_entry *entry = &table->entries[middle];
		int order = wire_compare(suffix, suffix_len, entry->zone->wire, entry->zone->len);

		if (order == 0)
			return entry;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct block *zone_table_find(
	const struct zone_table *table, const struct query *query, unsigned *zone)
{
	const struct block *found = NULL;

	for (size_t i = 0; i < table->group_count; i++) {
		const struct zone_group *group = &table->groups[i];
		const struct zone_entry *entry;

		if (group->labels > query->labels)
			continue;
		entry = group_find(table, group, query);
		if (!entry)
			continue;
		/* A DS RRset lives on the parent's side of the cut: at a zone's
		 * own apex go on looking, and come back if no parent is served. */
		if (!found || group->labels < query->labels) {
			found = entry->block;
			*zone = entry->index;
		}
		if (query->qtype != TYPE_DS || group->labels < query->labels)
			break;
	}
	return found;
}

const struct block_plugin *zone_table_refused(
	const struct zone_table *table, const struct block **block)
{
	*block = table->refused_block;
	return table->refused;
}

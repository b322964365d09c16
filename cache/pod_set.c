/* SPDX-License-Identifier: Apache-2.0 */
#include "pod_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/name.h"

#define SLOTS_MIN 16
#define NO_SLOT   SIZE_MAX

struct pod_table {
	size_t slots;
	size_t live, used; /* writer only: pairs; pairs and tombstones */
	uint8_t *addr;     /* behind `space`, then count */
	uint8_t *count;    /* writer only; a pair that came oftener has a further slot */
	_Atomic(struct pod_space *) space[];
};

/* Where a pair was: a probe goes on. */
static struct pod_space *tombstone(void)
{
	return (struct pod_space *)(uintptr_t)1;
}

static bool holds(const struct pod_space *space)
{
	return space && space != tombstone();
}

static size_t table_bytes(size_t slots, uint8_t width)
{
	return sizeof(struct pod_table) +
	       slots * (sizeof(_Atomic(struct pod_space *)) + width + 1u);
}

static struct pod_table *table_new(size_t slots, uint8_t width)
{
	struct pod_table *table = calloc(1, table_bytes(slots, width));

	if (table) {
		table->slots = slots;
		table->addr = (uint8_t *)(table->space + slots);
		table->count = table->addr + slots * width;
	}
	return table;
}

static struct pod_table *table_own(const struct pod_set *set)
{
	return atomic_load_explicit(&set->table, memory_order_relaxed);
}

static struct pod_space *space_at(const struct pod_table *table, size_t at)
{
	return atomic_load_explicit(&table->space[at], memory_order_acquire);
}

static void space_set(struct pod_table *table, size_t at, struct pod_space *space)
{
	atomic_store_explicit(&table->space[at], space, memory_order_release);
}

/* Only of slots that have been filled once. */
static bool addr_is(const struct pod_table *table, size_t at, const uint8_t *addr, uint8_t width)
{
	return memcmp(table->addr + at * width, addr, width) == 0;
}

/* The slots are no power of two: 32 bits of hash are spread over all of them. */
static size_t slot_first(
	const struct pod_set *set, const struct pod_table *table, const uint8_t *addr)
{
	const uint32_t hash = (uint32_t)name_hash(addr, set->width, set->secret);

	return (size_t)((uint64_t)hash * table->slots >> 32);
}

static size_t slot_next(const struct pod_table *table, size_t at)
{
	return at + 1 < table->slots ? at + 1 : 0;
}

/* A slot that was never filled; there is one. */
static void slot_fill(const struct pod_set *set, struct pod_table *table, const uint8_t *addr,
	struct pod_space *space, uint8_t count)
{
	size_t at = slot_first(set, table, addr);

	while (space_at(table, at))
		at = slot_next(table, at);
	memcpy(table->addr + at * set->width, addr, set->width);
	table->count[at] = count;
	table->live++;
	table->used++;
	space_set(table, at, space);
}

static int table_rebuild(struct pod_set *set, size_t live)
{
	struct pod_table *old = table_own(set), *fresh;
	const size_t old_bytes = table_bytes(old->slots, set->width);
	const size_t slots = live + live / 4 * 3 + SLOTS_MIN;

	fresh = table_new(slots, set->width);
	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i < old->slots; i++) {
		struct pod_space *space = space_at(old, i);

		if (holds(space))
			slot_fill(set, fresh, old->addr + i * set->width, space, old->count[i]);
	}
	atomic_store_explicit(&set->table, fresh, memory_order_release);
	set->bytes += table_bytes(slots, set->width);
	set->bytes -= old_bytes;
	epoch_retire(set->bin, old, old_bytes, NULL);
	return 0;
}

int pod_set_init(
	struct pod_set *set, uint8_t width, const uint8_t secret[16], struct epoch_bin *bin)
{
	struct pod_table *table = table_new(SLOTS_MIN, width);

	if (!table)
		return -ENOMEM;
	set->width = width;
	set->bin = bin;
	set->bytes = table_bytes(SLOTS_MIN, width);
	memcpy(set->secret, secret, sizeof set->secret);
	atomic_init(&set->table, table);
	return 0;
}

void pod_set_free(struct pod_set *set)
{
	free(table_own(set));
	atomic_store_explicit(&set->table, NULL, memory_order_relaxed);
}

int pod_set_reserve(struct pod_set *set, size_t count)
{
	const struct pod_table *table = table_own(set);

	if ((table->used + count) * 5 <= table->slots * 4)
		return 0;
	return table_rebuild(set, table->live + count);
}

void pod_set_add(struct pod_set *set, const uint8_t *addr, struct pod_space *space)
{
	struct pod_table *table = table_own(set);
	size_t again = NO_SLOT; /* a tombstone of this address */
	struct pod_space *what;

	for (size_t at = slot_first(set, table, addr); (what = space_at(table, at));
		at = slot_next(table, at)) {
		if (!addr_is(table, at, addr, set->width))
			continue;
		if (what == space && table->count[at] < UINT8_MAX) {
			table->count[at]++;
			return;
		}
		if (what == tombstone())
			again = at;
	}
	if (again == NO_SLOT) {
		slot_fill(set, table, addr, space, 1);
		return;
	}
	table->count[again] = 1;
	table->live++;
	space_set(table, again, space);
}

void pod_set_remove(struct pod_set *set, const uint8_t *addr, const struct pod_space *space)
{
	struct pod_table *table = table_own(set);
	size_t at = slot_first(set, table, addr);

	while (space_at(table, at) != space || !addr_is(table, at, addr, set->width))
		at = slot_next(table, at);
	if (--table->count[at])
		return;
	space_set(table, at, tombstone());
	table->live--;
	if (table->slots > 2 * SLOTS_MIN && table->live < table->slots / 8)
		table_rebuild(set, table->live); /* no memory: it stays large */
}

/* ---- readers ---- */

struct pod_walk pod_set_walk(const struct pod_set *set, const uint8_t *addr)
{
	const struct pod_table *table = atomic_load_explicit(&set->table, memory_order_acquire);

	return (struct pod_walk){
		.table = table,
		.addr = addr,
		.at = table ? slot_first(set, table, addr) : 0,
		.width = set->width,
	};
}

const struct pod_space *pod_set_next(struct pod_walk *walk)
{
	const struct pod_table *table = walk->table;
	const struct pod_space *space;

	while (table && (space = space_at(table, walk->at))) {
		const size_t at = walk->at;

		walk->at = slot_next(table, at);
		if (space != tombstone() && addr_is(table, at, walk->addr, walk->width))
			return space;
	}
	walk->table = NULL;
	return NULL;
}

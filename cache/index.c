/* SPDX-License-Identifier: Apache-2.0 */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_MIN 64

struct index_table {
	size_t mask; /* slots - 1 */
	size_t live; /* nodes; writer only */
	size_t used; /* nodes and tombstones; writer only */
	_Atomic(struct node *) slots[];
};

/* Where a node was: a probe goes on, an insertion may use it. */
static struct node *tombstone(void)
{
	return (struct node *)(uintptr_t)1;
}

static size_t table_bytes(size_t slots)
{
	return sizeof(struct index_table) + slots * sizeof(_Atomic(struct node *));
}

static size_t node_bytes(const struct node *node)
{
	return sizeof *node + node->len;
}

static struct index_table *table_new(size_t slots)
{
	struct index_table *table = calloc(1, table_bytes(slots));

	if (table)
		table->mask = slots - 1;
	return table;
}

static struct node *slot_load(const struct index_table *table, size_t at)
{
	return atomic_load_explicit(&table->slots[at & table->mask], memory_order_acquire);
}

static void slot_store(struct index_table *table, size_t at, struct node *node)
{
	atomic_store_explicit(&table->slots[at & table->mask], node, memory_order_release);
}

/* The writer reads what it wrote itself. */
static struct index_table *table_own(const struct index *index)
{
	return atomic_load_explicit(&index->table, memory_order_relaxed);
}

static const struct entry *entry_own(const struct node *node)
{
	return atomic_load_explicit(&node->entry, memory_order_relaxed);
}

static uint32_t key_hash(const struct index *index, const uint8_t *key, size_t len)
{
	return (uint32_t)name_hash(key, len, index->secret);
}

static struct node *table_find(
	const struct index_table *table, uint32_t hash, const uint8_t *key, size_t len)
{
	for (size_t at = hash;; at++) {
		struct node *node = slot_load(table, at);

		if (!node)
			return NULL;
		if (node != tombstone() && node->hash == hash && node->len == len &&
			memcmp(node->key, key, len) == 0)
			return node;
	}
}

/* The node is not in the table, and there is room. */
static void table_put(struct index_table *table, struct node *node)
{
	size_t at = node->hash;

	while (slot_load(table, at) && slot_load(table, at) != tombstone())
		at++;
	if (!slot_load(table, at))
		table->used++;
	table->live++;
	slot_store(table, at, node);
}

static void table_take(struct index_table *table, const struct node *node)
{
	size_t at = node->hash;

	while (slot_load(table, at) != node)
		at++;
	slot_store(table, at, tombstone());
	table->live--;
}

static void retire_entry(struct index *index, const struct entry *entry)
{
	if (!entry || entry == &entry_empty)
		return;
	index->bytes -= entry->size;
	epoch_retire(index->bin, (void *)(uintptr_t)entry, entry->size, NULL);
}

/* Build a table for live nodes without tombstones, a quarter full, and publish it. */
static int table_rebuild(struct index *index, size_t live)
{
	struct index_table *old = table_own(index), *fresh;
	size_t slots = TABLE_MIN;

	while (slots < live * 4)
		slots *= 2;
	fresh = table_new(slots);
	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i <= old->mask; i++) {
		struct node *node = slot_load(old, i);

		if (node && node != tombstone())
			table_put(fresh, node);
	}
	atomic_store_explicit(&index->table, fresh, memory_order_release);
	index->bytes += table_bytes(slots);
	index->bytes -= table_bytes(old->mask + 1);
	epoch_retire(index->bin, old, table_bytes(old->mask + 1), NULL);
	return 0;
}

static int insert(
	struct index *index, uint32_t hash, const uint8_t *key, size_t len, struct node **out)
{
	struct index_table *table = table_own(index);
	struct node *node;

	if ((table->used + 1) * 2 > table->mask + 1) {
		const int rc = table_rebuild(index, table->live + 1);

		if (rc)
			return rc;
		table = table_own(index);
	}
	node = malloc(sizeof *node + len);
	if (!node)
		return -ENOMEM;
	atomic_init(&node->entry, NULL);
	node->hash = hash;
	node->references = 0;
	node->len = (uint8_t)len;
	memcpy(node->key, key, len);
	table_put(table, node);
	index->nodes++;
	index->bytes += node_bytes(node);
	*out = node;
	return 0;
}

/* The name one label up, NULL: it is the zone itself. */
static const uint8_t *key_parent(const uint8_t *key, size_t len, size_t *parent_len)
{
	const size_t label = 1u + key[0];

	*parent_len = len - label;
	return *parent_len ? key + label : NULL;
}

int index_init(struct index *index, const uint8_t secret[16], struct epoch_bin *bin)
{
	struct index_table *table = table_new(TABLE_MIN);

	if (!table)
		return -ENOMEM;
	*index = (struct index){.bin = bin, .bytes = table_bytes(TABLE_MIN)};
	memcpy(index->secret, secret, sizeof index->secret);
	atomic_init(&index->table, table);
	return 0;
}

void index_free(struct index *index)
{
	struct index_table *table = table_own(index);

	if (!table)
		return;
	for (size_t i = 0; i <= table->mask; i++) {
		struct node *node = slot_load(table, i);
		const struct entry *entry;

		if (!node || node == tombstone())
			continue;
		entry = entry_own(node);
		if (entry != &entry_empty)
			free((void *)(uintptr_t)entry);
		free(node);
	}
	free(table);
	atomic_store_explicit(&index->table, NULL, memory_order_relaxed);
}

const struct entry *index_find(const struct index *index, const uint8_t *key, size_t len)
{
	const struct index_table *table = atomic_load_explicit(&index->table, memory_order_acquire);
	const struct node *node = table_find(table, key_hash(index, key, len), key, len);

	return node ? atomic_load_explicit(&node->entry, memory_order_acquire) : NULL;
}

struct node *index_node(const struct index *index, const uint8_t *key, size_t len)
{
	return table_find(table_own(index), key_hash(index, key, len), key, len);
}

bool index_each(
	const struct index *index, bool (*call)(void *user, const struct node *node), void *user)
{
	const struct index_table *table = table_own(index);

	for (size_t i = 0; i <= table->mask; i++) {
		const struct node *node = slot_load(table, i);

		if (node && node != tombstone() && !call(user, node))
			return false;
	}
	return true;
}

/* Every turn makes the ancestor that the turn before is a child of. A failure
 * drops the first one, which takes those made before with it. */
int index_hold(struct index *index, const uint8_t *key, size_t len, struct node **out)
{
	struct node *first = NULL;

	while (key) {
		const uint32_t hash = key_hash(index, key, len);
		struct node *node = table_find(table_own(index), hash, key, len);
		const bool made = !node;
		const int rc = made ? insert(index, hash, key, len, &node) : 0;

		if (rc) {
			if (first)
				index_drop(index, first);
			return rc;
		}
		node->references++;
		if (!first)
			first = node;
		if (!made)
			break;
		key = key_parent(key, len, &len);
	}
	*out = first;
	return 0;
}

void index_drop(struct index *index, struct node *node)
{
	struct index_table *table = table_own(index);

	while (node && --node->references == 0) {
		size_t len;
		const uint8_t *parent = key_parent(node->key, node->len, &len);
		/* None where a hold failed half-way. */
		struct node *above = parent ? index_node(index, parent, len) : NULL;

		table_take(table, node);
		index->nodes--;
		index->bytes -= node_bytes(node);
		retire_entry(index, entry_own(node));
		epoch_retire(index->bin, node, node_bytes(node), NULL);
		node = above;
	}
	if (table->mask + 1 > TABLE_MIN && table->live < (table->mask + 1) / 16)
		table_rebuild(index, table->live); /* no memory: it stays large */
}

void index_publish(struct index *index, struct node *node, const struct entry *entry)
{
	const struct entry *old = entry_own(node);
	const uint8_t *key = node->key;
	size_t len = node->len;

	if (!old) { /* comes into sight, behind its ancestors */
		while ((key = key_parent(key, len, &len))) {
			struct node *above = index_node(index, key, len);

			if (entry_own(above))
				break;
			atomic_store_explicit(&above->entry, &entry_empty, memory_order_release);
		}
	}
	if (entry != &entry_empty)
		index->bytes += entry->size;
	atomic_store_explicit(&node->entry, entry, memory_order_release);
	retire_entry(index, old);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "reverse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 64
#define MANY_MIN  4

/* Of a slot that was never used, and of one whose hash has gone. */
#define HASH_NONE ((uint32_t)0)
#define HASH_GONE ((uint32_t)1)
#define HASH_MIN  ((uint32_t)2)

/* A slot's content: 0, a node, or a many with this bit set. */
#define MANY_BIT ((uintptr_t)1)

#define NO_SLOT SIZE_MAX

struct reverse_table {
	size_t mask;
	size_t live, used;      /* writer only: hashes; hashes and tombstones */
	_Atomic uint32_t *hash; /* behind `what`: 16 slots of a probe are one cache line */
	_Atomic uintptr_t what[];
};

/* Elements are appended, or made NULL where they leave; what grows is copied. */
struct reverse_many {
	uint32_t cap;
	uint32_t live; /* writer only */
	_Atomic uint32_t count;
	_Atomic(struct node *) nodes[];
};

static size_t table_bytes(size_t slots)
{
	return sizeof(struct reverse_table) +
	       slots * (sizeof(_Atomic uintptr_t) + sizeof(_Atomic uint32_t));
}

static size_t many_bytes(size_t cap)
{
	return sizeof(struct reverse_many) + cap * sizeof(_Atomic(struct node *));
}

static struct reverse_table *table_new(size_t slots)
{
	struct reverse_table *table = calloc(1, table_bytes(slots));

	if (table) {
		table->mask = slots - 1;
		table->hash = (void *)(table->what + slots);
	}
	return table;
}

static struct reverse_table *table_own(const struct reverse *reverse)
{
	return atomic_load_explicit(&reverse->table, memory_order_relaxed);
}

static uintptr_t what_at(const struct reverse_table *table, size_t at)
{
	return atomic_load_explicit(&table->what[at & table->mask], memory_order_acquire);
}

static void what_set(struct reverse_table *table, size_t at, uintptr_t what)
{
	atomic_store_explicit(&table->what[at & table->mask], what, memory_order_release);
}

static uint32_t hash_at(const struct reverse_table *table, size_t at)
{
	return atomic_load_explicit(&table->hash[at & table->mask], memory_order_acquire);
}

static void hash_set(struct reverse_table *table, size_t at, uint32_t hash)
{
	atomic_store_explicit(&table->hash[at & table->mask], hash, memory_order_release);
}

static struct reverse_many *many_of(uintptr_t what)
{
	return what & MANY_BIT ? (struct reverse_many *)(what & ~MANY_BIT) : NULL;
}

/* The slot of a hash, or NO_SLOT. */
static size_t slot_find(const struct reverse_table *table, uint32_t hash)
{
	for (size_t at = hash;; at++) {
		const uint32_t there = hash_at(table, at);

		if (there == hash)
			return at & table->mask;
		if (there == HASH_NONE)
			return NO_SLOT;
	}
}

/* The hash is not in the table, and there is room. Who finds it finds what is in it. */
static void slot_fill(struct reverse_table *table, uint32_t hash, uintptr_t what)
{
	size_t at = hash;

	while (hash_at(table, at) >= HASH_MIN)
		at++;
	if (hash_at(table, at) == HASH_NONE)
		table->used++;
	table->live++;
	what_set(table, at, what);
	hash_set(table, at, hash);
}

static int table_rebuild(struct reverse *reverse, size_t live)
{
	struct reverse_table *old = table_own(reverse), *fresh;
	size_t slots = SLOTS_MIN;

	while (slots < live * 2)
		slots *= 2;
	fresh = table_new(slots);
	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i <= old->mask; i++) {
		const uint32_t hash = hash_at(old, i);

		if (hash >= HASH_MIN)
			slot_fill(fresh, hash, what_at(old, i));
	}
	atomic_store_explicit(&reverse->table, fresh, memory_order_release);
	reverse->bytes += table_bytes(slots);
	reverse->bytes -= table_bytes(old->mask + 1);
	epoch_retire(reverse->bin, old, table_bytes(old->mask + 1), NULL);
	return 0;
}

int reverse_init(struct reverse *reverse, const uint8_t secret[16], struct epoch_bin *bin)
{
	struct reverse_table *table = table_new(SLOTS_MIN);

	if (!table)
		return -ENOMEM;
	reverse->bin = bin;
	reverse->bytes = table_bytes(SLOTS_MIN);
	memcpy(reverse->secret, secret, sizeof reverse->secret);
	atomic_init(&reverse->table, table);
	return 0;
}

void reverse_free(struct reverse *reverse)
{
	struct reverse_table *table = table_own(reverse);

	for (size_t i = 0; table && i <= table->mask; i++)
		free(many_of(what_at(table, i)));
	free(table);
	atomic_store_explicit(&reverse->table, NULL, memory_order_relaxed);
}

uint32_t reverse_hash(const struct reverse *reverse, uint8_t family, const uint8_t *addr)
{
	const uint32_t hash = (uint32_t)name_hash(addr, family == 4 ? 4 : 16, reverse->secret);

	return hash < HASH_MIN ? hash + HASH_MIN : hash;
}

/* ---- several nodes of one hash ---- */

/* A copy of old (NULL: none) with room for another. */
static struct reverse_many *many_new(struct reverse *reverse, const struct reverse_many *old)
{
	uint32_t cap = MANY_MIN, count = 0;
	struct reverse_many *fresh;

	while (old && cap < old->live + old->live / 2 + 1)
		cap *= 2;
	fresh = calloc(1, many_bytes(cap));
	if (!fresh)
		return NULL;
	fresh->cap = cap;
	for (uint32_t i = 0; old && i < old->cap; i++) {
		struct node *node = atomic_load_explicit(&old->nodes[i], memory_order_relaxed);

		if (node)
			atomic_init(&fresh->nodes[count++], node);
	}
	fresh->live = count;
	atomic_init(&fresh->count, count);
	reverse->bytes += many_bytes(cap);
	return fresh;
}

static void many_retire(struct reverse *reverse, struct reverse_many *many)
{
	reverse->bytes -= many_bytes(many->cap);
	epoch_retire(reverse->bin, many, many_bytes(many->cap), NULL);
}

static void many_append(struct reverse_many *many, struct node *node)
{
	const uint32_t at = atomic_load_explicit(&many->count, memory_order_relaxed);

	atomic_store_explicit(&many->nodes[at], node, memory_order_release);
	atomic_store_explicit(&many->count, at + 1, memory_order_release);
	many->live++;
}

static int many_add(struct reverse *reverse, size_t at, struct node *node)
{
	struct reverse_table *table = table_own(reverse);
	struct reverse_many *many = many_of(what_at(table, at));

	if (many && atomic_load_explicit(&many->count, memory_order_relaxed) == many->cap) {
		struct reverse_many *fresh = many_new(reverse, many);

		if (!fresh)
			return -ENOMEM;
		what_set(table, at, (uintptr_t)fresh | MANY_BIT);
		many_retire(reverse, many);
		many = fresh;
	}
	if (many)
		many_append(many, node);
	return 0;
}

static int slot_add(struct reverse *reverse, size_t at, struct node *node)
{
	struct reverse_table *table = table_own(reverse);
	const uintptr_t what = what_at(table, at);
	struct reverse_many *many;

	if (many_of(what))
		return many_add(reverse, at, node);
	many = many_new(reverse, NULL);
	if (!many)
		return -ENOMEM;
	many_append(many, (struct node *)what);
	many_append(many, node);
	what_set(table, at, (uintptr_t)many | MANY_BIT);
	return 0;
}

void reverse_prefetch(const struct reverse *reverse, const uint32_t *hash, size_t count)
{
	const struct reverse_table *table = table_own(reverse);

	for (size_t i = 0; i < count; i++) {
		__builtin_prefetch(&table->hash[hash[i] & table->mask]);
		__builtin_prefetch(&table->what[hash[i] & table->mask]);
	}
}

int reverse_add(struct reverse *reverse, uint32_t hash, struct node *node)
{
	struct reverse_table *table = table_own(reverse);
	const size_t at = slot_find(table, hash);

	if (at != NO_SLOT)
		return slot_add(reverse, at, node);
	if ((table->used + 1) * 4 > (table->mask + 1) * 3) {
		const int rc = table_rebuild(reverse, table->live + 1);

		if (rc)
			return rc;
		table = table_own(reverse);
	}
	slot_fill(table, hash, (uintptr_t)node);
	return 0;
}

/* True: it was the last one. */
static bool many_take(struct reverse_many *many, const struct node *node)
{
	const uint32_t count = atomic_load_explicit(&many->count, memory_order_relaxed);

	for (uint32_t i = 0; i < count; i++) {
		if (atomic_load_explicit(&many->nodes[i], memory_order_relaxed) != node)
			continue;
		atomic_store_explicit(&many->nodes[i], NULL, memory_order_release);
		many->live--;
		break;
	}
	return !many->live;
}

void reverse_remove(struct reverse *reverse, uint32_t hash, struct node *node)
{
	struct reverse_table *table = table_own(reverse);
	const size_t at = slot_find(table, hash);
	const uintptr_t what = at == NO_SLOT ? 0 : what_at(table, at);
	struct reverse_many *many = many_of(what);

	if (many ? !many_take(many, node) : what != (uintptr_t)node)
		return;
	hash_set(table, at, HASH_GONE);
	what_set(table, at, 0);
	table->live--;
	if (many)
		many_retire(reverse, many);
	if (table->mask + 1 > SLOTS_MIN && table->live < (table->mask + 1) / 8)
		table_rebuild(reverse, table->live); /* no memory: it stays large */
}

/* ---- readers ---- */

struct reverse_walk reverse_walk(const struct reverse *reverse, uint32_t hash)
{
	return (struct reverse_walk){
		.table = atomic_load_explicit(&reverse->table, memory_order_acquire),
		.at = hash,
		.hash = hash,
	};
}

static const struct node *many_next(struct reverse_walk *walk)
{
	const uint32_t count = atomic_load_explicit(&walk->many->count, memory_order_acquire);

	while (walk->at < count) {
		const struct node *node =
			atomic_load_explicit(&walk->many->nodes[walk->at++], memory_order_acquire);

		if (node)
			return node;
	}
	walk->table = NULL;
	return NULL;
}

const struct node *reverse_next(struct reverse_walk *walk)
{
	if (walk->table && walk->many)
		return many_next(walk);
	while (walk->table) {
		const size_t at = walk->at++;
		const uint32_t there = hash_at(walk->table, at);
		const uintptr_t what = there == walk->hash ? what_at(walk->table, at) : 0;

		if (there == HASH_NONE) {
			walk->table = NULL;
		} else if (what) { /* else it has just gone */
			walk->many = many_of(what);
			if (walk->many) {
				walk->at = 0;
				return many_next(walk);
			}
			walk->table = NULL;
			return (const struct node *)what;
		}
	}
	return NULL;
}

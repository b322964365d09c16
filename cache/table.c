/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 16

static struct table_link **bucket_of(const struct table *table, uint32_t hash)
{
	return &table->buckets[hash & (table->bucket_count - 1)];
}

static void link_in(struct table *table, struct table_link *link)
{
	struct table_link **bucket = bucket_of(table, link->hash);

	link->next = *bucket;
	*bucket = link;
}

/* Without memory the table stays as it is. */
static void resize(struct table *table, size_t bucket_count)
{
	struct table fresh = {NULL, bucket_count, table->count, false};

	fresh.buckets = calloc(bucket_count, sizeof(struct table_link *));
	if (!fresh.buckets)
		return;
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct table_link *link = table->buckets[i], *next;

		for (; link; link = next) {
			next = link->next;
			link_in(&fresh, link);
		}
	}
	free(table->buckets);
	*table = fresh;
}

int table_init(struct table *table)
{
	struct table_link **buckets = calloc(BUCKETS_MIN, sizeof(struct table_link *));

	if (!buckets)
		return -ENOMEM;
	*table = (struct table){.buckets = buckets, .bucket_count = BUCKETS_MIN};
	return 0;
}

void table_free(struct table *table)
{
	free(table->buckets);
	*table = (struct table){0};
}

void table_add(struct table *table, struct table_link *link, uint32_t hash)
{
	if (table->count >= table->bucket_count)
		resize(table, table->bucket_count * 2);
	link->hash = hash;
	link_in(table, link);
	table->count++;
}

static void unlink_one(struct table *table, struct table_link *link)
{
	struct table_link **at = bucket_of(table, link->hash);

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	table->count--;
}

static void shrink(struct table *table)
{
	size_t bucket_count = table->bucket_count;

	while (bucket_count > BUCKETS_MIN && table->count < bucket_count / 4)
		bucket_count /= 2;
	if (bucket_count != table->bucket_count)
		resize(table, bucket_count);
}

void table_remove(struct table *table, struct table_link *link)
{
	unlink_one(table, link);
	if (!table->visiting)
		shrink(table);
}

struct table_link *table_first(const struct table *table, uint32_t hash)
{
	const struct table_link before = {*bucket_of(table, hash), hash};

	return table_next(&before);
}

struct table_link *table_next(const struct table_link *link)
{
	struct table_link *next = link->next;

	while (next && next->hash != link->hash)
		next = next->next;
	return next;
}

void table_each(struct table *table, void (*visit)(void *user, struct table_link *link), void *user)
{
	table->visiting = true;
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct table_link *link = table->buckets[i], *next;

		for (; link; link = next) {
			next = link->next;
			visit(user, link);
		}
	}
	table->visiting = false;
	shrink(table);
}

size_t table_bytes(const struct table *table)
{
	return table->bucket_count * sizeof(struct table_link *);
}

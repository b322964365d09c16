/* SPDX-License-Identifier: Apache-2.0 */
/* While it is built, a table is a list of (node, record) in the order of the file, with
 * a hash set beside it that finds a record said twice. The end sorts the records by node
 * (a counting sort, which keeps the order) and forgets list and set. So the time is
 * linear whatever the file says: a million names of one address, or the reverse. */
#include "hosts_table.h"

#include "dns/wire/type.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 64u

struct hosts_node {
	uint32_t name; /* offset in names */
	uint8_t len;
	uint32_t first[HOSTS_KINDS], count[HOSTS_KINDS];
};

/* An open hash table of indices plus one; 0 is an empty slot. A power of two, at most half
 * full. */
struct slots {
	uint32_t *at;
	size_t size, used;
};

struct hosts_table {
	struct hosts_node *nodes;
	size_t node_count;
	uint8_t *names;
	size_t names_len;
	struct slots slots;
	uint8_t key[16];
	uint8_t *records[HOSTS_KINDS]; /* one behind the other, stride[] bytes each */
	size_t record_count[HOSTS_KINDS];
};

static const uint8_t stride[HOSTS_KINDS] = {4, 16, sizeof(uint32_t)};

struct record {
	uint32_t node;
	uint32_t kind;
	uint8_t data[16]; /* an address, or the number of the node that PTR names */
};

struct hosts_builder {
	const struct hosts_rules *rules;
	struct hosts_table *table;
	size_t node_cap, names_cap;
	struct record *list;
	size_t count, cap;
	struct slots seen;
};

/* ---- growing ---- */

static int array_grow(void **array, size_t *cap, size_t need, size_t size)
{
	size_t grown_cap = *cap ? *cap : 64;
	void *grown;

	if (need <= *cap)
		return 0;
	while (grown_cap < need)
		grown_cap *= 2;
	grown = realloc(*array, grown_cap * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*cap = grown_cap;
	return 0;
}

static void slots_put(struct slots *slots, uint64_t hash, uint32_t index)
{
	size_t at = hash & (slots->size - 1);

	while (slots->at[at])
		at = (at + 1) & (slots->size - 1);
	slots->at[at] = index + 1;
	slots->used++;
}

/* Room for one more; hash(i) is asked for each index in it. */
static int slots_grow(struct slots *slots, const struct hosts_builder *builder,
	uint64_t (*hash)(const struct hosts_builder *builder, uint32_t index))
{
	struct slots grown = {.size = slots->size ? slots->size * 2 : SLOTS_FIRST};

	if (slots->size && slots->used * 2 < slots->size)
		return 0;
	grown.at = calloc(grown.size, sizeof *grown.at);
	if (!grown.at)
		return -ENOMEM;
	for (size_t i = 0; i < slots->size; i++) {
		if (slots->at[i])
			slots_put(&grown, hash(builder, slots->at[i] - 1), slots->at[i] - 1);
	}
	free(slots->at);
	*slots = grown;
	return 0;
}

/* ---- nodes ---- */

static const struct hosts_node *node_find(
	const struct hosts_table *table, const uint8_t *name, size_t len, uint64_t hash)
{
	if (!table->slots.size)
		return NULL;
	for (size_t at = hash & (table->slots.size - 1); table->slots.at[at];
		at = (at + 1) & (table->slots.size - 1)) {
		const struct hosts_node *node = &table->nodes[table->slots.at[at] - 1];

		if (node->len == len && memcmp(table->names + node->name, name, len) == 0)
			return node;
	}
	return NULL;
}

static uint64_t node_hash(const struct hosts_builder *builder, uint32_t index)
{
	const struct hosts_table *table = builder->table;
	const struct hosts_node *node = &table->nodes[index];

	return name_hash(table->names + node->name, node->len, table->key);
}

/* The node of a canonical name; made if there is none. */
static int node_get(struct hosts_builder *builder, const struct name *name, uint32_t *out)
{
	struct hosts_table *table = builder->table;
	const uint64_t hash = name_hash(name->wire, name->len, table->key);
	const struct hosts_node *found = node_find(table, name->wire, name->len, hash);

	if (found) {
		*out = (uint32_t)(found - table->nodes);
		return 0;
	}
	if (array_grow((void **)&table->nodes, &builder->node_cap, table->node_count + 1,
		    sizeof *table->nodes) < 0 ||
		array_grow((void **)&table->names, &builder->names_cap,
			table->names_len + name->len, 1) < 0 ||
		slots_grow(&table->slots, builder, node_hash) < 0)
		return -ENOMEM;
	*out = (uint32_t)table->node_count++;
	table->nodes[*out] =
		(struct hosts_node){.name = (uint32_t)table->names_len, .len = name->len};
	memcpy(table->names + table->names_len, name->wire, name->len);
	table->names_len += name->len;
	slots_put(&table->slots, hash, *out);
	return 0;
}

/* ---- records ---- */

static uint64_t record_hash(const struct hosts_builder *builder, uint32_t index)
{
	return name_hash(
		(const uint8_t *)&builder->list[index], sizeof *builder->list, builder->rules->key);
}

static bool record_seen(
	const struct hosts_builder *builder, const struct record *record, uint64_t hash)
{
	const struct slots *seen = &builder->seen;

	if (!seen->size)
		return false;
	for (size_t at = hash & (seen->size - 1); seen->at[at]; at = (at + 1) & (seen->size - 1)) {
		if (memcmp(&builder->list[seen->at[at] - 1], record, sizeof *record) == 0)
			return true;
	}
	return false;
}

static int record_add(
	struct hosts_builder *builder, uint32_t node, enum hosts_kind kind, const void *data)
{
	struct record record = {.node = node, .kind = kind};
	uint64_t hash;

	memcpy(record.data, data, stride[kind]);
	hash = name_hash((const uint8_t *)&record, sizeof record, builder->rules->key);
	if (record_seen(builder, &record, hash))
		return 0;
	if (builder->count >= builder->rules->records_max)
		return -E2BIG;
	if (array_grow((void **)&builder->list, &builder->cap, builder->count + 1,
		    sizeof *builder->list) < 0 ||
		slots_grow(&builder->seen, builder, record_hash) < 0)
		return -ENOMEM;
	builder->list[builder->count] = record;
	slots_put(&builder->seen, hash, (uint32_t)builder->count);
	builder->count++;
	builder->table->nodes[node].count[kind]++;
	builder->table->record_count[kind]++;
	return 0;
}

/* 4.3.2.1.in-addr.arpa (RFC 1035 section 3.5), or 32 nibbles below ip6.arpa (RFC 3596
 * section 2.5). */
static void reverse_name(const struct value_address *address, struct name *out)
{
	static const char hex[] = "0123456789abcdef";
	char text[80], *to = text;

	if (address->family == AF_INET) {
		to += sprintf(to, "%u.%u.%u.%u.in-addr.arpa", address->bytes[3], address->bytes[2],
			address->bytes[1], address->bytes[0]);
	} else {
		for (unsigned i = 16; i-- > 0;) {
			*to++ = hex[address->bytes[i] & 15];
			*to++ = '.';
			*to++ = hex[address->bytes[i] >> 4];
			*to++ = '.';
		}
		to = stpcpy(to, "ip6.arpa");
	}
	name_from_text(text, (size_t)(to - text), out); /* always well-formed */
}

struct hosts_builder *hosts_builder_new(const struct hosts_rules *rules)
{
	struct hosts_builder *builder = calloc(1, sizeof *builder);

	if (builder)
		builder->table = calloc(1, sizeof *builder->table);
	if (!builder || !builder->table) {
		free(builder);
		return NULL;
	}
	builder->rules = rules;
	memcpy(builder->table->key, rules->key, sizeof rules->key);
	return builder;
}

static bool in_zones(const struct hosts_rules *rules, const struct name *name)
{
	for (size_t i = 0; i < rules->zone_count; i++) {
		if (name_below(name, &rules->zones[i]))
			return true;
	}
	return false;
}

int hosts_builder_add(
	struct hosts_builder *builder, const struct value_address *address, const struct name *name)
{
	const enum hosts_kind kind = address->family == AF_INET ? HOSTS_A : HOSTS_AAAA;
	struct name owner = {.len = name->len, .labels = name->labels}, reverse;
	uint32_t node, reverse_node;
	int rc;

	if (!in_zones(builder->rules, name))
		return 0;
	name_lower(owner.wire, name->wire, name->len);
	rc = node_get(builder, &owner, &node);
	if (rc == 0)
		rc = record_add(builder, node, kind, address->bytes);
	/* "*" is nobody's name. */
	if (rc < 0 || !builder->rules->reverse || (owner.wire[0] == 1 && owner.wire[1] == '*'))
		return rc;
	reverse_name(address, &reverse);
	rc = node_get(builder, &reverse, &reverse_node);
	return rc < 0 ? rc : record_add(builder, reverse_node, HOSTS_PTR, &node);
}

static void records_place(struct hosts_builder *builder)
{
	struct hosts_table *table = builder->table;
	uint32_t next[HOSTS_KINDS] = {0};

	for (size_t i = 0; i < table->node_count; i++) {
		struct hosts_node *node = &table->nodes[i];

		for (unsigned kind = 0; kind < HOSTS_KINDS; kind++) {
			node->first[kind] = next[kind];
			next[kind] += node->count[kind];
			node->count[kind] = 0; /* counted again as they are placed */
		}
	}
	for (size_t i = 0; i < builder->count; i++) {
		const struct record *record = &builder->list[i];
		struct hosts_node *node = &table->nodes[record->node];
		const size_t at = node->first[record->kind] + node->count[record->kind]++;

		memcpy(table->records[record->kind] + at * stride[record->kind], record->data,
			stride[record->kind]);
	}
}

int hosts_builder_end(struct hosts_builder *builder, struct hosts_table **out)
{
	struct hosts_table *table = builder->table;

	for (unsigned kind = 0; kind < HOSTS_KINDS; kind++) {
		table->records[kind] = calloc(table->record_count[kind] + 1, stride[kind]);
		if (!table->records[kind])
			return -ENOMEM;
	}
	records_place(builder);
	builder->table = NULL;
	*out = table;
	return 0;
}

void hosts_builder_free(struct hosts_builder *builder)
{
	if (!builder)
		return;
	hosts_table_free(builder->table);
	free(builder->list);
	free(builder->seen.at);
	free(builder);
}

void hosts_table_free(struct hosts_table *table)
{
	if (!table)
		return;
	for (unsigned kind = 0; kind < HOSTS_KINDS; kind++)
		free(table->records[kind]);
	free(table->nodes);
	free(table->names);
	free(table->slots.at);
	free(table);
}

size_t hosts_table_records(const struct hosts_table *table)
{
	size_t count = 0;

	for (unsigned kind = 0; kind < HOSTS_KINDS; kind++)
		count += table->record_count[kind];
	return count;
}

size_t hosts_table_bytes(const struct hosts_table *table)
{
	size_t bytes = sizeof *table + table->node_count * sizeof *table->nodes + table->names_len +
		       table->slots.size * sizeof *table->slots.at;

	for (unsigned kind = 0; kind < HOSTS_KINDS; kind++)
		bytes += table->record_count[kind] * stride[kind];
	return bytes;
}

/* ---- questions ---- */

const struct hosts_node *hosts_table_find(
	const struct hosts_table *table, const struct query *query)
{
	const struct hosts_node *node = node_find(table, query->name, query->name_len,
		name_hash(query->name, query->name_len, table->key));
	uint8_t wildcard[NAME_MAX_LEN] = {1, '*'};
	size_t parent, len;

	if (node || query->labels < 2)
		return node;
	parent = query->label_at[query->labels - 1];
	len = query->name_len - parent;
	memcpy(wildcard + 2, query->name + parent, len);
	len += 2;
	return node_find(table, wildcard, len, name_hash(wildcard, len, table->key));
}

static bool ptr_put(
	const struct hosts_table *table, const uint8_t *record, uint32_t ttl_s, struct reply *reply)
{
	const struct hosts_node *target;
	uint32_t index;

	memcpy(&index, record, sizeof index);
	target = &table->nodes[index];
	return reply_put_rr(reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_PTR, ttl_s,
		table->names + target->name, target->len);
}

void hosts_table_put(const struct hosts_table *table, const struct hosts_node *node,
	enum hosts_kind kind, uint32_t ttl_s, struct reply *reply)
{
	const uint8_t *record = table->records[kind] + (size_t)node->first[kind] * stride[kind];
	const uint16_t type = kind == HOSTS_A ? TYPE_A : TYPE_AAAA;
	bool fits = true;

	for (uint32_t i = 0; i < node->count[kind] && fits; i++, record += stride[kind]) {
		if (kind == HOSTS_PTR)
			fits = ptr_put(table, record, ttl_s, reply);
		else
			fits = reply_put_rr(reply, REPLY_ANSWER, DNS_HEADER_LEN, type, ttl_s,
				record, stride[kind]);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/name.h"

#define RECORD(link, type) ((struct type *)(void *)(link)) /* the link comes first */

/* data: the IPv4 addresses, the IPv6 addresses, the name without a terminator. */
struct pod_record {
	struct table_link link;
	struct pod_space *space;
	uint32_t generation;
	uint8_t v4_count, v6_count;
	uint8_t name_len;
	uint8_t data[];
};

static uint32_t hash_of(const struct pods *pods, const void *data, size_t len)
{
	return (uint32_t)name_hash(data, len, pods->secret);
}

/* ---- namespaces ---- */

static struct pod_space *space_find(const struct pods *pods, const uint8_t *key, size_t len)
{
	struct table_link *link = table_first(&pods->spaces, hash_of(pods, key, len));

	for (; link; link = table_next(link)) {
		struct pod_space *space = RECORD(link, pod_space);

		if (space->key_len == len && memcmp(space->key, key, len) == 0)
			return space;
	}
	return NULL;
}

static size_t space_bytes(const struct pod_space *space)
{
	return sizeof *space + space->key_len;
}

static struct pod_space *space_get(struct pods *pods, const uint8_t *key, size_t len)
{
	struct pod_space *space = space_find(pods, key, len);

	if (space)
		return space;
	space = calloc(1, sizeof *space + len);
	if (!space)
		return NULL;
	space->key_len = (uint8_t)len;
	memcpy(space->key, key, len);
	table_add(&pods->spaces, &space->link, hash_of(pods, key, len));
	pods->bytes += space_bytes(space);
	return space;
}

static void space_put(struct pods *pods, struct pod_space *space)
{
	if (space->pods)
		return;
	table_remove(&pods->spaces, &space->link);
	pods->bytes -= space_bytes(space);
	epoch_retire(pods->bin, space, space_bytes(space), NULL);
}

/* ---- records ---- */

static size_t addresses_len(const struct pod_record *record)
{
	return 4u * record->v4_count + 16u * record->v6_count;
}

static const uint8_t *record_name(const struct pod_record *record)
{
	return record->data + addresses_len(record);
}

static size_t record_bytes(const struct pod_record *record)
{
	const size_t len =
		offsetof(struct pod_record, data) + addresses_len(record) + record->name_len;

	return len < sizeof *record ? sizeof *record : len;
}

static uint32_t record_hash(
	const struct pods *pods, const struct pod_space *space, const char *name, size_t len)
{
	return space->link.hash * 31 + hash_of(pods, name, len);
}

static struct pod_record *record_find(
	const struct pods *pods, const struct pod_space *space, const char *name)
{
	const size_t len = strlen(name);
	struct table_link *link = table_first(&pods->records, record_hash(pods, space, name, len));

	for (; link; link = table_next(link)) {
		struct pod_record *record = RECORD(link, pod_record);

		if (record->space == space && record->name_len == len &&
			memcmp(record_name(record), name, len) == 0)
			return record;
	}
	return NULL;
}

static struct pod_record *record_new(struct pod_space *space, const struct pod *pod)
{
	struct pod_record head = {.space = space, .name_len = (uint8_t)strlen(pod->head.name)};
	struct pod_record *record;
	uint8_t *v4, *v6;

	for (unsigned i = 0; i < pod->ip_count; i++) {
		if (pod->ips[i].family == 4)
			head.v4_count++;
		else
			head.v6_count++;
	}
	record = malloc(record_bytes(&head));
	if (!record)
		return NULL;
	*record = head;
	v4 = record->data;
	v6 = v4 + 4u * head.v4_count;
	for (unsigned i = 0; i < pod->ip_count; i++) {
		const bool is_v4 = pod->ips[i].family == 4;
		uint8_t **at = is_v4 ? &v4 : &v6;

		memcpy(*at, pod->ips[i].bytes, is_v4 ? 4 : 16);
		*at += is_v4 ? 4 : 16;
	}
	memcpy(v6, pod->head.name, head.name_len);
	return record;
}

static bool addresses_same(const struct pod_record *a, const struct pod_record *b)
{
	return a->v4_count == b->v4_count && a->v6_count == b->v6_count &&
	       memcmp(a->data, b->data, addresses_len(a)) == 0;
}

static unsigned address_count(const struct pod_record *record)
{
	return (unsigned)record->v4_count + record->v6_count;
}

/* The nth address of a record, and the set it belongs to. */
static const uint8_t *address_at(
	struct pods *pods, const struct pod_record *record, unsigned n, struct pod_set **set)
{
	*set = n < record->v4_count ? &pods->v4 : &pods->v6;
	if (n < record->v4_count)
		return record->data + 4u * n;
	return record->data + 4u * record->v4_count + 16u * (n - record->v4_count);
}

static void addresses_enter(struct pods *pods, const struct pod_record *record)
{
	for (unsigned i = 0; i < address_count(record); i++) {
		struct pod_set *set;
		const uint8_t *addr = address_at(pods, record, i, &set);

		pod_set_add(set, addr, record->space);
	}
}

static void addresses_leave(struct pods *pods, const struct pod_record *record)
{
	for (unsigned i = 0; i < address_count(record); i++) {
		struct pod_set *set;
		const uint8_t *addr = address_at(pods, record, i, &set);

		pod_set_remove(set, addr, record->space);
	}
}

static void record_in(struct pods *pods, struct pod_record *record)
{
	table_add(&pods->records, &record->link,
		record_hash(
			pods, record->space, (const char *)record_name(record), record->name_len));
	record->space->pods++;
	pods->bytes += record_bytes(record);
}

/* Its space stays, even where this was the last Pod of it. */
static void record_out(struct pods *pods, struct pod_record *record)
{
	addresses_leave(pods, record);
	table_remove(&pods->records, &record->link);
	record->space->pods--;
	pods->bytes -= record_bytes(record);
	free(record);
}

static void record_drop(struct pods *pods, struct pod_record *record)
{
	struct pod_space *space = record->space;

	record_out(pods, record);
	space_put(pods, space);
}

/* ---- the writer's door ---- */

int pods_init(struct pods *pods, const uint8_t secret[16], struct epoch_bin *bin)
{
	pods->bin = bin;
	memcpy(pods->secret, secret, sizeof pods->secret);
	if (table_init(&pods->records) || table_init(&pods->spaces) ||
		pod_set_init(&pods->v4, 4, secret, bin) ||
		pod_set_init(&pods->v6, 16, secret, bin)) {
		pods_free(pods);
		return -ENOMEM;
	}
	return 0;
}

static void link_free(void *user, struct table_link *link)
{
	(void)user;
	free(link);
}

void pods_free(struct pods *pods)
{
	table_each(&pods->records, link_free, NULL);
	table_each(&pods->spaces, link_free, NULL);
	table_free(&pods->records);
	table_free(&pods->spaces);
	pod_set_free(&pods->v4);
	pod_set_free(&pods->v6);
}

/* fresh takes the place of old (NULL: none), if there is memory for its pairs. */
static int record_replace(struct pods *pods, struct pod_record *old, struct pod_record *fresh)
{
	if (pod_set_reserve(&pods->v4, fresh->v4_count) ||
		pod_set_reserve(&pods->v6, fresh->v6_count))
		return -ENOMEM;
	addresses_enter(pods, fresh);
	record_in(pods, fresh);
	if (old)
		record_out(pods, old);
	return 0;
}

int pods_upsert(struct pods *pods, const uint8_t *key, size_t len, const struct pod *pod,
	uint32_t generation, enum pods_change *change)
{
	struct pod_space *space = space_get(pods, key, len);
	struct pod_record *old = space ? record_find(pods, space, pod->head.name) : NULL;
	struct pod_record *fresh = space ? record_new(space, pod) : NULL;

	if (!space)
		return -ENOMEM;
	if (fresh && old && addresses_same(old, fresh)) {
		free(fresh);
		old->generation = generation;
		*change = PODS_SAME;
		return 0;
	}
	if (!fresh || record_replace(pods, old, fresh)) {
		free(fresh);
		space_put(pods, space);
		return -ENOMEM;
	}
	fresh->generation = generation;
	*change = old ? PODS_CHANGED : PODS_NEW;
	return 0;
}

bool pods_remove(struct pods *pods, const uint8_t *key, size_t len, const char *name)
{
	const struct pod_space *space = space_find(pods, key, len);
	struct pod_record *record = space ? record_find(pods, space, name) : NULL;

	if (record)
		record_drop(pods, record);
	return record;
}

bool pods_sweep(struct pods *pods, struct table_link *link, uint32_t generation)
{
	struct pod_record *record = RECORD(link, pod_record);

	if (record->generation == generation)
		return false;
	record_drop(pods, record);
	return true;
}

uint64_t pods_bytes(const struct pods *pods)
{
	return pods->bytes + pods->v4.bytes + pods->v6.bytes + table_bytes(&pods->records) +
	       table_bytes(&pods->spaces);
}

/* ---- readers ---- */

static struct pod_walk walk_of(const struct pods *pods, uint8_t family, const uint8_t *addr)
{
	return pod_set_walk(family == 4 ? &pods->v4 : &pods->v6, addr);
}

bool pods_have(const struct pods *pods, const uint8_t *label, uint8_t family, const uint8_t *addr)
{
	struct pod_walk walk = walk_of(pods, family, addr);
	const struct pod_space *space;

	while ((space = pod_set_next(&walk))) {
		if (space->key[0] == label[0] && memcmp(space->key, label, 1u + label[0]) == 0)
			return true;
	}
	return false;
}

static bool name_before(const struct pod_space *a, const struct pod_space *b)
{
	const uint8_t least = a->key[0] < b->key[0] ? a->key[0] : b->key[0];
	const int order = memcmp(a->key + 1, b->key + 1, least);

	return order ? order < 0 : a->key[0] < b->key[0];
}

const uint8_t *pods_find_namespace(
	const struct pods *pods, uint8_t family, const uint8_t *addr, size_t *len)
{
	struct pod_walk walk = walk_of(pods, family, addr);
	const struct pod_space *space, *best = NULL;

	while ((space = pod_set_next(&walk))) {
		if (!best || name_before(space, best))
			best = space;
	}
	if (!best)
		return NULL;
	*len = best->key_len;
	return best->key;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints: the endpoint set of every Service that is no alias (for a headless
 * one it is the Service's own A and AAAA), with hostnames and ports: endpoints.h.
 *
 * Kubernetes DNS-Based Service Discovery, section 2.4.1: "if there are multiple
 * IPs with the same hostname, then all are returned". */
#include "rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address_sort.h"
#include "dashed.h"
#include "dns/wire/type.h"
#include "endpoints.h"

const char *rule_host(const struct rule_config *config, const struct owner *owner,
	const char *const *hosts, size_t at)
{
	const char *host = hosts ? hosts[at] : NULL;
	const size_t len = host ? strnlen(host, NAME_MAX_LABEL + 1) : 0;

	if (!len || !name_label_is_host(host, len) ||
		1 + len + owner->key_len + config->zone_max > NAME_MAX_LEN)
		return NULL;
	return host;
}

static void collect_one(struct rule_run *run, const struct endpoint_slice *slice,
	const char *const *hosts, size_t at, uint8_t family, const uint8_t *addr, uint32_t list)
{
	const bool wants_host = hosts && hosts[at] && *hosts[at];
	const char *host = wants_host ? rule_host(run->config, run->owner, hosts, at) : NULL;

	if (!host && wants_host)
		run->refused++;
	if (slice->cluster)
		rule_import_endpoint(run, slice, host, family, addr, list);
	else if (!host && family == 4)
		plain_add(&run->draft->plain, addr, list);
	else
		draft_item(run->draft, host, family, addr, list);
}

/* The IPv4 addresses [from, end) of a slice. Most have no hostname. */
static void collect_v4(struct rule_run *run, const struct endpoint_slice *slice, size_t from,
	size_t end, uint32_t list)
{
	const char *const *hosts = slice->v4_hostnames;

	while (from < end) {
		size_t plain = slice->cluster ? from : end;

		for (size_t i = from; hosts && i < plain; i++) {
			if (hosts[i])
				plain = i;
		}
		plain_add_all(&run->draft->plain, slice->v4 + 4 * from, plain - from, list);
		from = plain;
		if (from < end) {
			collect_one(run, slice, hosts, from, 4, slice->v4 + 4 * from, list);
			from++;
		}
	}
}

static bool collect_begin(struct rule_run *run)
{
	struct draft *draft = run->draft;
	size_t v4_count = 0;

	for (const struct slice_record *at = run->owner->slices; at; at = at->next)
		v4_count += at->object->v4_count;
	draft->item_count = 0;
	if (!plain_begin(&draft->plain, v4_count) && !draft->error)
		draft->error = -ENOMEM;
	return !draft->error;
}

static void collect(struct rule_run *run)
{
	if (!collect_begin(run))
		return;
	for (const struct slice_record *at = run->owner->slices; at; at = at->next) {
		const struct endpoint_slice *slice = at->object;
		size_t v4 = 0, v6 = 0;

		for (unsigned g = 0; g < slice->group_count; g++) {
			const struct slice_group *group = &slice->groups[g];
			const size_t v4_end = v4 + group->v4_count, v6_end = v6 + group->v6_count;
			const uint32_t list =
				ports_builder_list(run->ports, group->ports, group->port_count);

			collect_v4(run, slice, v4, v4_end, list);
			v4 = v4_end;
			for (; v6 < v6_end; v6++)
				collect_one(run, slice, slice->v6_hostnames, v6, 6,
					slice->v6 + 16 * v6, list);
		}
	}
}

bool rule_is_own(const struct rule_config *config, uint8_t family, const uint8_t *addr)
{
	for (size_t i = 0; i < config->own_count; i++) {
		const struct ip *own = &config->own[i];

		if (own->family == family && memcmp(own->bytes, addr, family == 4 ? 4 : 16) == 0)
			return true;
	}
	return false;
}

/* Put the addresses of one family's items: without a hostname (with_host false), or
 * those that have nothing but hostnames. Returns how many. Items are sorted; the
 * first of equals is without a hostname if any is. */
static uint32_t put_part(
	struct draft *draft, const struct draft_item *items, size_t n, bool with_host)
{
	const struct plain *plain = &draft->plain;
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && draft_same_address(&items[i], &items[i - 1]))
			continue;
		if ((items[i].host != NULL) != with_host)
			continue;
		if (items[i].family == 4 && plain_find(plain, items[i].addr) < plain->count)
			continue;
		draft_address(draft, items[i].family, items[i].addr);
		count++;
	}
	return count;
}

/* Where items are an import's, there are no plain ones. */
static void put_family(
	struct draft *draft, uint8_t family, const struct draft_item *items, size_t n)
{
	const size_t plain = family == 4 ? draft->plain.count : 0;
	uint32_t dashed;

	if (!n && !plain)
		return;
	if (family == 4)
		draft_open(draft, SLOT_ENDPOINTS_A, TYPE_A);
	else
		draft_open(draft, SLOT_ENDPOINTS_AAAA, TYPE_AAAA);
	dashed = plain ? draft_plain(draft) : 0;
	dashed += put_part(draft, items, n, false);
	put_part(draft, items, n, true);
	draft_close(draft, dashed);
}

/* The ports of those without a hostname, one member for each that put_family() puts. */
static void add_members(struct ports_builder *ports, const struct draft *draft)
{
	const struct draft_item *items = draft->items, *last = NULL;
	const struct plain *plain = &draft->plain;

	for (size_t i = 0; i < plain->count;) {
		const size_t same = plain_run(plain, i);

		ports_builder_members(ports, plain_list(plain, i), plain_starts(plain, i), same);
		i += same;
	}
	for (size_t i = 0; i < draft->item_count; i++) {
		if (items[i].host)
			continue;
		ports_builder_member(
			ports, items[i].list, !last || !draft_same_address(&items[i], last));
		last = &items[i];
	}
}

/* ---- hostnames ---- */

/* The list of ports of the endpoint without a hostname that has the address; false: none.
 * Items are sorted. */
static bool find_dashed(
	const struct draft *draft, size_t n, const struct draft_item *wanted, uint32_t *list)
{
	const struct draft_item *items = draft->items;
	size_t low = 0, high = n;

	if (wanted->family == 4) {
		low = plain_find(&draft->plain, wanted->addr);
		if (low == draft->plain.count)
			return false;
		*list = plain_list(&draft->plain, low);
		return true;
	}
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (draft_compare(&items[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == n || items[low].host || draft_compare(&items[low], wanted) != 0)
		return false;
	*list = items[low].list;
	return true;
}

/* A hostname may be spelled as the dashed address of another endpoint: the name
 * is then that endpoint's too. */
static uint32_t add_namesakes(struct draft *draft)
{
	const size_t n = draft->item_count;

	for (size_t i = 0; i < n; i++) {
		struct draft_item twin = {.host = draft->items[i].host};
		uint8_t label[NAME_MAX_LABEL];
		uint32_t list;
		size_t len;

		if (!twin.host || draft->items[i].cluster)
			continue;
		len = strlen(twin.host);
		name_lower(label, (const uint8_t *)twin.host, len);
		twin.family = dashed_parse(label, len, twin.addr);
		if (twin.family && find_dashed(draft, n, &twin, &list))
			draft_item(draft, twin.host, twin.family, twin.addr, list);
	}
	return (uint32_t)(draft->item_count - n);
}

/* Only those with a hostname stay. */
static void keep_hosts(struct draft *draft)
{
	size_t n = 0;

	for (size_t i = 0; i < draft->item_count; i++) {
		if (draft->items[i].host)
			draft->items[n++] = draft->items[i];
	}
	draft->item_count = n;
}

static bool host_starts(const struct draft_item *items, size_t i)
{
	return !i || draft_compare_names(&items[i], &items[i - 1]) != 0;
}

static bool pair_starts(const struct draft_item *items, size_t i)
{
	return host_starts(items, i) || draft_compare(&items[i], &items[i - 1]) != 0;
}

static int pair_order(const void *a, const void *b, void *pairs)
{
	const struct host_pair *of = pairs;
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = of[x].family - of[y].family;

	if (!order)
		order = memcmp(of[x].addr, of[y].addr, sizeof of[x].addr);
	return order ? order : (x > y) - (x < y);
}

static size_t label_size(const char *text)
{
	return text ? 1 + strlen(text) : 0;
}

/* Returns where the next one goes. */
static uint8_t *label_put(uint8_t *at, const char *text)
{
	const size_t len = text ? strlen(text) : 0;

	if (!text)
		return at;
	*at = (uint8_t)len;
	name_lower(at + 1, (const uint8_t *)text, len);
	return at + 1 + len;
}

/* The ids of clusters, each once, at the place for them (NULL: nowhere yet); returns
 * their size. Sorts the items by them. */
static size_t put_clusters(struct draft *draft, uint8_t *at)
{
	const struct draft_item *items = draft->items;
	size_t size = 0;

	draft_sort_by_cluster(draft->items, draft->item_count);
	for (size_t i = 0; i < draft->item_count; i++) {
		if (i && strcasecmp(items[i].cluster, items[i - 1].cluster) == 0)
			continue;
		size += label_size(items[i].cluster);
		if (at)
			at = label_put(at, items[i].cluster);
	}
	return size;
}

/* Returns the end of the labels. */
static uint8_t *fill_hosts(struct host_set *set, const struct draft_item *items, size_t n)
{
	uint32_t *order = (void *)(set->pairs + set->count);
	uint8_t *text = (void *)(order + set->count);
	uint32_t at = 0, label_at = 0;

	for (size_t i = 0; i < n; i++) {
		if (host_starts(items, i)) {
			label_at = (uint32_t)(text - (uint8_t *)set);
			text = label_put(label_put(text, items[i].host), items[i].cluster);
		}
		if (!pair_starts(items, i))
			continue;
		set->pairs[at].label_at = label_at;
		set->pairs[at].family = items[i].family;
		memcpy(set->pairs[at].addr, items[i].addr, sizeof set->pairs[at].addr);
		order[at] = at;
		at++;
	}
	qsort_r(order, at, sizeof *order, pair_order, set->pairs);
	return text;
}

static void put_hosts(struct rule_run *run)
{
	struct draft *draft = run->draft;
	const bool import = owner_is_import(run->owner);
	struct host_set *set;
	const uint32_t namesakes = add_namesakes(draft);
	size_t pairs = 0, text = 0, size;
	uint8_t *end;

	keep_hosts(draft);
	if (import)
		text += put_clusters(draft, NULL);
	draft_sort_by_host(draft->items, draft->item_count);
	for (size_t i = 0; i < draft->item_count; i++) {
		ports_builder_member(
			run->ports, draft->items[i].list, pair_starts(draft->items, i));
		pairs += pair_starts(draft->items, i);
		if (host_starts(draft->items, i))
			text += label_size(draft->items[i].host) +
				label_size(draft->items[i].cluster);
	}
	if (!pairs)
		return;
	size = sizeof *set + pairs * (sizeof set->pairs[0] + sizeof(uint32_t)) + text;
	set = draft_block(draft, SLOT_HOSTS, size);
	if (!set)
		return;
	set->bytes = (uint32_t)size;
	set->count = (uint32_t)pairs;
	set->namesakes = namesakes;
	end = fill_hosts(set, draft->items, draft->item_count);
	if (!import)
		return;
	set->clusters_at = (uint32_t)(end - (uint8_t *)set);
	put_clusters(draft, end);
}

static bool has_endpoints(const struct owner *owner)
{
	for (const struct slice_record *at = owner->slices; at; at = at->next) {
		if (at->object->v4_count + at->object->v6_count)
			return true;
	}
	return false;
}

static void find_own(struct rule_run *run)
{
	const struct rule_config *config = run->config;
	const struct draft *draft = run->draft;
	const struct plain *plain = &draft->plain;

	for (size_t i = 0; config->own_count && i < draft->item_count; i++)
		run->holds_own |= rule_is_own(config, draft->items[i].family, draft->items[i].addr);
	for (size_t i = 0; i < config->own_count; i++)
		run->holds_own |= config->own[i].family == 4 &&
				  plain_find(plain, config->own[i].bytes) < plain->count;
}

void rule_endpoint(struct rule_run *run)
{
	const bool import = owner_is_import(run->owner);
	struct draft *draft = run->draft;
	size_t v4 = 0;

	if (run->kind == ENTRY_EXTERNAL)
		return;
	if (run->kind == ENTRY_CLUSTER_IP && run->config->ignore_empty &&
		!has_endpoints(run->owner))
		run->absent = true;
	if (run->kind == ENTRY_CLUSTER_IP && import)
		return; /* KEP-1645: no names per cluster */
	if (import)
		draft_nameless(draft);
	ports_builder_reset(run->ports);
	collect(run);
	address_sort(draft->items, draft->item_count);
	plain_sort(&draft->plain);
	while (v4 < draft->item_count && draft->items[v4].family == 4)
		v4++;
	put_family(draft, 4, draft->items, v4);
	if (v4 < draft->item_count)
		put_family(draft, 6, draft->items + v4, draft->item_count - v4);
	add_members(run->ports, draft);
	if (!import && !run->config->no_services)
		find_own(run);
	put_hosts(run);
	ports_builder_write(run->ports, draft, SLOT_ENDPOINT_PORTS);
	if (run->kind == ENTRY_HEADLESS) {
		draft_alias(draft, SLOT_ENDPOINTS_A, SLOT_A);
		draft_alias(draft, SLOT_ENDPOINTS_AAAA, SLOT_AAAA);
		draft_alias(draft, SLOT_ENDPOINT_PORTS, SLOT_PORTS);
	}
}

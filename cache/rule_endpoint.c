/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints: the endpoint set of every Service that is no alias (for a headless
 * one it is the Service's own A and AAAA), and a name for each hostname. Names
 * made of addresses need no more than the set (dashed.h, answer.h).
 *
 * Kubernetes DNS-Based Service Discovery, section 2.4.1: "if there are multiple
 * IPs with the same hostname, then all are returned". */
#include "rule.h"

#include <string.h>
#include <strings.h>

#include "dashed.h"
#include "dns/wire/type.h"

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

static void collect_one(struct rule_run *run, const char *const *hosts, size_t at, uint8_t family,
	const uint8_t *addr)
{
	const char *host = rule_host(run->config, run->owner, hosts, at);

	if (host)
		run->hosts++;
	else if (hosts && hosts[at] && *hosts[at])
		run->refused++;
	draft_item(run->draft, host, family, addr);
}

static void collect(struct rule_run *run)
{
	run->draft->item_count = 0;
	for (const struct slice_record *at = run->owner->slices; at; at = at->next) {
		const struct endpoint_slice *slice = at->object;

		for (size_t i = 0; i < slice->v4_count; i++)
			collect_one(run, slice->v4_hostnames, i, 4, slice->v4 + 4 * i);
		for (size_t i = 0; i < slice->v6_count; i++)
			collect_one(run, slice->v6_hostnames, i, 6, slice->v6 + 16 * i);
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

/* Put the addresses of one family: without a hostname (with_host false), or
 * those that have nothing but hostnames. Returns how many. Items are sorted; the
 * first of equals is without a hostname if any is. */
static uint32_t put_part(
	struct draft *draft, const struct draft_item *items, size_t n, bool with_host)
{
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && draft_compare(&items[i], &items[i - 1]) == 0)
			continue;
		if ((items[i].host != NULL) != with_host)
			continue;
		draft_address(draft, items[i].family, items[i].addr);
		count++;
	}
	return count;
}

static void put_family(struct draft *draft, const struct draft_item *items, size_t n)
{
	uint32_t dashed;

	if (!n)
		return;
	if (items->family == 4)
		draft_open(draft, SLOT_ENDPOINTS_A, TYPE_A);
	else
		draft_open(draft, SLOT_ENDPOINTS_AAAA, TYPE_AAAA);
	dashed = put_part(draft, items, n, false);
	put_part(draft, items, n, true);
	draft_close(draft, dashed);
}

static void endpoint_own(struct rule_run *run)
{
	struct draft *draft = run->draft;
	size_t v4 = 0;

	if (run->kind == ENTRY_EXTERNAL)
		return;
	collect(run);
	draft_sort_by_address(draft->items, draft->item_count);
	while (v4 < draft->item_count && draft->items[v4].family == 4)
		v4++;
	put_family(draft, draft->items, v4);
	if (v4 < draft->item_count)
		put_family(draft, draft->items + v4, draft->item_count - v4);
	if (run->kind == ENTRY_HEADLESS) {
		draft_alias(draft, SLOT_ENDPOINTS_A, SLOT_A);
		draft_alias(draft, SLOT_ENDPOINTS_AAAA, SLOT_AAAA);
	}
	for (size_t i = 0; run->config->own_count && i < draft->item_count; i++)
		run->holds_own |=
			rule_is_own(run->config, draft->items[i].family, draft->items[i].addr);
}

/* True if an endpoint without a hostname has the address; items are sorted. */
static bool has_dashed(const struct draft_item *items, size_t n, const struct draft_item *wanted)
{
	size_t low = 0, high = n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (draft_compare(&items[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && !items[low].host && draft_compare(&items[low], wanted) == 0;
}

/* A hostname may be spelled as the dashed address of another endpoint: the name
 * is then that endpoint's too. */
static void add_namesakes(struct rule_run *run)
{
	struct draft *draft = run->draft;
	const size_t n = draft->item_count;

	for (size_t i = 0; i < n; i++) {
		struct draft_item twin = {.host = draft->items[i].host};
		uint8_t label[NAME_MAX_LABEL];
		size_t len;

		if (!twin.host)
			continue;
		len = strlen(twin.host);
		name_lower(label, (const uint8_t *)twin.host, len);
		twin.family = dashed_parse(label, len, twin.addr);
		if (twin.family && has_dashed(draft->items, n, &twin))
			draft_item(draft, twin.host, twin.family, twin.addr);
	}
}

static void put_host(struct rule_run *run, const struct draft_item *items, size_t n)
{
	const struct owner *owner = run->owner;
	const size_t len = strlen(items->host);
	uint8_t key[NAME_MAX_LEN];

	key[0] = (uint8_t)len;
	name_lower(key + 1, (const uint8_t *)items->host, len);
	memcpy(key + 1 + len, owner->key, owner->key_len);
	draft_begin(run->draft, key, 1 + len + owner->key_len, ENTRY_ENDPOINT);
	draft_addresses(run->draft, items, n);
	draft_end(run->draft);
}

static void endpoint_names(struct rule_run *run)
{
	struct draft *draft = run->draft;
	struct draft_item *items;
	size_t n = 0, first = 0;

	if (!run->hosts)
		return;
	add_namesakes(run);
	items = draft->items;
	for (size_t i = 0; i < draft->item_count; i++) {
		if (items[i].host)
			items[n++] = items[i];
	}
	draft_sort_by_host(items, n);
	for (size_t i = 1; i <= n; i++) {
		if (i < n && strcasecmp(items[i].host, items[first].host) == 0)
			continue;
		put_host(run, items + first, i - first);
		first = i;
	}
}

const struct rule rule_endpoint = {endpoint_own, endpoint_names};

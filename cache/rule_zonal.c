/* SPDX-License-Identifier: Apache-2.0 */
/* The topology zones of a headless Service's endpoints: zones.h. Runs behind
 * rule_endpoint, and looks each address of the slices up in what that has written. */
#include "rule.h"

#include <string.h>

#include "dashed.h"
#include "endpoints.h"
#include "zones.h"

/* A label's value, and a number of 16 bits. */
#define ZONE_TEXT_MAX 63
#define ZONES_MAX     UINT16_MAX

struct zonal {
	struct draft *draft;
	struct endpoints endpoints;
};

static void note(const struct zonal *zonal, const char *zone, uint8_t family, const uint8_t *addr,
	uint32_t number)
{
	draft_item(zonal->draft, zone, family, addr, number);
}

/* The endpoints of this address that have this hostname. */
static void note_named(const struct zonal *zonal, const char *zone, const char *host,
	uint8_t family, const uint8_t *addr)
{
	const size_t len = strlen(host);
	struct endpoint at;
	uint8_t label[NAME_MAX_LABEL];

	name_lower(label, (const uint8_t *)host, len);
	for (uint32_t k = 0; endpoints_find_named(&zonal->endpoints, family, addr, k, &at); k++) {
		if (at.label[0] == len && memcmp(at.label + 1, label, len) == 0)
			note(zonal, zone, family, addr, at.number);
	}
}

/* Its dashed address may be a hostname, too. */
static void note_dashed(
	const struct zonal *zonal, const char *zone, uint8_t family, const uint8_t *addr)
{
	const struct endpoints *endpoints = &zonal->endpoints;
	const struct answer *set = family == 4 ? endpoints->v4 : endpoints->v6;
	const int64_t at = set ? answer_find(set, addr) : -1;
	char dashed[DASHED_MAX];

	if (at < 0)
		return;
	note(zonal, zone, family, addr, (uint32_t)at + (family == 4 ? 0 : endpoints->v4_count));
	if (!endpoints->hosts || !endpoints->hosts->namesakes)
		return;
	dashed_format(family, addr, dashed);
	note_named(zonal, zone, dashed, family, addr);
}

static void note_one(const struct zonal *zonal, const char *zone, const char *host, uint8_t family,
	const uint8_t *addr)
{
	const size_t len = zone ? strnlen(zone, ZONE_TEXT_MAX + 1) : 0;

	if (!len || len > ZONE_TEXT_MAX)
		return;
	if (host)
		note_named(zonal, zone, host, family, addr);
	else
		note_dashed(zonal, zone, family, addr);
}

static void collect(const struct rule_run *run, const struct zonal *zonal)
{
	zonal->draft->item_count = 0;
	for (const struct slice_record *at = run->owner->slices; at; at = at->next) {
		const struct endpoint_slice *slice = at->object;

		for (size_t i = 0; slice->v4_zones && i < slice->v4_count; i++)
			note_one(zonal, slice->v4_zones[i],
				rule_host(run->config, run->owner, slice->v4_hostnames, i), 4,
				slice->v4 + 4 * i);
		for (size_t i = 0; slice->v6_zones && i < slice->v6_count; i++)
			note_one(zonal, slice->v6_zones[i],
				rule_host(run->config, run->owner, slice->v6_hostnames, i), 6,
				slice->v6 + 16 * i);
	}
	draft_sort_by_host(zonal->draft->items, zonal->draft->item_count);
}

static bool zone_starts(const struct draft_item *items, size_t i)
{
	return !i || draft_compare_names(&items[i], &items[i - 1]) != 0;
}

/* An endpoint that slices put into two zones is in the first of them. */
static void fill(struct zone_set *set, const struct draft_item *items, size_t n)
{
	uint8_t *text = (void *)(set->zone_of + set->endpoints);
	uint16_t zone = 0;

	for (size_t i = 0; i < n; i++) {
		if (zone_starts(items, i)) {
			*text = (uint8_t)strlen(items[i].host);
			name_lower(text + 1, (const uint8_t *)items[i].host, *text);
			text += 1 + *text;
			zone++;
		}
		if (!set->zone_of[items[i].list])
			set->zone_of[items[i].list] = zone;
	}
}

void rule_zonal(struct rule_run *run)
{
	struct zonal zonal = {.draft = run->draft};
	struct zone_set *set;
	size_t n, size = sizeof *set, zones = 0;

	if (!run->config->zonal || run->kind != ENTRY_HEADLESS || owner_is_import(run->owner) ||
		run->draft->error)
		return;
	zonal.endpoints = endpoints_of(draft_open_entry(run->draft));
	collect(run, &zonal);
	for (n = 0; n < run->draft->item_count; n++) {
		if (!zone_starts(run->draft->items, n))
			continue;
		if (++zones > ZONES_MAX)
			break;
		size += 1 + strlen(run->draft->items[n].host);
	}
	if (!n)
		return;
	size += endpoints_count(&zonal.endpoints) * sizeof set->zone_of[0];
	set = draft_block(run->draft, SLOT_ZONES, size);
	if (!set)
		return;
	set->bytes = (uint32_t)size;
	set->endpoints = endpoints_count(&zonal.endpoints);
	fill(set, run->draft->items, n);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoints.h"

#include <string.h>

#include "dashed.h"

static const uint32_t *by_address(const struct host_set *hosts)
{
	const void *at = hosts->pairs + hosts->count;

	return at;
}

static const uint8_t *label_of(const struct host_set *hosts, const struct host_pair *pair)
{
	return (const uint8_t *)hosts + pair->label_at;
}

/* Where the label behind this one begins. */
static const uint8_t *label_next(const uint8_t *label)
{
	return label + 1 + label[0];
}

struct endpoints endpoints_of(const struct entry *entry)
{
	struct endpoints out = {
		.v4 = entry_answer(entry, SLOT_ENDPOINTS_A),
		.v6 = entry_answer(entry, SLOT_ENDPOINTS_AAAA),
		.hosts = entry_block(entry, SLOT_HOSTS),
		.ports = entry_block(entry, SLOT_ENDPOINT_PORTS),
		.nameless = entry->nameless,
	};

	out.v4_count = out.v4 ? out.v4->dashed_count : 0;
	out.v6_count = out.v6 ? out.v6->dashed_count : 0;
	out.host_count = out.hosts ? out.hosts->count : 0;
	return out;
}

struct endpoint endpoints_get(const struct endpoints *endpoints, uint32_t at)
{
	struct endpoint out = {
		.group = endpoints->ports ? ports_group_of(endpoints->ports, at) : 0, .number = at};
	const struct host_pair *pair;

	if (at < endpoints->v4_count) {
		out.family = 4;
		out.addr = endpoints->v4->rr + (size_t)at * ANSWER_A_LEN + ANSWER_HEAD;
		return out;
	}
	at -= endpoints->v4_count;
	if (at < endpoints->v6_count) {
		out.family = 6;
		out.addr = endpoints->v6->rr + (size_t)at * ANSWER_AAAA_LEN + ANSWER_HEAD;
		return out;
	}
	pair = &endpoints->hosts->pairs[at - endpoints->v6_count];
	out.family = pair->family;
	out.addr = pair->addr;
	out.label = label_of(endpoints->hosts, pair);
	out.label_len = (uint8_t)(1 + out.label[0]);
	if (endpoints->hosts->clusters_at)
		out.label_len = (uint8_t)(out.label_len + 1 + *label_next(out.label));
	return out;
}

struct endpoint endpoints_get_by_address(const struct endpoints *endpoints, uint32_t at)
{
	const uint32_t first = endpoints_first_host(endpoints);

	if (at >= first)
		at = first + by_address(endpoints->hosts)[at - first];
	return endpoints_get(endpoints, at);
}

int64_t endpoints_find_dashed(const struct endpoints *endpoints, const uint8_t *label)
{
	uint8_t addr[16];
	const uint8_t family = dashed_parse(label + 1, label[0], addr);
	int64_t at = -1;

	if (family == 4 && endpoints->v4)
		return answer_find(endpoints->v4, addr);
	if (family == 6 && endpoints->v6)
		at = answer_find(endpoints->v6, addr);
	return at < 0 ? -1 : endpoints->v4_count + at;
}

/* The order of labels: as strcasecmp() has it for their text. */
static int label_compare(const uint8_t *a, const uint8_t *b)
{
	const size_t least = a[0] < b[0] ? a[0] : b[0];
	const int order = memcmp(a + 1, b + 1, least);

	return order ? order : a[0] - b[0];
}

/* The order of hostnames. */
static int host_compare(const struct host_set *hosts, const uint8_t *a, const uint8_t *b)
{
	const int order = label_compare(a, b);

	return order || !hosts->clusters_at ? order : label_compare(label_next(a), label_next(b));
}

uint32_t endpoints_find_host(
	const struct endpoints *endpoints, const uint8_t *label, uint32_t *count)
{
	const struct host_set *hosts = endpoints->hosts;
	uint32_t low = 0, high = endpoints->host_count, end;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (host_compare(hosts, label_of(hosts, &hosts->pairs[middle]), label) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	end = low;
	while (end < endpoints->host_count &&
		host_compare(hosts, label_of(hosts, &hosts->pairs[end]), label) == 0)
		end++;
	*count = end - low;
	return endpoints_first_host(endpoints) + low;
}

bool endpoints_has_cluster(const struct endpoints *endpoints, const uint8_t *label)
{
	const uint8_t *at = (const uint8_t *)endpoints->hosts, *end = at;

	if (!endpoints->hosts || !endpoints->hosts->clusters_at)
		return false;
	at += endpoints->hosts->clusters_at;
	end += endpoints->hosts->bytes;
	for (; at < end; at = label_next(at)) {
		if (label_compare(at, label) == 0)
			return true;
	}
	return false;
}

static int address_compare(const struct host_pair *pair, uint8_t family, const uint8_t *addr)
{
	if (pair->family != family)
		return pair->family < family ? -1 : 1;
	return memcmp(pair->addr, addr, family == 4 ? 4 : 16);
}

bool endpoints_find_named(const struct endpoints *endpoints, uint8_t family, const uint8_t *addr,
	uint32_t k, struct endpoint *out)
{
	const struct host_set *hosts = endpoints->hosts;
	uint32_t low = 0, high = endpoints->host_count;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (address_compare(&hosts->pairs[by_address(hosts)[middle]], family, addr) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	low += k;
	if (low >= endpoints->host_count ||
		address_compare(&hosts->pairs[by_address(hosts)[low]], family, addr) != 0)
		return false;
	*out = endpoints_get_by_address(endpoints, endpoints_first_host(endpoints) + low);
	return true;
}

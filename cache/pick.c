/* SPDX-License-Identifier: Apache-2.0 */
#include "pick.h"

#include <string.h>

#include "dashed.h"

/* Duplicates are looked for among so many neighbours: slices written by hand can
 * make more, and must not make a question dear. */
#define LOOK_BACK 64

static bool group_matches(const struct pick *pick, unsigned group)
{
	if (!pick->wanted.name)
		return true;
	return pick->ports && ports_count(pick->ports, group, &pick->wanted) > 0;
}

static bool is_wanted(const struct pick *pick, const struct endpoint *endpoint)
{
	return group_matches(pick, endpoint->group) && pick_in_zone(pick, endpoint->number);
}

enum pick_match pick_port_match(const struct pick *pick)
{
	const unsigned groups = pick->ports ? pick->ports->group_count : 1;
	unsigned matching = 0;

	for (unsigned g = 0; g < groups; g++)
		matching += group_matches(pick, g);
	if (!matching)
		return PICK_NONE;
	return matching == groups ? PICK_ALL : PICK_SOME;
}

/* ---- addresses ---- */

static bool address_same(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0;
}

/* The same address came earlier: under another hostname, or without one. */
static bool came_before(const struct pick *pick, uint32_t at, const struct endpoint *endpoint)
{
	const struct endpoints *endpoints = &pick->endpoints;
	const struct answer *set = endpoint->family == 4 ? endpoints->v4 : endpoints->v6;
	const uint32_t first = endpoints_first_host(endpoints);
	const uint32_t stop = at > first + LOOK_BACK ? at - LOOK_BACK : first;
	const int64_t dashed = set ? answer_find(set, endpoint->addr) : -1;

	if (dashed >= 0) {
		const uint32_t number =
			(uint32_t)dashed + (endpoint->family == 4 ? 0 : endpoints->v4_count);

		const struct endpoint same = endpoints_get(endpoints, number);

		if (is_wanted(pick, &same))
			return true;
	}
	while (at-- > stop) {
		const struct endpoint other = endpoints_get_by_address(endpoints, at);

		if (!address_same(&other, endpoint))
			return false;
		if (is_wanted(pick, &other))
			return true;
	}
	return false;
}

bool pick_address_next(const struct pick *pick, uint8_t family, uint32_t *at, struct endpoint *out)
{
	const bool all = pick->count == endpoints_count(&pick->endpoints);

	while (*at < pick->count) {
		const uint32_t number = pick->first + (*at)++;
		const struct endpoint endpoint =
			all ? endpoints_get_by_address(&pick->endpoints, number)
			    : endpoints_get(&pick->endpoints, number);

		if (endpoint.family != family || !is_wanted(pick, &endpoint))
			continue;
		if (all && endpoint.label && came_before(pick, number, &endpoint))
			continue;
		*out = endpoint;
		return true;
	}
	return false;
}

uint32_t pick_address_count(const struct pick *pick, uint8_t family)
{
	struct endpoint endpoint;
	uint32_t at = 0, count = 0;

	while (pick_address_next(pick, family, &at, &endpoint))
		count++;
	return count;
}

/* ---- services ---- */

static uint32_t own_addresses(const struct pick *pick)
{
	const struct answer *a = entry_answer(pick->entry, pick_own_slot(pick, 4));
	const struct answer *aaaa = entry_answer(pick->entry, pick_own_slot(pick, 6));

	return (a ? a->count : 0) + (aaaa ? aaaa->count : 0);
}

static bool usable(const struct pick *pick, const struct port_record *port)
{
	return port->number >= 0 && ports_match(pick->ports, port, &pick->wanted);
}

bool pick_has_srv(const struct pick *pick)
{
	struct target target = {.count = 0};
	uint64_t next = 0;
	uint32_t at = 0;

	if (!pick->ports)
		return false;
	if (pick->own)
		return own_addresses(pick) && pick_port_next(pick, &target, &next);
	while (pick_target_next(pick, &at, &target)) {
		next = 0;
		if (pick_port_next(pick, &target, &next))
			return true;
	}
	return false;
}

/* The name of an endpoint without a hostname is a hostname of others, too: there
 * the two are one target. */
static bool is_namesake(const struct endpoints *endpoints, const struct endpoint *endpoint)
{
	uint8_t label[DASHED_MAX + 1];
	uint32_t count;

	if (!endpoints->hosts || !endpoints->hosts->namesakes)
		return false;
	label[0] = (uint8_t)dashed_format(endpoint->family, endpoint->addr, (char *)label + 1);
	endpoints_find_host(endpoints, label, &count);
	return count > 0;
}

uint32_t pick_candidates(const struct pick *pick)
{
	const struct port_set *ports = pick->ports;
	const bool namesakes = pick->endpoints.hosts && pick->endpoints.hosts->namesakes;
	uint32_t sum = 0;

	if (!ports)
		return 0;
	if (pick->own)
		return own_addresses(pick) * ports_candidates(ports, 0, &pick->wanted);
	if (ports->group_count == 1 && !namesakes && !pick->zone)
		return pick->count * ports_candidates(ports, 0, &pick->wanted);
	for (uint32_t i = 0; i < pick->count; i++) {
		const struct endpoint endpoint = endpoints_get(&pick->endpoints, pick->first + i);

		if (!pick_in_zone(pick, pick->first + i))
			continue;
		if (endpoint.label || pick->count == 1 || !is_namesake(&pick->endpoints, &endpoint))
			sum += ports_candidates(ports, endpoint.group, &pick->wanted);
	}
	return sum;
}

static bool any_in_zone(const struct pick *pick, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (pick_in_zone(pick, first + i))
			return true;
	}
	return false;
}

bool pick_target_next(const struct pick *pick, uint32_t *at, struct target *out)
{
	const struct endpoints *endpoints = &pick->endpoints;

	while (*at < pick->count) {
		const uint32_t first = pick->first + (*at)++;
		const struct endpoint endpoint = endpoints_get(endpoints, first);
		uint32_t count = 1;

		if (!endpoint.label && (endpoints->nameless || (is_namesake(endpoints, &endpoint) &&
								       pick->count > 1)))
			continue;
		while (endpoint.label && *at < pick->count &&
			endpoints_get(endpoints, first + count).label == endpoint.label) {
			count++;
			++*at;
		}
		if (!any_in_zone(pick, first, count))
			continue;
		*out = (struct target){endpoint.label, first, count, endpoint.label_len};
		return true;
	}
	return false;
}

/* A wanted port of this number is among the first n of a group. */
static bool group_has_number(
	const struct pick *pick, const struct port_group *group, unsigned n, int32_t number)
{
	for (unsigned k = n > LOOK_BACK ? n - LOOK_BACK : 0; k < n; k++) {
		const struct port_record *other = &pick->ports->ports[group->first + k];

		if (other->number == number && usable(pick, other))
			return true;
	}
	return false;
}

/* The same number came before, in the group of this endpoint (k ports of it are
 * through) or of one before it: two names of one port make one SRV. */
static bool number_came_before(const struct pick *pick, const struct target *target,
	uint32_t endpoint, unsigned k, int32_t number)
{
	const unsigned mine = pick->own ? 0 : ports_group_of(pick->ports, target->first + endpoint);

	if (group_has_number(pick, ports_groups(pick->ports) + mine, k, number))
		return true;
	for (uint32_t i = endpoint > LOOK_BACK ? endpoint - LOOK_BACK : 0; i < endpoint; i++) {
		const unsigned g = ports_group_of(pick->ports, target->first + i);
		const struct port_group *group = ports_groups(pick->ports) + g;

		if (!pick_in_zone(pick, target->first + i))
			continue;
		if (g == mine || group_has_number(pick, group, group->count, number))
			return true;
	}
	return false;
}

/* *at: the endpoint of the target above, the port of its group below. */
const struct port_record *pick_port_next(
	const struct pick *pick, const struct target *target, uint64_t *at)
{
	const uint32_t endpoints = pick->own ? 1 : target->count;
	uint32_t endpoint = (uint32_t)(*at >> 16), k = (uint32_t)(*at & 0xffff);

	for (; endpoint < endpoints; endpoint++, k = 0) {
		const unsigned g =
			pick->own ? 0 : ports_group_of(pick->ports, target->first + endpoint);
		const struct port_group *group = ports_groups(pick->ports) + g;

		if (!pick->own && !pick_in_zone(pick, target->first + endpoint))
			continue;
		for (; k < group->count; k++) {
			const struct port_record *port = &pick->ports->ports[group->first + k];

			if (!usable(pick, port) ||
				number_came_before(pick, target, endpoint, k, port->number))
				continue;
			*at = (uint64_t)endpoint << 16 | (k + 1);
			return port;
		}
	}
	return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_PORTS_BUILDER_H
#define BINNACLE_CACHE_PORTS_BUILDER_H

/* Writes port sets (ports.h) into a draft.
 *
 * Endpoints come from slices that each have a list of ports. An endpoint that is
 * in several slices has the ports of all of them; those that are in one share
 * that list's group. The writer's thread.
 *
 *	ports_builder_reset(b);
 *	list = ports_builder_list(b, ports, count);            for each slice
 *	ports_builder_member(b, list, starts_another);         for each endpoint of each
 *	ports_builder_write(b, draft, SLOT_ENDPOINT_PORTS);
 */

#include "draft.h"
#include "watch/object.h"

struct ports_list {
	const struct port *ports;
	uint32_t count;
	uint32_t group; /* of the endpoints that have this list alone; UINT32_MAX: none yet */
};

struct ports_range {
	uint32_t first, count; /* of refs */
};

struct ports_ref {
	const struct port *port;
	uint16_t times;
};

struct ports_builder {
	struct ports_list *lists;
	struct ports_range *groups;
	struct ports_ref *refs; /* the ports of the groups, one behind the other */
	uint16_t *group_of;     /* of the endpoints that are whole */
	uint32_t *open;         /* the lists of the one under way */
	uint32_t *shared;       /* the lists of the last one that had several */
	size_t list_count, list_cap, group_count, group_cap, ref_count, ref_cap;
	size_t member_count, member_cap, open_count, open_cap, shared_count, shared_cap;
	uint16_t shared_group;
	int error; /* sticky: -ENOMEM */
};

/* A zeroed builder is empty. */
void ports_builder_reset(struct ports_builder *builder);
void ports_builder_free(struct ports_builder *builder);

/* The number of a list; equal lists that come one after the other have the same. */
uint32_t ports_builder_list(
	struct ports_builder *builder, const struct port *ports, uint32_t count);

/* The next endpoint (fresh), or one more list of the same: an endpoint that is in
 * two slices with one list has it twice (struct port_record, times). */
void ports_builder_member(struct ports_builder *builder, uint32_t list, bool fresh);

/* n of them, at least one, all with that list and each another endpoint; fresh: also the first. */
void ports_builder_members(struct ports_builder *builder, uint32_t list, bool fresh, size_t n);

/* Nothing is written where there are no ports. */
void ports_builder_write(struct ports_builder *builder, struct draft *draft, enum entry_slot slot);

#endif

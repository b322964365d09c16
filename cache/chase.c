/* SPDX-License-Identifier: Apache-2.0 */
#include "chase.h"

#include <string.h>

#include "dns/wire/type.h"
#include "lookup.h"

static bool is_alias(const struct cluster_hit *hit)
{
	return hit->verdict == CLUSTER_FOUND && hit->kind == HIT_RRSET &&
	       hit->answer->type == TYPE_CNAME;
}

/* The target of the alias that was just written: a question of its own, for a name
 * that lies at the end of the message. Its length is that of the rdata. */
static bool target_read(const struct cluster_hit *hit, const struct query *asked,
	const struct reply *reply, struct query *out, uint16_t *at)
{
	const size_t len = hit->answer->bytes - ANSWER_HEAD;

	*at = (uint16_t)(reply->len - len);
	if (*at > 0x3fff - NAME_MAX_LEN)
		return false;
	*out = (struct query){.qtype = asked->qtype, .qclass = asked->qclass};
	query_set_name(reply->buf + *at, (uint8_t)len, out);
	return true;
}

static void outside_set(const struct query *target, struct name *outside)
{
	outside->len = target->name_len;
	outside->labels = target->labels;
	memcpy(outside->wire, target->name, target->name_len);
}

/* The names of the chain so far, to see where it bites its tail. */
struct chain {
	const uint8_t *names[CHASE_MAX + 1];
	unsigned count;
};

/* False: the name was there before, or there are as many links as may be. RFC 1034
 * section 5.2.2 leaves the bound to us. */
static bool chain_add(struct chain *chain, const uint8_t *name)
{
	for (unsigned i = 0; i < chain->count; i++) {
		if (name_equal(chain->names[i], name))
			return false;
	}
	if (chain->count == CHASE_MAX + 1)
		return false;
	chain->names[chain->count++] = name;
	return true;
}

bool chase_put(const struct view *view, const struct cluster_hit *hit, uint32_t random,
	const struct chase_way *way, struct reply *reply, struct name *outside)
{
	struct place place = {reply->query, DNS_HEADER_LEN};
	struct chain chain = {{reply->query->asked}, 1};
	struct query targets[2];
	struct cluster_hit next;

	put_hit(view, hit, &place, random, reply);
	if (reply->query->qtype == TYPE_CNAME || reply->query->qtype == TYPE_ANY)
		return false;
	while (is_alias(hit) && !reply->full) {
		struct query *target = &targets[chain.count % 2];
		int zone;

		if (!target_read(hit, place.query, reply, target, &place.at))
			break;
		place.query = target;
		zone = lookup_zone(view, target);
		if (zone < 0) {
			outside_set(target, outside);
			return true;
		}
		if (!chain_add(&chain, target->asked)) {
			reply->rcode = RCODE_SERVFAIL;
			return false;
		}
		lookup_find(view, zone, target, &next);
		if (next.verdict == CLUSTER_NXDOMAIN && way->leaves &&
			way->leaves(way->user, target)) {
			outside_set(target, outside);
			return true;
		}
		hit = &next;
		put_hit(view, hit, &place, random, reply);
	}
	return false;
}

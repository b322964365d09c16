/* SPDX-License-Identifier: Apache-2.0 */
#include "external_put.h"

#include <string.h>

#include "dns/wire/bytes.h"
#include "dns/wire/type.h"
#include "pick.h"
#include "put.h"

/* No address is outside of more Services than this, or their names are not told. */
#define REVERSE_MAX 64

/* ---- which Services have an address ---- */

static bool has_address(const struct node *node, const struct cluster_hit *hit)
{
	const struct entry *entry = atomic_load_explicit(&node->entry, memory_order_acquire);
	const struct answer *answer =
		entry ? entry_answer(entry, hit->family == 4 ? SLOT_EXTERNAL_A : SLOT_EXTERNAL_AAAA)
		      : NULL;

	return answer && answer_find_sorted(answer, hit->addr) >= 0;
}

static int node_order(const struct node *a, const struct node *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->key, b->key, a->len);
}

const struct node *external_node_next(
	const struct view *view, const struct cluster_hit *hit, const struct node *after)
{
	struct reverse_walk walk =
		reverse_walk(&view->reverse, reverse_hash(&view->reverse, hit->family, hit->addr));
	const struct node *node, *best = NULL;

	while ((node = reverse_next(&walk))) {
		if ((after && node_order(node, after) <= 0) ||
			(best && node_order(node, best) >= 0) || !has_address(node, hit))
			continue;
		best = node;
	}
	return best;
}

/* SERVICE.NAMESPACE of a key that ends in svc. */
static bool put_ptr(const struct external *external, const struct node *node, struct reply *reply)
{
	uint8_t rdata[OWNER_KEY_MAX + NAME_MAX_LEN];
	const size_t len = node->len - 4u;

	if (len + external->primary->len > NAME_MAX_LEN)
		return true;
	memcpy(rdata, node->key, len);
	memcpy(rdata + len, external->primary->wire, external->primary->len);
	return reply_put_rr(reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_PTR, external->ttl_s, rdata,
		(uint16_t)(len + external->primary->len));
}

static void put_reverse(const struct view *view, const struct external *external,
	const struct cluster_hit *hit, struct reply *reply)
{
	const struct node *node = hit->node;

	for (unsigned i = 0; node && i < REVERSE_MAX && put_ptr(external, node, reply); i++)
		node = external_node_next(view, hit, node);
}

/* ---- the zone's own records ---- */

static void put_apex_name(struct bytes_out *out, const char *label, size_t len,
	const struct external *external, const struct query *query)
{
	const uint16_t zone_at = reply_zone_at(query, external->zone->labels);

	bytes_put_u8(out, (uint8_t)len);
	bytes_put(out, label, len);
	bytes_put(out, external->apex->wire, external->apex->len - 1u);
	bytes_put_u16(out, (uint16_t)(0xC000u | zone_at));
}

static void put_soa(const struct view *view, const struct external *external, uint32_t ttl_s,
	uint32_t minimum_s, struct reply *reply, enum reply_section section)
{
	uint8_t rdata[2 * (12 + NAME_MAX_LEN) + 20];
	struct bytes_out out = bytes_out(rdata, sizeof rdata);

	put_apex_name(&out, "ns1", 3, external, reply->query);
	put_apex_name(&out, "hostmaster", 10, external, reply->query);
	bytes_put_u32(&out, atomic_load_explicit(&view->serial, memory_order_acquire));
	bytes_put_u32(&out, 7200);  /* refresh */
	bytes_put_u32(&out, 1800);  /* retry */
	bytes_put_u32(&out, 86400); /* expire */
	bytes_put_u32(&out, minimum_s);
	reply_put_rr(reply, section, reply_zone_at(reply->query, external->zone->labels), TYPE_SOA,
		ttl_s, rdata, (uint16_t)bytes_used(&out));
}

/* Glue by whole RRsets; the name is the NS record's rdata. */
static void put_ns(const struct view *view, const struct external *external, struct reply *reply)
{
	const struct entry *entry =
		atomic_load_explicit(&view->compile.apex[APEX_EXTERNAL], memory_order_acquire);
	static const enum entry_slot slots[] = {SLOT_A, SLOT_AAAA};
	uint8_t rdata[8 + NAME_MAX_LEN];
	struct bytes_out out = bytes_out(rdata, sizeof rdata);
	const uint16_t name_at = (uint16_t)(reply->len + ANSWER_HEAD);

	put_apex_name(&out, "ns1", 3, external, reply->query);
	reply_put_rr(reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_NS, external->ttl_s, rdata,
		(uint16_t)bytes_used(&out));
	for (unsigned i = 0; i < 2; i++) {
		const struct answer *answer = entry_answer(entry, slots[i]);

		if (!answer || !reply_fits(reply, answer->bytes))
			continue;
		for (uint32_t k = 0; k < answer->count; k++)
			reply_put_rr(reply, REPLY_ADDITIONAL, name_at, answer->type,
				external->ttl_s,
				answer->rr + (size_t)k * answer->stride + ANSWER_HEAD,
				(uint16_t)(answer->stride - ANSWER_HEAD));
	}
}

/* ---- load balancers ---- */

/* The next of an RRset of names; *at: where it begins, 0 at first. */
static const uint8_t *name_next(const struct answer *names, size_t *at, uint16_t *len)
{
	const uint8_t *rr = names->rr + *at;

	*len = 0;
	if (*at >= names->bytes)
		return NULL;
	*len = (uint16_t)(rr[10] << 8 | rr[11]);
	*at += ANSWER_HEAD + (size_t)*len;
	return rr + ANSWER_HEAD;
}

static void put_alias(const struct external *external, const struct answer *names,
	struct reply *reply, struct name *outside)
{
	size_t at = 0;
	uint16_t len;
	const uint8_t *target = name_next(names, &at, &len);

	reply_put_rr(reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_CNAME, external->ttl_s, target, len);
	outside->len = (uint8_t)len;
	memcpy(outside->wire, target, len);
}

/* SRV that lead to the balancers themselves: a target must be no alias (RFC 2782). */
static void put_balancers(
	const struct external *external, const struct cluster_hit *hit, struct reply *reply)
{
	const struct target own = {.count = 0};
	const uint16_t share = (uint16_t)(100 / hit->answer->count);
	const struct port_record *port;
	uint64_t next = 0;

	while ((port = pick_port_next(&hit->pick, &own, &next))) {
		uint8_t rdata[6 + NAME_MAX_LEN];
		size_t at = 0;
		uint16_t len;
		const uint8_t *target;

		bytes_set_u16(rdata, 0);
		bytes_set_u16(rdata + 2, share ? share : 1);
		bytes_set_u16(rdata + 4, (uint16_t)port->number);
		while ((target = name_next(hit->answer, &at, &len))) {
			memcpy(rdata + 6, target, len);
			reply_put_rr(reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_SRV, external->ttl_s,
				rdata, (uint16_t)(6 + len));
		}
	}
}

/* ---- the door ---- */

static bool put_found(const struct view *view, const struct external *external,
	const struct external_hit *hit, uint32_t random, struct reply *reply, struct name *outside)
{
	const struct place place = {reply->query, DNS_HEADER_LEN};
	const uint16_t qtype = reply->query->qtype;

	switch (hit->kind) {
	case EXTERNAL_SOA:
		put_soa(view, external, external->ttl_s, external->ttl_s, reply, REPLY_ANSWER);
		break;
	case EXTERNAL_NS:
		put_ns(view, external, reply);
		break;
	case EXTERNAL_RECORDS:
		put_hit(view, &hit->hit, &place, random, reply);
		break;
	case EXTERNAL_ALIAS:
		put_alias(external, hit->hit.answer, reply, outside);
		return qtype != TYPE_CNAME && qtype != TYPE_ANY;
	case EXTERNAL_BALANCERS:
		put_balancers(external, &hit->hit, reply);
		break;
	case EXTERNAL_REVERSE:
		put_reverse(view, external, &hit->hit, reply);
		break;
	}
	return false;
}

bool external_view_put(const struct view *view, const struct external *external,
	const struct external_hit *hit, uint32_t random, struct reply *reply, struct name *outside)
{
	reply->flags |= DNS_FLAG_AA;
	reply->rcode = RCODE_NOERROR;
	if (hit->hit.verdict == CLUSTER_FOUND)
		return put_found(view, external, hit, random, reply, outside);
	if (hit->hit.verdict == CLUSTER_NXDOMAIN)
		reply->rcode = RCODE_NXDOMAIN;
	else if (hit->hit.verdict == CLUSTER_UNSYNCED)
		reply->rcode = RCODE_SERVFAIL;
	put_soa(view, external, external->negative_ttl_s, external->negative_ttl_s, reply,
		REPLY_AUTHORITY);
	return false;
}

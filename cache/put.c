/* SPDX-License-Identifier: Apache-2.0 */
#include "put.h"

#include <string.h>

#include "dashed.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"
#include "pick.h"
#include "ptr.h"

#define SOA_TTL_MAX_S 300
#define POINTER_MAX   0x3fff /* RFC 1035 section 4.1.4 */

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Where the zone made of the name's last labels lies. */
static uint16_t zone_at(const struct place *place, unsigned labels)
{
	return (uint16_t)(place->at + place->query->label_at[labels]);
}

/* ns.dns.<zone>, hostmaster.<zone>, with the zone spelled as in the question. */
static void put_soa(const struct place *place, unsigned zone_labels, uint32_t serial,
	uint32_t ttl_s, uint32_t minimum_s, struct reply *reply, enum reply_section section)
{
	static const uint8_t mname[] = {2, 'n', 's', 3, 'd', 'n', 's'};
	static const uint8_t rname[] = {10, 'h', 'o', 's', 't', 'm', 'a', 's', 't', 'e', 'r'};
	const uint16_t at = zone_at(place, zone_labels);
	const uint16_t pointer = (uint16_t)(0xC000u | at);
	uint8_t rdata[sizeof mname + 2 + sizeof rname + 2 + 20];
	struct bytes_out out = bytes_out(rdata, sizeof rdata);

	bytes_put(&out, mname, sizeof mname);
	bytes_put_u16(&out, pointer);
	bytes_put(&out, rname, sizeof rname);
	bytes_put_u16(&out, pointer);
	bytes_put_u32(&out, serial);
	bytes_put_u32(&out, 7200);  /* refresh */
	bytes_put_u32(&out, 1800);  /* retry */
	bytes_put_u32(&out, 86400); /* expire */
	bytes_put_u32(&out, minimum_s);
	reply_put_rr(reply, section, at, TYPE_SOA, ttl_s, rdata, sizeof rdata);
}

void put_apex_soa(const struct view *view, const struct place *place, unsigned zone_labels,
	uint32_t serial, struct reply *reply)
{
	put_soa(place, zone_labels, serial, least(view->ttl_s, SOA_TTL_MAX_S), view->ttl_s, reply,
		REPLY_ANSWER);
}

static uint32_t serial_now(const struct view *view)
{
	return atomic_load_explicit(&view->serial, memory_order_acquire);
}

/* ---- published RRsets ---- */

/* Owners in what is published point to the question. */
static void owners_move(struct reply *reply, size_t from, uint16_t at)
{
	if (at == DNS_HEADER_LEN)
		return;
	while (from < reply->len) {
		uint8_t *rr = reply->buf + from;

		bytes_set_u16(rr, (uint16_t)(0xC000u | at));
		from += ANSWER_HEAD + ((size_t)rr[10] << 8 | rr[11]);
	}
}

/* An apex's NS names end in a pointer to the question. Where the apex is an
 * alias's target they must not. */
static struct cluster_hit apex_whole(const struct view *view, const struct cluster_hit *hit)
{
	const struct entry *entry =
		atomic_load_explicit(&view->compile.apex[APEX_WHOLE], memory_order_acquire);
	struct cluster_hit out = *hit;

	out.answer = entry_answer(entry, SLOT_NAME);
	out.count = out.answer->count;
	out.glue[0] = entry_answer(entry, SLOT_A);
	out.glue[1] = entry_answer(entry, SLOT_AAAA);
	return out;
}

static void put_rrset(const struct view *view, const struct cluster_hit *hit,
	const struct place *place, uint32_t random, struct reply *reply)
{
	const uint16_t from = reply->len;
	struct cluster_hit whole;

	if (hit->answer->type == TYPE_NS && place->at != DNS_HEADER_LEN) {
		whole = apex_whole(view, hit);
		hit = &whole;
	}
	answer_put(hit->answer, hit->first, hit->count, random, reply, REPLY_ANSWER);
	owners_move(reply, from, place->at);
	for (unsigned i = 0; i < 2; i++) {
		if (hit->glue[i])
			answer_put(hit->glue[i], 0, hit->glue[i]->count, random, reply,
				REPLY_ADDITIONAL);
	}
}

/* ---- addresses of endpoints ---- */

static bool put_address(uint32_t ttl_s, struct reply *reply, enum reply_section section,
	uint16_t owner_at, uint8_t family, const uint8_t *addr)
{
	return reply_put_rr(reply, section, owner_at, family == 4 ? TYPE_A : TYPE_AAAA, ttl_s, addr,
		family == 4 ? 4 : 16);
}

/* Those from `start` on, then those before it. */
static void put_addresses(const struct cluster_hit *hit, const struct place *place, uint32_t random,
	struct reply *reply)
{
	const uint32_t start = random % hit->count;
	struct endpoint endpoint;

	for (unsigned round = 0; round < 2; round++) {
		uint32_t at = 0, n = 0;

		while (pick_address_next(&hit->pick, hit->family, &at, &endpoint)) {
			if ((n++ >= start) == (round == 0))
				put_address(hit->ttl_s, reply, REPLY_ANSWER, place->at, hit->family,
					endpoint.addr);
		}
	}
}

/* ---- SRV ---- */

struct srv {
	uint32_t ttl_s;
	const struct pick *pick;
	const struct place *place;
	struct reply *reply;
	uint16_t weight;
	unsigned zone_labels;
	uint16_t first_at; /* where the first SRV begins */
};

size_t put_target_name(const struct pick *pick, const struct target *target,
	const struct query *query, unsigned zone_labels, uint8_t *out)
{
	const size_t from = query->label_at[zone_labels + (pick->external ? 2 : 3)];
	const size_t zone = query->label_at[zone_labels];
	uint8_t *at = out;

	if (target->label) {
		memcpy(at, target->label, target->label_len);
		at += target->label_len;
	} else if (!pick->own) {
		const struct endpoint endpoint = endpoints_get(&pick->endpoints, target->first);

		at[0] = (uint8_t)dashed_format(endpoint.family, endpoint.addr, (char *)at + 1);
		at += 1 + at[0];
	}
	if ((size_t)(at - out) + query->name_len - from > NAME_MAX_LEN)
		return 0;
	memcpy(at, query->name + from, zone - from);
	at += zone - from;
	memcpy(at, query->asked + zone, query->name_len - zone);
	return (size_t)(at - out) + query->name_len - zone;
}

uint16_t put_weight(const struct pick *pick)
{
	const uint32_t candidates = pick_candidates(pick);
	const uint32_t share = candidates ? 100 / candidates : 1;

	return (uint16_t)(share ? share : 1);
}

static size_t target_name(const struct srv *srv, const struct target *target, uint8_t *out)
{
	return put_target_name(srv->pick, target, srv->place->query, srv->zone_labels, out);
}

/* The SRVs of one target; false: no room for one. */
static bool put_target(const struct srv *srv, const struct target *target)
{
	uint8_t rdata[6 + PUT_TARGET_MAX];
	const size_t len = target_name(srv, target, rdata + 6);
	const struct port_record *port;
	uint64_t at = 0;

	while (len && (port = pick_port_next(srv->pick, target, &at))) {
		bytes_set_u16(rdata, 0);
		bytes_set_u16(rdata + 2, srv->weight);
		bytes_set_u16(rdata + 4, (uint16_t)port->number);
		if (!reply_put_rr(srv->reply, REPLY_ANSWER, srv->place->at, TYPE_SRV, srv->ttl_s,
			    rdata, (uint16_t)(6 + len)))
			return false;
	}
	return true;
}

/* All targets from number `start` on and round to it. */
static bool put_targets(const struct srv *srv, uint32_t start)
{
	struct target target = {.count = 0};

	if (srv->pick->own)
		return put_target(srv, &target);
	for (unsigned round = 0; round < 2; round++) {
		uint32_t at = 0, n = 0;

		while (pick_target_next(srv->pick, &at, &target)) {
			if ((n++ >= start) == (round == 0) && !put_target(srv, &target))
				return false;
		}
		if (!start)
			return true;
	}
	return true;
}

/* An RRset of glue goes in whole or not at all. */
static bool glue_fits(const struct srv *srv, uint16_t owner_at, uint32_t n, uint8_t family)
{
	const size_t size = (size_t)n * (family == 4 ? ANSWER_A_LEN : ANSWER_AAAA_LEN);

	return owner_at <= POINTER_MAX && reply_fits(srv->reply, size);
}

static void put_own_glue(const struct srv *srv, uint16_t owner_at)
{
	static const uint8_t families[] = {4, 6};

	for (unsigned i = 0; i < 2; i++) {
		const uint8_t family = families[i];
		const struct answer *answer =
			entry_answer(srv->pick->entry, pick_own_slot(srv->pick, family));

		if (!answer || !glue_fits(srv, owner_at, answer->count, family))
			continue;
		for (uint32_t k = 0; k < answer->count; k++)
			put_address(srv->ttl_s, srv->reply, REPLY_ADDITIONAL, owner_at, family,
				answer->rr + (size_t)k * answer->stride + ANSWER_HEAD);
	}
}

/* Of the target's endpoints those of a family that are wanted. */
static bool is_glue(const struct srv *srv, const struct endpoint *endpoint, uint8_t family)
{
	return endpoint->family == family && pick_in_zone(srv->pick, endpoint->number);
}

static void put_target_glue(
	const struct srv *srv, const struct target *target, uint16_t owner_at, uint8_t family)
{
	const struct endpoints *endpoints = &srv->pick->endpoints;
	uint32_t n = 0;

	for (uint32_t i = 0; i < target->count; i++) {
		const struct endpoint endpoint = endpoints_get(endpoints, target->first + i);

		n += is_glue(srv, &endpoint, family);
	}
	if (!n || !glue_fits(srv, owner_at, n, family))
		return;
	for (uint32_t i = 0; i < target->count; i++) {
		const struct endpoint endpoint = endpoints_get(endpoints, target->first + i);

		if (is_glue(srv, &endpoint, family))
			put_address(srv->ttl_s, srv->reply, REPLY_ADDITIONAL, owner_at, family,
				endpoint.addr);
	}
}

/* The owners are the targets in the answer: walk both side by side. */
static void put_glue(const struct srv *srv)
{
	struct target target = {.count = 0};
	size_t rr = srv->first_at;
	uint32_t at = 0;

	if (srv->pick->own) {
		put_own_glue(srv, (uint16_t)(rr + 18));
		return;
	}
	while (rr + 18 <= POINTER_MAX && pick_target_next(srv->pick, &at, &target)) {
		uint8_t name[PUT_TARGET_MAX];
		const size_t len = target_name(srv, &target, name);
		uint64_t port = 0;
		size_t records = 0;

		while (len && pick_port_next(srv->pick, &target, &port))
			records++;
		if (!records)
			continue;
		put_target_glue(srv, &target, (uint16_t)(rr + 18), 4);
		put_target_glue(srv, &target, (uint16_t)(rr + 18), 6);
		rr += records * (18 + len);
	}
}

static void put_services(const struct cluster_hit *hit, const struct place *place, uint32_t random,
	struct reply *reply)
{
	const struct reply before = *reply;
	const struct srv srv = {
		.ttl_s = hit->ttl_s,
		.pick = &hit->pick,
		.place = place,
		.reply = reply,
		.weight = put_weight(&hit->pick),
		.zone_labels = hit->zone_labels,
		.first_at = reply->len,
	};

	if (put_targets(&srv, 0)) {
		put_glue(&srv);
	} else if (hit->pick.count > 1) { /* a window of them, another one each time */
		*reply = before;
		put_targets(&srv, random % hit->pick.count);
	}
}

/* ---- PTR ---- */

struct ptr_out {
	const struct view *view;
	struct reply *reply;
	uint16_t owner_at;
	uint16_t zone_at; /* where the primary zone was written first; 0: not yet */
};

static bool put_ptr(void *user, const struct ptr_name *name)
{
	struct ptr_out *out = user;
	const struct name *zone = out->view->primary;
	uint8_t rdata[1 + NAME_MAX_LABEL + OWNER_KEY_MAX + NAME_MAX_LEN];
	struct bytes_out bytes = bytes_out(rdata, sizeof rdata);
	const uint16_t start = (uint16_t)(out->reply->len + 12);

	if (name->label_len) {
		bytes_put_u8(&bytes, name->label_len);
		bytes_put(&bytes, name->label, name->label_len);
	}
	bytes_put(&bytes, name->node->key, name->node->len);
	if (bytes_used(&bytes) + zone->len > NAME_MAX_LEN)
		return true;
	if (out->zone_at) {
		bytes_put_u16(&bytes, (uint16_t)(0xC000u | out->zone_at));
	} else {
		if (start + bytes_used(&bytes) <= POINTER_MAX)
			out->zone_at = (uint16_t)(start + bytes_used(&bytes));
		bytes_put(&bytes, zone->wire, zone->len);
	}
	return reply_put_rr(out->reply, REPLY_ANSWER, out->owner_at, TYPE_PTR, out->view->ttl_s,
		rdata, (uint16_t)bytes_used(&bytes));
}

/* ---- the door ---- */

static void put_found(const struct view *view, const struct cluster_hit *hit,
	const struct place *place, uint32_t random, struct reply *reply)
{
	struct ptr_out ptr = {view, reply, place->at, 0};

	switch (hit->kind) {
	case HIT_SOA:
		put_apex_soa(view, place, hit->zone_labels, serial_now(view), reply);
		break;
	case HIT_RRSET:
		put_rrset(view, hit, place, random, reply);
		break;
	case HIT_ADDRESSES:
		put_addresses(hit, place, random, reply);
		break;
	case HIT_SERVICES:
		put_services(hit, place, random, reply);
		break;
	case HIT_ADDRESS:
		put_address(hit->ttl_s, reply, REPLY_ANSWER, place->at, hit->family, hit->addr);
		break;
	case HIT_REVERSE:
		ptr_each(view, hit, put_ptr, &ptr);
		break;
	}
}

void put_hit(const struct view *view, const struct cluster_hit *hit, const struct place *place,
	uint32_t random, struct reply *reply)
{
	reply->flags |= DNS_FLAG_AA;
	reply->rcode = RCODE_NOERROR;
	if (hit->verdict == CLUSTER_NXDOMAIN)
		reply->rcode = RCODE_NXDOMAIN;
	else if (hit->verdict == CLUSTER_UNSYNCED)
		reply->rcode = RCODE_SERVFAIL;
	if (hit->verdict == CLUSTER_FOUND)
		put_found(view, hit, place, random, reply);
	else /* caches go by the record's TTL or by its minimum: both are the same */
		put_soa(place, hit->zone_labels, serial_now(view), view->negative_ttl_s,
			view->negative_ttl_s, reply, REPLY_AUTHORITY);
}

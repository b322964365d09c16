/* SPDX-License-Identifier: Apache-2.0 */
#include "external.h"

#include <string.h>

#include "dns/wire/bytes.h"
#include "dns/wire/type.h"
#include "external_put.h"
#include "lookup.h"
#include "pick.h"

/* ---- a Service ---- */

/* The entry of SERVICE.NAMESPACE, or that of a namespace: its key in the index has
 * the label svc behind it. */
static const struct entry *entry_find(
	const struct view *view, const struct query *query, unsigned first, unsigned zone_labels)
{
	const size_t at = query->label_at[first];
	const size_t len = query->label_at[zone_labels] - at;
	uint8_t key[OWNER_KEY_MAX];

	if (len + 4 > sizeof key)
		return NULL;
	memcpy(key, query->name + at, len);
	memcpy(key + len, "\3svc", 4);
	return index_find(&view->index, key, len + 4);
}

static bool has_addresses(const struct entry *entry)
{
	return entry->at[SLOT_EXTERNAL_A] || entry->at[SLOT_EXTERNAL_AAAA];
}

static bool has_externals(const struct entry *entry)
{
	return has_addresses(entry) || entry->at[SLOT_EXTERNAL_NAMES];
}

static enum cluster_verdict hit_answer(struct cluster_hit *hit, const struct answer *answer)
{
	hit->kind = HIT_RRSET;
	hit->answer = answer;
	hit->glue[0] = hit->glue[1] = NULL;
	hit->first = 0;
	hit->count = answer ? answer->count : 0;
	return answer ? CLUSTER_FOUND : CLUSTER_NODATA;
}

/* pick.wanted says which ports. */
static enum cluster_verdict hit_addresses(
	const struct entry *entry, uint16_t qtype, struct cluster_hit *hit)
{
	if (qtype == TYPE_A)
		return hit_answer(hit, entry_answer(entry, SLOT_EXTERNAL_A));
	if (qtype == TYPE_AAAA)
		return hit_answer(hit, entry_answer(entry, SLOT_EXTERNAL_AAAA));
	if (qtype != TYPE_SRV || !pick_has_srv(&hit->pick))
		return CLUSTER_NODATA;
	hit->kind = HIT_SERVICES;
	return CLUSTER_FOUND;
}

static void pick_external(const struct entry *entry, struct cluster_hit *hit)
{
	hit->pick = (struct pick){
		.entry = entry,
		.ports = entry_block(entry, SLOT_EXTERNAL_PORTS),
		.own = true,
		.external = true,
	};
}

/* A headless Service's own name and those below it are what they are inside. */
static enum cluster_verdict find_headless(const struct entry *entry, unsigned depth, bool sliced,
	const struct query *query, struct cluster_hit *hit)
{
	enum cluster_verdict verdict;

	if (!sliced)
		return CLUSTER_UNSYNCED;
	verdict = lookup_entry(entry, depth, query, hit);
	if (verdict == CLUSTER_FOUND && hit->kind == HIT_RRSET) {
		/* all of its endpoints: the RRset as it is published has the TTL of inside */
		hit->pick = (struct pick){.entry = entry, .endpoints = endpoints_of(entry)};
		hit->pick.count = endpoints_count(&hit->pick.endpoints);
		hit->kind = HIT_ADDRESSES;
		hit->family = query->qtype == TYPE_A ? 4 : 6;
		hit->count = pick_address_count(&hit->pick, hit->family);
	}
	hit->pick.external = true;
	return verdict;
}

static enum cluster_verdict find_port(
	const struct entry *entry, const struct query *query, struct external_hit *out)
{
	struct cluster_hit *hit = &out->hit;

	pick_external(entry, hit);
	if (!ports_wanted(query->name, query->name + 1 + query->name[0], &hit->pick.wanted) ||
		!hit->pick.ports || pick_port_match(&hit->pick) == PICK_NONE)
		return CLUSTER_NXDOMAIN;
	if (has_addresses(entry))
		return hit_addresses(entry, query->qtype, hit);
	out->kind = EXTERNAL_BALANCERS;
	hit->answer = entry_answer(entry, SLOT_EXTERNAL_NAMES);
	return query->qtype == TYPE_SRV ? CLUSTER_FOUND : CLUSTER_NODATA;
}

static enum cluster_verdict find_external(const struct entry *entry, unsigned depth,
	const struct query *query, struct external_hit *out)
{
	const struct port_set *ports = entry_block(entry, SLOT_EXTERNAL_PORTS);

	switch (depth) {
	case 0:
		pick_external(entry, &out->hit);
		if (has_addresses(entry))
			return hit_addresses(entry, query->qtype, &out->hit);
		out->kind = EXTERNAL_ALIAS;
		return hit_answer(&out->hit, entry_answer(entry, SLOT_EXTERNAL_NAMES));
	case 1:
		return ports && ports_has_protocol(ports, query->name) ? CLUSTER_NODATA
								       : CLUSTER_NXDOMAIN;
	default:
		return find_port(entry, query, out);
	}
}

/* depth: how many labels the question has in front of the Service's name. */
static enum cluster_verdict find_service(const struct view *view, const struct external *external,
	unsigned gates, unsigned depth, const struct query *query, struct external_hit *out)
{
	const unsigned zone_labels = external->zone->labels;
	const struct entry *entry = entry_find(view, query, zone_labels + 2, zone_labels);

	if (!entry)
		return CLUSTER_NXDOMAIN;
	if (has_externals(entry))
		return find_external(entry, depth, query, out);
	if (!external->headless || entry->kind != ENTRY_HEADLESS)
		return CLUSTER_NXDOMAIN;
	return find_headless(
		entry, depth, (gates & VIEW_SLICES_NEED) == VIEW_SLICES_NEED, query, &out->hit);
}

/* ---- the zone's own names ---- */

/* ns1.APEX: the addresses of the Services that lead here. */
static enum cluster_verdict find_server(
	const struct view *view, unsigned gates, uint16_t qtype, struct cluster_hit *hit)
{
	const struct entry *entry =
		atomic_load_explicit(&view->compile.apex[APEX_EXTERNAL], memory_order_acquire);

	if ((gates & VIEW_SLICES_NEED) != VIEW_SLICES_NEED)
		return CLUSTER_UNSYNCED;
	if (qtype == TYPE_A)
		return hit_answer(hit, entry_answer(entry, SLOT_A));
	if (qtype == TYPE_AAAA)
		return hit_answer(hit, entry_answer(entry, SLOT_AAAA));
	return CLUSTER_NODATA;
}

/* APEX and what is above it, ns1.APEX, and what is below: nothing. False: none of
 * these. */
static bool find_apex_name(const struct view *view, const struct external *external, unsigned gates,
	const struct query *query, struct external_hit *out, enum cluster_verdict *verdict)
{
	static const uint8_t host[] = {3, 'n', 's', '1'};
	const unsigned zone_labels = external->zone->labels, apex_labels = external->apex->labels;
	const unsigned labels = (unsigned)query->labels - zone_labels;
	const size_t len = query->label_at[zone_labels], apex_len = external->apex->len - 1u;
	const uint8_t *apex = external->apex->wire;
	size_t at;

	if (labels <= apex_labels) {
		*verdict = CLUSTER_NODATA;
		return len <= apex_len && memcmp(query->name, apex + apex_len - len, len) == 0;
	}
	at = query->label_at[zone_labels + apex_labels];
	if (len - at != apex_len || memcmp(query->name + at, apex, apex_len) != 0)
		return false;
	*verdict = CLUSTER_NXDOMAIN;
	if (at == sizeof host && memcmp(query->name, host, sizeof host) == 0)
		*verdict = find_server(view, gates, query->qtype, &out->hit);
	return true;
}

static enum cluster_verdict find_apex(uint16_t qtype, struct external_hit *out)
{
	out->kind = qtype == TYPE_NS ? EXTERNAL_NS : EXTERNAL_SOA;
	return qtype == TYPE_NS || qtype == TYPE_SOA ? CLUSTER_FOUND : CLUSTER_NODATA;
}

static enum cluster_verdict find_forward(const struct view *view, const struct external *external,
	unsigned gates, const struct query *query, struct external_hit *out)
{
	const unsigned zone_labels = external->zone->labels;
	const unsigned labels = (unsigned)query->labels - zone_labels;
	enum cluster_verdict verdict;

	if (find_apex_name(view, external, gates, query, out, &verdict))
		return verdict;
	if ((gates & VIEW_NAMES_NEED) != VIEW_NAMES_NEED)
		return CLUSTER_UNSYNCED;
	if (labels == 1)
		return entry_find(view, query, zone_labels + 1, zone_labels) ? CLUSTER_NODATA
									     : CLUSTER_NXDOMAIN;
	if (labels > 4)
		return CLUSTER_NXDOMAIN;
	return find_service(view, external, gates, labels - 2, query, out);
}

/* ---- addresses ---- */

static enum cluster_verdict find_reverse(const struct view *view, const struct external *external,
	unsigned gates, const struct query *query, struct external_hit *out)
{
	struct cluster_hit *hit = &out->hit;
	enum cluster_verdict verdict;

	if (find_apex_name(view, external, gates, query, out, &verdict))
		return verdict;
	if ((gates & VIEW_NAMES_NEED) != VIEW_NAMES_NEED)
		return CLUSTER_UNSYNCED;
	hit->family = lookup_reverse_address(query, hit->addr);
	hit->node = hit->family ? external_node_next(view, hit, NULL) : NULL;
	if (!hit->node)
		return CLUSTER_NXDOMAIN;
	out->kind = EXTERNAL_REVERSE;
	return query->qtype == TYPE_PTR ? CLUSTER_FOUND : CLUSTER_NODATA;
}

void external_view_find(const struct view *view, const struct external *external,
	const struct query *query, struct external_hit *out)
{
	const unsigned gates = atomic_load_explicit(&view->gates, memory_order_acquire);

	out->kind = EXTERNAL_RECORDS;
	out->hit.zone_labels = external->zone->labels;
	out->hit.ttl_s = external->ttl_s;
	if (query->labels == external->zone->labels)
		out->hit.verdict = find_apex(query->qtype, out);
	else if (external->reverse || lookup_reverse_address(query, out->hit.addr))
		out->hit.verdict = find_reverse(view, external, gates, query, out);
	else
		out->hit.verdict = find_forward(view, external, gates, query, out);
}

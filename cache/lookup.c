/* SPDX-License-Identifier: Apache-2.0 */
#include "lookup.h"

#include <string.h>

#include "dashed.h"
#include "dns/wire/type.h"
#include "pick.h"
#include "ptr.h"

int lookup_zone(const struct view *view, const struct query *query)
{
	int best = -1;

	for (size_t i = 0; i < view->zone_count; i++) {
		const struct name *zone = &view->zones[i].name;

		if ((best < 0 || view->zones[best].name.labels < zone->labels) &&
			query_below(query, zone))
			best = (int)i;
	}
	return best;
}

static enum cluster_verdict hit_all(struct cluster_hit *hit, const struct answer *answer)
{
	if (!answer)
		return CLUSTER_NODATA;
	hit->kind = HIT_RRSET;
	hit->answer = answer;
	hit->glue[0] = hit->glue[1] = NULL;
	hit->first = 0;
	hit->count = answer->count;
	return CLUSTER_FOUND;
}

/* ---- what is in a pick ---- */

static enum cluster_verdict hit_services(struct cluster_hit *hit)
{
	if (!pick_has_srv(&hit->pick))
		return CLUSTER_NODATA;
	hit->kind = HIT_SERVICES;
	return CLUSTER_FOUND;
}

static enum cluster_verdict hit_picked(struct cluster_hit *hit, uint16_t qtype)
{
	if (qtype == TYPE_SRV)
		return hit_services(hit);
	if (qtype != TYPE_A && qtype != TYPE_AAAA)
		return CLUSTER_NODATA;
	hit->family = qtype == TYPE_A ? 4 : 6;
	hit->count = pick_address_count(&hit->pick, hit->family);
	hit->kind = HIT_ADDRESSES;
	return hit->count ? CLUSTER_FOUND : CLUSTER_NODATA;
}

static void pick_own(struct cluster_hit *hit, const struct entry *entry)
{
	hit->pick = (struct pick){.entry = entry,
		.endpoints = endpoints_of(entry),
		.ports = entry_block(entry, SLOT_PORTS),
		.own = entry->kind != ENTRY_HEADLESS};
	hit->pick.count = endpoints_count(&hit->pick.endpoints);
}

/* The Service's own addresses; for a headless one those of all its endpoints. */
static enum cluster_verdict hit_service(
	struct cluster_hit *hit, const struct entry *entry, uint16_t qtype)
{
	if (qtype == TYPE_A)
		return hit_all(hit, entry_answer(entry, SLOT_A));
	if (qtype == TYPE_AAAA)
		return hit_all(hit, entry_answer(entry, SLOT_AAAA));
	if (qtype != TYPE_SRV)
		return CLUSTER_NODATA;
	pick_own(hit, entry);
	return hit_services(hit);
}

/* ---- names of the zone ---- */

enum cluster_verdict lookup_apex(const struct entry *entry, uint16_t qtype, struct cluster_hit *hit)
{
	enum cluster_verdict verdict;

	hit->kind = HIT_SOA;
	if (qtype == TYPE_SOA)
		return CLUSTER_FOUND;
	if (qtype != TYPE_NS)
		return CLUSTER_NODATA;
	verdict = hit_all(hit, entry_answer(entry, SLOT_NAME));
	hit->glue[0] = entry_answer(entry, SLOT_A);
	hit->glue[1] = entry_answer(entry, SLOT_AAAA);
	return verdict;
}

static enum cluster_verdict find_apex(
	const struct view *view, const struct zone *zone, uint16_t qtype, struct cluster_hit *hit)
{
	/* A name server is a Service, which a clusterset zone has no name of. */
	const bool elsewhere = zone->reverse || zone->clusterset;
	const unsigned which = elsewhere ? APEX_REVERSE : APEX_FORWARD;

	return lookup_apex(
		atomic_load_explicit(&view->compile.apex[which], memory_order_acquire), qtype, hit);
}

static enum cluster_verdict find_fixed(
	const struct entry *entry, uint16_t qtype, struct cluster_hit *hit)
{
	if (!entry)
		return CLUSTER_NXDOMAIN;
	if (qtype == TYPE_TXT)
		return hit_all(hit, entry_answer(entry, SLOT_TXT));
	return hit_service(hit, entry, qtype);
}

/* ---- a Service and what is below it ---- */

/* sliced, here and below: the slices are complete. */
static enum cluster_verdict find_service(
	const struct entry *entry, bool sliced, uint16_t qtype, struct cluster_hit *hit)
{
	if (!entry)
		return CLUSTER_NXDOMAIN;
	switch ((enum entry_kind)entry->kind) {
	case ENTRY_EXTERNAL: /* every type gets the alias (RFC 1034 section 3.6.2) */
		return hit_all(hit, entry_answer(entry, SLOT_NAME));
	case ENTRY_HEADLESS:
		if (!sliced)
			return CLUSTER_UNSYNCED;
		/* DNS-Based Service Discovery section 2.4.1: without a ready endpoint
		 * NXDOMAIN, and the same for every type. */
		if (!entry->at[SLOT_A] && !entry->at[SLOT_AAAA])
			return CLUSTER_NXDOMAIN;
		return hit_service(hit, entry, qtype);
	case ENTRY_CLUSTER_IP:
		return hit_service(hit, entry, qtype);
	case ENTRY_FIXED:
	case ENTRY_EMPTY:
		break;
	}
	return CLUSTER_NODATA;
}

/* The Service or import of three labels. */
static const struct entry *entry_at(
	const struct view *view, const struct zone *zone, const uint8_t *name, size_t len)
{
	uint8_t key[OWNER_KEY_MAX];

	if (!zone->clusterset || len > sizeof key)
		return index_find(&view->index, name, len);
	memcpy(key, name, len);
	memcpy(key + len - 4, IMPORT_LABEL, 4);
	return index_find(&view->index, key, len);
}

/* That of a name of 4 or 5 labels, from which the first `skip` are left out. */
static const struct entry *service_above(const struct view *view, const struct zone *zone,
	const struct query *query, size_t len, unsigned skip)
{
	size_t first = 0;
	const struct entry *entry;

	for (; skip; skip--)
		first += 1u + query->name[first];
	entry = entry_at(view, zone, query->name + first, len - first);
	if (entry && (entry->kind == ENTRY_CLUSTER_IP || entry->kind == ENTRY_HEADLESS))
		return entry;
	return NULL; /* an alias hides whatever slices say */
}

static bool has_protocol(const struct entry *entry, const uint8_t *label)
{
	const struct port_set *ports = entry_block(entry, SLOT_PORTS);

	return ports && ports_has_protocol(ports, label);
}

static enum cluster_verdict find_endpoint(
	const struct entry *entry, bool sliced, const struct query *query, struct cluster_hit *hit)
{
	struct pick *pick = &hit->pick;
	int64_t dashed;

	/* A ClusterIP Service's ports are its own: no slice is needed for them. No
	 * hostname begins with an underscore. */
	if (entry->kind == ENTRY_CLUSTER_IP && query->name[1] == '_' &&
		has_protocol(entry, query->name))
		return CLUSTER_NODATA;
	if (!sliced)
		return CLUSTER_UNSYNCED;
	*pick = (struct pick){.entry = entry, .endpoints = endpoints_of(entry)};
	pick->ports = pick->endpoints.ports;
	pick->first = endpoints_find_host(&pick->endpoints, query->name, &pick->count);
	if (!pick->count) {
		dashed = endpoints_find_dashed(&pick->endpoints, query->name);
		pick->first = (uint32_t)dashed;
		pick->count = dashed >= 0;
	}
	if (pick->count)
		return hit_picked(hit, query->qtype);
	return has_protocol(entry, query->name) ? CLUSTER_NODATA : CLUSTER_NXDOMAIN;
}

static enum cluster_verdict find_port(
	const struct entry *entry, bool sliced, const struct query *query, struct cluster_hit *hit)
{
	const uint8_t *protocol = query->name + 1 + query->name[0];

	if (entry->kind == ENTRY_HEADLESS && !sliced)
		return CLUSTER_UNSYNCED;
	pick_own(hit, entry);
	if (!ports_wanted(query->name, protocol, &hit->pick.wanted))
		return CLUSTER_NXDOMAIN;
	switch (pick_port_match(&hit->pick)) {
	case PICK_NONE:
		return CLUSTER_NXDOMAIN;
	case PICK_SOME: /* of a headless Service */
		return hit_picked(hit, query->qtype);
	case PICK_ALL:
		break;
	}
	if (query->qtype == TYPE_SRV)
		return hit_services(hit);
	return hit_service(hit, entry, query->qtype);
}

enum cluster_verdict lookup_entry(const struct entry *entry, unsigned depth,
	const struct query *query, struct cluster_hit *hit)
{
	if (depth == 1)
		return find_endpoint(entry, true, query, hit);
	if (depth == 2)
		return find_port(entry, true, query, hit);
	return entry->kind == ENTRY_FIXED ? find_fixed(entry, query->qtype, hit)
					  : find_service(entry, true, query->qtype, hit);
}

/* ---- an import and what is below it ---- */

/* One label in front: a protocol or a cluster, and nothing at it. */
static enum cluster_verdict find_above_imported(
	const struct entry *entry, bool sliced, const struct query *query)
{
	struct endpoints endpoints;

	if (entry->kind == ENTRY_HEADLESS && !sliced)
		return CLUSTER_UNSYNCED;
	endpoints = endpoints_of(entry);
	if (has_protocol(entry, query->name) || endpoints_has_cluster(&endpoints, query->name))
		return CLUSTER_NODATA;
	return CLUSTER_NXDOMAIN;
}

/* Two of them: a port and a protocol if there is an underscore, as in CoreDNS, else
 * an endpoint and its cluster. */
static enum cluster_verdict find_imported(
	const struct entry *entry, bool sliced, const struct query *query, struct cluster_hit *hit)
{
	struct pick *pick = &hit->pick;

	if (query->name[1] == '_' || query->name[2 + query->name[0]] == '_')
		return find_port(entry, sliced, query, hit);
	if (entry->kind != ENTRY_HEADLESS)
		return CLUSTER_NXDOMAIN;
	if (!sliced)
		return CLUSTER_UNSYNCED;
	*pick = (struct pick){.entry = entry, .endpoints = endpoints_of(entry)};
	pick->ports = pick->endpoints.ports;
	pick->first = endpoints_find_host(&pick->endpoints, query->name, &pick->count);
	return pick->count ? hit_picked(hit, query->qtype) : CLUSTER_NXDOMAIN;
}

/* ---- everything below svc ---- */

static enum cluster_verdict find_below_service(const struct entry *entry, const struct zone *zone,
	bool sliced, unsigned labels, const struct query *query, struct cluster_hit *hit)
{
	if (!entry)
		return CLUSTER_NXDOMAIN;
	if (labels == 4)
		return zone->clusterset ? find_above_imported(entry, sliced, query)
					: find_endpoint(entry, sliced, query, hit);
	return zone->clusterset ? find_imported(entry, sliced, query, hit)
				: find_port(entry, sliced, query, hit);
}

/* ---- topology zones ---- */

static bool label_is(const uint8_t *label, const char *text)
{
	const size_t len = strlen(text);

	return label[0] == len && memcmp(label + 1, text, len) == 0;
}

/* The zone before the directive: its labels, joined by dots (a zone may have some). */
static unsigned zone_asked(const struct zone_set *zones, const struct query *query, size_t end)
{
	uint8_t text[NAME_MAX_LEN];
	size_t at = 0;

	while (at < end) {
		const size_t len = query->name[at];

		memcpy(text + at, query->name + at + 1, len);
		text[at + len] = '.';
		at += 1 + len;
	}
	return zones_find(zones, text, end - 1);
}

/* ZONE.pin._zone and ZONE.prefer._zone of a headless Service. Whatever the zone, the
 * name exists: which zones have endpoints now is not what makes a name. */
static enum cluster_verdict find_zonal(const struct view *view, const struct zone *zone,
	bool sliced, unsigned labels, const struct query *query, struct cluster_hit *hit)
{
	const unsigned above = zone->name.labels + 3; /* the Service and what is above it */
	const size_t at = query->label_at[above];
	const struct entry *entry =
		index_find(&view->index, query->name + at, query->label_at[zone->name.labels] - at);
	const uint8_t *directive = query->name + query->label_at[labels > 4 ? above + 2 : above];
	struct pick *pick = &hit->pick;
	const bool prefer = labels > 4 && label_is(directive, "prefer");

	if (!entry || entry->kind != ENTRY_HEADLESS)
		return CLUSTER_NXDOMAIN;
	if (labels > 4 && !prefer && !label_is(directive, "pin"))
		return CLUSTER_NXDOMAIN;
	if (!sliced)
		return CLUSTER_UNSYNCED;
	if (labels <= 5)
		return CLUSTER_NODATA;
	pick_own(hit, entry);
	pick->zones = entry_block(entry, SLOT_ZONES);
	pick->zone = zone_asked(pick->zones, query, query->label_at[above + 2]);
	if (!pick->zone && !prefer)
		return CLUSTER_NODATA;
	return hit_picked(hit, query->qtype);
}

/* True if the label below the Service says so. */
static bool is_zonal(const struct view *view, const struct zone *zone, unsigned labels,
	const struct query *query)
{
	return view->zonal && labels > 3 && !zone->clusterset &&
	       label_is(query->name + query->label_at[zone->name.labels + 4], "_zone");
}

static enum cluster_verdict find_below_svc(const struct view *view, unsigned gates,
	const struct zone *zone, unsigned labels, const struct query *query,
	struct cluster_hit *hit)
{
	const size_t len = query->label_at[zone->name.labels]; /* of the relative name */
	const bool sliced = (gates & zone->slices_need) == zone->slices_need;
	const struct entry *entry;

	if (labels > 1 && (gates & zone->names_need) != zone->names_need)
		return CLUSTER_UNSYNCED;
	if (is_zonal(view, zone, labels, query))
		return find_zonal(view, zone, sliced, labels, query, hit);
	switch (labels) {
	case 1: /* svc */
		return CLUSTER_NODATA;
	case 2:
		entry = index_find(&view->index, query->name, len);
		return find_service(entry, sliced, query->qtype, hit);
	case 3:
		entry = entry_at(view, zone, query->name, len);
		return find_service(entry, sliced, query->qtype, hit);
	case 4:
	case 5:
		entry = service_above(view, zone, query, len, labels - 3);
		return find_below_service(entry, zone, sliced, labels, query, hit);
	default:
		return CLUSTER_NXDOMAIN;
	}
}

/* ---- pods ---- */

/* The namespace's own name lies under svc. label: where its label begins. */
static bool namespace_exists(const struct view *view, const uint8_t *label)
{
	uint8_t key[1 + NAME_MAX_LABEL + 4];
	const size_t len = 1u + label[0];

	memcpy(key, label, len);
	memcpy(key + len, "\3svc", 4);
	return index_find(&view->index, key, len + 4) != NULL;
}

/* ADDRESS.NAMESPACE.pod: the name itself says which address it is. What is no name
 * of a pod in any case waits for no pods. */
static enum cluster_verdict find_pod(
	const struct view *view, unsigned gates, const struct query *query, struct cluster_hit *hit)
{
	const uint8_t *ns = query->name + 1 + query->name[0];

	if (!namespace_exists(view, ns))
		return CLUSTER_NXDOMAIN;
	hit->family = dashed_read(query->name + 1, query->name[0], hit->addr);
	if (!hit->family)
		return CLUSTER_NXDOMAIN;
	if (view->pods_mode == CLUSTER_PODS_VERIFIED) {
		if ((gates & VIEW_PODS_NEED) != VIEW_PODS_NEED)
			return CLUSTER_UNSYNCED;
		if (!pods_have(&view->pods, ns, hit->family, hit->addr) ||
			!dashed_is_usual(query->name + 1, query->name[0], hit->family, hit->addr))
			return CLUSTER_NXDOMAIN;
	}
	hit->kind = HIT_ADDRESS;
	return query->qtype == (hit->family == 4 ? TYPE_A : TYPE_AAAA) ? CLUSTER_FOUND
								       : CLUSTER_NODATA;
}

static enum cluster_verdict find_below_pod(const struct view *view, unsigned gates, unsigned labels,
	const struct query *query, struct cluster_hit *hit)
{
	if (labels == 1)
		return CLUSTER_NODATA;
	if (view->pods_mode == CLUSTER_PODS_DISABLED || labels > 3)
		return CLUSTER_NXDOMAIN;
	if ((gates & VIEW_NAMES_NEED) != VIEW_NAMES_NEED)
		return CLUSTER_UNSYNCED;
	if (labels == 3)
		return find_pod(view, gates, query, hit);
	return namespace_exists(view, query->name) ? CLUSTER_NODATA : CLUSTER_NXDOMAIN;
}

/* ---- reverse names ---- */

static uint8_t reverse_v4(const struct query *query, uint8_t addr[16])
{
	const uint8_t *label = query->name;

	for (int i = 3; i >= 0; i--, label += 1 + label[0]) {
		unsigned value = 0;

		if (label[0] > 3 || (label[0] > 1 && label[1] == '0'))
			return 0;
		for (unsigned k = 1; k <= label[0]; k++) {
			if (label[k] < '0' || label[k] > '9')
				return 0;
			value = value * 10 + (label[k] - '0');
		}
		if (value > 255)
			return 0;
		addr[i] = (uint8_t)value;
	}
	return 4;
}

static int nibble(uint8_t digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static uint8_t reverse_v6(const struct query *query, uint8_t addr[16])
{
	for (unsigned i = 0; i < 16; i++) {
		const uint8_t *label = query->name + 4 * (15 - i);
		const int low = label[0] == 1 ? nibble(label[1]) : -1;
		const int high = label[2] == 1 ? nibble(label[3]) : -1;

		if (low < 0 || high < 0)
			return 0;
		addr[i] = (uint8_t)(high << 4 | low);
	}
	return 6;
}

uint8_t lookup_reverse_address(const struct query *query, uint8_t addr[16])
{
	static const uint8_t v4[] = "\7in-addr\4arpa", v6[] = "\3ip6\4arpa";
	const uint8_t *tree;

	if (query->labels != 6 && query->labels != 34)
		return 0;
	tree = query->name + query->label_at[2];
	if (query->labels == 6 && memcmp(tree, v4, sizeof v4) == 0)
		return reverse_v4(query, addr);
	/* 32 labels in 64 bytes are one digit each, or some are empty, which none is. */
	if (query->labels == 34 && query->name_len == 64 + sizeof v6 &&
		memcmp(tree, v6, sizeof v6) == 0)
		return reverse_v6(query, addr);
	return 0;
}

static enum cluster_verdict find_reverse(const struct view *view, unsigned gates,
	unsigned zone_labels, const struct query *query, struct cluster_hit *hit)
{
	static const uint8_t host[] = {2, 'n', 's', 3, 'd', 'n', 's'};
	const size_t len = query->label_at[zone_labels];

	/* ns.dns, which the zone's SOA names, and dns above it */
	if (len == sizeof host && memcmp(query->name, host, len) == 0)
		return find_fixed(index_find(&view->index, host, len), query->qtype, hit);
	if (len == 4 && memcmp(query->name, host + 3, len) == 0)
		return CLUSTER_NODATA;
	if ((gates & VIEW_REVERSE_NEED) != VIEW_REVERSE_NEED)
		return CLUSTER_UNSYNCED;
	hit->family = lookup_reverse_address(query, hit->addr);
	if (!hit->family || !ptr_find(view, hit->family, hit->addr, hit))
		return CLUSTER_NXDOMAIN;
	hit->kind = HIT_REVERSE;
	return query->qtype == TYPE_PTR ? CLUSTER_FOUND : CLUSTER_NODATA;
}

/* ---- the door ---- */

static enum cluster_verdict find_forward(const struct view *view, unsigned gates,
	const struct zone *zone, const struct query *query, struct cluster_hit *hit)
{
	const unsigned zone_labels = zone->name.labels;
	const unsigned labels = (unsigned)query->labels - zone_labels;
	const uint8_t *top = query->name + query->label_at[zone_labels + 1];

	if (label_is(top, "svc"))
		return find_below_svc(view, gates, zone, labels, query, hit);
	if (label_is(top, "pod"))
		return find_below_pod(view, gates, labels, query, hit);
	return find_fixed(index_find(&view->index, query->name, query->label_at[zone_labels]),
		query->qtype, hit);
}

void lookup_find(
	const struct view *view, int zone, const struct query *query, struct cluster_hit *out)
{
	const struct zone *in = &view->zones[zone];
	const unsigned gates = atomic_load_explicit(&view->gates, memory_order_acquire);

	out->zone = (uint8_t)zone;
	out->ttl_s = view->ttl_s;
	out->zone_labels = in->name.labels;
	if (query->labels == in->name.labels)
		out->verdict = find_apex(view, in, query->qtype, out);
	else if (!in->reverse)
		out->verdict = find_forward(view, gates, in, query, out);
	else
		out->verdict = find_reverse(view, gates, in->name.labels, query, out);
}

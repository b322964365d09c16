/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "compile.h"
#include "dashed.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#define SOA_TTL_MAX_S      300
#define NEGATIVE_TTL_MAX_S 5 /* a name asked too early is not denied for long */
#define SERIAL_START       0x80000000u

#define NAMES_NEED   (KIND_BIT(KIND_NAMESPACE) | KIND_BIT(KIND_SERVICE))
#define SLICES_NEED  (NAMES_NEED | KIND_BIT(KIND_SLICE))
#define REVERSE_NEED (KIND_BIT(KIND_SERVICE) | KIND_BIT(KIND_SLICE))

struct zone {
	struct name name;
	bool reverse;
};

/* What readers use comes first; all but the atomics is fixed by then. */
struct cluster {
	struct index index;
	/* KIND_BITs of the kinds of which a complete list is published. Loaded
	 * before the index is looked at, and set behind it: who sees a bit sees
	 * everything of that list. */
	atomic_uint gates;
	_Atomic uint32_t serial;
	uint32_t ttl_s;
	size_t zone_count;
	struct zone *zones;
	struct compile compile;

	/* The writer's. */
	struct store store;
	struct epoch_bin bin;
	struct rule_config rules;
	struct ip *own;
	char **namespaces;
	void (*event)(void *user, const struct watch_event *event);
	void *user;
};

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool name_ends(const struct name *name, const char *tail)
{
	struct name zone;

	return name_from_text(tail, strlen(tail), &zone) == 0 && name_below(name, &zone);
}

static int copy_zones(struct cluster *cluster, const struct cluster_config *config)
{
	if (!config->zone_count || config->zone_count > UINT8_MAX)
		return -EINVAL;
	cluster->zones = calloc(config->zone_count, sizeof *cluster->zones);
	if (!cluster->zones)
		return -ENOMEM;
	cluster->zone_count = config->zone_count;
	for (size_t i = 0; i < config->zone_count; i++) {
		struct zone *zone = &cluster->zones[i];

		zone->name = config->zones[i];
		zone->reverse = name_ends(&zone->name, "in-addr.arpa") ||
				name_ends(&zone->name, "ip6.arpa");
		if (zone->reverse)
			continue;
		if (zone->name.len > NAME_MAX_LEN - OWNER_KEY_MAX)
			return -EINVAL;
		if (!cluster->rules.primary)
			cluster->rules.primary = &zone->name;
		if (zone->name.len > cluster->rules.zone_max)
			cluster->rules.zone_max = zone->name.len;
	}
	return cluster->rules.primary ? 0 : -EINVAL;
}

static int copy_namespaces(struct cluster *cluster, const char *const *namespaces)
{
	size_t count = 0;

	if (!namespaces)
		return 0;
	while (namespaces[count])
		count++;
	cluster->namespaces = calloc(count + 1, sizeof(char *));
	if (!cluster->namespaces)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		cluster->namespaces[i] = strdup(namespaces[i]);
		if (!cluster->namespaces[i])
			return -ENOMEM;
	}
	return 0;
}

static int copy_own(struct cluster *cluster, const struct cluster_config *config)
{
	if (!config->own_count)
		return 0;
	cluster->own = malloc(config->own_count * sizeof *cluster->own);
	if (!cluster->own)
		return -ENOMEM;
	memcpy(cluster->own, config->own, config->own_count * sizeof *cluster->own);
	cluster->rules.own = cluster->own;
	cluster->rules.own_count = config->own_count;
	return 0;
}

static int copy_config(struct cluster *cluster, const struct cluster_config *config)
{
	int rc = copy_zones(cluster, config);

	if (!rc)
		rc = copy_namespaces(cluster, config->namespaces);
	if (!rc)
		rc = copy_own(cluster, config);
	cluster->ttl_s = cluster->rules.ttl_s = config->ttl_s;
	return rc;
}

static int start(struct cluster *cluster)
{
	uint8_t secret[16];
	int rc;

	if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		return -ENOMEM;
	rc = index_init(&cluster->index, secret, &cluster->bin);
	if (!rc)
		rc = store_init(&cluster->store, secret, (const char *const *)cluster->namespaces);
	if (!rc)
		rc = compile_init(
			&cluster->compile, &cluster->store, &cluster->index, &cluster->rules);
	return rc;
}

int cluster_new(const struct cluster_config *config, struct cluster **out)
{
	struct cluster *cluster = calloc(1, sizeof *cluster);
	int rc;

	if (!cluster)
		return -ENOMEM;
	atomic_init(&cluster->gates, 0);
	atomic_init(&cluster->serial, SERIAL_START);
	rc = copy_config(cluster, config);
	if (!rc)
		rc = start(cluster);
	if (rc) {
		cluster_free(cluster);
		return rc;
	}
	*out = cluster;
	return 0;
}

void cluster_free(struct cluster *cluster)
{
	if (!cluster)
		return;
	compile_free(&cluster->compile);
	store_free(&cluster->store);
	index_free(&cluster->index);
	epoch_bin_free(&cluster->bin);
	for (char **at = cluster->namespaces; at && *at; at++)
		free(*at);
	free(cluster->namespaces);
	free(cluster->own);
	free(cluster->zones);
	free(cluster);
}

/* The sink */

static void sink_begin(void *ctx, enum object_kind kind)
{
	struct cluster *cluster = ctx;

	store_begin(&cluster->store, kind);
}

static int sink_upsert(void *ctx, struct object *object)
{
	struct cluster *cluster = ctx;

	return store_upsert(&cluster->store, object);
}

static void sink_remove(
	void *ctx, enum object_kind kind, const char *ns, const char *name, uint64_t version)
{
	struct cluster *cluster = ctx;

	store_remove(&cluster->store, kind, ns, name, version);
}

static void sink_end(void *ctx, enum object_kind kind, uint64_t version)
{
	struct cluster *cluster = ctx;

	store_end(&cluster->store, kind, version);
}

static void sink_abort(void *ctx, enum object_kind kind)
{
	struct cluster *cluster = ctx;

	store_abort(&cluster->store, kind);
}

/* The serial follows from the resource versions of what DNS sees, so replicas
 * that follow their watches agree and it lies ahead of any clock; where versions
 * go back or there are none it is the previous one + 1 (RFC 1982 section 3.1). */
static void serial_raise(struct cluster *cluster)
{
	const uint32_t old = atomic_load_explicit(&cluster->serial, memory_order_relaxed);
	uint32_t fresh = SERIAL_START;

	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		fresh += (uint32_t)cluster->store.kinds[kind].version;
	if (fresh == old || fresh - old >= 0x80000000u)
		fresh = old + 1;
	atomic_store_explicit(&cluster->serial, fresh, memory_order_release);
}

/* Publish first, then say so, then wait for readers to free what is old. */
static void sink_settle(void *ctx)
{
	struct cluster *cluster = ctx;
	const size_t left = compile_run(&cluster->compile);
	unsigned complete = 0;

	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		complete |= cluster->store.kinds[kind].complete ? KIND_BIT(kind) : 0;
	if (cluster->store.changed)
		serial_raise(cluster);
	if (!left) {
		cluster->store.changed = false;
		atomic_store_explicit(&cluster->gates, complete, memory_order_release);
	}
	epoch_reclaim(&cluster->bin);
}

static void sink_event(void *ctx, const struct watch_event *event)
{
	struct cluster *cluster = ctx;

	if (cluster->event)
		cluster->event(cluster->user, event);
}

struct sink cluster_sink(struct cluster *cluster,
	void (*event)(void *user, const struct watch_event *event), void *user)
{
	cluster->event = event;
	cluster->user = user;
	return (struct sink){
		.ctx = cluster,
		.begin_replace = sink_begin,
		.upsert = sink_upsert,
		.remove = sink_remove,
		.end_replace = sink_end,
		.abort_replace = sink_abort,
		.settle = sink_settle,
		.event = sink_event,
	};
}

/* Look-up */

int cluster_zone(const struct cluster *cluster, const struct query *query)
{
	int best = -1;

	for (size_t i = 0; i < cluster->zone_count; i++) {
		const struct name *zone = &cluster->zones[i].name;

		if (query->labels < zone->labels ||
			(best >= 0 && cluster->zones[best].name.labels >= zone->labels))
			continue;
		if (query->name_len - query->label_at[zone->labels] == zone->len &&
			memcmp(query->name + query->label_at[zone->labels], zone->wire,
				zone->len) == 0)
			best = (int)i;
	}
	return best;
}

static enum cluster_verdict hit_set(
	struct cluster_hit *hit, const struct answer *answer, uint32_t first, uint32_t count)
{
	if (!answer || !count)
		return CLUSTER_NODATA;
	hit->answer = answer;
	hit->first = first;
	hit->count = count;
	return CLUSTER_FOUND;
}

static enum cluster_verdict hit_all(struct cluster_hit *hit, const struct answer *answer)
{
	return hit_set(hit, answer, 0, answer ? answer->count : 0);
}

static enum cluster_verdict hit_address(
	struct cluster_hit *hit, const struct entry *entry, uint16_t qtype)
{
	if (qtype == TYPE_A)
		return hit_all(hit, entry_answer(entry, SLOT_A));
	if (qtype == TYPE_AAAA)
		return hit_all(hit, entry_answer(entry, SLOT_AAAA));
	return CLUSTER_NODATA;
}

static enum cluster_verdict find_apex(const struct cluster *cluster, const struct zone *zone,
	uint16_t qtype, struct cluster_hit *hit)
{
	const unsigned which = zone->reverse ? APEX_REVERSE : APEX_FORWARD;
	const struct entry *entry;

	if (qtype == TYPE_SOA)
		return CLUSTER_FOUND;
	if (qtype != TYPE_NS)
		return CLUSTER_NODATA;
	entry = atomic_load_explicit(&cluster->compile.apex[which], memory_order_acquire);
	hit->glue[0] = entry_answer(entry, SLOT_A);
	hit->glue[1] = entry_answer(entry, SLOT_AAAA);
	return hit_all(hit, entry_answer(entry, SLOT_NAME));
}

/* A name at or above a Service's endpoints that is in the index. */
static enum cluster_verdict find_entry(
	const struct entry *entry, unsigned gates, uint16_t qtype, struct cluster_hit *hit)
{
	const bool slices = (gates & SLICES_NEED) == SLICES_NEED;

	switch ((enum entry_kind)entry->kind) {
	case ENTRY_EXTERNAL: /* every type gets the alias (RFC 1034 section 3.6.2) */
		return hit_all(hit, entry_answer(entry, SLOT_NAME));
	case ENTRY_HEADLESS:
		if (!slices)
			return CLUSTER_UNSYNCED;
		/* DNS-Based Service Discovery section 2.4.1: without a ready endpoint
		 * NXDOMAIN, and the same for every type. */
		if (!entry->at[SLOT_A] && !entry->at[SLOT_AAAA])
			return CLUSTER_NXDOMAIN;
		return hit_address(hit, entry, qtype);
	case ENTRY_ENDPOINT:
		return slices ? hit_address(hit, entry, qtype) : CLUSTER_UNSYNCED;
	case ENTRY_FIXED:
	case ENTRY_CLUSTER_IP:
		return hit_address(hit, entry, qtype);
	case ENTRY_EMPTY:
		break;
	}
	return CLUSTER_NODATA;
}

/* A name that is not in the index, one label below a Service: the label may be
 * the dashed address of an endpoint. */
static enum cluster_verdict find_dashed(const struct entry *service, unsigned gates,
	const struct query *query, struct cluster_hit *hit)
{
	const struct answer *set;
	uint8_t addr[16];
	uint8_t family;
	int64_t at;

	if (service->kind != ENTRY_CLUSTER_IP && service->kind != ENTRY_HEADLESS)
		return CLUSTER_NXDOMAIN; /* an alias hides whatever slices say */
	if ((gates & SLICES_NEED) != SLICES_NEED)
		return CLUSTER_UNSYNCED;
	family = dashed_parse(query->name + 1, query->name[0], addr);
	if (!family)
		return CLUSTER_NXDOMAIN;
	set = entry_answer(service, family == 4 ? SLOT_ENDPOINTS_A : SLOT_ENDPOINTS_AAAA);
	at = set ? answer_find(set, addr) : -1;
	if (at < 0)
		return CLUSTER_NXDOMAIN;
	return set->type == query->qtype ? hit_set(hit, set, (uint32_t)at, 1) : CLUSTER_NODATA;
}

static enum cluster_verdict find_forward(const struct cluster *cluster, unsigned gates,
	unsigned zone_labels, const struct query *query, struct cluster_hit *hit)
{
	static const uint8_t svc[4] = {3, 's', 'v', 'c'};
	const size_t len = query->label_at[zone_labels]; /* of the relative name */
	const unsigned labels = (unsigned)query->labels - zone_labels;
	const bool service =
		memcmp(query->name + query->label_at[zone_labels + 1], svc, sizeof svc) == 0;
	const struct entry *entry;
	size_t first;

	if (service && labels > 1 && (gates & NAMES_NEED) != NAMES_NEED)
		return CLUSTER_UNSYNCED;
	entry = index_find(&cluster->index, query->name, len);
	if (entry)
		return find_entry(entry, gates, query->qtype, hit);
	if (!service || labels != 4)
		return CLUSTER_NXDOMAIN;
	first = 1u + query->name[0];
	entry = index_find(&cluster->index, query->name + first, len - first);
	return entry ? find_dashed(entry, gates, query, hit) : CLUSTER_NXDOMAIN;
}

void cluster_find(
	const struct cluster *cluster, int zone, const struct query *query, struct cluster_hit *out)
{
	const struct zone *in = &cluster->zones[zone];
	const unsigned gates = atomic_load_explicit(&cluster->gates, memory_order_acquire);

	*out = (struct cluster_hit){.zone = (uint8_t)zone, .zone_labels = in->name.labels};
	if (query->labels == in->name.labels)
		out->verdict = find_apex(cluster, in, query->qtype, out);
	else if (!in->reverse)
		out->verdict = find_forward(cluster, gates, in->name.labels, query, out);
	else
		out->verdict = (gates & REVERSE_NEED) == REVERSE_NEED ? CLUSTER_NXDOMAIN
								      : CLUSTER_UNSYNCED;
}

/* ns.dns.<zone>, hostmaster.<zone>, with the zone spelled as in the question. */
static void put_soa(const struct cluster *cluster, unsigned zone_labels, uint32_t ttl_s,
	uint32_t minimum_s, struct reply *reply, enum reply_section section)
{
	static const uint8_t mname[] = {2, 'n', 's', 3, 'd', 'n', 's'};
	static const uint8_t rname[] = {10, 'h', 'o', 's', 't', 'm', 'a', 's', 't', 'e', 'r'};
	const uint16_t zone_at = reply_zone_at(reply->query, zone_labels);
	const uint16_t pointer = (uint16_t)(0xC000u | zone_at);
	uint8_t rdata[sizeof mname + 2 + sizeof rname + 2 + 20];
	struct bytes_out out = bytes_out(rdata, sizeof rdata);

	bytes_put(&out, mname, sizeof mname);
	bytes_put_u16(&out, pointer);
	bytes_put(&out, rname, sizeof rname);
	bytes_put_u16(&out, pointer);
	bytes_put_u32(&out, atomic_load_explicit(&cluster->serial, memory_order_acquire));
	bytes_put_u32(&out, 7200);  /* refresh */
	bytes_put_u32(&out, 1800);  /* retry */
	bytes_put_u32(&out, 86400); /* expire */
	bytes_put_u32(&out, minimum_s);
	reply_put_rr(reply, section, zone_at, TYPE_SOA, ttl_s, rdata, sizeof rdata);
}

void cluster_put(const struct cluster *cluster, const struct cluster_hit *hit, uint32_t random,
	struct reply *reply)
{
	const uint32_t negative_s = least(cluster->ttl_s, NEGATIVE_TTL_MAX_S);

	reply->flags |= DNS_FLAG_AA;
	reply->rcode = RCODE_NOERROR;
	if (hit->verdict == CLUSTER_NXDOMAIN)
		reply->rcode = RCODE_NXDOMAIN;
	else if (hit->verdict == CLUSTER_UNSYNCED)
		reply->rcode = RCODE_SERVFAIL;
	if (hit->verdict != CLUSTER_FOUND) {
		/* Caches go by the record's TTL or by its minimum: both are the same. */
		put_soa(cluster, hit->zone_labels, negative_s, negative_s, reply, REPLY_AUTHORITY);
	} else if (!hit->answer) {
		put_soa(cluster, hit->zone_labels, least(cluster->ttl_s, SOA_TTL_MAX_S),
			cluster->ttl_s, reply, REPLY_ANSWER);
	} else {
		answer_put(hit->answer, hit->first, hit->count, random, reply, REPLY_ANSWER);
		for (unsigned i = 0; i < 2; i++) {
			if (hit->glue[i])
				answer_put(hit->glue[i], 0, hit->glue[i]->count, random, reply,
					REPLY_ADDITIONAL);
		}
	}
}

bool cluster_synced(const struct cluster *cluster, enum object_kind kind)
{
	return atomic_load_explicit(&cluster->gates, memory_order_acquire) & KIND_BIT(kind);
}

void cluster_stats(const struct cluster *cluster, struct cluster_stats *out)
{
	const struct store *store = &cluster->store;

	*out = (struct cluster_stats){
		.services = store->kinds[KIND_SERVICE].count,
		.slices = store->kinds[KIND_SLICE].count,
		.namespaces = store->kinds[KIND_NAMESPACE].count,
		.endpoints = store->endpoints,
		.nodes = cluster->index.nodes,
		.published = cluster->compile.published,
		.compiled = cluster->compile.compiled,
		.bytes = store_bytes(store) + cluster->index.bytes + cluster->compile.bytes,
		.refused = store->refused + cluster->compile.refused,
		.serial = atomic_load_explicit(&cluster->serial, memory_order_relaxed),
	};
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		out->synced[kind] = cluster_synced(cluster, (enum object_kind)kind);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "chase.h"
#include "export.h"
#include "external_put.h"
#include "lookup.h"
#include "put.h"

#define SERIAL_START 0x80000000u

/* What readers use comes first; all but its atomics is fixed by then. */
struct cluster {
	struct view view;

	/* The writer's. */
	struct store store;
	struct epoch_bin bin;
	struct rule_config rules;
	struct ip *own;
	char **namespaces;
	bool no_endpoints;
	void (*event)(void *user, const struct watch_event *event);
	void *user;
	struct {
		void (*changed)(void *user); /* NULL: free */
		void *user;
	} watchers[CLUSTER_WATCHERS_MAX];
};

static bool name_ends(const struct name *name, const char *tail)
{
	struct name zone;

	return name_from_text(tail, strlen(tail), &zone) == 0 && name_below(name, &zone);
}

static bool is_clusterset(const struct cluster_config *config, const struct name *zone)
{
	for (size_t i = 0; i < config->clusterset_count; i++) {
		if (name_equal(config->clusterset_zones[i].wire, zone->wire))
			return true;
	}
	return false;
}

/* What has to be listed before anything is said. */
static void set_needs(struct zone *zone, bool ignore_empty)
{
	const unsigned slices = KIND_BIT(zone->clusterset ? KIND_IMPORT_SLICE : KIND_SLICE);

	zone->names_need = zone->clusterset ? VIEW_IMPORTS_NEED : VIEW_NAMES_NEED;
	zone->slices_need = zone->names_need | slices;
	if (ignore_empty)
		zone->names_need |= slices;
}

/* The zone that PTRs and the NS of other zones lead to: one of Services. Only where
 * there is none it is one of imports, and then no such name exists. */
static void primary_set(struct cluster *cluster)
{
	struct rule_config *rules = &cluster->rules;

	for (size_t i = 0; i < cluster->view.zone_count; i++) {
		const struct zone *zone = &cluster->view.zones[i];

		if (zone->reverse)
			continue;
		if (!rules->primary || (rules->no_services && !zone->clusterset)) {
			rules->primary = &zone->name;
			rules->no_services = zone->clusterset;
		}
	}
	rules->reverse &= !rules->no_services;
}

static int copy_zones(struct cluster *cluster, const struct cluster_config *config)
{
	if (!config->zone_count || config->zone_count > UINT8_MAX)
		return -EINVAL;
	cluster->view.zones = calloc(config->zone_count, sizeof *cluster->view.zones);
	if (!cluster->view.zones)
		return -ENOMEM;
	cluster->view.zone_count = config->zone_count;
	for (size_t i = 0; i < config->zone_count; i++) {
		struct zone *zone = &cluster->view.zones[i];

		zone->name = config->zones[i];
		zone->reverse = name_ends(&zone->name, "in-addr.arpa") ||
				name_ends(&zone->name, "ip6.arpa");
		cluster->rules.reverse |= zone->reverse;
		zone->clusterset = !zone->reverse && is_clusterset(config, &zone->name);
		set_needs(zone, config->ignore_empty);
		if (zone->reverse)
			continue;
		if (zone->name.len > NAME_MAX_LEN - OWNER_KEY_MAX)
			return -EINVAL;
		if (zone->name.len > cluster->rules.zone_max)
			cluster->rules.zone_max = zone->name.len;
	}
	primary_set(cluster);
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
	cluster->view.ttl_s = cluster->rules.ttl_s = config->ttl_s;
	cluster->view.negative_ttl_s = config->negative_ttl_s;
	cluster->view.pods_mode = config->pods;
	cluster->view.zonal = cluster->rules.zonal = config->zonal;
	cluster->view.primary = cluster->rules.primary;
	cluster->rules.ignore_empty = config->ignore_empty;
	cluster->rules.strict = config->namespaces_selected;
	cluster->no_endpoints = config->no_endpoints;
	return rc;
}

static int start(struct cluster *cluster)
{
	uint8_t secret[16];
	int rc;

	if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret)
		return -ENOMEM;
	rc = index_init(&cluster->view.index, secret, &cluster->bin);
	if (!rc)
		rc = reverse_init(&cluster->view.reverse, secret, &cluster->bin);
	if (!rc)
		rc = store_init(&cluster->store, secret, (const char *const *)cluster->namespaces);
	cluster->store.strict = cluster->rules.strict;
	if (!rc && cluster->view.pods_mode == CLUSTER_PODS_VERIFIED) {
		rc = pods_init(&cluster->view.pods, secret, &cluster->bin);
		cluster->store.pods = &cluster->view.pods;
	}
	if (!rc)
		rc = compile_init(&cluster->view.compile, &cluster->store, &cluster->view.index,
			&cluster->view.reverse, &cluster->rules);
	return rc;
}

int cluster_new(const struct cluster_config *config, struct cluster **out)
{
	struct cluster *cluster = calloc(1, sizeof *cluster);
	int rc;

	if (!cluster)
		return -ENOMEM;
	atomic_init(&cluster->view.gates, 0);
	atomic_init(&cluster->view.serial, SERIAL_START);
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
	compile_free(&cluster->view.compile);
	store_free(&cluster->store);
	index_free(&cluster->view.index);
	reverse_free(&cluster->view.reverse);
	pods_free(&cluster->view.pods);
	epoch_bin_free(&cluster->bin);
	for (char **at = cluster->namespaces; at && *at; at++)
		free(*at);
	free(cluster->namespaces);
	free(cluster->own);
	free(cluster->view.zones);
	free(cluster);
}

/* The sink */

/* Something only the rules can see is told as if the watch had seen it. */
static void tell(void *ctx, const struct object *object, const char *why)
{
	struct cluster *cluster = ctx;
	const struct watch_event event = {
		.type = WATCH_OBJECT_REFUSED,
		.kind = (enum object_kind)object->kind,
		.detail = why,
		.ns = object->ns,
		.name = object->name,
	};

	if (cluster->event)
		cluster->event(cluster->user, &event);
}

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
	const uint32_t old = atomic_load_explicit(&cluster->view.serial, memory_order_relaxed);
	uint32_t fresh = SERIAL_START;

	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		fresh += (uint32_t)cluster->store.kinds[kind].version;
	if (fresh == old || fresh - old >= 0x80000000u)
		fresh = old + 1;
	atomic_store_explicit(&cluster->view.serial, fresh, memory_order_release);
}

static void watchers_tell(const struct cluster *cluster)
{
	for (int i = 0; i < CLUSTER_WATCHERS_MAX; i++) {
		if (cluster->watchers[i].changed)
			cluster->watchers[i].changed(cluster->watchers[i].user);
	}
}

/* Publish first, then say so, then wait for readers to free what is old. */
static void sink_settle(void *ctx)
{
	struct cluster *cluster = ctx;
	const size_t left = compile_run(&cluster->view.compile);
	const bool changed = cluster->store.changed;
	unsigned complete = 0, before;

	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		complete |= cluster->store.kinds[kind].complete ? KIND_BIT(kind) : 0;
	if (cluster->no_endpoints)
		complete |= KIND_BIT(KIND_SLICE);
	if (changed)
		serial_raise(cluster);
	before = atomic_load_explicit(&cluster->view.gates, memory_order_relaxed);
	if (!left) {
		cluster->store.changed = false;
		atomic_store_explicit(&cluster->view.gates, complete, memory_order_release);
	}
	epoch_reclaim(&cluster->bin);
	if (changed || (!left && complete != before))
		watchers_tell(cluster);
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
	cluster->rules.tell = tell;
	cluster->rules.tell_ctx = cluster;
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

int cluster_service_type(const struct cluster *cluster, const char *ns, const char *name)
{
	const struct service *service = store_service(&cluster->store, ns, name);

	return service ? (int)service->type : -1;
}

void cluster_watch(struct cluster *cluster, void (*changed)(void *user), void *user)
{
	int room = -1;

	for (int i = 0; i < CLUSTER_WATCHERS_MAX; i++) {
		if (cluster->watchers[i].changed && cluster->watchers[i].user == user)
			cluster->watchers[i].changed = NULL;
		if (!cluster->watchers[i].changed)
			room = i;
	}
	if (!changed || room < 0)
		return;
	cluster->watchers[room].changed = changed;
	cluster->watchers[room].user = user;
}

void cluster_want_external(struct cluster *cluster, uint32_t ttl_s, bool headless, bool reverse)
{
	cluster->rules.external = true;
	cluster->rules.external_ttl_s = ttl_s;
	cluster->rules.external_headless = headless;
	cluster->rules.reverse |= reverse;
	cluster->view.compile.zone_dirty = true; /* its addresses are not published yet */
}

/* Readers */

int cluster_zone(const struct cluster *cluster, const struct query *query)
{
	return lookup_zone(&cluster->view, query);
}

bool cluster_zone_is_reverse(const struct cluster *cluster, size_t zone)
{
	return cluster->view.zones[zone].reverse;
}

void cluster_find(
	const struct cluster *cluster, int zone, const struct query *query, struct cluster_hit *out)
{
	lookup_find(&cluster->view, zone, query, out);
}

void cluster_put(const struct cluster *cluster, const struct cluster_hit *hit, uint32_t random,
	struct reply *reply)
{
	const struct place question = {reply->query, DNS_HEADER_LEN};

	put_hit(&cluster->view, hit, &question, random, reply);
}

bool cluster_answer(const struct cluster *cluster, const struct cluster_hit *hit, uint32_t random,
	struct reply *reply, bool (*leaves)(const void *user, const struct query *target),
	const void *user, struct name *outside)
{
	const struct chase_way way = {leaves, user};

	return chase_put(&cluster->view, hit, random, &way, reply, outside);
}

/* Labels in front of a zone: no more than the zone has room for a Service's name. */
static void name_join(const uint8_t *labels, size_t len, unsigned count, const struct name *zone,
	struct name *out)
{
	memcpy(out->wire, labels, len);
	memcpy(out->wire + len, zone->wire, zone->len);
	out->len = (uint8_t)(len + zone->len);
	out->labels = (uint8_t)(count + zone->labels);
}

unsigned cluster_search(const struct cluster *cluster, int zone, uint8_t family,
	const uint8_t *addr, struct name out[CLUSTER_SEARCH_COUNT])
{
	const struct name *name = &cluster->view.zones[zone].name;
	size_t len;
	const uint8_t *ns = pods_find_namespace(&cluster->view.pods, family, addr, &len);

	if (!ns)
		return 0;
	name_join(ns, len, 2, name, &out[0]);
	name_join((const uint8_t *)"\3svc", 4, 1, name, &out[1]);
	out[2] = *name;
	return CLUSTER_SEARCH_COUNT;
}

void external_find(const struct cluster *cluster, const struct external *external,
	const struct query *query, struct external_hit *out)
{
	external_view_find(&cluster->view, external, query, out);
}

bool external_put(const struct cluster *cluster, const struct external *external,
	const struct external_hit *hit, uint32_t random, struct reply *reply, struct name *outside)
{
	return external_view_put(&cluster->view, external, hit, random, reply, outside);
}

bool cluster_zone_is_exported(const struct cluster *cluster, size_t zone)
{
	return !cluster->view.zones[zone].reverse && !cluster->view.zones[zone].clusterset;
}

bool cluster_complete(const struct cluster *cluster)
{
	return export_ready(&cluster->view);
}

uint32_t cluster_serial(const struct cluster *cluster)
{
	return atomic_load_explicit(&cluster->view.serial, memory_order_acquire);
}

uint32_t cluster_put_soa(
	const struct cluster *cluster, const struct query *query, struct reply *reply)
{
	const struct place place = {query, DNS_HEADER_LEN};
	const uint32_t serial = cluster_serial(cluster);

	reply->flags |= DNS_FLAG_AA;
	put_apex_soa(&cluster->view, &place, query->labels, serial, reply);
	return serial;
}

int cluster_export(const struct cluster *cluster, struct zone_export **out)
{
	return export_take(&cluster->view, out);
}

bool cluster_synced(const struct cluster *cluster, enum object_kind kind)
{
	return atomic_load_explicit(&cluster->view.gates, memory_order_acquire) & KIND_BIT(kind);
}

void cluster_stats(const struct cluster *cluster, struct cluster_stats *out)
{
	const struct store *store = &cluster->store;

	*out = (struct cluster_stats){
		.services = store->kinds[KIND_SERVICE].count,
		.slices = store->kinds[KIND_SLICE].count,
		.namespaces = store->kinds[KIND_NAMESPACE].count,
		.pods = store->kinds[KIND_POD].count,
		.imports = store->kinds[KIND_IMPORT].count,
		.import_slices = store->kinds[KIND_IMPORT_SLICE].count,
		.endpoints = store->endpoints,
		.nodes = cluster->view.index.nodes,
		.published = cluster->view.compile.published,
		.compiled = cluster->view.compile.compiled,
		.bytes = store_bytes(store) + cluster->view.index.bytes +
			 cluster->view.reverse.bytes + cluster->view.compile.bytes +
			 pods_bytes(&cluster->view.pods),
		.refused = store->refused + cluster->view.compile.refused,
		.serial = atomic_load_explicit(&cluster->view.serial, memory_order_relaxed),
	};
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		out->synced[kind] = cluster_synced(cluster, (enum object_kind)kind);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_CLUSTER_H
#define BINNACLE_CACHE_CLUSTER_H

/* The folder's face: what the cluster's objects say in DNS. A sink for watch,
 * a look-up for the server.
 *
 * One writer (the control loop, through cluster_sink) and any number of
 * readers, which take no lock: a reader is a thread that called
 * epoch_thread_start() and is online (epoch.h). What cluster_find() returns
 * lives until that thread goes offline.
 *
 * Partial data is never visible. Until the kinds that a name depends on have
 * had their first complete list the verdict is CLUSTER_UNSYNCED, never
 * NXDOMAIN or NODATA:
 *
 *	apex, ns.dns                       nothing
 *	ClusterIP and ExternalName names   namespaces, services
 *	headless and endpoint names        namespaces, services, slices
 *	reverse names                      services, slices
 *	names of pods                      namespaces, services; verified: pods too
 *	names of a clusterset zone         namespaces, imports; of headless ones and
 *	                                   their endpoints imported slices too
 */

#include "dns/wire/name.h"
#include "dns/wire/reply.h"
#include "hit.h"
#include "watch/object.h"
#include "watch/sink.h"

struct cluster;
struct zone_export;

enum cluster_pods {
	CLUSTER_PODS_DISABLED, /* there are no names of pods */
	CLUSTER_PODS_INSECURE, /* any address in a namespace that exists */
	CLUSTER_PODS_VERIFIED  /* addresses of pods in that namespace: KIND_POD is needed */
};

/* Everything is copied. */
struct cluster_config {
	const struct name *zones; /* canonical; at least one that is not reverse */
	size_t zone_count;
	/* Those of the zones whose names are the imports' instead of the Services'. */
	const struct name *clusterset_zones;
	size_t clusterset_count;
	uint32_t ttl_s;
	uint32_t negative_ttl_s; /* of NXDOMAIN and NODATA */
	enum cluster_pods pods;
	const char *const *namespaces; /* NULL-terminated; NULL: all */
	const struct ip *own;          /* this server's own addresses, for NS */
	size_t own_count;
	/* The namespaces that come are a selection: nothing exists in one that has
	 * not come. Otherwise a Service proves its namespace. */
	bool namespaces_selected;
	bool zonal;        /* headless Services have names for topology zones */
	bool no_endpoints; /* there will be no slices of Services: they count as listed */
	bool ignore_empty; /* a ClusterIP Service without a ready endpoint has no name */
};

struct cluster_stats {
	uint64_t services, slices, namespaces, endpoints; /* held now */
	uint64_t imports, import_slices;
	uint64_t pods;      /* held now, of CLUSTER_PODS_VERIFIED */
	uint64_t nodes;     /* names in the index */
	uint64_t published; /* entries (a name's RRsets) published since the start */
	uint64_t compiled;  /* owner keys compiled since the start */
	uint64_t bytes;     /* of objects, answers, index and pods */
	uint64_t refused;   /* names left out as no valid name, or an alias to an
			      * address; counted whenever they are compiled */
	uint32_t serial;
	bool synced[KIND_COUNT];
};

/* 0, -EINVAL (no forward zone, more than 255 zones, or a forward zone too long to
 * hold every Service's name) or -ENOMEM. */
int cluster_new(const struct cluster_config *config, struct cluster **out);
/* No reader may be inside any more. */
void cluster_free(struct cluster *cluster);

/* Where the watch puts its objects. `event` (may be NULL) is told every event after
 * the cluster has seen it. Must live as long as the sink. */
struct sink cluster_sink(struct cluster *cluster,
	void (*event)(void *user, const struct watch_event *event), void *user);

/* A configuration that goes and the one that comes may both watch for a moment. */
#define CLUSTER_WATCHERS_MAX 4
/* Have changed(user) called when a settle has published something or made something
 * complete, behind it, on the writer's thread; NULL: no longer. Several users may, up to
 * CLUSTER_WATCHERS_MAX. */
void cluster_watch(struct cluster *cluster, void (*changed)(void *user), void *user);

/* The index of the longest zone that holds the question's name; -1: none. */
int cluster_zone(const struct cluster *cluster, const struct query *query);

bool cluster_zone_is_reverse(const struct cluster *cluster, size_t zone);
/* Whether cluster_export() has its names: not those of reverse and clusterset zones. */
bool cluster_zone_is_exported(const struct cluster *cluster, size_t zone);

/* Find what the cluster says to the question (class IN is not looked at).
 * zone: from cluster_zone(). No allocation, no lock. */
void cluster_find(const struct cluster *cluster, int zone, const struct query *query,
	struct cluster_hit *out);

/* Write it: answer records (A and AAAA beginning at a place chosen by random, and
 * SRV too where not all fit), or the zone's SOA in Authority; AA and the rcode
 * (SERVFAIL with SOA for UNSYNCED, as CoreDNS). */
void cluster_put(const struct cluster *cluster, const struct cluster_hit *hit, uint32_t random,
	struct reply *reply);

/* Find and write, and follow an alias while its target lies in one of the
 * cluster's zones (not for CNAME and ANY, RFC 1034 section 3.6.2): at most 16
 * links, a longer chain is SERVFAIL with what was found of it. The rcode is that
 * of the last name (RFC 6604). Returns true, with the target, where the chain
 * leads out of the cluster's zones, or to a name that does not exist and of which
 * leaves() says that it may be somebody else's: the reply holds the aliases so far.
 * hit: of the question, not itself NXDOMAIN that falls through. */
bool cluster_answer(const struct cluster *cluster, const struct cluster_hit *hit, uint32_t random,
	struct reply *reply, bool (*leaves)(const void *user, const struct query *target),
	const void *user, struct name *outside);

/* With CLUSTER_PODS_VERIFIED: the search list that a kubelet writes for a Pod with this
 * address (family 4 or 6), as far as it lies in the zone (not a reverse one):
 * NAMESPACE.svc.ZONE, svc.ZONE, ZONE. 0: no such Pod is known. */
#define CLUSTER_SEARCH_COUNT 3
unsigned cluster_search(const struct cluster *cluster, int zone, uint8_t family,
	const uint8_t *addr, struct name out[CLUSTER_SEARCH_COUNT]);

/* True once everything that any name depends on has had its first list. */
bool cluster_complete(const struct cluster *cluster);

/* The version of the data; rises (RFC 1982) whenever an answer may be another. */
uint32_t cluster_serial(const struct cluster *cluster);

/* Put the SOA of the question's name, the apex of one of the zones, into Answer; returns
 * the serial in it. */
uint32_t cluster_put_soa(
	const struct cluster *cluster, const struct query *query, struct reply *reply);

/* All that is answered now, of one version, for zone transfers (export.h). Writer's
 * thread. 0; -EAGAIN before cluster_complete(); -ENOMEM. */
int cluster_export(const struct cluster *cluster, struct zone_export **out);

/* What the Service is; -1: there is none. Writer's thread. */
int cluster_service_type(const struct cluster *cluster, const char *ns, const char *name);

bool cluster_synced(const struct cluster *cluster, enum object_kind kind);
void cluster_stats(const struct cluster *cluster, struct cluster_stats *out); /* writer's thread */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_RULE_H
#define BINNACLE_CACHE_RULE_H

/* A rule says what one kind of record follows from the objects: pure functions
 * from an owner (a Service joined with its slices) to a draft. A new kind of
 * record is one rule_*.c and one row in compile.c.
 *
 * For each owner compile begins the entry of the owner's name, lets the rules in
 * order add to it, and ends it. An owner has this one entry and no more: what
 * lies below its name (endpoints, ports) and what points to it (PTR) is read
 * from there, so that one store publishes all that an event changes. Rules run on
 * the writer's thread; a failed allocation is the draft's sticky error.
 */

#include "draft.h"
#include "ports_builder.h"
#include "store.h"

/* What does not change while the cluster lives. */
struct rule_config {
	uint32_t ttl_s;
	const struct ip *own; /* this server's addresses */
	size_t own_count;
	const struct name *primary; /* the first forward zone */
	uint8_t zone_max;           /* wire bytes of the longest forward zone */
	bool reverse;               /* there are reverse zones: keep addresses findable */
	bool no_services; /* every zone is answered from imports: no name server is a Service */
	bool strict;      /* no name in a namespace that is not known */
	bool zonal;       /* names of topology zones are wanted */
	bool external;    /* what Services have outside of the cluster is wanted */
	bool external_headless; /* the endpoints of headless Services too */
	uint32_t external_ttl_s;
	bool ignore_empty; /* no name for a ClusterIP Service without endpoints */
	/* Called when an object is compiled that cannot say what it wants to. */
	void (*tell)(void *ctx, const struct object *object, const char *why);
	void *tell_ctx;
};

/* One owner on its way through the rules. */
struct rule_run {
	const struct rule_config *config;
	const struct owner *owner; /* its service is not NULL */
	struct draft *draft;
	struct ports_builder *ports; /* scratch */
	enum entry_kind kind;        /* set by compile from the Service's type */
	bool absent;                 /* a rule says: this owner has no name at all */
	bool holds_own;              /* one of our own addresses is an endpoint */
	uint64_t refused;            /* names left out as invalid, added up */
	const char *why;             /* something the object\'s owner should know; NULL: nothing */
};

typedef void rule_fn(struct rule_run *run);

rule_fn rule_service, rule_endpoint, rule_zonal, rule_external;

/* The hostname of an endpoint of this owner, NULL: none, or one that makes no
 * valid name, which counts as none (the endpoint is then known by its address). */
const char *rule_host(const struct rule_config *config, const struct owner *owner,
	const char *const *hosts, size_t at);
/* An endpoint of a headless import to the draft's items, with the names that KEP-1645
 * gives it: HOSTNAME.CLUSTER or, without a hostname, its dashed address instead. A
 * cluster whose id cannot be a label makes no name: the address is all there is. */
void rule_import_endpoint(struct rule_run *run, const struct endpoint_slice *slice,
	const char *host, uint8_t family, const uint8_t *addr, uint32_t list);

bool rule_is_own(const struct rule_config *config, uint8_t family, const uint8_t *addr);

/* The apex and ns.dns, which depend on all owners at once: NS with glue. The
 * draft's first names are the apex of the forward zones, that of the reverse zones,
 * one whose names are whole, for aliases that lead to an apex, and the addresses that
 * the name servers have outside; the last one is ns.dns. */
void rule_zone(const struct rule_config *config, struct table *owners, struct draft *draft);
/* The entry of dns-version: the version of the specification we follow. */
void rule_zone_version(struct draft *draft);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_EXTERNAL_H
#define BINNACLE_CACHE_EXTERNAL_H

/* Services as they are reached from outside of the cluster, in zones of their own
 * (`k8s_external`). The records lie in the Services' entries beside the others, so
 * one store publishes all that an event changes. Below a zone there are
 *
 *	SERVICE.NAMESPACE                     A, AAAA, SRV; or a load balancer's CNAME
 *	_PORT._PROTOCOL.SERVICE.NAMESPACE     SRV; A, AAAA
 *	ENDPOINT.SERVICE.NAMESPACE            of a headless Service, if that is wanted
 *	ns1.APEX                              A, AAAA of the name server
 *
 * and the PTRs of external addresses, in reverse zones and in those that hold them
 * (the root). For one name the choice between NXDOMAIN and anything else is the same
 * for every type. Readers' threads, but for cluster_want_external().
 */

#include "cluster.h"

/* One zone, and what is said of all of them. Canonical names; whoever asks keeps them. */
struct external {
	const struct name *zone;
	bool reverse;               /* the zone is one of addresses */
	const struct name *primary; /* the forward zone that PTRs lead to */
	const struct name *apex;    /* the labels in front of the zone */
	uint32_t ttl_s, negative_ttl_s;
	bool headless;
};

struct external_hit {
	enum {
		EXTERNAL_SOA,
		EXTERNAL_NS,
		EXTERNAL_RECORDS,   /* what `hit` has */
		EXTERNAL_ALIAS,     /* the first of hit.answer */
		EXTERNAL_BALANCERS, /* SRV that lead to the names of load balancers */
		EXTERNAL_REVERSE
	} kind;                 /* of FOUND */
	struct cluster_hit hit; /* with the verdict */
};

/* Before the first object comes, with the longest TTL: that these records are wanted.
 * reverse: PTRs too. Writer's thread. */
void cluster_want_external(struct cluster *cluster, uint32_t ttl_s, bool headless, bool reverse);

/* The question lies in the zone. */
void external_find(const struct cluster *cluster, const struct external *external,
	const struct query *query, struct external_hit *out);

/* True, with the target, where the reply ends in an alias that is to be followed. */
bool external_put(const struct cluster *cluster, const struct external *external,
	const struct external_hit *hit, uint32_t random, struct reply *reply, struct name *outside);

#endif

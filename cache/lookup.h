/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_LOOKUP_H
#define BINNACLE_CACHE_LOOKUP_H

/* From a question to what the cluster says to it. The name is read from the
 * right, relative to its zone:
 *
 *	svc, pod, dns, ns.dns, dns-version    the zone's own
 *	NAMESPACE.svc                         exists, with nothing at it
 *	SERVICE.NAMESPACE.svc
 *	ENDPOINT.SERVICE.NAMESPACE.svc        a hostname, or an address with dashes
 *	_PORT._PROTOCOL.SERVICE.NAMESPACE.svc
 *	_PROTOCOL.SERVICE.NAMESPACE.svc       an empty non-terminal
 *	ADDRESS.NAMESPACE.pod
 *	ZONE.pin._zone.SERVICE.NAMESPACE.svc    endpoints of a topology zone
 *	ZONE.prefer._zone....                   ... or all, if it has none
 *
 * and in a zone of a set of clusters, where SERVICE is an import:
 *
 *	ENDPOINT.CLUSTER.SERVICE.NAMESPACE.svc    of a headless one
 *	CLUSTER.SERVICE.NAMESPACE.svc             an empty non-terminal
 *
 * For one name the choice between NXDOMAIN and anything else is the same for
 * every type. No allocation, no lock; a reader's thread.
 */

#include "view.h"

/* As cluster_zone() and cluster_find() of cluster.h. */
int lookup_zone(const struct view *view, const struct query *query);
void lookup_find(
	const struct view *view, int zone, const struct query *query, struct cluster_hit *out);

/* What an entry says of the question's name once all lists are complete: depth 0,
 * its own name; 1, an endpoint below it; 2, a port of the Service it is; and what
 * the entry of an apex says. zone and zone_labels of hit are the caller's. */
enum cluster_verdict lookup_entry(const struct entry *entry, unsigned depth,
	const struct query *query, struct cluster_hit *hit);
enum cluster_verdict lookup_apex(
	const struct entry *entry, uint16_t qtype, struct cluster_hit *hit);

/* The address a reverse name stands for (all labels of it: 4 and 32), and its
 * family, 4 or 6; 0: none. RFC 1035 section 3.5, RFC 3596 section 2.5. */
uint8_t lookup_reverse_address(const struct query *query, uint8_t addr[16]);

#endif

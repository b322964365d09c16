/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_CHASE_H
#define BINNACLE_CACHE_CHASE_H

/* Follows the alias of an ExternalName Service while its target lies in the
 * cluster's zones, and writes every link of the chain into the reply:
 *
 *	a.shop.svc CNAME b.shop.svc.cluster.local.
 *	b.shop.svc CNAME web.shop.svc.cluster.local.
 *	web.shop.svc A 10.96.0.1
 *
 * The names of the later records are pointers to the targets in the message. A
 * reader's thread. */

#include "put.h"

#define CHASE_MAX 16 /* links */

/* Which names that do not exist may be somebody else's; leaves NULL: none. */
struct chase_way {
	bool (*leaves)(const void *user, const struct query *target);
	const void *user;
};

/* As cluster_answer() of cluster.h. */
bool chase_put(const struct view *view, const struct cluster_hit *hit, uint32_t random,
	const struct chase_way *way, struct reply *reply, struct name *outside);

#endif

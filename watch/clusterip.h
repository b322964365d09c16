/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_CLUSTERIP_H
#define BINNACLE_WATCH_CLUSTERIP_H

/* Cluster IPs for Services from files that have none: what the API server would
 * do, but stable. An address follows from a hash of namespace and name, in
 * 10.96.0.0/12 or fd00:10:96::/112, both without their first and last 256; if it
 * is taken, the next free one. Addresses written in a manifest are kept and taken
 * out of the pool first. Assigned in a fixed order of Services, the addresses do
 * not depend on the order of files.
 *
 * ipFamilies and ipFamilyPolicy are honoured (PreferDualStack counts as dual).
 * Any thread; one pool per reading.
 */

#include "object.h"

struct cJSON;
struct clusterip_pool;

/* NULL: out of memory. */
struct clusterip_pool *clusterip_pool_new(void);
void clusterip_pool_free(struct clusterip_pool *pool);

/* True if the Service (a whole manifest) lacks an address. */
bool clusterip_is_needed(const struct cJSON *service);

/* The address families it is to have, the primary one first; 0: it says nothing
 * about them. */
unsigned clusterip_families(const struct cJSON *service, uint8_t out[2]);

/* Take an address out of the pool; others than the pool's are no matter. */
void clusterip_take(struct clusterip_pool *pool, const struct ip *ip);
/* Take what the manifest names itself. */
void clusterip_take_written(struct clusterip_pool *pool, const struct cJSON *service);

/* Complete spec.clusterIP and spec.clusterIPs. 0, -ENOSPC or -ENOMEM. */
int clusterip_assign(
	struct clusterip_pool *pool, const char *ns, const char *name, struct cJSON *service);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DECODE_EXTERNAL_H
#define BINNACLE_WATCH_DECODE_EXTERNAL_H

/* Where a Service is reached from outside of the cluster: spec.externalIPs, and what a
 * load balancer says of itself in status.loadBalancer.ingress. Any thread. */

#include "decode_address.h"

#define EXTERNAL_HOSTS_MAX 64

struct externals {
	struct ip_list list;
	const char *hosts[EXTERNAL_HOSTS_MAX]; /* of the tree */
	unsigned host_count;
	size_t text; /* bytes of the host names with their zeros */
};

/* Nothing unless the options ask for it. What cannot be used, or is too much, is left
 * out: the Service has its other names all the same. */
void externals_read(struct decoder *d, const cJSON *tree, struct externals *out);

/* The three sections, in the order in which a pack wants them: pointers, addresses,
 * texts. */
const char **externals_pack_places(const struct externals *externals, struct pack *pack);
const struct ip *externals_pack_addresses(const struct externals *externals, struct pack *pack);
void externals_pack_texts(
	const struct externals *externals, struct pack *pack, const char **places);

#endif

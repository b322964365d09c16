/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_PREFIX_H
#define BINNACLE_DNS_PLUGIN_PREFIX_H

/* Which addresses lie in which networks. A set answers for thousands of networks in a
 * binary search:
 *
 *	prefix_set_add(&set, &prefix)*
 *	prefix_set_finish(&set)
 *	prefix_set_holds(&set, AF_INET, bytes)
 *
 * Filled by one thread; read by any once it is finished. */

#include "dns/corefile/value.h"

struct sockaddr;

/* bytes: 4 of AF_INET, 16 of AF_INET6, in network order. */
bool prefix_holds(const struct value_prefix *prefix, int family, const uint8_t *bytes);

/* The bytes of an AF_INET or AF_INET6 address. */
const uint8_t *prefix_peer(const struct sockaddr *peer);

struct prefix_range {
	uint8_t first[16], last[16];
};

struct prefix_list {
	struct prefix_range *ranges;
	size_t count;
};

/* Zero-initialised: empty. */
struct prefix_set {
	struct prefix_list v4, v6;
};

/* 0 or -ENOMEM: as it was. */
int prefix_set_add(struct prefix_set *set, const struct value_prefix *prefix);

/* Sort, and join what overlaps. Nothing may be added after it. */
void prefix_set_finish(struct prefix_set *set);
bool prefix_set_holds(const struct prefix_set *set, int family, const uint8_t *bytes);
void prefix_set_free(struct prefix_set *set);

#endif

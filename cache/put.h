/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_PUT_H
#define BINNACLE_CACHE_PUT_H

/* Writes what a look-up found into a reply. Any reader's thread. */

#include "dns/wire/reply.h"
#include "view.h"

/* Whose name the records have: the question's, or that of an alias's target.
 * at: where it lies in the message, uncompressed or ending in a pointer. */
struct place {
	const struct query *query;
	uint16_t at;
};

struct pick;
struct target;

#define PUT_TARGET_MAX (NAME_MAX_LEN + NAME_MAX_LABEL + 1)

/* The name that an SRV of a pick leads to, uncompressed (RFC 2782), in out
 * (PUT_TARGET_MAX bytes): label.SERVICE.NAMESPACE.svc in the object's letters, the
 * zone in the question's. Its length; 0: too long for a name. */
size_t put_target_name(const struct pick *pick, const struct target *target,
	const struct query *query, unsigned zone_labels, uint8_t *out);

/* The weight of each SRV of a pick. */
uint16_t put_weight(const struct pick *pick);

/* The SOA of an apex, for a question about it, with the serial of one's choice. */
void put_apex_soa(const struct view *view, const struct place *place, unsigned zone_labels,
	uint32_t serial, struct reply *reply);

/* As cluster_put() of cluster.h, for a name at a place. */
void put_hit(const struct view *view, const struct cluster_hit *hit, const struct place *place,
	uint32_t random, struct reply *reply);

#endif

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

/* As cluster_put() of cluster.h, for a name at a place. */
void put_hit(const struct view *view, const struct cluster_hit *hit, const struct place *place,
	uint32_t random, struct reply *reply);

#endif

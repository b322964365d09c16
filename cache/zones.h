/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_ZONES_H
#define BINNACLE_CACHE_ZONES_H

/* The topology zones of a headless Service's endpoints, as they lie in its entry
 * (SLOT_ZONES; only where such names are wanted).
 *
 *	zone_of   1 0 2 1        of each endpoint (endpoints.h); 0: none
 *	texts     05 a - 1 . x   03 b - 2
 *
 * A zone is a label's value of Kubernetes (63 bytes, dots may be in it), in lower
 * case. Position-independent, immutable. Any thread. */

#include <stddef.h>
#include <stdint.h>

struct zone_set {
	uint32_t bytes; /* of all */
	uint32_t endpoints;
	uint16_t zone_of[];
};

static inline const uint8_t *zones_texts(const struct zone_set *set)
{
	const void *at = set->zone_of + set->endpoints;

	return at;
}

/* The number of a zone, from 1; 0: no endpoint is in it. set may be NULL. */
unsigned zones_find(const struct zone_set *set, const uint8_t *text, size_t len);

#endif

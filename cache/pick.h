/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_PICK_H
#define BINNACLE_CACHE_PICK_H

/* The endpoints of a pick (hit.h) one by one: those that have a port that is
 * wanted. Any reader's thread. */

#include "hit.h"

/* Where the Service's own addresses of a family are. */
static inline enum entry_slot pick_own_slot(const struct pick *pick, uint8_t family)
{
	if (pick->external)
		return family == 4 ? SLOT_EXTERNAL_A : SLOT_EXTERNAL_AAAA;
	return family == 4 ? SLOT_A : SLOT_AAAA;
}

enum pick_match { PICK_NONE, PICK_SOME, PICK_ALL };

/* Whether an endpoint is in the topology zone that is wanted. */
static inline bool pick_in_zone(const struct pick *pick, uint32_t number)
{
	return !pick->zone || pick->zones->zone_of[number] == pick->zone;
}

/* Which of the pick's endpoints have a port that is wanted. */
enum pick_match pick_port_match(const struct pick *pick);

/* Addresses of a family, each counted once. */
uint32_t pick_address_count(const struct pick *pick, uint8_t family);

/* The next of them from *at on (0 at first); false: no more. */
bool pick_address_next(const struct pick *pick, uint8_t family, uint32_t *at, struct endpoint *out);

/* True if there is a port with a number that makes an SRV. */
bool pick_has_srv(const struct pick *pick);

/* Pairs of an address and a wanted port, those of several slices each counted: what
 * weights are divided by, as CoreDNS does. */
uint32_t pick_candidates(const struct pick *pick);

/* What an SRV leads to: an endpoint's name, or the Service's own (label NULL and
 * own). Endpoints [first, first + count) are the same target. */
struct target {
	const uint8_t *label; /* with its length bytes; NULL: the dashed address of `first` */
	uint32_t first, count;
	uint8_t label_len;
};

/* The next one from *at on (0 at first); false: no more. Not for own picks. */
bool pick_target_next(const struct pick *pick, uint32_t *at, struct target *out);

/* The next port of a target from *at on (0 at first), of those that are wanted
 * and have a number, each number once; NULL: no more. */
const struct port_record *pick_port_next(
	const struct pick *pick, const struct target *target, uint64_t *at);

#endif

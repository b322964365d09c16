/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_ADDRESS_SET_H
#define BINNACLE_DNS_WIRE_ADDRESS_SET_H

/* Other orders for the addresses of a reply, in place: the records of one A or AAAA RRset
 * that lie one behind the other have the same owner, so that it is enough to exchange their
 * TTLs and rdata. Nothing else moves, and pointers into the message stay right.
 *
 *	address_sets_each(reply, visit, ctx) -> visit(ctx, set)*
 *	                                            address_set_swap(set, 0, 7)
 *
 * No allocation; whoever has the reply. */

#include "message.h"

/* A record takes 15 bytes at least. */
#define ADDRESS_SET_MAX (UINT16_MAX / 15)

struct address_set {
	uint8_t *data; /* the message's */
	uint16_t type; /* TYPE_A or TYPE_AAAA */
	uint16_t rdata_len;
	uint16_t count; /* >= 2 */
	uint8_t owner_len;
	uint8_t owner[NAME_MAX_LEN];  /* canonical */
	uint16_t at[ADDRESS_SET_MAX]; /* where the rdata lie */
};

/* Every set of two records or more in Answer and Additional, before reply_end(). */
void address_sets_each(
	struct reply *reply, void (*visit)(void *ctx, struct address_set *set), void *ctx);

void address_set_swap(struct address_set *set, size_t a, size_t b);

static inline const uint8_t *address_set_get(const struct address_set *set, size_t i)
{
	return set->data + set->at[i];
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_PTR_H
#define BINNACLE_CACHE_PTR_H

/* Which names an address has: the Service whose cluster IP it is, else every
 * endpoint that has it. Read from the very entries that answer the forward names.
 * Any reader's thread. */

#include "view.h"

/* One name: label (NULL: none) in front of the Service's key. */
struct ptr_name {
	uint8_t label_len;
	uint8_t label[NAME_MAX_LABEL];
	const struct node *node;
};

/* True if there is any: hit's node, entry and own are set. */
bool ptr_find(
	const struct view *view, uint8_t family, const uint8_t *addr, struct cluster_hit *hit);

/* Call for each of them until it returns false, at least once: for what
 * ptr_find() saw. */
void ptr_each(const struct view *view, const struct cluster_hit *hit,
	bool (*call)(void *user, const struct ptr_name *name), void *user);

#endif

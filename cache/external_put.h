/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_EXTERNAL_PUT_H
#define BINNACLE_CACHE_EXTERNAL_PUT_H

/* external.h for those who have a view: finding (external.c) and writing
 * (external_put.c). Readers' threads. */

#include "external.h"
#include "view.h"

void external_view_find(const struct view *view, const struct external *external,
	const struct query *query, struct external_hit *out);
bool external_view_put(const struct view *view, const struct external *external,
	const struct external_hit *hit, uint32_t random, struct reply *reply, struct name *outside);

/* Of the Services that have the hit's address outside: the one whose key comes next
 * behind `after` (NULL: the first one). NULL: none. */
const struct node *external_node_next(
	const struct view *view, const struct cluster_hit *hit, const struct node *after);

#endif

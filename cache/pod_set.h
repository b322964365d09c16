/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_POD_SET_H
#define BINNACLE_CACHE_POD_SET_H

/* Which namespaces have a Pod with an address: pairs of an address of one family
 * and a namespace, each as often as it was added. One writer, any number of
 * readers without locks.
 *
 *	space  [ --- ][ shop ][ tomb ][ bill ][ --- ]     --- ends a probe
 *	addr          [ .0.7 ][ .0.9 ][ .0.7 ]
 *	count         [ 1    ]        [ 3    ]            the writer's
 *
 * Open addressing with linear probing, in three arrays side by side: 13 bytes a
 * slot for IPv4, 25 for IPv6. A table is built at 4/7 of its slots and is left for
 * another one at 4/5, tombstones counted: so a pair costs 17 to 23 bytes, or 32 to
 * 44. The place follows from the address alone, so that all its namespaces lie in
 * one probe; a node has some hundred Pods at most, and those of one namespace that
 * share an address (hostNetwork) share a slot.
 *
 * A slot's address is written once in a table's life, before its namespace is
 * published: a tombstone is used again only for the address it had. So whoever
 * reads a namespace may compare the address with plain loads, and there is no way
 * to read a pair that never was.
 *
 * What leaves (tables) goes to the epoch bin. The namespaces are the caller's, and
 * must outlive the readers who may have seen them in here.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "epoch.h"

struct pod_space;
struct pod_table;

struct pod_set {
	_Atomic(struct pod_table *) table;
	uint8_t width; /* of an address: 4 or 16 */
	uint8_t secret[16];
	/* The writer's only: */
	struct epoch_bin *bin;
	uint64_t bytes; /* that are not retired */
};

/* 0 or -ENOMEM. bin must live as long as it. */
int pod_set_init(
	struct pod_set *set, uint8_t width, const uint8_t secret[16], struct epoch_bin *bin);
/* No reader may be inside; a zeroed struct is allowed. */
void pod_set_free(struct pod_set *set);

/* Writer: room for so many pairs more. 0 or -ENOMEM (nothing has changed then). */
int pod_set_reserve(struct pod_set *set, size_t count);
/* Writer: add a pair for which room was reserved. */
void pod_set_add(struct pod_set *set, const uint8_t *addr, struct pod_space *space);
/* Writer: take back one that was added. Cannot fail. */
void pod_set_remove(struct pod_set *set, const uint8_t *addr, const struct pod_space *space);

/* Reader: the namespaces of an address, in no order, some perhaps more than once:
 *
 *	struct pod_walk walk = pod_set_walk(set, addr);
 *	while ((space = pod_set_next(&walk))) ...
 *
 * A zeroed set has none. */
struct pod_walk {
	const struct pod_table *table; /* NULL: at the end */
	const uint8_t *addr;
	size_t at;
	uint8_t width;
};
struct pod_walk pod_set_walk(const struct pod_set *set, const uint8_t *addr);
const struct pod_space *pod_set_next(struct pod_walk *walk);

#endif

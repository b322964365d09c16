/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_VIEW_H
#define BINNACLE_CACHE_VIEW_H

/* What readers of a cluster see: the atomics that its writer publishes, and what
 * is fixed by the time there are readers. lookup.h finds, put.h writes. */

#include "cluster.h"
#include "compile.h"

#define VIEW_NAMES_NEED   (KIND_BIT(KIND_NAMESPACE) | KIND_BIT(KIND_SERVICE))
#define VIEW_SLICES_NEED  (VIEW_NAMES_NEED | KIND_BIT(KIND_SLICE))
#define VIEW_PODS_NEED    (VIEW_NAMES_NEED | KIND_BIT(KIND_POD))
#define VIEW_IMPORTS_NEED (KIND_BIT(KIND_NAMESPACE) | KIND_BIT(KIND_IMPORT))
#define VIEW_REVERSE_NEED (KIND_BIT(KIND_SERVICE) | KIND_BIT(KIND_SLICE))

struct zone {
	struct name name;
	bool reverse;
	bool clusterset; /* answered from imports */
	/* KIND_BITs without which nothing below svc is said, and nothing of endpoints. */
	unsigned names_need, slices_need;
};

struct view {
	struct index index;
	struct reverse reverse;
	struct pods pods; /* of CLUSTER_PODS_VERIFIED; zeroed otherwise */
	/* KIND_BITs of the kinds of which a complete list is published. Loaded
	 * before the index is looked at, and set behind it: who sees a bit sees
	 * everything of that list. */
	atomic_uint gates;
	_Atomic uint32_t serial;
	uint32_t ttl_s, negative_ttl_s;
	bool zonal;
	enum cluster_pods pods_mode;
	size_t zone_count;
	struct zone *zones;
	const struct name *primary; /* the first forward zone of Services */
	struct compile compile;
};

#endif

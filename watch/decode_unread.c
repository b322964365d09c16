/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_unread.h"

#include <assert.h>

#define OF(resource) (1u << RESOURCE_##resource)
#define ALL          ((1u << RESOURCE_COUNT) - 1)
#define SLICES       (OF(SLICES) | OF(SLICES_V1BETA1) | OF(IMPORT_SLICES))

#define UNREAD(depth, key, resources)                                                              \
	{                                                                                          \
		JSON_MEMBER(depth, key), resources, 0                                              \
	}
#define UNLESS(depth, key, resources, option)                                                      \
	{                                                                                          \
		JSON_MEMBER(depth, key), resources, DECODE_##option                                \
	}

static const struct {
	struct json_member member;
	unsigned resources, unless;
} members[] = {
	UNREAD(1, "apiVersion", ALL),
	UNREAD(1, "spec", OF(NAMESPACES) | OF(PODS)),
	UNREAD(1, "status", OF(NAMESPACES) | OF(IMPORTS)),
	UNLESS(1, "status", OF(SERVICES), EXTERNALS),
	/* metadata */
	UNREAD(2, "managedFields", ALL),
	UNREAD(2, "ownerReferences", ALL),
	UNREAD(2, "uid", ALL),
	UNREAD(2, "creationTimestamp", ALL),
	UNREAD(2, "generateName", ALL),
	UNREAD(2, "generation", ALL),
	UNREAD(2, "finalizers", ALL),
	UNREAD(2, "labels", ALL & ~SLICES),
	/* a Service's spec */
	UNREAD(2, "selector", OF(SERVICES)),
	UNREAD(2, "sessionAffinity", OF(SERVICES)),
	UNREAD(2, "internalTrafficPolicy", OF(SERVICES)),
	UNREAD(2, "externalTrafficPolicy", OF(SERVICES)),
	UNREAD(2, "ipFamilies", OF(SERVICES)),
	UNREAD(2, "ipFamilyPolicy", OF(SERVICES)),
	UNREAD(2, "allocateLoadBalancerNodePorts", OF(SERVICES)),
	UNREAD(2, "healthCheckNodePort", OF(SERVICES)),
	/* a Pod's status */
	UNREAD(2, "conditions", OF(PODS)),
	UNREAD(2, "containerStatuses", OF(PODS)),
	UNREAD(2, "initContainerStatuses", OF(PODS)),
	UNREAD(2, "ephemeralContainerStatuses", OF(PODS)),
	UNREAD(2, "hostIP", OF(PODS)),
	UNREAD(2, "hostIPs", OF(PODS)),
	UNREAD(2, "qosClass", OF(PODS)),
	UNREAD(2, "startTime", OF(PODS)),
	UNREAD(2, "observedGeneration", OF(PODS)),
	/* a slice's endpoints */
	UNREAD(3, "nodeName", SLICES),
	UNREAD(3, "hints", SLICES),
	UNREAD(3, "deprecatedTopology", SLICES),
	UNLESS(3, "targetRef", SLICES, POD_NAMES),
	UNLESS(3, "zone", SLICES, ZONES),
	UNLESS(3, "topology", SLICES, ZONES),
	/* their conditions */
	UNREAD(4, "serving", SLICES),
	UNREAD(4, "terminating", SLICES),
	/* a Service's ports */
	UNREAD(4, "targetPort", OF(SERVICES)),
	UNREAD(4, "nodePort", OF(SERVICES)),
	/* addresses of Endpoints' subsets */
	UNREAD(5, "nodeName", OF(ENDPOINTS)),
	UNLESS(5, "targetRef", OF(ENDPOINTS), POD_NAMES),
};

static_assert(sizeof members / sizeof members[0] < DECODE_UNREAD_MAX, "room for all and the end");

void decode_unread(enum resource resource, const struct decode_options *options,
	struct json_member out[DECODE_UNREAD_MAX])
{
	const unsigned read = decode_parts(options);
	size_t count = 0;

	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		if (!(members[i].resources >> resource & 1) || (members[i].unless & read))
			continue;
		out[count++] = members[i].member;
	}
	out[count] = (struct json_member)JSON_MEMBER_END;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_WORKLOADS_H
#define BINNACLE_WATCH_WORKLOADS_H

/* What the controllers of a cluster would make of manifests: the EndpointSlices of
 * Services with a selector.
 *
 *	Service web ---- spec.selector {app: web} ---> Pods with these labels
 *	                                                 ^ as they are in the set, or
 *	StatefulSet, Deployment, ReplicaSet,             | as their templates would make
 *	DaemonSet, ReplicationController ----------------+ them
 *
 * Three steps, a file each. workload_pods finds out which Pods there are and gives
 * addresses to those that have none; here each Service's selector is held against
 * them; workload_slices writes what matches as EndpointSlices, as the endpoint slice
 * controller would. These are trees that go through the decoder like any others.
 *
 * Only where nobody has done it: a Service for which a slice or an Endpoints object
 * was written gets nothing from here. A Service that nothing matches gets no slice.
 *
 * Bounds, each told by a refusal: WORKLOAD_REPLICAS_MAX per workload (what is above
 * does not count), WORKLOAD_PODS_MAX Pods made up in all, WORKLOAD_ENDPOINTS_MAX
 * addresses in all slices (a workload or Service that goes beyond has none), and
 * WORKLOAD_PORTS_MAX ports of a Service.
 *
 * Any thread; nothing is kept between calls.
 */

#include "object.h"

struct cJSON;

#define WORKLOAD_REPLICAS_MAX  1000
#define WORKLOAD_PODS_MAX      100000
#define WORKLOAD_ENDPOINTS_MAX 100000
#define WORKLOAD_PORTS_MAX     250

/* One object of the set, no two of the same kind, namespace and name. */
struct workload_input {
	const char *kind;            /* "Service", "Pod", workloads_kind(); of slices any */
	const struct cJSON *tree;    /* with string metadata.namespace and .name; NULL: a slice */
	const struct object *object; /* as decoded; NULL: a workload, or a Pod without address */
};

/* at: the input that is spoken of. 0 or a negative errno, which ends it all. */
struct workload_host {
	/* Takes the slice, which is of the Service's namespace and has its labels. */
	int (*slice)(void *user, size_t at, struct cJSON *slice);
	/* Something of it is left out. */
	int (*refuse)(void *user, size_t at, const char *why);
	/* True if there is a slice or Endpoints object of this name. */
	bool (*is_taken)(void *user, const char *ns, const char *name);
	void *user;
};

/* The kind (a constant) of what stands for Pods; NULL: it does not. */
const char *workloads_kind(const char *api_version, const char *kind);
/* True if this Service (a whole manifest) selects Pods. */
bool workloads_selects(const struct cJSON *service);
/* Drop what plays no part here from a Pod or a workload: the trees wait until
 * everything is read. */
void workloads_prune(struct cJSON *tree);

/* 0, -ENOMEM, or what the host returned. */
int workloads_expand(
	const struct workload_input *inputs, size_t count, const struct workload_host *host);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_WORKLOAD_PODS_H
#define BINNACLE_WATCH_WORKLOAD_PODS_H

/* Which Pods a set of manifests has, or would have.
 *
 * A source is a manifest that stands for Pods:
 *
 *	Pod with an address         itself, at its addresses
 *	Pod without status, owned   itself, at a stable address: a plain manifest
 *	  by nothing                never has a status
 *	any other Pod               nothing: it is over, or not there yet
 *	DaemonSet                   one Pod
 *	other workloads             spec.replicas Pods (1 if absent)
 *	  owned by a workload of    nothing: that one counts (a ReplicaSet of a
 *	  the set                   Deployment)
 *	  with Pods in the set      nothing: these count. They are found by their
 *	  that have addresses       ownerReferences, a Deployment's also by the name
 *	                            of the ReplicaSet that owns them
 *
 * A made-up Pod has one address of each family, in 10.240.0.0/12 and
 * fd00:10:240::/108 without their first and last 256. They follow from a hash of
 * kind, namespace, name and ordinal (address_pool.h); addresses that are written
 * are taken out first, and the rest is given in the order of these four. So nothing
 * changes an address but its own name, or the rare meeting of two.
 *
 * A StatefulSet's Pods are NAME-ORDINAL; that is their hostname too, below the
 * Service spec.serviceName. The others are NAME-xxxxx, with a suffix that looks
 * like a cluster's but stays the same.
 *
 * A Pod is ready unless its condition Ready says something else than True, or it is
 * being deleted. Made-up ones are ready.
 */

#include "workloads.h"

struct workload_source {
	const char *kind, *ns, *name;
	const struct cJSON *tree;
	const struct cJSON *labels;   /* all of them strings; NULL: none */
	const struct cJSON *pod_spec; /* its own, or the template's; NULL: none */
	size_t at;                    /* the input */
	uint32_t start;               /* the first one's ordinal */
	uint32_t count;               /* Pods */
	uint32_t first;               /* of workload_pods.pods */
	bool ready;
	bool has_pods; /* the set has Pods of this workload, with addresses */
};

/* ips: a Pod's primary address first. */
struct workload_pod {
	uint8_t ip_count;
	struct ip ips[2];
};

struct workload_pods {
	struct workload_source *sources; /* by kind, namespace, name */
	size_t source_count;
	struct workload_pod *pods; /* those of a source together, by ordinal */
	size_t pod_count;
};

#define WORKLOAD_POD_NAME_MAX 264

/* 0, -ENOMEM, or what host->refuse returned. The sources point into the inputs. */
int workload_pods_make(const struct workload_input *inputs, size_t count,
	const struct workload_host *host, struct workload_pods *out);
void workload_pods_clear(struct workload_pods *pods);

/* The name of the nth Pod of a source. */
void workload_pod_name(
	const struct workload_source *source, uint32_t nth, char out[WORKLOAD_POD_NAME_MAX]);
/* Its hostname below this Service, which may lie in room; NULL: it has none there. */
const char *workload_pod_hostname(const struct workload_source *source, uint32_t nth,
	const char *service, char room[WORKLOAD_POD_NAME_MAX]);

#endif

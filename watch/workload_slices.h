/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_WORKLOAD_SLICES_H
#define BINNACLE_WATCH_WORKLOAD_SLICES_H

/* A Service and the Pods it selects, written as EndpointSlices (discovery.k8s.io/v1)
 * the way the endpoint slice controller does it:
 *
 *	name       SERVICE-manifest-v4-0, -v4-1, ..., SERVICE-manifest-v6-0, ...; a
 *	           number that an object of the set has is passed over
 *	labels     the Service's, and kubernetes.io/service-name
 *	ports      of each port of the Service its name, protocol and target; a named
 *	           target is looked up in the containers. One that is not there is left
 *	           out, and Pods where the numbers differ are in different slices.
 *	endpoints  up to WORKLOAD_SLICE_MAX, each with its address, conditions.ready,
 *	           hostname (spec.hostname, where spec.subdomain is the Service) and
 *	           targetRef. With publishNotReadyAddresses all are ready.
 *
 * The families are those of the Service's ipFamilies, ipFamilyPolicy or cluster IPs.
 * A headless one that says nothing about them has each Pod's primary address.
 */

#include "workload_pods.h"

#define WORKLOAD_SLICE_MAX 1000

/* service: inputs[at]; sources: those it selects, in the order of pods->sources.
 * *endpoints counts all that were written, WORKLOAD_ENDPOINTS_MAX at most. 0,
 * -ENOMEM, or what the host returned. */
int workload_slices_make(const struct workload_input *service, size_t at,
	const struct workload_pods *pods, const struct workload_source *const *sources,
	size_t source_count, const struct workload_host *host, uint32_t *endpoints);

#endif

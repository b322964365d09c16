/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_KUBERNETES_METRICS_H
#define BINNACLE_DNS_PLUGIN_KUBERNETES_METRICS_H

/* The metrics of one `kubernetes`: binnacle_kubernetes_* by kind and binnacle_cluster_*, which
 * are looked up when somebody asks, and coredns_kubernetes_*, which are counted here. Control
 * loop's thread. */

#include "kubernetes.h"

struct kubernetes_metrics;

/* While plugins start, where the host has metrics. 0 or a negative errno. Cluster and
 * watch outlive the last look. */
int kubernetes_metrics_start(const struct plugin_host *host,
	const struct kubernetes_options *options, const struct cluster *cluster,
	const struct watch *watch, struct kubernetes_metrics **out);
/* Count what the event tells; only WATCH_TRIGGERED, WATCH_PUBLISHED and WATCH_ANSWERED are anything to count. */
void kubernetes_metrics_event(struct kubernetes_metrics *metrics, const struct watch_event *event);
/* Once nobody looks any more. done: it can be freed. */
void kubernetes_metrics_stop(
	struct kubernetes_metrics *metrics, void (*done)(void *user), void *user);
void kubernetes_metrics_free(struct kubernetes_metrics *metrics); /* NULL is allowed */

#endif

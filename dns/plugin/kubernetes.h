/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_KUBERNETES_H
#define BINNACLE_DNS_PLUGIN_KUBERNETES_H

/* What the files of the `kubernetes` plugin share: the options of one directive
 * (kubernetes_options.c), the words for what a watch has to say
 * (kubernetes_events.c), and the instance that joins the two with a cluster
 * (kubernetes.c). */

#include "cache/cluster.h"
#include "dns/serve/plugin.h"
#include "watch/watch.h"

/* One directive, read. Strings are owned. */
struct kubernetes_options {
	struct name *zones; /* canonical */
	size_t zone_count;
	uint32_t ttl_s;
	uint32_t negative_ttl_s; /* of NXDOMAIN and NODATA */
	enum cluster_pods pods;
	struct name *multicluster_zones; /* of the zones: those of a set of clusters */
	size_t multicluster_count;
	char **namespaces; /* NULL-terminated; NULL: all */
	bool fallthrough;
	struct name *fallthrough_zones; /* none: every zone */
	size_t fallthrough_count;
	enum watch_source source;
	char *endpoint, *tls_cert, *tls_key, *tls_ca;
	char *kubeconfig, *context;
	char *labels, *namespace_labels;
	char **manifests;                         /* NULL-terminated */
	bool manifests_given, negative_ttl_given; /* in the Corefile */
	bool endpoint_pod_names, no_endpoints, ignore_empty, zonal;
	int64_t startup_timeout_ms;
};

#define KUBERNETES_TTL_DEFAULT 5
#define KUBERNETES_TTL_MAX     3600
/* A name asked too early is not denied for long. */
#define KUBERNETES_NEGATIVE_TTL_DEFAULT       5
#define KUBERNETES_STARTUP_TIMEOUT_DEFAULT_MS 5000

/* Read the directive's line and body. 0 or -EINVAL/-ENOMEM with err. */
int kubernetes_options_read(const struct plugin_site *site, struct kubernetes_options *out,
	char err[COREFILE_ERROR_MAX]);
void kubernetes_options_free(struct kubernetes_options *options);

/* Our own options can also come from the environment, because CoreDNS would not
 * start with a Corefile that has them:
 *
 *	BINNACLE_KUBERNETES_MANIFESTS      paths, divided by blanks
 *	BINNACLE_KUBERNETES_NEGATIVE_TTL   seconds
 *
 * They count for every `kubernetes` that does not say it itself (manifests: nor
 * where else its objects come from). As above; err names the variable. */
int kubernetes_environment_read(struct kubernetes_options *options, char err[COREFILE_ERROR_MAX]);

/* For `k8s_external`, which reads the cluster of the `kubernetes` of its block. */
struct kubernetes;

/* Before it starts. */
void kubernetes_want_external(
	struct kubernetes *kubernetes, uint32_t ttl_s, bool headless, bool reverse);
const struct cluster *kubernetes_cluster(const struct kubernetes *kubernetes);
uint32_t kubernetes_negative_ttl(const struct kubernetes *kubernetes);
/* Whether one of its zones that has more than so many labels holds the name. */
bool kubernetes_has_zone_below(
	const struct kubernetes *kubernetes, const struct query *query, unsigned labels);

/* Say in the log what a watch told. complete: the event's kind has had a first
 * list, so that nothing is held back for it. Control loop's thread. */
void kubernetes_event_log(const struct watch_event *event, bool complete);

#endif

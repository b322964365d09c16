/* SPDX-License-Identifier: Apache-2.0 */
/* The `kubernetes` directive: a watch session feeds a cluster, queries are
 * answered from it. Everything expensive happens on the control loop's thread;
 * kubernetes_query() finds a published answer and copies it. */

#include "kubernetes.h"

#include "cache/export.h"
#include "cache/external.h"
#include "dns/serve/ask.h"
#include "dns/wire/type.h"

#include "kubernetes_metrics.h"
#include "list.h"
#include "option.h"
#include "prefix.h"
#include "resolv_conf.h"

#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OWN_MAX          64
#define RESOLV_CONF_HOST "/etc/resolv.conf"

struct kubernetes {
	struct kubernetes_options options;
	struct resolv_conf host_resolver; /* its search list is a part of every Pod's */
	struct cluster *cluster;
	struct watch *watch;
	int64_t started_ms;                 /* CLOCK_MONOTONIC */
	bool external;                      /* what Services have outside is wanted */
	struct kubernetes_metrics *metrics; /* NULL: nobody counts */
	unsigned stopping;                  /* what has not stopped yet */
	void (*stopped)(void *user);
	void *stopped_user;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool falls_through(const void *user, const struct query *query)
{
	const struct kubernetes *kubernetes = user;
	const struct kubernetes_options *options = &kubernetes->options;

	return option_falls_through(options->fallthrough, options->fallthrough_zones,
		options->fallthrough_count, query);
}

/* A reverse name may be anybody's: it is not held back for longer than CoreDNS
 * would wait at its start. */
static bool waited_long(const struct kubernetes *kubernetes)
{
	return now_ms() - kubernetes->started_ms >= kubernetes->options.startup_timeout_ms;
}

/* The version, a TXT, has a TTL of its own; everything else has one of the two options'. */
static uint32_t ttl_most(const struct kubernetes_options *options, uint16_t qtype)
{
	if (qtype == TYPE_TXT || qtype == TYPE_ANY)
		return 0;
	return options->ttl_s > options->negative_ttl_s ? options->ttl_s : options->negative_ttl_s;
}

static enum plugin_verdict kubernetes_query(void *instance, struct txn *txn)
{
	struct kubernetes *kubernetes = instance;
	struct cluster_hit hit;
	struct name outside;
	int zone = cluster_zone(kubernetes->cluster, txn->query);

	if (zone < 0)
		return PLUGIN_NEXT;
	if (txn->query->qtype == TYPE_AXFR || txn->query->qtype == TYPE_IXFR) {
		txn->reply->rcode = RCODE_REFUSED;
		return PLUGIN_DONE;
	}
	cluster_find(kubernetes->cluster, zone, txn->query, &hit);
	if (hit.verdict == CLUSTER_NXDOMAIN && falls_through(kubernetes, txn->query))
		return PLUGIN_NEXT;
	if (hit.verdict == CLUSTER_UNSYNCED &&
		cluster_zone_is_reverse(kubernetes->cluster, (size_t)zone) &&
		falls_through(kubernetes, txn->query) && waited_long(kubernetes))
		return PLUGIN_NEXT;
	txn->shuffled = true;
	txn->ttl_most_s = ttl_most(&kubernetes->options, txn->query->qtype);
	if (cluster_answer(kubernetes->cluster, &hit, thread_random(txn->thread), txn->reply,
		    falls_through, kubernetes, &outside))
		ask_outside(txn, &outside);
	return PLUGIN_DONE;
}

static unsigned kubernetes_search(
	void *instance, const struct txn *txn, struct name out[PLUGIN_SEARCH_MAX])
{
	const struct kubernetes *kubernetes = instance;
	const struct resolv_conf *host = &kubernetes->host_resolver;
	uint8_t family;
	unsigned count;
	int zone;

	if (kubernetes->options.pods != CLUSTER_PODS_VERIFIED)
		return 0;
	if (!txn)
		return 1;
	zone = cluster_zone(kubernetes->cluster, txn->query);
	if (zone < 0 || cluster_zone_is_reverse(kubernetes->cluster, (size_t)zone))
		return 0;
	family = txn->peer->sa_family == AF_INET ? 4 : 6;
	count = cluster_search(kubernetes->cluster, zone, family, prefix_peer(txn->peer), out);
	for (size_t i = 0; count && i < host->search_count; i++)
		out[count++] = host->search[i];
	if (count)
		out[count++] = (struct name){.len = 1};
	return count;
}

static_assert(CLUSTER_SEARCH_COUNT + RESOLV_CONF_MAX + 1 <= PLUGIN_SEARCH_MAX, "names of a list");

static bool kubernetes_ready(void *instance)
{
	const struct kubernetes *kubernetes = instance;

	return kubernetes->watch && watch_synced(kubernetes->watch);
}

static void kubernetes_event(void *user, const struct watch_event *event)
{
	const struct kubernetes *kubernetes = user;

	if (kubernetes->metrics)
		kubernetes_metrics_event(kubernetes->metrics, event);
	kubernetes_event_log(event, cluster_synced(kubernetes->cluster, event->kind));
}

/* This host's own addresses, for the NS record (the loopback's tell nobody
 * anything). Returns how many. */
static size_t own_addresses(struct ip own[OWN_MAX])
{
	struct ifaddrs *list = NULL;
	size_t count = 0;

	if (getifaddrs(&list) < 0)
		return 0;
	for (struct ifaddrs *at = list; at && count < OWN_MAX; at = at->ifa_next) {
		struct ip ip = {0};

		if (!at->ifa_addr || !(at->ifa_flags & IFF_UP) || at->ifa_flags & IFF_LOOPBACK)
			continue;
		if (at->ifa_addr->sa_family == AF_INET) {
			ip.family = 4;
			memcpy(ip.bytes, &((struct sockaddr_in *)at->ifa_addr)->sin_addr, 4);
		} else if (at->ifa_addr->sa_family == AF_INET6) {
			const struct in6_addr *v6 =
				&((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;

			if (IN6_IS_ADDR_LINKLOCAL(v6))
				continue;
			ip.family = 6;
			memcpy(ip.bytes, v6, 16);
		} else {
			continue;
		}
		own[count++] = ip;
	}
	freeifaddrs(list);
	return count;
}

static void kubernetes_free(void *instance)
{
	struct kubernetes *kubernetes = instance;

	if (!kubernetes)
		return;
	kubernetes_metrics_free(kubernetes->metrics);
	cluster_free(kubernetes->cluster);
	kubernetes_options_free(&kubernetes->options);
	free(kubernetes);
}

static int kubernetes_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct kubernetes *kubernetes = calloc(1, sizeof *kubernetes);
	struct ip own[OWN_MAX];
	struct cluster_config config;
	int rc;

	if (!kubernetes) {
		corefile_error(err, &site->lines[0]->tokens[0], "out of memory");
		return -ENOMEM;
	}
	rc = kubernetes_options_read(site, &kubernetes->options, err);
	if (rc < 0)
		goto fail;
	config = (struct cluster_config){
		.zones = kubernetes->options.zones,
		.zone_count = kubernetes->options.zone_count,
		.clusterset_zones = kubernetes->options.multicluster_zones,
		.clusterset_count = kubernetes->options.multicluster_count,
		.ttl_s = kubernetes->options.ttl_s,
		.negative_ttl_s = kubernetes->options.negative_ttl_s,
		.pods = kubernetes->options.pods,
		.namespaces = (const char *const *)kubernetes->options.namespaces,
		.own = own,
		.own_count = own_addresses(own),
		.namespaces_selected = kubernetes->options.namespace_labels != NULL,
		.zonal = kubernetes->options.zonal,
		.no_endpoints = kubernetes->options.no_endpoints,
		.ignore_empty = kubernetes->options.ignore_empty,
	};
	rc = cluster_new(&config, &kubernetes->cluster);
	if (rc < 0) {
		corefile_error(err, &site->lines[0]->tokens[0], "kubernetes: %s",
			rc == -EINVAL ? "a zone is too long to hold a Service's name"
				      : "out of memory");
		goto fail;
	}
	kubernetes->started_ms = now_ms();
	if (kubernetes->options.pods == CLUSTER_PODS_VERIFIED)
		resolv_conf_read(RESOLV_CONF_HOST, &kubernetes->host_resolver); /* or none */
	*instance = kubernetes;
	return 0;
fail:
	kubernetes_free(kubernetes);
	return rc;
}

/* Pods are many, and change often: they are watched only where a name needs them. */
static unsigned kinds_of(const struct kubernetes_options *options)
{
	unsigned kinds = KIND_BIT(KIND_NAMESPACE) | KIND_BIT(KIND_SERVICE);

	if (!options->no_endpoints)
		kinds |= KIND_BIT(KIND_SLICE);
	if (options->pods == CLUSTER_PODS_VERIFIED)
		kinds |= KIND_BIT(KIND_POD);
	/* noendpoints or not, as in CoreDNS */
	if (options->multicluster_count)
		kinds |= KIND_BIT(KIND_IMPORT) | KIND_BIT(KIND_IMPORT_SLICE);
	return kinds;
}

static int kubernetes_start(void *instance, const struct plugin_host *host,
	const struct block *block, char err[COREFILE_ERROR_MAX])
{
	struct kubernetes *kubernetes = instance;
	const struct kubernetes_options *options = &kubernetes->options;
	struct sink sink = cluster_sink(kubernetes->cluster, kubernetes_event, kubernetes);
	char agent[64], why[COREFILE_ERROR_MAX - 32];
	struct watch_config config = {
		.source = options->source,
		.kinds = kinds_of(options),
		.label_selector = options->labels,
		.namespace_selector = options->namespace_labels,
		.endpoint_pod_names = options->endpoint_pod_names,
		.endpoint_zones = options->zonal,
		.counted = host->metrics != NULL,
		.service_externals = kubernetes->external,
		.user_agent = agent,
		.endpoint = options->endpoint,
		.tls_cert = options->tls_cert,
		.tls_key = options->tls_key,
		.tls_ca = options->tls_ca,
		.kubeconfig = options->kubeconfig,
		.context = options->context,
		.paths = (const char *const *)options->manifests,
		/* Without memory for it the sessions go each their own way. */
		.peers = host->lasting ? host->lasting(host->ctx, "kubernetes",
						 sizeof(struct watch_peers))
				       : NULL,
	};
	int rc;

	(void)block;
	snprintf(agent, sizeof agent, "Binnacle/%s (linux)", host->version);
	rc = watch_start(host->loop, &config, &sink, &kubernetes->watch, why, sizeof why);
	if (rc < 0)
		snprintf(err, COREFILE_ERROR_MAX, "plugin/kubernetes: %s", why);
	if (rc < 0 || !host->metrics)
		return rc;
	rc = kubernetes_metrics_start(
		host, options, kubernetes->cluster, kubernetes->watch, &kubernetes->metrics);
	if (rc < 0)
		snprintf(err, COREFILE_ERROR_MAX, "plugin/kubernetes: metrics: %s", strerror(-rc));
	return rc;
}

static void part_stopped(void *user)
{
	struct kubernetes *kubernetes = user;

	if (--kubernetes->stopping == 0)
		kubernetes->stopped(kubernetes->stopped_user);
}

static void kubernetes_stop(void *instance, void (*done)(void *user), void *user)
{
	struct kubernetes *kubernetes = instance;
	struct watch *watch = kubernetes->watch;

	kubernetes->stopped = done;
	kubernetes->stopped_user = user;
	kubernetes->stopping = 2;
	kubernetes->watch = NULL;
	if (kubernetes->metrics)
		kubernetes_metrics_stop(kubernetes->metrics, part_stopped, kubernetes);
	else
		part_stopped(kubernetes);
	if (watch)
		watch_close(watch, part_stopped, kubernetes);
	else
		part_stopped(kubernetes);
}

/* --- for k8s_external --- */

void kubernetes_want_external(
	struct kubernetes *kubernetes, uint32_t ttl_s, bool headless, bool reverse)
{
	kubernetes->external = true;
	cluster_want_external(kubernetes->cluster, ttl_s, headless, reverse);
}

const struct cluster *kubernetes_cluster(const struct kubernetes *kubernetes)
{
	return kubernetes->cluster;
}

uint32_t kubernetes_negative_ttl(const struct kubernetes *kubernetes)
{
	return kubernetes->options.negative_ttl_s;
}

bool kubernetes_has_zone_below(
	const struct kubernetes *kubernetes, const struct query *query, unsigned labels)
{
	const int zone = cluster_zone(kubernetes->cluster, query);

	return zone >= 0 && kubernetes->options.zones[zone].labels > labels;
}

/* --- its zones for secondaries --- */

/* Reverse zones are answered from addresses, of which nobody keeps a list. */
static bool kubernetes_zone(void *instance, size_t i, struct transfer_zone *out)
{
	const struct kubernetes *kubernetes = instance;

	if (i >= kubernetes->options.zone_count)
		return false;
	out->apex = &kubernetes->options.zones[i];
	out->withheld = !cluster_zone_is_exported(kubernetes->cluster, i);
	return true;
}

static bool kubernetes_serial(void *instance, uint32_t *out)
{
	const struct kubernetes *kubernetes = instance;

	*out = cluster_serial(kubernetes->cluster);
	return cluster_complete(kubernetes->cluster);
}

static uint32_t kubernetes_soa(void *instance, const struct query *query, struct reply *reply)
{
	const struct kubernetes *kubernetes = instance;

	return cluster_put_soa(kubernetes->cluster, query, reply);
}

static int kubernetes_take(void *instance, void **taken)
{
	const struct kubernetes *kubernetes = instance;
	struct zone_export *export;
	int rc = cluster_export(kubernetes->cluster, &export);

	if (rc == 0)
		*taken = export;
	return rc;
}

static int kubernetes_copy(
	void *taken, size_t zone, struct copy_account *account, struct zone_copy **out)
{
	return export_zone(taken, zone, account, out);
}

static void kubernetes_release(void *taken)
{
	export_free(taken);
}

static void kubernetes_watch(void *instance, void (*changed)(void *user), void *user)
{
	struct kubernetes *kubernetes = instance;

	cluster_watch(kubernetes->cluster, changed, user);
}

static const struct transfer_source kubernetes_transfer = {
	.zone = kubernetes_zone,
	.serial = kubernetes_serial,
	.soa = kubernetes_soa,
	.take = kubernetes_take,
	.copy = kubernetes_copy,
	.release = kubernetes_release,
	.watch = kubernetes_watch,
};

/* It tells before the start what the cluster has to keep. */
static const char *const kept_with[] = {"k8s_external", NULL};

const struct plugin plugin_kubernetes = {
	.name = "kubernetes",
	.setup = kubernetes_setup,
	.start = kubernetes_start,
	.query = kubernetes_query,
	.ready = kubernetes_ready,
	.stop = kubernetes_stop,
	.free = kubernetes_free,
	.transfer = &kubernetes_transfer,
	.search = kubernetes_search,
	.keeps = true,
	.kept_with = kept_with,
};

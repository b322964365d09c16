/* SPDX-License-Identifier: Apache-2.0 */
/* What happens on the control loop is counted there. What the watch and the cluster of a `kubernetes` count, for whoever looks at the
 * metrics. The watch may be asked from any thread; of the cluster the control loop makes
 * a copy once a second, so that a look never waits for it, nor it for a look. */

#include "kubernetes_metrics.h"

#include "dns/observe/metric.h"
#include "labels.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#define COPY_MS  1000
#define HOST_MAX 280 /* a name and a port */

struct kubernetes_metrics {
	uv_timer_t timer;
	struct metrics *metrics; /* where the collector is */
	struct twin twin;
	const struct cluster *cluster;
	const struct watch *watch;
	char *zones;
	_Atomic uint64_t *counters; /* the control loop's; NULL until there is anything to count */
	pthread_mutex_t lock;
	struct cluster_stats copy;
	void (*stopped)(void *user);
	void *stopped_user;
};

/* --- on the control loop --- */

static void copy_make(uv_timer_t *timer)
{
	struct kubernetes_metrics *metrics = timer->data;
	struct cluster_stats stats;

	cluster_stats(metrics->cluster, &stats);
	pthread_mutex_lock(&metrics->lock);
	metrics->copy = stats;
	pthread_mutex_unlock(&metrics->lock);
}

static bool counts(struct kubernetes_metrics *metrics)
{
	if (!metrics->counters && !metrics->stopped)
		metrics->counters = metrics_counters(metrics->metrics);
	return metrics->counters != NULL;
}

static void histogram_count(struct kubernetes_metrics *metrics, enum metric_id id,
	const char *const *labels, int64_t value_ns)
{
	uint32_t slot;

	if (metrics_add(metrics->metrics, id, labels, NULL, 0, &slot) == 0)
		metric_observe(metrics->counters, id, slot, value_ns > 0 ? (uint64_t)value_ns : 0);
}

/* Whose clock is ahead sees what has not happened yet: that took no time. */
static void programmed_count(struct kubernetes_metrics *metrics, const struct watch_event *event)
{
	const int type = cluster_service_type(metrics->cluster, event->ns, event->name);
	const char *const labels[] = {
		type == SERVICE_HEADLESS ? "headless_with_selector" : "cluster_ip"};
	struct timespec now;

	if (type != SERVICE_HEADLESS && type != SERVICE_CLUSTER_IP)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	histogram_count(metrics, METRIC_KUBERNETES_PROGRAMMING, labels,
		(int64_t)now.tv_sec * 1000000000 + now.tv_nsec - event->time_ns);
}

static void answer_count(struct kubernetes_metrics *metrics, const struct watch_event *event)
{
	const char *url = event->source, *begin = strstr(url, "://");
	char host[HOST_MAX], code[16] = "<error>";
	const char *const of_duration[] = {"GET", host};
	const char *const of_requests[] = {code, "GET", host};
	uint32_t slot;

	begin = begin ? begin + 3 : url;
	snprintf(host, sizeof host, "%.*s", (int)strcspn(begin, "/"), begin);
	if (event->status)
		snprintf(code, sizeof code, "%d", event->status);
	histogram_count(metrics, METRIC_KUBERNETES_REQUEST_DURATION, of_duration, event->time_ns);
	if (metrics_add(
		    metrics->metrics, METRIC_KUBERNETES_REQUESTS, of_requests, NULL, 0, &slot) == 0)
		metric_count(metrics->counters, slot, 1);
}

static void published_count(struct kubernetes_metrics *metrics, const struct watch_event *event)
{
	const char *const labels[] = {object_kind_name(event->kind)};

	histogram_count(metrics, METRIC_KUBERNETES_PUBLISH, labels, event->time_ns);
}

void kubernetes_metrics_event(struct kubernetes_metrics *metrics, const struct watch_event *event)
{
	if (event->type == WATCH_TRIGGERED && counts(metrics))
		programmed_count(metrics, event);
	else if (event->type == WATCH_PUBLISHED && counts(metrics))
		published_count(metrics, event);
	else if (event->type == WATCH_ANSWERED && counts(metrics))
		answer_count(metrics, event);
}

/* --- on the thread that looks --- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void collect_kind(
	struct metric_page *page, const struct watch_stats *stats, const char *const *labels)
{
	const struct {
		enum metric_id id;
		uint64_t value;
	} rows[] = {
		{METRIC_KUBERNETES_SYNCED, stats->synced},
		{METRIC_KUBERNETES_FORBIDDEN, stats->forbidden},
		{METRIC_KUBERNETES_OBJECTS, stats->objects},
		{METRIC_KUBERNETES_LISTS, stats->lists + stats->stream_lists},
		{METRIC_KUBERNETES_WATCHES, stats->watches},
		{METRIC_KUBERNETES_EVENTS, stats->events},
		{METRIC_KUBERNETES_EXPIRED, stats->expired},
		{METRIC_KUBERNETES_FAILURES, stats->failures},
		{METRIC_KUBERNETES_REFUSED, stats->refused},
		{METRIC_KUBERNETES_RECEIVED, stats->bytes},
	};
	const uint64_t now = now_ms(), last = stats->last_contact_ms;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		metric_put(page, rows[i].id, labels, (double)rows[i].value);
	/* Nothing has ever come: there is no age. */
	if (last)
		metric_put(page, METRIC_KUBERNETES_CONTACT_AGE, labels,
			now > last ? (double)(now - last) / 1000 : 0);
}

static void collect_cluster(
	struct kubernetes_metrics *metrics, struct metric_page *page, const char *zones)
{
	const char *const labels[] = {zones};
	struct cluster_stats copy;

	pthread_mutex_lock(&metrics->lock);
	copy = metrics->copy;
	pthread_mutex_unlock(&metrics->lock);
	metric_put(page, METRIC_CLUSTER_ENDPOINTS, labels, (double)copy.endpoints);
	metric_put(page, METRIC_CLUSTER_NAMES, labels, (double)copy.nodes);
	metric_put(page, METRIC_CLUSTER_BYTES, labels, (double)copy.bytes);
	metric_put(page, METRIC_CLUSTER_PUBLISHED, labels, (double)copy.published);
	metric_put(page, METRIC_CLUSTER_REFUSED, labels, (double)copy.refused);
	metric_put(page, METRIC_CLUSTER_SERIAL, labels, copy.serial);
}

/* Another `kubernetes` may have the same zones, in a block that listens elsewhere. */
static void collect(void *user, struct metric_page *page)
{
	struct kubernetes_metrics *metrics = user;
	char *made;
	const char *zones = twin_text(&metrics->twin, &made);
	struct watch_stats stats;

	for (int kind = 0; kind < KIND_COUNT; kind++) {
		const char *const labels[] = {zones, object_kind_name((enum object_kind)kind)};

		watch_stats(metrics->watch, (enum object_kind)kind, &stats);
		if (stats.state != WATCH_STATE_OFF)
			collect_kind(page, &stats, labels);
	}
	collect_cluster(metrics, page, zones);
	free(made);
}

/* --- life --- */

int kubernetes_metrics_start(const struct plugin_host *host,
	const struct kubernetes_options *options, const struct cluster *cluster,
	const struct watch *watch, struct kubernetes_metrics **out)
{
	struct kubernetes_metrics *metrics = calloc(1, sizeof *metrics);
	int rc = -ENOMEM;

	if (!metrics)
		return rc;
	pthread_mutex_init(&metrics->lock, NULL);
	metrics->cluster = cluster;
	metrics->watch = watch;
	metrics->metrics = host->metrics;
	metrics->zones = labels_zones(options->zones, options->zone_count);
	if (metrics->zones)
		rc = twin_join(&metrics->twin, host, "kubernetes", metrics->zones);
	if (rc == 0)
		rc = metrics_collect(host->metrics, collect, metrics);
	if (rc == 0)
		rc = uv_timer_init(host->loop, &metrics->timer);
	if (rc < 0) {
		kubernetes_metrics_free(metrics);
		return rc;
	}
	metrics->timer.data = metrics;
	copy_make(&metrics->timer);
	uv_timer_start(&metrics->timer, copy_make, COPY_MS, COPY_MS);
	*out = metrics;
	return 0;
}

static void timer_closed(uv_handle_t *handle)
{
	const struct kubernetes_metrics *metrics = handle->data;

	metrics->stopped(metrics->stopped_user);
}

void kubernetes_metrics_stop(
	struct kubernetes_metrics *metrics, void (*done)(void *user), void *user)
{
	metrics->stopped = done;
	metrics->stopped_user = user;
	metrics_forget(metrics->metrics, metrics);
	metrics_counters_return(metrics->counters);
	metrics->counters = NULL;
	twin_leave(&metrics->twin);
	uv_close((uv_handle_t *)&metrics->timer, timer_closed);
}

void kubernetes_metrics_free(struct kubernetes_metrics *metrics)
{
	if (!metrics)
		return;
	if (metrics->twin.among) { /* it could not be started */
		metrics_forget(metrics->metrics, metrics);
		twin_leave(&metrics->twin);
	}
	pthread_mutex_destroy(&metrics->lock);
	free(metrics->zones);
	free(metrics);
}

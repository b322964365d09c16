/* SPDX-License-Identifier: Apache-2.0 */
#include "hosts_metrics.h"

#include "dns/observe/metric.h"
#include "labels.h"

#include <errno.h>
#include <stdlib.h>

struct hosts_metrics {
	struct metrics *metrics;
	struct twin same_path, any; /* other `hosts` */
	_Atomic size_t records;
	_Atomic int64_t *changed_ns; /* of the file that was read last, by any `hosts` */
};

/* The time has no label: the oldest tells it for all. */
static void collect(void *user, struct metric_page *page)
{
	const struct hosts_metrics *metrics = user;
	const int64_t changed_ns = atomic_load_explicit(metrics->changed_ns, memory_order_relaxed);
	char *made;
	const char *const labels[] = {twin_text(&metrics->same_path, &made)};

	metric_put(page, METRIC_HOSTS_ENTRIES, labels,
		(double)atomic_load_explicit(&metrics->records, memory_order_relaxed));
	free(made);
	if (changed_ns && atomic_load_explicit(&metrics->any.number, memory_order_relaxed) == 1)
		metric_put(page, METRIC_HOSTS_RELOAD_TIMESTAMP, NULL, (double)changed_ns / 1e9);
}

int hosts_metrics_start(
	const struct plugin_host *host, const char *path, struct hosts_metrics **out)
{
	struct hosts_metrics *metrics = calloc(1, sizeof *metrics);
	int rc = -ENOMEM;

	if (!metrics)
		return rc;
	metrics->metrics = host->metrics;
	metrics->changed_ns =
		host->lasting(host->ctx, "hosts changed", sizeof *metrics->changed_ns);
	if (metrics->changed_ns)
		rc = twin_join(&metrics->same_path, host, "hosts", path);
	if (rc == 0)
		rc = twin_join(&metrics->any, host, "every hosts", "");
	if (rc == 0)
		rc = metrics_collect(host->metrics, collect, metrics);
	if (rc < 0) {
		hosts_metrics_free(metrics);
		return rc;
	}
	*out = metrics;
	return 0;
}

void hosts_metrics_set(struct hosts_metrics *metrics, size_t records, int64_t changed_ns)
{
	if (!metrics)
		return;
	atomic_store_explicit(&metrics->records, records, memory_order_relaxed);
	if (changed_ns)
		atomic_store_explicit(metrics->changed_ns, changed_ns, memory_order_relaxed);
}

void hosts_metrics_free(struct hosts_metrics *metrics)
{
	if (!metrics)
		return;
	metrics_forget(metrics->metrics, metrics);
	twin_leave(&metrics->same_path);
	twin_leave(&metrics->any);
	free(metrics);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* coredns_cache_*: a row of slots for each address and port that the block listens on, and
 * what the table says of itself when somebody looks. The table is the block's, so its figures
 * stand under the first server only: their sum over all servers is right. */

#include "cache.h"

#include "dns/observe/metric.h"
#include "labels.h"

#include <errno.h>
#include <stdlib.h>

struct cache_row {
	uint32_t slots[CACHE_COUNTS];
};

struct cache_metrics {
	struct metrics *metrics; /* where the collector is */
	struct twin twin;
	struct server_rows servers;
	char *zones;
	const struct forwarded *table;
	struct cache_row *rows; /* a server's each */
	char server[SERVER_TEXT_MAX];
};

static const char success[] = "success", denial[] = "denial", view[] = "";

/* The labels of a row of metrics.def, `type` in the second place where it has one. */
static const struct {
	enum metric_id id;
	const char *type;
} counts[CACHE_COUNTS] = {
	[CACHE_REQUESTS] = {METRIC_CACHE_REQUESTS, NULL},
	[CACHE_HITS_SUCCESS] = {METRIC_CACHE_HITS, success},
	[CACHE_HITS_DENIAL] = {METRIC_CACHE_HITS, denial},
	[CACHE_MISSES] = {METRIC_CACHE_MISSES, NULL},
	[CACHE_PREFETCHES] = {METRIC_CACHE_PREFETCHES, NULL},
	[CACHE_DROPS] = {METRIC_CACHE_DROPS, NULL},
	[CACHE_STALES] = {METRIC_CACHE_STALES, NULL},
};

void cache_metrics_count(
	const struct cache_metrics *metrics, const struct txn *txn, enum cache_count count)
{
	_Atomic uint64_t *counters = metrics ? thread_counters(txn->thread) : NULL;

	if (!counters)
		return;
	metric_count(
		counters, metrics->rows[server_rows_at(&metrics->servers, txn)].slots[count], 1);
}

static int row_add(const struct cache_metrics *metrics, struct metrics *to, const char *server,
	struct cache_row *row)
{
	int rc = 0;

	for (size_t i = 0; i < CACHE_COUNTS && rc == 0; i++) {
		const char *const typed[] = {server, counts[i].type, metrics->zones, view};
		const char *const plain[] = {server, metrics->zones, view};

		rc = metrics_add(
			to, counts[i].id, counts[i].type ? typed : plain, NULL, 0, &row->slots[i]);
	}
	return rc;
}

static int rows_make(struct cache_metrics *metrics, struct metrics *to)
{
	const size_t count = server_rows_count(&metrics->servers);
	char server[SERVER_TEXT_MAX];
	int rc = 0;

	metrics->rows = calloc(count, sizeof *metrics->rows);
	if (!metrics->rows)
		return -ENOMEM;
	for (size_t i = 0; i < count && rc == 0; i++) {
		server_rows_text(&metrics->servers, i, server);
		rc = row_add(metrics, to, server, &metrics->rows[i]);
	}
	return rc;
}

static void collect(void *user, struct metric_page *page)
{
	const struct cache_metrics *metrics = user;
	char *made;
	const char *zones = twin_text(&metrics->twin, &made);
	struct forwarded_stats stats;

	forwarded_stats(metrics->table, &stats);
	for (unsigned i = 0; i < 2; i++) {
		const char *const labels[] = {metrics->server, i ? denial : success, zones, view};

		metric_put(page, METRIC_CACHE_ENTRIES, labels,
			(double)(i ? stats.denial_entries : stats.success_entries));
		metric_put(page, METRIC_CACHE_EVICTIONS, labels,
			(double)(i ? stats.denial_evictions : stats.success_evictions));
		metric_put(page, METRIC_CACHE_BYTES, labels,
			(double)(i ? stats.denial_bytes : stats.success_bytes));
	}
	free(made);
}

int cache_metrics_start(const struct plugin_host *host, const struct block *block,
	const struct cache_zones *zones, const struct forwarded *table, struct cache_metrics **out,
	char err[COREFILE_ERROR_MAX])
{
	struct cache_metrics *metrics = calloc(1, sizeof *metrics);
	int rc;

	if (!metrics)
		return -ENOMEM;
	metrics->table = table;
	metrics->metrics = host->metrics;
	rc = server_rows_read(block, &metrics->servers, err);
	if (rc < 0)
		goto fail;
	server_rows_text(&metrics->servers, 0, metrics->server);
	metrics->zones = labels_zones(zones->zones, zones->count);
	rc = metrics->zones ? rows_make(metrics, host->metrics) : -ENOMEM;
	if (rc == 0)
		rc = twin_join(&metrics->twin, host, metrics->server, metrics->zones);
	if (rc == 0)
		rc = metrics_collect(host->metrics, collect, metrics);
	if (rc < 0)
		goto fail;
	*out = metrics;
	return 0;
fail:
	cache_metrics_free(metrics);
	return rc;
}

void cache_metrics_stop(struct cache_metrics *metrics)
{
	if (!metrics || !metrics->twin.among)
		return;
	metrics_forget(metrics->metrics, metrics);
	twin_leave(&metrics->twin);
}

void cache_metrics_free(struct cache_metrics *metrics)
{
	if (!metrics)
		return;
	cache_metrics_stop(metrics);
	server_rows_free(&metrics->servers);
	free(metrics->zones);
	free(metrics->rows);
	free(metrics);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_OBSERVE_METRIC_H
#define BINNACLE_DNS_OBSERVE_METRIC_H

/* Metrics: a row each in metrics.def, and two ways to give them values.
 *
 * Counted where things happen: the labels are known when plugins start, and become a
 * slot; every thread that counts has an array of all slots, which nobody else writes;
 * the arrays are summed when somebody looks. No lock, no shared cache line, no text.
 *
 *	static const struct metric_axis proto = {names, 2};          {"udp", "tcp"}
 *	metrics_add(m, METRIC_DNS_REQUEST_SIZE, labels, &proto, 1, &slot);
 *	...
 *	counters = metrics_counters(m);                              once a thread
 *	metric_observe(counters, METRIC_DNS_REQUEST_SIZE, metric_at(..., slot, tcp), bytes);
 *
 * Looked up when asked: a collector is called at each look and puts what it knows into
 * the page.
 *
 * metrics_add(), metrics_collect() and their like belong to the control loop, at any time:
 * they wait for a look that is under way. Collectors run on whichever thread renders, one
 * at a time. What was added once stays: a configuration that is gone has counted. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_id {
#define METRIC(id, name, type, labels, buckets, help) METRIC_##id,
#include "metrics.def"
#undef METRIC
	METRIC_COUNT
};

#define METRIC_LABELS_MAX 8
#define METRICS_SLOTS_MAX (1u << 21) /* as address space in every thread, 16 MiB */

struct metrics;
struct metric_page;

/* The values that a label may have, known beforehand. Must outlive the metrics. */
struct metric_axis {
	const char *const *values;
	size_t count;
};

int metrics_new(struct metrics **out);      /* 0 or -ENOMEM */
void metrics_free(struct metrics *metrics); /* no thread counts any more; NULL is allowed */

/* A slot for each combination of the axes, which stand for the row's last labels; labels
 * (copied) are those in front. The same labels again are the same slot, and must have the
 * same axes. 0, -ENOMEM, or -ENOSPC: METRICS_SLOTS_MAX. A combination is shown from its
 * first count on; what has no labels at all, always. */
int metrics_add(struct metrics *metrics, enum metric_id id, const char *const *labels,
	const struct metric_axis *axes, size_t axis_count, uint32_t *slot);

/* Slots of one combination: 1, and for histograms one for each bucket and two more. */
uint32_t metric_width(enum metric_id id);

/* Call collect(user, page) at each look, until metrics_forget(). 0 or -ENOMEM. */
int metrics_collect(
	struct metrics *metrics, void (*collect)(void *user, struct metric_page *page), void *user);
/* No collector of this user is called any more, nor is one still running. */
void metrics_forget(struct metrics *metrics, const void *user);
/* While true, collectors that come are not called yet: they belong to a configuration that
 * does not run yet, and may tell of what the running one tells of too. */
void metrics_hold(struct metrics *metrics, bool hold);

/* A thread's own slots, which live as long as the metrics: what a thread has counted stays
 * when it ends and gives them back, and the next thread goes on counting there. NULL: out of
 * memory. Any thread. */
_Atomic uint64_t *metrics_counters(struct metrics *metrics);
void metrics_counters_return(_Atomic uint64_t *counters); /* NULL is allowed */

/* One more; by the counters' own thread. */
static inline void metric_count(_Atomic uint64_t *counters, uint32_t slot, uint64_t n)
{
	const uint64_t before = atomic_load_explicit(&counters[slot], memory_order_relaxed);

	atomic_store_explicit(&counters[slot], before + n, memory_order_relaxed);
}

/* Bounds of a histogram's buckets, in nanoseconds or bytes; the last one is UINT64_MAX. */
extern const uint64_t *const metric_bounds[METRIC_COUNT];

/* Into a histogram: seconds are given in nanoseconds. Small values are found soonest. */
static inline void metric_observe(
	_Atomic uint64_t *counters, enum metric_id id, uint32_t slot, uint64_t value)
{
	const uint64_t *bound = metric_bounds[id];
	uint32_t at = 1;

	for (; value > *bound; bound++)
		at++;
	metric_count(counters, slot, value);
	metric_count(counters, slot + at, 1);
}

/* For collectors: the value of one combination of labels, all of them. */
void metric_put(
	struct metric_page *page, enum metric_id id, const char *const *labels, double value);

/* Everything in Prometheus's text format 0.0.4, malloc'ed. 0 or -ENOMEM. One caller at a time
 * is served, the others wait. */
int metrics_render(struct metrics *metrics, char **out, size_t *len);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif

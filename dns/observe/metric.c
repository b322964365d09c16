/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted where it happens is a series: labels and axes, and its slots in
 * every thread's array.
 *
 *	series[]   DNS_REQUEST_SIZE {dns://:53, ., ""} x {udp, tcp}   slot 80
 *	           slot 80   sum            one width for udp
 *	           slot 81.. buckets        (each what fell into it alone)
 *	           slot 96   sum            and one for tcp
 *	threads    array -> array -> NULL
 *
 * An array has room for all the slots there can be, as address space, so that it never
 * moves while its thread counts, and a reload can add slots.
 *
 * A look adds up the arrays, and makes of the buckets those that hold everything below
 * them. Threads go on counting meanwhile: the parts of one histogram may be a question
 * apart, so its count is made of the buckets that were read. */

#include "metric.h"

#include "metric_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CACHE_LINE 64
#define NS_PER_S   1000000000u
/* Of address space; what is never counted in takes no memory. */
#define COUNTED_BYTES (METRICS_SLOTS_MAX * sizeof(uint64_t) + 3 * (size_t)CACHE_LINE)

enum metric_type { COUNTER, GAUGE, HISTOGRAM };
enum metric_buckets { NONE, TIME, SIZE, HEALTH, PROGRAMMING, REST, PUBLISH, BUCKETS_COUNT };

static const struct metric_row {
	const char *name, *labels, *help;
	enum metric_type type;
	enum metric_buckets buckets;
} rows[METRIC_COUNT] = {
#define METRIC(id, name, type, labels, buckets, help)                                              \
	[METRIC_##id] = {name, labels, help, type, buckets},
#include "metrics.def"
#undef METRIC
};

#define MS(n) ((n) * (uint64_t)1000000)

static const uint64_t bounds_none[] = {UINT64_MAX};
static const uint64_t bounds_time[] = {250000, 500000, MS(1), MS(2), MS(4), MS(8), MS(16), MS(32),
	MS(64), MS(128), MS(256), MS(512), MS(1024), MS(2048), MS(4096), MS(8192), UINT64_MAX};
static const uint64_t bounds_size[] = {
	0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000, UINT64_MAX};
static const uint64_t bounds_health[] = {250000, 2500000, MS(25), MS(250), MS(2500), UINT64_MAX};

static const uint64_t bounds_programming[] = {MS(1), MS(2), MS(4), MS(8), MS(16), MS(32), MS(64),
	MS(128), MS(256), MS(512), MS(1024), MS(2048), MS(4096), MS(8192), MS(16384), MS(32768),
	MS(65536), MS(131072), MS(262144), MS(524288), UINT64_MAX};
static const uint64_t bounds_publish[] = {10000, 25000, 50000, 100000, 250000, 500000, MS(1), MS(2),
	MS(5), MS(10), MS(25), MS(50), MS(100), UINT64_MAX};
static const uint64_t bounds_rest[] = {MS(5), MS(10), MS(25), MS(50), MS(100), MS(250), MS(500),
	MS(1000), MS(2500), MS(5000), MS(10000), UINT64_MAX};

#define BOUNDS(array) array, sizeof(array) / sizeof *(array)

static const struct {
	const uint64_t *bounds;
	uint32_t count;
	uint64_t scale; /* units in a whole */
} buckets_of[BUCKETS_COUNT] = {
	[NONE] = {BOUNDS(bounds_none), 1},
	[TIME] = {BOUNDS(bounds_time), NS_PER_S},
	[SIZE] = {BOUNDS(bounds_size), 1},
	[HEALTH] = {BOUNDS(bounds_health), NS_PER_S},
	[PROGRAMMING] = {BOUNDS(bounds_programming), NS_PER_S},
	[REST] = {BOUNDS(bounds_rest), NS_PER_S},
	[PUBLISH] = {BOUNDS(bounds_publish), NS_PER_S},
};

#define NONE_BOUNDS        bounds_none
#define TIME_BOUNDS        bounds_time
#define SIZE_BOUNDS        bounds_size
#define HEALTH_BOUNDS      bounds_health
#define PROGRAMMING_BOUNDS bounds_programming
#define REST_BOUNDS        bounds_rest
#define PUBLISH_BOUNDS     bounds_publish
const uint64_t *const metric_bounds[METRIC_COUNT] = {
#define METRIC(id, name, type, labels, buckets, help) [METRIC_##id] = buckets##_BOUNDS,
#include "metrics.def"
#undef METRIC
};

struct series {
	enum metric_id id;
	char *labels[METRIC_LABELS_MAX]; /* those that the axes do not stand for */
	size_t label_count;
	struct metric_axis axes[METRIC_LABELS_MAX];
	size_t axis_count;
	uint32_t slot;
};

struct counted { /* one thread's; its slots begin a cache line behind it */
	struct counted *next;
	struct metrics *metrics;
	bool idle; /* given back: what was counted stays, and the next thread goes on */
};

struct collector {
	void (*collect)(void *user, struct metric_page *page);
	void *user;
	bool held; /* not asked yet */
};

struct metrics {
	struct series *series;
	size_t series_count;
	struct collector *collectors;
	size_t collector_count;
	uint32_t slot_count;
	bool holding;            /* new collectors are held */
	pthread_mutex_t lock;    /* for threads */
	pthread_mutex_t looking; /* one look at a time, at series and collectors as they are */
	struct counted *threads;
};

struct metric_page {
	struct metric_text families[METRIC_COUNT]; /* lines of a family stand together */
};

/* --- while plugins start --- */

int metrics_new(struct metrics **out)
{
	struct metrics *metrics = calloc(1, sizeof *metrics);

	if (!metrics)
		return -ENOMEM;
	pthread_mutex_init(&metrics->lock, NULL);
	pthread_mutex_init(&metrics->looking, NULL);
	*out = metrics;
	return 0;
}

static void series_free(struct series *series)
{
	for (size_t i = 0; i < series->label_count; i++)
		free(series->labels[i]);
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	for (size_t i = 0; i < metrics->series_count; i++)
		series_free(&metrics->series[i]);
	while (metrics->threads) {
		struct counted *next = metrics->threads->next;

		munmap(metrics->threads, COUNTED_BYTES);
		metrics->threads = next;
	}
	pthread_mutex_destroy(&metrics->lock);
	pthread_mutex_destroy(&metrics->looking);
	free(metrics->series);
	free(metrics->collectors);
	free(metrics);
}

static size_t labels_count(const char *names)
{
	size_t count = names[0] != 0;

	for (; *names; names++)
		count += *names == ' ';
	return count;
}

uint32_t metric_width(enum metric_id id)
{
	return rows[id].type == HISTOGRAM ? 1 + buckets_of[rows[id].buckets].count : 1;
}

static uint32_t series_combinations(const struct series *series)
{
	size_t count = 1;

	for (size_t i = 0; i < series->axis_count; i++)
		count *= series->axes[i].count;
	return (uint32_t)count;
}

static bool series_is(const struct series *series, enum metric_id id, const char *const *labels)
{
	if (series->id != id)
		return false;
	for (size_t i = 0; i < series->label_count; i++) {
		if (strcmp(series->labels[i], labels[i]) != 0)
			return false;
	}
	return true;
}

/* Room for one more item, which stays zero until it is counted in. */
static void *array_grow(void *array, size_t count, size_t size)
{
	void *grown = reallocarray(array, count + 1, size);

	if (grown)
		memset((char *)grown + count * size, 0, size);
	return grown;
}

static int series_add(struct metrics *metrics, const struct series *like, const char *const *labels,
	size_t label_count)
{
	const uint32_t slots = series_combinations(like) * metric_width(like->id);
	struct series *grown, *series;

	if (slots > METRICS_SLOTS_MAX - metrics->slot_count)
		return -ENOSPC;
	grown = array_grow(metrics->series, metrics->series_count, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	metrics->series = grown;
	series = &grown[metrics->series_count];
	*series = *like;
	series->slot = metrics->slot_count;
	for (; series->label_count < label_count; series->label_count++) {
		series->labels[series->label_count] = strdup(labels[series->label_count]);
		if (!series->labels[series->label_count]) {
			series_free(series);
			return -ENOMEM;
		}
	}
	metrics->series_count++;
	metrics->slot_count += slots;
	return 0;
}

int metrics_add(struct metrics *metrics, enum metric_id id, const char *const *labels,
	const struct metric_axis *axes, size_t axis_count, uint32_t *slot)
{
	struct series like = {.id = id, .axis_count = axis_count};
	int rc = 0;

	for (size_t i = 0; i < metrics->series_count; i++) {
		if (!series_is(&metrics->series[i], id, labels))
			continue;
		*slot = metrics->series[i].slot;
		return 0;
	}
	for (size_t i = 0; i < axis_count; i++)
		like.axes[i] = axes[i];
	pthread_mutex_lock(&metrics->looking);
	rc = series_add(metrics, &like, labels, labels_count(rows[id].labels) - axis_count);
	pthread_mutex_unlock(&metrics->looking);
	if (rc == 0)
		*slot = metrics->series[metrics->series_count - 1].slot;
	return rc;
}

int metrics_collect(
	struct metrics *metrics, void (*collect)(void *user, struct metric_page *page), void *user)
{
	struct collector *grown;

	pthread_mutex_lock(&metrics->looking);
	grown = array_grow(metrics->collectors, metrics->collector_count, sizeof *grown);
	if (grown) {
		metrics->collectors = grown;
		grown[metrics->collector_count++] =
			(struct collector){collect, user, metrics->holding};
	}
	pthread_mutex_unlock(&metrics->looking);
	return grown ? 0 : -ENOMEM;
}

void metrics_forget(struct metrics *metrics, const void *user)
{
	size_t kept = 0;

	pthread_mutex_lock(&metrics->looking);
	for (size_t i = 0; i < metrics->collector_count; i++) {
		if (metrics->collectors[i].user != user)
			metrics->collectors[kept++] = metrics->collectors[i];
	}
	metrics->collector_count = kept;
	pthread_mutex_unlock(&metrics->looking);
}

void metrics_hold(struct metrics *metrics, bool hold)
{
	pthread_mutex_lock(&metrics->looking);
	metrics->holding = hold;
	for (size_t i = 0; i < metrics->collector_count && !hold; i++)
		metrics->collectors[i].held = false;
	pthread_mutex_unlock(&metrics->looking);
}

/* --- counting --- */

/* The allocation begins and ends with a line that nobody writes to while it counts, so
 * that no other thread's memory shares one with the slots. */
static _Atomic uint64_t *counted_slots(struct counted *counted)
{
	return (_Atomic uint64_t *)(void *)((char *)counted + 2 * CACHE_LINE);
}

/* Without huge pages, one of which would be resident for the first count. */
static struct counted *counted_new(struct metrics *metrics)
{
	struct counted *counted = mmap(NULL, COUNTED_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (counted == MAP_FAILED)
		return NULL;
	madvise(counted, COUNTED_BYTES, MADV_NOHUGEPAGE);
	counted->metrics = metrics;
	counted->next = metrics->threads;
	metrics->threads = counted;
	return counted;
}

_Atomic uint64_t *metrics_counters(struct metrics *metrics)
{
	struct counted *counted;

	pthread_mutex_lock(&metrics->lock);
	counted = metrics->threads;
	while (counted && !counted->idle)
		counted = counted->next;
	if (!counted)
		counted = counted_new(metrics);
	if (counted)
		counted->idle = false;
	pthread_mutex_unlock(&metrics->lock);
	return counted ? counted_slots(counted) : NULL;
}

void metrics_counters_return(_Atomic uint64_t *counters)
{
	struct counted *counted =
		counters ? (void *)((char *)counters - 2 * (size_t)CACHE_LINE) : NULL;

	if (!counted)
		return;
	pthread_mutex_lock(&counted->metrics->lock);
	counted->idle = true;
	pthread_mutex_unlock(&counted->metrics->lock);
}

/* --- looking --- */

static void page_sample(struct metric_page *page, enum metric_id id, const char *suffix,
	const char *const *labels, const char *le, const char *value)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const struct metric_row *row = &rows[id];
	struct metric_text *text = &page->families[id];

	if (text->len == 0)
		metric_text_head(text, row->name, row->help, types[row->type]);
	metric_text_sample(text, row->name, suffix, row->labels, labels, le, value);
}

void metric_put(
	struct metric_page *page, enum metric_id id, const char *const *labels, double value)
{
	char number[METRIC_NUMBER_MAX];

	page_sample(page, id, "", labels, NULL, metric_double(value, number));
}

static uint64_t slot_sum(const struct counted *threads, uint32_t slot)
{
	uint64_t sum = 0;

	for (const struct counted *at = threads; at; at = at->next)
		sum += atomic_load_explicit(&counted_slots((struct counted *)(uintptr_t)at)[slot],
			memory_order_relaxed);
	return sum;
}

static void histogram_put(struct metric_page *page, enum metric_id id, const char *const *labels,
	const struct counted *threads, uint32_t slot)
{
	const uint64_t *bounds = metric_bounds[id];
	const uint64_t scale = buckets_of[rows[id].buckets].scale;
	const uint64_t sum = slot_sum(threads, slot);
	const uint32_t count = buckets_of[rows[id].buckets].count;
	const size_t before = page->families[id].len;
	char le[METRIC_NUMBER_MAX], number[METRIC_NUMBER_MAX];
	uint64_t below = 0;

	for (uint32_t i = 0; i < count; i++) {
		const bool last = i + 1 == count;

		below += slot_sum(threads, slot + 1 + i);
		page_sample(page, id, "_bucket", labels,
			last ? "+Inf" : metric_number(bounds[i], scale, le),
			metric_number(below, 1, number));
	}
	if (below == 0 && rows[id].labels[0]) {
		page->families[id].len = before;
		return;
	}
	page_sample(page, id, "_sum", labels, NULL, metric_number(sum, scale, number));
	page_sample(page, id, "_count", labels, NULL, metric_number(below, 1, number));
}

/* Number `at` of the series's combinations: the last axis counts fastest. */
static void combination_labels(const struct series *series, uint32_t at, const char **labels)
{
	for (size_t i = 0; i < series->label_count; i++)
		labels[i] = series->labels[i];
	for (size_t i = series->axis_count; i-- > 0;) {
		const struct metric_axis *axis = &series->axes[i];

		labels[series->label_count + i] = axis->values[at % axis->count];
		at /= (uint32_t)axis->count;
	}
}

static void series_put(
	struct metric_page *page, const struct series *series, const struct counted *threads)
{
	const uint32_t combinations = series_combinations(series);
	const uint32_t width = metric_width(series->id);
	const bool always = rows[series->id].labels[0] == 0;
	const char *labels[METRIC_LABELS_MAX];
	char number[METRIC_NUMBER_MAX];

	for (uint32_t i = 0; i < combinations; i++) {
		const uint32_t slot = series->slot + i * width;
		uint64_t sum;

		combination_labels(series, i, labels);
		if (rows[series->id].type == HISTOGRAM) {
			histogram_put(page, series->id, labels, threads, slot);
			continue;
		}
		sum = slot_sum(threads, slot);
		if (sum || always)
			page_sample(
				page, series->id, "", labels, NULL, metric_number(sum, 1, number));
	}
}

static int page_join(const struct metric_page *page, char **out, size_t *len)
{
	struct metric_text all = {0};

	for (size_t i = 0; i < METRIC_COUNT; i++) {
		all.failed |= page->families[i].failed;
		metric_text_add(&all, page->families[i].data ? page->families[i].data : "",
			page->families[i].len);
	}
	if (all.failed) {
		free(all.data);
		return -ENOMEM;
	}
	*out = all.data;
	*len = all.len;
	return 0;
}

int metrics_render(struct metrics *metrics, char **out, size_t *len)
{
	struct metric_page page = {0};
	const struct counted *threads;
	int rc;

	pthread_mutex_lock(&metrics->looking);
	pthread_mutex_lock(&metrics->lock);
	threads = metrics->threads; /* only ever put in front */
	pthread_mutex_unlock(&metrics->lock);
	for (size_t i = 0; i < metrics->series_count; i++)
		series_put(&page, &metrics->series[i], threads);
	for (size_t i = 0; i < metrics->collector_count; i++) {
		const struct collector *at = &metrics->collectors[i];

		if (!at->held)
			at->collect(at->user, &page);
	}
	pthread_mutex_unlock(&metrics->looking);
	rc = page_join(&page, out, len);
	for (size_t i = 0; i < METRIC_COUNT; i++)
		free(page.families[i].data);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/metric.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const proto_names[] = {"udp", "tcp"};
static const char *const family_names[] = {"1", "2"};
static const char *const type_names[] = {"A", "AAAA", "other"};
static const struct metric_axis proto = {proto_names, 2};
static const struct metric_axis request_axes[] = {
	{proto_names, 2}, {family_names, 2}, {type_names, 3}};
static const char *const root[] = {"dns://:53", ".", ""};
static const char *const elsewhere[] = {"dns://:53", "example.org.", ""};

static char *render(struct metrics *metrics)
{
	char *text = NULL;
	size_t len;

	assert_int_equal(metrics_render(metrics, &text, &len), 0);
	text = realloc(text, len + 1);
	text[len] = 0;
	return text;
}

static void assert_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line '%s' in\n%s", line, text);
}

static void test_nothing_counted_is_nothing_shown(void **state)
{
	struct metrics *metrics;
	uint32_t slot;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(
		metrics_add(metrics, METRIC_DNS_REQUESTS, root, request_axes, 3, &slot), 0);
	assert_int_equal(metrics_add(metrics, METRIC_DNS_REQUEST_SIZE, root, &proto, 1, &slot), 0);
	assert_non_null(metrics_counters(metrics));
	text = render(metrics);
	assert_string_equal(text, "");
	free(text);
	metrics_free(metrics);
}

static void test_without_labels_always_shown(void **state)
{
	struct metrics *metrics;
	uint32_t slot;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(metrics_add(metrics, METRIC_PANICS, NULL, NULL, 0, &slot), 0);
	text = render(metrics);
	assert_line(text, "coredns_panics_total 0");
	free(text);
	metrics_free(metrics);
}

static void test_combinations(void **state)
{
	struct metrics *metrics;
	_Atomic uint64_t *counters;
	uint32_t slot, other;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(
		metrics_add(metrics, METRIC_DNS_REQUESTS, root, request_axes, 3, &slot), 0);
	assert_int_equal(metrics_add(metrics, METRIC_DNS_DO_REQUESTS, root, NULL, 0, &other), 0);
	assert_int_equal(other, slot + 12);
	counters = metrics_counters(metrics);
	/* tcp, family 2, AAAA */
	metric_count(counters, slot + (1 * 2 + 1) * 3 + 1, 5);
	metric_count(counters, other, 1);
	text = render(metrics);
	assert_string_equal(text,
		"# HELP coredns_dns_requests_total Questions\n"
		"# TYPE coredns_dns_requests_total counter\n"
		"coredns_dns_requests_total{server=\"dns://:53\",zone=\".\",view=\"\","
		"proto=\"tcp\",family=\"2\",type=\"AAAA\"} 5\n"
		"# HELP coredns_dns_do_requests_total Questions with the DO bit\n"
		"# TYPE coredns_dns_do_requests_total counter\n"
		"coredns_dns_do_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"} 1\n");
	free(text);
	metrics_free(metrics);
}

static void test_same_labels_are_the_same_slot(void **state)
{
	struct metrics *metrics;
	uint32_t first, again, third;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(metrics_add(metrics, METRIC_DNS_DO_REQUESTS, root, NULL, 0, &first), 0);
	assert_int_equal(
		metrics_add(metrics, METRIC_DNS_DO_REQUESTS, elsewhere, NULL, 0, &third), 0);
	assert_int_equal(metrics_add(metrics, METRIC_DNS_DO_REQUESTS, root, NULL, 0, &again), 0);
	assert_int_equal(first, again);
	assert_int_not_equal(first, third);
	metrics_free(metrics);
}

static void test_more_while_a_thread_counts(void **state)
{
	struct metrics *metrics;
	_Atomic uint64_t *counters;
	uint32_t slot, more;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(metrics_add(metrics, METRIC_DNS_DO_REQUESTS, root, NULL, 0, &slot), 0);
	counters = metrics_counters(metrics);
	metric_count(counters, slot, 1);
	assert_int_equal(
		metrics_add(metrics, METRIC_DNS_DO_REQUESTS, elsewhere, NULL, 0, &more), 0);
	metric_count(counters, more, 2);
	text = render(metrics);
	assert_line(
		text, "coredns_dns_do_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"} 1");
	assert_line(text,
		"coredns_dns_do_requests_total{server=\"dns://:53\",zone=\"example.org.\","
		"view=\"\"} 2");
	free(text);
	metrics_free(metrics);
}

static void test_no_more_than_there_is_room_for(void **state)
{
	struct metrics *metrics;
	char zone[16];
	uint32_t slot;
	int rc = 0;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	for (unsigned i = 0; rc == 0 && i < METRICS_SLOTS_MAX; i++) {
		const char *const labels[] = {"dns://:53", zone, ""};
		static const char *values[1000];
		const struct metric_axis axes[] = {{values, 1000}, {values, 1000}};

		snprintf(zone, sizeof zone, "%u.", i);
		rc = metrics_add(metrics, METRIC_DNS_RESPONSES, labels, axes, 2, &slot);
	}
	assert_int_equal(rc, -ENOSPC);
	metrics_free(metrics);
}

/* Threads come and go with listeners. */
static void test_what_a_thread_gave_back_counts_on(void **state)
{
	struct metrics *metrics;
	_Atomic uint64_t *first, *second;
	uint32_t slot;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(metrics_add(metrics, METRIC_DNS_DO_REQUESTS, root, NULL, 0, &slot), 0);
	first = metrics_counters(metrics);
	metric_count(first, slot, 3);
	metrics_counters_return(first);
	metrics_counters_return(NULL);
	second = metrics_counters(metrics);
	assert_ptr_equal(first, second);
	metric_count(second, slot, 4);
	assert_ptr_not_equal(metrics_counters(metrics), second);
	text = render(metrics);
	assert_line(
		text, "coredns_dns_do_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"} 7");
	free(text);
	metrics_free(metrics);
}

static void test_buckets(void **state)
{
	static const uint64_t sizes[] = {0, 1, 100, 101, 511, 512, 64000, 64001, 65535};
	struct metrics *metrics;
	_Atomic uint64_t *counters;
	uint32_t slot;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(metrics_add(metrics, METRIC_DNS_RESPONSE_SIZE, root, &proto, 1, &slot), 0);
	assert_int_equal(metric_width(METRIC_DNS_RESPONSE_SIZE), 16);
	counters = metrics_counters(metrics);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		metric_observe(counters, METRIC_DNS_RESPONSE_SIZE, slot + 16, sizes[i]);
	text = render(metrics);
#define AT "{server=\"dns://:53\",zone=\".\",view=\"\",proto=\"tcp\""
	assert_line(text, "coredns_dns_response_size_bytes_bucket" AT ",le=\"0\"} 1");
	assert_line(text, "coredns_dns_response_size_bytes_bucket" AT ",le=\"100\"} 3");
	assert_line(text, "coredns_dns_response_size_bytes_bucket" AT ",le=\"200\"} 4");
	assert_line(text, "coredns_dns_response_size_bytes_bucket" AT ",le=\"511\"} 5");
	assert_line(text, "coredns_dns_response_size_bytes_bucket" AT ",le=\"1023\"} 6");
	assert_line(text, "coredns_dns_response_size_bytes_bucket" AT ",le=\"64000\"} 7");
	assert_line(text, "coredns_dns_response_size_bytes_bucket" AT ",le=\"+Inf\"} 9");
	assert_line(text, "coredns_dns_response_size_bytes_sum" AT "} 194761");
	assert_line(text, "coredns_dns_response_size_bytes_count" AT "} 9");
#undef AT
	assert_null(strstr(text, "udp"));
	free(text);
	metrics_free(metrics);
}

static void test_seconds(void **state)
{
	struct metrics *metrics;
	_Atomic uint64_t *counters;
	uint32_t slot;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(
		metrics_add(metrics, METRIC_DNS_REQUEST_DURATION, root, NULL, 0, &slot), 0);
	counters = metrics_counters(metrics);
	metric_observe(counters, METRIC_DNS_REQUEST_DURATION, slot, 250000);
	metric_observe(counters, METRIC_DNS_REQUEST_DURATION, slot, 250001);
	metric_observe(counters, METRIC_DNS_REQUEST_DURATION, slot, UINT64_C(9000000000));
	text = render(metrics);
#define AT "{server=\"dns://:53\",zone=\".\",view=\"\""
	assert_line(text, "coredns_dns_request_duration_seconds_bucket" AT ",le=\"0.00025\"} 1");
	assert_line(text, "coredns_dns_request_duration_seconds_bucket" AT ",le=\"0.0005\"} 2");
	assert_line(text, "coredns_dns_request_duration_seconds_bucket" AT ",le=\"0.001\"} 2");
	assert_line(text, "coredns_dns_request_duration_seconds_bucket" AT ",le=\"8.192\"} 2");
	assert_line(text, "coredns_dns_request_duration_seconds_bucket" AT ",le=\"+Inf\"} 3");
	assert_line(text, "coredns_dns_request_duration_seconds_sum" AT "} 9.000500001");
#undef AT
	free(text);
	metrics_free(metrics);
}

static void collect_two(void *user, struct metric_page *page)
{
	const char *const labels[] = {"a.", user};

	metric_put(page, METRIC_KUBERNETES_SYNCED, labels, 1);
	metric_put(page, METRIC_PROCESS_CPU, NULL, 0.25);
}

static void test_families_stay_together(void **state)
{
	struct metrics *metrics;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(metrics_collect(metrics, collect_two, "x"), 0);
	assert_int_equal(metrics_collect(metrics, collect_two, "y"), 0);
	text = render(metrics);
	assert_non_null(strstr(text, "binnacle_kubernetes_synced{zones=\"a.\",kind=\"x\"} 1\n"
				     "binnacle_kubernetes_synced{zones=\"a.\",kind=\"y\"} 1\n"));
	assert_ptr_equal(
		strstr(text, "# TYPE binnacle_kubernetes_synced gauge\n"), strstr(text, "# TYPE"));
	free(text);
	metrics_free(metrics);
}

static void test_collectors_come_and_go(void **state)
{
	struct metrics *metrics;
	char *text;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(metrics_collect(metrics, collect_two, "old"), 0);
	metrics_hold(metrics, true);
	assert_int_equal(metrics_collect(metrics, collect_two, "new"), 0);
	text = render(metrics);
	assert_non_null(strstr(text, "old"));
	assert_null(strstr(text, "new"));
	free(text);
	metrics_forget(metrics, "old");
	metrics_hold(metrics, false);
	text = render(metrics);
	assert_null(strstr(text, "old"));
	assert_non_null(strstr(text, "new"));
	free(text);
	metrics_free(metrics);
}

/* --- threads --- */

#define THREADS 4
#define COUNTS  20000

struct counting {
	struct metrics *metrics;
	uint32_t slot, duration;
};

static void *count_many(void *arg)
{
	const struct counting *counting = arg;
	_Atomic uint64_t *counters = metrics_counters(counting->metrics);

	for (int i = 0; counters && i < COUNTS; i++) {
		metric_count(counters, counting->slot, 1);
		metric_observe(counters, METRIC_DNS_REQUEST_DURATION, counting->duration, 1000);
	}
	return NULL;
}

static void test_threads_are_summed(void **state)
{
	struct counting counting;
	pthread_t threads[THREADS];
	char line[160], *text;

	(void)state;
	assert_int_equal(metrics_new(&counting.metrics), 0);
	assert_int_equal(metrics_add(counting.metrics, METRIC_DNS_DO_REQUESTS, root, NULL, 0,
				 &counting.slot),
		0);
	assert_int_equal(metrics_add(counting.metrics, METRIC_DNS_REQUEST_DURATION, root, NULL, 0,
				 &counting.duration),
		0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, &counting), 0);
	for (int i = 0; i < 20; i++) { /* while they count */
		char zone[8];
		const char *const labels[] = {"dns://:53", zone, ""};
		uint32_t slot;

		snprintf(zone, sizeof zone, "%d.", i);
		assert_int_equal(metrics_add(counting.metrics, METRIC_DNS_DO_REQUESTS, labels, NULL,
					 0, &slot),
			0);
		free(render(counting.metrics));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	text = render(counting.metrics);
	snprintf(line, sizeof line,
		"coredns_dns_do_requests_total{server=\"dns://:53\",zone=\".\",view=\"\"} %d",
		THREADS * COUNTS);
	assert_line(text, line);
	free(text);
	metrics_free(counting.metrics);
}

static void test_arrays_share_no_cache_line(void **state)
{
	struct metrics *metrics;
	uintptr_t a, b;
	uint32_t slot;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(metrics_add(metrics, METRIC_DNS_DO_REQUESTS, root, NULL, 0, &slot), 0);
	a = (uintptr_t)metrics_counters(metrics);
	b = (uintptr_t)metrics_counters(metrics);
	assert_true((a > b ? a - b : b - a) >= 2 * 64);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_counted_is_nothing_shown),
		cmocka_unit_test(test_without_labels_always_shown),
		cmocka_unit_test(test_combinations),
		cmocka_unit_test(test_same_labels_are_the_same_slot),
		cmocka_unit_test(test_more_while_a_thread_counts),
		cmocka_unit_test(test_no_more_than_there_is_room_for),
		cmocka_unit_test(test_what_a_thread_gave_back_counts_on),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_families_stay_together),
		cmocka_unit_test(test_collectors_come_and_go),
		cmocka_unit_test(test_threads_are_summed),
		cmocka_unit_test(test_arrays_share_no_cache_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

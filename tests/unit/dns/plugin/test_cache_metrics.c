/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/metric.h"
#include "dns/plugin/cache.h"
#include "question.h"
#include "site.h"

/* A server block on two ports, and another of the same zones on one of them. */
struct world {
	struct site site, other;
	struct recorder recorder;
	struct metrics *metrics;
	struct thread *thread;
	struct block blocks[2], other_block;
};

static struct world world;
static struct question q;

static void start(struct site *site, const struct block *block)
{
	assert_int_equal(
		site_setup(site, &plugin_cache, ". {\ncache 30 example.org example.net\n}\n"), 0);
	if (plugin_cache.start(site->instance, &world.recorder.host, block, site->err) < 0)
		fail_msg("%s", site->err);
}

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	recorder_init(&world.recorder);
	assert_int_equal(metrics_new(&world.metrics), 0);
	world.recorder.host.metrics = world.metrics;
	world.blocks[0] = (struct block){.port = 53, .siblings = 1};
	world.blocks[1] = (struct block){.port = 54};
	world.other_block = (struct block){.port = 53};
	start(&world.site, world.blocks);
	start(&world.other, &world.other_block);
	world.thread = thread_new();
	thread_set_counters(world.thread, metrics_counters(world.metrics));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	thread_free(world.thread);
	site_free(&world.site, &plugin_cache);
	site_free(&world.other, &plugin_cache);
	metrics_free(world.metrics);
	recorder_free(&world.recorder);
	return 0;
}

static const char *metrics_text(void)
{
	static char text[1 << 14];
	char *page;
	size_t len;

	assert_int_equal(metrics_render(world.metrics, &page, &len), 0);
	assert_true(len < sizeof text);
	memcpy(text, page, len);
	text[len] = '\0';
	free(page);
	return text;
}

static void check_line(const char *family, const char *labels, unsigned value)
{
	char line[500];
	const char *text = metrics_text();

	snprintf(line, sizeof line, "\n%s{%s} %u\n", family, labels, value);
	if (!strstr(text, line))
		fail_msg("no line '%s' in\n%s", line, text);
}

#define AT53 "server=\"dns://:53\","
#define REST "zones=\"example.org.,example.net.\",view=\"\""

static void ask(size_t block)
{
	question_init(&q, "www.example.org", TYPE_A, 0, false, false);
	q.txn.block = &world.blocks[block];
	q.txn.thread = world.thread;
}

static void test_counters(void **state)
{
	const struct cache *cache = world.site.instance;

	(void)state;
	ask(0);
	for (unsigned i = 0; i < 3; i++)
		cache_count_request(cache, &q.txn);
	cache_count_hit(cache, &q.txn, CACHE_HIT_SUCCESS);
	cache_count_hit(cache, &q.txn, CACHE_HIT_DENIAL);
	cache_count_hit(cache, &q.txn, CACHE_HIT_DENIAL);
	cache_count_miss(cache, &q.txn);
	cache_count_stale(cache, &q.txn);
	cache_count_prefetch(cache, &q.txn);
	cache_count_drop(cache, &q.txn);
	ask(1);
	cache_count_request(cache, &q.txn);
	check_line("coredns_cache_requests_total", AT53 REST, 3);
	check_line("coredns_cache_hits_total", AT53 "type=\"success\"," REST, 1);
	check_line("coredns_cache_hits_total", AT53 "type=\"denial\"," REST, 2);
	check_line("coredns_cache_misses_total", AT53 REST, 1);
	check_line("coredns_cache_served_stale_total", AT53 REST, 1);
	check_line("coredns_cache_prefetch_total", AT53 REST, 1);
	check_line("coredns_cache_drops_total", AT53 REST, 1);
	check_line("coredns_cache_requests_total", "server=\"dns://:54\"," REST, 1);
}

/* Without `prometheus` a thread has no counters. */
static void test_nobody_counts(void **state)
{
	(void)state;
	ask(0);
	thread_set_counters(world.thread, NULL);
	cache_count_request(world.site.instance, &q.txn);
	assert_null(strstr(metrics_text(), "coredns_cache_requests_total{"));
}

/* Of the table; a second one of the same name is told apart. */
static void test_gauges(void **state)
{
	static const uint8_t name[] = {3, 'w', 'w', 'w', 0};
	const struct forwarded_question question = {
		name, sizeof name, TYPE_A, CLASS_IN, false, false};

	(void)state;
	forwarded_store_failure(cache_table(world.site.instance), &question, 1000);
	check_line("coredns_cache_entries", AT53 "type=\"success\"," REST, 0);
	check_line("coredns_cache_entries", AT53 "type=\"denial\"," REST, 1);
	check_line("coredns_cache_evictions_total", AT53 "type=\"success\"," REST, 0);
	check_line("coredns_cache_evictions_total", AT53 "type=\"denial\"," REST, 0);
	check_line("binnacle_cache_bytes", AT53 "type=\"success\"," REST, 0);
	check_line("coredns_cache_entries",
		AT53 "type=\"denial\",zones=\"example.org.,example.net.#2\",view=\"\"", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gauges, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/cache/nomem.h"

#include "dns/plugin/cache.h"
#include "question.h"
#include "site.h"

#include <errno.h>

static struct cache_options options;
static char err[COREFILE_ERROR_MAX];

/* `cache` with these arguments and this body in a block of example.org. */
static int read_options(const char *arguments, const char *body)
{
	struct name zone;
	struct plugin_site site = {.zones = &zone, .zone_count = 1, .line_count = 1};
	const struct corefile_line *line;
	struct corefile *corefile;
	char text[1000];
	int rc;

	assert_int_equal(name_from_text("example.org", 11, &zone), 0);
	snprintf(text, sizeof text, "example.org {\ncache %s {\n%s\n}\n}\n", arguments, body);
	if (corefile_parse(text, strlen(text), "F", &corefile, err) < 0)
		fail_msg("%s", err);
	line = &corefile->blocks[0].lines[0];
	site.lines = &line;
	err[0] = '\0';
	rc = cache_options_read(&site, &options, err);
	corefile_free(corefile);
	return rc;
}

static void read_well(const char *arguments, const char *body)
{
	cache_options_free(&options);
	if (read_options(arguments, body) != 0)
		fail_msg("%s", err);
}

static int teardown(void **state)
{
	(void)state;
	cache_options_free(&options);
	return 0;
}

static bool holds(const struct cache_zones *zones, const char *name)
{
	static struct question q;

	question_init(&q, name, TYPE_A, 0, false, false);
	for (size_t i = 0; i < zones->count; i++) {
		if (query_below(&q.query, &zones->zones[i]))
			return true;
	}
	return false;
}

static void test_defaults(void **state)
{
	const struct forwarded_policy *policy = &options.policy;

	(void)state;
	read_well("", "");
	assert_int_equal(policy->success_bytes, 9984 * 512);
	assert_int_equal(policy->denial_bytes, 9984 * 512);
	assert_int_equal(policy->success_max_s, 3600);
	assert_int_equal(policy->success_min_s, 5);
	assert_int_equal(policy->denial_max_s, 1800);
	assert_int_equal(policy->denial_min_s, 5);
	assert_int_equal(policy->servfail_ms, 5000);
	assert_int_equal(policy->prefetch_hits, 0);
	/* RFC 8767, unless it is switched off */
	assert_int_equal(policy->stale_s, 3600);
	assert_int_equal(policy->stale_hold_ms, 0);
	assert_false(policy->prefer_positive);
	assert_int_equal(options.stale_ttl_s, 30);
	assert_int_equal(options.stale_wait_ms, 1800);
	assert_false(options.keep_ttl);
	assert_true(holds(&options.zones, "www.example.org"));
	assert_false(holds(&options.zones, "www.example.net"));
	assert_false(holds(&options.no_success, "www.example.org"));
}

static void test_ttl_and_zones(void **state)
{
	(void)state;
	read_well("30", "");
	assert_int_equal(options.policy.success_max_s, 30);
	assert_int_equal(options.policy.denial_max_s, 30);
	assert_int_equal(options.zones.count, 1);
	read_well("30 example.NET 10.0.0.0/8", "");
	assert_true(holds(&options.zones, "www.example.net"));
	assert_true(holds(&options.zones, "1.0.0.10.in-addr.arpa"));
	assert_false(holds(&options.zones, "www.example.org"));
	read_well("10.0.0.0/8", ""); /* begins like a number, and is none */
	assert_true(holds(&options.zones, "1.0.0.10.in-addr.arpa"));
	assert_int_equal(options.policy.success_max_s, 3600);
}

static void test_classes(void **state)
{
	(void)state;
	read_well("30", "success 5000 60 10\ndenial 2000 20 0");
	assert_int_equal(options.policy.success_bytes, 5000 * 512);
	assert_int_equal(options.policy.success_max_s, 60);
	assert_int_equal(options.policy.success_min_s, 10);
	assert_int_equal(options.policy.denial_bytes, 2000 * 512);
	assert_int_equal(options.policy.denial_max_s, 20);
	assert_int_equal(options.policy.denial_min_s, 0);
	read_well("30", "success 0\ndenial 5");
	assert_int_equal(options.policy.success_bytes, 1024 * 512);
	assert_int_equal(options.policy.success_max_s, 30);
	assert_int_equal(options.policy.denial_bytes, 1024 * 512);
}

static void test_prefetch(void **state)
{
	(void)state;
	read_well("", "prefetch 2");
	assert_int_equal(options.policy.prefetch_hits, 2);
	assert_int_equal(options.policy.prefetch_window_ms, 60000);
	assert_int_equal(options.policy.prefetch_percent, 10);
	read_well("", "prefetch 5 10m 20%");
	assert_int_equal(options.policy.prefetch_window_ms, 600000);
	assert_int_equal(options.policy.prefetch_percent, 20);
}

static void check_stale(
	const char *line, uint32_t stale_s, uint32_t wait_ms, uint32_t ttl_s, uint32_t hold_ms)
{
	read_well("", line);
	assert_int_equal(options.policy.stale_s, stale_s);
	assert_int_equal(options.stale_wait_ms, wait_ms);
	assert_int_equal(options.stale_ttl_s, ttl_s);
	assert_int_equal(options.policy.stale_hold_ms, hold_ms);
}

static void test_serve_stale(void **state)
{
	(void)state;
	check_stale("serve_stale", 3600, 0, 30, 0);
	check_stale("serve_stale 0s", 0, 0, 30, 0);
	check_stale("serve_stale 2h", 7200, 0, 30, 0);
	check_stale("serve_stale 100ms", 1, 0, 30, 0);
	check_stale("serve_stale 1h Immediate", 3600, 0, 30, 0);
	check_stale("serve_stale 1h immediate 10s", 3600, 0, 10, 0);
	check_stale("serve_stale 1h immediate 0s 20s", 3600, 0, 0, 20000);
	check_stale("serve_stale 1h verify", 3600, 1800, 30, 0);
	check_stale("serve_stale 1h verify 100ms", 3600, 100, 30, 0);
	check_stale("serve_stale 1h verify 0", 3600, CACHE_WAIT_FOREVER, 30, 0);
	check_stale("serve_stale 1h verify 100ms 1m", 3600, 100, 60, 0);
	check_stale("serve_stale 1h verify 100ms 1m 5m", 3600, 100, 60, 300000);
}

static void test_disable(void **state)
{
	(void)state;
	read_well("", "disable success");
	assert_true(holds(&options.no_success, "www.example.org"));
	assert_int_equal(options.no_denial.count, 0);
	read_well("", "disable success cluster.local\ndisable denial example.org example.net");
	assert_true(holds(&options.no_success, "a.cluster.local"));
	assert_false(holds(&options.no_success, "www.example.org"));
	assert_true(holds(&options.no_denial, "www.example.net"));
	read_well("", "disable denial a.org\ndisable denial b.org"); /* the last one counts */
	assert_false(holds(&options.no_denial, "a.org"));
	assert_true(holds(&options.no_denial, "b.org"));
}

static void test_the_rest(void **state)
{
	(void)state;
	read_well("", "servfail 0\nkeepttl\nserve_stale_policy prefer_positive");
	assert_int_equal(options.policy.servfail_ms, 0);
	assert_true(options.keep_ttl);
	assert_true(options.policy.prefer_positive);
	read_well("", "servfail 5m");
	assert_int_equal(options.policy.servfail_ms, 300000);
}

static void test_refused(void **state)
{
	static const struct {
		const char *arguments, *body, *says;
	} rows[] = {
		{"0", "",
			"F:2:7: cache: '0' is no TTL; write a whole number of seconds, 1 at least"},
		{"-5", "", "F:2:7: cache: '-5' is no TTL"},
		{"99999999999", "", "F:2:7: cache: '99999999999' is no TTL"},
		{"30 a..b", "", "F:2:10: "},
		{"", "success", "F:3:1: cache: write 'success CAPACITY [TTL] [MINTTL]'"},
		{"", "success x", "F:3:9: cache: 'x' is no capacity"},
		{"", "success 10 0", "F:3:12: cache: '0' is no TTL"},
		{"", "denial 10 5 -1", "F:3:13: cache: '-1' is no minimum TTL"},
		{"", "denial 10 5 1 1", "F:3:1: cache: write 'denial"},
		{"", "prefetch", "F:3:1: cache: write 'prefetch"},
		{"", "prefetch -1", "F:3:10: cache: prefetch needs"},
		{"", "prefetch 1 x", "F:3:12: cache: 'x' is no time between two questions"},
		{"", "prefetch 1 1m 20", "F:3:15: cache: '20' is no part of a TTL"},
		{"", "prefetch 1 1m 9%", "F:3:15: cache: '9%' is no part of a TTL"},
		{"", "prefetch 1 1m 91%", "F:3:15: cache: '91%' is no part of a TTL"},
		{"", "prefetch 1 1m %", "F:3:15: cache: '%' is no part of a TTL"},
		{"", "prefetch 1 1m 100000000%", "F:3:15: cache: '100000000%' is no part"},
		{"", "serve_stale -1s", "F:3:13: cache: '-1s' is no time to keep what is stale"},
		{"", "serve_stale 1h later", "F:3:16: cache: 'later' is no way to serve"},
		{"", "serve_stale 1h immediate 1500ms",
			"F:3:26: cache: '1500ms' is no TTL of stale"},
		{"", "serve_stale 1h immediate 1us", "F:3:26: cache: '1us' is no TTL of stale"},
		{"", "serve_stale 1h immediate 1s 6m", "F:3:29: cache: '6m' is no time between"},
		{"", "serve_stale 1h immediate 1s 1s 1s", "F:3:32: cache: behind 'immediate'"},
		{"", "serve_stale 1h verify x", "F:3:23: cache: 'x' is no time to wait"},
		{"", "serve_stale 1h verify 1s 1s 1s 1s", "F:3:1: cache: write 'serve_stale"},
		{"", "serve_stale_policy newest", "F:3:20: cache: 'newest' is no policy"},
		{"", "serve_stale 0\nserve_stale_policy prefer_positive",
			"F:2:1: cache: 'serve_stale_policy' needs 'serve_stale'"},
		{"", "servfail 6m",
			"F:3:10: cache: '6m' is no time to remember failures; write a "
			"duration such as '5s' or '1m', 5m at most"},
		{"", "disable", "F:3:1: cache: write 'disable success|denial [ZONE...]'"},
		{"", "disable all", "F:3:9: cache: 'all' cannot be disabled"},
		{"", "disable denial a..b", "F:3:16: "},
		{"", "keepttl 1", "F:3:1: cache: write 'keepttl'"},
		{"", "sucess 1", "F:3:1: cache: unknown option 'sucess'; did you mean 'success'?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cache_options_free(&options);
		assert_true(read_options(rows[i].arguments, rows[i].body) < 0);
		if (strncmp(err, rows[i].says, strlen(rows[i].says)) != 0)
			fail_msg("'%s' does not begin with '%s'", err, rows[i].says);
	}
}

static void test_twice(void **state)
{
	(void)state;
	site_refused(&plugin_cache, ". {\ncache\ncache 30\n}\n",
		"F:3:1: a server block can have 'cache' once");
}

/* Every allocation fails once; then it is read. */
static void test_without_memory(void **state)
{
	static const struct name root = {.len = 1};
	static const char text[] = ". {\ncache 30 example.org example.net {\ndisable success\n"
				   "disable denial example.org\n}\n}\n";
	struct corefile *corefile;
	const struct corefile_line *line;
	struct plugin_site site = {
		.lines = &line, .line_count = 1, .zones = &root, .zone_count = 1};
	void *instance = NULL;
	int rc = -ENOMEM;

	(void)state;
	assert_int_equal(corefile_parse(text, sizeof text - 1, "F", &corefile, err), 0);
	line = &corefile->blocks[0].lines[0];
	for (unsigned i = 1; rc < 0; i++) {
		err[0] = '\0';
		nomem_at(i);
		rc = plugin_cache.setup(&site, &instance, err);
		nomem_at(0);
		assert_true(rc == 0 || (err[0] && !instance));
		assert_true(i < 100);
	}
	plugin_cache.free(instance);
	corefile_free(corefile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_ttl_and_zones),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_prefetch),
		cmocka_unit_test(test_serve_stale),
		cmocka_unit_test(test_disable),
		cmocka_unit_test(test_the_rest),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "site.h"

#include <errno.h>

static void test_default_address(void **state)
{
	struct site site;
	struct recorder recorder;

	(void)state;
	recorder_init(&recorder);
	assert_int_equal(site_setup(&site, &plugin_health, ". {\n health\n}"), 0);
	assert_int_equal(plugin_health.start(site.instance, &recorder.host, NULL, site.err), 0);
	assert_int_equal(recorder.route_count, 1);
	assert_string_equal(recorder.routes[0].host, "");
	assert_int_equal(recorder.routes[0].port, 8080);
	assert_string_equal(recorder.routes[0].path, "/health");
	assert_string_equal(recorder_get(&recorder, 0), "200 OK");
	assert_int_equal(plugin_health.lameduck_ms(site.instance), 0);
	site_free(&site, &plugin_health);
}

static void test_two_blocks_share_an_address(void **state)
{
	struct site one, two;
	struct recorder recorder;

	(void)state;
	recorder_init(&recorder);
	assert_int_equal(site_setup(&one, &plugin_health, ". {\n health :9\n}"), 0);
	assert_int_equal(site_setup(&two, &plugin_health, ". {\n health :9\n}"), 0);
	assert_int_equal(plugin_health.start(one.instance, &recorder.host, NULL, one.err), 0);
	assert_int_equal(plugin_health.start(two.instance, &recorder.host, NULL, two.err), 0);
	assert_int_equal(recorder.route_count, 1);
	site_free(&one, &plugin_health);
	site_free(&two, &plugin_health);
}

static void test_lameduck_is_announced(void **state)
{
	static struct captured_log log;
	struct site site;

	(void)state;
	assert_int_equal(site_setup(&site, &plugin_health,
				 ". {\n health 127.0.0.1:8090 {\n lameduck 1m30s\n }\n}"),
		0);
	captured_open(&log);
	assert_int_equal(plugin_health.lameduck_ms(site.instance), 90000);
	assert_string_equal(
		captured_read(&log), "[INFO] plugin/health: Going into lameduck mode for 1m30s\n");
	captured_close(&log);
	site_free(&site, &plugin_health);
}

static void test_later_line_counts(void **state)
{
	struct site site;
	struct recorder recorder;

	(void)state;
	recorder_init(&recorder);
	assert_int_equal(
		site_setup(&site, &plugin_health, ". {\n health :1\n health [::1]:2\n}"), 0);
	assert_int_equal(plugin_health.start(site.instance, &recorder.host, NULL, site.err), 0);
	assert_string_equal(recorder.routes[0].host, "::1");
	assert_int_equal(recorder.routes[0].port, 2);
	site_free(&site, &plugin_health);
}

static void test_route_failure_is_told(void **state)
{
	struct site site;
	struct recorder recorder;

	(void)state;
	recorder_init(&recorder);
	recorder.route_error = -ENOMEM;
	assert_int_equal(site_setup(&site, &plugin_health, ". {\n health\n}"), 0);
	assert_int_equal(
		plugin_health.start(site.instance, &recorder.host, NULL, site.err), -ENOMEM);
	assert_non_null(strstr(site.err, "F:2:2: health: cannot serve /health"));
	site_free(&site, &plugin_health);
}

static void test_refusals(void **state)
{
	const struct plugin *p = &plugin_health;

	(void)state;
	site_refused(p, ". {\n health a b\n}", "F:2:11: health: one address at most");
	site_refused(p, ". {\n health 8080\n}", "F:2:9: health: '8080' is not an address");
	site_refused(p, ". {\n health {\n lameduk 5s\n}\n}",
		"F:3:2: health: unknown option 'lameduk'; did you mean 'lameduck'?");
	site_refused(p, ". {\n health {\n lameduck\n}\n}", "F:3:2: health: write 'lameduck DUR");
	site_refused(p, ". {\n health {\n lameduck 5\n}\n}", "F:3:11: health: '5' is not a dur");
	site_refused(p, ". {\n health {\n lameduck -5s\n}\n}", "F:3:11: health: '-5s' is not");
	site_refused(p, ". {\n health {\n lameduck 9999h\n}\n}", "F:3:11: health: '9999h' is");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_address),
		cmocka_unit_test(test_two_blocks_share_an_address),
		cmocka_unit_test(test_lameduck_is_announced),
		cmocka_unit_test(test_later_line_counts),
		cmocka_unit_test(test_route_failure_is_told),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/list.h"
#include "site.h"

static void reads(const char *line, unsigned interval_ms, unsigned jitter_ms)
{
	struct recorder recorder;
	struct site site;
	char text[128];

	recorder_init(&recorder);
	snprintf(text, sizeof text, ". {\n %s\n}", line);
	if (site_setup(&site, &plugin_reload, text) < 0)
		fail_msg("%s", site.err);
	assert_int_equal(plugin_reload.start(site.instance, &recorder.host, NULL, site.err), 0);
	assert_int_equal(recorder.reload_ms, interval_ms);
	assert_int_equal(recorder.jitter_ms, jitter_ms);
	site_free(&site, &plugin_reload);
	recorder_free(&recorder);
}

static void test_times(void **state)
{
	(void)state;
	reads("reload", 30000, 15000);
	reads("reload 10s", 10000, 5000);
	reads("reload 2s 1s", 2000, 1000);
	reads("reload 1m 2s", 60000, 2000);
	reads("reload 2s 30s", 2000, 1000);
	reads("reload 1m 0s", 60000, 0);
	reads("reload 1m 0", 60000, 0);
	reads("reload off", 0, 0);
}

static void test_mistakes(void **state)
{
	(void)state;
	site_refused(&plugin_reload, ". {\n reload 1s\n}", "F:2:9: reload: the interval is 2s");
	site_refused(&plugin_reload, ". {\n reload 2s 10ms\n}", "F:2:12: reload: the jitter is 1s");
	site_refused(&plugin_reload, ". {\n reload often\n}", "F:2:9: reload: 'often'");
	site_refused(&plugin_reload, ". {\n reload -2s\n}", "F:2:9: reload: ");
	site_refused(&plugin_reload, ". {\n reload 99999999h\n}", "F:2:9: reload: ");
	site_refused(&plugin_reload, ". {\n reload 2s 1s 1s\n}", "F:2:2: reload: write");
	site_refused(&plugin_reload, ". {\n reload {\n x\n }\n}", "F:2:2: reload: write");
	site_refused(&plugin_reload, ". {\n reload\n reload\n}", "F:3:2: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

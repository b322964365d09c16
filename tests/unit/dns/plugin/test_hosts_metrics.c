/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/metric.h"
#include "dns/plugin/hosts_metrics.h"
#include "site.h"

static struct recorder recorder;

static int setup(void **state)
{
	(void)state;
	recorder_init(&recorder);
	return metrics_new(&recorder.host.metrics);
}

static int teardown(void **state)
{
	(void)state;
	metrics_free(recorder.host.metrics);
	recorder_free(&recorder);
	return 0;
}

static const char *look(void)
{
	static char page[8192];
	char *text;
	size_t len;

	assert_int_equal(metrics_render(recorder.host.metrics, &text, &len), 0);
	assert_true(len < sizeof page);
	memcpy(page, text, len);
	page[len] = '\0';
	free(text);
	return page;
}

static void has(const char *line)
{
	if (!strstr(look(), line))
		fail_msg("no '%s' in\n%s", line, look());
}

/* Two that read the same file and one of another: each label once, and one time for all. */
static void test_several(void **state)
{
	struct hosts_metrics *first, *second, *other;

	(void)state;
	assert_int_equal(hosts_metrics_start(&recorder.host, "/etc/hosts", &first), 0);
	assert_int_equal(hosts_metrics_start(&recorder.host, "/etc/hosts", &second), 0);
	assert_int_equal(hosts_metrics_start(&recorder.host, "NodeHosts", &other), 0);
	hosts_metrics_set(first, 3, 0);
	assert_null(strstr(look(), "coredns_hosts_reload_timestamp_seconds"));
	hosts_metrics_set(second, 4, 1500000000);
	hosts_metrics_set(other, 5, 2500000000);
	has("\ncoredns_hosts_entries{hostsfile=\"/etc/hosts\"} 3\n");
	has("\ncoredns_hosts_entries{hostsfile=\"/etc/hosts#2\"} 4\n");
	has("\ncoredns_hosts_entries{hostsfile=\"NodeHosts\"} 5\n");
	has("\ncoredns_hosts_reload_timestamp_seconds 2.5\n");
	hosts_metrics_free(first);
	has("\ncoredns_hosts_entries{hostsfile=\"/etc/hosts\"} 4\n");
	has("\ncoredns_hosts_reload_timestamp_seconds 2.5\n");
	assert_null(strstr(look(), "#2"));
	hosts_metrics_free(second);
	hosts_metrics_free(other);
	assert_null(strstr(look(), "coredns_hosts_"));
}

static void test_nobody_counts(void **state)
{
	(void)state;
	hosts_metrics_set(NULL, 1, 1);
	hosts_metrics_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_several, setup, teardown),
		cmocka_unit_test(test_nobody_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

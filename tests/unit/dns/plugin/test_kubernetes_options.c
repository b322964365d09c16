/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/kubernetes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "site.h"

static struct name root_zone = {.len = 1};

/* Read the first `kubernetes` line(s) of one block with this text inside. */
static int options_from(const char *inside, struct kubernetes_options *out, char *err)
{
	char text[4096];
	struct corefile *corefile = NULL;
	const struct corefile_line *lines[8];
	struct plugin_site site = {.lines = lines, .zones = &root_zone, .zone_count = 1};
	int rc;

	snprintf(text, sizeof text, ". {\n%s\n}\n", inside);
	rc = corefile_parse(text, strlen(text), "Corefile", &corefile, err);
	assert_int_equal(rc, 0);
	for (size_t i = 0; i < corefile->blocks[0].line_count; i++)
		lines[site.line_count++] = &corefile->blocks[0].lines[i];
	rc = kubernetes_options_read(&site, out, err);
	corefile_free(corefile);
	return rc;
}

static void test_defaults(void **state)
{
	struct kubernetes_options options;
	char err[COREFILE_ERROR_MAX] = "";

	(void)state;
	assert_int_equal(options_from("kubernetes", &options, err), 0);
	assert_int_equal(options.zone_count, 1);
	assert_int_equal(options.zones[0].len, 1);
	assert_int_equal(options.ttl_s, 5);
	assert_int_equal(options.source, WATCH_IN_CLUSTER);
	assert_null(options.namespaces);
	assert_false(options.fallthrough);
	kubernetes_options_free(&options);
}

static void test_everything(void **state)
{
	struct kubernetes_options options;
	char err[COREFILE_ERROR_MAX] = "";

	(void)state;
	assert_int_equal(options_from("kubernetes Cluster.Local 10.0.0.0/8 {\n"
				      "ttl 30\n"
				      "namespaces a b\nnamespaces c\n"
				      "labels env=prod, tier in (web)\n"
				      "fallthrough in-addr.arpa\n"
				      "endpoint https://10.96.0.1 https://other\n"
				      "tls /c /k /ca\n}",
				 &options, err),
		0);
	assert_int_equal(options.zone_count, 2);
	assert_memory_equal(options.zones[0].wire, "\7cluster\5local", 15);
	assert_memory_equal(options.zones[1].wire, "\00210\7in-addr\4arpa", 17);
	assert_int_equal(options.ttl_s, 30);
	assert_string_equal(options.namespaces[2], "c");
	assert_null(options.namespaces[3]);
	assert_string_equal(options.labels, "env=prod, tier in (web)");
	assert_true(options.fallthrough);
	assert_int_equal(options.fallthrough_count, 1);
	assert_int_equal(options.source, WATCH_ENDPOINT);
	assert_string_equal(options.endpoint, "https://10.96.0.1");
	assert_string_equal(options.tls_ca, "/ca");
	kubernetes_options_free(&options);
}

static void test_multicluster(void **state)
{
	struct kubernetes_options options;
	char err[COREFILE_ERROR_MAX] = "";

	(void)state;
	assert_int_equal(options_from("kubernetes cluster.local clusterset.local b {\n"
				      "multicluster ClusterSet.local.\nmulticluster b\n}",
				 &options, err),
		0);
	assert_int_equal(options.zone_count, 3);
	assert_int_equal(options.multicluster_count, 2);
	assert_memory_equal(options.multicluster_zones[0].wire, "\12clusterset\5local", 18);
	assert_memory_equal(options.multicluster_zones[1].wire, "\1b", 3);
	kubernetes_options_free(&options);
	/* without zones it says nothing */
	assert_int_equal(options_from("kubernetes a {\nmulticluster\n}", &options, err), 0);
	assert_int_equal(options.multicluster_count, 0);
	kubernetes_options_free(&options);
}

static void test_more_options(void **state)
{
	struct kubernetes_options options;
	char err[COREFILE_ERROR_MAX] = "";

	(void)state;
	assert_int_equal(options_from("kubernetes a {\n"
				      "namespace_labels team in (a, b)\n"
				      "pods insecure\nendpoint_pod_names\nnoendpoints\nignore\n"
				      "startup_timeout 1m30s\nttl 3\nnegative_ttl 60\n"
				      "apiserver_qps 2.5\napiserver_burst 5\n"
				      "apiserver_max_inflight 0\n}",
				 &options, err),
		0);
	assert_string_equal(options.namespace_labels, "team in (a, b)");
	assert_int_equal(options.pods, CLUSTER_PODS_INSECURE);
	assert_true(options.endpoint_pod_names);
	assert_true(options.no_endpoints);
	assert_false(options.ignore_empty);
	assert_int_equal(options.startup_timeout_ms, 90000);
	assert_int_equal(options.negative_ttl_s, 3); /* never above ttl */
	kubernetes_options_free(&options);
	assert_int_equal(options_from("kubernetes a {\nignore empty_service\nzonal\nttl 30\n}",
				 &options, err),
		0);
	assert_true(options.ignore_empty);
	assert_true(options.zonal);
	assert_int_equal(options.negative_ttl_s, 5);
	assert_int_equal(options.startup_timeout_ms, 5000);
	kubernetes_options_free(&options);
}

/* What CoreDNS has dropped is warned about and ignored. */
static void test_dropped(void **state)
{
	struct kubernetes_options options;
	struct captured_log log;
	char err[COREFILE_ERROR_MAX] = "";

	(void)state;
	captured_open(&log);
	assert_int_equal(options_from("kubernetes a {\nupstream\nresyncperiod 5m\n"
				      "transfer to *\nttl 7\n}",
				 &options, err),
		0);
	captured_read(&log);
	captured_close(&log);
	assert_int_equal(options.ttl_s, 7);
	assert_non_null(strstr(log.text, "[WARNING] plugin/kubernetes: Corefile:3:1: 'upstream'"));
	assert_non_null(strstr(log.text, "'resyncperiod' is no longer an option"));
	assert_non_null(strstr(log.text, "'transfer' is no longer an option"));
	kubernetes_options_free(&options);
}

static void test_sources(void **state)
{
	struct kubernetes_options options;
	char err[COREFILE_ERROR_MAX] = "";

	(void)state;
	assert_int_equal(options_from("kubernetes a {\nkubeconfig /f ctx\nendpoint https://x\n}",
				 &options, err),
		0);
	assert_int_equal(options.source, WATCH_KUBECONFIG); /* wins, as in CoreDNS */
	assert_string_equal(options.context, "ctx");
	kubernetes_options_free(&options);
	assert_int_equal(options_from("kubernetes a {\nmanifests x y\n}", &options, err), 0);
	assert_int_equal(options.source, WATCH_MANIFESTS);
	assert_string_equal(options.manifests[1], "y");
	kubernetes_options_free(&options);
}

static void test_pods(void **state)
{
	static const struct {
		const char *inside;
		enum cluster_pods wanted;
	} rows[] = {
		{"kubernetes a", CLUSTER_PODS_DISABLED},
		{"kubernetes a {\npods disabled\n}", CLUSTER_PODS_DISABLED},
		{"kubernetes a {\npods insecure\n}", CLUSTER_PODS_INSECURE},
		{"kubernetes a {\npods verified\n}", CLUSTER_PODS_VERIFIED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct kubernetes_options options;
		char err[COREFILE_ERROR_MAX] = "";

		assert_int_equal(options_from(rows[i].inside, &options, err), 0);
		assert_int_equal(options.pods, rows[i].wanted);
		kubernetes_options_free(&options);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *inside, *says;
	} rows[] = {
		{"kubernetes a {\nttl -1\n}", "Corefile:3:5: ttl must be"},
		{"kubernetes a {\nttl 3601\n}", "0 to 3600"},
		{"kubernetes a {\nttl\n}", "write 'ttl SECONDS'"},
		{"kubernetes a {\nttl 1 2\n}", "write 'ttl SECONDS'"},
		{"kubernetes a {\ntt 1\n}", "did you mean 'ttl'?"},
		{"kubernetes a {\nqqqqqqqqqq\n}", "unknown option 'qqqqqqqqqq'"},
		{"kubernetes a {\npods\n}", "write 'pods disabled|insecure|verified'"},
		{"kubernetes a {\npods verified insecure\n}",
			"write 'pods disabled|insecure|verified'"},
		{"kubernetes a {\npods Verified\n}", "not 'Verified'"},
		{"kubernetes a {\npods some\n}", "disabled, insecure or verified"},
		{"kubernetes a {\nttl 3 {\nx\n}\n}", "write 'ttl SECONDS'"},
		{"kubernetes in-addr.arpa ip6.arpa", "must not be a reverse zone"},
		{"kubernetes 10.0.0.0/8", "must not be a reverse zone"},
		{"kubernetes a..b", "Corefile:2:12"},
		{"kubernetes a\nkubernetes b", "Corefile:3:1"},
		{"kubernetes a {\nendpoint 10.0.0.1\n}", "https://"},
		{"kubernetes a {\ntls a b c\n}", "needs 'endpoint URL'"},
		{"kubernetes a {\ntls a b\n}", "write 'tls CERT KEY CACERT'"},
		{"kubernetes a {\nmanifests x\nkubeconfig y\n}", "take out"},
		{"kubernetes a {\nlabels env in\n}", "labels:"},
		{"kubernetes a {\nignore all\n}", "'empty_service', not 'all'"},
		{"kubernetes a {\nnoendpoints\nignore empty_service\n}", "take out either"},
		{"kubernetes a {\nnamespaces a\nnamespace_labels b\n}", "exclude each other"},
		{"kubernetes a {\nnamespace_labels a in\n}", "namespace_labels:"},
		{"kubernetes a {\nstartup_timeout soon\n}", "duration such as 5s"},
		{"kubernetes a {\nnegative_ttl -1\n}", "negative_ttl must be"},
		{"kubernetes a {\napiserver_qps -1\n}", "apiserver_qps must be a number"},
		{"kubernetes a {\napiserver_burst x\n}", "apiserver_burst must be a number"},
		{"kubernetes a {\nzonal x\n}", "write 'zonal'"},
		{"kubernetes a {\nnoendpoints\nzonal\n}", "'noendpoints' or 'zonal'"},
		{"kubernetes a {\nmulticluster b\n}", "b. is not among the zones"},
		{"kubernetes a b {\nmulticluster b c.b\n}", "c.b. is not among the zones"},
		{"kubernetes a 10.0.0.0/8 {\nmulticluster 10.0.0.0/8\n}", "reverse zone"},
		{"kubernetes a {\nmulticluster a..b\n}", "Corefile:3:14"},
		{"kubernetes a {\nkubeconfig\n}", "kubeconfig FILE [CONTEXT]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct kubernetes_options options;
		char err[COREFILE_ERROR_MAX] = "";

		assert_true(options_from(rows[i].inside, &options, err) < 0);
		if (!strstr(err, rows[i].says))
			fail_msg("'%s': '%s' does not say '%s'", rows[i].inside, err, rows[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_multicluster),
		cmocka_unit_test(test_more_options),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

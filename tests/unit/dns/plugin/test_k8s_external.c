/* SPDX-License-Identifier: Apache-2.0 */
/* The options, and what is said without a `kubernetes`. What is answered is in
 * tests/unit/cache/test_external.c and tests/e2e. */
#include "site.h"

static void accepted(const char *text)
{
	struct site site;

	if (site_setup(&site, &plugin_k8s_external, text) < 0)
		fail_msg("%s", site.err);
	site_free(&site, &plugin_k8s_external);
}

static void test_options(void **state)
{
	(void)state;
	accepted(". {\nk8s_external\n}\n");
	accepted(". {\nk8s_external example.org 192.0.2.0/24 {\napex dns.ext\nttl 3600\nheadless\n"
		 "fallthrough example.org\n}\n}\n");
	accepted(". {\nk8s_external example.org {\nfallthrough\nttl 0\n}\n}\n");
}

static void test_bad_options(void **state)
{
	(void)state;
	site_refused(&plugin_k8s_external, ". {\nk8s_external a {\nttl 3601\n}\n}\n",
		"F:3:5: k8s_external: ttl must be a whole number of seconds from 0 to 3600");
	site_refused(&plugin_k8s_external, ". {\nk8s_external a {\napex .\n}\n}\n",
		"F:3:6: k8s_external: apex must be a name");
	site_refused(&plugin_k8s_external, ". {\nk8s_external a {\napex a..b\n}\n}\n",
		"F:3:6: k8s_external: apex must be a name");
	site_refused(&plugin_k8s_external, ". {\nk8s_external a {\napex\n}\n}\n",
		"F:3:1: k8s_external: write 'apex NAME'");
	site_refused(&plugin_k8s_external, ". {\nk8s_external a {\nheadles\n}\n}\n",
		"F:3:1: k8s_external: unknown option 'headles'; did you mean 'headless'?");
	site_refused(&plugin_k8s_external, ". {\nk8s_external in-addr.arpa\n}\n",
		"F:2:1: k8s_external: at least one zone must not be a reverse zone");
	site_refused(&plugin_k8s_external, ". {\nk8s_external a..b\n}\n", "F:2:14: ");
	site_refused(&plugin_k8s_external, ". {\nk8s_external a\nk8s_external b\n}\n",
		"F:3:1: a server block can have 'k8s_external' once");
}

static void test_zone_too_long(void **state)
{
	char text[600] = ". {\nk8s_external ";

	(void)state;
	for (unsigned i = 0; i < 121; i++)
		strcat(text, "a.");
	strcat(text, "\n}\n");
	site_refused(&plugin_k8s_external, text, "F:2:1: k8s_external: a zone is too long");
}

static void test_without_kubernetes(void **state)
{
	struct site site;
	struct block block = {.plugin_count = 0};

	(void)state;
	assert_int_equal(site_setup(&site, &plugin_k8s_external, ". {\nk8s_external a\n}\n"), 0);
	assert_true(plugin_k8s_external.start(site.instance, NULL, &block, site.err) < 0);
	assert_non_null(
		strstr(site.err, "F:2:1: k8s_external: the Services come from 'kubernetes'"));
	site_free(&site, &plugin_k8s_external);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_zone_too_long),
		cmocka_unit_test(test_without_kubernetes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

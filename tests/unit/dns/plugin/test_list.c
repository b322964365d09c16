/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/list.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_descriptors_are_whole(void **state)
{
	(void)state;
	for (int i = 0; plugin_list[i]; i++) {
		assert_non_null(plugin_list[i]->name);
		assert_non_null(plugin_list[i]->setup);
		assert_int_equal(plugin_find(plugin_list[i]->name), i);
	}
	assert_int_equal(plugin_find("nothing"), -1);
}

/* What wraps others comes before what answers. */
static void test_order(void **state)
{
	(void)state;
	assert_true(plugin_find("errors") < plugin_find("kubernetes"));
	assert_true(plugin_find("log") < plugin_find("kubernetes"));
}

static void test_absent_ones_are_not_there(void **state)
{
	(void)state;
	for (size_t i = 0; plugin_absent[i]; i++)
		assert_int_equal(plugin_find(plugin_absent[i]), -1);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *word, *says;
	} rows[] = {
		{"rewrite", "Corefile:4:2: 'rewrite' is a CoreDNS plugin that Binnacle does not "
			    "have yet"},
		{"kubernets", "did you mean 'kubernetes'?"},
		{"cahe", "did you mean 'cache'?"},
		{"qqqqqqqqqqqq", "-plugins"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct corefile_token token = {
			.text = rows[i].word, .file = "Corefile", .line = 4, .col = 2};
		char err[COREFILE_ERROR_MAX] = "";

		assert_int_equal(plugin_refuse(&token, err), -EINVAL);
		if (!strstr(err, rows[i].says))
			fail_msg("'%s' does not say '%s'", err, rows[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors_are_whole),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_absent_ones_are_not_there),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

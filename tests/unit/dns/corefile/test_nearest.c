/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/corefile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {
	"errors", "log", "kubernetes", "ready", "health", "bind", "show_first", NULL};

static void test_slips(void **state)
{
	(void)state;
	assert_string_equal(corefile_nearest("kuberentes", words), "kubernetes");
	assert_string_equal(corefile_nearest("kubernets", words), "kubernetes");
	assert_string_equal(corefile_nearest("kubernetis", words), "kubernetes");
	assert_string_equal(corefile_nearest("Errors", words), "errors");
	assert_string_equal(corefile_nearest("error", words), "errors");
	assert_string_equal(corefile_nearest("redy", words), "ready");
	assert_string_equal(corefile_nearest("logs", words), "log");
	assert_string_equal(corefile_nearest("showfirst", words), "show_first");
	assert_string_equal(corefile_nearest("log", words), "log");
}

static void test_nothing_near(void **state)
{
	static const char *const none[] = {NULL};
	char longest[200];

	(void)state;
	assert_null(corefile_nearest("prometheus", words));
	assert_null(corefile_nearest("x", words));
	assert_null(corefile_nearest("foo", words));
	assert_null(corefile_nearest("", words));
	assert_null(corefile_nearest("log", none));
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	assert_null(corefile_nearest(longest, words));
}

static void test_nearest_wins_over_first(void **state)
{
	static const char *const list[] = {"abcdxy", "abcdex", "abcdef", "abcdef2", NULL};

	(void)state;
	assert_string_equal(corefile_nearest("abcdef", list), "abcdef");
	assert_string_equal(corefile_nearest("abcdfe", list), "abcdef");
}

static void test_long_entries_are_skipped(void **state)
{
	char longest[300];
	const char *list[] = {longest, "log", NULL};

	(void)state;
	memset(longest, 'l', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	assert_string_equal(corefile_nearest("log", list), "log");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slips),
		cmocka_unit_test(test_nothing_near),
		cmocka_unit_test(test_nearest_wins_over_first),
		cmocka_unit_test(test_long_entries_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

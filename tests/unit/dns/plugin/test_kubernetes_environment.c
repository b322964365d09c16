/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/kubernetes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANIFESTS    "BINNACLE_KUBERNETES_MANIFESTS"
#define NEGATIVE_TTL "BINNACLE_KUBERNETES_NEGATIVE_TTL"

static int clean(void **state)
{
	(void)state;
	unsetenv(MANIFESTS);
	unsetenv(NEGATIVE_TTL);
	return 0;
}

static int read_into(struct kubernetes_options *options, char *err)
{
	err[0] = '\0';
	return kubernetes_environment_read(options, err);
}

static void test_nothing(void **state)
{
	struct kubernetes_options options = {.negative_ttl_s = 5};
	char err[COREFILE_ERROR_MAX];

	(void)state;
	assert_int_equal(read_into(&options, err), 0);
	assert_null(options.manifests);
	assert_int_equal(options.negative_ttl_s, 5);
	setenv(MANIFESTS, "  ", 1);
	setenv(NEGATIVE_TTL, "", 1);
	assert_int_equal(read_into(&options, err), 0);
	assert_null(options.manifests);
	assert_int_equal(options.negative_ttl_s, 5);
}

static void test_values(void **state)
{
	struct kubernetes_options options = {.negative_ttl_s = 5};
	char err[COREFILE_ERROR_MAX];

	(void)state;
	setenv(MANIFESTS, " a/b  /c\t", 1);
	setenv(NEGATIVE_TTL, "2", 1);
	assert_int_equal(read_into(&options, err), 0);
	assert_string_equal(options.manifests[0], "a/b");
	assert_string_equal(options.manifests[1], "/c");
	assert_null(options.manifests[2]);
	assert_int_equal(options.negative_ttl_s, 2);
	kubernetes_options_free(&options);
}

/* What the Corefile says counts more. */
static void test_corefile_wins(void **state)
{
	struct kubernetes_options options = {
		.negative_ttl_s = 5, .negative_ttl_given = true, .manifests_given = true};
	struct kubernetes_options elsewhere = {.kubeconfig = (char *)"f"};
	char err[COREFILE_ERROR_MAX];

	(void)state;
	setenv(MANIFESTS, "a", 1);
	setenv(NEGATIVE_TTL, "2", 1);
	assert_int_equal(read_into(&options, err), 0);
	assert_null(options.manifests);
	assert_int_equal(options.negative_ttl_s, 5);
	assert_int_equal(read_into(&elsewhere, err), 0);
	assert_null(elsewhere.manifests);
}

static void test_mistakes(void **state)
{
	struct kubernetes_options options = {.negative_ttl_s = 5};
	char err[COREFILE_ERROR_MAX];

	(void)state;
	setenv(NEGATIVE_TTL, "soon", 1);
	assert_int_equal(read_into(&options, err), -EINVAL);
	assert_non_null(strstr(err, NEGATIVE_TTL " must be a whole number of seconds"));
	assert_non_null(strstr(err, "'soon'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing, clean),
		cmocka_unit_test_setup(test_values, clean),
		cmocka_unit_test_setup(test_corefile_wins, clean),
		cmocka_unit_test_setup(test_mistakes, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

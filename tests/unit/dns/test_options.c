/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* words[0] is the program's name; NULL ends them. */
static int read_flags(char **words, struct options *out, char *err)
{
	int argc = 0;

	while (words[argc])
		argc++;
	return options_read(argc, words, out, err);
}

#define FLAGS(...) ((char *[]){(char *)"binnacle", __VA_ARGS__, NULL})

static void test_defaults(void **state)
{
	struct options options;
	char err[OPTIONS_ERROR_MAX];
	char *argv[] = {(char *)"binnacle", NULL};

	(void)state;
	assert_int_equal(options_read(1, argv, &options, err), 0);
	assert_string_equal(options.conf, "Corefile");
	assert_false(options.conf_given);
	assert_int_equal(options.port, 53);
	assert_null(options.pidfile);
	assert_false(options.quiet);
	assert_int_equal(options.action, OPTIONS_RUN);
}

static void test_every_spelling(void **state)
{
	char **spellings[] = {
		FLAGS("-conf", "x", "-dns.port", "1053", "-pidfile", "p", "-quiet"),
		FLAGS("--conf", "x", "--p", "1053", "--pidfile", "p", "--quiet"),
		FLAGS("-conf=x", "--dns.port=1053", "-pidfile=p", "-quiet"),
		FLAGS("-p=1053", "-quiet", "--pidfile=p", "--conf=x"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
		struct options options;
		char err[OPTIONS_ERROR_MAX];

		assert_int_equal(read_flags(spellings[i], &options, err), 0);
		assert_string_equal(options.conf, "x");
		assert_true(options.conf_given);
		assert_int_equal(options.port, 1053);
		assert_string_equal(options.pidfile, "p");
		assert_true(options.quiet);
	}
}

static void test_actions(void **state)
{
	struct options options;
	char err[OPTIONS_ERROR_MAX];

	(void)state;
	assert_int_equal(read_flags(FLAGS("-version"), &options, err), 0);
	assert_int_equal(options.action, OPTIONS_VERSION);
	assert_int_equal(read_flags(FLAGS("--plugins"), &options, err), 0);
	assert_int_equal(options.action, OPTIONS_PLUGINS);
	assert_int_equal(read_flags(FLAGS("-help"), &options, err), 0);
	assert_int_equal(options.action, OPTIONS_HELP);
	assert_non_null(strstr(options_help(), "-dns.port"));
}

/* Our own options of kubernetes are the environment's by another name. */
static void test_kubernetes_flags(void **state)
{
	struct options options;
	char err[OPTIONS_ERROR_MAX];

	(void)state;
	assert_int_equal(
		read_flags(FLAGS("-kubernetes.manifests", "a b", "--kubernetes.negative_ttl=2"),
			&options, err),
		0);
	assert_string_equal(getenv("BINNACLE_KUBERNETES_MANIFESTS"), "a b");
	assert_string_equal(getenv("BINNACLE_KUBERNETES_NEGATIVE_TTL"), "2");
	unsetenv("BINNACLE_KUBERNETES_MANIFESTS");
	unsetenv("BINNACLE_KUBERNETES_NEGATIVE_TTL");
}

static void test_mistakes_say_what_to_do(void **state)
{
	const struct {
		char **words;
		const char *says;
	} rows[] = {
		{FLAGS("Corefile"), "-conf FILE"},
		{FLAGS("-"), "is no flag"},
		{FLAGS("-config", "x"), "did you mean -conf?"},
		{FLAGS("-zzzzzzzz"), "-help"},
		{FLAGS("-conf"), "needs a value"},
		{FLAGS("-conf="), "not a file name"},
		{FLAGS("-kubernetes.negative_ttl", "x"), "seconds from 0 to 3600"},
		{FLAGS("-kubernetes.manifests="), "not a list of paths"},
		{FLAGS("-p", "0"), "port number"},
		{FLAGS("-p", "65536"), "port number"},
		{FLAGS("-dns.port", "fifty"), "port number"},
		{FLAGS("-quiet=1"), "takes no value"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct options options = {.port = 7};
		char err[OPTIONS_ERROR_MAX] = "";

		assert_int_equal(read_flags(rows[i].words, &options, err), -EINVAL);
		assert_int_equal(options.port, 7);
		if (!strstr(err, rows[i].says))
			fail_msg("'%s' does not say '%s'", err, rows[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_spelling),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_kubernetes_flags),
		cmocka_unit_test(test_mistakes_say_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/config.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int config_from(
	const char *text, struct corefile **corefile, struct config **config, char *err)
{
	int rc = corefile_parse(text, strlen(text), "Corefile", corefile, err);

	if (rc < 0)
		return rc;
	return config_new(*corefile, 1053, config, err);
}

static void test_blocks_and_listeners(void **state)
{
	struct corefile *corefile = NULL;
	struct config *config = NULL;
	char err[COREFILE_ERROR_MAX] = "";
	const struct config_listener *listener;

	(void)state;
	assert_int_equal(
		config_from(". {\nlog\nerrors\n}\n"
			    "a.example:53 b.example:54 c.example:53 {\nerrors\n}\n"
			    "10.0.0.0/15 {\nbind 127.0.0.1 127.0.0.1\nloadbalance\nerrors\n}\n",
			&corefile, &config, err),
		0);
	/* the second one is two blocks, for it has two ports */
	assert_int_equal(config->block_count, 4);
	assert_int_equal(config->blocks[0].port, 1053);
	assert_string_equal(config->blocks[0].plugins[0].plugin->name, "errors");
	assert_string_equal(config->blocks[0].plugins[1].plugin->name, "log");
	assert_true(config->blocks[0].wants_time);
	assert_false(config->blocks[0].rewrites);
	assert_true(config->blocks[3].rewrites);
	assert_int_equal(config->blocks[1].zone_count, 2);
	assert_string_equal(config->blocks[1].zone_texts[1], "c.example.");
	assert_int_equal(config->blocks[2].port, 54);
	assert_int_equal(config->blocks[0].siblings, 0);
	assert_int_equal(config->blocks[1].siblings, 1);
	assert_int_equal(config->blocks[2].siblings, 0);
	assert_ptr_equal(config->blocks[1].plugins, config->blocks[2].plugins);
	assert_int_equal(config->blocks[3].zone_count, 2);
	assert_string_equal(config->blocks[3].zone_texts[0], "0.10.in-addr.arpa.");
	assert_int_equal(config->listener_count, 4);
	listener = &config->listeners[3];
	assert_false(listener->all);
	assert_int_equal(listener->address.ss_family, AF_INET);
	assert_int_equal(ntohs(((const struct sockaddr_in *)&listener->address)->sin_port), 1053);
	assert_int_equal(listener->block_count, 1);
	assert_true(config->listeners[0].all);
	config_free(config);
	corefile_free(corefile);
}

static void test_blocks_that_share_a_listener(void **state)
{
	struct corefile *corefile = NULL;
	struct config *config = NULL;
	char err[COREFILE_ERROR_MAX] = "";

	(void)state;
	assert_int_equal(config_from("a {\nerrors\n}\nb {\nerrors\n}\nc:99 {\nerrors\n}\n",
				 &corefile, &config, err),
		0);
	assert_int_equal(config->listener_count, 2);
	assert_int_equal(config->listeners[0].block_count, 2);
	config_free(config);
	corefile_free(corefile);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"a {\nerrors\n}\na {\nerrors\n}\n",
			"Corefile:4:1: the zone a. on port 1053 is served twice"},
		{"a a {\nerrors\n}\n", "served twice"},
		{"a {\ndnssec a\n}\n", "Corefile:2:1: 'dnssec'"},
		{"a {\nrewrite\n}\n", "does not have yet"},
		{"a {\nerors\n}\n", "did you mean 'errors'?"},
		{"tls://a {\nerrors\n}\n", "plain DNS"},
		{"a..b {\nerrors\n}\n", "Corefile:1:1"},
		{"a:99999 {\nerrors\n}\n", "Corefile:1:1"},
		{"a {\nkubernetes b {\nttl x\n}\n}\n", "Corefile:3:5"},
		{"a {\nbind 300.1.1.1\n}\n", "300.1.1.1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct corefile *corefile = NULL;
		struct config *config = NULL;
		char err[COREFILE_ERROR_MAX] = "";

		assert_true(config_from(rows[i].text, &corefile, &config, err) < 0);
		assert_null(config);
		if (!strstr(err, rows[i].says))
			fail_msg("'%s': '%s' does not say '%s'", rows[i].text, err, rows[i].says);
		corefile_free(corefile);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_and_listeners),
		cmocka_unit_test(test_blocks_that_share_a_listener),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

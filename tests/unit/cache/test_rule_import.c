/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules.h"

static void put(struct rules_fixture *f, struct object *object)
{
	assert_int_equal(store_upsert(&f->store, object), 0);
}

static const char *headless(struct rules_fixture *f)
{
	put(f, make_import("shop", "web", 1, SERVICE_HEADLESS, ""));
	return rules_run(f, rule_endpoint, ENTRY_HEADLESS);
}

static void test_names_are_those_of_a_cluster(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	put(f, make_import_slice("shop", "w", "web", "West", 2, "10.1.0.9 10.1.0.1=Db-0"));
	put(f, make_import_slice("shop", "e", "web", "east", 3, "10.1.0.1=db-0 fd00::1"));
	assert_string_equal(headless(f),
		"web.shop.SVC A 10.1.0.1 10.1.0.9 AAAA fd00::1 EPA 10.1.0.1 10.1.0.9 EPAAAA "
		"fd00::1 "
		"HOSTS 10-1-0-9.west=10.1.0.9 db-0.east=10.1.0.1 db-0.west=10.1.0.1 "
		"fd00--1.east=fd00::1");
	assert_int_equal(f->run.refused, 0);
	rules_free(f);
}

/* Whose id cannot be a label has addresses and no name. */
static void test_ids_that_are_no_label(void **state)
{
	static const char *const ids[] = {"", "a.b", "a_b", "-a", "a-",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		struct rules_fixture *f = rules_new(NULL, 0);

		put(f, make_import_slice("shop", "w", "web", ids[i], 2, "10.1.0.9=db-0 10.1.0.1"));
		assert_string_equal(
			headless(f), "web.shop.SVC A 10.1.0.1 10.1.0.9* EPA 10.1.0.1 10.1.0.9*");
		assert_int_equal(f->run.refused, 2);
		rules_free(f);
	}
}

static void test_hostnames_that_are_no_label(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	put(f, make_import_slice("shop", "w", "web", "west", 2, "10.1.0.9=a_b"));
	assert_string_equal(
		headless(f), "web.shop.SVC A 10.1.0.9 EPA 10.1.0.9 HOSTS 10-1-0-9.west=10.1.0.9");
	assert_int_equal(f->run.refused, 1);
	rules_free(f);
}

/* A name that would be too long below the longest zone. */
static void test_too_long(void **state)
{
	static const char label[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct rules_fixture *f = rules_new(NULL, 0);
	char endpoints[100];

	(void)state;
	snprintf(endpoints, sizeof endpoints, "10.1.0.9=%s", label);
	f->config.zone_max = NAME_MAX_LEN - 13 - 64 - 64;
	put(f, make_import_slice("shop", "w", "web", label, 2, endpoints));
	put(f, make_import("shop", "web", 1, SERVICE_HEADLESS, ""));
	assert_non_null(strstr(rules_run(f, rule_endpoint, ENTRY_HEADLESS), "HOSTS aaa"));
	f->config.zone_max++;
	put(f, make_import("shop", "web", 2, SERVICE_HEADLESS, "10.0.0.1"));
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_HEADLESS),
		"web.shop.SVC A 10.1.0.9* EPA 10.1.0.9*");
	rules_free(f);
}

static void test_no_names_beside_an_address_of_its_own(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	put(f, make_import_slice("shop", "w", "web", "west", 2, "10.1.0.9=db-0"));
	put(f, make_import("shop", "web", 1, SERVICE_CLUSTER_IP, "10.42.0.1"));
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP), "web.shop.SVC");
	assert_false(f->run.absent);
	rules_free(f);
}

static void test_ignore_empty(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	f->config.ignore_empty = true;
	put(f, make_import("shop", "web", 1, SERVICE_CLUSTER_IP, "10.42.0.1"));
	rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP);
	assert_true(f->run.absent);
	put(f, make_import_slice("shop", "w", "web", "west", 2, "10.1.0.9"));
	rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP);
	assert_false(f->run.absent);
	rules_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_those_of_a_cluster),
		cmocka_unit_test(test_ids_that_are_no_label),
		cmocka_unit_test(test_hostnames_that_are_no_label),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_no_names_beside_an_address_of_its_own),
		cmocka_unit_test(test_ignore_empty),
	};

	return cmocka_run_group_tests_name("rule_import", tests, NULL, NULL);
}

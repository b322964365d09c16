/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules.h"

#define LONG63 "a23456789012345678901234567890123456789012345678901234567890123"

static void slice(struct rules_fixture *f, const char *name, const char *endpoints)
{
	assert_int_equal(store_upsert(&f->store, make_slice("shop", name, "web", 1, endpoints)), 0);
}

static void service(struct rules_fixture *f)
{
	assert_int_equal(
		store_upsert(&f->store, make_service("shop", "web", 1, SERVICE_HEADLESS, "")), 0);
}

static void merges_slices(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	service(f);
	slice(f, "a", "10.0.0.9 10.0.0.1 fd00::2");
	slice(f, "b", "10.0.0.5 10.0.0.1 fd00::1 10.0.0.9");
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP),
		"web.shop.svc EPA 10.0.0.1 10.0.0.5 10.0.0.9* EPAAAA fd00::1 fd00::2*");
	slice(f, "a", "fd00::2");
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_HEADLESS),
		"web.shop.svc A 10.0.0.1 10.0.0.5 10.0.0.9* AAAA fd00::1 fd00::2* "
		"EPA 10.0.0.1 10.0.0.5 10.0.0.9* EPAAAA fd00::1 fd00::2*");
	slice(f, "a", "");
	slice(f, "b", "fd00::1");
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_HEADLESS),
		"web.shop.svc AAAA fd00::1* EPAAAA fd00::1*");
	slice(f, "b", "");
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_HEADLESS), "web.shop.svc");
	slice(f, "b", "10.0.0.1");
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_EXTERNAL), "web.shop.svc");
	rules_free(f);
}

static void hostnames(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	service(f);
	slice(f, "a", "10.0.0.1=web-0 10.0.0.2 10.0.0.3=web-1 fd00::1=web-0");
	slice(f, "b", "10.0.0.4=WEB-0 10.0.0.2=web-2 10.0.0.1=web-0");
	/* 10.0.0.2 is there with and without a hostname: it counts as without. */
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP),
		"web.shop.svc EPA 10.0.0.2* 10.0.0.1 10.0.0.3 10.0.0.4 EPAAAA fd00::1 "
		"HOSTS web-0=10.0.0.1 web-0=10.0.0.4 web-0=fd00::1 web-1=10.0.0.3 web-2=10.0.0.2");
	assert_int_equal(f->run.refused, 0);
	rules_free(f);
}

static void bad_hostnames_are_none(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	service(f);
	slice(f, "a",
		"10.0.0.1=-x 10.0.0.2=a.b 10.0.0.3=a_b 10.0.0.4=" LONG63 "4 10.0.0.5=" LONG63);
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP),
		"web.shop.svc EPA 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4* 10.0.0.5 HOSTS " LONG63
		"=10.0.0.5");
	assert_int_equal(f->run.refused, 4);
	/* A zone with which the name would pass 255 bytes. */
	f->config.zone_max = NAME_MAX_LEN - 64 - 13 + 1;
	slice(f, "a", "10.0.0.5=" LONG63);
	assert_string_equal(
		rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP), "web.shop.svc EPA 10.0.0.5*");
	f->config.zone_max--;
	slice(f, "a", "10.0.0.5=" LONG63 " 10.0.0.6=x");
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP),
		"web.shop.svc EPA 10.0.0.5 10.0.0.6 HOSTS " LONG63 "=10.0.0.5 x=10.0.0.6");
	rules_free(f);
}

/* A hostname that spells another endpoint's address. */
static void namesakes(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	service(f);
	slice(f, "a", "10.0.0.1=10-0-0-2 10.0.0.2 10.0.0.3=10-0-0-4 10.0.0.4=x");
	assert_string_equal(rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP),
		"web.shop.svc EPA 10.0.0.2* 10.0.0.1 10.0.0.3 10.0.0.4 HOSTS 10-0-0-2=10.0.0.1 "
		"10-0-0-2=10.0.0.2 10-0-0-4=10.0.0.3 x=10.0.0.4");
	rules_free(f);
}

static void namesakes_have_the_ports_of_the_address(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);
	struct endpoints endpoints;
	uint16_t group[4];

	(void)state;
	service(f);
	assert_int_equal(
		store_upsert(&f->store, make_slice_ports("shop", "a", "web", 1,
						"10.0.0.0 10.0.0.1=10-0-0-2", "80:http:TCP")),
		0);
	assert_int_equal(store_upsert(&f->store,
				 make_slice_ports("shop", "b", "web", 1, "10.0.0.2", "53:dns:UDP")),
		0);
	rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP);
	endpoints = endpoints_of((const void *)draft_entry(&f->draft, &f->draft.names[0]));
	assert_int_equal(endpoints.v4_count, 2);
	assert_int_equal(endpoints.host_count, 2);
	for (uint32_t i = 0; i < 4; i++) /* two addresses, then the hostname's two */
		group[i] = endpoints_get(&endpoints, i).group;
	assert_int_not_equal(group[0], group[1]);
	assert_int_equal(group[2], group[0]);
	assert_int_equal(group[3], group[1]);
	rules_free(f);
}

static void knows_its_own(void **state)
{
	const struct ip own[] = {make_ip("10.0.0.3"), make_ip("fd00::3")};
	struct rules_fixture *f = rules_new(own, 2);

	(void)state;
	service(f);
	slice(f, "a", "10.0.0.1 10.0.0.2 fd00::4");
	rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP);
	assert_false(f->run.holds_own);
	slice(f, "b", "10.0.0.1 fd00::3");
	rules_run(f, rule_endpoint, ENTRY_CLUSTER_IP);
	assert_true(f->run.holds_own);
	slice(f, "b", "10.0.0.3");
	rules_run(f, rule_endpoint, ENTRY_HEADLESS);
	assert_true(f->run.holds_own);
	rules_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_slices),
		cmocka_unit_test(hostnames),
		cmocka_unit_test(bad_hostnames_are_none),
		cmocka_unit_test(namesakes),
		cmocka_unit_test(namesakes_have_the_ports_of_the_address),
		cmocka_unit_test(knows_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules.h"

struct fixture {
	struct rules_fixture *rules;
	struct entry *entry;
	struct endpoints endpoints;
};

/* The entry of shop/web with two slices. */
static struct fixture make(const char *one, const char *two)
{
	struct fixture f = {.rules = rules_new(NULL, 0)};
	const struct draft_name *name;

	store_upsert(&f.rules->store, make_service("shop", "web", 1, SERVICE_HEADLESS, ""));
	store_upsert(&f.rules->store, make_slice_ports("shop", "a", "web", 1, one, "80:http:TCP"));
	store_upsert(&f.rules->store, make_slice_ports("shop", "b", "web", 1, two, "81:http:TCP"));
	rules_run(f.rules, rule_endpoint, ENTRY_HEADLESS);
	name = &f.rules->draft.names[0];
	f.entry = malloc(name->entry_len);
	memcpy(f.entry, draft_entry(&f.rules->draft, name), name->entry_len);
	f.endpoints = endpoints_of(f.entry);
	return f;
}

static void drop(struct fixture *f)
{
	free(f->entry);
	rules_free(f->rules);
}

/* "web-0 10.0.0.1 0": label or -, address, group. */
static const char *text_of(const struct endpoint *at)
{
	static char text[200];
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(at->family == 4 ? AF_INET : AF_INET6, at->addr, addr, sizeof addr);
	snprintf(text, sizeof text, "%.*s %s %u", at->label ? at->label[0] : 1,
		at->label ? (const char *)at->label + 1 : "-", addr, at->group);
	return text;
}

static void in_one_order(void **state)
{
	static const char *const wanted[] = {"- 10.0.0.3 1", "- 10.0.0.9 0", "- fd00::5 0",
		"db-0 10.0.0.1 0", "db-0 10.0.0.2 1", "db-0 fd00::1 0", "db-1 10.0.0.1 1"};
	static const char *const by_address[] = {
		"db-0 10.0.0.1 0", "db-1 10.0.0.1 1", "db-0 10.0.0.2 1", "db-0 fd00::1 0"};
	struct fixture f = make("10.0.0.9 10.0.0.1=db-0 fd00::1=DB-0 fd00::5",
		"10.0.0.2=db-0 10.0.0.1=db-1 10.0.0.3");

	(void)state;
	assert_int_equal(endpoints_count(&f.endpoints), 7);
	assert_int_equal(endpoints_first_host(&f.endpoints), 3);
	for (uint32_t i = 0; i < 7; i++) {
		const struct endpoint at = endpoints_get(&f.endpoints, i);

		/* Which of the two groups is the first follows the order of slices. */
		assert_memory_equal(text_of(&at), wanted[i], strlen(wanted[i]) - 1);
	}
	for (uint32_t i = 0; i < 4; i++) {
		const struct endpoint at = endpoints_get_by_address(&f.endpoints, 3 + i);

		assert_memory_equal(text_of(&at), by_address[i], strlen(by_address[i]) - 1);
	}
	drop(&f);
}

static uint32_t host_count(const struct fixture *f, const char *text, uint32_t *first)
{
	uint8_t label[64] = {(uint8_t)strlen(text)};
	uint32_t count;

	memcpy(label + 1, text, label[0]);
	*first = endpoints_find_host(&f->endpoints, label, &count);
	return count;
}

static void by_hostname(void **state)
{
	struct fixture f = make("10.0.0.1=a 10.0.0.2=ab 10.0.0.3=b", "10.0.0.4=ab 10.0.0.5");
	uint32_t first;

	(void)state;
	assert_int_equal(host_count(&f, "a", &first), 1);
	assert_int_equal(first, 1);
	assert_int_equal(host_count(&f, "ab", &first), 2);
	assert_int_equal(first, 2);
	assert_int_equal(host_count(&f, "b", &first), 1);
	assert_int_equal(host_count(&f, "aa", &first), 0);
	assert_int_equal(host_count(&f, "abc", &first), 0);
	assert_int_equal(host_count(&f, "c", &first), 0);
	drop(&f);
	f = make("10.0.0.5", "");
	assert_int_equal(host_count(&f, "a", &first), 0);
	drop(&f);
}

/* Names of two labels, whose order is that of their labels and not of their bytes. */
static void by_hostname_and_cluster(void **state)
{
	static const char *const clusters[] = {"b", "a9", "c", "c-1", "c1"};
	struct rules_fixture *rules = rules_new(NULL, 0);
	const struct draft_name *name;
	struct endpoints endpoints;
	struct entry *entry;
	uint32_t count;

	(void)state;
	store_upsert(&rules->store, make_import("shop", "web", 1, SERVICE_HEADLESS, ""));
	for (unsigned i = 0; i < 5; i++)
		store_upsert(&rules->store, make_import_slice("shop", clusters[i], "web",
						    clusters[i], 2, "10.0.0.1=db 10.0.0.2=d"));
	rules_run(rules, rule_endpoint, ENTRY_HEADLESS);
	name = &rules->draft.names[0];
	entry = malloc(name->entry_len);
	memcpy(entry, draft_entry(&rules->draft, name), name->entry_len);
	endpoints = endpoints_of(entry);
	assert_true(endpoints.nameless);
	assert_int_equal(endpoints_count(&endpoints), 10);
	for (unsigned i = 0; i < 5; i++) {
		const uint8_t len = (uint8_t)strlen(clusters[i]);
		uint8_t label[70] = {2, 'd', 'b', len};
		struct endpoint found;

		memcpy(label + 4, clusters[i], len);
		found = endpoints_get(&endpoints, endpoints_find_host(&endpoints, label, &count));
		assert_int_equal(count, 1);
		assert_int_equal(found.label_len, 4 + len);
		assert_memory_equal(found.label, label, 4u + len);
		assert_int_equal(found.addr[3], 1);
		assert_true(endpoints_has_cluster(&endpoints, label + 3));
		assert_false(endpoints_has_cluster(&endpoints, label));
	}
	endpoints_find_host(&endpoints, (const uint8_t *)"\2db\1d", &count);
	assert_int_equal(count, 0);
	free(entry);
	rules_free(rules);
}

static int64_t dashed(const struct fixture *f, const char *text)
{
	uint8_t label[64] = {(uint8_t)strlen(text)};

	memcpy(label + 1, text, label[0]);
	return endpoints_find_dashed(&f->endpoints, label);
}

static void by_dashed_address(void **state)
{
	struct fixture f = make("10.0.0.1=a 10.0.0.5 fd00::1 fd00::2=a", "10.0.0.4 fd00::");

	(void)state;
	assert_int_equal(dashed(&f, "10-0-0-4"), 0);
	assert_int_equal(dashed(&f, "10-0-0-5"), 1);
	assert_int_equal(dashed(&f, "fd00--0"), 2);
	assert_int_equal(dashed(&f, "fd00--1"), 3);
	assert_int_equal(dashed(&f, "10-0-0-1"), -1);
	assert_int_equal(dashed(&f, "fd00--2"), -1);
	assert_int_equal(dashed(&f, "x"), -1);
	drop(&f);
	f = make("10.0.0.1=a", "");
	assert_int_equal(dashed(&f, "10-0-0-1"), -1);
	assert_int_equal(dashed(&f, "fd00--1"), -1);
	drop(&f);
}

static void by_address(void **state)
{
	struct fixture f =
		make("10.0.0.1=a 10.0.0.1=b 10.0.0.2=c", "fd00::1=a 10.0.0.1=c 10.0.0.3");
	const struct ip one = make_ip("10.0.0.1"), three = make_ip("10.0.0.3");
	const struct ip six = make_ip("fd00::1");
	struct endpoint out;

	(void)state;
	assert_true(endpoints_find_named(&f.endpoints, 4, one.bytes, 0, &out));
	assert_memory_equal(text_of(&out), "a 10.0.0.1", 10);
	assert_true(endpoints_find_named(&f.endpoints, 4, one.bytes, 1, &out));
	assert_memory_equal(text_of(&out), "b 10.0.0.1", 10);
	assert_true(endpoints_find_named(&f.endpoints, 4, one.bytes, 2, &out));
	assert_memory_equal(text_of(&out), "c 10.0.0.1", 10);
	assert_false(endpoints_find_named(&f.endpoints, 4, one.bytes, 3, &out));
	assert_false(endpoints_find_named(&f.endpoints, 4, three.bytes, 0, &out));
	assert_true(endpoints_find_named(&f.endpoints, 6, six.bytes, 0, &out));
	assert_false(endpoints_find_named(&f.endpoints, 6, one.bytes, 0, &out));
	drop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_one_order),
		cmocka_unit_test(by_hostname),
		cmocka_unit_test(by_hostname_and_cluster),
		cmocka_unit_test(by_dashed_address),
		cmocka_unit_test(by_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

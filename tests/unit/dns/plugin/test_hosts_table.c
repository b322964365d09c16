/* SPDX-License-Identifier: Apache-2.0 */
#include "hosts.h"
#include "tests/unit/cache/nomem.h"

#include <errno.h>
#include <stdlib.h>

static struct name zones[2];
static struct hosts_rules rules = {
	.zones = zones, .zone_count = 1, .reverse = true, .records_max = HOSTS_RECORDS_MAX};

static void rules_set(const char *zone, bool reverse)
{
	assert_int_equal(name_from_text(zone, strlen(zone), &zones[0]), 0);
	rules.reverse = reverse;
	memset(rules.key, 0x5a, sizeof rules.key);
}

static int add(struct hosts_builder *builder, const char *address, const char *name)
{
	struct value_address parsed;
	struct name owner;

	assert_int_equal(value_address(address, &parsed), 0);
	assert_int_equal(name_from_text(name, strlen(name), &owner), 0);
	return hosts_builder_add(builder, &parsed, &owner);
}

/* rows: address, name, ... NULL */
static struct hosts_table *table_of(const char *const *rows)
{
	struct hosts_builder *builder = hosts_builder_new(&rules);
	struct hosts_table *table;

	assert_non_null(builder);
	for (; *rows; rows += 2)
		assert_int_equal(add(builder, rows[0], rows[1]), 0);
	assert_int_equal(hosts_builder_end(builder, &table), 0);
	hosts_builder_free(builder);
	return table;
}

#define SAYS(table, name, type, text) assert_string_equal(hosts_table_says(table, name, type), text)

static void test_names_and_addresses(void **state)
{
	static const char *const rows[] = {"10.0.0.2", "web", "10.0.0.1", "Web", "10.0.0.2", "www",
		"2001:db8::1", "web", "10.0.0.2", "web", "10.0.0.3", "a.b", NULL};
	struct hosts_table *table;

	(void)state;
	rules_set(".", true);
	table = table_of(rows);
	SAYS(table, "WEB", TYPE_A, "10.0.0.2 10.0.0.1");
	SAYS(table, "web", TYPE_AAAA, "2001:db8::1");
	SAYS(table, "www", TYPE_AAAA, "");
	SAYS(table, "2.0.0.10.in-addr.ARPA", TYPE_PTR, "web. www.");
	SAYS(table, "2.0.0.10.in-addr.arpa", TYPE_A, "");
	SAYS(table, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
		TYPE_PTR, "web.");
	SAYS(table, "0.0.10.in-addr.arpa", TYPE_PTR, "none");
	SAYS(table, "b", TYPE_A, "none");
	SAYS(table, ".", TYPE_A, "none");
	assert_int_equal(hosts_table_records(table), 5 + 5);
	assert_true(hosts_table_bytes(table) > 200);
	hosts_table_free(table);
}

static void test_zones_and_no_reverse(void **state)
{
	static const char *const rows[] = {
		"10.0.0.1", "a.Example.org", "10.0.0.1", "example.org", "10.0.0.1", "b.net", NULL};
	struct hosts_table *table;

	(void)state;
	rules_set("example.org", true);
	table = table_of(rows);
	SAYS(table, "a.example.org", TYPE_A, "10.0.0.1");
	SAYS(table, "example.org", TYPE_A, "10.0.0.1");
	SAYS(table, "b.net", TYPE_A, "none");
	SAYS(table, "1.0.0.10.in-addr.arpa", TYPE_PTR, "a.example.org. example.org.");
	hosts_table_free(table);
	rules_set("example.org", false);
	table = table_of(rows);
	SAYS(table, "a.example.org", TYPE_A, "10.0.0.1");
	SAYS(table, "1.0.0.10.in-addr.arpa", TYPE_PTR, "none");
	hosts_table_free(table);
}

static void test_wildcards(void **state)
{
	static const char *const rows[] = {"10.0.0.1", "*.example.org", "fd00::1", "*.example.org",
		"10.0.0.2", "a.example.org", "10.0.0.3", "*", "10.0.0.4", "x.*.example.org", NULL};
	char long_name[260] = "";
	struct hosts_table *table;

	(void)state;
	rules_set(".", true);
	table = table_of(rows);
	SAYS(table, "b.example.org", TYPE_A, "10.0.0.1");
	SAYS(table, "*.example.org", TYPE_A, "10.0.0.1");
	SAYS(table, "b.example.org", TYPE_AAAA, "fd00::1");
	SAYS(table, "a.example.org", TYPE_A, "10.0.0.2");
	SAYS(table, "a.example.org", TYPE_AAAA, "");
	SAYS(table, "example.org", TYPE_A, "none");
	SAYS(table, "c.b.example.org", TYPE_A, "none");
	SAYS(table, "com", TYPE_A, "none");
	SAYS(table, "x.y.example.org", TYPE_A, "none");
	SAYS(table, "1.0.0.10.in-addr.arpa", TYPE_PTR, "none");
	for (unsigned i = 0; i < 127; i++)
		strcat(long_name, "a.");
	SAYS(table, long_name, TYPE_A, "none");
	hosts_table_free(table);
}

static void test_empty(void **state)
{
	static const char *const rows[] = {NULL};
	struct hosts_table *table;

	(void)state;
	rules_set(".", true);
	table = table_of(rows);
	SAYS(table, "a", TYPE_A, "none");
	SAYS(table, "a.b", TYPE_PTR, "none");
	assert_int_equal(hosts_table_records(table), 0);
	hosts_table_free(table);
	hosts_table_free(NULL);
	hosts_builder_free(NULL);
}

/* More than a reply holds: as many as fit, and TC. */
static void test_more_than_fits(void **state)
{
	struct hosts_builder *builder;
	struct hosts_table *table;
	const struct hosts_node *node;
	struct question q;
	char text[32];

	(void)state;
	rules_set(".", true);
	builder = hosts_builder_new(&rules);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(text, sizeof text, "10.0.%u.%u", i / 250, i % 250);
		assert_int_equal(add(builder, text, "many"), 0);
		snprintf(text, sizeof text, "n%u", i);
		assert_int_equal(add(builder, "192.0.2.1", text), 0);
	}
	assert_int_equal(hosts_builder_end(builder, &table), 0);
	hosts_builder_free(builder);
	for (unsigned i = 0; i < 3; i++) {
		const bool ptr = i == 1;

		question_init(&q, ptr ? "1.2.0.192.in-addr.arpa" : "many", ptr ? TYPE_PTR : TYPE_A,
			0, false, i == 2);
		node = hosts_table_find(table, &q.query);
		hosts_table_put(table, node, ptr ? HOSTS_PTR : HOSTS_A, 7, &q.reply);
		question_finish(&q, 0);
		assert_true(q.buf[2] & 2);
		assert_true(q.txn.reply_len > (i == 2 ? 65500 : 480));
	}
	hosts_table_free(table);
}

static int build(void)
{
	struct hosts_builder *builder = hosts_builder_new(&rules);
	struct hosts_table *table = NULL;
	int rc = builder ? 0 : -ENOMEM;

	for (unsigned i = 0; i < 100 && rc == 0; i++) {
		char address[32], name[32];

		snprintf(address, sizeof address, "10.0.0.%u", i);
		snprintf(name, sizeof name, "a-longer-name-%u", i);
		rc = add(builder, address, name);
	}
	if (rc == 0)
		rc = hosts_builder_end(builder, &table);
	hosts_builder_free(builder);
	hosts_table_free(table);
	return rc;
}

static void test_memory_short_at_every_place(void **state)
{
	unsigned n = 1;

	(void)state;
	rules_set(".", true);
	for (;; n++) {
		nomem_at(n);
		if (build() == 0)
			break;
	}
	nomem_at(0);
	assert_true(n > 10);
}

static void test_too_many(void **state)
{
	struct hosts_builder *builder;
	char text[32];

	(void)state;
	rules_set(".", true);
	rules.records_max = 20;
	builder = hosts_builder_new(&rules);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(text, sizeof text, "n%u", i);
		assert_int_equal(add(builder, "10.0.0.1", text), 0);
		assert_int_equal(add(builder, "10.0.0.1", text), 0);
	}
	assert_int_equal(add(builder, "10.0.0.2", "n0"), -E2BIG);
	rules.records_max = HOSTS_RECORDS_MAX;
	hosts_builder_free(builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_addresses),
		cmocka_unit_test(test_zones_and_no_reverse),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_more_than_fits),
		cmocka_unit_test(test_memory_short_at_every_place),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

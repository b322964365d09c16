/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/hosts_text.h"

#include "hosts.h"

#include <errno.h>
#include <stdlib.h>

static struct hosts_faults faults;
static struct hosts_table *table;

static void parse(const char *text)
{
	static const struct name root = {.len = 1};
	const struct hosts_rules rules = {
		.zones = &root, .zone_count = 1, .reverse = true, .records_max = HOSTS_RECORDS_MAX};
	struct hosts_builder *builder = hosts_builder_new(&rules);

	hosts_table_free(table);
	table = NULL;
	memset(&faults, 0, sizeof faults);
	assert_int_equal(hosts_text_read(text, strlen(text), builder, &faults), 0);
	assert_int_equal(hosts_builder_end(builder, &table), 0);
	hosts_builder_free(builder);
}

#define SAYS(name, type, text) assert_string_equal(hosts_table_says(table, name, type), text)

static void test_what_a_system_has(void **state)
{
	(void)state;
	parse("# for IPv4\n127.0.0.1\tlocalhost\n192.168.1.10   example.com   example # ours\n\n"
	      "::1 localhost ip6-localhost\r\nfe80::1%lo0 link\n::ffff:192.0.2.1 mapped\n"
	      "   10.0.0.1 last");
	assert_int_equal(faults.count, 0);
	SAYS("localhost", TYPE_A, "127.0.0.1");
	SAYS("localhost", TYPE_AAAA, "::1");
	SAYS("example", TYPE_A, "192.168.1.10");
	SAYS("link", TYPE_AAAA, "fe80::1");
	SAYS("mapped", TYPE_A, "192.0.2.1");
	SAYS("mapped", TYPE_AAAA, "");
	SAYS("last", TYPE_A, "10.0.0.1");
	SAYS("10.1.168.192.in-addr.arpa", TYPE_PTR, "example.com. example.");
}

static void fault_is(unsigned at, unsigned line, enum hosts_fault_kind kind, const char *text)
{
	assert_int_equal(faults.first[at].line, line);
	assert_int_equal(faults.first[at].kind, kind);
	assert_string_equal(faults.first[at].text, text);
	assert_non_null(hosts_fault_says(kind));
}

static void test_broken_lines(void **state)
{
	(void)state;
	parse("10.0.0.1 a\n10.0.0.256 b\n\n10.0.0.2 # c\n10.0.0.3 d..e f\nlocalhost 10.0.0.1\n"
	      "010.0.0.1 g\n1 h\n10.0.0.4 i\n");
	assert_int_equal(faults.count, 6);
	fault_is(0, 2, HOSTS_NO_ADDRESS, "10.0.0.256");
	fault_is(1, 4, HOSTS_NO_NAME, "10.0.0.2");
	fault_is(2, 5, HOSTS_BAD_NAME, "d..e");
	fault_is(3, 6, HOSTS_NO_ADDRESS, "localhost");
	fault_is(4, 7, HOSTS_NO_ADDRESS, "010.0.0.1");
	SAYS("a", TYPE_A, "10.0.0.1");
	SAYS("f", TYPE_A, "10.0.0.3");
	SAYS("i", TYPE_A, "10.0.0.4");
	SAYS("b", TYPE_A, "none");
}

static void test_long_words(void **state)
{
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = 0;
	parse(text);
	assert_int_equal(faults.count, 1);
	assert_int_equal(strlen(faults.first[0].text), HOSTS_FAULT_TEXT - 1);
	memcpy(text, "10.0.0.1 ", 9);
	parse(text);
	assert_int_equal(faults.first[0].kind, HOSTS_BAD_NAME);
}

static void test_addresses(void **state)
{
	struct value_address address;

	(void)state;
	assert_int_equal(hosts_address("10.0.0.1", 8, &address), 0);
	assert_int_equal(address.family, AF_INET);
	assert_int_equal(hosts_address("fd00::1%nowhere", 15, &address), 0);
	assert_int_equal(address.family, AF_INET6);
	assert_int_equal(hosts_address("ttl", 3, &address), -EINVAL);
	assert_int_equal(hosts_address("", 0, &address), -EINVAL);
	assert_int_equal(hosts_address("10.0.0.1\0x", 10, &address), -EINVAL);
}

static int drop(void **state)
{
	(void)state;
	hosts_table_free(table);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_system_has),
		cmocka_unit_test(test_broken_lines),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, drop);
}

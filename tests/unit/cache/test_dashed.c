/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/dashed.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *address, *label;
} pairs[] = {
	{"10.1.2.3", "10-1-2-3"},
	{"0.0.0.0", "0-0-0-0"},
	{"255.255.255.255", "255-255-255-255"},
	{"::", "--0"},
	{"::1", "--1"},
	{"2001:db8::", "2001-db8--0"},
	{"2001:db8::1", "2001-db8--1"},
	{"fd00:1:2:3:4:5:6:7", "fd00-1-2-3-4-5-6-7"},
	/* RFC 5952: one zero group is not shortened, the longest run is, the first
	 * of equals. */
	{"2001:db8:0:1:1:1:1:1", "2001-db8-0-1-1-1-1-1"},
	{"2001:0:0:1:0:0:0:1", "2001-0-0-1--1"},
	{"2001:db8:0:0:1:0:0:1", "2001-db8--1-0-0-1"},
	{"1:2:3:4:5:6:0:0", "1-2-3-4-5-6--0"},
	{"0:0:3:4:5:6:7:8", "--3-4-5-6-7-8"},
	{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff"},
};

static void both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		const uint8_t family = strchr(pairs[i].address, ':') ? 6 : 4;
		uint8_t addr[16], back[16];
		char label[DASHED_MAX];

		assert_int_equal(
			inet_pton(family == 4 ? AF_INET : AF_INET6, pairs[i].address, addr), 1);
		assert_int_equal(dashed_format(family, addr, label), strlen(pairs[i].label));
		assert_string_equal(label, pairs[i].label);
		assert_int_equal(dashed_parse((const uint8_t *)label, strlen(label), back), family);
		assert_memory_equal(back, addr, family == 4 ? 4 : 16);
	}
}

/* Other spellings of an address are other names. */
static void one_spelling(void **state)
{
	static const char *const wrong[] = {"", "-", "--", "10", "10-1-2", "10-1-2-3-4",
		"010-1-2-3", "10-1-2-256", "10-1-2-", "-1-2-3", "10.1.2.3", "2001:db8::1",
		"2001-db8--", "2001-0db8--1", "2001-db8-0-0-0-0-0-1", "2001-DB8--1", "0--1",
		"2001-db8--0-1", "--ffff-10.0.0.1", "web-0", "1-2-3-4-5-6-7-8-9", "2001-db8--1--1",
		"fffff--1", "--1-", "2001-db8-1--0-1", "ffff-ffff-ffff-ffff-ffff-ffff-ffff-ffff-"};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		uint8_t addr[16] = {0xAA};

		if (dashed_parse((const uint8_t *)wrong[i], strlen(wrong[i]), addr))
			fail_msg("%s was taken", wrong[i]);
		assert_int_equal(addr[0], 0xAA);
	}
	assert_int_equal(dashed_parse((const uint8_t *)"10-1-2-3\0", 9, (uint8_t[16]){0}), 0);
}

static void every_address_has_its_own(void **state)
{
	unsigned seed = 4711;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t addr[16], back[16];
		char label[DASHED_MAX];

		for (int b = 0; b < 16; b += 2) { /* many zero groups */
			addr[b] = (uint8_t)(rand_r(&seed) % 3 ? 0 : rand_r(&seed));
			addr[b + 1] = (uint8_t)(rand_r(&seed) % 2 ? 0 : rand_r(&seed));
		}
		dashed_format(6, addr, label);
		assert_int_equal(dashed_parse((const uint8_t *)label, strlen(label), back), 6);
		assert_memory_equal(back, addr, 16);
	}
}

/* Pods: any spelling is an address, one spelling is a verified name. */
static void any_spelling(void **state)
{
	static const struct {
		const char *label, *address; /* NULL: none */
		bool usual;
	} rows[] = {
		{"10-1-2-3", "10.1.2.3", true},
		{"2001-db8--1", "2001:db8::1", true},
		{"2001-0db8-0-0-0-0-0-1", "2001:db8::1", false},
		{"2001-db8--0", "2001:db8::", true},
		{"2001-db8--", "2001:db8::", true},
		{"--1", "::1", true},
		{"--", "::", true},
		{"1-2-3-4-5-6-7-8", "1:2:3:4:5:6:7:8", true},
		{"10-1-2", NULL, false},
		{"10-1-2-256", NULL, false},
		{"10--1-2-3", "10::1:2:3", true},
		{"a", NULL, false},
		{"", NULL, false},
		{"1.2.3.4", NULL, false},
		{"::1", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const uint8_t *label = (const uint8_t *)rows[i].label;
		const size_t len = strlen(rows[i].label);
		uint8_t addr[16], wanted[16];
		const uint8_t family = dashed_read(label, len, addr);

		if (!rows[i].address) {
			assert_int_equal(family, 0);
			continue;
		}
		assert_int_equal(
			inet_pton(family == 4 ? AF_INET : AF_INET6, rows[i].address, wanted), 1);
		assert_memory_equal(addr, wanted, family == 4 ? 4 : 16);
		assert_int_equal(dashed_is_usual(label, len, family, addr), rows[i].usual);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_spelling),
		cmocka_unit_test(both_ways),
		cmocka_unit_test(one_spelling),
		cmocka_unit_test(every_address_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

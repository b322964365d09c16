/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/prefix.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct value_prefix prefix(const char *text)
{
	struct value_prefix out;

	assert_int_equal(value_prefix(text, &out), 0);
	return out;
}

static bool holds(const char *network, const char *address)
{
	const struct value_prefix one = prefix(network);
	struct value_address at;

	assert_int_equal(value_address(address, &at), 0);
	return prefix_holds(&one, at.family, at.bytes);
}

static void test_one(void **state)
{
	(void)state;
	assert_true(holds("10.0.0.0/8", "10.255.255.255"));
	assert_false(holds("10.0.0.0/8", "11.0.0.0"));
	assert_true(holds("10.0.0.128/25", "10.0.0.128"));
	assert_false(holds("10.0.0.128/25", "10.0.0.127"));
	assert_true(holds("192.0.2.1", "192.0.2.1"));
	assert_false(holds("192.0.2.1", "192.0.2.0"));
	assert_true(holds("0.0.0.0/0", "255.255.255.255"));
	assert_false(holds("0.0.0.0/0", "::"));
	assert_true(holds("2001:db8::/33", "2001:db8:7fff::"));
	assert_false(holds("2001:db8::/33", "2001:db8:8000::"));
	assert_false(holds("::/0", "10.0.0.1"));
}

static void test_peer(void **state)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(0x0a000001)}};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	(void)state;
	assert_memory_equal(prefix_peer((struct sockaddr *)&v4), "\12\0\0\1", 4);
	assert_memory_equal(prefix_peer((struct sockaddr *)&v6), &in6addr_loopback, 16);
}

static void set_add(struct prefix_set *set, const char *network)
{
	const struct value_prefix one = prefix(network);

	assert_int_equal(prefix_set_add(set, &one), 0);
}

static bool set_holds(const struct prefix_set *set, const char *address)
{
	struct value_address at;

	assert_int_equal(value_address(address, &at), 0);
	return prefix_set_holds(set, at.family, at.bytes);
}

static void test_set(void **state)
{
	struct prefix_set set = {.v4 = {NULL, 0}};

	(void)state;
	prefix_set_finish(&set);
	assert_false(set_holds(&set, "10.0.0.1"));
	set_add(&set, "192.0.2.0/24");
	set_add(&set, "10.1.0.0/16");
	set_add(&set, "10.0.0.0/8"); /* covers what came before */
	set_add(&set, "10.0.0.0/8");
	set_add(&set, "198.51.100.7");
	prefix_set_finish(&set);
	assert_int_equal(set.v4.count, 3);
	assert_true(set_holds(&set, "10.0.0.0"));
	assert_true(set_holds(&set, "10.200.0.1"));
	assert_true(set_holds(&set, "192.0.2.255"));
	assert_true(set_holds(&set, "198.51.100.7"));
	assert_false(set_holds(&set, "9.255.255.255"));
	assert_false(set_holds(&set, "11.0.0.0"));
	assert_false(set_holds(&set, "198.51.100.8"));
	assert_false(set_holds(&set, "::1"));
	prefix_set_free(&set);
	set_add(&set, "::/0");
	prefix_set_finish(&set);
	assert_true(set_holds(&set, "::1"));
	assert_false(set_holds(&set, "10.0.0.1"));
	prefix_set_free(&set);
}

/* Against one network after the other. */
static void test_set_random(void **state)
{
	struct prefix_set set = {.v4 = {NULL, 0}};
	struct value_prefix all[64];

	(void)state;
	srand(7);
	for (size_t i = 0; i < 64; i++) {
		char text[64];

		snprintf(text, sizeof text, "10.%d.%d.%d/%d", rand() % 4, rand() % 256,
			rand() % 256, 16 + rand() % 17);
		all[i] = prefix(text);
		assert_int_equal(prefix_set_add(&set, &all[i]), 0);
	}
	prefix_set_finish(&set);
	for (unsigned i = 0; i < 20000; i++) {
		const uint8_t bytes[4] = {
			10, (uint8_t)(rand() % 5), (uint8_t)rand(), (uint8_t)rand()};
		bool expected = false;

		for (size_t p = 0; p < 64; p++)
			expected |= prefix_holds(&all[p], AF_INET, bytes);
		assert_int_equal(prefix_set_holds(&set, AF_INET, bytes), expected);
	}
	prefix_set_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_set_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

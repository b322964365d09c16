/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/decode_address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text, *ip; /* NULL: none */
} rows[] = {
	{"10.1.0.1", "10.1.0.1"},
	{"fd00::1", "fd00::1"},
	{"FD00:0:0::0001", "fd00::1"},
	{"::ffff:10.1.0.9", "10.1.0.9"},
	{"::ffff:a01:9", "10.1.0.9"},
	{"::10.1.0.9", "::10.1.0.9"},
	{"127.0.0.1", "127.0.0.1"},
	{"010.1.0.1", NULL},
	{"10.1.0", NULL},
	{"10.1.0.256", NULL},
	{"10.1.0.1 ", NULL},
	{"fe80::1%eth0", NULL},
	{"a.b", NULL},
	{"", NULL},
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[INET6_ADDRSTRLEN];
		struct ip ip;

		if (ip_parse(rows[i].text, &ip) != (rows[i].ip != NULL))
			fail_msg("%s", rows[i].text);
		if (!rows[i].ip)
			continue;
		assert_non_null(inet_ntop(
			ip.family == 4 ? AF_INET : AF_INET6, ip.bytes, text, sizeof text));
		assert_string_equal(text, rows[i].ip);
	}
}

static void test_list(void **state)
{
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};
	struct ip_list list = {.count = 0};
	struct ip room[2];
	struct pack pack = {.at = (char *)room};

	(void)state;
	assert_null(ip_list_pack(&list, &pack));
	ip_list_add(&d, &list, NULL);
	ip_list_add(&d, &list, "");
	ip_list_add(&d, &list, "10.1.0.1");
	ip_list_add(&d, &list, "x");
	ip_list_add(&d, &list, "fd00::1");
	assert_int_equal(list.count, 2);
	assert_int_equal(d.left_out, 1);
	assert_string_equal(why, "address \"x\"");
	assert_ptr_equal(ip_list_pack(&list, &pack), room);
	assert_ptr_equal(pack.at, room + 2);
	assert_int_equal(room[0].family, 4);
	assert_int_equal(room[1].family, 6);
	while (list.count < IPS_MAX)
		ip_list_add(&d, &list, "10.1.0.1");
	assert_int_equal(d.result, DECODE_OK);
	ip_list_add(&d, &list, "10.1.0.1");
	assert_int_equal(d.result, DECODE_INVALID);
	assert_int_equal(list.count, IPS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests_name("decode_address", tests, NULL, NULL);
}

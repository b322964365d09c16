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
	const char *text;
	const char *ip;   /* trusted; NULL: none */
	const char *what; /* it is, where nobody is trusted; NULL: ordinary */
} rows[] = {
	{"10.1.0.1", "10.1.0.1", NULL},
	{"fd00::1", "fd00::1", NULL},
	{"FD00:0:0::0001", "fd00::1", NULL},
	{"::10.1.0.9", "::10.1.0.9", NULL},
	{"0.0.0.0", "0.0.0.0", "unspecified address"},
	{"0.0.0.1", "0.0.0.1", NULL},
	{"::", "::", "unspecified address"},
	{"126.255.255.255", "126.255.255.255", NULL},
	{"127.0.0.1", "127.0.0.1", "loopback address"},
	{"127.255.255.255", "127.255.255.255", "loopback address"},
	{"128.0.0.0", "128.0.0.0", NULL},
	{"::1", "::1", "loopback address"},
	{"::2", "::2", NULL},
	{"169.253.255.255", "169.253.255.255", NULL},
	{"169.254.0.0", "169.254.0.0", "link-local address"},
	{"169.254.255.255", "169.254.255.255", "link-local address"},
	{"169.255.0.0", "169.255.0.0", NULL},
	{"fe7f:ffff::", "fe7f:ffff::", NULL},
	{"fe80::1", "fe80::1", "link-local address"},
	{"febf:ffff::", "febf:ffff::", "link-local address"},
	{"fec0::1", "fec0::1", NULL},
	{"223.255.255.255", "223.255.255.255", NULL},
	{"224.0.0.251", "224.0.0.251", "multicast address"},
	{"239.255.255.255", "239.255.255.255", "multicast address"},
	{"240.0.0.1", "240.0.0.1", NULL},
	{"ff02::fb", "ff02::fb", "multicast address"},
	{"ff0e::1", "ff0e::1", "multicast address"},
	{"feff::1", "feff::1", NULL},
	{"255.255.255.254", "255.255.255.254", NULL},
	{"255.255.255.255", "255.255.255.255", "broadcast address"},
	{"::ffff:10.1.0.9", "10.1.0.9", "IPv4-mapped address"},
	{"::ffff:a01:9", "10.1.0.9", "IPv4-mapped address"},
	{"::ffff:127.0.0.1", "127.0.0.1", "IPv4-mapped address"},
	{"010.1.0.1", NULL, "address"},
	{"10.1.0", NULL, "address"},
	{"10.1.0.256", NULL, "address"},
	{"10.1.0.1 ", NULL, "address"},
	{"fe80::1%eth0", NULL, "address"},
	{"a.b", NULL, "address"},
	{"", NULL, "address"},
};

static void expect(const char *text, const char *what, const char *wanted)
{
	if (!what != !wanted || (what && strcmp(what, wanted) != 0))
		fail_msg("%s: %s, not %s", text, what ? what : "-", wanted ? wanted : "-");
}

static void test_read(void **state)
{
	static const struct decode_options none = {0}, trusted = {.trusted = true};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *text = rows[i].text;
		char printed[INET6_ADDRSTRLEN];
		struct ip ip;

		expect(text, address_read(&none, text, &ip), rows[i].what);
		expect(text, address_read(&trusted, text, &ip), rows[i].ip ? NULL : "address");
		if (!rows[i].ip)
			continue;
		assert_non_null(inet_ntop(
			ip.family == 4 ? AF_INET : AF_INET6, ip.bytes, printed, sizeof printed));
		assert_string_equal(printed, rows[i].ip);
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
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests_name("decode_address", tests, NULL, NULL);
}

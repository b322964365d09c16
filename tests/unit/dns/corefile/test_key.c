/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "scheme port zone zone ..."; "!message". Many zones: first, "... N". */
static const char *key(const char *text)
{
	static char out[2048];
	struct value_key got;
	char err[256];
	size_t len;

	if (value_key(text, &got, err, sizeof err) < 0) {
		snprintf(out, sizeof out, "!%s", err);
		return out;
	}
	len = (size_t)snprintf(out, sizeof out, "%d %u", (int)got.scheme, (unsigned)got.port);
	for (size_t i = 0; i < got.zone_count && i < 4; i++)
		len += (size_t)snprintf(out + len, sizeof out - len, " %s", got.zones[i]);
	if (got.zone_count > 4)
		snprintf(out + len, sizeof out - len, " ... %zu %s", got.zone_count,
			got.zones[got.zone_count - 1]);
	value_key_free(&got);
	assert_null(got.zones);
	return out;
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(key("."), "0 0 .");
	assert_string_equal(key(".:53"), "0 53 .");
	assert_string_equal(key("cluster.local"), "0 0 cluster.local.");
	assert_string_equal(key("Cluster.LOCAL.:5353"), "0 5353 cluster.local.");
	assert_string_equal(key("0/25.2.0.192.in-addr.arpa"), "0 0 0/25.2.0.192.in-addr.arpa.");
	assert_string_equal(key("a\\.b.c\\032d"), "0 0 a\\.b.c\\032d.");
	assert_string_equal(key("10.0.0.1"), "0 0 10.0.0.1.");
	assert_string_equal(key("_tcp.x"), "0 0 _tcp.x.");
}

static void test_schemes(void **state)
{
	(void)state;
	assert_string_equal(key("dns://.:1053"), "0 1053 .");
	assert_string_equal(key("tls://example.org"), "1 0 example.org.");
	assert_string_equal(key("https://a:443"), "2 443 a.");
	assert_string_equal(key("https3://a"), "3 0 a.");
	assert_string_equal(key("quic://a"), "4 0 a.");
	assert_string_equal(key("grpc://."), "5 0 .");
	assert_string_equal(key("tls://2001:db8::/32:853"), "1 853 8.b.d.0.1.0.0.2.ip6.arpa.");
	assert_non_null(strstr(key("dot://a"), "!'dot' is not a scheme"));
	assert_non_null(strstr(key("://a"), "!'' is not a scheme"));
}

static void test_reverse_zones(void **state)
{
	(void)state;
	assert_string_equal(key("10.0.0.0/8"), "0 0 10.in-addr.arpa.");
	assert_string_equal(key("10.244.0.0/16:53"), "0 53 244.10.in-addr.arpa.");
	assert_string_equal(key("10.1.2.3/32"), "0 0 3.2.1.10.in-addr.arpa.");
	assert_string_equal(key("192.0.2.0/23"), "0 0 2.0.192.in-addr.arpa. 3.0.192.in-addr.arpa.");
	assert_string_equal(key("10.0.0.0/9"),
		"0 0 0.10.in-addr.arpa. 1.10.in-addr.arpa. 2.10.in-addr.arpa. "
		"3.10.in-addr.arpa. ... 128 127.10.in-addr.arpa.");
	assert_string_equal(key("10.128.0.0/15"), "0 0 128.10.in-addr.arpa. 129.10.in-addr.arpa.");
	assert_string_equal(key("0.0.0.0/0"), "0 0 in-addr.arpa.");
	assert_string_equal(key("::/0"), "0 0 ip6.arpa.");
	assert_string_equal(key("2001:db8::/32"), "0 0 8.b.d.0.1.0.0.2.ip6.arpa.");
	assert_string_equal(
		key("2001:db8::/31"), "0 0 8.b.d.0.1.0.0.2.ip6.arpa. 9.b.d.0.1.0.0.2.ip6.arpa.");
	assert_string_equal(key("fd00:10:96::/46"),
		"0 0 4.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 5.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. "
		"6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 7.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.");
	assert_string_equal(key("fe80::/61:5300"),
		"0 5300 0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa. "
		"1.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa. "
		"2.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa. "
		"3.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa. ... 8 "
		"7.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa.");
	/* Host bits do not count. */
	assert_string_equal(key("10.1.2.3/8"), "0 0 10.in-addr.arpa.");
}

static void test_bad_keys(void **state)
{
	char label[80];

	(void)state;
	assert_non_null(strstr(key(""), "!the zone is empty"));
	assert_non_null(strstr(key(":53"), "!':53' has no zone; write '.:53'"));
	assert_non_null(strstr(key("a:"), "the port has to be a number"));
	assert_non_null(strstr(key("a:0"), "the port has to be a number"));
	assert_non_null(strstr(key("a:65536"), "the port has to be a number"));
	assert_non_null(strstr(key("a:dns"), "the port has to be a number"));
	assert_non_null(strstr(key("::1"), "':'"));
	assert_non_null(strstr(key("10.0.0.0/33"), "behind '/' stands a number from 0 to 32"));
	assert_non_null(strstr(key("10.0.0.0/x"), "behind '/' stands a number from 0 to 32"));
	assert_non_null(strstr(key("::/129"), "behind '/' stands a number from 0 to 128"));
	assert_non_null(strstr(key("a..b"), "two dots"));
	assert_non_null(strstr(key(".a"), "two dots, or a dot at its start"));
	assert_non_null(strstr(key(".."), "two dots"));
	assert_non_null(strstr(key("a,b"), "put a space behind the comma"));
	assert_non_null(strstr(key("a b"), "' ' cannot stand in a name"));
	assert_non_null(strstr(key("(a)"), "'(' cannot stand in a name"));
	assert_non_null(strstr(key("a\\256"), "cannot stand in a name"));
	assert_non_null(strstr(key("a\\"), "cannot stand in a name"));
	assert_non_null(strstr(key("a\\1"), "cannot stand in a name"));
	assert_non_null(strstr(key("m\xc3\xbcnchen.example"), "xn-- form"));
	memset(label, 'a', 64);
	label[64] = 0;
	assert_non_null(strstr(key(label), "a label has 63 bytes at most"));
}

static void test_name_length(void **state)
{
	char name[400] = "", longest[2000] = "";

	(void)state;
	/* 127 labels of one byte are 255 bytes with the root, 128 are too many. */
	for (int i = 0; i < 127; i++)
		strcat(name, "a.");
	assert_int_equal(key(name)[0], '0');
	strcat(name, "a.");
	assert_non_null(strstr(key(name), "255 bytes at most"));
	for (int i = 0; i < 300; i++)
		strcat(longest, "\\065.");
	assert_non_null(strstr(key(longest), "255 bytes at most"));
}

static void test_zones_append(void **state)
{
	char **zones = NULL;
	size_t count = 0;
	char err[256];

	(void)state;
	assert_int_equal(value_zones("CLUSTER.local", &zones, &count, err, sizeof err), 0);
	assert_int_equal(value_zones("192.0.2.0/23", &zones, &count, err, sizeof err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(zones[0], "cluster.local.");
	assert_string_equal(zones[2], "3.0.192.in-addr.arpa.");
	assert_int_equal(value_zones("a..b", &zones, &count, err, sizeof err), -EINVAL);
	assert_int_equal(value_zones("a:53", &zones, &count, err, sizeof err), -EINVAL);
	assert_non_null(strstr(err, "'a:53' is not a zone"));
	assert_int_equal(value_zones("", &zones, &count, err, sizeof err), -EINVAL);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++)
		free(zones[i]);
	free(zones);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_schemes),
		cmocka_unit_test(test_reverse_zones),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_name_length),
		cmocka_unit_test(test_zones_append),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

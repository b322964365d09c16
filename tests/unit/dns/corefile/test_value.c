/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_number(void **state)
{
	static const char *const bad[] = {
		"", "-", "+", " 1", "1 ", "1x", "0x10", "1.0", "--1", "x"};
	int64_t out = 77;

	(void)state;
	assert_int_equal(value_number("30", 0, 3600, &out), 0);
	assert_int_equal(out, 30);
	assert_int_equal(value_number("-7", -10, 0, &out), 0);
	assert_int_equal(out, -7);
	assert_int_equal(value_number("+007", 0, 10, &out), 0);
	assert_int_equal(out, 7);
	assert_int_equal(value_number("9223372036854775807", 0, INT64_MAX, &out), 0);
	assert_true(out == INT64_MAX);
	out = 77;
	assert_int_equal(value_number("3601", 0, 3600, &out), -ERANGE);
	assert_int_equal(value_number("-1", 0, 3600, &out), -ERANGE);
	assert_int_equal(value_number("9223372036854775808", INT64_MIN, INT64_MAX, &out), -ERANGE);
	assert_int_equal(value_number("99999999999999999999999", 0, INT64_MAX, &out), -ERANGE);
	assert_int_equal(value_number("99999999999999999999999x", 0, INT64_MAX, &out), -EINVAL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(value_number(bad[i], 0, 100, &out), -EINVAL);
	assert_int_equal(out, 77);
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"0", 0}, {"+0", 0}, {"-0", 0}, {"0s", 0}, {"5s", 5000}, {"300ms", 300},
		{"1m30s", 90000}, {"1.5h", 5400000}, {"1h0m0.5s", 3600500}, {".5s", 500},
		{"1.s", 1000}, {"999us", 0}, {"1500us", 1}, {"1500\xc2\xb5s", 1},
		{"1500\xce\xbcs", 1}, {"999999ns", 0}, {"2000000ns", 2}, {"+3s", 3000}, {"-0s", 0},
		{"1s1s", 2000}, {"2540400h", 9145440000000},
		{"0.1000000000000000000000000000001s", 100}};
	static const char *const bad[] = {"", "5", "s", "5 s", "5s ", "-", "+", ".", ".s", "1..5s",
		"5sec", "1d", "5S", "1h5", "0x1s", "1,5s", "--1s"};
	int64_t out = 77;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(value_duration_ms(good[i].text, &out), 0);
		assert_true(out == good[i].ms);
	}
	out = 77;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(value_duration_ms(bad[i], &out), -EINVAL);
	assert_int_equal(value_duration_ms("-1s", &out), -ERANGE);
	assert_int_equal(value_duration_ms("2562048h", &out), -ERANGE);
	assert_int_equal(value_duration_ms("99999999999999999999s", &out), -ERANGE);
	assert_int_equal(value_duration_ms("9223372036s9223372036s", &out), -ERANGE);
	assert_int_equal(out, 77);
}

static void test_duration_text(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {{0, "0s"}, {1, "1ms"}, {300, "300ms"}, {1000, "1s"}, {1500, "1.5s"},
		{1001, "1.001s"}, {60000, "1m0s"}, {90000, "1m30s"}, {300000, "5m0s"},
		{3600000, "1h0m0s"}, {3600500, "1h0m0.5s"}, {5400000, "1h30m0s"},
		{INT64_MAX, "2562047788015h12m55.807s"}};
	char buf[VALUE_DURATION_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(value_duration_text(rows[i].ms, buf), rows[i].text);
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {{"0", 0}, {"10", 10}, {"10B", 10}, {"64k", 65536}, {"64K", 65536},
		{"64KiB", 65536}, {"64kb", 65536}, {"1M", 1 << 20}, {"1Mi", 1 << 20},
		{"1GiB", 1 << 30}, {"16777215T", 16777215ull << 40}};
	static const char *const bad[] = {
		"", "k", "-1", "1.5M", "1 M", "1X", "1MM", "1iB", "1MiBs"};
	uint64_t out = 77;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(value_size(good[i].text, &out), 0);
		assert_true(out == good[i].size);
	}
	out = 77;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(value_size(bad[i], &out), -EINVAL);
	assert_int_equal(value_size("16777216T", &out), -ERANGE);
	assert_int_equal(value_size("99999999999999999999", &out), -ERANGE);
	assert_true(out == 77);
}

static void test_address(void **state)
{
	static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4%lo",
		"::1%", "::1%nosuchinterface", "fe80::1%0", "[::1]", "::g", "localhost",
		"1:2:3:4:5:6:7:8:9", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"};
	struct value_address out = {.family = 77};
	uint8_t expected[16] = {10, 0, 0, 1};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(value_address(bad[i], &out), -EINVAL);
	assert_int_equal(out.family, 77);
	assert_int_equal(value_address("10.0.0.1", &out), 0);
	assert_int_equal(out.family, AF_INET);
	assert_memory_equal(out.bytes, expected, 16);
	assert_int_equal(value_address("::ffff:10.0.0.1", &out), 0);
	assert_int_equal(out.family, AF_INET);
	assert_memory_equal(out.bytes, expected, 16);
	assert_int_equal(value_address("2001:db8::1", &out), 0);
	assert_int_equal(out.family, AF_INET6);
	assert_int_equal(out.bytes[0], 0x20);
	assert_int_equal(out.bytes[15], 1);
	assert_int_equal(out.scope, 0);
	assert_int_equal(value_address("fe80::1%lo", &out), 0);
	assert_int_equal(out.scope, if_nametoindex("lo"));
	assert_int_equal(value_address("fe80::1%7", &out), 0);
	assert_int_equal(out.scope, 7);
}

static void test_endpoint(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} good[] = {{":8080", "", 8080}, {"localhost:1", "localhost", 1},
		{"127.0.0.1:65535", "127.0.0.1", 65535}, {"[::1]:53", "::1", 53},
		{"[::1]", "::1", 9153}, {"localhost", "localhost", 9153}, {":0", "", 0},
		{"fe80.example-1_x:5", "fe80.example-1_x", 5}};
	static const char *const bad[] = {"", ":", ":x", ":65536", ":-1", ":+1", "8080", "::1",
		"::1:53", "[::1", "[::1]53", "[::1]:", "[localhost]:53", "[1.2.3.4]:53", "a b:1",
		"a/b:1", "localhost:", ":80 "};
	struct value_endpoint out = {.port = 77};
	char longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(value_endpoint(bad[i], 9153, &out), -EINVAL);
	assert_int_equal(value_endpoint("localhost", 0, &out), -EINVAL);
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	assert_int_equal(value_endpoint(longest, 53, &out), -EINVAL);
	assert_int_equal(out.port, 77);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(value_endpoint(good[i].text, 9153, &out), 0);
		assert_string_equal(out.host, good[i].host);
		assert_int_equal(out.port, good[i].port);
	}
}

static void test_prefix(void **state)
{
	static const struct {
		const char *text, *address;
		unsigned bits;
	} good[] = {{"10.0.0.0/8", "10.0.0.0", 8}, {"10.1.2.3/8", "10.0.0.0", 8},
		{"10.255.2.3/12", "10.240.0.0", 12}, {"10.1.2.3", "10.1.2.3", 32},
		{"0.0.0.0/0", "0.0.0.0", 0}, {"2001:db8:ffff::/33", "2001:db8:8000::", 33},
		{"::1", "::1", 128}, {"::/0", "::", 0}, {"::ffff:10.1.1.1/104", "10.0.0.0", 8}};
	static const char *const bad[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/+8", "10.0.0/8", "::/129", "fe80::%lo/64", "10.0.0.0/8/8",
		"::ffff:10.1.1.1/95", "example.org/8"};
	struct value_prefix out = {.bits = 77};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(value_prefix(bad[i], &out), -EINVAL);
	assert_int_equal(out.bits, 77);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char text[INET6_ADDRSTRLEN];

		assert_int_equal(value_prefix(good[i].text, &out), 0);
		assert_int_equal(out.bits, good[i].bits);
		assert_non_null(
			inet_ntop(out.address.family, out.address.bytes, text, sizeof text));
		assert_string_equal(text, good[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_duration_text),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/weights.h"
#include "dns/wire/name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct weights *parse(const char *text)
{
	struct weights *weights = NULL;
	char err[256] = "";

	if (weights_parse(text, strlen(text), "w", &weights, err, sizeof err) < 0)
		fail_msg("%s", err);
	return weights;
}

static unsigned get(const struct weights *weights, const char *name_text, const char *address)
{
	struct name name;
	uint8_t bytes[16];
	int v6 = strchr(address, ':') != NULL;

	assert_int_equal(name_from_text(name_text, strlen(name_text), &name), 0);
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, address, bytes), 1);
	return weights_get(weights, name.wire, name.len, bytes, v6 ? 16 : 4);
}

static void test_file(void **state)
{
	struct weights *weights =
		parse("# comment\n\n  www.Example.org  \r\n"
		      "192.0.2.1 3\n\t192.0.2.2\t255\n# more words than two\n"
		      "other.example.org.\n192.0.2.1 7\n2001:db8::1 8\n"
		      "www.example.org\n192.0.2.3 9\n192.0.2.1 200\n.\n192.0.2.1 5");

	(void)state;
	assert_int_equal(get(weights, "www.example.org", "192.0.2.1"), 3);
	assert_int_equal(get(weights, "www.example.org", "192.0.2.2"), 255);
	assert_int_equal(get(weights, "www.example.org", "192.0.2.3"), 9);
	assert_int_equal(get(weights, "www.example.org", "192.0.2.4"), 1);
	assert_int_equal(get(weights, "other.example.org", "192.0.2.1"), 7);
	assert_int_equal(get(weights, "other.example.org", "2001:db8::1"), 8);
	assert_int_equal(get(weights, "other.example.org", "192.0.2.2"), 1);
	assert_int_equal(get(weights, "example.org", "192.0.2.1"), 1);
	assert_int_equal(get(weights, ".", "192.0.2.1"), 5);
	weights_free(weights);
}

static void test_empty(void **state)
{
	struct weights *weights = parse("");

	(void)state;
	assert_int_equal(get(weights, "example.org", "192.0.2.1"), 1);
	weights_free(weights);
	weights_free(NULL);
}

/* Short names, of which a text holds most. */
static void test_many(void **state)
{
	char *text = calloc(1, 200000), *at = text;
	struct weights *weights;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		at += sprintf(at, "%c\nn%u\n10.0.%u.%u %u\n", 'a' + (int)(i % 26), i, i / 256,
			i % 256, 1 + i % 255);
	weights = parse(text);
	for (unsigned i = 0; i < 2000; i++) {
		char name[16], address[32];

		sprintf(name, "n%u", i);
		sprintf(address, "10.0.%u.%u", i / 256, i % 256);
		assert_int_equal(get(weights, name, address), 1 + i % 255);
		assert_int_equal(get(weights, "a", address), 1);
	}
	weights_free(weights);
	free(text);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"a\n192.0.2.1\n", "w:2: an address without a weight"},
		{"\n192.0.2.1 3\n", "w:2: an address of no name"},
		{"a\n192.0.2.1 3 4\n", "w:2: more than two words"},
		{"a\nb 3\n", "w:2: this is no address"},
		{"a\nfe80::1%lo 3\n", "w:2: this is no address"},
		{"a\n192.0.2.1 0\n", "w:2: this is no weight; write a number from 1 to 255"},
		{"a\n192.0.2.1 256", "w:2: this is no weight"},
		{"a\n192.0.2.1 x", "w:2: this is no weight"},
		{"a..b\n", "w:1: this is no name"},
		{"a\n"
		 "192.0.2.1 1111111111111111111111111111111111111111111111111111111111111111111\n",
			"w:2: this is no weight"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct weights *weights = NULL;
		char err[256] = "";

		assert_int_equal(weights_parse(rows[i].text, strlen(rows[i].text), "w", &weights,
					 err, sizeof err),
			-EINVAL);
		assert_null(weights);
		if (strncmp(err, rows[i].says, strlen(rows[i].says)) != 0)
			fail_msg("'%s' does not begin with '%s'", err, rows[i].says);
	}
}

static void test_zero_bytes(void **state)
{
	struct weights *weights = NULL;
	char err[256] = "";

	(void)state;
	assert_int_equal(
		weights_parse("a\n1.2.3.4\0 3\n", 13, "w", &weights, err, sizeof err), -EINVAL);
	assert_int_equal(
		weights_parse("a\n1.2.3.4 3\0\n", 13, "w", &weights, err, sizeof err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_zero_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/metric_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_text(struct metric_text *text, const char *wanted)
{
	assert_false(text->failed);
	metric_text_add(text, "", 1);
	assert_string_equal(text->data, wanted);
	free(text->data);
}

static void test_lines(void **state)
{
	const char *const values[] = {"dns://:53", "."};
	struct metric_text text = {0};

	(void)state;
	metric_text_head(&text, "a_total", "What \"a\" is", "counter");
	metric_text_sample(&text, "a_total", "", "server zone", values, NULL, "7");
	metric_text_sample(&text, "b", "_bucket", "server zone", values, "+Inf", "1");
	metric_text_sample(&text, "c", "", "", NULL, NULL, "0");
	metric_text_sample(&text, "d", "_bucket", "", NULL, "5", "2");
	assert_text(&text, "# HELP a_total What \"a\" is\n"
			   "# TYPE a_total counter\n"
			   "a_total{server=\"dns://:53\",zone=\".\"} 7\n"
			   "b_bucket{server=\"dns://:53\",zone=\".\",le=\"+Inf\"} 1\n"
			   "c 0\n"
			   "d_bucket{le=\"5\"} 2\n");
}

static void test_escapes(void **state)
{
	const char *const values[] = {"a\\b\"c\nd"};
	struct metric_text text = {0};

	(void)state;
	metric_text_head(&text, "a", "b\\c\nd", "gauge");
	metric_text_sample(&text, "a", "", "zone", values, NULL, "1");
	assert_text(&text, "# HELP a b\\\\c\\nd\n# TYPE a gauge\n"
			   "a{zone=\"a\\\\b\\\"c\\nd\"} 1\n");
}

static void test_buffer_grows(void **state)
{
	struct metric_text text = {0};
	char *big = malloc(100000);

	(void)state;
	memset(big, 'x', 100000);
	metric_text_add(&text, "a", 1);
	metric_text_add(&text, big, 100000);
	assert_int_equal(text.len, 100001);
	assert_memory_equal(text.data + 1, big, 100000);
	free(text.data);
	free(big);
}

static void test_numbers(void **state)
{
	char out[METRIC_NUMBER_MAX];

	(void)state;
	assert_string_equal(metric_number(0, 1, out), "0");
	assert_string_equal(metric_number(UINT64_MAX, 1, out), "18446744073709551615");
	assert_string_equal(metric_number(250000, 1000000000, out), "0.00025");
	assert_string_equal(metric_number(8192000000, 1000000000, out), "8.192");
	assert_string_equal(metric_number(1, 1000000000, out), "0.000000001");
	assert_string_equal(metric_number(2000000000, 1000000000, out), "2");
	assert_string_equal(metric_double(0, out), "0");
	assert_string_equal(metric_double(-3, out), "-3");
	assert_string_equal(metric_double(1234567890123456, out), "1234567890123456");
	assert_string_equal(metric_double(0.5, out), "0.5");
	assert_string_equal(metric_double(1e300, out), "1e+300");
	assert_string_equal(metric_double(INFINITY, out), "+Inf");
	assert_string_equal(metric_double(-INFINITY, out), "-Inf");
	assert_string_equal(metric_double((double)NAN, out), "NaN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_buffer_grows),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

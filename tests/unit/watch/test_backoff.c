/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_doubles_to_the_cap(void **state)
{
	static const uint32_t expected[] = {800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
	struct backoff low = {0}, high = {0};

	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		assert_int_equal(backoff_next(&low, 1000 + i, 0), expected[i]);
		/* [d, 2d) */
		assert_int_equal(backoff_next(&high, 1000 + i, UINT32_MAX), 2 * expected[i] - 1);
	}
}

static void test_quiet_time_resets(void **state)
{
	struct backoff backoff = {0};

	(void)state;
	assert_int_equal(backoff_next(&backoff, 5, 0), 800);
	assert_int_equal(backoff_next(&backoff, 5 + 119999, 0), 1600);
	assert_int_equal(backoff_next(&backoff, 5 + 119999 + 120000, 0), 800);
	assert_int_equal(backoff_next(&backoff, 5 + 119999 + 120001, 0), 1600);
	backoff_reset(&backoff);
	assert_int_equal(backoff_next(&backoff, 240007, 0), 800);
}

static void test_refusals(void **state)
{
	struct backoff backoff = {0};

	(void)state;
	assert_int_equal(backoff_refused(&backoff, 1, 0), 800);
	assert_int_equal(backoff_refused(&backoff, 2, 0), 1600);
	assert_int_equal(backoff_refused(&backoff, 3, 0), 3200);
	assert_int_equal(backoff_refused(&backoff, 4, 0), 30000);
	assert_int_equal(backoff_refused(&backoff, 5, UINT32_MAX), 59999);
	/* however long the waits: they are in a row */
	assert_int_equal(backoff_refused(&backoff, 500000, 0), 30000);
	backoff_accepted(&backoff);
	assert_int_equal(backoff_refused(&backoff, 700000, 0), 800);
}

static void test_named(void **state)
{
	(void)state;
	assert_int_equal(backoff_named(0, 0), 0);
	assert_int_equal(backoff_named(1, 0), 1000);
	assert_int_equal(backoff_named(1, 249), 1249);
	assert_int_equal(backoff_named(1, 250), 1000);
	assert_int_equal(backoff_named(UINT32_MAX, 0), 86400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubles_to_the_cap),
		cmocka_unit_test(test_quiet_time_resets),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_named),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "nomem.h"
#include "watch/growing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void bytes_follow_each_other(void **state)
{
	struct growing growing = {.bytes = NULL};
	char part[777];

	(void)state;
	assert_int_equal(growing_add(&growing, NULL, 0), 0);
	assert_null(growing.bytes);
	for (unsigned i = 0; i < 100; i++) {
		memset(part, (int)i, sizeof part);
		assert_int_equal(growing_add(&growing, part, sizeof part), 0);
	}
	assert_int_equal(growing.used, 100 * sizeof part);
	for (size_t i = 0; i < growing.used; i++)
		assert_int_equal(growing.bytes[i], (char)(i / sizeof part));
	growing_free(&growing);
	assert_null(growing.bytes);
}

static void what_is_large_is_given_back(void **state)
{
	static const char part[1 << 16];
	struct growing growing = {.bytes = NULL};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(growing_add(&growing, part, sizeof part), 0);
	growing_clear(&growing);
	assert_int_equal(growing.used, 0);
	assert_int_equal(growing.size, 4 * sizeof part);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(growing_add(&growing, part, sizeof part), 0);
	growing_clear(&growing);
	assert_null(growing.bytes);
	assert_int_equal(growing.size, 0);
}

static void without_memory_nothing_changes(void **state)
{
	struct growing growing = {.bytes = NULL};
	static const char part[2000];

	(void)state;
	nomem_at(1);
	assert_int_equal(growing_add(&growing, "a", 1), -ENOMEM);
	assert_int_equal(growing.size, 0);
	assert_int_equal(growing_add(&growing, "a", 1), 0);
	nomem_at(1);
	assert_int_equal(growing_add(&growing, part, sizeof part), -ENOMEM);
	assert_int_equal(growing.used, 1);
	assert_memory_equal(growing.bytes, "a", 1);
	growing_free(&growing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_follow_each_other),
		cmocka_unit_test(what_is_large_is_given_back),
		cmocka_unit_test(without_memory_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

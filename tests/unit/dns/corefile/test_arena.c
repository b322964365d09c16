/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_alloc_is_zeroed_and_aligned(void **state)
{
	struct arena arena = arena_make(ARENA_LIMIT);

	(void)state;
	for (size_t size = 1; size < 40000; size = size * 3 + 1) {
		unsigned char *at = arena_alloc(&arena, size);

		assert_non_null(at);
		assert_int_equal((uintptr_t)at % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(at[i], 0);
		memset(at, 0xff, size);
	}
	arena_free(&arena);
	assert_null(arena.chunks);
	assert_int_equal(arena.used, 0);
}

static void test_copy_terminates(void **state)
{
	struct arena arena = arena_make(ARENA_LIMIT);

	(void)state;
	assert_string_equal(arena_copy(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_copy(&arena, "", 0), "");
	arena_free(&arena);
}

static void test_grow_keeps_items(void **state)
{
	struct arena arena = arena_make(ARENA_LIMIT);
	int *items = NULL;

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		items = arena_grow(&arena, items, i, sizeof *items);
		assert_non_null(items);
		items[i] = (int)i;
	}
	for (size_t i = 0; i < 10000; i++)
		assert_int_equal(items[i], i);
	arena_free(&arena);
}

static void test_limit_is_an_error(void **state)
{
	struct arena arena = arena_make(4096);
	char *items = NULL;
	size_t count = 0;

	(void)state;
	assert_null(arena_alloc(&arena, 4097));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_copy(&arena, "x", SIZE_MAX));
	assert_null(arena_grow(&arena, NULL, 0, SIZE_MAX / 2));
	while ((items = arena_grow(&arena, items, count, 16)) != NULL)
		count++;
	assert_in_range(count, 64, 256);
	while (arena_alloc(&arena, 16))
		;
	assert_true(arena.used <= 4096);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc_is_zeroed_and_aligned),
		cmocka_unit_test(test_copy_terminates),
		cmocka_unit_test(test_grow_keeps_items),
		cmocka_unit_test(test_limit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/environment.h"

#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *text, const char *expected)
{
	struct arena arena = arena_make(ARENA_LIMIT);
	struct memory memory = {0};
	struct corefile_reader reader = memory_reader(&memory);

	assert_string_equal(environment_expand(&reader, &arena, text), expected);
	arena_free(&arena);
}

static void test_references(void **state)
{
	(void)state;
	check("{$ZONE}", "cluster.local");
	check("{%ZONE%}", "cluster.local");
	check("a.{$ZONE}:53", "a.cluster.local:53");
	check("{$ZONE}{%ZONE%}", "cluster.localcluster.local");
	check("x{$UNSET}y", "xy");
	check("{$UNSET}", "");
}

static void test_what_is_no_reference_stays(void **state)
{
	(void)state;
	check("plain", "plain");
	check("", "");
	check("{", "{");
	check("{$", "{$");
	check("{$}", "{$}");
	check("{%%}", "{%%}");
	check("{$ZONE", "{$ZONE");
	check("{%ZONE}", "{%ZONE}");
	check("{remote} {>id}", "{remote} {>id}");
	check("{{$ZONE}}", "{cluster.local}");
}

/* A value that holds a reference, white space or a comma stays as it is. */
static void test_values_are_not_read_again(void **state)
{
	(void)state;
	check("{$TWO}", "a b, {$ZONE}");
}

static void test_without_environment_all_is_unset(void **state)
{
	struct arena arena = arena_make(ARENA_LIMIT);
	struct corefile_reader reader = {0};

	(void)state;
	assert_string_equal(environment_expand(&reader, &arena, "a{$ZONE}b"), "ab");
	arena_free(&arena);
}

static void test_no_room_is_null(void **state)
{
	struct memory memory = {0};
	struct corefile_reader reader = memory_reader(&memory);

	(void)state;
	for (size_t limit = 0; limit <= 64; limit += 16) {
		struct arena arena = arena_make(limit);

		assert_null(environment_expand(
			&reader, &arena, "{$ZONE}{$ZONE}{$ZONE}{$ZONE}{$ZONE}{$ZONE}{$ZONE}"));
		arena_free(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_what_is_no_reference_stays),
		cmocka_unit_test(test_values_are_not_read_again),
		cmocka_unit_test(test_without_environment_all_is_unset),
		cmocka_unit_test(test_no_room_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

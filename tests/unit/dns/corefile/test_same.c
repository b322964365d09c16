/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/same.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct corefile *parse(const char *text)
{
	struct corefile *corefile = NULL;
	char err[COREFILE_ERROR_MAX] = "";

	if (corefile_parse(text, strlen(text), "Corefile", &corefile, err) < 0)
		fail_msg("%s: %s", text, err);
	return corefile;
}

static bool digests_same(const char *left, const char *right)
{
	struct corefile *a = parse(left), *b = parse(right);
	uint8_t of_a[COREFILE_DIGEST_LEN], of_b[COREFILE_DIGEST_LEN];

	assert_int_equal(corefile_digest(a, of_a), 0);
	assert_int_equal(corefile_digest(b, of_b), 0);
	corefile_free(a);
	corefile_free(b);
	return memcmp(of_a, of_b, sizeof of_a) == 0;
}

static void test_what_is_no_change(void **state)
{
	(void)state;
	assert_true(digests_same(
		". {\nerrors\nlog\n}\n", "# a comment\n.   {\n\terrors # this too\n\n\tlog\n}\n"));
	assert_true(digests_same("(s) {\nerrors\n}\n. {\nimport s\n}\n", ". {\nerrors\n}\n"));
	assert_true(digests_same(". {\nerrors\n}\n", ". {\n\"errors\"\n}\n"));
	assert_true(digests_same("a b {\nerrors\n}\n", "a, b {\nerrors\n}\n"));
}

static void test_what_is_a_change(void **state)
{
	static const char *const texts[] = {
		"a {\n}\n",
		"a {\nx\n}\n",
		"a x {\n}\n",
		"a {\nx y\n}\n",
		"a {\nx\ny\n}\n",
		"a {\nxy\n}\n",
		"a {\nx {\ny\n}\n}\n",
		"a {\nx {\n}\ny\n}\n",
		"a {\nx {\ny z\n}\n}\n",
		"a {\nx {\ny\n}\nz\n}\n",
		"a {\nx\n}\nb {\n}\n",
		"b {\n}\na {\nx\n}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
			if (digests_same(texts[i], texts[j]) != (i == j))
				fail_msg("'%s' and '%s'", texts[i], texts[j]);
		}
	}
}

static void test_lines(void **state)
{
	struct corefile *one = parse("a {\nx 1 {\ny\n}\nx 2\n}\n");
	struct corefile *two = parse("b {\nx 1 {\n y\n}\nx 3\n}\n");
	const struct corefile_line *a[] = {&one->blocks[0].lines[0], &one->blocks[0].lines[1]};
	const struct corefile_line *b[] = {&two->blocks[0].lines[0], &two->blocks[0].lines[1]};

	(void)state;
	assert_true(corefile_lines_same(a, 1, b, 1));
	assert_false(corefile_lines_same(a, 2, b, 2));
	assert_false(corefile_lines_same(a, 1, b, 2));
	assert_true(corefile_lines_same(a, 0, b, 0));
	corefile_free(one);
	corefile_free(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_change),
		cmocka_unit_test(test_what_is_a_change),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/import.h"

#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct memory_file disk[] = {{"conf/a.x", "one"}, {"conf/b.x", "two"},
	{"conf/c.y", "three"}, {"top", "four"}, {NULL, NULL}};

struct fixture {
	struct memory memory;
	struct corefile_reader reader;
	struct arena arena;
	struct corefile corefile;
	struct importer importer;
	char err[COREFILE_ERROR_MAX];
	const struct import_file **files;
	size_t count;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->memory.files = disk;
	f->reader = memory_reader(&f->memory);
	f->arena = arena_make(ARENA_LIMIT);
	f->importer = (struct importer){
		.reader = &f->reader, .arena = &f->arena, .corefile = &f->corefile};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(&f->arena);
	free(f);
	return 0;
}

static int resolve(struct fixture *f, const char *name, const char *dir)
{
	struct corefile_token at = {.text = name, .file = "F", .line = 3, .col = 9};

	f->count = 0;
	return import_resolve(&f->importer, &at, dir, &f->files, &f->count, f->err);
}

static void test_plain_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(resolve(f, "a.x", "conf/"), 0);
	assert_int_equal(f->count, 1);
	assert_string_equal(f->files[0]->path, "conf/a.x");
	assert_string_equal(f->files[0]->dir, "conf/");
	assert_string_equal(f->files[0]->text, "one");
	assert_int_equal(f->files[0]->len, 3);
	assert_int_equal(f->corefile.file_count, 1);
	assert_string_equal(f->corefile.files[0], "conf/a.x");
}

static void test_pattern(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(resolve(f, "conf/*.x", ""), 0);
	assert_int_equal(f->count, 2);
	assert_string_equal(f->files[1]->text, "two");
	assert_int_equal(f->corefile.warning_count, 0);
}

static void test_pattern_without_match_is_a_warning(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(resolve(f, "conf/*.z", ""), 0);
	assert_int_equal(f->count, 0);
	assert_int_equal(f->corefile.warning_count, 1);
	assert_string_equal(f->corefile.warnings[0], "F:3:9: import 'conf/*.z' matches no file");
}

static void test_missing_file_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(resolve(f, "nothing", "conf/"), -ENOENT);
	assert_string_equal(f->err, "F:3:9: cannot read 'conf/nothing': there is no such file");
}

static void test_patterns_that_are_refused(void **state)
{
	static const char *const bad[] = {"*/*", "a??", "[ab]", "a]", "*[*"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(resolve(f, bad[i], ""), -EINVAL);
		assert_non_null(strstr(f->err, "may hold one '*'"));
	}
}

static void test_a_file_is_read_once(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 5; i++)
		assert_int_equal(resolve(f, "top", ""), 0);
	assert_int_equal(f->memory.reads, 1);
	assert_int_equal(f->corefile.file_count, 1);
	assert_int_equal(f->importer.total, 5 * strlen("four"));
}

static void test_number_of_imports_is_limited(void **state)
{
	struct fixture *f = *state;

	f->importer.expansions = IMPORT_FILE_EXPANSIONS - 1;
	assert_int_equal(resolve(f, "top", ""), 0);
	assert_int_equal(resolve(f, "top", ""), -EINVAL);
	assert_non_null(strstr(f->err, "more than 100000 files"));
}

static void test_bytes_in_all_are_limited(void **state)
{
	struct fixture *f = *state;

	f->importer.total = IMPORT_TOTAL_MAX - 4;
	assert_int_equal(resolve(f, "top", ""), 0);
	assert_int_equal(resolve(f, "top", ""), -EINVAL);
	assert_non_null(strstr(f->err, "more than 16 MiB"));
}

static void test_large_file_is_refused(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(IMPORT_FILE_MAX + 2);
	struct memory_file big[] = {{"big", text}, {NULL, NULL}};

	memset(text, 'a', IMPORT_FILE_MAX + 1);
	text[IMPORT_FILE_MAX + 1] = 0;
	f->memory.files = big;
	assert_int_equal(resolve(f, "big", ""), -EFBIG);
	assert_non_null(strstr(f->err, "larger than 1 MiB"));
	free(text);
}

/* A reader without files, as the fuzzer may have it, refuses instead of crashing. */
static void test_reader_without_files(void **state)
{
	struct fixture *f = *state;

	f->reader = (struct corefile_reader){0};
	assert_int_equal(resolve(f, "top", ""), -EACCES);
	assert_int_equal(resolve(f, "top*", ""), 0);
	assert_int_equal(f->count, 0);
}

static void test_dir(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(import_dir(&f->arena, "/etc/coredns/Corefile"), "/etc/coredns/");
	assert_string_equal(import_dir(&f->arena, "/Corefile"), "/");
	assert_string_equal(import_dir(&f->arena, "Corefile"), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_file),
		TEST(test_pattern),
		TEST(test_pattern_without_match_is_a_warning),
		TEST(test_missing_file_is_an_error),
		TEST(test_patterns_that_are_refused),
		TEST(test_a_file_is_read_once),
		TEST(test_number_of_imports_is_limited),
		TEST(test_bytes_in_all_are_limited),
		TEST(test_large_file_is_refused),
		TEST(test_reader_without_files),
		TEST(test_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

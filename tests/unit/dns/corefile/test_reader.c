/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct corefile_reader *const reader = &corefile_reader_system;

/* A folder whose own name has a bracket and a star in it. */
static char folder[64], dir[80];

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text, size_t len)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/reader-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(dir, sizeof dir, "%s/a[1]*/", folder);
	if (mkdir(dir, 0700) < 0 || mkdir(path_of("folder.x"), 0700) < 0)
		return -1;
	write_file("b.x", "two", 3);
	write_file("a.x", "one", 3);
	write_file(".hidden.x", "no", 2);
	write_file("c.y", "", 0);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"b.x", "a.x", ".hidden.x", "c.y", "big"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlink(path_of(names[i]));
	rmdir(path_of("folder.x"));
	rmdir(dir);
	return rmdir(folder);
}

static void test_read(void **state)
{
	char *text = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(reader->read(NULL, path_of("a.x"), 3, &text, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(text, "one", 3);
	free(text);
	assert_int_equal(reader->read(NULL, path_of("c.y"), 3, &text, &len), 0);
	assert_int_equal(len, 0);
	free(text);
}

static void test_read_grows(void **state)
{
	char big[20000], *text = NULL;
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)('a' + i % 26);
	write_file("big", big, sizeof big);
	assert_int_equal(reader->read(NULL, path_of("big"), sizeof big, &text, &len), 0);
	assert_int_equal(len, sizeof big);
	assert_memory_equal(text, big, sizeof big);
	free(text);
}

static void test_read_failures(void **state)
{
	char *text = NULL;
	size_t len = 7;

	(void)state;
	assert_int_equal(reader->read(NULL, path_of("none"), 9, &text, &len), -ENOENT);
	assert_int_equal(reader->read(NULL, path_of("folder.x"), 9, &text, &len), -EISDIR);
	assert_int_equal(reader->read(NULL, path_of("a.x"), 2, &text, &len), -EFBIG);
	assert_null(text);
	assert_int_equal(len, 7);
}

static void list(const char *pattern, const char *expected)
{
	char found[512] = "";
	char **paths = NULL;
	size_t count = 0;

	assert_int_equal(reader->list(NULL, dir, pattern, &paths, &count), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(strncmp(paths[i], dir, strlen(dir)), 0);
		strcat(strcat(found, paths[i] + strlen(dir)), " ");
		free(paths[i]);
	}
	free(paths);
	assert_string_equal(found, expected);
}

static void test_list(void **state)
{
	(void)state;
	list("*.x", "a.x b.x "); /* no folder, no hidden file */
	list("?.x", "a.x b.x ");
	list("*.none", "");
	list("none/*", "");
}

static void test_env(void **state)
{
	(void)state;
	setenv("BINNACLE_TEST_VARIABLE", "value", 1);
	assert_string_equal(reader->env(NULL, "BINNACLE_TEST_VARIABLE"), "value");
	unsetenv("BINNACLE_TEST_VARIABLE");
	assert_null(reader->env(NULL, "BINNACLE_TEST_VARIABLE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_grows),
		cmocka_unit_test(test_read_failures),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_env),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

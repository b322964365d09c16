/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/corefile.h"

#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/corefile-XXXXXX");
	if (!mkdtemp(folder) || mkdir(path_of("custom"), 0700) < 0)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"custom/a.override", "custom/b.server", "Corefile"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlink(path_of(names[i]));
	rmdir(path_of("custom"));
	return rmdir(folder);
}

/* As AKS and k3s have it: imports relative to the Corefile, one of them empty. */
static void test_read_with_imports(void **state)
{
	struct corefile *corefile = NULL;
	char err[COREFILE_ERROR_MAX];
	struct tree tree;

	(void)state;
	write_file("Corefile", ".:53 {\n    errors\n    import custom/*.override\n"
			       "    import custom/*.none\n}\nimport custom/*.server\n");
	write_file("custom/a.override", "log");
	write_file("custom/b.server", "b.org:53 {\n    errors\n}\n");
	assert_int_equal(corefile_read(path_of("Corefile"), &corefile, err), 0);
	tree_write(&tree, corefile);
	assert_string_equal(tree.text, ".:53{errors;log;}b.org:53{errors;}");
	assert_int_equal(corefile->file_count, 3);
	assert_string_equal(corefile->files[0], path_of("Corefile"));
	assert_string_equal(corefile->files[1], path_of("custom/a.override"));
	assert_int_equal(corefile->warning_count, 1);
	assert_non_null(strstr(
		corefile->warnings[0], "Corefile:4:12: import 'custom/*.none' matches no file"));
	assert_string_equal(corefile->blocks[1].keys[0].file, path_of("custom/b.server"));
	corefile_free(corefile);
}

static void test_read_failures(void **state)
{
	struct corefile *corefile = NULL;
	char err[COREFILE_ERROR_MAX];

	(void)state;
	assert_int_equal(corefile_read("/nonexistent/Corefile", &corefile, err), -ENOENT);
	assert_string_equal(err, "/nonexistent/Corefile:1:1: cannot read "
				 "'/nonexistent/Corefile': there is no such file");
	assert_int_equal(corefile_read(folder, &corefile, err), -EISDIR);
	assert_non_null(strstr(err, "it is a folder"));
	assert_null(corefile);
}

/* Text that came by a pipe: positions have its name, imports the working folder. */
static void test_parse(void **state)
{
	struct corefile *corefile = NULL;
	char err[COREFILE_ERROR_MAX];
	char name[] = "stdin", text[] = ".:53 {\n errors\n}\n";

	(void)state;
	assert_int_equal(corefile_parse(text, strlen(text), name, &corefile, err), 0);
	memset(name, 'x', strlen(name));
	memset(text, 'x', strlen(text));
	assert_string_equal(corefile->blocks[0].keys[0].file, "stdin");
	assert_string_equal(corefile->blocks[0].lines[0].tokens[0].text, "errors");
	assert_int_equal(corefile->file_count, 0);
	corefile_free(corefile);
}

static void test_parse_imports_relative_to_the_working_folder(void **state)
{
	static const struct memory_file files[] = {
		{"f", "here"}, {"conf/f", "there"}, {NULL, NULL}};
	struct memory memory = {.files = files};
	struct corefile_reader reader = memory_reader(&memory);
	const char *text = ". {\n import f\n}";
	struct corefile *corefile;
	char err[COREFILE_ERROR_MAX];
	struct tree tree;

	(void)state;
	assert_int_equal(
		corefile_parse_with(&reader, text, strlen(text), "conf/Corefile", &corefile, err),
		0);
	tree_write(&tree, corefile);
	assert_string_equal(tree.text, ".{here;}");
	corefile_free(corefile);
}

static void test_parse_refuses_large_text(void **state)
{
	size_t len = (1 << 20) + 1;
	char *text = malloc(len);
	struct corefile *corefile = NULL;
	char err[COREFILE_ERROR_MAX];

	(void)state;
	memset(text, ' ', len);
	assert_int_equal(corefile_parse(text, len, "stdin", &corefile, err), -EFBIG);
	assert_non_null(strstr(err, "stdin:1:1: it is larger than 1 MiB"));
	assert_int_equal(corefile_parse(text, len - 1, "stdin", &corefile, err), -EINVAL);
	assert_non_null(strstr(err, "there is no server block"));
	free(text);
}

static void test_error_is_one_line(void **state)
{
	struct corefile_token at = {.file = "F", .line = 12, .col = 3};
	char err[COREFILE_ERROR_MAX], longest[2 * COREFILE_ERROR_MAX];

	(void)state;
	assert_int_equal(corefile_error(err, &at, "bad '%s'", "a\nb\x1b[0m"), -EINVAL);
	assert_string_equal(err, "F:12:3: bad 'a?b?[0m'");
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	at.file = longest;
	corefile_error(err, &at, "message %s", longest);
	assert_int_equal(strlen(err), COREFILE_ERROR_MAX - 1);
	assert_non_null(strstr(err, ":12:3: message xxx"));
}

static void test_free_takes_null(void **state)
{
	(void)state;
	corefile_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_with_imports),
		cmocka_unit_test(test_read_failures),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_imports_relative_to_the_working_folder),
		cmocka_unit_test(test_parse_refuses_large_text),
		cmocka_unit_test(test_error_is_one_line),
		cmocka_unit_test(test_free_takes_null),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/file.h"

#include "scratch.h"

#include <errno.h>

static void test_reads_whole_files(void **state)
{
	struct scratch s;
	char *text = NULL, err[256] = "";
	size_t len = 0;

	(void)state;
	scratch_make(&s);
	scratch_write(&s, "a", "hello");
	scratch_write(&s, "empty", "");
	assert_int_equal(file_read(scratch_path(&s, "a"), 100, &text, &len, err, sizeof err), 0);
	assert_int_equal(len, 5);
	assert_string_equal(text, "hello");
	free(text);
	assert_int_equal(
		file_read(scratch_path(&s, "empty"), 100, &text, &len, err, sizeof err), 0);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	free(text);
	scratch_remove(&s);
}

/* /proc files say that they have no size, and are longer. */
static void test_size_is_not_believed(void **state)
{
	char *text = NULL, err[256] = "";
	size_t len = 0;

	(void)state;
	assert_int_equal(file_read("/proc/self/status", 1 << 20, &text, &len, err, sizeof err), 0);
	assert_true(len > 100);
	assert_int_equal(strlen(text), len);
	free(text);
	assert_int_equal(file_read("/proc/self/status", 100, &text, &len, err, sizeof err), -EFBIG);
}

static void test_mistakes_name_the_file(void **state)
{
	struct scratch s;
	char *text = NULL, err[256] = "";
	size_t len = 7;

	(void)state;
	scratch_make(&s);
	scratch_write(&s, "big", "0123456789");
	assert_int_equal(
		file_read(scratch_path(&s, "none"), 9, &text, &len, err, sizeof err), -ENOENT);
	assert_says(err, "/none: No such file");
	assert_int_equal(
		file_read(scratch_path(&s, "big"), 9, &text, &len, err, sizeof err), -EFBIG);
	assert_says(err, "larger than 9 bytes");
	assert_int_equal(file_read(s.dir, 9, &text, &len, err, sizeof err), -EINVAL);
	assert_says(err, "it is not a file");
	assert_int_equal(mkfifo(scratch_path(&s, "fifo"), 0600), 0);
	assert_int_equal(
		file_read(scratch_path(&s, "fifo"), 9, &text, &len, err, sizeof err), -EINVAL);
	assert_null(text);
	assert_int_equal(len, 7);
	scratch_remove(&s);
}

static void test_beside(void **state)
{
	static const struct {
		const char *beside, *path, *want;
	} rows[] = {
		{"/etc/kube/config", "ca.crt", "/etc/kube/ca.crt"},
		{"/etc/kube/config", "../ca.crt", "/etc/kube/../ca.crt"},
		{"/etc/kube/config", "/ca.crt", "/ca.crt"},
		{"config", "ca.crt", "ca.crt"},
		{"/config", "ca.crt", "/ca.crt"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *path = file_beside(rows[i].beside, rows[i].path);

		assert_string_equal(path, rows[i].want);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_whole_files),
		cmocka_unit_test(test_size_is_not_believed),
		cmocka_unit_test(test_mistakes_name_the_file),
		cmocka_unit_test(test_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

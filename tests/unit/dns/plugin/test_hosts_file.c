/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/hosts_file.h"

#include "hosts.h"
#include "tests/unit/cache/nomem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/test_hosts_file.XXXXXX";
static char path[64];
static struct hosts_stamp stamp;

static int look(const char *text)
{
	char *got;
	size_t len;
	const int rc = hosts_file_read(path, &stamp, &got, &len);

	if (rc != 0)
		return rc;
	assert_int_equal(len, strlen(text));
	assert_memory_equal(got, text, len);
	free(got);
	return 0;
}

static void test_changes(void **state)
{
	struct timespec times[2] = {{1000, 5}, {1000, 5}};

	(void)state;
	stamp = (struct hosts_stamp){0};
	assert_int_equal(look(""), -ENOENT);
	hosts_write(path, "one\n");
	assert_int_equal(look("one\n"), 0);
	assert_int_equal(look(""), 1);
	/* as old and as long, but another file */
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(look("one\n"), 0);
	hosts_write(path, "two\n");
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(look("two\n"), 0);
	assert_int_equal(look(""), 1);
	unlink(path);
	assert_int_equal(look(""), -ENOENT);
	hosts_write(path, "");
	assert_int_equal(look(""), 0);
	unlink(path);
}

static void test_what_is_no_file(void **state)
{
	(void)state;
	stamp = (struct hosts_stamp){0};
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(look(""), -EISDIR);
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(look(""), -EOPNOTSUPP);
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(look(""), 0);
	assert_int_equal(look(""), 1);
	unlink(path);
	/* endless */
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(look(""), -EFBIG);
	assert_int_equal(look(""), -EFBIG);
	unlink(path);
}

static void test_too_large(void **state)
{
	(void)state;
	stamp = (struct hosts_stamp){0};
	hosts_write(path, "x");
	assert_int_equal(truncate(path, HOSTS_FILE_MAX + 1), 0);
	assert_int_equal(look(""), -EFBIG);
	assert_false(stamp.known);
	unlink(path);
}

static void test_memory_short(void **state)
{
	(void)state;
	stamp = (struct hosts_stamp){0};
	hosts_write(path, "one\n");
	nomem_at(1);
	assert_int_equal(look(""), -ENOMEM);
	assert_int_equal(look("one\n"), 0);
	unlink(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	nomem_at(2);
	assert_int_equal(look(""), -ENOMEM);
	nomem_at(0);
	unlink(path);
}

static int folder_make(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/hosts", dir);
	return 0;
}

static int folder_remove(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_what_is_no_file),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_memory_short),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

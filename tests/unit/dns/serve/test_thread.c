/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/log.h"
#include "dns/serve/txn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int log_fd;

static int setup(void **state)
{
	char path[] = "/tmp/test_thread.XXXXXX";

	(void)state;
	log_fd = mkstemp(path);
	unlink(path);
	log_set_fd(log_fd);
	return log_fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_fd(1);
	return close(log_fd);
}

static off_t written(void)
{
	return lseek(log_fd, 0, SEEK_END);
}

static void test_lines_wait_for_the_flush(void **state)
{
	struct thread *thread = thread_new();
	char text[16] = {0};

	(void)state;
	thread_log(thread, "one\n", 4);
	thread_log(thread, "two\n", 4);
	assert_int_equal(written(), 0);
	thread_flush(thread);
	assert_int_equal(pread(log_fd, text, sizeof text - 1, 0), 8);
	assert_string_equal(text, "one\ntwo\n");
	thread_flush(thread);
	assert_int_equal(written(), 8);
	thread_log(thread, "three\n", 6);
	thread_free(thread); /* flushes */
	assert_int_equal(written(), 14);
}

static void test_more_than_the_buffer_holds(void **state)
{
	struct thread *thread = thread_new();
	size_t big = 100000;
	char *line = malloc(big);

	(void)state;
	memset(line, 'x', big);
	line[big - 1] = '\n';
	thread_log(thread, "first\n", 6);
	thread_log(thread, line, big);
	assert_int_equal(written(), big + 6);
	for (int i = 0; i < 100; i++)
		thread_log(thread, line + big - 1000, 1000);
	thread_free(thread);
	assert_int_equal(written(), big + 6 + 100000);
	free(line);
}

static void test_counters_are_kept(void **state)
{
	static _Atomic uint64_t counters[1];
	struct thread *thread = thread_new();

	(void)state;
	assert_null(thread_counters(thread));
	thread_set_counters(thread, counters);
	assert_ptr_equal(thread_counters(thread), counters);
	thread_free(thread);
}

static void test_random_differs(void **state)
{
	struct thread *a = thread_new(), *b = thread_new();
	unsigned same = 0, buckets[16] = {0};

	(void)state;
	for (int i = 0; i < 16000; i++) {
		uint32_t x = thread_random(a);

		same += x == thread_random(b);
		buckets[x % 16]++;
	}
	assert_true(same < 4);
	for (int i = 0; i < 16; i++)
		assert_in_range(buckets[i], 800, 1200);
	thread_free(a);
	thread_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines_wait_for_the_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_than_the_buffer_holds, setup, teardown),
		cmocka_unit_test(test_counters_are_kept),
		cmocka_unit_test(test_random_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

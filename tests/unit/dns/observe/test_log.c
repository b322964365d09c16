/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct pipe_fixture {
	int fds[2];
	char text[1 << 17];
};

static int setup(void **state)
{
	struct pipe_fixture *f = calloc(1, sizeof *f);

	if (!f || pipe2(f->fds, O_NONBLOCK) < 0)
		return -1;
	log_set_fd(f->fds[1]);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct pipe_fixture *f = *state;

	log_set_fd(1);
	log_set_debug(false);
	close(f->fds[0]);
	close(f->fds[1]);
	free(f);
	return 0;
}

/* What was written since the last call. */
static const char *written(struct pipe_fixture *f)
{
	ssize_t len = read(f->fds[0], f->text, sizeof f->text - 1);

	f->text[len > 0 ? len : 0] = 0;
	return f->text;
}

static void test_line_shape(void **state)
{
	struct pipe_fixture *f = *state;

	log_write(LOG_INFO, NULL, "Reloading");
	assert_string_equal(written(f), "[INFO] Reloading\n");
	log_write(LOG_WARNING, "kubernetes", "%d of %s", 3, "services");
	assert_string_equal(written(f), "[WARNING] plugin/kubernetes: 3 of services\n");
	log_write(LOG_ERROR, "errors", "x");
	assert_string_equal(written(f), "[ERROR] plugin/errors: x\n");
	log_write(LOG_FATAL, NULL, "y");
	assert_string_equal(written(f), "[FATAL] y\n");
}

static void test_debug_is_off_at_first(void **state)
{
	struct pipe_fixture *f = *state;

	assert_false(log_debug());
	log_write(LOG_DEBUG, NULL, "hidden");
	assert_string_equal(written(f), "");
	log_set_debug(true);
	assert_true(log_debug());
	log_write(LOG_DEBUG, "x", "seen");
	assert_string_equal(written(f), "[DEBUG] plugin/x: seen\n");
}

static void test_text_cannot_forge_a_line(void **state)
{
	struct pipe_fixture *f = *state;

	log_write(LOG_INFO, NULL, "%s", "a\n[ERROR] b\r\x1b[31m\xff");
	assert_string_equal(written(f), "[INFO] a\\x0a[ERROR] b\\x0d\\x1b[31m\\xff\n");
}

static void test_long_text_is_cut(void **state)
{
	struct pipe_fixture *f = *state;
	char *text = malloc(100000);
	size_t len;

	memset(text, '\n', 99999);
	text[99999] = 0;
	log_write(LOG_INFO, "p", "%s", text);
	free(text);
	len = strlen(written(f));
	assert_in_range(len, 16000, 17000);
	assert_string_equal(f->text + len - 8, "\\x0a...\n");
	assert_ptr_equal(strchr(f->text, '\n'), f->text + len - 1);
}

static void test_raw(void **state)
{
	struct pipe_fixture *f = *state;

	log_raw("one\ntwo\n", 8);
	assert_string_equal(written(f), "one\ntwo\n");
	log_raw("", 0);
	assert_string_equal(written(f), "");
}

/* A full pipe that nobody reads must not hold the caller for long. */
static void test_full_pipe_drops(void **state)
{
	struct pipe_fixture *f = *state;
	char *block = malloc(1 << 20);

	memset(block, 'x', 1 << 20);
	log_raw(block, 1 << 20);
	log_write(LOG_INFO, NULL, "lost");
	assert_null(strstr(written(f), "lost"));
	while (*written(f))
		;
	log_write(LOG_INFO, NULL, "back");
	assert_string_equal(written(f), "[INFO] back\n");
	free(block);
}

static void test_closed_output_is_no_error(void **state)
{
	(void)state;
	log_set_fd(-1);
	log_write(LOG_INFO, NULL, "nowhere");
}

static void check_escape(const char *data, size_t len, const char *expected)
{
	char out[256];

	assert_int_equal(log_escape(data, len, out, sizeof out), strlen(expected));
	assert_string_equal(out, expected);
}

static void test_escape(void **state)
{
	(void)state;
	check_escape("plain text \\ \" ~", 16, "plain text \\ \" ~");
	check_escape("\0a\x7f\t", 4, "\\x00a\\x7f\\x09");
	check_escape(
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	/* Truncated, overlong, surrogate, above U+10FFFF, stray continuation. */
	check_escape("\xc3", 1, "\\xc3");
	check_escape("\xe2\x82", 2, "\\xe2\\x82");
	check_escape("\xc0\xaf", 2, "\\xc0\\xaf");
	check_escape("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf");
	check_escape("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");
	check_escape("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80");
	check_escape("\xf8\x88\x80\x80\x80", 5, "\\xf8\\x88\\x80\\x80\\x80");
	check_escape("\x80"
		     "a",
		2, "\\x80a");
	/* C1 controls, line separator, right-to-left override, byte order mark. */
	check_escape("\xc2\x9b", 2, "\\xc2\\x9b");
	check_escape("\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8");
	check_escape("\xe2\x80\xae", 3, "\\xe2\\x80\\xae");
	check_escape("\xef\xbb\xbf", 3, "\\xef\\xbb\\xbf");
}

static void test_escape_cuts_at_whole_characters(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(log_escape("abc", 3, out, 3), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(log_escape("a\xe2\x82\xac", 4, out, 4), 1);
	assert_string_equal(out, "a");
	assert_int_equal(log_escape("a\n", 2, out, 5), 1);
	assert_int_equal(log_escape("a\n", 2, out, 6), 5);
	assert_string_equal(out, "a\\x0a");
	assert_int_equal(log_escape("a", 1, out, 1), 0);
	assert_string_equal(out, "");
	out[0] = 'k';
	assert_int_equal(log_escape("a", 1, out, 0), 0);
	assert_int_equal(out[0], 'k');
}

static void *write_lines(void *user)
{
	(void)user;
	for (int i = 0; i < 200; i++)
		log_write(LOG_INFO, NULL, "0123456789012345678901234567890123456789");
	return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
	struct pipe_fixture *f = *state;
	pthread_t threads[4];
	size_t lines = 0;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	written(f);
	for (char *line = strtok(f->text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_string_equal(line, "[INFO] 0123456789012345678901234567890123456789");
		lines++;
	}
	assert_int_equal(lines, 800);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_line_shape),
		TEST(test_debug_is_off_at_first),
		TEST(test_text_cannot_forge_a_line),
		TEST(test_long_text_is_cut),
		TEST(test_raw),
		TEST(test_full_pipe_drops),
		TEST(test_closed_output_is_no_error),
		TEST(test_escape),
		TEST(test_escape_cuts_at_whole_characters),
		TEST(test_lines_of_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

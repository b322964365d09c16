/* SPDX-License-Identifier: Apache-2.0 */
#include "question.h"
#include "site.h"

#include <errno.h>
#include <pthread.h>
#include <uv.h>

struct fixture {
	struct captured_log log;
	struct site site;
	struct thread *thread;
	struct recorder recorder;
	uv_loop_t loop;
	bool stopped;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	captured_open(&f->log);
	f->thread = thread_new();
	recorder_init(&f->recorder);
	uv_loop_init(&f->loop);
	f->recorder.host.loop = &f->loop;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	thread_free(f->thread);
	site_free(&f->site, &plugin_errors);
	captured_close(&f->log);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

/* A query that failed with this reason; what reached the log. */
static const char *fail_query(struct fixture *f, const char *reason)
{
	static struct question q;

	question_init(&q, "Www.Example.ORG", TYPE_AAAA, 0, false, false);
	question_finish(&q, RCODE_SERVFAIL);
	q.txn.thread = f->thread;
	q.txn.error = reason;
	plugin_errors.done(f->site.instance, &q.txn);
	thread_flush(f->thread);
	return captured_read(&f->log);
}

static void load(struct fixture *f, const char *text)
{
	if (site_setup(&f->site, &plugin_errors, text) < 0)
		fail_msg("%s", f->site.err);
}

static void start(struct fixture *f)
{
	assert_int_equal(
		plugin_errors.start(f->site.instance, &f->recorder.host, NULL, f->site.err), 0);
}

static void stopped(void *user)
{
	struct fixture *f = user;

	assert_false(f->stopped);
	f->stopped = true;
}

/* The log after a stop. */
static const char *stop(struct fixture *f)
{
	plugin_errors.stop(f->site.instance, stopped, f);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->stopped);
	return captured_read(&f->log);
}

static void test_line(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors\n}");
	assert_string_equal(fail_query(f, "no next plugin found"),
		"[ERROR] plugin/errors: 2 www.example.org. AAAA: no next plugin found\n");
	assert_string_equal(fail_query(f, NULL), "");
}

static void test_reason_is_escaped(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors stdout {\n stacktrace\n }\n}");
	assert_string_equal(fail_query(f, "a\n[INFO] b"),
		"[ERROR] plugin/errors: 2 www.example.org. AAAA: a\\x0a[INFO] b\n");
}

static void test_long_name_and_reason(void **state)
{
	struct fixture *f = *state;
	static struct question q;
	char name[1024] = "", reason[4000];

	load(f, ". {\n errors\n}");
	memset(reason, 'r', sizeof reason - 1);
	reason[sizeof reason - 1] = 0;
	for (int i = 0; i < 63; i++)
		strcat(name, "\\001\\002\\003.");
	question_init(&q, name, TYPE_A, 0, false, false);
	question_finish(&q, RCODE_SERVFAIL);
	q.txn.thread = f->thread;
	q.txn.error = reason;
	plugin_errors.done(f->site.instance, &q.txn);
	thread_flush(f->thread);
	captured_read(&f->log);
	assert_non_null(strstr(f->log.text, "\\001\\002\\003. A: rrrr"));
	assert_int_equal(f->log.text[strlen(f->log.text) - 1], '\n');
}

static void test_consolidate(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors {\n consolidate 5m \"timeout$\" warning\n"
		" consolidate 30s ^no info\n }\n}");
	start(f);
	for (int i = 0; i < 3; i++)
		assert_string_equal(fail_query(f, "read: timeout"), "");
	assert_string_equal(fail_query(f, "no timeout"), "");
	assert_string_equal(fail_query(f, "no next plugin found"), "");
	assert_non_null(strstr(fail_query(f, "timeout is not at the end\n"), "timeout is not"));
	assert_string_equal(stop(f),
		"[WARNING] plugin/errors: 4 errors like 'timeout$' occurred in last 5m0s\n"
		"[INFO] plugin/errors: 1 errors like '^no' occurred in last 30s\n");
}

static void test_show_first(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors {\n consolidate 1h a warning show_first\n"
		" consolidate 1h b show_first\n }\n}");
	start(f);
	assert_string_equal(
		fail_query(f, "a"), "[WARNING] plugin/errors: 2 www.example.org. AAAA: a\n");
	assert_string_equal(fail_query(f, "a"), "");
	assert_string_equal(
		fail_query(f, "b"), "[ERROR] plugin/errors: 2 www.example.org. AAAA: b\n");
	/* The one b was shown, so there is nothing to sum up. */
	assert_string_equal(
		stop(f), "[WARNING] plugin/errors: 2 errors like 'a' occurred in last 1h0m0s\n");
}

/* The loop's clock is let run until the period is over; it is 1 ms. */
static void test_summary_after_each_period(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors {\n consolidate 1ms a\n }\n}");
	start(f);
	for (int period = 0; period < 2; period++) {
		assert_string_equal(fail_query(f, "a"), "");
		while (!*captured_read(&f->log))
			uv_run(&f->loop, UV_RUN_ONCE);
		assert_string_equal(f->log.text,
			"[ERROR] plugin/errors: 1 errors like 'a' occurred in last 1ms\n");
	}
	uv_run(&f->loop, UV_RUN_ONCE);
	assert_string_equal(stop(f), "");
}

static void test_debug_level(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors {\n consolidate 1h a debug show_first\n }\n}");
	start(f);
	assert_string_equal(fail_query(f, "a"), "");
	log_set_debug(true);
	assert_string_equal(fail_query(f, "a"), "");
	assert_string_equal(
		stop(f), "[DEBUG] plugin/errors: 2 errors like 'a' occurred in last 1h0m0s\n");
	log_set_debug(false);
}

/* A pattern that backtracks for ever meets the limit, and the error is shown. */
static void test_match_is_bounded(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors {\n consolidate 1h \"^(a+)+$\"\n }\n}");
	start(f);
	assert_non_null(strstr(
		fail_query(f, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), "AAAA: aaaa"));
	assert_string_equal(stop(f), "");
}

static void *fail_many(void *user)
{
	struct fixture *f = user;
	static _Thread_local struct question q;

	question_init(&q, "a", TYPE_A, 0, false, false);
	question_finish(&q, RCODE_SERVFAIL);
	q.txn.error = "timeout";
	for (int i = 0; i < 1000; i++)
		plugin_errors.done(f->site.instance, &q.txn);
	return NULL;
}

static void test_threads_count_together(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];

	load(f, ". {\n errors {\n consolidate 1h timeout\n }\n}");
	start(f);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fail_many, f), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_string_equal(stop(f),
		"[ERROR] plugin/errors: 4000 errors like 'timeout' occurred in last 1h0m0s\n");
}

static void test_stop_without_patterns(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors\n}");
	start(f);
	assert_string_equal(stop(f), "");
}

/* stop is called for an instance that never came to start its timers, too. */
static void test_stop_without_start(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n errors {\n consolidate 1h a\n }\n}");
	assert_string_equal(stop(f), "");
}

static void test_refusals(void **state)
{
	const struct plugin *p = &plugin_errors;
	char text[10100] = ". {\n errors {\n consolidate 1h \"";
	size_t len = strlen(text);

	(void)state;
	site_refused(p, ". {\n errors\n errors\n}", "F:3:2: a server block can have 'errors' once");
	site_refused(p, ". {\n errors stderr\n}", "F:2:9: errors: the only argument is 'stdout'");
	site_refused(p, ". {\n errors stdout x\n}", "F:2:16: errors: the only argument is");
	site_refused(p, ". {\n errors {\n consolidat 1h a\n}\n}",
		"F:3:2: errors: unknown option 'consolidat'; did you mean 'consolidate'?");
	site_refused(p, ". {\n errors {\n consolidate 1h\n}\n}", "F:3:2: errors: write 'consol");
	site_refused(p, ". {\n errors {\n stacktrace on\n}\n}", "F:3:2: errors: write 'stack");
	site_refused(p, ". {\n errors {\n consolidate x a\n}\n}", "F:3:14: errors: 'x' is not a");
	site_refused(p, ". {\n errors {\n consolidate 0s a\n}\n}", "F:3:14: errors: '0s' is not");
	site_refused(p, ". {\n errors {\n consolidate 1h (\n}\n}",
		"F:3:17: errors: '(' is not a regular expression: ");
	site_refused(p, ". {\n errors {\n consolidate 1h a warnig\n}\n}",
		"F:3:19: errors: 'warnig' cannot stand here: did you mean warning; write ");
	site_refused(p, ". {\n errors {\n consolidate 1h a show_first info\n}\n}",
		"F:3:30: errors: 'info' cannot stand here");
	site_refused(p, ". {\n errors {\n consolidate 1h a\n consolidate 1h (\n}\n}",
		"F:4:17: errors: '('");
	memset(text + len, 'a', 10001);
	strcpy(text + len + 10001, "\"\n}\n}");
	site_refused(p, text, "F:3:17: errors: the pattern is longer than 10000 characters");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_line),
		TEST(test_reason_is_escaped),
		TEST(test_long_name_and_reason),
		TEST(test_consolidate),
		TEST(test_show_first),
		TEST(test_summary_after_each_period),
		TEST(test_debug_level),
		TEST(test_match_is_bounded),
		TEST(test_threads_count_together),
		TEST(test_stop_without_patterns),
		TEST(test_stop_without_start),
		TEST(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

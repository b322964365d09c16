/* SPDX-License-Identifier: Apache-2.0 */
#include "question.h"
#include "site.h"

struct fixture {
	struct captured_log log;
	struct site site;
	struct thread *thread;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	captured_open(&f->log);
	f->thread = thread_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	thread_free(f->thread);
	site_free(&f->site, &plugin_log);
	captured_close(&f->log);
	free(f);
	return 0;
}

static void load(struct fixture *f, const char *text)
{
	if (site_setup(&f->site, &plugin_log, text) < 0)
		fail_msg("%s", f->site.err);
}

/* What a query for name with this outcome writes. */
static const char *answered(struct fixture *f, const char *name, uint16_t rcode)
{
	static struct question q;

	question_init(&q, name, TYPE_A, 0, false, false);
	question_finish(&q, rcode);
	q.txn.thread = f->thread;
	q.txn.start_ns = 1;
	plugin_log.done(f->site.instance, &q.txn);
	thread_flush(f->thread);
	return captured_read(&f->log);
}

static void test_common_line(void **state)
{
	struct fixture *f = *state;
	const char *line;

	load(f, ". {\n log\n}");
	assert_true(plugin_log.wants_time);
	line = answered(f, "Example.ORG", RCODE_SERVFAIL);
	assert_non_null(strstr(line, "[INFO] 10.244.0.7:41812 - 29008 \"A IN example.org. udp 29 "
				     "false 512\" SERVFAIL qr,rd 29 "));
	assert_string_equal(line + strlen(line) - 2, "s\n");
}

static void test_format(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n log . \"{name} is {rcode}\"\n}");
	assert_string_equal(answered(f, "a.b", RCODE_NXDOMAIN), "[INFO] a.b. is NXDOMAIN\n");
}

static void test_lone_format(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n log {name}\n}");
	assert_string_equal(answered(f, "a.b", RCODE_NOERROR), "[INFO] a.b.\n");
}

static void test_names(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n log Example.org 10.0.0.0/8 {name}\n}");
	assert_string_equal(answered(f, "example.org", RCODE_NOERROR), "[INFO] example.org.\n");
	assert_string_equal(answered(f, "a.EXAMPLE.org", RCODE_NOERROR), "[INFO] a.example.org.\n");
	assert_string_equal(answered(f, "1.0.0.10.in-addr.arpa", RCODE_NOERROR),
		"[INFO] 1.0.0.10.in-addr.arpa.\n");
	assert_string_equal(answered(f, "notexample.org", RCODE_NOERROR), "");
	assert_string_equal(answered(f, "org", RCODE_NOERROR), "");
	assert_string_equal(answered(f, ".", RCODE_NOERROR), "");
}

static void test_classes(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n log . {name} {\n class denial\n class error\n }\n}");
	assert_string_equal(answered(f, "a", RCODE_NXDOMAIN), "[INFO] a.\n");
	assert_string_equal(answered(f, "a", RCODE_NOERROR), "[INFO] a.\n"); /* NODATA */
	assert_string_equal(answered(f, "a", RCODE_REFUSED), "[INFO] a.\n");
	site_free(&f->site, &plugin_log);
	load(f, ". {\n log . {name} {\n class error\n }\n}");
	assert_string_equal(answered(f, "a", RCODE_NXDOMAIN), "");
	assert_string_equal(answered(f, "a", RCODE_SERVFAIL), "[INFO] a.\n");
	site_free(&f->site, &plugin_log);
	load(f, ". {\n log . {name} {\n class success\n }\n}");
	assert_string_equal(answered(f, "a", RCODE_SERVFAIL), "");
	site_free(&f->site, &plugin_log);
	load(f, ". {\n log . {name} {\n class all\n }\n}");
	assert_string_equal(answered(f, "a", RCODE_SERVFAIL), "[INFO] a.\n");
}

/* The first line that holds the name decides, though its class may say no. */
static void test_several_lines(void **state)
{
	struct fixture *f = *state;

	load(f, ". {\n log a.org \"one {name}\" {\n class error\n }\n"
		" log org \"two {name}\"\n}");
	assert_string_equal(answered(f, "x.a.org", RCODE_SERVFAIL), "[INFO] one x.a.org.\n");
	assert_string_equal(answered(f, "x.a.org", RCODE_NXDOMAIN), "");
	assert_string_equal(answered(f, "b.org", RCODE_NXDOMAIN), "[INFO] two b.org.\n");
	assert_string_equal(answered(f, "net", RCODE_NXDOMAIN), "");
}

static void test_longest_line(void **state)
{
	struct fixture *f = *state;
	char text[8192] = ". {\n log . \"", name[1024] = "";

	for (int i = 0; i < 63; i++)
		strcat(name, "\\001\\002\\003.");
	for (int i = 0; i < 20; i++)
		strcat(text, "{name}");
	strcat(text, "\"\n}");
	load(f, text);
	assert_int_equal(strlen(answered(f, name, RCODE_NOERROR)), 4095);
	assert_int_equal(f->log.text[4094], '\n');
}

static void test_refusals(void **state)
{
	const struct plugin *p = &plugin_log;

	(void)state;
	site_refused(p, ". {\n log a..b\n}", "F:2:6: log: 'a..b' is not a zone");
	site_refused(p, ". {\n log . {nam}\n}", "F:2:8: log: the format has no field '{nam}'");
	site_refused(p, ". {\n log {\n clas all\n}\n}",
		"F:3:2: log: unknown option 'clas'; did you mean 'class'?");
	site_refused(p, ". {\n log {\n class\n}\n}", "F:3:2: log: write 'class success|denial");
	site_refused(p, ". {\n log {\n class all denail\n}\n}",
		"F:3:12: log: 'denail' is not a class: did you mean denial; there are success");
	site_refused(p, ". {\n log\n log a..b {name}\n}", "F:3:6: log: 'a..b' is not a zone");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_common_line),
		TEST(test_format),
		TEST(test_lone_format),
		TEST(test_names),
		TEST(test_classes),
		TEST(test_several_lines),
		TEST(test_longest_line),
		TEST(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/epoch.h"
#include "question.h"
#include "site.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct bench {
	struct site site;
	struct thread *thread;
	struct recorder recorder;
	struct captured_log log;
	uv_loop_t loop;
	char dir[32], path[64];
	bool stopped;
};

static struct bench b;
static struct question q;

static void write_weights(const char *text)
{
	char new[80];
	FILE *file;

	snprintf(new, sizeof new, "%s.new", b.path);
	file = fopen(new, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(new, b.path), 0);
}

static int begin(void **state)
{
	(void)state;
	memset(&b, 0, sizeof b);
	b.thread = thread_new();
	strcpy(b.dir, "/tmp/loadbalance.XXXXXX");
	assert_non_null(mkdtemp(b.dir));
	snprintf(b.path, sizeof b.path, "%s/weights", b.dir);
	recorder_init(&b.recorder);
	uv_loop_init(&b.loop);
	b.recorder.host.loop = &b.loop;
	captured_open(&b.log);
	return 0;
}

static void on_stopped(void *user)
{
	(void)user;
	b.stopped = true;
}

static int end(void **state)
{
	(void)state;
	if (b.site.instance) {
		plugin_loadbalance.stop(b.site.instance, on_stopped, NULL);
		uv_run(&b.loop, UV_RUN_DEFAULT);
		assert_true(b.stopped);
		site_free(&b.site, &plugin_loadbalance);
	}
	assert_int_equal(uv_loop_close(&b.loop), 0);
	captured_close(&b.log);
	recorder_free(&b.recorder);
	thread_free(b.thread);
	unlink(b.path);
	rmdir(b.dir);
	return 0;
}

/* Setup and start of `loadbalance ...`, FILE being the weights' path. */
static int open_with(const char *directive)
{
	char text[512];
	const char *file = strstr(directive, "FILE");
	int rc;

	snprintf(text, sizeof text, ". {\n%.*s%s%s\n}\n",
		file ? (int)(file - directive) : (int)strlen(directive), directive,
		file ? b.path : "", file ? file + 4 : "");
	rc = site_setup(&b.site, &plugin_loadbalance, text);
	if (rc < 0)
		fail_msg("%s", b.site.err);
	rc = plugin_loadbalance.start(b.site.instance, &b.recorder.host, NULL, b.site.err);
	return rc;
}

/* The last bytes of the addresses of a reply with 10.0.0.1 to 10.0.0.count. */
static const char *order(uint8_t count, bool shuffled, uint16_t rcode)
{
	static char text[64];
	char *at = text;

	question_init(&q, "www.example.org", TYPE_A, 1232, false, false);
	q.txn.thread = b.thread;
	q.txn.shuffled = shuffled;
	q.reply.rcode = rcode;
	for (uint8_t i = 1; i <= count; i++) {
		const uint8_t address[4] = {10, 0, i % 2, i};

		reply_put_rr(&q.reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
	}
	plugin_loadbalance.rewrite(b.site.instance, &q.txn);
	for (uint8_t i = 0; i < count; i++)
		at += sprintf(at, "%d", q.buf[q.reply.body + 16 * i + 15]);
	return text;
}

static void test_round_robin(void **state)
{
	static const char *const all[] = {"123", "132", "213", "231", "312", "321"};
	static const char *const ways[] = {
		"loadbalance", "loadbalance round_robin", "loadbalance random", "loadbalance {\n}"};
	unsigned seen[6] = {0};

	(void)state;
	for (size_t w = 0; w < 4; w++) {
		assert_int_equal(open_with(ways[w]), 0);
		for (unsigned i = 0; i < 1500; i++) {
			const char *got = order(3, false, RCODE_NOERROR);

			for (unsigned k = 0; k < 6; k++)
				seen[k] += strcmp(got, all[k]) == 0;
		}
		assert_string_equal(order(3, true, RCODE_NOERROR), "123");
		assert_string_equal(order(3, false, RCODE_SERVFAIL), "123");
		site_free(&b.site, &plugin_loadbalance);
	}
	for (unsigned k = 0; k < 6; k++)
		assert_in_range(seen[k], 850, 1150); /* 1000 expected, deviation 29 */
}

/* In the order of the networks, whoever wrote the reply. */
static void test_prefer(void **state)
{
	(void)state;
	assert_int_equal(
		open_with("loadbalance {\nprefer 10.0.0.4 fd00::/8\nprefer 10.0.1.0/24\n}"), 0);
	for (unsigned i = 0; i < 100; i++) {
		const char *got = order(5, i % 2, RCODE_NOERROR);

		assert_int_equal(got[0], '4');
		for (unsigned k = 1; k < 4; k++)
			assert_int_equal(got[k] % 2, 1);
		assert_int_equal(got[4], '2');
	}
}

static void test_prefer_v6(void **state)
{
	const uint8_t other[16] = {0x20, 1, [15] = 1}, local[16] = {0xfd, [15] = 2};

	(void)state;
	assert_int_equal(open_with("loadbalance round_robin {\nprefer fd00::/8\n}"), 0);
	for (unsigned i = 0; i < 50; i++) {
		question_init(&q, "www.example.org", TYPE_AAAA, 1232, false, false);
		q.txn.thread = b.thread;
		reply_put_rr(&q.reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_AAAA, 30, other, 16);
		reply_put_rr(&q.reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_AAAA, 30, local, 16);
		plugin_loadbalance.rewrite(b.site.instance, &q.txn);
		assert_memory_equal(q.buf + q.reply.body + 12, local, 16);
		assert_memory_equal(q.buf + q.reply.body + 40, other, 16);
	}
}

static void firsts(unsigned seen[10])
{
	memset(seen, 0, 10 * sizeof *seen);
	for (unsigned i = 0; i < 6000; i++)
		seen[order(3, true, RCODE_NOERROR)[0] - '0']++;
}

static void test_weighted(void **state)
{
	unsigned seen[10];

	(void)state;
	write_weights("WWW.example.org\n10.0.1.1 3\n10.0.1.3 2\n");
	assert_int_equal(open_with("loadbalance weighted FILE"), 0);
	firsts(seen);
	assert_in_range(seen[1], 2800, 3200);
	assert_in_range(seen[2], 850, 1150);
	assert_in_range(seen[3], 1850, 2150);
	assert_string_equal(order(1, false, RCODE_NOERROR), "1");
	assert_string_equal(order(3, false, RCODE_NXDOMAIN), "123");
}

static void wait_until_told(const char *text)
{
	const uint64_t until = uv_hrtime() + 20000000000u;

	while (!strstr(captured_read(&b.log), text)) {
		if (uv_hrtime() > until)
			fail_msg("the log does not say '%s'", text);
		uv_run(&b.loop, UV_RUN_ONCE);
	}
}

/* Not there, then there, then with a mistake, then mended. */
static void test_reload(void **state)
{
	unsigned seen[10];

	(void)state;
	assert_int_equal(open_with("loadbalance weighted FILE {\nreload 100ms\n}"), 0);
	assert_non_null(strstr(captured_read(&b.log), "every address counts the same until"));
	assert_string_equal(order(3, true, RCODE_NOERROR), "123");
	write_weights("www.example.org\n10.0.1.1 255\n");
	do {
		uv_run(&b.loop, UV_RUN_ONCE);
		firsts(seen);
	} while (seen[1] < 5500 || seen[2] == 0); /* 255 of 257 */
	write_weights("www.example.org\n10.0.1.1 256\n");
	wait_until_told(
		"weights:2: this is no weight; write a number from 1 to 255 behind the address; "
		"the weights stay as they are");
	uv_run(&b.loop, UV_RUN_ONCE);
	assert_string_equal(captured_read(&b.log), ""); /* told once */
	firsts(seen);
	assert_in_range(seen[1], 5500, 6000);
	write_weights("www.example.org\n10.0.0.2 255\n");
	wait_until_told("read again");
	firsts(seen);
	assert_in_range(seen[2], 5500, 6000);
}

static atomic_uint asked;
static atomic_bool enough;

static void *ask_on(void *arg)
{
	(void)arg;
	epoch_thread_start();
	while (!atomic_load(&enough)) {
		epoch_online();
		order(3, true, RCODE_NOERROR);
		epoch_offline();
		atomic_fetch_add(&asked, 1);
	}
	epoch_thread_stop();
	return NULL;
}

/* The weights change while a thread answers with them. */
static void test_reload_under_load(void **state)
{
	pthread_t thread;

	(void)state;
	write_weights("www.example.org\n10.0.1.1 1\n");
	assert_int_equal(open_with("loadbalance weighted FILE {\nreload 100ms\n}"), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask_on, NULL), 0);
	for (unsigned i = 2; i < 8; i++) {
		char text[64];
		const unsigned before = atomic_load(&asked);

		snprintf(text, sizeof text, "www.example.org\n10.0.1.1 %u\n", i);
		write_weights(text);
		wait_until_told("read again");
		while (atomic_load(&asked) == before)
			uv_sleep(1);
	}
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
}

static void test_start_fails(void **state)
{
	(void)state;
	assert_true(open_with("loadbalance weighted FILE {\nreload 0s\n}") < 0);
	assert_ptr_equal(strstr(b.site.err, "F:2:13: loadbalance: cannot read "), b.site.err);
	site_free(&b.site, &plugin_loadbalance);
	write_weights("10.0.0.1\n");
	assert_true(open_with("loadbalance weighted FILE") < 0);
	assert_non_null(strstr(b.site.err, "weights:1: an address without a weight"));
	site_free(&b.site, &plugin_loadbalance);
	write_weights("");
	assert_int_equal(open_with("loadbalance weighted FILE {\nreload 0s\n}"), 0);
	assert_string_equal(order(3, true, RCODE_NXDOMAIN), "123");
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{". {\nloadbalance robin\n}", "F:2:13: loadbalance: unknown policy 'robin'; there"},
		{". {\nloadbalance round_robin x\n}", "F:2:25: loadbalance: nothing can follow"},
		{". {\nloadbalance prefer ::/0\n}", "F:2:13: loadbalance: 'prefer' stands in the"},
		{". {\nloadbalance weighted\n}",
			"F:2:13: loadbalance: write 'loadbalance weighted"},
		{". {\nloadbalance weighted a b\n}", "F:2:13: loadbalance: write 'loadbalance"},
		{". {\nloadbalance {\nreload 5s\n}\n}", "F:3:1: loadbalance: only the file of"},
		{". {\nloadbalance weighted f {\nreload\n}\n}",
			"F:3:1: loadbalance: write 'reload"},
		{". {\nloadbalance weighted f {\nreload x\n}\n}", "F:3:8: loadbalance: 'x' is no"},
		{". {\nloadbalance weighted f {\nreload -1s\n}\n}", "F:3:8: loadbalance: '-1s' is"},
		{". {\nloadbalance weighted f {\nreload 1us\n}\n}", "F:3:8: loadbalance: '1us' is"},
		{". {\nloadbalance weighted f {\nprefer ::/0\n}\n}",
			"F:3:1: loadbalance: 'prefer' and 'weighted' exclude each other"},
		{". {\nloadbalance {\nprefer\n}\n}", "F:3:1: loadbalance: write 'prefer CIDR...'"},
		{". {\nloadbalance {\nprefer ::/0 x\n}\n}",
			"F:3:13: loadbalance: 'x' is no network"},
		{". {\nloadbalance {\nperfer ::/0\n}\n}",
			"F:3:1: loadbalance: unknown option 'perfer'; did you mean 'prefer'?"},
		{". {\nloadbalance\nloadbalance\n}",
			"F:3:1: a server block can have 'loadbalance'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		site_refused(&plugin_loadbalance, rows[i].text, rows[i].says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_robin, begin, end),
		cmocka_unit_test_setup_teardown(test_prefer, begin, end),
		cmocka_unit_test_setup_teardown(test_prefer_v6, begin, end),
		cmocka_unit_test_setup_teardown(test_weighted, begin, end),
		cmocka_unit_test_setup_teardown(test_reload, begin, end),
		cmocka_unit_test_setup_teardown(test_reload_under_load, begin, end),
		cmocka_unit_test_setup_teardown(test_start_fails, begin, end),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

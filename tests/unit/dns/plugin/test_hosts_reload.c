/* SPDX-License-Identifier: Apache-2.0 */
/* A real file and a real loop: what is followed, what is logged, and two readers while
 * the file changes (for ThreadSanitizer). */
#include "site.h"

#include "hosts_answer.h"

#include <pthread.h>
#include <sys/stat.h>

static char dir[] = "/tmp/test_hosts_reload.XXXXXX";
static char path[64];
static uv_loop_t loop;
static struct site site;
static struct captured_log captured;
static char log_text[65536];
static bool stopped;

/* The body of a `hosts` that looks every millisecond. */
static void begin(const char *body)
{
	const struct plugin_host host = {.loop = &loop};
	char text[512];

	captured_open(&captured);
	log_text[0] = 0;
	assert_int_equal(uv_loop_init(&loop), 0);
	snprintf(text, sizeof text, ". {\nhosts %s {\nreload 1ms\n%s\n}\n}\n", path, body);
	if (site_setup(&site, &plugin_hosts, text) < 0 ||
		plugin_hosts.start(site.instance, &host, NULL, site.err) < 0)
		fail_msg("%s", site.err);
}

static void on_stopped(void *user)
{
	(void)user;
	stopped = true;
}

static void end(void)
{
	stopped = false;
	plugin_hosts.stop(site.instance, on_stopped, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(stopped);
	site_free(&site, &plugin_hosts);
	assert_int_equal(uv_loop_close(&loop), 0);
	captured_close(&captured);
	unlink(path);
}

/* Everything logged so far. */
static const char *logged(void)
{
	const size_t have = strlen(log_text);

	snprintf(log_text + have, sizeof log_text - have, "%s", captured_read(&captured));
	return log_text;
}

/* The loop runs until the log says it. */
static void says(const char *text)
{
	for (unsigned turns = 0; turns < 20000 && !strstr(logged(), text); turns++)
		uv_run(&loop, UV_RUN_ONCE);
	if (!strstr(log_text, text))
		fail_msg("the log does not say '%s': %s", text, log_text);
}

static void looks(unsigned count)
{
	while (count--)
		uv_run(&loop, UV_RUN_ONCE);
}

#define ASK(name, type, text) assert_string_equal(hosts_answer(site.instance, name, type), text)

static void test_file_is_followed(void **state)
{
	(void)state;
	hosts_write(path, "10.0.0.1 a\n");
	begin("");
	ASK("a", TYPE_A, "AA 10.0.0.1");
	hosts_write(path, "10.0.0.2 a\n10.0.0.3 b\n10.0.0.4 c\n");
	says("is read: 6 records");
	ASK("a", TYPE_A, "AA 10.0.0.2");
	ASK("b", TYPE_A, "AA 10.0.0.3");
	end();
}

static void test_file_that_comes_late(void **state)
{
	(void)state;
	begin("10.0.0.9 inline");
	says("[WARNING] plugin/hosts: F:2:7: cannot read '");
	says("No such file or directory; until it can be read only what stands in the Corefile");
	ASK("inline", TYPE_A, "AA 10.0.0.9");
	ASK("a", TYPE_A, "SERVFAIL");
	hosts_write(path, "10.0.0.1 a inline\n");
	says("is read: 6 records");
	ASK("a", TYPE_A, "AA 10.0.0.1");
	ASK("inline", TYPE_A, "AA 10.0.0.1 10.0.0.9");
	end();
}

static void test_file_that_goes_away(void **state)
{
	char kept[80];
	const char *at;

	(void)state;
	snprintf(kept, sizeof kept, "%s.kept", path);
	hosts_write(path, "10.0.0.1 a\n");
	begin("");
	assert_int_equal(rename(path, kept), 0);
	says("No such file or directory; what was last read of it is served on");
	looks(20);
	at = strstr(logged(), "cannot read");
	assert_null(strstr(at + 1, "cannot read"));
	ASK("a", TYPE_A, "AA 10.0.0.1");
	assert_int_equal(mkdir(path, 0700), 0);
	says("Is a directory; what was last read");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(kept, path), 0);
	says("is there again, unchanged");
	ASK("a", TYPE_A, "AA 10.0.0.1");
	assert_int_equal(truncate(path, HOSTS_FILE_MAX + 1), 0);
	says("it is larger than 64 MiB");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	says("it is no file");
	ASK("a", TYPE_A, "AA 10.0.0.1");
	end();
}

static void test_broken_lines_are_told(void **state)
{
	(void)state;
	hosts_write(path, "10.0.0.1 a\nx b\n10.0.0.2 ..\n10.0.0.3\n\x1b[2J c\ny\nz\n10.0.0.4 d\n");
	begin("");
	says(":2: 'x' is no address; the line is passed over");
	says(":3: '..' is no name; it is passed over");
	says(":4: '10.0.0.3' has no name behind it; the line is passed over");
	says(":5: '\\x1b[2J' is no address");
	says(": 1 further lines or names are passed over");
	ASK("d", TYPE_A, "AA 10.0.0.4");
	end();
}

static void test_never_again(void **state)
{
	(void)state;
	hosts_write(path, "10.0.0.1 a\n");
	begin("reload 0");
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0); /* nothing to wait for */
	hosts_write(path, "10.0.0.2 a\n");
	ASK("a", TYPE_A, "AA 10.0.0.1");
	end();
	begin("reload 0");
	says("and with 'reload 0' nobody looks again");
	end();
}

static void test_stop_at_any_time(void **state)
{
	struct hosts *hosts;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		hosts_write(path, "10.0.0.1 a\n");
		begin("");
		hosts = site.instance;
		hosts_write(path, "10.0.0.2 a\n");
		while (i % 2 && !hosts->working)
			uv_run(&loop, UV_RUN_ONCE);
		end();
	}
	/* and without a start */
	assert_int_equal(site_setup(&site, &plugin_hosts, ". {\nhosts\n}\n"), 0);
	stopped = false;
	plugin_hosts.stop(site.instance, on_stopped, NULL);
	assert_true(stopped);
	site_free(&site, &plugin_hosts);
}

/* ---- readers ---- */

struct reader {
	pthread_t thread;
	struct hosts *hosts;
	atomic_bool *over;
	unsigned bad;
};

/* The addresses of one version of the file, all of them. */
static bool whole(struct hosts *hosts)
{
	const struct hosts_table *table = atomic_load_explicit(&hosts->table, memory_order_acquire);
	uint8_t asked[QUERY_ASKED_MAX], buf[DNS_UDP_DEFAULT];
	const struct hosts_node *node;
	struct query query;
	struct reply reply;
	const uint8_t *rr;

	query_make((const uint8_t *)"\1a", 3, TYPE_A, asked, &query);
	reply_begin(&reply, &query, buf, sizeof buf);
	node = hosts_table_find(table, &query);
	if (!node)
		return false;
	hosts_table_put(table, node, HOSTS_A, 7, &reply);
	rr = buf + reply.body;
	return reply.count[REPLY_ANSWER] == 2 && memcmp(rr + 12, rr + 16 + 12, 3) == 0;
}

static void *reader_run(void *arg)
{
	struct reader *reader = arg;

	epoch_thread_start();
	while (!atomic_load(reader->over)) {
		epoch_online();
		for (unsigned i = 0; i < 50; i++)
			reader->bad += !whole(reader->hosts);
		epoch_offline();
	}
	epoch_thread_stop();
	return NULL;
}

static void test_readers_see_one_version(void **state)
{
	struct reader readers[2];
	atomic_bool over = false;
	char text[128], told[64];

	(void)state;
	hosts_write(path, "10.0.0.1 a\n10.0.0.2 a\n");
	begin("");
	for (unsigned i = 0; i < 2; i++) {
		readers[i] = (struct reader){.hosts = site.instance, .over = &over};
		assert_int_equal(
			pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
	}
	for (unsigned i = 1; i <= 100; i++) {
		int len = snprintf(text, sizeof text, "10.0.%u.1 a\n10.0.%u.2 a\n", i, i);

		for (unsigned j = 0; j < i % 5; j++)
			len += snprintf(text + len, sizeof text - (size_t)len, "fd00::%u b\n", j);
		snprintf(told, sizeof told, "is read: %u records\n", 4 + 2 * (i % 5));
		hosts_write(path, text);
		logged();
		log_text[0] = 0;
		says(told);
	}
	atomic_store(&over, true);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].bad, 0);
	}
	end();
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
		cmocka_unit_test(test_file_is_followed),
		cmocka_unit_test(test_file_that_comes_late),
		cmocka_unit_test(test_file_that_goes_away),
		cmocka_unit_test(test_broken_lines_are_told),
		cmocka_unit_test(test_never_again),
		cmocka_unit_test(test_stop_at_any_time),
		cmocka_unit_test(test_readers_see_one_version),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

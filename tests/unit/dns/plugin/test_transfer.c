/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets what: questions of all kinds to a block with a plugin that has zones. */
#include "site.h"

#include "dns/plugin/transfer.h"
#include "question.h"
#include "source.h"

#include <uv.h>

static const struct plugin plugin_fake = {.name = "fake", .transfer = &source_transfer};
static const struct plugin plugin_other = {.name = "other"};

static uv_loop_t loop;
static struct source source;
static struct recorder recorder;
static struct site site;
static struct captured_log captured;
static struct block_plugin plugins[3];
static struct block block;
static struct question question;
static unsigned wakes, stopped;

static void start(const char *body)
{
	char text[512];

	snprintf(text, sizeof text, ". {\n%s\n}", body);
	assert_int_equal(site_setup(&site, &plugin_transfer, text), 0);
	plugins[0] = (struct block_plugin){&plugin_other, NULL};
	plugins[1] = (struct block_plugin){&plugin_transfer, site.instance};
	plugins[2] = (struct block_plugin){&plugin_fake, &source};
	block = (struct block){.plugins = plugins, .plugin_count = 3};
	assert_int_equal(plugin_transfer.start(site.instance, &recorder.host, &block, site.err), 0);
}

static int setup(void **state)
{
	(void)state;
	source_init(&source);
	uv_loop_init(&loop);
	recorder_init(&recorder);
	recorder.host.loop = &loop;
	captured_open(&captured);
	wakes = stopped = 0;
	return 0;
}

static void on_stopped(void *user)
{
	(void)user;
	stopped++;
}

static int teardown(void **state)
{
	(void)state;
	plugin_transfer.stop(site.instance, on_stopped, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(stopped, 1);
	assert_null(source.changed);
	site_free(&site, &plugin_transfer);
	assert_int_equal(uv_loop_close(&loop), 0);
	captured_close(&captured);
	recorder_free(&recorder);
	return 0;
}

static void wake(void *ctx)
{
	(void)ctx;
	wakes++;
}

enum how { UDP, TCP };

/* serial of an IXFR question: -1: none. "NEXT", "STREAM", or rcode, flags, records. */
static const char *ask(const char *name, uint16_t type, int64_t serial, enum how how)
{
	static const struct stream_wake wake_call = {wake, NULL};
	static char text[64];
	char rcode[TYPE_TEXT_MAX];

	question_init(&question, name, type, 0, false, how == TCP);
	question.query.has_serial = serial >= 0;
	question.query.serial = (uint32_t)serial;
	question.txn.wake = how == TCP ? &wake_call : NULL;
	if (plugin_transfer.query(site.instance, &question.txn) == PLUGIN_NEXT)
		return "NEXT";
	if (question.txn.stream) {
		question.txn.stream->close(question.txn.stream);
		return "STREAM";
	}
	snprintf(text, sizeof text, "%s%s %u", rcode_to_text(question.reply.rcode, rcode),
		question.reply.flags & DNS_FLAG_AA ? " aa" : "",
		question.reply.count[REPLY_ANSWER]);
	return text;
}

static void test_axfr(void **state)
{
	(void)state;
	start("transfer {\nto 10.244.0.0/16\n}");
	assert_string_equal(ask("one", TYPE_AXFR, -1, TCP), "STREAM");
	assert_string_equal(ask("TWO", TYPE_AXFR, -1, TCP), "STREAM");
	assert_string_equal(ask("one", TYPE_AXFR, -1, UDP), "REFUSED 0");
	assert_string_equal(ask("foo.one", TYPE_AXFR, -1, TCP), "NOTAUTH 0");
	assert_string_equal(ask("three", TYPE_AXFR, -1, TCP), "NOTAUTH 0");
	assert_string_equal(ask("held", TYPE_AXFR, -1, TCP), "REFUSED 0");
	assert_string_equal(ask(".", TYPE_AXFR, -1, TCP), "NOTAUTH 0");
	assert_string_equal(ask("one", TYPE_SOA, -1, TCP), "NEXT");
	assert_string_equal(ask("one", TYPE_ANY, -1, UDP), "NEXT");
}

static void test_ixfr(void **state)
{
	(void)state;
	start("transfer {\nto 10.244.0.7\n}");
	assert_string_equal(ask("one", TYPE_IXFR, 99, TCP), "STREAM");
	assert_string_equal(ask("one", TYPE_IXFR, 100, TCP), "NOERROR aa 1");
	assert_string_equal(ask("one", TYPE_IXFR, 101, TCP), "NOERROR aa 1");
	/* RFC 1982: as far as can be, and farther */
	assert_string_equal(ask("one", TYPE_IXFR, 100u + 0x7fffffffu, TCP), "NOERROR aa 1");
	assert_string_equal(ask("one", TYPE_IXFR, 100u + 0x80000000u, TCP), "STREAM");
	assert_string_equal(ask("one", TYPE_IXFR, 4294967295u, TCP), "STREAM");
	/* over UDP who is behind learns that there is more */
	assert_string_equal(ask("one", TYPE_IXFR, 99, UDP), "NOERROR aa 1");
	assert_string_equal(ask("one", TYPE_IXFR, 100, UDP), "NOERROR aa 1");
	assert_string_equal(ask("one", TYPE_IXFR, -1, TCP), "FORMERR 0");
	assert_string_equal(ask("foo.one", TYPE_IXFR, 99, UDP), "NOTAUTH 0");
	assert_string_equal(ask("held", TYPE_IXFR, 99, UDP), "REFUSED 0");
}

static void test_peers(void **state)
{
	(void)state;
	start("transfer one {\nto 10.244.0.8\n}\ntransfer two {\nto *\n}");
	assert_string_equal(ask("one", TYPE_AXFR, -1, TCP), "REFUSED 0");
	assert_string_equal(ask("one", TYPE_IXFR, 99, UDP), "REFUSED 0");
	assert_string_equal(ask("one", TYPE_IXFR, -1, UDP), "REFUSED 0");
	assert_string_equal(ask("two", TYPE_AXFR, -1, TCP), "STREAM");
	/* a zone of no rule is for the next plugin to refuse */
	assert_string_equal(ask("held", TYPE_AXFR, -1, TCP), "NEXT");
}

static void test_not_complete(void **state)
{
	(void)state;
	start("transfer {\nto *\n}");
	source.complete = false;
	assert_string_equal(ask("one", TYPE_AXFR, -1, TCP), "SERVFAIL 0");
	assert_string_equal(question.txn.error, "the zone is not complete yet");
	assert_string_equal(ask("one", TYPE_IXFR, 99, UDP), "SERVFAIL 0");
	source.complete = true;
	/* a transport that has no streams */
	question_init(&question, "one", TYPE_AXFR, 0, false, true);
	assert_int_equal(plugin_transfer.query(site.instance, &question.txn), PLUGIN_DONE);
	assert_int_equal(question.reply.rcode, RCODE_SERVFAIL);
}

static void test_a_stream(void **state)
{
	static const struct stream_wake how = {wake, NULL};
	static uint8_t out[65535];
	struct stream *stream;

	(void)state;
	start("transfer {\nto *\n}");
	question_init(&question, "one", TYPE_AXFR, 0, false, true);
	question.txn.wake = &how;
	assert_int_equal(plugin_transfer.query(site.instance, &question.txn), PLUGIN_DONE);
	assert_true(question.reply.flags & DNS_FLAG_AA);
	stream = question.txn.stream;
	while (!wakes)
		uv_run(&loop, UV_RUN_ONCE);
	assert_true(stream->next(stream, out) > 0);
	assert_int_equal(stream->next(stream, out), 0);
	stream->close(stream);
}

/* Changes are told to single addresses only, for the zones that their line has. */
static void test_notify(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t packet[512];
	char body[200];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	snprintf(body, sizeof body,
		"transfer two held {\nto 127.0.0.0/8 * 127.0.0.1:%u\n}\n"
		"transfer one {\nto *\n}",
		ntohs(address.sin_port));
	source.complete = false;
	start(body);
	assert_non_null(source.changed);
	source.complete = true;
	source.changed(source.user);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(recv(fd, packet, sizeof packet, 0), 12 + 9 + 34);
	assert_int_equal(packet[2] >> 3, 4);
	assert_memory_equal(packet + 12, "\3two", 5);
	assert_int_equal(recv(fd, packet, sizeof packet, MSG_DONTWAIT), -1);
	close(fd);
}

static void test_nothing_to_transfer(void **state)
{
	(void)state;
	start("transfer example.org {\nto *\n}");
	assert_non_null(strstr(captured_read(&captured), "no plugin of the server block"));
}

static void test_mistakes(void **state)
{
	(void)state;
	site_refused(&plugin_transfer, ". {\ntransfer\n}", "F:2:1: transfer: to whom?");
}

/* Another plugin did not start: the instance is stopped as it is. */
static void test_stop_before_start(void **state)
{
	(void)state;
	assert_int_equal(site_setup(&site, &plugin_transfer, ". {\ntransfer {\nto *\n}\n}"), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_axfr),
		CASE(test_ixfr),
		CASE(test_peers),
		CASE(test_not_complete),
		CASE(test_a_stream),
		CASE(test_notify),
		CASE(test_nothing_to_transfer),
		cmocka_unit_test(test_mistakes),
		CASE(test_stop_before_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

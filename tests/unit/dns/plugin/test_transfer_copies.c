/* SPDX-License-Identifier: Apache-2.0 */
/* Copies and streams: on one thread with a source made for it, then over a cluster
 * that changes all the time, with the streams on threads of their own. */
#include "site.h"

#include "cache/cluster.h"
#include "cache/export.h"
#include "dns/plugin/transfer.h"
#include "question.h"
#include "source.h"
#include "tests/unit/cache/objects.h"

#include <pthread.h>
#include <semaphore.h>
#include <uv.h>

static uv_loop_t loop;
static struct source source;
static struct copies *copies;
static struct captured_log captured;
static struct question question;
static uint8_t out[65535];
static atomic_uint wakes;
static bool closed;

static void open_copies(struct copies_limits limits)
{
	assert_int_equal(copies_open(&loop, &limits, &copies), 0);
}

static int setup(void **state)
{
	(void)state;
	source_init(&source);
	uv_loop_init(&loop);
	captured_open(&captured);
	question_init(&question, "oNe", TYPE_AXFR, 1232, false, true);
	wakes = 0;
	closed = false;
	return 0;
}

static void on_closed(void *user)
{
	(void)user;
	closed = true;
}

static int teardown(void **state)
{
	(void)state;
	copies_close(copies, on_closed, NULL);
	source.hold = false;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(closed);
	copies_free(copies);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(source.takes - (source.take_error ? source.takes : 0), source.releases);
	captured_close(&captured);
	return 0;
}

static void wake(void *ctx)
{
	(void)ctx;
	wakes++;
}

static struct stream *ask(size_t zone)
{
	const struct transfer_origin origin = {&source_transfer, &source, zone};
	const struct stream_wake how = {wake, NULL};

	return copies_stream(copies, &origin, &question.query, &how, question.txn.peer);
}

static void run_until_woken(unsigned count)
{
	while (wakes < count)
		uv_run(&loop, UV_RUN_ONCE);
}

struct sums {
	size_t messages, records;
	uint32_t first, last; /* serials */
};

static size_t name_len(const uint8_t *at)
{
	size_t len = 0;

	while (at[len] && at[len] < 0xc0)
		len += 1u + at[len];
	return len + (at[len] ? 2 : 1);
}

static void message_add(const uint8_t *message, size_t len, struct sums *sums)
{
	const size_t count = (size_t)message[6] << 8 | message[7];
	size_t at = 12 + name_len(message + 12) + 4;

	sums->messages++;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *rr = message + at + name_len(message + at);
		const size_t rdata = (size_t)rr[8] << 8 | rr[9];

		if (rr[1] == TYPE_SOA) {
			const uint32_t serial = bytes_u32(rr + 10 + rdata - 20);

			sums->first = sums->records ? sums->first : serial;
			sums->last = serial;
		}
		sums->records++;
		at = (size_t)(rr - message) + 10 + rdata;
	}
	assert_true(at == len || at + 11 == len);
}

static struct sums read_all(struct stream *stream)
{
	struct sums sums = {.messages = 0};
	ssize_t n;

	while ((n = stream->next(stream, out)) > 0)
		message_add(out, (size_t)n, &sums);
	assert_int_equal(n, 0);
	stream->close(stream);
	return sums;
}

static void test_one_stream(void **state)
{
	struct stream *stream;
	ssize_t n;

	(void)state;
	open_copies((struct copies_limits){0});
	stream = ask(0);
	assert_int_equal(stream->next(stream, out), -EAGAIN);
	run_until_woken(1);
	n = stream->next(stream, out);
	/* header, question in the client's letters, SOA, three addresses, SOA, OPT */
	assert_int_equal(n, 12 + 9 + 2 * 34 + 18 + 2 * 16 + 11);
	assert_int_equal(out[0] << 8 | out[1], question.query.id);
	assert_int_equal(out[2] << 8 | out[3], 0x8500);
	assert_memory_equal(out + 12, "\3oNe\0\0\374\0\1", 9);
	assert_int_equal(stream->next(stream, out), 0);
	stream->close(stream);
	assert_non_null(strstr(captured_read(&captured),
		"Outgoing transfer of 5 records of zone one. to 10.244.0.7:41812 with serial 100"));
}

/* Those who ask for the same share the copy; the question is not what differs. */
static void test_shared(void **state)
{
	struct stream *streams[5];
	struct sums sums;

	(void)state;
	open_copies((struct copies_limits){0});
	source.records = 5000;
	for (unsigned i = 0; i < 4; i++)
		streams[i] = ask(0);
	question_init(&question, "ONE", TYPE_IXFR, 0, false, true);
	streams[4] = ask(0);
	run_until_woken(5);
	assert_int_equal(source.copies, 1);
	for (unsigned i = 0; i < 5; i++) {
		sums = read_all(streams[i]);
		assert_int_equal(sums.records, 5002);
		assert_true(sums.messages > 3);
		assert_int_equal(sums.first, 100);
		assert_int_equal(sums.last, 100);
	}
	/* and whoever comes a little later, until there is something new */
	streams[0] = ask(0);
	run_until_woken(6);
	assert_int_equal(source.copies, 1);
	source.serial = 101;
	streams[1] = ask(0);
	run_until_woken(7);
	assert_int_equal(source.copies, 2);
	/* the older one goes on */
	assert_int_equal(read_all(streams[0]).last, 100);
	assert_int_equal(read_all(streams[1]).last, 101);
	/* another zone is another copy */
	question_init(&question, "two", TYPE_AXFR, 0, false, true);
	streams[0] = ask(1);
	run_until_woken(8);
	assert_int_equal(source.copies, 3);
	read_all(streams[0]);
}

/* Who asks while a copy is made gets the next one: it may have seen a newer serial. */
static void test_never_older_than_the_question(void **state)
{
	struct stream *first, *second;

	(void)state;
	open_copies((struct copies_limits){0});
	source.hold = true;
	first = ask(0);
	while (source.takes == 0)
		uv_run(&loop, UV_RUN_ONCE);
	source.serial = 101;
	second = ask(0);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(source.takes, 1);
	source.hold = false;
	run_until_woken(2);
	assert_int_equal(read_all(first).last, 100);
	assert_int_equal(read_all(second).last, 101);
}

static void check_failure(const char *says)
{
	struct stream *stream = ask(0);
	const unsigned before = wakes;

	run_until_woken(before + 1);
	assert_int_equal(stream->next(stream, out), 12 + 9 + 11);
	assert_int_equal(out[3] & 15, RCODE_SERVFAIL);
	assert_int_equal(stream->next(stream, out), 0);
	stream->close(stream);
	assert_non_null(strstr(captured_read(&captured), says));
}

static void test_failures(void **state)
{
	struct stream *slow;

	(void)state;
	open_copies((struct copies_limits){.bytes = 60000});
	source.take_error = -EAGAIN;
	check_failure(
		"No transfer of zone one. to 10.244.0.7:41812: the cluster's objects are not");
	source.take_error = -ENOMEM;
	check_failure("Cannot allocate memory");
	source.take_error = 0;
	source.takes = 0;
	source.copy_error = -ENOMEM;
	check_failure("Cannot allocate memory");
	source.copy_error = 0;
	/* one copy fits; while it is being sent another one does not */
	source.records = 3000;
	slow = ask(0);
	run_until_woken(wakes + 1);
	source.serial = 101;
	check_failure("would take too much memory");
	assert_int_equal(read_all(slow).last, 100);
	assert_int_equal(source.takes, 3);
}

static void test_too_many(void **state)
{
	struct stream *streams[3];

	(void)state;
	open_copies((struct copies_limits){.streams = 2});
	streams[0] = ask(0);
	streams[1] = ask(0);
	assert_null(ask(0));
	streams[0]->close(streams[0]);
	streams[2] = ask(0);
	assert_non_null(streams[2]);
	run_until_woken(2);
	read_all(streams[1]);
	read_all(streams[2]);
}

static void test_closed_at_any_time(void **state)
{
	struct stream *waiting, *taken, *ready;

	(void)state;
	open_copies((struct copies_limits){0});
	waiting = ask(0);
	waiting->close(waiting);
	uv_run(&loop, UV_RUN_NOWAIT);
	source.hold = true;
	taken = ask(0);
	while (source.takes == 0)
		uv_run(&loop, UV_RUN_ONCE);
	taken->close(taken);
	source.hold = false;
	ready = ask(0);
	run_until_woken(1);
	assert_true(ready->next(ready, out) > 0);
	ready->close(ready);
	assert_int_equal(wakes, 1);
	/* the server ends while a copy is made: teardown */
	source.serial = 102;
	source.hold = true;
	taken = ask(0);
	while (source.takes < 3 && source.takes < source.releases + 1)
		uv_run(&loop, UV_RUN_ONCE);
	taken->close(taken);
}

static void test_time_limit(void **state)
{
	struct stream *stream;

	(void)state;
	open_copies((struct copies_limits){.stream_ms = 1});
	source.records = 5000;
	stream = ask(0);
	run_until_woken(1);
	usleep(5000);
	assert_int_equal(stream->next(stream, out), -ETIMEDOUT);
	stream->close(stream);
}

static void test_a_copy_is_not_kept_for_ever(void **state)
{
	struct stream *stream;

	(void)state;
	open_copies((struct copies_limits){.linger_ms = 1});
	stream = ask(0);
	run_until_woken(1);
	read_all(stream);
	usleep(3000);
	uv_run(&loop, UV_RUN_NOWAIT);
	stream = ask(0);
	run_until_woken(2);
	read_all(stream);
	assert_int_equal(source.copies, 2);
}

/* ---- over a cluster ---- */

#define SERVICES 200
#define READERS  2
#define ROUNDS   40

static struct cluster *cluster;
static atomic_uint readers;

static bool cluster_serial_get(void *instance, uint32_t *serial)
{
	(void)instance;
	*serial = cluster_serial(cluster);
	return cluster_complete(cluster);
}

static int cluster_take(void *instance, void **taken)
{
	struct zone_export *export;
	int rc = cluster_export(cluster, &export);

	(void)instance;
	if (rc == 0)
		*taken = export;
	return rc;
}

static int cluster_copy(
	void *taken, size_t zone, struct copy_account *account, struct zone_copy **copy)
{
	return export_zone(taken, zone, account, copy);
}

static void cluster_release(void *taken)
{
	export_free(taken);
}

static const struct transfer_source cluster_source = {.serial = cluster_serial_get,
	.take = cluster_take,
	.copy = cluster_copy,
	.release = cluster_release};

static void cluster_start(struct sink *sink)
{
	struct name zone;
	const struct cluster_config config = {
		.zones = &zone, .zone_count = 1, .ttl_s = 5, .negative_ttl_s = 5};

	name_from_text("cluster.local", 13, &zone);
	assert_int_equal(cluster_new(&config, &cluster), 0);
	*sink = cluster_sink(cluster, NULL, NULL);
	for (unsigned kind = KIND_NAMESPACE; kind <= KIND_SLICE; kind++) {
		sink->begin_replace(sink->ctx, (enum object_kind)kind);
		sink->end_replace(sink->ctx, (enum object_kind)kind, 1);
	}
}

/* One version: every Service's address and endpoint end in it, as its serial does. */
static void cluster_change(struct sink *sink, unsigned version)
{
	for (unsigned i = 0; i < SERVICES; i++) {
		char name[32], ip[32], endpoints[64];

		snprintf(name, sizeof name, "s%u", i);
		snprintf(ip, sizeof ip, "10.%u.%u.%u", i, version >> 8, version & 255);
		snprintf(endpoints, sizeof endpoints, "%s=h", ip);
		sink->upsert(sink->ctx, make_service_ports("shop", name, version,
						SERVICE_CLUSTER_IP, ip, "80:http:TCP"));
		sink->upsert(sink->ctx,
			make_slice_ports("shop", name, name, version, endpoints, "80:http:TCP"));
	}
	sink->settle(sink->ctx);
}

static void message_check(const uint8_t *message, int *version)
{
	const size_t count = (size_t)message[6] << 8 | message[7];
	size_t at = 12 + name_len(message + 12) + 4;

	for (size_t i = 0; i < count; i++) {
		const uint8_t *rr = message + at + name_len(message + at);
		const size_t rdata = (size_t)rr[8] << 8 | rr[9];
		const int one = rr[12] << 8 | rr[13];

		at = (size_t)(rr - message) + 10 + rdata;
		if (rr[1] != TYPE_A || rdata != 4)
			continue;
		if (*version >= 0 && one != *version)
			abort(); /* two versions in one transfer */
		*version = one;
	}
}

static void wake_reader(void *ctx)
{
	sem_post(ctx);
}

static int transfer_check(sem_t *woken, uint8_t *buf, uint32_t least)
{
	const struct transfer_origin origin = {&cluster_source, NULL, 0};
	const struct stream_wake how = {wake_reader, woken};
	struct stream *stream =
		copies_stream(copies, &origin, &question.query, &how, question.txn.peer);
	struct sums sums = {.messages = 0};
	int version = -1;
	ssize_t n;

	while ((n = stream->next(stream, buf)) != 0) {
		if (n == -EAGAIN) {
			while (sem_wait(woken) < 0)
				;
			continue;
		}
		if (n < 0 || (buf[3] & 15))
			abort();
		message_check(buf, &version);
		message_add(buf, (size_t)n, &sums);
	}
	stream->close(stream);
	if (sums.first != sums.last || sums.first - least > 0x7fffffffu ||
		sums.records != 4 + SERVICES * 6)
		abort();
	return version;
}

static void *reader_main(void *arg)
{
	uint8_t *buf = malloc(65535);
	sem_t woken;

	(void)arg;
	sem_init(&woken, 0, 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		transfer_check(&woken, buf, cluster_serial(cluster));
	sem_destroy(&woken);
	free(buf);
	readers--;
	return NULL;
}

static void test_one_version_while_all_changes(void **state)
{
	pthread_t threads[READERS];
	struct sink sink;
	unsigned version = 1;

	(void)state;
	open_copies((struct copies_limits){0});
	question_init(&question, "cluster.local", TYPE_AXFR, 0, false, true);
	cluster_start(&sink);
	cluster_change(&sink, version);
	readers = READERS;
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader_main, NULL), 0);
	while (readers > 0) {
		cluster_change(&sink, ++version);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(version > 3);
	log_set_fd(captured.fds[1]);
	teardown(state);
	cluster_free(cluster);
}

/* The plugin goes: who has asked gets the zone, and reads it when nothing else is left. */
static void test_streams_outlive_the_copies(void **state)
{
	struct stream *making, *waiting, *given_up;
	struct sums sums;

	(void)state;
	open_copies((struct copies_limits){0});
	source.hold = true;
	making = ask(0);
	while (!source.takes)
		uv_run(&loop, UV_RUN_ONCE);
	waiting = ask(1);
	given_up = ask(1);
	copies_close(copies, on_closed, NULL);
	source.hold = false;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(closed);
	copies_free(copies);
	assert_int_equal(wakes, 3);
	given_up->close(given_up);
	sums = read_all(waiting);
	assert_int_equal(sums.records, 5);
	sums = read_all(making);
	assert_int_equal(sums.records, 5);
	assert_int_equal(source.takes, source.releases);
	assert_int_equal(uv_loop_close(&loop), 0);
	captured_close(&captured);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_one_stream),
		CASE(test_shared),
		CASE(test_never_older_than_the_question),
		CASE(test_failures),
		CASE(test_too_many),
		CASE(test_closed_at_any_time),
		CASE(test_time_limit),
		CASE(test_a_copy_is_not_kept_for_ever),
		cmocka_unit_test_setup(test_streams_outlive_the_copies, setup),
		cmocka_unit_test_setup(test_one_version_while_all_changes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

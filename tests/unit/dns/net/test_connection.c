/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/net/connection.h"

#include "net_test.h"

#include <fcntl.h>

struct pair {
	struct recorder recorder;
	unsigned resumed;
	int waits; /* since it was resumed */
	struct connection connection;
	struct connection_io io;
	int fd; /* the client's end */
};

static void on_resume(struct connection *connection)
{
	struct pair *pair =
		(struct pair *)(void *)((char *)connection - offsetof(struct pair, connection));

	pair->resumed++;
	pair->waits = connection_turn(connection, &pair->io);
}

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof *pair);
	int fds[2], bytes = 1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	/* The least the kernel allows, so that an unread reply soon waits with us. */
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	recorder_init(&pair->recorder);
	pair->fd = fds[1];
	pair->connection.fd = fds[0];
	pair->connection.peer = address_v4("127.0.0.1", 4000);
	pair->connection.local = address_v4("127.0.0.1", 53);
	pair->io = (struct connection_io){
		.handler = &pair->recorder.handler,
		.thread = recorder_start(&pair->recorder),
		.tag = "tcp",
		.max_unsent = 65536,
		.resume = on_resume,
		.in = malloc(CONNECTION_IN_BYTES),
		.out = malloc(CONNECTION_OUT_BYTES),
	};
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	connection_close(&pair->connection, &pair->io);
	assert_int_equal(pair->io.held, 0);
	assert_false(pair->recorder.broken);
	recorder_stop(pair->io.thread);
	close(pair->fd);
	free(pair->io.in);
	free(pair->io.out);
	free(pair);
	return 0;
}

static int turn(struct pair *pair)
{
	return connection_turn(&pair->connection, &pair->io);
}

/* All that can be read now. */
static size_t drain(int fd, uint8_t *data, size_t cap)
{
	size_t have = 0;
	ssize_t n;

	while ((n = recv(fd, data + have, cap - have, MSG_DONTWAIT)) > 0)
		have += (size_t)n;
	return have;
}

/* The number of whole frames in data; their ids must rise by one from `first`. */
static unsigned frames_count(const uint8_t *data, size_t len, unsigned first)
{
	unsigned count = 0;
	size_t at = 0;

	while (at < len) {
		size_t message = (size_t)data[at] << 8 | data[at + 1];

		assert_true(at + 2 + message <= len);
		assert_int_equal(data[at + 2] << 8 | data[at + 3], first + count);
		at += 2 + message;
		count++;
	}
	return count;
}

static void pipelined_queries_are_one_batch(void **state)
{
	struct pair *pair = *state;
	uint8_t out[4096], in[16384];
	size_t len = 0;

	for (unsigned i = 0; i < 30; i++)
		len += frame_make(out + len, 500 + i, "pipelined");
	bytes_write(pair->fd, out, len);
	assert_int_equal(turn(pair), CONNECTION_READ);
	assert_int_equal(pair->io.answered, 30);
	assert_int_equal(pair->recorder.batches, 1);
	assert_int_equal(pair->io.held, 0);
	assert_int_equal(frames_count(in, drain(pair->fd, in, sizeof in), 500), 30);
	assert_int_equal(turn(pair), CONNECTION_READ);
	assert_int_equal(pair->io.answered, 0);
}

static void byte_by_byte(void **state)
{
	struct pair *pair = *state;
	uint8_t out[256], in[1024];
	size_t len = frame_make(out, 7, "byte");

	len += frame_make(out + len, 8, "by byte");
	for (size_t i = 0; i < len; i++) {
		bytes_write(pair->fd, out + i, 1);
		assert_int_equal(turn(pair), CONNECTION_READ);
		assert_true(pair->io.held <= 512);
	}
	assert_int_equal(pair->recorder.answers, 2);
	assert_int_equal(pair->io.held, 0);
	assert_int_equal(frames_count(in, drain(pair->fd, in, sizeof in), 7), 2);
}

/* Two writes, cut at every place. */
static void any_split(void **state)
{
	struct pair *pair = *state;
	uint8_t out[256], in[1024];
	size_t len = 0;

	for (unsigned i = 0; i < 3; i++)
		len += frame_make(out + len, i, "split here");
	for (size_t cut = 1; cut < len; cut++) {
		bytes_write(pair->fd, out, cut);
		assert_int_equal(turn(pair), CONNECTION_READ);
		bytes_write(pair->fd, out + cut, len - cut);
		assert_int_equal(turn(pair), CONNECTION_READ);
		assert_int_equal(frames_count(in, drain(pair->fd, in, sizeof in), 0), 3);
		assert_int_equal(pair->io.held, 0);
	}
}

static void a_length_alone_costs_little(void **state)
{
	struct pair *pair = *state;
	const uint8_t announced[] = {0xff, 0xff, 1, 2, 3};
	uint8_t *body = calloc(1, 65535), *in = malloc(70000);
	size_t sent = 3, have = 0;

	bytes_write(pair->fd, announced, sizeof announced);
	assert_int_equal(turn(pair), CONNECTION_READ);
	assert_true(pair->io.held <= 512);
	while (sent < 65535) {
		ssize_t n = send(pair->fd, body + sent, 65535 - sent < 3000 ? 65535 - sent : 3000,
			MSG_DONTWAIT);

		assert_true(n > 0);
		sent += (size_t)n;
		assert_true(turn(pair) > 0);
		assert_true(pair->connection.in.cap <= 2 * sent + 512);
		assert_true(pair->connection.in.cap <= 65537);
	}
	assert_int_equal(pair->recorder.answers, 1);
	for (int i = 0; i < 100 && have < 65537; i++) {
		have += drain(pair->fd, in + have, 70000 - have);
		assert_true(turn(pair) > 0);
	}
	assert_int_equal(have, 65537);
	assert_int_equal(pair->io.held, 0);
	free(body);
	free(in);
}

static void messages_without_a_header_end_it(void **state)
{
	static const uint8_t bad[][14] = {{0, 0}, {0, 1}, {0, 11}};

	for (size_t i = 0; i < 3; i++) {
		struct pair *pair;
		uint8_t out[256], in[1024];
		size_t len;

		setup(state);
		pair = *state;
		len = frame_make(out, 1, "good");
		memcpy(out + len, bad[i], 14);
		len += 14;
		len += frame_make(out + len, 2, "never reached");
		bytes_write(pair->fd, out, len);
		assert_int_equal(turn(pair), 0);
		/* What came before it is answered. */
		assert_int_equal(frames_count(in, drain(pair->fd, in, sizeof in), 1), 1);
		teardown(state);
	}
}

static void a_question_without_reply_keeps_the_connection(void **state)
{
	struct pair *pair = *state;
	uint8_t out[256], in[256];
	size_t len = frame_make(out, 1, "N");

	bytes_write(pair->fd, out, len);
	assert_int_equal(turn(pair), CONNECTION_READ);
	assert_int_equal(pair->io.answered, 1);
	assert_int_equal(drain(pair->fd, in, sizeof in), 0);
}

static void half_close_is_answered_first(void **state)
{
	struct pair *pair = *state;
	uint8_t out[256], in[1024];
	size_t len = frame_make(out, 1, "one");

	len += frame_make(out + len, 2, "two");
	len += frame_make(out + len, 3, "cut") - 1;
	bytes_write(pair->fd, out, len);
	shutdown(pair->fd, SHUT_WR);
	while (turn(pair) == CONNECTION_READ)
		;
	assert_true(pair->connection.ended);
	assert_int_equal(turn(pair), 0);
	assert_int_equal(frames_count(in, drain(pair->fd, in, sizeof in), 1), 2);
}

/* A client that asks for large replies and does not read them. */
static void a_slow_reader_is_not_read_from(void **state)
{
	struct pair *pair = *state;
	uint8_t out[64], *in = malloc(1 << 20);
	unsigned asked = 0, heard = 0;
	size_t have = 0, len;
	int waits = CONNECTION_READ;

	for (; asked < 200; asked++) {
		len = frame_make(out, 0x0101, "L\x9c\x40"); /* 40000 bytes */
		if (send(pair->fd, out, len, MSG_DONTWAIT) != (ssize_t)len)
			break;
		waits = turn(pair);
		assert_true(waits > 0);
		assert_true(pair->connection.out.len <= pair->io.max_unsent + 2 + 65535);
	}
	assert_true(asked > 10);
	assert_int_equal(waits, CONNECTION_WRITE);
	assert_true(pair->recorder.answers < 10);
	shutdown(pair->fd, SHUT_WR);
	for (int i = 0; i < 100000 && waits > 0; i++) {
		have += drain(pair->fd, in + have, (1 << 20) - have);
		while (have >= 40002) {
			assert_int_equal(in[0] << 8 | in[1], 40000);
			have -= 40002;
			memmove(in, in + 40002, have);
			heard++;
		}
		waits = turn(pair);
		assert_true(pair->connection.out.len <= pair->io.max_unsent + 2 + 65535);
	}
	assert_int_equal(waits, 0);
	heard += (unsigned)((have + drain(pair->fd, in + have, (1 << 20) - have)) / 40002);
	assert_int_equal(heard, asked);
	assert_int_equal(pair->recorder.answers, asked);
	free(in);
}

/* Many whole messages in one read, of which only the first can be answered. */
static void blocked_messages_wait_and_keep_their_order(void **state)
{
	struct pair *pair = *state;
	uint8_t out[8192], *in = malloc(1 << 20);
	unsigned count = 0;
	size_t len = 0, have = 0;
	int waits;

	pair->io.max_unsent = 1;
	for (unsigned i = 0; i < 40; i++) /* 8000 bytes, first byte i */
		len += frame_make(out + len, i << 8 | 1, "L\x1f\x40");
	bytes_write(pair->fd, out, len);
	waits = turn(pair);
	assert_true(pair->connection.blocked);
	assert_int_equal(waits, CONNECTION_WRITE);
	for (int i = 0; i < 1000 && count < 40; i++) {
		have += drain(pair->fd, in + have, (1 << 20) - have);
		for (; have >= 8002; count++) {
			assert_int_equal(in[2], count);
			have -= 8002;
			memmove(in, in + 8002, have);
		}
		assert_true(turn(pair) > 0);
	}
	assert_int_equal(count, 40);
	assert_int_equal(turn(pair), CONNECTION_READ);
	assert_int_equal(pair->io.held, 0);
	free(in);
}

static void a_vanished_peer_is_an_error(void **state)
{
	struct pair *pair = *state;
	uint8_t out[256];
	size_t len = frame_make(out, 1, "gone");

	bytes_write(pair->fd, out, len);
	shutdown(pair->fd, SHUT_RD);
	assert_int_equal(turn(pair), -EPIPE);
}

/* ---- streams ---- */

/* Take what has come and count the whole frames of `len` bytes: their first
 * bytes go to *seen. */
static void frames_take(int fd, uint8_t *in, size_t *have, char *seen)
{
	size_t at = 0, n = strlen(seen);

	*have += drain(fd, in + *have, (1 << 20) - *have);
	while (*have - at >= 2) {
		const size_t len = (size_t)in[at] << 8 | in[at + 1];

		if (*have - at < 2 + len)
			break;
		seen[n++] = (char)in[at + 2];
		at += 2 + len;
	}
	seen[n] = 0;
	*have -= at;
	memmove(in, in + at, *have);
}

/* More than the socket and max_unsent hold; another question, and another stream,
 * come while the first one is on its way. */
static void a_stream_is_sent_as_it_is_read(void **state)
{
	struct pair *pair = *state;
	uint8_t out[64], *in = malloc(1 << 20);
	char seen[512] = "", *found;
	size_t have = 0, most = 0;
	int waits = 0;

	bytes_write(pair->fd, out, frame_make(out, 'a' << 8 | 1, "S\xc8\x1f\x40"));
	assert_int_equal(turn(pair) & ~CONNECTION_READ, CONNECTION_WRITE);
	assert_int_equal(pair->recorder.streams_open, 1);
	bytes_write(pair->fd, out, frame_make(out, 'b' << 8 | 1, "S\x02\x1f\x40"));
	bytes_write(pair->fd, out, frame_make(out, 'c' << 8 | 1, "hello"));
	for (int i = 0; i < 10000 && strlen(seen) < 203; i++) {
		waits = turn(pair);
		assert_true(waits > 0);
		if (pair->connection.out.len > most)
			most = pair->connection.out.len;
		frames_take(pair->fd, in, &have, seen);
	}
	assert_int_equal(turn(pair), CONNECTION_READ);
	assert_int_equal(strlen(seen), 203);
	assert_true(most <= pair->io.max_unsent + 2 + 65535);
	found = strchr(seen, 'c');
	assert_true(found && found < seen + 60);
	memmove(found, found + 1, strlen(found));
	assert_int_equal(strspn(seen, "a"), 200);
	assert_string_equal(seen + 200, "bb");
	assert_int_equal(pair->recorder.streams_closed, 2);
	free(in);
}

static void a_stream_may_have_to_wait(void **state)
{
	struct pair *pair = *state;
	uint8_t out[64], *in = malloc(1 << 20);
	char seen[16] = "";
	size_t have = 0;

	bytes_write(pair->fd, out, frame_make(out, 'a' << 8 | 1, "W\3\1\1"));
	assert_int_equal(turn(pair), CONNECTION_READ | CONNECTION_WAKE);
	bytes_write(pair->fd, out, frame_make(out, 'b' << 8 | 1, "hello"));
	shutdown(pair->fd, SHUT_WR);
	while (turn(pair) & CONNECTION_READ)
		;
	/* the peer says no more, but it is not done */
	assert_int_equal(turn(pair), CONNECTION_WAKE);
	pair->recorder.open = true;
	assert_int_equal(turn(pair), 0);
	frames_take(pair->fd, in, &have, seen);
	assert_string_equal(seen, "baaa");
	assert_int_equal(pair->recorder.streams_closed, 1);
	free(in);
}

static void a_stream_that_breaks_off_ends_the_connection(void **state)
{
	struct pair *pair = *state;
	uint8_t out[64];

	bytes_write(pair->fd, out, frame_make(out, 'a' << 8 | 1, "E\2\1\1"));
	bytes_write(pair->fd, out, frame_make(out, 'b' << 8 | 1, "S\2\1\1"));
	assert_int_equal(turn(pair), -EIO);
}

/* The close belongs to whoever took the stream, at whatever moment. */
static void streams_are_closed_with_the_connection(void **state)
{
	struct pair *pair;
	uint8_t out[64];

	setup(state);
	pair = *state;
	bytes_write(pair->fd, out, frame_make(out, 'a' << 8 | 1, "W\2\1\1"));
	bytes_write(pair->fd, out, frame_make(out, 'b' << 8 | 1, "S\2\1\1"));
	assert_true(turn(pair) > 0);
	connection_close(&pair->connection, &pair->io);
	assert_int_equal(pair->recorder.streams_closed, 2);
	teardown(state);
}

/* ---- replies that come later ---- */

static void ask_later(struct pair *pair, unsigned first, unsigned count)
{
	uint8_t out[64];

	for (unsigned i = 0; i < count; i++)
		bytes_write(pair->fd, out, frame_make(out, first + i, "T"));
}

/* RFC 7766 section 6.2.1.1: in any order, and others are not held up. */
static void later_replies_in_any_order(void **state)
{
	struct pair *pair = *state;
	uint8_t out[64], *in = malloc(1 << 20);
	char seen[16] = "";
	size_t have = 0;

	ask_later(pair, 'a', 3);
	bytes_write(pair->fd, out, frame_make(out, 'n' << 8, "now"));
	assert_int_equal(turn(pair), CONNECTION_READ | CONNECTION_WAKE);
	frames_take(pair->fd, in, &have, seen);
	assert_string_equal(seen, "n");
	recorder_redeem(&pair->recorder, 2, 20);
	assert_int_equal(pair->waits, CONNECTION_READ | CONNECTION_WAKE);
	recorder_redeem(&pair->recorder, 0, 20);
	frames_take(pair->fd, in, &have, seen);
	assert_string_equal(seen, "nca");
	/* one that has no reply */
	recorder_redeem(&pair->recorder, 1, 0);
	assert_int_equal(pair->waits, CONNECTION_READ);
	assert_int_equal(pair->resumed, 3);
	frames_take(pair->fd, in, &have, seen);
	assert_string_equal(seen, "nca");
	assert_int_equal(pair->io.held, 0);
	free(in);
}

static void half_closed_clients_get_later_replies(void **state)
{
	struct pair *pair = *state;
	uint8_t *in = malloc(1 << 20);
	char seen[16] = "";
	size_t have = 0;

	ask_later(pair, 'a', 2);
	shutdown(pair->fd, SHUT_WR);
	while (turn(pair) & CONNECTION_READ)
		;
	assert_int_equal(turn(pair), CONNECTION_WAKE);
	recorder_redeem(&pair->recorder, 1, 65535);
	for (int i = 0; i < 1000 && pair->waits & CONNECTION_WRITE; i++) {
		frames_take(pair->fd, in, &have, seen);
		pair->waits = turn(pair);
	}
	assert_int_equal(pair->waits, CONNECTION_WAKE);
	frames_take(pair->fd, in, &have, seen);
	recorder_redeem(&pair->recorder, 0, 20);
	assert_int_equal(pair->waits, 0);
	frames_take(pair->fd, in, &have, seen);
	assert_string_equal(seen, "ba");
	free(in);
}

static void tickets_outlive_the_connection(void **state)
{
	struct pair *pair;

	setup(state);
	pair = *state;
	ask_later(pair, 'a', 5);
	assert_true(turn(pair) > 0);
	recorder_redeem(&pair->recorder, 3, 20);
	connection_close(&pair->connection, &pair->io);
	assert_int_equal(pair->connection.owed_count, 0);
	for (unsigned i = 0; i < 5; i++) {
		if (i != 3)
			recorder_redeem(&pair->recorder, i, i * 20);
	}
	assert_int_equal(pair->resumed, 1);
	teardown(state);
}

static void so_many_are_owed_and_no_more(void **state)
{
	struct pair *pair = *state;
	uint8_t in[4096];

	ask_later(pair, 0, 2 * CONNECTION_OWED_MAX);
	assert_int_equal(turn(pair), CONNECTION_WAKE);
	assert_int_equal(pair->recorder.ticket_count, CONNECTION_OWED_MAX);
	assert_int_equal(turn(pair), CONNECTION_WAKE);
	assert_true(pair->io.held < 16384);
	/* one comes, one goes */
	for (unsigned i = 0; i < CONNECTION_OWED_MAX; i++) {
		recorder_redeem(&pair->recorder, i, 20);
		assert_int_equal(pair->recorder.ticket_count, CONNECTION_OWED_MAX + i + 1);
		assert_int_equal(pair->connection.owed_count, CONNECTION_OWED_MAX);
		drain(pair->fd, in, sizeof in);
	}
	for (unsigned i = CONNECTION_OWED_MAX; i < 2 * CONNECTION_OWED_MAX; i++)
		recorder_redeem(&pair->recorder, i, 0);
	assert_int_equal(pair->waits, CONNECTION_READ);
	assert_int_equal(pair->recorder.ticket_count, 2 * CONNECTION_OWED_MAX);
}

/* A client that does not read has no more asked for it than what is owed already. */
static void a_slow_reader_of_later_replies(void **state)
{
	struct pair *pair = *state;
	uint8_t *in = malloc(1 << 20);
	char seen[256] = "";
	size_t have = 0;

	ask_later(pair, 1, 40);
	assert_true(turn(pair) > 0);
	for (unsigned i = 0; i < 40; i++)
		recorder_redeem(&pair->recorder, i, 60000);
	assert_int_equal(pair->waits, CONNECTION_WRITE);
	assert_true(pair->connection.out.len <= 40 * 60002);
	ask_later(pair, 41, 40);
	assert_int_equal(turn(pair), CONNECTION_WRITE);
	assert_int_equal(pair->recorder.ticket_count, 40);
	for (int i = 0; i < 10000 && strlen(seen) < 40; i++) {
		frames_take(pair->fd, in, &have, seen);
		assert_true(turn(pair) > 0);
	}
	assert_int_equal(strlen(seen), 40);
	assert_int_equal(turn(pair), CONNECTION_READ | CONNECTION_WAKE);
	assert_int_equal(pair->recorder.ticket_count, 80);
	for (unsigned i = 40; i < 80; i++)
		recorder_redeem(&pair->recorder, i, 0);
	assert_int_equal(pair->io.held, 0);
	free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pipelined_queries_are_one_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(any_split, setup, teardown),
		cmocka_unit_test_setup_teardown(a_length_alone_costs_little, setup, teardown),
		cmocka_unit_test(messages_without_a_header_end_it),
		cmocka_unit_test_setup_teardown(
			a_question_without_reply_keeps_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(half_close_is_answered_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_reader_is_not_read_from, setup, teardown),
		cmocka_unit_test_setup_teardown(
			blocked_messages_wait_and_keep_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vanished_peer_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stream_is_sent_as_it_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stream_may_have_to_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_stream_that_breaks_off_ends_the_connection, setup, teardown),
		cmocka_unit_test(streams_are_closed_with_the_connection),
		cmocka_unit_test_setup_teardown(later_replies_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			half_closed_clients_get_later_replies, setup, teardown),
		cmocka_unit_test(tickets_outlive_the_connection),
		cmocka_unit_test_setup_teardown(so_many_are_owed_and_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_reader_of_later_replies, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

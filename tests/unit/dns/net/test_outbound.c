/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/net/outbound.h"

#include "net_test.h"

/* Plain connections, turn by turn; what TLS adds is in test_tls.c. */

struct pair {
	int listener, fd; /* the server's */
	struct outbound outbound;
	unsigned messages;
	size_t len;
	uint8_t first; /* byte of the last message */
	int verdict;   /* what the sink says */
	bool shut;     /* and it closes the socket */
};

static int on_message(void *user, uint8_t *message, size_t len)
{
	struct pair *pair = user;

	pair->messages++;
	pair->len = len;
	pair->first = message[0];
	if (pair->shut)
		outbound_shut(&pair->outbound);
	return pair->verdict;
}

static int turn(struct pair *pair)
{
	return outbound_turn(&pair->outbound, &(struct outbound_sink){on_message, pair});
}

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof *pair);
	union address server = address_v4("127.0.0.1", 0);

	assert_non_null(pair);
	assert_int_equal(socket_bind(&server.sa, 0, SOCK_STREAM, &pair->listener, 1), 0);
	assert_int_equal(listen(pair->listener, 4), 0);
	assert_int_equal(socket_local(pair->listener, &server), 0);
	assert_int_equal(outbound_open(&pair->outbound, &server.sa, NULL, NULL), 0);
	assert_int_equal(pair->outbound.state, OUTBOUND_CONNECTING);
	assert_int_equal(outbound_waits(&pair->outbound), OUTBOUND_WRITE);
	pair->fd = accept(pair->listener, NULL, NULL);
	assert_true(pair->fd >= 0);
	fd_wait(pair->outbound.fd, POLLOUT);
	assert_int_equal(turn(pair), OUTBOUND_READ);
	assert_int_equal(pair->outbound.state, OUTBOUND_OPEN);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	outbound_free(&pair->outbound);
	outbound_shut(&pair->outbound);
	close(pair->fd);
	close(pair->listener);
	free(pair);
	return 0;
}

static void frames_go_out(void **state)
{
	struct pair *pair = *state;
	uint8_t frame[64], in[64];
	const size_t len = frame_make(frame, 0x1234, "hello");

	assert_int_equal(outbound_send(&pair->outbound, frame, len), OUTBOUND_READ);
	assert_int_equal(frame_receive(pair->fd, in), len - 2);
	assert_memory_equal(in, frame + 2, len - 2);
	assert_string_equal(outbound_words(&pair->outbound), "");
}

/* What the kernel does not take waits, in order, and the buffer goes when it is empty. */
static void what_is_not_taken_waits(void **state)
{
	struct pair *pair = *state;
	static uint8_t frame[2 + 65535], in[65536];
	unsigned sent = 0, received = 0;
	int waits = OUTBOUND_READ;

	frame[0] = frame[1] = 0xff;
	for (; waits == OUTBOUND_READ && sent < 1000; sent++) {
		frame[2] = (uint8_t)sent;
		waits = outbound_send(&pair->outbound, frame, sizeof frame);
	}
	assert_int_equal(waits, OUTBOUND_READ | OUTBOUND_WRITE);
	frame[2] = (uint8_t)sent++;
	assert_int_equal(outbound_send(&pair->outbound, frame, sizeof frame), waits);
	assert_true(pair->outbound.out.len > 65535);
	while (received < sent) {
		assert_int_equal(frame_receive(pair->fd, in), 65535);
		assert_int_equal(in[0], (uint8_t)received++);
		assert_true(turn(pair) > 0);
	}
	assert_int_equal(turn(pair), OUTBOUND_READ);
	assert_null(pair->outbound.out.data);
}

static void messages_in_any_pieces(void **state)
{
	struct pair *pair = *state;
	uint8_t frames[200];
	size_t len = 0;

	for (unsigned i = 0; i < 3; i++)
		len += frame_make(frames + len, (i + 1) << 8, "reply");
	for (size_t cut = 0; cut <= len; cut++) {
		pair->messages = 0;
		bytes_write(pair->fd, frames, cut);
		if (cut > 0)
			fd_wait(pair->outbound.fd, POLLIN);
		assert_int_equal(turn(pair), OUTBOUND_READ);
		bytes_write(pair->fd, frames + cut, len - cut);
		if (cut < len)
			fd_wait(pair->outbound.fd, POLLIN);
		assert_int_equal(turn(pair), OUTBOUND_READ);
		assert_int_equal(pair->messages, 3);
		assert_int_equal(pair->first, 3);
		assert_int_equal(pair->len, HEADER + 5);
	}
}

/* An announced length takes no memory: only bytes that have come do. */
static void a_length_alone_takes_no_memory(void **state)
{
	struct pair *pair = *state;
	static uint8_t frame[2 + 65535];

	frame[0] = frame[1] = 0xff;
	bytes_write(pair->fd, frame, 3000);
	for (size_t at = 0; at < 3000; at = pair->outbound.in.len) {
		fd_wait(pair->outbound.fd, POLLIN);
		assert_int_equal(turn(pair), OUTBOUND_READ);
	}
	assert_true(pair->outbound.in.cap < 9000);
	bytes_write(pair->fd, frame, sizeof frame - 3000);
	while (pair->messages == 0) {
		fd_wait(pair->outbound.fd, POLLIN);
		assert_int_equal(turn(pair), OUTBOUND_READ);
	}
	assert_int_equal(pair->len, 65535);
	assert_true(pair->outbound.in.cap < 9000);
}

static void the_end_of_the_stream_is_told_after_its_messages(void **state)
{
	struct pair *pair = *state;
	uint8_t frame[64];
	const size_t len = frame_make(frame, 1, "last");

	bytes_write(pair->fd, frame, len);
	shutdown(pair->fd, SHUT_WR);
	fd_wait(pair->outbound.fd, POLLIN);
	assert_int_equal(turn(pair), -ECONNRESET);
	assert_int_equal(pair->messages, 1);
}

static void a_message_too_short_is_an_error(void **state)
{
	struct pair *pair = *state;
	const uint8_t tiny[13] = {0, 11};

	bytes_write(pair->fd, tiny, sizeof tiny);
	fd_wait(pair->outbound.fd, POLLIN);
	assert_int_equal(turn(pair), -EPROTO);
	assert_int_equal(pair->messages, 0);
}

static void the_sink_may_end_it(void **state)
{
	struct pair *pair = *state;
	uint8_t frames[128];
	size_t len = frame_make(frames, 1, "one");

	len += frame_make(frames + len, 2, "two");
	pair->verdict = -ECANCELED;
	pair->shut = true;
	bytes_write(pair->fd, frames, len);
	fd_wait(pair->outbound.fd, POLLIN);
	assert_int_equal(turn(pair), -ECANCELED);
	assert_int_equal(pair->messages, 1);
	assert_int_equal(pair->outbound.fd, -1);
}

static void what_cannot_be_connected_leaves_nothing(void **state)
{
	struct pair *pair = *state;
	const union address server = address_v4("127.0.0.1", 1);
	const union address source = address_v4("192.0.2.77", 0); /* nobody's here */
	struct outbound outbound;

	(void)pair;
	assert_int_equal(outbound_open(&outbound, &server.sa, &source.sa, NULL), -EADDRNOTAVAIL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(frames_go_out),
		TEST(what_is_not_taken_waits),
		TEST(messages_in_any_pieces),
		TEST(a_length_alone_takes_no_memory),
		TEST(the_end_of_the_stream_is_told_after_its_messages),
		TEST(a_message_too_short_is_an_error),
		TEST(the_sink_may_end_it),
		TEST(what_cannot_be_connected_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

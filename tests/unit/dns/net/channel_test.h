/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CHANNEL_TEST_H
#define BINNACLE_TESTS_CHANNEL_TEST_H

/* A channel to a server that the test itself is: it accepts, reads and writes on real
 * sockets between the turns of the channel's loop, on one thread. */

#include "dns/net/channel.h"

#include "net_test.h"

#include <time.h>

#define QUESTIONS_MAX (CHANNEL_WAITING + 8 * CHANNEL_OUTSTANDING + 8)

struct fixture;

struct question {
	struct channel_ask ask;
	struct fixture *f;
	unsigned done;
	enum channel_end end;
	int rc;
	uint8_t reply[512];
	size_t len;
	void (*then)(struct question *question);
};

struct fixture {
	uv_loop_t loop;
	int listener;
	union address server;
	struct channel *channel;
	bool closed;
	unsigned done; /* questions that came to an end */
	bool inside;   /* of a call that may not call done */
	struct question questions[QUESTIONS_MAX];
};

static inline uint64_t test_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One turn of the loop; waits a little if there is nothing to do. */
static inline void fixture_turn(struct fixture *f)
{
	struct pollfd pollfd = {.fd = uv_backend_fd(&f->loop), .events = POLLIN};

	poll(&pollfd, 1, 2);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* Turns until the expression is true. */
#define TURN_UNTIL(f, expression)                                                                  \
	do {                                                                                       \
		const uint64_t turn_end_ms = test_now_ms() + WAIT_MS;                              \
		while (!(expression)) {                                                            \
			assert_true(test_now_ms() < turn_end_ms);                                  \
			fixture_turn(f);                                                           \
		}                                                                                  \
	} while (0)

static inline bool fd_ready(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 1;
}

static inline void on_done(
	struct channel_ask *ask, enum channel_end end, int rc, const uint8_t *reply, size_t len)
{
	struct question *question = ask->user;

	assert_false(question->f->inside);
	question->done++;
	question->f->done++;
	question->end = end;
	question->rc = rc;
	question->len = len;
	if (end == CHANNEL_REPLY)
		memcpy(question->reply, reply, len < sizeof question->reply ? len : 512);
	if (question->then)
		question->then(question);
}

static inline void fixture_listen(struct fixture *f)
{
	assert_int_equal(socket_bind(&f->server.sa, 0, SOCK_STREAM, &f->listener, 1), 0);
	assert_int_equal(listen(f->listener, 64), 0);
	assert_int_equal(socket_local(f->listener, &f->server), 0);
}

static inline struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	f->server = address_v4("127.0.0.1", 0);
	fixture_listen(f);
	return f;
}

static inline void fixture_channel(struct fixture *f, const struct channel_options *options)
{
	assert_int_equal(channel_new(&f->loop, &f->server.sa, options, &f->channel), 0);
}

static inline void on_channel_closed(void *user)
{
	struct fixture *f = user;

	f->closed = true;
}

static inline void fixture_free(struct fixture *f)
{
	if (f->channel)
		channel_close(f->channel, on_channel_closed, f);
	TURN_UNTIL(f, f->closed || !f->channel);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	if (f->listener >= 0)
		close(f->listener);
	free(f);
}

/* What channel_send() says; the question's ID is its number. */
static inline int question_try(struct fixture *f, unsigned number, const char *body)
{
	struct question *question = &f->questions[number];
	uint8_t message[600];
	size_t len = question_make(message, number, body);
	int rc;

	question->f = f;
	question->ask.done = on_done;
	question->ask.user = question;
	f->inside = true;
	rc = channel_send(f->channel, &question->ask, message, len);
	f->inside = false;
	return rc;
}

static inline struct question *question_send(struct fixture *f, unsigned number)
{
	char body[32];

	snprintf(body, sizeof body, "question %u", number);
	assert_int_equal(question_try(f, number, body), 0);
	return &f->questions[number];
}

static inline void question_cancel(struct question *question)
{
	question->f->inside = true;
	channel_cancel(&question->ask);
	question->f->inside = false;
}

static inline unsigned connections(const struct fixture *f)
{
	struct channel_stats stats;

	channel_stats(f->channel, &stats);
	return stats.connections;
}

/* --- the server --- */

static inline int server_accept(struct fixture *f)
{
	int fd;

	TURN_UNTIL(f, fd_ready(f->listener));
	fd = accept(f->listener, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

/* The next question, with a 0 behind it; its number is in its body. */
static inline unsigned server_read(struct fixture *f, int fd, uint8_t *message)
{
	size_t len;

	TURN_UNTIL(f, fd_ready(fd));
	len = frame_receive(fd, message);
	assert_true(len > HEADER);
	return (unsigned)atoi((char *)message + HEADER + strlen("question "));
}

static inline void server_reply(int fd, uint8_t *message)
{
	uint8_t frame[1024];
	const size_t len = HEADER + strlen((char *)message + HEADER);

	frame[0] = (uint8_t)(len >> 8);
	frame[1] = (uint8_t)len;
	memcpy(frame + 2, message, len);
	frame[2 + 2] |= 0x80;
	bytes_write(fd, frame, len + 2);
}

/* Read and answer one. */
static inline unsigned server_serve(struct fixture *f, int fd)
{
	uint8_t message[1024];
	const unsigned number = server_read(f, fd, message);

	server_reply(fd, message);
	return number;
}

static inline void check_answered(struct question *question)
{
	char body[32];
	const unsigned number = (unsigned)(question - question->f->questions);

	TURN_UNTIL(question->f, question->done);
	assert_int_equal(question->done, 1);
	assert_int_equal(question->end, CHANNEL_REPLY);
	assert_int_equal(question->rc, 0);
	snprintf(body, sizeof body, "question %u", number);
	assert_int_equal(question->len, HEADER + strlen(body));
	assert_int_equal(question->reply[0] << 8 | question->reply[1], number);
	assert_memory_equal(question->reply + HEADER, body, strlen(body));
}

static inline void check_failed(struct question *question, int rc)
{
	TURN_UNTIL(question->f, question->done);
	assert_int_equal(question->done, 1);
	assert_int_equal(question->end, CHANNEL_FAILED);
	assert_int_equal(question->rc, rc);
	assert_int_equal(question->len, 0);
}

static inline void check_server_sees_end(struct fixture *f, int fd)
{
	uint8_t byte;

	TURN_UNTIL(f, fd_ready(fd));
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

#endif

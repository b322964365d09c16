/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_NET_TEST_H
#define BINNACLE_TESTS_NET_TEST_H

/* What the tests of dns/net share: a handler whose replies say what it was
 * given, and sockets whose waits are bounded.
 *
 * A question is a 12-byte header and a body; the first body byte decides:
 *	'N'        no reply
 *	'L' hi lo  a reply of that many bytes, all equal to the header's first
 *	'T'        a ticket is taken, for a reply that comes later
 *	'S' n hi lo  a stream of n such messages; 'W': which waits until `open` is
 *	             set; 'E': which breaks off behind them
 *	else       header, body, then "peer=ADDRESS local=ADDRESS:PORT thread N"
 */

#include "dns/net/handler.h"
#include "dns/net/socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000
#define HEADER  12

#define TICKETS_MAX 512

struct recorder {
	struct net_handler handler;
	atomic_uint threads_started, threads_stopped, batches, answers;
	atomic_uint in_batch;       /* answers of the running batch, of any thread */
	atomic_uint batch_sizes[8]; /* of the first batches that had answers */
	atomic_uint batches_full;   /* how many of those there are */
	atomic_bool broken;         /* the calling order was violated */
	bool fail_start;
	_Atomic uint64_t signals_open; /* threads that do not block SIGTERM */
	char thread_name[16];          /* of the first that stopped */
	atomic_uint streams_open, streams_closed;
	atomic_bool open;
	struct stream_wake wake; /* of the last stream; read it once one is open */
	struct net_ticket *tickets[TICKETS_MAX];
	uint8_t ticket_ids[TICKETS_MAX]; /* the questions' second bytes */
	atomic_uint ticket_count;        /* of which so many are there, in order */
};

struct recorder_stream {
	struct stream stream;
	struct recorder *recorder;
	uint8_t how, byte;
	unsigned left;
	size_t len;
};

struct recorder_thread {
	struct recorder *recorder;
	bool inside;
	unsigned answers;
};

static inline void *recorder_start(void *ctx)
{
	struct recorder *recorder = ctx;
	struct recorder_thread *thread;
	sigset_t mask;

	if (recorder->fail_start)
		return NULL;
	thread = calloc(1, sizeof *thread);
	thread->recorder = recorder;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (!sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGINT))
		recorder->signals_open++;
	recorder->threads_started++;
	return thread;
}

static inline void recorder_stop(void *arg)
{
	struct recorder_thread *thread = arg;

	if (thread->inside)
		thread->recorder->broken = true;
	if (thread->recorder->threads_stopped++ == 0)
		pthread_getname_np(pthread_self(), thread->recorder->thread_name,
			sizeof thread->recorder->thread_name);
	free(thread);
}

static inline void recorder_begin(void *arg)
{
	struct recorder_thread *thread = arg;

	if (thread->inside)
		thread->recorder->broken = true;
	thread->inside = true;
	thread->answers = 0;
	thread->recorder->batches++;
}

static inline void recorder_end(void *arg)
{
	struct recorder_thread *thread = arg;
	unsigned at;

	if (!thread->inside)
		thread->recorder->broken = true;
	thread->inside = false;
	if (thread->answers == 0)
		return;
	at = thread->recorder->batches_full++;
	if (at < 8)
		thread->recorder->batch_sizes[at] = thread->answers;
}

static inline void address_text(const struct sockaddr *address, char *text, size_t cap)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;

		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
		snprintf(text, cap, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)address;

		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		snprintf(text, cap, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
	} else {
		snprintf(text, cap, "family %d", address->sa_family);
	}
}

static inline ssize_t recorder_stream_next(struct stream *stream, uint8_t *out)
{
	struct recorder_stream *self = (struct recorder_stream *)(void *)stream;

	if (self->how == 'W' && !self->recorder->open)
		return -EAGAIN;
	if (self->left == 0)
		return self->how == 'E' ? -EIO : 0;
	self->left--;
	memset(out, self->byte, self->len);
	return (ssize_t)self->len;
}

static inline void recorder_stream_close(struct stream *stream)
{
	struct recorder_stream *self = (struct recorder_stream *)(void *)stream;

	self->recorder->streams_closed++;
	free(self);
}

static inline struct stream *recorder_stream(
	struct recorder *recorder, const struct net_packet *packet)
{
	struct recorder_stream *self = calloc(1, sizeof *self);
	const uint8_t *body = packet->data + HEADER;

	*self = (struct recorder_stream){
		.stream = {recorder_stream_next, recorder_stream_close, NULL},
		.recorder = recorder,
		.how = body[0],
		.byte = packet->data[0],
		.left = body[1],
		.len = (size_t)body[2] << 8 | body[3],
	};
	recorder->wake = *packet->wake;
	recorder->streams_open++;
	return &self->stream;
}

/* One thread at a time. */
static inline void recorder_ticket(struct recorder *recorder, const struct net_packet *packet)
{
	const unsigned at = recorder->ticket_count;

	assert_true(at < TICKETS_MAX);
	recorder->ticket_ids[at] = packet->data[1];
	recorder->tickets[at] = packet->later(packet);
	assert_non_null(recorder->tickets[at]);
	recorder->ticket_count = at + 1;
}

/* The reply to ticket i: its question's second byte, len times. 0: none. */
static inline void recorder_redeem(struct recorder *recorder, unsigned i, size_t len)
{
	static uint8_t reply[65535];

	memset(reply, recorder->ticket_ids[i], len);
	recorder->tickets[i]->send(recorder->tickets[i], reply, len);
}

static inline void tickets_wait(const struct recorder *recorder, unsigned count)
{
	for (int i = 0; i < WAIT_MS && recorder->ticket_count < count; i++)
		poll(NULL, 0, 1);
	assert_int_equal(recorder->ticket_count, count);
}

static inline size_t recorder_answer(
	void *arg, const struct net_packet *packet, uint8_t *out, size_t cap)
{
	struct recorder_thread *thread = arg;
	char peer[64], local[64];
	int n;

	if (!thread->inside || cap != 65535)
		thread->recorder->broken = true;
	thread->recorder->answers++;
	thread->answers++;
	if (packet->len > HEADER && packet->data[HEADER] == 'N')
		return 0;
	if (packet->len > HEADER && packet->data[HEADER] == 'T') {
		recorder_ticket(thread->recorder, packet);
		return 0;
	}
	if (packet->len > HEADER + 3 && packet->stream && memchr("SWE", packet->data[HEADER], 3)) {
		*packet->stream = recorder_stream(thread->recorder, packet);
		return 0;
	}
	if (packet->len > HEADER + 2 && packet->data[HEADER] == 'L') {
		size_t len = (size_t)packet->data[HEADER + 1] << 8 | packet->data[HEADER + 2];

		memset(out, packet->data[0], len);
		return len;
	}
	if (packet->len > 60000) {
		memcpy(out, packet->data, packet->len);
		return packet->len;
	}
	memcpy(out, packet->data, packet->len);
	address_text(packet->peer, peer, sizeof peer);
	address_text(packet->local, local, sizeof local);
	n = snprintf((char *)out + packet->len, cap - packet->len, "peer=%s local=%s tag=%s", peer,
		local, packet->tag ? (const char *)packet->tag : "");
	return packet->len + (size_t)n;
}

static inline void recorder_init(struct recorder *recorder)
{
	memset(recorder, 0, sizeof *recorder);
	recorder->handler = (struct net_handler){
		.ctx = recorder,
		.thread_start = recorder_start,
		.thread_stop = recorder_stop,
		.batch_begin = recorder_begin,
		.answer = recorder_answer,
		.batch_end = recorder_end,
	};
}

static inline union address address_v4(const char *host, uint16_t port)
{
	union address address = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};

	assert_int_equal(inet_pton(AF_INET, host, &address.v4.sin_addr), 1);
	return address;
}

static inline union address address_v6(const char *host, uint16_t port)
{
	union address address = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};

	assert_int_equal(inet_pton(AF_INET6, host, &address.v6.sin6_addr), 1);
	return address;
}

static inline socklen_t address_size(const union address *address)
{
	return address->sa.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6;
}

static inline bool host_has_v6(void)
{
	union address address = address_v6("::1", 0);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool has = fd >= 0 && bind(fd, &address.sa, sizeof address.v6) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

/* A question of HEADER + strlen(body) bytes; its length. */
static inline size_t question_make(uint8_t *at, unsigned id, const char *body)
{
	memset(at, 0, HEADER);
	at[0] = (uint8_t)(id >> 8);
	at[1] = (uint8_t)id;
	memcpy(at + HEADER, body, strlen(body));
	return HEADER + strlen(body);
}

/* The same with its length in front, as over TCP. */
static inline size_t frame_make(uint8_t *at, unsigned id, const char *body)
{
	size_t len = question_make(at + 2, id, body);

	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
	return len + 2;
}

static inline void fd_wait(int fd, short events)
{
	struct pollfd pollfd = {.fd = fd, .events = events};

	assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
}

static inline void bytes_write(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		data += n;
		len -= (size_t)n;
	}
}

/* Up to len bytes; fewer only at the end of the stream (or a reset). */
static inline size_t bytes_receive(int fd, uint8_t *data, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n;

		fd_wait(fd, POLLIN);
		n = recv(fd, data + have, len - have, 0);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	return have;
}

/* The next framed message, with a 0 behind it; its length, 0 at the end. */
static inline size_t frame_receive(int fd, uint8_t *data)
{
	uint8_t length[2];
	size_t len;

	if (bytes_receive(fd, length, 2) < 2)
		return 0;
	len = (size_t)length[0] << 8 | length[1];
	assert_int_equal(bytes_receive(fd, data, len), len);
	data[len] = 0;
	return len;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include "dns/wire/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Datagrams looked at before other sockets have their turn. */
#define READS_PER_TURN 16

struct exchange {
	uv_poll_t poll;
	struct exchange_io *io;
	void (*done)(void *user, enum exchange_end end, int rc, const uint8_t *reply, size_t len);
	void *user;
	int fd;
	unsigned wrong;
	uint16_t id;
	size_t len;
	uint8_t question[];
};

void exchange_io_init(struct exchange_io *io, uv_loop_t *loop)
{
	io->loop = loop;
	io->wrong = 0;
	io->random_left = 0;
}

uint16_t exchange_random(struct exchange_io *io)
{
	uint16_t value;

	if (io->random_left < sizeof value) {
		/* Blocks of up to 256 bytes are never cut or interrupted (getrandom(2)). */
		while (getrandom(io->random, sizeof io->random, 0) < 0)
			;
		io->random_left = sizeof io->random;
	}
	io->random_left -= (unsigned)sizeof value;
	memcpy(&value, io->random + io->random_left, sizeof value);
	memset(io->random + io->random_left, 0, sizeof value);
	return value;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void exchange_close(struct exchange *exchange)
{
	uv_close((uv_handle_t *)&exchange->poll, on_closed);
	close(exchange->fd);
}

static void exchange_end(struct exchange *exchange, enum exchange_end end, int rc, size_t len)
{
	exchange_close(exchange);
	exchange->done(exchange->user, end, rc, exchange->io->reply, len);
}

/* Whether the bytes are a reply to this question (RFC 5452 section 9.1). Addresses and
 * ports are the connected socket's business. */
static bool is_reply(const struct exchange *exchange, const uint8_t *data, size_t len)
{
	const uint8_t *asked = exchange->question + DNS_HEADER_LEN;
	struct message message;
	size_t name_len;

	if (!message_open(data, len, &message) || message.id != exchange->id)
		return false;
	name_len = message.name_len;
	return exchange->len >= DNS_HEADER_LEN + name_len + 4 && name_equal(message.name, asked) &&
	       asked[name_len] == message.qtype >> 8 &&
	       asked[name_len + 1] == (message.qtype & 0xff) &&
	       asked[name_len + 2] == message.qclass >> 8 &&
	       asked[name_len + 3] == (message.qclass & 0xff);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct exchange *exchange = poll->data;
	struct exchange_io *io = exchange->io;

	(void)status; /* what is wrong with the socket, recv() says */
	(void)events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		const ssize_t n = recv(exchange->fd, io->reply, sizeof io->reply, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			exchange_end(exchange, EXCHANGE_FAILED, -errno, 0);
			return;
		}
		if (is_reply(exchange, io->reply, (size_t)n)) {
			exchange_end(exchange, EXCHANGE_REPLY, 0, (size_t)n);
			return;
		}
		io->wrong++;
		if (++exchange->wrong >= EXCHANGE_WRONG_MAX) {
			exchange_end(exchange, EXCHANGE_FORGED, 0, 0);
			return;
		}
	}
}

static socklen_t address_len(const struct sockaddr *address)
{
	return address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
}

static int socket_connect(const struct sockaddr *server, const struct sockaddr *source)
{
	const int fd = socket(server->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (source && bind(fd, source, address_len(source)) < 0)
		rc = -errno;
	if (rc == 0 && connect(fd, server, address_len(server)) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

int exchange_start(struct exchange_io *io, const struct sockaddr *server,
	const struct sockaddr *source, const uint8_t *question, size_t len,
	void (*done)(void *user, enum exchange_end end, int rc, const uint8_t *reply, size_t len),
	void *user, struct exchange **out)
{
	struct exchange *exchange = malloc(sizeof *exchange + len);
	int rc;

	if (!exchange)
		return -ENOMEM;
	exchange->io = io;
	exchange->done = done;
	exchange->user = user;
	exchange->wrong = 0;
	exchange->id = exchange_random(io);
	exchange->len = len;
	memcpy(exchange->question, question, len);
	exchange->question[0] = (uint8_t)(exchange->id >> 8);
	exchange->question[1] = (uint8_t)exchange->id;
	exchange->fd = rc = socket_connect(server, source);
	if (rc < 0) {
		free(exchange);
		return rc;
	}
	rc = uv_poll_init(io->loop, &exchange->poll, exchange->fd);
	if (rc < 0) {
		close(exchange->fd);
		free(exchange);
		return rc;
	}
	exchange->poll.data = exchange;
	rc = send(exchange->fd, exchange->question, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
	if (rc == 0)
		rc = uv_poll_start(&exchange->poll, UV_READABLE, on_readable);
	if (rc < 0) {
		exchange_close(exchange);
		return rc;
	}
	*out = exchange;
	return 0;
}

void exchange_resend(struct exchange *exchange)
{
	/* A failure may be the last one's, which the socket then forgets; an error that stays
	 * is read by on_readable(). */
	if (send(exchange->fd, exchange->question, exchange->len, MSG_NOSIGNAL) < 0)
		send(exchange->fd, exchange->question, exchange->len, MSG_NOSIGNAL);
}

void exchange_cancel(struct exchange *exchange)
{
	exchange_close(exchange);
}

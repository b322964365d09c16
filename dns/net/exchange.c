/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include "dns/wire/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Datagrams looked at before other sockets have their turn. */
#define READS_PER_TURN 16

struct exchange {
	struct port *port;
	struct exchange_io *io;
	void (*done)(void *user, enum exchange_end end, int rc, const uint8_t *reply, size_t len);
	void *user;
	unsigned wrong;
	bool again; /* sent twice: two replies may come */
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

/* quiet: there is nothing more to come for it. */
static void exchange_end(
	struct exchange *exchange, enum exchange_end end, int rc, size_t len, bool quiet)
{
	if (quiet)
		port_give(exchange->port);
	else
		port_close(exchange->port);
	exchange->done(exchange->user, end, rc, exchange->io->reply, len);
	free(exchange);
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

static void on_readable(struct port *port)
{
	struct exchange *exchange = port->user;
	struct exchange_io *io = exchange->io;

	for (int i = 0; i < READS_PER_TURN; i++) {
		const ssize_t n = recv(port->fd, io->reply, sizeof io->reply, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			exchange_end(exchange, EXCHANGE_FAILED, -errno, 0, false);
			return;
		}
		if (is_reply(exchange, io->reply, (size_t)n)) {
			exchange_end(exchange, EXCHANGE_REPLY, 0, (size_t)n,
				!exchange->again && !exchange->wrong);
			return;
		}
		io->wrong++;
		if (++exchange->wrong >= EXCHANGE_WRONG_MAX) {
			exchange_end(exchange, EXCHANGE_FORGED, 0, 0, false);
			return;
		}
	}
}

/* An error that an idle socket had may show only now: that one is not to be used. */
static int exchange_send(struct exchange *exchange, struct ports *ports)
{
	int rc = 0;
	bool was_used = true;

	while (was_used) {
		rc = port_take(ports, exchange_random(exchange->io), on_readable, exchange,
			&exchange->port);
		if (rc < 0)
			return rc;
		if (send(exchange->port->fd, exchange->question, exchange->len, MSG_NOSIGNAL) >= 0)
			return 0;
		rc = -errno;
		was_used = exchange->port->questions > 0;
		port_close(exchange->port);
	}
	return rc;
}

int exchange_start(struct exchange_io *io, struct ports *ports, const uint8_t *question, size_t len,
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
	exchange->again = false;
	exchange->id = exchange_random(io);
	exchange->len = len;
	memcpy(exchange->question, question, len);
	exchange->question[0] = (uint8_t)(exchange->id >> 8);
	exchange->question[1] = (uint8_t)exchange->id;
	rc = exchange_send(exchange, ports);
	if (rc < 0) {
		free(exchange);
		return rc;
	}
	*out = exchange;
	return 0;
}

void exchange_resend(struct exchange *exchange)
{
	const int fd = exchange->port->fd;

	exchange->again = true;
	/* A failure may be the last one's, which the socket then forgets; an error that stays
	 * is read by on_readable(). */
	if (send(fd, exchange->question, exchange->len, MSG_NOSIGNAL) < 0)
		send(fd, exchange->question, exchange->len, MSG_NOSIGNAL);
}

void exchange_cancel(struct exchange *exchange)
{
	port_close(exchange->port);
	free(exchange);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LENGTH_BYTES 2
#define HEADER_BYTES 12
#define IN_BYTES     2048  /* kept while the connection stands */
#define CHUNK_BYTES  16384 /* of what TLS makes of it, at a time */
/* Before other connections have their turn. */
#define READS_PER_TURN 8

/* --- buffers --- */

static int buffer_reserve(struct outbound_buffer *buffer, size_t cap)
{
	uint8_t *grown;

	if (cap <= buffer->cap)
		return 0;
	grown = realloc(buffer->data, cap);
	if (!grown)
		return -ENOMEM;
	buffer->data = grown;
	buffer->cap = cap;
	return 0;
}

static int buffer_append(struct outbound_buffer *buffer, const uint8_t *data, size_t len)
{
	const size_t need = buffer->len + len;
	int rc = 0;

	if (need > buffer->cap)
		rc = buffer_reserve(buffer, need > 2 * buffer->cap ? need : 2 * buffer->cap);
	if (rc < 0)
		return rc;
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	return 0;
}

static void buffer_free(struct outbound_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct outbound_buffer){0};
}

/* Above `keep` bytes nothing is held for the next time. */
static void buffer_consume(struct outbound_buffer *buffer, size_t len, size_t keep)
{
	buffer->len -= len;
	if (buffer->len > 0)
		memmove(buffer->data, buffer->data + len, buffer->len);
	else if (buffer->cap > keep)
		buffer_free(buffer);
}

/* --- out --- */

/* Bytes taken by the kernel, 0 if it takes none now, or a negative errno. */
static ssize_t bytes_send(int fd, const uint8_t *data, size_t len)
{
	ssize_t n;

	do
		n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	return errno == EPIPE ? -ECONNRESET : -errno;
}

static int out_flush(struct outbound *outbound)
{
	ssize_t n;

	if (outbound->out.len == 0)
		return 0;
	n = bytes_send(outbound->fd, outbound->out.data, outbound->out.len);
	if (n > 0)
		buffer_consume(&outbound->out, (size_t)n, 0);
	return n < 0 ? (int)n : 0;
}

/* Send behind what waits. */
static int out_put(struct outbound *outbound, const uint8_t *data, size_t len)
{
	ssize_t n = 0;

	if (outbound->out.len == 0)
		n = bytes_send(outbound->fd, data, len);
	if (n < 0)
		return (int)n;
	return (size_t)n < len ? buffer_append(&outbound->out, data + n, len - (size_t)n) : 0;
}

static int tls_out(struct outbound *outbound)
{
	uint8_t chunk[CHUNK_BYTES];
	size_t len;
	int rc = 0;

	while (rc == 0 && (len = tls_output(outbound->tls, chunk, sizeof chunk)) > 0)
		rc = out_put(outbound, chunk, len);
	return rc;
}

int outbound_waits(const struct outbound *outbound)
{
	if (outbound->state == OUTBOUND_CONNECTING)
		return OUTBOUND_WRITE;
	return OUTBOUND_READ | (outbound->out.len > 0 ? OUTBOUND_WRITE : 0);
}

int outbound_send(struct outbound *outbound, const uint8_t *frame, size_t len)
{
	int rc;

	if (!outbound->tls) {
		rc = out_put(outbound, frame, len);
	} else {
		rc = tls_write(outbound->tls, frame, len);
		if (rc == 0)
			rc = tls_out(outbound);
	}
	return rc < 0 ? rc : outbound_waits(outbound);
}

/* --- in --- */

/* Bytes, -EAGAIN, or a negative errno; the end of the stream is one. */
static ssize_t bytes_read(int fd, uint8_t *data, size_t cap)
{
	ssize_t n;

	do
		n = recv(fd, data, cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n == 0)
		return -ECONNRESET;
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static size_t message_len(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* Room for more: a message's buffer doubles, but not past its end. */
static int in_reserve(struct outbound_buffer *in)
{
	size_t cap = in->len * 2 > IN_BYTES ? in->len * 2 : IN_BYTES;

	if (in->len >= LENGTH_BYTES && LENGTH_BYTES + message_len(in->data) < cap)
		cap = LENGTH_BYTES + message_len(in->data);
	return buffer_reserve(in, cap > IN_BYTES ? cap : IN_BYTES);
}

/* Hand on what is whole. */
static int messages_take(struct outbound *outbound, const struct outbound_sink *sink)
{
	struct outbound_buffer *in = &outbound->in;
	size_t at = 0;

	while (in->len - at >= LENGTH_BYTES) {
		const size_t len = message_len(in->data + at);
		int rc;

		if (len < HEADER_BYTES)
			return -EPROTO;
		if (in->len - at - LENGTH_BYTES < len)
			break;
		rc = sink->message(sink->user, in->data + at + LENGTH_BYTES, len);
		if (rc != 0)
			return rc;
		at += LENGTH_BYTES + len;
	}
	if (at > 0)
		buffer_consume(in, at, IN_BYTES);
	return 0;
}

/* One read of the plain side: 0, -EAGAIN, or what ends the connection. */
static int plain_read(struct outbound *outbound, const struct outbound_sink *sink)
{
	struct outbound_buffer *in = &outbound->in;
	int rc = in_reserve(in);
	ssize_t n;

	if (rc < 0)
		return rc;
	if (outbound->tls)
		n = tls_read(outbound->tls, in->data + in->len, in->cap - in->len);
	else
		n = bytes_read(outbound->fd, in->data + in->len, in->cap - in->len);
	if (n <= 0)
		return n == 0 ? -ECONNRESET : (int)n;
	in->len += (size_t)n;
	return messages_take(outbound, sink);
}

/* From the socket into TLS: 0, -EAGAIN, or what ends the connection. */
static int cipher_read(struct outbound *outbound)
{
	uint8_t chunk[CHUNK_BYTES];
	const ssize_t n = bytes_read(outbound->fd, chunk, sizeof chunk);

	return n < 0 ? (int)n : tls_input(outbound->tls, chunk, (size_t)n);
}

/* All that is in TLS is read at once: the socket does not become ready for it again. */
static int tls_drain(struct outbound *outbound, const struct outbound_sink *sink)
{
	int rc, sent;

	do
		rc = plain_read(outbound, sink);
	while (rc == 0);
	if (outbound->fd < 0)
		return rc;
	sent = tls_out(outbound);
	return rc == -EAGAIN ? sent : rc;
}

static int cipher_turn(struct outbound *outbound, const struct outbound_sink *sink)
{
	const int rc = cipher_read(outbound);

	return rc < 0 ? rc : tls_drain(outbound, sink);
}

static int open_turn(struct outbound *outbound, const struct outbound_sink *sink)
{
	int rc = out_flush(outbound);

	/* What the server said before it closed may be there even so. */
	if (rc == -ECONNRESET)
		rc = 0;
	for (int i = 0; i < READS_PER_TURN && rc == 0; i++)
		rc = outbound->tls ? cipher_turn(outbound, sink) : plain_read(outbound, sink);
	return rc == -EAGAIN ? 0 : rc;
}

/* --- opening --- */

static int handshake_turn(struct outbound *outbound)
{
	int rc = out_flush(outbound);

	while (rc == 0) {
		const int shaken = tls_handshake(outbound->tls);

		rc = tls_out(outbound);
		if (shaken == 0)
			outbound->state = OUTBOUND_OPEN;
		if (shaken != -EAGAIN)
			return shaken < 0 ? shaken : rc;
		if (rc == 0)
			rc = cipher_read(outbound);
	}
	return rc == -EAGAIN ? 0 : rc;
}

/* 0 with the state unchanged: not yet. */
static int connecting_turn(struct outbound *outbound)
{
	struct pollfd pollfd = {.fd = outbound->fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof error;

	if (poll(&pollfd, 1, 0) != 1)
		return 0;
	if (getsockopt(outbound->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	if (error == 0)
		outbound->state = outbound->tls ? OUTBOUND_HANDSHAKE : OUTBOUND_OPEN;
	return -error;
}

int outbound_turn(struct outbound *outbound, const struct outbound_sink *sink)
{
	int rc = 0;

	if (outbound->state == OUTBOUND_CONNECTING)
		rc = connecting_turn(outbound);
	if (rc == 0 && outbound->state == OUTBOUND_HANDSHAKE) {
		rc = handshake_turn(outbound);
		/* More may have come with its end. */
		if (rc == 0 && outbound->state == OUTBOUND_OPEN)
			rc = tls_drain(outbound, sink);
	}
	if (rc == 0 && outbound->state == OUTBOUND_OPEN)
		rc = open_turn(outbound, sink);
	return rc < 0 ? rc : outbound_waits(outbound);
}

static socklen_t address_len(const struct sockaddr *address)
{
	return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					      : sizeof(struct sockaddr_in);
}

static int fd_connect(int fd, const struct sockaddr *server, const struct sockaddr *source)
{
	int on = 1;

	/* A question is written whole: waiting for more of them only costs time. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (source) {
		/* The port is chosen when the other end is known: there are more of them. */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
		if (bind(fd, source, address_len(source)) < 0)
			return -errno;
	}
	if (connect(fd, server, address_len(server)) == 0 || errno == EINPROGRESS)
		return 0;
	return -errno;
}

int outbound_open(struct outbound *outbound, const struct sockaddr *server,
	const struct sockaddr *source, struct tls_peer *peer)
{
	struct tls *tls = NULL;
	int fd = socket(server->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fd_connect(fd, server, source);
	if (rc == 0 && peer)
		rc = tls_open(peer, &tls);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*outbound = (struct outbound){.fd = fd, .state = OUTBOUND_CONNECTING, .tls = tls};
	return 0;
}

const char *outbound_words(const struct outbound *outbound)
{
	return outbound->tls ? tls_words(outbound->tls) : "";
}

void outbound_shut(struct outbound *outbound)
{
	if (outbound->fd < 0)
		return;
	if (outbound->tls && outbound->state == OUTBOUND_OPEN) {
		tls_end(outbound->tls);
		tls_out(outbound);
	}
	close(outbound->fd);
	outbound->fd = -1;
}

void outbound_free(struct outbound *outbound)
{
	outbound_shut(outbound);
	tls_free(outbound->tls);
	outbound->tls = NULL;
	buffer_free(&outbound->in);
	buffer_free(&outbound->out);
}

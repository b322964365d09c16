/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LENGTH_BYTES 2
#define HEADER_BYTES 12 /* a message without a whole header has no answer */
#define MESSAGE_MAX  65535
#define OUT_FLUSH    (CONNECTION_OUT_BYTES - LENGTH_BYTES - MESSAGE_MAX)
#define IN_FIRST     512
/* Before other connections have their turn. */
#define READS_PER_TURN    8
#define MESSAGES_PER_TURN 16

/* --- buffers --- */

static int buffer_reserve(struct buffer *buffer, size_t cap, struct connection_io *io)
{
	uint8_t *grown;

	if (cap <= buffer->cap)
		return 0;
	grown = realloc(buffer->data, cap);
	if (!grown)
		return -ENOMEM;
	io->held += cap - buffer->cap;
	buffer->data = grown;
	buffer->cap = cap;
	return 0;
}

static int buffer_append(
	struct buffer *buffer, const uint8_t *data, size_t len, struct connection_io *io)
{
	int rc = buffer_reserve(buffer, buffer->len + len, io);

	if (rc == 0 && len > 0) {
		memcpy(buffer->data + buffer->len, data, len);
		buffer->len += len;
	}
	return rc;
}

static void buffer_consume(struct buffer *buffer, size_t len, struct connection_io *io)
{
	buffer->len -= len;
	if (buffer->len > 0) {
		memmove(buffer->data, buffer->data + len, buffer->len);
		return;
	}
	io->held -= buffer->cap;
	free(buffer->data);
	*buffer = (struct buffer){0};
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
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

/* Send what waits and then this turn's replies; what the kernel does not take
 * waits. */
static int replies_flush(struct connection *connection, struct connection_io *io)
{
	size_t fresh = io->out_len;
	ssize_t n;

	io->out_len = 0;
	if (connection->out.len > 0) {
		int rc = buffer_append(&connection->out, io->out, fresh, io);

		if (rc < 0)
			return rc;
		n = bytes_send(connection->fd, connection->out.data, connection->out.len);
		if (n > 0)
			buffer_consume(&connection->out, (size_t)n, io);
		return n < 0 ? (int)n : 0;
	}
	if (fresh == 0)
		return 0;
	n = bytes_send(connection->fd, io->out, fresh);
	if (n < 0)
		return (int)n;
	if ((size_t)n == fresh)
		return 0;
	return buffer_append(&connection->out, io->out + n, fresh - (size_t)n, io);
}

/* 1: one more reply may be made. 0: the peer has to read first. */
static int replies_room(struct connection *connection, struct connection_io *io)
{
	int rc;

	if (connection->out.len + io->out_len <= io->max_unsent && io->out_len <= OUT_FLUSH)
		return 1;
	rc = replies_flush(connection, io);
	if (rc < 0)
		return rc;
	return connection->out.len <= io->max_unsent;
}

/* --- in --- */

static size_t message_len(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* Put a message that lies LENGTH_BYTES behind the end of the turn's replies to them. */
static void reply_frame(struct connection_io *io, size_t len)
{
	uint8_t *at = io->out + io->out_len;

	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
	io->out_len += LENGTH_BYTES + len;
}

static void stream_add(struct connection *connection, struct stream *stream)
{
	struct stream **end = &connection->streams;

	while (*end)
		end = &(*end)->after;
	stream->after = NULL;
	*end = stream;
}

static void stream_close_first(struct connection *connection)
{
	struct stream *stream = connection->streams;

	connection->streams = stream->after;
	stream->close(stream);
}

/* --- replies that come later --- */

struct connection_ticket {
	struct net_ticket ticket;
	struct connection *connection; /* NULL: it has closed */
	struct connection_io *io;
	struct connection_ticket *next, **at;
};

static void ticket_unlink(struct connection_ticket *ticket)
{
	*ticket->at = ticket->next;
	if (ticket->next)
		ticket->next->at = ticket->at;
	ticket->connection->owed_count--;
	ticket->connection = NULL;
}

static void ticket_send(struct net_ticket *base, const uint8_t *reply, size_t len)
{
	struct connection_ticket *ticket = (struct connection_ticket *)(void *)base;
	struct connection *connection = ticket->connection;
	const uint8_t frame[LENGTH_BYTES] = {(uint8_t)(len >> 8), (uint8_t)len};

	if (connection) {
		struct buffer *out = &connection->out;

		ticket_unlink(ticket);
		if (len && buffer_reserve(out, out->len + LENGTH_BYTES + len, ticket->io) == 0) {
			buffer_append(out, frame, LENGTH_BYTES, ticket->io);
			buffer_append(out, reply, len, ticket->io);
		}
		ticket->io->resume(connection);
	}
	free(ticket);
}

/* What messages of a connection carry. */
struct carrier {
	struct connection *connection;
	struct connection_io *io;
};

static struct net_ticket *ticket_new(const struct net_packet *packet)
{
	const struct carrier *carrier = packet->carrier;
	struct connection *connection = carrier->connection;
	struct connection_ticket *ticket = malloc(sizeof *ticket);

	if (!ticket)
		return NULL;
	*ticket = (struct connection_ticket){
		.ticket.send = ticket_send,
		.connection = connection,
		.io = carrier->io,
		.next = connection->owed,
		.at = &connection->owed,
	};
	if (ticket->next)
		ticket->next->at = &ticket->next;
	connection->owed = ticket;
	connection->owed_count++;
	return &ticket->ticket;
}

static void message_answer(
	struct connection *connection, struct connection_io *io, const uint8_t *data, size_t len)
{
	struct stream *stream = NULL;
	struct carrier carrier = {connection, io};
	struct net_packet packet = {
		.data = data,
		.len = len,
		.proto = NET_TCP,
		.tag = io->tag,
		.peer = &connection->peer.sa,
		.local = &connection->local.sa,
		.stream = &stream,
		.wake = &io->wake,
		.later = io->resume ? ticket_new : NULL,
		.carrier = &carrier,
	};
	size_t n = io->handler->answer(
		io->thread, &packet, io->out + io->out_len + LENGTH_BYTES, MESSAGE_MAX);

	io->answered++;
	if (stream)
		stream_add(connection, stream);
	else if (n > 0)
		reply_frame(io, n);
}

/* Send of the streams what the peer takes. */
static int streams_send(struct connection *connection, struct connection_io *io)
{
	connection->waiting = false;
	for (int i = 0; connection->streams && i < MESSAGES_PER_TURN; i++) {
		struct stream *stream = connection->streams;
		int room = replies_room(connection, io);
		ssize_t n;

		if (room <= 0)
			return room;
		n = stream->next(stream, io->out + io->out_len + LENGTH_BYTES);
		if (n == -EAGAIN) {
			connection->waiting = true;
			return 0;
		}
		if (n < 0)
			return (int)n;
		if (n == 0) {
			stream_close_first(connection);
			continue;
		}
		reply_frame(io, (size_t)n);
		io->streamed++;
	}
	return 0;
}

/* Answer the whole messages in data; *used says how far it got. A message that
 * cannot be one ends the reading, what follows it is thrown away. */
static int messages_answer(struct connection *connection, struct connection_io *io,
	const uint8_t *data, size_t len, size_t *used)
{
	size_t at = 0;

	connection->blocked = false;
	while (len - at >= LENGTH_BYTES) {
		size_t message = message_len(data + at);
		int room;

		if (message < HEADER_BYTES) {
			connection->ended = true;
			at = len;
			break;
		}
		if (len - at - LENGTH_BYTES < message)
			break;
		room = replies_room(connection, io);
		if (room < 0)
			return room;
		if (room == 0 || connection->owed_count >= CONNECTION_OWED_MAX) {
			connection->blocked = true;
			break;
		}
		message_answer(connection, io, data + at + LENGTH_BYTES, message);
		at += LENGTH_BYTES + message;
	}
	*used = at;
	return 0;
}

/* Answer from the connection's own buffer. */
static int pending_answer(struct connection *connection, struct connection_io *io)
{
	size_t used;
	int rc = messages_answer(connection, io, connection->in.data, connection->in.len, &used);

	if (rc == 0 && used > 0)
		buffer_consume(&connection->in, used, io);
	return rc;
}

/* 1: there may be more to read. 0: not now, or no more. */
static int bytes_read(struct connection *connection, uint8_t *data, size_t cap, size_t *len)
{
	ssize_t n;

	do
		n = recv(connection->fd, data, cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	*len = n > 0 ? (size_t)n : 0;
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	if (n == 0)
		connection->ended = true;
	return (size_t)n == cap;
}

/* Continue a message that has begun. Its buffer doubles, but not past its end:
 * the bytes behind it are better read by scratch_read(). */
static int partial_read(struct connection *connection, struct connection_io *io)
{
	struct buffer *in = &connection->in;
	size_t cap = in->len * 2 > IN_FIRST ? in->len * 2 : IN_FIRST;
	size_t len;
	int rc, more;

	if (in->len >= LENGTH_BYTES && LENGTH_BYTES + message_len(in->data) < cap)
		cap = LENGTH_BYTES + message_len(in->data);
	rc = buffer_reserve(in, cap, io);
	if (rc < 0)
		return rc;
	more = bytes_read(connection, in->data + in->len, in->cap - in->len, &len);
	if (more < 0)
		return more;
	in->len += len;
	rc = pending_answer(connection, io);
	return rc < 0 ? rc : more;
}

/* Read into the shared buffer: nothing is kept of messages that came whole. */
static int scratch_read(struct connection *connection, struct connection_io *io)
{
	size_t len, used;
	int more = bytes_read(connection, io->in, CONNECTION_IN_BYTES, &len);
	int rc;

	if (more < 0)
		return more;
	rc = messages_answer(connection, io, io->in, len, &used);
	if (rc == 0 && used < len)
		rc = buffer_append(&connection->in, io->in + used, len - used, io);
	return rc < 0 ? rc : more;
}

static int connection_progress(struct connection *connection, struct connection_io *io)
{
	int more = 1;

	if (connection->blocked) {
		int rc = pending_answer(connection, io);

		if (rc < 0)
			return rc;
	}
	for (int i = 0; i < READS_PER_TURN && more > 0; i++) {
		if (connection->blocked || connection->ended)
			break;
		more = connection->in.len > 0 ? partial_read(connection, io)
					      : scratch_read(connection, io);
	}
	if (more >= 0)
		more = streams_send(connection, io);
	return more < 0 ? more : replies_flush(connection, io);
}

int connection_turn(struct connection *connection, struct connection_io *io)
{
	int rc = 0, wait = 0;

	io->answered = io->streamed = 0;
	io->out_len = 0;
	if (connection->out.len > 0)
		rc = replies_flush(connection, io);
	if (rc == 0 && connection->out.len <= io->max_unsent) {
		io->handler->batch_begin(io->thread);
		rc = connection_progress(connection, io);
		io->handler->batch_end(io->thread);
	}
	if (rc < 0)
		return rc;
	if (connection->out.len > 0 ||
		(connection->blocked && connection->owed_count < CONNECTION_OWED_MAX) ||
		(connection->streams && !connection->waiting))
		wait |= CONNECTION_WRITE;
	if (connection->waiting || connection->owed_count)
		wait |= CONNECTION_WAKE;
	if (!connection->ended && !connection->blocked && connection->out.len <= io->max_unsent)
		wait |= CONNECTION_READ;
	return wait;
}

void connection_close(struct connection *connection, struct connection_io *io)
{
	close(connection->fd);
	connection->fd = -1;
	while (connection->streams)
		stream_close_first(connection);
	while (connection->owed)
		ticket_unlink(connection->owed);
	io->held -= connection->in.cap + connection->out.cap;
	free(connection->in.data);
	free(connection->out.data);
	connection->in = connection->out = (struct buffer){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_CONNECTION_H
#define BINNACLE_DNS_NET_CONNECTION_H

/* One connection's share of DNS over TCP: messages with a two-byte length in
 * front (RFC 1035 section 4.2.2), pipelined (RFC 7766). It knows neither loop nor
 * clock: somebody calls connection_turn() when the socket is ready.
 *
 * Memory follows what has arrived and could not be used yet. An idle connection
 * has no buffer; a partial message has one that grows with its bytes, not with
 * the length it announces; unsent replies are kept up to max_unsent and the
 * reply that passes it, and until they are below it nothing more is answered
 * or read.
 *
 * Replies that come later (handler.h) are sent when they are there, in any order
 * (RFC 7766 section 6.2.1.1); while CONNECTION_OWED_MAX are owed nothing more is read.
 *
 * Replies that are streams (dns/wire/stream.h) are sent one after the other in the
 * order of their questions, between them the answers to other questions.
 */

#include "handler.h"
#include "socket.h"

struct buffer { /* malloc'ed, NULL while empty */
	uint8_t *data;
	size_t len, cap;
};

struct connection_ticket;

struct connection {
	int fd; /* non-blocking, owned */
	union address peer, local;
	struct buffer in;       /* not answered yet; starts with a length */
	struct buffer out;      /* not sent yet */
	bool ended;             /* nothing more is read: the peer's FIN, or a broken message */
	bool blocked;           /* whole messages wait in `in` until `out` drains */
	struct stream *streams; /* the first one is being sent */
	bool waiting;           /* it has no message yet */
	/* Replies that come later, which hold a pointer to the connection. */
	struct connection_ticket *owed;
	unsigned owed_count;
};

/* What all connections of a listener share on one thread. */
struct connection_io {
	const struct net_handler *handler;
	void *thread; /* the handler's */
	const void *tag;
	size_t max_unsent;
	/* A reply that came later was put into `out`: turn the connection. */
	void (*resume)(struct connection *connection);
	struct stream_wake wake; /* whose call ends a connection's CONNECTION_WAKE */
	size_t held;             /* bytes in the buffers of all connections */
	size_t answered;         /* questions in the last turn */
	size_t streamed;         /* messages of streams in the last turn */
	size_t out_len;
	uint8_t *in, *out; /* scratch, CONNECTION_IN_BYTES and CONNECTION_OUT_BYTES */
};

#define CONNECTION_OWED_MAX  128
#define CONNECTION_IN_BYTES  16384
#define CONNECTION_OUT_BYTES (65536 + 2 + 65535)

enum { CONNECTION_READ = 1, CONNECTION_WRITE = 2, CONNECTION_WAKE = 4 };

/* Do all that can be done now: send what waits, answer whole messages, read on;
 * one batch of the handler. Returns what to wait for (of the enum above), 0 when
 * the connection is finished, or a negative errno: in both cases close it. */
int connection_turn(struct connection *connection, struct connection_io *io);
/* Closes the socket and the streams, and frees the buffers. */
void connection_close(struct connection *connection, struct connection_io *io);

#endif

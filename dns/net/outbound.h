/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_OUTBOUND_H
#define BINNACLE_DNS_NET_OUTBOUND_H

/* One connection to a server that we ask: messages with a two-byte length in front (RFC 1035
 * section 4.2.2), as they are or inside TLS. It knows neither loop nor clock: somebody
 * calls outbound_turn() when the socket is ready, and it knows of no question: what comes is
 * handed on message by message.
 *
 *	CONNECTING --> [HANDSHAKE] --> OPEN
 *
 * With a tls_peer nothing but TLS is ever written, and nothing of ours before the server has
 * proved who it is. Any error ends the connection.
 *
 * What has come of a message has a buffer that grows with its bytes, not with the length it
 * announces; what the kernel did not take waits, and whoever sends bounds it.
 */

#include "tls.h"

struct outbound_buffer { /* malloc'ed, NULL while empty */
	uint8_t *data;
	size_t len, cap;
};

enum outbound_state { OUTBOUND_CONNECTING, OUTBOUND_HANDSHAKE, OUTBOUND_OPEN };

struct outbound {
	int fd; /* non-blocking, owned; -1 after outbound_shut() */
	enum outbound_state state;
	struct tls *tls;            /* NULL: plain */
	struct outbound_buffer in;  /* starts with a length */
	struct outbound_buffer out; /* not sent yet; with TLS as it goes over the wire */
};

struct outbound_sink {
	/* A message of 12 bytes or more, which may be changed. Not 0: end with that, and
	 * touch nothing more. It may call outbound_shut(). */
	int (*message)(void *user, uint8_t *message, size_t len);
	void *user;
};

enum { OUTBOUND_READ = 1, OUTBOUND_WRITE = 2 };

/* Begin to connect. source NULL: any; peer NULL: plain. 0, or a negative errno and nothing
 * is left. */
int outbound_open(struct outbound *outbound, const struct sockaddr *server,
	const struct sockaddr *source, struct tls_peer *peer);
/* Do all that can be done now. What to wait for (of the enum above), or a negative errno:
 * -ECONNRESET: the server has ended it; -EPROTO: TLS, then outbound_words() says why, or a
 * message that cannot be one; what connect() and recv() say. */
int outbound_turn(struct outbound *outbound, const struct outbound_sink *sink);
/* A message with its length in front, when OPEN. What to wait for, or a negative errno. */
int outbound_send(struct outbound *outbound, const uint8_t *frame, size_t len);
int outbound_waits(const struct outbound *outbound);
const char *outbound_words(const struct outbound *outbound); /* "": there are none */

void outbound_shut(struct outbound *outbound); /* close the socket; again is allowed */
void outbound_free(struct outbound *outbound); /* and what it holds; not the struct */

#endif

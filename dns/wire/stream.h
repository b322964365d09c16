/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_STREAM_H
#define BINNACLE_DNS_WIRE_STREAM_H

/* A reply of many messages: a zone transfer over TCP (RFC 5936). Who answers
 * makes one instead of a message; the connection asks it for the next message
 * whenever the peer has taken what came before, so that a slow peer costs what
 * its connection may keep unsent and no more, whatever the size of the whole.
 * Questions that come on the connection meanwhile are answered in between.
 *
 *	next    12 00 ... 12 01 ...   -EAGAIN ... wake ... 12 02 ...   0   close
 *
 * next() and close() run on the connection's thread, next() inside a batch like
 * an answer; close() exactly once, also before the end.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream {
	/* Write the next message to out (65535 bytes); its length. 0: there is none
	 * any more. -EAGAIN: not yet; the wake is called when it makes sense to ask
	 * again. Any other negative errno: the connection is closed, as there is no
	 * other way to say in the middle that something went wrong. */
	ssize_t (*next)(struct stream *stream, uint8_t *out);
	void (*close)(struct stream *stream);
	struct stream *after; /* the connection's: the one that waits behind this one */
};

/* How a stream tells its connection that there is a message: from any thread,
 * never after close(). May come once too often. */
struct stream_wake {
	void (*call)(void *ctx);
	void *ctx;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_EXCHANGE_H
#define BINNACLE_DNS_NET_EXCHANGE_H

/* One question to one server over UDP, and its reply.
 *
 * Each has a socket to itself (port.h), at a port that the kernel picked at random, and an ID
 * from the kernel's CSPRNG (RFC 5452 section 4): who wants to forge a reply has to guess both
 * while the question is out. What comes and is not the reply (another ID, another
 * question, garbage, a question) is counted and thrown away; after EXCHANGE_WRONG_MAX of
 * them the question is better asked over TCP, where nothing can be guessed.
 *
 * Loop thread. No deadline of its own: whoever asks has a timer for more than this.
 */

#include "port.h"

#include <stdint.h>
#include <uv.h>

#define EXCHANGE_WRONG_MAX 2

/* What the exchanges of a loop share. */
struct exchange_io {
	uv_loop_t *loop;
	uint64_t wrong; /* replies thrown away */
	uint8_t random[256];
	unsigned random_left;
	uint8_t reply[UINT16_MAX];
};

void exchange_io_init(struct exchange_io *io, uv_loop_t *loop);
/* From the kernel's CSPRNG, fetched in blocks. */
uint16_t exchange_random(struct exchange_io *io);

enum exchange_end {
	EXCHANGE_REPLY,  /* QR, the ID and the question are right; the rest is hostile bytes */
	EXCHANGE_FORGED, /* too many wrong replies */
	EXCHANGE_FAILED  /* rc: -ECONNREFUSED, -ENETUNREACH ... */
};

struct exchange;

/* Ask the server of the ports; they may be closed while the exchange is under way. question: a
 * message with its header; its ID is replaced, and it is copied. done is called once, from the
 * loop, and the exchange is over then; never after exchange_cancel(). 0 or a negative errno
 * (-EMFILE, -ENETUNREACH, -ENOMEM). */
int exchange_start(struct exchange_io *io, struct ports *ports, const uint8_t *question, size_t len,
	void (*done)(void *user, enum exchange_end end, int rc, const uint8_t *reply, size_t len),
	void *user, struct exchange **out);
/* Send the same once more: the same socket and ID, so that there is still one question to
 * forge a reply to. */
void exchange_resend(struct exchange *exchange);
void exchange_cancel(struct exchange *exchange);

#endif

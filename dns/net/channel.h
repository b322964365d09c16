/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_CHANNEL_H
#define BINNACLE_DNS_NET_CHANNEL_H

/* Questions to one server over TCP (RFC 7766) or TLS (RFC 7858), on a loop thread.
 *
 * Connections are kept, and questions pipelined on them; replies come in any order and find
 * their question by an ID that is unique on its connection and from the kernel's CSPRNG. A
 * question goes over the connection with the fewest outstanding, of at most
 * CHANNEL_OUTSTANDING; another is opened when more wait than those that are being opened
 * will take, up to CHANNEL_CONNECTIONS. What waits is bounded by CHANNEL_WAITING
 * questions and CHANNEL_BYTES.
 *
 *	send --> waits for a connection --> out --> done
 *	               ^---- the server closed: once ----'
 *
 * What ends a connection:
 *	- the server closes it: questions that it has not answered go once more over a new
 *	  connection, and no other connection of then is given new ones (the server may have
 *	  restarted); the second time they fail;
 *	- a reply with an ID that is not out, a question, a message that is none, an error of
 *	  TLS: they fail with -EPROTO;
 *	- it cannot be opened: what waits fails, unless another is open or being opened;
 *	- it has been idle for expire_ms, or is older than max_age_ms and idle;
 *	- it has been silent for a second with questions out, and the last of them is
 *	  cancelled: it may be dead without a word. Until then it gets no new ones.
 *
 * With TLS nothing is ever sent in plain text, and nothing to a server whose certificate
 * does not verify: every question fails with -EPROTO then, and channel_error() says why.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <uv.h>

#define CHANNEL_CONNECTIONS 8
#define CHANNEL_OUTSTANDING 64
#define CHANNEL_WAITING     1024
#define CHANNEL_BYTES       (4 * 1024 * 1024)

struct channel;
struct tls_client;

enum channel_end { CHANNEL_REPLY, CHANNEL_FAILED };

/* One question under way, in the caller's memory: all zero before its first use, and left
 * alone until done or channel_cancel(); then it may be used again. */
struct channel_ask {
	/* Called once, from the loop or from channel_close(). A reply: rc 0 and its bytes, valid
	 * during the call, a header at least, QR set, with the ID of the question that was
	 * sent; the rest is the server's word. FAILED: no bytes, and rc is -ECONNREFUSED,
	 * -ETIMEDOUT, -ECONNRESET, -EPROTO, -ECANCELED (the channel is being closed), or what
	 * else a socket says. It may call anything of this header. */
	void (*done)(struct channel_ask *ask, enum channel_end end, int rc, const uint8_t *reply,
		size_t len);
	void *user;
	/* the channel's */
	struct channel *channel; /* NULL: not under way */
	struct channel_link *link;
	TAILQ_ENTRY(channel_ask) entry;
	uint8_t *frame;
	size_t len; /* of the frame */
	int rc;
	uint8_t state;
	uint16_t id; /* the caller's */
	unsigned slot;
	bool kept, again;
};

struct channel_options {               /* 0: the default */
	const struct tls_client *tls;  /* NULL: plain TCP */
	const char *server_name;       /* its certificate's; NULL: the server's address */
	unsigned expire_ms;            /* 10000 */
	unsigned max_age_ms;           /* 0: no bound */
	unsigned max_idle;             /* idle connections kept; 0: no bound but the above */
	unsigned connect_timeout_ms;   /* for TCP and TLS handshake together, 5000 */
	const struct sockaddr *source; /* NULL: any */
};

struct channel_stats { /* counters only rise; connections is a gauge */
	uint64_t opened, failed, resumed, asked_again;
	unsigned connections;
};

/* server, options and what they point to are copied, or kept alive as long as needed. No
 * connection is made yet. 0, -ENOMEM, or -EINVAL: no such server_name. */
int channel_new(uv_loop_t *loop, const struct sockaddr *server,
	const struct channel_options *options, struct channel **out);

/* Ask: a whole DNS message without length, copied, whose ID on the wire is another. 0: the
 * answer or the failure comes through ask->done, never from within this call. There is no
 * deadline but that of connecting: the caller cancels. A negative errno, and done is not
 * called: -EAGAIN (too much waits), -EINVAL (no message, or under way already), -ENOMEM,
 * -ECANCELED (being closed), or that of socket(), bind() and connect(), when nothing else is
 * open. */
int channel_send(
	struct channel *channel, struct channel_ask *ask, const uint8_t *message, size_t len);
void channel_cancel(struct channel_ask *ask); /* done is not called; one not under way: nothing */

/* It went over a connection that stood already; of one that has been asked again, the last. */
bool channel_took_kept(const struct channel_ask *ask);
/* What went wrong last, in words: "certificate verify failed: certificate has expired (upstream
 * tls://192.0.2.1:853)". "": nothing yet. Valid until the next call of the loop. */
const char *channel_error(const struct channel *channel);
void channel_stats(const struct channel *channel, struct channel_stats *out);

/* Questions under way fail with -ECANCELED first. closed (NULL: nobody) is called from the loop
 * when the last handle is gone and the memory is free. Once. */
void channel_close(struct channel *channel, void (*closed)(void *user), void *user);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_CHANNEL_LINK_H
#define BINNACLE_DNS_NET_CHANNEL_LINK_H

/* One connection of a channel on its loop: an outbound, the IDs that are out on it, and what
 * there is to know of it when a question looks for a connection. Which question goes where,
 * and what becomes of questions when a connection ends, is the channel's business.
 *
 *	link_open -> link_ask* -> link_close -> (the loop) -> io->closed
 *
 * A slot is an ID that is out. It stays taken when its question is cancelled, for the reply
 * may still come; many such slots use the connection up.
 */

#include "channel.h"
#include "outbound.h"

struct channel_link;

struct link_io { /* what the links of a channel share, and what they tell it */
	uv_loop_t *loop;
	struct tls_peer *peer; /* NULL: plain */
	unsigned expire_ms, max_age_ms, connect_timeout_ms;
	/* It has no slot any more. The bytes are valid during the call, which may close the link. */
	void (*reply)(
		struct channel_link *link, struct channel_ask *ask, uint8_t *message, size_t len);
	/* The socket was ready, all that was there is read; rc < 0: to be ended with that. Not
	 * for a link that has been closed meanwhile, but for `user` even so: link is NULL. */
	void (*turned)(struct channel_link *link, int rc, void *user);
	void (*closed)(void *user); /* and its memory is free */
	void *user;
	unsigned random_left;
	uint8_t random[256];
};

struct channel_link {
	uv_poll_t poll;
	TAILQ_ENTRY(channel_link) entry; /* the channel's */
	struct link_io *io;
	struct outbound outbound;
	int waits;          /* as outbound_turn() */
	int rc;             /* < 0: it is broken, and is due to be ended */
	unsigned live;      /* questions out, without those that were cancelled */
	uint64_t used;      /* a bit for each slot that is taken */
	uint64_t opened_ms; /* until it is open: when connecting began */
	uint64_t idle_ms;   /* when live became 0 */
	uint64_t heard_ms;  /* the last message came, or live was 0 */
	bool told_open;     /* for the channel: it has been counted as opened */
	bool retired;       /* no new questions; to be closed when live is 0 */
	bool closing;       /* its memory lives until io->closed */
	uint16_t ids[CHANNEL_OUTSTANDING];
	struct channel_ask *asks[CHANNEL_OUTSTANDING]; /* NULL in a taken slot: cancelled */
};

/* 0 or a negative errno. */
int link_open(struct link_io *io, const struct sockaddr *server, const struct sockaddr *source,
	struct channel_link **out);
/* Its questions are the caller's again, its memory still there until io->closed. */
void link_close(struct channel_link *link);

/* Send a question's frame, of a link that is usable. What goes wrong is in link->rc. */
void link_ask(struct channel_link *link, struct channel_ask *ask);
/* Of one that is out: its slot stays taken. */
void link_forget(struct channel_link *link, struct channel_ask *ask);

bool link_is_open(const struct channel_link *link);
bool link_is_usable(const struct channel_link *link); /* for one more question */
bool link_is_silent(const struct channel_link *link); /* nothing back for a second */
bool link_is_spent(const struct channel_link *link);  /* never usable again */
unsigned link_used(const struct channel_link *link);  /* slots */
/* When somebody has to look at it: broken, not open in time, idle too long, too old.
 * UINT64_MAX: only when its socket is ready. */
uint64_t link_due_ms(const struct channel_link *link);
/* What rc means for it, in words. */
void link_words(const struct channel_link *link, int rc, char *words, size_t cap);

#endif

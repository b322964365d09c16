/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_FORWARD_LOOKUP_H
#define BINNACLE_DNS_PLUGIN_FORWARD_LOOKUP_H

/* One question under way, as the files that bring it about share it: its life and its time
 * (forward_lookup.c, which says how it goes), what is sent (forward_send.c), what comes back
 * (forward_reply.c), and what it was good for (forward_outcome.c). Loop thread. */

#include "forward.h"

/* Header, question, OPT. */
#define LOOKUP_MESSAGE_MAX (DNS_HEADER_LEN + QUERY_ASKED_MAX + 11)

enum send_state { SEND_UDP, SEND_STREAM, SEND_OVER };

struct send {
	struct lookup *lookup;
	struct upstream *upstream;
	enum send_state state;
	struct exchange *exchange;
	struct channel_ask ask;
	uint64_t sent_ns;
	bool again;    /* was sent twice: the reply says nothing about time */
	bool told;     /* that it did not answer in time */
	bool answered; /* with something of no use */
};

struct lookup {
	struct table_link link;
	struct forward_line *line;
	uv_timer_t timer;
	struct waiter *waiters;
	struct send sends[FORWARD_SENDS_MAX];
	unsigned send_count;          /* sends[] in use */
	unsigned asked;               /* questions sent, again ones too */
	uint64_t started_ms, last_ms; /* the last question's */
	struct forwarded_answer *stale;
	struct forwarded_answer *fallback; /* an answer with a `failover` rcode */
	bool gave_stale, without_edns;
	uint16_t refusal; /* an rcode, or 0 */
	unsigned dropped; /* replies that could not be read */
	char why[224];    /* of the last failure */
	struct wait wait; /* the question */
	uint8_t message[LOOKUP_MESSAGE_MAX];
	size_t message_len;
};

/* ---- forward_lookup.c ---- */

/* Do what is due; the look-up may be over afterwards. */
void lookup_step(struct lookup *lookup);
/* Wait for what comes next. */
void lookup_wait(struct lookup *lookup);
/* It is over, with an answer (taken). */
void lookup_answered(struct lookup *lookup, struct forwarded_answer *answer);

/* ---- forward_send.c ---- */

/* The message to send, from the question. */
void lookup_message(struct lookup *lookup);
/* Ask an upstream. False: it could not be sent; lookup->why says so. */
bool send_begin(struct lookup *lookup, struct upstream *upstream);
/* The same upstream over a stream. 0 or a negative errno. */
int send_stream(struct send *send);
/* Ask somebody who was not asked, or else one who kept silent. False: there is nobody. */
bool send_next(struct lookup *lookup);
/* Somebody who was not asked; NULL: there is nobody. */
struct upstream *send_other(struct lookup *lookup);
/* The last one that is out; NULL: none is. */
struct send *send_last(struct lookup *lookup);
void send_stop(struct send *send);
/* It has not been answered in time: the upstream is told once. */
void send_is_late(struct send *send);
void send_why(struct lookup *lookup, const struct upstream *upstream, const char *text);

/* ---- forward_reply.c ---- */

void send_on_exchange(void *user, enum exchange_end end, int rc, const uint8_t *reply, size_t len);
void send_on_channel(
	struct channel_ask *ask, enum channel_end end, int rc, const uint8_t *reply, size_t len);

/* ---- forward_outcome.c ---- */

struct outcome *outcome_new(void); /* one reference; NULL: out of memory */
void outcome_say(struct outcome *outcome, uint16_t ede, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* An old answer after all (a reference is added). */
void outcome_stale(
	const struct cache *cache, struct outcome *outcome, struct forwarded_answer *stale);
/* An answer (taken) that may be what `next` waits for. */
void outcome_answer(struct outcome *outcome, const struct forward_options *options,
	struct forwarded_answer *answer, uint32_t ttl_s);
/* `serve_stale_policy prefer_positive`: an old answer rather than a denial. */
void outcome_prefer(const struct lookup *lookup, struct outcome *outcome);
/* Takes the reference; NULL: out of memory. */
void waiters_tell(struct waiter *waiters, struct outcome *outcome);
static inline bool rcode_in(uint32_t set, unsigned rcode)
{
	return rcode < 32 && set & 1u << rcode;
}

struct forwarded_question question_of(const struct wait *wait);
/* The block's cache, if it holds the name. */
const struct cache *cache_of(const struct forward *forward, const struct wait *wait);
/* What another look-up has stored since the client's thread looked, or what there is of
 * old. The answer is referenced. */
enum forwarded_state cache_look(struct forward *forward, const struct wait *wait, uint32_t *ttl_s,
	struct forwarded_answer **answer);
/* The TTL that the answer gets. Neither this nor a failure is stored where the next line is
 * asked after it: the table is the block's. */
uint32_t answer_store(struct lookup *lookup, struct forwarded_answer *answer);
/* It is a failure that `next` waits for. */
bool lookup_failure_passes_on(const struct lookup *lookup);
void failure_store(struct lookup *lookup);

#endif

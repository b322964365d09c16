/* SPDX-License-Identifier: Apache-2.0 */
/* What upstreams reply: hostile bytes, of which the transport has checked that they are a
 * reply to the question. An answer ends the look-up; what is of no use to the client is
 * noted, and somebody else is asked. */

#include "forward_lookup.h"

#include "dns/wire/type.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The rcode stands for what the upstream said; MALFORMED and LAME have none. */
static void send_useless(struct send *send, unsigned rcode, const char *text)
{
	struct lookup *lookup = send->lookup;

	send_stop(send);
	send->answered = true;
	lookup->refusal = (uint16_t)(rcode ? rcode : RCODE_SERVFAIL);
	send_why(lookup, send->upstream, text);
}

static bool fails_over(const struct lookup *lookup, const struct message *message)
{
	return rcode_in(lookup->line->options.failover_rcodes, message->rcode) &&
	       lookup->asked < FORWARD_SENDS_MAX;
}

/* A server that does not know EDNS (RFC 6891 section 7) is asked without it. */
static bool ask_without_edns(struct send *send, const struct message *message)
{
	struct lookup *lookup = send->lookup;

	if (lookup->without_edns || lookup->asked >= FORWARD_SENDS_MAX ||
		(message->rcode != RCODE_FORMERR && message->rcode != RCODE_NOTIMP))
		return false;
	lookup->without_edns = true;
	lookup_message(lookup);
	return send_begin(lookup, send->upstream);
}

static void reply_refused(struct send *send, const struct message *message)
{
	char text[32], rcode[TYPE_TEXT_MAX];

	snprintf(text, sizeof text, "it answers %s", rcode_to_text(message->rcode, rcode));
	send_useless(send, message->rcode, text);
	/* What it says without EDNS counts, and this does not. */
	if (ask_without_edns(send, message))
		send->answered = false;
}

static void reply_read(struct send *send, const uint8_t *reply, size_t len, bool streamed)
{
	struct lookup *lookup = send->lookup;
	const struct forwarded_question question = question_of(&lookup->wait);
	struct forwarded_answer *answer;
	struct message message;
	enum forwarded_verdict verdict = FORWARDED_MALFORMED;
	const uint64_t ns = uv_hrtime() - send->sent_ns;

	send->state = SEND_OVER;
	if (message_open(reply, len, &message)) {
		verdict = forwarded_answer_read(&message, &question, &answer);
		count_reply(send->upstream, message.rcode, ns);
	}
	upstream_replied(&send->upstream->state, forward_now_ms(),
		send->again || (streamed && !channel_took_kept(&send->ask))
			? 0
			: (uint32_t)(ns / 1000 < UINT32_MAX ? ns / 1000 : UINT32_MAX));
	upstream_changed(send->upstream);
	switch (verdict) {
	case FORWARDED_USABLE:
		if (!fails_over(lookup, &message)) {
			lookup_answered(lookup, answer);
			return;
		}
		forwarded_answer_unref(lookup->fallback);
		lookup->fallback = answer;
		send_useless(send, message.rcode, "another one is to be asked for this rcode");
		send->answered = true;
		break;
	case FORWARDED_TRUNCATED:
		if (streamed)
			send_useless(send, 0, "a cut reply over TCP");
		else if (send_stream(send) < 0)
			send_useless(send, 0, "cannot ask over TCP");
		break;
	case FORWARDED_REFUSED:
		reply_refused(send, &message);
		break;
	case FORWARDED_LAME:
		send_useless(send, 0, "it refers to other servers");
		break;
	case FORWARDED_MALFORMED:
		lookup->dropped++;
		send_useless(send, 0, "its reply cannot be read");
		break;
	case FORWARDED_NO_MEMORY:
		send_useless(send, 0, "out of memory");
		break;
	}
	lookup_step(lookup);
}

static void send_failed(struct send *send)
{
	send->state = SEND_OVER;
	send_is_late(send);
	lookup_step(send->lookup);
}

void send_on_exchange(void *user, enum exchange_end end, int rc, const uint8_t *reply, size_t len)
{
	struct send *send = user;

	count_wrong(send->lookup->line->forward);
	switch (end) {
	case EXCHANGE_REPLY:
		reply_read(send, reply, len, false);
		break;
	case EXCHANGE_FORGED:
		if (send_stream(send) == 0) {
			lookup_wait(send->lookup);
		} else {
			send_why(send->lookup, send->upstream,
				"forged replies, and it cannot be asked over TCP");
			send_failed(send);
		}
		break;
	case EXCHANGE_FAILED:
		send_why(send->lookup, send->upstream, strerror(-rc));
		send_failed(send);
		break;
	}
}

void send_on_channel(
	struct channel_ask *ask, enum channel_end end, int rc, const uint8_t *reply, size_t len)
{
	struct send *send = (struct send *)(void *)((char *)ask - offsetof(struct send, ask));
	struct lookup *lookup = send->lookup;

	if (end == CHANNEL_REPLY) {
		reply_read(send, reply, len, true);
		return;
	}
	if (rc == -EPROTO)
		snprintf(lookup->why, sizeof lookup->why, "%s",
			channel_error(send->upstream->channel));
	else
		send_why(lookup, send->upstream, strerror(-rc));
	send_failed(send);
}

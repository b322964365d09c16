/* SPDX-License-Identifier: Apache-2.0 */
#include "forward_lookup.h"

#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EDNS_DO 0x8000u

/* Header, question, OPT: we take what UDP carries unfragmented, say whether DNSSEC's records
 * are wanted, and ask to be told whether they were verified (RFC 6840 section 5.7). */
void lookup_message(struct lookup *lookup)
{
	const struct wait *wait = &lookup->wait;
	struct bytes_out out = bytes_out(lookup->message, sizeof lookup->message);

	bytes_put_u16(&out, 0);
	bytes_put_u16(&out, (uint16_t)(DNS_FLAG_RD | DNS_FLAG_AD |
				       (wait->checking_disabled ? DNS_FLAG_CD : 0)));
	bytes_put_u16(&out, 1);
	bytes_put_u16(&out, 0);
	bytes_put_u16(&out, 0);
	bytes_put_u16(&out, lookup->without_edns ? 0 : 1);
	bytes_put(&out, wait->name, wait->name_len);
	bytes_put_u16(&out, wait->type);
	bytes_put_u16(&out, CLASS_IN);
	if (!lookup->without_edns) {
		bytes_put_u8(&out, 0);
		bytes_put_u16(&out, TYPE_OPT);
		bytes_put_u16(&out, DNS_UDP_OURS);
		bytes_put_u16(&out, 0);
		bytes_put_u16(&out, wait->dnssec_ok ? EDNS_DO : 0);
		bytes_put_u16(&out, 0);
	}
	lookup->message_len = bytes_used(&out);
}

void send_why(struct lookup *lookup, const struct upstream *upstream, const char *text)
{
	snprintf(lookup->why, sizeof lookup->why, "%s: %s", upstream->text, text);
}

int send_stream(struct send *send)
{
	struct lookup *lookup = send->lookup;
	struct channel *channel = upstream_channel(send->upstream);
	int rc = -ENOMEM;

	send->ask.done = send_on_channel;
	if (channel)
		rc = channel_send(channel, &send->ask, lookup->message, lookup->message_len);
	send->state = rc == 0 ? SEND_STREAM : SEND_OVER;
	if (rc == 0)
		count_asked(send->upstream, true, channel_took_kept(&send->ask));
	return rc;
}

static int send_udp(struct send *send)
{
	struct lookup *lookup = send->lookup;
	struct ports *ports = upstream_ports(send->upstream);
	int rc = -ENOMEM;

	if (ports)
		rc = exchange_start(&lookup->line->forward->io, ports, lookup->message,
			lookup->message_len, send_on_exchange, send, &send->exchange);

	send->state = rc == 0 ? SEND_UDP : SEND_OVER;
	if (rc == 0)
		count_asked(send->upstream, false, false);
	return rc;
}

bool send_begin(struct lookup *lookup, struct upstream *upstream)
{
	struct send *send = &lookup->sends[lookup->send_count++];
	int rc;

	*send = (struct send){.lookup = lookup, .upstream = upstream, .sent_ns = uv_hrtime()};
	upstream_ref(upstream);
	lookup->asked++;
	lookup->last_ms = forward_now_ms();
	rc = upstream_is_streamed(upstream) ? send_stream(send) : send_udp(send);
	if (rc == 0)
		return true;
	send_why(lookup, upstream, strerror(-rc));
	upstream_missed(&upstream->state, lookup->last_ms);
	upstream_changed(upstream);
	return false;
}

/* The sends of this question to an upstream that still count against it: all, or those that
 * had an answer of no use. */
static uint32_t tried(const struct lookup *lookup, bool only_answered)
{
	const struct forward_line *line = lookup->line;
	uint32_t set = 0;

	for (unsigned u = 0; u < line->upstream_count; u++) {
		for (unsigned i = 0; i < lookup->send_count; i++) {
			const struct send *send = &lookup->sends[i];

			if (send->upstream == line->upstreams[u] &&
				(!only_answered || send->answered || send->state != SEND_OVER))
				set |= 1u << u;
		}
	}
	return set;
}

static struct upstream *choose(struct lookup *lookup, uint32_t not )
{
	struct forward_line *line = lookup->line;
	const struct upstream_state *states[FORWARD_UPSTREAMS_MAX];
	const uint32_t random = (uint32_t)exchange_random(&line->forward->io) << 16 |
				exchange_random(&line->forward->io);
	int at;

	for (unsigned i = 0; i < line->upstream_count; i++)
		states[i] = &line->upstreams[i]->state;
	at = upstream_choose(states, line->upstream_count, not, line->options.policy, random,
		line->turn, forward_now_ms());
	return at < 0 ? NULL : line->upstreams[at];
}

struct upstream *send_other(struct lookup *lookup)
{
	return choose(lookup, tried(lookup, false));
}

bool send_next(struct lookup *lookup)
{
	while (lookup->asked < FORWARD_SENDS_MAX) {
		struct upstream *upstream = send_other(lookup);

		if (!upstream)
			upstream = choose(lookup, tried(lookup, true));
		if (!upstream)
			return false;
		if (send_begin(lookup, upstream))
			return true;
	}
	return false;
}

void send_stop(struct send *send)
{
	if (send->state == SEND_UDP)
		exchange_cancel(send->exchange);
	else if (send->state == SEND_STREAM)
		channel_cancel(&send->ask);
	send->state = SEND_OVER;
}

struct send *send_last(struct lookup *lookup)
{
	for (unsigned i = lookup->send_count; i-- > 0;) {
		if (lookup->sends[i].state != SEND_OVER)
			return &lookup->sends[i];
	}
	return NULL;
}

void send_is_late(struct send *send)
{
	if (send->told)
		return;
	send->told = true;
	upstream_missed(&send->upstream->state, send->sent_ns / 1000000u);
	upstream_changed(send->upstream);
}

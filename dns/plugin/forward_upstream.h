/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_FORWARD_UPSTREAM_H
#define BINNACLE_DNS_PLUGIN_FORWARD_UPSTREAM_H

/* What is known of one upstream, and which one to ask. No I/O and no clock: times are
 * milliseconds of CLOCK_MONOTONIC that the caller gives. Loop thread.
 *
 *	          answers                    a question it did not answer in time
 *	GOOD  <------------  MISSING  <---------------------------------------- GOOD
 *	                        |  more than max_fails probes without an answer
 *	          answers       v
 *	GOOD  <------------   DOWN
 *
 * MISSING and DOWN are asked only when there is nobody better, and probed until they answer.
 * LAME (it said SERVFAIL or REFUSED where another one knew) passes with time. LOOPING is
 * asked nothing at all.
 */

#include "dns/net/socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPSTREAM_TEXT_MAX        64
#define UPSTREAM_PATIENCE_MIN_MS 50
#define UPSTREAM_PATIENCE_MAX_MS 300
#define UPSTREAM_PATIENCE_NEW_MS 100 /* nothing is known of it */
#define UPSTREAM_LAME_MS         2000

enum upstream_rank {
	UPSTREAM_GOOD,
	UPSTREAM_LAME,
	UPSTREAM_MISSING,
	UPSTREAM_DOWN,
	UPSTREAM_LOOPING
};

struct upstream_state {
	uint32_t srtt_us, deviation_us; /* RFC 6298 section 2; 0: not measured */
	uint64_t replied_ms;            /* the last reply of any kind */
	uint64_t lame_until_ms;
	unsigned failed_probes; /* in a row */
	bool missing, down, looping;
};

enum upstream_policy {
	POLICY_QUICKEST, /* ours, where none is given */
	POLICY_RANDOM,
	POLICY_ROUND_ROBIN,
	POLICY_SEQUENTIAL
};

/* A reply came, rtt_us after the question (0: not known, it was sent twice). */
void upstream_replied(struct upstream_state *state, uint64_t now_ms, uint32_t rtt_us);
/* No reply to a question sent at sent_ms, after the patience. Another question's reply since
 * then says that a packet was lost, not the upstream: it counts as that slow. */
void upstream_missed(struct upstream_state *state, uint64_t sent_ms);
/* A probe had no reply; true: it is down since this one. max_fails 0: never. */
bool upstream_probe_failed(struct upstream_state *state, unsigned max_fails);
/* It failed with a question that another one answered. */
void upstream_was_lame(struct upstream_state *state, uint64_t now_ms);

/* How long to wait for its reply before another one is asked: SRTT and four deviations,
 * within bounds. */
uint32_t upstream_patience_ms(const struct upstream_state *state);
enum upstream_rank upstream_rank(const struct upstream_state *state, uint64_t now_ms);

/* Which one of count to ask: of those with the best rank whose bit in tried is clear, as
 * the policy says; random is any number, turn counts questions. -1: none is left. With
 * POLICY_QUICKEST, of those about as quick as the quickest any; and now and then another
 * one, so that what is known of it does not grow old. */
int upstream_choose(const struct upstream_state *const *states, unsigned count, uint32_t tried,
	enum upstream_policy policy, uint32_t random, uint32_t turn, uint64_t now_ms);

#endif

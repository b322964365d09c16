/* SPDX-License-Identifier: Apache-2.0 */
#include "forward_upstream.h"

/* As quick as the quickest: within twice its time, or 5 ms. */
#define NEAR_US 5000
/* One question of so many goes to any upstream of the rank. */
#define EXPLORE_ONE_OF 64

static void measured(struct upstream_state *state, uint32_t rtt_us)
{
	if (!state->srtt_us) {
		state->srtt_us = rtt_us;
		state->deviation_us = rtt_us / 2;
		return;
	}
	const uint32_t off =
		rtt_us > state->srtt_us ? rtt_us - state->srtt_us : state->srtt_us - rtt_us;

	state->deviation_us = (uint32_t)(((uint64_t)state->deviation_us * 3 + off) / 4);
	state->srtt_us = (uint32_t)(((uint64_t)state->srtt_us * 7 + rtt_us) / 8);
	if (!state->srtt_us)
		state->srtt_us = 1;
}

void upstream_replied(struct upstream_state *state, uint64_t now_ms, uint32_t rtt_us)
{
	state->replied_ms = now_ms;
	state->failed_probes = 0;
	state->missing = state->down = false;
	if (rtt_us)
		measured(state, rtt_us);
}

void upstream_missed(struct upstream_state *state, uint64_t sent_ms)
{
	if (state->replied_ms < sent_ms || !state->replied_ms)
		state->missing = true;
	else
		measured(state, upstream_patience_ms(state) * 1000);
}

bool upstream_probe_failed(struct upstream_state *state, unsigned max_fails)
{
	const bool was = state->down;

	state->missing = true;
	state->failed_probes++;
	if (max_fails && state->failed_probes > max_fails)
		state->down = true;
	return state->down && !was;
}

void upstream_was_lame(struct upstream_state *state, uint64_t now_ms)
{
	state->lame_until_ms = now_ms + UPSTREAM_LAME_MS;
}

uint32_t upstream_patience_ms(const struct upstream_state *state)
{
	const uint64_t ms = ((uint64_t)state->srtt_us + 4 * (uint64_t)state->deviation_us) / 1000;

	if (!state->srtt_us)
		return UPSTREAM_PATIENCE_NEW_MS;
	if (ms < UPSTREAM_PATIENCE_MIN_MS)
		return UPSTREAM_PATIENCE_MIN_MS;
	return ms > UPSTREAM_PATIENCE_MAX_MS ? UPSTREAM_PATIENCE_MAX_MS : (uint32_t)ms;
}

enum upstream_rank upstream_rank(const struct upstream_state *state, uint64_t now_ms)
{
	if (state->looping)
		return UPSTREAM_LOOPING;
	if (state->down)
		return UPSTREAM_DOWN;
	if (state->missing)
		return UPSTREAM_MISSING;
	return now_ms < state->lame_until_ms ? UPSTREAM_LAME : UPSTREAM_GOOD;
}

/* Which may be chosen, as bits. */
static uint32_t candidates(
	const struct upstream_state *const *states, unsigned count, uint32_t tried, uint64_t now_ms)
{
	enum upstream_rank best = UPSTREAM_LOOPING;
	uint32_t set = 0;

	for (unsigned i = 0; i < count; i++) {
		const enum upstream_rank rank = upstream_rank(states[i], now_ms);

		if (tried & 1u << i || rank == UPSTREAM_LOOPING || rank > best)
			continue;
		set = rank < best ? 1u << i : set | 1u << i;
		best = rank;
	}
	return set;
}

static uint32_t near_quickest(
	const struct upstream_state *const *states, unsigned count, uint32_t set)
{
	uint32_t least_us = UINT32_MAX, near = 0;
	uint64_t bound_us;

	for (unsigned i = 0; i < count; i++) {
		if (set & 1u << i && states[i]->srtt_us < least_us)
			least_us = states[i]->srtt_us;
	}
	bound_us = (uint64_t)least_us + (least_us > NEAR_US ? least_us : NEAR_US);
	for (unsigned i = 0; i < count; i++) {
		if (set & 1u << i && states[i]->srtt_us <= bound_us)
			near |= 1u << i;
	}
	return near;
}

static int nth_of(uint32_t set, uint32_t n)
{
	for (; n; n--)
		set &= set - 1;
	return __builtin_ctz(set);
}

int upstream_choose(const struct upstream_state *const *states, unsigned count, uint32_t tried,
	enum upstream_policy policy, uint32_t random, uint32_t turn, uint64_t now_ms)
{
	uint32_t set = candidates(states, count, tried, now_ms);

	if (!set)
		return -1;
	switch (policy) {
	case POLICY_SEQUENTIAL:
		return nth_of(set, 0);
	case POLICY_ROUND_ROBIN:
		return nth_of(set, turn % (uint32_t)__builtin_popcount(set));
	case POLICY_QUICKEST:
		if (random % EXPLORE_ONE_OF)
			set = near_quickest(states, count, set);
		random /= EXPLORE_ONE_OF;
		break;
	case POLICY_RANDOM:
		break;
	}
	return nth_of(set, random % (uint32_t)__builtin_popcount(set));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "backoff.h"

#define NAMED_SPREAD_MS 250u
#define NAMED_MAX_S     86400u

/* base + [0, base) */
static uint64_t spread(uint32_t base_ms, uint32_t random)
{
	return base_ms + (((uint64_t)random * base_ms) >> 32);
}

uint64_t backoff_next(struct backoff *backoff, uint64_t now_ms, uint32_t random)
{
	uint32_t base_ms = backoff->next_ms;

	if (base_ms == 0 || now_ms - backoff->last_ms >= BACKOFF_QUIET_MS)
		base_ms = BACKOFF_FIRST_MS;
	backoff->last_ms = now_ms;
	backoff->next_ms = base_ms * 2 < BACKOFF_CAP_MS ? base_ms * 2 : BACKOFF_CAP_MS;
	return spread(base_ms, random);
}

uint64_t backoff_refused(struct backoff *backoff, uint64_t now_ms, uint32_t random)
{
	if (backoff->refusals < BACKOFF_REFUSALS) {
		backoff->refusals++;
		return backoff_next(backoff, now_ms, random);
	}
	backoff->last_ms = now_ms;
	return spread(BACKOFF_CAP_MS, random);
}

void backoff_accepted(struct backoff *backoff)
{
	backoff->refusals = 0;
}

void backoff_reset(struct backoff *backoff)
{
	*backoff = (struct backoff){0};
}

uint64_t backoff_named(uint32_t seconds, uint32_t random)
{
	const uint64_t kept = seconds < NAMED_MAX_S ? seconds : NAMED_MAX_S;

	return kept * 1000 + random % NAMED_SPREAD_MS;
}

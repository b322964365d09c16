/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_BACKOFF_H
#define BINNACLE_WATCH_BACKOFF_H

/* How long to wait before the API server is asked again: client-go's reflector
 * backoff. A delay is drawn from [d, 2d); d is 0.8 s, doubles with each delay up
 * to 30 s, and starts again after two minutes without a delay.
 *
 * Refusals (401, 403) are not cured by asking often: after BACKOFF_REFUSALS quick
 * ones in a row (a role may be granted in the same moment, an API server that has
 * just started may not know its roles yet) they are repeated at the cap.
 *
 * Pure: time and randomness are given. Zeroed is a valid start.
 */

#include <stdint.h>

#define BACKOFF_FIRST_MS 800u
#define BACKOFF_CAP_MS   30000u
#define BACKOFF_QUIET_MS 120000u
#define BACKOFF_REFUSALS 3u

struct backoff {
	uint64_t last_ms;  /* when the last delay was asked for */
	uint32_t next_ms;  /* d of the next one; 0: none asked for yet */
	uint32_t refusals; /* in a row */
};

uint64_t backoff_next(struct backoff *backoff, uint64_t now_ms, uint32_t random);
uint64_t backoff_refused(struct backoff *backoff, uint64_t now_ms, uint32_t random);

/* The server has answered a request: refusals are counted from 0 again. */
void backoff_accepted(struct backoff *backoff);
/* Start again: the server was away and is back. */
void backoff_reset(struct backoff *backoff);

/* For a delay that the server has named: up to 250 ms more, so that not all
 * replicas come back in the same moment. A day is the most that is believed. */
uint64_t backoff_named(uint32_t seconds, uint32_t random);

#endif

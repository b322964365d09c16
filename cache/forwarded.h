/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_FORWARDED_H
#define BINNACLE_CACHE_FORWARDED_H

/* The cache of answers that came from elsewhere: bounded by bytes, read without locks by
 * any thread, written under a lock by the few that look names up.
 *
 * Keyed on name, type, class, DO and CD. One table for each server block: what upstreams of
 * one block say is not the other's. The buckets are as many as entries of usual size fit;
 * the hash is keyed by a number of the table's own, names come from outside.
 *
 *	buckets  [ ]->entry->entry      entry: key, answer, times; what readers write in it
 *	         [ ]                           (visited, hits, claim) are relaxed atomics
 *
 * Denials of a name are kept under type 0, so that they answer for all its types and, but for
 * the root's denials, for all names below (RFC 8020); a positive answer or NODATA about a name drops those of it
 * and of the names above.
 *
 * Each of the two classes (success; denial, with failures) has a bound of its own and
 * lets go by SIEVE (sieve.h). An answer is fresh for its TTL within the policy's bounds,
 * then stale (RFC 8767; positive answers and NODATA, unless a denial of the name came
 * later), then of no use, but keeps its memory until that is needed.
 *
 * Threads: forwarded_find() and forwarded_claim_refresh() inside an epoch (epoch.h), what
 * they return is good until its end. forwarded_store() and forwarded_store_failure() by any
 * thread that is offline: they wait for grace periods. What they drop is freed some
 * FORWARDED_RETIRED_MAX entries later. Without memory nothing is stored.
 * Time is CLOCK_MONOTONIC in milliseconds, given by the caller. */

#include "forwarded_answer.h"

#define FORWARDED_RETIRED_MAX 256

/* Failures are not asked for again sooner, when there is a stale answer (RFC 8767 section 5). */
#define FORWARDED_STALE_HOLD_MS 2000

struct forwarded;

struct forwarded_policy {
	size_t success_bytes, denial_bytes;    /* bounds, overhead included; 0: none are kept */
	uint32_t success_max_s, success_min_s; /* TTLs are kept within; the maximum wins */
	uint32_t denial_max_s, denial_min_s;
	uint32_t servfail_ms; /* how long a failure is remembered; 0: not */
	uint32_t stale_s;     /* how long past its TTL an answer is kept; 0: not at all */
	/* What has failed and has a stale answer is not asked for again so soon; 0: within
	 * servfail_ms, FORWARDED_STALE_HOLD_MS at least. */
	uint32_t stale_hold_ms;
	/* A positive answer stays beside a later denial, and comes first while it is fresh or
	 * stale: STALE is held as long as the denial is fresh. */
	bool prefer_positive;
	/* So many hits make a name popular (0: no prefetch), no two of them further apart. */
	uint32_t prefetch_hits, prefetch_window_ms;
	uint32_t prefetch_percent; /* due when so much of its TTL is left, or a second */
};

struct forwarded_stats {
	uint64_t success_entries, denial_entries;
	uint64_t success_bytes, denial_bytes;
	uint64_t success_evictions, denial_evictions; /* of what could still have been used */
};

/* 0, -ENOMEM, or a negative errno of getrandom(). The policy is copied. */
int forwarded_new(const struct forwarded_policy *policy, struct forwarded **out);
/* No reader is left. NULL is allowed. */
void forwarded_free(struct forwarded *forwarded);
void forwarded_stats(
	const struct forwarded *forwarded, struct forwarded_stats *out); /* any thread */

enum forwarded_state { FORWARDED_MISS, FORWARDED_FRESH, FORWARDED_STALE, FORWARDED_FAILED };

struct forwarded_hit {
	/* FRESH, STALE; else NULL. Take a reference to keep it beyond the epoch. */
	struct forwarded_answer *answer;
	uint32_t ttl_s; /* FRESH: left, rounded up, >= 1; else 0 */
	/* FAILED, or STALE whose last look-up failed; else 0. */
	uint64_t failed_at_ms;
	/* It failed so lately that it is not to be asked for, unless the caller knows that
	 * upstreams came back since (see the policy). FAILED is always held. */
	bool held;
	/* FRESH: due for prefetch, and this caller is the one to do it: told once until it
	 * is stored or failed again, or FORWARDED_CLAIM_MS later. */
	bool refresh;
};

#define FORWARDED_CLAIM_MS 10000

/* In this order: the question's fresh answer, a fresh denial of its name or one above it
 * (with prefer_positive not before a stale positive answer), the question's stale answer,
 * its failure. */
enum forwarded_state forwarded_find(struct forwarded *forwarded,
	const struct forwarded_question *question, uint64_t now_ms, struct forwarded_hit *out);

/* Take note of an answer (adds a reference), if it may be stored and fits. */
void forwarded_store(struct forwarded *forwarded, const struct forwarded_question *question,
	struct forwarded_answer *answer, uint64_t now_ms);

/* A look-up failed: marks the entry that is there, or stores a failure (servfail_ms > 0). */
void forwarded_store_failure(
	struct forwarded *forwarded, const struct forwarded_question *question, uint64_t now_ms);

/* For a refresh in the background: true if there is something to refresh and nobody is at
 * it; the caller is then, as with forwarded_hit.refresh. */
bool forwarded_claim_refresh(
	struct forwarded *forwarded, const struct forwarded_question *question, uint64_t now_ms);

/* The TTL that an answer gets: that of forwarded_answer_ttl() within the policy's bounds. */
uint32_t forwarded_ttl(
	const struct forwarded_policy *policy, const struct forwarded_answer *answer);

#endif

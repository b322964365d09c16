/* SPDX-License-Identifier: Apache-2.0 */
#include "forward_lookup.h"

#include "cache/epoch.h"
#include "dns/wire/type.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void outcome_release(struct finding *finding)
{
	struct outcome *outcome = (struct outcome *)(void *)finding;

	if (--outcome->refs)
		return;
	forwarded_answer_unref(outcome->answer);
	free(outcome);
}

struct outcome *outcome_new(void)
{
	struct outcome *outcome = calloc(1, sizeof *outcome);

	if (!outcome)
		return NULL;
	outcome->finding.release = outcome_release;
	outcome->refs = 1;
	return outcome;
}

void outcome_say(struct outcome *outcome, uint16_t ede, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(outcome->error, sizeof outcome->error, format, args);
	va_end(args);
	outcome->ede = ede;
}

void waiters_tell(struct waiter *waiters, struct outcome *outcome)
{
	while (waiters) {
		struct waiter *waiter = waiters;

		waiters = waiter->next;
		if (outcome)
			outcome->refs++;
		waiter->done(waiter, outcome ? &outcome->finding : NULL);
	}
	if (outcome)
		outcome_release(&outcome->finding);
}

void outcome_prefer(const struct lookup *lookup, struct outcome *outcome)
{
	const struct cache *cache = cache_of(lookup->line->forward, &lookup->wait);

	if (!cache || !cache_policy(cache)->prefer_positive || !lookup->stale ||
		forwarded_answer_kind(lookup->stale) != FORWARDED_POSITIVE ||
		forwarded_answer_kind(outcome->answer) == FORWARDED_POSITIVE)
		return;
	forwarded_answer_unref(outcome->answer);
	outcome_stale(cache, outcome, lookup->stale);
}

/* ---- the cache ---- */

struct forwarded_question question_of(const struct wait *wait)
{
	return (struct forwarded_question){
		.name = wait->name,
		.name_len = wait->name_len,
		.type = wait->type,
		.class = CLASS_IN,
		.dnssec_ok = wait->dnssec_ok,
		.checking_disabled = wait->checking_disabled,
	};
}

const struct cache *cache_of(const struct forward *forward, const struct wait *wait)
{
	uint8_t asked[QUERY_ASKED_MAX];
	struct query query;

	if (!forward->cache)
		return NULL;
	query_make(wait->name, wait->name_len, wait->type, asked, &query);
	return cache_covers(forward->cache, &query) ? forward->cache : NULL;
}

void outcome_stale(
	const struct cache *cache, struct outcome *outcome, struct forwarded_answer *stale)
{
	outcome->answer = forwarded_answer_ref(stale);
	outcome->stale = true;
	outcome->ttl_s = cache_stale_ttl(cache);
	outcome->ede = EDE_STALE_ANSWER;
}

static bool answer_passes_on(const struct forward_options *options, struct forwarded_answer *answer)
{
	switch (forwarded_answer_kind(answer)) {
	case FORWARDED_NXDOMAIN:
		return rcode_in(options->next_rcodes, RCODE_NXDOMAIN);
	case FORWARDED_NODATA:
		return options->next_on_nodata || rcode_in(options->next_rcodes, RCODE_NOERROR);
	case FORWARDED_POSITIVE:
		break;
	}
	return rcode_in(options->next_rcodes, RCODE_NOERROR);
}

void outcome_answer(struct outcome *outcome, const struct forward_options *options,
	struct forwarded_answer *answer, uint32_t ttl_s)
{
	outcome->answer = answer;
	outcome->ttl_s = ttl_s;
	outcome->pass_on = answer_passes_on(options, answer);
}

enum forwarded_state cache_look(struct forward *forward, const struct wait *wait, uint32_t *ttl_s,
	struct forwarded_answer **answer)
{
	const struct forwarded_question question = question_of(wait);
	struct forwarded_hit hit;
	enum forwarded_state state;

	*answer = NULL;
	if (!cache_of(forward, wait))
		return FORWARDED_MISS;
	epoch_online();
	state = forwarded_find(forward->table, &question, forward_now_ms(), &hit);
	if (state == FORWARDED_FRESH || state == FORWARDED_STALE) {
		*answer = forwarded_answer_ref(hit.answer);
		*ttl_s = hit.ttl_s;
	}
	epoch_offline();
	return state;
}

uint32_t answer_store(struct lookup *lookup, struct forwarded_answer *answer)
{
	const struct forwarded_question question = question_of(&lookup->wait);
	struct forward *forward = lookup->line->forward;
	const struct cache *cache = cache_of(forward, &lookup->wait);
	uint8_t asked[QUERY_ASKED_MAX];
	struct query query;

	if (!cache)
		return FORWARDED_TTL_OWN;
	query_make(lookup->wait.name, lookup->wait.name_len, lookup->wait.type, asked, &query);
	/* What the next line is to say is the block's answer then. */
	if (answer_passes_on(&lookup->line->options, answer) &&
		forward_has_next(lookup->line, &query))
		return forwarded_ttl(cache_policy(cache), answer);
	if (cache_stores(cache, &query, forwarded_answer_kind(answer)))
		forwarded_store(forward->table, &question, answer, forward_now_ms());
	return forwarded_ttl(cache_policy(cache), answer);
}

bool lookup_failure_passes_on(const struct lookup *lookup)
{
	return rcode_in(lookup->line->options.next_rcodes,
		lookup->refusal ? lookup->refusal : RCODE_SERVFAIL);
}

void failure_store(struct lookup *lookup)
{
	const struct forwarded_question question = question_of(&lookup->wait);
	struct forward *forward = lookup->line->forward;
	uint8_t asked[QUERY_ASKED_MAX];
	struct query query;

	query_make(lookup->wait.name, lookup->wait.name_len, lookup->wait.type, asked, &query);
	if (lookup_failure_passes_on(lookup) && forward_has_next(lookup->line, &query))
		return;
	if (cache_of(forward, &lookup->wait))
		forwarded_store_failure(forward->table, &question, lookup->last_ms);
}

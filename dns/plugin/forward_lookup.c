/* SPDX-License-Identifier: Apache-2.0 */
/* One question under way, and everybody who waits for its answer.
 *
 *	begin -> a look-up for the same question is under way: join it
 *	      -> send to the upstream that looks best
 *	           reply: usable       -> store, tell everybody, over
 *	           reply: cut          -> the same upstream over TCP
 *	           reply: of no use    -> the next upstream at once
 *	           none for a while    -> the next upstream as well (a hedge), or once more
 *	           forged ones         -> the same upstream over TCP
 *	      -> all sends failed, or FORWARD_TOTAL_MS: the stale answer, or SERVFAIL
 *
 * There is at most one question outstanding at each upstream: what is sent again goes by the
 * same socket with the same ID, so that nobody gets a second chance to forge. Bounded are
 * the look-ups of a line, the sends of each, and the time.
 *
 * Where a stale answer is there, clients get it when they have waited as long as the cache
 * says, or at once if no upstream answers anybody; the look-up goes on without them. */

#include "forward_lookup.h"

#include <stdlib.h>
#include <string.h>

#define HEDGE_COST       10 /* tenths: one question in ten */
#define HEDGE_CREDIT_MAX 100
/* While a stale answer is at hand. */
#define STALE_LOOK_MS 50

/* ---- ends ---- */

static void on_closed(uv_handle_t *handle)
{
	struct lookup *lookup = handle->data;

	for (unsigned i = 0; i < lookup->send_count; i++)
		upstream_unref(lookup->sends[i].upstream);
	forwarded_answer_unref(lookup->stale);
	forwarded_answer_unref(lookup->fallback);
	free(lookup);
}

/* Takes the outcome. */
static void lookup_end(struct lookup *lookup, struct outcome *outcome)
{
	struct waiter *waiters = lookup->waiters;

	lookup->waiters = NULL;
	table_remove(&lookup->line->lookups, &lookup->link);
	for (unsigned i = 0; i < lookup->send_count; i++)
		send_stop(&lookup->sends[i]);
	uv_close((uv_handle_t *)&lookup->timer, on_closed);
	if (outcome)
		outcome->dropped = lookup->dropped;
	waiters_tell(waiters, outcome);
}

void lookup_answered(struct lookup *lookup, struct forwarded_answer *answer)
{
	struct outcome *outcome = outcome_new();
	const uint64_t now_ms = forward_now_ms();

	for (unsigned i = 0; i < lookup->send_count; i++) {
		struct send *send = &lookup->sends[i];

		if (send->answered || (send->state == SEND_STREAM && send->told))
			upstream_was_lame(&send->upstream->state, now_ms);
	}
	if (outcome) {
		outcome_answer(
			outcome, &lookup->line->options, answer, answer_store(lookup, answer));
		outcome_prefer(lookup, outcome);
	} else {
		forwarded_answer_unref(answer);
	}
	lookup_end(lookup, outcome);
}

static void lookup_failed(struct lookup *lookup)
{
	const struct cache *cache = cache_of(lookup->line->forward, &lookup->wait);
	struct outcome *outcome;

	if (lookup->fallback) {
		struct forwarded_answer *answer = lookup->fallback;

		lookup->fallback = NULL;
		lookup_answered(lookup, answer);
		return;
	}
	outcome = outcome_new();
	failure_store(lookup);
	if (outcome) {
		outcome_say(outcome,
			lookup->refusal ? EDE_NO_REACHABLE_AUTHORITY : EDE_NETWORK_ERROR, "%s",
			*lookup->why ? lookup->why : "there is no upstream to ask");
		outcome->pass_on = lookup_failure_passes_on(lookup);
		if (lookup->stale && cache)
			outcome_stale(cache, outcome, lookup->stale);
	}
	lookup_end(lookup, outcome);
}

/* ---- time ---- */

static void sends_expire(struct lookup *lookup, uint64_t now_ms)
{
	for (unsigned i = 0; i < lookup->send_count; i++) {
		struct send *send = &lookup->sends[i];

		if (send->state == SEND_OVER ||
			now_ms < send->sent_ns / 1000000u + lookup->line->options.read_timeout_ms)
			continue;
		send_is_late(send);
		send_stop(send);
		send_why(lookup, send->upstream, "no reply");
	}
}

static void ask_again(struct lookup *lookup, struct send *send, uint64_t now_ms)
{
	exchange_resend(send->exchange);
	count_asked(send->upstream, false, false);
	send->again = true;
	send->sent_ns = uv_hrtime();
	lookup->asked++;
	lookup->last_ms = now_ms;
}

/* Whether nobody answered when the last question was sent, and somebody does now. */
static bool is_from_before(const struct lookup *lookup)
{
	return lookup->last_ms <
	       atomic_load_explicit(&lookup->line->recovered_ms, memory_order_relaxed);
}

/* Nobody has answered the last question for a while. */
static void hedge(struct lookup *lookup, struct send *last, uint64_t now_ms)
{
	struct forward_line *line = lookup->line;
	const uint64_t waited_ms = now_ms - lookup->last_ms;
	struct upstream *upstream;

	if (lookup->asked >= FORWARD_SENDS_MAX)
		return;
	if (last->state == SEND_UDP && is_from_before(lookup)) {
		ask_again(lookup, last, now_ms);
		return;
	}
	if (waited_ms < upstream_patience_ms(&last->upstream->state))
		return;
	send_is_late(last);
	upstream = send_other(lookup);
	if (!upstream) {
		if (last->state == SEND_UDP && waited_ms >= FORWARD_RESEND_MS)
			ask_again(lookup, last, now_ms);
		return;
	}
	/* Longer than anybody is given it is no hedge any more: the question is lost. */
	if (!last->upstream->state.missing) {
		if (line->hedge_credit >= HEDGE_COST)
			line->hedge_credit -= HEDGE_COST;
		else if (waited_ms < UPSTREAM_PATIENCE_MAX_MS)
			return;
	}
	count_forward(line->forward, COUNT_HEDGES);
	send_begin(lookup, upstream);
}

/* When something is to be done next if nothing comes. */
static uint64_t next_ms(struct lookup *lookup, uint64_t now_ms)
{
	uint64_t at_ms = lookup->started_ms + FORWARD_TOTAL_MS;
	struct send *last = send_last(lookup);

	for (unsigned i = 0; i < lookup->send_count; i++) {
		const struct send *send = &lookup->sends[i];
		const uint64_t end_ms =
			send->sent_ns / 1000000u + lookup->line->options.read_timeout_ms;

		if (send->state != SEND_OVER && end_ms < at_ms)
			at_ms = end_ms;
	}
	if (last && lookup->asked < FORWARD_SENDS_MAX) {
		const uint64_t steps_ms[] = {upstream_patience_ms(&last->upstream->state),
			UPSTREAM_PATIENCE_MAX_MS, FORWARD_RESEND_MS};

		for (unsigned i = last->told; i < sizeof steps_ms / sizeof *steps_ms; i++) {
			const uint64_t step_ms = lookup->last_ms + steps_ms[i];

			if (step_ms < at_ms && (step_ms > now_ms || !last->told))
				at_ms = step_ms;
		}
	}
	/* Whether anybody answers at all can be known any moment. */
	if (lookup->stale && lookup->waiters && at_ms > now_ms + STALE_LOOK_MS)
		at_ms = now_ms + STALE_LOOK_MS;
	return at_ms > now_ms ? at_ms : now_ms;
}

static void stale_give(struct lookup *lookup, uint64_t now_ms)
{
	const struct cache *cache = lookup->line->forward->cache;
	struct waiter *waiters = lookup->waiters;
	struct outcome *outcome;

	if (!lookup->stale || !waiters ||
		(now_ms < lookup->started_ms + cache_stale_wait_ms(cache) &&
			!atomic_load_explicit(&lookup->line->unwell, memory_order_relaxed)))
		return;
	outcome = outcome_new();
	if (outcome)
		outcome_stale(cache, outcome, lookup->stale);
	lookup->gave_stale = true;
	lookup->waiters = NULL;
	waiters_tell(waiters, outcome);
}

static void on_timer(uv_timer_t *timer);

void lookup_wait(struct lookup *lookup)
{
	const uint64_t now_ms = forward_now_ms();

	/* The loop's own clock may lag behind by what this turn took. */
	uv_update_time(lookup->line->forward->io.loop);
	uv_timer_start(&lookup->timer, on_timer, next_ms(lookup, now_ms) - now_ms, 0);
}

void lookup_step(struct lookup *lookup)
{
	const uint64_t now_ms = forward_now_ms();
	struct send *last;

	stale_give(lookup, now_ms);
	sends_expire(lookup, now_ms);
	if (now_ms >= lookup->started_ms + FORWARD_TOTAL_MS) {
		lookup_failed(lookup);
		return;
	}
	last = send_last(lookup);
	if (last) {
		hedge(lookup, last, now_ms);
	} else if (!send_next(lookup)) {
		lookup_failed(lookup);
		return;
	}
	lookup_wait(lookup);
}

static void on_timer(uv_timer_t *timer)
{
	lookup_step(timer->data);
}

/* ---- beginning ---- */

static uint32_t key_hash(const struct forward_line *line, const struct wait *wait)
{
	const uint64_t hash = name_hash(wait->name, wait->name_len, line->secret);

	return (uint32_t)(hash ^ hash >> 32) + wait->type * 4u + wait->dnssec_ok * 2u +
	       wait->checking_disabled;
}

static struct lookup *lookup_find(const struct forward_line *line, const struct wait *wait)
{
	struct table_link *link = table_first(&line->lookups, key_hash(line, wait));

	for (; link; link = table_next(link)) {
		struct lookup *lookup = (struct lookup *)(void *)link;

		if (lookup->wait.type == wait->type && lookup->wait.name_len == wait->name_len &&
			lookup->wait.dnssec_ok == wait->dnssec_ok &&
			lookup->wait.checking_disabled == wait->checking_disabled &&
			memcmp(lookup->wait.name, wait->name, wait->name_len) == 0)
			return lookup;
	}
	return NULL;
}

static void waiter_add(struct lookup *lookup, struct waiter *waiter)
{
	waiter->next = lookup->waiters;
	lookup->waiters = waiter;
}

/* Takes stale. NULL: out of memory. */
static struct lookup *lookup_new(
	struct forward_line *line, const struct wait *wait, struct forwarded_answer *stale)
{
	struct lookup *lookup = calloc(1, sizeof *lookup);

	if (!lookup) {
		forwarded_answer_unref(stale);
		return NULL;
	}
	lookup->line = line;
	lookup->stale = stale;
	lookup->wait = *wait;
	lookup->started_ms = forward_now_ms();
	uv_timer_init(line->forward->io.loop, &lookup->timer);
	lookup->timer.data = lookup;
	lookup_message(lookup);
	table_add(&line->lookups, &lookup->link, key_hash(line, wait));
	line->turn++;
	if (line->hedge_credit < HEDGE_CREDIT_MAX)
		line->hedge_credit++;
	return lookup;
}

static void tell_one(struct waiter *waiter, struct outcome *outcome)
{
	waiter->next = NULL;
	waiters_tell(waiter, outcome);
}

/* Why no look-up begins; NULL: it does. */
static const char *refusal(const struct forward_line *line)
{
	const unsigned most =
		line->options.max_concurrent ? line->options.max_concurrent : FORWARD_LOOKUPS_MAX;

	if (!line->forward->running)
		return "the server stops or reloads";
	if (line->lookups.count >= most)
		return "too many look-ups are under way (max_concurrent)";
	if (line->options.failfast && atomic_load_explicit(&line->unwell, memory_order_relaxed))
		return "no upstream answers (failfast_all_unhealthy_upstreams)";
	return NULL;
}

static void begin_refused(struct forward_line *line, struct waiter *waiter, const char *reason,
	struct forwarded_answer *stale)
{
	struct outcome *outcome = outcome_new();

	if (line->forward->running)
		count_forward(line->forward, COUNT_REJECTED);
	if (outcome && stale)
		outcome_stale(line->forward->cache, outcome, stale);
	else if (outcome)
		outcome_say(outcome, EDE_OTHER, "%s", reason);
	forwarded_answer_unref(stale);
	tell_one(waiter, outcome);
}

void lookup_begin(void *instance, const struct wait *wait, struct waiter *waiter)
{
	struct forward_line *line = instance;
	struct lookup *lookup = lookup_find(line, wait);
	struct forwarded_answer *answer = NULL;
	enum forwarded_state state;
	uint32_t ttl_s = 0;

	/* One that nobody waits for, sent into the void: better a new one. */
	if (lookup && lookup->gave_stale && !lookup->waiters && is_from_before(lookup)) {
		lookup_end(lookup, NULL);
		lookup = NULL;
	}
	if (lookup) {
		count_forward(line->forward, COUNT_JOINED);
		waiter_add(lookup, waiter);
		if (lookup->gave_stale)
			stale_give(lookup, UINT64_MAX);
		return;
	}
	state = cache_look(line->forward, wait, &ttl_s, &answer);
	if (state == FORWARDED_FRESH) {
		struct outcome *outcome = outcome_new();

		if (outcome) {
			outcome_answer(outcome, &line->options, answer, ttl_s);
		} else {
			forwarded_answer_unref(answer);
		}
		tell_one(waiter, outcome);
		return;
	}
	if (refusal(line)) {
		begin_refused(line, waiter, refusal(line), answer);
		return;
	}
	lookup = lookup_new(line, wait, answer);
	if (!lookup) {
		tell_one(waiter, NULL);
		return;
	}
	waiter_add(lookup, waiter);
	lookup_step(lookup);
}

void lookup_refresh(struct forward_line *line, const struct wait *wait)
{
	struct lookup *lookup = NULL;

	if (!lookup_find(line, wait) && !refusal(line))
		lookup = lookup_new(line, wait, NULL);
	if (lookup)
		lookup_step(lookup);
}

static void wake_one(void *user, struct table_link *link)
{
	struct lookup *lookup = (struct lookup *)(void *)link;

	(void)user;
	uv_timer_start(&lookup->timer, on_timer, 0, 0);
}

void lookups_wake(struct forward_line *line)
{
	table_each(&line->lookups, wake_one, NULL);
}

static void first_of(void *user, struct table_link *link)
{
	*(struct lookup **)user = (struct lookup *)(void *)link;
}

void lookups_end(struct forward_line *line)
{
	while (line->lookups.count) {
		struct lookup *lookup = NULL;
		struct outcome *outcome;

		table_each(&line->lookups, first_of, &lookup);
		outcome = outcome_new();
		if (outcome)
			outcome_say(outcome, EDE_OTHER, "the server stops or reloads");
		lookup_end(lookup, outcome);
	}
}

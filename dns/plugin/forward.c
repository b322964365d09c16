/* SPDX-License-Identifier: Apache-2.0 */
/* `forward`: names that nobody here knows are asked of upstreams.
 *
 *	query (any thread)   memo -> cache -> PLUGIN_WAIT
 *	loop thread          lookup_begin (forward_lookup.c) -> outcome -> memo -> query again
 *
 * The cache is the one of the block's `cache`, looked into here and not before: whatever the
 * other plugins of the block know themselves is never stored and never shadowed by
 * what was.
 *
 * Life: start() makes upstreams and attaches the service; the loop thread opens them in
 * service_start() and closes them in service_stop(), with all look-ups. */

#include "forward.h"

#include "cache/epoch.h"
#include "dns/wire/type.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* ---- queries ---- */

static uint64_t coarse_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static bool line_holds(const struct forward_line *line, const struct query *query)
{
	const struct forward_options *options = &line->options;

	return option_zones_hold(options->from, options->from_count, query) &&
	       !option_zones_hold(options->except, options->except_count, query);
}

/* The first of the lines behind at (NULL: of all) for the question; NULL: none. */
static struct forward_line *line_next(
	const struct forward *forward, const struct forward_line *at, const struct query *query)
{
	size_t i = at ? (size_t)(at - forward->lines) + 1 : 0;

	for (; i < forward->line_count; i++) {
		if (line_holds(&forward->lines[i], query))
			return &forward->lines[i];
	}
	return NULL;
}

bool forward_has_next(const struct forward_line *line, const struct query *query)
{
	return line_next(line->forward, line, query) != NULL;
}

static enum plugin_verdict put_failure(struct txn *txn, uint16_t ede, const char *error)
{
	txn->reply->rcode = RCODE_SERVFAIL;
	txn->reply->flags |= DNS_FLAG_RA;
	if (ede)
		reply_explain(txn->reply, (enum dns_ede)ede);
	txn->error = error;
	return PLUGIN_DONE;
}

static enum plugin_verdict put_answer(struct txn *txn, const struct forwarded_answer *answer,
	uint32_t ttl_s, bool stale, const struct cache *cache)
{
	forwarded_answer_put(answer, ttl_s, txn->reply);
	if (stale) {
		reply_explain(txn->reply, EDE_STALE_ANSWER);
		if (cache)
			cache_count_stale(cache, txn);
	}
	return PLUGIN_DONE;
}

static enum plugin_verdict put_outcome(
	struct txn *txn, struct outcome *outcome, const struct cache *cache)
{
	for (; cache && outcome->dropped; outcome->dropped--)
		cache_count_drop(cache, txn);
	if (!outcome->answer)
		return put_failure(txn, outcome->ede, outcome->error);
	return put_answer(txn, outcome->answer, outcome->ttl_s, outcome->stale, cache);
}

/* A look-up that nobody waits for. */
struct refresh_job {
	struct worker_job job;
	struct forward_line *line;
	struct wait wait;
};

static void on_refresh(struct worker_job *base, bool cancelled)
{
	struct refresh_job *refresh = (struct refresh_job *)(void *)base;

	if (!cancelled)
		lookup_refresh(refresh->line, &refresh->wait);
	free(refresh);
}

static void refresh_post(struct forward_line *line, const struct query *query)
{
	struct refresh_job *refresh = malloc(sizeof *refresh);

	if (!refresh)
		return;
	refresh->job.run = on_refresh;
	refresh->line = line;
	refresh->wait = (struct wait){
		.type = query->qtype,
		.dnssec_ok = query->edns_do,
		.checking_disabled = (query->flags & DNS_FLAG_CD) != 0,
		.name_len = query->name_len,
	};
	memcpy(refresh->wait.name, query->name, query->name_len);
	worker_post(line->forward->worker, &refresh->job);
}

/* Whether it makes sense to ask the upstreams now, a look-up having failed at failed_ms
 * (0: none has). */
static bool is_held(const struct forward_line *line, const struct forwarded_hit *hit)
{
	return hit->held &&
	       hit->failed_at_ms >= atomic_load_explicit(&line->recovered_ms, memory_order_relaxed);
}

static enum cache_hit hit_kind(const struct forwarded_answer *answer)
{
	return forwarded_answer_kind(answer) == FORWARDED_POSITIVE ? CACHE_HIT_SUCCESS
								   : CACHE_HIT_DENIAL;
}

/* PLUGIN_NEXT: not in the cache, or not fit to be used yet. *stale is what there is to
 * be given if nothing can be asked. */
static enum plugin_verdict cached(
	struct forward_line *line, struct txn *txn, const struct forwarded_answer **stale)
{
	struct forward *forward = line->forward;
	const struct cache *cache = forward->cache;
	const struct query *query = txn->query;
	const struct forwarded_question question = {
		.name = query->name,
		.name_len = query->name_len,
		.type = query->qtype,
		.class = CLASS_IN,
		.dnssec_ok = query->edns_do,
		.checking_disabled = (query->flags & DNS_FLAG_CD) != 0,
	};
	struct forwarded_hit hit;

	*stale = NULL;
	cache_count_request(cache, txn);
	switch (forwarded_find(forward->table, &question, coarse_ms(), &hit)) {
	case FORWARDED_FRESH:
		cache_count_hit(cache, txn, hit_kind(hit.answer));
		if (hit.refresh) {
			cache_count_prefetch(cache, txn);
			refresh_post(line, query);
		}
		return put_answer(txn, hit.answer,
			cache_keeps_ttl(cache) ? forwarded_ttl(cache_policy(cache), hit.answer)
					       : hit.ttl_s,
			false, cache);
	case FORWARDED_STALE:
		if (is_held(line, &hit) ||
			atomic_load_explicit(&line->unwell, memory_order_relaxed)) {
			cache_count_hit(cache, txn, hit_kind(hit.answer));
			return put_answer(txn, hit.answer, cache_stale_ttl(cache), true, cache);
		}
		*stale = hit.answer;
		break;
	case FORWARDED_FAILED:
		if (is_held(line, &hit)) {
			cache_count_hit(cache, txn, CACHE_HIT_DENIAL);
			return put_failure(txn, EDE_CACHED_ERROR,
				"upstreams failed with this question a moment ago");
		}
		break;
	case FORWARDED_MISS:
		break;
	}
	cache_count_miss(cache, txn);
	return PLUGIN_NEXT;
}

static enum plugin_verdict line_query(struct forward_line *line, struct txn *txn, bool *pass_on)
{
	const struct cache *cache = line->forward->cache;
	struct outcome *outcome = (struct outcome *)(void *)wait_found(txn, line);
	const struct forwarded_answer *stale = NULL;
	enum plugin_verdict verdict = PLUGIN_NEXT;

	*pass_on = false;
	if (cache && !cache_covers(cache, txn->query))
		cache = NULL;
	if (outcome) {
		*pass_on = outcome->pass_on;
		return put_outcome(txn, outcome, cache);
	}
	if (cache)
		verdict = cached(line, txn, &stale);
	if (verdict != PLUGIN_NEXT)
		return verdict;
	if (wait_for(txn, line, lookup_begin))
		return PLUGIN_WAIT;
	if (stale)
		return put_answer(txn, stale, cache_stale_ttl(cache), true, cache);
	return put_failure(txn, EDE_OTHER, "too many questions wait for upstreams");
}

static enum plugin_verdict forward_query(void *instance, struct txn *txn)
{
	struct forward *forward = instance;
	struct forward_line *line = line_next(forward, NULL, txn->query);

	if (!line)
		return PLUGIN_NEXT;
	/* A zone is not transferred through us, and it could not be one message. */
	if (txn->query->qtype == TYPE_AXFR || txn->query->qtype == TYPE_IXFR) {
		txn->reply->rcode = RCODE_REFUSED;
		return PLUGIN_DONE;
	}
	for (;;) {
		struct forward_line *next = line_next(forward, line, txn->query);
		enum plugin_verdict verdict;
		bool pass_on;

		verdict = line_query(line, txn, &pass_on);
		if (verdict != PLUGIN_DONE || !pass_on || !next)
			return verdict;
		reply_reset(txn->reply);
		txn->reply->rcode = RCODE_NOERROR;
		txn->error = NULL;
		line = next;
	}
}

/* ---- on the loop thread ---- */

static void service_start(struct worker_service *service)
{
	struct forward *forward = (struct forward *)(void *)service;

	exchange_io_init(&forward->io, worker_loop(forward->worker));
	forward->counters =
		forward->metrics ? thread_counters(worker_thread(forward->worker)) : NULL;
	forward->running = true;
	for (size_t l = 0; l < forward->line_count; l++) {
		for (unsigned i = 0; i < forward->lines[l].upstream_count; i++)
			upstream_open(forward->lines[l].upstreams[i]);
	}
}

static void service_stop(struct worker_service *service)
{
	struct forward *forward = (struct forward *)(void *)service;

	forward->running = false;
	for (size_t l = 0; l < forward->line_count; l++) {
		struct forward_line *line = &forward->lines[l];

		lookups_end(line);
		for (unsigned i = 0; i < line->upstream_count; i++)
			upstream_close(line->upstreams[i]);
		line->upstream_count = 0;
	}
}

/* ---- life ---- */

static void line_free(struct forward_line *line)
{
	for (unsigned i = 0; i < line->upstream_count; i++)
		upstream_unref(line->upstreams[i]);
	table_free(&line->lookups);
	tls_client_free(line->tls);
	forward_options_free(&line->options);
}

static void forward_free(void *instance)
{
	struct forward *forward = instance;

	if (!forward)
		return;
	for (size_t i = 0; i < forward->line_count; i++)
		line_free(&forward->lines[i]);
	free(forward->lines);
	free(forward->zone_text);
	free(forward);
}

static int line_tls(struct forward_line *line, char err[COREFILE_ERROR_MAX])
{
	const struct forward_options *options = &line->options;
	const struct tls_options files = {
		.cert = options->tls_cert, .key = options->tls_key, .ca = options->tls_ca};
	char words[256];
	bool wanted = false;

	for (size_t i = 0; i < options->target_count; i++)
		wanted |= options->targets[i].tls;
	if (!wanted || tls_client_new(&files, &line->tls, words, sizeof words) == 0)
		return 0;
	return corefile_error(err, &options->at, "forward: tls: %s", words);
}

static int line_setup(struct forward *forward, struct forward_line *line,
	const struct plugin_site *site, const struct corefile_line *text,
	char err[COREFILE_ERROR_MAX])
{
	int rc = forward_options_read(site, text, &line->options, err);

	line->forward = forward;
	if (rc == 0)
		rc = forward_files_read(line, err);
	if (rc == 0)
		rc = line_tls(line, err);
	if (rc == 0 && (table_init(&line->lookups) < 0 ||
			       getrandom(line->secret, sizeof line->secret, 0) < 0))
		rc = option_no_memory(err, &text->tokens[0]);
	line->hedge_credit = 100;
	return rc;
}

static int forward_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct forward *forward = calloc(1, sizeof *forward);
	int rc = 0;

	if (!forward)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	forward->service.start = service_start;
	forward->service.stop = service_stop;
	forward->lines = calloc(site->line_count, sizeof *forward->lines);
	if (!forward->lines)
		rc = option_no_memory(err, &site->lines[0]->tokens[0]);
	for (size_t i = 0; i < site->line_count && rc == 0; i++) {
		forward->line_count++;
		rc = line_setup(forward, &forward->lines[i], site, site->lines[i], err);
	}
	if (rc < 0) {
		forward_free(forward);
		return rc;
	}
	*instance = forward;
	return 0;
}

/* The upstreams of the line and of its files. */
static int line_start(struct forward_line *line)
{
	const struct forward_options *options = &line->options;

	for (size_t i = 0; i < options->target_count + line->file_target_count; i++) {
		const struct forward_target *target =
			i < options->target_count ? &options->targets[i]
						  : &line->file_targets[i - options->target_count];
		struct upstream *upstream;

		if (line->upstream_count == FORWARD_UPSTREAMS_MAX)
			break;
		upstream = upstream_new(line, target);
		if (!upstream)
			return -ENOMEM;
		line->upstreams[line->upstream_count++] = upstream;
	}
	return 0;
}

static void neighbours_find(struct forward *forward, const struct block *block)
{
	forward->cache = cache_find(block);
	if (forward->cache)
		forward->table = cache_table(forward->cache);
	for (size_t i = 0; i < block->plugin_count; i++) {
		const struct block_plugin *at = &block->plugins[i];

		if (at->plugin == &plugin_loop)
			forward->looks_for_loops = true;
	}
}

static int forward_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct forward *forward = instance;
	int rc;

	forward->worker = host->worker;
	forward->metrics = host->metrics;
	forward->zone = block->zones[0];
	forward->zone_text = strdup(block->zone_texts[0]);
	neighbours_find(forward, block);
	rc = forward->zone_text ? forward_count_setup(forward) : -ENOMEM;
	for (size_t i = 0; i < forward->line_count && rc == 0; i++)
		rc = line_start(&forward->lines[i]);
	if (rc == 0)
		rc = forward_files_start(forward, host->loop);
	if (rc < 0)
		return option_no_memory(err, &forward->lines[0].options.at);
	worker_attach(forward->worker, &forward->service);
	return 0;
}

static void forward_stop(void *instance, void (*done)(void *user), void *user)
{
	struct forward *forward = instance;

	worker_detach(forward->worker, &forward->service);
	forward_files_stop(forward, done, user);
}

/* The first one has its table, the second one a pointer to it. */
static const char *const kept_with[] = {"cache", "loop", NULL};

const struct plugin plugin_forward = {
	.name = "forward",
	.setup = forward_setup,
	.start = forward_start,
	.query = forward_query,
	.stop = forward_stop,
	.free = forward_free,
	.keeps = true,
	.kept_with = kept_with,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* `cache`: the table of what upstreams answered, which `forward` fills and reads, and a cap
 * on the TTLs of everything that the other plugins of the block answer.
 *
 * What `kubernetes` and its like answer is never stored: it is here already, and as soon as
 * it changes. CoreDNS would give out such an answer with a TTL within the cache's maximum, so
 * that is what clients get. Most often nothing is above it, which whoever answered says
 * (txn->ttl_most_s); only else the reply is walked. */

#include "cache.h"

#include "dns/wire/message.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TTL_BEFORE_RDATA 6 /* where the TTL is: in front of the rdata and its length */

struct cache {
	struct cache_options options;
	struct corefile_token at;
	struct forwarded *table;
	struct cache_metrics *metrics; /* NULL: nobody counts */
};

/* --- for forward --- */

const struct cache *cache_find(const struct block *block)
{
	for (size_t i = 0; i < block->plugin_count; i++) {
		if (block->plugins[i].plugin == &plugin_cache)
			return block->plugins[i].instance;
	}
	return NULL;
}

struct forwarded *cache_table(const struct cache *cache)
{
	return cache->table;
}

const struct forwarded_policy *cache_policy(const struct cache *cache)
{
	return &cache->options.policy;
}

static bool zones_hold(const struct cache_zones *zones, const struct query *query)
{
	return option_zones_hold(zones->zones, zones->count, query);
}

bool cache_covers(const struct cache *cache, const struct query *query)
{
	return zones_hold(&cache->options.zones, query);
}

bool cache_stores(const struct cache *cache, const struct query *query, enum forwarded_kind kind)
{
	const struct cache_options *options = &cache->options;

	return cache_covers(cache, query) &&
	       !zones_hold(kind == FORWARDED_POSITIVE ? &options->no_success : &options->no_denial,
		       query);
}

bool cache_keeps_ttl(const struct cache *cache)
{
	return cache->options.keep_ttl;
}

uint32_t cache_stale_ttl(const struct cache *cache)
{
	return cache->options.stale_ttl_s;
}

uint32_t cache_stale_wait_ms(const struct cache *cache)
{
	return cache->options.stale_wait_ms;
}

void cache_count_request(const struct cache *cache, const struct txn *txn)
{
	cache_metrics_count(cache->metrics, txn, CACHE_REQUESTS);
}

void cache_count_hit(const struct cache *cache, const struct txn *txn, enum cache_hit hit)
{
	cache_metrics_count(cache->metrics, txn,
		hit == CACHE_HIT_SUCCESS ? CACHE_HITS_SUCCESS : CACHE_HITS_DENIAL);
}

void cache_count_miss(const struct cache *cache, const struct txn *txn)
{
	cache_metrics_count(cache->metrics, txn, CACHE_MISSES);
}

void cache_count_stale(const struct cache *cache, const struct txn *txn)
{
	cache_metrics_count(cache->metrics, txn, CACHE_STALES);
}

void cache_count_prefetch(const struct cache *cache, const struct txn *txn)
{
	cache_metrics_count(cache->metrics, txn, CACHE_PREFETCHES);
}

void cache_count_drop(const struct cache *cache, const struct txn *txn)
{
	cache_metrics_count(cache->metrics, txn, CACHE_DROPS);
}

/* --- the cap --- */

/* The records of a reply that is not finished yet. */
static void reply_cap(struct reply *reply, uint32_t most_s)
{
	const struct message message = {
		.data = reply->buf,
		.len = reply->len,
		.counts = {reply->count[0], reply->count[1], reply->count[2]},
		.body = reply->body,
	};
	struct message_walk walk;
	struct record record;

	message_walk(&message, &walk);
	while (message_next(&walk, &record)) {
		if (record.ttl_s > most_s)
			bytes_set_u32(reply->buf + record.rdata - TTL_BEFORE_RDATA, most_s);
	}
}

static void cache_rewrite(void *instance, struct txn *txn)
{
	const struct cache *cache = instance;
	const struct forwarded_policy *policy = &cache->options.policy;
	struct reply *reply = txn->reply;
	const bool success = reply->rcode == RCODE_NOERROR && reply->count[REPLY_ANSWER] > 0;
	const uint32_t most_s = success ? policy->success_max_s : policy->denial_max_s;

	if (txn->ttl_most_s && txn->ttl_most_s <= most_s)
		return;
	/* What comes from upstreams has its TTL already. */
	if (!txn->answered_by || strcmp(txn->answered_by, "forward") == 0 ||
		!cache_covers(cache, txn->query))
		return;
	reply_cap(reply, most_s);
}

/* --- life --- */

static void cache_free(void *instance)
{
	struct cache *cache = instance;

	if (!cache)
		return;
	cache_metrics_free(cache->metrics);
	forwarded_free(cache->table);
	cache_options_free(&cache->options);
	free(cache);
}

static int cache_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_token *at = &site->lines[0]->tokens[0];
	struct cache *cache = calloc(1, sizeof *cache);
	int rc;

	if (!cache)
		return option_no_memory(err, at);
	cache->at = *at;
	rc = cache_options_read(site, &cache->options, err);
	if (rc == 0) {
		rc = forwarded_new(&cache->options.policy, &cache->table);
		if (rc < 0)
			corefile_error(err, at, "cache: cannot make the table: %s", strerror(-rc));
	}
	if (rc < 0) {
		cache_free(cache);
		return rc;
	}
	*instance = cache;
	return 0;
}

static int cache_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct cache *cache = instance;
	int rc = 0;

	if (host->metrics)
		rc = cache_metrics_start(
			host, block, &cache->options.zones, cache->table, &cache->metrics, err);
	if (rc < 0 && !err[0])
		corefile_error(err, &cache->at, "cache: metrics: %s", strerror(-rc));
	return rc;
}

static void cache_stop(void *instance, void (*done)(void *user), void *user)
{
	const struct cache *cache = instance;

	cache_metrics_stop(cache->metrics);
	done(user);
}

const struct plugin plugin_cache = {
	.name = "cache",
	.setup = cache_setup,
	.start = cache_start,
	.rewrite = cache_rewrite,
	.stop = cache_stop,
	.free = cache_free,
	/* Also where `bind` changes: what a new address answers counts under the first one. */
	.keeps = true,
};

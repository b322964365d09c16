/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_CACHE_H
#define BINNACLE_DNS_PLUGIN_CACHE_H

/* What the `cache` of a server block is to `forward`, which fills the table, looks there
 * first, and counts here: `cache` itself only caps the TTLs of what other plugins answer.
 * The files of the plugin share the rest: the options of one directive (cache_options.c),
 * the counters (cache_metrics.c), the instance (cache.c).
 *
 * An instance is read-only once it has started; everything here but what begins with
 * cache_options_ and cache_metrics_ may be called by any thread. */

#include "cache/forwarded.h"
#include "dns/serve/plugin.h"

struct cache;

/* The instance of a block; NULL: the block has none. */
const struct cache *cache_find(const struct block *block);

/* One table for each server block of the Corefile, on however many ports. */
struct forwarded *cache_table(const struct cache *cache);
const struct forwarded_policy *cache_policy(const struct cache *cache);

/* Whether its zones hold the name; and, besides, answers of the kind are to be stored, which
 * `disable` may forbid. */
bool cache_covers(const struct cache *cache, const struct query *query);
bool cache_stores(const struct cache *cache, const struct query *query, enum forwarded_kind kind);

/* `keepttl`: answers have the TTL that they began with, not what is left of it. */
bool cache_keeps_ttl(const struct cache *cache);

/* The TTL of stale answers. */
uint32_t cache_stale_ttl(const struct cache *cache);

/* How long a client waits for upstreams at most before it gets a stale answer: 0 with
 * `immediate`; CACHE_WAIT_FOREVER: until the look-up has failed. */
#define CACHE_WAIT_FOREVER UINT32_MAX
uint32_t cache_stale_wait_ms(const struct cache *cache);

/* One more, on the thread of the txn, whose block and local address are the client's. */
enum cache_hit { CACHE_HIT_SUCCESS, CACHE_HIT_DENIAL };
void cache_count_request(const struct cache *cache, const struct txn *txn);
void cache_count_hit(const struct cache *cache, const struct txn *txn, enum cache_hit hit);
void cache_count_miss(const struct cache *cache, const struct txn *txn);
void cache_count_stale(const struct cache *cache, const struct txn *txn);
void cache_count_prefetch(const struct cache *cache, const struct txn *txn);
void cache_count_drop(const struct cache *cache, const struct txn *txn); /* malformed replies */

/* --- within the plugin --- */

struct cache_zones {
	struct name *zones; /* canonical */
	size_t count;
};

/* One directive, read. Strings are owned. */
struct cache_options {
	struct forwarded_policy policy;
	struct cache_zones zones;
	struct cache_zones no_success, no_denial; /* of `disable` */
	uint32_t stale_ttl_s, stale_wait_ms;
	bool keep_ttl;
	bool prefer_given;
};

/* CoreDNS counts entries; here one counts as so many bytes, which few answers need. */
#define CACHE_ENTRY_BYTES 512

/* 0 or negative with err; cache_options_free() in either case. */
int cache_options_read(const struct plugin_site *site, struct cache_options *options,
	char err[COREFILE_ERROR_MAX]);
void cache_options_free(struct cache_options *options);

struct cache_metrics;

/* Counters for each address and port of the block. 0 or negative. */
int cache_metrics_start(const struct plugin_host *host, const struct block *block,
	const struct cache_zones *zones, const struct forwarded *table, struct cache_metrics **out,
	char err[COREFILE_ERROR_MAX]);
/* Nobody asks it any more. */
void cache_metrics_stop(struct cache_metrics *metrics);
void cache_metrics_free(struct cache_metrics *metrics); /* NULL is allowed */

enum cache_count {
	CACHE_REQUESTS,
	CACHE_HITS_SUCCESS,
	CACHE_HITS_DENIAL,
	CACHE_MISSES,
	CACHE_PREFETCHES,
	CACHE_DROPS,
	CACHE_STALES,
	CACHE_COUNTS
};

/* metrics NULL: nobody counts. */
void cache_metrics_count(
	const struct cache_metrics *metrics, const struct txn *txn, enum cache_count count);

#endif

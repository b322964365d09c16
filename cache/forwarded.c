/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarded.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "epoch.h"
#include "sieve.h"

#define BUCKETS_MIN    64
#define BUCKETS_MAX    (1u << 22)
#define BYTES_EXPECTED 512 /* of an entry; decides how many buckets there are */
#define MALLOC_BYTES   16  /* what an allocation costs beside itself */
#define RETIRED_BYTES  (64 * 1024)
#define RETIRED_SHARE  16 /* retired memory is freed when it is such a part of the bounds */

#define TYPE_NONE 0 /* RFC 6895 section 3.1: never a type; here a name that does not exist */

#define FLAG_DO       1u
#define FLAG_CD       2u
#define FLAGS_VARIETY 4u
#define FLAG_POSITIVE 4u /* kept apart from denials, with prefer_positive */

enum { SUCCESS, DENIAL, CLASSES };

struct entry {
	_Atomic(struct entry *) next;
	uint64_t hash;
	struct forwarded_answer *answer; /* NULL: a failure and nothing else */
	uint64_t stored_ms, fresh_until_ms, stale_until_ms;
	/* Readers write here too: */
	_Atomic uint64_t failed_ms;  /* of the last look-up; 0: it did not fail */
	_Atomic uint64_t claimed_ms; /* when somebody went to refresh it; 0: nobody */
	_Atomic uint64_t hit_ms;     /* the last hit, and how many came close to each other */
	_Atomic uint32_t hits;
	/* The writer's only: */
	uint32_t bytes;
	struct sieve_link link;
	uint16_t type, class;
	uint8_t flags;
	uint8_t kept_in; /* SUCCESS or DENIAL */
	uint8_t name_len;
	uint8_t name[];
};

struct store { /* one class; numbers are written under the lock */
	struct sieve sieve;
	size_t bound;
	_Atomic uint64_t entries, bytes, evictions;
};

struct forwarded {
	struct forwarded_policy policy;
	uint8_t secret[16];
	size_t mask; /* buckets - 1 */
	_Atomic(struct entry *) *buckets;
	/* The writer's, under the lock: */
	pthread_mutex_t lock;
	struct store stores[CLASSES];
	size_t denied_names; /* entries of TYPE_NONE */
	struct epoch_bin bin;
};

/* What an entry is found by. */
struct key {
	const uint8_t *name;
	uint8_t name_len, flags;
	uint16_t type, class;
	uint64_t hash;
};

/* ---- keys ---- */

/* Types of one name go to different buckets; who does not know the name's hash cannot
 * choose them. */
static uint64_t hash_mix(uint64_t hash, uint16_t type, uint16_t class, uint8_t flags)
{
	hash ^= (uint64_t)type << 32 | (uint64_t) class << 8 | flags;
	hash *= 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static struct key key_of(const struct forwarded *f, const struct forwarded_question *question)
{
	const uint8_t flags = (uint8_t)((question->dnssec_ok ? FLAG_DO : 0) |
					(question->checking_disabled ? FLAG_CD : 0));

	return (struct key){question->name, question->name_len, flags, question->type,
		question->class,
		hash_mix(name_hash(question->name, question->name_len, f->secret), question->type,
			question->class, flags)};
}

/* The name's own denial. */
static struct key key_denial(const struct forwarded *f, const struct key *key)
{
	struct key out = *key;

	out.type = TYPE_NONE;
	out.hash = hash_mix(
		name_hash(key->name, key->name_len, f->secret), TYPE_NONE, key->class, key->flags);
	return out;
}

/* Where a positive answer is. */
static struct key key_positive(const struct forwarded *f, const struct key *key)
{
	struct key out = *key;

	if (!f->policy.prefer_positive)
		return out;
	out.flags |= FLAG_POSITIVE;
	out.hash = hash_mix(
		name_hash(key->name, key->name_len, f->secret), key->type, key->class, out.flags);
	return out;
}

/* From a denial's key to that of the name one label up; false: that is the root. */
static bool key_up(const struct forwarded *f, struct key *key)
{
	const uint8_t label = (uint8_t)(1 + key->name[0]);

	if (key->name_len <= label + 1)
		return false;
	key->name += label;
	key->name_len = (uint8_t)(key->name_len - label);
	*key = key_denial(f, key);
	return true;
}

static bool entry_is(const struct entry *entry, const struct key *key)
{
	return entry->hash == key->hash && entry->type == key->type && entry->class == key->class &&
	       entry->flags == key->flags && entry->name_len == key->name_len &&
	       memcmp(entry->name, key->name, key->name_len) == 0;
}

static struct entry *entry_find(const struct forwarded *f, const struct key *key)
{
	struct entry *entry =
		atomic_load_explicit(&f->buckets[key->hash & f->mask], memory_order_acquire);

	while (entry && !entry_is(entry, key))
		entry = atomic_load_explicit(&entry->next, memory_order_acquire);
	return entry;
}

/* ---- times ---- */

static uint64_t failed_at(const struct entry *entry)
{
	return atomic_load_explicit(&entry->failed_ms, memory_order_relaxed);
}

/* It failed, and is not to be asked for again yet. */
static bool entry_held(const struct entry *entry, uint64_t hold_ms, uint64_t now_ms)
{
	const uint64_t failed_ms = failed_at(entry);

	return failed_ms && now_ms < failed_ms + hold_ms;
}

static uint64_t stale_hold_ms(const struct forwarded *f)
{
	const struct forwarded_policy *policy = &f->policy;

	if (policy->stale_hold_ms)
		return policy->stale_hold_ms;
	return policy->servfail_ms > FORWARDED_STALE_HOLD_MS ? policy->servfail_ms
							     : FORWARDED_STALE_HOLD_MS;
}

static bool entry_useless(const struct forwarded *f, const struct entry *entry, uint64_t now_ms)
{
	return now_ms >= entry->fresh_until_ms && now_ms >= entry->stale_until_ms &&
	       !entry_held(entry, f->policy.servfail_ms, now_ms);
}

static bool entry_claim(struct entry *entry, uint64_t now_ms)
{
	uint64_t since = atomic_load_explicit(&entry->claimed_ms, memory_order_relaxed);

	if (since && now_ms < since + FORWARDED_CLAIM_MS)
		return false;
	return atomic_compare_exchange_strong_explicit(&entry->claimed_ms, &since,
		now_ms ? now_ms : 1, memory_order_relaxed, memory_order_relaxed);
}

/* Counts a hit; true: so many came that it is worth asking again, it is time, and nobody
 * does. A hit that another thread counts meanwhile may be lost. */
static bool entry_refresh_due(const struct forwarded *f, struct entry *entry, uint64_t now_ms)
{
	const struct forwarded_policy *policy = &f->policy;
	const uint64_t last = atomic_load_explicit(&entry->hit_ms, memory_order_relaxed);
	const uint64_t ttl_ms = entry->fresh_until_ms - entry->stored_ms;
	uint64_t due_ms = ttl_ms * policy->prefetch_percent / 100;
	uint32_t hits = 1;

	if (!policy->prefetch_hits)
		return false;
	if (now_ms <= last + policy->prefetch_window_ms)
		hits += atomic_load_explicit(&entry->hits, memory_order_relaxed);
	atomic_store_explicit(&entry->hit_ms, now_ms, memory_order_relaxed);
	atomic_store_explicit(&entry->hits, hits ? hits : UINT32_MAX, memory_order_relaxed);
	if (due_ms < 1000)
		due_ms = 1000;
	return hits >= policy->prefetch_hits && entry->fresh_until_ms - now_ms <= due_ms &&
	       !entry_held(entry, stale_hold_ms(f), now_ms) && entry_claim(entry, now_ms);
}

/* A reader's clock may be coarser than the writer's, and a tick behind it: a TTL never grows. */
static uint32_t ttl_left_s(const struct entry *entry, uint64_t now_ms)
{
	if (now_ms < entry->stored_ms)
		now_ms = entry->stored_ms;
	return (uint32_t)((entry->fresh_until_ms - now_ms + 999) / 1000);
}

uint32_t forwarded_ttl(const struct forwarded_policy *policy, const struct forwarded_answer *answer)
{
	const bool success = forwarded_answer_kind(answer) == FORWARDED_POSITIVE;
	const uint32_t most = success ? policy->success_max_s : policy->denial_max_s;
	const uint32_t least = success ? policy->success_min_s : policy->denial_min_s;
	uint32_t ttl_s = forwarded_answer_ttl(answer);

	if (ttl_s < least)
		ttl_s = least;
	return ttl_s < most ? ttl_s : most;
}

/* ---- reading ---- */

/* The fresh denial of the name or of one above it. *later: there is one at all, fresh or
 * not; what is known of the name beside it is older, or it would have been dropped. */
static struct entry *denial_find(
	const struct forwarded *f, const struct key *key, uint64_t now_ms, bool *later)
{
	struct key at = key_denial(f, key);

	*later = false;
	do {
		struct entry *entry = entry_find(f, &at);

		if (!entry || (at.name_len != key->name_len &&
				      !forwarded_answer_denies_below(entry->answer)))
			continue;
		*later = true;
		if (now_ms < entry->fresh_until_ms)
			return entry;
	} while (key_up(f, &at));
	return NULL;
}

static enum forwarded_state hit_fresh(struct forwarded *f, struct entry *entry,
	const struct key *key, uint64_t now_ms, struct forwarded_hit *out)
{
	sieve_visit(&entry->link);
	out->answer = entry->answer;
	out->ttl_s = ttl_left_s(entry, now_ms);
	out->refresh = entry->name_len == key->name_len && entry_refresh_due(f, entry, now_ms);
	return FORWARDED_FRESH;
}

static enum forwarded_state hit_old(const struct forwarded *f, struct entry *entry, bool useless,
	uint64_t now_ms, struct forwarded_hit *out)
{
	const bool stale = !useless && now_ms < entry->stale_until_ms;

	out->held = entry_held(entry, stale ? stale_hold_ms(f) : f->policy.servfail_ms, now_ms);
	if (!stale && !out->held)
		return FORWARDED_MISS;
	sieve_visit(&entry->link);
	out->failed_at_ms = failed_at(entry);
	out->answer = stale ? entry->answer : NULL;
	return stale ? FORWARDED_STALE : FORWARDED_FAILED;
}

/* The positive answer, which denials do not touch. MISS: look on. */
static enum forwarded_state hit_preferred(struct forwarded *f, struct entry *entry,
	const struct key *key, uint64_t now_ms, struct forwarded_hit *out)
{
	const struct entry *beside = entry_find(f, key);
	bool denied;

	if (now_ms < entry->fresh_until_ms)
		return hit_fresh(f, entry, key, now_ms, out);
	if (now_ms >= entry->stale_until_ms)
		return FORWARDED_MISS;
	hit_old(f, entry, false, now_ms, out);
	if (denial_find(f, key, now_ms, &denied) || (beside && now_ms < beside->fresh_until_ms))
		out->held = true;
	return FORWARDED_STALE;
}

enum forwarded_state forwarded_find(struct forwarded *f, const struct forwarded_question *question,
	uint64_t now_ms, struct forwarded_hit *out)
{
	const struct key key = key_of(f, question), positive = key_positive(f, &key);
	struct entry *exact = entry_find(f, &positive), *denial;
	bool denied;

	*out = (struct forwarded_hit){0};
	if (f->policy.prefer_positive) {
		if (exact && hit_preferred(f, exact, &key, now_ms, out) != FORWARDED_MISS)
			return out->ttl_s ? FORWARDED_FRESH : FORWARDED_STALE;
		exact = entry_find(f, &key);
	}
	if (exact && now_ms < exact->fresh_until_ms)
		return hit_fresh(f, exact, &key, now_ms, out);
	denial = denial_find(f, &key, now_ms, &denied);
	if (denial)
		return hit_fresh(f, denial, &key, now_ms, out);
	return exact ? hit_old(f, exact, denied, now_ms, out) : FORWARDED_MISS;
}

/* What a refresh of the question would replace; NULL: there is nothing. */
static struct entry *entry_refreshed(const struct forwarded *f, const struct key *key)
{
	const struct key positive = key_positive(f, key), denial = key_denial(f, key);
	struct entry *entry = entry_find(f, &positive);

	if (!entry)
		entry = entry_find(f, key);
	return entry ? entry : entry_find(f, &denial);
}

bool forwarded_claim_refresh(
	struct forwarded *f, const struct forwarded_question *question, uint64_t now_ms)
{
	const struct key key = key_of(f, question);
	struct entry *entry = entry_refreshed(f, &key);

	return entry && entry_claim(entry, now_ms);
}

/* ---- writing: under the lock ---- */

static void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
	const uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

static size_t store_bytes(const struct store *store)
{
	return atomic_load_explicit(&store->bytes, memory_order_relaxed);
}

static struct entry *entry_of(const struct sieve_link *link)
{
	return (struct entry *)((uintptr_t)link - offsetof(struct entry, link));
}

static void entry_free(void *ptr)
{
	struct entry *entry = ptr;

	forwarded_answer_unref(entry->answer);
	free(entry);
}

static void entry_account(struct forwarded *f, struct entry *entry, bool visited)
{
	struct store *store = &f->stores[entry->kept_in];

	sieve_add(&store->sieve, &entry->link, visited);
	counter_add(&store->entries, 1);
	counter_add(&store->bytes, entry->bytes);
	f->denied_names += entry->type == TYPE_NONE;
}

static void entry_unaccount(struct forwarded *f, struct entry *entry)
{
	struct store *store = &f->stores[entry->kept_in];

	sieve_remove(&store->sieve, &entry->link);
	counter_add(&store->entries, (uint64_t)-1);
	counter_add(&store->bytes, -(uint64_t)entry->bytes);
	f->denied_names -= entry->type == TYPE_NONE;
}

/* Out of its bucket; a reader that is at it goes on to the next. */
static void entry_unlink(struct forwarded *f, struct entry *entry)
{
	_Atomic(struct entry *) *at = &f->buckets[entry->hash & f->mask];
	struct entry *next;

	while ((next = atomic_load_explicit(at, memory_order_relaxed)) != entry)
		at = &next->next;
	next = atomic_load_explicit(&entry->next, memory_order_relaxed);
	atomic_store_explicit(at, next, memory_order_release);
	epoch_retire(&f->bin, entry, entry->bytes, entry_free);
}

static void entry_remove(struct forwarded *f, struct entry *entry)
{
	entry_unaccount(f, entry);
	entry_unlink(f, entry);
}

static void remove_key(struct forwarded *f, const struct key *key)
{
	struct entry *entry = entry_find(f, key);

	if (entry)
		entry_remove(f, entry);
}

struct evicting {
	const struct forwarded *forwarded;
	uint64_t now_ms;
};

static bool link_useless(void *user, const struct sieve_link *link)
{
	const struct evicting *evicting = user;

	return entry_useless(evicting->forwarded, entry_of(link), evicting->now_ms);
}

/* False: it does not fit, whatever goes. */
static bool room_make(struct forwarded *f, unsigned class, size_t bytes, uint64_t now_ms)
{
	struct evicting evicting = {f, now_ms};
	struct store *store = &f->stores[class];

	if (bytes > store->bound)
		return false;
	while (store_bytes(store) + bytes > store->bound) {
		struct sieve_link *link = sieve_victim(&store->sieve, link_useless, &evicting);

		if (!link_useless(&evicting, link))
			counter_add(&store->evictions, 1);
		entry_remove(f, entry_of(link));
	}
	return true;
}

static struct entry *entry_new(const struct key *key, struct forwarded_answer *answer)
{
	const size_t size = sizeof(struct entry) + key->name_len;
	struct entry *entry = calloc(1, size);

	if (!entry)
		return NULL;
	entry->hash = key->hash;
	entry->answer = forwarded_answer_ref(answer);
	entry->bytes = (uint32_t)(size + MALLOC_BYTES);
	if (answer)
		entry->bytes += (uint32_t)(forwarded_answer_size(answer) + MALLOC_BYTES);
	entry->type = key->type;
	entry->class = key->class;
	entry->flags = key->flags;
	entry->kept_in =
		answer && forwarded_answer_kind(answer) == FORWARDED_POSITIVE ? SUCCESS : DENIAL;
	entry->name_len = key->name_len;
	memcpy(entry->name, key->name, key->name_len);
	return entry;
}

/* A popular name stays popular when its answer is another one. */
static bool entry_inherit(struct entry *entry, const struct entry *from)
{
	atomic_init(&entry->hit_ms, atomic_load_explicit(&from->hit_ms, memory_order_relaxed));
	atomic_init(&entry->hits, atomic_load_explicit(&from->hits, memory_order_relaxed));
	return atomic_load_explicit(&from->link.visited, memory_order_relaxed);
}

/* Publish an entry in the place of the one that has its key: readers see one of the two. */
static void entry_put(
	struct forwarded *f, const struct key *key, struct entry *entry, uint64_t now_ms)
{
	_Atomic(struct entry *) *bucket = &f->buckets[key->hash & f->mask];
	struct entry *old = entry_find(f, key);
	bool visited = false;

	if (old) {
		visited = entry_inherit(entry, old);
		entry_unaccount(f, old);
	}
	if (room_make(f, entry->kept_in, entry->bytes, now_ms)) {
		entry_account(f, entry, visited);
		atomic_init(&entry->next, atomic_load_explicit(bucket, memory_order_relaxed));
		atomic_store_explicit(bucket, entry, memory_order_release);
	} else {
		entry_free(entry);
	}
	if (old) /* behind the new one, which has the same key */
		entry_unlink(f, old);
}

/* The name exists: what says that it does not is over, for every kind of client. */
static void drop_denials(struct forwarded *f, const struct key *key)
{
	struct key at = key_denial(f, key);

	if (!f->denied_names)
		return;
	do {
		for (uint8_t flags = 0; flags < FLAGS_VARIETY; flags++) {
			struct key variety = at;

			variety.flags = flags;
			variety = key_denial(f, &variety);
			remove_key(f, &variety);
		}
	} while (key_up(f, &at));
}

static void store_answer(struct forwarded *f, const struct key *key,
	struct forwarded_answer *answer, uint64_t now_ms)
{
	const uint64_t ttl_ms = (uint64_t)forwarded_ttl(&f->policy, answer) * 1000;
	struct entry *entry = entry_new(key, answer);

	if (!entry)
		return;
	entry->stored_ms = now_ms;
	entry->fresh_until_ms = entry->stale_until_ms = now_ms + ttl_ms;
	if (forwarded_answer_kind(answer) != FORWARDED_NXDOMAIN)
		entry->stale_until_ms += (uint64_t)f->policy.stale_s * 1000;
	entry_put(f, key, entry, now_ms);
}

/* Enough to make a grace period worth it: taken out, to be freed without the lock. */
static struct epoch_bin retired_take(struct forwarded *f)
{
	const size_t share = (f->stores[SUCCESS].bound + f->stores[DENIAL].bound) / RETIRED_SHARE;
	const struct epoch_bin taken = f->bin;

	if (taken.count < FORWARDED_RETIRED_MAX &&
		taken.bytes < (share > RETIRED_BYTES ? share : RETIRED_BYTES))
		return (struct epoch_bin){0};
	f->bin = (struct epoch_bin){0};
	return taken;
}

/* Where an answer goes. */
static struct key key_for(
	const struct forwarded *f, const struct key *key, const struct forwarded_answer *answer)
{
	if (forwarded_answer_denies_name(answer))
		return key_denial(f, key);
	if (forwarded_answer_kind(answer) == FORWARDED_POSITIVE)
		return key_positive(f, key);
	return *key;
}

static bool may_store(const struct forwarded *f, const struct forwarded_question *question,
	const struct forwarded_answer *answer)
{
	return forwarded_answer_storable(answer) && forwarded_ttl(&f->policy, answer) &&
	       (question->type != TYPE_NONE || forwarded_answer_denies_name(answer));
}

void forwarded_store(struct forwarded *f, const struct forwarded_question *question,
	struct forwarded_answer *answer, uint64_t now_ms)
{
	const bool storable = may_store(f, question, answer);
	const struct key key = key_of(f, question), at = key_for(f, &key, answer);
	struct epoch_bin retired;

	pthread_mutex_lock(&f->lock);
	if (!forwarded_answer_denies_name(answer))
		drop_denials(f, &key);
	if (!storable || at.hash != key.hash) /* what was known of the question is over */
		remove_key(f, &key);
	if (storable)
		store_answer(f, &at, answer, now_ms);
	retired = retired_take(f);
	pthread_mutex_unlock(&f->lock);
	epoch_bin_free(&retired);
}

static void entry_mark_failed(struct entry *entry, uint64_t now_ms)
{
	atomic_store_explicit(&entry->failed_ms, now_ms ? now_ms : 1, memory_order_relaxed);
	atomic_store_explicit(&entry->claimed_ms, 0, memory_order_relaxed);
}

/* A failure beside nothing else. */
static void store_failure(struct forwarded *f, const struct key *key, uint64_t now_ms)
{
	struct entry *entry = entry_new(key, NULL);

	if (!entry)
		return;
	entry_mark_failed(entry, now_ms);
	entry_put(f, key, entry, now_ms);
}

void forwarded_store_failure(
	struct forwarded *f, const struct forwarded_question *question, uint64_t now_ms)
{
	const struct key key = key_of(f, question),
			 keys[] = {key, key_positive(f, &key), key_denial(f, &key)};
	struct epoch_bin retired;
	bool known = false;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct entry *entry = entry_find(f, &keys[i]);

		if (!entry)
			continue;
		entry_mark_failed(entry, now_ms);
		known = known || entry->type != TYPE_NONE;
	}
	if (!known && f->policy.servfail_ms && question->type != TYPE_NONE)
		store_failure(f, &key, now_ms);
	retired = retired_take(f);
	pthread_mutex_unlock(&f->lock);
	epoch_bin_free(&retired);
}

/* ---- the whole ---- */

int forwarded_new(const struct forwarded_policy *policy, struct forwarded **out)
{
	const size_t wanted = (policy->success_bytes + policy->denial_bytes) / BYTES_EXPECTED;
	struct forwarded *f = calloc(1, sizeof *f);
	size_t buckets = BUCKETS_MIN;
	int rc = -ENOMEM;

	if (!f)
		return rc;
	while (buckets < wanted && buckets < BUCKETS_MAX)
		buckets *= 2;
	f->policy = *policy;
	f->mask = buckets - 1;
	f->stores[SUCCESS].bound = policy->success_bytes;
	f->stores[DENIAL].bound = policy->denial_bytes;
	f->buckets = calloc(buckets, sizeof *f->buckets);
	if (!f->buckets)
		goto fail;
	if (getrandom(f->secret, sizeof f->secret, 0) != (ssize_t)sizeof f->secret) {
		rc = -errno;
		goto fail;
	}
	pthread_mutex_init(&f->lock, NULL);
	*out = f;
	return 0;
fail:
	free(f->buckets);
	free(f);
	return rc;
}

void forwarded_free(struct forwarded *f)
{
	if (!f)
		return;
	for (size_t i = 0; i <= f->mask; i++) {
		struct entry *entry = atomic_load_explicit(&f->buckets[i], memory_order_relaxed);

		while (entry) {
			struct entry *next =
				atomic_load_explicit(&entry->next, memory_order_relaxed);

			entry_free(entry);
			entry = next;
		}
	}
	epoch_bin_free(&f->bin);
	pthread_mutex_destroy(&f->lock);
	free(f->buckets);
	free(f);
}

void forwarded_stats(const struct forwarded *f, struct forwarded_stats *out)
{
	const struct store *success = &f->stores[SUCCESS], *denial = &f->stores[DENIAL];

	*out = (struct forwarded_stats){
		.success_entries = atomic_load_explicit(&success->entries, memory_order_relaxed),
		.denial_entries = atomic_load_explicit(&denial->entries, memory_order_relaxed),
		.success_bytes = store_bytes(success),
		.denial_bytes = store_bytes(denial),
		.success_evictions =
			atomic_load_explicit(&success->evictions, memory_order_relaxed),
		.denial_evictions = atomic_load_explicit(&denial->evictions, memory_order_relaxed),
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `loadbalance`: the order of the addresses in a reply, over what the plugins behind it
 * have written. What comes from the cluster is in random order already; so `round_robin`
 * has work to do only where another plugin answered.
 *
 * The weights of a file are read on the control loop and published; answering threads see
 * the old ones or the new ones (epoch.h). A file that cannot be read or has a mistake leaves
 * the weights that there are, and is told once. */

#include "cache/epoch.h"
#include "dns/corefile/value.h"
#include "dns/observe/log.h"
#include "dns/wire/address_set.h"
#include "dns/wire/type.h"
#include "list.h"
#include "option.h"
#include "prefix.h"
#include "watch/file.h"
#include "weights.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define RELOAD_MS     30000
#define RELOAD_MIN_MS 100

struct loadbalance {
	struct corefile_token at; /* of the policy, or the directive */
	struct value_prefix *preferred;
	size_t preferred_count;
	char *path; /* of the weights; NULL: not weighted */
	int64_t reload_ms;
	const struct corefile_token *reload; /* during setup */

	_Atomic(struct weights *) weights; /* NULL: none were read yet */
	struct epoch_bin bin;
	char *text; /* what the weights were made of, or failed to be */
	size_t text_len;
	char told[COREFILE_ERROR_MAX]; /* the last complaint */
	uv_timer_t timer;
	bool timer_made;
	void (*stopped)(void *user);
	void *stopped_user;
};

/* ---- replies ---- */

struct order {
	const struct loadbalance *loadbalance;
	const struct weights *weights;
	struct thread *thread;
	bool shuffle;
};

static size_t random_below(struct thread *thread, size_t bound)
{
	return (size_t)((uint64_t)thread_random(thread) * bound >> 32);
}

static void set_shuffle(struct address_set *set, struct thread *thread)
{
	for (size_t i = 0; i + 1 < set->count; i++)
		address_set_swap(set, i, i + random_below(thread, set->count - i));
}

/* Those of the first network come first, then those of the second, and so on. */
static void set_prefer(struct address_set *set, const struct loadbalance *loadbalance)
{
	const int family = set->type == TYPE_A ? AF_INET : AF_INET6;
	size_t sorted = 0;

	for (size_t p = 0; p < loadbalance->preferred_count; p++) {
		for (size_t i = sorted; i < set->count; i++) {
			if (prefix_holds(
				    &loadbalance->preferred[p], family, address_set_get(set, i)))
				address_set_swap(set, sorted++, i);
		}
	}
}

static unsigned weight_at(const struct address_set *set, size_t i, const struct weights *weights)
{
	return weights_get(
		weights, set->owner, set->owner_len, address_set_get(set, i), set->rdata_len);
}

/* One of them goes first, in proportion to its weight. */
static void set_weigh(struct address_set *set, const struct order *order)
{
	size_t sum = 0, drawn, chosen = 0;

	for (size_t i = 0; i < set->count; i++)
		sum += weight_at(set, i, order->weights);
	drawn = random_below(order->thread, sum);
	for (;;) {
		const size_t weight = weight_at(set, chosen, order->weights);

		if (drawn < weight)
			break;
		drawn -= weight;
		chosen++;
	}
	address_set_swap(set, 0, chosen);
}

static void set_order(void *ctx, struct address_set *set)
{
	const struct order *order = ctx;

	if (order->shuffle)
		set_shuffle(set, order->thread);
	if (order->weights)
		set_weigh(set, order);
	set_prefer(set, order->loadbalance);
}

static void loadbalance_rewrite(void *instance, struct txn *txn)
{
	struct loadbalance *loadbalance = instance;
	struct order order = {
		.loadbalance = loadbalance,
		.weights = atomic_load_explicit(&loadbalance->weights, memory_order_acquire),
		.thread = txn->thread,
		.shuffle = !loadbalance->path && !txn->shuffled,
	};

	if (txn->reply->rcode == RCODE_NOERROR &&
		(order.shuffle || order.weights || loadbalance->preferred_count))
		address_sets_each(txn->reply, set_order, &order);
}

/* ---- the file ---- */

/* 0: read, or the same as before. */
static int weights_read(struct loadbalance *loadbalance, char err[COREFILE_ERROR_MAX])
{
	struct weights *weights, *old;
	char *text;
	size_t len;
	int rc = file_read(
		loadbalance->path, WEIGHTS_FILE_MAX, &text, &len, err, COREFILE_ERROR_MAX);

	if (rc < 0)
		return rc;
	if (loadbalance->text && len == loadbalance->text_len &&
		memcmp(text, loadbalance->text, len) == 0) {
		free(text);
		return 0;
	}
	rc = weights_parse(text, len, loadbalance->path, &weights, err, COREFILE_ERROR_MAX);
	if (rc < 0) {
		free(text);
		return rc;
	}
	free(loadbalance->text);
	loadbalance->text = text;
	loadbalance->text_len = len;
	old = atomic_exchange_explicit(&loadbalance->weights, weights, memory_order_acq_rel);
	epoch_retire(&loadbalance->bin, old, 0, weights_free);
	epoch_reclaim(&loadbalance->bin);
	if (old)
		log_write(LOG_INFO, "loadbalance", "weights of %s read again", loadbalance->path);
	return 0;
}

static void weights_complain(struct loadbalance *loadbalance, enum log_level level, const char *err)
{
	if (strcmp(loadbalance->told, err) == 0)
		return;
	snprintf(loadbalance->told, sizeof loadbalance->told, "%s", err);
	log_write(level, "loadbalance", "%s; %s", err,
		atomic_load_explicit(&loadbalance->weights, memory_order_relaxed)
			? "the weights stay as they are"
			: "every address counts the same until it can be read");
}

static void reload_due(uv_timer_t *timer)
{
	struct loadbalance *loadbalance = timer->data;
	char err[COREFILE_ERROR_MAX];

	if (weights_read(loadbalance, err) < 0)
		weights_complain(loadbalance, LOG_ERROR, err);
	else
		loadbalance->told[0] = 0;
}

/* As in CoreDNS a file that is not there yet may still come, and one with a mistake is none
 * to start with. */
static int loadbalance_start(void *instance, const struct plugin_host *host,
	const struct block *block, char err[COREFILE_ERROR_MAX])
{
	struct loadbalance *loadbalance = instance;
	const uint64_t period_ms = (uint64_t)loadbalance->reload_ms;
	char why[COREFILE_ERROR_MAX];
	int rc;

	(void)block;
	if (!loadbalance->path)
		return 0;
	rc = weights_read(loadbalance, why);
	if (rc < 0 && (rc == -EINVAL || rc == -ENOMEM || !period_ms))
		return corefile_error(err, &loadbalance->at, "loadbalance: %s", why);
	if (rc < 0)
		weights_complain(loadbalance, LOG_WARNING, why);
	if (!period_ms)
		return 0;
	rc = uv_timer_init(host->loop, &loadbalance->timer);
	if (rc == 0) {
		loadbalance->timer.data = loadbalance;
		loadbalance->timer_made = true;
		rc = uv_timer_start(&loadbalance->timer, reload_due, period_ms, period_ms);
	}
	if (rc < 0)
		corefile_error(err, &loadbalance->at, "loadbalance: cannot start a timer: %s",
			uv_strerror(rc));
	return rc;
}

static void timer_closed(uv_handle_t *handle)
{
	struct loadbalance *loadbalance = handle->data;

	loadbalance->stopped(loadbalance->stopped_user);
}

static void loadbalance_stop(void *instance, void (*done)(void *user), void *user)
{
	struct loadbalance *loadbalance = instance;

	loadbalance->stopped = done;
	loadbalance->stopped_user = user;
	if (loadbalance->timer_made)
		uv_close((uv_handle_t *)&loadbalance->timer, timer_closed);
	else
		done(user);
}

static void loadbalance_free(void *instance)
{
	struct loadbalance *loadbalance = instance;

	if (!loadbalance)
		return;
	weights_free(atomic_load_explicit(&loadbalance->weights, memory_order_relaxed));
	epoch_bin_free(&loadbalance->bin);
	free(loadbalance->preferred);
	free(loadbalance->path);
	free(loadbalance->text);
	free(loadbalance);
}

/* ---- setup ---- */

static int read_reload(void *instance, const struct corefile_line *line, char *err)
{
	struct loadbalance *loadbalance = instance;
	const struct corefile_token *token = &line->tokens[1];
	int64_t ms;

	if (value_duration_ms(token->text, &ms) < 0 ||
		(ms < RELOAD_MIN_MS && strpbrk(token->text, "123456789")))
		return corefile_error(err, token,
			"loadbalance: '%s' is no time between two looks at the file; write for "
			"example '30s' (at least 100ms), or '0s' to read it once",
			token->text);
	loadbalance->reload_ms = ms;
	loadbalance->reload = &line->tokens[0];
	return 0;
}

static int read_prefer(void *instance, const struct corefile_line *line, char *err)
{
	struct loadbalance *loadbalance = instance;
	struct value_prefix *grown = reallocarray(loadbalance->preferred,
		loadbalance->preferred_count + line->token_count, sizeof *grown);

	if (!grown)
		return option_no_memory(err, &line->tokens[0]);
	loadbalance->preferred = grown;
	if (loadbalance->path)
		return corefile_error(err, &line->tokens[0],
			"loadbalance: 'prefer' and 'weighted' exclude each other; take one out");
	for (size_t i = 1; i < line->token_count; i++) {
		if (value_prefix(line->tokens[i].text, &grown[loadbalance->preferred_count]) < 0)
			return corefile_error(err, &line->tokens[i],
				"loadbalance: '%s' is no network; write for example '10.0.0.0/8'",
				line->tokens[i].text);
		loadbalance->preferred_count++;
	}
	return 0;
}

static const struct option_row loadbalance_options[] = {
	{"reload", 1, 1, "reload DURATION", read_reload},
	{"prefer", 1, 1024, "prefer CIDR...", read_prefer}, {0}};

static int policy_read(struct loadbalance *loadbalance, const struct corefile_line *line, char *err)
{
	const struct corefile_token *policy = &line->tokens[1];

	if (line->token_count < 2)
		return 0;
	loadbalance->at = *policy;
	if (strcmp(policy->text, "round_robin") == 0 || strcmp(policy->text, "random") == 0)
		return line->token_count == 2
			       ? 0
			       : corefile_error(err, &line->tokens[2],
					 "loadbalance: nothing can follow '%s'", policy->text);
	if (strcmp(policy->text, "prefer") == 0)
		return corefile_error(err, policy,
			"loadbalance: 'prefer' stands in the body; write 'loadbalance {', then "
			"'prefer CIDR...' on a line of its own, then '}'");
	if (strcmp(policy->text, "weighted") != 0)
		return corefile_error(err, policy,
			"loadbalance: unknown policy '%s'; there are 'round_robin' and 'weighted "
			"FILE'",
			policy->text);
	if (line->token_count != 3)
		return corefile_error(
			err, policy, "loadbalance: write 'loadbalance weighted FILE'");
	loadbalance->path = strdup(line->tokens[2].text);
	return loadbalance->path ? 0 : option_no_memory(err, policy);
}

static int loadbalance_read(
	struct loadbalance *loadbalance, const struct plugin_site *site, char *err)
{
	const struct corefile_line *line = site->lines[0];
	int rc;

	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'loadbalance' once; take one of them out");
	loadbalance->at = line->tokens[0];
	loadbalance->reload_ms = RELOAD_MS;
	rc = policy_read(loadbalance, line, err);
	if (rc == 0)
		rc = option_read(line, loadbalance_options, loadbalance, err);
	if (rc == 0 && loadbalance->reload && !loadbalance->path)
		return corefile_error(err, loadbalance->reload,
			"loadbalance: only the file of 'weighted' is read again; take 'reload' "
			"out");
	loadbalance->reload = NULL;
	return rc;
}

static int loadbalance_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct loadbalance *loadbalance = calloc(1, sizeof *loadbalance);
	int rc;

	if (!loadbalance)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	rc = loadbalance_read(loadbalance, site, err);
	if (rc < 0) {
		loadbalance_free(loadbalance);
		return rc;
	}
	*instance = loadbalance;
	return 0;
}

const struct plugin plugin_loadbalance = {
	.name = "loadbalance",
	.setup = loadbalance_setup,
	.start = loadbalance_start,
	.rewrite = loadbalance_rewrite,
	.stop = loadbalance_stop,
	.free = loadbalance_free,
};

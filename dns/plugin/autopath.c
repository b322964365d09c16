/* SPDX-License-Identifier: Apache-2.0 */
/* `autopath`: a client's search list, gone through here instead of by the client.
 *
 * A pod in namespace shop that looks for example.org asks for
 * example.org.shop.svc.cluster.local first, and, as long as no such name is
 * there, for the same below the other names of its list. Who knows the list can answer
 * the first question with what the last one would have brought:
 *
 *	example.org.shop.svc.cluster.local A?
 *	    example.org.shop.svc.cluster.local CNAME example.org.
 *	    example.org A 192.0.2.7
 *
 * The list is that of a file in resolv.conf's form, or, with @kubernetes, that of the
 * Pod that has the client's address (struct plugin's search). Only where the first
 * name does not exist are the others asked, each along the whole server.
 *
 * As in glibc's search, a name that cannot be looked up does not end the search, and if
 * nothing is found it is a failure: nobody may conclude that there is no such name. */

#include "dns/observe/log.h"
#include "dns/observe/metric.h"
#include "dns/serve/ask.h"
#include "dns/wire/pack.h"
#include "dns/wire/type.h"
#include "labels.h"
#include "list.h"
#include "option.h"
#include "resolv_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct autopath {
	struct name *zones;
	size_t zone_count;
	struct corefile_token at;
	char *source;        /* after the @; NULL: a file */
	struct name *search; /* of the file; the root is the last one */
	size_t search_count;
	const struct block_plugin *provider;
	struct server_rows servers;
	uint32_t *successes; /* a slot of each server; NULL: nobody counts */
};

/* ---- questions ---- */

/* The client's list, the first of which must hold the question's name. */
static unsigned search_list(const struct autopath *autopath, const struct txn *txn,
	struct name own[PLUGIN_SEARCH_MAX], const struct name **out)
{
	const struct block_plugin *provider = autopath->provider;

	*out = autopath->search;
	if (!autopath->source)
		return (unsigned)autopath->search_count;
	*out = own;
	return provider ? provider->plugin->search(provider->instance, txn, own) : 0;
}

/* The question's labels left of the first name of the list, below another one. */
static bool candidate_make(const struct query *query, const struct name *first,
	const struct name *other, struct name *out)
{
	const size_t base = query->label_at[first->labels];

	if (base + other->len > NAME_MAX_LEN)
		return false;
	/* in the letters that were asked: owners of what is found are spelled so */
	memcpy(out->wire, query->asked, base);
	memcpy(out->wire + base, other->wire, other->len);
	out->len = (uint8_t)(base + other->len);
	return true;
}

static void put_found(struct txn *txn, const struct message *message)
{
	struct reply *reply = txn->reply;
	struct message_walk walk;
	struct record record;
	struct pack pack;

	reply->rcode = message->rcode;
	reply->flags |= message->flags & (DNS_FLAG_AA | DNS_FLAG_TC | DNS_FLAG_RA | DNS_FLAG_AD);
	pack_begin(&pack, reply);
	message_walk(message, &walk);
	while (message_next(&walk, &record)) {
		if (record.section == REPLY_ADDITIONAL)
			break;
		if (record.section == REPLY_ANSWER && !reply->count[REPLY_ANSWER] &&
			pack_alias(&pack, message->name, record.ttl_s) != PACK_DONE)
			break;
		if (pack_record(&pack, message, &record, record.section, record.ttl_s) != PACK_DONE)
			break;
	}
}

/* Nothing waits behind autopath's answer: this is the last run of the chain. */
static void count_success(const struct autopath *autopath, const struct txn *txn)
{
	_Atomic uint64_t *counters = autopath->successes ? thread_counters(txn->thread) : NULL;

	if (counters)
		metric_count(
			counters, autopath->successes[server_rows_at(&autopath->servers, txn)], 1);
}

static bool is_answer(const struct message *message)
{
	return message->rcode == RCODE_NOERROR;
}

static bool is_failure(enum plugin_verdict verdict, const struct message *message)
{
	return verdict == PLUGIN_DROP ||
	       (verdict == PLUGIN_DONE && message->rcode != RCODE_NOERROR &&
		       message->rcode != RCODE_NXDOMAIN);
}

static enum plugin_verdict autopath_query(void *instance, struct txn *txn)
{
	const struct autopath *autopath = instance;
	const struct query *query = txn->query;
	struct name own[PLUGIN_SEARCH_MAX];
	const struct name *list;
	struct message message;
	enum plugin_verdict verdict;
	bool failed = false;
	unsigned count;

	if (txn->depth || !option_zones_hold(autopath->zones, autopath->zone_count, query))
		return PLUGIN_NEXT;
	count = search_list(autopath, txn, own, &list);
	if (!count || query->labels <= list[0].labels || !query_below(query, &list[0]))
		return PLUGIN_NEXT;
	verdict = ask_other(txn, query->asked, query->name_len, &message);
	if (verdict == PLUGIN_WAIT)
		return verdict;
	if (verdict != PLUGIN_DONE || message.rcode != RCODE_NXDOMAIN)
		return PLUGIN_NEXT;
	for (unsigned i = 1; i < count; i++) {
		struct name candidate;

		if (!candidate_make(query, &list[0], &list[i], &candidate))
			continue;
		verdict = ask_other(txn, candidate.wire, candidate.len, &message);
		if (verdict == PLUGIN_WAIT)
			return verdict;
		failed |= is_failure(verdict, &message);
		if (verdict != PLUGIN_DONE || !is_answer(&message))
			continue;
		txn->error = NULL;
		put_found(txn, &message);
		count_success(autopath, txn);
		return PLUGIN_DONE;
	}
	if (!failed)
		return PLUGIN_NEXT;
	txn->reply->rcode = RCODE_SERVFAIL;
	if (!txn->error)
		txn->error = "a name of the search list could not be looked up";
	return PLUGIN_DONE;
}

/* ---- setup ---- */

static int zones_read(
	struct autopath *autopath, const struct plugin_site *site, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	int rc = 0;

	for (size_t i = 1; i + 1 < line->token_count && rc == 0; i++)
		rc = option_zones(&autopath->zones, &autopath->zone_count, &line->tokens[i], err);
	if (rc < 0 || autopath->zone_count)
		return rc;
	autopath->zones = reallocarray(NULL, site->zone_count, sizeof *autopath->zones);
	if (!autopath->zones)
		return option_no_memory(err, &line->tokens[0]);
	memcpy(autopath->zones, site->zones, site->zone_count * sizeof *autopath->zones);
	autopath->zone_count = site->zone_count;
	return 0;
}

static int file_read(
	struct autopath *autopath, const struct corefile_token *path, char err[COREFILE_ERROR_MAX])
{
	struct resolv_conf *conf = malloc(sizeof *conf);
	int rc = conf ? resolv_conf_read(path->text, conf) : -ENOMEM;

	if (rc < 0) {
		free(conf);
		return corefile_error(err, path,
			"autopath: cannot read '%s': %s; name a file in the form of "
			"resolv.conf, or write '@kubernetes'",
			path->text, strerror(-rc));
	}
	autopath->search = calloc(conf->search_count + 1, sizeof *autopath->search);
	if (autopath->search) {
		memcpy(autopath->search, conf->search, conf->search_count * sizeof *conf->search);
		autopath->search_count = conf->search_count;
		autopath->search[autopath->search_count++].len = 1; /* the name alone */
	}
	free(conf);
	return autopath->search ? 0 : option_no_memory(err, path);
}

static void autopath_free(void *instance)
{
	struct autopath *autopath = instance;

	if (!autopath)
		return;
	free(autopath->zones);
	free(autopath->source);
	free(autopath->search);
	free(autopath->successes);
	server_rows_free(&autopath->servers);
	free(autopath);
}

static int autopath_read(
	struct autopath *autopath, const struct plugin_site *site, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	const struct corefile_token *last = &line->tokens[line->token_count - 1];

	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'autopath' once; put all zones on one line");
	if (line->token_count < 2 || line->has_body)
		return corefile_error(err, &line->tokens[0],
			"autopath: write 'autopath [ZONE...] @kubernetes' or 'autopath [ZONE...] "
			"FILE'");
	autopath->at = *last;
	if (zones_read(autopath, site, err) < 0)
		return -EINVAL;
	if (last->text[0] != '@')
		return file_read(autopath, last, err);
	if (strcmp(last->text, "@kubernetes") != 0)
		return corefile_error(err, last,
			"autopath: '%s' has no search lists; write '@kubernetes', or a file in "
			"the form of resolv.conf",
			last->text);
	autopath->source = strdup(last->text + 1);
	return autopath->source ? 0 : option_no_memory(err, last);
}

static int autopath_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct autopath *autopath = calloc(1, sizeof *autopath);
	int rc;

	if (!autopath)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	rc = autopath_read(autopath, site, err);
	if (rc < 0) {
		autopath_free(autopath);
		return rc;
	}
	*instance = autopath;
	return 0;
}

static int successes_make(struct autopath *autopath, struct metrics *metrics)
{
	const size_t count = server_rows_count(&autopath->servers);
	char server[SERVER_TEXT_MAX];
	const char *const labels[] = {server};
	int rc = 0;

	autopath->successes = calloc(count, sizeof *autopath->successes);
	if (!autopath->successes)
		return -ENOMEM;
	for (size_t i = 0; i < count && rc == 0; i++) {
		server_rows_text(&autopath->servers, i, server);
		rc = metrics_add(
			metrics, METRIC_AUTOPATH_SUCCESS, labels, NULL, 0, &autopath->successes[i]);
	}
	return rc;
}

/* As in CoreDNS a missing provider is no reason not to start: nothing is found then. */
static void provider_find(struct autopath *autopath, const struct block *block)
{
	const struct corefile_token *at = &autopath->at;

	for (size_t i = 0; autopath->source && i < block->plugin_count; i++) {
		const struct block_plugin *plugin = &block->plugins[i];

		if (plugin->plugin->search && strcmp(plugin->plugin->name, autopath->source) == 0)
			autopath->provider = plugin;
	}
	if (autopath->source && !autopath->provider)
		log_write(LOG_WARNING, "autopath",
			"%s:%u:%u: without '%s' in the same server block nothing is looked up",
			at->file, at->line, at->col, autopath->source);
	else if (autopath->source &&
		 !autopath->provider->plugin->search(autopath->provider->instance, NULL, NULL))
		log_write(LOG_WARNING, "autopath",
			"%s:%u:%u: clients are known by their Pods: without 'pods verified' in "
			"'%s' nothing is looked up",
			at->file, at->line, at->col, autopath->source);
}

static int autopath_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct autopath *autopath = instance;
	int rc = 0;

	provider_find(autopath, block);
	if (host->metrics)
		rc = server_rows_read(block, &autopath->servers, err);
	if (host->metrics && rc == 0)
		rc = successes_make(autopath, host->metrics);
	if (rc < 0 && !err[0])
		corefile_error(err, &autopath->at, "autopath: metrics: %s", strerror(-rc));
	return rc;
}

const struct plugin plugin_autopath = {
	.name = "autopath",
	.setup = autopath_setup,
	.start = autopath_start,
	.query = autopath_query,
	.free = autopath_free,
};

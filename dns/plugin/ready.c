/* SPDX-License-Identifier: Apache-2.0 */
/* `ready`: says over HTTP whether every plugin that has a readiness of its own
 * (`kubernetes`: the first lists are complete) has reached it.
 *
 * The blocks whose `ready` names one address form a set, which lives in the
 * host's shared memory; its members are the instances themselves:
 *
 *	host->shared("ready :8181") = ready_set -> instance -> instance -> NULL
 *
 * Members are linked while plugins start, before the HTTP server runs, and the
 * set is read on the HTTP thread from then on. */

#include "dns/corefile/value.h"
#include "dns/net/http.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_PORT 8181

struct ready {
	struct value_endpoint address;
	struct corefile_token at;
	bool continuously; /* ask a plugin again that was ready before */
	const struct block *block;
	atomic_bool *seen; /* by place in block->plugins: was ready once */
	struct ready *next;
};

struct ready_set {
	struct ready *members;
	const struct plugin_host *host;
};

static int read_monitor(void *instance, const struct corefile_line *line, char *err)
{
	static const char *const modes[] = {"until-ready", "continuously", NULL};
	struct ready *ready = instance;
	const struct corefile_token *mode = &line->tokens[1];
	const char *nearest;

	for (size_t i = 0; modes[i]; i++) {
		if (strcmp(modes[i], mode->text) != 0)
			continue;
		ready->continuously = i == 1;
		return 0;
	}
	nearest = corefile_nearest(mode->text, modes);
	if (nearest)
		return corefile_error(
			err, mode, "ready: monitor '%s'; did you mean '%s'?", mode->text, nearest);
	return corefile_error(err, mode,
		"ready: monitor '%s'; write 'until-ready' or 'continuously'", mode->text);
}

static const struct option_row ready_options[] = {
	{"monitor", 1, 1, "monitor until-ready|continuously", read_monitor}, {0}};

static int ready_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	struct ready *ready;
	int rc;

	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'ready' once; take this line out");
	if (line->token_count > 2)
		return corefile_error(err, &line->tokens[2],
			"ready: one address at most; write 'ready [ADDRESS:PORT]'");
	ready = calloc(1, sizeof *ready);
	if (!ready)
		return option_no_memory(err, &line->tokens[0]);
	ready->address.port = READY_PORT;
	ready->at = line->tokens[0];
	if (line->token_count == 2 &&
		value_endpoint(line->tokens[1].text, READY_PORT, &ready->address) < 0)
		rc = corefile_error(err, &line->tokens[1],
			"ready: '%s' is not an address; write for example ':8181' or "
			"'127.0.0.1:8181'",
			line->tokens[1].text);
	else
		rc = option_read(line, ready_options, ready, err);
	if (rc < 0) {
		free(ready);
		return rc;
	}
	*instance = ready;
	return 0;
}

/* --- the answer, on the HTTP thread --- */

struct names {
	const char **items;
	size_t count;
};

static bool plugin_is_ready(const struct ready *ready, size_t at)
{
	const struct block_plugin *plugin = &ready->block->plugins[at];

	if (!plugin->plugin->ready)
		return true;
	if (!ready->continuously && atomic_load_explicit(&ready->seen[at], memory_order_relaxed))
		return true;
	if (!plugin->plugin->ready(plugin->instance))
		return false;
	atomic_store_explicit(&ready->seen[at], true, memory_order_relaxed);
	return true;
}

/* Every plugin is asked, even if one before it is not ready: what was ready once
 * counts from then on. names->items has room. */
static void names_collect(const struct ready_set *set, struct names *names)
{
	for (const struct ready *at = set->members; at; at = at->next) {
		for (size_t i = 0; i < at->block->plugin_count; i++) {
			if (!plugin_is_ready(at, i))
				names->items[names->count++] = at->block->plugins[i].plugin->name;
		}
	}
}

static int names_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "errors,kubernetes", sorted, each once; NULL: out of memory. */
static char *names_text(struct names *names)
{
	size_t len = 1;
	char *text, *to;

	qsort(names->items, names->count, sizeof *names->items, names_compare);
	for (size_t i = 0; i < names->count; i++)
		len += strlen(names->items[i]) + 1;
	text = to = calloc(1, len);
	for (size_t i = 0; text && i < names->count; i++) {
		if (i && strcmp(names->items[i], names->items[i - 1]) == 0)
			continue;
		if (to != text)
			*to++ = ',';
		to = stpcpy(to, names->items[i]);
	}
	return text;
}

static void reply_set(struct http_reply *reply, int status, char *body)
{
	reply->status = status;
	reply->body = body;
	reply->len = body ? strlen(body) : 0;
}

static void ready_answer(void *user, struct http_reply *reply)
{
	const struct ready_set *set = user;
	struct names names = {0};
	size_t most = 1;

	if (set->host->stopping(set->host->ctx)) {
		reply_set(reply, 503, strdup("Shutting down"));
		reply->close = 1;
		return;
	}
	for (const struct ready *at = set->members; at; at = at->next)
		most += at->block->plugin_count;
	names.items = calloc(most, sizeof *names.items);
	if (!names.items) {
		reply_set(reply, 503, strdup("out of memory"));
		return;
	}
	names_collect(set, &names);
	if (names.count == 0)
		reply_set(reply, 200, strdup("OK"));
	else
		reply_set(reply, 503, names_text(&names));
	free(names.items);
}

static int ready_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct ready *ready = instance;
	struct ready_set *set;
	char key[sizeof ready->address.host + 16];
	int rc = -ENOMEM;

	snprintf(
		key, sizeof key, "ready %s:%u", ready->address.host, (unsigned)ready->address.port);
	set = host->shared(host->ctx, key, sizeof *set);
	ready->seen = calloc(block->plugin_count + 1, sizeof *ready->seen);
	if (!set || !ready->seen)
		goto fail;
	rc = host->http_route(
		host->ctx, ready->address.host, ready->address.port, "/ready", ready_answer, set);
	if (rc < 0)
		goto fail;
	ready->block = block;
	ready->next = set->members;
	set->members = ready;
	set->host = host;
	return 0;
fail:
	corefile_error(err, &ready->at, "ready: cannot serve /ready: %s", strerror(-rc));
	return rc;
}

static void ready_free(void *instance)
{
	struct ready *ready = instance;

	if (ready)
		free(ready->seen);
	free(ready);
}

const struct plugin plugin_ready = {
	.name = "ready",
	.setup = ready_setup,
	.start = ready_start,
	.free = ready_free,
};

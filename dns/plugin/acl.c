/* SPDX-License-Identifier: Apache-2.0 */
/* `acl`: who may ask for what. Lines are gone through in the Corefile's order, in each
 * that has the question's name its rules in theirs, and the first rule that fits decides;
 * without one the question is allowed.
 *
 * The server's own questions (an alias's target, a name of a search list) are looked at
 * too, as the client's: nobody gets by an alias what they may not ask for.
 *
 * What is counted is what became of the client's questions. A chain that waits is run again
 * from its start, so a question that passes counts when its reply is done; the other
 * verdicts are the last word of the run. */

#include "dns/observe/log.h"
#include "dns/observe/metric.h"
#include "dns/wire/type.h"
#include "labels.h"
#include "list.h"
#include "option.h"
#include "prefix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum acl_action { ACL_ALLOW, ACL_BLOCK, ACL_FILTER, ACL_DROP };

static const char *const action_names[] = {"allow", "block", "filter", "drop", NULL};

/* Of a zone; what is allowed is of no zone. */
static const enum metric_id action_metrics[] = {
	[ACL_ALLOW] = METRIC_ACL_ALLOWED,
	[ACL_BLOCK] = METRIC_ACL_BLOCKED,
	[ACL_FILTER] = METRIC_ACL_FILTERED,
	[ACL_DROP] = METRIC_ACL_DROPPED,
};

struct acl_rule {
	enum acl_action action;
	bool any_type, any_source;
	uint16_t *types;
	size_t type_count;
	struct prefix_set sources;
};

struct acl_line {
	struct name *zones;
	size_t zone_count;
	struct acl_rule *rules;
	size_t rule_count;
	size_t first; /* of a server's slots: its first zone's */
};

struct acl {
	struct acl_line *lines;
	size_t count;
	struct corefile_token at;
	/* Each server's: one for what is allowed, then of every line's every zone ACL_DROP. */
	uint32_t *slots; /* NULL: nobody counts */
	size_t width;
	struct server_rows servers;
};

struct acl_verdict {
	enum acl_action action;
	size_t slot; /* of a server's */
};

/* ---- questions ---- */

/* The longest zone that holds the name; zone_count: none. */
static size_t line_zone(const struct acl_line *line, const struct query *query)
{
	size_t found = line->zone_count;

	for (size_t i = 0; i < line->zone_count; i++) {
		if (query_below(query, &line->zones[i]) &&
			(found == line->zone_count ||
				line->zones[i].labels > line->zones[found].labels))
			found = i;
	}
	return found;
}

static bool rule_fits(const struct acl_rule *rule, const struct txn *txn)
{
	bool fits = rule->any_type;

	for (size_t i = 0; i < rule->type_count && !fits; i++)
		fits = rule->types[i] == txn->query->qtype;
	return fits && (rule->any_source || prefix_set_holds(&rule->sources, txn->peer->sa_family,
						    prefix_peer(txn->peer)));
}

static struct acl_verdict acl_decide(const struct acl *acl, const struct txn *txn)
{
	for (size_t i = 0; i < acl->count; i++) {
		const struct acl_line *line = &acl->lines[i];
		const size_t zone = line_zone(line, txn->query);

		for (size_t r = 0; zone < line->zone_count && r < line->rule_count; r++) {
			const enum acl_action action = line->rules[r].action;

			if (!rule_fits(&line->rules[r], txn))
				continue;
			if (action == ACL_ALLOW)
				return (struct acl_verdict){ACL_ALLOW, 0};
			return (struct acl_verdict){
				action, line->first + zone * ACL_DROP + action - ACL_BLOCK};
		}
	}
	return (struct acl_verdict){ACL_ALLOW, 0};
}

static void acl_count(const struct acl *acl, const struct txn *txn, size_t slot)
{
	_Atomic uint64_t *counters = acl->slots ? thread_counters(txn->thread) : NULL;

	if (counters)
		metric_count(counters,
			acl->slots[server_rows_at(&acl->servers, txn) * acl->width + slot], 1);
}

static enum plugin_verdict acl_query(void *instance, struct txn *txn)
{
	const struct acl *acl = instance;
	const struct acl_verdict verdict = acl_decide(acl, txn);

	if (verdict.action != ACL_ALLOW && txn->depth == 0)
		acl_count(acl, txn, verdict.slot);
	switch (verdict.action) {
	case ACL_ALLOW:
		break;
	case ACL_BLOCK:
		txn->reply->rcode = RCODE_REFUSED;
		reply_explain(txn->reply, EDE_BLOCKED);
		return PLUGIN_DONE;
	case ACL_FILTER:
		reply_explain(txn->reply, EDE_FILTERED);
		return PLUGIN_DONE;
	case ACL_DROP:
		return PLUGIN_DROP;
	}
	return PLUGIN_NEXT;
}

/* A reply that is not acl's own. Names of plugins are compared as pointers. */
static void acl_done(void *instance, struct txn *txn)
{
	if (txn->answered_by != plugin_acl.name)
		acl_count(instance, txn, 0);
}

/* ---- setup ---- */

static int type_add(struct acl_rule *rule, const struct corefile_token *token, char *err)
{
	const int type = type_from_text(token->text, strlen(token->text));
	uint16_t *grown;

	if (strcmp(token->text, "*") == 0) {
		rule->any_type = true;
		return 0;
	}
	if (type < 0)
		return corefile_error(err, token,
			"acl: '%s' is no record type; write for example 'A', 'AAAA', 'TYPE99' for "
			"one that has no name here, or '*' for all",
			token->text);
	grown = reallocarray(rule->types, rule->type_count + 1, sizeof *grown);
	if (!grown)
		return option_no_memory(err, token);
	rule->types = grown;
	grown[rule->type_count++] = (uint16_t)type;
	return 0;
}

static int source_add(struct acl_rule *rule, const struct corefile_token *token, char *err)
{
	struct value_prefix prefix;

	if (strcmp(token->text, "*") == 0) {
		rule->any_source = true;
		return 0;
	}
	if (value_prefix(token->text, &prefix) < 0)
		return corefile_error(err, token,
			"acl: '%s' is neither an address nor a network; write for example "
			"'10.0.0.53', '10.0.0.0/8', 'fd00::/8', or '*' for all",
			token->text);
	return prefix_set_add(&rule->sources, &prefix) < 0 ? option_no_memory(err, token) : 0;
}

/* A row per section of a rule. */
static const struct acl_section {
	const char *name, *wants;
	int (*add)(struct acl_rule *rule, const struct corefile_token *token, char *err);
} sections[] = {
	{"type", "a record type, for example 'type A AAAA'", type_add},
	{"net", "an address or a network, for example 'net 10.0.0.0/8'", source_add},
};

static const struct acl_section *section_find(const struct corefile_token *token)
{
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		if (strcasecmp(token->text, sections[i].name) == 0)
			return &sections[i];
	}
	return NULL;
}

static int rule_sections(struct acl_rule *rule, const struct corefile_line *line, char *err)
{
	const struct acl_section *section = NULL;
	int rc = 0;

	for (size_t i = 1; i < line->token_count && rc == 0; i++) {
		const struct corefile_token *token = &line->tokens[i];
		const struct acl_section *begun = section_find(token);

		if (!begun && !section)
			return corefile_error(err, token,
				"acl: '%s' belongs to nothing; write 'type' in front of record "
				"types and 'net' in front of addresses",
				token->text);
		if (!begun) {
			rc = section->add(rule, token, err);
			continue;
		}
		section = begun;
		if (i + 1 == line->token_count || section_find(&line->tokens[i + 1]))
			return corefile_error(err, token, "acl: behind '%s' there must be %s",
				section->name, section->wants);
	}
	return rc;
}

static int rule_read(struct acl_rule *rule, const struct corefile_line *line, char *err)
{
	const struct corefile_token *token = &line->tokens[0];
	const char *nearest;
	size_t action = 0;
	int rc;

	while (action_names[action] && strcasecmp(token->text, action_names[action]) != 0)
		action++;
	if (!action_names[action]) {
		nearest = corefile_nearest(token->text, action_names);
		return corefile_error(err, token,
			"acl: unknown action '%s'; %s%s%s 'allow', 'block', 'filter' and 'drop'",
			token->text, nearest ? "did you mean '" : "", nearest ? nearest : "",
			nearest ? "'? There are" : "there are");
	}
	if (line->has_body)
		return corefile_error(err, token, "acl: a rule is one line; take out the '{'");
	rule->action = (enum acl_action)action;
	rc = rule_sections(rule, line, err);
	prefix_set_finish(&rule->sources);
	/* Without a section the rule is for all. */
	rule->any_type |= rule->type_count == 0;
	rule->any_source |= rule->sources.v4.count == 0 && rule->sources.v6.count == 0;
	return rc;
}

static int line_zones(struct acl_line *line, const struct corefile_line *from,
	const struct plugin_site *site, char *err)
{
	int rc = 0;

	for (size_t i = 1; i < from->token_count && rc == 0; i++)
		rc = option_zones(&line->zones, &line->zone_count, &from->tokens[i], err);
	if (rc < 0 || line->zone_count > 0)
		return rc;
	line->zones = reallocarray(NULL, site->zone_count, sizeof *line->zones);
	if (!line->zones)
		return option_no_memory(err, &from->tokens[0]);
	memcpy(line->zones, site->zones, site->zone_count * sizeof *line->zones);
	line->zone_count = site->zone_count;
	return 0;
}

static int line_read(struct acl_line *line, const struct corefile_line *from,
	const struct plugin_site *site, char *err)
{
	const struct corefile_token *at = &from->tokens[0];
	int rc = line_zones(line, from, site, err);

	if (rc < 0)
		return rc;
	if (from->body_count == 0)
		log_write(LOG_WARNING, "acl", "%s:%u:%u: without rules everything is allowed",
			at->file, at->line, at->col);
	line->rules = calloc(from->body_count + 1, sizeof *line->rules);
	if (!line->rules)
		return option_no_memory(err, at);
	for (size_t i = 0; i < from->body_count && rc == 0; i++)
		rc = rule_read(&line->rules[line->rule_count++], &from->body[i], err);
	return rc;
}

static void line_clear(struct acl_line *line)
{
	for (size_t i = 0; i < line->rule_count; i++) {
		free(line->rules[i].types);
		prefix_set_free(&line->rules[i].sources);
	}
	free(line->rules);
	free(line->zones);
}

static void acl_free(void *instance)
{
	struct acl *acl = instance;

	if (!acl)
		return;
	for (size_t i = 0; i < acl->count; i++)
		line_clear(&acl->lines[i]);
	free(acl->lines);
	free(acl->slots);
	server_rows_free(&acl->servers);
	free(acl);
}

static int acl_setup(const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct acl *acl = calloc(1, sizeof *acl);
	int rc = 0;

	if (acl)
		acl->lines = calloc(site->line_count, sizeof *acl->lines);
	if (!acl || !acl->lines)
		rc = option_no_memory(err, &site->lines[0]->tokens[0]);
	for (size_t i = 0; i < site->line_count && rc == 0; i++)
		rc = line_read(&acl->lines[acl->count++], site->lines[i], site, err);
	if (rc < 0) {
		acl_free(acl);
		return rc;
	}
	acl->at = site->lines[0]->tokens[0];
	*instance = acl;
	return 0;
}

/* ---- start ---- */

static int zone_slots(
	struct metrics *metrics, const char *server, const struct name *zone, uint32_t *slots)
{
	char text[NAME_TEXT_MAX];
	const char *const labels[] = {server, text, ""};
	int rc = 0;

	name_to_text(zone->wire, text, sizeof text);
	for (size_t i = ACL_BLOCK; i <= ACL_DROP && rc == 0; i++)
		rc = metrics_add(
			metrics, action_metrics[i], labels, NULL, 0, &slots[i - ACL_BLOCK]);
	return rc;
}

static int server_slots(
	const struct acl *acl, struct metrics *metrics, const char *server, uint32_t *slots)
{
	const char *const labels[] = {server, ""};
	int rc = metrics_add(metrics, action_metrics[ACL_ALLOW], labels, NULL, 0, &slots[0]);

	for (size_t i = 0; i < acl->count; i++) {
		const struct acl_line *line = &acl->lines[i];

		for (size_t z = 0; z < line->zone_count && rc == 0; z++)
			rc = zone_slots(metrics, server, &line->zones[z],
				&slots[line->first + z * ACL_DROP]);
	}
	return rc;
}

static int slots_make(struct acl *acl, struct metrics *metrics)
{
	const size_t servers = server_rows_count(&acl->servers);
	char server[SERVER_TEXT_MAX];
	int rc = 0;

	acl->width = 1;
	for (size_t i = 0; i < acl->count; i++) {
		acl->lines[i].first = acl->width;
		acl->width += acl->lines[i].zone_count * ACL_DROP;
	}
	acl->slots = calloc(servers * acl->width, sizeof *acl->slots);
	if (!acl->slots)
		return -ENOMEM;
	for (size_t i = 0; i < servers && rc == 0; i++) {
		server_rows_text(&acl->servers, i, server);
		rc = server_slots(acl, metrics, server, &acl->slots[i * acl->width]);
	}
	return rc;
}

static int acl_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct acl *acl = instance;
	int rc = 0;

	if (host->metrics)
		rc = server_rows_read(block, &acl->servers, err);
	if (host->metrics && rc == 0)
		rc = slots_make(acl, host->metrics);
	if (rc < 0 && !err[0])
		corefile_error(err, &acl->at, "acl: metrics: %s", strerror(-rc));
	return rc;
}

const struct plugin plugin_acl = {
	.name = "acl",
	.setup = acl_setup,
	.start = acl_start,
	.query = acl_query,
	.done = acl_done,
	.free = acl_free,
};

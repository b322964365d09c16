/* SPDX-License-Identifier: Apache-2.0 */
/* `acl`: who may ask for what. Lines are gone through in the Corefile's order, in each
 * that has the question's name its rules in theirs, and the first rule that fits decides;
 * without one the question is allowed.
 *
 * The server's own questions (an alias's target, a name of a search list) are looked at
 * too, as the client's: nobody gets by an alias what they may not ask for. */

#include "dns/observe/log.h"
#include "dns/wire/type.h"
#include "list.h"
#include "option.h"
#include "prefix.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum acl_action { ACL_ALLOW, ACL_BLOCK, ACL_FILTER, ACL_DROP };

static const char *const action_names[] = {"allow", "block", "filter", "drop", NULL};

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
};

struct acl {
	struct acl_line *lines;
	size_t count;
};

/* ---- questions ---- */

static bool line_holds(const struct acl_line *line, const struct query *query)
{
	for (size_t i = 0; i < line->zone_count; i++) {
		if (query_below(query, &line->zones[i]))
			return true;
	}
	return false;
}

static bool rule_fits(const struct acl_rule *rule, const struct txn *txn)
{
	bool fits = rule->any_type;

	for (size_t i = 0; i < rule->type_count && !fits; i++)
		fits = rule->types[i] == txn->query->qtype;
	return fits && (rule->any_source || prefix_set_holds(&rule->sources, txn->peer->sa_family,
						    prefix_peer(txn->peer)));
}

static enum acl_action acl_decide(const struct acl *acl, const struct txn *txn)
{
	for (size_t i = 0; i < acl->count; i++) {
		const struct acl_line *line = &acl->lines[i];

		if (!line_holds(line, txn->query))
			continue;
		for (size_t r = 0; r < line->rule_count; r++) {
			if (rule_fits(&line->rules[r], txn))
				return line->rules[r].action;
		}
	}
	return ACL_ALLOW;
}

static enum plugin_verdict acl_query(void *instance, struct txn *txn)
{
	switch (acl_decide(instance, txn)) {
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
	*instance = acl;
	return 0;
}

const struct plugin plugin_acl = {
	.name = "acl",
	.setup = acl_setup,
	.query = acl_query,
	.free = acl_free,
};

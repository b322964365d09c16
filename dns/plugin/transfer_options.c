/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of `transfer`: zones, and in the body `to` with those who may have them. */

#include "transfer.h"

#include "option.h"
#include "prefix.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define NOTIFY_PORT 53

static int peer_read(const struct corefile_token *token, struct transfer_peer *out, char *err)
{
	struct transfer_peer peer = {.notify_port = NOTIFY_PORT};
	struct value_endpoint endpoint;

	/* A prefix stands for many hosts, none of which is a name server that is known. */
	if (strchr(token->text, '/')) {
		peer.notify_port = 0;
		if (value_prefix(token->text, &peer.prefix) == 0)
			goto found;
	} else if (value_address(token->text, &peer.prefix.address) == 0) {
		peer.prefix.bits = peer.prefix.address.family == AF_INET ? 32 : 128;
		goto found;
	} else if (value_endpoint(token->text, NOTIFY_PORT, &endpoint) == 0 && endpoint.port &&
		   value_address(endpoint.host, &peer.prefix.address) == 0) {
		peer.prefix.bits = peer.prefix.address.family == AF_INET ? 32 : 128;
		peer.notify_port = endpoint.port;
		goto found;
	}
	return corefile_error(err, token,
		"transfer: '%s' is no address; write '*', or for example '10.0.0.53', "
		"'10.0.0.53:5353', '[fd00::53]:53' or '10.0.0.0/24'",
		token->text);
found:
	*out = peer;
	return 0;
}

static int read_to(void *instance, const struct corefile_line *line, char *err)
{
	struct transfer_rule *rule = instance;
	struct transfer_peer *grown =
		reallocarray(rule->peers, rule->peer_count + line->token_count, sizeof *grown);
	int rc = 0;

	if (!grown)
		return option_no_memory(err, &line->tokens[0]);
	rule->peers = grown;
	for (size_t i = 1; i < line->token_count && rc == 0; i++) {
		if (strcmp(line->tokens[i].text, "*") == 0) {
			rule->anybody = true;
			continue;
		}
		rc = peer_read(&line->tokens[i], &grown[rule->peer_count], err);
		rule->peer_count += rc == 0;
	}
	return rc;
}

static const struct option_row transfer_options[] = {
	{"to", 1, 1024, "to *|ADDRESS[:PORT]|CIDR...", read_to}, {0}};

static int rule_read(const struct plugin_site *site, const struct corefile_line *line,
	struct transfer_rule *rule, char *err)
{
	int rc = option_read(line, transfer_options, rule, err);

	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = option_zones(&rule->zones, &rule->zone_count, &line->tokens[i], err);
	if (rc < 0)
		return rc;
	if (!rule->anybody && rule->peer_count == 0)
		return corefile_error(err, &line->tokens[0],
			"transfer: to whom? Write 'to ADDRESS...' in its body, or 'to *' for "
			"everybody");
	if (rule->zone_count > 0)
		return 0;
	rule->zones = reallocarray(NULL, site->zone_count, sizeof *rule->zones);
	if (!rule->zones)
		return option_no_memory(err, &line->tokens[0]);
	memcpy(rule->zones, site->zones, site->zone_count * sizeof *rule->zones);
	rule->zone_count = site->zone_count;
	return 0;
}

int transfer_rules_read(
	const struct plugin_site *site, struct transfer_rules *out, char err[COREFILE_ERROR_MAX])
{
	struct transfer_rules rules = {.list = calloc(site->line_count, sizeof *rules.list)};
	int rc = 0;

	if (!rules.list)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	for (size_t i = 0; i < site->line_count && rc == 0; i++)
		rc = rule_read(site, site->lines[i], &rules.list[rules.count++], err);
	if (rc < 0) {
		transfer_rules_free(&rules);
		return rc;
	}
	*out = rules;
	return 0;
}

void transfer_rules_free(struct transfer_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		free(rules->list[i].zones);
		free(rules->list[i].peers);
	}
	free(rules->list);
}

/* The longest zone for which holds() is true. */
static const struct transfer_rule *rules_find(const struct transfer_rules *rules,
	bool (*holds)(const void *name, const struct name *zone), const void *name)
{
	const struct transfer_rule *best = NULL;
	int labels = -1;

	for (size_t i = 0; i < rules->count; i++) {
		const struct transfer_rule *rule = &rules->list[i];

		for (size_t z = 0; z < rule->zone_count; z++) {
			if (rule->zones[z].labels > labels && holds(name, &rule->zones[z])) {
				labels = rule->zones[z].labels;
				best = rule;
			}
		}
	}
	return best;
}

static bool holds_query(const void *query, const struct name *zone)
{
	return query_below(query, zone);
}

static bool holds_name(const void *name, const struct name *zone)
{
	return name_below(name, zone);
}

const struct transfer_rule *transfer_rules_find(
	const struct transfer_rules *rules, const struct query *query)
{
	return rules_find(rules, holds_query, query);
}

const struct transfer_rule *transfer_rules_find_name(
	const struct transfer_rules *rules, const struct name *name)
{
	return rules_find(rules, holds_name, name);
}

bool transfer_rule_allows(const struct transfer_rule *rule, const struct sockaddr *peer)
{
	const uint8_t *bytes = prefix_peer(peer);

	for (size_t i = 0; i < rule->peer_count && !rule->anybody; i++) {
		if (prefix_holds(&rule->peers[i].prefix, peer->sa_family, bytes))
			return true;
	}
	return rule->anybody;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `k8s_external`: the cluster's Services by the addresses and names that they have
 * outside of it. The `kubernetes` of the same server block has the data; here are the zones
 * and what is said of them (cache/external.h). */

#include "cache/external.h"

#include "dns/corefile/value.h"
#include "dns/serve/ask.h"
#include "dns/wire/type.h"
#include "kubernetes.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TTL_DEFAULT  5
#define TTL_MAX      3600
#define APEX_DEFAULT "dns"
/* ns1 and hostmaster stand in front of it, a zone behind it. */
#define APEX_BYTES_MAX 100

struct k8s_external {
	struct name *zones;
	bool *reverse; /* which of them are of addresses */
	bool pointers; /* there are names of addresses in them */
	size_t zone_count;
	const struct name *primary;
	struct name apex;
	uint32_t ttl_s;
	bool headless, fallthrough;
	struct name *fallthrough_zones; /* none: every zone */
	size_t fallthrough_count;
	struct corefile_token at;
	const struct kubernetes *kubernetes;
};

/* ---- questions ---- */

static int zone_of(const struct k8s_external *plugin, const struct query *query)
{
	int best = -1;

	for (size_t i = 0; i < plugin->zone_count; i++) {
		if ((best < 0 || plugin->zones[best].labels < plugin->zones[i].labels) &&
			query_below(query, &plugin->zones[i]))
			best = (int)i;
	}
	return best;
}

static bool falls_through(const struct k8s_external *plugin, const struct query *query)
{
	return option_falls_through(
		plugin->fallthrough, plugin->fallthrough_zones, plugin->fallthrough_count, query);
}

static enum plugin_verdict k8s_external_query(void *instance, struct txn *txn)
{
	const struct k8s_external *plugin = instance;
	const struct cluster *cluster = kubernetes_cluster(plugin->kubernetes);
	const int zone = zone_of(plugin, txn->query);
	struct external external;
	struct external_hit hit;
	struct name outside;

	if (zone < 0 || kubernetes_has_zone_below(
				plugin->kubernetes, txn->query, plugin->zones[zone].labels))
		return PLUGIN_NEXT;
	if (txn->query->qtype == TYPE_AXFR || txn->query->qtype == TYPE_IXFR) {
		txn->reply->rcode = RCODE_REFUSED;
		return PLUGIN_DONE;
	}
	external = (struct external){
		.zone = &plugin->zones[zone],
		.reverse = plugin->reverse[zone],
		.primary = plugin->primary,
		.apex = &plugin->apex,
		.ttl_s = plugin->ttl_s,
		.negative_ttl_s = kubernetes_negative_ttl(plugin->kubernetes),
		.headless = plugin->headless,
	};
	if (external.negative_ttl_s > external.ttl_s)
		external.negative_ttl_s = external.ttl_s;
	external_find(cluster, &external, txn->query, &hit);
	if (hit.hit.verdict == CLUSTER_NXDOMAIN && falls_through(plugin, txn->query))
		return PLUGIN_NEXT;
	txn->shuffled = true;
	if (external_put(
		    cluster, &external, &hit, thread_random(txn->thread), txn->reply, &outside))
		ask_outside(txn, &outside);
	return PLUGIN_DONE;
}

/* Answered, and never transferred. */
static bool k8s_external_zone(void *instance, size_t i, struct transfer_zone *out)
{
	const struct k8s_external *plugin = instance;

	if (i >= plugin->zone_count)
		return false;
	*out = (struct transfer_zone){&plugin->zones[i], true};
	return true;
}

static void k8s_external_watch(void *instance, void (*changed)(void *user), void *user)
{
	(void)instance;
	(void)changed;
	(void)user;
}

static const struct transfer_source k8s_external_transfer = {
	.zone = k8s_external_zone,
	.watch = k8s_external_watch,
};

/* ---- setup ---- */

static int read_apex(void *instance, const struct corefile_line *line, char *err)
{
	struct k8s_external *plugin = instance;
	const struct corefile_token *at = &line->tokens[1];
	struct name apex;

	if (name_from_text(at->text, strlen(at->text), &apex) < 0 || !apex.labels ||
		apex.len > APEX_BYTES_MAX)
		return corefile_error(err, at,
			"k8s_external: apex must be a name of one or a few labels, for example "
			"'dns', not '%s'",
			at->text);
	name_lower(apex.wire, apex.wire, apex.len);
	plugin->apex = apex;
	return 0;
}

static int read_ttl(void *instance, const struct corefile_line *line, char *err)
{
	struct k8s_external *plugin = instance;
	int64_t ttl_s;

	if (value_number(line->tokens[1].text, 0, TTL_MAX, &ttl_s) < 0)
		return corefile_error(err, &line->tokens[1],
			"k8s_external: ttl must be a whole number of seconds from 0 to %d, not "
			"'%s'",
			TTL_MAX, line->tokens[1].text);
	plugin->ttl_s = (uint32_t)ttl_s;
	return 0;
}

static int read_headless(void *instance, const struct corefile_line *line, char *err)
{
	struct k8s_external *plugin = instance;

	(void)line;
	(void)err;
	plugin->headless = true;
	return 0;
}

static int read_fallthrough(void *instance, const struct corefile_line *line, char *err)
{
	struct k8s_external *plugin = instance;
	int rc = 0;

	plugin->fallthrough = true;
	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = option_zones(&plugin->fallthrough_zones, &plugin->fallthrough_count,
			&line->tokens[i], err);
	return rc;
}

static const struct option_row options[] = {
	{"apex", 1, 1, "apex NAME", read_apex},
	{"ttl", 1, 1, "ttl SECONDS", read_ttl},
	{"headless", 0, 0, "headless", read_headless},
	{"fallthrough", 0, 64, "fallthrough [ZONE...]", read_fallthrough},
	{0},
};

/* The root and arpa: the trees of addresses are in them. */
static bool holds_trees(const struct name *zone)
{
	struct name tree;

	return name_from_text("in-addr.arpa", 12, &tree) == 0 && name_below(&tree, zone);
}

/* The directive's zones, or the block's. */
static int zones_read(struct k8s_external *plugin, const struct plugin_site *site, char *err)
{
	const struct corefile_line *line = site->lines[0];
	int rc = 0;

	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = option_zones(&plugin->zones, &plugin->zone_count, &line->tokens[i], err);
	if (rc < 0)
		return rc;
	if (!plugin->zone_count) {
		plugin->zones = reallocarray(NULL, site->zone_count, sizeof *plugin->zones);
		if (!plugin->zones)
			return option_no_memory(err, &line->tokens[0]);
		memcpy(plugin->zones, site->zones, site->zone_count * sizeof *plugin->zones);
		plugin->zone_count = site->zone_count;
	}
	plugin->reverse = calloc(plugin->zone_count, sizeof *plugin->reverse);
	if (!plugin->reverse)
		return option_no_memory(err, &line->tokens[0]);
	for (size_t i = 0; i < plugin->zone_count; i++) {
		plugin->reverse[i] = option_zone_is_reverse(&plugin->zones[i]);
		plugin->pointers |= plugin->reverse[i] || holds_trees(&plugin->zones[i]);
		if (!plugin->reverse[i] && !plugin->primary)
			plugin->primary = &plugin->zones[i];
	}
	if (plugin->primary)
		return 0;
	return corefile_error(err, &line->tokens[0],
		"k8s_external: at least one zone must not be a reverse zone; write for example "
		"'k8s_external example.org'");
}

static int zones_fit(const struct k8s_external *plugin, char *err)
{
	for (size_t i = 0; i < plugin->zone_count; i++) {
		/* hostmaster, the longest label in front of the apex */
		if (plugin->zones[i].len + plugin->apex.len + 11 > NAME_MAX_LEN)
			return corefile_error(err, &plugin->at,
				"k8s_external: a zone is too long to hold the names of its name "
				"server");
	}
	return 0;
}

static void k8s_external_free(void *instance)
{
	struct k8s_external *plugin = instance;

	if (!plugin)
		return;
	free(plugin->zones);
	free(plugin->reverse);
	free(plugin->fallthrough_zones);
	free(plugin);
}

static int k8s_external_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct k8s_external *plugin = calloc(1, sizeof *plugin);
	int rc = 0;

	if (!plugin)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	plugin->ttl_s = TTL_DEFAULT;
	plugin->at = site->lines[0]->tokens[0];
	name_from_text(APEX_DEFAULT, strlen(APEX_DEFAULT), &plugin->apex);
	if (site->line_count > 1)
		rc = corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'k8s_external' once; put all zones on one line");
	if (rc == 0)
		rc = zones_read(plugin, site, err);
	if (rc == 0)
		rc = option_read(site->lines[0], options, plugin, err);
	if (rc == 0)
		rc = zones_fit(plugin, err);
	if (rc < 0) {
		k8s_external_free(plugin);
		return rc;
	}
	*instance = plugin;
	return 0;
}

/* Runs before the block's `kubernetes` starts, so before the first object comes. */
static int k8s_external_start(void *instance, const struct plugin_host *host,
	const struct block *block, char err[COREFILE_ERROR_MAX])
{
	struct k8s_external *plugin = instance;
	struct kubernetes *kubernetes = NULL;

	(void)host;
	for (size_t i = 0; i < block->plugin_count; i++) {
		if (block->plugins[i].plugin == &plugin_kubernetes)
			kubernetes = block->plugins[i].instance;
	}
	if (!kubernetes)
		return corefile_error(err, &plugin->at,
			"k8s_external: the Services come from 'kubernetes', which must stand in "
			"the "
			"same server block");
	kubernetes_want_external(kubernetes, plugin->ttl_s, plugin->headless, plugin->pointers);
	plugin->kubernetes = kubernetes;
	return 0;
}

static const char *const kept_with[] = {"kubernetes", NULL};

const struct plugin plugin_k8s_external = {
	.name = "k8s_external",
	.setup = k8s_external_setup,
	.start = k8s_external_start,
	.query = k8s_external_query,
	.free = k8s_external_free,
	.transfer = &k8s_external_transfer,
	.keeps = true,
	.kept_with = kept_with,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Passes, each over the whole file: group_setup (keys to zones, directives to
 * plugin instances), blocks_make (a block per port of a group), listeners_make
 * (who listens where), zone tables. A failure anywhere frees what there is; no
 * instance has started yet. */

#include "config.h"

#include "dns/corefile/value.h"
#include "dns/plugin/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(char *err)
{
	snprintf(err, COREFILE_ERROR_MAX, "out of memory while reading the configuration");
	return -ENOMEM;
}

static int site_add_zone(struct slot_site *site, const char *text, uint16_t port,
	const struct corefile_token *key, char *err)
{
	size_t count = site->zone_count;
	struct name *zones = reallocarray(site->zones, count + 1, sizeof *zones);
	char **texts;
	uint16_t *ports;

	if (!zones)
		return out_of_memory(err);
	site->zones = zones;
	texts = reallocarray(site->zone_texts, count + 1, sizeof *texts);
	if (!texts)
		return out_of_memory(err);
	site->zone_texts = texts;
	ports = reallocarray(site->zone_ports, count + 1, sizeof *ports);
	if (!ports)
		return out_of_memory(err);
	site->zone_ports = ports;
	if (name_from_text(text, strlen(text), &zones[count]) < 0)
		return corefile_error(err, key, "'%s' is not a zone name", key->text);
	name_lower(zones[count].wire, zones[count].wire, zones[count].len);
	texts[count] = strdup(text);
	if (!texts[count])
		return out_of_memory(err);
	ports[count] = port;
	site->zone_count++;
	return 0;
}

static int site_add_key(struct slot_site *site, const struct corefile_token *token, char *err)
{
	struct value_key key;
	char why[256];
	int rc = 0;

	if (value_key(token->text, &key, why, sizeof why) < 0)
		return corefile_error(err, token, "%s", why);
	if (key.scheme != SCHEME_DNS)
		rc = corefile_error(err, token,
			"'%s': Binnacle serves plain DNS (UDP and TCP) only so far; take out the "
			"scheme",
			token->text);
	for (size_t i = 0; i < key.zone_count && rc == 0; i++)
		rc = site_add_zone(
			site, key.zones[i], key.port ? key.port : site->default_port, token, err);
	value_key_free(&key);
	return rc;
}

static size_t plugin_list_count(void)
{
	size_t count = 0;

	while (plugin_list[count])
		count++;
	return count;
}

/* The group of the old config that the site goes on with: of those with its keys the one
 * that has most in common with it. NULL: none. */
static const struct config_group *predecessor(
	const struct config *config, const struct config *old, const struct slot_site *site)
{
	const struct config_group *found = NULL;
	size_t most = 0;

	for (size_t g = 0; old && g < old->group_count; g++) {
		const size_t likeness = site_likeness(old->groups[g].site, site);
		bool taken = false;

		/* A slot is one block's. */
		for (size_t i = 0; i < config->group_count; i++)
			taken |= config->groups[i].predecessor == &old->groups[g];
		if (taken || likeness <= most)
			continue;
		most = likeness;
		found = &old->groups[g];
	}
	return found;
}

/* Those of the old group that fit, then new ones for the rest. */
static int group_fill(struct config_group *group, char *err)
{
	const size_t count = plugin_list_count();
	const struct corefile_line **lines =
		calloc(group->site->block->line_count + 1, sizeof *lines);
	int rc = 0;

	group->slots = calloc(count, sizeof(struct slot *));
	group->plugins = calloc(count, sizeof *group->plugins);
	if (!group->slots || !group->plugins || !lines)
		rc = -ENOMEM;
	if (rc == 0 && group->predecessor)
		rc = slots_keep(group->predecessor->slots, group->site, count, group->slots);
	if (rc < 0)
		out_of_memory(err);
	for (size_t i = 0; i < count && rc == 0; i++) {
		if (!group->slots[i])
			rc = slot_new(plugin_list[i], group->site, lines, &group->slots[i], err);
		if (group->slots[i])
			group->plugins[group->plugin_count++] =
				(struct block_plugin){plugin_list[i], group->slots[i]->instance};
	}
	free(lines);
	return rc;
}

static int group_setup(struct config *config, const struct config *old,
	const struct corefile_block *block, uint16_t default_port, char *err)
{
	struct slot_site *site = site_new(config->corefile, block, default_port);
	struct config_group *group = &config->groups[config->group_count];
	int rc = 0;

	if (!site)
		return out_of_memory(err);
	group->site = site;
	for (size_t i = 0; i < block->key_count && rc == 0; i++)
		rc = site_add_key(site, &block->keys[i], err);
	for (size_t i = 0; i < block->line_count && rc == 0; i++) {
		if (plugin_find(block->lines[i].tokens[0].text) < 0)
			rc = plugin_refuse(&block->lines[i].tokens[0], err);
	}
	if (rc == 0)
		group->predecessor = predecessor(config, old, site);
	config->group_count++;
	if (rc == 0)
		rc = group_fill(group, err);
	return rc;
}

/* The zones of a group that share a port become a block. A site's arrays are
 * kept sorted by port, so that a block's zones lie side by side. */
static void site_sort_by_port(struct slot_site *site)
{
	for (size_t i = 1; i < site->zone_count; i++) {
		struct name zone = site->zones[i];
		char *text = site->zone_texts[i];
		uint16_t port = site->zone_ports[i];
		size_t at = i;

		for (; at > 0 && site->zone_ports[at - 1] > port; at--) {
			site->zones[at] = site->zones[at - 1];
			site->zone_texts[at] = site->zone_texts[at - 1];
			site->zone_ports[at] = site->zone_ports[at - 1];
		}
		site->zones[at] = zone;
		site->zone_texts[at] = text;
		site->zone_ports[at] = port;
	}
}

static bool group_wants_time(const struct config_group *group)
{
	for (size_t i = 0; i < group->plugin_count; i++) {
		if (group->plugins[i].plugin->wants_time)
			return true;
	}
	return false;
}

static bool group_rewrites(const struct config_group *group)
{
	for (size_t i = 0; i < group->plugin_count; i++) {
		if (group->plugins[i].plugin->rewrite)
			return true;
	}
	return false;
}

/* The blocks of the group so far have one more behind them. */
static void siblings_add(struct config *config, const struct config_group *group)
{
	for (size_t b = config->block_count; b-- > 0 && config->block_groups[b] == group;)
		config->blocks[b].siblings++;
}

static int blocks_make(struct config *config, char *err)
{
	size_t most = 0;

	for (size_t g = 0; g < config->group_count; g++)
		most += config->groups[g].site->zone_count;
	config->blocks = calloc(most ? most : 1, sizeof *config->blocks);
	config->block_groups = calloc(most ? most : 1, sizeof *config->block_groups);
	if (!config->blocks || !config->block_groups)
		return out_of_memory(err);
	for (size_t g = 0; g < config->group_count; g++) {
		struct config_group *group = &config->groups[g];
		const struct slot_site *site = group->site;

		for (size_t z = 0; z < site->zone_count; z++) {
			struct block *block;

			if (z > 0 && site->zone_ports[z] == site->zone_ports[z - 1]) {
				config->blocks[config->block_count - 1].zone_count++;
				continue;
			}
			siblings_add(config, group);
			block = &config->blocks[config->block_count];
			config->block_groups[config->block_count++] = group;
			*block = (struct block){
				.zones = &site->zones[z],
				.zone_texts = &site->zone_texts[z],
				.zone_count = 1,
				.port = site->zone_ports[z],
				.plugins = group->plugins,
				.plugin_count = group->plugin_count,
				.wants_time = group_wants_time(group),
				.rewrites = group_rewrites(group),
			};
		}
	}
	return 0;
}

static struct config_listener *listener_get(
	struct config *config, const struct config_listener *like)
{
	struct config_listener *grown;

	for (size_t i = 0; i < config->listener_count; i++) {
		struct config_listener *at = &config->listeners[i];

		if (at->all == like->all && at->port == like->port &&
			memcmp(&at->address, &like->address, sizeof at->address) == 0)
			return at;
	}
	grown = reallocarray(config->listeners, config->listener_count + 1, sizeof *grown);
	if (!grown)
		return NULL;
	config->listeners = grown;
	grown[config->listener_count] = *like;
	return &grown[config->listener_count++];
}

static int listener_add(struct config *config, const struct config_listener *like,
	const struct block *block, char *err)
{
	struct config_listener *listener = listener_get(config, like);
	const struct block **blocks;

	if (!listener)
		return out_of_memory(err);
	for (size_t i = 0; i < listener->block_count; i++) {
		if (listener->blocks[i] == block)
			return 0; /* the same address twice in one `bind` */
	}
	blocks = reallocarray(listener->blocks, listener->block_count + 1, sizeof *blocks);
	if (!blocks)
		return out_of_memory(err);
	listener->blocks = blocks;
	blocks[listener->block_count++] = block;
	return 0;
}

static void address_set_port(struct sockaddr_storage *address, uint16_t port)
{
	if (address->ss_family == AF_INET)
		((struct sockaddr_in *)address)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

/* The addresses that the block's plugins (`bind`) name; none: all. */
static int block_listen(struct config *config, const struct block *block, char *err)
{
	struct listen_address *list = NULL;
	struct config_listener all = {.all = true, .text = "", .port = block->port};
	size_t count = 0;
	int rc = 0;

	for (size_t i = 0; i < block->plugin_count && rc == 0; i++) {
		const struct block_plugin *at = &block->plugins[i];

		if (at->plugin->listen)
			rc = at->plugin->listen(at->instance, &list, &count, err);
	}
	if (rc == 0 && count == 0) {
		all.address.ss_family = AF_INET6;
		address_set_port(&all.address, block->port);
		rc = listener_add(config, &all, block, err);
	}
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct config_listener one = {
			.address = list[i].address, .text = list[i].text, .port = block->port};

		address_set_port(&one.address, block->port);
		rc = listener_add(config, &one, block, err);
	}
	free(list);
	return rc;
}

/* Of the blocks that claim a zone, the last one of the file is the mistake. */
static int clash_error(const struct config *config, const struct config_listener *listener,
	const char *zone, char *err)
{
	const struct corefile_token *at = config->groups[0].site->block->keys;

	for (size_t i = 0; i < config->block_count; i++) {
		for (size_t z = 0; z < config->blocks[i].zone_count; z++) {
			if (config->blocks[i].port == listener->port &&
				strcmp(config->blocks[i].zone_texts[z], zone) == 0)
				at = config->block_groups[i]->site->block->keys;
		}
	}
	return corefile_error(err, at,
		"the zone %s on port %u is served twice; a zone and port can be in one server "
		"block only, and in it once",
		zone, (unsigned)listener->port);
}

static int listeners_make(struct config *config, char *err)
{
	int rc = 0;

	for (size_t i = 0; i < config->block_count && rc == 0; i++)
		rc = block_listen(config, &config->blocks[i], err);
	for (size_t i = 0; i < config->listener_count && rc == 0; i++) {
		struct config_listener *listener = &config->listeners[i];
		const char *clash = "";

		rc = zone_table_new(
			listener->blocks, listener->block_count, &listener->zones, &clash);
		if (rc == -EEXIST)
			rc = clash_error(config, listener, clash, err);
		else if (rc < 0)
			out_of_memory(err);
	}
	return rc;
}

int config_next(struct corefile *corefile, uint16_t default_port, const struct config *old,
	struct config **out, char err[COREFILE_ERROR_MAX])
{
	struct config *config = calloc(1, sizeof *config);
	int rc = 0;

	if (!config)
		return out_of_memory(err);
	config->corefile = corefile_hold(corefile);
	config->groups = calloc(corefile->block_count + 1, sizeof *config->groups);
	if (!config->groups) {
		rc = out_of_memory(err);
		goto fail;
	}
	for (size_t i = 0; i < corefile->block_count && rc == 0; i++) {
		rc = group_setup(config, old, &corefile->blocks[i], default_port, err);
		if (rc == 0)
			site_sort_by_port(config->groups[i].site);
	}
	if (rc == 0)
		rc = blocks_make(config, err);
	if (rc == 0)
		rc = listeners_make(config, err);
	if (rc < 0)
		goto fail;
	for (size_t i = 0; i < config->group_count; i++)
		config->groups[i].predecessor = NULL; /* it may go */
	*out = config;
	return 0;
fail:
	config_free(config);
	return rc;
}

int config_new(struct corefile *corefile, uint16_t default_port, struct config **out,
	char err[COREFILE_ERROR_MAX])
{
	return config_next(corefile, default_port, NULL, out, err);
}

static void group_free(struct config_group *group)
{
	for (size_t i = 0; group->slots && plugin_list[i]; i++)
		slot_drop(group->slots[i]);
	free(group->slots);
	free(group->plugins);
	site_drop(group->site);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->listener_count; i++) {
		zone_table_free(config->listeners[i].zones);
		free(config->listeners[i].blocks);
	}
	for (size_t i = 0; i < config->group_count; i++)
		group_free(&config->groups[i]);
	free(config->listeners);
	free(config->blocks);
	free(config->block_groups);
	free(config->groups);
	corefile_free(config->corefile);
	free(config);
}

/* --- its instances --- */

static int group_start(struct config_group *group, const struct plugin_host *host,
	const struct block *block, char *err)
{
	int rc = 0;

	for (size_t i = 0; plugin_list[i] && rc == 0; i++) {
		struct slot *slot = group->slots[i];

		if (!slot || slot->started)
			continue;
		slot->started = true; /* also where it fails: it is stopped then */
		if (slot->plugin->start)
			rc = slot->plugin->start(slot->instance, host, block, err);
	}
	return rc < 0 ? rc : 0;
}

int config_start(
	struct config *config, const struct plugin_host *host, char err[COREFILE_ERROR_MAX])
{
	int rc = 0;

	for (size_t b = 0, g = 0; g < config->group_count && rc == 0; g++) {
		while (config->block_groups[b] != &config->groups[g])
			b++;
		rc = group_start(&config->groups[g], host, &config->blocks[b], err);
	}
	return rc;
}

/* The slots of all groups, one after the other, from *at on; NULL: there are no more. */
static struct slot *slot_next(const struct config *config, size_t *at)
{
	const size_t count = plugin_list_count();

	while (*at < config->group_count * count) {
		struct slot *slot = config->groups[*at / count].slots[*at % count];

		++*at;
		if (slot)
			return slot;
	}
	return NULL;
}

const char *config_unready(const struct config *config)
{
	const struct slot *slot;

	for (size_t at = 0; (slot = slot_next(config, &at));) {
		if (slot->holders == 1 && slot->plugin->ready &&
			!slot->plugin->ready(slot->instance))
			return slot->plugin->name;
	}
	return NULL;
}

size_t config_kept(const struct config *config)
{
	const struct slot *slot;
	size_t count = 0;

	for (size_t at = 0; (slot = slot_next(config, &at));)
		count += slot->holders > 1;
	return count;
}

static void slot_stopped(void *user)
{
	struct config *config = user;

	if (--config->stopping == 0)
		config->stopped(config->user);
}

void config_stop(struct config *config, bool all, void (*stopped)(void *user), void *user)
{
	struct slot *slot;

	config->stopped = stopped;
	config->user = user;
	config->stopping = 1;
	for (size_t at = 0; (slot = slot_next(config, &at));) {
		if (!slot->started || (slot->holders > 1 && !all))
			continue;
		slot->started = false;
		if (!slot->plugin->stop)
			continue;
		config->stopping++;
		slot->plugin->stop(slot->instance, slot_stopped, config);
	}
	slot_stopped(config);
}

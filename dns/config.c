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

static int group_add_zone(struct config_group *group, const char *text, uint16_t port,
	const struct corefile_token *key, char *err)
{
	size_t count = group->zone_count;
	struct name *zones = reallocarray(group->zones, count + 1, sizeof *zones);
	char **texts;
	uint16_t *ports;

	if (!zones)
		return out_of_memory(err);
	group->zones = zones;
	texts = reallocarray(group->zone_texts, count + 1, sizeof *texts);
	if (!texts)
		return out_of_memory(err);
	group->zone_texts = texts;
	ports = reallocarray(group->zone_ports, count + 1, sizeof *ports);
	if (!ports)
		return out_of_memory(err);
	group->zone_ports = ports;
	if (name_from_text(text, strlen(text), &zones[count]) < 0)
		return corefile_error(err, key, "'%s' is not a zone name", key->text);
	name_lower(zones[count].wire, zones[count].wire, zones[count].len);
	texts[count] = strdup(text);
	if (!texts[count])
		return out_of_memory(err);
	ports[count] = port;
	group->zone_count++;
	return 0;
}

static int group_add_key(struct config_group *group, const struct corefile_token *token,
	uint16_t default_port, char *err)
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
		rc = group_add_zone(
			group, key.zones[i], key.port ? key.port : default_port, token, err);
	value_key_free(&key);
	return rc;
}

/* Every line of the block that has this directive. */
static size_t lines_of(const struct corefile_block *block, const char *directive,
	const struct corefile_line **lines)
{
	size_t count = 0;

	for (size_t i = 0; i < block->line_count; i++) {
		if (strcmp(block->lines[i].tokens[0].text, directive) == 0)
			lines[count++] = &block->lines[i];
	}
	return count;
}

static int group_add_plugin(struct config_group *group, const struct plugin *plugin,
	const struct corefile_line *const *lines, size_t line_count, char *err)
{
	struct plugin_site site = {
		.lines = lines,
		.line_count = line_count,
		.zones = group->zones,
		.zone_count = group->zone_count,
		.port = group->zone_ports[0],
		.corefile_dir = ".",
	};
	void *instance = NULL;
	int rc = plugin->setup(&site, &instance, err);

	if (rc < 0)
		return rc;
	group->plugins[group->plugin_count++] = (struct block_plugin){plugin, instance};
	return 0;
}

static int group_setup(struct config_group *group, const struct corefile_block *block,
	uint16_t default_port, char *err)
{
	const struct corefile_line **lines;
	size_t plugin_count = 0;
	int rc = 0;

	group->key = &block->keys[0];
	for (size_t i = 0; i < block->key_count && rc == 0; i++)
		rc = group_add_key(group, &block->keys[i], default_port, err);
	for (size_t i = 0; i < block->line_count && rc == 0; i++) {
		if (plugin_find(block->lines[i].tokens[0].text) < 0)
			rc = plugin_refuse(&block->lines[i].tokens[0], err);
	}
	if (rc < 0)
		return rc;
	while (plugin_list[plugin_count])
		plugin_count++;
	group->plugins = calloc(plugin_count, sizeof *group->plugins);
	lines = calloc(block->line_count + 1, sizeof *lines);
	if (!group->plugins || !lines) {
		free(lines);
		return out_of_memory(err);
	}
	for (size_t i = 0; i < plugin_count && rc == 0; i++) {
		size_t count = lines_of(block, plugin_list[i]->name, lines);

		if (count)
			rc = group_add_plugin(group, plugin_list[i], lines, count, err);
	}
	free(lines);
	return rc;
}

/* The zones of a group that share a port become a block. A group's arrays are
 * kept sorted by port, so that a block's zones lie side by side. */
static void group_sort_by_port(struct config_group *group)
{
	for (size_t i = 1; i < group->zone_count; i++) {
		struct name zone = group->zones[i];
		char *text = group->zone_texts[i];
		uint16_t port = group->zone_ports[i];
		size_t at = i;

		for (; at > 0 && group->zone_ports[at - 1] > port; at--) {
			group->zones[at] = group->zones[at - 1];
			group->zone_texts[at] = group->zone_texts[at - 1];
			group->zone_ports[at] = group->zone_ports[at - 1];
		}
		group->zones[at] = zone;
		group->zone_texts[at] = text;
		group->zone_ports[at] = port;
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
		most += config->groups[g].zone_count;
	config->blocks = calloc(most ? most : 1, sizeof *config->blocks);
	config->block_groups = calloc(most ? most : 1, sizeof *config->block_groups);
	if (!config->blocks || !config->block_groups)
		return out_of_memory(err);
	for (size_t g = 0; g < config->group_count; g++) {
		struct config_group *group = &config->groups[g];

		for (size_t z = 0; z < group->zone_count; z++) {
			struct block *block;

			if (z > 0 && group->zone_ports[z] == group->zone_ports[z - 1]) {
				config->blocks[config->block_count - 1].zone_count++;
				continue;
			}
			siblings_add(config, group);
			block = &config->blocks[config->block_count];
			config->block_groups[config->block_count++] = group;
			*block = (struct block){
				.zones = &group->zones[z],
				.zone_texts = &group->zone_texts[z],
				.zone_count = 1,
				.port = group->zone_ports[z],
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
	const struct corefile_token *at = config->groups[0].key;

	for (size_t i = 0; i < config->block_count; i++) {
		for (size_t z = 0; z < config->blocks[i].zone_count; z++) {
			if (config->blocks[i].port == listener->port &&
				strcmp(config->blocks[i].zone_texts[z], zone) == 0)
				at = config->block_groups[i]->key;
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

int config_new(const struct corefile *corefile, uint16_t default_port, struct config **out,
	char err[COREFILE_ERROR_MAX])
{
	struct config *config = calloc(1, sizeof *config);
	int rc = 0;

	if (!config)
		return out_of_memory(err);
	config->groups = calloc(corefile->block_count + 1, sizeof *config->groups);
	if (!config->groups) {
		rc = out_of_memory(err);
		goto fail;
	}
	for (size_t i = 0; i < corefile->block_count && rc == 0; i++) {
		config->group_count++;
		rc = group_setup(&config->groups[i], &corefile->blocks[i], default_port, err);
		if (rc == 0)
			group_sort_by_port(&config->groups[i]);
	}
	if (rc == 0)
		rc = blocks_make(config, err);
	if (rc == 0)
		rc = listeners_make(config, err);
	if (rc < 0)
		goto fail;
	*out = config;
	return 0;
fail:
	config_free(config);
	return rc;
}

static void group_free(struct config_group *group)
{
	for (size_t i = 0; i < group->plugin_count; i++) {
		const struct block_plugin *at = &group->plugins[i];

		if (at->plugin->free)
			at->plugin->free(at->instance);
		else
			free(at->instance);
	}
	for (size_t i = 0; i < group->zone_count; i++)
		free(group->zone_texts[i]);
	free(group->plugins);
	free(group->zones);
	free(group->zone_texts);
	free(group->zone_ports);
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
	free(config);
}

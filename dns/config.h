/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_CONFIG_H
#define BINNACLE_DNS_CONFIG_H

/* A Corefile made ready to run: blocks with their plugin instances, and the
 * listeners they share. Immutable once made; one per (re)load.
 *
 *	struct config
 *	  blocks[]     one per server block and port, plugins in list order
 *	  listeners[]  one per address and port, with the zone table of the
 *	               blocks that listen there
 *
 * Everything belongs to the config; config_free() frees the instances, which
 * must have been stopped if they were started.
 */

#include "dns/corefile/corefile.h"
#include "dns/serve/plugin.h"
#include "dns/serve/zones.h"

struct config_listener {
	struct sockaddr_storage address; /* with port; all-zero IPv6 for "all addresses" */
	bool all;                        /* every address of both families */
	const char *text;                /* "" or as `bind` wrote it */
	uint16_t port;
	const struct block **blocks;
	size_t block_count;
	struct zone_table *zones;
};

struct config_group { /* the plugin instances of one server block of the file */
	struct block_plugin *plugins;
	size_t plugin_count;
	struct name *zones;
	char **zone_texts;
	uint16_t *zone_ports;
	size_t zone_count;
	const struct corefile_token *key; /* the first one, for messages */
};

struct config {
	struct config_group *groups;
	size_t group_count;
	struct block *blocks;
	const struct config_group **block_groups; /* beside blocks */
	size_t block_count;
	struct config_listener *listeners;
	size_t listener_count;
};

/* Set up every directive of the file. default_port is for keys without one. 0,
 * or negative with "file:line:col: message" in err. The corefile must live as
 * long as the config. */
int config_new(const struct corefile *corefile, uint16_t default_port, struct config **out,
	char err[COREFILE_ERROR_MAX]);
void config_free(struct config *config);

#endif

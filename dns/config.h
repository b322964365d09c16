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
 * Instances are in slots (slot.h). A config that is made when another one runs takes over
 * the slots of those whose directive is the same, if their plugin says so; the others are
 * its own. Everything else belongs to the config; config_free() frees the instances that no
 * other config has, which must have been stopped if they were started.
 */

#include "dns/corefile/corefile.h"
#include "dns/serve/plugin.h"
#include "dns/serve/zones.h"
#include "slot.h"

struct config_listener {
	struct sockaddr_storage address; /* with port; all-zero IPv6 for "all addresses" */
	bool all;                        /* every address of both families */
	const char *text;                /* "" or as `bind` wrote it */
	uint16_t port;
	const struct block **blocks;
	size_t block_count;
	struct zone_table *zones;
};

struct config_group {        /* the plugin instances of one server block of the file */
	struct slot **slots; /* by place in plugin_list; NULL: the block has no such line */
	struct block_plugin *plugins;
	size_t plugin_count;
	struct slot_site *site; /* held */
	/* Of the config before, while this one is made: whose slots are taken over. */
	const struct config_group *predecessor;
};

struct config {
	struct config_group *groups;
	size_t group_count;
	struct block *blocks;
	const struct config_group **block_groups; /* beside blocks */
	size_t block_count;
	struct config_listener *listeners;
	size_t listener_count;
	struct corefile *corefile; /* held */
	size_t stopping;           /* instances that have not stopped yet */
	void (*stopped)(void *user);
	void *user;
};

/* Set up every directive of the file. default_port is for keys without one. 0,
 * or negative with "file:line:col: message" in err. The corefile is held as
 * long as needed. */
int config_new(struct corefile *corefile, uint16_t default_port, struct config **out,
	char err[COREFILE_ERROR_MAX]);
/* The same beside a config that runs; NULL: there is none. */
int config_next(struct corefile *corefile, uint16_t default_port, const struct config *old,
	struct config **out, char err[COREFILE_ERROR_MAX]);

/* Start the instances that do not run yet, in the order of the file's blocks and, in a
 * block, of plugin_list. 0, or negative with a message; config_stop() then. */
int config_start(
	struct config *config, const struct plugin_host *host, char err[COREFILE_ERROR_MAX]);
/* A plugin, other than kept ones, that says it is not ready; NULL: none. */
const char *config_unready(const struct config *config);
/* Stop the instances that run; all: also those that another config has too. stopped is
 * called at once or later, when they have; then config_free() may be. */
void config_stop(struct config *config, bool all, void (*stopped)(void *user), void *user);
/* How many of its instances another config has too. */
size_t config_kept(const struct config *config);
void config_free(struct config *config); /* NULL is allowed */

#endif

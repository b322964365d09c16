/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_SLOT_H
#define BINNACLE_DNS_SLOT_H

/* A plugin's instance with what it was set up from, which lives as long as it does:
 *
 *	config 1   group { site A } -> slot kubernetes -> site A -> corefile 1
 *	                            -> slot health     -> site A
 *	config 2   group { site B } -> slot kubernetes   (the same one: kept)
 *	                            -> slot health     -> site B -> corefile 2
 *
 * Control loop's thread. Both are counted references: hold and drop. */

#include "dns/serve/plugin.h"

/* A server block of the file and its zones. */
struct slot_site {
	unsigned holders;
	struct corefile *corefile; /* held */
	const struct corefile_block *block;
	uint16_t default_port;
	struct name *zones;
	char **zone_texts;
	uint16_t *zone_ports;
	size_t zone_count;
};

struct slot_site *site_new(struct corefile *corefile, const struct corefile_block *block,
	uint16_t default_port); /* without zones; NULL: out of memory */
void site_drop(struct slot_site *site);

struct slot {
	unsigned holders; /* configurations */
	const struct plugin *plugin;
	void *instance;
	struct slot_site *site; /* held */
	uint64_t files;         /* what the files that the lines name were like */
	bool started;
};

/* Set the plugin up with its lines of the site's block (lines has room for all of them).
 * 0 and *out, NULL where the block has no such lines; or negative with err. */
int slot_new(const struct plugin *plugin, struct slot_site *site,
	const struct corefile_line **lines, struct slot **out, char err[COREFILE_ERROR_MAX]);
void slot_drop(struct slot *slot); /* the last one frees the instance; NULL is allowed */

/* The slots of an old group that a new site takes over, by place in plugin_list: kept[i] is
 * old[i] (both have `count` places) or NULL, and held. 0 or -ENOMEM. */
int slots_keep(
	struct slot *const *old, const struct slot_site *site, size_t count, struct slot **kept);

/* How many directives the two blocks have in common; 0 where they have not the same keys. */
size_t site_likeness(const struct slot_site *a, const struct slot_site *b);

#endif

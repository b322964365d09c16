/* SPDX-License-Identifier: Apache-2.0 */
#include "slot.h"

#include "dns/corefile/same.h"
#include "dns/plugin/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- sites --- */

struct slot_site *site_new(
	struct corefile *corefile, const struct corefile_block *block, uint16_t default_port)
{
	struct slot_site *site = calloc(1, sizeof *site);

	if (!site)
		return NULL;
	site->holders = 1;
	site->corefile = corefile_hold(corefile);
	site->block = block;
	site->default_port = default_port;
	return site;
}

void site_drop(struct slot_site *site)
{
	if (!site || --site->holders)
		return;
	for (size_t i = 0; i < site->zone_count; i++)
		free(site->zone_texts[i]);
	free(site->zones);
	free(site->zone_texts);
	free(site->zone_ports);
	corefile_free(site->corefile);
	free(site);
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

/* Room for the lines of a block; to be freed. */
static const struct corefile_line **lines_room(const struct slot_site *site)
{
	return calloc(site->block->line_count + 1, sizeof(struct corefile_line *));
}

static bool keys_same(const struct slot_site *a, const struct slot_site *b)
{
	if (a->block->key_count != b->block->key_count || a->default_port != b->default_port)
		return false;
	for (size_t i = 0; i < a->block->key_count; i++) {
		if (strcmp(a->block->keys[i].text, b->block->keys[i].text) != 0)
			return false;
	}
	return true;
}

/* What two blocks say with one directive. */
struct both {
	const struct corefile_line **a, **b;
	size_t a_count, b_count;
};

static bool both_same(struct both *both, const struct slot_site *a, const struct slot_site *b,
	const struct plugin *plugin)
{
	both->a_count = lines_of(a->block, plugin->name, both->a);
	both->b_count = lines_of(b->block, plugin->name, both->b);
	return corefile_lines_same(both->a, both->a_count, both->b, both->b_count);
}

size_t site_likeness(const struct slot_site *a, const struct slot_site *b)
{
	struct both both = {.a = lines_room(a), .b = lines_room(b)};
	size_t likeness = 0;

	if (both.a && both.b && keys_same(a, b)) {
		likeness = 1;
		for (size_t i = 0; plugin_list[i]; i++)
			likeness += both_same(&both, a, b, plugin_list[i]) && both.a_count;
	}
	free(both.a);
	free(both.b);
	return likeness;
}

/* --- files --- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ (hash >> 32);
}

/* A folder is looked into by whoever reads it; its own stamp says nothing. */
static uint64_t files_mix(uint64_t hash, const struct corefile_line *line)
{
	for (size_t i = 1; i < line->token_count; i++) {
		struct stat stat_;

		if (stat(line->tokens[i].text, &stat_) < 0 || !S_ISREG(stat_.st_mode))
			continue;
		hash = mix(hash, i);
		hash = mix(hash, (uint64_t)stat_.st_dev);
		hash = mix(hash, (uint64_t)stat_.st_ino);
		hash = mix(hash, (uint64_t)stat_.st_size);
		hash = mix(hash, (uint64_t)stat_.st_mtim.tv_sec);
		hash = mix(hash, (uint64_t)stat_.st_mtim.tv_nsec);
	}
	for (size_t i = 0; i < line->body_count; i++)
		hash = files_mix(mix(hash, i), &line->body[i]);
	return hash;
}

static uint64_t files_now(const struct corefile_line *const *lines, size_t count)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < count; i++)
		hash = files_mix(mix(hash, i), lines[i]);
	return hash;
}

/* --- slots --- */

int slot_new(const struct plugin *plugin, struct slot_site *site,
	const struct corefile_line **lines, struct slot **out, char err[COREFILE_ERROR_MAX])
{
	struct plugin_site where = {
		.lines = lines,
		.line_count = lines_of(site->block, plugin->name, lines),
		.zones = site->zones,
		.zone_count = site->zone_count,
		.port = site->zone_ports[0],
		.corefile_dir = ".",
	};
	struct slot *slot = NULL;
	int rc;

	if (where.line_count == 0) {
		*out = NULL;
		return 0;
	}
	slot = calloc(1, sizeof *slot);
	if (!slot) {
		corefile_error(err, &lines[0]->tokens[0], "out of memory");
		return -ENOMEM;
	}
	/* Before it reads them: what changes meanwhile is another file. */
	if (plugin->keeps)
		slot->files = files_now(lines, where.line_count);
	rc = plugin->setup(&where, &slot->instance, err);
	if (rc < 0) {
		free(slot);
		return rc;
	}
	slot->plugin = plugin;
	slot->holders = 1;
	slot->site = site;
	site->holders++;
	*out = slot;
	return 0;
}

void slot_drop(struct slot *slot)
{
	if (!slot || --slot->holders)
		return;
	if (slot->plugin->free)
		slot->plugin->free(slot->instance);
	else
		free(slot->instance);
	site_drop(slot->site);
	free(slot);
}

/* --- what a reload takes over --- */

static bool slot_fits(const struct slot *slot, const struct slot_site *site, struct both *both)
{
	return slot->started && slot->plugin->keeps &&
	       both_same(both, slot->site, site, slot->plugin) &&
	       files_now(both->b, both->b_count) == slot->files;
}

/* Whether the plugins without which it is not kept say the same, and are kept if they can
 * be. */
static bool company_kept(const struct slot *slot, const struct slot_site *site,
	struct slot *const *kept, struct both *both)
{
	for (const char *const *name = slot->plugin->kept_with; name && *name; name++) {
		const int at = plugin_find(*name);

		if (at < 0)
			continue;
		if (!both_same(both, slot->site, site, plugin_list[at]))
			return false;
		if (both->b_count && plugin_list[at]->keeps && !kept[at])
			return false;
	}
	return true;
}

/* Room for the lines of any of the old sites. */
static const struct corefile_line **old_room(struct slot *const *old, size_t count)
{
	size_t most = 0;

	for (size_t i = 0; i < count; i++) {
		if (old[i] && old[i]->site->block->line_count > most)
			most = old[i]->site->block->line_count;
	}
	return calloc(most + 1, sizeof(struct corefile_line *));
}

int slots_keep(
	struct slot *const *old, const struct slot_site *site, size_t count, struct slot **kept)
{
	struct both both = {.a = old_room(old, count), .b = lines_room(site)};
	const bool room = both.a && both.b;
	bool again = room;

	for (size_t i = 0; i < count; i++)
		kept[i] = room && old[i] && slot_fits(old[i], site, &both) ? old[i] : NULL;
	/* One that is not kept may take others with it. */
	while (again) {
		again = false;
		for (size_t i = 0; i < count; i++) {
			if (!kept[i] || company_kept(kept[i], site, kept, &both))
				continue;
			kept[i] = NULL;
			again = true;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (kept[i])
			kept[i]->holders++;
	}
	free(both.a);
	free(both.b);
	return room ? 0 : -ENOMEM;
}

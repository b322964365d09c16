/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How much may wait for a grace period before a run stops to wait for one. */
#define BIN_BYTES_MAX (1u << 20)
#define BIN_COUNT_MAX 4096

/* All kinds of records that follow from one Service and its slices. */
static const struct rule *const rules[] = {&rule_service, &rule_endpoint};
#define RULE_COUNT (sizeof rules / sizeof rules[0])

/* One drafted name and what publishing it takes. */
struct change {
	struct node *node;
	struct entry *entry; /* NULL: published already, byte for byte */
	bool made;           /* the node was held for this change */
};

static struct entry *entry_copy(const struct draft *draft, const struct draft_name *name)
{
	struct entry *entry = malloc(name->entry_len);

	if (entry)
		memcpy(entry, draft_entry(draft, name), name->entry_len);
	return entry;
}

static bool entry_same(
	const struct draft *draft, const struct draft_name *name, const struct entry *entry)
{
	return entry && entry->size == name->entry_len &&
	       memcmp(entry, draft_entry(draft, name), name->entry_len) == 0;
}

static const struct entry *node_entry(const struct node *node)
{
	return atomic_load_explicit(&node->entry, memory_order_relaxed);
}

static enum entry_kind kind_of(const struct service *service)
{
	switch (service->type) {
	case SERVICE_HEADLESS:
		return ENTRY_HEADLESS;
	case SERVICE_EXTERNAL_NAME:
		return ENTRY_EXTERNAL;
	default:
		return ENTRY_CLUSTER_IP;
	}
}

static void run_rules(struct compile *compile, struct rule_run *run)
{
	struct draft *draft = run->draft;
	const struct owner *owner = run->owner;

	run->kind = kind_of(owner->service);
	draft_begin(draft, owner->key, owner->key_len, run->kind);
	for (size_t i = 0; i < RULE_COUNT && !run->absent; i++)
		rules[i]->own(run);
	draft_end(draft);
	for (size_t i = 0; i < RULE_COUNT && !run->absent; i++) {
		if (rules[i]->names)
			rules[i]->names(run);
	}
	if (run->absent)
		draft->name_count = 0;
	if (!draft->error)
		compile->refused += run->refused;
}

static void changes_undo(struct compile *compile, struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(changes[i].entry);
		if (changes[i].made)
			index_drop(compile->index, changes[i].node);
	}
}

/* Names the owner has already carry the stamp `had`; all get had + 1. */
static int change_prepare(
	struct compile *compile, const struct draft_name *name, uint32_t had, struct change *out)
{
	struct node *node = index_node(compile->index, name->key, name->key_len);
	struct change change = {0};

	change.made = !node || node->stamp != had;
	if (change.made) {
		const int rc = index_hold(compile->index, name->key, name->key_len, &node);

		if (rc)
			return rc;
	}
	change.node = node;
	if (!entry_same(&compile->draft, name, node_entry(node))) {
		change.entry = entry_copy(&compile->draft, name);
		if (!change.entry) {
			if (change.made)
				index_drop(compile->index, node);
			return -ENOMEM;
		}
	}
	node->stamp = had + 1;
	*out = change;
	return 0;
}

/* Everything that can fail. *names is the owner's new list of further names. */
static int changes_prepare(
	struct compile *compile, uint32_t had, struct change *changes, struct node ***names)
{
	const struct draft *draft = &compile->draft;
	struct node **list = NULL;
	size_t done = 0;
	int rc = 0;

	if (draft->name_count > 1) {
		list = malloc((draft->name_count - 1) * sizeof(struct node *));
		if (!list)
			return -ENOMEM;
	}
	while (!rc && done < draft->name_count) {
		rc = change_prepare(compile, &draft->names[done], had, &changes[done]);
		if (rc)
			break;
		if (done)
			list[done - 1] = changes[done].node;
		done++;
	}
	if (rc) {
		changes_undo(compile, changes, done);
		free(list);
		return rc;
	}
	*names = list;
	return 0;
}

/* Names that are in the old list and not in the new one. Children go first, so
 * that no parent is left behind without anything at it. */
static void drop_old(struct compile *compile, const struct owner *owner, uint32_t had)
{
	for (uint32_t i = 0; i < owner->name_count; i++) {
		if (owner->names[i]->stamp == had)
			index_drop(compile->index, owner->names[i]);
	}
	if (owner->node && owner->node->stamp == had)
		index_drop(compile->index, owner->node);
}

static void changes_commit(struct compile *compile, struct owner *owner, uint32_t had,
	struct change *changes, struct node **names)
{
	const size_t count = compile->draft.name_count;
	const uint32_t name_count = count ? (uint32_t)(count - 1) : 0;

	for (size_t i = 0; i < count; i++) {
		if (!changes[i].entry)
			continue;
		index_publish(compile->index, changes[i].node, changes[i].entry);
		compile->published++;
	}
	drop_old(compile, owner, had);
	compile->bytes += name_count * sizeof(struct node *);
	compile->bytes -= owner->name_count * sizeof(struct node *);
	free(owner->names);
	owner->node = count ? changes[0].node : NULL;
	owner->names = names;
	owner->name_count = name_count;
}

static void stamp_old(const struct owner *owner, uint32_t stamp)
{
	if (owner->node)
		owner->node->stamp = stamp;
	for (uint32_t i = 0; i < owner->name_count; i++)
		owner->names[i]->stamp = stamp;
}

static int compile_owner(struct compile *compile, struct owner *owner)
{
	struct draft *draft = &compile->draft;
	struct rule_run run = {.config = compile->config, .owner = owner, .draft = draft};
	struct change one, *changes = &one;
	struct node **names = NULL;
	uint32_t had;
	int rc;

	draft_reset(draft);
	if (owner->service)
		run_rules(compile, &run);
	if (draft->error)
		return draft->error;
	had = compile->stamp += 2;
	stamp_old(owner, had);
	if (draft->name_count > 1) {
		changes = malloc(draft->name_count * sizeof *changes);
		if (!changes)
			return -ENOMEM;
	}
	rc = changes_prepare(compile, had, changes, &names);
	if (!rc) {
		changes_commit(compile, owner, had, changes, names);
		compile->compiled++;
		compile->zone_dirty |= owner->holds_own || run.holds_own;
		owner->holds_own = run.holds_own;
	}
	if (changes != &one)
		free(changes);
	return rc;
}

/* A namespace's own name exists while the Namespace or a Service in it does. */
static int compile_space(struct compile *compile, struct space *space)
{
	const bool wanted = space->known || space->services;
	int rc = 0;

	if (wanted && !space->node) {
		rc = index_hold(compile->index, space->key, space->key_len, &space->node);
		if (!rc && !node_entry(space->node))
			index_publish(compile->index, space->node, &entry_empty);
	} else if (!wanted && space->node) {
		index_drop(compile->index, space->node);
		space->node = NULL;
	}
	return rc;
}

static void apex_publish(struct compile *compile, unsigned which, const struct entry *entry)
{
	const struct entry *old = atomic_load_explicit(&compile->apex[which], memory_order_relaxed);

	atomic_store_explicit(&compile->apex[which], entry, memory_order_release);
	compile->bytes += entry->size;
	compile->published++;
	if (!old)
		return;
	compile->bytes -= old->size;
	epoch_retire(compile->index->bin, (void *)(uintptr_t)old, old->size, NULL);
}

static int compile_zone(struct compile *compile)
{
	struct entry *fresh[APEX_COUNT] = {NULL};
	struct draft *draft = &compile->draft;
	int rc;

	draft_reset(draft);
	rule_zone(compile->config, &compile->store->owners, draft);
	rc = draft->error;
	for (unsigned i = 0; !rc && i < APEX_COUNT; i++) {
		const struct draft_name *name = &draft->names[i];

		if (entry_same(draft, name,
			    atomic_load_explicit(&compile->apex[i], memory_order_relaxed)))
			continue;
		fresh[i] = entry_copy(draft, name);
		if (!fresh[i])
			rc = -ENOMEM;
	}
	for (unsigned i = 0; i < APEX_COUNT; i++) {
		if (rc)
			free(fresh[i]);
		else if (fresh[i])
			apex_publish(compile, i, fresh[i]);
	}
	return rc;
}

static int publish_host(struct compile *compile)
{
	struct draft *draft = &compile->draft;
	const struct entry *entry;
	int rc;

	draft_reset(draft);
	rule_zone_host(compile->config, draft);
	if (draft->error)
		return draft->error;
	rc = index_hold(
		compile->index, draft->names[0].key, draft->names[0].key_len, &compile->host);
	if (rc)
		return rc;
	entry = entry_copy(draft, &draft->names[0]);
	if (!entry)
		return -ENOMEM;
	index_publish(compile->index, compile->host, entry);
	return 0;
}

int compile_init(struct compile *compile, struct store *store, struct index *index,
	const struct rule_config *config)
{
	static const uint8_t bare[][4] = {{3, 's', 'v', 'c'}, {3, 'p', 'o', 'd'}};
	int rc;

	compile->store = store;
	compile->index = index;
	compile->config = config;
	draft_init(&compile->draft, config->ttl_s);
	rc = publish_host(compile);
	for (size_t i = 0; !rc && i < sizeof bare / sizeof bare[0]; i++) {
		rc = index_hold(index, bare[i], sizeof bare[i], &compile->bare[i]);
		if (!rc)
			index_publish(index, compile->bare[i], &entry_empty);
	}
	return rc ? rc : compile_zone(compile);
}

void compile_free(struct compile *compile)
{
	for (unsigned i = 0; i < APEX_COUNT; i++)
		free((void *)(uintptr_t)atomic_load_explicit(
			&compile->apex[i], memory_order_relaxed));
	draft_free(&compile->draft);
}

static size_t run_spaces(struct compile *compile)
{
	struct store *store = compile->store;
	struct space *space, *failed = NULL;
	size_t left = 0;

	while ((space = store_take_space(store))) {
		if (compile_space(compile, space)) {
			space->dirty_next = failed;
			failed = space;
			left++;
		} else {
			store_put_space(store, space);
		}
	}
	while ((space = failed)) {
		failed = space->dirty_next;
		store_mark_space(store, space);
	}
	return left;
}

static size_t run_owners(struct compile *compile)
{
	struct epoch_bin *bin = compile->index->bin;
	struct store *store = compile->store;
	struct owner *owner, *failed = NULL;
	size_t left = 0;

	while ((owner = store_take_owner(store))) {
		if (compile_owner(compile, owner)) {
			owner->dirty_next = failed;
			failed = owner;
			left++;
		} else {
			store_put_owner(store, owner);
		}
		if (bin->count > BIN_COUNT_MAX || bin->bytes > BIN_BYTES_MAX)
			epoch_reclaim(bin);
	}
	while ((owner = failed)) {
		failed = owner->dirty_next;
		store_mark_owner(store, owner);
	}
	return left;
}

size_t compile_run(struct compile *compile)
{
	size_t left = run_spaces(compile);

	if (compile->store->kinds[KIND_SERVICE].complete)
		left += run_owners(compile);
	if (compile->zone_dirty) {
		if (compile_zone(compile))
			left++;
		else
			compile->zone_dirty = false;
	}
	return left;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/type.h"

/* How much may wait for a grace period before a run stops to wait for one. */
#define BIN_BYTES_MAX (1u << 20)
#define BIN_COUNT_MAX 4096
/* Room for hashes that is kept for the next owner. */
#define HASHES_KEEP 4096

/* All kinds of records that follow from one Service and its slices. */
static rule_fn *const rules[] = {rule_service, rule_endpoint, rule_zonal, rule_external};
#define RULE_COUNT (sizeof rules / sizeof rules[0])

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
		rules[i](run);
	draft_end(draft);
	if (run->absent)
		draft->name_count = 0;
	if (draft->error)
		return;
	compile->refused += run->refused;
	if (run->why && run->config->tell)
		run->config->tell(run->config->tell_ctx, &owner->service->head, run->why);
}

/* ---- addresses that lead back to an entry ---- */

/* What leads to the old entry and no longer to the new one. */
static void reverse_leave(struct compile *compile, struct node *node)
{
	for (size_t i = 0; i < compile->gone.count; i++)
		reverse_remove(compile->reverse, compile->gone.hash[i], node);
}

static bool leads_to(const struct reverse *reverse, uint32_t hash, const struct node *node)
{
	struct reverse_walk walk = reverse_walk(reverse, hash);
	const struct node *at;

	while ((at = reverse_next(&walk)) && at != node)
		;
	return at != NULL;
}

/* Make the new entry's addresses lead to the node. */
static int reverse_enter(struct compile *compile, const struct owner *owner, struct node *node,
	const struct entry *fresh)
{
	struct hash_list *come = &compile->come;
	size_t added = 0;

	compile->gone.count = come->count = 0;
	/* no PTR leads to an import */
	if (!compile->config->reverse || owner_is_import(owner))
		return 0;
	if (leads_differ(compile->reverse, node_entry(node), fresh, &compile->gone, come))
		return -ENOMEM;
	reverse_prefetch(compile->reverse, come->hash, come->count);
	reverse_prefetch(compile->reverse, compile->gone.hash, compile->gone.count);
	for (size_t i = 0; i < come->count; i++) {
		/* an address that stays may have the same hash */
		if (leads_to(compile->reverse, come->hash[i], node))
			continue;
		if (reverse_add(compile->reverse, come->hash[i], node)) {
			while (added-- > 0)
				reverse_remove(compile->reverse, come->hash[added], node);
			return -ENOMEM;
		}
		come->hash[added++] = come->hash[i];
	}
	return 0;
}

/* ---- owners ---- */

/* Everything that can fail comes before the one store that publishes. */
static int owner_publish(struct compile *compile, struct owner *owner)
{
	const struct draft_name *name = &compile->draft.names[0];
	struct node *node = owner->node;
	struct entry *entry = NULL;
	int rc = 0;

	if (!node)
		rc = index_hold(compile->index, owner->key, owner->key_len, &node);
	if (!rc && entry_same(&compile->draft, name, node_entry(node)))
		return 0;
	if (!rc) {
		entry = entry_copy(&compile->draft, name);
		rc = entry ? reverse_enter(compile, owner, node, entry) : -ENOMEM;
	}
	if (rc) {
		free(entry);
		if (node && !owner->node)
			index_drop(compile->index, node);
		return rc;
	}
	index_publish(compile->index, node, entry);
	reverse_leave(compile, node);
	compile->published++;
	owner->node = node;
	return 0;
}

static int owner_withdraw(struct compile *compile, struct owner *owner)
{
	if (!owner->node)
		return 0;
	if (reverse_enter(compile, owner, owner->node, NULL))
		return -ENOMEM;
	reverse_leave(compile, owner->node);
	index_drop(compile->index, owner->node);
	owner->node = NULL;
	return 0;
}

static void trim(struct hash_list *list)
{
	if (list->cap > HASHES_KEEP)
		hash_list_free(list);
}

static int compile_owner(struct compile *compile, struct owner *owner)
{
	struct draft *draft = &compile->draft;
	struct rule_run run = {.config = compile->config,
		.owner = owner,
		.draft = draft,
		.ports = &compile->ports};
	int rc;

	draft_reset(draft);
	if (owner->service && (!compile->config->strict || owner->space->known))
		run_rules(compile, &run);
	if (draft->error)
		return draft->error;
	rc = draft->name_count ? owner_publish(compile, owner) : owner_withdraw(compile, owner);
	trim(&compile->gone);
	trim(&compile->come);
	if (rc)
		return rc;
	compile->compiled++;
	compile->zone_dirty |= owner->holds_own || run.holds_own;
	owner->holds_own = run.holds_own;
	return 0;
}

/* A namespace's own name exists while the Namespace or a Service in it does;
 * where namespaces are selected, while the Namespace does. */
static int compile_space(struct compile *compile, struct space *space)
{
	const bool wanted = space->known || (space->services && !compile->config->strict);
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

/* What is published of the names that rule_zone() drafts, the last one ns.dns. */
static const struct entry *zone_entry(const struct compile *compile, unsigned i)
{
	return i < APEX_COUNT ? atomic_load_explicit(&compile->apex[i], memory_order_relaxed)
			      : node_entry(compile->host);
}

static int compile_zone(struct compile *compile)
{
	struct entry *fresh[APEX_COUNT + 1] = {NULL};
	struct draft *draft = &compile->draft;
	int rc;

	draft_reset(draft);
	rule_zone(compile->config, &compile->store->owners, draft);
	rc = draft->error;
	for (unsigned i = 0; !rc && i <= APEX_COUNT; i++) {
		const struct draft_name *name = &draft->names[i];

		if (entry_same(draft, name, zone_entry(compile, i)))
			continue;
		fresh[i] = entry_copy(draft, name);
		if (!fresh[i])
			rc = -ENOMEM;
	}
	for (unsigned i = 0; i <= APEX_COUNT; i++) {
		if (rc)
			free(fresh[i]);
		else if (fresh[i] && i < APEX_COUNT)
			apex_publish(compile, i, fresh[i]);
		else if (fresh[i])
			index_publish(compile->index, compile->host, fresh[i]);
	}
	return rc;
}

/* A name that needs no object. */
static int publish_fixed(struct compile *compile, struct node **node)
{
	const struct draft *draft = &compile->draft;
	const struct entry *entry;
	int rc;

	if (draft->error)
		return draft->error;
	rc = index_hold(compile->index, draft->names[0].key, draft->names[0].key_len, node);
	if (rc)
		return rc;
	entry = entry_copy(draft, &draft->names[0]);
	if (!entry)
		return -ENOMEM;
	index_publish(compile->index, *node, entry);
	return 0;
}

int compile_init(struct compile *compile, struct store *store, struct index *index,
	struct reverse *reverse, const struct rule_config *config)
{
	static const uint8_t bare[][4] = {{3, 's', 'v', 'c'}, {3, 'p', 'o', 'd'}};
	static const uint8_t host[] = {2, 'n', 's', 3, 'd', 'n', 's'};
	int rc;

	compile->store = store;
	compile->index = index;
	compile->reverse = reverse;
	compile->config = config;
	draft_init(&compile->draft, config->ttl_s);
	rc = index_hold(index, host, sizeof host, &compile->host);
	rule_zone_version(&compile->draft);
	if (!rc)
		rc = publish_fixed(compile, &compile->schema);
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
	ports_builder_free(&compile->ports);
	hash_list_free(&compile->gone);
	hash_list_free(&compile->come);
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

	/* An import must not wait for the list of Services, nor they for its. */
	if (compile->store->kinds[KIND_SERVICE].complete ||
		compile->store->kinds[KIND_IMPORT].complete)
		left += run_owners(compile);
	if (compile->zone_dirty) {
		if (compile_zone(compile))
			left++;
		else
			compile->zone_dirty = false;
	}
	return left;
}

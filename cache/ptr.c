/* SPDX-License-Identifier: Apache-2.0 */
#include "ptr.h"

#include <string.h>

#include "dashed.h"

struct ask {
	uint8_t family;
	const uint8_t *addr;
	bool (*call)(void *user, const struct ptr_name *name);
	void *user;
};

static const struct entry *entry_of(const struct node *node)
{
	return atomic_load_explicit(&node->entry, memory_order_acquire);
}

static bool is_cluster_ip(const struct entry *entry, const struct ask *ask)
{
	const struct answer *own;

	if (!entry || entry->kind != ENTRY_CLUSTER_IP)
		return false;
	own = entry_answer(entry, ask->family == 4 ? SLOT_A : SLOT_AAAA);
	return own && answer_find_sorted(own, ask->addr) >= 0;
}

static bool call_dashed(const struct ask *ask, struct ptr_name *name)
{
	char text[DASHED_MAX];

	name->label_len = (uint8_t)dashed_format(ask->family, ask->addr, text);
	memcpy(name->label, text, name->label_len);
	return ask->call(ask->user, name);
}

/* False: enough. */
static bool endpoints_each(
	const struct node *node, const struct entry *entry, const struct ask *ask)
{
	const struct endpoints endpoints = endpoints_of(entry);
	const struct answer *set = ask->family == 4 ? endpoints.v4 : endpoints.v6;
	const bool dashed = set && answer_find(set, ask->addr) >= 0;
	struct ptr_name name = {.node = node};
	struct ptr_name dashed_name = {.node = node};
	struct endpoint endpoint;

	if (dashed && !call_dashed(ask, &dashed_name))
		return false;
	for (uint32_t k = 0; endpoints_find_named(&endpoints, ask->family, ask->addr, k, &endpoint);
		k++) {
		name.label_len = endpoint.label[0];
		memcpy(name.label, endpoint.label + 1, name.label_len);
		if (dashed && endpoints.hosts->namesakes &&
			name.label_len == dashed_name.label_len &&
			memcmp(name.label, dashed_name.label, name.label_len) == 0)
			continue;
		if (!ask->call(ask->user, &name))
			return false;
	}
	return true;
}

/* The one whose key is first, so that all replicas say the same. */
static const struct node *cluster_ip_of(const struct view *view, const struct ask *ask)
{
	struct reverse_walk walk =
		reverse_walk(&view->reverse, reverse_hash(&view->reverse, ask->family, ask->addr));
	const struct node *best = NULL, *node;

	while ((node = reverse_next(&walk))) {
		if (!is_cluster_ip(entry_of(node), ask))
			continue;
		if (!best || node->len < best->len ||
			(node->len == best->len && memcmp(node->key, best->key, node->len) < 0))
			best = node;
	}
	return best;
}

void ptr_each(const struct view *view, uint8_t family, const uint8_t *addr,
	bool (*call)(void *user, const struct ptr_name *name), void *user)
{
	const struct ask ask = {family, addr, call, user};
	struct ptr_name own = {.node = cluster_ip_of(view, &ask)};
	struct reverse_walk walk;
	const struct node *node;

	if (own.node) {
		call(user, &own);
		return;
	}
	walk = reverse_walk(&view->reverse, reverse_hash(&view->reverse, family, addr));
	while ((node = reverse_next(&walk))) {
		const struct entry *entry = entry_of(node);

		if (entry && !endpoints_each(node, entry, &ask))
			return;
	}
}

static bool seen(void *user, const struct ptr_name *name)
{
	(void)name;
	*(bool *)user = true;
	return false;
}

bool ptr_have(const struct view *view, uint8_t family, const uint8_t *addr)
{
	bool found = false;

	ptr_each(view, family, addr, seen, &found);
	return found;
}

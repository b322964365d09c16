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

static struct reverse_walk walk_of(const struct view *view, uint8_t family, const uint8_t *addr)
{
	return reverse_walk(&view->reverse, reverse_hash(&view->reverse, family, addr));
}

static bool node_before(const struct node *a, const struct node *b)
{
	return a->len < b->len || (a->len == b->len && memcmp(a->key, b->key, a->len) < 0);
}

static bool is_endpoint(const struct entry *entry, const struct ask *ask)
{
	const struct endpoints endpoints = endpoints_of(entry);
	const struct answer *set = ask->family == 4 ? endpoints.v4 : endpoints.v6;
	struct endpoint endpoint;

	return (set && answer_find(set, ask->addr) >= 0) ||
	       endpoints_find_named(&endpoints, ask->family, ask->addr, 0, &endpoint);
}

/* Of several Services that claim a cluster IP the one whose key is first, so that
 * all replicas say the same. */
bool ptr_find(const struct view *view, uint8_t family, const uint8_t *addr, struct cluster_hit *hit)
{
	const struct ask ask = {family, addr, NULL, NULL};
	struct reverse_walk walk = walk_of(view, family, addr);
	const struct node *node;

	hit->node = NULL;
	hit->own = false;
	while ((node = reverse_next(&walk))) {
		const struct entry *entry = entry_of(node);

		if (is_cluster_ip(entry, &ask)) {
			if (hit->own && !node_before(node, hit->node))
				continue;
			hit->own = true;
		} else if (hit->node || !entry || !is_endpoint(entry, &ask)) {
			continue;
		}
		hit->node = node;
		hit->entry = entry;
	}
	return hit->node != NULL;
}

void ptr_each(const struct view *view, const struct cluster_hit *hit,
	bool (*call)(void *user, const struct ptr_name *name), void *user)
{
	const struct ask ask = {hit->family, hit->addr, call, user};
	struct ptr_name own = {.node = hit->node};
	struct reverse_walk walk;
	const struct node *node;

	if (hit->own) {
		call(user, &own);
		return;
	}
	if (!endpoints_each(hit->node, hit->entry, &ask))
		return;
	walk = walk_of(view, hit->family, hit->addr);
	while ((node = reverse_next(&walk))) {
		const struct entry *entry = node == hit->node ? NULL : entry_of(node);

		if (entry && !endpoints_each(node, entry, &ask))
			return;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dashed.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"
#include "lookup.h"
#include "pick.h"
#include "put.h"

struct export
{
	const struct view *view;
	const struct name *zone;
	int number; /* the zone's */
	struct copy_writer writer;
	/* The name under way as a question, and its spelling with room for the type
	 * and class that a question has. */
	struct query query;
	uint8_t asked[NAME_MAX_LEN + 4];
	uint8_t *scratch; /* for a reply */
};

struct nodes {
	const struct node **list;
	size_t count, cap;
};

bool export_ready(const struct view *view)
{
	const unsigned gates = atomic_load_explicit(&view->gates, memory_order_acquire);

	return (gates & VIEW_SLICES_NEED) == VIEW_SLICES_NEED;
}

/* ---- records of what was found ---- */

static void put_addresses(struct export *export, const struct cluster_hit *hit)
{
	struct endpoint endpoint;
	uint32_t at = 0;

	while (pick_address_next(&hit->pick, hit->family, &at, &endpoint))
		copy_record(&export->writer, hit->family == 4 ? TYPE_A : TYPE_AAAA,
			export->view->ttl_s, endpoint.addr, hit->family == 4 ? 4 : 16);
}

static void put_target(struct export *export, const struct pick *pick, uint16_t weight,
	const struct target *target)
{
	uint8_t rdata[6 + PUT_TARGET_MAX];
	const size_t len =
		put_target_name(pick, target, &export->query, export->zone->labels, rdata + 6);
	const struct port_record *port;
	uint64_t at = 0;

	bytes_set_u16(rdata, 0);
	bytes_set_u16(rdata + 2, weight);
	while (len && (port = pick_port_next(pick, target, &at))) {
		bytes_set_u16(rdata + 4, (uint16_t)port->number);
		copy_record(&export->writer, TYPE_SRV, export->view->ttl_s, rdata, 6 + len);
	}
}

static void put_services(struct export *export, const struct cluster_hit *hit)
{
	const uint16_t weight = put_weight(&hit->pick);
	struct target target = {.count = 0};
	uint32_t at = 0;

	if (hit->pick.own)
		put_target(export, &hit->pick, weight, &target);
	while (!hit->pick.own && pick_target_next(&hit->pick, &at, &target))
		put_target(export, &hit->pick, weight, &target);
}

static void put_fixed(struct export *export, const struct answer *answer)
{
	for (uint32_t i = 0; i < answer->count; i++) {
		const uint8_t *rr = answer->rr + (size_t)i * answer->stride;

		copy_record(&export->writer, answer->type, bytes_u32(rr + 6), rr + ANSWER_HEAD,
			(size_t)answer->stride - ANSWER_HEAD);
	}
}

/* A few records of any kind, through a reply. Where rdata points to the question,
 * this is the apex, which is the question in a transfer too. */
static void put_others(struct export *export, const struct cluster_hit *hit)
{
	const struct place place = {&export->query, DNS_HEADER_LEN};
	struct bytes_in in;
	struct reply reply;

	reply_begin(&reply, &export->query, export->scratch, UINT16_MAX);
	put_hit(export->view, hit, &place, 0, &reply);
	in = bytes_in(reply.buf + reply.body, (size_t)(reply.len - reply.body));
	for (unsigned i = 0; i < reply.count[REPLY_ANSWER]; i++) {
		uint16_t type, len;
		uint32_t ttl_s;

		bytes_get_u16(&in); /* the owner, a pointer to the question */
		type = bytes_get_u16(&in);
		bytes_get_u16(&in);
		ttl_s = bytes_get_u32(&in);
		len = bytes_get_u16(&in);
		copy_record(&export->writer, type, ttl_s, bytes_take(&in, len), len);
	}
}

static void put_found(struct export *export, const struct cluster_hit *hit)
{
	switch (hit->kind) {
	case HIT_SOA:
		put_others(export, hit);
		break;
	case HIT_RRSET:
		if (hit->answer->stride)
			put_fixed(export, hit->answer);
		else
			put_others(export, hit);
		break;
	case HIT_ADDRESSES:
		put_addresses(export, hit);
		break;
	case HIT_SERVICES:
		put_services(export, hit);
		break;
	case HIT_ADDRESS:
	case HIT_REVERSE:
		break; /* of names that are not enumerated */
	}
}

/* ---- names ---- */

/* Make key the name under way; false: with the zone it is no name. */
static bool name_begin(struct export *export, const uint8_t *key, size_t len)
{
	struct query *query = &export->query;
	const struct name *zone = export->zone;
	uint8_t starts[NAME_MAX_LABELS];
	unsigned labels = 0;

	if (len + zone->len > NAME_MAX_LEN)
		return false;
	memcpy(query->name, key, len);
	memcpy(query->name + len, zone->wire, zone->len);
	query->name_len = (uint8_t)(len + zone->len);
	for (size_t at = 0; query->name[at]; at += 1u + query->name[at])
		starts[labels++] = (uint8_t)at;
	query->labels = (uint8_t)labels;
	query->label_at[0] = (uint8_t)(query->name_len - 1);
	for (unsigned i = 0; i < labels; i++)
		query->label_at[labels - i] = starts[i];
	memcpy(export->asked, query->name, query->name_len);
	copy_owner(&export->writer, key, len);
	return true;
}

static enum cluster_verdict put_type(struct export *export, uint16_t type)
{
	struct cluster_hit hit;

	export->query.qtype = type;
	lookup_find(export->view, export->number, &export->query, &hit);
	if (hit.verdict == CLUSTER_FOUND)
		put_found(export, &hit);
	return hit.verdict;
}

static void put_name(struct export *export, const uint8_t *key, size_t len)
{
	if (!name_begin(export, key, len))
		return;
	/* What is NXDOMAIN for one type is so for all. */
	if (put_type(export, TYPE_A) == CLUSTER_NXDOMAIN)
		return;
	put_type(export, TYPE_AAAA);
	put_type(export, TYPE_SRV);
}

static bool ports_same(const struct port_set *set, unsigned a, unsigned b)
{
	const uint8_t *one = ports_labels(set, a), *other = ports_labels(set, b);
	const size_t len = 1u + one[0] + 1u + one[1 + one[0]];

	return memcmp(one, other, len) == 0;
}

/* _PORT._PROTOCOL. in front of the Service's key. */
static void put_port(struct export *export, const struct node *node, const uint8_t *labels)
{
	uint8_t key[2 * (NAME_MAX_LABEL + 1) + NAME_MAX_LEN];
	size_t len = 0;

	for (unsigned i = 0; i < 2; i++, labels += 1 + labels[0]) {
		if (!labels[0] || labels[0] == NAME_MAX_LABEL)
			return;
		key[len++] = (uint8_t)(labels[0] + 1);
		key[len++] = '_';
		memcpy(key + len, labels + 1, labels[0]);
		len += labels[0];
	}
	memcpy(key + len, node->key, node->len);
	put_name(export, key, len + node->len);
}

/* Groups of endpoints repeat the names of their ports. */
static void put_ports(struct export *export, const struct node *node, const struct port_set *set)
{
	for (unsigned i = 0; set && i < set->port_count; i++) {
		unsigned earlier = 0;

		while (earlier < i && !ports_same(set, earlier, i))
			earlier++;
		if (earlier == i)
			put_port(export, node, ports_labels(set, i));
	}
}

static void put_endpoints(struct export *export, const struct node *node, const struct entry *entry)
{
	struct pick pick = {.entry = entry, .endpoints = endpoints_of(entry)};
	uint8_t key[1 + NAME_MAX_LABEL + NAME_MAX_LEN];
	struct target target;
	uint32_t at = 0;

	pick.count = endpoints_count(&pick.endpoints);
	while (pick_target_next(&pick, &at, &target)) {
		if (target.label) {
			memcpy(key, target.label, 1u + target.label[0]);
		} else {
			const struct endpoint endpoint =
				endpoints_get(&pick.endpoints, target.first);

			key[0] = (uint8_t)dashed_format(
				endpoint.family, endpoint.addr, (char *)key + 1);
		}
		memcpy(key + 1 + key[0], node->key, node->len);
		put_name(export, key, 1u + key[0] + node->len);
	}
}

static void put_node(struct export *export, const struct node *node)
{
	const struct entry *entry = atomic_load_explicit(&node->entry, memory_order_relaxed);

	switch ((enum entry_kind)entry->kind) {
	case ENTRY_EMPTY:
		break;
	case ENTRY_FIXED:
		put_name(export, node->key, node->len);
		put_type(export, TYPE_TXT);
		break;
	case ENTRY_EXTERNAL:
		if (name_begin(export, node->key, node->len))
			put_type(export, TYPE_CNAME);
		break;
	case ENTRY_CLUSTER_IP:
	case ENTRY_HEADLESS:
		put_name(export, node->key, node->len);
		put_ports(export, node, entry_block(entry, SLOT_PORTS));
		put_endpoints(export, node, entry);
		break;
	}
}

/* ---- all of them ---- */

static bool node_add(void *user, const struct node *node)
{
	struct nodes *nodes = user;

	if (!atomic_load_explicit(&node->entry, memory_order_relaxed))
		return true; /* being prepared */
	if (nodes->count == nodes->cap) {
		const size_t cap = nodes->cap ? nodes->cap * 2 : 256;
		const struct node **grown = reallocarray(nodes->list, cap, sizeof *grown);

		if (!grown)
			return false;
		nodes->list = grown;
		nodes->cap = cap;
	}
	nodes->list[nodes->count++] = node;
	return true;
}

static int label_compare(const uint8_t *a, const uint8_t *b)
{
	const int order = memcmp(a + 1, b + 1, a[0] < b[0] ? a[0] : b[0]);

	return order ? order : a[0] - b[0];
}

static unsigned labels_find(const struct node *node, uint8_t starts[NAME_MAX_LABELS])
{
	unsigned count = 0;

	for (size_t at = 0; at < node->len; at += 1u + node->key[at])
		starts[count++] = (uint8_t)at;
	return count;
}

/* RFC 4034 section 6.1: label by label from the right. */
static int node_compare(const void *x, const void *y)
{
	const struct node *a = *(const struct node *const *)x;
	const struct node *b = *(const struct node *const *)y;
	uint8_t a_starts[NAME_MAX_LABELS], b_starts[NAME_MAX_LABELS];
	unsigned i = labels_find(a, a_starts), k = labels_find(b, b_starts);

	while (i && k) {
		const int order = label_compare(a->key + a_starts[--i], b->key + b_starts[--k]);

		if (order)
			return order;
	}
	return (i > 0) - (k > 0);
}

static void put_zone(struct export *export, const struct nodes *nodes)
{
	static const uint8_t apex[] = {0};

	name_begin(export, apex, 0);
	put_type(export, TYPE_SOA);
	put_type(export, TYPE_NS);
	for (size_t i = 0; i < nodes->count && !export->writer.error; i++)
		put_node(export, nodes->list[i]);
	name_begin(export, apex, 0);
	put_type(export, TYPE_SOA);
}

int export_zone(
	const struct view *view, size_t zone, struct copy_account *account, struct zone_copy **out)
{
	const uint32_t serial = atomic_load_explicit(&view->serial, memory_order_relaxed);
	struct nodes nodes = {NULL, 0, 0};
	struct export *export;
	int rc = -ENOMEM;

	if (view->zones[zone].reverse)
		return -EINVAL;
	if (!export_ready(view))
		return -EAGAIN;
	export = calloc(1, sizeof *export);
	if (!export)
		return -ENOMEM;
	export->view = view;
	export->zone = &view->zones[zone].name;
	export->number = (int)zone;
	export->query.asked = export->asked;
	export->scratch = malloc(UINT16_MAX);
	if (export->scratch && index_each(&view->index, node_add, &nodes)) {
		if (nodes.count)
			qsort(nodes.list, nodes.count, sizeof *nodes.list, node_compare);
		copy_begin(&export->writer, export->zone, serial, account);
		put_zone(export, &nodes);
		rc = copy_end(&export->writer, out);
	}
	free(nodes.list);
	free(export->scratch);
	free(export);
	return rc;
}

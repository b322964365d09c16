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

/* One name. */
struct item {
	const struct entry *entry;
	const uint8_t *key;
	uint8_t key_len;
};

struct zone_export {
	const struct view *view; /* what never changes in it */
	uint32_t serial;
	struct item apex;
	struct item *items;
	size_t count;
	uint8_t *bytes; /* entries, a key behind each */
	size_t bytes_used;
};

/* A zone on its way to a copy. */
struct work {
	const struct zone_export *export;
	const struct view *view;
	const struct name *zone;
	struct copy_writer writer;
	/* The name under way as a question, and its spelling with room for the type
	 * and class that a question has. */
	struct query query;
	uint8_t asked[NAME_MAX_LEN + 4];
	uint8_t *scratch; /* for a reply */
};

bool export_ready(const struct view *view)
{
	const unsigned gates = atomic_load_explicit(&view->gates, memory_order_acquire);

	return (gates & VIEW_SLICES_NEED) == VIEW_SLICES_NEED;
}

/* ---- records of what was found ---- */

static void put_addresses(struct work *work, const struct cluster_hit *hit)
{
	struct endpoint endpoint;
	uint32_t at = 0;

	while (pick_address_next(&hit->pick, hit->family, &at, &endpoint))
		copy_record(&work->writer, hit->family == 4 ? TYPE_A : TYPE_AAAA, work->view->ttl_s,
			endpoint.addr, hit->family == 4 ? 4 : 16);
}

static void put_target(
	struct work *work, const struct pick *pick, uint16_t weight, const struct target *target)
{
	uint8_t rdata[6 + PUT_TARGET_MAX];
	const size_t len =
		put_target_name(pick, target, &work->query, work->zone->labels, rdata + 6);
	const struct port_record *port;
	uint64_t at = 0;

	bytes_set_u16(rdata, 0);
	bytes_set_u16(rdata + 2, weight);
	while (len && (port = pick_port_next(pick, target, &at))) {
		bytes_set_u16(rdata + 4, (uint16_t)port->number);
		copy_record(&work->writer, TYPE_SRV, work->view->ttl_s, rdata, 6 + len);
	}
}

static void put_services(struct work *work, const struct cluster_hit *hit)
{
	const uint16_t weight = put_weight(&hit->pick);
	struct target target = {.count = 0};
	uint32_t at = 0;

	if (hit->pick.own)
		put_target(work, &hit->pick, weight, &target);
	while (!hit->pick.own && pick_target_next(&hit->pick, &at, &target))
		put_target(work, &hit->pick, weight, &target);
}

static void put_fixed(struct work *work, const struct answer *answer)
{
	for (uint32_t i = 0; i < answer->count; i++) {
		const uint8_t *rr = answer->rr + (size_t)i * answer->stride;

		copy_record(&work->writer, answer->type, bytes_u32(rr + 6), rr + ANSWER_HEAD,
			(size_t)answer->stride - ANSWER_HEAD);
	}
}

/* The answer of a reply to the question under way. Where rdata points to the
 * question, this is the apex, which is the question in a transfer too. */
static void put_reply(struct work *work, const struct reply *reply)
{
	struct bytes_in in = bytes_in(reply->buf + reply->body, (size_t)(reply->len - reply->body));

	for (unsigned i = 0; i < reply->count[REPLY_ANSWER]; i++) {
		uint16_t type, len;
		uint32_t ttl_s;

		bytes_get_u16(&in); /* the owner, a pointer to the question */
		type = bytes_get_u16(&in);
		bytes_get_u16(&in);
		ttl_s = bytes_get_u32(&in);
		len = bytes_get_u16(&in);
		copy_record(&work->writer, type, ttl_s, bytes_take(&in, len), len);
	}
}

static struct place reply_open(struct work *work, struct reply *reply)
{
	reply_begin(reply, &work->query, work->scratch, UINT16_MAX);
	return (struct place){&work->query, DNS_HEADER_LEN};
}

static void put_soa(struct work *work)
{
	struct reply reply;
	const struct place place = reply_open(work, &reply);

	put_apex_soa(work->view, &place, work->zone->labels, work->export->serial, &reply);
	put_reply(work, &reply);
}

/* A few records of any kind. */
static void put_others(struct work *work, const struct cluster_hit *hit)
{
	struct reply reply;
	const struct place place = reply_open(work, &reply);

	put_hit(work->view, hit, &place, 0, &reply);
	put_reply(work, &reply);
}

static void put_found(struct work *work, const struct cluster_hit *hit)
{
	switch (hit->kind) {
	case HIT_SOA:
		put_soa(work);
		break;
	case HIT_RRSET:
		if (hit->answer->stride)
			put_fixed(work, hit->answer);
		else
			put_others(work, hit);
		break;
	case HIT_ADDRESSES:
		put_addresses(work, hit);
		break;
	case HIT_SERVICES:
		put_services(work, hit);
		break;
	case HIT_ADDRESS:
	case HIT_REVERSE:
		break; /* of names that are not enumerated */
	}
}

/* ---- names ---- */

/* Make key the name under way; false: with the zone it is no name. */
static bool name_begin(struct work *work, const uint8_t *key, size_t len)
{
	struct query *query = &work->query;
	const struct name *zone = work->zone;
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
	memcpy(work->asked, query->name, query->name_len);
	copy_owner(&work->writer, key, len);
	return true;
}

/* depth: as lookup_entry() has it. */
static enum cluster_verdict put_type(
	struct work *work, const struct item *item, unsigned depth, uint16_t type)
{
	struct cluster_hit hit = {.zone_labels = work->zone->labels};

	work->query.qtype = type;
	hit.verdict = item == &work->export->apex
			      ? lookup_apex(item->entry, type, &hit)
			      : lookup_entry(item->entry, depth, &work->query, &hit);
	if (hit.verdict == CLUSTER_FOUND)
		put_found(work, &hit);
	return hit.verdict;
}

static void put_name(
	struct work *work, const struct item *item, unsigned depth, const uint8_t *key, size_t len)
{
	if (!name_begin(work, key, len))
		return;
	/* What is NXDOMAIN for one type is so for all. */
	if (put_type(work, item, depth, TYPE_A) == CLUSTER_NXDOMAIN)
		return;
	put_type(work, item, depth, TYPE_AAAA);
	put_type(work, item, depth, TYPE_SRV);
}

static bool ports_same(const struct port_set *set, unsigned a, unsigned b)
{
	const uint8_t *one = ports_labels(set, a), *other = ports_labels(set, b);
	const size_t len = 1u + one[0] + 1u + one[1 + one[0]];

	return memcmp(one, other, len) == 0;
}

/* _PORT._PROTOCOL. in front of the Service's key. */
static void put_port(struct work *work, const struct item *item, const uint8_t *labels)
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
	memcpy(key + len, item->key, item->key_len);
	put_name(work, item, 2, key, len + item->key_len);
}

/* Groups of endpoints repeat the names of their ports. */
static void put_ports(struct work *work, const struct item *item)
{
	const struct port_set *set = entry_block(item->entry, SLOT_PORTS);

	for (unsigned i = 0; set && i < set->port_count; i++) {
		unsigned earlier = 0;

		while (earlier < i && !ports_same(set, earlier, i))
			earlier++;
		if (earlier == i)
			put_port(work, item, ports_labels(set, i));
	}
}

static void put_endpoints(struct work *work, const struct item *item)
{
	struct pick pick = {.entry = item->entry, .endpoints = endpoints_of(item->entry)};
	uint8_t key[1 + NAME_MAX_LABEL + NAME_MAX_LEN];
	struct target target;
	uint32_t at = 0;

	pick.count = endpoints_count(&pick.endpoints);
	while (pick_target_next(&pick, &at, &target)) {
		if (target.label) {
			memcpy(key, target.label, target.label_len);
		} else {
			const struct endpoint endpoint =
				endpoints_get(&pick.endpoints, target.first);

			key[0] = (uint8_t)dashed_format(
				endpoint.family, endpoint.addr, (char *)key + 1);
		}
		memcpy(key + 1 + key[0], item->key, item->key_len);
		put_name(work, item, 1, key, 1u + key[0] + item->key_len);
	}
}

static void put_item(struct work *work, const struct item *item)
{
	switch ((enum entry_kind)item->entry->kind) {
	case ENTRY_EMPTY:
		break;
	case ENTRY_FIXED:
		put_name(work, item, 0, item->key, item->key_len);
		put_type(work, item, 0, TYPE_TXT);
		break;
	case ENTRY_EXTERNAL:
		if (name_begin(work, item->key, item->key_len))
			put_type(work, item, 0, TYPE_CNAME);
		break;
	case ENTRY_CLUSTER_IP:
	case ENTRY_HEADLESS:
		put_name(work, item, 0, item->key, item->key_len);
		put_ports(work, item);
		put_endpoints(work, item);
		break;
	}
}

/* ---- what is published ---- */

/* Where the next entry may begin. */
static size_t aligned(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* An import: its names are those of clusterset zones, which are not transferred. */
static bool is_imported(const struct node *node)
{
	const size_t len = sizeof IMPORT_LABEL - 1;

	return node->len > len && memcmp(node->key + node->len - len, IMPORT_LABEL, len) == 0;
}

static const struct entry *node_entry(const struct node *node)
{
	const struct entry *entry = atomic_load_explicit(&node->entry, memory_order_relaxed);

	/* NULL: being prepared */
	return entry && entry->kind != ENTRY_EMPTY && !is_imported(node) ? entry : NULL;
}

static struct item item_copy(
	struct zone_export *export, const struct entry *entry, const uint8_t *key, uint8_t len)
{
	uint8_t *at = export->bytes + export->bytes_used;
	const struct item item = {(const void *)at, at + entry->size, len};

	memcpy(at, entry, entry->size);
	memcpy(at + entry->size, key, len);
	export->bytes_used += aligned((size_t)entry->size + len);
	return item;
}

static bool node_measure(void *user, const struct node *node)
{
	struct zone_export *export = user;
	const struct entry *entry = node_entry(node);

	export->count += entry != NULL;
	export->bytes_used += entry ? aligned((size_t)entry->size + node->len) : 0;
	return true;
}

static bool node_copy(void *user, const struct node *node)
{
	struct zone_export *export = user;
	const struct entry *entry = node_entry(node);

	if (entry)
		export->items[export->count++] = item_copy(export, entry, node->key, node->len);
	return true;
}

int export_take(const struct view *view, struct zone_export **out)
{
	const struct entry *apex =
		atomic_load_explicit(&view->compile.apex[APEX_FORWARD], memory_order_relaxed);
	struct zone_export *export;

	if (!export_ready(view))
		return -EAGAIN;
	export = calloc(1, sizeof *export);
	if (!export)
		return -ENOMEM;
	index_each(&view->index, node_measure, export);
	export->items = calloc(export->count + 1, sizeof *export->items);
	export->bytes = malloc(export->bytes_used + aligned(apex->size));
	if (!export->items || !export->bytes) {
		export_free(export);
		return -ENOMEM;
	}
	export->count = export->bytes_used = 0;
	export->view = view;
	export->serial = atomic_load_explicit(&view->serial, memory_order_relaxed);
	export->apex = item_copy(export, apex, (const uint8_t *)"", 0);
	index_each(&view->index, node_copy, export);
	*out = export;
	return 0;
}

void export_free(struct zone_export *export)
{
	if (!export)
		return;
	free(export->items);
	free(export->bytes);
	free(export);
}

/* ---- all of it ---- */

static int label_compare(const uint8_t *a, const uint8_t *b)
{
	const int order = memcmp(a + 1, b + 1, a[0] < b[0] ? a[0] : b[0]);

	return order ? order : a[0] - b[0];
}

static unsigned labels_find(const struct item *item, uint8_t starts[NAME_MAX_LABELS])
{
	unsigned count = 0;

	for (size_t at = 0; at < item->key_len; at += 1u + item->key[at])
		starts[count++] = (uint8_t)at;
	return count;
}

/* RFC 4034 section 6.1: label by label from the right. */
static int item_compare(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	uint8_t a_starts[NAME_MAX_LABELS], b_starts[NAME_MAX_LABELS];
	unsigned i = labels_find(a, a_starts), k = labels_find(b, b_starts);

	while (i && k) {
		const int order = label_compare(a->key + a_starts[--i], b->key + b_starts[--k]);

		if (order)
			return order;
	}
	return (i > 0) - (k > 0);
}

static void put_zone(struct work *work)
{
	const struct zone_export *export = work->export;

	name_begin(work, export->apex.key, 0);
	put_type(work, &export->apex, 0, TYPE_SOA);
	put_type(work, &export->apex, 0, TYPE_NS);
	for (size_t i = 0; i < export->count && !work->writer.error; i++)
		put_item(work, &export->items[i]);
	name_begin(work, export->apex.key, 0);
	put_type(work, &export->apex, 0, TYPE_SOA);
}

int export_zone(struct zone_export *export, size_t zone, struct copy_account *account,
	struct zone_copy **out)
{
	struct work *work;
	int rc;

	if (export->view->zones[zone].reverse || export->view->zones[zone].clusterset)
		return -EINVAL;
	work = calloc(1, sizeof *work);
	if (!work)
		return -ENOMEM;
	work->export = export;
	work->view = export->view;
	work->zone = &export->view->zones[zone].name;
	work->query.asked = work->asked;
	work->scratch = malloc(UINT16_MAX);
	if (!work->scratch) {
		free(work);
		return -ENOMEM;
	}
	qsort(export->items, export->count, sizeof *export->items, item_compare);
	copy_begin(&work->writer, work->zone, export->serial, account);
	put_zone(work);
	rc = copy_end(&work->writer, out);
	free(work->scratch);
	free(work);
	return rc;
}

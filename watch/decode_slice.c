/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_slice.h"

#include "decode_address.h"
#include "decode_port.h"
#include "trigger.h"

#include <string.h>

/* Of a DNS name (RFC 1035, section 2.3.4). */
#define LABEL_LENGTH_MAX  63
#define SERVICE_LABEL     "kubernetes.io/service-name"
#define CLUSTER_LABEL     "multicluster.kubernetes.io/source-cluster"
#define ZONE_LABEL        "topology.kubernetes.io/zone" /* v1beta1's topology */
#define LEADER_ANNOTATION "control-plane.alpha.kubernetes.io/leader"

/* Whose endpoints they are. */
struct slice_parent {
	enum object_kind kind;
	const char *service;
	const char *cluster; /* NULL: not of an import */
};

/* What an endpoint says of all of its addresses. A copy is made at the first use,
 * so that an endpoint with several addresses has one. */
struct walk_word {
	const char *text, *kept; /* NULL: none; not yet */
};

struct walk_words {
	struct walk_word hostname, zone;
};

/* Pass one counts (slice NULL), pass two writes at the counts' places. */
struct slice_walk {
	struct decoder *d;
	struct endpoint_slice *slice;
	struct slice_group *groups, *group; /* all; the one that is being walked */
	struct slice_group counted;         /* in pass one */
	struct port *ports;                 /* where the next group's go */
	const cJSON *group_ports;
	uint8_t *v4, *v6;
	const char **v4_hostnames, **v6_hostnames, **v4_zones, **v6_zones;
	struct pack pack;
	struct port_sizes sizes;
	size_t text;
	uint32_t group_count, v4_count, v6_count, unready;
	bool v4_named, v6_named, v4_zoned, v6_zoned;
};

/* The addresses that follow have these ports. Subsets that differ by nothing else
 * than which of their addresses are ready are one group. */
static void walk_group(struct slice_walk *walk, const cJSON *ports)
{
	struct port_sizes sizes = {0};

	ports_measure(walk->d, ports, &sizes);
	if (walk->group_count > 0 && ports_equal(walk->d, walk->group_ports, ports))
		return;
	if (walk->group_count == UINT16_MAX) {
		decoder_refuse(walk->d, "more than %d subsets with ports of their own", UINT16_MAX);
		return;
	}
	walk->group_ports = ports;
	walk->group_count++;
	if (!walk->slice) {
		walk->group = &walk->counted;
		walk->sizes.ports += sizes.ports;
		walk->sizes.text += sizes.text;
		return;
	}
	walk->group = &walk->groups[walk->group_count - 1];
	walk->group->port_count = ports_pack(walk->d, &walk->pack, ports, walk->ports);
	walk->group->ports = sizes.ports ? walk->ports : NULL;
	walk->ports += sizes.ports;
}

static const char *word_keep(struct slice_walk *walk, struct walk_word *word)
{
	if (word->text && !word->kept) {
		walk->text += strlen(word->text) + 1;
		word->kept = walk->slice ? pack_text(&walk->pack, word->text) : word->text;
	}
	return word->kept;
}

/* One address of an endpoint. */
static void walk_address(struct slice_walk *walk, const char *text, struct walk_words *words)
{
	const char *what, *hostname, *zone;
	struct ip ip;

	text = text ? text : "";
	what = address_read(&walk->d->options, text, &ip);
	if (what) {
		if (!walk->slice)
			decoder_leave_out(walk->d, "%s \"%.64s\"", what, text);
		return;
	}
	hostname = word_keep(walk, &words->hostname);
	zone = word_keep(walk, &words->zone);
	if (ip.family == 4) {
		if (walk->slice)
			memcpy(walk->v4 + 4 * (size_t)walk->v4_count, ip.bytes, 4);
		if (walk->slice && walk->v4_hostnames)
			walk->v4_hostnames[walk->v4_count] = hostname;
		if (walk->slice && walk->v4_zones)
			walk->v4_zones[walk->v4_count] = zone;
		walk->v4_named |= hostname != NULL;
		walk->v4_zoned |= zone != NULL;
		walk->v4_count++;
		walk->group->v4_count++;
		return;
	}
	if (walk->slice)
		memcpy(walk->v6 + 16 * (size_t)walk->v6_count, ip.bytes, 16);
	if (walk->slice && walk->v6_hostnames)
		walk->v6_hostnames[walk->v6_count] = hostname;
	if (walk->slice && walk->v6_zones)
		walk->v6_zones[walk->v6_count] = zone;
	walk->v6_named |= hostname != NULL;
	walk->v6_zoned |= zone != NULL;
	walk->v6_count++;
	walk->group->v6_count++;
}

/* The target is a Pod wherever the controllers make the object; as in CoreDNS, its
 * kind is not looked at where somebody else does. */
static const char *hostname_read(struct decoder *d, const cJSON *endpoint)
{
	const char *hostname = tree_text(d, endpoint, "hostname");

	if ((hostname && *hostname) || !d->options.pod_names)
		return hostname && *hostname ? hostname : NULL;
	hostname = tree_text(d, tree_member(d, endpoint, "targetRef"), "name");
	return hostname && *hostname && strlen(hostname) <= LABEL_LENGTH_MAX ? hostname : NULL;
}

static const char *zone_read(struct decoder *d, const cJSON *endpoint)
{
	const char *zone;

	if (!d->options.zones)
		return NULL;
	zone = tree_text(d, endpoint, "zone");
	if (!zone)
		zone = tree_text(d, tree_member(d, endpoint, "topology"), ZONE_LABEL);
	return zone && *zone ? zone : NULL;
}

static void slice_walk(struct slice_walk *walk, const cJSON *tree)
{
	struct decoder *d = walk->d;
	const cJSON *endpoints = tree_list(d, tree, "endpoints"), *endpoint, *address;

	walk_group(walk, tree_list(d, tree, "ports"));
	cJSON_ArrayForEach (endpoint, endpoints) {
		const cJSON *addresses = tree_list(d, endpoint, "addresses");
		struct walk_words words = {.hostname = {NULL, NULL}};

		if (!cJSON_IsObject(endpoint)) {
			decoder_refuse(d, "an entry of endpoints is not an object");
			return;
		}
		/* conditions.ready: nil is to be read as true (discovery.k8s.io/v1). */
		if (!tree_flag(d, tree_member(d, endpoint, "conditions"), "ready", true)) {
			walk->unready++;
			continue;
		}
		words.hostname.text = hostname_read(d, endpoint);
		words.zone.text = zone_read(d, endpoint);
		cJSON_ArrayForEach (address, addresses)
			walk_address(walk, item_text(d, address, "addresses"), &words);
	}
}

static void endpoints_walk(struct slice_walk *walk, const cJSON *tree)
{
	struct decoder *d = walk->d;
	const cJSON *subsets = tree_list(d, tree, "subsets"), *subset, *address;

	cJSON_ArrayForEach (subset, subsets) {
		const cJSON *addresses = tree_list(d, subset, "addresses");

		if (!cJSON_IsObject(subset)) {
			decoder_refuse(d, "an entry of subsets is not an object");
			return;
		}
		walk->unready +=
			(uint32_t)cJSON_GetArraySize(tree_list(d, subset, "notReadyAddresses"));
		walk_group(walk, tree_list(d, subset, "ports"));
		cJSON_ArrayForEach (address, addresses) {
			struct walk_words words = {.hostname = {NULL, NULL}};

			if (!cJSON_IsObject(address)) {
				decoder_refuse(d, "an entry of addresses is not an object");
				return;
			}
			words.hostname.text = hostname_read(d, address);
			walk_address(walk, tree_text(d, address, "ip"), &words);
		}
	}
}

/* Pointers first: these have to be aligned. */
static void places_take(struct slice_walk *walk)
{
	const size_t v4 = walk->v4_count, v6 = walk->v6_count;

	if (walk->group_count > 0)
		walk->groups = pack_take(&walk->pack, walk->group_count * sizeof *walk->groups);
	walk->ports = pack_take(&walk->pack, walk->sizes.ports * sizeof *walk->ports);
	if (walk->v4_named)
		walk->v4_hostnames = pack_take(&walk->pack, v4 * sizeof(char *));
	if (walk->v6_named)
		walk->v6_hostnames = pack_take(&walk->pack, v6 * sizeof(char *));
	if (walk->v4_zoned)
		walk->v4_zones = pack_take(&walk->pack, v4 * sizeof(char *));
	if (walk->v6_zoned)
		walk->v6_zones = pack_take(&walk->pack, v6 * sizeof(char *));
	if (v4 > 0)
		walk->v4 = pack_take(&walk->pack, 4 * v4);
	if (v6 > 0)
		walk->v6 = pack_take(&walk->pack, 16 * v6);
}

/* Make the slice from what the first pass counted, with walk's places set. */
static struct endpoint_slice *slice_allocate(
	struct slice_walk *walk, const struct identity *id, const struct slice_parent *parent)
{
	const size_t v4 = walk->v4_count, v6 = walk->v6_count;
	const size_t pointers = (walk->v4_named ? v4 : 0) + (walk->v6_named ? v6 : 0) +
				(walk->v4_zoned ? v4 : 0) + (walk->v6_zoned ? v6 : 0);
	const size_t extra =
		walk->group_count * sizeof *walk->groups + walk->sizes.ports * sizeof *walk->ports +
		pointers * sizeof(char *) + 4 * v4 + 16 * v6 + strlen(parent->service) + 1 +
		(parent->cluster ? strlen(parent->cluster) + 1 : 0) + walk->text + walk->sizes.text;
	struct endpoint_slice *slice = (struct endpoint_slice *)pack_start(
		walk->d, &walk->pack, parent->kind, id, sizeof *slice, extra);

	if (!slice)
		return NULL;
	places_take(walk);
	slice->v4 = walk->v4;
	slice->v6 = walk->v6;
	slice->v4_hostnames = walk->v4_hostnames;
	slice->v6_hostnames = walk->v6_hostnames;
	slice->v4_zones = walk->v4_zones;
	slice->v6_zones = walk->v6_zones;
	slice->v4_count = walk->v4_count;
	slice->v6_count = walk->v6_count;
	slice->unready = walk->unready;
	slice->groups = walk->groups;
	slice->group_count = (uint16_t)walk->group_count;
	slice->service = pack_text(&walk->pack, parent->service);
	slice->cluster = parent->cluster ? pack_text(&walk->pack, parent->cluster) : NULL;
	return slice;
}

static void trigger_keep(struct decoder *d, const cJSON *tree)
{
	const cJSON *annotations = tree_member(d, tree_member(d, tree, "metadata"), "annotations");
	const char *text;

	if (!d->options.triggered_ns)
		return;
	text = tree_text(d, annotations, TRIGGER_ANNOTATION);
	*d->options.triggered_ns = text ? trigger_read(text) : 0;
}

static struct object *addresses_build(struct decoder *d, const cJSON *tree,
	const struct identity *id, const struct slice_parent *parent,
	void (*walk_tree)(struct slice_walk *walk, const cJSON *tree))
{
	struct slice_walk walk = {.d = d};

	if (parent->kind == KIND_SLICE)
		trigger_keep(d, tree);
	walk_tree(&walk, tree);
	if (walk.v4_count + walk.v6_count == 0 && d->left_out > 0)
		decoder_refuse(d, "no usable address");
	walk.slice = slice_allocate(&walk, id, parent);
	if (!walk.slice)
		return NULL;
	walk.v4_count = walk.v6_count = walk.group_count = 0;
	walk_tree(&walk, tree);
	pack_finish(&walk.pack, &walk.slice->head, id);
	return &walk.slice->head;
}

/* False: the slice says nothing to DNS, or is refused. "IP" is v1beta1's first
 * version. The addresses speak for themselves about their family. */
static bool address_type_is_ours(struct decoder *d, const cJSON *tree)
{
	const char *type = tree_text(d, tree, "addressType");

	if (!type || !*type)
		decoder_refuse(d, "addressType is missing");
	else if (strcmp(type, "IPv4") == 0 || strcmp(type, "IPv6") == 0 || strcmp(type, "IP") == 0)
		return true;
	else
		decoder_skip(d, "addressType is not IPv4 or IPv6");
	return false;
}

/* label: the one that names the parent. */
static struct object *labelled_build(struct decoder *d, const cJSON *tree,
	const struct identity *id, const char *label, enum object_kind kind)
{
	const cJSON *labels = tree_member(d, tree_member(d, tree, "metadata"), "labels");
	struct slice_parent parent = {kind, tree_text(d, labels, label), NULL};

	if (!address_type_is_ours(d, tree))
		return NULL;
	if (!parent.service || !*parent.service) {
		decoder_skip(d, kind == KIND_SLICE ? "no label " SERVICE_LABEL
						   : "no label " DECODE_IMPORT_LABEL);
		return NULL;
	}
	if (strlen(parent.service) > NAME_LENGTH_MAX) {
		decoder_refuse(d, "the label %s is too long", label);
		return NULL;
	}
	if (kind == KIND_IMPORT_SLICE) {
		parent.cluster = tree_text(d, labels, CLUSTER_LABEL);
		parent.cluster = parent.cluster ? parent.cluster : "";
	}
	return addresses_build(d, tree, id, &parent, slice_walk);
}

struct object *slice_build(struct decoder *d, const cJSON *tree, const struct identity *id)
{
	return labelled_build(d, tree, id, SERVICE_LABEL, KIND_SLICE);
}

struct object *import_slice_build(struct decoder *d, const cJSON *tree, const struct identity *id)
{
	return labelled_build(d, tree, id, DECODE_IMPORT_LABEL, KIND_IMPORT_SLICE);
}

struct object *endpoints_build(struct decoder *d, const cJSON *tree, const struct identity *id)
{
	const cJSON *annotations = tree_member(d, tree_member(d, tree, "metadata"), "annotations");
	const struct slice_parent parent = {KIND_SLICE, id->name, NULL};

	if (cJSON_GetObjectItemCaseSensitive(annotations, LEADER_ANNOTATION)) {
		decoder_skip(d, "a lock of a leader election");
		return NULL;
	}
	return addresses_build(d, tree, id, &parent, endpoints_walk);
}

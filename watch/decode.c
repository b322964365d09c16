/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder per kind works in two passes over the tree: the first checks types and
 * counts, then the one allocation is made, then the second fills it in. `why` is
 * sticky: the first reason stays, and everything after it only has to be safe.
 *
 * A member that is null counts as absent, as it does for Go's decoder. */

#include "decode.h"
#include "json_tree.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* What the API server lets a name be: DNS-1123 subdomain. */
#define NAME_LENGTH_MAX 253
/* A Service has two cluster IPs at most, a Pod likewise; object.h has 8 bits. */
#define IPS_MAX 255

#define SERVICE_LABEL     "kubernetes.io/service-name"
#define LEADER_ANNOTATION "control-plane.alpha.kubernetes.io/leader"

const struct resource_info resource_table[RESOURCE_COUNT] = {
	[RESOURCE_NAMESPACES] = {KIND_NAMESPACE, "/api/v1/namespaces", "v1", "Namespace", NULL},
	[RESOURCE_SERVICES] = {KIND_SERVICE, "/api/v1/services", "v1", "Service", NULL},
	[RESOURCE_SLICES] = {KIND_SLICE, "/apis/discovery.k8s.io/v1/endpointslices",
		"discovery.k8s.io/v1", "EndpointSlice", NULL},
	[RESOURCE_SLICES_V1BETA1] = {KIND_SLICE, "/apis/discovery.k8s.io/v1beta1/endpointslices",
		"discovery.k8s.io/v1beta1", "EndpointSlice", NULL},
	[RESOURCE_ENDPOINTS] = {KIND_SLICE, "/api/v1/endpoints", "v1", "Endpoints", NULL},
	/* Pods that are over keep their address in status, which may be another's by now. */
	[RESOURCE_PODS] = {KIND_POD, "/api/v1/pods", "v1", "Pod",
		"status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown"},
};

/* metadata, as far as every kind needs it. */
struct identity {
	const char *ns, *name;
	uint64_t version;
};

/* ---- one allocation ---- */

/* Sections must be taken in the order of their alignment: pointers, then bytes. */
struct pack {
	char *at;
};

static void *pack_take(struct pack *pack, size_t len)
{
	void *taken = pack->at;

	pack->at += len;
	return taken;
}

static const char *pack_text(struct pack *pack, const char *text)
{
	const size_t len = strlen(text) + 1;

	return memcpy(pack_take(pack, len), text, len);
}

/* The struct of `fixed` bytes, `extra` bytes behind it, and room for the names,
 * which are filled in by pack_finish(). */
static struct object *pack_start(struct decoder *d, struct pack *pack, enum object_kind kind,
	const struct identity *id, size_t fixed, size_t extra)
{
	struct object *object;
	size_t size;

	if (d->result != DECODE_OK)
		return NULL;
	size = fixed + extra + strlen(id->ns) + strlen(id->name) + 2;
	object = size > UINT32_MAX ? NULL : calloc(1, size);
	if (!object) {
		d->result = DECODE_NOMEM;
		return NULL;
	}
	object->kind = (uint8_t)kind;
	object->size = (uint32_t)size;
	object->version = id->version;
	pack->at = (char *)object + fixed;
	return object;
}

static void pack_finish(struct pack *pack, struct object *object, const struct identity *id)
{
	object->ns = pack_text(pack, id->ns);
	object->name = pack_text(pack, id->name);
}

/* ---- addresses ---- */

/* As net.ParseIP and the API server see it: an IPv4-mapped IPv6 text is IPv4. */
static bool ip_parse(const char *text, struct ip *out)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	memset(out, 0, sizeof *out);
	out->family = 4;
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		return true;
	if (inet_pton(AF_INET6, text, out->bytes) != 1)
		return false;
	if (memcmp(out->bytes, mapped, sizeof mapped) == 0) {
		memmove(out->bytes, out->bytes + 12, 4);
		memset(out->bytes + 4, 0, 12);
		return true;
	}
	out->family = 6;
	return true;
}

/* The addresses among `texts` (each may be NULL), up to IPS_MAX. */
struct ip_list {
	struct ip ips[IPS_MAX];
	unsigned count;
};

static void ip_list_add(struct decoder *d, struct ip_list *list, const char *text)
{
	struct ip ip;

	if (!text || !*text)
		return;
	if (!ip_parse(text, &ip)) {
		decoder_leave_out(d, "address \"%.64s\"", text);
		return;
	}
	if (list->count == IPS_MAX) {
		decoder_refuse(d, "more than %d addresses", IPS_MAX);
		return;
	}
	list->ips[list->count++] = ip;
}

static const struct ip *pack_ips(struct pack *pack, const struct ip_list *list)
{
	if (list->count == 0)
		return NULL;
	return memcpy(pack_take(pack, list->count * sizeof(struct ip)), list->ips,
		list->count * sizeof(struct ip));
}

/* ---- namespaces, services, pods ---- */

static struct object *namespace_build(
	struct decoder *d, const cJSON *tree, const struct identity *id)
{
	struct pack pack;
	struct object *object =
		pack_start(d, &pack, KIND_NAMESPACE, id, sizeof(struct namespace), 0);

	(void)tree;
	if (object)
		pack_finish(&pack, object, id);
	return object;
}

static bool type_has_cluster_ip(const char *type)
{
	static const char *const types[] = {"ClusterIP", "NodePort", "LoadBalancer"};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return false;
}

static const char *external_name_read(struct decoder *d, const cJSON *spec)
{
	const char *name = tree_text(d, spec, "externalName");

	if (!name || !*name)
		decoder_refuse(d, "spec.externalName is missing");
	else if (strlen(name) > NAME_LENGTH_MAX + 1)
		decoder_refuse(d, "spec.externalName is longer than a DNS name can be");
	else
		return name;
	return NULL;
}

/* clusterIPs where there is one (it lists both families), else clusterIP. "" is a
 * Service that has not got its address yet. True: "None". */
static bool cluster_ips_read(struct decoder *d, const cJSON *spec, struct ip_list *list)
{
	const char *single = tree_text(d, spec, "clusterIP");
	const cJSON *many = tree_list(d, spec, "clusterIPs"), *each;
	bool headless = single && strcmp(single, "None") == 0;

	cJSON_ArrayForEach (each, many) {
		const char *text = item_text(d, each, "spec.clusterIPs");

		if (text && strcmp(text, "None") == 0)
			headless = true;
		else
			ip_list_add(d, list, text);
	}
	if (!headless && cJSON_GetArraySize(many) == 0)
		ip_list_add(d, list, single);
	if (!headless && list->count == 0 && d->left_out > 0)
		decoder_refuse(d, "no usable address");
	return headless;
}

static struct object *service_build(struct decoder *d, const cJSON *tree, const struct identity *id)
{
	const cJSON *spec = tree_member(d, tree, "spec");
	const char *type = tree_text(d, spec, "type"), *external_name = NULL;
	struct ip_list list = {.count = 0};
	enum service_type kind = SERVICE_CLUSTER_IP;
	struct service *service;
	struct pack pack;

	if (!type || !*type)
		type = "ClusterIP"; /* the API server's default */
	if (strcmp(type, "ExternalName") == 0) {
		kind = SERVICE_EXTERNAL_NAME;
		external_name = external_name_read(d, spec);
	} else if (!type_has_cluster_ip(type)) {
		decoder_refuse(d, "unknown spec.type \"%.32s\"", type);
	} else if (cluster_ips_read(d, spec, &list)) {
		kind = SERVICE_HEADLESS;
		list.count = 0;
	}
	service = (struct service *)pack_start(d, &pack, KIND_SERVICE, id, sizeof *service,
		list.count * sizeof(struct ip) + (external_name ? strlen(external_name) + 1 : 0));
	if (!service)
		return NULL;
	service->type = (uint8_t)kind;
	service->ip_count = (uint8_t)list.count;
	service->ips = pack_ips(&pack, &list);
	service->external_name = external_name ? pack_text(&pack, external_name) : NULL;
	pack_finish(&pack, &service->head, id);
	return &service->head;
}

static bool pod_is_over(const char *phase)
{
	return phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0 ||
				strcmp(phase, "Unknown") == 0);
}

/* A Pod that is being deleted still has its address until it is gone. */
static struct object *pod_build(struct decoder *d, const cJSON *tree, const struct identity *id)
{
	const cJSON *status = tree_member(d, tree, "status");
	const cJSON *many = tree_list(d, status, "podIPs"), *each;
	struct ip_list list = {.count = 0};
	struct pod *pod;
	struct pack pack;

	if (pod_is_over(tree_text(d, status, "phase")))
		decoder_skip(d, "the pod is over");
	cJSON_ArrayForEach (each, many) {
		if (!cJSON_IsObject(each))
			decoder_refuse(d, "an entry of status.podIPs is not an object");
		ip_list_add(d, &list, tree_text(d, each, "ip"));
	}
	if (cJSON_GetArraySize(many) == 0)
		ip_list_add(d, &list, tree_text(d, status, "podIP"));
	if (list.count == 0 && d->left_out > 0)
		decoder_refuse(d, "no usable address");
	else if (list.count == 0)
		decoder_skip(d, "no address yet");
	pod = (struct pod *)pack_start(
		d, &pack, KIND_POD, id, sizeof *pod, list.count * sizeof(struct ip));
	if (!pod)
		return NULL;
	pod->ip_count = (uint8_t)list.count;
	pod->ips = pack_ips(&pack, &list);
	pack_finish(&pack, &pod->head, id);
	return &pod->head;
}

/* ---- slices and Endpoints ---- */

/* Pass one counts (slice NULL), pass two writes at the counts' places. */
struct slice_walk {
	struct decoder *d;
	struct endpoint_slice *slice;
	uint8_t *v4, *v6;
	const char **v4_hostnames, **v6_hostnames;
	struct pack pack;
	size_t text;
	uint32_t v4_count, v6_count, unready;
	bool v4_named, v6_named;
};

/* One address of an endpoint. *kept: the hostname's copy, made at its first use,
 * so that an endpoint with several addresses has one. */
static void walk_address(
	struct slice_walk *walk, const char *text, const char *hostname, const char **kept)
{
	struct ip ip;

	if (!text || !ip_parse(text, &ip)) {
		if (!walk->slice)
			decoder_leave_out(walk->d, "address \"%.64s\"", text ? text : "");
		return;
	}
	if (hostname && !*kept) {
		walk->text += strlen(hostname) + 1;
		*kept = walk->slice ? pack_text(&walk->pack, hostname) : hostname;
	}
	if (ip.family == 4) {
		if (walk->slice)
			memcpy(walk->v4 + 4 * (size_t)walk->v4_count, ip.bytes, 4);
		if (walk->slice && walk->v4_hostnames)
			walk->v4_hostnames[walk->v4_count] = *kept;
		walk->v4_named |= hostname != NULL;
		walk->v4_count++;
		return;
	}
	if (walk->slice)
		memcpy(walk->v6 + 16 * (size_t)walk->v6_count, ip.bytes, 16);
	if (walk->slice && walk->v6_hostnames)
		walk->v6_hostnames[walk->v6_count] = *kept;
	walk->v6_named |= hostname != NULL;
	walk->v6_count++;
}

static const char *hostname_read(struct decoder *d, const cJSON *endpoint)
{
	const char *hostname = tree_text(d, endpoint, "hostname");

	return hostname && *hostname ? hostname : NULL;
}

static void slice_walk(struct slice_walk *walk, const cJSON *tree)
{
	struct decoder *d = walk->d;
	const cJSON *endpoints = tree_list(d, tree, "endpoints"), *endpoint, *address;

	cJSON_ArrayForEach (endpoint, endpoints) {
		const cJSON *addresses = tree_list(d, endpoint, "addresses");
		const char *hostname, *kept = NULL;

		if (!cJSON_IsObject(endpoint)) {
			decoder_refuse(d, "an entry of endpoints is not an object");
			return;
		}
		/* conditions.ready: nil is to be read as true (discovery.k8s.io/v1). */
		if (!tree_flag(d, tree_member(d, endpoint, "conditions"), "ready", true)) {
			walk->unready++;
			continue;
		}
		hostname = hostname_read(d, endpoint);
		cJSON_ArrayForEach (address, addresses)
			walk_address(walk, item_text(d, address, "addresses"), hostname, &kept);
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
		cJSON_ArrayForEach (address, addresses) {
			const char *kept = NULL;

			if (!cJSON_IsObject(address)) {
				decoder_refuse(d, "an entry of addresses is not an object");
				return;
			}
			walk_address(walk, tree_text(d, address, "ip"), hostname_read(d, address),
				&kept);
		}
	}
}

/* Make the slice from what the first pass counted, with walk's places set. */
static struct endpoint_slice *slice_allocate(
	struct slice_walk *walk, const struct identity *id, const char *service)
{
	const size_t v4 = walk->v4_count, v6 = walk->v6_count;
	const size_t pointers = (walk->v4_named ? v4 : 0) + (walk->v6_named ? v6 : 0);
	const size_t extra =
		pointers * sizeof(char *) + 4 * v4 + 16 * v6 + strlen(service) + 1 + walk->text;
	struct endpoint_slice *slice = (struct endpoint_slice *)pack_start(
		walk->d, &walk->pack, KIND_SLICE, id, sizeof *slice, extra);

	if (!slice)
		return NULL;
	if (walk->v4_named)
		walk->v4_hostnames = pack_take(&walk->pack, v4 * sizeof(char *));
	if (walk->v6_named)
		walk->v6_hostnames = pack_take(&walk->pack, v6 * sizeof(char *));
	if (v4 > 0)
		walk->v4 = pack_take(&walk->pack, 4 * v4);
	if (v6 > 0)
		walk->v6 = pack_take(&walk->pack, 16 * v6);
	slice->v4 = walk->v4;
	slice->v6 = walk->v6;
	slice->v4_hostnames = walk->v4_hostnames;
	slice->v6_hostnames = walk->v6_hostnames;
	slice->v4_count = walk->v4_count;
	slice->v6_count = walk->v6_count;
	slice->unready = walk->unready;
	slice->service = pack_text(&walk->pack, service);
	return slice;
}

static struct object *addresses_build(struct decoder *d, const cJSON *tree,
	const struct identity *id, const char *service,
	void (*walk_tree)(struct slice_walk *walk, const cJSON *tree))
{
	struct slice_walk walk = {.d = d};

	walk_tree(&walk, tree);
	if (walk.v4_count + walk.v6_count == 0 && d->left_out > 0)
		decoder_refuse(d, "no usable address");
	walk.slice = slice_allocate(&walk, id, service);
	if (!walk.slice)
		return NULL;
	walk.v4_count = walk.v6_count = 0;
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

static struct object *slice_build(struct decoder *d, const cJSON *tree, const struct identity *id)
{
	const cJSON *labels = tree_member(d, tree_member(d, tree, "metadata"), "labels");
	const char *service = tree_text(d, labels, SERVICE_LABEL);

	if (!address_type_is_ours(d, tree))
		return NULL;
	if (!service || !*service) {
		decoder_skip(d, "no label " SERVICE_LABEL);
		return NULL;
	}
	if (strlen(service) > NAME_LENGTH_MAX) {
		decoder_refuse(d, "the label " SERVICE_LABEL " is too long");
		return NULL;
	}
	return addresses_build(d, tree, id, service, slice_walk);
}

static struct object *endpoints_build(
	struct decoder *d, const cJSON *tree, const struct identity *id)
{
	const cJSON *annotations = tree_member(d, tree_member(d, tree, "metadata"), "annotations");

	if (cJSON_GetObjectItemCaseSensitive(annotations, LEADER_ANNOTATION)) {
		decoder_skip(d, "a lock of a leader election");
		return NULL;
	}
	return addresses_build(d, tree, id, id->name, endpoints_walk);
}

/* ---- the table and the doors ---- */

static struct object *(*const builders[RESOURCE_COUNT])(
	struct decoder *d, const cJSON *tree, const struct identity *id) = {
	[RESOURCE_NAMESPACES] = namespace_build,
	[RESOURCE_SERVICES] = service_build,
	[RESOURCE_SLICES] = slice_build,
	[RESOURCE_SLICES_V1BETA1] = slice_build,
	[RESOURCE_ENDPOINTS] = endpoints_build,
	[RESOURCE_PODS] = pod_build,
};

static void name_check(struct decoder *d, const char *what, const char *name)
{
	if (!name || !*name)
		decoder_refuse(d, "metadata.%s is missing", what);
	else if (strlen(name) > NAME_LENGTH_MAX)
		decoder_refuse(d, "metadata.%s is longer than %d bytes", what, NAME_LENGTH_MAX);
}

static void identity_read(
	struct decoder *d, enum resource resource, const cJSON *tree, struct identity *id)
{
	const cJSON *metadata;

	memset(id, 0, sizeof *id);
	if (!cJSON_IsObject(tree)) {
		decoder_refuse(d, "not an object");
		return;
	}
	metadata = tree_member(d, tree, "metadata");
	id->name = tree_text(d, metadata, "name");
	id->ns = "";
	name_check(d, "name", id->name);
	if (resource_table[resource].kind != KIND_NAMESPACE) {
		id->ns = tree_text(d, metadata, "namespace");
		name_check(d, "namespace", id->ns);
	}
	id->version = tree_version(d, metadata, "resourceVersion");
}

/* Prefix why with whose trouble it is. */
static void why_name(struct decoder *d, enum resource resource, const struct identity *id)
{
	const char *kind = resource_table[resource].api_kind;
	char reason[DECODE_WHY_MAX];

	memcpy(reason, d->why, sizeof reason);
	if (!id->name)
		snprintf(d->why, DECODE_WHY_MAX, "%s: %.180s", kind, reason);
	else if (id->ns && *id->ns)
		snprintf(d->why, DECODE_WHY_MAX, "%s %.60s/%.60s: %.110s", kind, id->ns, id->name,
			reason);
	else
		snprintf(d->why, DECODE_WHY_MAX, "%s %.60s: %.160s", kind, id->name, reason);
}

enum decode_result decode_tree(enum resource resource, const struct cJSON *tree,
	struct object **out, char why[DECODE_WHY_MAX])
{
	struct decoder d = {.why = why};
	struct object *object = NULL;
	struct identity id;

	why[0] = '\0';
	identity_read(&d, resource, tree, &id);
	if (d.result == DECODE_OK)
		object = builders[resource](&d, tree, &id);
	decoder_finish(&d);
	if (why[0])
		why_name(&d, resource, &id);
	if (d.result != DECODE_OK) {
		object_free(object);
		return d.result;
	}
	*out = object;
	return DECODE_OK;
}

enum decode_result decode_object(enum resource resource, const char *json, size_t len,
	struct object **out, char why[DECODE_WHY_MAX])
{
	cJSON *tree;
	enum decode_result result = tree_parse(json, len, &tree, why);

	if (result != DECODE_OK)
		return result;
	result = decode_tree(resource, tree, out, why);
	cJSON_Delete(tree);
	return result;
}

static const size_t identity_sizes[KIND_COUNT] = {
	[KIND_NAMESPACE] = sizeof(struct namespace),
	[KIND_SERVICE] = sizeof(struct service),
	[KIND_SLICE] = sizeof(struct endpoint_slice),
	[KIND_POD] = sizeof(struct pod),
};

enum decode_result decode_identity(enum resource resource, const char *json, size_t len,
	struct object **out, char why[DECODE_WHY_MAX])
{
	const enum object_kind kind = resource_table[resource].kind;
	struct decoder d = {.why = why};
	struct object *object = NULL;
	struct identity id;
	struct pack pack;
	cJSON *tree;
	enum decode_result result = tree_parse(json, len, &tree, why);

	if (result != DECODE_OK)
		return result;
	why[0] = '\0';
	identity_read(&d, resource, tree, &id);
	object = pack_start(&d, &pack, kind, &id, identity_sizes[kind], 0);
	if (object) {
		pack_finish(&pack, object, &id);
		*out = object;
	} else if (d.result == DECODE_INVALID) {
		why_name(&d, resource, &id);
	}
	cJSON_Delete(tree);
	return d.result;
}

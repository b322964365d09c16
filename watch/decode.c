/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder per kind works in two passes over the tree: the first checks types and
 * counts, then the one allocation is made, then the second fills it in. `why` is
 * sticky: the first reason stays, and everything after it only has to be safe.
 *
 * A member that is null counts as absent, as it does for Go's decoder. */

#include "decode.h"

#include "decode_address.h"
#include "decode_external.h"
#include "decode_import.h"
#include "decode_pack.h"
#include "decode_port.h"
#include "decode_slice.h"
#include "json_arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

const struct resource_info resource_table[RESOURCE_COUNT] = {
	[RESOURCE_NAMESPACES] = {KIND_NAMESPACE, "/api/v1/namespaces", "v1", "Namespace", NULL,
		NULL, false},
	[RESOURCE_SERVICES] = {KIND_SERVICE, "/api/v1/services", "v1", "Service", NULL, NULL,
		false},
	[RESOURCE_SLICES] = {KIND_SLICE, "/apis/discovery.k8s.io/v1/endpointslices",
		"discovery.k8s.io/v1", "EndpointSlice", NULL, NULL, false},
	[RESOURCE_SLICES_V1BETA1] = {KIND_SLICE, "/apis/discovery.k8s.io/v1beta1/endpointslices",
		"discovery.k8s.io/v1beta1", "EndpointSlice", NULL, NULL, false},
	[RESOURCE_ENDPOINTS] = {KIND_SLICE, "/api/v1/endpoints", "v1", "Endpoints", NULL, NULL,
		false},
	/* Pods that are over keep their address in status, which may be another's by now. */
	[RESOURCE_PODS] = {KIND_POD, "/api/v1/pods", "v1", "Pod",
		"status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown", NULL, false},
	[RESOURCE_IMPORTS] = {KIND_IMPORT, "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports",
		"multicluster.x-k8s.io/v1alpha1", "ServiceImport", NULL, NULL, true},
	[RESOURCE_IMPORT_SLICES] = {KIND_IMPORT_SLICE, "/apis/discovery.k8s.io/v1/endpointslices",
		"discovery.k8s.io/v1", "EndpointSlice", NULL, DECODE_IMPORT_LABEL, true},
};

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
	const cJSON *ports = tree_list(d, spec, "ports");
	struct port_sizes sizes = {0};
	struct ip_list list = {.count = 0};
	struct externals externals;
	enum service_type kind = SERVICE_CLUSTER_IP;
	struct service *service;
	struct port *places;
	const char **hosts;
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
	ports_measure(d, ports, &sizes);
	externals_read(d, tree, &externals);
	service = (struct service *)pack_start(d, &pack, KIND_SERVICE, id, sizeof *service,
		sizes.ports * sizeof *places + externals.host_count * sizeof *hosts +
			(list.count + externals.list.count) * sizeof(struct ip) + sizes.text +
			externals.text + (external_name ? strlen(external_name) + 1 : 0));
	if (!service)
		return NULL;
	places = pack_take(&pack, sizes.ports * sizeof *places);
	hosts = externals_pack_places(&externals, &pack);
	service->type = (uint8_t)kind;
	service->ip_count = (uint8_t)list.count;
	service->ips = ip_list_pack(&list, &pack);
	service->external_ips = externals_pack_addresses(&externals, &pack);
	service->external_ip_count = (uint8_t)externals.list.count;
	service->external_host_count = (uint8_t)externals.host_count;
	service->external_hosts = hosts;
	externals_pack_texts(&externals, &pack, hosts);
	service->ports = sizes.ports ? places : NULL;
	service->port_count = ports_pack(d, &pack, ports, places);
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
	pod->ips = ip_list_pack(&list, &pack);
	pack_finish(&pack, &pod->head, id);
	return &pod->head;
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
	[RESOURCE_IMPORTS] = import_build,
	[RESOURCE_IMPORT_SLICES] = import_slice_build,
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
	const struct decode_options *options, struct object **out, char why[DECODE_WHY_MAX])
{
	struct decoder d = {.why = why};
	struct object *object = NULL;
	struct identity id;

	why[0] = '\0';
	if (options)
		d.options = *options;
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

unsigned decode_parts(const struct decode_options *options)
{
	return (options->pod_names ? DECODE_POD_NAMES : 0u) | (options->zones ? DECODE_ZONES : 0u) |
	       (options->externals ? DECODE_EXTERNALS : 0u);
}

enum decode_result decode_object(enum resource resource, const struct document *document,
	const struct decode_options *options, struct object **out, char why[DECODE_WHY_MAX])
{
	cJSON *tree = NULL;
	enum decode_result result;

	json_arena_begin();
	result = tree_parse(document, &tree, why);
	if (result == DECODE_OK)
		result = decode_tree(resource, tree, options, out, why);
	json_arena_end(tree);
	return result;
}

static const size_t identity_sizes[KIND_COUNT] = {
	[KIND_NAMESPACE] = sizeof(struct namespace),
	[KIND_SERVICE] = sizeof(struct service),
	[KIND_SLICE] = sizeof(struct endpoint_slice),
	[KIND_POD] = sizeof(struct pod),
	[KIND_IMPORT] = sizeof(struct service),
	[KIND_IMPORT_SLICE] = sizeof(struct endpoint_slice),
};

enum decode_result decode_identity(enum resource resource, const struct document *document,
	struct object **out, char why[DECODE_WHY_MAX])
{
	const enum object_kind kind = resource_table[resource].kind;
	struct decoder d = {.why = why};
	struct object *object = NULL;
	struct identity id;
	struct pack pack;
	cJSON *tree;
	enum decode_result result = tree_parse(document, &tree, why);

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

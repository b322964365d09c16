/* SPDX-License-Identifier: Apache-2.0 */
#include "workloads.h"

#include "decode.h"
#include "workload_slices.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *member(const cJSON *tree, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(tree, key);
}

static const char *string_of(const cJSON *tree, const char *key)
{
	const cJSON *found = member(tree, key);

	return cJSON_IsString(found) ? found->valuestring : "";
}

/* ---- what plays a part ---- */

/* Any version: what is read of them has been the same in all. */
static const struct {
	const char *group, *kind;
} workload_kinds[] = {
	{"apps/", "StatefulSet"},
	{"apps/", "Deployment"},
	{"apps/", "ReplicaSet"},
	{"apps/", "DaemonSet"},
	{"extensions/", "Deployment"},
	{"extensions/", "ReplicaSet"},
	{"extensions/", "DaemonSet"},
	{"v1", "ReplicationController"},
};

const char *workloads_kind(const char *api_version, const char *kind)
{
	for (size_t i = 0; i < sizeof workload_kinds / sizeof *workload_kinds; i++) {
		const char *group = workload_kinds[i].group;

		if (strncmp(api_version, group, strlen(group)) == 0 &&
			strcmp(kind, workload_kinds[i].kind) == 0)
			return workload_kinds[i].kind;
	}
	return NULL;
}

bool workloads_selects(const cJSON *service)
{
	const cJSON *spec = member(service, "spec");
	const cJSON *selector = member(spec, "selector");

	return cJSON_IsObject(selector) && selector->child &&
	       strcmp(string_of(spec, "type"), "ExternalName") != 0;
}

static void members_keep(cJSON *object, const char *const keep[])
{
	cJSON *item = cJSON_IsObject(object) ? object->child : NULL, *next;

	for (; item; item = next) {
		size_t i = 0;

		next = item->next;
		while (keep[i] && strcmp(keep[i], item->string) != 0)
			i++;
		if (!keep[i])
			cJSON_Delete(cJSON_DetachItemViaPointer(object, item));
	}
}

/* Of a manifest or of its template, and of a workload's spec or a Pod's. */
static void manifest_prune(cJSON *tree)
{
	static const char *const top[] = {"kind", "metadata", "spec", "status", NULL};
	static const char *const metadata[] = {
		"namespace", "name", "labels", "ownerReferences", "deletionTimestamp", NULL};
	static const char *const spec[] = {"replicas", "ordinals", "serviceName", "template",
		"hostname", "subdomain", "containers", NULL};
	static const char *const container[] = {"ports", NULL};
	static const char *const status[] = {"phase", "conditions", NULL};
	cJSON *inner = cJSON_GetObjectItemCaseSensitive(tree, "spec"), *each;

	members_keep(tree, top);
	members_keep(cJSON_GetObjectItemCaseSensitive(tree, "metadata"), metadata);
	members_keep(inner, spec);
	members_keep(cJSON_GetObjectItemCaseSensitive(tree, "status"), status);
	cJSON_ArrayForEach (each, cJSON_GetObjectItemCaseSensitive(inner, "containers"))
		members_keep(each, container);
}

void workloads_prune(cJSON *tree)
{
	manifest_prune(tree);
	manifest_prune(cJSON_GetObjectItemCaseSensitive(
		cJSON_GetObjectItemCaseSensitive(tree, "spec"), "template"));
}

/* ---- Services somebody has written endpoints for ---- */

struct written {
	const struct endpoint_slice **slices; /* by namespace and Service */
	size_t count;
};

static int service_compare(const void *a, const void *b)
{
	const struct endpoint_slice *left = *(const struct endpoint_slice *const *)a;
	const struct endpoint_slice *right = *(const struct endpoint_slice *const *)b;
	int order = strcmp(left->head.ns, right->head.ns);

	return order ? order : strcmp(left->service, right->service);
}

static bool is_written(const struct written *written, const cJSON *service)
{
	const struct endpoint_slice key = {
		.head.ns = string_of(member(service, "metadata"), "namespace"),
		.service = string_of(member(service, "metadata"), "name"),
	};
	const struct endpoint_slice *at = &key;

	return written->count > 0 && bsearch(&at, written->slices, written->count,
					     sizeof(struct endpoint_slice *), service_compare);
}

static int written_collect(const struct workload_input *inputs, size_t count, struct written *out)
{
	out->slices = calloc(count + 1, sizeof(struct endpoint_slice *));
	out->count = 0;
	if (!out->slices)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (inputs[i].object && inputs[i].object->kind == KIND_SLICE)
			out->slices[out->count++] = (const struct endpoint_slice *)inputs[i].object;
	}
	qsort(out->slices, out->count, sizeof(struct endpoint_slice *), service_compare);
	return 0;
}

/* ---- selecting ---- */

static bool labels_match(const cJSON *selector, const cJSON *labels)
{
	const cJSON *pair;

	cJSON_ArrayForEach (pair, selector) {
		const cJSON *label = member(labels, pair->string);

		if (!label || strcmp(label->valuestring, pair->valuestring) != 0)
			return false;
	}
	return true;
}

/* The first source of this namespace, or of a later one. */
static size_t namespace_find(const struct workload_pods *pods, const char *ns)
{
	size_t from = 0, to = pods->source_count;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (strcmp(pods->sources[middle].ns, ns) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

struct expanding {
	const struct workload_host *host;
	struct workload_pods pods;
	const struct workload_source **matched; /* room for all sources */
	uint32_t endpoints;                     /* written so far */
};

/* NULL, or the first one that cannot be used. */
static const cJSON *selector_fault(const cJSON *selector)
{
	const cJSON *pair;

	cJSON_ArrayForEach (pair, selector) {
		if (!cJSON_IsString(pair))
			return pair;
	}
	return NULL;
}

static int selector_refuse(
	const struct expanding *e, size_t at, const cJSON *service, const cJSON *fault)
{
	const cJSON *metadata = member(service, "metadata");
	char why[DECODE_WHY_MAX];

	snprintf(why, sizeof why, "Service %.60s/%.60s: spec.selector: %.60s is not a string",
		string_of(metadata, "namespace"), string_of(metadata, "name"), fault->string);
	return e->host->refuse(e->host->user, at, why);
}

static int service_expand(struct expanding *e, const struct workload_input *input, size_t at)
{
	const cJSON *selector = member(member(input->tree, "spec"), "selector");
	const char *ns = string_of(member(input->tree, "metadata"), "namespace");
	const cJSON *fault = selector_fault(selector);
	size_t matched = 0;

	if (fault)
		return selector_refuse(e, at, input->tree, fault);
	for (size_t i = namespace_find(&e->pods, ns); i < e->pods.source_count; i++) {
		const struct workload_source *source = &e->pods.sources[i];

		if (strcmp(source->ns, ns) != 0)
			break;
		if (source->count > 0 && labels_match(selector, source->labels))
			e->matched[matched++] = source;
	}
	return workload_slices_make(
		input, at, &e->pods, e->matched, matched, e->host, &e->endpoints);
}

int workloads_expand(
	const struct workload_input *inputs, size_t count, const struct workload_host *host)
{
	struct expanding e = {.host = host};
	struct written written = {0};
	int rc = written_collect(inputs, count, &written);

	if (rc == 0)
		rc = workload_pods_make(inputs, count, host, &e.pods);
	if (rc == 0) {
		e.matched = calloc(e.pods.source_count + 1, sizeof *e.matched);
		rc = e.matched ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < count && rc == 0; i++) {
		const cJSON *tree = inputs[i].tree;

		if (strcmp(inputs[i].kind, "Service") == 0 && tree && workloads_selects(tree) &&
			!is_written(&written, tree))
			rc = service_expand(&e, &inputs[i], i);
	}
	free(e.matched);
	workload_pods_clear(&e.pods);
	free(written.slices);
	return rc;
}

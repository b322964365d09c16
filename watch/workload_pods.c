/* SPDX-License-Identifier: Apache-2.0 */
#include "workload_pods.h"

#include "address_pool.h"
#include "json_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_LENGTH_MAX 253
#define MARGIN          256u

static const struct address_range v4_range = {
	.family = 4, .base = {10, 0xf0}, .bits = 20, .margin = MARGIN};
static const struct address_range v6_range = {
	.family = 6, .base = {0xfd, 0, 0, 0x10, 0x02, 0x40}, .bits = 20, .margin = MARGIN};

static const cJSON *member(const cJSON *tree, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(tree, key);
}

/* "" if it is no string. */
static const char *string_of(const cJSON *tree, const char *key)
{
	const cJSON *found = member(tree, key);

	return cJSON_IsString(found) ? found->valuestring : "";
}

static bool is_kind(const struct workload_source *source, const char *kind)
{
	return strcmp(source->kind, kind) == 0;
}

static int source_refuse(
	const struct workload_host *host, const struct workload_source *source, const char *reason)
{
	char why[DECODE_WHY_MAX];

	snprintf(why, sizeof why, "%s %.60s/%.60s: %.110s", source->kind, source->ns, source->name,
		reason);
	return host->refuse(host->user, source->at, why);
}

/* ---- the sources, sorted ---- */

static bool input_is_source(const struct workload_input *input)
{
	return input->tree && strcmp(input->kind, "Service") != 0;
}

static int source_compare(const void *a, const void *b)
{
	const struct workload_source *left = a, *right = b;
	int order = strcmp(left->ns, right->ns);

	if (order == 0)
		order = strcmp(left->kind, right->kind);
	return order ? order : strcmp(left->name, right->name);
}

static int sources_collect(
	const struct workload_input *inputs, size_t count, struct workload_pods *out)
{
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++)
		wanted += input_is_source(&inputs[i]);
	if (wanted == 0)
		return 0;
	out->sources = calloc(wanted, sizeof *out->sources);
	if (!out->sources)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const cJSON *metadata = member(inputs[i].tree, "metadata");

		if (!input_is_source(&inputs[i]))
			continue;
		out->sources[out->source_count++] = (struct workload_source){
			.kind = inputs[i].kind,
			.ns = string_of(metadata, "namespace"),
			.name = string_of(metadata, "name"),
			.tree = inputs[i].tree,
			.at = i,
		};
	}
	qsort(out->sources, out->source_count, sizeof *out->sources, source_compare);
	return 0;
}

/* ---- who owns whom ---- */

static struct workload_source *source_find(
	struct workload_pods *pods, const char *ns, const char *kind, const char *name)
{
	const struct workload_source key = {.ns = ns, .kind = kind, .name = name};

	return bsearch(&key, pods->sources, pods->source_count, sizeof key, source_compare);
}

static const cJSON *owners_of(const struct workload_source *source)
{
	return member(member(source->tree, "metadata"), "ownerReferences");
}

/* The Deployment of the set that owns this ReplicaSet; NULL: none. */
static struct workload_source *deployment_of(
	struct workload_pods *pods, const struct workload_source *replica_set)
{
	const cJSON *owner;

	cJSON_ArrayForEach (owner, owners_of(replica_set)) {
		if (strcmp(string_of(owner, "kind"), "Deployment") == 0)
			return source_find(
				pods, replica_set->ns, "Deployment", string_of(owner, "name"));
	}
	return NULL;
}

/* The same by the name of a ReplicaSet that is not in the set: NAME-HASH. */
static struct workload_source *deployment_named(
	struct workload_pods *pods, const char *ns, const char *replica_set)
{
	const char *dash = strrchr(replica_set, '-');
	char name[NAME_LENGTH_MAX + 1];

	if (!dash || !dash[1] || (size_t)(dash - replica_set) >= sizeof name)
		return NULL;
	snprintf(name, sizeof name, "%.*s", (int)(dash - replica_set), replica_set);
	return source_find(pods, ns, "Deployment", name);
}

/* A Pod with addresses has this owner. */
static void owner_mark(struct workload_pods *pods, const char *ns, const cJSON *reference)
{
	const char *kind = string_of(reference, "kind"), *name = string_of(reference, "name");
	struct workload_source *owner = source_find(pods, ns, kind, name), *above = NULL;

	if (owner)
		owner->has_pods = true;
	if (owner && is_kind(owner, "ReplicaSet"))
		above = deployment_of(pods, owner);
	else if (!owner && strcmp(kind, "ReplicaSet") == 0)
		above = deployment_named(pods, ns, name);
	if (above)
		above->has_pods = true;
}

static void owners_mark(struct workload_pods *pods, const struct workload_input *inputs)
{
	for (size_t i = 0; i < pods->source_count; i++) {
		const struct workload_source *source = &pods->sources[i];
		const cJSON *reference;

		if (!inputs[source->at].object)
			continue;
		cJSON_ArrayForEach (reference, owners_of(source))
			owner_mark(pods, source->ns, reference);
	}
}

/* ---- what each stands for ---- */

static void labels_read(struct decoder *d, struct workload_source *source, const cJSON *metadata)
{
	const cJSON *label;

	source->labels = tree_member(d, metadata, "labels");
	cJSON_ArrayForEach (label, source->labels) {
		if (!cJSON_IsString(label))
			decoder_refuse(d, "the label %.60s is not a string", label->string);
	}
}

static bool pod_is_ready(struct decoder *d, const cJSON *tree)
{
	const cJSON *conditions = tree_list(d, tree_member(d, tree, "status"), "conditions");
	const cJSON *condition;

	if (*string_of(member(tree, "metadata"), "deletionTimestamp"))
		return false;
	cJSON_ArrayForEach (condition, conditions) {
		if (strcmp(string_of(condition, "type"), "Ready") == 0)
			return strcmp(string_of(condition, "status"), "True") == 0;
	}
	return true;
}

static void pod_read(struct decoder *d, struct workload_source *source, const struct object *object)
{
	const cJSON *status = tree_member(d, source->tree, "status");

	labels_read(d, source, member(source->tree, "metadata"));
	source->pod_spec = tree_member(d, source->tree, "spec");
	source->ready = pod_is_ready(d, source->tree);
	if (object ||
		(cJSON_GetArraySize(status) == 0 && cJSON_GetArraySize(owners_of(source)) == 0))
		source->count = 1;
}

static void workload_read(struct decoder *d, struct workload_source *source)
{
	const cJSON *spec = tree_member(d, source->tree, "spec");
	const cJSON *template = tree_member(d, spec, "template");

	labels_read(d, source, tree_member(d, template, "metadata"));
	source->pod_spec = tree_member(d, template, "spec");
	source->ready = true;
	source->start = (uint32_t)tree_number(d, tree_member(d, spec, "ordinals"), "start", 0);
	source->count = 1;
	if (!is_kind(source, "DaemonSet"))
		source->count = (uint32_t)tree_number(d, spec, "replicas", 1);
	if (!*source->name || strlen(source->name) > NAME_LENGTH_MAX)
		decoder_refuse(d, "metadata.name is missing or longer than %d", NAME_LENGTH_MAX);
}

/* Sets count, and the other fields that it depends on. */
static int source_read(struct workload_pods *pods, struct workload_source *source,
	const struct object *object, const struct workload_host *host)
{
	const bool is_pod = is_kind(source, "Pod");
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};
	int rc = 0;

	if (is_pod)
		pod_read(&d, source, object);
	else
		workload_read(&d, source);
	if (d.result != DECODE_OK) {
		rc = source_refuse(host, source, why);
		source->count = 0;
	}
	if (source->has_pods || (is_kind(source, "ReplicaSet") && deployment_of(pods, source)))
		source->count = 0;
	if (source->count > WORKLOAD_REPLICAS_MAX) {
		snprintf(why, sizeof why, "spec.replicas is %u, only %d of them count",
			(unsigned)source->count, WORKLOAD_REPLICAS_MAX);
		source->count = WORKLOAD_REPLICAS_MAX;
		rc = source_refuse(host, source, why);
	}
	return rc;
}

static int sources_read(struct workload_pods *pods, const struct workload_input *inputs,
	const struct workload_host *host)
{
	uint32_t made_up = 0;
	int rc = 0;

	for (size_t i = 0; i < pods->source_count && rc == 0; i++) {
		struct workload_source *source = &pods->sources[i];
		const struct object *object = inputs[source->at].object;

		rc = source_read(pods, source, object, host);
		if (!object && made_up + source->count > WORKLOAD_PODS_MAX) {
			source->count = 0;
			rc = source_refuse(host, source, "too many Pods without an address in all");
		}
		made_up += object ? 0 : source->count;
		source->first = (uint32_t)pods->pod_count;
		pods->pod_count += source->count;
	}
	return rc;
}

/* ---- addresses ---- */

struct pools {
	struct address_pool *v4, *v6;
};

static void ips_take(const struct pools *pools, const struct ip *ips, size_t count)
{
	for (size_t i = 0; i < count; i++)
		address_pool_take(ips[i].family == 4 ? pools->v4 : pools->v6, &ips[i]);
}

static void slice_take(const struct pools *pools, const struct endpoint_slice *slice)
{
	struct ip ip = {.family = 4};

	for (size_t i = 0; i < slice->v4_count; i++) {
		memcpy(ip.bytes, slice->v4 + 4 * i, 4);
		ips_take(pools, &ip, 1);
	}
	ip.family = 6;
	for (size_t i = 0; i < slice->v6_count; i++) {
		memcpy(ip.bytes, slice->v6 + 16 * i, 16);
		ips_take(pools, &ip, 1);
	}
}

static void written_take(
	const struct pools *pools, const struct workload_input *inputs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct object *object = inputs[i].object;
		const struct service *service = (const struct service *)object;
		const struct pod *pod = (const struct pod *)object;

		if (object && object->kind == KIND_SERVICE)
			ips_take(pools, service->ips, service->ip_count);
		else if (object && object->kind == KIND_POD)
			ips_take(pools, pod->ips, pod->ip_count);
		else if (object && object->kind == KIND_SLICE)
			slice_take(pools, (const struct endpoint_slice *)object);
	}
}

static uint32_t pod_hash(const struct workload_source *source, uint32_t nth)
{
	char ordinal[16];
	const char *const parts[] = {
		source->kind, "/", source->ns, "/", source->name, "/", ordinal};

	snprintf(ordinal, sizeof ordinal, "%u", (unsigned)(source->start + nth));
	return address_hash(parts, sizeof parts / sizeof *parts);
}

/* The first of each family, as there may be more in a manifest. */
static void pod_copy(const struct pod *from, struct workload_pod *to)
{
	for (size_t i = 0; i < from->ip_count; i++) {
		if (to->ip_count == 0 ||
			(to->ip_count == 1 && to->ips[0].family != from->ips[i].family))
			to->ips[to->ip_count++] = from->ips[i];
	}
}

static int pod_make_up(const struct pools *pools, uint32_t hash, struct workload_pod *to)
{
	if (address_pool_pick(pools->v4, hash, &to->ips[0]) < 0 ||
		address_pool_pick(pools->v6, hash, &to->ips[1]) < 0)
		return -ENOSPC;
	to->ip_count = 2;
	return 0;
}

static int source_fill(struct workload_pods *pods, struct workload_source *source,
	const struct object *object, const struct pools *pools, const struct workload_host *host)
{
	struct workload_pod *first = pods->pods + source->first;

	if (object && source->count > 0)
		pod_copy((const struct pod *)object, first);
	for (uint32_t i = 0; !object && i < source->count; i++) {
		if (pod_make_up(pools, pod_hash(source, i), &first[i]) < 0) {
			source->count = i;
			return source_refuse(host, source, "no Pod address is free any more");
		}
	}
	return 0;
}

static int addresses_assign(struct workload_pods *pods, const struct workload_input *inputs,
	size_t count, const struct workload_host *host)
{
	const struct pools pools = {address_pool_new(&v4_range), address_pool_new(&v6_range)};
	int rc = -ENOMEM;

	pods->pods = calloc(pods->pod_count ? pods->pod_count : 1, sizeof *pods->pods);
	if (pools.v4 && pools.v6 && pods->pods) {
		written_take(&pools, inputs, count);
		rc = 0;
	}
	for (size_t i = 0; i < pods->source_count && rc == 0; i++) {
		struct workload_source *source = &pods->sources[i];

		rc = source_fill(pods, source, inputs[source->at].object, &pools, host);
	}
	address_pool_free(pools.v4);
	address_pool_free(pools.v6);
	return rc;
}

int workload_pods_make(const struct workload_input *inputs, size_t count,
	const struct workload_host *host, struct workload_pods *out)
{
	struct workload_pods pods = {0};
	int rc = sources_collect(inputs, count, &pods);

	if (rc == 0 && pods.source_count > 0) {
		owners_mark(&pods, inputs);
		rc = sources_read(&pods, inputs, host);
		if (rc == 0)
			rc = addresses_assign(&pods, inputs, count, host);
	}
	if (rc == 0)
		*out = pods;
	else
		workload_pods_clear(&pods);
	return rc;
}

void workload_pods_clear(struct workload_pods *pods)
{
	free(pods->sources);
	free(pods->pods);
	*pods = (struct workload_pods){0};
}

/* ---- names ---- */

/* Five of the letters that a cluster takes. The step has no factor in common with
 * their number, so no two Pods of a source have the same. */
static void suffix_write(const struct workload_source *source, uint32_t nth, char out[6])
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	const uint32_t base = sizeof letters - 1, most = base * base * base * base * base;
	uint32_t left = (uint32_t)((pod_hash(source, 0) + (uint64_t)nth * 7368791) % most);

	for (unsigned i = 0; i < 5; i++, left /= base)
		out[i] = letters[left % base];
	out[5] = '\0';
}

void workload_pod_name(
	const struct workload_source *source, uint32_t nth, char out[WORKLOAD_POD_NAME_MAX])
{
	char suffix[6];

	if (is_kind(source, "Pod")) {
		snprintf(out, WORKLOAD_POD_NAME_MAX, "%s", source->name);
	} else if (is_kind(source, "StatefulSet")) {
		snprintf(out, WORKLOAD_POD_NAME_MAX, "%s-%u", source->name,
			(unsigned)(source->start + nth));
	} else {
		/* A cluster cuts the name as well, so that the whole is a DNS label. */
		suffix_write(source, nth, suffix);
		snprintf(out, WORKLOAD_POD_NAME_MAX, "%.57s-%s", source->name, suffix);
	}
}

const char *workload_pod_hostname(const struct workload_source *source, uint32_t nth,
	const char *service, char room[WORKLOAD_POD_NAME_MAX])
{
	const cJSON *spec = member(source->tree, "spec");
	const char *hostname = string_of(source->pod_spec, "hostname");

	if (is_kind(source, "StatefulSet")) {
		if (strcmp(string_of(spec, "serviceName"), service) != 0)
			return NULL;
		workload_pod_name(source, nth, room);
		return room;
	}
	if (!*hostname || strcmp(string_of(source->pod_spec, "subdomain"), service) != 0)
		return NULL;
	return hostname;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Each document is decoded and its tree dropped, but for Services that need an
 * address or select Pods, for Pods and for workloads: those trees wait. When all
 * files are read, doubles are sorted out, the addresses that are written taken out
 * of the pool, and the waiting Services get theirs in the order of namespace and
 * name. Then the slices that selectors imply are made, and the trees go. */

#include "manifest_set.h"

#include "clusterip.h"
#include "file.h"
#include "workloads.h"
#include "yaml_tree.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)64 << 20)

struct reading {
	const struct manifest_filter *filter;
	struct manifest_set set;
	struct manifest_error *error;
	const char *file; /* the one being read */
	size_t object_room, refused_room;
};

static const char *string_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static const cJSON *metadata_of(const cJSON *tree)
{
	return cJSON_GetObjectItemCaseSensitive(tree, "metadata");
}

static int file_refuse(struct reading *r, unsigned line, const char *text)
{
	r->error->file = r->file;
	r->error->line = line;
	snprintf(r->error->text, sizeof r->error->text, "%s", text);
	return -EINVAL;
}

/* ---- the growing lists ---- */

/* Room for one more; NULL: out of memory. */
static void *list_grow(void *list, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room ? *room * 2 : 64;
	void *grown;

	if (count < *room)
		return list;
	grown = reallocarray(list, wanted, size);
	if (grown)
		*room = wanted;
	return grown;
}

static int refused_add(struct reading *r, enum object_kind kind, const char *ns, const char *name,
	const char *file, unsigned line, const char *why)
{
	struct manifest_refused *list =
		list_grow(r->set.refused, r->set.refused_count, &r->refused_room, sizeof *list);
	struct manifest_refused *refused;

	if (!list)
		return -ENOMEM;
	r->set.refused = list;
	refused = &list[r->set.refused_count++];
	*refused = (struct manifest_refused){.kind = kind, .file = file, .line = line};
	snprintf(refused->why, sizeof refused->why, "%s", why);
	refused->ns = ns ? strdup(ns) : NULL;
	refused->name = name ? strdup(name) : NULL;
	return (ns && !refused->ns) || (name && !refused->name) ? -ENOMEM : 0;
}

static int tree_refuse(struct reading *r, enum object_kind kind, const cJSON *tree,
	const char *file, unsigned line, const char *why)
{
	return refused_add(r, kind, string_of(metadata_of(tree), "namespace"),
		string_of(metadata_of(tree), "name"), file, line, why);
}

/* Takes object and tree (one of them may be NULL), whatever it returns. */
static int object_add(struct reading *r, const struct manifest_object *object)
{
	struct manifest_object *list =
		list_grow(r->set.objects, r->set.object_count, &r->object_room, sizeof *list);

	if (!list) {
		object_free(object->object);
		cJSON_Delete(object->tree);
		return -ENOMEM;
	}
	r->set.objects = list;
	list[r->set.object_count] = *object;
	list[r->set.object_count].order = r->set.object_count;
	r->set.object_count++;
	return 0;
}

/* ---- one object ---- */

static int namespace_default(cJSON *tree)
{
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(tree, "metadata");
	const cJSON *ns = cJSON_GetObjectItemCaseSensitive(metadata, "namespace");

	if (!cJSON_IsObject(metadata) || (ns && !cJSON_IsNull(ns)))
		return 0;
	cJSON_DeleteItemFromObjectCaseSensitive(metadata, "namespace");
	return cJSON_AddStringToObject(metadata, "namespace", "default") ? 0 : -ENOMEM;
}

static bool is_hidden(const struct reading *r, enum object_kind kind, const cJSON *tree)
{
	const cJSON *labels = cJSON_GetObjectItemCaseSensitive(metadata_of(tree), "labels");

	return r->filter->selects &&
	       !r->filter->selects(r->filter->user, kind, cJSON_IsObject(labels) ? labels : NULL);
}

static int object_decode(struct reading *r, struct manifest_object *object, const cJSON *tree)
{
	char why[DECODE_WHY_MAX] = "";
	const enum object_kind kind = resource_table[object->resource].kind;
	const struct decode_options options = {.trusted = true,
		.pod_names = r->filter->pod_names,
		.zones = r->filter->zones,
		.externals = r->filter->externals};

	switch (decode_tree(object->resource, tree, &options, &object->object, why)) {
	case DECODE_OK:
		/* Good, but for some part that is left out. */
		return why[0] ? tree_refuse(r, kind, tree, object->file, object->line, why) : 0;
	case DECODE_SKIP:
		object->object = NULL;
		return 0;
	case DECODE_NOMEM:
		object->object = NULL;
		return -ENOMEM;
	case DECODE_INVALID:
	case DECODE_SYNTAX:
		break;
	}
	object->object = NULL;
	return tree_refuse(r, kind, tree, object->file, object->line, why);
}

/* True if selectors are to be followed. */
static bool is_expanding(const struct reading *r)
{
	const unsigned needed = KIND_BIT(KIND_SERVICE) | KIND_BIT(KIND_SLICE);

	return (r->filter->kinds & needed) == needed;
}

static bool is_named(const cJSON *tree)
{
	return string_of(metadata_of(tree), "namespace") && string_of(metadata_of(tree), "name");
}

/* True if this tree is needed when all is read. */
static bool tree_waits(const struct reading *r, const struct manifest_object *object)
{
	if (!is_expanding(r))
		return false;
	if (object->resource == RESOURCE_PODS)
		return true;
	return object->resource == RESOURCE_SERVICES && workloads_selects(object->tree);
}

/* Takes the tree, whatever it returns. */
static int object_take(struct reading *r, struct manifest_object *object)
{
	cJSON *tree = object->tree;
	const size_t refused = r->set.refused_count;
	const bool waits = tree_waits(r, object);
	int rc = object_decode(r, object, tree);

	/* A Pod without an address is no object, but may get one; not if it is refused. */
	if (rc < 0 || !waits || (!object->object && r->set.refused_count > refused)) {
		cJSON_Delete(tree);
		object->tree = NULL;
	} else if (object->resource == RESOURCE_PODS) {
		workloads_prune(tree);
	}
	return rc;
}

/* Takes the tree, whatever it returns. */
static int resource_take(struct reading *r, enum resource resource, cJSON *tree)
{
	const enum object_kind kind = resource_table[resource].kind;
	struct manifest_object object = {
		.resource = resource, .file = r->file, .line = yaml_line(tree), .tree = tree};
	int rc = 0;

	if (!(r->filter->kinds & KIND_BIT(kind)) && !(kind == KIND_POD && is_expanding(r)))
		goto drop;
	if (kind != KIND_NAMESPACE)
		rc = namespace_default(tree);
	if (rc < 0)
		goto drop;
	object.hidden = is_hidden(r, kind, tree);
	if (kind == KIND_SERVICE && clusterip_is_needed(tree) && is_named(tree))
		return object_add(r, &object);
	rc = object_take(r, &object);
	if (rc == 0 && (object.object || object.tree))
		rc = object_add(r, &object);
	return rc;
drop:
	cJSON_Delete(tree);
	return rc;
}

/* The same of what stands for Pods: no object of its own, but slices come of it. */
static int workload_take(struct reading *r, const char *workload, cJSON *tree)
{
	struct manifest_object object = {.resource = RESOURCE_SLICES,
		.workload = workload,
		.file = r->file,
		.line = yaml_line(tree),
		.tree = tree};
	int rc = 0;

	if (!is_expanding(r))
		goto drop;
	rc = namespace_default(tree);
	if (rc < 0)
		goto drop;
	if (is_named(tree)) {
		workloads_prune(tree);
		return object_add(r, &object);
	}
	rc = tree_refuse(
		r, KIND_SLICE, tree, object.file, object.line, "a workload without metadata.name");
drop:
	cJSON_Delete(tree);
	return rc;
}

/* ---- slices of imports ---- */

/* One document may be a slice of a Service and one of an import. */
static int import_slice_take(struct reading *r, cJSON *tree)
{
	const cJSON *labels = cJSON_GetObjectItemCaseSensitive(metadata_of(tree), "labels");
	struct manifest_object object = {
		.resource = RESOURCE_IMPORT_SLICES, .file = r->file, .line = yaml_line(tree)};
	int rc;

	if (!(r->filter->kinds & KIND_BIT(KIND_IMPORT_SLICE)) ||
		!string_of(labels, DECODE_IMPORT_LABEL))
		return 0;
	rc = namespace_default(tree);
	if (rc < 0)
		return rc;
	object.hidden = is_hidden(r, KIND_IMPORT_SLICE, tree);
	rc = object_decode(r, &object, tree);
	return rc == 0 && object.object ? object_add(r, &object) : rc;
}

/* ---- documents ---- */

static int resource_find(const char *api_version, const char *kind)
{
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		if (strcmp(resource_table[i].api_version, api_version) == 0 &&
			strcmp(resource_table[i].api_kind, kind) == 0)
			return i;
	}
	return -1;
}

static int tree_take(struct reading *r, cJSON *tree, const char *list_version,
	const char *list_kind, size_t list_kind_len);

/* The length of X in "XList" (0 for a plain List); -1: not a list. */
static int list_kind_len(const char *kind)
{
	size_t len = strlen(kind);

	if (len < 4 || strcmp(kind + len - 4, "List") != 0)
		return -1;
	return (int)len - 4;
}

/* Takes the tree. The items of a ServiceList as the API gives it have neither
 * kind nor apiVersion. */
static int list_take(struct reading *r, cJSON *tree, int kind_len)
{
	cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
	const char *kind = string_of(tree, "kind"), *version = string_of(tree, "apiVersion");
	cJSON *item = cJSON_IsArray(items) ? items->child : NULL, *next;
	int rc = 0;

	for (; item && rc == 0; item = next) {
		next = item->next;
		rc = tree_take(r, cJSON_DetachItemViaPointer(items, item), version, kind,
			(size_t)kind_len);
	}
	cJSON_Delete(tree);
	return rc;
}

/* Takes the tree, whatever it returns. Without kind and apiVersion of its own, it
 * has those of its list. */
static int tree_take(struct reading *r, cJSON *tree, const char *list_version,
	const char *list_kind, size_t list_len)
{
	const char *kind = string_of(tree, "kind"), *version = string_of(tree, "apiVersion");
	char inherited[64];
	int rc = 0, found;

	if (!cJSON_IsObject(tree)) {
		rc = file_refuse(r, yaml_line(tree),
			"not a Kubernetes object (a mapping with apiVersion and kind)");
		goto out;
	}
	if (!kind && !version && list_len > 0 && list_len < sizeof inherited) {
		memcpy(inherited, list_kind, list_len);
		inherited[list_len] = '\0';
		kind = inherited;
		version = list_version;
	}
	if (!kind || !version) /* a kustomization, values of a chart, ... */
		goto out;
	if (list_kind_len(kind) >= 0 && kind != inherited)
		return list_take(r, tree, list_kind_len(kind));
	found = resource_find(version, kind);
	if (found == RESOURCE_SLICES)
		rc = import_slice_take(r, tree);
	if (rc < 0)
		goto out;
	if (found >= 0)
		return resource_take(r, (enum resource)found, tree);
	if (workloads_kind(version, kind))
		return workload_take(r, workloads_kind(version, kind), tree);
out:
	cJSON_Delete(tree);
	return rc;
}

static int document_take(void *user, cJSON *tree)
{
	return tree_take(user, tree, NULL, NULL, 0);
}

static int file_take(struct reading *r, const char *path)
{
	struct yaml_error yaml = {0};
	char why[sizeof r->error->text];
	char *text;
	size_t len;
	int rc;

	r->file = path;
	r->error->file = NULL;
	rc = file_read(path, FILE_MAX, &text, &len, why, sizeof why);
	if (rc < 0) {
		file_refuse(r, 0, why);
		return rc;
	}
	rc = yaml_read(text, len, document_take, r, &yaml);
	free(text);
	/* Refused either by YAML or, with a file set, by us. */
	if (rc == -EINVAL && !r->error->file) {
		if (yaml.column > 0)
			snprintf(why, sizeof why, "column %u: %s", yaml.column, yaml.text);
		else
			snprintf(why, sizeof why, "%s", yaml.text);
		file_refuse(r, yaml.line, why);
	}
	return rc;
}

/* ---- when all is read ---- */

static enum object_kind kind_of(const struct manifest_object *object)
{
	return resource_table[object->resource].kind;
}

static const char *ns_of(const struct manifest_object *object)
{
	return object->object ? object->object->ns
			      : string_of(metadata_of(object->tree), "namespace");
}

static const char *name_of(const struct manifest_object *object)
{
	return object->object ? object->object->name : string_of(metadata_of(object->tree), "name");
}

static int identity_compare(const struct manifest_object *a, const struct manifest_object *b)
{
	int order;

	if (kind_of(a) != kind_of(b))
		return kind_of(a) < kind_of(b) ? -1 : 1;
	order = strcmp(a->workload ? a->workload : "", b->workload ? b->workload : "");
	if (order == 0)
		order = strcmp(ns_of(a), ns_of(b));
	return order ? order : strcmp(name_of(a), name_of(b));
}

static int object_compare(const void *a, const void *b)
{
	const struct manifest_object *left = a, *right = b;
	int order = identity_compare(left, right);

	if (order)
		return order;
	return left->order < right->order ? -1 : left->order > right->order;
}

static int name_compare(const void *a, const void *b)
{
	return identity_compare(a, b);
}

static void object_drop(struct manifest_object *object)
{
	object_free(object->object);
	cJSON_Delete(object->tree);
	object->object = NULL;
	object->tree = NULL;
}

/* What was refused late. */
static void empties_drop(struct reading *r)
{
	struct manifest_object *list = r->set.objects;
	size_t kept = 0;

	for (size_t i = 0; i < r->set.object_count; i++) {
		if (list[i].object || list[i].tree)
			list[kept++] = list[i];
	}
	r->set.object_count = kept;
}

/* Sorts, and keeps the last of each name. */
static int doubles_drop(struct reading *r)
{
	struct manifest_object *list = r->set.objects;
	size_t kept = 0;
	int rc = 0;

	if (r->set.object_count > 0)
		qsort(list, r->set.object_count, sizeof *list, object_compare);
	for (size_t i = 0; i < r->set.object_count; i++) {
		struct manifest_object *later = &list[i + 1];
		char why[DECODE_WHY_MAX];

		if (i + 1 == r->set.object_count || identity_compare(&list[i], later) != 0) {
			list[kept++] = list[i];
			continue;
		}
		snprintf(why, sizeof why, "defined again in %s:%u, which counts", later->file,
			later->line);
		if (rc == 0)
			rc = refused_add(r, kind_of(&list[i]), ns_of(&list[i]), name_of(&list[i]),
				list[i].file, list[i].line, why);
		object_drop(&list[i]);
	}
	r->set.object_count = kept;
	return rc;
}

static void written_take(struct reading *r, struct clusterip_pool *pool)
{
	for (size_t i = 0; i < r->set.object_count; i++) {
		const struct manifest_object *one = &r->set.objects[i];
		const struct service *service = (const struct service *)one->object;

		if (kind_of(one) != KIND_SERVICE)
			continue;
		if (one->tree)
			clusterip_take_written(pool, one->tree);
		if (!service)
			continue;
		for (size_t ip = 0; ip < service->ip_count; ip++)
			clusterip_take(pool, &service->ips[ip]);
	}
}

/* The list is sorted: the order of namespace and name. */
static int addresses_assign(struct reading *r)
{
	struct clusterip_pool *pool = clusterip_pool_new();
	int rc = pool ? 0 : -ENOMEM;

	if (rc == 0)
		written_take(r, pool);
	for (size_t i = 0; i < r->set.object_count && rc == 0; i++) {
		struct manifest_object *one = &r->set.objects[i];

		if (one->object || kind_of(one) != KIND_SERVICE)
			continue;
		rc = clusterip_assign(pool, ns_of(one), name_of(one), one->tree);
		if (rc == -ENOSPC) {
			rc = tree_refuse(r, KIND_SERVICE, one->tree, one->file, one->line,
				"no cluster IP is free any more");
			object_drop(one);
		} else if (rc == 0) {
			rc = object_take(r, one);
		}
	}
	clusterip_pool_free(pool);
	empties_drop(r);
	return rc;
}

/* ---- what selectors imply ---- */

static const char *kind_name(const struct manifest_object *object)
{
	return object->workload ? object->workload : resource_table[object->resource].api_kind;
}

/* The list is sorted, but for the slices that were made. */
struct expansion {
	struct reading *r;
	size_t *places; /* of the inputs, in the list */
	size_t sorted;
};

/* Takes the tree, whatever it returns. */
static int slice_made(void *user, size_t at, cJSON *tree)
{
	const struct expansion *e = user;
	const struct manifest_object *service = &e->r->set.objects[e->places[at]];
	struct manifest_object slice = {
		.resource = RESOURCE_SLICES, .file = service->file, .line = service->line};
	int rc;

	slice.hidden = is_hidden(e->r, KIND_SLICE, tree);
	rc = object_decode(e->r, &slice, tree);
	cJSON_Delete(tree);
	return rc == 0 && slice.object ? object_add(e->r, &slice) : rc;
}

static int input_refused(void *user, size_t at, const char *why)
{
	const struct expansion *e = user;
	const struct manifest_object *one = &e->r->set.objects[e->places[at]];

	return refused_add(e->r, KIND_SLICE, ns_of(one), name_of(one), one->file, one->line, why);
}

static bool slice_exists(void *user, const char *ns, const char *name)
{
	const struct expansion *e = user;
	struct endpoint_slice slice = {.head.ns = ns, .head.name = name};
	const struct manifest_object key = {.resource = RESOURCE_SLICES, .object = &slice.head};

	return bsearch(&key, e->r->set.objects, e->sorted, sizeof key, name_compare) != NULL;
}

static size_t inputs_fill(const struct expansion *e, struct workload_input *inputs)
{
	size_t count = 0;

	for (size_t i = 0; i < e->sorted; i++) {
		const struct manifest_object *one = &e->r->set.objects[i];

		if (!one->tree && (!one->object || kind_of(one) != KIND_SLICE))
			continue;
		e->places[count] = i;
		inputs[count++] = (struct workload_input){
			.kind = kind_name(one), .tree = one->tree, .object = one->object};
	}
	return count;
}

/* Drop the trees, and what only played a part in making slices. */
static void trees_drop(struct reading *r)
{
	for (size_t i = 0; i < r->set.object_count; i++) {
		struct manifest_object *one = &r->set.objects[i];

		cJSON_Delete(one->tree);
		one->tree = NULL;
		if (!(r->filter->kinds & KIND_BIT(kind_of(one))))
			object_drop(one);
	}
	empties_drop(r);
}

static int slices_make(struct reading *r)
{
	struct expansion e = {.r = r, .sorted = r->set.object_count};
	const struct workload_host host = {
		.slice = slice_made, .refuse = input_refused, .is_taken = slice_exists, .user = &e};
	struct workload_input *inputs = calloc(e.sorted + 1, sizeof *inputs);
	int rc = -ENOMEM;

	e.places = calloc(e.sorted + 1, sizeof *e.places);
	if (inputs && e.places)
		rc = workloads_expand(inputs, inputs_fill(&e, inputs), &host);
	free(inputs);
	free(e.places);
	return rc;
}

int manifest_set_read(const struct manifest_files *files, const struct manifest_filter *filter,
	struct manifest_set *out, struct manifest_error *error)
{
	struct reading r = {.filter = filter, .error = error, .set.files = files};
	int rc = 0;

	*error = (struct manifest_error){0};
	for (size_t i = 0; i < files->count && rc == 0; i++)
		rc = file_take(&r, files->paths[i]);
	if (rc == 0)
		rc = doubles_drop(&r);
	if (rc == 0)
		rc = addresses_assign(&r);
	if (rc == 0 && is_expanding(&r))
		rc = slices_make(&r);
	if (rc == 0) {
		trees_drop(&r);
		*out = r.set;
		return 0;
	}
	if (rc == -ENOMEM)
		file_refuse(&r, 0, "out of memory");
	manifest_set_clear(&r.set);
	return rc;
}

void manifest_set_clear(struct manifest_set *set)
{
	for (size_t i = 0; i < set->object_count; i++)
		object_drop(&set->objects[i]);
	for (size_t i = 0; i < set->refused_count; i++) {
		free(set->refused[i].ns);
		free(set->refused[i].name);
	}
	free(set->objects);
	free(set->refused);
	*set = (struct manifest_set){0};
}

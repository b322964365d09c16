/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_WATCH_WORKLOAD_SCRIPT_H
#define BINNACLE_TESTS_WATCH_WORKLOAD_SCRIPT_H

/* Manifests as YAML to the inputs of the workload modules, and what they tell the
 * host as text. Include it instead of cmocka.h. */

#include "watch/workload_pods.h"

#include "watch/decode.h"
#include "watch/yaml_tree.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>

#include "scratch.h"

#define SCRIPT_INPUTS 64

struct script {
	struct workload_input inputs[SCRIPT_INPUTS];
	size_t count;
	char text[16384];
	size_t used;
	const char *taken; /* the one name that is_taken */
	int fails;         /* what slice and refuse return */
};

static inline void say(struct script *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void say(struct script *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	s->used += (size_t)vsnprintf(s->text + s->used, sizeof s->text - s->used, format, args);
	va_end(args);
	assert_true(s->used < sizeof s->text);
}

/* ---- reading ---- */

static inline const cJSON *script_member(const cJSON *tree, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(tree, key);
}

static inline const char *script_string(const cJSON *tree, const char *key)
{
	const cJSON *found = script_member(tree, key);

	return cJSON_IsString(found) ? found->valuestring : "";
}

static inline int script_document(void *user, cJSON *tree)
{
	struct script *s = user;
	struct workload_input *input = &s->inputs[s->count++];
	const char *kind = script_string(tree, "kind");
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(tree, "metadata");
	char why[DECODE_WHY_MAX];
	struct object *object = NULL;

	assert_true(s->count < SCRIPT_INPUTS);
	if (!script_member(metadata, "namespace"))
		cJSON_AddStringToObject(metadata, "namespace", "default");
	input->kind = workloads_kind(script_string(tree, "apiVersion"), kind);
	input->tree = tree;
	for (int i = 0; i < RESOURCE_COUNT && !input->kind; i++) {
		if (strcmp(resource_table[i].api_kind, kind) != 0)
			continue;
		input->kind = resource_table[i].api_kind;
		decode_tree((enum resource)i, tree, &(struct decode_options){.trusted = true},
			&object, why);
	}
	assert_non_null(input->kind);
	input->object = object;
	if (object && object->kind == KIND_SLICE) {
		input->tree = NULL;
		cJSON_Delete(tree);
	}
	return 0;
}

static inline void script_clear(struct script *s)
{
	for (size_t i = 0; i < s->count; i++) {
		cJSON_Delete((cJSON *)(uintptr_t)s->inputs[i].tree);
		object_free((struct object *)(uintptr_t)s->inputs[i].object);
	}
	s->count = 0;
	s->used = 0;
	s->text[0] = '\0';
}

static inline void script_read(struct script *s, const char *yaml)
{
	struct yaml_error error = {0};

	script_clear(s);
	if (yaml_read(yaml, strlen(yaml), script_document, s, &error) != 0)
		fail_msg("%u:%u: %s", error.line, error.column, error.text);
}

static inline int script_setup(void **state)
{
	*state = calloc(1, sizeof(struct script));
	return *state ? 0 : -1;
}

static inline int script_teardown(void **state)
{
	script_clear(*state);
	free(*state);
	return 0;
}

/* ---- the host ---- */

static inline void script_ports_say(struct script *s, const cJSON *slice)
{
	const cJSON *port;

	say(s, " [");
	cJSON_ArrayForEach (port, script_member(slice, "ports"))
		say(s, "%s%s:%d/%s", port->prev->next ? " " : "", script_string(port, "name"),
			script_member(port, "port")->valueint, script_string(port, "protocol"));
	say(s, "]");
}

static inline void script_labels_say(struct script *s, const cJSON *labels)
{
	const cJSON *label;

	cJSON_ArrayForEach (label, labels)
		say(s, " %s=%s", label->string, label->valuestring);
	say(s, "\n");
}

static inline void script_endpoint_say(struct script *s, const cJSON *endpoint)
{
	const cJSON *target = script_member(endpoint, "targetRef");

	assert_int_equal(cJSON_GetArraySize(script_member(endpoint, "addresses")), 1);
	assert_string_equal(script_string(target, "kind"), "Pod");
	assert_string_not_equal(script_string(target, "namespace"), "");
	say(s, "  %s %s", script_member(endpoint, "addresses")->child->valuestring,
		script_string(target, "name"));
	if (script_member(endpoint, "hostname"))
		say(s, " =%s", script_string(endpoint, "hostname"));
	if (!cJSON_IsTrue(script_member(script_member(endpoint, "conditions"), "ready")))
		say(s, " unready");
	say(s, "\n");
}

static inline int script_slice(void *user, size_t at, cJSON *slice)
{
	struct script *s = user;
	const cJSON *metadata = script_member(slice, "metadata"), *endpoint;
	char why[DECODE_WHY_MAX];
	struct object *object = NULL;
	enum decode_result result = decode_tree(
		RESOURCE_SLICES, slice, &(struct decode_options){.trusted = true}, &object, why);

	if (result == DECODE_NOMEM) {
		cJSON_Delete(slice);
		return -12;
	}
	if (result != DECODE_OK || why[0])
		fail_msg("%s", why);
	assert_string_equal(s->inputs[at].kind, "Service");
	object_free(object);
	say(s, "%s/%s %s", script_string(metadata, "namespace"), script_string(metadata, "name"),
		script_string(slice, "addressType"));
	script_ports_say(s, slice);
	script_labels_say(s, script_member(metadata, "labels"));
	cJSON_ArrayForEach (endpoint, script_member(slice, "endpoints"))
		script_endpoint_say(s, endpoint);
	cJSON_Delete(slice);
	return s->fails;
}

static inline int script_refuse(void *user, size_t at, const char *why)
{
	struct script *s = user;

	assert_true(at < s->count);
	say(s, "refused %s\n", why);
	return s->fails;
}

static inline bool script_is_taken(void *user, const char *ns, const char *name)
{
	const struct script *s = user;

	assert_string_not_equal(ns, "");
	return s->taken && strcmp(s->taken, name) == 0;
}

static inline struct workload_host script_host(struct script *s)
{
	return (struct workload_host){.slice = script_slice,
		.refuse = script_refuse,
		.is_taken = script_is_taken,
		.user = s};
}

static inline void script_assert(struct script *s, const char *wanted)
{
	if (strcmp(s->text, wanted) != 0)
		fail_msg("made:\n%snot:\n%s", s->text, wanted);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of the API machinery itself: list metadata, bookmarks, Status, and
 * the list of resources that a group version has. */

#include "decode.h"
#include "json_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END_ANNOTATION "k8s.io/initial-events-end"

static void text_copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
}

static bool text_is(const char *text, const char *wanted)
{
	return text && strcmp(text, wanted) == 0;
}

/* Servers before 1.19 have no cause, only the words. */
static bool version_is_too_large(struct decoder *d, const cJSON *details, const char *message)
{
	const cJSON *causes = tree_list(d, details, "causes"), *cause;

	cJSON_ArrayForEach (cause, causes) {
		if (text_is(tree_text(d, cause, "reason"), "ResourceVersionTooLarge"))
			return true;
	}
	return message && strstr(message, "Too large resource version");
}

static void status_read(struct decoder *d, const cJSON *tree, struct decode_meta *out)
{
	const cJSON *details = tree_member(d, tree, "details");
	const char *message = tree_text(d, tree, "message");

	out->code = tree_number(d, tree, "code", 0);
	text_copy(out->reason, sizeof out->reason, tree_text(d, tree, "reason"));
	text_copy(out->message, sizeof out->message, message);
	out->retry_after_s = tree_number(d, details, "retryAfterSeconds", -1);
	out->too_large_version = version_is_too_large(d, details, message);
}

static void metadata_read(struct decoder *d, const cJSON *metadata, struct decode_meta *out)
{
	const cJSON *annotations = tree_member(d, metadata, "annotations");
	const char *token = tree_text(d, metadata, "continue");

	out->version = tree_version(d, metadata, "resourceVersion");
	out->initial_events_end = text_is(tree_text(d, annotations, END_ANNOTATION), "true");
	if (d->result != DECODE_OK || !token || !*token)
		return;
	out->continue_token = strdup(token);
	if (!out->continue_token)
		d->result = DECODE_NOMEM;
}

enum decode_result decode_meta(const struct document *document, struct decode_meta *out)
{
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};
	struct decode_meta meta = {.retry_after_s = -1};
	const cJSON *metadata;
	cJSON *tree;
	enum decode_result result = tree_parse(document, &tree, why);

	if (result != DECODE_OK)
		return result;
	if (!cJSON_IsObject(tree))
		decoder_refuse(&d, "not an object");
	if (text_is(tree_text(&d, tree, "kind"), "Status"))
		status_read(&d, tree, &meta);
	/* Metadata has no member `metadata` of its own. */
	metadata = tree_member(&d, tree, "metadata");
	metadata_read(&d, metadata ? metadata : tree, &meta);
	cJSON_Delete(tree);
	if (d.result != DECODE_OK) {
		free(meta.continue_token);
		return d.result;
	}
	*out = meta;
	return DECODE_OK;
}

enum decode_result decode_offers(const char *json, size_t len, const char *name)
{
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};
	const cJSON *resources, *each;
	enum decode_result result;
	cJSON *tree;

	result = tree_parse(&(struct document){.bytes = json, .len = len}, &tree, why);
	if (result != DECODE_OK)
		return result;
	if (!text_is(tree_text(&d, tree, "kind"), "APIResourceList"))
		decoder_refuse(&d, "not an APIResourceList");
	resources = tree_list(&d, tree, "resources");
	result = DECODE_SKIP;
	cJSON_ArrayForEach (each, resources) {
		if (text_is(tree_text(&d, each, "name"), name))
			result = DECODE_OK;
	}
	cJSON_Delete(tree);
	return d.result != DECODE_OK ? d.result : result;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events are put together on a stack of open collections. The line of a
 * node is kept in valueint, which cJSON uses for numbers only. */

#include "yaml_tree.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* An open collection. */
struct frame {
	cJSON *node;
	char *key;    /* mapping: read, its value is not; NULL: a key is next */
	char *anchor; /* NULL: none */
	bool merges;  /* has a plain << key */
};

struct anchor {
	char *name;
	const cJSON *node;
};

struct builder {
	yaml_parser_t parser;
	struct yaml_error *error;
	struct frame stack[YAML_DEPTH_MAX];
	unsigned depth;
	cJSON *root;
	cJSON *merged; /* values of << keys; anchors may still point into them */
	struct anchor *anchors;
	size_t anchor_count;
	size_t copied; /* bytes that aliases made */
};

static int refuse(struct builder *b, const yaml_mark_t *mark, const char *text)
{
	b->error->line = (unsigned)mark->line + 1;
	b->error->column = (unsigned)mark->column + 1;
	snprintf(b->error->text, sizeof b->error->text, "%s", text);
	return -EINVAL;
}

static int no_memory(struct yaml_error *error)
{
	*error = (struct yaml_error){.text = "out of memory"};
	return -ENOMEM;
}

/* ---- scalars ---- */

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

/* [-+] then decimal, 0 or 0o octal, 0x, 0b; underscores anywhere between. */
static bool number_int(const char *text, double *out)
{
	char digits[80];
	size_t len = 0;
	bool negative = *text == '-';
	int base = 10;
	const char *start = digits;
	char *end;
	unsigned long long value;

	if (*text == '-' || *text == '+')
		text++;
	if (*text < '0' || *text > '9')
		return false;
	for (; *text; text++) {
		if (*text == '_')
			continue;
		if (len + 1 >= sizeof digits)
			return false;
		digits[len++] = *text;
	}
	digits[len] = '\0';
	if (digits[0] == '0' && len > 1) {
		char form = digits[1];

		base = form == 'x' ? 16 : form == 'b' ? 2 : 8;
		start += form == 'x' || form == 'b' || form == 'o' ? 2 : 1;
	}
	if (!*start || *start == '-' || *start == '+')
		return false;
	errno = 0;
	value = strtoull(start, &end, base);
	if (*end || errno == ERANGE)
		return false;
	*out = negative ? -(double)value : (double)value;
	return true;
}

static size_t digits_count(const char *text)
{
	return strspn(text, "0123456789");
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool number_float(const char *text, double *out)
{
	const char *at = text;
	size_t whole, part = 0;

	if (*at == '-' || *at == '+')
		at++;
	whole = digits_count(at);
	at += whole;
	if (*at == '.') {
		part = digits_count(++at);
		at += part;
	}
	if (whole + part == 0)
		return false;
	if (*at == 'e' || *at == 'E') {
		at++;
		if (*at == '-' || *at == '+')
			at++;
		if (digits_count(at) == 0)
			return false;
		at += digits_count(at);
	}
	if (*at)
		return false;
	*out = strtod(text, NULL);
	/* JSON has no infinity; what overflows stays text. */
	return *out <= 1e308 && *out >= -1e308;
}

static cJSON *plain_value(const char *text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {
		"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y", NULL};
	static const char *const falses[] = {
		"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N", NULL};
	double number;

	if (is_one_of(text, nulls))
		return cJSON_CreateNull();
	if (is_one_of(text, trues))
		return cJSON_CreateTrue();
	if (is_one_of(text, falses))
		return cJSON_CreateFalse();
	if (number_int(text, &number) || number_float(text, &number))
		return cJSON_CreateNumber(number);
	return cJSON_CreateString(text);
}

/* Tags that ask for the plain reading of a scalar. */
static bool tag_is_core(const char *tag)
{
	static const char *const core[] = {
		YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG, YAML_FLOAT_TAG, NULL};

	return is_one_of(tag, core);
}

static cJSON *scalar_value(const yaml_event_t *event)
{
	const char *tag = (const char *)event->data.scalar.tag;
	const char *text = (const char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (tag ? tag_is_core(tag) : plain)
		return plain_value(text);
	return cJSON_CreateString(text);
}

static void line_set(cJSON *node, size_t line)
{
	if (!cJSON_IsNumber(node) && line < INT32_MAX)
		node->valueint = (int)line + 1;
}

unsigned yaml_line(const cJSON *node)
{
	if (!cJSON_IsObject(node) && !cJSON_IsArray(node) && !cJSON_IsString(node))
		return 0;
	return node->valueint > 0 ? (unsigned)node->valueint : 0;
}

/* ---- anchors, aliases, merge keys ---- */

static int anchor_set(
	struct builder *b, const yaml_mark_t *mark, const char *name, const cJSON *node)
{
	struct anchor *grown;

	if (b->anchor_count == YAML_ANCHORS_MAX)
		return refuse(b, mark, "too many anchors");
	grown = reallocarray(b->anchors, b->anchor_count + 1, sizeof *grown);
	if (!grown)
		return no_memory(b->error);
	b->anchors = grown;
	grown[b->anchor_count].name = strdup(name);
	if (!grown[b->anchor_count].name)
		return no_memory(b->error);
	grown[b->anchor_count++].node = node;
	return 0;
}

/* The latest of that name: anchors may be given anew. One whose collection is
 * still open is not there yet, so that no alias can contain itself. */
static const cJSON *anchor_find(const struct builder *b, const char *name)
{
	for (size_t i = b->anchor_count; i-- > 0;) {
		if (strcmp(b->anchors[i].name, name) == 0)
			return b->anchors[i].node;
	}
	return NULL;
}

static cJSON *leaf_copy(const cJSON *node)
{
	switch (node->type & 0xff) {
	case cJSON_Object:
		return cJSON_CreateObject();
	case cJSON_Array:
		return cJSON_CreateArray();
	case cJSON_String:
		return cJSON_CreateString(node->valuestring);
	case cJSON_Number:
		return cJSON_CreateNumber(node->valuedouble);
	case cJSON_NULL:
		return cJSON_CreateNull();
	default:
		return cJSON_CreateBool(cJSON_IsTrue(node));
	}
}

/* A deep copy at the given depth; children keep their keys. */
static int tree_copy(
	struct builder *b, const yaml_mark_t *mark, const cJSON *from, unsigned depth, cJSON **out)
{
	cJSON *copy, *child_copy;
	const cJSON *child;
	int rc = 0;

	b->copied += sizeof *from + (from->valuestring ? strlen(from->valuestring) : 0) +
		     (from->string ? strlen(from->string) : 0);
	if (b->copied > YAML_COPY_MAX)
		return refuse(b, mark, "aliases make the document too large");
	if (depth > YAML_DEPTH_MAX)
		return refuse(b, mark, "nested too deeply");
	copy = leaf_copy(from);
	if (!copy)
		return no_memory(b->error);
	if (!cJSON_IsNumber(from))
		copy->valueint = from->valueint;
	cJSON_ArrayForEach (child, from) {
		rc = tree_copy(b, mark, child, depth + 1, &child_copy);
		if (rc < 0)
			break;
		if (!(child->string ? cJSON_AddItemToObject(copy, child->string, child_copy)
				    : cJSON_AddItemToArray(copy, child_copy))) {
			cJSON_Delete(child_copy);
			rc = no_memory(b->error);
			break;
		}
	}
	if (rc < 0)
		cJSON_Delete(copy);
	else
		*out = copy;
	return rc;
}

/* Copy into `to` what it has not got: its own keys win, then the earlier of
 * several merged mappings (https://yaml.org/type/merge.html). */
static int mapping_merge(struct builder *b, const yaml_mark_t *mark, cJSON *to, const cJSON *from)
{
	const cJSON *item;

	if (!cJSON_IsObject(from))
		return refuse(b, mark, "<< must be a mapping, or a list of mappings");
	/* What the look-ups below cost counts against the same bound. */
	b->copied += (size_t)cJSON_GetArraySize(from) * (size_t)cJSON_GetArraySize(to);
	if (b->copied > YAML_COPY_MAX)
		return refuse(b, mark, "merge keys make the document too large");
	cJSON_ArrayForEach (item, from) {
		cJSON *copy;
		int rc;

		if (cJSON_GetObjectItemCaseSensitive(to, item->string))
			continue;
		rc = tree_copy(b, mark, item, b->depth + 1, &copy);
		if (rc < 0)
			return rc;
		if (!cJSON_AddItemToObject(to, item->string, copy)) {
			cJSON_Delete(copy);
			return no_memory(b->error);
		}
	}
	return 0;
}

static int merges_do(struct builder *b, const yaml_mark_t *mark, cJSON *mapping)
{
	cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(mapping, "<<");
	const cJSON *one;
	int rc = 0;

	if (!b->merged)
		b->merged = cJSON_CreateArray();
	if (!b->merged || !cJSON_AddItemToArray(b->merged, value)) {
		cJSON_Delete(value);
		return no_memory(b->error);
	}
	if (!cJSON_IsArray(value))
		return mapping_merge(b, mark, mapping, value);
	cJSON_ArrayForEach (one, value) {
		rc = mapping_merge(b, mark, mapping, one);
		if (rc < 0)
			break;
	}
	return rc;
}

/* ---- putting the tree together ---- */

static int key_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int key_refuse(
	struct builder *b, const yaml_mark_t *mark, const cJSON *mapping, const char *key)
{
	const cJSON *item, *last = mapping;
	char text[160];

	snprintf(text, sizeof text, "the key '%.100s' appears twice in one mapping", key);
	refuse(b, mark, text);
	cJSON_ArrayForEach (item, mapping) {
		if (strcmp(item->string, key) == 0 && yaml_line(item) > 0)
			last = item;
	}
	b->error->line = yaml_line(last);
	b->error->column = 0;
	return -EINVAL;
}

static int keys_check(struct builder *b, const yaml_mark_t *mark, const cJSON *mapping)
{
	size_t count = (size_t)cJSON_GetArraySize(mapping), i = 0;
	const char **keys;
	const cJSON *item;
	int rc = 0;

	if (count < 2)
		return 0;
	keys = reallocarray(NULL, count, sizeof *keys);
	if (!keys)
		return no_memory(b->error);
	cJSON_ArrayForEach (item, mapping) {
		keys[i++] = item->string;
	}
	qsort(keys, count, sizeof *keys, key_compare);
	for (i = 1; i < count && rc == 0; i++) {
		if (strcmp(keys[i - 1], keys[i]) == 0)
			rc = key_refuse(b, mark, mapping, keys[i]);
	}
	free(keys);
	return rc;
}

/* Takes the node, whatever it returns. */
static int node_place(struct builder *b, cJSON *node)
{
	struct frame *top = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;
	bool placed;

	if (!node)
		return no_memory(b->error);
	if (!top) {
		b->root = node;
		return 0;
	}
	placed = top->key ? cJSON_AddItemToObject(top->node, top->key, node)
			  : cJSON_AddItemToArray(top->node, node);
	free(top->key);
	top->key = NULL;
	if (placed)
		return 0;
	cJSON_Delete(node);
	return no_memory(b->error);
}

static bool key_is_next(const struct builder *b)
{
	const struct frame *top = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;

	return top && cJSON_IsObject(top->node) && !top->key;
}

static int scalar_add(struct builder *b, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	const char *anchor = (const char *)event->data.scalar.anchor;
	cJSON *node;
	int rc;

	if (strlen(text) != event->data.scalar.length)
		return refuse(b, &event->start_mark, "a text with a NUL character in it");
	if (key_is_next(b)) {
		struct frame *top = &b->stack[b->depth - 1];

		top->key = strdup(text);
		if (!top->key)
			return no_memory(b->error);
		if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "<<") == 0)
			top->merges = true;
		return 0;
	}
	node = scalar_value(event);
	if (node)
		line_set(node, event->start_mark.line);
	rc = node_place(b, node);
	if (rc == 0 && anchor)
		rc = anchor_set(b, &event->start_mark, anchor, node);
	return rc;
}

static int alias_add(struct builder *b, const yaml_event_t *event)
{
	const cJSON *from;
	cJSON *copy;
	int rc;

	if (key_is_next(b))
		return refuse(b, &event->start_mark, "an alias cannot be a key here");
	from = anchor_find(b, (const char *)event->data.alias.anchor);
	if (!from)
		return refuse(b, &event->start_mark,
			"an alias to an anchor that is not there, or not complete");
	rc = tree_copy(b, &event->start_mark, from, b->depth + 1, &copy);
	return rc < 0 ? rc : node_place(b, copy);
}

static int collection_open(struct builder *b, const yaml_event_t *event)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;
	const char *anchor = (const char *)(mapping ? event->data.mapping_start.anchor
						    : event->data.sequence_start.anchor);
	cJSON *node;
	int rc;

	if (key_is_next(b))
		return refuse(b, &event->start_mark, "a key must be a plain text");
	if (b->depth == YAML_DEPTH_MAX)
		return refuse(b, &event->start_mark, "nested too deeply");
	node = mapping ? cJSON_CreateObject() : cJSON_CreateArray();
	if (node)
		line_set(node, event->start_mark.line);
	rc = node_place(b, node);
	if (rc < 0)
		return rc;
	b->stack[b->depth] = (struct frame){.node = node};
	if (anchor) {
		b->stack[b->depth].anchor = strdup(anchor);
		rc = b->stack[b->depth].anchor ? 0 : no_memory(b->error);
	}
	b->depth++;
	return rc;
}

static int collection_close(struct builder *b, const yaml_event_t *event)
{
	struct frame *top = &b->stack[--b->depth];
	int rc = 0;

	if (cJSON_IsObject(top->node))
		rc = keys_check(b, &event->start_mark, top->node);
	if (rc == 0 && top->merges)
		rc = merges_do(b, &event->start_mark, top->node);
	if (rc == 0 && top->anchor)
		rc = anchor_set(b, &event->start_mark, top->anchor, top->node);
	free(top->anchor);
	return rc;
}

/* ---- documents ---- */

static void document_reset(struct builder *b)
{
	while (b->depth > 0) {
		b->depth--;
		free(b->stack[b->depth].key);
		free(b->stack[b->depth].anchor);
	}
	while (b->anchor_count > 0)
		free(b->anchors[--b->anchor_count].name);
	free(b->anchors);
	b->anchors = NULL;
	cJSON_Delete(b->merged);
	b->merged = NULL;
	cJSON_Delete(b->root);
	b->root = NULL;
}

static int event_take(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return scalar_add(b, event);
	case YAML_ALIAS_EVENT:
		return alias_add(b, event);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		return collection_open(b, event);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return collection_close(b, event);
	default:
		return 0;
	}
}

static int parser_refuse(struct builder *b)
{
	const yaml_parser_t *parser = &b->parser;
	char text[224];

	if (parser->error == YAML_MEMORY_ERROR)
		return no_memory(b->error);
	if (parser->error == YAML_READER_ERROR) {
		snprintf(text, sizeof text, "not UTF-8 text: %s (byte %zu)",
			parser->problem ? parser->problem : "?", parser->problem_offset);
		return refuse(b, &parser->mark, text);
	}
	snprintf(text, sizeof text, "%s%s%s", parser->context ? parser->context : "",
		parser->context ? ": " : "", parser->problem ? parser->problem : "not YAML");
	return refuse(b, &parser->problem_mark, text);
}

static int documents_read(struct builder *b, int (*document)(void *user, cJSON *tree), void *user)
{
	yaml_event_t event;
	bool ended = false;
	int rc = 0;

	while (rc == 0 && !ended) {
		if (!yaml_parser_parse(&b->parser, &event))
			return parser_refuse(b);
		ended = event.type == YAML_STREAM_END_EVENT;
		rc = event_take(b, &event);
		if (rc == 0 && event.type == YAML_DOCUMENT_END_EVENT) {
			cJSON *tree = b->root;

			b->root = NULL;
			document_reset(b);
			if (cJSON_IsNull(tree))
				cJSON_Delete(tree);
			else
				rc = document(user, tree);
		}
		yaml_event_delete(&event);
	}
	return rc;
}

static bool tree_is_shallow(const cJSON *node, unsigned depth)
{
	const cJSON *child;

	if (depth > YAML_DEPTH_MAX)
		return false;
	cJSON_ArrayForEach (child, node) {
		if (!tree_is_shallow(child, depth + 1))
			return false;
	}
	return true;
}

/* Not all JSON is YAML 1.1: a character beyond U+FFFF may be written as two
 * surrogates, and common JSON writers do. Such a tree knows no lines. */
static cJSON *json_parse(const char *text, size_t len)
{
	const char *end;
	cJSON *tree = cJSON_ParseWithLengthOpts(text, len, &end, false);

	while (tree && end < text + len && strchr(" \t\r\n", *end) && *end)
		end++;
	if (tree && (end != text + len || !tree_is_shallow(tree, 0))) {
		cJSON_Delete(tree);
		tree = NULL;
	}
	return tree;
}

int yaml_read(const char *text, size_t len, int (*document)(void *user, cJSON *tree), void *user,
	struct yaml_error *error)
{
	struct builder *b = calloc(1, sizeof *b);
	int rc;

	if (!b || !yaml_parser_initialize(&b->parser)) {
		free(b);
		return no_memory(error);
	}
	b->error = error;
	yaml_parser_set_input_string(&b->parser, (const unsigned char *)text, len);
	rc = documents_read(b, document, user);
	if (rc == -EINVAL && b->parser.error == YAML_SCANNER_ERROR && len > 0 && text[0] == '{') {
		cJSON *tree = json_parse(text, len);

		if (tree)
			rc = document(user, tree);
	}
	document_reset(b);
	yaml_parser_delete(&b->parser);
	free(b);
	return rc;
}

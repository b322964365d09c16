/* SPDX-License-Identifier: Apache-2.0 */
#include "proto_tree.h"

#include "proto_schema.h"
#include "proto_wire.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#define MAP_KEY   1
#define MAP_VALUE 2

static const enum proto_wire wires[] = {
	[PROTO_TEXT] = PROTO_WIRE_BYTES,
	[PROTO_NUMBER] = PROTO_WIRE_VARINT,
	[PROTO_FLAG] = PROTO_WIRE_VARINT,
	[PROTO_MESSAGE] = PROTO_WIRE_BYTES,
	[PROTO_MAP] = PROTO_WIRE_BYTES,
};

static enum decode_result message_read(const struct proto_message *message, unsigned parts,
	const char *bytes, size_t len, cJSON *tree);

/* ---- nodes ---- */

/* With key as its name, which outlives the tree; NULL: an element of a list. */
static cJSON *node_add(cJSON *parent, const char *key, int type)
{
	cJSON *node = cJSON_CreateNull();

	if (!node)
		return NULL;
	node->type = type;
	if (key) {
		node->string = (char *)(uintptr_t)key;
		node->type |= cJSON_StringIsConst;
	}
	cJSON_AddItemToArray(parent, node);
	return node;
}

/* NULL: no memory. */
static char *text_copy(const char *bytes, size_t len)
{
	char *copy = cJSON_malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

static bool is_text(const char *bytes, size_t len)
{
	return !memchr(bytes, '\0', len);
}

static enum decode_result text_add(cJSON *parent, const char *key, const char *bytes, size_t len)
{
	cJSON *node;

	if (!is_text(bytes, len))
		return DECODE_OK;
	node = node_add(parent, key, cJSON_String);
	if (node)
		node->valuestring = text_copy(bytes, len);
	return node && node->valuestring ? DECODE_OK : DECODE_NOMEM;
}

static enum decode_result number_add(cJSON *parent, const char *key, uint64_t varint)
{
	cJSON *node = node_add(parent, key, cJSON_Number);

	if (!node)
		return DECODE_NOMEM;
	cJSON_SetNumberHelper(node, (double)(int64_t)varint);
	return DECODE_OK;
}

/* ---- fields ---- */

static enum decode_result entry_add(cJSON *map, const char *bytes, size_t len)
{
	struct proto_reader reader = proto_reader_of(bytes, len);
	struct proto_value parts[MAP_VALUE + 1] = {{.bytes = ""}, {.bytes = ""}, {.bytes = ""}};
	struct proto_value value;
	cJSON *node;

	while (reader.at < reader.end) {
		if (!proto_next(&reader, &value))
			return DECODE_SYNTAX;
		if (value.number > MAP_VALUE)
			continue;
		if (value.wire != PROTO_WIRE_BYTES)
			return DECODE_SYNTAX;
		parts[value.number] = value;
	}
	if (!is_text(parts[MAP_KEY].bytes, parts[MAP_KEY].len) ||
		!is_text(parts[MAP_VALUE].bytes, parts[MAP_VALUE].len))
		return DECODE_OK;
	node = node_add(map, NULL, cJSON_String);
	if (!node)
		return DECODE_NOMEM;
	node->string = text_copy(parts[MAP_KEY].bytes, parts[MAP_KEY].len);
	node->valuestring = text_copy(parts[MAP_VALUE].bytes, parts[MAP_VALUE].len);
	return node->string && node->valuestring ? DECODE_OK : DECODE_NOMEM;
}

/* The list or map that elements of a field go into: there already, or made now. */
static cJSON *collection_of(cJSON *tree, const char *key, int type)
{
	cJSON *at;

	cJSON_ArrayForEach (at, tree) {
		if (at->string == key)
			return at;
	}
	return node_add(tree, key, type);
}

static enum decode_result value_add(const struct proto_field *field, unsigned parts,
	const struct proto_value *value, cJSON *parent, const char *key)
{
	cJSON *node;

	switch (field->form) {
	case PROTO_TEXT:
		return text_add(parent, key, value->bytes, value->len);
	case PROTO_NUMBER:
		return number_add(parent, key, value->varint);
	case PROTO_FLAG:
		node = node_add(parent, key, value->varint ? cJSON_True : cJSON_False);
		return node ? DECODE_OK : DECODE_NOMEM;
	case PROTO_MESSAGE:
		node = node_add(parent, key, cJSON_Object);
		return node ? message_read(field->message, parts, value->bytes, value->len, node)
			    : DECODE_NOMEM;
	case PROTO_MAP:
		return entry_add(parent, value->bytes, value->len);
	}
	return DECODE_SYNTAX;
}

/* Members that JSON would not have. */
static bool is_absent(const struct proto_field *field, const struct proto_value *value)
{
	return (field->form == PROTO_TEXT && value->len == 0) ||
	       (field->positive && value->varint == 0);
}

static enum decode_result field_add(const struct proto_field *field, unsigned parts,
	const struct proto_value *value, cJSON *tree)
{
	const bool map = field->form == PROTO_MAP;
	cJSON *parent;

	if (!field->repeated && !map)
		return is_absent(field, value) ? DECODE_OK
					       : value_add(field, parts, value, tree, field->name);
	parent = collection_of(tree, field->name, map ? cJSON_Object : cJSON_Array);
	return parent ? value_add(field, parts, value, parent, NULL) : DECODE_NOMEM;
}

/* A second one of a single field would make the first one's meaning doubtful. */
static enum decode_result message_read(const struct proto_message *message, unsigned parts,
	const char *bytes, size_t len, cJSON *tree)
{
	struct proto_reader reader = proto_reader_of(bytes, len);
	enum decode_result result = DECODE_OK;
	uint64_t seen = 0;

	while (reader.at < reader.end && result == DECODE_OK) {
		const struct proto_field *field;
		struct proto_value value;

		if (!proto_next(&reader, &value))
			return DECODE_SYNTAX;
		if (value.number >= message->count)
			continue;
		field = &message->fields[value.number];
		if (!field->name || (field->part && !(field->part & parts)))
			continue;
		if (value.wire != wires[field->form])
			return DECODE_SYNTAX;
		if (!field->repeated && field->form != PROTO_MAP) {
			if (seen >> value.number & 1)
				return DECODE_SYNTAX;
			seen |= (uint64_t)1 << value.number;
		}
		result = field_add(field, parts, &value, tree);
	}
	return result;
}

enum decode_result proto_tree(
	const struct document *document, struct cJSON **out, char why[DECODE_WHY_MAX])
{
	const struct proto_message *message = document->message;
	enum decode_result result = DECODE_NOMEM;
	cJSON *tree = cJSON_CreateObject();

	if (tree && message->kind_told)
		result = text_add(tree, "kind", message->kind, strlen(message->kind));
	else if (tree)
		result = DECODE_OK;
	if (result == DECODE_OK)
		result = message_read(
			message, document->parts, document->bytes, document->len, tree);
	if (result == DECODE_OK) {
		*out = tree;
		return result;
	}
	cJSON_Delete(tree);
	if (result == DECODE_NOMEM)
		snprintf(why, DECODE_WHY_MAX, "out of memory");
	else
		snprintf(why, DECODE_WHY_MAX, "not a protobuf message of %s",
			message->kind ? message->kind : "a list's metadata");
	return result;
}

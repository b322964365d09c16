/* SPDX-License-Identifier: Apache-2.0 */
#include "proto_document.h"

#include "proto_wire.h"

#include <string.h>

bool proto_content_type(const char *content_type)
{
	const size_t len = sizeof PROTO_CONTENT_TYPE - 1;

	return strncmp(content_type, PROTO_CONTENT_TYPE, len) == 0 &&
	       (content_type[len] == '\0' || strchr("; \t", content_type[len]));
}

static bool text_is(const struct proto_value *value, const char *text)
{
	return value->wire == PROTO_WIRE_BYTES && value->len == strlen(text) &&
	       memcmp(value->bytes, text, value->len) == 0;
}

/* What the TypeMeta says the object is; NULL: it says nothing. */
static const struct proto_message *message_find(
	const struct proto_value *meta, const struct proto_message *wanted)
{
	struct proto_reader reader = proto_reader_of(meta->bytes, meta->len);
	const struct proto_message *found = NULL;
	struct proto_value value;

	while (reader.at < reader.end) {
		if (!proto_next(&reader, &value))
			return NULL;
		if (value.number != PROTO_TYPE_META_KIND)
			continue;
		found = &proto_unknown;
		if (text_is(&value, proto_status.kind))
			found = &proto_status;
		else if (wanted && text_is(&value, wanted->kind))
			found = wanted;
	}
	return found;
}

bool proto_document(const char *bytes, size_t len, const struct proto_message *wanted,
	unsigned parts, struct document *out)
{
	struct proto_reader reader = proto_reader_of(bytes, len);
	struct proto_value value;

	*out = (struct document){.bytes = "", .parts = parts};
	if (len < PROTO_MAGIC_LEN || memcmp(bytes, PROTO_MAGIC, PROTO_MAGIC_LEN) != 0)
		return false;
	reader.at += PROTO_MAGIC_LEN;
	while (reader.at < reader.end) {
		if (!proto_next(&reader, &value))
			return false;
		if (value.number > PROTO_CONTENT_ENCODING)
			continue;
		if (value.wire != PROTO_WIRE_BYTES)
			return false;
		if (value.number == PROTO_TYPE_META) {
			out->message = message_find(&value, wanted);
		} else if (value.number == PROTO_RAW) {
			out->bytes = value.bytes;
			out->len = value.len;
		} else if (value.len > 0) {
			return false; /* compressed, or the like: nobody does it */
		}
	}
	return out->message != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_WATCH_PROTO_BUILD_H
#define BINNACLE_TESTS_WATCH_PROTO_BUILD_H

/* Protobuf messages for tests: fields are added one behind the other, and a message that is
 * done is a field's bytes. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct built {
	char bytes[1 << 16];
	size_t len;
};

static inline void built_raw(struct built *built, const void *bytes, size_t len)
{
	assert(len <= sizeof built->bytes - built->len);
	memcpy(built->bytes + built->len, bytes, len);
	built->len += len;
}

static inline void built_varint(struct built *built, uint64_t value)
{
	do {
		const uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

		built_raw(built, &byte, 1);
		value >>= 7;
	} while (value > 0);
}

static inline void built_number(struct built *built, unsigned field, uint64_t value)
{
	built_varint(built, field << 3);
	built_varint(built, value);
}

static inline void built_bytes(struct built *built, unsigned field, const void *bytes, size_t len)
{
	built_varint(built, field << 3 | 2);
	built_varint(built, len);
	built_raw(built, bytes, len);
}

static inline void built_text(struct built *built, unsigned field, const char *text)
{
	built_bytes(built, field, text, strlen(text));
}

static inline void built_message(struct built *built, unsigned field, const struct built *message)
{
	built_bytes(built, field, message->bytes, message->len);
}

/* An entry of a map of strings. */
static inline void built_entry(
	struct built *built, unsigned field, const char *key, const char *value)
{
	static struct built entry;

	entry.len = 0;
	built_text(&entry, 1, key);
	built_text(&entry, 2, value);
	built_message(built, field, &entry);
}

/* The envelope of an object of that kind. */
static inline void built_envelope(struct built *built, const char *kind, const struct built *object)
{
	static struct built meta;

	meta.len = 0;
	built_text(&meta, 1, "v1");
	built_text(&meta, 2, kind);
	built_raw(built, "k8s", 4);
	built_message(built, 1, &meta);
	built_message(built, 2, object);
	built_text(built, 3, "");
	built_text(built, 4, "");
}

/* An event of a watch. */
static inline void built_event(
	struct built *built, const char *type, const char *kind, const struct built *object)
{
	static struct built event, extension, raw;

	event.len = extension.len = raw.len = 0;
	built_envelope(&raw, kind, object);
	built_message(&extension, 1, &raw);
	built_text(&event, 1, type);
	built_message(&event, 2, &extension);
	for (int shift = 24; shift >= 0; shift -= 8) {
		const uint8_t byte = (uint8_t)(event.len >> shift);

		built_raw(built, &byte, 1);
	}
	built_raw(built, event.bytes, event.len);
}

/* ObjectMeta; ns "" is left out. */
static inline void built_meta(
	struct built *built, const char *ns, const char *name, const char *version)
{
	built_text(built, 1, name);
	built_text(built, 2, ""); /* generateName */
	if (*ns)
		built_text(built, 3, ns);
	built_text(built, 5, "cb5eb0b8-2ab3-4f9b-9bb0-6a3a0a8ef0b7"); /* uid */
	built_text(built, 6, version);
	built_number(built, 7, 3); /* generation */
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Heads are read byte by byte, for they are few; what they announce is a piece, which is
 * wanted whole, or is passed over.
 *
 *	LIST	MAGIC --> KEY --> SIZE --> PIECE or PASS --> KEY ..
 *	                   |       +--raw: one level down, until the list's bytes have come
 *	                   +--> VARINT, or PASS of 4 or 8 bytes --> KEY ..
 *	STREAM	LENGTH --> PIECE --> LENGTH ..
 *
 * MAGIC and LENGTH are pieces of four bytes. */

#include "proto_frames.h"

#include "proto_document.h"
#include "proto_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 4
/* Fields of a List, of a WatchEvent, and of the RawExtension in it. */
#define LIST_METADATA 1
#define LIST_ITEMS    2
#define EVENT_TYPE    1
#define EVENT_OBJECT  2
#define EXTENSION_RAW 1
/* Of what is no API object: kind and version of the list. */
#define TYPE_META_MAX 1024u

enum state { KEY, SIZE, VARINT, PIECE, PASS };
enum level { ENVELOPE, LIST };
enum piece { MAGIC, TYPE_META, META, ITEM, LENGTH, EVENT };

static bool is_fresh(const struct proto_frames *f)
{
	return f->state == KEY && f->varint_len == 0;
}

/* ---- frames out ---- */

static int message_tell(struct proto_frames *f, enum frame_type type,
	const struct proto_message *message, const char *bytes)
{
	const struct frame frame = {
		.type = type,
		.event = "",
		.document = {bytes, (size_t)f->need, message, f->parts},
	};

	return f->fn(f->user, &frame);
}

static void text_keep(char to[JSON_TEXT_MAX], const struct proto_value *value)
{
	const size_t len = value->len < JSON_TEXT_MAX ? value->len : JSON_TEXT_MAX - 1;

	memcpy(to, value->bytes, len);
	to[len] = '\0';
}

/* The last field of that number in a message of bytes only; false: none, or no message. */
static bool field_find(const char *bytes, size_t len, uint64_t number, struct proto_value *out)
{
	struct proto_reader reader = proto_reader_of(bytes, len);
	struct proto_value value;
	bool found = false;

	*out = (struct proto_value){.bytes = NULL};
	while (reader.at < reader.end) {
		if (!proto_next(&reader, &value))
			return false;
		if (value.number != number)
			continue;
		if (value.wire != PROTO_WIRE_BYTES)
			return false;
		*out = value;
		found = true;
	}
	return found;
}

static int event_tell(struct proto_frames *f, const char *bytes)
{
	struct frame frame = {.type = FRAME_EVENT};
	struct proto_value type, object, raw;
	char event[JSON_TEXT_MAX];

	if (!field_find(bytes, (size_t)f->need, EVENT_TYPE, &type) ||
		!field_find(bytes, (size_t)f->need, EVENT_OBJECT, &object) ||
		!field_find(object.bytes, object.len, EXTENSION_RAW, &raw) ||
		!proto_document(raw.bytes, raw.len, f->object, f->parts, &frame.document))
		return -EBADMSG;
	text_keep(event, &type);
	frame.event = event;
	return f->fn(f->user, &frame);
}

/* ---- pieces ---- */

static void key_expect(struct proto_frames *f)
{
	f->state = KEY;
	f->varint = 0;
	f->varint_len = 0;
}

static int piece_expect(struct proto_frames *f, enum piece piece, uint64_t len, uint64_t max)
{
	if (len > max)
		return -EMSGSIZE;
	f->state = PIECE;
	f->piece = (uint8_t)piece;
	f->need = len;
	return 0;
}

static int length_read(struct proto_frames *f, const char *bytes)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < LENGTH_BYTES; i++)
		len = len << 8 | (uint8_t)bytes[i];
	return len == 0 ? -EBADMSG : piece_expect(f, EVENT, len, f->object_max);
}

static int type_meta_read(struct proto_frames *f, const char *bytes)
{
	struct proto_value kind;

	if (field_find(bytes, (size_t)f->need, PROTO_TYPE_META_KIND, &kind))
		text_keep(f->kind, &kind);
	return 0;
}

/* All of it is at bytes. */
static int piece_end(struct proto_frames *f, const char *bytes)
{
	int error;

	switch ((enum piece)f->piece) {
	case MAGIC:
		key_expect(f);
		return memcmp(bytes, PROTO_MAGIC, PROTO_MAGIC_LEN) == 0 ? 0 : -EBADMSG;
	case TYPE_META:
		key_expect(f);
		return type_meta_read(f, bytes);
	case META:
		key_expect(f);
		return message_tell(f, FRAME_META, &proto_list_meta, bytes);
	case ITEM:
		key_expect(f);
		return message_tell(f, FRAME_ITEM, f->object, bytes);
	case LENGTH:
		return length_read(f, bytes);
	case EVENT:
		error = event_tell(f, bytes);
		return error ? error : piece_expect(f, LENGTH, LENGTH_BYTES, LENGTH_BYTES);
	}
	return -EBADMSG;
}

/* What has come of the piece; at its end it is read. */
static int piece_take(struct proto_frames *f, const char **at, const char *end)
{
	const size_t room = (size_t)f->need - f->buffer.used, come = (size_t)(end - *at);
	const size_t taken = room < come ? room : come;
	const char *bytes = *at;
	int error;

	*at += taken;
	if (f->buffer.used == 0 && taken == room)
		return piece_end(f, bytes);
	error = growing_add(&f->buffer, bytes, taken);
	if (error == 0 && taken == room) {
		f->buffer.used = 0; /* piece_end() may expect another one */
		error = piece_end(f, f->buffer.bytes);
		growing_clear(&f->buffer);
	}
	return error;
}

/* ---- heads ---- */

static int pass(struct proto_frames *f, uint64_t len)
{
	f->state = PASS;
	f->need = len;
	return 0;
}

/* The varint of a head has come. */
static int key_read(struct proto_frames *f)
{
	const uint64_t key = f->varint;

	key_expect(f);
	f->number = key >> 3;
	if (f->number == 0)
		return -EBADMSG;
	switch (key & 7) {
	case PROTO_WIRE_VARINT:
		f->state = VARINT;
		return 0;
	case PROTO_WIRE_8:
		return pass(f, 8);
	case PROTO_WIRE_BYTES:
		f->state = SIZE;
		return 0;
	case PROTO_WIRE_4:
		return pass(f, 4);
	default:
		return -EBADMSG;
	}
}

static int envelope_size_read(struct proto_frames *f, uint64_t len)
{
	switch (f->number) {
	case PROTO_TYPE_META:
		return piece_expect(f, TYPE_META, len, TYPE_META_MAX);
	case PROTO_RAW:
		if (f->had_list)
			return -EBADMSG;
		f->had_list = true;
		f->left = len;
		f->level = len > 0 ? LIST : ENVELOPE;
		return 0;
	case PROTO_CONTENT_ENCODING:
		return len == 0 ? 0 : -EBADMSG; /* compressed, or the like: nobody does it */
	default:
		return pass(f, len);
	}
}

static int size_read(struct proto_frames *f)
{
	const uint64_t len = f->varint;

	key_expect(f);
	if (f->level == ENVELOPE)
		return envelope_size_read(f, len);
	if (f->number == LIST_METADATA)
		return piece_expect(f, META, len, f->object_max);
	if (f->number == LIST_ITEMS)
		return piece_expect(f, ITEM, len, f->object_max);
	return pass(f, len);
}

static int varint_take(struct proto_frames *f, uint8_t byte)
{
	f->varint |= (uint64_t)(byte & 0x7f) << 7 * f->varint_len++;
	if (byte >= 0x80)
		return f->varint_len < PROTO_VARINT_MAX ? 0 : -EBADMSG;
	if (f->varint_len == PROTO_VARINT_MAX && byte > 1)
		return -EBADMSG; /* more than 64 bits */
	switch ((enum state)f->state) {
	case KEY:
		return key_read(f);
	case SIZE:
		return size_read(f);
	default:
		key_expect(f); /* a number that nobody reads */
		return 0;
	}
}

/* ---- the body ---- */

static int step(struct proto_frames *f, const char **at, const char *end)
{
	const uint64_t come = (uint64_t)(end - *at);

	switch ((enum state)f->state) {
	case PIECE:
		return piece_take(f, at, end);
	case PASS:
		*at += f->need < come ? f->need : come;
		f->need -= f->need < come ? f->need : come;
		if (f->need == 0)
			key_expect(f);
		return 0;
	default:
		return varint_take(f, (uint8_t) * (*at)++);
	}
}

/* A step inside the list, which must not lead out of it. */
static int list_step(struct proto_frames *f, const char **at, const char *end)
{
	const char *const start = *at;
	const bool head = f->state != PIECE && f->state != PASS;
	int error = step(f, at, end);

	f->left -= (uint64_t)(*at - start);
	if (error)
		return error;
	if (head && (f->state == PIECE || f->state == PASS) && f->need > f->left)
		return -EBADMSG;
	if (f->left > 0)
		return 0;
	f->level = ENVELOPE;
	/* A piece of no bytes, the last of the list, is still to be told. */
	return is_fresh(f) || f->state == PIECE || f->state == PASS ? 0 : -EBADMSG;
}

int proto_frames_feed(struct proto_frames *f, const char *data, size_t len)
{
	const char *at = data, *const end = data + len;
	int error = 0;

	while (error == 0 && (at < end || ((f->state == PIECE || f->state == PASS) &&
						  f->need == f->buffer.used)))
		error = f->level == LIST ? list_step(f, &at, end) : step(f, &at, end);
	return error;
}

int proto_frames_end(const struct proto_frames *f)
{
	if (f->mode == FRAMES_LIST)
		return f->had_list && f->level == ENVELOPE && is_fresh(f) ? 0 : -ENODATA;
	return f->state == PIECE && f->piece == LENGTH && f->buffer.used == 0 ? 0 : -ENODATA;
}

/* ---- life ---- */

void proto_frames_begin(struct proto_frames *f, enum frames_mode mode,
	const struct proto_message *object, unsigned parts)
{
	f->object = object;
	f->parts = parts;
	f->mode = mode;
	f->level = ENVELOPE;
	f->had_list = false;
	f->kind[0] = '\0';
	growing_clear(&f->buffer);
	if (mode == FRAMES_LIST)
		piece_expect(f, MAGIC, PROTO_MAGIC_LEN, PROTO_MAGIC_LEN);
	else
		piece_expect(f, LENGTH, LENGTH_BYTES, LENGTH_BYTES);
}

void proto_frames_free(struct proto_frames *f)
{
	growing_free(&f->buffer);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pack.h"

#include "type.h"

#include <string.h>

#define POINTER_MAX 0x3fff

/* ---- what is known ---- */

static void known_add(struct pack *pack, size_t at)
{
	if (pack->count < PACK_NAMES && at <= POINTER_MAX)
		pack->at[pack->count++] = (uint16_t)at;
}

/* All parts of the name that lies at a place, as far as it is written out there. */
static void known_add_name(struct pack *pack, size_t at)
{
	const uint8_t *buf = pack->reply->buf;

	while (at < pack->reply->len && buf[at] && buf[at] < 0xc0) {
		known_add(pack, at);
		at += 1u + buf[at];
	}
}

/* Whether the name at a place of the reply is this one, letter case ignored. The
 * reply is ours: its pointers lead backwards. */
static bool same_name(const struct reply *reply, size_t at, const uint8_t *name)
{
	uint8_t text[NAME_MAX_LABEL + 1], other[NAME_MAX_LABEL + 1];

	for (;;) {
		const uint8_t len = reply->buf[at];

		if (len >= 0xc0) {
			at = ((size_t)len & 0x3f) << 8 | reply->buf[at + 1];
			continue;
		}
		if (len != *name)
			return false;
		if (!len)
			return true;
		name_lower(text, name, 1u + len);
		name_lower(other, reply->buf + at, 1u + len);
		if (memcmp(text, other, 1u + len) != 0)
			return false;
		at += 1u + len;
		name += 1u + len;
	}
}

static uint16_t known_find(const struct pack *pack, const uint8_t *name)
{
	for (unsigned i = 0; i < pack->count; i++) {
		if (same_name(pack->reply, pack->at[i], name))
			return pack->at[i];
	}
	return 0;
}

void pack_begin(struct pack *pack, struct reply *reply)
{
	const struct message so_far = {
		.data = reply->buf,
		.len = reply->len,
		.counts = {reply->count[0], reply->count[1], reply->count[2]},
		.body = reply->body,
	};
	struct message_walk walk;
	struct record record;

	pack->reply = reply;
	pack->count = 0;
	known_add_name(pack, DNS_HEADER_LEN);
	message_walk(&so_far, &walk);
	while (message_next(&walk, &record)) {
		known_add_name(pack, record.owner);
		if (record.type == TYPE_CNAME)
			known_add_name(pack, record.rdata);
	}
}

/* ---- laying out ---- */

/* Records are laid out where they will stand, behind what the reply has, and counted
 * when they are whole. */

static size_t place_of(const struct pack *pack, const struct bytes_out *out)
{
	return (size_t)(out->at - pack->reply->buf);
}

static void layout_name(
	struct pack *pack, struct bytes_out *out, const uint8_t *name, bool compress)
{
	size_t places[NAME_MAX_LABELS];
	unsigned count = 0;
	uint16_t known = 0;

	for (; *name; name += 1u + *name) {
		known = compress ? known_find(pack, name) : 0;
		if (known)
			break;
		places[count++] = place_of(pack, out);
		bytes_put(out, name, 1u + *name);
	}
	if (known)
		bytes_put_u16(out, (uint16_t)(0xc000u | known));
	else
		bytes_put_u8(out, 0);
	for (unsigned i = 0; i < count && !out->bad; i++)
		known_add(pack, places[i]);
}

/* The part of an rdata that one letter of its layout stands for; how many of its
 * bytes that is, or -1. */
static ptrdiff_t layout_part(struct pack *pack, struct bytes_out *out,
	const struct message *message, size_t from, size_t end, char part)
{
	uint8_t name[NAME_MAX_LEN], name_len;
	size_t len = end - from;

	if (part == 'N' || part == 'n') {
		len = message_name(message, from, name, &name_len);
		if (!len || len > end - from)
			return -1;
		layout_name(pack, out, name, part == 'N');
		return (ptrdiff_t)len;
	}
	if (part == 's')
		len = from < end ? 1u + message->data[from] : 1;
	else if (part != '*')
		len = (size_t)(part - '0');
	if (len > end - from)
		return -1;
	bytes_put(out, message->data + from, len);
	return (ptrdiff_t)len;
}

static bool layout_rdata(struct pack *pack, struct bytes_out *out, const struct message *message,
	const struct record *record)
{
	const char *parts = type_rdata(record->type);
	size_t from = record->rdata;
	const size_t end = from + record->rdata_len;

	if (!*parts)
		parts = "*";
	for (; *parts; parts++) {
		const ptrdiff_t len = layout_part(pack, out, message, from, end, *parts);

		if (len < 0)
			return false;
		from += (size_t)len;
	}
	return from == end;
}

static struct bytes_out layout_begin(const struct pack *pack)
{
	const struct reply *reply = pack->reply;
	const size_t room = reply->full ? 0 : (size_t)(reply->end - reply->len);

	return bytes_out(reply->buf + reply->len, room);
}

/* What lies between owner and rdata; the length of the rdata is set at the end. */
static uint8_t *layout_head(struct bytes_out *out, uint16_t type, uint16_t class, uint32_t ttl_s)
{
	bytes_put_u16(out, type);
	bytes_put_u16(out, class);
	bytes_put_u32(out, ttl_s);
	return bytes_reserve(out, 2);
}

static enum pack_verdict layout_end(
	struct pack *pack, struct bytes_out *out, uint8_t *length, enum reply_section section)
{
	if (!out->bad)
		bytes_set_u16(length, (uint16_t)(out->at - length - 2));
	return reply_room(pack->reply, section, out->bad ? SIZE_MAX : bytes_used(out)) ? PACK_DONE
										       : PACK_FULL;
}

enum pack_verdict pack_record(struct pack *pack, const struct message *message,
	const struct record *record, enum reply_section section, uint32_t ttl_s)
{
	const uint16_t known = pack->count;
	struct bytes_out out = layout_begin(pack);
	uint8_t owner[NAME_MAX_LEN], owner_len;
	enum pack_verdict verdict = PACK_MALFORMED;
	uint8_t *length;

	if (message_name(message, record->owner, owner, &owner_len)) {
		layout_name(pack, &out, owner, true);
		length = layout_head(&out, record->type, record->class, ttl_s);
		if (layout_rdata(pack, &out, message, record))
			verdict = layout_end(pack, &out, length, section);
	}
	if (verdict != PACK_DONE)
		pack->count = known;
	return verdict;
}

enum pack_verdict pack_alias(struct pack *pack, const uint8_t *target, uint32_t ttl_s)
{
	const uint16_t known = pack->count;
	struct bytes_out out = layout_begin(pack);
	enum pack_verdict verdict;
	uint8_t *length;

	bytes_put_u16(&out, 0xc000u | DNS_HEADER_LEN);
	length = layout_head(&out, TYPE_CNAME, CLASS_IN, ttl_s);
	layout_name(pack, &out, target, true);
	verdict = layout_end(pack, &out, length, REPLY_ANSWER);
	if (verdict != PACK_DONE)
		pack->count = known;
	return verdict;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <string.h>

#define OPCODE_MASK 0x7800u
/* A name needs one pointer; a few more do no harm. Without a bound a message of
 * nothing but pointers would be work of its length squared. */
#define HOPS_MAX 32

size_t message_name(
	const struct message *message, size_t at, uint8_t out[NAME_MAX_LEN], uint8_t *out_len)
{
	const size_t start = at;
	size_t end = 0, used = 0;
	size_t run = at; /* where the labels began that are being read */
	unsigned hops = 0;

	for (;;) {
		const uint8_t len = at < message->len ? message->data[at] : 0xff;

		if (len >= 0xc0) {
			if (at + 2 > message->len || ++hops > HOPS_MAX)
				return 0;
			if (!end)
				end = at + 2;
			at = ((size_t)len & 0x3f) << 8 | message->data[at + 1];
			if (at >= run || at < DNS_HEADER_LEN)
				return 0;
			run = at;
			continue;
		}
		if (len > NAME_MAX_LABEL || at + 1 + len > message->len ||
			used + 1 + len > NAME_MAX_LEN)
			return 0;
		memcpy(out + used, message->data + at, 1u + len);
		used += 1u + len;
		at += 1u + len;
		if (!len)
			break;
	}
	*out_len = (uint8_t)used;
	return (end ? end : at) - start;
}

bool message_open(const uint8_t *data, size_t len, struct message *out)
{
	struct bytes_in in = bytes_in(data, len);
	uint16_t questions;
	size_t name;

	*out = (struct message){.data = data, .len = len};
	out->id = bytes_get_u16(&in);
	out->flags = bytes_get_u16(&in);
	out->rcode = out->flags & 15u;
	questions = bytes_get_u16(&in);
	for (unsigned i = 0; i < 3; i++)
		out->counts[i] = bytes_get_u16(&in);
	if (in.bad || questions != 1 || !(out->flags & DNS_FLAG_QR) || out->flags & OPCODE_MASK)
		return false;
	name = message_name(out, DNS_HEADER_LEN, out->name, &out->name_len);
	if (!name)
		return false;
	bytes_take(&in, name);
	out->qtype = bytes_get_u16(&in);
	out->qclass = bytes_get_u16(&in);
	out->body = len - bytes_left(&in);
	return !in.bad;
}

void message_walk(const struct message *message, struct message_walk *out)
{
	*out = (struct message_walk){
		.message = message,
		.in = bytes_in(message->data + message->body, message->len - message->body),
		.left = message->counts[0],
	};
}

static size_t walk_at(const struct message_walk *walk)
{
	return (size_t)(walk->in.at - walk->message->data);
}

bool message_next(struct message_walk *walk, struct record *out)
{
	uint8_t name[NAME_MAX_LEN], name_len;
	size_t owner_len;

	while (!walk->left) {
		if (walk->bad || ++walk->section > REPLY_ADDITIONAL)
			return false;
		walk->left = walk->message->counts[walk->section];
	}
	walk->left--;
	*out = (struct record){.section = walk->section, .owner = walk_at(walk)};
	owner_len = message_name(walk->message, out->owner, name, &name_len);
	bytes_take(&walk->in, owner_len);
	out->type = bytes_get_u16(&walk->in);
	out->class = bytes_get_u16(&walk->in);
	out->ttl_s = bytes_get_u32(&walk->in);
	if (out->ttl_s & 0x80000000u)
		out->ttl_s = 0;
	out->rdata_len = bytes_get_u16(&walk->in);
	out->rdata = walk_at(walk);
	bytes_take(&walk->in, out->rdata_len);
	if (owner_len && !walk->in.bad)
		return true;
	walk->bad = true;
	walk->left = 0;
	walk->section = REPLY_ADDITIONAL;
	return false;
}

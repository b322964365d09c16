/* SPDX-License-Identifier: Apache-2.0 */
#include "address_set.h"

#include "type.h"

#define TTL_BEFORE 6 /* the rdata: TTL and length */

static uint16_t address_len(const struct record *record)
{
	if (record->class == CLASS_IN && record->type == TYPE_A && record->rdata_len == 4)
		return 4;
	if (record->class == CLASS_IN && record->type == TYPE_AAAA && record->rdata_len == 16)
		return 16;
	return 0;
}

static bool same_owner(const struct message *message, const struct record *a, size_t b)
{
	const uint8_t *left = message->data + a->owner, *right = message->data + b;
	uint8_t names[2][NAME_MAX_LEN], lens[2];

	if (left[0] >= 0xc0 && memcmp(left, right, 2) == 0)
		return true;
	return message_name(message, a->owner, names[0], &lens[0]) &&
	       message_name(message, b, names[1], &lens[1]) && name_equal(names[0], names[1]);
}

/* What is known of a set until a record that is not of it comes. */
struct gather {
	const struct message *message;
	enum reply_section section;
	size_t owner;
	struct address_set set;
	void (*visit)(void *ctx, struct address_set *set);
	void *ctx;
};

static void gather_end(struct gather *gather)
{
	struct address_set *set = &gather->set;

	if (set->count > 1 &&
		message_name(gather->message, gather->owner, set->owner, &set->owner_len)) {
		name_lower(set->owner, set->owner, set->owner_len);
		gather->visit(gather->ctx, set);
	}
	set->count = 0;
}

static void gather_add(struct gather *gather, const struct record *record)
{
	struct address_set *set = &gather->set;
	const uint16_t len = address_len(record);

	if (set->count &&
		(!len || record->type != set->type || record->section != gather->section ||
			!same_owner(gather->message, record, gather->owner)))
		gather_end(gather);
	if (!len || set->count == ADDRESS_SET_MAX)
		return;
	if (!set->count) {
		gather->section = record->section;
		gather->owner = record->owner;
		set->type = record->type;
		set->rdata_len = len;
	}
	set->at[set->count++] = (uint16_t)record->rdata;
}

void address_sets_each(
	struct reply *reply, void (*visit)(void *ctx, struct address_set *set), void *ctx)
{
	const struct message message = {
		.data = reply->buf,
		.len = reply->len,
		.counts = {reply->count[0], reply->count[1], reply->count[2]},
		.body = reply->body,
	};
	struct message_walk walk;
	struct record record;
	struct gather gather;

	if (reply->count[REPLY_ANSWER] < 2 && reply->count[REPLY_ADDITIONAL] < 2)
		return;
	gather.message = &message;
	gather.visit = visit;
	gather.ctx = ctx;
	gather.set.data = reply->buf;
	gather.set.count = 0;
	message_walk(&message, &walk);
	while (message_next(&walk, &record)) {
		if (record.section != REPLY_AUTHORITY)
			gather_add(&gather, &record);
	}
	gather_end(&gather);
}

void address_set_swap(struct address_set *set, size_t a, size_t b)
{
	uint8_t *left = set->data + set->at[a], *right = set->data + set->at[b];
	uint8_t kept[16];

	memcpy(kept, left, set->rdata_len);
	memmove(left, right, set->rdata_len);
	memcpy(right, kept, set->rdata_len);
	left -= TTL_BEFORE;
	right -= TTL_BEFORE;
	memcpy(kept, left, 4);
	memmove(left, right, 4);
	memcpy(right, kept, 4);
}

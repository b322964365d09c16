/* SPDX-License-Identifier: Apache-2.0 */
#include "zone_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#define OPT_LEN      11
#define QUESTION_LEN 4 /* type and class, behind the name */
#define MESSAGE_END  (COPY_MESSAGE_MAX - OPT_LEN)

struct copy_message {
	uint8_t *bytes;
	uint16_t len, records;
};

struct zone_copy {
	atomic_uint references;
	uint32_t serial;
	struct copy_account *account;
	struct copy_message *messages;
	size_t count, records, bytes;
};

/* ---- the copy ---- */

struct zone_copy *zone_copy_hold(struct zone_copy *copy)
{
	atomic_fetch_add_explicit(&copy->references, 1, memory_order_relaxed);
	return copy;
}

void zone_copy_drop(struct zone_copy *copy)
{
	if (!copy || atomic_fetch_sub_explicit(&copy->references, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < copy->count; i++)
		free(copy->messages[i].bytes);
	free(copy->messages);
	atomic_fetch_sub_explicit(&copy->account->bytes, copy->bytes, memory_order_relaxed);
	free(copy);
}

uint32_t zone_copy_serial(const struct zone_copy *copy)
{
	return copy->serial;
}

size_t zone_copy_messages(const struct zone_copy *copy)
{
	return copy->count;
}

size_t zone_copy_records(const struct zone_copy *copy)
{
	return copy->records;
}

size_t zone_copy_bytes(const struct zone_copy *copy)
{
	return copy->bytes;
}

void zone_copy_put(const struct zone_copy *copy, size_t i, struct reply *reply)
{
	const struct copy_message *message = &copy->messages[i];

	reply->flags |= DNS_FLAG_AA;
	reply_put_many(reply, REPLY_ANSWER, message->bytes, message->len, message->records);
}

/* ---- writing ---- */

void copy_begin(struct copy_writer *writer, const struct name *zone, uint32_t serial,
	struct copy_account *account)
{
	struct zone_copy *copy = calloc(1, sizeof *copy);

	*writer = (struct copy_writer){.copy = copy, .message = malloc(COPY_MESSAGE_MAX)};
	writer->body = writer->len = (uint16_t)(DNS_HEADER_LEN + zone->len + QUESTION_LEN);
	if (!copy || !writer->message) {
		writer->error = -ENOMEM;
		return;
	}
	atomic_init(&copy->references, 1);
	copy->serial = serial;
	copy->account = account;
}

static int messages_grow(struct copy_writer *writer)
{
	const size_t cap = writer->cap ? writer->cap * 2 : 16;
	struct copy_message *grown;

	if (writer->copy->count < writer->cap)
		return 0;
	grown = reallocarray(writer->copy->messages, cap, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	writer->copy->messages = grown;
	writer->cap = cap;
	return 0;
}

/* What is freed again is subtracted with the copy. */
static int account_add(struct zone_copy *copy, size_t len)
{
	struct copy_account *account = copy->account;
	const size_t before = atomic_fetch_add_explicit(&account->bytes, len, memory_order_relaxed);

	copy->bytes += len;
	return before + len > account->limit ? -ENOBUFS : 0;
}

/* The message is full: keep it and begin another. */
static void message_close(struct copy_writer *writer)
{
	struct zone_copy *copy = writer->copy;
	const uint16_t len = (uint16_t)(writer->len - writer->body);
	uint8_t *bytes;

	writer->error = messages_grow(writer);
	if (!writer->error)
		writer->error = account_add(copy, len);
	if (writer->error)
		return;
	bytes = malloc(len);
	if (!bytes) {
		writer->error = -ENOMEM;
		return;
	}
	memcpy(bytes, writer->message + writer->body, len);
	copy->messages[copy->count++] = (struct copy_message){bytes, len, writer->records};
	copy->records += writer->records;
	writer->len = writer->body;
	writer->records = writer->owner_at = writer->before_len = 0;
}

void copy_owner(struct copy_writer *writer, const uint8_t *key, size_t len)
{
	if (len == writer->owner_len && memcmp(key, writer->owner, len) == 0)
		return;
	memcpy(writer->owner, key, len);
	writer->owner_len = (uint8_t)len;
	writer->owner_at = 0;
}

/* Where each label begins, from the left; how many there are. */
static unsigned labels_find(const uint8_t *key, size_t len, uint8_t starts[NAME_MAX_LABELS])
{
	unsigned count = 0;

	for (size_t at = 0; at < len; at += 1u + key[at])
		starts[count++] = (uint8_t)at;
	return count;
}

/* How many labels the owner shares with the one before, from the right. */
static unsigned labels_shared(
	const struct copy_writer *writer, const uint8_t *starts, unsigned labels)
{
	uint8_t others[NAME_MAX_LABELS];
	const unsigned other = labels_find(writer->before, writer->before_len, others);
	unsigned shared = 0;

	while (shared < labels && shared < other) {
		const uint8_t *a = writer->owner + starts[labels - 1 - shared];
		const uint8_t *b = writer->before + others[other - 1 - shared];

		if (a[0] != b[0] || memcmp(a, b, 1u + a[0]) != 0)
			break;
		shared++;
	}
	return shared;
}

/* The labels that are new here, then a pointer to the rest. */
static void owner_spell(struct copy_writer *writer)
{
	uint8_t starts[NAME_MAX_LABELS];
	const unsigned labels = labels_find(writer->owner, writer->owner_len, starts);
	const unsigned shared = labels_shared(writer, starts, labels);
	const size_t fresh =
		shared < labels ? (shared ? starts[labels - shared] : writer->owner_len) : 0;
	const uint16_t rest = shared ? writer->before_at[shared - 1] : DNS_HEADER_LEN;
	const uint16_t at = writer->len;

	memcpy(writer->message + at, writer->owner, fresh);
	bytes_set_u16(writer->message + at + fresh, (uint16_t)(0xc000u | rest));
	writer->len = (uint16_t)(at + fresh + 2);
	for (unsigned i = shared; i < labels; i++)
		writer->before_at[i] = (uint16_t)(at + starts[labels - 1 - i]);
	memcpy(writer->before, writer->owner, writer->owner_len);
	writer->before_len = writer->owner_len;
	writer->owner_at = labels ? writer->before_at[labels - 1] : DNS_HEADER_LEN;
}

static void owner_put(struct copy_writer *writer)
{
	if (!writer->owner_at) {
		owner_spell(writer);
		return;
	}
	bytes_set_u16(writer->message + writer->len, (uint16_t)(0xc000u | writer->owner_at));
	writer->len = (uint16_t)(writer->len + 2);
}

void copy_record(
	struct copy_writer *writer, uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t len)
{
	const size_t most = writer->owner_len + 2u + 10u + len;
	uint8_t *at;

	if (!writer->error && most > (size_t)(MESSAGE_END - writer->body))
		writer->error = -EMSGSIZE;
	if (!writer->error && most > (size_t)(MESSAGE_END - writer->len))
		message_close(writer);
	if (writer->error)
		return;
	owner_put(writer);
	at = writer->message + writer->len;
	bytes_set_u16(at, type);
	bytes_set_u16(at + 2, CLASS_IN);
	bytes_set_u32(at + 4, ttl_s);
	bytes_set_u16(at + 8, (uint16_t)len);
	if (len)
		memcpy(at + 10, rdata, len);
	writer->len = (uint16_t)(writer->len + 10 + len);
	writer->records++;
}

int copy_end(struct copy_writer *writer, struct zone_copy **out)
{
	if (!writer->error && writer->records)
		message_close(writer);
	free(writer->message);
	if (writer->error && writer->copy && writer->copy->account)
		zone_copy_drop(writer->copy);
	else if (writer->error)
		free(writer->copy);
	else
		*out = writer->copy;
	return writer->error;
}

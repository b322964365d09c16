/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarded_answer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/pack.h"
#include "dns/wire/type.h"

#define QUESTION_TAIL 4 /* type and class */
#define AFTER_TTL     4 /* from a TTL to the length of the rdata */

struct forwarded_answer {
	atomic_uint references;
	uint32_t ttl_s;
	uint32_t size;
	uint16_t flags;
	uint16_t len;   /* of the message */
	uint16_t body;  /* where its records begin */
	uint16_t split; /* where Authority begins */
	uint16_t counts[2];
	uint8_t kind;
	bool storable, denies_name, denies_below;
	/* Offsets in the message, one for each record; then the message. */
	uint16_t ttl_at[];
};

static unsigned records_of(const struct forwarded_answer *answer)
{
	return (unsigned)answer->counts[REPLY_ANSWER] + answer->counts[REPLY_AUTHORITY];
}

static const uint8_t *data_of(const struct forwarded_answer *answer)
{
	return (const uint8_t *)(answer->ttl_at + records_of(answer));
}

/* Behind the record whose TTL lies at a place. */
static size_t record_end(const uint8_t *data, size_t ttl_at)
{
	const uint8_t *length = data + ttl_at + AFTER_TTL;

	return ttl_at + AFTER_TTL + 2 + ((size_t)length[0] << 8 | length[1]);
}

static struct message message_of(const struct forwarded_answer *answer)
{
	return (struct message){
		.data = data_of(answer),
		.len = answer->len,
		.counts = {answer->counts[0], answer->counts[1]},
		.body = answer->body,
	};
}

/* ---- making one ---- */

/* Note where the TTLs are, where Authority begins, and how long all of it may be kept. */
static void answer_survey(struct forwarded_answer *answer)
{
	const struct message message = message_of(answer);
	struct message_walk walk;
	struct record record;
	unsigned count = 0;
	uint32_t least = UINT32_MAX;

	answer->split = answer->len;
	message_walk(&message, &walk);
	while (message_next(&walk, &record)) {
		if (record.section == REPLY_AUTHORITY && record.owner < answer->split)
			answer->split = (uint16_t)record.owner;
		answer->ttl_at[count++] = (uint16_t)(record.rdata - 2 - AFTER_TTL);
		if (record.ttl_s < least)
			least = record.ttl_s;
		if (record.section == REPLY_AUTHORITY && record.type == TYPE_SOA) {
			const uint32_t minimum =
				bytes_u32(message.data + record.rdata + record.rdata_len - 4);

			least = minimum < least ? minimum : least;
		}
	}
	answer->ttl_s = answer->storable ? least : 0;
}

struct forwarded_answer *forwarded_answer_new(
	const struct reply *reply, const struct forwarded_sense *sense)
{
	const size_t places = (reply->count[REPLY_ANSWER] + (size_t)reply->count[REPLY_AUTHORITY]) *
			      sizeof(uint16_t);
	const size_t size = sizeof(struct forwarded_answer) + places + reply->len;
	const bool denies = sense->kind == FORWARDED_NXDOMAIN && !sense->aliases;
	struct forwarded_answer *answer = malloc(size);
	uint8_t *data;

	if (!answer)
		return NULL;
	*answer = (struct forwarded_answer){
		.size = (uint32_t)size,
		.flags = sense->flags & (DNS_FLAG_RA | DNS_FLAG_AD),
		.len = reply->len,
		.body = reply->body,
		.counts = {reply->count[REPLY_ANSWER], reply->count[REPLY_AUTHORITY]},
		.kind = (uint8_t)sense->kind,
		.storable = sense->complete,
		.denies_name = denies,
		.denies_below = denies && !sense->by_root,
	};
	atomic_init(&answer->references, 1);
	data = (uint8_t *)(answer->ttl_at + records_of(answer));
	memcpy(data, reply->buf, reply->len);
	answer_survey(answer);
	return answer;
}

struct forwarded_answer *forwarded_answer_ref(struct forwarded_answer *answer)
{
	if (answer)
		atomic_fetch_add_explicit(&answer->references, 1, memory_order_relaxed);
	return answer;
}

void forwarded_answer_unref(struct forwarded_answer *answer)
{
	if (answer && atomic_fetch_sub_explicit(&answer->references, 1, memory_order_acq_rel) == 1)
		free(answer);
}

/* ---- what it is ---- */

enum forwarded_kind forwarded_answer_kind(const struct forwarded_answer *answer)
{
	return answer->kind;
}

uint32_t forwarded_answer_ttl(const struct forwarded_answer *answer)
{
	return answer->ttl_s;
}

bool forwarded_answer_storable(const struct forwarded_answer *answer)
{
	return answer->storable;
}

bool forwarded_answer_denies_name(const struct forwarded_answer *answer)
{
	return answer->denies_name;
}

bool forwarded_answer_denies_below(const struct forwarded_answer *answer)
{
	return answer->denies_below;
}

size_t forwarded_answer_size(const struct forwarded_answer *answer)
{
	return answer->size;
}

uint16_t forwarded_answer_flags(const struct forwarded_answer *answer)
{
	return answer->flags;
}

/* ---- putting it into a reply ---- */

static bool same_name(const struct forwarded_answer *answer, const struct query *query)
{
	return answer->body == DNS_HEADER_LEN + query->name_len + QUESTION_TAIL &&
	       memcmp(data_of(answer) + DNS_HEADER_LEN, query->name, query->name_len) == 0;
}

/* The records one by one, as long as they fit; how many did. */
static unsigned put_some(const struct forwarded_answer *answer, struct reply *reply)
{
	const uint8_t *data = data_of(answer);
	size_t at = answer->body;

	for (unsigned i = 0; i < records_of(answer); i++) {
		const size_t end = record_end(data, answer->ttl_at[i]);

		if (!reply_put(reply,
			    i < answer->counts[REPLY_ANSWER] ? REPLY_ANSWER : REPLY_AUTHORITY,
			    data + at, end - at))
			return i;
		at = end;
	}
	return records_of(answer);
}

static void put_same(const struct forwarded_answer *answer, uint32_t ttl_s, struct reply *reply)
{
	const uint8_t *data = data_of(answer);
	unsigned count = records_of(answer);

	if (reply_fits(reply, (size_t)answer->len - answer->body)) {
		reply_put_many(reply, REPLY_ANSWER, data + answer->body,
			(size_t)answer->split - answer->body, answer->counts[REPLY_ANSWER]);
		reply_put_many(reply, REPLY_AUTHORITY, data + answer->split,
			(size_t)answer->len - answer->split, answer->counts[REPLY_AUTHORITY]);
	} else {
		count = put_some(answer, reply);
	}
	for (unsigned i = 0; i < count && ttl_s != FORWARDED_TTL_OWN; i++)
		bytes_set_u32(reply->buf + answer->ttl_at[i], ttl_s);
}

static void put_anew(const struct forwarded_answer *answer, uint32_t ttl_s, struct reply *reply)
{
	const struct message message = message_of(answer);
	struct message_walk walk;
	struct record record;
	struct pack pack;

	pack_begin(&pack, reply);
	message_walk(&message, &walk);
	while (message_next(&walk, &record)) {
		if (pack_record(&pack, &message, &record, record.section,
			    ttl_s == FORWARDED_TTL_OWN ? record.ttl_s : ttl_s) != PACK_DONE)
			return;
	}
}

void forwarded_answer_put(
	const struct forwarded_answer *answer, uint32_t ttl_s, struct reply *reply)
{
	const struct query *query = reply->query;
	uint16_t flags = answer->flags;

	if (!(query->flags & DNS_FLAG_AD) && !query->edns_do)
		flags &= (uint16_t)~DNS_FLAG_AD;
	reply->flags &= (uint16_t) ~(DNS_FLAG_AA | DNS_FLAG_RA | DNS_FLAG_AD);
	reply->flags |= flags;
	reply->rcode = answer->kind == FORWARDED_NXDOMAIN ? RCODE_NXDOMAIN : RCODE_NOERROR;
	if (same_name(answer, query))
		put_same(answer, ttl_s, reply);
	else
		put_anew(answer, ttl_s, reply);
}

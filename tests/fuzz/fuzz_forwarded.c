/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an upstream's reply: what is kept of it has the question's name, its aliases or
 * the zones above as owners, can be walked to its end, and is put into replies of every size,
 * about its name and about one below it, whole records only. The first byte: DO, and which size. */

#include "cache/forwarded_answer.h"
#include "dns/wire/type.h"

#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static uint8_t out[UINT16_MAX];

/* RFC 4035 section 3.1: no DNSSEC for those who did not set DO. */
static void check_record(const struct record *record, const struct forwarded_question *question)
{
	const bool proof = record->type == TYPE_RRSIG || record->type == TYPE_NSEC ||
			   record->type == TYPE_NSEC3;

	CHECK(record->section != REPLY_ADDITIONAL && record->class == CLASS_IN);
	if (record->section == REPLY_AUTHORITY)
		CHECK(record->type == TYPE_SOA || (proof && question->dnssec_ok));
	else if (question->type != TYPE_ANY)
		CHECK(record->type == question->type || record->type == TYPE_CNAME ||
			record->type == TYPE_DNAME || (proof && question->dnssec_ok));
}

static void check_reply(size_t len, const struct reply *reply,
	const struct forwarded_question *question, uint32_t ttl_s)
{
	unsigned count = reply->count[0] + (unsigned)reply->count[1];
	struct message message;
	struct message_walk walk;
	struct record record;

	CHECK(message_open(out, len, &message));
	message_walk(&message, &walk);
	for (; message_next(&walk, &record); count--) {
		check_record(&record, question);
		CHECK(ttl_s == FORWARDED_TTL_OWN || record.ttl_s == ttl_s);
	}
	CHECK(!walk.bad && count == 0);
}

static void put(const struct forwarded_answer *answer, const struct forwarded_question *question,
	const struct name *name, uint32_t ttl_s, uint16_t limit)
{
	uint8_t asked[QUERY_ASKED_MAX];
	struct query query;
	struct reply reply;

	query_make(name->wire, name->len, question->type, asked, &query);
	reply_begin(&reply, &query, out, limit);
	forwarded_answer_put(answer, ttl_s, &reply);
	CHECK(reply.len <= limit);
	CHECK(limit < UINT16_MAX || name->len != question->name_len || !reply.full);
	check_reply(reply_end(&reply), &reply, question, ttl_s);
}

static void put_all(const struct forwarded_answer *answer,
	const struct forwarded_question *question, uint16_t limit)
{
	struct name name = {.len = question->name_len};

	memcpy(name.wire, question->name, name.len);
	put(answer, question, &name, FORWARDED_TTL_OWN, UINT16_MAX);
	put(answer, question, &name, 7, limit);
	if (forwarded_answer_denies_name(answer) && name_prepend(&name, "below", 5) == 0)
		put(answer, question, &name, 7, limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct forwarded_answer *answer;
	struct forwarded_question question;
	struct message message;

	if (size < 1 || !message_open(data + 1, size - 1, &message))
		return 0;
	name_lower(message.name, message.name, message.name_len);
	question = (struct forwarded_question){
		.name = message.name,
		.name_len = message.name_len,
		.type = message.qtype,
		.class = message.qclass,
		.dnssec_ok = data[0] & 1,
	};
	if (forwarded_answer_read(&message, &question, &answer) != FORWARDED_USABLE)
		return 0;
	CHECK(!forwarded_answer_denies_name(answer) ||
		forwarded_answer_kind(answer) == FORWARDED_NXDOMAIN);
	CHECK(forwarded_answer_storable(answer) || forwarded_answer_ttl(answer) == 0);
	put_all(answer, &question, (uint16_t)(512 + (data[0] >> 1) * 8));
	forwarded_answer_unref(answer);
	return 0;
}

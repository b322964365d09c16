/* SPDX-License-Identifier: Apache-2.0 */
/* The front door: any bytes as a packet. What the parser lets through is answered
 * in every way there is, and the replies must hold together. */

#include "dns/wire/query.h"
#include "dns/wire/reply.h"
#include "dns/wire/type.h"

#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static uint8_t out[65535];

static void check_reply(const struct query *query, size_t len, size_t limit)
{
	CHECK(len >= DNS_HEADER_LEN && len <= limit);
	CHECK((out[0] << 8 | out[1]) == query->id);
	CHECK(out[2] & 0x80);
}

static void check_question(const struct query *query)
{
	CHECK(query->name_len >= 1);
	CHECK(name_wire_check(query->asked, query->name_len) == query->name_len);
	CHECK(name_wire_check(query->name, query->name_len) == query->name_len);
	CHECK(query->label_at[query->labels] == 0);
	CHECK(query->label_at[0] == query->name_len - 1);
	for (unsigned i = 0; i < query->labels; i++) {
		unsigned at = query->label_at[i + 1];

		CHECK(at + query->name[at] + 1u == query->label_at[i]);
	}
}

static void answer(const struct query *query, bool tcp, size_t records)
{
	static const uint8_t rr[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1};
	static const uint8_t rdata[40];
	uint16_t limit = reply_limit(query, tcp);
	struct reply reply;
	size_t len;

	reply_begin(&reply, query, out, limit);
	for (size_t i = 0; i < records; i++)
		reply_put(&reply, REPLY_ANSWER, rr, sizeof rr);
	reply_put_rr(&reply, REPLY_AUTHORITY, reply_zone_at(query, query->labels / 2), TYPE_SOA, 5,
		rdata, sizeof rdata);
	reply_put_rr(&reply, REPLY_ADDITIONAL, DNS_HEADER_LEN, TYPE_A, 5, rdata, 4);
	len = reply_end(&reply);
	check_reply(query, len, limit);
	CHECK(reply.count[REPLY_ANSWER] == records || (reply.flags & DNS_FLAG_TC));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query query;

	switch (query_parse(data, size, &query)) {
	case QUERY_DROP:
		break;
	case QUERY_FORMERR:
	case QUERY_NOTIMP:
	case QUERY_BADVERS:
		if (query.has_question)
			check_question(&query);
		check_reply(&query, reply_error(&query, RCODE_FORMERR, out), DNS_UDP_DEFAULT);
		break;
	case QUERY_OK: {
		char text[NAME_TEXT_MAX];

		CHECK(query.has_question);
		check_question(&query);
		CHECK(name_to_text(query.name, text, sizeof text) < sizeof text);
		answer(&query, false, 1);
		answer(&query, false, 100);
		answer(&query, true, 5000);
		check_reply(&query, reply_error(&query, RCODE_SERVFAIL, out), DNS_UDP_DEFAULT);
		break;
	}
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The front door: any bytes as a packet. What the parser lets through is answered
 * in every way there is, and the replies must hold together. */

#include "dns/wire/query.h"
#include "dns/wire/reply.h"
#include "dns/wire/type.h"

#include <stdlib.h>
#include <string.h>

#define OPT_LEN 11

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static uint8_t out[65535];

/* Header, question and OPT; what lies between is the caller's. */
static void check_reply(const struct query *query, size_t len, size_t limit)
{
	static const uint8_t opt[] = {0, 0, TYPE_OPT, DNS_UDP_OURS >> 8, DNS_UDP_OURS & 0xff};
	size_t least = DNS_HEADER_LEN + (query->has_question ? query->name_len + 4u : 0);
	const uint8_t *at = out + len - OPT_LEN;

	CHECK(len >= least + (query->has_edns ? OPT_LEN : 0) && len <= limit);
	CHECK((out[0] << 8 | out[1]) == query->id);
	CHECK(out[2] & 0x80);
	CHECK(out[4] == 0 && out[5] == query->has_question);
	if (query->has_question)
		CHECK(!memcmp(out + DNS_HEADER_LEN, query->asked, query->name_len + 4u));
	if (!query->has_edns)
		return;
	/* ours, version 0, no flag but DO, no options */
	CHECK(!memcmp(at, opt, sizeof opt));
	CHECK(at[6] == 0 && at[7] == (query->edns_do ? 0x80 : 0) && at[8] == 0);
	CHECK(at[9] == 0 && at[10] == 0);
}

static void check_question(const struct query *query)
{
	CHECK(query->name_len >= 1);
	CHECK(name_wire_check(query->asked, query->name_len) == query->name_len);
	CHECK(name_wire_check(query->name, query->name_len) == query->name_len);
	CHECK(name_equal(query->name, query->asked));
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

/* The same records at once, from any of them on. */
static void answer_fixed(const struct query *query, bool tcp, size_t count)
{
	static uint8_t rrs[5000 * 16];
	uint16_t limit = reply_limit(query, tcp);
	size_t first = query->id % count, fit, len;
	struct reply reply;

	for (size_t i = 0; i < count; i++) {
		rrs[i * 16] = (uint8_t)(i >> 8);
		rrs[i * 16 + 1] = (uint8_t)i;
	}
	reply_begin(&reply, query, out, limit);
	fit = reply_put_fixed(&reply, REPLY_ANSWER, rrs, 16, count, first);
	CHECK(fit <= count && reply.count[REPLY_ANSWER] == fit);
	CHECK((fit < count) == !!(reply.flags & DNS_FLAG_TC));
	for (size_t i = 0; i < fit; i++) {
		const uint8_t *at = out + reply.body + i * 16;

		CHECK((size_t)(at[0] << 8 | at[1]) == (first + i) % count);
	}
	len = reply_end(&reply);
	check_reply(query, len, limit);
	CHECK(fit == count || len + 16 > limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query query;

	switch (query_parse(data, size, &query)) {
	case QUERY_DROP:
		break;
	case QUERY_BADVERS:
		CHECK(query.has_question && query.has_edns);
		check_question(&query);
		check_reply(&query, reply_error(&query, RCODE_BADVERS, out), DNS_UDP_DEFAULT);
		CHECK((out[3] & 15) == 0 && out[DNS_HEADER_LEN + query.name_len + 4 + 5] == 1);
		break;
	case QUERY_FORMERR:
	case QUERY_NOTIMP:
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
		answer_fixed(&query, false, 100);
		answer_fixed(&query, true, 5000);
		check_reply(&query, reply_error(&query, RCODE_SERVFAIL, out), DNS_UDP_DEFAULT);
		break;
	}
	}
	return 0;
}

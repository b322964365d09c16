/* SPDX-License-Identifier: Apache-2.0 */
/* ldns writes messages, and reads back what became of them: the records must be the
 * same, and no longer than ldns has them where both compress alike. */
#include "dns/wire/bytes.h"
#include "dns/wire/pack.h"
#include "dns/wire/type.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t out[65535];
static uint8_t asked[QUERY_ASKED_MAX];

static const char *const records[] = {
	"www.Example.org. 60 IN CNAME web.example.net.",
	"web.example.net. 60 IN A 192.0.2.7",
	"web.example.net. 60 IN AAAA 2001:db8::7",
	"example.org. 60 IN SOA ns.example.org. host.example.org. 7 7200 1800 86400 5",
	"example.org. 60 IN MX 10 mail.example.org.",
	"example.org. 60 IN NS ns.web.example.net.",
	"_sip._tcp.example.org. 60 IN SRV 0 1 5060 sip.example.org.",
	"example.org. 60 IN TXT \"a\" \"\"",
	"example.org. 60 IN NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:x@y!\" example.org.",
	"example.org. 60 IN DNAME example.com.",
	"example.org. 60 IN RP a.example.org. b.example.org.",
	"example.org. 60 IN AFSDB 1 db.example.org.",
	"example.org. 60 IN KX 1 kx.example.org.",
	"x.example.org. 60 IN NSEC y.example.org. A RRSIG",
	"x.example.org. 60 IN RRSIG A 8 3 60 20300101000000 20200101000000 1 example.org. AAAA",
	"x.example.org. 60 IN TYPE65 \\# 3 000100",
	"x.example.org. 60 IN TYPE65280 \\# 4 c00c0001",
	". 60 IN NS a.root-servers.net.",
};

static struct query question(const char *text, uint16_t type)
{
	struct query query;
	struct name name;

	assert_int_equal(name_from_text(text, strlen(text), &name), 0);
	query_make(name.wire, name.len, type, asked, &query);
	return query;
}

/* All records in one message, as ldns writes it. */
static uint8_t *message_by_ldns(size_t *len)
{
	ldns_pkt *pkt = ldns_pkt_new();
	ldns_rdf *owner = ldns_dname_new_frm_str("www.Example.org.");
	uint8_t *wire;

	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, ldns_rr_new());
	ldns_rr_set_question(ldns_rr_list_rr(ldns_pkt_question(pkt), 0), true);
	ldns_rr_set_owner(ldns_rr_list_rr(ldns_pkt_question(pkt), 0), owner);
	ldns_rr_set_type(ldns_rr_list_rr(ldns_pkt_question(pkt), 0), LDNS_RR_TYPE_A);
	ldns_rr_set_class(ldns_rr_list_rr(ldns_pkt_question(pkt), 0), LDNS_RR_CLASS_IN);
	for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
		ldns_rr *rr = NULL;

		assert_int_equal(
			ldns_rr_new_frm_str(&rr, records[i], 0, NULL, NULL), LDNS_STATUS_OK);
		ldns_pkt_push_rr(pkt, LDNS_SECTION_ANSWER, rr);
	}
	assert_int_equal(ldns_pkt2wire(&wire, pkt, len), LDNS_STATUS_OK);
	ldns_pkt_free(pkt);
	return wire;
}

static void test_all_types_survive(void **state)
{
	struct query query = question("www.Example.org", TYPE_A);
	size_t len, out_len;
	uint8_t *wire = message_by_ldns(&len);
	struct message message;
	struct message_walk walk;
	struct record record;
	struct reply reply;
	struct pack pack;
	ldns_pkt *before = NULL, *after = NULL;

	(void)state;
	assert_true(message_open(wire, len, &message));
	reply_begin(&reply, &query, out, UINT16_MAX);
	pack_begin(&pack, &reply);
	message_walk(&message, &walk);
	while (message_next(&walk, &record))
		assert_int_equal(pack_record(&pack, &message, &record, REPLY_ANSWER, record.ttl_s),
			PACK_DONE);
	assert_false(walk.bad);
	out_len = reply_end(&reply);
	assert_true(out_len <= len);
	assert_int_equal(ldns_wire2pkt(&before, wire, len), LDNS_STATUS_OK);
	assert_int_equal(ldns_wire2pkt(&after, out, out_len), LDNS_STATUS_OK);
	assert_int_equal(
		ldns_rr_list_rr_count(ldns_pkt_answer(after)), sizeof records / sizeof *records);
	assert_int_equal(ldns_rr_list_compare(ldns_pkt_answer(before), ldns_pkt_answer(after)), 0);
	ldns_pkt_free(before);
	ldns_pkt_free(after);
	free(wire);
}

/* The rest of a message that is cut in the middle of a record leaves nothing behind. */
static void test_no_room(void **state)
{
	struct query query = question("www.Example.org", TYPE_A);
	size_t len;
	uint8_t *wire = message_by_ldns(&len);
	struct message message;

	(void)state;
	assert_true(message_open(wire, len, &message));
	for (uint16_t limit = 40; limit < 700; limit++) {
		struct message_walk walk;
		struct record record;
		struct reply reply;
		struct pack pack;
		ldns_pkt *pkt = NULL;
		unsigned count = 0;

		reply_begin(&reply, &query, out, limit);
		pack_begin(&pack, &reply);
		message_walk(&message, &walk);
		while (message_next(&walk, &record) &&
			pack_record(&pack, &message, &record, REPLY_ANSWER, 1) == PACK_DONE)
			count++;
		assert_int_equal(reply.count[REPLY_ANSWER], count);
		assert_true(reply.len <= limit);
		assert_int_equal(
			!!(reply.flags & DNS_FLAG_TC), count < sizeof records / sizeof *records);
		assert_int_equal(ldns_wire2pkt(&pkt, out, reply_end(&reply)), LDNS_STATUS_OK);
		ldns_pkt_free(pkt);
	}
	free(wire);
}

static void test_alias_and_what_was_there(void **state)
{
	static const uint8_t target[] = "\3web\7example\3org";
	struct query query = question("www.example.org", TYPE_A);
	struct reply reply;
	struct pack pack;

	(void)state;
	reply_begin(&reply, &query, out, UINT16_MAX);
	pack_begin(&pack, &reply);
	assert_int_equal(pack_alias(&pack, target, 30), PACK_DONE);
	/* web, and a pointer to example.org of the question */
	assert_int_equal(reply.len, reply.body + 12 + 4 + 2);
	/* who begins now knows the target too */
	pack_begin(&pack, &reply);
	assert_int_equal(pack_alias(&pack, target, 30), PACK_DONE);
	assert_int_equal(reply.len, reply.body + 2 * (12 + 2) + 4);
}

static void test_malformed_rdata(void **state)
{
	static const struct {
		uint16_t type;
		const char *rdata;
		uint16_t len;
	} cases[] = {
		{TYPE_NS, "\4ab", 3},
		{TYPE_NS, "\1a\0x", 4},
		{TYPE_NS, "", 0},
		{TYPE_NS, "\xff\xff", 2},
		{TYPE_SOA,
			"\0\0"
			"123456789012345678",
			20},
		{TYPE_MX, "\0", 1},
		{TYPE_SRV, "123456", 6},
		{TYPE_NAPTR, "1234\1a\1b\5c", 10},
		{TYPE_NAPTR, "1234", 4},
		{TYPE_RRSIG, "12345678901234567", 17},
	};
	struct query query = question("a", TYPE_A);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t data[128] = "\0\0\x80\0\0\1\0\1\0\0\0\0\1a\0\0\1\0\1\xc0\x0c";
		const size_t at = 12 + 7;
		struct message message;
		struct message_walk walk;
		struct record record;
		struct reply reply;
		struct pack pack;

		bytes_set_u16(data + at + 2, cases[i].type);
		bytes_set_u16(data + at + 4, CLASS_IN);
		bytes_set_u16(data + at + 10, cases[i].len);
		memcpy(data + at + 12, cases[i].rdata, cases[i].len);
		assert_true(message_open(data, at + 12 + cases[i].len, &message));
		message_walk(&message, &walk);
		assert_true(message_next(&walk, &record));
		reply_begin(&reply, &query, out, UINT16_MAX);
		pack_begin(&pack, &reply);
		assert_int_equal(
			pack_record(&pack, &message, &record, REPLY_ANSWER, 1), PACK_MALFORMED);
		assert_int_equal(reply.len, reply.body);
		assert_false(reply.full);
	}
}

/* More names than are remembered: all of them come out right. */
static void test_many_names(void **state)
{
	struct query query = question("a", TYPE_A);
	struct reply reply;
	struct pack pack;
	ldns_pkt *pkt = NULL;

	(void)state;
	reply_begin(&reply, &query, out, UINT16_MAX);
	pack_begin(&pack, &reply);
	for (unsigned i = 0; i < 5000; i++) {
		char text[32];
		struct name name;

		snprintf(text, sizeof text, "n%u.s%u.x", i, i % 7);
		assert_int_equal(name_from_text(text, strlen(text), &name), 0);
		if (pack_alias(&pack, name.wire, 1) != PACK_DONE)
			break;
	}
	assert_int_equal(ldns_wire2pkt(&pkt, out, reply_end(&reply)), LDNS_STATUS_OK);
	for (size_t i = 0; i < ldns_pkt_ancount(pkt); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(pkt), i);
		char *text = ldns_rdf2str(ldns_rr_rdf(rr, 0));
		char expected[32];

		snprintf(expected, sizeof expected, "n%zu.s%zu.x.", i, i % 7);
		assert_string_equal(text, expected);
		free(text);
	}
	ldns_pkt_free(pkt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_types_survive),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_alias_and_what_was_there),
		cmocka_unit_test(test_malformed_rdata),
		cmocka_unit_test(test_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

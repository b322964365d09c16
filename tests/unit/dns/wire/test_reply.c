/* SPDX-License-Identifier: Apache-2.0 */
/* Replies are read back by ldns. */
#include "dns/wire/bytes.h"
#include "dns/wire/reply.h"
#include "dns/wire/type.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t packet[512];
static uint8_t out[65535];

/* A question for db.Shop.svc; edns_size 0: without EDNS. */
static struct query question(uint16_t edns_size, uint16_t edns_flags)
{
	struct query query;
	size_t len = 12;

	memcpy(packet, "\xbe\xef\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00", 12);
	memcpy(packet + len, "\2db\4Shop\3svc\0\0\1\0\1", 17);
	len += 17;
	if (edns_size) {
		packet[11] = 1;
		memset(packet + len, 0, 11);
		packet[len + 2] = 41;
		bytes_set_u16(packet + len + 3, edns_size);
		bytes_set_u16(packet + len + 7, edns_flags);
		len += 11;
	}
	assert_int_equal(query_parse(packet, len, &query), QUERY_OK);
	return query;
}

static ldns_pkt *read_back(size_t len)
{
	ldns_pkt *pkt = NULL;

	assert_int_equal(ldns_wire2pkt(&pkt, out, len), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_id(pkt), 0xbeef);
	assert_true(ldns_pkt_qr(pkt));
	return pkt;
}

static uint8_t *addresses(size_t count)
{
	uint8_t *rrs = malloc(count * 16);

	for (size_t i = 0; i < count; i++) {
		memcpy(rrs + i * 16, "\xc0\x0c\0\1\0\1\0\0\0\36\0\4", 12);
		bytes_set_u32(rrs + i * 16 + 12, (uint32_t)(0x0a000000 + i));
	}
	return rrs;
}

static void test_answer(void **state)
{
	struct query query = question(1232, 0x8000);
	struct reply reply;
	uint8_t *rrs = addresses(3);
	ldns_pkt *pkt;
	char *text;

	(void)state;
	reply_begin(&reply, &query, out, reply_limit(&query, false));
	reply.flags |= DNS_FLAG_AA;
	assert_true(reply_put(&reply, REPLY_ANSWER, rrs, 16));
	assert_int_equal(reply_put_fixed(&reply, REPLY_ANSWER, rrs + 16, 16, 2, 1), 2);
	assert_true(reply_put_rr(&reply, REPLY_AUTHORITY, reply_zone_at(&query, 1), TYPE_NS, 60,
		(const uint8_t *)"\1a\300\14", 4));
	pkt = read_back(reply_end(&reply));
	assert_true(ldns_pkt_aa(pkt));
	assert_true(ldns_pkt_rd(pkt));
	assert_true(ldns_pkt_cd(pkt));
	assert_false(ldns_pkt_ra(pkt));
	assert_false(ldns_pkt_tc(pkt));
	assert_int_equal(ldns_pkt_ancount(pkt), 3);
	assert_int_equal(ldns_pkt_nscount(pkt), 1);
	text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(pkt), 1));
	assert_string_equal(text, "db.Shop.svc.\t30\tIN\tA\t10.0.0.2\n"); /* case kept, rotated */
	free(text);
	text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_authority(pkt), 0));
	assert_string_equal(text, "svc.\t60\tIN\tNS\ta.db.Shop.svc.\n");
	free(text);
	/* our OPT: our size, DO as it came, nothing else */
	assert_true(ldns_pkt_edns(pkt));
	assert_int_equal(ldns_pkt_edns_udp_size(pkt), DNS_UDP_OURS);
	assert_true(ldns_pkt_edns_do(pkt));
	assert_int_equal(ldns_pkt_edns_version(pkt), 0);
	assert_null(ldns_pkt_edns_data(pkt));
	ldns_pkt_free(pkt);
	free(rrs);
}

/* Of the question's flags RD and CD come back (and the opcode in an error), for
 * every word that is a question at all. */
static void test_flags_copied(void **state)
{
	struct query query = question(0, 0);
	struct reply reply;

	(void)state;
	for (unsigned flags = 0; flags < 0x8000; flags++) {
		unsigned copied = 0x8000 | (flags & 0x0110);

		query.flags = (uint16_t)flags;
		if ((flags & 0x7800) == 0) {
			reply_begin(&reply, &query, out, 512);
			reply_end(&reply);
			assert_int_equal(out[2] << 8 | out[3], copied);
		}
		reply_error(&query, RCODE_REFUSED, out);
		assert_int_equal(out[2] << 8 | out[3], copied | (flags & 0x7800) | 5);
	}
}

static void test_opt_only_where_asked(void **state)
{
	struct query query = question(0, 0);
	struct reply reply;
	ldns_pkt *pkt;

	(void)state;
	reply_begin(&reply, &query, out, reply_limit(&query, false));
	pkt = read_back(reply_end(&reply));
	assert_false(ldns_pkt_edns(pkt));
	assert_int_equal(ldns_pkt_arcount(pkt), 0);
	ldns_pkt_free(pkt);
	query = question(1232, 0x7fff); /* flags that nobody knows are not sent back */
	reply_begin(&reply, &query, out, reply_limit(&query, false));
	pkt = read_back(reply_end(&reply));
	assert_true(ldns_pkt_edns(pkt));
	assert_int_equal(ldns_pkt_edns_z(pkt), 0);
	assert_false(ldns_pkt_edns_do(pkt));
	ldns_pkt_free(pkt);
}

static void test_limits(void **state)
{
	static const struct {
		uint16_t edns;
		bool tcp;
		uint16_t limit;
	} rows[] = {{0, false, 512}, {100, false, 512}, {512, false, 512}, {1232, false, 1232},
		{4096, false, 4096}, {65535, false, 65535}, {0, true, 65535}, {512, true, 65535}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct query query = question(rows[i].edns, 0);

		assert_int_equal(reply_limit(&query, rows[i].tcp), rows[i].limit);
	}
}

/* As many whole records as fit, from any start, each at most once; TC exactly
 * where one is missing. */
static void test_truncation(void **state)
{
	static const size_t counts[] = {1, 29, 30, 31, 73, 75, 100, 1000, 4000, 5000};
	static const uint16_t sizes[] = {0, 512, 1232, 4096, 65535};

	(void)state;
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		uint8_t *rrs = addresses(counts[c]);

		for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
			struct query query = question(sizes[s], 0);
			uint16_t limit = reply_limit(&query, false);
			size_t room = (limit - 29u - (sizes[s] ? 11u : 0u)) / 16;
			size_t fit = counts[c] < room ? counts[c] : room;
			size_t first = counts[c] * 2 / 3;
			struct reply reply;
			size_t len;
			ldns_pkt *pkt;

			reply_begin(&reply, &query, out, limit);
			assert_int_equal(
				reply_put_fixed(&reply, REPLY_ANSWER, rrs, 16, counts[c], first),
				fit);
			/* what comes behind a missing record is left out too */
			assert_int_equal(reply_put_rr(&reply, REPLY_AUTHORITY, 12, TYPE_A, 1,
						 (const uint8_t *)"\1\2\3\4", 4),
				fit == counts[c] && room > fit);
			len = reply_end(&reply);
			assert_true(len <= limit);
			pkt = read_back(len);
			assert_int_equal(ldns_pkt_ancount(pkt), fit);
			assert_int_equal(ldns_pkt_tc(pkt), fit < counts[c] || room == fit);
			assert_int_equal(ldns_pkt_edns(pkt), sizes[s] != 0);
			for (size_t i = 0; i < fit; i++) {
				const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(pkt), i);
				uint32_t address =
					ldns_read_uint32(ldns_rdf_data(ldns_rr_rdf(rr, 0)));

				assert_int_equal(address, 0x0a000000 + (first + i) % counts[c]);
			}
			ldns_pkt_free(pkt);
		}
		free(rrs);
	}
}

/* A message may be as long as the limit to the byte, and no longer. */
static void test_exact_fit(void **state)
{
	(void)state;
	for (int edns = 0; edns < 2; edns++) {
		struct query query = question(edns ? 600 : 0, 0);
		uint16_t limit = reply_limit(&query, false);
		size_t room = limit - 29u - (edns ? 11u : 0u);

		for (size_t over = 0; over < 2; over++) {
			uint8_t rr[600] = "\xc0\x0c\0\12\0\1\0\0\0\0"; /* type NULL: any rdata */
			struct reply reply;
			ldns_pkt *pkt;
			size_t len;

			bytes_set_u16(rr + 10, (uint16_t)(room + over - 12));
			reply_begin(&reply, &query, out, limit);
			assert_int_equal(reply_put(&reply, REPLY_ANSWER, rr, room + over), !over);
			/* behind a missing record nothing comes, though it would fit */
			if (over)
				assert_false(
					reply_put_rr(&reply, REPLY_ANSWER, 12, TYPE_NS, 1, rr, 1));
			len = reply_end(&reply);
			assert_int_equal(len, over ? limit - room : limit);
			pkt = read_back(len);
			assert_int_equal(ldns_pkt_tc(pkt), over);
			assert_int_equal(ldns_pkt_edns(pkt), edns);
			ldns_pkt_free(pkt);
		}
	}
}

/* On TCP 4,093 addresses fill 65,535 bytes, and one more does not fit. */
static void test_tcp_limit(void **state)
{
	uint8_t *rrs = addresses(5000);

	(void)state;
	for (size_t count = 4093; count <= 4095; count++) {
		struct query query = question(512, 0);
		struct reply reply;
		ldns_pkt *pkt;

		reply_begin(&reply, &query, out, reply_limit(&query, true));
		assert_int_equal(reply_put_fixed(&reply, REPLY_ANSWER, rrs, 16, count, count - 1),
			count < 4093 ? count : 4093);
		/* behind a missing record nothing comes, whatever its length */
		if (count > 4093)
			assert_int_equal(reply_put_fixed(&reply, REPLY_ANSWER, rrs, 1, 1, 0), 0);
		pkt = read_back(reply_end(&reply));
		assert_int_equal(ldns_pkt_ancount(pkt), 4093);
		assert_int_equal(ldns_pkt_tc(pkt), count > 4093);
		assert_true(ldns_pkt_edns(pkt));
		ldns_pkt_free(pkt);
	}
	free(rrs);
}

/* RFC 2181 section 9: TC is about what the answer needs, not about glue. */
static void test_additional_sets_no_tc(void **state)
{
	struct query query = question(0, 0);
	struct reply reply;
	uint8_t *rrs = addresses(100);

	(void)state;
	reply_begin(&reply, &query, out, reply_limit(&query, false));
	assert_int_equal(reply_put_fixed(&reply, REPLY_ANSWER, rrs, 16, 28, 0), 28);
	assert_int_equal(reply_put_fixed(&reply, REPLY_ADDITIONAL, rrs, 16, 100, 0), 2);
	assert_false(reply.flags & DNS_FLAG_TC);
	assert_true(reply.full);
	assert_false(reply_put(&reply, REPLY_ADDITIONAL, rrs, 16));
	assert_false(reply.flags & DNS_FLAG_TC);
	assert_true(reply_end(&reply) <= 512);
	free(rrs);
}

static void test_reset(void **state)
{
	struct query query = question(0, 0);
	struct reply reply;
	uint8_t *rrs = addresses(100);
	ldns_pkt *pkt;

	(void)state;
	reply_begin(&reply, &query, out, reply_limit(&query, false));
	reply_put_fixed(&reply, REPLY_ANSWER, rrs, 16, 100, 0);
	reply_reset(&reply);
	assert_true(reply_put(&reply, REPLY_ANSWER, rrs, 16));
	pkt = read_back(reply_end(&reply));
	assert_int_equal(ldns_pkt_ancount(pkt), 1);
	assert_false(ldns_pkt_tc(pkt));
	ldns_pkt_free(pkt);
	free(rrs);
}

static void test_extended_rcode(void **state)
{
	struct query query = question(1232, 0);
	struct reply reply;
	ldns_pkt *pkt;

	(void)state;
	reply_begin(&reply, &query, out, reply_limit(&query, false));
	reply.rcode = 23; /* BADCOOKIE */
	pkt = read_back(reply_end(&reply));
	assert_int_equal(ldns_pkt_get_rcode(pkt), 7);
	assert_int_equal(ldns_pkt_edns_extended_rcode(pkt), 1);
	ldns_pkt_free(pkt);
}

static void test_errors(void **state)
{
	struct query query = question(1232, 0x8000);
	ldns_pkt *pkt = read_back(reply_error(&query, RCODE_BADVERS, out));

	(void)state;
	assert_int_equal(ldns_pkt_qdcount(pkt), 1);
	assert_int_equal(ldns_pkt_get_rcode(pkt), 0);
	assert_int_equal(ldns_pkt_edns_extended_rcode(pkt), 1);
	assert_int_equal(ldns_pkt_edns_version(pkt), 0);
	assert_false(ldns_pkt_aa(pkt));
	ldns_pkt_free(pkt);
	/* another opcode: it comes back, the question does not */
	packet[2] = 0x29;
	assert_int_equal(query_parse(packet, 40, &query), QUERY_NOTIMP);
	pkt = read_back(reply_error(&query, RCODE_NOTIMP, out));
	assert_int_equal(ldns_pkt_get_opcode(pkt), 5);
	assert_int_equal(ldns_pkt_get_rcode(pkt), LDNS_RCODE_NOTIMPL);
	assert_int_equal(ldns_pkt_qdcount(pkt), 0);
	ldns_pkt_free(pkt);
	/* a question that did not parse is not echoed */
	memcpy(packet, "\xbe\xef\x01\x00\x00\x01\0\0\0\0\0\0\xc0\x0c\0\1\0\1", 18);
	assert_int_equal(query_parse(packet, 18, &query), QUERY_FORMERR);
	assert_int_equal(reply_error(&query, RCODE_FORMERR, out), 12);
	pkt = read_back(12);
	assert_int_equal(ldns_pkt_get_rcode(pkt), LDNS_RCODE_FORMERR);
	assert_int_equal(ldns_pkt_qdcount(pkt), 0);
	ldns_pkt_free(pkt);
}

/* The longest question there is, echoed with an OPT, is far from 512 bytes; and
 * a broken option list does not cost the client its question or its OPT. */
static void test_longest_error(void **state)
{
	uint8_t message[12 + 255 + 4 + 11 + 3] = "\xbe\xef\x01\0\0\1\0\0\0\0\0\1";
	struct query query;
	ldns_pkt *pkt;
	size_t len;

	(void)state;
	for (size_t i = 0; i < 127; i++)
		memcpy(message + 12 + 2 * i, "\1X", 2);
	memcpy(message + 12 + 254, "\0\0\1\0\1\0\0\51\2\0\0\0\0\0\0\3\0\12\0", 19);
	assert_int_equal(query_parse(message, sizeof message, &query), QUERY_FORMERR);
	len = reply_error(&query, RCODE_FORMERR, out);
	assert_int_equal(len, 12 + 255 + 4 + 11);
	assert_memory_equal(out + 12, message + 12, 255 + 4);
	pkt = read_back(len);
	assert_int_equal(ldns_pkt_get_rcode(pkt), LDNS_RCODE_FORMERR);
	assert_true(ldns_pkt_edns(pkt));
	assert_int_equal(ldns_pkt_edns_udp_size(pkt), DNS_UDP_OURS);
	assert_null(ldns_pkt_edns_data(pkt));
	ldns_pkt_free(pkt);
}

/* Records of different lengths at once: all of them or none. */
static void test_many(void **state)
{
	struct query query = question(0, 0);
	struct reply reply;
	uint8_t rrs[200] = {1};

	(void)state;
	reply_begin(&reply, &query, out, 512);
	assert_true(reply_put_many(&reply, REPLY_ANSWER, rrs, 0, 0));
	assert_true(reply_put_many(&reply, REPLY_ANSWER, rrs, sizeof rrs, 7));
	assert_int_equal(reply.count[REPLY_ANSWER], 7);
	assert_int_equal(reply.len, reply.body + sizeof rrs);
	assert_false(reply_put_many(&reply, REPLY_ANSWER, rrs, 512u - reply.len + 1, 1));
	assert_int_equal(reply.len, reply.body + sizeof rrs);
	assert_true(reply.full && reply.flags & DNS_FLAG_TC);
	reply_reset(&reply);
	assert_true(reply_put_many(&reply, REPLY_ANSWER, rrs, sizeof rrs, UINT16_MAX));
	assert_false(reply_put_many(&reply, REPLY_ANSWER, rrs, 1, 1));
}

/* Below the size that reply_begin was given, with the OPT's room; never below what is
 * there, and never up. */
static void test_lower_limit(void **state)
{
	struct query query = question(4096, 0);
	const uint8_t address[4] = {0};
	struct reply reply;

	(void)state;
	reply_begin(&reply, &query, out, reply_limit(&query, false));
	reply_lower_limit(&reply, 4097);
	assert_int_equal(reply.end, 4096 - 11);
	reply_lower_limit(&reply, 600);
	assert_int_equal(reply.end, 600 - 11);
	while (reply_put_rr(&reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4))
		continue;
	reply_lower_limit(&reply, 512);
	assert_int_equal(reply.end, reply.len);
	assert_in_range(reply_end(&reply), 600 - 15, 600);
}

/* RFC 8914: an option with a code, only where the client sent EDNS and there is room. */
static void test_explain(void **state)
{
	static const uint8_t option[] = {0, 6, 0, 15, 0, 2, 0, 15};
	struct query query = question(4096, 0);
	const uint8_t address[4] = {0};
	struct reply reply;
	ldns_pkt *pkt;
	size_t len;

	(void)state;
	reply_begin(&reply, &query, out, 600);
	reply_explain(&reply, EDE_BLOCKED);
	reply_explain(&reply, EDE_FILTERED); /* the first one stays */
	while (reply_put_rr(&reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4))
		continue;
	reply_lower_limit(&reply, 600);
	len = reply_end(&reply);
	assert_in_range(len, 600 - 15, 600);
	assert_memory_equal(out + len - sizeof option, option, sizeof option);
	pkt = read_back(len);
	assert_true(ldns_pkt_edns(pkt));
	assert_int_equal(ldns_rdf_size(ldns_pkt_edns_data(pkt)), 6);
	ldns_pkt_free(pkt);

	reply_begin(&reply, &query, out, 512);
	reply.len = (uint16_t)(reply.end - 5);
	reply_explain(&reply, EDE_BLOCKED);
	assert_int_equal(reply.ede, 0);
	query = question(0, 0);
	reply_begin(&reply, &query, out, 512);
	reply_explain(&reply, EDE_BLOCKED);
	assert_int_equal(reply_end(&reply), reply.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_flags_copied),
		cmocka_unit_test(test_opt_only_where_asked),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_exact_fit),
		cmocka_unit_test(test_tcp_limit),
		cmocka_unit_test(test_additional_sets_no_tc),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_extended_rcode),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_longest_error),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_lower_limit),
		cmocka_unit_test(test_explain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

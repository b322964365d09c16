/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/wire/bytes.h"
#include "dns/wire/query.h"
#include "dns/wire/type.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct packet {
	uint8_t data[2048];
	size_t len;
};

static void put(struct packet *packet, const void *data, size_t len)
{
	memcpy(packet->data + packet->len, data, len);
	packet->len += len;
}

static struct packet question(const char *wire_name, size_t len)
{
	struct packet packet = {.len = 0};

	put(&packet, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
	put(&packet, wire_name, len);
	put(&packet, "\x00\x01\x00\x01", 4);
	return packet;
}

#define QUESTION(name) question(name, sizeof name)

static void add_opt(
	struct packet *packet, uint16_t size, uint32_t ttl, const char *rdata, size_t len)
{
	uint8_t head[11] = {0, 0, 41};

	bytes_set_u16(head + 3, size);
	bytes_set_u32(head + 5, ttl);
	bytes_set_u16(head + 9, (uint16_t)len);
	packet->data[11]++;
	put(packet, head, sizeof head);
	put(packet, rdata, len);
}

static enum query_verdict parse(const struct packet *packet, struct query *out)
{
	/* exactly as large as the packet, so that a read beyond it is seen */
	uint8_t *copy = malloc(packet->len ? packet->len : 1);
	enum query_verdict verdict;

	memcpy(copy, packet->data, packet->len);
	memset(out, 0xee, sizeof *out);
	verdict = query_parse(copy, packet->len, out);
	free(copy);
	return verdict;
}

static void test_plain(void **state)
{
	struct packet packet = QUESTION("\3wWw\4sHop");
	struct query query;

	(void)state;
	assert_int_equal(query_parse(packet.data, packet.len, &query), QUERY_OK);
	assert_int_equal(query.id, 0x1234);
	assert_int_equal(query.flags, 0x0100);
	assert_int_equal(query.qtype, TYPE_A);
	assert_int_equal(query.qclass, CLASS_IN);
	assert_int_equal(query.labels, 2);
	assert_int_equal(query.name_len, 10);
	assert_memory_equal(query.name, "\3www\4shop", 10);
	assert_memory_equal(query.asked, "\3wWw\4sHop", 10);
	assert_int_equal(query.label_at[0], 9);
	assert_int_equal(query.label_at[1], 4);
	assert_int_equal(query.label_at[2], 0);
	assert_true(query.has_question);
	assert_false(query.has_edns);
	assert_int_equal(query.edns_size, 0);
	assert_int_equal(query.size, packet.len);
}

/* No transport carries more than 65,535 bytes. */
static void test_too_long(void **state)
{
	uint8_t *data = calloc(1, UINT16_MAX + 1);
	struct query query;

	(void)state;
	assert_int_equal(query_parse(data, UINT16_MAX, &query), QUERY_FORMERR);
	assert_int_equal(query_parse(data, UINT16_MAX + 1, &query), QUERY_DROP);
	free(data);
}

static void test_root(void **state)
{
	struct packet packet = QUESTION("");
	struct query query;

	(void)state;
	assert_int_equal(parse(&packet, &query), QUERY_OK);
	assert_int_equal(query.labels, 0);
	assert_int_equal(query.name_len, 1);
	assert_int_equal(query.label_at[0], 0);
}

/* What the second word of the header alone decides, for all 65536. */
static void test_every_flag_word(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags <= 0xffff; flags++) {
		struct packet packet = QUESTION("\1a");
		struct query query;
		enum query_verdict expected = flags & 0x8000   ? QUERY_DROP
					      : flags & 0x7800 ? QUERY_NOTIMP
							       : QUERY_OK;

		bytes_set_u16(packet.data + 2, (uint16_t)flags);
		assert_int_equal(query_parse(packet.data, packet.len, &query), expected);
		if (expected != QUERY_DROP)
			assert_int_equal(query.flags, flags);
	}
}

static void test_counts(void **state)
{
	static const struct {
		unsigned at;
		uint16_t value;
	} rows[] = {{4, 0}, {4, 2}, {4, 65535}, {6, 1}, {6, 65535}, {8, 1}, {8, 256}, {10, 2},
		{10, 65535}, {10, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct packet packet = QUESTION("\1a");
		struct query query;

		bytes_set_u16(packet.data + rows[i].at, rows[i].value);
		assert_int_equal(parse(&packet, &query), QUERY_FORMERR);
	}
}

static void check_truncations(const struct packet *packet)
{
	struct query query;

	assert_int_equal(parse(packet, &query), QUERY_OK);
	for (size_t len = 0; len < packet->len; len++) {
		struct packet cut = *packet;

		cut.len = len;
		assert_int_equal(parse(&cut, &query), len < 12 ? QUERY_DROP : QUERY_FORMERR);
	}
	for (size_t extra = 1; extra < 4; extra++) {
		struct packet longer = *packet;

		longer.len += extra;
		assert_int_equal(parse(&longer, &query), QUERY_FORMERR);
	}
}

/* Every beginning of a valid question is refused, and never read beyond. */
static void test_every_truncation(void **state)
{
	char name[255];
	struct packet packet;

	(void)state;
	packet = QUESTION("");
	check_truncations(&packet);
	packet = QUESTION("\3www\4shop\3svc");
	check_truncations(&packet);
	add_opt(&packet, 4096, 0x8000, "\0\12\0\10abcdefgh", 12);
	check_truncations(&packet);
	packet = QUESTION("\3www\4shop\3svc");
	add_opt(&packet, 1232, 0, "", 0);
	check_truncations(&packet);
	for (size_t i = 0; i < 127; i++)
		memcpy(name + 2 * i, "\1x", 2);
	name[254] = 0;
	packet = question(name, sizeof name);
	add_opt(&packet, 1232, 0, "\0\3\0\0\0\14\0\4\0\0\0\0", 12);
	check_truncations(&packet);
}

static void test_pointers_and_label_types(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} rows[] = {{"\xc0\x0c", 2}, {"\xc0\x00", 2}, {"\3www\xc0\x0c", 6}, {"\x40", 2},
		{"\x7f", 2}, {"\x80", 2}, {"\xbf", 2}, {"\xff\xff", 2}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct packet packet = question(rows[i].name, rows[i].len);
		struct query query;

		assert_int_equal(parse(&packet, &query), QUERY_FORMERR);
		assert_false(query.has_question);
	}
	/* whether 63 or 64 bytes follow, the length byte decides */
	for (unsigned len = 63; len <= 64; len++) {
		char name[66] = {(char)len};
		struct packet packet;
		struct query query;

		memset(name + 1, 'a', len);
		packet = question(name, len + 2);
		assert_int_equal(parse(&packet, &query), len == 63 ? QUERY_OK : QUERY_FORMERR);
	}
}

static void test_name_limits(void **state)
{
	char name[300];
	struct packet packet;
	struct query query;

	(void)state;
	for (unsigned last = 61; last <= 62; last++) {
		memset(name, 'a', sizeof name);
		name[0] = name[64] = name[128] = 63;
		name[192] = (char)last;
		name[193 + last] = 0;
		packet = question(name, 194 + last);
		assert_int_equal(parse(&packet, &query), last == 61 ? QUERY_OK : QUERY_FORMERR);
	}
	for (unsigned labels = 127; labels <= 128; labels++) {
		for (unsigned i = 0; i < labels; i++)
			memcpy(name + 2 * i, "\1x", 2);
		name[2 * labels] = 0;
		packet = question(name, 2 * labels + 1);
		assert_int_equal(parse(&packet, &query), labels == 127 ? QUERY_OK : QUERY_FORMERR);
		if (labels == 127) {
			assert_int_equal(query.labels, 127);
			assert_int_equal(query.label_at[127], 0);
			assert_int_equal(query.label_at[0], 254);
		}
	}
}

static void test_edns(void **state)
{
	struct packet packet = QUESTION("\1a");
	struct query query;

	(void)state;
	add_opt(&packet, 4096, 0x8000, "\0\12\0\10abcdefgh\0\3\0\0", 16);
	assert_int_equal(parse(&packet, &query), QUERY_OK);
	assert_true(query.has_edns);
	assert_true(query.edns_do);
	assert_int_equal(query.edns_size, 4096);
	packet = QUESTION("\1a");
	add_opt(&packet, 100, 0x7fff, "", 0); /* unknown flags are ignored */
	assert_int_equal(parse(&packet, &query), QUERY_OK);
	assert_false(query.edns_do);
	packet = QUESTION("\1a");
	add_opt(&packet, 1232, 0x00010000, "", 0);
	assert_int_equal(parse(&packet, &query), QUERY_BADVERS);
	assert_true(query.has_edns && query.has_question);
	packet = QUESTION("\1a");
	add_opt(&packet, 1232, 0xff000000, "", 0); /* an extended rcode in a question */
	assert_int_equal(parse(&packet, &query), QUERY_OK);
}

static void test_edns_options(void **state)
{
	char list[4 * 33] = {0};
	struct query query;

	(void)state;
	for (unsigned count = 32; count <= 33; count++) {
		struct packet packet = QUESTION("\1a");

		add_opt(&packet, 1232, 0, list, 4u * count);
		assert_int_equal(parse(&packet, &query), count == 32 ? QUERY_OK : QUERY_FORMERR);
	}
	for (size_t len = 1; len < 7; len++) {
		struct packet packet = QUESTION("\1a");

		add_opt(&packet, 1232, 0, "\0\12\0\3abc", len);
		assert_int_equal(parse(&packet, &query), QUERY_FORMERR);
	}
}

static void test_other_additionals(void **state)
{
	struct packet packet = QUESTION("\1a");
	struct query query;

	(void)state;
	packet.data[11] = 1;
	put(&packet, "\0\0\372\0\377\0\0\0\0\0\0", 11); /* TSIG */
	assert_int_equal(parse(&packet, &query), QUERY_FORMERR);
	assert_true(query.has_question);
	packet = QUESTION("\1a");
	packet.data[11] = 1;
	put(&packet, "\1a\0\0\51\4\320\0\0\0\0\0\0", 13); /* an OPT with an owner */
	assert_int_equal(parse(&packet, &query), QUERY_FORMERR);
	packet = QUESTION("\1a");
	add_opt(&packet, 1232, 0, "", 0);
	add_opt(&packet, 1232, 0, "", 0);
	assert_int_equal(parse(&packet, &query), QUERY_FORMERR);
}

/* An IXFR question for shop. with one record in Authority, given piece by piece. */
static struct packet ixfr(
	const char *owner, size_t owner_len, const char *rr, const char *names, size_t names_len)
{
	struct packet packet = QUESTION("\4shop");
	uint8_t numbers[22] = {0, (uint8_t)(names_len + 20), 0x80, 1, 2, 3};

	packet.data[9] = 1;
	packet.data[packet.len - 3] = TYPE_IXFR;
	put(&packet, owner, owner_len);
	put(&packet, rr, 8);
	put(&packet, numbers, 2);
	put(&packet, names, names_len);
	put(&packet, numbers + 2, 20);
	return packet;
}

#define SOA_RR         "\0\6\0\1\0\0\0\0"
#define IXFR(owner, n) ixfr(owner, sizeof owner - 1, SOA_RR, n, sizeof n - 1)

static void test_ixfr(void **state)
{
	static const char pointer[] = "\xc0\x0c";
	struct packet good[] = {
		IXFR("\xc0\x0c", "\2ns\xc0\x0c\1h\xc0\x0c"), IXFR("\4sHOp\0", "\2ns\4shop\0\1h\0"),
		IXFR("\xc0\x0c", "\0\0"), IXFR("\xc0\x0c", "\xff\xff\xc0\x0c"), /* not followed */
	};
	struct packet bad[] = {
		IXFR("\xc0\x0d", "\0\0"),
		IXFR("\0", "\0\0"),
		IXFR("\4shoq\0", "\0\0"),
		IXFR("\4sho\xc0\x0c", "\0\0"),
		IXFR("\xc0\x0c", "\0"),
		IXFR("\xc0\x0c", "\0\0\0"),
		IXFR("\xc0\x0c", "\x40\0"),
		IXFR("\xc0\x0c", "\x80\0"),
		ixfr(pointer, 2, "\0\2\0\1\0\0\0\0", "\0\0", 2),
		ixfr(pointer, 2, "\0\6\0\3\0\0\0\0", "\0\0", 2),
	};
	struct packet edns, other;
	struct query query;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(parse(&good[i], &query), QUERY_OK);
		assert_true(query.has_serial);
		assert_int_equal(query.serial, 0x80010203);
		check_truncations(&good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(parse(&bad[i], &query), QUERY_FORMERR);
		assert_true(query.has_question);
	}
	edns = good[0];
	add_opt(&edns, 1232, 0x8000, "", 0);
	check_truncations(&edns);
	assert_int_equal(parse(&edns, &query), QUERY_OK);
	assert_true(query.has_serial && query.has_edns);
	/* for no other type, and no second record; without any it is a question, too */
	other = good[0];
	other.data[DNS_HEADER_LEN + 7] = TYPE_AXFR;
	assert_int_equal(parse(&other, &query), QUERY_FORMERR);
	other = good[0];
	other.data[9] = 2;
	assert_int_equal(parse(&other, &query), QUERY_FORMERR);
	other = QUESTION("\4shop");
	other.data[other.len - 3] = TYPE_IXFR;
	assert_int_equal(parse(&other, &query), QUERY_OK);
	assert_false(query.has_serial);
}

/* What ldns writes, we read. */
static void test_ixfr_of_ldns(void **state)
{
	ldns_rdf *zone = ldns_dname_new_frm_str("cluster.local.");
	ldns_rr *soa = NULL;
	ldns_pkt *pkt;
	uint8_t *wire = NULL;
	size_t len = 0;
	struct query query;

	(void)state;
	assert_int_equal(ldns_rr_new_frm_str(&soa,
				 "cluster.local. 5 IN SOA ns.dns.cluster.local. "
				 "hostmaster.cluster.local. 4000000000 7200 1800 86400 5",
				 0, NULL, NULL),
		LDNS_STATUS_OK);
	pkt = ldns_pkt_ixfr_request_new(zone, LDNS_RR_CLASS_IN, 0, soa);
	assert_int_equal(ldns_pkt2wire(&wire, pkt, &len), LDNS_STATUS_OK);
	assert_int_equal(query_parse(wire, len, &query), QUERY_OK);
	assert_int_equal(query.qtype, TYPE_IXFR);
	assert_true(query.has_serial);
	assert_int_equal(query.serial, 4000000000u);
	free(wire);
	ldns_pkt_free(pkt);
}

/* What ldns writes, we read. */
static void test_questions_of_ldns(void **state)
{
	static const char *const names[] = {".", "a.", "www.Example.ORG.",
		"_http._tcp.web.shop.svc.cluster.local.", "a\\.b.c.", "\\000.x."};
	static const ldns_rr_type types[] = {
		LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_SRV, LDNS_RR_TYPE_ANY};

	(void)state;
	for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
		for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
			ldns_rdf *dname = ldns_dname_new_frm_str(names[n]);
			ldns_pkt *pkt =
				ldns_pkt_query_new(dname, types[t], LDNS_RR_CLASS_IN, LDNS_RD);
			uint8_t *wire = NULL;
			size_t len = 0;
			struct query query;
			struct name name;

			ldns_pkt_set_edns_udp_size(pkt, 1400);
			ldns_pkt_set_edns_do(pkt, true);
			assert_int_equal(ldns_pkt2wire(&wire, pkt, &len), LDNS_STATUS_OK);
			assert_int_equal(query_parse(wire, len, &query), QUERY_OK);
			assert_int_equal(query.qtype, types[t]);
			assert_int_equal(query.edns_size, 1400);
			assert_true(query.edns_do);
			name_from_text(names[n], strlen(names[n]), &name);
			assert_int_equal(query.name_len, name.len);
			assert_memory_equal(query.asked, name.wire, name.len);
			free(wire);
			ldns_pkt_free(pkt);
		}
	}
}

static void test_below(void **state)
{
	struct packet packet = QUESTION("\3www\4shop\3SVC");
	struct query query;
	struct name zone;

	(void)state;
	assert_int_equal(query_parse(packet.data, packet.len, &query), QUERY_OK);
	name_from_text("shop.svc", 8, &zone);
	assert_true(query_below(&query, &zone));
	name_from_text("hop.svc", 7, &zone);
	assert_false(query_below(&query, &zone));
	name_from_text("a.www.shop.svc", 14, &zone);
	assert_false(query_below(&query, &zone));
	name_from_text(".", 1, &zone);
	assert_true(query_below(&query, &zone));
	/* bytes inside a label that look like the zone, and an offset left from before */
	packet = QUESTION("\6xx\1a\1b");
	memset(query.label_at, 3, sizeof query.label_at);
	assert_int_equal(query_parse(packet.data, packet.len, &query), QUERY_OK);
	name_from_text("a.b", 3, &zone);
	assert_memory_equal(query.name + 3, zone.wire, zone.len);
	assert_false(query_below(&query, &zone));
	/* a zone that is longer than what is left of the buffer */
	memset(&zone, 0, sizeof zone);
	zone.labels = 1;
	zone.len = 255;
	assert_false(query_below(&query, &zone));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_every_flag_word),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_pointers_and_label_types),
		cmocka_unit_test(test_name_limits),
		cmocka_unit_test(test_edns),
		cmocka_unit_test(test_edns_options),
		cmocka_unit_test(test_other_additionals),
		cmocka_unit_test(test_ixfr),
		cmocka_unit_test(test_ixfr_of_ldns),
		cmocka_unit_test(test_questions_of_ldns),
		cmocka_unit_test(test_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

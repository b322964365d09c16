/* SPDX-License-Identifier: Apache-2.0 */
/* Questions changed at random, always the same ones; ldns reads along. */
#include "dns/wire/query.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OPT_LEN 17 /* with the option below */

static const uint8_t usual[12 + 14 + 4 + OPT_LEN] = "\x12\x34\1\0\0\1\0\0\0\0\0\1"
						    "\3wWw\4sHop\3svc\0\0\1\0\1"
						    "\0\0\51\4\320\0\0\0\0\0\6\0\12\0\2ab";

/* What was let through means the same to ldns. */
static void check_with_ldns(const uint8_t *packet, size_t len, const struct query *query)
{
	ldns_pkt *pkt = NULL;
	ldns_rr *asked;

	assert_int_equal(ldns_wire2pkt(&pkt, packet, len), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_qdcount(pkt), 1);
	asked = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	assert_int_equal(ldns_pkt_id(pkt), query->id);
	assert_int_equal(ldns_rr_get_type(asked), query->qtype);
	assert_int_equal(ldns_rr_get_class(asked), query->qclass);
	assert_int_equal(ldns_rdf_size(ldns_rr_owner(asked)), query->name_len);
	assert_memory_equal(ldns_rdf_data(ldns_rr_owner(asked)), query->asked, query->name_len);
	assert_int_equal(ldns_pkt_edns(pkt), query->has_edns);
	assert_int_equal(ldns_pkt_edns_udp_size(pkt), query->edns_size);
	assert_int_equal(ldns_pkt_edns_do(pkt), query->edns_do);
	ldns_pkt_free(pkt);
}

static void check_name(const struct query *query)
{
	size_t at = 0;

	assert_int_equal(name_wire_check(query->name, query->name_len), query->name_len);
	for (unsigned i = query->labels; i > 0; i--) {
		assert_int_equal(query->label_at[i], at);
		at += query->name[at] + 1u;
	}
	assert_int_equal(query->label_at[0], at);
	assert_int_equal(query->name_len, at + 1);
	assert_true(name_equal(query->name, query->asked));
}

/* Any bytes: no crash, no read beyond the packet, and what comes out holds
 * together. Many rounds end in each verdict, or this shows nothing. */
static void test_random_bytes(void **state)
{
	unsigned seed = 1, seen[QUERY_BADVERS + 1] = {0};

	(void)state;
	for (int round = 0; round < 200000; round++) {
		bool edns = round % 4;
		size_t len = edns ? sizeof usual : sizeof usual - OPT_LEN;
		enum query_verdict verdict;
		struct query query;
		uint8_t *packet;

		if (rand_r(&seed) % 8 == 0)
			len = (size_t)rand_r(&seed) % len;
		/* exactly as large as the packet, so that a read beyond it is seen */
		packet = malloc(len ? len : 1);
		memcpy(packet, usual, len);
		if (len > 11)
			packet[11] = edns;
		for (int i = rand_r(&seed) % 4; i > 0 && len > 0; i--)
			packet[(size_t)rand_r(&seed) % len] = (uint8_t)rand_r(&seed);
		memset(&query, 0xee, sizeof query);
		verdict = query_parse(packet, len, &query);
		seen[verdict]++;
		if (verdict != QUERY_DROP && query.has_question)
			check_name(&query);
		if (verdict == QUERY_OK)
			check_with_ldns(packet, len, &query);
		free(packet);
	}
	for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
		assert_true(seen[i] > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

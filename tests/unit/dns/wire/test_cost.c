/* SPDX-License-Identifier: Apache-2.0 */
/* What a packet may cost, in basic blocks executed and so the same in every run:
 * the wire code is linked here in a build of its own that calls the compiler's
 * coverage hook at each. No packet costs more than a name of 127 labels with 32
 * options does, and what a refused one costs does not grow with its length. */
#include "dns/wire/bytes.h"
#include "dns/wire/query.h"
#include "dns/wire/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* How many ordinary questions the dearest valid one may cost: its name alone has 25
 * times the labels. */
#define DEAREST_TIMES 12

static unsigned long blocks;

void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
	blocks++;
}

static uint8_t packet[65535];

static size_t header(unsigned questions, unsigned additionals)
{
	memset(packet, 0, sizeof packet);
	packet[5] = (uint8_t)questions;
	packet[11] = (uint8_t)additionals;
	return DNS_HEADER_LEN;
}

static size_t add(size_t at, const void *data, size_t len)
{
	memcpy(packet + at, data, len);
	return at + len;
}

static unsigned long cost(size_t len, enum query_verdict expected)
{
	struct query query;

	blocks = 0;
	assert_int_equal(query_parse(packet, len, &query), expected);
	return blocks;
}

/* An ordinary question with a cookie. */
static unsigned long cost_of_usual(void)
{
	static const char name[] = "\3web\7default\3svc\7cluster\5local";
	size_t len = add(header(1, 1), name, sizeof name);

	len = add(len, "\0\1\0\1", 4);
	len = add(len, "\0\0\51\4\320\0\0\0\0\0\14\0\12\0\10abcdefgh", 23);
	return cost(len, QUERY_OK);
}

static unsigned long cost_of_options(unsigned count, enum query_verdict expected)
{
	size_t len = header(1, 1);

	for (unsigned i = 0; i < 127; i++)
		len = add(len, "\1X", 2);
	len = add(len, "\0\0\1\0\1\0\0\51\4\320\0\0\0\0", 14);
	bytes_set_u16(packet + len, (uint16_t)(4 * count));
	return cost(len + 2 + 4 * count, expected);
}

static void test_dearest(void **state)
{
	unsigned long usual = cost_of_usual();
	unsigned long dearest = cost_of_options(32, QUERY_OK);

	(void)state;
	assert_true(usual > 10); /* else nothing is counted */
	assert_true(dearest > usual);
	assert_true(dearest <= DEAREST_TIMES * usual);
	/* sixteen thousand options are not looked at */
	assert_true(cost_of_options(16000, QUERY_FORMERR) <= dearest + 32);
}

/* The gate: what is refused there costs the same at 18 bytes and at 65,535. */
static void test_gate(void **state)
{
	unsigned long usual = cost_of_usual();
	static const struct {
		unsigned at;
		uint8_t value;
		enum query_verdict expected;
	} rows[] = {{2, 0x80, QUERY_DROP}, {2, 0x20, QUERY_NOTIMP}, {5, 2, QUERY_FORMERR},
		{7, 1, QUERY_FORMERR}, {9, 1, QUERY_FORMERR}, {11, 2, QUERY_FORMERR},
		{12, 0xc0, QUERY_FORMERR}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned long small;

		header(1, 0);
		packet[rows[i].at] = rows[i].value;
		small = cost(18, rows[i].expected);
		assert_true(small <= usual / 2);
		assert_int_equal(cost(sizeof packet, rows[i].expected), small);
	}
}

/* A pointer is never followed: not to itself, not in a chain of thousands. */
static void test_pointer_chains(void **state)
{
	unsigned long usual = cost_of_usual();
	size_t len = header(1, 0);

	(void)state;
	while (len + 4 < 0x3fff) {
		bytes_set_u16(packet + len, (uint16_t)(0xc000u | (len + 2)));
		len += 2;
	}
	assert_true(cost(len, QUERY_FORMERR) <= usual / 2);
}

/* Any bytes at all. */
static void test_random(void **state)
{
	unsigned long dearest = cost_of_options(32, QUERY_OK);
	unsigned seed = 7;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct query query;
		size_t len = 300;

		header(1, round % 2);
		for (size_t i = DNS_HEADER_LEN; i < len; i++)
			packet[i] = (uint8_t)(rand_r(&seed) % (round % 3 ? 256 : 4));
		blocks = 0;
		query_parse(packet, len, &query);
		assert_true(blocks <= dearest + 32);
	}
}

/* Records of one length are copied, not walked: 4,000 cost what 2 cost. */
static void test_fixed_records(void **state)
{
	static uint8_t rrs[4000 * 16], out[65535];
	unsigned long costs[2];
	struct query query;
	size_t len = add(header(1, 0), "\1a\0\0\1\0\1", 7);

	(void)state;
	assert_int_equal(query_parse(packet, len, &query), QUERY_OK);
	for (size_t i = 0; i < 2; i++) {
		struct reply reply;
		size_t count = i ? 4000 : 2;

		reply_begin(&reply, &query, out, reply_limit(&query, true));
		blocks = 0;
		assert_int_equal(reply_put_fixed(&reply, REPLY_ANSWER, rrs, 16, count, 1), count);
		costs[i] = blocks;
	}
	assert_true(costs[0] > 0);
	assert_int_equal(costs[0], costs[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dearest),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_pointer_chains),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_fixed_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

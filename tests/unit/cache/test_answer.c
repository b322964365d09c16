/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns/wire/type.h"

/* An A RRset of 10.0.0.0, 10.0.0.2, 10.0.0.4 ... */
static struct answer *even_addresses(uint32_t count, uint32_t dashed_count)
{
	struct answer *answer = calloc(1, sizeof *answer + count * ANSWER_A_LEN);

	assert_non_null(answer);
	*answer = (struct answer){TYPE_A, ANSWER_A_LEN, count, dashed_count, count * ANSWER_A_LEN};
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t rr[ANSWER_A_LEN] = {0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0,
			(uint8_t)(2 * i >> 8), (uint8_t)(2 * i)};

		memcpy(answer->rr + i * ANSWER_A_LEN, rr, sizeof rr);
	}
	return answer;
}

static void finds_by_address(void **state)
{
	(void)state;
	for (uint32_t count = 0; count <= 300; count = count < 20 ? count + 1 : count * 2) {
		struct answer *answer = even_addresses(count, count / 2);

		for (uint32_t i = 0; i < 2 * count + 2; i++) {
			const uint8_t addr[] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};

			assert_int_equal(answer_find(answer, addr),
				i % 2 == 0 && i / 2 < count / 2 ? (int64_t)i / 2 : -1);
		}
		free(answer);
	}
}

static const uint8_t question[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};

static void begin(struct query *query, struct reply *reply, uint8_t *buf, uint16_t limit)
{
	assert_int_equal(query_parse(question, sizeof question, query), QUERY_OK);
	reply_begin(reply, query, buf, limit);
}

static void puts_from_a_place_on(void **state)
{
	struct answer *answer = even_addresses(10, 10);
	struct query query;
	struct reply reply;
	uint8_t buf[512];

	(void)state;
	begin(&query, &reply, buf, sizeof buf);
	answer_put(answer, 0, 10, 13, &reply, REPLY_ANSWER);
	assert_int_equal(reply.count[REPLY_ANSWER], 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_memory_equal(buf + reply.body + i * ANSWER_A_LEN,
			answer->rr + (i + 3) % 10 * ANSWER_A_LEN, ANSWER_A_LEN);
	begin(&query, &reply, buf, sizeof buf);
	answer_put(answer, 7, 1, 12345, &reply, REPLY_ANSWER);
	assert_int_equal(reply.count[REPLY_ANSWER], 1);
	assert_memory_equal(buf + reply.body, answer->rr + 7 * ANSWER_A_LEN, ANSWER_A_LEN);
	free(answer);
}

static void puts_records_of_any_length(void **state)
{
	static const char records[] = "\xC0\x0C\0\2\0\1\0\0\0\5\0\4\1x\xC0\x0C"
				      "\1y\2zz\xC0\x0C\0\2\0\1\0\0\0\5\0\3\1y\0"
				      "\1y\2zz\0\0\2\0\1\0\0\0\5\0\0";
	const size_t len = sizeof records - 1;
	struct answer *answer = calloc(1, sizeof *answer + len);
	struct query query;
	struct reply reply;
	uint8_t buf[512];

	(void)state;
	*answer = (struct answer){TYPE_NS, 0, 3, 0, (uint32_t)len};
	memcpy(answer->rr, records, len);
	begin(&query, &reply, buf, sizeof buf);
	answer_put(answer, 0, 3, 7, &reply, REPLY_AUTHORITY);
	assert_int_equal(reply.count[REPLY_AUTHORITY], 3);
	assert_memory_equal(buf + reply.body, records, len);
	free(answer);
}

static void stops_where_it_is_full(void **state)
{
	struct answer *answer = even_addresses(100, 100);
	struct query query;
	struct reply reply;
	uint8_t buf[512];

	(void)state;
	begin(&query, &reply, buf, sizeof buf);
	answer_put(answer, 0, 100, 90, &reply, REPLY_ANSWER);
	assert_int_equal(reply.count[REPLY_ANSWER], (512 - sizeof question) / ANSWER_A_LEN);
	assert_true(reply.full);
	assert_memory_equal(
		buf + reply.body + 12 * ANSWER_A_LEN, answer->rr + 2 * ANSWER_A_LEN, ANSWER_A_LEN);
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_address),
		cmocka_unit_test(puts_from_a_place_on),
		cmocka_unit_test(puts_records_of_any_length),
		cmocka_unit_test(stops_where_it_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

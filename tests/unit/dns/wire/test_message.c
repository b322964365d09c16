/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/wire/message.h"
#include "dns/wire/type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER(an, ns, ar) "\xab\xcd\x81\x83\0\1\0" an "\0" ns "\0" ar
#define QUESTION           "\3www\7Example\3org\0\0\1\0\1"
#define A_RECORD           "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7"

static struct message open_text(const char *data, size_t len)
{
	struct message message;

	assert_true(message_open((const uint8_t *)data, len, &message));
	return message;
}

static void test_header_and_question(void **state)
{
	static const char data[] = HEADER("\1", "\0", "\0") QUESTION A_RECORD;
	const struct message message = open_text(data, sizeof data - 1);

	(void)state;
	assert_int_equal(message.id, 0xabcd);
	assert_int_equal(message.rcode, RCODE_NXDOMAIN);
	assert_true(message.flags & DNS_FLAG_RA);
	assert_int_equal(message.counts[REPLY_ANSWER], 1);
	assert_int_equal(message.qtype, TYPE_A);
	assert_int_equal(message.qclass, CLASS_IN);
	assert_int_equal(message.name_len, 17);
	assert_memory_equal(message.name, "\3www\7Example\3org", 17);
	assert_int_equal(message.body, 12 + 17 + 4);
}

static void test_no_reply(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} cases[] = {
		{HEADER("\0", "\0", "\0"), 11}, {HEADER("\0", "\0", "\0"), 12},
		{"\0\0\1\0\0\1\0\0\0\0\0\0" QUESTION, 12 + 21},            /* a question */
		{"\0\0\xa0\0\0\1\0\0\0\0\0\0" QUESTION, 12 + 21},          /* NOTIFY */
		{"\0\0\x80\0\0\0\0\0\0\0\0\0" QUESTION, 12 + 21},          /* no question */
		{"\0\0\x80\0\0\2\0\0\0\0\0\0" QUESTION QUESTION, 12 + 42}, /* two */
		{HEADER("\0", "\0", "\0") QUESTION, 12 + 20},              /* cut */
		{HEADER("\0", "\0", "\0") "\xc0\x0c\0\1\0\1", 12 + 6},     /* a loop */
		{HEADER("\0", "\0", "\0") "\x40x\0\0\1\0\1", 12 + 7},      /* no label */
		{HEADER("\0", "\0", "\0") "\xc0\x00\0\1\0\1", 12 + 6},     /* header */
	};
	struct message message;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_false(message_open((const uint8_t *)cases[i].data, cases[i].len, &message));
}

static void test_records(void **state)
{
	static const char data[] =
		HEADER("\2", "\1", "\1") QUESTION A_RECORD A_RECORD "\xc0\x10\0\6\0\1\x80\0\0\1\0\0"
								    "\0\0\x29\4\xd0\0\0\0\0\0\0";
	const struct message message = open_text(data, sizeof data - 1);
	struct message_walk walk;
	struct record record;
	uint8_t name[NAME_MAX_LEN], len;

	(void)state;
	message_walk(&message, &walk);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(message_next(&walk, &record));
		assert_int_equal(record.section, REPLY_ANSWER);
		assert_int_equal(record.type, TYPE_A);
		assert_int_equal(record.ttl_s, 60);
		assert_int_equal(record.rdata_len, 4);
		assert_memory_equal(message.data + record.rdata, "\xc0\0\2\7", 4);
		assert_int_equal(message_name(&message, record.owner, name, &len), 2);
		assert_int_equal(len, 17);
	}
	assert_true(message_next(&walk, &record));
	assert_int_equal(record.section, REPLY_AUTHORITY);
	assert_int_equal(record.ttl_s, 0); /* RFC 2181 section 8 */
	assert_int_equal(message_name(&message, record.owner, name, &len), 2);
	assert_memory_equal(name, "\7Example\3org", 13);
	assert_true(message_next(&walk, &record));
	assert_int_equal(record.section, REPLY_ADDITIONAL);
	assert_int_equal(record.type, TYPE_OPT);
	assert_false(message_next(&walk, &record));
	assert_false(walk.bad);
}

static void test_cut_anywhere(void **state)
{
	static const char data[] = HEADER("\1", "\0", "\1") QUESTION A_RECORD A_RECORD;

	(void)state;
	for (size_t len = 12 + 21; len < sizeof data - 1; len++) {
		const struct message message = open_text(data, len);
		struct message_walk walk;
		struct record record;

		message_walk(&message, &walk);
		while (message_next(&walk, &record))
			assert_true(record.rdata + record.rdata_len <= len);
		assert_true(walk.bad);
	}
}

/* Nothing but pointers, each to the one before. */
static void test_pointer_chain(void **state)
{
	uint8_t data[12 + 4 + 1 + 2 * 200] = {0};
	struct message message;
	uint8_t name[NAME_MAX_LEN], len;
	size_t at;

	(void)state;
	memcpy(data, HEADER("\0", "\0", "\0"), 12);
	data[16] = 1; /* the root, type 0, class 1 */
	assert_true(message_open(data, sizeof data, &message));
	for (unsigned i = 0; i < 200; i++) {
		at = 17 + 2 * (size_t)i;
		bytes_set_u16(data + at, (uint16_t)(0xc000 | (i ? at - 2 : 12)));
	}
	assert_int_equal(message_name(&message, 17 + 2 * 5, name, &len), 2);
	assert_int_equal(len, 1);
	assert_int_equal(message_name(&message, 17 + 2 * 199, name, &len), 0);
	bytes_set_u16(data + 17, 0xc000 | 19); /* forwards */
	assert_int_equal(message_name(&message, 17, name, &len), 0);
	assert_int_equal(message_name(&message, sizeof data, name, &len), 0);
}

static void test_long_names(void **state)
{
	uint8_t data[12 + 300] = {0};
	struct message message = {.data = data, .len = sizeof data};
	uint8_t name[NAME_MAX_LEN], len;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		data[12 + 64 * i] = 63;
	data[12 + 192] = 61; /* 3 * 64 + 62 + 1 = 255 */
	assert_int_equal(message_name(&message, 12, name, &len), 255);
	assert_int_equal(len, 255);
	data[12 + 192] = 62;
	assert_int_equal(message_name(&message, 12, name, &len), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_and_question),
		cmocka_unit_test(test_no_reply),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_pointer_chain),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/wire/address_set.h"
#include "dns/wire/type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 4000

static uint8_t asked[QUERY_ASKED_MAX], out[65535];
static struct query query;
static struct reply reply;

static int begin(void **state)
{
	(void)state;
	query_make((const uint8_t *)"\3Web\4shop\0", 10, TYPE_A, asked, &query);
	reply_begin(&reply, &query, out, UINT16_MAX);
	return 0;
}

static void put_a(enum reply_section section, uint16_t owner_at, uint8_t last)
{
	const uint8_t address[4] = {10, 0, 0, last};

	assert_true(reply_put_rr(&reply, section, owner_at, TYPE_A, 100u + last, address, 4));
}

/* An address whose owner is written out. */
static void put_written(const char *owner, size_t owner_len, uint8_t last)
{
	uint8_t rr[64] = {0};

	memcpy(rr, owner, owner_len);
	memcpy(rr + owner_len, "\0\1\0\1\0\0\0\7\0\4\12\0\0", 13);
	rr[owner_len + 13] = last;
	assert_true(reply_put(&reply, REPLY_ADDITIONAL, rr, owner_len + 14));
}

struct seen {
	unsigned sets;
	unsigned count[8];
	uint16_t type[8];
	uint8_t first[8]; /* last byte of its first address */
	bool reverse;
	uint8_t owner[NAME_MAX_LEN];
};

static void visit(void *ctx, struct address_set *set)
{
	struct seen *seen = ctx;

	assert_in_range(seen->sets, 0, 7);
	seen->count[seen->sets] = set->count;
	seen->type[seen->sets] = set->type;
	seen->first[seen->sets++] = address_set_get(set, 0)[set->rdata_len - 1];
	memcpy(seen->owner, set->owner, set->owner_len);
	for (size_t i = 0; seen->reverse && i < set->count / 2u; i++)
		address_set_swap(set, i, set->count - 1u - i);
}

/* Nothing to put in order: none, one, two that are no set. */
static void test_none(void **state)
{
	struct seen seen = {0};

	(void)state;
	address_sets_each(&reply, visit, &seen);
	put_a(REPLY_ANSWER, DNS_HEADER_LEN, 1);
	address_sets_each(&reply, visit, &seen);
	put_a(REPLY_ANSWER, DNS_HEADER_LEN + 4, 2);     /* another owner */
	put_a(REPLY_ADDITIONAL, DNS_HEADER_LEN + 4, 3); /* another section */
	address_sets_each(&reply, visit, &seen);
	assert_int_equal(seen.sets, 0);
}

static void test_swap(void **state)
{
	struct seen seen = {.reverse = true};

	(void)state;
	reply_put_rr(
		&reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_CNAME, 5, (const uint8_t *)"\300\20", 2);
	for (uint8_t i = 1; i <= 3; i++)
		put_a(REPLY_ANSWER, DNS_HEADER_LEN, i);
	address_sets_each(&reply, visit, &seen);
	assert_int_equal(seen.sets, 1);
	assert_int_equal(seen.count[0], 3);
	assert_int_equal(seen.first[0], 1);
	assert_memory_equal(seen.owner, "\3web\4shop\0", 10);
	/* with its TTL, and nothing but these two */
	assert_memory_equal(out + reply.body, "\300\14\0\5\0\1\0\0\0\5\0\2\300\20", 14);
	assert_memory_equal(out + reply.body + 14, "\300\14\0\1\0\1\0\0\0\147\0\4\12\0\0\3", 16);
	assert_memory_equal(out + reply.body + 30, "\300\14\0\1\0\1\0\0\0\146\0\4\12\0\0\2", 16);
	assert_memory_equal(out + reply.body + 46, "\300\14\0\1\0\1\0\0\0\145\0\4\12\0\0\1", 16);
}

/* What parts one set from the next: type, section, owner, another record. */
static void test_borders(void **state)
{
	static const uint8_t v6[16] = {0xfd, [15] = 9};
	struct seen seen = {0};

	(void)state;
	for (uint8_t i = 0; i < 2; i++)
		put_a(REPLY_ANSWER, DNS_HEADER_LEN, i);
	for (uint8_t i = 0; i < 3; i++)
		reply_put_rr(&reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_AAAA, 5, v6, 16);
	reply_put_rr(&reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_TXT, 5, (const uint8_t *)"", 1);
	/* four bytes, and of another class or type */
	reply_put_rr(&reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_AAAA, 5, v6, 4);
	reply_put_rr(&reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 5, v6, 16);
	put_a(REPLY_AUTHORITY, DNS_HEADER_LEN, 1);
	put_a(REPLY_AUTHORITY, DNS_HEADER_LEN, 2);
	put_written("\1x\0", 3, 4);
	put_written("\1X\0", 3, 5);
	put_written("\1y\0", 3, 6);
	put_a(REPLY_ADDITIONAL, DNS_HEADER_LEN, 7);
	put_a(REPLY_ADDITIONAL, DNS_HEADER_LEN, 8);
	address_sets_each(&reply, visit, &seen);
	assert_int_equal(seen.sets, 4);
	assert_int_equal(seen.count[0], 2);
	assert_int_equal(seen.type[1], TYPE_AAAA);
	assert_int_equal(seen.count[1], 3);
	assert_int_equal(seen.first[2], 4);
	assert_int_equal(seen.count[2], 2);
	assert_int_equal(seen.first[3], 7);
	assert_int_equal(seen.count[3], 2);
}

/* As many as a message holds. */
static void test_many(void **state)
{
	static const uint8_t root[15] = {0, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0, 1, 0, 4};
	struct seen seen = {.reverse = true};

	(void)state;
	while (reply_put(&reply, REPLY_ANSWER, root, sizeof root))
		continue;
	assert_in_range(reply.count[REPLY_ANSWER], MANY, ADDRESS_SET_MAX);
	address_sets_each(&reply, visit, &seen);
	assert_int_equal(seen.sets, 1);
	assert_int_equal(seen.count[0], reply.count[REPLY_ANSWER]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_none, begin),
		cmocka_unit_test_setup(test_swap, begin),
		cmocka_unit_test_setup(test_borders, begin),
		cmocka_unit_test_setup(test_many, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

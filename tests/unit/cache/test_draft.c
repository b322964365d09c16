/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/address_sort.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns/wire/type.h"
#include "nomem.h"

static const uint8_t key[] = {3, 'w', 'e', 'b', 3, 's', 'v', 'c'};

/* Everything a rule may do, in one draft. */
static void fill(struct draft *draft)
{
	static const uint8_t addr[16] = {10, 0, 0, 1}, owner[] = {1, 'n', 0};

	draft_begin(draft, key, sizeof key, ENTRY_HEADLESS);
	draft_open(draft, SLOT_ENDPOINTS_A, TYPE_A);
	draft_address(draft, 4, addr);
	draft_close(draft, 1);
	draft_alias(draft, SLOT_ENDPOINTS_A, SLOT_A);
	draft_open(draft, SLOT_AAAA, TYPE_AAAA);
	draft_address(draft, 6, addr);
	draft_close(draft, 0);
	draft_end(draft);
	draft_begin(draft, key + 4, 4, ENTRY_FIXED);
	draft_open(draft, SLOT_NAME, TYPE_NS);
	draft_record(draft, NULL, 0, owner, sizeof owner);
	draft_record(draft, owner, sizeof owner, owner, sizeof owner);
	draft_close(draft, 0);
	for (unsigned i = 0; i < 20; i++)
		draft_item(draft, i % 2 ? "h" : NULL, i % 3 ? 4 : 6, addr, 0);
	draft_end(draft);
}

static void lays_out_entries(void **state)
{
	static const char a[] = "\xC0\x0C\0\1\0\1\0\0\0\7\0\4\12\0\0\1";
	const struct answer *answer;
	const struct entry *entry;
	struct draft draft;

	(void)state;
	draft_init(&draft, 7);
	fill(&draft);
	assert_int_equal(draft.error, 0);
	assert_int_equal(draft.name_count, 2);
	entry = (const void *)draft_entry(&draft, &draft.names[0]);
	assert_int_equal(entry->kind, ENTRY_HEADLESS);
	assert_int_equal(entry->size, draft.names[0].entry_len);
	assert_int_equal(entry->size, sizeof *entry + 2 * sizeof *answer + 16 + 28);
	answer = entry_answer(entry, SLOT_A);
	assert_ptr_equal(answer, entry_answer(entry, SLOT_ENDPOINTS_A));
	assert_int_equal(answer->count, 1);
	assert_int_equal(answer->dashed_count, 1);
	assert_int_equal(answer->stride, ANSWER_A_LEN);
	assert_int_equal(answer->bytes, 16);
	assert_memory_equal(answer->rr, a, 16);
	answer = entry_answer(entry, SLOT_AAAA);
	assert_int_equal(answer->type, TYPE_AAAA);
	assert_int_equal(answer->stride, ANSWER_AAAA_LEN);
	assert_null(entry_answer(entry, SLOT_NAME));
	entry = (const void *)draft_entry(&draft, &draft.names[1]);
	answer = entry_answer(entry, SLOT_NAME);
	assert_int_equal(answer->count, 2);
	assert_int_equal(answer->stride, 0);
	assert_int_equal(answer->bytes, 2 + 10 + 3 + 3 + 10 + 3);
	draft_free(&draft);
}

/* The same input gives the same bytes, whatever was in the buffer before. */
static void leaves_nothing_to_chance(void **state)
{
	struct draft one, two;

	(void)state;
	draft_init(&one, 7);
	draft_init(&two, 7);
	fill(&one);
	fill(&two);
	memset(two.buf, 0xEE, two.cap);
	draft_reset(&two);
	fill(&two);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.buf, two.buf, one.len);
	draft_free(&one);
	draft_free(&two);
}

static void errors_stick(void **state)
{
	unsigned failures = 0;

	(void)state;
	for (unsigned nth = 1;; nth++) {
		struct draft draft;
		int error;

		draft_init(&draft, 7);
		nomem_at(nth);
		fill(&draft);
		nomem_at(0);
		error = draft.error;
		draft_reset(&draft);
		assert_int_equal(draft.error, 0);
		draft_free(&draft);
		if (!error)
			break;
		assert_int_equal(error, -ENOMEM);
		failures++;
	}
	assert_true(failures >= 4);
}

static void gives_large_memory_back(void **state)
{
	static const uint8_t addr[16];
	struct draft draft;

	(void)state;
	draft_init(&draft, 7);
	for (unsigned i = 0; i < 10000; i++)
		draft_item(&draft, NULL, 6, addr, 0);
	draft_reset(&draft);
	assert_int_equal(draft.item_cap, 0);
	draft_item(&draft, NULL, 6, addr, 0);
	draft_reset(&draft);
	assert_int_not_equal(draft.item_cap, 0);
	draft_free(&draft);
}

/* Two slices may have the same address, with other ports. */
static void plain_addresses_come_once(void **state)
{
	static const char records[] = "\xC0\x0C\0\1\0\1\0\0\0\7\0\4\12\0\0\1"
				      "\xC0\x0C\0\1\0\1\0\0\0\7\0\4\12\0\0\2";
	static const uint8_t addr[][4] = {{10, 0, 0, 2}, {10, 0, 0, 1}, {10, 0, 0, 2}};
	const struct answer *answer;
	struct draft draft;

	(void)state;
	draft_init(&draft, 7);
	draft_begin(&draft, key, sizeof key, ENTRY_HEADLESS);
	draft_open(&draft, SLOT_A, TYPE_A);
	assert_int_equal(draft_plain(&draft), 0);
	assert_true(plain_begin(&draft.plain, 3));
	for (uint32_t i = 0; i < 3; i++)
		plain_add(&draft.plain, addr[i], i);
	plain_sort(&draft.plain);
	assert_int_equal(draft_plain(&draft), 2);
	draft_close(&draft, 2);
	draft_end(&draft);
	answer = entry_answer((const void *)draft_entry(&draft, &draft.names[0]), SLOT_A);
	assert_int_equal(answer->count, 2);
	assert_int_equal(answer->bytes, 32);
	assert_memory_equal(answer->rr, records, 32);
	assert_true(plain_begin(&draft.plain, 100000));
	draft_reset(&draft);
	assert_int_equal(draft.plain.cap, 0);
	draft_free(&draft);
}

static bool is(const struct draft_item *item, const char *host, uint8_t first)
{
	const bool same_host = host ? item->host && strcmp(item->host, host) == 0 : !item->host;

	return same_host && item->addr[0] == first;
}

static void sorts(void **state)
{
	struct draft_item items[] = {{"A", NULL, 6, {1}, 0}, {"b", NULL, 4, {2}, 0},
		{NULL, NULL, 4, {2}, 0}, {"B", NULL, 4, {1}, 0}};

	(void)state;
	address_sort(items, 4);
	assert_true(is(&items[0], "B", 1));
	assert_true(is(&items[1], NULL, 2));
	assert_true(is(&items[2], "b", 2));
	assert_true(is(&items[3], "A", 1));
	assert_int_equal(draft_compare(&items[1], &items[2]), 0);
	items[1].host = "c";
	draft_sort_by_host(items, 4);
	assert_true(is(&items[0], "A", 1));
	assert_true(is(&items[1], "B", 1));
	assert_true(is(&items[2], "b", 2));
	assert_true(is(&items[3], "c", 2));
}

static void sorts_by_cluster(void **state)
{
	struct draft_item items[] = {{"a", "west", 4, {1}, 0}, {"a", "East", 4, {3}, 0},
		{"a", "east", 4, {2}, 0}, {"A", NULL, 4, {4}, 0}};

	(void)state;
	draft_sort_by_host(items, 4);
	assert_true(is(&items[0], "A", 4));
	assert_true(is(&items[1], "a", 2));
	assert_true(is(&items[2], "a", 3));
	assert_true(is(&items[3], "a", 1));
	assert_int_equal(draft_compare_names(&items[1], &items[2]), 0);
	assert_int_not_equal(draft_compare_names(&items[0], &items[1]), 0);
	items[0].cluster = "z";
	draft_sort_by_cluster(items, 4);
	assert_true(is(&items[3], "A", 4));
}

/* They stay where they are, however many come, until the next owner. */
static void keeps_texts(void **state)
{
	struct draft draft;
	const char *texts[500];
	char text[64];

	(void)state;
	draft_init(&draft, 5);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(text, sizeof text, "%032u", i);
		texts[i] = draft_text(&draft, text);
	}
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(strtoul(texts[i], NULL, 10), i);
	draft_reset(&draft);
	assert_null(draft.texts);
	draft_text(&draft, "x");
	draft_free(&draft);
}

static void says_nameless(void **state)
{
	struct draft draft;
	struct entry entry;

	(void)state;
	draft_init(&draft, 5);
	draft_begin(&draft, key, sizeof key, ENTRY_HEADLESS);
	draft_nameless(&draft);
	draft_end(&draft);
	memcpy(&entry, draft_entry(&draft, &draft.names[0]), sizeof entry);
	assert_int_equal(entry.nameless, 1);
	draft_free(&draft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lays_out_entries),
		cmocka_unit_test(leaves_nothing_to_chance),
		cmocka_unit_test(errors_stick),
		cmocka_unit_test(gives_large_memory_back),
		cmocka_unit_test(plain_addresses_come_once),
		cmocka_unit_test(sorts),
		cmocka_unit_test(sorts_by_cluster),
		cmocka_unit_test(keeps_texts),
		cmocka_unit_test(says_nameless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

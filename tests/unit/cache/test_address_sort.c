/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/address_sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nomem.h"

#define MOST 3000

static uint32_t state_of_chance = 1;

static uint32_t draw(uint32_t below)
{
	state_of_chance = state_of_chance * 1664525u + 1013904223u;
	return (state_of_chance >> 8) % below;
}

/* Few addresses, so that some are equal; list tells the order from before. */
static void items_make(struct draft_item *items, size_t n, unsigned families, uint32_t spread)
{
	for (size_t i = 0; i < n; i++) {
		items[i] = (struct draft_item){
			.family = draw(2) < families ? 4 : 6, .list = (uint32_t)i};
		items[i].host = draw(3) ? NULL : "h";
		items[i].addr[0] = 10;
		items[i].addr[1] = (uint8_t)draw(spread);
		items[i].addr[3] = (uint8_t)draw(spread);
		if (items[i].family == 6)
			items[i].addr[15] = (uint8_t)draw(spread);
	}
}

static void is_in_order(const struct draft_item *a, const struct draft_item *b)
{
	const int order = draft_compare(a, b);

	assert_true(order <= 0);
	if (order == 0)
		assert_true((a->host != NULL) <= (b->host != NULL));
	if (order == 0 && (a->host != NULL) == (b->host != NULL))
		assert_true(a->list < b->list);
}

static void any_number_of_items(void **state)
{
	static const size_t counts[] = {0, 1, 2, 3, 63, 64, 65, 256, 257, MOST};
	struct draft_item *items = calloc(MOST, sizeof *items);
	uint8_t *seen = calloc(MOST, 1);

	(void)state;
	assert_non_null(items);
	assert_non_null(seen);
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		for (unsigned round = 0; round < 12; round++) {
			const size_t n = counts[c];

			items_make(items, n, round % 3, round < 6 ? 4 : 256);
			nomem_at(round % 4); /* the first, the second, or neither */
			address_sort(items, n);
			nomem_at(0);
			memset(seen, 0, MOST);
			for (size_t i = 0; i < n; i++)
				seen[items[i].list] = 1;
			assert_true(n == 0 || !memchr(seen, 0, n));
			for (size_t i = 1; i < n; i++)
				is_in_order(&items[i - 1], &items[i]);
		}
	}
	free(items);
	free(seen);
}

static void what_is_in_order_stays(void **state)
{
	struct draft_item items[100] = {{.family = 0}}, before[100];

	(void)state;
	for (uint8_t i = 0; i < 100; i++)
		items[i] = (struct draft_item){.family = 4, .addr = {10, i / 2u}, .list = i};
	memcpy(before, items, sizeof before);
	address_sort(items, 100);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(items[i].list, before[i].list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_of_items),
		cmocka_unit_test(what_is_in_order_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

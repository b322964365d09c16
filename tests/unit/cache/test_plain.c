/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/plain.h"

#include <setjmp.h>
#include <stdarg.h>
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

/* Few addresses where spread is small, so that some are equal. */
static void addr_make(uint32_t spread, uint8_t *addr)
{
	addr[0] = spread > 200 ? (uint8_t)draw(spread) : 10;
	addr[1] = (uint8_t)draw(2);
	addr[2] = (uint8_t)draw(spread);
	addr[3] = (uint8_t)draw(spread);
}

static void fill(struct plain *plain, size_t n, uint32_t spread, uint32_t lists)
{
	assert_true(plain_begin(plain, n));
	for (size_t i = 0; i < n; i++) {
		uint8_t addr[4];

		addr_make(spread, addr);
		plain_add(plain, addr, draw(lists));
	}
}

static int order(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void is_sorted(struct plain *plain)
{
	const size_t size = plain->count * sizeof *plain->number;
	uint64_t *wanted = malloc(size + 1);

	assert_non_null(wanted);
	if (size) {
		memcpy(wanted, plain->number, size);
		qsort(wanted, plain->count, sizeof *wanted, order);
	}
	plain_sort(plain);
	if (size)
		assert_memory_equal(plain->number, wanted, size);
	free(wanted);
}

static void any_number_is_sorted(void **state)
{
	static const size_t counts[] = {0, 1, 2, 3, 255, 256, 257, 1000, MOST};
	struct plain plain = {.count = 0};

	(void)state;
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		for (unsigned round = 0; round < 12; round++) {
			fill(&plain, counts[c], round < 6 ? 4 : 256, 1 + 2 * (round % 3));
			assert_int_equal(plain.count, counts[c]);
			is_sorted(&plain);
			is_sorted(&plain); /* what is in order stays */
		}
	}
	plain_free(&plain);
}

/* n addresses from base on, each but `twice` once, in an order that is none. */
static void fill_distinct(struct plain *plain, size_t n, uint32_t base, uint32_t step, bool twice)
{
	assert_true(plain_begin(plain, n));
	for (size_t i = 0; i < n; i++) {
		const uint32_t at = (uint32_t)(i * 7919 % n); /* a prime that n is no multiple of */
		uint8_t addr[4];

		bytes_set_u32(addr, base + (twice && at == n - 1 ? at - 1 : at) * step);
		plain_add_all(plain, addr, 1, 77);
	}
}

static void distinct_addresses_of_one_list(void **state)
{
	static const size_t counts[] = {63, 64, 65, 300, MOST};
	static const uint32_t steps[] = {1, 2, 31, 32, 60, 64, 128, 100000};
	static const uint32_t bases[] = {0, 0x0a000000, 0x0a0000ff, 0x0afffff0, 0xc0000201};
	struct plain plain = {.count = 0};

	(void)state;
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
			for (size_t b = 0; b < sizeof bases / sizeof *bases; b++) {
				fill_distinct(&plain, counts[c], bases[b], steps[s], false);
				is_sorted(&plain);
				fill_distinct(&plain, counts[c], bases[b], steps[s], true);
				is_sorted(&plain);
				assert_int_equal(plain_list(&plain, 0), 77);
			}
		}
	}
	plain_free(&plain);
}

static void runs_end_where_something_differs(void **state)
{
	static const uint8_t addrs[] = {10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 3, 10, 0, 0, 4};
	struct plain plain = {.count = 0};

	(void)state;
	assert_true(plain_begin(&plain, 6));
	plain_add_all(&plain, addrs, 4, 5);
	assert_int_equal(plain_run(&plain, 0), 4);
	assert_int_equal(plain_run(&plain, 3), 1);
	plain_add(&plain, addrs + 12, 5); /* the same once more */
	assert_int_equal(plain_run(&plain, 0), 4);
	assert_int_equal(plain_run(&plain, 4), 1);
	plain_add(&plain, addrs + 12, 6); /* in another list */
	assert_int_equal(plain_run(&plain, 4), 1);
	plain_free(&plain);
}

/* The first of those with the address, and none that is not there. */
static void finds_the_first(void **state)
{
	struct plain plain = {.count = 0};
	uint8_t addr[4];

	(void)state;
	addr_make(4, addr);
	assert_int_equal(plain_find(&plain, addr), 0);
	fill(&plain, 300, 32, 3);
	plain_sort(&plain);
	for (unsigned round = 0; round < 3000; round++) {
		size_t at = 0, found;

		addr_make(40, addr);
		while (at < plain.count && plain_address(&plain, at) != bytes_u32(addr))
			at++;
		found = plain_find(&plain, addr);
		assert_int_equal(found, at);
		if (found < plain.count)
			assert_true(plain_starts(&plain, found));
	}
	plain_free(&plain);
}

static void keeps_address_and_list(void **state)
{
	static const uint8_t addr[] = {255, 254, 253, 252};
	struct plain plain = {.count = 0};

	(void)state;
	assert_true(plain_begin(&plain, 2));
	plain_add(&plain, addr, UINT32_MAX);
	plain_add(&plain, addr, 0);
	plain_sort(&plain);
	assert_int_equal(plain_address(&plain, 0), 0xfffefdfcu);
	assert_int_equal(plain_list(&plain, 0), 0);
	assert_int_equal(plain_list(&plain, 1), UINT32_MAX);
	assert_true(plain_starts(&plain, 0));
	assert_false(plain_starts(&plain, 1));
	plain_free(&plain);
}

static void without_memory(void **state)
{
	struct plain plain = {.count = 0};

	(void)state;
	fill(&plain, 10, 4, 1);
	nomem_at(1);
	assert_false(plain_begin(&plain, 100));
	nomem_at(0);
	assert_int_equal(plain.count, 0);
	assert_true(plain_begin(&plain, 0));
	fill(&plain, 100, 4, 1);
	is_sorted(&plain);
	plain_free(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_is_sorted),
		cmocka_unit_test(distinct_addresses_of_one_list),
		cmocka_unit_test(runs_end_where_something_differs),
		cmocka_unit_test(finds_the_first),
		cmocka_unit_test(keeps_address_and_list),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

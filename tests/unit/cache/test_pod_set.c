/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/pod_set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/pods.h"
#include "nomem.h"

#define SPACES 300

static const uint8_t secret[16] = "0123456789abcde";

struct fixture {
	struct epoch_bin bin;
	struct pod_set set;
	uint64_t base;
	struct pod_space spaces[SPACES];
};

static int setup_width(void **state, uint8_t width)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	assert_int_equal(pod_set_init(&f->set, width, secret, &f->bin), 0);
	f->base = f->set.bytes;
	*state = f;
	return 0;
}

static int setup_v4(void **state)
{
	return setup_width(state, 4);
}

static int setup_v6(void **state)
{
	return setup_width(state, 16);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pod_set_free(&f->set);
	epoch_bin_free(&f->bin);
	free(f);
	return 0;
}

/* The nth address; no two are the same. */
static const uint8_t *addr_of(uint32_t n)
{
	static uint8_t addr[16];

	memset(addr, 0xfd, sizeof addr);
	memcpy(addr, &n, sizeof n);
	return addr;
}

static int add(struct fixture *f, uint32_t n, unsigned space)
{
	const int rc = pod_set_reserve(&f->set, 1);

	if (!rc)
		pod_set_add(&f->set, addr_of(n), &f->spaces[space]);
	return rc;
}

static void take(struct fixture *f, uint32_t n, unsigned space)
{
	pod_set_remove(&f->set, addr_of(n), &f->spaces[space]);
}

/* How many are found at an address; *sum: of (number + 1) of each. */
static unsigned found(struct fixture *f, uint32_t n, unsigned long *sum)
{
	uint8_t addr[16];
	struct pod_walk walk;
	const struct pod_space *space;
	unsigned count = 0;

	memcpy(addr, addr_of(n), sizeof addr);
	walk = pod_set_walk(&f->set, addr);
	for (*sum = 0; (space = pod_set_next(&walk)); count++)
		*sum += (unsigned long)(space - f->spaces) + 1;
	assert_null(pod_set_next(&walk));
	return count;
}

static void expect_at(int line, struct fixture *f, uint32_t n, unsigned count, unsigned long sum)
{
	unsigned long got_sum;
	const unsigned got = found(f, n, &got_sum);

	if (got != count || got_sum != sum)
		fail_msg("line %d: %u found, sum %lu", line, got, got_sum);
}
#define expect(f, n, count, sum) expect_at(__LINE__, f, n, count, sum)

static void pairs_are_counted(void **state)
{
	struct fixture *f = *state;

	expect(f, 7, 0, 0);
	assert_int_equal(add(f, 7, 0), 0);
	assert_int_equal(add(f, 7, 0), 0);
	assert_int_equal(add(f, 7, 1), 0);
	assert_int_equal(add(f, 8, 2), 0);
	expect(f, 7, 2, 1 + 2);
	take(f, 7, 0);
	expect(f, 7, 2, 1 + 2);
	take(f, 7, 0);
	expect(f, 7, 1, 2);
	take(f, 7, 1);
	expect(f, 7, 0, 0);
	expect(f, 8, 1, 3);
}

/* More than a slot can count: it takes another one, and all of them must go. */
static void counts_run_over(void **state)
{
	struct fixture *f = *state;
	unsigned long sum;

	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(add(f, 7, 5), 0);
	assert_int_equal(found(f, 7, &sum), 4);
	for (unsigned i = 0; i < 999; i++)
		take(f, 7, 5);
	expect(f, 7, 1, 6);
	take(f, 7, 5);
	expect(f, 7, 0, 0);
}

/* One address in many namespaces, and its neighbours in the table. */
static void one_address_many_namespaces(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < SPACES; i++) {
		assert_int_equal(add(f, 7, i), 0);
		assert_int_equal(add(f, 1000 + i, i), 0);
	}
	expect(f, 7, SPACES, SPACES * (SPACES + 1) / 2);
	for (unsigned i = 0; i < SPACES; i++)
		expect(f, 1000 + i, 1, i + 1);
	for (unsigned i = 0; i < SPACES - 1; i++)
		take(f, 7, i);
	expect(f, 7, 1, SPACES);
}

static void grows_and_shrinks(void **state)
{
	struct fixture *f = *state;
	const uint64_t slot = sizeof(void *) + f->set.width + 1u;

	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(add(f, i, i % SPACES), 0);
	/* A slot is taken to 4/7 at least, to 4/5 at most. */
	assert_in_range(f->set.bytes, 20000 * slot * 5 / 4, 20000 * slot * 7 / 4 + 1000);
	for (uint32_t i = 0; i < 20000; i++)
		expect(f, i, 1, i % SPACES + 1);
	expect(f, 20000, 0, 0);
	for (uint32_t i = 0; i < 20000; i++)
		take(f, i, i % SPACES);
	assert_in_range(f->set.bytes, 1, 4 * f->base);
	expect(f, 1, 0, 0);
}

/* Tombstones alone must not fill the table: a probe would never end. */
static void tombstones_are_cleaned(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 100000; i++) {
		assert_int_equal(add(f, i, 0), 0);
		take(f, i, 0);
		epoch_reclaim(&f->bin);
	}
	assert_in_range(f->set.bytes, 1, 2 * f->base);
	expect(f, 99999, 0, 0);
}

/* An address that comes back needs no new slot. */
static void tombstones_are_used_again(void **state)
{
	struct fixture *f = *state;
	const void *table;

	assert_int_equal(add(f, 1, 1), 0);
	table = atomic_load(&f->set.table);
	for (uint32_t i = 0; i < 1000; i++) {
		pod_set_add(&f->set, addr_of(9), &f->spaces[i % SPACES]);
		expect(f, 9, 1, i % SPACES + 1);
		take(f, 9, i % SPACES);
	}
	assert_ptr_equal(table, atomic_load(&f->set.table));
}

static void survives_without_memory(void **state)
{
	struct fixture *f = *state;
	struct pod_set none = {.width = 0};
	unsigned failures = 0;
	uint8_t addr[16] = {0};
	struct pod_walk walk;

	nomem_at(1);
	assert_int_equal(pod_set_init(&none, 4, secret, &f->bin), -ENOMEM);
	nomem_at(0);
	pod_set_free(&none);
	walk = pod_set_walk(&none, addr); /* a zeroed set is an empty one */
	assert_null(pod_set_next(&walk));
	for (uint32_t i = 0; i < 2000; i++) {
		int rc;

		nomem_at(1);
		rc = add(f, i, i % SPACES);
		nomem_at(0);
		if (!rc)
			continue;
		failures++;
		assert_int_equal(rc, -ENOMEM);
		expect(f, i, 0, 0);
		assert_int_equal(add(f, i, i % SPACES), 0);
	}
	assert_true(failures > 5);
	nomem_at(1); /* it stays large */
	for (uint32_t i = 0; i < 2000; i++) {
		take(f, i, i % SPACES);
		expect(f, i, 0, 0);
	}
	nomem_at(0);
}

#define CASE(function)                                                                             \
	{#function " v4", function, setup_v4, teardown, NULL},                                     \
	{                                                                                          \
#function " v6", function, setup_v6, teardown, NULL                                \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pairs_are_counted),
		CASE(counts_run_over),
		CASE(one_address_many_namespaces),
		CASE(grows_and_shrinks),
		CASE(tombstones_are_cleaned),
		CASE(tombstones_are_used_again),
		CASE(survives_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/reverse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nomem.h"

static const uint8_t secret[16] = "0123456789abcde";

struct fixture {
	struct epoch_bin bin;
	struct reverse reverse;
	struct node nodes[600];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	assert_int_equal(reverse_init(&f->reverse, secret, &f->bin), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reverse_free(&f->reverse);
	epoch_bin_free(&f->bin);
	free(f);
	return 0;
}

/* How often each node is found under a hash, as a sum of (number + 1). */
static unsigned long found(struct fixture *f, uint32_t hash, unsigned *count)
{
	struct reverse_walk walk = reverse_walk(&f->reverse, hash);
	const struct node *node;
	unsigned long sum = 0;

	*count = 0;
	while ((node = reverse_next(&walk))) {
		sum += (unsigned long)(node - f->nodes) + 1;
		++*count;
	}
	assert_null(reverse_next(&walk));
	return sum;
}

static void expect(struct fixture *f, uint32_t hash, unsigned count, unsigned long sum)
{
	unsigned got;

	assert_int_equal(found(f, hash, &got), sum);
	assert_int_equal(got, count);
}

static void one_and_many(void **state)
{
	struct fixture *f = *state;

	expect(f, 7, 0, 0);
	assert_int_equal(reverse_add(&f->reverse, 7, &f->nodes[0]), 0);
	expect(f, 7, 1, 1);
	/* Neighbours in the table, of another hash. */
	assert_int_equal(reverse_add(&f->reverse, 7 + 64, &f->nodes[9]), 0);
	expect(f, 7, 1, 1);
	expect(f, 7 + 64, 1, 10);
	for (unsigned i = 1; i < 600; i++)
		assert_int_equal(reverse_add(&f->reverse, 7, &f->nodes[i]), 0);
	expect(f, 7, 600, 600 * 601 / 2);
	for (unsigned i = 0; i < 599; i++)
		reverse_remove(&f->reverse, 7, &f->nodes[i]);
	expect(f, 7, 1, 600);
	reverse_remove(&f->reverse, 7, &f->nodes[3]); /* not there */
	reverse_remove(&f->reverse, 8, &f->nodes[3]);
	expect(f, 7, 1, 600);
	/* What left makes room: no growth while as many come as go. */
	for (unsigned i = 0; i < 3000; i++) {
		assert_int_equal(reverse_add(&f->reverse, 7, &f->nodes[i % 599]), 0);
		reverse_remove(&f->reverse, 7, &f->nodes[i % 599]);
		epoch_reclaim(&f->bin);
	}
	expect(f, 7, 1, 600);
	reverse_remove(&f->reverse, 7, &f->nodes[599]);
	expect(f, 7, 0, 0);
	expect(f, 7 + 64, 1, 10);
}

static void grows_and_shrinks(void **state)
{
	struct fixture *f = *state;
	const uint64_t base = f->reverse.bytes;

	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(
			reverse_add(&f->reverse, (i + 1) * 2654435761u, &f->nodes[i % 600]), 0);
	assert_in_range(f->reverse.bytes, 20000 * 12, 20000 * 32 + 100);
	for (uint32_t i = 0; i < 20000; i++)
		expect(f, (i + 1) * 2654435761u, 1, i % 600 + 1);
	for (uint32_t i = 0; i < 20000; i++)
		reverse_remove(&f->reverse, (i + 1) * 2654435761u, &f->nodes[i % 600]);
	assert_in_range(f->reverse.bytes, 1, 2 * base);
	expect(f, 2654435761u, 0, 0);
}

/* Tombstones alone must not fill the table: a probe would never end. */
static void tombstones_are_cleaned(void **state)
{
	struct fixture *f = *state;
	const uint64_t base = f->reverse.bytes;

	for (uint32_t i = 0; i < 100000; i++) {
		assert_int_equal(reverse_add(&f->reverse, (i + 1) * 2654435761u, &f->nodes[0]), 0);
		reverse_remove(&f->reverse, (i + 1) * 2654435761u, &f->nodes[0]);
		epoch_reclaim(&f->bin);
	}
	assert_int_equal(f->reverse.bytes, base);
}

static void hashes_are_keyed(void **state)
{
	static const uint8_t v4[16] = {10, 0, 0, 1}, v6[16] = {0xfd, [15] = 1};
	struct fixture *f = *state;
	struct reverse other = {.bytes = 0};
	const uint32_t hash = reverse_hash(&f->reverse, 4, v4);

	assert_int_equal(hash, reverse_hash(&f->reverse, 4, v4));
	assert_int_not_equal(hash, reverse_hash(&f->reverse, 6, v4));
	assert_int_not_equal(reverse_hash(&f->reverse, 6, v6), reverse_hash(&f->reverse, 6, v4));
	assert_int_equal(reverse_init(&other, (const uint8_t *)"another secret..", &f->bin), 0);
	assert_int_not_equal(hash, reverse_hash(&other, 4, v4));
	reverse_free(&other);
}

static void survives_without_memory(void **state)
{
	struct fixture *f = *state;
	struct reverse none = {.bytes = 0};
	unsigned failures = 0;

	nomem_at(1);
	assert_int_equal(reverse_init(&none, secret, &f->bin), -ENOMEM);
	nomem_at(0);
	reverse_free(&none);
	for (uint32_t i = 0; i < 2000; i++) {
		const uint32_t hash = i % 3 ? (i + 1) * 2654435761u : 5;
		unsigned before, after;
		const unsigned long sum = found(f, hash, &before);
		int rc;

		nomem_at(1);
		rc = reverse_add(&f->reverse, hash, &f->nodes[i % 600]);
		nomem_at(0);
		if (!rc)
			continue;
		failures++;
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(found(f, hash, &after), sum);
		assert_int_equal(after, before);
		assert_int_equal(reverse_add(&f->reverse, hash, &f->nodes[i % 600]), 0);
	}
	assert_true(failures > 5);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_and_many),
		CASE(grows_and_shrinks),
		CASE(tombstones_are_cleaned),
		CASE(hashes_are_keyed),
		CASE(survives_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

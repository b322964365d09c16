/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/sieve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sieve sieve;
static struct sieve_link links[8];
static const struct sieve_link *dead_one;

static bool is_dead(void *user, const struct sieve_link *link)
{
	(void)user;
	return link == dead_one;
}

static int setup(void **state)
{
	(void)state;
	sieve = (struct sieve){0};
	dead_one = NULL;
	for (unsigned i = 0; i < 5; i++)
		sieve_add(&sieve, &links[i], false);
	return 0;
}

static int evict(void)
{
	struct sieve_link *link = sieve_victim(&sieve, is_dead, NULL);

	if (!link)
		return -1;
	sieve_remove(&sieve, link);
	return (int)(link - links);
}

static void oldest_first(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(evict(), i);
	assert_int_equal(evict(), -1);
	sieve_add(&sieve, &links[3], false);
	assert_int_equal(evict(), 3);
}

/* The hand goes on where it was, and what it has passed had its visit taken back. */
static void visited_stay(void **state)
{
	(void)state;
	sieve_visit(&links[0]);
	sieve_visit(&links[1]);
	sieve_visit(&links[1]);
	assert_int_equal(evict(), 2);
	sieve_add(&sieve, &links[5], false);
	assert_int_equal(evict(), 3);
	assert_int_equal(evict(), 4);
	assert_int_equal(evict(), 5);
	assert_int_equal(evict(), 0);
	assert_int_equal(evict(), 1);
}

static void all_visited(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		sieve_visit(&links[i]);
	assert_int_equal(evict(), 0);
	assert_int_equal(evict(), 1);
}

static void added_as_visited(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		sieve_remove(&sieve, &links[i]);
	sieve_add(&sieve, &links[6], true);
	sieve_add(&sieve, &links[7], false);
	assert_int_equal(evict(), 7);
	assert_int_equal(evict(), 6);
}

static void dead_go_though_visited(void **state)
{
	(void)state;
	sieve_visit(&links[0]);
	sieve_visit(&links[1]);
	dead_one = &links[1];
	assert_int_equal(evict(), 1);
	dead_one = NULL;
	assert_int_equal(evict(), 2);
}

/* Also the one under the hand. */
static void removed_in_any_order(void **state)
{
	(void)state;
	sieve_visit(&links[0]);
	assert_int_equal(evict(), 1); /* the hand is at 2 */
	sieve_remove(&sieve, &links[2]);
	sieve_remove(&sieve, &links[4]);
	assert_int_equal(evict(), 3); /* and, behind the newest, at the oldest again */
	sieve_remove(&sieve, &links[0]);
	assert_null(sieve.oldest);
	assert_null(sieve.newest);
	assert_int_equal(evict(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(oldest_first, setup),
		cmocka_unit_test_setup(visited_stay, setup),
		cmocka_unit_test_setup(all_visited, setup),
		cmocka_unit_test_setup(added_as_visited, setup),
		cmocka_unit_test_setup(dead_go_though_visited, setup),
		cmocka_unit_test_setup(removed_in_any_order, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

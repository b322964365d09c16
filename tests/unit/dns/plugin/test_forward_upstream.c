/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/forward_upstream.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_times(void **state)
{
	struct upstream_state upstream = {0};

	(void)state;
	assert_int_equal(upstream_patience_ms(&upstream), UPSTREAM_PATIENCE_NEW_MS);
	/* RFC 6298 section 2.2 */
	upstream_replied(&upstream, 1000, 40000);
	assert_int_equal(upstream.srtt_us, 40000);
	assert_int_equal(upstream.deviation_us, 20000);
	assert_int_equal(upstream_patience_ms(&upstream), 120);
	/* section 2.3 */
	upstream_replied(&upstream, 1100, 80000);
	assert_int_equal(upstream.srtt_us, 45000);
	assert_int_equal(upstream.deviation_us, 25000);
	/* not known how long it took: nothing is learned of times */
	upstream_replied(&upstream, 1200, 0);
	assert_int_equal(upstream.srtt_us, 45000);
	assert_int_equal(upstream.replied_ms, 1200);
	upstream_replied(&upstream, 1300, 5000000);
	assert_int_equal(upstream_patience_ms(&upstream), UPSTREAM_PATIENCE_MAX_MS);
	for (int i = 0; i < 200; i++)
		upstream_replied(&upstream, 1400, 1);
	assert_true(upstream.srtt_us >= 1); /* 0 would be "not measured" */
	assert_int_equal(upstream_patience_ms(&upstream), UPSTREAM_PATIENCE_MIN_MS);
	upstream_replied(&upstream, 1500, UINT32_MAX);
	assert_int_equal(upstream_patience_ms(&upstream), UPSTREAM_PATIENCE_MAX_MS);
}

static void test_missing(void **state)
{
	struct upstream_state upstream = {0};

	(void)state;
	upstream_missed(&upstream, 500);
	assert_int_equal(upstream_rank(&upstream, 600), UPSTREAM_MISSING);
	upstream_replied(&upstream, 700, 1000);
	assert_int_equal(upstream_rank(&upstream, 700), UPSTREAM_GOOD);
	/* it answered another question since: a packet was lost */
	upstream_missed(&upstream, 650);
	assert_int_equal(upstream_rank(&upstream, 800), UPSTREAM_GOOD);
	upstream_missed(&upstream, 701);
	assert_int_equal(upstream_rank(&upstream, 800), UPSTREAM_MISSING);
}

static void test_down(void **state)
{
	struct upstream_state upstream = {0};

	(void)state;
	assert_false(upstream_probe_failed(&upstream, 2));
	assert_int_equal(upstream_rank(&upstream, 0), UPSTREAM_MISSING);
	assert_false(upstream_probe_failed(&upstream, 2));
	assert_true(upstream_probe_failed(&upstream, 2));
	assert_int_equal(upstream_rank(&upstream, 0), UPSTREAM_DOWN);
	/* told once */
	assert_false(upstream_probe_failed(&upstream, 2));
	upstream_replied(&upstream, 10, 0);
	assert_int_equal(upstream_rank(&upstream, 10), UPSTREAM_GOOD);
	/* and counted from the start */
	assert_false(upstream_probe_failed(&upstream, 2));
	assert_false(upstream_probe_failed(&upstream, 2));
	assert_true(upstream_probe_failed(&upstream, 2));
	upstream = (struct upstream_state){0};
	for (int i = 0; i < 100; i++)
		assert_false(upstream_probe_failed(&upstream, 0));
	assert_int_equal(upstream_rank(&upstream, 0), UPSTREAM_MISSING);
}

static void test_ranks(void **state)
{
	struct upstream_state upstream = {0};

	(void)state;
	assert_int_equal(upstream_rank(&upstream, 5000), UPSTREAM_GOOD);
	upstream_was_lame(&upstream, 5000);
	assert_int_equal(upstream_rank(&upstream, 5000), UPSTREAM_LAME);
	assert_int_equal(upstream_rank(&upstream, 4999 + UPSTREAM_LAME_MS), UPSTREAM_LAME);
	assert_int_equal(upstream_rank(&upstream, 5000 + UPSTREAM_LAME_MS), UPSTREAM_GOOD);
	upstream.missing = true;
	assert_int_equal(upstream_rank(&upstream, 5000), UPSTREAM_MISSING);
	upstream.down = true;
	assert_int_equal(upstream_rank(&upstream, 5000), UPSTREAM_DOWN);
	upstream.looping = true;
	assert_int_equal(upstream_rank(&upstream, 5000), UPSTREAM_LOOPING);
}

/* ---- choosing ---- */

#define COUNT 4

struct set {
	struct upstream_state state[COUNT];
	const struct upstream_state *at[COUNT];
};

static void set_init(struct set *set)
{
	*set = (struct set){0};
	for (unsigned i = 0; i < COUNT; i++)
		set->at[i] = &set->state[i];
}

static int choose(const struct set *set, uint32_t tried, enum upstream_policy policy,
	uint32_t random, uint32_t turn)
{
	return upstream_choose(set->at, COUNT, tried, policy, random, turn, 1000);
}

static const enum upstream_policy policies[] = {
	POLICY_QUICKEST, POLICY_RANDOM, POLICY_ROUND_ROBIN, POLICY_SEQUENTIAL};

/* Whatever the policy: the best rank first, one after the other, and none twice. */
static void test_best_rank_first(void **state)
{
	struct set set;

	(void)state;
	set_init(&set);
	set.state[0].down = true;
	set.state[1].missing = true;
	set.state[2].lame_until_ms = 2000;
	set.state[0].srtt_us = 1;
	for (unsigned i = 0; i < 4; i++) {
		for (uint32_t random = 0; random < 300; random++) {
			assert_int_equal(choose(&set, 0, policies[i], random, random), 3);
			assert_int_equal(choose(&set, 8, policies[i], random, random), 2);
			assert_int_equal(choose(&set, 12, policies[i], random, random), 1);
			assert_int_equal(choose(&set, 14, policies[i], random, random), 0);
			assert_int_equal(choose(&set, 15, policies[i], random, random), -1);
		}
	}
}

static void test_looping_is_never_asked(void **state)
{
	struct set set;

	(void)state;
	set_init(&set);
	for (unsigned i = 0; i < COUNT; i++)
		set.state[i].looping = true;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(choose(&set, 0, policies[i], 7, 7), -1);
	set.state[1].looping = false;
	set.state[1].down = true;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(choose(&set, 0, policies[i], 7, 7), 1);
	assert_int_equal(upstream_choose(set.at, 0, 0, POLICY_RANDOM, 1, 1, 0), -1);
}

static void test_policies(void **state)
{
	unsigned seen[COUNT] = {0};
	struct set set;

	(void)state;
	set_init(&set);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(choose(&set, 0, POLICY_SEQUENTIAL, i * 77, i), 0);
		assert_int_equal(choose(&set, 1, POLICY_SEQUENTIAL, i * 77, i), 1);
		assert_int_equal(choose(&set, 0, POLICY_ROUND_ROBIN, i * 77, i), (int)(i % COUNT));
	}
	for (uint32_t i = 0; i < 400; i++)
		seen[choose(&set, 0, POLICY_RANDOM, i, 0)]++;
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(seen[i], 100);
}

/* Of those about as quick as the quickest any, and now and then another one. */
static void test_quickest(void **state)
{
	unsigned seen[COUNT] = {0};
	struct set set;

	(void)state;
	set_init(&set);
	set.state[0].srtt_us = 20000;
	set.state[1].srtt_us = 39000;
	set.state[2].srtt_us = 200000;
	set.state[3].srtt_us = 41000;
	for (uint32_t i = 0; i < 64 * 400; i++)
		seen[choose(&set, 0, POLICY_QUICKEST, i, 0)]++;
	assert_in_range(seen[2], 90, 110);
	assert_in_range(seen[3], 90, 110);
	assert_in_range(seen[0], 12000, 13000);
	assert_in_range(seen[1], 12000, 13000);
	/* 5 ms is near, however quick the quickest is */
	set.state[0].srtt_us = 100;
	set.state[1].srtt_us = 5100;
	seen[0] = seen[1] = 0;
	for (uint32_t i = 0; i < 6400; i++)
		seen[choose(&set, 12, POLICY_QUICKEST, i, 0)]++;
	assert_in_range(seen[1], 3000, 3400);
	set.state[1].srtt_us = 5101;
	for (uint32_t i = 1; i < 64; i++)
		assert_int_equal(choose(&set, 12, POLICY_QUICKEST, i, 0), 0);
}

/* One of which nothing is known is measured soon, whatever the others take. */
static void test_quickest_measures_new_ones(void **state)
{
	unsigned seen = 0;
	struct set set;

	(void)state;
	set_init(&set);
	set.state[0].srtt_us = set.state[1].srtt_us = 300;
	set.state[2].srtt_us = 90000;
	for (uint32_t i = 0; i < 640; i++)
		seen += choose(&set, 0, POLICY_QUICKEST, i, 0) == 3;
	assert_true(seen > 150);
}

/* The sums of times do not overflow. */
static void test_quickest_of_the_slowest(void **state)
{
	struct set set;

	(void)state;
	set_init(&set);
	for (unsigned i = 0; i < COUNT; i++)
		set.state[i].srtt_us = UINT32_MAX - i;
	for (uint32_t i = 0; i < 640; i++)
		assert_in_range(choose(&set, 0, POLICY_QUICKEST, i, 0), 0, COUNT - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_best_rank_first),
		cmocka_unit_test(test_looping_is_never_asked),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_quickest),
		cmocka_unit_test(test_quickest_measures_new_ones),
		cmocka_unit_test(test_quickest_of_the_slowest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a look-up was good for, once it is over: for those who wait, and for those who ask
 * next. */
#include "dns/plugin/forward_lookup.h"

#include "forward_world.h"

/* ---- telling ---- */

struct listener {
	struct waiter waiter;
	struct finding *finding;
	unsigned told;
};

static void on_told(struct waiter *waiter, struct finding *finding)
{
	struct listener *listener = (struct listener *)(void *)waiter;

	listener->told++;
	listener->finding = finding;
}

static void test_all_who_wait_are_told(void **state)
{
	struct listener listeners[3] = {0};
	struct outcome *outcome = outcome_new();

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		listeners[i].waiter =
			(struct waiter){on_told, i < 2 ? &listeners[i + 1].waiter : NULL};
	outcome_say(outcome, EDE_NETWORK_ERROR, "%s: %s", "192.0.2.1:53", "no reply");
	waiters_tell(&listeners[0].waiter, outcome);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(listeners[i].told, 1);
		assert_ptr_equal(listeners[i].finding, &outcome->finding);
	}
	assert_string_equal(outcome->error, "192.0.2.1:53: no reply");
	/* the last reference frees it */
	for (unsigned i = 0; i < 3; i++)
		listeners[i].finding->release(listeners[i].finding);
	/* nobody waits; and there was no memory */
	waiters_tell(NULL, outcome_new());
	waiters_tell(NULL, NULL);
	waiters_tell(&listeners[2].waiter, NULL);
	assert_int_equal(listeners[2].told, 2);
	assert_null(listeners[2].finding);
}

static void test_words_longer_than_there_is_room(void **state)
{
	struct outcome *outcome = outcome_new();
	char words[400];

	(void)state;
	memset(words, 'x', sizeof words - 1);
	words[sizeof words - 1] = 0;
	outcome_say(outcome, EDE_OTHER, "%s", words);
	assert_int_equal(strlen(outcome->error), sizeof outcome->error - 1);
	waiters_tell(NULL, outcome);
}

/* ---- those who ask next ---- */

#define HELD "cache {\nservfail 5m\n}\nforward . UP0 {\nread_timeout 100ms\nhealth_check 50ms\n}\n"

static void test_a_failure_is_held(void **state)
{
	struct world *world = world_open(1, HELD);

	(void)state;
	assert_string_equal(world_answer(world, "web.test", SAY_RCODE, RCODE_SERVFAIL), "SERVFAIL");
	for (unsigned i = 0; i < 10; i++) {
		world_ask(world, "web.test", TYPE_A);
		assert_string_equal(world_hear(world), "SERVFAIL");
	}
	ups_quiet(world, 20);
	/* that question alone */
	assert_string_equal(
		world_answer(world, "other.test", SAY_ADDRESS, 7), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* It failed because nobody answered: when somebody does, it counts no more. */
static void test_a_held_failure_is_released_when_upstreams_are_back(void **state)
{
	struct world *world = world_open(1, HELD);
	struct up_asked asked;

	(void)state;
	up_shut(&world->up[0]);
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	pump_for(world, 1000); /* an outage */
	up_return(&world->up[0]);
	up_probed(world, 0, 2);
	pump_for(world, 50);
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

static void test_no_failure_is_held_where_it_is_off(void **state)
{
	struct world *world = world_open(1, "cache {\nservfail 0\n}\nforward . UP0\n");

	(void)state;
	assert_string_equal(world_answer(world, "web.test", SAY_RCODE, RCODE_SERVFAIL), "SERVFAIL");
	assert_string_equal(
		world_answer(world, "web.test", SAY_ADDRESS, 7), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* What the directive leaves out is asked each time. */
static void test_disabled(void **state)
{
	struct world *world = world_open(1, "cache {\ndisable denial\n}\nforward . UP0\n");

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		assert_string_equal(world_answer(world, "no.test", SAY_NXDOMAIN, 0), "NXDOMAIN");
	assert_string_equal(
		world_answer(world, "web.test", SAY_ADDRESS, 7), "NOERROR 192.0.2.7 ttl 30");
	world_ask(world, "web.test", TYPE_A);
	assert_non_null(strstr(world_hear(world), "192.0.2.7"));
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_who_wait_are_told),
		cmocka_unit_test(test_words_longer_than_there_is_room),
		cmocka_unit_test(test_a_failure_is_held),
		cmocka_unit_test(test_a_held_failure_is_released_when_upstreams_are_back),
		cmocka_unit_test(test_no_failure_is_held_where_it_is_off),
		cmocka_unit_test(test_disabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Upstreams that come and go, and what is told of it. */
#include "forward_world.h"

static void test_the_first_probe(void **state)
{
	struct world *world = world_open(1, "forward . UP0\n");
	const struct up_asked *probe = &world->up[0].last_probe;

	(void)state;
	assert_string_equal(probe->name, ".");
	assert_int_equal(probe->type, TYPE_NS);
	assert_int_equal(probe->conn, -1);
	assert_int_equal(probe->data[2], 1); /* RD */
	/* an upstream that is well is not probed again */
	pump_for(world, 700);
	assert_int_equal(world->up[0].probes, 1);
	world_close(world);
}

static void test_how_it_probes(void **state)
{
	struct world *world =
		world_open(1, "forward . UP0 {\nhealth_check 1s no_rec domain Corp.test\n}\n");
	const struct up_asked *probe = &world->up[0].last_probe;

	(void)state;
	assert_string_equal(probe->name, "Corp.test.");
	assert_int_equal(probe->data[2], 0);
	world_close(world);
	world = world_open(1, "forward . UP0 {\nforce_tcp\n}\n");
	assert_true(world->up[0].last_probe.conn >= 0);
	world_close(world);
}

/* Whatever it says, it is there. */
static void test_any_reply_to_a_probe_will_do(void **state)
{
	struct world *world = world_new(1);
	struct up_asked asked;

	(void)state;
	world->up[0].mute = true;
	world_open_at(world, "forward . UP0 {\nhealth_check 100ms\n}\n");
	up_probed(world, 0, 1);
	up_say(world, &world->up[0].last_probe, SAY_RCODE, RCODE_REFUSED);
	pump_for(world, 300);
	assert_int_equal(world->up[0].probes, 1);
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

static void test_down_and_up_again(void **state)
{
	struct world *world =
		world_open(1, "errors\nforward . UP0 {\nmax_fails 1\nhealth_check 50ms\n}\n");
	char words[128];

	(void)state;
	up_shut(&world->up[0]);
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	snprintf(words, sizeof words,
		"[WARNING] plugin/forward: upstream 127.0.0.1:%u does not answer (Connection "
		"refused)",
		(unsigned)world->up[0].port);
	world_logs(world, words);
	up_return(&world->up[0]);
	snprintf(words, sizeof words, "[INFO] plugin/forward: upstream 127.0.0.1:%u answers again",
		(unsigned)world->up[0].port);
	world_logs(world, words);
	assert_string_equal(
		world_answer(world, "web.test", SAY_ADDRESS, 7), "NOERROR 192.0.2.7 ttl 30");
	pump_for(world, 200);
	assert_null(strstr(strstr(world_log(world), words) + 1, "does not answer"));
	world_close(world);
}

/* It is never down then, and is asked for whatever comes. */
static void test_max_fails_0(void **state)
{
	struct world *world =
		world_open(1, "errors\nforward . UP0 {\nmax_fails 0\nhealth_check 20ms\n}\n");
	struct up_asked asked;

	(void)state;
	up_shut(&world->up[0]);
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	pump_for(world, 200);
	assert_null(strstr(world_log(world), "does not answer"));
	up_return(&world->up[0]);
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* Who waits while nobody answers is asked for again as soon as somebody does: it has not to
 * wait for its turn. */
static void test_back_again_wakes_who_waits(void **state)
{
	struct world *world = world_open(1, "forward . UP0 {\nhealth_check 50ms\n}\n");
	struct up_asked asked;
	uint64_t start_ms;

	(void)state;
	world->up[0].mute = true;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	/* a whole probe is lost: it is an outage */
	up_probed(world, 0, 3);
	world->up[0].count = 0;
	world_ask(world, "late.test", TYPE_A);
	up_hear(world, 0, &asked);
	assert_string_equal(asked.name, "late.test.");
	world->up[0].mute = false;
	pump_for(world, 10); /* times are whole milliseconds */
	up_say(world, &world->up[0].last_probe, SAY_RCODE, RCODE_NOERROR);
	start_ms = clock_ms();
	for (unsigned i = 0; i < 2; i++) {
		up_hear(world, 0, &asked);
		up_say(world, &asked, SAY_ADDRESS, 7);
	}
	assert_true(clock_ms() - start_ms < 900);
	for (unsigned i = 0; i < 2; i++)
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* One of two that was missing is asked again after its probe. */
static void test_missing_ones_come_back(void **state)
{
	struct world *world =
		world_open(2, "forward . UP0 UP1 {\npolicy sequential\nhealth_check 30ms\n}\n");
	struct up_asked asked;

	(void)state;
	world->up[0].mute = true;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world->up[0].mute = false;
	up_probed(world, 0, 2);
	up_say(world, &world->up[0].last_probe, SAY_RCODE, RCODE_NOERROR);
	pump_for(world, 30);
	world_ask(world, "web2.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_ADDRESS, 8);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.8 ttl 30");
	world_close(world);
}

/* The server stops while a probe is out, over either transport. */
static void test_stop_while_probing(void **state)
{
	static const char *const bodies[] = {"forward . UP0\n", "forward . UP0 {\nforce_tcp\n}\n"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *world = world_new(1);

		world->up[0].mute = true;
		world_open_at(world, bodies[i]);
		up_probed(world, 0, 1);
		world_close(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_probe),
		cmocka_unit_test(test_how_it_probes),
		cmocka_unit_test(test_any_reply_to_a_probe_will_do),
		cmocka_unit_test(test_down_and_up_again),
		cmocka_unit_test(test_max_fails_0),
		cmocka_unit_test(test_back_again_wakes_who_waits),
		cmocka_unit_test(test_missing_ones_come_back),
		cmocka_unit_test(test_stop_while_probing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

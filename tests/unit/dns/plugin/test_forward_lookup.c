/* SPDX-License-Identifier: Apache-2.0 */
/* Many who wait, few questions; and the time that it all takes. */
#include "forward_world.h"

static void test_one_question_for_all_who_wait(void **state)
{
	struct world *world = world_open(2, "forward . UP0 UP1\n");
	struct up_asked asked;
	bool heard[101] = {false};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		world_ask(world, i % 2 ? "web.test" : "WEB.Test", TYPE_A);
	any_hear(world, &asked);
	pump_for(world, 30);
	up_say(world, &asked, SAY_ADDRESS, 7);
	for (unsigned i = 0; i < 100; i++) {
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
		assert_in_range(world->message.id, 1, 100);
		assert_false(heard[world->message.id]);
		heard[world->message.id] = true;
	}
	/* a hedge may have gone to the other one */
	assert_true(world->up[0].count + world->up[1].count <= 1);
	world_close(world);
}

/* Other types, and other wishes as to DNSSEC, are other questions. */
static void test_questions_that_differ(void **state)
{
	struct world *world = world_open(1, "forward . UP0\n");
	struct up_asked asked[4];

	(void)state;
	world_ask_from(world, world->client, "web.test", TYPE_A, 0);
	world_ask_from(world, world->client, "web.test", TYPE_A, ASK_DO);
	world_ask_from(world, world->client, "web.test", TYPE_A, ASK_CD);
	world_ask_from(world, world->client, "web.test", TYPE_AAAA, 0);
	for (unsigned i = 0; i < 4; i++)
		up_hear(world, 0, &asked[i]);
	for (unsigned i = 0; i < 4; i++)
		up_say(world, &asked[i], SAY_NXDOMAIN, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(world_hear(world), "NXDOMAIN");
	ups_quiet(world, 20);
	world_close(world);
}

/* One of two is silent: the other one is asked soon, and from then on at once. */
static void test_hedge(void **state)
{
	struct world *world =
		world_open(2, "forward . UP0 UP1 {\npolicy sequential\nhealth_check 60s\n}\n");
	uint64_t start_ms = clock_ms();
	struct up_asked asked;

	(void)state;
	world->up[0].mute = true;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_hear(world, 1, &asked);
	assert_in_range(clock_ms() - start_ms, 45, 1500);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	for (unsigned i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof name, "web%u.test", i);
		world_ask(world, name, TYPE_A);
		up_hear(world, 1, &asked);
		up_say(world, &asked, SAY_ADDRESS, 7);
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	}
	assert_int_equal(world->up[0].count, 0);
	world_close(world);
}

/* The late one's reply is as good as the other one's. */
static void test_either_reply_counts(void **state)
{
	struct world *world = world_open(2, "forward . UP0 UP1 {\npolicy sequential\n}\n");
	struct up_asked late, asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &late);
	up_hear(world, 1, &asked);
	up_say(world, &late, SAY_ADDRESS, 5);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.5 ttl 30");
	up_say(world, &asked, SAY_ADDRESS, 7); /* nobody is there to hear it */
	world_silent(world, 30);
	world_close(world);
}

/* The only one: asked again by the same socket with the same ID, three times in all. */
static void test_asked_three_times_at_most(void **state)
{
	struct world *world = world_open(1, "forward . UP0 {\nread_timeout 1200ms\n}\n");
	const uint64_t start_ms = clock_ms();
	struct up_asked asked[3];

	(void)state;
	world->up[0].mute = true;
	world_ask(world, "web.test", TYPE_A);
	for (unsigned i = 0; i < 3; i++)
		up_hear(world, 0, &asked[i]);
	assert_memory_equal(asked[0].data, asked[1].data, asked[0].len);
	assert_int_equal(asked[0].from.sin_port, asked[1].from.sin_port);
	assert_string_equal(world_hear(world), "SERVFAIL");
	assert_true(clock_ms() - start_ms < 6000);
	ups_quiet(world, 20);
	world_close(world);
}

/* Nobody answers: it is over with the time of all sends. */
static void test_read_timeout(void **state)
{
	struct world *world = world_open(2, "forward . UP0 UP1 {\nread_timeout 100ms\n}\n");
	const uint64_t start_ms = clock_ms();

	(void)state;
	world->up[0].mute = world->up[1].mute = true;
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	assert_in_range(clock_ms() - start_ms, 250, 2000);
	assert_int_equal(world->up[0].count + world->up[1].count, 3);
	world_close(world);
}

static void test_max_concurrent(void **state)
{
	struct world *world = world_open(1, "forward . UP0 {\nmax_concurrent 2\n}\n");
	struct up_asked asked[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		world_ask(world, i ? "b.test" : "a.test", TYPE_A);
		up_hear(world, 0, &asked[i]);
	}
	world_ask(world, "c.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	/* who waits for what is asked already costs nothing */
	world_ask(world, "a.test", TYPE_A);
	world_silent(world, 20);
	up_say(world, &asked[0], SAY_ADDRESS, 7);
	for (unsigned i = 0; i < 2; i++)
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	assert_string_equal(
		world_answer(world, "c.test", SAY_ADDRESS, 8), "NOERROR 192.0.2.8 ttl 30");
	world_close(world);
}

static void test_failfast(void **state)
{
	struct world *world = world_open(1,
		"forward . UP0 {\nfailfast_all_unhealthy_upstreams\nread_timeout 100ms\n"
		"health_check 60s\n}\n");

	(void)state;
	up_shut(&world->up[0]);
	world_ask(world, "a.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_ask(world, "b.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_close(world);
}

/* Everybody gets a reply before the server is gone. */
static void check_stop(const char *body)
{
	struct world *world = world_open(2, body);
	struct up_asked asked;

	for (unsigned i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof name, "web%u.test", i / 2);
		world_ask(world, name, TYPE_A);
		if (i % 2 == 0)
			any_hear(world, &asked);
	}
	pump_for(world, 20);
	listen_stop(world->listen);
	for (unsigned i = 0; i < 20; i++)
		assert_string_equal(world_hear(world), "SERVFAIL");
	world_close(world);
}

static void test_stop_with_look_ups_under_way(void **state)
{
	(void)state;
	check_stop("forward . UP0 UP1\n");
	check_stop("forward . UP0 UP1 {\nforce_tcp\n}\n");
	check_stop("cache\nforward . UP0 UP1\n");
}

/* ---- answers that are over ---- */

#define BRIEFLY                                                                                    \
	"cache {\nsuccess 9984 3600 0\nservfail 0\n%s}\n"                                          \
	"forward . UP0 {\nread_timeout 300ms\nhealth_check 100ms\n}\n"

static struct world *world_with_stale(const char *options)
{
	char body[256];
	struct world *world;

	snprintf(body, sizeof body, BRIEFLY, options);
	world = world_open(1, body);
	assert_string_equal(
		world_answer(world, "web.test", SAY_BRIEFLY, 7), "NOERROR 192.0.2.7 ttl 1");
	pump_for(world, 1100);
	return world;
}

/* The first one waits as long as the cache says; when the upstream is known not to answer,
 * nobody waits any more. */
static void test_stale_at_once_when_nobody_answers(void **state)
{
	struct world *world = world_with_stale("serve_stale 1h verify 5s 30s\n");
	uint64_t start_ms;

	(void)state;
	world->up[0].mute = true;
	world_ask(world, "web.test", TYPE_A);
	start_ms = clock_ms();
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	assert_true(clock_ms() - start_ms < 1500);
	for (unsigned i = 0; i < 20; i++) {
		world_ask(world, "web.test", TYPE_A);
		start_ms = clock_ms();
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
		assert_true(clock_ms() - start_ms < 200);
	}
	world_close(world);
}

/* With `verify` the upstream has so long, and what comes later is for the next one. */
static void test_stale_after_a_while(void **state)
{
	struct world *world = world_with_stale("serve_stale 1h verify 40ms 30s\n");
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	up_say(world, &asked, SAY_ADDRESS, 8);
	pump_for(world, 30);
	world_ask(world, "web.test", TYPE_A);
	assert_non_null(strstr(world_hear(world), "192.0.2.8"));
	world_close(world);
}

static void test_fresh_answers_come_first(void **state)
{
	struct world *world = world_with_stale("");

	(void)state;
	assert_string_equal(
		world_answer(world, "web.test", SAY_ADDRESS, 8), "NOERROR 192.0.2.8 ttl 30");
	world_close(world);
}

static void test_stale_instead_of_a_failure(void **state)
{
	struct world *world = world_with_stale("");
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_RCODE, RCODE_SERVFAIL);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

static void test_no_stale_where_it_is_off(void **state)
{
	struct world *world = world_with_stale("serve_stale 0s\n");
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_RCODE, RCODE_SERVFAIL);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_question_for_all_who_wait),
		cmocka_unit_test(test_questions_that_differ),
		cmocka_unit_test(test_hedge),
		cmocka_unit_test(test_either_reply_counts),
		cmocka_unit_test(test_asked_three_times_at_most),
		cmocka_unit_test(test_read_timeout),
		cmocka_unit_test(test_max_concurrent),
		cmocka_unit_test(test_failfast),
		cmocka_unit_test(test_stop_with_look_ups_under_way),
		cmocka_unit_test(test_stale_at_once_when_nobody_answers),
		cmocka_unit_test(test_stale_after_a_while),
		cmocka_unit_test(test_fresh_answers_come_first),
		cmocka_unit_test(test_stale_instead_of_a_failure),
		cmocka_unit_test(test_no_stale_where_it_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

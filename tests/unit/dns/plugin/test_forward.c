/* SPDX-License-Identifier: Apache-2.0 */
/* Which line a question goes to, and what clients see. */
#include "forward_world.h"

static void expect_asked(struct world *world, unsigned up, const char *name)
{
	struct up_asked asked;

	world_ask(world, name, TYPE_A);
	up_hear(world, up, &asked);
	up_say(world, &asked, SAY_ADDRESS, up + 1);
	snprintf(asked.name, sizeof asked.name, "NOERROR 192.0.2.%u ttl 30", up + 1);
	assert_string_equal(world_hear(world), asked.name);
}

static void test_from_and_except(void **state)
{
	struct world *world =
		world_open(3, "forward corp.test UP0 {\nexcept lab.corp.test x.lab.corp.test\n}\n"
			      "forward test UP1\n"
			      "forward org UP2 {\nexcept org\n}\n");

	(void)state;
	expect_asked(world, 0, "corp.test");
	expect_asked(world, 0, "a.b.CORP.test");
	expect_asked(world, 1, "lab.corp.test");
	expect_asked(world, 1, "a.lab.corp.test");
	expect_asked(world, 0, "xlab.corp.test");
	expect_asked(world, 1, "xcorp.test");
	/* nobody's: no next plugin */
	world_ask(world, "example.org", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_ask(world, "example.net", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_close(world);
}

#define NEXT                                                                                       \
	"forward . UP0 {\nnext NXDOMAIN SERVFAIL\nnext_on_nodata\nread_timeout 100ms\n"            \
	"health_check 60s\n}\nforward . UP1 {\n}\n"

static void check_next(enum say say, unsigned arg)
{
	struct world *world = world_open(2, NEXT);
	struct up_asked asked;

	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, say, arg);
	up_hear(world, 1, &asked);
	assert_string_equal(asked.name, "web.test.");
	up_say(world, &asked, SAY_ADDRESS, 2);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.2 ttl 30");
	assert_int_equal(world->message.counts[REPLY_AUTHORITY], 0);
	world_close(world);
}

static void test_next(void **state)
{
	(void)state;
	check_next(SAY_NXDOMAIN, 0);
	check_next(SAY_NODATA, 0);
	check_next(SAY_RCODE, RCODE_SERVFAIL);
}

static void test_next_of_an_upstream_that_is_silent(void **state)
{
	struct world *world = world_open(2, NEXT);
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	world->up[0].mute = true;
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 2);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.2 ttl 30");
	world_close(world);
}

static void test_not_next(void **state)
{
	struct world *world = world_open(2, NEXT);
	struct up_asked asked;

	(void)state;
	expect_asked(world, 0, "web.test");
	assert_int_equal(world->up[1].count, 0);
	/* the last line's denial is the answer */
	world_ask(world, "no.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_NXDOMAIN, 0);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_NXDOMAIN, 0);
	assert_string_equal(world_hear(world), "NXDOMAIN");
	world_close(world);
}

/* The second line holds other names: what the first one said stands. */
static void test_no_next_for_the_name(void **state)
{
	struct world *world =
		world_open(2, "forward . UP0 {\nnext NXDOMAIN\n}\nforward corp UP1\n");

	(void)state;
	assert_string_equal(world_answer(world, "no.test", SAY_NXDOMAIN, 0), "NXDOMAIN");
	world_close(world);
}

/* The table is the block's, and has what the last line said; not what the first one did. */
static void check_next_with_a_cache(enum say say, unsigned arg)
{
	struct world *world = world_open(2, "cache\n" NEXT);
	struct up_asked asked;

	for (unsigned i = 0; i < 2; i++) {
		world_ask(world, "web.test", TYPE_A);
		if (i == 0) {
			up_hear(world, 0, &asked);
			up_say(world, &asked, say, arg);
			up_hear(world, 1, &asked);
			up_say(world, &asked, SAY_ADDRESS, 2);
		}
		assert_non_null(strstr(world_hear(world), "NOERROR 192.0.2.2"));
	}
	ups_quiet(world, 20);
	world_close(world);
}

static void test_next_is_asked_where_there_is_a_cache(void **state)
{
	(void)state;
	check_next_with_a_cache(SAY_NXDOMAIN, 0);
	check_next_with_a_cache(SAY_NODATA, 0);
	check_next_with_a_cache(SAY_RCODE, RCODE_SERVFAIL);
}

static void test_transfers_are_refused(void **state)
{
	struct world *world = world_open(1, "forward . UP0\n");

	(void)state;
	world_ask(world, "test", TYPE_AXFR);
	assert_string_equal(world_hear(world), "REFUSED");
	ups_quiet(world, 20);
	world_close(world);
}

static void test_cached(void **state)
{
	struct world *world = world_open(1, "cache\nforward . UP0\n");

	(void)state;
	expect_asked(world, 0, "web.test");
	world_ask(world, "WEB.test", TYPE_A);
	assert_non_null(strstr(world_hear(world), "NOERROR 192.0.2.1"));
	assert_string_equal(world_answer(world, "no.test", SAY_NXDOMAIN, 0), "NXDOMAIN");
	world_ask(world, "below.no.test", TYPE_AAAA);
	assert_string_equal(world_hear(world), "NXDOMAIN");
	ups_quiet(world, 20);
	world_close(world);
}

/* Without `cache` every question is asked. */
static void test_not_cached(void **state)
{
	struct world *world = world_open(1, "forward . UP0\n");

	(void)state;
	expect_asked(world, 0, "web.test");
	expect_asked(world, 0, "web.test");
	world_close(world);
}

/* Outside of the cache's zones likewise. */
static void test_cache_of_other_zones(void **state)
{
	struct world *world = world_open(1, "cache 60 corp.test\nforward . UP0\n");

	(void)state;
	expect_asked(world, 0, "web.test");
	expect_asked(world, 0, "web.test");
	expect_asked(world, 0, "web.corp.test");
	world_ask(world, "web.corp.test", TYPE_A);
	assert_non_null(strstr(world_hear(world), "192.0.2.1"));
	ups_quiet(world, 20);
	world_close(world);
}

/* The chain is run again for it, and is one question to whoever logs. */
static void test_logged_once(void **state)
{
	struct world *world = world_open(1, "log . \"{name} {rcode} end\"\nforward . UP0\n");
	const char *at;

	(void)state;
	expect_asked(world, 0, "web.test");
	world_logs(world, "web.test. NOERROR end");
	pump_for(world, 20);
	at = strstr(world_log(world), "web.test. NOERROR end");
	assert_null(strstr(at + 1, "web.test."));
	world_close(world);
}

static void test_errors_say_why(void **state)
{
	struct world *world = world_open(1, "errors\nforward . UP0 {\nhealth_check 60s\n}\n");

	(void)state;
	up_shut(&world->up[0]);
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_logs(world, "web.test. A: ");
	world_logs(world, "Connection refused");
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_and_except),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_next_of_an_upstream_that_is_silent),
		cmocka_unit_test(test_not_next),
		cmocka_unit_test(test_no_next_for_the_name),
		cmocka_unit_test(test_next_is_asked_where_there_is_a_cache),
		cmocka_unit_test(test_transfers_are_refused),
		cmocka_unit_test(test_cached),
		cmocka_unit_test(test_not_cached),
		cmocka_unit_test(test_cache_of_other_zones),
		cmocka_unit_test(test_logged_once),
		cmocka_unit_test(test_errors_say_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

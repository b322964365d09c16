/* SPDX-License-Identifier: Apache-2.0 */
/* One line with two upstreams, asked in the order of the line. What the first one says is of
 * no use to the client: the second one is asked at once. */
#include "forward_world.h"

#define TWO "forward . UP0 UP1 {\npolicy sequential\nread_timeout 3s\n}\n"
#define ONE "forward . UP0 {\nread_timeout 3s\n}\n"

/* So long nobody has to wait where something came. */
#define AT_ONCE_MS 700

static void check_moves_on(enum say say, unsigned arg)
{
	struct world *world = world_open(2, TWO);
	struct up_asked asked;
	uint64_t start_ms;

	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, say, arg);
	start_ms = clock_ms();
	up_hear(world, 1, &asked);
	assert_true(clock_ms() - start_ms < AT_ONCE_MS);
	assert_string_equal(asked.name, "web.test.");
	assert_int_equal(asked.conn, -1);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	/* who could not tell what another one told is asked last for a while */
	world_ask(world, "web2.test", TYPE_A);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 8);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.8 ttl 30");
	world_close(world);
}

static void test_refusals_move_on(void **state)
{
	(void)state;
	check_moves_on(SAY_RCODE, RCODE_SERVFAIL);
	check_moves_on(SAY_RCODE, RCODE_REFUSED);
	check_moves_on(SAY_RCODE, 9); /* NOTAUTH */
}

static void test_lame_and_garbage_move_on(void **state)
{
	(void)state;
	check_moves_on(SAY_LAME, 0);
	check_moves_on(SAY_GARBAGE, 7);
}

/* The first one was right if the others say the same. */
static void test_all_refuse(void **state)
{
	struct world *world = world_open(2, TWO);
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_RCODE, RCODE_SERVFAIL);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_RCODE, RCODE_REFUSED);
	assert_string_equal(world_hear(world), "SERVFAIL");
	ups_quiet(world, 50);
	world_close(world);
}

static void test_denials_are_answers(void **state)
{
	struct world *world = world_open(2, TWO);

	(void)state;
	assert_string_equal(world_answer(world, "no.test", SAY_NXDOMAIN, 0), "NXDOMAIN");
	assert_int_equal(world->message.counts[REPLY_AUTHORITY], 1);
	assert_string_equal(world_answer(world, "some.test", SAY_NODATA, 0), "NOERROR");
	assert_int_equal(world->message.counts[REPLY_AUTHORITY], 1);
	ups_quiet(world, 50);
	world_close(world);
}

static void test_cut_replies_are_asked_for_over_tcp(void **state)
{
	struct world *world = world_open(2, TWO);
	struct up_asked asked;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		world_ask(world, i ? "web2.test" : "web.test", TYPE_A);
		up_hear(world, 0, &asked);
		assert_int_equal(asked.conn, -1);
		up_say(world, &asked, SAY_CUT, 0);
		up_hear(world, 0, &asked);
		assert_true(asked.conn >= 0);
		up_say(world, &asked, SAY_ADDRESS, 7 + i);
		assert_string_equal(world_hear(world),
			i ? "NOERROR 192.0.2.8 ttl 30" : "NOERROR 192.0.2.7 ttl 30");
	}
	assert_int_equal(world->up[1].count, 0);
	world_close(world);
}

/* TC over TCP is nonsense. */
static void test_cut_over_tcp_moves_on(void **state)
{
	struct world *world = world_open(2, TWO);
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_CUT, 0);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_CUT, 0);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* RFC 5452 section 9.2: where guesses come in, they are not waited for. */
static void check_forged(enum say say)
{
	struct world *world = world_open(1, ONE);
	struct up_asked asked;

	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, say, 66);
	world_silent(world, 30);
	up_say(world, &asked, say, 66);
	up_say(world, &asked, SAY_ADDRESS, 66);
	up_hear(world, 0, &asked);
	assert_true(asked.conn >= 0);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

static void test_forged_replies_are_asked_for_over_tcp(void **state)
{
	(void)state;
	check_forged(SAY_WRONG_ID);
	check_forged(SAY_WRONG_NAME);
}

static void test_one_wrong_reply_changes_nothing(void **state)
{
	struct world *world = world_open(1, ONE);
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_WRONG_ID, 66);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* Another name over TCP: there nobody can guess, it is the server that is wrong. */
static void test_wrong_question_over_tcp_moves_on(void **state)
{
	struct world *world =
		world_open(2, "forward . UP0 UP1 {\npolicy sequential\nforce_tcp\n}\n");
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	assert_true(asked.conn >= 0);
	up_say(world, &asked, SAY_WRONG_NAME, 66);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* RFC 6891 section 7. */
static void check_without_edns(unsigned rcode)
{
	struct world *world = world_open(1, ONE);
	struct up_asked asked;

	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	assert_true(asked.edns);
	up_say(world, &asked, SAY_RCODE, rcode);
	up_hear(world, 0, &asked);
	assert_false(asked.edns);
	assert_int_equal(asked.len, asked.question_end);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

static void test_formerr_is_asked_without_edns(void **state)
{
	(void)state;
	check_without_edns(RCODE_FORMERR);
	check_without_edns(RCODE_NOTIMP);
}

static void test_formerr_without_edns_moves_on(void **state)
{
	struct world *world = world_open(2, TWO);
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	for (unsigned i = 0; i < 2; i++) {
		up_hear(world, 0, &asked);
		up_say(world, &asked, SAY_RCODE, RCODE_FORMERR);
	}
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* It answers, only not to EDNS: that is nothing to prefer another one for. */
static void test_no_edns_is_not_lame(void **state)
{
	struct world *world = world_open(2, TWO);
	struct up_asked asked;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof name, "web%u.test", i);
		world_ask(world, name, TYPE_A);
		up_hear(world, 0, &asked);
		up_say(world, &asked, SAY_RCODE, RCODE_FORMERR);
		up_hear(world, 0, &asked);
		up_say(world, &asked, SAY_ADDRESS, 7);
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
		assert_int_equal(world->up[1].count, 0);
	}
	world_close(world);
}

static void test_failover(void **state)
{
	struct world *world =
		world_open(2, "forward . UP0 UP1 {\npolicy sequential\nfailover NXDOMAIN\n}\n");
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_NXDOMAIN, 0);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
	/* if nobody has anything better to say, it is the answer */
	world = world_open(2, "forward . UP0 UP1 {\npolicy sequential\nfailover NXDOMAIN\n}\n");
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_NXDOMAIN, 0);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_RCODE, RCODE_SERVFAIL);
	assert_string_equal(world_hear(world), "NXDOMAIN");
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals_move_on),
		cmocka_unit_test(test_lame_and_garbage_move_on),
		cmocka_unit_test(test_all_refuse),
		cmocka_unit_test(test_denials_are_answers),
		cmocka_unit_test(test_cut_replies_are_asked_for_over_tcp),
		cmocka_unit_test(test_cut_over_tcp_moves_on),
		cmocka_unit_test(test_forged_replies_are_asked_for_over_tcp),
		cmocka_unit_test(test_one_wrong_reply_changes_nothing),
		cmocka_unit_test(test_wrong_question_over_tcp_moves_on),
		cmocka_unit_test(test_formerr_is_asked_without_edns),
		cmocka_unit_test(test_formerr_without_edns_moves_on),
		cmocka_unit_test(test_no_edns_is_not_lame),
		cmocka_unit_test(test_failover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

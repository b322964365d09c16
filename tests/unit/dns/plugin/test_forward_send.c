/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out, and to whom. */
#include "forward_world.h"

/* Header flags and OPT of what is sent for a client that asks so. */
static void check_sent(unsigned how, uint8_t flags, bool dnssec_ok)
{
	struct world *world = world_open(1, "forward . UP0\n");
	struct up_asked asked;
	const uint8_t *opt;

	world_ask_from(world, world->client, "WEB.Test", TYPE_A, how);
	up_hear(world, 0, &asked);
	assert_int_equal(asked.data[2], 1); /* RD, which we need whatever the client says */
	assert_int_equal(asked.data[3], flags);
	assert_memory_equal(asked.data + 4, "\0\1\0\0\0\0\0\1", 8);
	assert_string_equal(asked.name, "web.test.");
	opt = asked.data + asked.question_end;
	assert_int_equal(asked.len, asked.question_end + 11);
	assert_memory_equal(opt, "\0\0\x29\4\xd0\0\0", 7);
	assert_int_equal(opt[7], dnssec_ok ? 0x80 : 0);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

static void test_the_message(void **state)
{
	(void)state;
	check_sent(0, DNS_FLAG_AD, false);
	check_sent(ASK_DO, DNS_FLAG_AD, true);
	check_sent(ASK_CD, DNS_FLAG_AD | DNS_FLAG_CD, false);
}

static void test_source_address(void **state)
{
	struct world *world = world_open(1, "forward . UP0 {\nsource_address 127.0.0.9 ::1\n}\n");
	struct up_asked asked;

	(void)state;
	world_ask(world, "web.test", TYPE_A);
	up_hear(world, 0, &asked);
	assert_int_equal(asked.from.sin_addr.s_addr, inet_addr("127.0.0.9"));
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	world_close(world);
}

/* An address that is not ours: told, not waited for. */
static void test_what_cannot_be_sent(void **state)
{
	struct world *world = world_new(1);
	uint64_t start_ms;

	(void)state;
	world->up[0].mute = true;
	world_open_at(world, "errors\nforward . UP0 {\nsource_address 192.0.2.1\n}\n");
	start_ms = clock_ms();
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	assert_true(clock_ms() - start_ms < 500);
	world_logs(world, "Cannot assign requested address");
	world_close(world);
}

/* Nobody listens there: the next one is asked at once. */
static void test_refused_ports_move_on(void **state)
{
	static const char *const bodies[] = {
		"forward . UP0 UP1 {\npolicy sequential\nhealth_check 60s\n}\n",
		"forward . UP0 UP1 {\npolicy sequential\nhealth_check 60s\nforce_tcp\n}\n"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *world = world_open(2, bodies[i]);
		struct up_asked asked;
		uint64_t start_ms;

		up_shut(&world->up[0]);
		start_ms = clock_ms();
		world_ask(world, "web.test", TYPE_A);
		up_hear(world, 1, &asked);
		assert_true(clock_ms() - start_ms < 500);
		up_say(world, &asked, SAY_ADDRESS, 7);
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
		world_close(world);
	}
}

static void test_round_robin(void **state)
{
	struct world *world = world_open(3, "forward . UP0 UP1 UP2 {\npolicy round_robin\n}\n");
	unsigned seen[3] = {0};
	struct up_asked asked;

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		char name[16];

		snprintf(name, sizeof name, "web%u.test", i);
		world_ask(world, name, TYPE_A);
		seen[any_hear(world, &asked)]++;
		up_say(world, &asked, SAY_ADDRESS, 7);
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(seen[i], 2, 4);
	world_close(world);
}

/* One connection carries them all. */
static void test_force_tcp(void **state)
{
	struct world *world = world_open(1, "forward . UP0 {\nforce_tcp\n}\n");
	struct up_asked asked[5];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		char name[16];

		snprintf(name, sizeof name, "web%u.test", i);
		world_ask(world, name, TYPE_A);
		up_hear(world, 0, &asked[i]);
		assert_true(asked[i].conn >= 0);
		assert_int_equal(asked[i].conn, asked[0].conn);
	}
	for (unsigned i = 5; i-- > 0;) {
		up_say(world, &asked[i], SAY_ADDRESS, 7);
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	}
	world_close(world);
}

#define AT_ONCE 70 /* more than have to be idle before one is used again */
#define ROUNDS  5

/* Of each question of a round, which is answered when the last one has been heard. */
static void ports_of_a_round(struct world *world, unsigned round, uint16_t ports[AT_ONCE])
{
	static struct up_asked asked[AT_ONCE];

	for (unsigned i = 0; i < AT_ONCE; i++) {
		char name[24];

		snprintf(name, sizeof name, "web%u-%u.test", round, i);
		world_ask(world, name, TYPE_A);
	}
	for (unsigned i = 0; i < AT_ONCE; i++) {
		up_hear(world, 0, &asked[i]);
		ports[i] = ntohs(asked[i].from.sin_port);
	}
	for (unsigned i = 0; i < AT_ONCE; i++) {
		up_say(world, &asked[i], SAY_ADDRESS, 7);
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	}
}

/* Each has a socket to itself while it is out, and leaves it to later ones. */
static void test_ports_are_used_again(void **state)
{
	struct world *world = world_open(1, "forward . UP0\n");
	static unsigned times[65536];
	uint16_t ports[AT_ONCE];
	uint64_t start_ms = clock_ms();
	unsigned again = 0;

	(void)state;
	memset(times, 0, sizeof times);
	for (unsigned round = 0; round < ROUNDS; round++) {
		ports_of_a_round(world, round, ports);
		for (unsigned i = 0; i < AT_ONCE; i++) {
			again += times[ports[i]]++ > 0;
			for (unsigned k = 0; k < i; k++)
				assert_int_not_equal(ports[i], ports[k]);
		}
	}
	if (clock_ms() - start_ms < 300)
		assert_true(again > AT_ONCE);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_message),
		cmocka_unit_test(test_source_address),
		cmocka_unit_test(test_what_cannot_be_sent),
		cmocka_unit_test(test_refused_ports_move_on),
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_force_tcp),
		cmocka_unit_test(test_ports_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

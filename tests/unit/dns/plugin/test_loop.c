/* SPDX-License-Identifier: Apache-2.0 */
/* An upstream of the test hands the server's questions on to the server itself. */
#include "forward_world.h"

/* The probe comes round; its reply goes back to who asked. */
static void probe_round(struct world *world, unsigned up)
{
	const struct up_asked *probe = &world->up[up].last_probe;
	const struct sockaddr_in to = loopback(world->port);
	uint8_t reply[512];
	ssize_t n;

	assert_int_equal(sendto(world->client, probe->data, probe->len, 0,
				 (const struct sockaddr *)&to, sizeof to),
		probe->len);
	n = recv(world->client, reply, sizeof reply, 0);
	assert_true(n > DNS_HEADER_LEN);
	assert_int_equal(reply[3] & 15, RCODE_SERVFAIL);
	sendto(world->up[up].udp, reply, (size_t)n, 0, (const struct sockaddr *)&probe->from,
		sizeof probe->from);
}

static void test_an_upstream_that_leads_back(void **state)
{
	struct world *world = world_new(2);
	const struct up_asked *probe = &world->up[0].last_probe;
	struct up_asked asked;

	(void)state;
	world->up[0].mute = true;
	world_open_at(world, "loop\nforward . UP0 UP1 {\npolicy sequential\n}\n");
	up_probed(world, 0, 1);
	assert_int_equal(probe->type, TYPE_HINFO);
	assert_int_equal(strlen(probe->name), 17);
	probe_round(world, 0);
	world_logs(world, "[ERROR] plugin/loop: Loop detected for zone \".\": upstream 127.0.0.1:");
	for (unsigned i = 0; i < 3; i++) {
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

static void test_the_only_upstream_leads_back(void **state)
{
	struct world *world = world_new(1);

	(void)state;
	world->up[0].mute = true;
	world_open_at(world, "errors\nloop\nforward . UP0\n");
	up_probed(world, 0, 1);
	probe_round(world, 0);
	world_logs(world, "Loop detected");
	world_ask(world, "web.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	ups_quiet(world, 20);
	world_close(world);
}

static void test_an_upstream_that_does_not(void **state)
{
	struct world *world = world_open(1, "loop\nforward . UP0\n");

	(void)state;
	assert_int_equal(world->up[0].last_probe.type, TYPE_HINFO);
	assert_string_equal(
		world_answer(world, "web.test", SAY_ADDRESS, 7), "NOERROR 192.0.2.7 ttl 30");
	/* its probe is over: the name is one like any other */
	world_ask(world, world->up[0].last_probe.name, TYPE_HINFO);
	up_probed(world, 0, 2);
	assert_string_equal(world_hear(world), "NOERROR");
	assert_null(strstr(world_log(world), "Loop"));
	world_close(world);
}

/* What nobody has been sent is no loop. */
static void test_names_that_look_like_probes(void **state)
{
	static const char *const names[] = {"0000000000000000", "0123456789abcdef",
		"ffffffffffffffff", "0x23456789abcdef", "-123456789abcdef", "0123456789abcde.f",
		"gggggggggggggggg"};
	struct world *world = world_open(1, "loop\nforward . UP0\n");

	(void)state;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		world_ask(world, names[i], TYPE_HINFO);
		up_probed(world, 0, i + 2);
		assert_string_equal(world_hear(world), "NOERROR");
	}
	assert_null(strstr(world_log(world), "Loop"));
	world_close(world);
}

static void test_without_forward(void **state)
{
	struct world *world = world_open(0, "loop\n");

	(void)state;
	world_ask(world, "0123456789abcdef", TYPE_HINFO);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_close(world);
}

static void test_bad_lines(void **state)
{
	(void)state;
	world_refused(". {\nloop .\n}\n", "F:2:1: loop: nothing can stand behind it");
	world_refused(". {\nloop {\n x\n}\n}\n", "F:2:1: loop: nothing can stand behind it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_upstream_that_leads_back),
		cmocka_unit_test(test_the_only_upstream_leads_back),
		cmocka_unit_test(test_an_upstream_that_does_not),
		cmocka_unit_test(test_names_that_look_like_probes),
		cmocka_unit_test(test_without_forward),
		cmocka_unit_test(test_bad_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the metrics say after questions of which the test knows. */
#include "forward_world.h"

/* The number of a series whose line begins so; -1: there is none. */
static double metric(struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static double metric(struct world *world, const char *format, ...)
{
	char start[256], *text = NULL, *at;
	double value = -1;
	size_t len = 0;
	va_list args;

	start[0] = '\n';
	va_start(args, format);
	vsnprintf(start + 1, sizeof start - 1, format, args);
	va_end(args);
	assert_int_equal(metrics_render(host_plugin(world->host)->metrics, &text, &len), 0);
	text = realloc(text, len + 1);
	text[len] = 0;
	at = strstr(text, start);
	if (at)
		value = strtod(at + strlen(start), NULL);
	free(text);
	return value;
}

static void is(double got, double want)
{
	if (got < want || got > want)
		fail_msg("%g, but %g was wanted", got, want);
}

static void test_questions_and_replies(void **state)
{
	struct world *world = world_open(2, "forward . UP0 UP1 {\npolicy sequential\n}\n");
	const unsigned port = world->up[0].port, other = world->up[1].port;
	struct up_asked asked;

	(void)state;
	assert_string_equal(
		world_answer(world, "a.test", SAY_ADDRESS, 7), "NOERROR 192.0.2.7 ttl 30");
	assert_string_equal(world_answer(world, "b.test", SAY_NXDOMAIN, 0), "NXDOMAIN");
	world_ask(world, "c.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_CUT, 0);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_RCODE, RCODE_SERVFAIL);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	is(metric(world, "coredns_forward_requests_total{to=\"127.0.0.1:%u\"}", port), 4);
	is(metric(world, "coredns_forward_requests_total{to=\"127.0.0.1:%u\"}", other), 1);
	is(metric(world, "coredns_forward_responses_total{to=\"127.0.0.1:%u\",rcode=\"NOERROR\"}",
		   port),
		2);
	is(metric(world, "coredns_forward_responses_total{to=\"127.0.0.1:%u\",rcode=\"NXDOMAIN\"}",
		   port),
		1);
	is(metric(world, "coredns_forward_responses_total{to=\"127.0.0.1:%u\",rcode=\"SERVFAIL\"}",
		   port),
		1);
	is(metric(world,
		   "coredns_proxy_request_duration_seconds_count{proxy_name=\"forward\","
		   "to=\"127.0.0.1:%u\",rcode=\"NOERROR\"}",
		   other),
		1);
	is(metric(world,
		   "coredns_proxy_conn_cache_misses_total{proxy_name=\"forward\","
		   "to=\"127.0.0.1:%u\",proto=\"udp\"}",
		   port),
		3);
	is(metric(world,
		   "coredns_proxy_conn_cache_misses_total{proxy_name=\"forward\","
		   "to=\"127.0.0.1:%u\",proto=\"tcp\"}",
		   port),
		1);
	world_close(world);
}

static void test_what_goes_wrong(void **state)
{
	struct world *world = world_open(2,
		"forward . UP0 UP1 {\npolicy sequential\nmax_concurrent 1\nhealth_check 60s\n}\n");
	const unsigned port = world->up[0].port;
	struct up_asked asked;

	(void)state;
	world_ask(world, "a.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_WRONG_ID, 66);
	world_ask(world, "b.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	world_ask(world, "a.test", TYPE_A);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 7);
	for (unsigned i = 0; i < 2; i++)
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.7 ttl 30");
	is(metric(world, "coredns_forward_max_concurrent_rejects_total"), 1);
	is(metric(world, "binnacle_forward_joined_total"), 1);
	is(metric(world, "binnacle_forward_hedges_total"), 1);
	is(metric(world, "binnacle_forward_wrong_replies_total"), 1);
	is(metric(world, "coredns_forward_healthcheck_broken_total"), 0);
	up_shut(&world->up[0]);
	up_shut(&world->up[1]);
	world_ask(world, "c.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	pump_for(world, 20);
	is(metric(world, "coredns_forward_healthcheck_broken_total"), 1);
	assert_true(metric(world,
			    "coredns_proxy_healthcheck_failures_total{proxy_name=\"forward\","
			    "to=\"127.0.0.1:%u\"}",
			    port) >= 0);
	world_close(world);
}

/* Once for each reply, however many clients waited. */
static void test_replies_that_cannot_be_read(void **state)
{
	struct world *world = world_open(2, "cache\nforward . UP0 UP1 {\npolicy sequential\n}\n");
	const char *drops = "coredns_cache_drops_total{";
	struct up_asked asked;

	(void)state;
	assert_string_equal(
		world_answer(world, "a.test", SAY_ADDRESS, 7), "NOERROR 192.0.2.7 ttl 30");
	is(metric(world, "%s", drops), -1);
	for (unsigned i = 0; i < 3; i++)
		world_ask(world, "b.test", TYPE_A);
	up_hear(world, 0, &asked);
	up_say(world, &asked, SAY_GARBAGE, 7);
	up_hear(world, 1, &asked);
	up_say(world, &asked, SAY_ADDRESS, 8);
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(world_hear(world), "NOERROR 192.0.2.8 ttl 30");
	is(metric(world, "%sserver=\"dns://127.0.0.1:%u\",zones=\".\",view=\"\"}", drops,
		   (unsigned)world->port),
		1);
	world_close(world);
}

static void test_probes_that_fail(void **state)
{
	struct world *world = world_open(1, "forward . UP0 {\nhealth_check 20ms\n}\n");
	const unsigned port = world->up[0].port;
	const uint64_t end_ms = clock_ms() + WORLD_WAIT_MS;

	(void)state;
	up_shut(&world->up[0]);
	world_ask(world, "a.test", TYPE_A);
	assert_string_equal(world_hear(world), "SERVFAIL");
	while (metric(world, "coredns_forward_healthcheck_failures_total{to=\"127.0.0.1:%u\"}",
		       port) < 3 &&
		clock_ms() < end_ms)
		pump(world, 5);
	assert_true(metric(world,
			    "coredns_proxy_healthcheck_failures_total{proxy_name=\"forward\","
			    "to=\"127.0.0.1:%u\"}",
			    port) >= 3);
	world_close(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions_and_replies),
		cmocka_unit_test(test_what_goes_wrong),
		cmocka_unit_test(test_replies_that_cannot_be_read),
		cmocka_unit_test(test_probes_that_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How questions wait, and how that ends. */
#include "pending_test.h"

static void waits_and_is_answered(void **state)
{
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	ask(world, "test");
	wait_until(&world->finder.begun, 1);
	assert_false(pthread_equal(world->finder.thread, pthread_self()));
	assert_int_equal(pendings_count(world->pendings), 1);
	assert_int_equal(world->sent, 0);
	assert_int_equal(world->finder.done, 0);
	tell_all(world);
	assert_int_equal(world->sent, 1);
	assert_int_equal(world->last_len, 12 + 6 + 4 + 16);
	assert_memory_equal(world->last, "\x12\x34", 2);
	assert_int_equal(world->last[7], 1);
	assert_int_equal(world->finder.done, 1);
	assert_int_equal(world->finder.released, 1);
	assert_int_equal(pendings_count(world->pendings), 0);
}

static void waits_again_and_again(void **state)
{
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	ask(world, "a.b.test");
	for (unsigned i = 1; i <= 3; i++) {
		wait_until(&world->finder.begun, i);
		assert_int_equal(world->sent, 0);
		tell_all(world);
	}
	assert_int_equal(world->sent, 1);
	assert_int_equal(world->last[7], 1);
	assert_int_equal(world->finder.done, 1);
	assert_int_equal(world->finder.released, 3);
}

/* done() from within begin(). */
static void found_out_at_once(void **state)
{
	struct world *world = *state;

	world->finder.at_once = true;
	assert_int_equal(worker_run(world->worker), 0);
	for (unsigned i = 0; i < 1000; i++)
		ask(world, "a.b.test");
	wait_until(&world->sent, 1000);
	assert_int_equal(world->servfails, 0);
	assert_int_equal(world->finder.begun, 3000);
	assert_int_equal(world->finder.done, 1000);
	wait_until(&world->finder.released, 3000);
}

/* The last run may not wait: it is a failure, and not for ever. */
static void more_findings_than_a_memo_holds(void **state)
{
	struct world *world = *state;

	world->finder.endless = world->finder.at_once = true;
	assert_int_equal(worker_run(world->worker), 0);
	ask(world, "test");
	wait_until(&world->sent, 1);
	assert_int_equal(world->servfails, 1);
	assert_int_equal(world->finder.begun, MEMO_MAX + 1);
	wait_until(&world->finder.released, MEMO_MAX + 1);
}

/* Instances are others since: what the ones before had found is not known any more. */
static void findings_of_another_configuration(void **state)
{
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	ask(world, "a.test");
	for (unsigned i = 1; i <= 3; i++) {
		wait_until(&world->finder.begun, i);
		assert_int_equal(world->sent, 0);
		if (i == 1)
			atomic_fetch_add(&world->slot.exchanges, 1);
		tell_all(world);
	}
	assert_int_equal(world->replies, 1);
	assert_int_equal(world->servfails, 0);
}

static void no_memory_for_a_finding(void **state)
{
	struct world *world = *state;

	world->finder.no_memory = true;
	assert_int_equal(worker_run(world->worker), 0);
	ask(world, "a.b.test");
	wait_until(&world->finder.begun, 1);
	tell_all(world);
	assert_int_equal(world->sent, 1);
	assert_int_equal(world->servfails, 1);
	assert_int_equal(world->finder.begun, 1);
	assert_int_equal(world->finder.done, 1);
}

static void no_memory_for_a_ticket(void **state)
{
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	assert_false(ask_through(world, "test", no_memory_later));
	assert_false(ask_through(world, "test", NULL));
	assert_int_equal(pendings_count(world->pendings), 0);
	assert_int_equal(world->finder.begun, 0);
}

static void so_many_wait_and_no_more(void **state)
{
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	for (unsigned i = 0; i < PENDING_MAX; i++)
		ask(world, "test");
	assert_false(ask_through(world, "test", later));
	assert_int_equal(pendings_count(world->pendings), PENDING_MAX);
	wait_until(&world->finder.begun, PENDING_MAX);
	tell_all(world);
	assert_int_equal(world->replies, PENDING_MAX);
	assert_int_equal(pendings_count(world->pendings), 0);
	ask(world, "test");
	wait_until(&world->finder.begun, PENDING_MAX + 1);
	tell_all(world);
}

/* The loop thread never ran, or is gone: nobody gets a reply, and nothing is left. */
static void cancelled_at_the_end(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < 100; i++)
		ask(world, "test");
	worker_stop(world->worker);
	assert_int_equal(world->sent, 100);
	assert_int_equal(world->replies, 0);
	assert_int_equal(world->finder.begun, 0);
}

static void the_time_is_that_of_the_first_run(void **state)
{
	struct world *world = *state;
	uint64_t first;

	world->block.wants_time = true;
	assert_int_equal(worker_run(world->worker), 0);
	ask(world, "a.test");
	wait_until(&world->finder.begun, 1);
	first = world->finder.start_ns;
	assert_true(first > 0);
	poll(NULL, 0, 2);
	tell_all(world);
	wait_until(&world->finder.begun, 2);
	assert_true(world->finder.start_ns == first);
	tell_all(world);
	assert_int_equal(world->sent, 1);
}

/* A later run goes by the table of then: here by one in which nobody has the name. */
static void the_table_is_that_of_the_moment(void **state)
{
	struct world *world = *state;
	struct zone_table *none;
	const char *clash;

	assert_int_equal(zone_table_new(NULL, 0, &none, &clash), 0);
	assert_int_equal(worker_run(world->worker), 0);
	ask(world, "test");
	wait_until(&world->finder.begun, 1);
	atomic_store(&world->slot.table, none);
	tell_all(world);
	assert_int_equal(world->sent, 1);
	assert_int_equal(world->last[3] & 15, RCODE_REFUSED);
	worker_stop(world->worker);
	zone_table_free(none);
}

#define ASKERS 4

static void *asker_main(void *arg)
{
	struct world *world = arg;
	uint8_t data[22] = {
		0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1};
	struct sockaddr_in peer = {.sin_family = AF_INET};
	const struct net_packet packet = {.data = data,
		.len = sizeof data,
		.peer = (struct sockaddr *)&peer,
		.local = (struct sockaddr *)&peer,
		.later = later,
		.carrier = world};
	struct wait wait = {finder_begin, &world->finder, 0, TYPE_A, false, false, 6, {0}};

	memcpy(wait.name, data + 12, 6);
	for (unsigned i = 0; i < 2000; i++)
		assert_true(pending_start(world->pendings, &packet, &world->slot, &wait));
	return NULL;
}

static void many_threads_hand_over(void **state)
{
	struct world *world = *state;
	pthread_t threads[ASKERS];

	world->finder.at_once = true;
	assert_int_equal(worker_run(world->worker), 0);
	for (unsigned i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, asker_main, world), 0);
	for (unsigned i = 0; i < ASKERS; i++)
		pthread_join(threads[i], NULL);
	wait_until(&world->sent, ASKERS * 2000);
	assert_int_equal(world->servfails, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(waits_and_is_answered),
		CASE(waits_again_and_again),
		CASE(found_out_at_once),
		CASE(more_findings_than_a_memo_holds),
		CASE(findings_of_another_configuration),
		CASE(no_memory_for_a_finding),
		CASE(no_memory_for_a_ticket),
		CASE(so_many_wait_and_no_more),
		CASE(cancelled_at_the_end),
		CASE(the_time_is_that_of_the_first_run),
		CASE(the_table_is_that_of_the_moment),
		CASE(many_threads_hand_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

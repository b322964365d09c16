/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of one turn of the loop, which are sent together. */
#include "pending_test.h"

/* So many questions wait, with IDs from 1 on; the one asked last is told first. */
static void ask_many(struct world *world, unsigned count)
{
	const unsigned begun = world->finder.begun;

	for (unsigned i = 0; i < count; i++) {
		world->id = (uint16_t)(i + 1);
		assert_true(ask_through(world, "test", later_together));
	}
	wait_until(&world->finder.begun, begun + count);
}

static void check_batches(struct world *world, const unsigned *batches, unsigned count)
{
	unsigned all = 0;

	wait_until(&world->batch_count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(world->batches[i], batches[i]);
		all += batches[i];
	}
	assert_int_equal(world->id_count, all);
	for (unsigned i = 0; i < all; i++)
		assert_int_equal(world->ids[i], all - i);
	assert_int_equal(world->broken, 0);
}

static void sent_together_and_in_order(void **state)
{
	static const unsigned batches[] = {NET_REPLIES_MAX, NET_REPLIES_MAX, 6};
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	ask_many(world, 2 * NET_REPLIES_MAX + 6);
	tell_all(world);
	check_batches(world, batches, 3);
	assert_int_equal(world->sent, 0);
	assert_int_equal(pendings_count(world->pendings), 0);
}

/* Nothing else happens: the loop does not go to sleep on it. */
static void one_alone_goes_too(void **state)
{
	static const unsigned batches[] = {1};
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	ask_many(world, 1);
	tell_all(world);
	check_batches(world, batches, 1);
}

struct timer_job {
	struct worker_job job;
	struct world *world;
	uv_timer_t timer;
	atomic_bool closed;
};

static void on_timer_closed(uv_handle_t *handle)
{
	((struct timer_job *)handle->data)->closed = true;
}

static void on_timer(uv_timer_t *timer)
{
	struct timer_job *job = timer->data;

	tell_waiters(&job->world->finder);
}

static void on_timer_job(struct worker_job *base, bool cancelled)
{
	struct timer_job *job = (struct timer_job *)(void *)base;

	(void)cancelled;
	if (!job->timer.data) {
		uv_timer_init(worker_loop(job->world->worker), &job->timer);
		job->timer.data = job;
		uv_timer_start(&job->timer, on_timer, 1, 0);
	} else {
		uv_close((uv_handle_t *)&job->timer, on_timer_closed);
	}
}

/* After the timers the loop sleeps: their replies are sent before. */
static void told_by_a_timer(void **state)
{
	static const unsigned batches[] = {5};
	struct world *world = *state;
	struct timer_job job = {.job.run = on_timer_job, .world = world};

	assert_int_equal(worker_run(world->worker), 0);
	ask_many(world, 5);
	worker_post(world->worker, &job.job);
	check_batches(world, batches, 1);
	worker_post(world->worker, &job.job);
	for (int i = 0; i < 10000 && !job.closed; i++)
		poll(NULL, 0, 1);
	assert_true(job.closed);
}

/* Each batch is of one listener, and the one laid out behind it stays whole. */
static void listeners_by_turns(void **state)
{
	static const char groups[] = "AABBBACAA";
	static const unsigned batches[] = {2, 1, 1, 3, 2}; /* from behind */
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	for (unsigned i = 0; groups[i]; i++) {
		world->group = &places[groups[i] - 'A'];
		world->id = (uint16_t)(i + 1);
		assert_true(ask_through(world, "test", later_together));
	}
	wait_until(&world->finder.begun, 9);
	tell_all(world);
	check_batches(world, batches, 5);
}

/* 24,022 and 64,022 bytes each: there is room behind what is held for the largest. */
static void large_ones_do_not_wait_for_more(void **state)
{
	static const unsigned batches[] = {2, 2, 1}, alone[] = {1, 1, 1};
	struct world *world = *state;

	world->tcp = true;
	world->finder.records = 1500;
	assert_int_equal(worker_run(world->worker), 0);
	ask_many(world, 5);
	tell_all(world);
	check_batches(world, batches, 3);
	world->batch_count = world->id_count = 0;
	world->finder.records = 4000;
	ask_many(world, 3);
	tell_all(world);
	check_batches(world, alone, 3);
}

/* Listeners by turns, and what lies behind the others is as much as there is room for. */
static void large_ones_of_listeners_by_turns(void **state)
{
	static const unsigned batches[] = {1, 1, 1, 1, 1, 1};
	struct world *world = *state;

	world->tcp = true;
	world->finder.records = 2000;
	assert_int_equal(worker_run(world->worker), 0);
	for (unsigned i = 0; i < 6; i++) {
		world->group = &places[i % 2];
		world->id = (uint16_t)(i + 1);
		assert_true(ask_through(world, "test", later_together));
	}
	wait_until(&world->finder.begun, 6);
	tell_all(world);
	check_batches(world, batches, 6);
}

/* A connection's goes at once, and the others' after it all the same. */
static void some_have_no_cheaper_way(void **state)
{
	static const unsigned batches[] = {2};
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	ask_many(world, 1);
	ask(world, "test");
	world->id = 2;
	assert_true(ask_through(world, "test", later_together));
	wait_until(&world->finder.begun, 3);
	tell_all(world);
	check_batches(world, batches, 1);
	assert_int_equal(world->replies, 1);
}

/* The end finds questions waiting, and who looks for their answers stops first. */
static void the_last_ones_at_the_end(void **state)
{
	static const unsigned batches[] = {10};
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	world->earlier.tells = true;
	ask_many(world, 10);
	worker_stop(world->worker);
	check_batches(world, batches, 1);
}

/* Or stops later: nobody would send what is held. */
static void those_after_the_end_go_at_once(void **state)
{
	struct world *world = *state;

	assert_int_equal(worker_run(world->worker), 0);
	world->later.tells = true;
	ask_many(world, 10);
	worker_stop(world->worker);
	assert_int_equal(world->batch_count, 0);
	assert_int_equal(world->replies, 10);
	assert_int_equal(world->servfails, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sent_together_and_in_order),
		CASE(one_alone_goes_too),
		CASE(told_by_a_timer),
		CASE(listeners_by_turns),
		CASE(large_ones_do_not_wait_for_more),
		CASE(large_ones_of_listeners_by_turns),
		CASE(some_have_no_cheaper_way),
		CASE(the_last_ones_at_the_end),
		CASE(those_after_the_end_go_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

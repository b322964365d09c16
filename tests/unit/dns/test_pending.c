/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that wait for a plugin of the test, on a real loop thread: names of N labels wait
 * for a finding N times. */
#include "dns/pending.h"

#include "cache/epoch.h"
#include "dns/serve/ask.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a plugin that has to find out ---- */

struct finder {
	struct waiter *waiters; /* of whom nobody has been told; the loop thread's */
	bool at_once, no_memory, endless;
	atomic_uint begun, released, done;
	_Atomic uint64_t start_ns;
	pthread_t thread; /* of begin() */
};

struct world {
	struct name root;
	struct finder finder;
	struct block_plugin plugin;
	struct block block;
	struct zone_table *table;
	struct zone_slot slot;
	struct net_handler handler;
	struct worker *worker;
	struct pendings *pendings;
	struct thread *thread; /* the test's, as an answering one */
	atomic_uint batches_open;
	atomic_uint sent, replies, servfails, refused;
	uint8_t last[512];
	size_t last_len;
	atomic_bool last_set;
};

struct found {
	struct finding finding;
	struct finder *finder;
};

static void found_release(struct finding *finding)
{
	struct found *found = (struct found *)(void *)finding;

	found->finder->released++;
	free(found);
}

static void tell(struct finder *finder, struct waiter *waiter)
{
	struct found *found = finder->no_memory ? NULL : malloc(sizeof *found);

	if (found)
		*found = (struct found){{found_release}, finder};
	waiter->done(waiter, found ? &found->finding : NULL);
}

static struct world *the_world;   /* who is called has no way to it otherwise */
static char places[MEMO_MAX + 2]; /* instances, one for each finding */

static void finder_begin(void *instance, const struct wait *wait, struct waiter *waiter)
{
	struct finder *finder = &the_world->finder;

	(void)instance;
	finder->thread = pthread_self();
	finder->start_ns = wait->start_ns;
	finder->begun++;
	if (finder->at_once) {
		tell(finder, waiter);
	} else {
		waiter->next = finder->waiters;
		finder->waiters = waiter;
	}
}

/* The name leads to the one without its first label, and that is to be found out, too. */
static enum plugin_verdict finder_query(void *instance, struct txn *txn)
{
	static const uint8_t address[4] = {192, 0, 2, 7};
	struct finder *finder = instance;
	const struct query *query = txn->query;
	struct message message;
	unsigned at = 0;

	if (finder->endless) {
		while (wait_found(txn, &places[at]))
			at++;
		return wait_for(txn, &places[at], finder_begin) ? PLUGIN_WAIT : PLUGIN_NEXT;
	}
	if (!wait_found(txn, instance)) {
		if (wait_for(txn, instance, finder_begin))
			return PLUGIN_WAIT;
		txn->error = "nothing can wait";
		return PLUGIN_NEXT;
	}
	if (query->labels > 1 && txn->depth < ASK_DEPTH_MAX) {
		const enum plugin_verdict verdict = ask_other(txn, query->name + 1 + query->name[0],
			(uint8_t)(query->name_len - 1 - query->name[0]), &message);

		if (verdict != PLUGIN_DONE)
			return verdict;
	}
	reply_put_rr(txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
	return PLUGIN_DONE;
}

static void finder_done(void *instance, struct txn *txn)
{
	struct finder *finder = instance;

	(void)txn;
	finder->done++;
}

static const struct plugin plugin_finder = {
	.name = "finder", .query = finder_query, .done = finder_done};

/* ---- the server ---- */

static void *thread_begin(void *ctx)
{
	(void)ctx;
	epoch_thread_start();
	return thread_new();
}

static void thread_end(void *thread)
{
	epoch_thread_stop();
	thread_free(thread);
}

static void batch_begin(void *thread)
{
	(void)thread;
	the_world->batches_open++;
	epoch_online();
}

static void batch_end(void *thread)
{
	(void)thread;
	epoch_offline();
	the_world->batches_open--;
}

static size_t no_answer(void *thread, const struct net_packet *packet, uint8_t *out, size_t cap)
{
	(void)thread;
	(void)packet;
	(void)out;
	(void)cap;
	return 0;
}

static int setup(void **state)
{
	static char text[] = ".";
	static char *text_at = text;
	struct world *world = calloc(1, sizeof *world);
	const struct block *block = &world->block;
	const char *clash;

	the_world = world;
	world->root.len = 1;
	world->plugin = (struct block_plugin){&plugin_finder, &world->finder};
	world->block = (struct block){.zones = &world->root,
		.zone_texts = &text_at,
		.zone_count = 1,
		.plugins = &world->plugin,
		.plugin_count = 1};
	world->handler = (struct net_handler){
		NULL, thread_begin, thread_end, batch_begin, no_answer, batch_end};
	world->thread = thread_new();
	*state = world;
	if (zone_table_new(&block, 1, &world->table, &clash) < 0 ||
		worker_open(&world->handler, &world->worker) < 0 ||
		pendings_new(world->worker, &world->pendings) < 0)
		return -1;
	atomic_init(&world->slot.table, world->table);
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	worker_free(world->worker);
	assert_int_equal(pendings_count(world->pendings), 0);
	pendings_free(world->pendings);
	zone_table_free(world->table);
	thread_free(world->thread);
	free(world);
	return 0;
}

/* ---- who asks ---- */

struct ticket {
	struct net_ticket ticket;
	struct world *world;
};

static void ticket_send(struct net_ticket *base, const uint8_t *reply, size_t len)
{
	struct ticket *ticket = (struct ticket *)(void *)base;
	struct world *world = ticket->world;

	/* What else the transport does is a batch of its own. */
	assert_int_equal(world->batches_open, 0);
	if (len && !world->last_set) {
		world->last_len = len < sizeof world->last ? len : sizeof world->last;
		memcpy(world->last, reply, world->last_len);
		world->last_set = true;
	}
	world->servfails += len && (reply[3] & 15) == RCODE_SERVFAIL;
	world->replies += len > 0;
	world->sent++;
	free(ticket);
}

static struct net_ticket *later(const struct net_packet *packet)
{
	struct world *world = packet->carrier;
	struct ticket *ticket = malloc(sizeof *ticket);

	*ticket = (struct ticket){{ticket_send}, world};
	return &ticket->ticket;
}

static struct net_ticket *no_memory_later(const struct net_packet *packet)
{
	(void)packet;
	return NULL;
}

/* As dns/listen.c: a run of the chain, and what it waits for is pending then. */
static bool ask_through(struct world *world, const char *text,
	struct net_ticket *(*how)(const struct net_packet *packet))
{
	uint8_t data[512] = {0x12, 0x34, 1, 0, 0, 1}, out[65535];
	struct sockaddr_in peer = {.sin_family = AF_INET};
	struct sockaddr_in6 local = {.sin6_family = AF_INET6};
	struct wait wait = {.begin = NULL};
	struct name name;
	struct respond_packet packet = {.data = data,
		.peer = (struct sockaddr *)&peer,
		.local = (struct sockaddr *)&local,
		.wait = &wait};
	struct net_packet from = {.data = data,
		.peer = packet.peer,
		.local = packet.local,
		.later = how,
		.carrier = world};

	assert_int_equal(name_from_text(text, strlen(text), &name), 0);
	memcpy(data + 12, name.wire, name.len);
	bytes_set_u16(data + 12 + name.len, TYPE_A);
	bytes_set_u16(data + 14 + name.len, CLASS_IN);
	from.len = packet.len = 16u + name.len;
	assert_int_equal(respond(world->thread, world->table, &packet, out), 0);
	assert_non_null(wait.begin);
	return pending_start(world->pendings, &from, &world->slot, &wait);
}

static void ask(struct world *world, const char *text)
{
	assert_true(ask_through(world, text, later));
}

static void wait_until(const atomic_uint *counter, unsigned count)
{
	for (int i = 0; i < 10000 && *counter < count; i++)
		poll(NULL, 0, 1);
	assert_int_equal(*counter, count);
}

/* Tell everybody who waits, on the loop thread. */
struct tell_job {
	struct worker_job job;
	struct finder *finder;
	atomic_uint done;
};

static void on_tell(struct worker_job *base, bool cancelled)
{
	struct tell_job *job = (struct tell_job *)(void *)base;
	struct waiter *waiter = job->finder->waiters;

	(void)cancelled;
	job->finder->waiters = NULL;
	while (waiter) {
		struct waiter *next = waiter->next;

		tell(job->finder, waiter);
		waiter = next;
	}
	job->done = 1;
}

static void tell_all(struct world *world)
{
	struct tell_job job = {{.run = on_tell}, &world->finder, 0};

	worker_post(world->worker, &job.job);
	wait_until(&job.done, 1);
}

/* ---- cases ---- */

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

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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

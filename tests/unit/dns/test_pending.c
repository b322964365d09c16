/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that wait, with a real worker: a plugin of the test waits for what it is told to
 * find, tickets of the test keep the replies. */
#include "dns/pending.h"

#include "dns/wire/type.h"

#include <arpa/inet.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS_FOREVER 1000

struct world {
	struct net_handler handler;
	struct worker *worker;
	struct pendings *pendings;
	struct name zone;
	struct block_plugin plugin;
	struct block block;
	struct zone_table *table;
	struct zone_slot slot;
	struct thread *thread; /* of the answering side */
	/* Of the plugin: */
	unsigned rounds; /* findings that it needs */
	bool empty;      /* they get no finding */
	atomic_uint begun, made, released, done;
	/* Of the last reply: */
	sem_t replied;
	size_t reply_len;
	uint8_t reply[UINT16_MAX];
	atomic_uint tickets;
	bool no_ticket;
};

struct test_finding {
	struct finding finding;
	struct world *world;
};

struct test_ticket {
	struct net_ticket ticket;
	struct world *world;
};

/* ---- the plugin ---- */

static void finding_release(struct finding *finding)
{
	struct test_finding *self = (struct test_finding *)(void *)finding;

	self->world->released++;
	free(self);
}

static void begin(void *instance, const struct wait *wait, struct waiter *waiter)
{
	struct world *world = ((struct world **)instance)[0];
	struct test_finding *finding;

	(void)wait;
	world->begun++;
	if (world->empty) {
		waiter->done(waiter, NULL);
		return;
	}
	finding = malloc(sizeof *finding);
	*finding = (struct test_finding){.finding.release = finding_release, .world = world};
	world->made++;
	waiter->done(waiter, &finding->finding);
}

/* Needs a finding for each of `rounds` places; an instance is the place's own. */
struct place {
	struct world *world;
};

static struct place places[ROUNDS_FOREVER];

static enum plugin_verdict waiting_query(void *instance, struct txn *txn)
{
	struct world *world = instance;

	for (unsigned i = 0; i < world->rounds; i++) {
		places[i].world = world;
		if (wait_found(txn, &places[i]))
			continue;
		if (wait_for(txn, &places[i], begin))
			return PLUGIN_WAIT;
		return PLUGIN_NEXT;
	}
	reply_put_rr(txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 5,
		(const uint8_t[]){192, 0, 2, 7}, 4);
	return PLUGIN_DONE;
}

static void waiting_done(void *instance, struct txn *txn)
{
	struct world *world = instance;

	(void)txn;
	world->done++;
}

static const struct plugin plugin_waiting = {
	.name = "waiting", .query = waiting_query, .done = waiting_done};

/* ---- the transport ---- */

static void *thread_begin(void *ctx)
{
	(void)ctx;
	return thread_new();
}

static void thread_end(void *thread)
{
	thread_free(thread);
}

static void batch(void *thread)
{
	(void)thread;
}

static void ticket_send(struct net_ticket *ticket, const uint8_t *reply, size_t len)
{
	struct test_ticket *self = (struct test_ticket *)(void *)ticket;
	struct world *world = self->world;

	memcpy(world->reply, reply, len);
	world->reply_len = len;
	world->tickets--;
	free(self);
	sem_post(&world->replied);
}

static struct net_ticket *later(const struct net_packet *packet)
{
	struct world *world = packet->carrier;
	struct test_ticket *ticket = world->no_ticket ? NULL : malloc(sizeof *ticket);

	if (!ticket)
		return NULL;
	*ticket = (struct test_ticket){{ticket_send}, world};
	world->tickets++;
	return &ticket->ticket;
}

static int setup(void **state)
{
	static char text[] = ".";
	static char *texts[] = {text};
	struct world *world = calloc(1, sizeof *world);
	const struct block *blocks[] = {&world->block};
	const char *clash;

	world->handler = (struct net_handler){.thread_start = thread_begin,
		.thread_stop = thread_end,
		.batch_begin = batch,
		.batch_end = batch};
	name_from_text(".", 1, &world->zone);
	world->plugin = (struct block_plugin){&plugin_waiting, world};
	world->block = (struct block){.zones = &world->zone,
		.zone_texts = texts,
		.zone_count = 1,
		.plugins = &world->plugin,
		.plugin_count = 1};
	assert_int_equal(zone_table_new(blocks, 1, &world->table, &clash), 0);
	atomic_init(&world->slot.table, world->table);
	sem_init(&world->replied, 0, 0);
	world->thread = thread_new();
	assert_int_equal(worker_open(&world->handler, &world->worker), 0);
	assert_int_equal(pendings_new(world->worker, &world->pendings), 0);
	assert_int_equal(worker_run(world->worker), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	worker_free(world->worker);
	pendings_free(world->pendings);
	zone_table_free(world->table);
	thread_free(world->thread);
	sem_destroy(&world->replied);
	assert_int_equal(world->made, world->released);
	assert_int_equal(world->tickets, 0);
	free(world);
	return 0;
}

/* Ask as an answering thread does. False: the question could not be put aside. */
static bool ask(struct world *world)
{
	static const uint8_t question[] = "\xab\xcd\1\0\0\1\0\0\0\0\0\0\3www\4test\0\0\1\0\1";
	static const struct sockaddr_in peer = {.sin_family = AF_INET};
	const struct net_packet packet = {.data = question,
		.len = sizeof question - 1,
		.peer = (const struct sockaddr *)&peer,
		.local = (const struct sockaddr *)&peer,
		.later = later,
		.carrier = world};
	struct wait wait = {0};
	const struct respond_packet in = {.data = packet.data,
		.len = packet.len,
		.peer = packet.peer,
		.local = packet.local,
		.wait = &wait};
	uint8_t *out = malloc(UINT16_MAX);

	assert_int_equal(respond(world->thread, world->table, &in, out), 0);
	free(out);
	assert_non_null(wait.begin);
	return pending_start(world->pendings, &packet, &world->slot, &wait);
}

static void reply_wait(struct world *world)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	assert_int_equal(sem_timedwait(&world->replied, &until), 0);
}

/* ---- cases ---- */

static void test_runs_again_when_more_is_known(void **state)
{
	struct world *world = *state;

	world->rounds = 3;
	assert_true(ask(world));
	reply_wait(world);
	assert_int_equal(world->begun, 3);
	assert_int_equal(world->done, 1); /* the last run's only */
	assert_int_equal(world->reply[0], 0xab);
	assert_int_equal(world->reply[3] & 15, RCODE_NOERROR);
	assert_int_equal(world->reply[7], 1);
	worker_stop(world->worker);
	assert_int_equal(pendings_count(world->pendings), 0);
}

/* More findings than a memo holds: the last run may not wait. */
static void test_rounds_are_bounded(void **state)
{
	struct world *world = *state;

	world->rounds = ROUNDS_FOREVER;
	assert_true(ask(world));
	reply_wait(world);
	assert_int_equal(world->begun, MEMO_MAX + 1);
	assert_int_equal(world->reply[3] & 15, RCODE_SERVFAIL);
}

static void test_no_memory_for_a_finding(void **state)
{
	struct world *world = *state;

	world->rounds = 1;
	world->empty = true;
	assert_true(ask(world));
	reply_wait(world);
	assert_int_equal(world->begun, 1);
	assert_int_equal(world->reply[3] & 15, RCODE_SERVFAIL);
}

static void test_no_ticket(void **state)
{
	struct world *world = *state;

	world->rounds = 1;
	world->no_ticket = true;
	assert_false(ask(world));
	assert_int_equal(pendings_count(world->pendings), 0);
	assert_int_equal(world->begun, 0);
}

/* Nobody is told any more when the server stops; the ticket is given up all the same. */
static void test_cancelled_before_it_began(void **state)
{
	struct world *world = *state;

	world->rounds = 1;
	worker_stop(world->worker);
	worker_free(world->worker);
	assert_int_equal(worker_open(&world->handler, &world->worker), 0);
	pendings_free(world->pendings);
	assert_int_equal(pendings_new(world->worker, &world->pendings), 0);
	assert_true(ask(world)); /* the worker never runs */
	assert_int_equal(pendings_count(world->pendings), 1);
	worker_stop(world->worker);
	reply_wait(world);
	assert_int_equal(world->reply_len, 0);
	assert_int_equal(world->begun, 0);
	assert_int_equal(pendings_count(world->pendings), 0);
}

static void test_how_many_wait_is_bounded(void **state)
{
	struct world *world = *state;
	unsigned taken = 0;

	world->rounds = 1;
	worker_stop(world->worker);
	worker_free(world->worker);
	assert_int_equal(worker_open(&world->handler, &world->worker), 0);
	pendings_free(world->pendings);
	assert_int_equal(pendings_new(world->worker, &world->pendings), 0);
	while (taken <= PENDING_MAX && ask(world))
		taken++;
	assert_int_equal(taken, PENDING_MAX);
	assert_int_equal(pendings_count(world->pendings), PENDING_MAX);
	worker_stop(world->worker);
	assert_int_equal(pendings_count(world->pendings), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_runs_again_when_more_is_known),
		CASE(test_rounds_are_bounded),
		CASE(test_no_memory_for_a_finding),
		CASE(test_no_ticket),
		CASE(test_cancelled_before_it_began),
		CASE(test_how_many_wait_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

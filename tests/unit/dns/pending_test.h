/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_PENDING_TEST_H
#define BINNACLE_TESTS_PENDING_TEST_H

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
	unsigned records; /* in each answer; 0: one */
	atomic_uint begun, released, done;
	_Atomic uint64_t start_ns;
	pthread_t thread; /* of begin() */
};

#define BATCHES_MAX 128

/* Waits are told of their findings when it stops, if that is what it is for. */
struct stopper {
	struct worker_service service;
	bool tells;
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
	/* Replies that were sent together, and the IDs of all in their order. */
	uint16_t id; /* of the next question */
	bool tcp;
	const void *group;
	unsigned batches[BATCHES_MAX];
	atomic_uint batch_count;
	uint16_t ids[1024];
	atomic_uint id_count;
	unsigned broken;               /* replies that are not what they should be */
	struct stopper earlier, later; /* than the pendings */
};

struct found {
	struct finding finding;
	struct finder *finder;
};

static inline void found_release(struct finding *finding)
{
	struct found *found = (struct found *)(void *)finding;

	found->finder->released++;
	free(found);
}

static inline void tell(struct finder *finder, struct waiter *waiter)
{
	struct found *found = finder->no_memory ? NULL : malloc(sizeof *found);

	if (found)
		*found = (struct found){{found_release}, finder};
	waiter->done(waiter, found ? &found->finding : NULL);
}

static struct world *the_world;   /* who is called has no way to it otherwise */
static char places[MEMO_MAX + 2]; /* instances, one for each finding */

static inline void finder_begin(void *instance, const struct wait *wait, struct waiter *waiter)
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
static inline enum plugin_verdict finder_query(void *instance, struct txn *txn)
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
	for (unsigned i = 0; i == 0 || i < finder->records; i++)
		reply_put_rr(txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
	return PLUGIN_DONE;
}

static inline void finder_done(void *instance, struct txn *txn)
{
	struct finder *finder = instance;

	(void)txn;
	finder->done++;
}

static const struct plugin plugin_finder = {
	.name = "finder", .query = finder_query, .done = finder_done};

static inline void tell_waiters(struct finder *finder)
{
	struct waiter *waiter = finder->waiters;

	finder->waiters = NULL;
	while (waiter) {
		struct waiter *next = waiter->next;

		tell(finder, waiter);
		waiter = next;
	}
}

static inline void stopper_start(struct worker_service *service)
{
	(void)service;
}

static inline void stopper_stop(struct worker_service *service)
{
	if (((struct stopper *)(void *)service)->tells)
		tell_waiters(&the_world->finder);
}

/* ---- the server ---- */

static inline void *thread_begin(void *ctx)
{
	(void)ctx;
	epoch_thread_start();
	return thread_new();
}

static inline void thread_end(void *thread)
{
	epoch_thread_stop();
	thread_free(thread);
}

static inline void batch_begin(void *thread)
{
	(void)thread;
	the_world->batches_open++;
	epoch_online();
}

static inline void batch_end(void *thread)
{
	(void)thread;
	epoch_offline();
	the_world->batches_open--;
}

static inline size_t no_answer(
	void *thread, const struct net_packet *packet, uint8_t *out, size_t cap)
{
	(void)thread;
	(void)packet;
	(void)out;
	(void)cap;
	return 0;
}

static inline int setup(void **state)
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
	world->id = 0x1234;
	*state = world;
	if (zone_table_new(&block, 1, &world->table, &clash) < 0 ||
		worker_open(&world->handler, &world->worker) < 0)
		return -1;
	/* What was attached last stops first. */
	world->later.service = world->earlier.service =
		(struct worker_service){stopper_start, stopper_stop, NULL};
	worker_attach(world->worker, &world->later.service);
	if (pendings_new(world->worker, &world->pendings) < 0)
		return -1;
	worker_attach(world->worker, &world->earlier.service);
	atomic_init(&world->slot.table, world->table);
	return 0;
}

static inline int teardown(void **state)
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

static inline void ticket_send(struct net_ticket *base, const uint8_t *reply, size_t len)
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

/* The whole of it is as it was laid out. */
static inline bool is_whole(const struct world *world, const struct net_reply *reply)
{
	const unsigned records = world->finder.records ? world->finder.records : 1;

	return reply->len == 12u + 6 + 4 + 16 * records &&
	       memcmp(reply->data + 12, "\4test", 6) == 0 &&
	       (unsigned)(reply->data[6] << 8 | reply->data[7]) == records &&
	       memcmp(reply->data + reply->len - 4, "\xc0\0\2\7", 4) == 0;
}

static inline void tickets_send(const struct net_reply *replies, unsigned count)
{
	struct world *world = ((struct ticket *)(void *)replies[0].ticket)->world;
	const void *group = replies[0].ticket->group;

	assert_in_range(count, 1, NET_REPLIES_MAX);
	for (unsigned i = 0; i < count; i++) {
		const struct net_reply *reply = &replies[i];

		world->broken += !is_whole(world, reply) || reply->ticket->group != group;
		world->ids[world->id_count] = (uint16_t)(reply->data[0] << 8 | reply->data[1]);
		world->id_count++;
		free(reply->ticket);
	}
	world->batches[world->batch_count] = count;
	world->batch_count++;
}

static inline struct net_ticket *later_together(const struct net_packet *packet)
{
	struct world *world = packet->carrier;
	struct ticket *ticket = malloc(sizeof *ticket);

	*ticket = (struct ticket){{ticket_send, tickets_send, world->group}, world};
	return &ticket->ticket;
}

static inline struct net_ticket *later(const struct net_packet *packet)
{
	struct world *world = packet->carrier;
	struct ticket *ticket = malloc(sizeof *ticket);

	*ticket = (struct ticket){{.send = ticket_send}, world};
	return &ticket->ticket;
}

static inline struct net_ticket *no_memory_later(const struct net_packet *packet)
{
	(void)packet;
	return NULL;
}

/* As dns/listen.c: a run of the chain, and what it waits for is pending then. */
static inline bool ask_through(struct world *world, const char *text,
	struct net_ticket *(*how)(const struct net_packet *packet))
{
	uint8_t data[512] = {(uint8_t)(world->id >> 8), (uint8_t)world->id, 1, 0, 0, 1}, out[65535];
	struct sockaddr_in peer = {.sin_family = AF_INET};
	struct sockaddr_in6 local = {.sin6_family = AF_INET6};
	struct wait wait = {.begin = NULL};
	struct name name;
	struct respond_packet packet = {.data = data,
		.peer = (struct sockaddr *)&peer,
		.local = (struct sockaddr *)&local,
		.tcp = world->tcp,
		.wait = &wait};
	struct net_packet from = {.data = data,
		.proto = world->tcp ? NET_TCP : NET_UDP,
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

static inline void ask(struct world *world, const char *text)
{
	assert_true(ask_through(world, text, later));
}

static inline void wait_until(const atomic_uint *counter, unsigned count)
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

static inline void on_tell(struct worker_job *base, bool cancelled)
{
	struct tell_job *job = (struct tell_job *)(void *)base;

	(void)cancelled;
	tell_waiters(job->finder);
	job->done = 1;
}

static inline void tell_all(struct world *world)
{
	struct tell_job job = {{.run = on_tell}, &world->finder, 0};

	worker_post(world->worker, &job.job);
	wait_until(&job.done, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

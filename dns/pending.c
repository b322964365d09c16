/* SPDX-License-Identifier: Apache-2.0 */
/* pending_start -> [worker] wait.begin -> ... -> done: memo, respond again
 *                              ^------------------------------- waits again
 *                                               or reply: ticket->send, free
 *
 * What goes wrong: a finding that cannot be noted (no memory, more than MEMO_MAX) ends in
 * a last run in which nothing may wait, so that the client gets SERVFAIL at once instead
 * of nothing at all. */

#include "pending.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Replies that are gathered before they are sent; more bytes are sent at once. */
#define HELD_BYTES_MAX 32768

struct pendings {
	struct worker *worker;
	_Atomic unsigned count;
	/* The loop thread's. Replies lie in out one behind the other until the turn of the loop
	 * ends, or it is a different listener's turn; one is always laid out at its end. */
	struct worker_service service;
	uv_prepare_t before; /* timers have run */
	uv_check_t after;    /* sockets have */
	bool running;
	unsigned held_count;
	size_t held_bytes;
	struct net_reply held[NET_REPLIES_MAX];
	uint8_t out[HELD_BYTES_MAX + UINT16_MAX];
};

struct pending {
	struct worker_job job;
	struct waiter waiter;
	struct pendings *set;
	struct net_ticket *ticket;
	const struct zone_slot *slot;
	unsigned exchanges; /* of the slot, when the memo was begun */
	struct memo memo;
	struct wait wait;
	struct sockaddr_storage peer, local;
	uint64_t start_ns;
	bool tcp;
	size_t len;
	uint8_t packet[];
};

/* ---- replies ---- */

static void held_send(struct pendings *set)
{
	if (set->held_count)
		set->held[0].ticket->send_all(set->held, set->held_count);
	set->held_count = 0;
	set->held_bytes = 0;
}

/* The reply lies at the end of out. */
static void reply_send(struct pendings *set, struct net_ticket *ticket, size_t len)
{
	const uint8_t *reply = set->out + set->held_bytes;

	if (!ticket->send_all || !set->running || len == 0) {
		ticket->send(ticket, reply, len);
		return;
	}
	if (set->held_count && set->held[0].ticket->group != ticket->group) {
		held_send(set); /* reply stays where it is: nothing is laid out before it is held */
		set->held_bytes = (size_t)(reply - set->out);
	}
	set->held[set->held_count++] = (struct net_reply){ticket, reply, len};
	set->held_bytes += len;
	if (set->held_count == NET_REPLIES_MAX || set->held_bytes > HELD_BYTES_MAX)
		held_send(set);
}

static void on_before(uv_prepare_t *before)
{
	held_send(before->data);
}

static void on_after(uv_check_t *after)
{
	held_send(after->data);
}

static void service_start(struct worker_service *service)
{
	struct pendings *set =
		(struct pendings *)(void *)((char *)service - offsetof(struct pendings, service));

	uv_prepare_init(worker_loop(set->worker), &set->before);
	uv_check_init(worker_loop(set->worker), &set->after);
	set->before.data = set->after.data = set;
	uv_prepare_start(&set->before, on_before);
	uv_check_start(&set->after, on_after);
	set->running = true;
}

/* Others may stop later, and have replies then: those go at once. */
static void service_stop(struct worker_service *service)
{
	struct pendings *set =
		(struct pendings *)(void *)((char *)service - offsetof(struct pendings, service));

	if (!set->running)
		return;
	held_send(set);
	set->running = false;
	uv_close((uv_handle_t *)&set->before, NULL);
	uv_close((uv_handle_t *)&set->after, NULL);
}

/* ---- life ---- */

int pendings_new(struct worker *worker, struct pendings **out)
{
	struct pendings *pendings = calloc(1, sizeof *pendings);

	if (!pendings)
		return -ENOMEM;
	pendings->worker = worker;
	pendings->service.start = service_start;
	pendings->service.stop = service_stop;
	worker_attach(worker, &pendings->service);
	*out = pendings;
	return 0;
}

void pendings_free(struct pendings *pendings)
{
	free(pendings);
}

unsigned pendings_count(const struct pendings *pendings)
{
	return atomic_load_explicit(&pendings->count, memory_order_relaxed);
}

static void pending_finish(struct pending *pending, size_t len)
{
	struct pendings *set = pending->set;

	reply_send(set, pending->ticket, len);
	memo_clear(&pending->memo);
	free(pending);
	atomic_fetch_sub_explicit(&set->count, 1, memory_order_relaxed);
}

/* What was learned from instances that may be gone is no use: another one may have come to
 * stand where one stood. */
static void memo_check(struct pending *pending)
{
	const unsigned exchanges =
		atomic_load_explicit(&pending->slot->exchanges, memory_order_acquire);

	if (exchanges != pending->exchanges)
		memo_clear(&pending->memo);
	pending->exchanges = exchanges;
}

/* Run the chain again; true: it waits again, for what pending->wait says. */
static bool pending_run(struct pending *pending, bool may_wait, size_t *len)
{
	struct worker *worker = pending->set->worker;
	const struct net_handler *handler = worker_handler(worker);
	const struct respond_packet packet = {
		.data = pending->packet,
		.len = pending->len,
		.peer = (const struct sockaddr *)&pending->peer,
		.local = (const struct sockaddr *)&pending->local,
		.tcp = pending->tcp,
		.wait = may_wait ? &pending->wait : NULL,
		.memo = &pending->memo,
		.start_ns = pending->start_ns,
	};

	pending->wait.begin = NULL;
	handler->batch_begin(worker_thread(worker));
	memo_check(pending);
	*len = respond(worker_thread(worker),
		atomic_load_explicit(&pending->slot->table, memory_order_acquire), &packet,
		pending->set->out + pending->set->held_bytes);
	handler->batch_end(worker_thread(worker));
	return pending->wait.begin != NULL;
}

static void pending_begin(struct pending *pending)
{
	pending->wait.begin(pending->wait.instance, &pending->wait, &pending->waiter);
}

static void on_found(struct waiter *waiter, struct finding *finding)
{
	struct pending *pending =
		(struct pending *)(void *)((char *)waiter - offsetof(struct pending, waiter));
	const bool noted = finding && memo_add(&pending->memo, &pending->wait, finding) == 0;
	size_t len;

	if (pending_run(pending, noted, &len))
		pending_begin(pending);
	else
		pending_finish(pending, len);
}

static void on_job(struct worker_job *job, bool cancelled)
{
	struct pending *pending = (struct pending *)(void *)job;

	if (cancelled)
		pending_finish(pending, 0);
	else
		pending_begin(pending);
}

static void address_copy(struct sockaddr_storage *to, const struct sockaddr *from)
{
	memcpy(to, from,
		from->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					   : sizeof(struct sockaddr_in6));
}

bool pending_start(struct pendings *pendings, const struct net_packet *packet,
	const struct zone_slot *slot, const struct wait *wait)
{
	struct pending *pending;

	if (!packet->later)
		return false;
	if (atomic_fetch_add_explicit(&pendings->count, 1, memory_order_relaxed) >= PENDING_MAX)
		goto refuse;
	pending = malloc(sizeof *pending + packet->len);
	if (!pending)
		goto refuse;
	pending->ticket = packet->later(packet);
	if (!pending->ticket) {
		free(pending);
		goto refuse;
	}
	pending->job.run = on_job;
	pending->waiter.done = on_found;
	pending->set = pendings;
	pending->slot = slot;
	pending->exchanges = atomic_load_explicit(&slot->exchanges, memory_order_relaxed);
	pending->memo = (struct memo){0};
	pending->wait = *wait;
	pending->start_ns = wait->start_ns;
	pending->tcp = packet->proto == NET_TCP;
	address_copy(&pending->peer, packet->peer);
	address_copy(&pending->local, packet->local);
	pending->len = packet->len;
	memcpy(pending->packet, packet->data, packet->len);
	worker_post(pendings->worker, &pending->job);
	return true;
refuse:
	atomic_fetch_sub_explicit(&pendings->count, 1, memory_order_relaxed);
	return false;
}

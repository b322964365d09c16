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

struct pendings {
	struct worker *worker;
	_Atomic unsigned count;
	uint8_t out[UINT16_MAX]; /* the loop thread's */
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

int pendings_new(struct worker *worker, struct pendings **out)
{
	struct pendings *pendings = calloc(1, sizeof *pendings);

	if (!pendings)
		return -ENOMEM;
	pendings->worker = worker;
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

	pending->ticket->send(pending->ticket, set->out, len);
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
		pending->set->out);
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

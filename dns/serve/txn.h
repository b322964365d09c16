/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_SERVE_TXN_H
#define BINNACLE_DNS_SERVE_TXN_H

/* One query in flight. Lives on the answering thread's stack from the packet to
 * the reply; plugins read the question here and write the reply. */

#include "dns/wire/query.h"
#include "dns/wire/reply.h"
#include "dns/wire/stream.h"

struct sockaddr;
struct block;
struct name;
struct memo;
struct wait;
struct zone_table;

/* What a thread keeps from one query to the next. One per answering or loop
 * thread, made by thread_new(), never shared. */
struct thread;

struct txn {
	struct thread *thread;
	const struct query *query;
	struct reply *reply;
	const struct sockaddr *peer;  /* AF_INET or AF_INET6, never v4-mapped */
	const struct sockaddr *local; /* the address and port asked */
	bool tcp;
	/* TCP: a reply of many messages. Whoever sets it has PLUGIN_DONE as its
	 * verdict and keeps nothing of the txn but a copy of the wake; what is in
	 * `reply` is what the done hooks see. */
	struct stream *stream;
	const struct stream_wake *wake; /* NULL: a reply is one message */
	/* The reply ends in an alias to this name, which whoever made it does not know
	 * (ask_outside() of ask.h). */
	const struct name *outside;
	struct wait *wait;       /* filled with PLUGIN_WAIT; NULL: nothing can wait */
	const struct memo *memo; /* what was waited for; NULL: nothing yet */
	unsigned depth; /* 0: the client's question; else one that the server asks itself */
	const struct zone_table *table; /* of the blocks that the client could have asked */
	const struct block *block;
	unsigned zone;     /* of the block's: the one that matched */
	uint64_t start_ns; /* CLOCK_MONOTONIC; 0 unless the block wants time */
	size_t reply_len;  /* set before the done hooks run */
	/* Why the query failed, for `errors` and the log; NULL: it did not.
	 * A constant string. */
	const char *error;
	/* The addresses in the reply are in random order, each RRset's; who writes it says so. */
	bool shuffled;
	/* No record of the reply has a TTL above this; 0: not known. Who writes the reply may say
	 * so, and saves `cache` a look at the records. */
	uint32_t ttl_most_s;
	const char *answered_by; /* the plugin that wrote the reply; NULL: none */
};

/* A number from the thread's generator (for rotation, never for secrets). */
uint32_t thread_random(struct thread *thread);

/* Queue bytes (whole lines) for the process's log: written out with the others
 * when the batch is over, so that a line costs no system call of its own. */
void thread_log(struct thread *thread, const char *lines, size_t len);

/* What the thread counts for metrics (dns/observe/metric.h): set before its first query, and
 * only where a block counts. */
void thread_set_counters(struct thread *thread, _Atomic uint64_t *counters);
_Atomic uint64_t *thread_counters(const struct thread *thread);

/* Where ask_outside() keeps the name. */
struct name *thread_outside(struct thread *thread);

struct thread *thread_new(void);
void thread_free(struct thread *thread);  /* flushes the log */
void thread_flush(struct thread *thread); /* at the end of a batch */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_WORKER_H
#define BINNACLE_DNS_NET_WORKER_H

/* A loop thread: a uv loop for all that waits.
 *
 * What lives on a loop embeds a worker_service and attaches it before
 * worker_run(); its callbacks run on the loop thread. worker_stop() calls every
 * stop callback, runs the loop until the last handle has closed and joins the
 * thread: only then may the owner free a service.
 *
 *	worker_open -> worker_attach* -> worker_run -> worker_stop -> worker_free
 */

#include "handler.h"

#include <stdbool.h>
#include <uv.h>

struct worker;

struct worker_service {
	/* On the loop thread, before the first turn; the handler's thread exists. */
	void (*start)(struct worker_service *service);
	/* Close every handle. On the loop thread; on that of worker_stop() if the
	 * worker never ran, then without a start before. */
	void (*stop)(struct worker_service *service);
	struct worker_service *next;
};

/* Something to do on the loop thread, embedded. */
struct worker_job {
	/* Cancelled: the worker has stopped, and this is the thread that frees it. */
	void (*run)(struct worker_job *job, bool cancelled);
	struct worker_job *next;
};

/* handler outlives the worker. 0 or a negative errno, here and below. */
int worker_open(const struct net_handler *handler, struct worker **out);
/* Of one that runs too: then start() is called soon. Control loop's thread. */
void worker_attach(struct worker *worker, struct worker_service *service);
/* Stop a service while the others go on: afterwards its handles are closed, and the owner
 * may free it. They must all have been closed in its stop() or the three turns after that.
 * Control loop's thread, which waits for it; nothing where the worker has stopped. */
void worker_detach(struct worker *worker, struct worker_service *service);
/* Run the job on the loop thread, after those posted before. Any thread, until worker_stop()
 * has returned. */
void worker_post(struct worker *worker, struct worker_job *job);
/* Returns when every job that was posted before has run. Control loop's thread. */
void worker_barrier(struct worker *worker);
int worker_run(struct worker *worker);
bool worker_runs(const struct worker *worker); /* between worker_run() and worker_stop() */
/* Of one that never ran too, and again. From any thread but the worker's own. */
void worker_stop(struct worker *worker);
void worker_free(struct worker *worker); /* stops it first; NULL is allowed */

/* For services. */
uv_loop_t *worker_loop(struct worker *worker);
const struct net_handler *worker_handler(const struct worker *worker);
void *worker_thread(const struct worker *worker); /* what thread_start returned */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_RUNNER_H
#define BINNACLE_DNS_NET_RUNNER_H

/* Threads that serve sockets: a small stack, a name, all signals blocked (the
 * control loop takes those), and a start that is known to have succeeded. */

#include <pthread.h>
#include <semaphore.h>

#define RUNNER_STACK_BYTES (256 * 1024)

struct runner {
	sem_t done;
	int rc;
};

/* Run `run(arg)` on a new thread and wait until it has called runner_ready().
 * 0, or a negative errno (what runner_ready() was given, too) and no thread.
 * name: 15 characters at most. runner lives as long as the thread. */
int runner_start(
	struct runner *runner, const char *name, void *(*run)(void *), void *arg, pthread_t *out);
/* Exactly once, by the new thread. After a failure it must return. */
void runner_ready(struct runner *runner, int rc);

#endif

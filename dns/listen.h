/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_LISTEN_H
#define BINNACLE_DNS_LISTEN_H

/* The sockets of a configuration and the threads behind them: per listener the
 * UDP answering threads and a TCP listener, for all of them one loop thread.
 * Joins net (sockets) with serve (answers) and cache (readers' epochs). */

#include "config.h"

struct listen;

/* Bind everything; no thread runs yet. 0, or a negative errno and a message that
 * says which address, why, and what to do. threads: per UDP listener. The config
 * must outlive it. */
int listen_open(const struct config *config, unsigned threads, struct listen **out,
	char err[COREFILE_ERROR_MAX]);
/* The loop thread of it, for what plugins attach. */
struct worker *listen_worker(struct listen *listen);
/* Where the threads count; before listen_run(). */
void listen_set_metrics(struct listen *listen, struct metrics *metrics);
int listen_run(struct listen *listen);
/* Answer what was received, then end all threads. */
void listen_stop(struct listen *listen);
void listen_free(struct listen *listen); /* stops first; NULL is allowed */

/* How many answering threads this process should have per listener: the CPUs it
 * may run on, at most 8. */
unsigned listen_threads(void);

#endif

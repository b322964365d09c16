/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_LISTEN_H
#define BINNACLE_DNS_LISTEN_H

/* The sockets of a configuration and the threads behind them: per listener the
 * UDP answering threads and a TCP listener, for all of them one loop thread.
 * Joins net (sockets) with serve (answers) and cache (readers' epochs).
 *
 * A listener that the next configuration has too keeps its sockets, threads and connections:
 * only what it answers by is exchanged, and each packet is answered by the one or the other.
 *
 *	listen_extend    open what is new; the only step that can fail
 *	listen_exchange  afterwards nobody begins anything with the old configuration
 *	listen_drained   until true, or
 *	listen_cut       afterwards nobody uses it at all
 *
 * Control loop's thread, all of it. */

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

/* Open and run the listeners that config has and that are not there yet; they answer by it
 * at once. 0, or as listen_open(), and nothing new is left (but see listen_drained()). */
int listen_extend(struct listen *listen, const struct config *config, char err[COREFILE_ERROR_MAX]);
/* All listeners go by the config of listen_extend(); those that it does not have answer what
 * has come and close. Waits for the threads: microseconds, or as long as an answer takes. */
void listen_exchange(struct listen *listen);
/* Whether all replies of listeners that are gone have been sent. */
bool listen_drained(struct listen *listen);
/* Have the questions that still wait there end as they can without a configuration. */
void listen_cut(struct listen *listen);

/* How many answering threads this process should have per listener: the CPUs it
 * may run on, at most 8. */
unsigned listen_threads(void);

#endif

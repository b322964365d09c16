/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_TCP_H
#define BINNACLE_DNS_NET_TCP_H

/* DNS over TCP (RFC 7766) on a loop thread: pipelining, an idle timeout, and a
 * cap on connections at which the one that has been idle longest is closed, so
 * that a new one is never refused. A client that does not read is not read from
 * (at most 64 KiB, and the reply that passes it, wait unsent per connection).
 *
 * Idle is a connection that neither had a message answered, nor took another
 * message of a stream, nor its last unsent byte: a message that drips in, or a reply that drips out, must be done
 * within the idle time.
 *
 * tcp_open() binds and listens (errors are known before any thread runs);
 * worker_add_tcp() hands it to a loop thread.
 */

#include "handler.h"
#include "worker.h"

struct tcp;

struct tcp_limits {               /* 0: the default */
	unsigned idle_ms;         /* 30000 */
	unsigned max_connections; /* per listener, 4096 */
	unsigned max_unsent;      /* bytes per connection, 65536 */
	unsigned max_buffered; /* bytes per listener, 16 MiB: partial messages and unsent replies */
};

struct tcp_stats { /* counters only rise; open is a gauge */
	uint64_t accepted, closed_idle, closed_cap, queries;
	uint64_t open;
};

/* As udp_open(). limits NULL: the defaults. */
int tcp_open(const struct sockaddr *address, int dual, const struct tcp_limits *limits,
	const void *tag, struct tcp **out);
uint16_t tcp_port(const struct tcp *tcp);
void tcp_stats(const struct tcp *tcp, struct tcp_stats *out); /* from any thread */
void tcp_free(struct tcp *tcp); /* removed, or whose worker was stopped or never ran */

/* Control loop's thread; waits for the loop thread where that runs. After a failure there
 * worker_remove_tcp() too. */
int worker_add_tcp(struct worker *worker, struct tcp *tcp);
/* Of one that runs: what clients have sent is answered, and they are closed; waits for it.
 * Afterwards tcp_free() may be. */
void worker_remove_tcp(struct worker *worker, struct tcp *tcp);

#endif

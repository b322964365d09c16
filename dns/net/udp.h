/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_UDP_H
#define BINNACLE_DNS_NET_UDP_H

/* Answering threads: one SO_REUSEPORT UDP socket each, blocked in recvmmsg,
 * answers the batch, one sendmmsg. No loop, no timer, nothing that waits.
 *
 * Replies leave from the address that the question came to (IP_PKTINFO,
 * IPV6_PKTINFO), in batches too. The interface is IPv6's business: there it is
 * the one the question came by, where a route leads through it. For IPv4 the
 * routing table decides (udp.c says why).
 *
 * udp_open() makes all sockets (so that a failure to bind is known before any
 * thread runs); udp_run() starts the threads; udp_stop() wakes and joins them:
 * what lies in the socket queues is answered first. Replies that come later
 * (net_ticket) go out by the first socket, from the loop thread: all have one address, and
 * so one sendmmsg does for what several threads received.
 */

#include "handler.h"

struct udp;

struct udp_stats { /* sums over the threads, counters only rise; owed is a gauge */
	uint64_t received, sent, send_failed, truncated_in;
	uint64_t owed;    /* replies that are still to come; udp_free() only at 0 */
	uint64_t dropped; /* from port 0, or asked at a group's address */
};

/* address is AF_INET or AF_INET6 with the port. An AF_INET6 any-address with
 * dual set takes IPv4 as well. Nobody else may have the port: see socket.h. threads >= 1. 0 or a negative errno (-EADDRINUSE,
 * -EACCES, -EADDRNOTAVAIL, -EAFNOSUPPORT). handler and tag outlive it. */
int udp_open(const struct sockaddr *address, int dual, unsigned threads,
	const struct net_handler *handler, const void *tag, struct udp **out);
int udp_run(struct udp *udp);
void udp_stop(struct udp *udp); /* also of one that never ran */
void udp_stats(const struct udp *udp, struct udp_stats *out);
/* The port it is bound to (port 0 given: the one the kernel chose). */
uint16_t udp_port(const struct udp *udp);
void udp_free(struct udp *udp); /* after udp_stop */

#endif

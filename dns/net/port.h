/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_PORT_H
#define BINNACLE_DNS_NET_PORT_H

/* UDP sockets from which one server is asked: connected, each at a port that the kernel
 * picked at random.
 *
 * One question has a socket to itself while it is out. A socket costs more system calls than
 * the question, so that one whose question was answered is used again, within bounds that
 * keep a forger guessing (RFC 5452 section 9.2): for PORT_QUESTIONS_MAX questions, when it is
 * younger than PORT_AGE_MS, and only while there are more than PORT_IDLE_LEAST idle ones to
 * choose from, at random. So a server that is asked seldom is asked from a new port each time.
 * A datagram that comes while nobody has asked closes the socket: who finds a port by trying
 * has closed it.
 *
 *	ports_new -> { port_take -> port_give or port_close }* -> ports_close
 *
 * Idle ones take descriptors, at most PORT_IDLE_MAX for a server, and are closed within one and
 * a half times PORT_AGE_MS of their opening. Where a new socket cannot be had for want of
 * descriptors or free ports, idle ones of that server are closed until it can.
 *
 * Loop thread.
 */

#include "socket.h"

#include <stdint.h>
#include <uv.h>

#define PORT_QUESTIONS_MAX 16
#define PORT_AGE_MS        500
#define PORT_IDLE_LEAST    64
#define PORT_IDLE_MAX      256

struct ports;

struct port {
	uv_poll_t poll;
	int fd; /* non-blocking */
	unsigned questions;
	uint64_t opened_ms;
	struct ports *ports;
	/* Whose it is while it is taken; called when there is something to read, an error too. */
	void (*readable)(struct port *port);
	void *user;
};

/* server and source (NULL: any) are copied. 0 or -ENOMEM. */
int ports_new(uv_loop_t *loop, const struct sockaddr *server, const struct sockaddr *source,
	struct ports **out);
/* Closes the idle ones. Those that are taken stay whole until they are given back or closed;
 * the last one takes the rest with it. NULL is allowed. */
void ports_close(struct ports *ports);

/* random chooses among the idle ones. A new one is open but has been asked nothing yet
 * (questions is 0 then). 0 or a negative errno (-EMFILE, -ENETUNREACH, -EADDRNOTAVAIL, ...). */
int port_take(struct ports *ports, uint32_t random, void (*readable)(struct port *port), void *user,
	struct port **out);
/* Its question was answered, and nothing else can come for it. */
void port_give(struct port *port);
/* Something may still come, or is wrong with it. */
void port_close(struct port *port);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_HANDLER_H
#define BINNACLE_DNS_NET_HANDLER_H

/* What the sockets need from whoever answers.
 *
 * Each answering thread (udp.c) and each loop thread (worker.c) calls
 * thread_start once, then for every turn batch_begin, answer*, batch_end, and
 * thread_stop at the end. Between batch_end and the next batch_begin the thread
 * may block for ever: whoever keeps readers' epochs goes offline there.
 */

#include "dns/wire/stream.h"

#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct net_reply;

/* A reply that is owed: what it takes to send it later. */
struct net_ticket {
	/* On the loop thread, once: sends and frees the ticket. Length 0: there is no reply.
	 * Goes nowhere if the client has gone. */
	void (*send)(struct net_ticket *ticket, const uint8_t *reply, size_t len);
	/* The same for 1 to NET_REPLIES_MAX of them with one system call, where their groups
	 * are the same. NULL: there is no cheaper way than one by one. */
	void (*send_all)(const struct net_reply *replies, unsigned count);
	const void *group; /* what they have in common; only compared */
};

#define NET_REPLIES_MAX 32

struct net_reply {
	struct net_ticket *ticket;
	const uint8_t *data;
	size_t len;
};

enum net_proto { NET_UDP, NET_TCP };

struct net_packet {
	const uint8_t *data;
	size_t len;
	enum net_proto proto;
	const void *tag;              /* the listener's, as given when it was made */
	const struct sockaddr *peer;  /* AF_INET or AF_INET6; never v4-mapped */
	const struct sockaddr *local; /* the address asked and the port; never v4-mapped */
	/* TCP: the answer may be a stream, put here while answer() returns 0. NULL
	 * where a reply is one message. */
	struct stream **stream;
	const struct stream_wake *wake; /* the stream's, to copy; set where stream is */
	/* The reply comes later; answer() returns 0 then. NULL: out of memory. carrier is
	 * the transport's. NULL function: replies cannot come later. */
	struct net_ticket *(*later)(const struct net_packet *packet);
	void *carrier;
};

struct net_handler {
	void *ctx;
	/* NULL: the thread cannot start. */
	void *(*thread_start)(void *ctx);
	void (*thread_stop)(void *thread);
	void (*batch_begin)(void *thread);
	/* Write the reply to out (cap bytes: 65535) and return its length; 0: no
	 * reply. The packet dies with the call. */
	size_t (*answer)(void *thread, const struct net_packet *packet, uint8_t *out, size_t cap);
	void (*batch_end)(void *thread);
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "udp.h"

#include "runner.h"
#include "socket.h"

#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BATCH        64
#define DATAGRAM_MAX 65535
/* From one buffer to the next: 17 pages and 5 cache lines. The odd number of
 * lines spreads the first bytes of the 64 buffers over all sets of the L1 cache,
 * the odd number of pages over all sets of the TLB. */
#define STRIDE              (65536 + 4096 + 5 * 64)
#define CACHE_LINE          64
#define PAGE                4096
#define SOCKET_BUFFER_BYTES (4 * 1024 * 1024)
/* At the end a thread empties its queue; under a flood that would never end. */
#define DRAIN_MAX 16384
/* After an error that recvmmsg() should not give: try again, but do not spin. */
#define ERROR_PAUSE_MS 10

/* Room for one IP_PKTINFO or IPV6_PKTINFO, padded to a cache line. */
union control {
	struct cmsghdr header;
	uint8_t bytes[CACHE_LINE];
};

/* All of a thread's messages. Slot i of in and out share nothing but, in out,
 * pointers to the peer and the control message of the question they answer. */
struct turn {
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	union control control[BATCH];
	union address peer[BATCH];
};

struct counters { /* one writer, read by anybody */
	_Atomic uint64_t received, sent, send_failed, truncated_in, dropped;
};

struct udp_thread {
	alignas(CACHE_LINE) struct counters counters;
	alignas(CACHE_LINE) struct udp *udp;
	struct turn *turn;
	uint8_t *in, *out; /* BATCH buffers each, one mapping */
	void *handler;     /* its thread context */
	int fd;
	struct runner runner;
	pthread_t id;
	unsigned index;
	bool running;
};

struct udp {
	const struct net_handler *handler;
	const void *tag;
	union address bound;
	_Atomic uint64_t owed; /* tickets */
	_Atomic uint64_t late; /* replies sent for tickets */
	bool any; /* an any-address: packet information tells where a question came to */
	atomic_bool stopping;
	unsigned count;
	struct udp_thread *threads;
};

static void count_add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

/* --- where a question came to --- */

/* Where the question came to, from its control message, which is made ready to
 * be sent back with the reply.
 *
 * The reply's source is the address asked. Its interface: for IPv6 the one the
 * question came by (the kernel takes that as a preference between routes, and
 * as the scope of link-local addresses). For IPv4 the interface of IP_PKTINFO
 * would bypass the routing table: a question from a local address of another
 * interface, or over an asymmetric route, would never be answered. So IPv4 is
 * routed, as the reply to any other packet from that address is. */
static bool local_from_control(struct msghdr *msg, uint16_t port, union address *local)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	if (!cmsg)
		return false;
	if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo *info = (struct in_pktinfo *)(void *)CMSG_DATA(cmsg);

		info->ipi_ifindex = 0;
		local->v4 = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr = info->ipi_spec_dst,
		};
		return true;
	}
	if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo *info = (struct in6_pktinfo *)(void *)CMSG_DATA(cmsg);

		/* A reply cannot come from a group's address, and a question to a group is
		 * how one packet is made to draw many replies. */
		if (IN6_IS_ADDR_MULTICAST(&info->ipi6_addr))
			return false;
		local->v6 = (struct sockaddr_in6){
			.sin6_family = AF_INET6,
			.sin6_port = htons(port),
			.sin6_addr = info->ipi6_addr,
		};
		if (IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
			local->v6.sin6_scope_id = info->ipi6_ifindex;
		if (IN6_IS_ADDR_V4MAPPED(&info->ipi6_addr))
			info->ipi6_ifindex = 0;
		address_unmap(local);
		return true;
	}
	return false;
}

/* --- replies --- */

/* The interface was only a preference (see local_from_control); where no route
 * leads through it the reply is still owed. True: worth another try. */
static bool reply_unpin(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct in6_pktinfo *info;

	if (!cmsg || cmsg->cmsg_level != IPPROTO_IPV6 || cmsg->cmsg_type != IPV6_PKTINFO)
		return false;
	info = (struct in6_pktinfo *)(void *)CMSG_DATA(cmsg);
	if (info->ipi6_ifindex == 0)
		return false;
	info->ipi6_ifindex = 0;
	return true;
}

/* What cannot be sent (no route, no buffer) is left out; how many were. */
static unsigned messages_send(int fd, struct mmsghdr *messages, unsigned count)
{
	unsigned done = 0, failed = 0;

	while (done < count) {
		int n = sendmmsg(fd, messages + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			done += (unsigned)n;
		} else if (errno != EINTR && !reply_unpin(&messages[done].msg_hdr)) {
			done++;
			failed++;
		}
	}
	return failed;
}

/* --- a reply that comes later --- */

struct udp_ticket {
	struct net_ticket ticket;
	struct udp *udp;
	socklen_t peer_len;
	size_t control_len;
	union address peer;
	union control control;
};

static void tickets_send(const struct net_reply *replies, unsigned count)
{
	struct mmsghdr messages[NET_REPLIES_MAX];
	struct iovec iov[NET_REPLIES_MAX];
	struct udp *udp = ((struct udp_ticket *)(void *)replies[0].ticket)->udp;
	unsigned sent = 0;

	for (unsigned i = 0; i < count; i++) {
		struct udp_ticket *ticket = (struct udp_ticket *)(void *)replies[i].ticket;

		if (replies[i].len == 0)
			continue;
		iov[sent] = (struct iovec){(void *)(uintptr_t)replies[i].data, replies[i].len};
		messages[sent].msg_hdr = (struct msghdr){
			.msg_name = &ticket->peer,
			.msg_namelen = ticket->peer_len,
			.msg_iov = &iov[sent],
			.msg_iovlen = 1,
			.msg_control = ticket->control_len ? &ticket->control : NULL,
			.msg_controllen = ticket->control_len,
		};
		sent++;
	}
	/* Any of the sockets will do: they have one address. */
	if (sent)
		sent -= messages_send(udp->threads[0].fd, messages, sent);
	atomic_fetch_add_explicit(&udp->late, sent, memory_order_relaxed);
	atomic_fetch_sub_explicit(&udp->owed, count, memory_order_release);
	for (unsigned i = 0; i < count; i++)
		free(replies[i].ticket);
}

static void ticket_send(struct net_ticket *ticket, const uint8_t *reply, size_t len)
{
	const struct net_reply one = {ticket, reply, len};

	tickets_send(&one, 1);
}

/* carrier is the message as it was received, its control message ready for the reply. */
struct udp_carrier {
	struct udp_thread *thread;
	const struct msghdr *msg;
};

static struct net_ticket *ticket_new(const struct net_packet *packet)
{
	const struct udp_carrier *carrier = packet->carrier;
	const struct msghdr *msg = carrier->msg;
	struct udp_ticket *ticket = malloc(sizeof *ticket);

	if (!ticket)
		return NULL;
	ticket->udp = carrier->thread->udp;
	ticket->ticket.send = ticket_send;
	ticket->ticket.send_all = tickets_send;
	ticket->ticket.group = ticket->udp;
	ticket->peer_len = msg->msg_namelen;
	ticket->control_len = msg->msg_controllen;
	memcpy(&ticket->peer, msg->msg_name, sizeof ticket->peer);
	if (msg->msg_controllen)
		memcpy(&ticket->control, msg->msg_control, sizeof ticket->control);
	atomic_fetch_add_explicit(&ticket->udp->owed, 1, memory_order_relaxed);
	return &ticket->ticket;
}

/* --- one question --- */

/* The reply to slot i goes to out slot `to`; its length, 0 for none. */
static size_t question_answer(struct udp_thread *thread, unsigned i, unsigned to)
{
	const struct udp *udp = thread->udp;
	struct turn *turn = thread->turn;
	struct msghdr *msg = &turn->in[i].msg_hdr;
	union address peer, local;
	struct udp_carrier carrier = {thread, msg};
	struct net_packet packet = {
		.data = turn->in_iov[i].iov_base,
		.len = turn->in[i].msg_len,
		.proto = NET_UDP,
		.tag = udp->tag,
		.peer = &turn->peer[i].sa,
		.local = &udp->bound.sa,
		.later = ticket_new,
		.carrier = &carrier,
	};

	if (msg->msg_namelen == 0)
		return 0; /* what shutdown() wakes with, not a datagram */
	count_add(&thread->counters.received, 1);
	if (msg->msg_flags & MSG_TRUNC) {
		count_add(&thread->counters.truncated_in, 1);
		return 0;
	}
	/* Nobody listens at port 0. The port is at the same place in both families. */
	if (turn->peer[i].v4.sin_port == 0)
		goto drop;
	if (udp->any) {
		if (!local_from_control(msg, address_port(&udp->bound), &local))
			goto drop;
		packet.local = &local.sa;
		if (local.sa.sa_family != turn->peer[i].sa.sa_family) {
			peer = turn->peer[i];
			address_unmap(&peer);
			packet.peer = &peer.sa;
		}
	}
	return udp->handler->answer(
		thread->handler, &packet, turn->out_iov[to].iov_base, DATAGRAM_MAX);
drop:
	count_add(&thread->counters.dropped, 1);
	return 0;
}

/* --- one turn --- */

/* Only what the last turn used: recvmmsg() overwrote these. */
static void turn_restore(struct turn *turn, unsigned used, bool any)
{
	for (unsigned i = 0; i < used; i++) {
		struct msghdr *msg = &turn->in[i].msg_hdr;

		msg->msg_namelen = sizeof turn->peer[i];
		msg->msg_controllen = any ? sizeof turn->control[i] : 0;
		msg->msg_flags = 0;
	}
}

static unsigned turn_answer(struct udp_thread *thread, unsigned received)
{
	const struct net_handler *handler = thread->udp->handler;
	struct turn *turn = thread->turn;
	unsigned replies = 0;

	handler->batch_begin(thread->handler);
	for (unsigned i = 0; i < received; i++) {
		const struct msghdr *from = &turn->in[i].msg_hdr;
		struct msghdr *to = &turn->out[replies].msg_hdr;
		size_t len = question_answer(thread, i, replies);

		if (len == 0)
			continue;
		turn->out_iov[replies].iov_len = len;
		to->msg_name = from->msg_name;
		to->msg_namelen = from->msg_namelen;
		to->msg_control = from->msg_control;
		to->msg_controllen = from->msg_controllen;
		replies++;
	}
	handler->batch_end(thread->handler);
	return replies;
}

/* A reply that cannot be sent (no route, no buffer) is dropped and counted: a
 * thread that waited for one peer would keep all others waiting. */
static void turn_send(struct udp_thread *thread, unsigned replies)
{
	const unsigned failed = messages_send(thread->fd, thread->turn->out, replies);

	count_add(&thread->counters.sent, replies - failed);
	if (failed)
		count_add(&thread->counters.send_failed, failed);
}

/* The pages beyond the first that a large message touched go back to the kernel:
 * 128 buffers of 64 KiB a thread are for addressing, not for keeping. */
static void buffer_trim(uint8_t *buffer, size_t used)
{
	uintptr_t from = ((uintptr_t)buffer + 2 * PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t to = ((uintptr_t)buffer + STRIDE) & ~(uintptr_t)(PAGE - 1);

	if (used > PAGE)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

static void turn_trim(struct udp_thread *thread, unsigned received, unsigned replies)
{
	struct turn *turn = thread->turn;

	for (unsigned i = 0; i < received; i++)
		buffer_trim(turn->in_iov[i].iov_base, turn->in[i].msg_len);
	for (unsigned i = 0; i < replies; i++)
		buffer_trim(turn->out_iov[i].iov_base, turn->out_iov[i].iov_len);
}

static void thread_serve(struct udp_thread *thread)
{
	struct udp *udp = thread->udp;
	unsigned drained = 0;

	for (;;) {
		bool stopping = atomic_load_explicit(&udp->stopping, memory_order_acquire);
		int n = recvmmsg(thread->fd, thread->turn->in, BATCH,
			stopping ? MSG_DONTWAIT : MSG_WAITFORONE, NULL);
		unsigned replies;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !stopping)
			poll(NULL, 0, ERROR_PAUSE_MS);
		if (n < 0 && stopping)
			return;
		if (n <= 0)
			continue;
		replies = turn_answer(thread, (unsigned)n);
		if (replies)
			turn_send(thread, replies);
		turn_trim(thread, (unsigned)n, replies);
		turn_restore(thread->turn, (unsigned)n, udp->any);
		drained += stopping ? (unsigned)n : 0;
		if (drained >= DRAIN_MAX)
			return;
	}
}

static void *thread_main(void *arg)
{
	struct udp_thread *thread = arg;
	const struct net_handler *handler = thread->udp->handler;

	thread->handler = handler->thread_start(handler->ctx);
	runner_ready(&thread->runner, thread->handler ? 0 : -ENOMEM);
	if (!thread->handler)
		return NULL;
	thread_serve(thread);
	handler->thread_stop(thread->handler);
	return NULL;
}

/* --- opening --- */

/* Address space for both directions; without huge pages, which would make all
 * of it resident. */
static int thread_map(struct udp_thread *thread)
{
	size_t half = (size_t)STRIDE * BATCH;
	void *map = mmap(NULL, 2 * half, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	madvise(map, 2 * half, MADV_NOHUGEPAGE);
	thread->in = map;
	thread->out = thread->in + half;
	return 0;
}

static int thread_init(struct udp_thread *thread)
{
	bool any = thread->udp->any;
	struct turn *turn = calloc(1, sizeof *turn);
	int rc;

	if (!turn)
		return -ENOMEM;
	thread->turn = turn;
	rc = thread_map(thread);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < BATCH; i++) {
		turn->in_iov[i] = (struct iovec){thread->in + i * STRIDE, DATAGRAM_MAX};
		turn->out_iov[i] = (struct iovec){thread->out + i * STRIDE, 0};
		turn->in[i].msg_hdr = (struct msghdr){
			.msg_name = &turn->peer[i],
			.msg_iov = &turn->in_iov[i],
			.msg_iovlen = 1,
			.msg_control = any ? &turn->control[i] : NULL,
		};
		turn->out[i].msg_hdr = (struct msghdr){
			.msg_iov = &turn->out_iov[i],
			.msg_iovlen = 1,
		};
	}
	turn_restore(turn, BATCH, any);
	return 0;
}

static void buffer_raise(int fd, int force, int plain)
{
	int bytes = SOCKET_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
}

static int fd_prepare(int fd, const struct udp *udp)
{
	int on = 1, v4_fragment = IP_PMTUDISC_OMIT, v6_fragment = IPV6_PMTUDISC_OMIT;
	int rc = 0;

	buffer_raise(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	buffer_raise(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	/* No path MTU from ICMP, which anybody can forge. A dual socket has an
	 * option for each family; a failure only leaves the default. */
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4_fragment, sizeof v4_fragment);
	if (udp->bound.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6_fragment, sizeof v6_fragment);
	if (udp->any && udp->bound.sa.sa_family == AF_INET6)
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
	else if (udp->any)
		rc = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
	return rc < 0 ? -errno : 0;
}

static int sockets_open(struct udp *udp, const struct sockaddr *address, int dual)
{
	int *fds = calloc(udp->count, sizeof *fds);
	int rc;

	if (!fds)
		return -ENOMEM;
	rc = socket_bind(address, dual, SOCK_DGRAM, fds, udp->count);
	for (unsigned i = 0; i < udp->count && rc == 0; i++)
		udp->threads[i].fd = fds[i];
	free(fds);
	if (rc == 0)
		rc = socket_local(udp->threads[0].fd, &udp->bound);
	udp->any = address_is_any(&udp->bound);
	for (unsigned i = 0; i < udp->count && rc == 0; i++)
		rc = fd_prepare(udp->threads[i].fd, udp);
	return rc;
}

int udp_open(const struct sockaddr *address, int dual, unsigned threads,
	const struct net_handler *handler, const void *tag, struct udp **out)
{
	struct udp *udp = calloc(1, sizeof *udp);
	int rc = -ENOMEM;

	if (!udp)
		return -ENOMEM;
	udp->handler = handler;
	udp->tag = tag;
	atomic_init(&udp->stopping, false);
	udp->threads = aligned_alloc(CACHE_LINE, threads * sizeof *udp->threads);
	if (!udp->threads)
		goto fail;
	memset(udp->threads, 0, threads * sizeof *udp->threads);
	udp->count = threads;
	for (unsigned i = 0; i < threads; i++) {
		udp->threads[i].udp = udp;
		udp->threads[i].index = i;
		udp->threads[i].fd = -1;
	}
	rc = sockets_open(udp, address, dual);
	for (unsigned i = 0; i < threads && rc == 0; i++)
		rc = thread_init(&udp->threads[i]);
	if (rc < 0)
		goto fail;
	*out = udp;
	return 0;
fail:
	udp_free(udp);
	return rc;
}

int udp_run(struct udp *udp)
{
	int rc = 0;

	for (unsigned i = 0; i < udp->count && rc == 0; i++) {
		struct udp_thread *thread = &udp->threads[i];
		char name[32];

		snprintf(name, sizeof name, "udp:%u/%u", (unsigned)udp_port(udp), i % 256);
		rc = runner_start(&thread->runner, name, thread_main, thread, &thread->id);
		thread->running = rc == 0;
	}
	if (rc < 0)
		udp_stop(udp);
	return rc;
}

void udp_stop(struct udp *udp)
{
	atomic_store_explicit(&udp->stopping, true, memory_order_release);
	for (unsigned i = 0; i < udp->count; i++) {
		/* Wakes a blocked recvmmsg() for good, and leaves the sending side open;
		 * the error (not connected) comes after the effect. */
		if (udp->threads[i].running)
			shutdown(udp->threads[i].fd, SHUT_RD);
	}
	for (unsigned i = 0; i < udp->count; i++) {
		if (udp->threads[i].running)
			pthread_join(udp->threads[i].id, NULL);
		udp->threads[i].running = false;
	}
}

void udp_stats(const struct udp *udp, struct udp_stats *out)
{
	struct udp_stats sum = {0};

	for (unsigned i = 0; i < udp->count; i++) {
		const struct counters *from = &udp->threads[i].counters;

		sum.received += atomic_load_explicit(&from->received, memory_order_relaxed);
		sum.sent += atomic_load_explicit(&from->sent, memory_order_relaxed);
		sum.send_failed += atomic_load_explicit(&from->send_failed, memory_order_relaxed);
		sum.truncated_in += atomic_load_explicit(&from->truncated_in, memory_order_relaxed);
		sum.dropped += atomic_load_explicit(&from->dropped, memory_order_relaxed);
	}
	sum.sent += atomic_load_explicit(&udp->late, memory_order_relaxed);
	sum.owed = atomic_load_explicit(&udp->owed, memory_order_acquire);
	*out = sum;
}

uint16_t udp_port(const struct udp *udp)
{
	return address_port(&udp->bound);
}

void udp_free(struct udp *udp)
{
	if (!udp)
		return;
	for (unsigned i = 0; i < udp->count; i++) {
		struct udp_thread *thread = &udp->threads[i];

		if (thread->fd >= 0)
			close(thread->fd);
		if (thread->in)
			munmap(thread->in, 2 * (size_t)STRIDE * BATCH);
		free(thread->turn);
	}
	free(udp->threads);
	free(udp);
}

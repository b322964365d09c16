/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include "cache/epoch.h"
#include "dns/net/tcp.h"
#include "dns/net/udp.h"
#include "dns/observe/metric.h"
#include "pending.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 8

struct listener { /* what packets come with (tag), and their sockets */
	struct zone_slot slot;
	struct listen *listen;
	struct sockaddr_storage address;
	bool all;
	uint16_t port;
	struct udp *udp;
	struct tcp *tcp;
	bool fresh; /* opened by listen_extend(), nothing is final yet */
	const struct zone_table
		*zones; /* of the config that comes; NULL: it has no such listener */
	struct listener *next;
};

struct listen {
	struct net_handler handler;
	struct metrics *metrics; /* NULL: nothing is counted */
	struct listener *first;
	struct listener *leaving; /* nothing comes in any more; replies are owed still */
	struct zone_table *nothing;
	unsigned threads; /* per listener */
	struct worker *worker;
	struct pendings *pendings;
};

/* --- net's handler: an epoch around each batch, respond() for each packet --- */

static void *handler_thread_start(void *ctx)
{
	const struct listen *listen = ctx;
	struct thread *thread = thread_new();
	_Atomic uint64_t *counters = NULL;

	if (thread && listen->metrics) {
		counters = metrics_counters(listen->metrics);
		if (!counters) {
			thread_free(thread);
			return NULL;
		}
		thread_set_counters(thread, counters);
	}
	if (thread)
		epoch_thread_start();
	return thread;
}

static void handler_thread_stop(void *thread)
{
	epoch_thread_stop();
	metrics_counters_return(thread_counters(thread));
	thread_free(thread);
}

static void handler_batch_begin(void *thread)
{
	(void)thread;
	epoch_online();
}

static void handler_batch_end(void *thread)
{
	epoch_offline();
	thread_flush(thread);
}

static size_t handler_answer(void *thread, const struct net_packet *in, uint8_t *out, size_t cap)
{
	const struct listener *tag = in->tag;
	const struct zone_table *table =
		atomic_load_explicit(&tag->slot.table, memory_order_acquire);
	struct wait wait;
	struct respond_packet packet = {
		.data = in->data,
		.len = in->len,
		.peer = in->peer,
		.local = in->local,
		.tcp = in->proto == NET_TCP,
		.stream = in->stream,
		.wake = in->wake,
		.wait = in->later ? &wait : NULL,
	};
	size_t len;

	(void)cap; /* 65535 by contract, which is what respond() wants */
	wait.begin = NULL;
	len = respond(thread, table, &packet, out);
	if (!wait.begin || pending_start(tag->listen->pendings, in, &tag->slot, &wait))
		return len;
	packet.wait = NULL;
	packet.start_ns = wait.start_ns;
	return respond(thread, table, &packet, out);
}

/* --- opening --- */

static void listener_text(const struct config_listener *listener, char *text, size_t cap)
{
	char address[INET6_ADDRSTRLEN] = "";

	if (listener->all)
		snprintf(text, cap, "port %u", (unsigned)listener->port);
	else if (listener->address.ss_family == AF_INET)
		snprintf(text, cap, "%s:%u",
			inet_ntop(AF_INET,
				&((const struct sockaddr_in *)&listener->address)->sin_addr,
				address, sizeof address),
			(unsigned)listener->port);
	else
		snprintf(text, cap, "[%s]:%u",
			inet_ntop(AF_INET6,
				&((const struct sockaddr_in6 *)&listener->address)->sin6_addr,
				address, sizeof address),
			(unsigned)listener->port);
}

static int open_error(const struct config_listener *listener, const char *proto, int rc, char *err)
{
	char where[80];

	listener_text(listener, where, sizeof where);
	switch (rc) {
	case -EADDRINUSE:
		snprintf(err, COREFILE_ERROR_MAX,
			"cannot listen on %s (%s): the port is in use; stop the server that has it "
			"('ss -lntup sport = :%u' shows which), or choose another port with "
			"-dns.port or in the Corefile",
			where, proto, (unsigned)listener->port);
		break;
	case -EACCES:
	case -EPERM:
		snprintf(err, COREFILE_ERROR_MAX,
			"cannot listen on %s (%s): no permission for a port below 1024; run as "
			"root, grant the capability ('setcap cap_net_bind_service=+ep' on the "
			"binary, or NET_BIND_SERVICE in the pod's securityContext), or choose a "
			"port with -dns.port 1053",
			where, proto);
		break;
	case -EADDRNOTAVAIL:
		snprintf(err, COREFILE_ERROR_MAX,
			"cannot listen on %s (%s): this host has no such address; 'bind' must name "
			"one of its own ('ip address' lists them)",
			where, proto);
		break;
	case -EAFNOSUPPORT:
		snprintf(err, COREFILE_ERROR_MAX,
			"cannot listen on %s (%s): the kernel has no IPv6; take the address out of "
			"'bind'",
			where, proto);
		break;
	default:
		snprintf(err, COREFILE_ERROR_MAX, "cannot listen on %s (%s): %s", where, proto,
			strerror(-rc));
		break;
	}
	return rc;
}

/* Both families through one socket; where the kernel has no IPv6, IPv4 alone. */
static int listener_addresses(
	const struct config_listener *listener, struct sockaddr_storage address[2])
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address[1];

	address[0] = listener->address;
	if (!listener->all)
		return 1;
	memset(&address[1], 0, sizeof address[1]);
	v4->sin_family = AF_INET;
	v4->sin_port = htons(listener->port);
	return 2;
}

static bool try_next_family(int rc)
{
	return rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL;
}

static int listener_open(
	struct listener *listener, const struct config_listener *like, unsigned threads, char *err)
{
	struct sockaddr_storage address[2];
	int tries = listener_addresses(like, address);
	int rc = -EAFNOSUPPORT;

	for (int i = 0; i < tries && try_next_family(rc); i++)
		rc = udp_open((struct sockaddr *)&address[i], like->all && i == 0, threads,
			&listener->listen->handler, listener, &listener->udp);
	if (rc < 0)
		return open_error(like, "UDP", rc, err);
	rc = -EAFNOSUPPORT;
	for (int i = 0; i < tries && try_next_family(rc); i++)
		rc = tcp_open((struct sockaddr *)&address[i], like->all && i == 0, NULL, listener,
			&listener->tcp);
	return rc < 0 ? open_error(like, "TCP", rc, err) : 0;
}

/* No thread of it runs, and no reply is owed. */
static void listener_free(struct listener *listener)
{
	udp_free(listener->udp);
	tcp_free(listener->tcp);
	free(listener);
}

static void list_free(struct listener *list)
{
	while (list) {
		struct listener *next = list->next;

		listener_free(list);
		list = next;
	}
}

/* One more, which does not run yet. */
static int listener_add(struct listen *listen, const struct config_listener *like, char *err)
{
	struct listener *listener = calloc(1, sizeof *listener);
	int rc = -ENOMEM;

	if (!listener)
		return open_error(like, "UDP", rc, err);
	listener->listen = listen;
	listener->address = like->address;
	listener->all = like->all;
	listener->port = like->port;
	listener->zones = like->zones;
	listener->fresh = true;
	atomic_init(&listener->slot.table, like->zones);
	rc = listener_open(listener, like, listen->threads, err);
	if (rc < 0) {
		listener_free(listener);
		return rc;
	}
	listener->next = listen->first;
	listen->first = listener;
	return 0;
}

int listen_open(const struct config *config, unsigned threads, struct listen **out,
	char err[COREFILE_ERROR_MAX])
{
	struct listen *listen = calloc(1, sizeof *listen);
	int rc = -ENOMEM;

	if (!listen)
		goto fail;
	listen->handler = (struct net_handler){
		.ctx = listen,
		.thread_start = handler_thread_start,
		.thread_stop = handler_thread_stop,
		.batch_begin = handler_batch_begin,
		.answer = handler_answer,
		.batch_end = handler_batch_end,
	};
	listen->threads = threads;
	rc = zone_table_new(NULL, 0, &listen->nothing, NULL);
	if (rc == 0)
		rc = worker_open(&listen->handler, &listen->worker);
	if (rc == 0)
		rc = pendings_new(listen->worker, &listen->pendings);
	if (rc < 0)
		goto fail;
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *like = &config->listeners[i];

		rc = listener_add(listen, like, err);
		if (rc == 0 && (rc = worker_add_tcp(listen->worker, listen->first->tcp)) < 0)
			open_error(like, "TCP", rc, err);
		if (rc < 0) {
			listen_free(listen);
			return rc;
		}
	}
	*out = listen;
	return 0;
fail:
	snprintf(err, COREFILE_ERROR_MAX, "cannot start: %s", strerror(-rc));
	listen_free(listen);
	return rc;
}

struct worker *listen_worker(struct listen *listen)
{
	return listen->worker;
}

void listen_set_metrics(struct listen *listen, struct metrics *metrics)
{
	listen->metrics = metrics;
}

int listen_run(struct listen *listen)
{
	int rc = worker_run(listen->worker);

	for (struct listener *at = listen->first; at && rc == 0; at = at->next) {
		rc = udp_run(at->udp);
		at->fresh = false;
	}
	return rc;
}

void listen_stop(struct listen *listen)
{
	for (struct listener *at = listen->first; at; at = at->next)
		udp_stop(at->udp);
	if (listen->worker)
		worker_stop(listen->worker);
}

void listen_free(struct listen *listen)
{
	if (!listen)
		return;
	listen_stop(listen);
	worker_free(listen->worker);
	pendings_free(listen->pendings);
	list_free(listen->first);
	list_free(listen->leaving);
	zone_table_free(listen->nothing);
	free(listen);
}

/* --- another configuration --- */

static struct listener *listener_find(struct listen *listen, const struct config_listener *like)
{
	struct listener *at = listen->first;

	while (at && (at->all != like->all || at->port != like->port ||
			     memcmp(&at->address, &like->address, sizeof at->address) != 0))
		at = at->next;
	return at;
}

static int listener_run(struct listen *listen, const struct config_listener *like, char *err)
{
	int rc = listener_add(listen, like, err);

	if (rc < 0)
		return rc;
	rc = worker_add_tcp(listen->worker, listen->first->tcp);
	if (rc < 0)
		return open_error(like, "TCP", rc, err);
	rc = udp_run(listen->first->udp);
	return rc < 0 ? open_error(like, "UDP", rc, err) : 0;
}

/* Those of which `stays` is false answer what has come, and go. */
static void listeners_leave(struct listen *listen, bool (*stays)(const struct listener *listener))
{
	struct listener **at = &listen->first;

	while (*at) {
		struct listener *listener = *at;

		if (stays(listener)) {
			at = &listener->next;
			continue;
		}
		*at = listener->next;
		udp_stop(listener->udp);
		worker_remove_tcp(listen->worker, listener->tcp);
		listener->next = listen->leaving;
		listen->leaving = listener;
	}
}

/* Wait until no thread goes by a table that was exchanged, and all that waits does so with
 * the instance that it waits for. */
static void settle(struct listen *listen)
{
	epoch_wait();
	worker_barrier(listen->worker);
}

static bool is_old(const struct listener *listener)
{
	return !listener->fresh;
}

static bool is_wanted(const struct listener *listener)
{
	return listener->zones != NULL;
}

int listen_extend(struct listen *listen, const struct config *config, char err[COREFILE_ERROR_MAX])
{
	int rc = 0;

	for (struct listener *at = listen->first; at; at = at->next)
		at->zones = NULL;
	for (size_t i = 0; i < config->listener_count && rc == 0; i++) {
		const struct config_listener *like = &config->listeners[i];
		struct listener *at = listener_find(listen, like);

		if (at)
			at->zones = like->zones;
		else
			rc = listener_run(listen, like, err);
	}
	if (rc < 0) {
		listeners_leave(listen, is_old);
		settle(listen);
	}
	return rc;
}

void listen_exchange(struct listen *listen)
{
	for (struct listener *at = listen->first; at; at = at->next) {
		at->fresh = false;
		if (!at->zones)
			continue;
		atomic_store_explicit(&at->slot.table, at->zones, memory_order_release);
		atomic_fetch_add_explicit(&at->slot.exchanges, 1, memory_order_release);
	}
	listeners_leave(listen, is_wanted);
	settle(listen);
}

bool listen_drained(struct listen *listen)
{
	struct listener **at = &listen->leaving;

	while (*at) {
		struct listener *listener = *at;
		struct udp_stats stats;

		udp_stats(listener->udp, &stats);
		if (stats.owed) {
			at = &listener->next;
			continue;
		}
		*at = listener->next;
		listener_free(listener);
	}
	return listen->leaving == NULL;
}

void listen_cut(struct listen *listen)
{
	for (struct listener *at = listen->leaving; at; at = at->next) {
		atomic_store_explicit(&at->slot.table, listen->nothing, memory_order_release);
		atomic_fetch_add_explicit(&at->slot.exchanges, 1, memory_order_release);
	}
	settle(listen);
}

unsigned listen_threads(void)
{
	cpu_set_t set;
	int count;

	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return 1;
	count = CPU_COUNT(&set);
	return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (unsigned)count;
}

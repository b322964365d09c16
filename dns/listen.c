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

/* What packets of a listener come with. */
struct listen_tag {
	struct zone_slot slot;
	struct listen *listen;
};

struct listen {
	struct net_handler handler;
	struct metrics *metrics; /* NULL: nothing is counted */
	struct udp **udp;
	struct tcp **tcp;
	struct listen_tag *tags;
	size_t count; /* of all three */
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
	const struct listen_tag *tag = in->tag;
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
	struct listen *listen, const struct config_listener *listener, unsigned threads, char *err)
{
	struct sockaddr_storage address[2];
	int tries = listener_addresses(listener, address);
	struct listen_tag *tag = &listen->tags[listen->count];
	struct udp **udp = &listen->udp[listen->count];
	struct tcp **tcp = &listen->tcp[listen->count];
	int rc = -EAFNOSUPPORT;

	tag->listen = listen;
	atomic_init(&tag->slot.table, listener->zones);
	for (int i = 0; i < tries && try_next_family(rc); i++)
		rc = udp_open((struct sockaddr *)&address[i], listener->all && i == 0, threads,
			&listen->handler, tag, udp);
	if (rc < 0)
		return open_error(listener, "UDP", rc, err);
	rc = -EAFNOSUPPORT;
	for (int i = 0; i < tries && try_next_family(rc); i++)
		rc = tcp_open(
			(struct sockaddr *)&address[i], listener->all && i == 0, NULL, tag, tcp);
	if (rc < 0) {
		udp_free(*udp);
		return open_error(listener, "TCP", rc, err);
	}
	listen->count++;
	rc = worker_add_tcp(listen->worker, *tcp);
	if (rc < 0)
		return open_error(listener, "TCP", rc, err);
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
	listen->udp = calloc(config->listener_count + 1, sizeof(struct udp *));
	listen->tcp = calloc(config->listener_count + 1, sizeof(struct tcp *));
	listen->tags = calloc(config->listener_count + 1, sizeof *listen->tags);
	if (!listen->udp || !listen->tcp || !listen->tags)
		goto fail;
	rc = worker_open(&listen->handler, &listen->worker);
	if (rc == 0)
		rc = pendings_new(listen->worker, &listen->pendings);
	if (rc < 0)
		goto fail;
	for (size_t i = 0; i < config->listener_count; i++) {
		rc = listener_open(listen, &config->listeners[i], threads, err);
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

	for (size_t i = 0; i < listen->count && rc == 0; i++)
		rc = udp_run(listen->udp[i]);
	return rc;
}

void listen_stop(struct listen *listen)
{
	for (size_t i = 0; i < listen->count; i++)
		udp_stop(listen->udp[i]);
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
	for (size_t i = 0; i < listen->count; i++) {
		udp_free(listen->udp[i]);
		tcp_free(listen->tcp[i]);
	}
	free(listen->udp);
	free(listen->tcp);
	free(listen->tags);
	free(listen);
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

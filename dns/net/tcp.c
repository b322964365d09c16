/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp.h"

#include "connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#define IDLE_MS_DEFAULT         30000
#define MAX_CONNECTIONS_DEFAULT 4096
#define MAX_UNSENT_DEFAULT      65536
#define MAX_BUFFERED_DEFAULT    (16u * 1024 * 1024)
#define BACKLOG                 4096
#define ACCEPTS_PER_TURN        64
/* Out of descriptors and no connection of ours to close: wait this long. */
#define ACCEPT_PAUSE_MS 100
/* What the kernel may keep per connection and direction, before its doubling:
 * left alone it would grow to megabytes for a client that does not read. */
#define KERNEL_BUFFER_BYTES 65536
#define TCP_UNOPENED        1

struct client {
	uv_poll_t poll;
	TAILQ_ENTRY(client) by_age;
	struct connection connection;
	struct tcp *tcp;
	uint64_t active_ms;
	int waits; /* CONNECTION_READ, _WRITE and _WAKE */
};

struct counters { /* written on the loop thread, read by anybody */
	_Atomic uint64_t accepted, closed_idle, closed_cap, queries, open;
};

struct tcp {
	struct worker_service service;
	struct worker *worker;
	uv_poll_t poll;
	uv_async_t wake;             /* a stream has its next message */
	uv_timer_t timer;            /* for the head of by_age, and the end of a pause */
	TAILQ_HEAD(, client) by_age; /* longest idle first */
	struct connection_io io;
	struct tcp_limits limits;
	union address bound;
	int fd;
	int opened; /* the handles: 0, TCP_UNOPENED, or a negative errno */
	bool paused;
	struct counters counters;
};

static void count_add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

static uint64_t count_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- clients --- */

static void on_client_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void client_close(struct client *client)
{
	struct tcp *tcp = client->tcp;

	TAILQ_REMOVE(&tcp->by_age, client, by_age);
	count_add(&tcp->counters.open, (uint64_t)-1);
	uv_close((uv_handle_t *)&client->poll, on_client_closed);
	/* The handle has forgotten the descriptor; its memory lives until the callback. */
	connection_close(&client->connection, &tcp->io);
}

static void client_touch(struct client *client)
{
	struct tcp *tcp = client->tcp;

	client->active_ms = uv_now(worker_loop(tcp->worker));
	TAILQ_REMOVE(&tcp->by_age, client, by_age);
	TAILQ_INSERT_TAIL(&tcp->by_age, client, by_age);
}

/* Close those that hold buffers, longest idle first, until the listener's share
 * of memory is kept. */
static void clients_shed(struct tcp *tcp)
{
	struct client *client = TAILQ_FIRST(&tcp->by_age);

	while (client && tcp->io.held > tcp->limits.max_buffered) {
		struct client *next = TAILQ_NEXT(client, by_age);

		if (client->connection.in.cap + client->connection.out.cap > 0) {
			count_add(&tcp->counters.closed_cap, 1);
			client_close(client);
		}
		client = next;
	}
}

static void on_client(uv_poll_t *poll, int status, int events);

/* False: it has been closed. */
static bool client_turn(struct client *client)
{
	struct tcp *tcp = client->tcp;
	bool had_unsent = client->connection.out.len > 0;
	int waits = connection_turn(&client->connection, &tcp->io);
	int events = 0;

	count_add(&tcp->counters.queries, tcp->io.answered);
	if (waits <= 0) {
		client_close(client);
		return false;
	}
	if (tcp->io.answered > 0 || tcp->io.streamed > 0 ||
		(had_unsent && client->connection.out.len == 0))
		client_touch(client);
	if (waits == client->waits)
		return true;
	events |= waits & CONNECTION_READ ? UV_READABLE : 0;
	events |= waits & CONNECTION_WRITE ? UV_WRITABLE : 0;
	client->waits = waits;
	if (uv_poll_start(&client->poll, events, on_client) == 0)
		return true;
	client_close(client);
	return false;
}

static void client_resume(struct connection *connection)
{
	struct client *client =
		(struct client *)(void *)((char *)connection - offsetof(struct client, connection));
	struct tcp *tcp = client->tcp;

	client_turn(client);
	clients_shed(tcp);
}

static void on_client(uv_poll_t *poll, int status, int events)
{
	struct client *client = poll->data;
	struct tcp *tcp = client->tcp;

	(void)events;
	if (status < 0) {
		client_close(client);
		return;
	}
	client_turn(client);
	clients_shed(tcp);
}

/* Whose stream it is that has something is not told: rare, and few wait. */
static void on_wake(uv_async_t *wake)
{
	struct tcp *tcp = wake->data;
	struct client *client, *next;

	for (client = TAILQ_FIRST(&tcp->by_age); client; client = next) {
		next = TAILQ_NEXT(client, by_age);
		if (client->connection.waiting)
			client_turn(client);
	}
	clients_shed(tcp);
}

static void wake_send(void *ctx)
{
	struct tcp *tcp = ctx;

	uv_async_send(&tcp->wake);
}

/* --- time --- */

static void on_timer(uv_timer_t *timer);

/* The timer is not moved at every message: it fires when the client that was the
 * head would have been due, and looks again. */
static void timer_arm(struct tcp *tcp)
{
	const struct client *head = TAILQ_FIRST(&tcp->by_age);
	uint64_t now_ms = uv_now(worker_loop(tcp->worker));
	uint64_t wait_ms = UINT64_MAX;

	if (head) {
		uint64_t due_ms = head->active_ms + tcp->limits.idle_ms;

		wait_ms = due_ms > now_ms ? due_ms - now_ms : 0;
	}
	if (tcp->paused && wait_ms > ACCEPT_PAUSE_MS)
		wait_ms = ACCEPT_PAUSE_MS;
	if (wait_ms != UINT64_MAX)
		uv_timer_start(&tcp->timer, on_timer, wait_ms, 0);
}

static void on_listener(uv_poll_t *poll, int status, int events);

static void on_timer(uv_timer_t *timer)
{
	struct tcp *tcp = timer->data;
	uint64_t now_ms = uv_now(worker_loop(tcp->worker));
	struct client *head;

	while ((head = TAILQ_FIRST(&tcp->by_age)) &&
		head->active_ms + tcp->limits.idle_ms <= now_ms) {
		count_add(&tcp->counters.closed_idle, 1);
		client_close(head);
	}
	if (tcp->paused) {
		tcp->paused = false;
		uv_poll_start(&tcp->poll, UV_READABLE, on_listener);
	}
	timer_arm(tcp);
}

/* --- accepting --- */

/* Close the one that has been idle longest. False: there is none. */
static bool client_evict(struct tcp *tcp)
{
	struct client *head = TAILQ_FIRST(&tcp->by_age);

	if (!head)
		return false;
	count_add(&tcp->counters.closed_cap, 1);
	client_close(head);
	return true;
}

static void client_open(struct tcp *tcp, int fd, const union address *peer)
{
	struct client *client = calloc(1, sizeof *client);

	if (!client || uv_poll_init(worker_loop(tcp->worker), &client->poll, fd) < 0) {
		close(fd);
		free(client);
		return;
	}
	client->poll.data = client;
	client->tcp = tcp;
	client->active_ms = uv_now(worker_loop(tcp->worker));
	client->connection.fd = fd;
	client->connection.peer = *peer;
	address_unmap(&client->connection.peer);
	client->connection.local = tcp->bound;
	if (address_is_any(&tcp->bound))
		socket_local(fd, &client->connection.local);
	address_unmap(&client->connection.local);
	TAILQ_INSERT_TAIL(&tcp->by_age, client, by_age);
	count_add(&tcp->counters.accepted, 1);
	count_add(&tcp->counters.open, 1);
	/* A client that sent its question with the handshake's last segment is
	 * answered at once. */
	client_turn(client);
}

/* accept() takes the descriptor before it looks whether anybody waits. */
static bool listener_is_empty(const struct tcp *tcp)
{
	struct pollfd pollfd = {.fd = tcp->fd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 0;
}

static bool errno_is_shortage(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
}

/* Take one connection. False: there is none, or none can be taken now. */
static bool client_accept(struct tcp *tcp)
{
	union address peer = {0};
	socklen_t len = sizeof peer;
	int fd = accept4(tcp->fd, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		if (count_get(&tcp->counters.open) >= tcp->limits.max_connections)
			client_evict(tcp);
		client_open(tcp, fd, &peer);
		return true;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return false;
	/* Other errors are about the one connection (accept(2)): it is gone. */
	if (!errno_is_shortage())
		return true;
	if (listener_is_empty(tcp))
		return false;
	if (client_evict(tcp))
		return true;
	/* The socket stays readable: without a pause the loop would spin. */
	uv_poll_stop(&tcp->poll);
	tcp->paused = true;
	return false;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct tcp *tcp = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		if (!client_accept(tcp))
			break;
	}
	clients_shed(tcp);
	if (tcp->paused || !uv_is_active((uv_handle_t *)&tcp->timer))
		timer_arm(tcp);
}

/* --- on the worker --- */

static int handles_open(struct tcp *tcp)
{
	uv_loop_t *loop = worker_loop(tcp->worker);
	int rc = uv_poll_init(loop, &tcp->poll, tcp->fd);

	if (rc < 0)
		return rc;
	rc = uv_async_init(loop, &tcp->wake, on_wake);
	if (rc < 0) {
		uv_close((uv_handle_t *)&tcp->poll, NULL);
		return rc;
	}
	uv_timer_init(loop, &tcp->timer);
	tcp->poll.data = tcp;
	tcp->timer.data = tcp;
	tcp->wake.data = tcp;
	return 0;
}

static void tcp_start(struct worker_service *service)
{
	struct tcp *tcp = (struct tcp *)(void *)service;

	/* A loop's handles are made on its thread, where it has one. */
	if (tcp->opened == TCP_UNOPENED)
		tcp->opened = handles_open(tcp);
	if (tcp->opened < 0)
		return;
	tcp->io.thread = worker_thread(tcp->worker);
	uv_poll_start(&tcp->poll, UV_READABLE, on_listener);
}

/* What clients have sent by now is answered; what does not fit into their
 * sockets is lost with them. */
static void tcp_stop(struct worker_service *service)
{
	struct tcp *tcp = (struct tcp *)(void *)service;
	struct client *client, *next;

	if (tcp->opened < 0 || tcp->opened == TCP_UNOPENED)
		return;
	if (tcp->io.thread && !tcp->paused)
		on_listener(&tcp->poll, 0, UV_READABLE);
	for (client = TAILQ_FIRST(&tcp->by_age); client; client = next) {
		next = TAILQ_NEXT(client, by_age);
		client_turn(client);
	}
	while ((client = TAILQ_FIRST(&tcp->by_age)))
		client_close(client);
	uv_close((uv_handle_t *)&tcp->timer, NULL);
	uv_close((uv_handle_t *)&tcp->wake, NULL);
	uv_close((uv_handle_t *)&tcp->poll, NULL);
	close(tcp->fd);
	tcp->fd = -1;
}

int worker_add_tcp(struct worker *worker, struct tcp *tcp)
{
	tcp->worker = worker;
	tcp->io.handler = worker_handler(worker);
	tcp->io.wake = (struct stream_wake){wake_send, tcp};
	tcp->io.resume = client_resume;
	tcp->opened = TCP_UNOPENED;
	if (!worker_runs(worker))
		tcp->opened = handles_open(tcp);
	if (tcp->opened == 0 || worker_runs(worker))
		worker_attach(worker, &tcp->service);
	return tcp->opened;
}

void worker_remove_tcp(struct worker *worker, struct tcp *tcp)
{
	worker_detach(worker, &tcp->service);
}

/* --- opening --- */

static unsigned limit(unsigned wanted, unsigned fallback)
{
	return wanted ? wanted : fallback;
}

static int fd_listen(int fd)
{
	int on = 1, bytes = KERNEL_BUFFER_BYTES;

	/* Accepted sockets inherit all three. Replies are written whole: waiting for
	 * more to send (Nagle) only costs the client time. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

int tcp_open(const struct sockaddr *address, int dual, const struct tcp_limits *limits,
	const void *tag, struct tcp **out)
{
	struct tcp *tcp = calloc(1, sizeof *tcp);
	struct tcp_limits given = {0};
	int rc = -ENOMEM;

	if (!tcp)
		return -ENOMEM;
	if (limits)
		given = *limits;
	tcp->service.start = tcp_start;
	tcp->service.stop = tcp_stop;
	tcp->limits.idle_ms = limit(given.idle_ms, IDLE_MS_DEFAULT);
	tcp->limits.max_connections = limit(given.max_connections, MAX_CONNECTIONS_DEFAULT);
	tcp->limits.max_unsent = limit(given.max_unsent, MAX_UNSENT_DEFAULT);
	tcp->limits.max_buffered = limit(given.max_buffered, MAX_BUFFERED_DEFAULT);
	TAILQ_INIT(&tcp->by_age);
	tcp->fd = -1;
	tcp->io.tag = tag;
	tcp->io.max_unsent = tcp->limits.max_unsent;
	tcp->io.in = malloc(CONNECTION_IN_BYTES);
	tcp->io.out = malloc(CONNECTION_OUT_BYTES);
	if (!tcp->io.in || !tcp->io.out)
		goto fail;
	rc = socket_bind(address, dual, SOCK_STREAM | SOCK_NONBLOCK, &tcp->fd, 1);
	if (rc < 0) {
		tcp->fd = -1;
		goto fail;
	}
	rc = fd_listen(tcp->fd);
	if (rc == 0)
		rc = socket_local(tcp->fd, &tcp->bound);
	if (rc < 0)
		goto fail;
	*out = tcp;
	return 0;
fail:
	tcp_free(tcp);
	return rc;
}

uint16_t tcp_port(const struct tcp *tcp)
{
	return address_port(&tcp->bound);
}

void tcp_stats(const struct tcp *tcp, struct tcp_stats *out)
{
	*out = (struct tcp_stats){
		.accepted = count_get(&tcp->counters.accepted),
		.closed_idle = count_get(&tcp->counters.closed_idle),
		.closed_cap = count_get(&tcp->counters.closed_cap),
		.queries = count_get(&tcp->counters.queries),
		.open = count_get(&tcp->counters.open),
	};
}

void tcp_free(struct tcp *tcp)
{
	if (!tcp)
		return;
	if (tcp->fd >= 0)
		close(tcp->fd);
	free(tcp->io.in);
	free(tcp->io.out);
	free(tcp);
}

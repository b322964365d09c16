/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_UNIT_WATCH_PEER_H
#define BINNACLE_TESTS_UNIT_WATCH_PEER_H

/* An HTTP server on loopback for tests of http and api, on the same uv loop as
 * what is tested: for each whole request header it calls `answer`, which writes
 * what it likes with peer_say(), peer_end() and peer_reset(). */

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct peer;

struct peer_conn {
	uv_tcp_t tcp; /* first: freed through the handle */
	struct peer *peer;
	size_t len;
	bool closing;
	char request[4096]; /* the header that came, terminated */
};

struct peer {
	uv_tcp_t listener;
	uint16_t port;
	char url[64];
	void (*answer)(struct peer_conn *conn, const char *request);
	void *user;
	unsigned accepted, requests;
	bool lost; /* a connection has ended */
};

static inline void peer_conn_closed(uv_handle_t *handle)
{
	struct peer_conn *conn = (struct peer_conn *)handle;

	conn->peer->lost = true;
	free(conn);
}

static inline void peer_end(struct peer_conn *conn)
{
	if (!conn->closing)
		uv_close((uv_handle_t *)&conn->tcp, peer_conn_closed);
	conn->closing = true;
}

static inline void peer_reset(struct peer_conn *conn)
{
	if (!conn->closing)
		uv_tcp_close_reset(&conn->tcp, peer_conn_closed);
	conn->closing = true;
}

/* Short texts into an empty socket buffer: the write is whole and at once. */
static inline void peer_say(struct peer_conn *conn, const char *text)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));

	if (uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1) != (int)strlen(text))
		abort();
}

static inline void peer_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peer_conn *conn = (struct peer_conn *)handle;

	(void)suggested;
	*buf = uv_buf_init(
		conn->request + conn->len, (unsigned)(sizeof conn->request - 1 - conn->len));
}

static inline void peer_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct peer_conn *conn = (struct peer_conn *)stream;

	(void)buf;
	if (len < 0) {
		peer_end(conn);
		return;
	}
	conn->len += (size_t)len;
	conn->request[conn->len] = '\0';
	if (!strstr(conn->request, "\r\n\r\n"))
		return;
	conn->len = 0;
	conn->peer->requests++;
	if (conn->peer->answer)
		conn->peer->answer(conn, conn->request);
}

static inline void peer_accept(uv_stream_t *listener, int status)
{
	struct peer *peer = (struct peer *)listener;
	struct peer_conn *conn = calloc(1, sizeof *conn);

	if (status < 0 || !conn)
		abort();
	conn->peer = peer;
	uv_tcp_init(listener->loop, &conn->tcp);
	if (uv_accept(listener, (uv_stream_t *)&conn->tcp) < 0)
		abort();
	peer->accepted++;
	uv_read_start((uv_stream_t *)&conn->tcp, peer_room, peer_read);
}

/* port 0: any. Returns 0 or an error of libuv. */
static inline int peer_open(struct peer *peer, uv_loop_t *loop, uint16_t port)
{
	struct sockaddr_in address;
	int len = sizeof address;
	int rc;

	uv_ip4_addr("127.0.0.1", port, &address);
	uv_tcp_init(loop, &peer->listener);
	rc = uv_tcp_bind(&peer->listener, (const struct sockaddr *)&address, 0);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&peer->listener, 16, peer_accept);
	if (rc == 0)
		rc = uv_tcp_getsockname(&peer->listener, (struct sockaddr *)&address, &len);
	peer->port = ntohs(address.sin_port);
	snprintf(peer->url, sizeof peer->url, "http://127.0.0.1:%u", peer->port);
	return rc;
}

static inline void peer_close(struct peer *peer)
{
	if (!uv_is_closing((uv_handle_t *)&peer->listener))
		uv_close((uv_handle_t *)&peer->listener, NULL);
}

/* A loop with a deadline. It also turns every few milliseconds, because a flag
 * that a timer sets does not end the poll that follows in the same turn. */
struct peer_world {
	uv_loop_t loop;
	uv_timer_t tick;
	unsigned ticks_left;
};

static inline void peer_tick(uv_timer_t *timer)
{
	struct peer_world *world = timer->data;

	if (world->ticks_left > 0)
		world->ticks_left--;
}

static inline void peer_world_open(struct peer_world *world)
{
	world->ticks_left = 5000;
	uv_loop_init(&world->loop);
	uv_timer_init(&world->loop, &world->tick);
	world->tick.data = world;
	uv_timer_start(&world->tick, peer_tick, 4, 4);
}

/* Runs until *flag; false if that takes too long. */
static inline bool peer_world_run(struct peer_world *world, const bool *flag)
{
	while (!*flag && world->ticks_left > 0)
		uv_run(&world->loop, UV_RUN_ONCE);
	return *flag;
}

/* Everything else must have been closed: false if a handle was left. */
static inline bool peer_world_close(struct peer_world *world)
{
	uv_close((uv_handle_t *)&world->tick, NULL);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&world->loop) == 0;
}

#endif

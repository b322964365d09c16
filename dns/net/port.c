/* SPDX-License-Identifier: Apache-2.0 */
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct ports {
	uv_timer_t timer; /* runs while there are idle ones: they get too old */
	uv_loop_t *loop;
	union address server, source;
	bool has_source, closed, timer_closed;
	unsigned taken, idle_count;
	struct port *idle[PORT_IDLE_MAX];
};

static socklen_t address_len(const struct sockaddr *address)
{
	return address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
}

static void address_set(union address *to, const struct sockaddr *from)
{
	if (from->sa_family == AF_INET)
		to->v4 = *(const struct sockaddr_in *)(const void *)from;
	else
		to->v6 = *(const struct sockaddr_in6 *)(const void *)from;
}

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000u;
}

int ports_new(uv_loop_t *loop, const struct sockaddr *server, const struct sockaddr *source,
	struct ports **out)
{
	struct ports *ports = calloc(1, sizeof *ports);

	if (!ports)
		return -ENOMEM;
	ports->loop = loop;
	address_set(&ports->server, server);
	ports->has_source = source != NULL;
	if (source)
		address_set(&ports->source, source);
	uv_timer_init(loop, &ports->timer);
	ports->timer.data = ports;
	*out = ports;
	return 0;
}

static void ports_free_if_over(struct ports *ports)
{
	if (ports->timer_closed && ports->taken == 0)
		free(ports);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct ports *ports = handle->data;

	ports->timer_closed = true;
	ports_free_if_over(ports);
}

static void on_port_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void port_end(struct port *port)
{
	uv_close((uv_handle_t *)&port->poll, on_port_closed);
	close(port->fd);
}

static struct port *idle_remove(struct ports *ports, unsigned at)
{
	struct port *port = ports->idle[at];

	ports->idle[at] = ports->idle[--ports->idle_count];
	return port;
}

static bool is_spent(const struct port *port, uint64_t ms)
{
	return port->questions >= PORT_QUESTIONS_MAX || ms >= port->opened_ms + PORT_AGE_MS;
}

static void on_timer(uv_timer_t *timer)
{
	struct ports *ports = timer->data;
	const uint64_t ms = now_ms();

	for (unsigned i = ports->idle_count; i-- > 0;) {
		if (is_spent(ports->idle[i], ms))
			port_end(idle_remove(ports, i));
	}
	if (ports->idle_count)
		uv_timer_start(timer, on_timer, PORT_AGE_MS / 2, 0);
}

void ports_close(struct ports *ports)
{
	if (!ports)
		return;
	ports->closed = true;
	while (ports->idle_count)
		port_end(idle_remove(ports, ports->idle_count - 1));
	uv_close((uv_handle_t *)&ports->timer, on_timer_closed);
}

/* Nobody has asked for what comes to an idle one: it is late, or forged, or an error. */
static void idle_drop(struct port *port)
{
	struct ports *ports = port->ports;

	for (unsigned i = 0; i < ports->idle_count; i++) {
		if (ports->idle[i] == port) {
			port_end(idle_remove(ports, i));
			return;
		}
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct port *port = poll->data;

	(void)events; /* what is wrong with the socket, recv() says */
	if (port->readable)
		port->readable(port);
	else
		idle_drop(port);
	/* libuv stops where epoll reports an error; if a send() has taken that since, what comes
	 * is to be heard all the same. */
	if (status < 0 && !uv_is_closing((uv_handle_t *)poll))
		uv_poll_start(poll, UV_READABLE, on_readable);
}

static int socket_connect(const struct ports *ports)
{
	const struct sockaddr *server = &ports->server.sa, *source = &ports->source.sa;
	const int fd = socket(server->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (ports->has_source && bind(fd, source, address_len(source)) < 0)
		rc = -errno;
	if (rc == 0 && connect(fd, server, address_len(server)) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

static int port_open(struct ports *ports, struct port **out)
{
	struct port *port = calloc(1, sizeof *port);
	int rc;

	if (!port)
		return -ENOMEM;
	port->ports = ports;
	port->opened_ms = now_ms();
	port->fd = rc = socket_connect(ports);
	if (rc < 0) {
		free(port);
		return rc;
	}
	rc = uv_poll_init(ports->loop, &port->poll, port->fd);
	if (rc < 0) {
		close(port->fd);
		free(port);
		return rc;
	}
	port->poll.data = port;
	rc = uv_poll_start(&port->poll, UV_READABLE, on_readable);
	if (rc < 0) {
		port_end(port);
		return rc;
	}
	*out = port;
	return 0;
}

/* Of descriptors, or of ports that are free. */
static bool is_shortage(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN || rc == -EADDRINUSE;
}

/* Where there is no room for one more, idle ones make it. */
static int port_open_or_replace(struct ports *ports, struct port **out)
{
	int rc = port_open(ports, out);

	while (is_shortage(rc) && ports->idle_count) {
		port_end(idle_remove(ports, ports->idle_count - 1));
		rc = port_open(ports, out);
	}
	return rc;
}

int port_take(struct ports *ports, uint32_t random, void (*readable)(struct port *port), void *user,
	struct port **out)
{
	const uint64_t ms = now_ms();
	struct port *port = NULL;
	int rc = 0;

	while (!port && ports->idle_count > PORT_IDLE_LEAST) {
		port = idle_remove(ports, random % ports->idle_count);
		if (is_spent(port, ms)) {
			port_end(port);
			port = NULL;
		}
	}
	if (!port)
		rc = port_open_or_replace(ports, &port);
	if (rc < 0)
		return rc;
	port->readable = readable;
	port->user = user;
	ports->taken++;
	*out = port;
	return 0;
}

void port_give(struct port *port)
{
	struct ports *ports = port->ports;

	port->questions++;
	if (ports->closed || ports->idle_count == PORT_IDLE_MAX || is_spent(port, now_ms())) {
		port_close(port);
		return;
	}
	port->readable = NULL;
	ports->taken--;
	ports->idle[ports->idle_count++] = port;
	if (!uv_is_active((uv_handle_t *)&ports->timer))
		uv_timer_start(&ports->timer, on_timer, PORT_AGE_MS, 0);
}

void port_close(struct port *port)
{
	struct ports *ports = port->ports;

	port_end(port);
	ports->taken--;
	ports_free_if_over(ports);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One request a second, over one connection as long as it holds:
 *
 *	       tick                connected           "HTTP/1.1 200"
 *	CLOSED ------> CONNECTING -----------> READING ---------------> KEPT
 *	  ^                |                    |  ^                     |
 *	  |   failed       |  anything else,    |  +---------------------+ tick
 *	  +----------------+--------------------+
 *	                      or the third tick
 *
 * An end of a kept connection says nothing of /health: if no byte of the answer has come, a new
 * one is made for the same look. What is measured is what the control loop sees: its own delays
 * are in it. */

#include "health_poll.h"

#include "dns/observe/log.h"
#include "dns/observe/metric.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define EVERY_MS    1000
#define TICKS_MAX   3
#define STATUS_LEN  12 /* "HTTP/1.1 200" */
#define STATUS_FROM 9

struct health_poll {
	struct metrics *metrics;
	_Atomic uint64_t *counters; /* NULL until the first tick, when all plugins have started */
	uint32_t duration, failures;
	struct sockaddr_storage address;
	uv_timer_t timer;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	bool open;    /* tcp is, or is being closed */
	bool looking; /* an answer is waited for */
	bool kept;    /* the connection has answered before */
	bool again;   /* look on once it is closed */
	bool failing;
	unsigned ticks; /* of this look */
	uint64_t begun_ns;
	char status[STATUS_LEN + 1];
	size_t status_len;
	char scratch[256];
	unsigned handles; /* not closed yet */
	void (*stopped)(void *user);
	void *stopped_user;
};

/* --- one look --- */

static void handle_closed(struct health_poll *poll)
{
	if (--poll->handles == 0 && poll->stopped)
		poll->stopped(poll->stopped_user);
}

static void connection_begin(struct health_poll *poll);

static void tcp_closed(uv_handle_t *handle)
{
	struct health_poll *poll = handle->data;

	poll->open = false;
	if (poll->again && poll->looking && !poll->stopped)
		connection_begin(poll);
	handle_closed(poll);
}

static bool is_closing(const struct health_poll *poll)
{
	return uv_is_closing((const uv_handle_t *)&poll->tcp);
}

static void connection_end(struct health_poll *poll, bool again)
{
	poll->again = again;
	poll->kept = false;
	uv_close((uv_handle_t *)&poll->tcp, tcp_closed);
}

static void look_end(struct health_poll *poll, bool right)
{
	poll->looking = false;
	if (right)
		metric_observe(poll->counters, METRIC_HEALTH_DURATION, poll->duration,
			uv_hrtime() - poll->begun_ns);
	else
		metric_count(poll->counters, poll->failures, 1);
	if (!right && !poll->failing)
		log_write(LOG_WARNING, "health", "/health does not answer this server itself");
	poll->failing = !right;
	poll->kept = right;
	if (!right && poll->open && !is_closing(poll))
		connection_end(poll, false);
}

static void scratch_give(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
	struct health_poll *poll = handle->data;

	(void)wanted;
	*out = uv_buf_init(poll->scratch, sizeof poll->scratch);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct health_poll *poll = stream->data;

	if (len < 0 && (!poll->looking || (poll->kept && poll->status_len == 0))) {
		connection_end(poll, poll->looking);
		return;
	}
	if (len < 0) {
		look_end(poll, false);
		return;
	}
	/* Behind the status come a header and a body that are passed over before the next tick. */
	for (ssize_t i = 0; i < len && poll->status_len < STATUS_LEN; i++)
		poll->status[poll->status_len++] = buf->base[i];
	if (poll->looking && poll->status_len == STATUS_LEN)
		look_end(poll, strcmp(poll->status + STATUS_FROM, "200") == 0);
}

static bool request_send(struct health_poll *poll)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
	const uv_buf_t buf = uv_buf_init((char *)(uintptr_t)request, sizeof request - 1);

	return uv_write(&poll->write, (uv_stream_t *)&poll->tcp, &buf, 1, NULL) == 0;
}

static void on_connect(uv_connect_t *connect, int status)
{
	struct health_poll *poll = connect->data;

	if (is_closing(poll))
		return;
	if (status < 0 || !request_send(poll) ||
		uv_read_start(connect->handle, scratch_give, on_read) < 0)
		look_end(poll, false);
}

static void connection_begin(struct health_poll *poll)
{
	poll->again = false;
	if (uv_tcp_init(poll->timer.loop, &poll->tcp) < 0) {
		look_end(poll, false);
		return;
	}
	poll->handles++;
	poll->open = true;
	poll->tcp.data = poll;
	poll->connect.data = poll;
	if (uv_tcp_connect(&poll->connect, &poll->tcp, (const struct sockaddr *)&poll->address,
		    on_connect) < 0)
		look_end(poll, false);
}

static void look_begin(struct health_poll *poll)
{
	poll->looking = true;
	poll->ticks = 0;
	poll->status_len = 0;
	poll->begun_ns = uv_hrtime();
	if (!poll->open)
		connection_begin(poll);
	else if (!request_send(poll))
		connection_end(poll, true);
}

static void tick(uv_timer_t *timer)
{
	struct health_poll *poll = timer->data;

	if (!poll->counters)
		poll->counters = metrics_counters(poll->metrics);
	if (!poll->counters)
		return;
	if (poll->looking && ++poll->ticks >= TICKS_MAX)
		look_end(poll, false);
	else if (!poll->looking && !(poll->open && is_closing(poll)))
		look_begin(poll);
}

/* --- life --- */

static bool address_of(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	if (port == 0)
		return false;
	if (text[0] == 0 || strcmp(text, "localhost") == 0)
		text = "127.0.0.1";
	return uv_ip4_addr(text, port, (struct sockaddr_in *)out) == 0 ||
	       uv_ip6_addr(text, port, (struct sockaddr_in6 *)out) == 0;
}

int health_poll_start(const struct plugin_host *host, const char *address, uint16_t port,
	struct health_poll **out)
{
	struct health_poll *poll = calloc(1, sizeof *poll);
	int rc;

	if (!poll)
		return -ENOMEM;
	if (!address_of(address, port, &poll->address)) {
		free(poll);
		return 1;
	}
	poll->metrics = host->metrics;
	rc = metrics_add(host->metrics, METRIC_HEALTH_DURATION, NULL, NULL, 0, &poll->duration);
	if (rc == 0)
		rc = metrics_add(
			host->metrics, METRIC_HEALTH_FAILURES, NULL, NULL, 0, &poll->failures);
	if (rc == 0)
		rc = uv_timer_init(host->loop, &poll->timer);
	if (rc < 0) {
		free(poll);
		return rc;
	}
	poll->timer.data = poll;
	poll->handles = 1;
	uv_timer_start(&poll->timer, tick, EVERY_MS, EVERY_MS);
	*out = poll;
	return 0;
}

static void timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

void health_poll_stop(struct health_poll *poll, void (*done)(void *user), void *user)
{
	poll->stopped = done;
	poll->stopped_user = user;
	metrics_counters_return(poll->counters);
	uv_close((uv_handle_t *)&poll->timer, timer_closed);
	if (poll->open && !is_closing(poll))
		connection_end(poll, false);
}

void health_poll_free(struct health_poll *poll)
{
	free(poll);
}

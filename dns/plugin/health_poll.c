/* SPDX-License-Identifier: Apache-2.0 */
/* One connection a second:
 *
 *	      tick                connected           "HTTP/1.1 200"
 *	IDLE ------> CONNECTING -----------> READING ---------------> closing -> IDLE
 *	                 |                      | anything else, an end
 *	                 +----------------------+ or the third tick: failed
 *
 * What is measured is what the control loop sees: its own delays are in it. */

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
	bool busy; /* tcp is open, or being closed */
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

static void tcp_closed(uv_handle_t *handle)
{
	struct health_poll *poll = handle->data;

	poll->busy = false;
	handle_closed(poll);
}

static bool look_is_over(const struct health_poll *poll)
{
	return uv_is_closing((const uv_handle_t *)&poll->tcp);
}

static void look_end(struct health_poll *poll, bool right)
{
	if (look_is_over(poll))
		return;
	uv_close((uv_handle_t *)&poll->tcp, tcp_closed);
	if (right)
		metric_observe(poll->counters, METRIC_HEALTH_DURATION, poll->duration,
			uv_hrtime() - poll->begun_ns);
	else
		metric_count(poll->counters, poll->failures, 1);
	if (!right && !poll->failing)
		log_write(LOG_WARNING, "health", "/health does not answer this server itself");
	poll->failing = !right;
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

	if (len < 0) {
		look_end(poll, false);
		return;
	}
	for (ssize_t i = 0; i < len && poll->status_len < STATUS_LEN; i++)
		poll->status[poll->status_len++] = buf->base[i];
	if (poll->status_len == STATUS_LEN)
		look_end(poll, strcmp(poll->status + STATUS_FROM, "200") == 0);
}

static void on_connect(uv_connect_t *connect, int status)
{
	static const char request[] =
		"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	struct health_poll *poll = connect->data;
	const uv_buf_t buf = uv_buf_init((char *)(uintptr_t)request, sizeof request - 1);

	if (look_is_over(poll))
		return;
	if (status < 0 || uv_write(&poll->write, connect->handle, &buf, 1, NULL) < 0 ||
		uv_read_start(connect->handle, scratch_give, on_read) < 0)
		look_end(poll, false);
}

static void look_begin(struct health_poll *poll)
{
	if (uv_tcp_init(poll->timer.loop, &poll->tcp) < 0)
		return;
	poll->handles++;
	poll->busy = true;
	poll->tcp.data = poll;
	poll->connect.data = poll;
	poll->ticks = 0;
	poll->status_len = 0;
	poll->begun_ns = uv_hrtime();
	if (uv_tcp_connect(&poll->connect, &poll->tcp, (const struct sockaddr *)&poll->address,
		    on_connect) < 0)
		look_end(poll, false);
}

static void tick(uv_timer_t *timer)
{
	struct health_poll *poll = timer->data;

	if (!poll->counters)
		poll->counters = metrics_counters(poll->metrics);
	if (!poll->counters)
		return;
	if (!poll->busy)
		look_begin(poll);
	else if (++poll->ticks >= TICKS_MAX)
		look_end(poll, false);
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
	if (poll->busy && !look_is_over(poll))
		uv_close((uv_handle_t *)&poll->tcp, tcp_closed);
}

void health_poll_free(struct health_poll *poll)
{
	free(poll);
}

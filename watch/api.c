/* SPDX-License-Identifier: Apache-2.0 */
/* A call goes HELD -> ASKING (access is bringing itself up to date) -> RUNNING
 * (http has it), and back to HELD if the gate closes while access is asked.
 *
 *	get() --gate open--> ASKING --view--> RUNNING --> done
 *	  |                  ^    |
 *	  +--gate closed--> HELD <+ gate closed meanwhile
 *
 * A call that http reports as UNREACHABLE is told so; only calls made later are
 * held. So a reflector knows that its watch is gone, and asks again. */

#include "api.h"

#include "server_url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <uv.h>

#define PROBE_MS 1000

enum call_state {
	CALL_HELD,
	CALL_ASKING,
	CALL_RUNNING,
	CALL_LOST /* no memory; told on the next turn */
};

struct transport_call {
	LIST_ENTRY(transport_call) link;
	struct api *api;
	enum call_state state;
	struct transport_request request; /* its target is ours */
	struct transport_handler handler;
	void *user;
	struct http_call *http; /* RUNNING */
	uint64_t sent_ns;       /* 0: not yet, or the answer is told */
	bool *freed;            /* set when freed, while something is told */
	char target[];
};

struct transport_timer {
	uv_timer_t timer; /* first: freed through the handle */
	struct api *api;
	void (*fire)(void *user);
	void *user;
};

struct api {
	struct transport transport; /* first: found through it */
	struct watch_peers *peers;  /* NULL: alone */
	struct api *peer_next;
	uv_loop_t *loop;
	struct access *access;
	struct http *http;
	LIST_HEAD(, transport_call) calls;
	unsigned probe_ms;
	bool tells_answers;
	bool away;         /* the gate is closed */
	bool probe_asking; /* access is asked on the prober's behalf */
	struct http_call *probe;
	uv_timer_t probe_timer;
	uv_timer_t lost_timer;
	char *warned; /* access's last warning; NULL: none */
	void (*event)(void *user, const struct watch_event *event);
	void *event_user;
	unsigned open; /* handles, and http, that are not closed */
	bool closing;
	void (*done)(void *user);
	void *done_user;
};

static void probe_due(uv_timer_t *timer);
static void call_ready(void *user, const struct access_view *view, const char *error);

/* ---- small things ---- */

static uint32_t random_draw(struct transport *self)
{
	uint32_t value = 0;

	(void)self;
	if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
		value = (uint32_t)uv_hrtime();
	return value;
}

static void event_tell(struct api *api, enum watch_event_type type, const char *detail)
{
	const struct watch_event event = {
		.type = type,
		.source = access_url(api->access),
		.detail = detail,
	};

	if (!api->closing)
		api->event(api->event_user, &event);
}

/* One event per change of what access complains of. */
static void warning_tell(struct api *api, const char *error)
{
	if (error && api->warned && strcmp(error, api->warned) == 0)
		return;
	free(api->warned);
	api->warned = error ? strdup(error) : NULL;
	if (error)
		event_tell(api, WATCH_CREDENTIALS, error);
}

/* Credentials in clear text never leave the machine. */
static bool headers_allowed(const struct access_view *view)
{
	return !view->headers || !view->headers[0] || server_url_is_private(view->url);
}

/* ---- the end of a call ---- */

static void call_free(struct transport_call *call)
{
	LIST_REMOVE(call, link);
	if (call->freed)
		*call->freed = true;
	free(call);
}

static void call_end(struct transport_call *call, enum transport_result result, const char *detail)
{
	struct api *api = call->api;
	const struct transport_handler handler = call->handler;
	void *user = call->user;

	call_free(call);
	if (!api->closing)
		handler.done(user, result, detail);
}

static void lost_due(uv_timer_t *timer)
{
	struct api *api = timer->data;
	struct transport_call *call = LIST_FIRST(&api->calls);

	while (call && !api->closing) {
		if (call->state == CALL_LOST) {
			call_end(call, TRANSPORT_LOCAL, "out of memory");
			call = LIST_FIRST(&api->calls); /* the list may have changed */
		} else {
			call = LIST_NEXT(call, link);
		}
	}
}

/* For where no callback may be made. */
static void call_lose(struct transport_call *call)
{
	call->state = CALL_LOST;
	uv_timer_start(&call->api->lost_timer, lost_due, 0, 0);
}

/* ---- the gate ---- */

static void probe_schedule(struct api *api)
{
	uint32_t half = api->probe_ms / 2;
	uint64_t delay_ms = api->probe_ms - half / 2;

	if (half > 0)
		delay_ms += random_draw(&api->transport) % half;
	uv_timer_start(&api->probe_timer, probe_due, delay_ms, 0);
}

static void call_ask(struct transport_call *call)
{
	struct api *api = call->api;

	call->state = CALL_ASKING;
	if (access_get(api->access, call->request.fresh_credentials, call_ready, call) < 0)
		call_lose(call);
}

/* Both wait for the same server. */
static bool api_waits_with(const struct api *peer, const struct api *api)
{
	return peer != api && peer->away &&
	       strcmp(access_url(peer->access), access_url(api->access)) == 0;
}

/* Of those that wait for one server the first in the list probes. */
static bool probe_is_ours(const struct api *api)
{
	const struct api *at = api->peers ? api->peers->first : api;

	for (; at != api; at = at->peer_next) {
		if (api_waits_with(at, api))
			return false;
	}
	return true;
}

static void own_gate_open(struct api *api)
{
	struct transport_call *call;

	api->away = false;
	uv_timer_stop(&api->probe_timer);
	event_tell(api, WATCH_REACHABLE, NULL);
	if (api->closing)
		return;
	LIST_FOREACH(call, &api->calls, link)
	{
		if (call->state == CALL_HELD)
			call_ask(call);
	}
}

static void gate_open(struct api *api)
{
	struct api *peer;

	own_gate_open(api);
	/* From the start after each: what is told may close any of them. */
	for (peer = api->peers ? api->peers->first : NULL; peer;) {
		if (!api_waits_with(peer, api)) {
			peer = peer->peer_next;
			continue;
		}
		own_gate_open(peer);
		peer = api->peers ? api->peers->first : NULL;
	}
}

static void probe_done(void *user, enum transport_result result, const char *detail)
{
	struct api *api = user;

	(void)detail;
	api->probe = NULL;
	if (result != TRANSPORT_UNREACHABLE && result != TRANSPORT_LOCAL)
		gate_open(api);
}

static void probe_ready(void *user, const struct access_view *view, const char *error)
{
	struct api *api = user;

	api->probe_asking = false;
	warning_tell(api, error);
	if (view && !api->closing && api->away)
		api->probe = http_connect(api->http, view, probe_done, api);
}

static void probe_due(uv_timer_t *timer)
{
	struct api *api = timer->data;
	bool connected = api->probe && http_connected(api->probe);

	if (api->probe)
		http_cancel(api->http, api->probe);
	api->probe = NULL;
	if (connected) { /* TCP is there, TLS is slow: the calls have more patience */
		gate_open(api);
		return;
	}
	probe_schedule(api);
	if (api->probe_asking || !probe_is_ours(api))
		return; /* an exec plugin takes its time */
	api->probe_asking = access_get(api->access, false, probe_ready, api) == 0;
}

/* ---- a call's way ---- */

static void answer_tell(struct api *api, int status, uint64_t sent_ns)
{
	const struct watch_event event = {
		.type = WATCH_ANSWERED,
		.source = access_url(api->access),
		.status = status,
		.time_ns = (int64_t)(uv_hrtime() - sent_ns),
	};

	if (api->tells_answers && sent_ns && !api->closing)
		api->event(api->event_user, &event);
}

static void call_head(void *user, const struct transport_head *head)
{
	struct transport_call *call = user;
	const uint64_t sent_ns = call->sent_ns;
	bool freed = false;

	call->freed = &freed; /* what is told may close the session */
	call->sent_ns = 0;
	answer_tell(call->api, head->status, sent_ns);
	if (freed)
		return;
	call->freed = NULL;
	if (call->handler.head)
		call->handler.head(call->user, head);
}

static bool call_bytes(void *user, const char *data, size_t len)
{
	struct transport_call *call = user;

	bool freed = false, wanted;

	call->freed = &freed; /* the handler may cancel the call, or close the session */
	wanted = call->handler.bytes(call->user, data, len);
	if (freed)
		return false;
	call->freed = NULL;
	if (!wanted)
		call_free(call);
	return wanted;
}

static void call_done(void *user, enum transport_result result, const char *detail)
{
	struct transport_call *call = user;
	struct api *api = call->api;
	const uint64_t sent_ns = call->sent_ns;

	bool closes = result == TRANSPORT_UNREACHABLE && !api->away;

	if (closes) { /* before done is told: the call that it makes is to be held */
		api->away = true;
		probe_schedule(api);
	}
	call_end(call, result, detail);
	answer_tell(api, 0, sent_ns);
	if (closes)
		event_tell(api, WATCH_UNREACHABLE, detail);
}

static const struct transport_handler http_handler = {
	.head = call_head,
	.bytes = call_bytes,
	.done = call_done,
};

static void call_ready(void *user, const struct access_view *view, const char *error)
{
	struct transport_call *call = user;
	struct api *api = call->api;

	if (!view) {
		call_end(call, TRANSPORT_CREDENTIALS, error ? error : "no credentials");
		return;
	}
	if (api->away) {
		call->state = CALL_HELD;
		return;
	}
	if (!headers_allowed(view)) {
		call_end(call, TRANSPORT_CREDENTIALS,
			"the API server's address is http://: credentials are sent over https "
			"only");
		return;
	}
	call->request.target = call->target;
	call->sent_ns = uv_hrtime();
	call->http = http_get(api->http, view, &call->request, &http_handler, call);
	call->state = call->http ? CALL_RUNNING : CALL_LOST;
	if (!call->http)
		call_lose(call);
	warning_tell(api, error); /* last: the view is dead after it, and maybe the call */
}

static struct transport_call *transport_get(struct transport *self,
	const struct transport_request *request, const struct transport_handler *handler,
	void *user)
{
	struct api *api = (struct api *)self;
	size_t len = strlen(request->target);
	struct transport_call *call = calloc(1, sizeof *call + len + 1);

	if (!call)
		return NULL;
	memcpy(call->target, request->target, len + 1);
	call->api = api;
	call->request = *request;
	call->request.target = call->target;
	call->handler = *handler;
	call->user = user;
	call->state = CALL_HELD;
	LIST_INSERT_HEAD(&api->calls, call, link);
	if (!api->away)
		call_ask(call);
	return call;
}

static void transport_cancel(struct transport *self, struct transport_call *call)
{
	struct api *api = (struct api *)self;

	if (call->state == CALL_RUNNING)
		http_cancel(api->http, call->http);
	else if (call->state == CALL_ASKING)
		access_cancel(api->access, call);
	call_free(call);
}

/* ---- timers ---- */

static void part_closed(struct api *api)
{
	void (*done)(void *user) = api->done;
	void *user = api->done_user;

	if (--api->open > 0)
		return;
	free(api->warned);
	free(api);
	if (done)
		done(user);
}

static void handle_closed(uv_handle_t *handle)
{
	part_closed(handle->data);
}

static void timer_closed(uv_handle_t *handle)
{
	struct transport_timer *timer = (struct transport_timer *)handle;
	struct api *api = timer->api;

	free(timer);
	part_closed(api);
}

static void timer_due(uv_timer_t *handle)
{
	struct transport_timer *timer = (struct transport_timer *)handle;

	timer->fire(timer->user);
}

static struct transport_timer *transport_timer_new(
	struct transport *self, void (*fire)(void *user), void *user)
{
	struct api *api = (struct api *)self;
	struct transport_timer *timer = calloc(1, sizeof *timer);

	if (!timer)
		return NULL;
	timer->api = api;
	timer->fire = fire;
	timer->user = user;
	uv_timer_init(api->loop, &timer->timer);
	api->open++;
	return timer;
}

static void transport_timer_set(struct transport *self, struct transport_timer *timer, uint64_t ms)
{
	(void)self;
	uv_update_time(timer->api->loop);
	uv_timer_start(&timer->timer, timer_due, ms, 0);
}

static void transport_timer_stop(struct transport *self, struct transport_timer *timer)
{
	(void)self;
	uv_timer_stop(&timer->timer);
}

static void transport_timer_free(struct transport *self, struct transport_timer *timer)
{
	(void)self;
	if (timer)
		uv_close((uv_handle_t *)&timer->timer, timer_closed);
}

static uint64_t transport_now_ms(struct transport *self)
{
	(void)self;
	return uv_hrtime() / 1000000;
}

/* ---- life ---- */

static void http_closed(void *user)
{
	part_closed(user);
}

int api_open(struct uv_loop_s *loop, struct access *access, const char *user_agent,
	const struct api_limits *limits, void (*event)(void *user, const struct watch_event *event),
	void *user, struct api **out)
{
	struct api *api = calloc(1, sizeof *api);
	int rc;

	if (!api)
		return -ENOMEM;
	rc = http_open(loop, user_agent, limits ? &limits->http : NULL, &api->http);
	if (rc < 0) {
		free(api);
		return rc;
	}
	api->transport = (struct transport){
		.get = transport_get,
		.cancel = transport_cancel,
		.timer_new = transport_timer_new,
		.timer_set = transport_timer_set,
		.timer_stop = transport_timer_stop,
		.timer_free = transport_timer_free,
		.now_ms = transport_now_ms,
		.random = random_draw,
	};
	api->loop = loop;
	api->access = access;
	api->probe_ms = limits ? limits->probe_ms : PROBE_MS;
	api->event = event;
	api->event_user = user;
	LIST_INIT(&api->calls);
	uv_timer_init(loop, &api->probe_timer);
	uv_timer_init(loop, &api->lost_timer);
	api->probe_timer.data = api;
	api->lost_timer.data = api;
	api->open = 3; /* http and the two timers */
	*out = api;
	return 0;
}

struct transport *api_transport(struct api *api)
{
	return &api->transport;
}

void api_tell_answers(struct api *api)
{
	api->tells_answers = true;
}

void api_join(struct api *api, struct watch_peers *peers)
{
	api->peers = peers;
	api->peer_next = peers->first;
	peers->first = api;
}

static void api_leave(struct api *api)
{
	struct api **at = api->peers ? &api->peers->first : NULL;

	while (at && *at != api)
		at = &(*at)->peer_next;
	if (at)
		*at = api->peer_next;
	api->peers = NULL;
}

void api_close(struct api *api, void (*done)(void *user), void *user)
{
	api_leave(api);
	api->closing = true;
	api->done = done;
	api->done_user = user;
	while (!LIST_EMPTY(&api->calls))
		transport_cancel(&api->transport, LIST_FIRST(&api->calls));
	if (api->probe)
		http_cancel(api->http, api->probe);
	if (api->probe_asking)
		access_cancel(api->access, api);
	uv_close((uv_handle_t *)&api->probe_timer, handle_closed);
	uv_close((uv_handle_t *)&api->lost_timer, handle_closed);
	http_close(api->http, http_closed, api);
}

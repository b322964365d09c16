/* SPDX-License-Identifier: Apache-2.0 */
/* The session's transport over a fake `access` (defined here, in place of
 * access.c) and a server on loopback. */
#include "watch/api.h"

#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAITING_MAX 8

struct access {
	uv_timer_t turn;
	struct {
		void (*ready)(void *user, const struct access_view *view, const char *error);
		void *user;
	} waiting[WAITING_MAX];
	size_t count;
	struct access_view view;
	const char *error;
	bool no_view, no_memory, hangs;
	unsigned gets, forced, cancelled;
};

static void access_turn(uv_timer_t *timer)
{
	struct access *access = timer->data;

	while (access->count > 0 && !access->hangs) {
		access->count--;
		access->waiting[access->count].ready(access->waiting[access->count].user,
			access->no_view ? NULL : &access->view, access->error);
	}
}

int access_get(struct access *access, bool force,
	void (*ready)(void *user, const struct access_view *view, const char *error), void *user)
{
	access->gets++;
	access->forced += force ? 1 : 0;
	if (access->no_memory)
		return -ENOMEM;
	assert_true(access->count < WAITING_MAX);
	access->waiting[access->count].ready = ready;
	access->waiting[access->count++].user = user;
	uv_timer_start(&access->turn, access_turn, 0, 0);
	return 0;
}

void access_cancel(struct access *access, void *user)
{
	for (size_t i = 0; i < access->count; i++) {
		if (access->waiting[i].user == user) {
			access->waiting[i] = access->waiting[--access->count];
			access->cancelled++;
			return;
		}
	}
}

const char *access_url(const struct access *access)
{
	return access->view.url;
}

struct fixture {
	struct peer_world world;
	struct peer peer;
	struct access access;
	struct api *api;
	struct transport *transport;
	char url[64];
	unsigned unreachable, reachable, credentials, answers;
	int status; /* of the last answer */
	bool close_at_answer;
	bool away, back, closed;
	char detail[700];
};

struct seen {
	struct fixture *fixture;
	unsigned heads, dones;
	int status;
	bool done, again;
	enum transport_result result;
	char detail[700];
	struct transport_call *call; /* cancelled inside bytes() */
	bool close_in_bytes, answer;
	struct seen *retry; /* started inside done() */
};

static const struct transport_request plain = {.target = "/version", .timeout_ms = 9000};

static void set_true(void *user)
{
	*(bool *)user = true;
}

static void answered(struct fixture *f, const struct watch_event *event)
{
	f->answers++;
	f->status = event->status;
	assert_true(event->time_ns > 0 && event->time_ns < 60000000000);
	if (f->close_at_answer) {
		api_close(f->api, set_true, &f->closed);
		f->api = NULL;
	}
}

static void event(void *user, const struct watch_event *event)
{
	struct fixture *f = user;

	assert_string_equal(event->source, f->url);
	if (event->type == WATCH_ANSWERED) {
		answered(f, event);
		return;
	}
	f->unreachable += event->type == WATCH_UNREACHABLE;
	f->reachable += event->type == WATCH_REACHABLE;
	f->credentials += event->type == WATCH_CREDENTIALS;
	f->away = f->unreachable > f->reachable;
	f->back = f->reachable > 0;
	snprintf(f->detail, sizeof f->detail, "%s", event->detail ? event->detail : "");
}

static void seen_head(void *user, const struct transport_head *head)
{
	struct seen *seen = user;

	seen->heads++;
	seen->status = head->status;
}

static bool seen_bytes(void *user, const char *data, size_t len)
{
	struct seen *seen = user;
	struct fixture *f = seen->fixture;

	(void)data;
	(void)len;
	if (seen->call)
		f->transport->cancel(f->transport, seen->call);
	if (seen->close_in_bytes) {
		api_close(f->api, set_true, &f->closed);
		f->api = NULL;
	}
	seen->again = true;
	return seen->answer;
}

static void seen_done(void *user, enum transport_result result, const char *detail);

static const struct transport_handler handler = {seen_head, seen_bytes, seen_done};

static struct transport_call *start(struct fixture *f, struct seen *seen)
{
	struct transport_call *call;

	seen->fixture = f;
	call = f->transport->get(f->transport, &plain, &handler, seen);
	assert_non_null(call);
	assert_int_equal(seen->heads + seen->dones, 0);
	return call;
}

static void seen_done(void *user, enum transport_result result, const char *detail)
{
	struct seen *seen = user;

	seen->dones++;
	seen->done = true;
	seen->result = result;
	snprintf(seen->detail, sizeof seen->detail, "%s", detail);
	if (seen->retry)
		start(seen->fixture, seen->retry);
}

static void answer_ok(struct peer_conn *conn, const char *request)
{
	(void)request;
	peer_say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

static int setup(void **state)
{
	const struct api_limits limits = {
		.http = {.connect_ms = 5000, .head_ms = 5000},
		.probe_ms = 8,
	};
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	peer_world_open(&f->world);
	assert_int_equal(peer_open(&f->peer, &f->world.loop, 0), 0);
	f->peer.answer = answer_ok;
	snprintf(f->url, sizeof f->url, "%s", f->peer.url);
	f->access.view = (struct access_view){.url = f->url, .no_proxy = true};
	uv_timer_init(&f->world.loop, &f->access.turn);
	f->access.turn.data = &f->access;
	assert_int_equal(
		api_open(&f->world.loop, &f->access, "test", &limits, event, f, &f->api), 0);
	f->transport = api_transport(f->api);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->api)
		api_close(f->api, set_true, &f->closed);
	assert_true(peer_world_run(&f->world, &f->closed));
	uv_close((uv_handle_t *)&f->access.turn, NULL);
	peer_close(&f->peer);
	assert_true(peer_world_close(&f->world));
	assert_int_equal(f->access.count, 0);
	free(f);
	return 0;
}

static void finish(struct fixture *f, const struct seen *seen)
{
	assert_true(peer_world_run(&f->world, &seen->done));
	assert_int_equal(seen->dones, 1);
}

static void server_stop(struct fixture *f)
{
	peer_close(&f->peer);
	uv_run(&f->world.loop, UV_RUN_NOWAIT);
}

static void server_return(struct fixture *f)
{
	uint16_t port = f->peer.port;

	memset(&f->peer, 0, sizeof f->peer);
	f->peer.answer = answer_ok;
	assert_int_equal(peer_open(&f->peer, &f->world.loop, port), 0);
}

static void test_call(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {.answer = true};

	start(f, &seen);
	finish(f, &seen);
	assert_int_equal(seen.result, TRANSPORT_DONE);
	assert_int_equal(seen.status, 200);
	assert_int_equal(f->access.forced, 0);
}

static void test_fresh_credentials(void **state)
{
	struct fixture *f = *state;
	struct transport_request request = plain;
	struct seen seen = {.answer = true};

	request.fresh_credentials = true;
	assert_non_null(f->transport->get(f->transport, &request, &handler, &seen));
	finish(f, &seen);
	assert_int_equal(f->access.forced, 1);
}

static void test_credentials_missing(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};

	f->access.no_view = true;
	f->access.error = "token: no such file";
	start(f, &seen);
	finish(f, &seen);
	assert_int_equal(seen.result, TRANSPORT_CREDENTIALS);
	assert_string_equal(seen.detail, "token: no such file");
	assert_int_equal(f->peer.accepted, 0);
}

static void test_warning_once_per_change(void **state)
{
	static const char *const errors[] = {"a", "a", "b", NULL, "b"};
	static const unsigned told[] = {1, 1, 2, 2, 3};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct seen seen = {.answer = true};

		f->access.error = errors[i];
		start(f, &seen);
		finish(f, &seen);
		assert_int_equal(seen.result, TRANSPORT_DONE);
		assert_int_equal(f->credentials, told[i]);
	}
}

static void test_no_credentials_in_clear(void **state)
{
	static const char *const refused[] = {"http://10.1.2.3:1", "http://api.test:80/x",
		"http://127.0.0.1.api.test:1", "http://[fd00::1]:1", "HTTP://10.1.2.3", "http://"};
	const char *headers[] = {"Authorization: Bearer x", NULL};
	struct fixture *f = *state;
	struct seen by_address = {.answer = true}, by_name = {.answer = true}, v6 = {0};

	f->access.view.headers = headers;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct seen seen = {0};

		f->access.view.url = refused[i];
		start(f, &seen);
		finish(f, &seen);
		assert_int_equal(seen.result, TRANSPORT_CREDENTIALS);
		assert_non_null(strstr(seen.detail, "https"));
	}
	f->access.view.url = f->url;
	start(f, &by_address);
	finish(f, &by_address);
	assert_int_equal(by_address.result, TRANSPORT_DONE);
	snprintf(f->url, sizeof f->url, "http://localhost:%u", f->peer.port);
	start(f, &by_name);
	finish(f, &by_name);
	assert_int_equal(by_name.result, TRANSPORT_DONE);
	snprintf(f->url, sizeof f->url, "http://[::1]:1");
	start(f, &v6);
	finish(f, &v6);
	assert_int_equal(v6.result, TRANSPORT_UNREACHABLE);
}

/* Each call that went out, once; only if they are asked for. */
static void test_answers(void **state)
{
	struct fixture *f = *state;
	struct seen silent = {.answer = true}, told = {.answer = true}, refused = {0};

	start(f, &silent);
	finish(f, &silent);
	assert_int_equal(f->answers, 0);
	api_tell_answers(f->api);
	start(f, &told);
	finish(f, &told);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->status, 200);
	f->access.no_view = true;
	start(f, &refused);
	finish(f, &refused);
	assert_int_equal(f->answers, 1);
	f->access.no_view = false;
	snprintf(f->url, sizeof f->url, "http://[::1]:1");
	memset(&refused, 0, sizeof refused);
	start(f, &refused);
	finish(f, &refused);
	assert_int_equal(refused.result, TRANSPORT_UNREACHABLE);
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->status, 0);
}

static void test_close_at_answer(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {.answer = true};

	api_tell_answers(f->api);
	f->close_at_answer = true;
	start(f, &seen);
	assert_true(peer_world_run(&f->world, &f->closed));
	assert_int_equal(f->answers, 1);
	assert_int_equal(seen.heads + seen.dones, 0);
}

/* Refused: told once; later calls are held, whoever makes them, and all go out
 * when the server is back. */
static void test_gate(void **state)
{
	struct fixture *f = *state;
	struct seen held[3] = {{.answer = true}, {.answer = true}, {.answer = true}};
	struct seen first = {.retry = &held[0]};
	struct transport_call *dropped;
	struct seen never = {0};

	server_stop(f);
	start(f, &first);
	finish(f, &first);
	assert_int_equal(first.result, TRANSPORT_UNREACHABLE);
	assert_int_equal(f->unreachable, 1);
	assert_non_null(strstr(f->detail, "refused"));
	start(f, &held[1]);
	start(f, &held[2]);
	dropped = start(f, &never);
	f->access.gets = 0;
	while (f->access.gets < 4) /* some probes, none of which gets through */
		uv_run(&f->world.loop, UV_RUN_ONCE);
	assert_int_equal(held[0].dones + held[1].dones + held[2].dones, 0);
	f->transport->cancel(f->transport, dropped);
	server_return(f);
	for (size_t i = 0; i < 3; i++) {
		finish(f, &held[i]);
		assert_int_equal(held[i].result, TRANSPORT_DONE);
	}
	assert_int_equal(f->unreachable, 1);
	assert_int_equal(f->reachable, 1);
	assert_int_equal(never.heads + never.dones, 0);
	assert_int_equal(f->peer.requests, 3);
}

/* Two sessions, one server that is away: one of them probes, both are let go. */
static void test_peers(void **state)
{
	const struct api_limits limits = {
		.http = {.connect_ms = 5000, .head_ms = 5000}, .probe_ms = 8};
	struct fixture *f = *state, *g = calloc(1, sizeof *g);
	struct watch_peers peers = {NULL};
	struct seen held[2] = {{.answer = true}, {.answer = true}};
	struct seen first[2] = {{.retry = &held[0]}, {.retry = &held[1]}};

	g->access.view = f->access.view;
	snprintf(g->url, sizeof g->url, "%s", f->url);
	uv_timer_init(&f->world.loop, &g->access.turn);
	g->access.turn.data = &g->access;
	assert_int_equal(
		api_open(&f->world.loop, &g->access, "test", &limits, event, g, &g->api), 0);
	g->transport = api_transport(g->api);
	api_join(g->api, &peers);
	api_join(f->api, &peers);
	server_stop(f);
	start(f, &first[0]);
	start(g, &first[1]);
	finish(f, &first[0]);
	finish(f, &first[1]);
	f->access.gets = g->access.gets = 0;
	while (f->access.gets + g->access.gets < 8)
		uv_run(&f->world.loop, UV_RUN_ONCE);
	assert_true(f->access.gets == 0 || g->access.gets == 0);
	server_return(f);
	finish(f, &held[0]);
	finish(f, &held[1]);
	assert_int_equal(f->reachable, 1);
	assert_int_equal(g->reachable, 1);
	/* the one that goes leaves the other at work */
	api_close(g->api, set_true, &g->closed);
	assert_true(peer_world_run(&f->world, &g->closed));
	assert_ptr_equal(peers.first, f->api);
	uv_close((uv_handle_t *)&g->access.turn, NULL);
	uv_run(&f->world.loop, UV_RUN_NOWAIT);
	free(g);
	/* peers dies with this function: f leaves it now */
	api_close(f->api, set_true, &f->closed);
	f->api = NULL;
}

static void test_two_outages(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 1; round <= 2; round++) {
		struct seen after = {.answer = true};
		struct seen first = {.retry = &after};

		server_stop(f);
		start(f, &first);
		finish(f, &first);
		assert_int_equal(f->unreachable, round);
		server_return(f);
		finish(f, &after);
		assert_int_equal(f->reachable, round);
		assert_int_equal(after.result, TRANSPORT_DONE);
		/* The kept connection would let the next round pass unnoticed. */
		f->peer.lost = false;
		api_close(f->api, set_true, &f->closed);
		assert_true(peer_world_run(&f->world, &f->closed));
		f->closed = false;
		assert_int_equal(
			api_open(&f->world.loop, &f->access, "test",
				&(const struct api_limits){.http = {5000, 5000}, .probe_ms = 8},
				event, f, &f->api),
			0);
		f->transport = api_transport(f->api);
	}
}

/* A black hole: a listener whose queue is full drops SYNs. The probes are given
 * up one after the other, and the one that gets through opens the gate. */
static void test_black_hole(void **state)
{
	struct fixture *f = *state;
	struct seen after = {.answer = true};
	struct seen first = {.retry = &after};
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof address;
	int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), plugs[4];
	struct api_limits limits = {.http = {.connect_ms = 40, .head_ms = 5000}, .probe_ms = 8};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(full, (const struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(full, 0), 0);
	assert_int_equal(getsockname(full, (struct sockaddr *)&address, &len), 0);
	for (size_t i = 0; i < 4; i++) {
		plugs[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(plugs[i], (const struct sockaddr *)&address, sizeof address);
	}
	api_close(f->api, set_true, &f->closed);
	assert_true(peer_world_run(&f->world, &f->closed));
	f->closed = false;
	assert_int_equal(
		api_open(&f->world.loop, &f->access, "test", &limits, event, f, &f->api), 0);
	f->transport = api_transport(f->api);
	snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	start(f, &first);
	finish(f, &first);
	assert_int_equal(first.result, TRANSPORT_UNREACHABLE);
	f->access.gets = 0;
	while (f->access.gets < 3)
		uv_run(&f->world.loop, UV_RUN_ONCE);
	assert_int_equal(after.dones, 0);
	snprintf(f->url, sizeof f->url, "%s", f->peer.url);
	finish(f, &after);
	assert_int_equal(after.result, TRANSPORT_DONE);
	assert_int_equal(f->unreachable, 1);
	assert_int_equal(f->reachable, 1);
	for (size_t i = 0; i < 4; i++)
		close(plugs[i]);
	close(full);
}

static void test_cancel_everywhere(void **state)
{
	struct fixture *f = *state;
	struct seen asking = {0}, running = {0}, inside = {.answer = true}, both = {0};

	f->transport->cancel(f->transport, start(f, &asking));
	assert_int_equal(f->access.cancelled, 1);
	f->peer.answer = NULL;
	running.call = start(f, &running);
	while (f->peer.requests == 0)
		uv_run(&f->world.loop, UV_RUN_ONCE);
	f->transport->cancel(f->transport, running.call);
	f->peer.answer = answer_ok;
	inside.call = start(f, &inside); /* cancelled inside bytes, which says true */
	assert_true(peer_world_run(&f->world, &inside.again));
	both.call = start(f, &both); /* cancelled inside bytes, which says false */
	assert_true(peer_world_run(&f->world, &both.again));
	assert_int_equal(asking.dones + running.dones + inside.dones + both.dones, 0);
}

static void test_close_inside_bytes(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {.close_in_bytes = true, .answer = true};

	start(f, &seen);
	assert_true(peer_world_run(&f->world, &seen.again));
	assert_true(peer_world_run(&f->world, &f->closed));
	assert_int_equal(seen.dones, 0);
}

static void test_close_with_calls_everywhere(void **state)
{
	struct fixture *f = *state;
	struct seen first = {0}, held = {0}, asking = {0};

	server_stop(f);
	start(f, &first);
	finish(f, &first);
	start(f, &held);
	f->access.gets = 0;
	f->access.hangs = true;
	while (f->access.gets == 0) /* the prober is asking, and stays so */
		uv_run(&f->world.loop, UV_RUN_ONCE);
	start(f, &asking);
	api_close(f->api, set_true, &f->closed);
	f->api = NULL;
	assert_true(peer_world_run(&f->world, &f->closed));
	assert_int_equal(held.dones + asking.dones, 0);
}

static void test_no_memory_is_told_later(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};

	f->access.no_memory = true;
	start(f, &seen);
	finish(f, &seen);
	assert_int_equal(seen.result, TRANSPORT_LOCAL);
}

static void test_timer_and_clock(void **state)
{
	struct fixture *f = *state;
	struct transport *t = f->transport;
	bool fired = false, stopped = false;
	struct transport_timer *timer = t->timer_new(t, set_true, &fired);
	struct transport_timer *other = t->timer_new(t, set_true, &stopped);
	uint64_t before_ms = t->now_ms(t);

	t->timer_set(t, other, 0);
	t->timer_stop(t, other);
	t->timer_set(t, timer, 100000);
	t->timer_set(t, timer, 5); /* replaces */
	assert_false(fired);
	assert_true(peer_world_run(&f->world, &fired));
	assert_false(stopped);
	assert_true(t->now_ms(t) >= before_ms + 4);
	assert_true(t->random(t) != t->random(t) || t->random(t) != t->random(t));
	t->timer_free(t, timer);
	t->timer_free(t, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_call, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fresh_credentials, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credentials_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_warning_once_per_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_credentials_in_clear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_outages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_black_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_inside_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_with_calls_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_at_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory_is_told_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_and_clock, setup, teardown),
	};
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if (http_global_init() < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	http_global_cleanup();
	return rc;
}

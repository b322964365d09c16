/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/http.h"

#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

struct seen {
	struct transport_head head;
	char content_type[64];
	char body[4096];
	size_t len;
	unsigned heads, dones;
	bool done;
	enum transport_result result;
	char detail[700];
	size_t stop_after; /* bytes() answers false from there on; 0: never */
	void (*on_bytes)(struct seen *seen);
	void *extra;
};

struct fixture {
	struct peer_world world;
	struct peer peer;
	struct http *http;
	struct access_view view;
	bool closed;
};

static const struct transport_request plain = {.target = "/api/v1/services", .timeout_ms = 9000};

static void seen_head(void *user, const struct transport_head *head)
{
	struct seen *seen = user;

	seen->heads++;
	seen->head = *head;
	snprintf(seen->content_type, sizeof seen->content_type, "%s", head->content_type);
}

static bool seen_bytes(void *user, const char *data, size_t len)
{
	struct seen *seen = user;

	assert_int_equal(seen->heads, 1);
	assert_false(seen->done);
	assert_true(seen->len + len < sizeof seen->body);
	memcpy(seen->body + seen->len, data, len);
	seen->len += len;
	seen->body[seen->len] = '\0';
	if (seen->on_bytes)
		seen->on_bytes(seen);
	return seen->stop_after == 0 || seen->len < seen->stop_after;
}

static void seen_done(void *user, enum transport_result result, const char *detail)
{
	struct seen *seen = user;

	seen->dones++;
	seen->done = true;
	seen->result = result;
	snprintf(seen->detail, sizeof seen->detail, "%s", detail);
}

static const struct transport_handler handler = {seen_head, seen_bytes, seen_done};

static int setup(void **state)
{
	const struct http_limits limits = {.connect_ms = 5000, .head_ms = 5000};
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	peer_world_open(&f->world);
	assert_int_equal(peer_open(&f->peer, &f->world.loop, 0), 0);
	assert_int_equal(http_open(&f->world.loop, "Binnacle/test (linux)", &limits, &f->http), 0);
	f->view = (struct access_view){.url = f->peer.url, .no_proxy = true};
	*state = f;
	return 0;
}

static void set_true(void *user)
{
	*(bool *)user = true;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->http) {
		http_close(f->http, set_true, &f->closed);
		assert_true(peer_world_run(&f->world, &f->closed));
	}
	peer_close(&f->peer);
	assert_true(peer_world_close(&f->world));
	free(f);
	return 0;
}

static struct http_call *start(
	struct fixture *f, const struct transport_request *request, struct seen *seen)
{
	struct http_call *call = http_get(f->http, &f->view, request, &handler, seen);

	assert_non_null(call);
	assert_int_equal(seen->heads + seen->dones, 0); /* nothing from inside */
	return call;
}

static void fetch(struct fixture *f, const struct transport_request *request, struct seen *seen)
{
	start(f, request, seen);
	assert_true(peer_world_run(&f->world, &seen->done));
	assert_int_equal(seen->dones, 1);
}

/* ---- answers ---- */

static void answer_ok(struct peer_conn *conn, const char *request)
{
	if (conn->peer->user)
		snprintf(conn->peer->user, 4096, "%s", request);
	peer_say(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
		       "11\r\n\r\n{\"items\":[]");
}

static void answer_chunks(struct peer_conn *conn, const char *request)
{
	const char *pieces[] = {"HTTP/1.1 200 OK\r\nTransfer-", "Encoding: chunked\r\n\r\n5",
		"\r\nhel", "lo\r\n", "1\r\n \r\n5\r\nworld\r", "\n0\r\nX-Trailer: 1\r\n\r\n"};

	(void)request;
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		peer_say(conn, pieces[i]);
}

static void answer_throttled(struct peer_conn *conn, const char *request)
{
	(void)request;
	peer_say(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many Requests\r\n"
		       "Retry-After: 7\r\nContent-Type: text/plain\r\nConnection: close\r\n"
		       "Content-Length: 4\r\n\r\nslow");
}

static void answer_redirect(struct peer_conn *conn, const char *request)
{
	(void)request;
	peer_say(conn, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
}

static void answer_half_then_end(struct peer_conn *conn, const char *request)
{
	(void)request;
	peer_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf");
	peer_end(conn);
}

static void answer_half_then_reset(struct peer_conn *conn, const char *request)
{
	(void)request;
	peer_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf");
	peer_reset(conn);
}

static void answer_half_then_stall(struct peer_conn *conn, const char *request)
{
	(void)request;
	peer_say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf");
}

static void answer_garbage(struct peer_conn *conn, const char *request)
{
	(void)request;
	peer_say(conn, "SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n\r\n");
	peer_end(conn);
}

static void answer_early_end(struct peer_conn *conn, const char *request)
{
	(void)request;
	peer_end(conn);
}

/* ---- tests ---- */

static void test_request_and_answer(void **state)
{
	struct fixture *f = *state;
	const char *headers[] = {"Authorization: Bearer secret", NULL};
	char request[4096] = "";
	struct seen seen = {0};

	f->peer.answer = answer_ok;
	f->peer.user = request;
	f->view.headers = headers;
	fetch(f, &plain, &seen);
	assert_int_equal(seen.result, TRANSPORT_DONE);
	assert_int_equal(seen.head.status, 200);
	assert_int_equal(seen.head.retry_after_s, -1);
	assert_string_equal(seen.content_type, "application/json");
	assert_string_equal(seen.body, "{\"items\":[]");
	assert_int_equal(strncmp(request, "GET /api/v1/services HTTP/1.1\r\n", 31), 0);
	assert_non_null(strstr(request, "\r\nAuthorization: Bearer secret\r\n"));
	assert_non_null(strstr(request, "\r\nAccept: application/json\r\n"));
	assert_non_null(strstr(request, "\r\nUser-Agent: Binnacle/test (linux)\r\n"));
	assert_null(strstr(request, "Accept-Encoding"));
}

static void test_gzip_only_for_lists_that_may(void **state)
{
	struct fixture *f = *state;
	struct transport_request list = plain;
	char request[4096] = "";
	struct seen first = {0}, second = {0};

	f->peer.answer = answer_ok;
	f->peer.user = request;
	list.compressed = true;
	fetch(f, &list, &first);
	assert_non_null(strstr(request, "\r\nAccept-Encoding: gzip\r\n"));
	f->view.disable_compression = true;
	fetch(f, &list, &second);
	assert_null(strstr(request, "Accept-Encoding"));
	assert_int_equal(f->peer.accepted, 1); /* and the connection was used again */
}

static void test_chunks(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};

	f->peer.answer = answer_chunks;
	fetch(f, &plain, &seen);
	assert_int_equal(seen.result, TRANSPORT_DONE);
	assert_string_equal(seen.body, "hello world");
	assert_int_equal(seen.heads, 1);
}

static void test_status_and_retry_after(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0}, redirected = {0};

	f->peer.answer = answer_throttled;
	fetch(f, &plain, &seen);
	assert_int_equal(seen.result, TRANSPORT_DONE);
	assert_int_equal(seen.head.status, 429);
	assert_int_equal(seen.head.retry_after_s, 7);
	assert_string_equal(seen.content_type, "text/plain");
	assert_string_equal(seen.body, "slow");
	f->peer.answer = answer_redirect;
	fetch(f, &plain, &redirected);
	assert_int_equal(redirected.head.status, 302);
	assert_string_equal(redirected.content_type, "");
	assert_int_equal(f->peer.requests, 2);
}

static void test_broken(void **state)
{
	static void (*const answers[])(struct peer_conn *, const char *) = {
		answer_half_then_end, answer_half_then_reset, answer_garbage, answer_early_end};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct seen seen = {0};

		f->peer.answer = answers[i];
		fetch(f, &plain, &seen);
		assert_int_equal(seen.result, TRANSPORT_BROKEN);
		assert_true(seen.detail[0] != '\0');
	}
}

static void test_unreachable(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};

	peer_close(&f->peer);
	uv_run(&f->world.loop, UV_RUN_NOWAIT);
	fetch(f, &plain, &seen);
	assert_int_equal(seen.result, TRANSPORT_UNREACHABLE);
	assert_non_null(strstr(seen.detail, "Connection refused"));
	assert_int_equal(seen.heads, 0);
}

static void test_timeouts(void **state)
{
	struct fixture *f = *state;
	const struct http_limits limits = {.connect_ms = 5000, .head_ms = 30};
	struct transport_request request = plain;
	struct seen silent = {0}, slow = {0}, headless = {0};
	bool closed = false;

	f->peer.answer = answer_half_then_stall;
	request.silence_ms = 30;
	fetch(f, &request, &silent);
	assert_int_equal(silent.result, TRANSPORT_TIMEOUT);
	assert_string_equal(silent.body, "half");
	assert_non_null(strstr(silent.detail, "30 ms"));

	request.silence_ms = 0;
	request.timeout_ms = 30;
	fetch(f, &request, &slow);
	assert_int_equal(slow.result, TRANSPORT_TIMEOUT);

	http_close(f->http, set_true, &closed);
	assert_true(peer_world_run(&f->world, &closed));
	assert_int_equal(http_open(&f->world.loop, "x", &limits, &f->http), 0);
	f->peer.answer = NULL;
	fetch(f, &plain, &headless);
	assert_int_equal(headless.result, TRANSPORT_TIMEOUT);
	assert_int_equal(headless.heads, 0);
}

static void test_stop_from_bytes(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {.stop_after = 1};

	f->peer.answer = answer_half_then_stall;
	start(f, &plain, &seen);
	assert_true(peer_world_run(&f->world, &f->peer.lost)); /* the server sees the end */
	assert_int_equal(seen.dones, 0);
}

/* bytes() of one call cancels another and starts a third. */
struct meddler {
	struct fixture *f;
	struct http_call *other;
	struct seen *third;
};

static void meddle(struct seen *seen)
{
	struct meddler *meddler = seen->extra;
	struct fixture *f = meddler->f;

	if (!meddler->other)
		return;
	http_cancel(f->http, meddler->other);
	meddler->other = NULL;
	f->peer.answer = answer_ok;
	assert_non_null(http_get(f->http, &f->view, &plain, &handler, meddler->third));
	assert_int_equal(meddler->third->heads, 0);
}

static void test_calls_from_bytes(void **state)
{
	struct fixture *f = *state;
	struct seen other = {0}, third = {0};
	struct meddler meddler = {.f = f, .third = &third};
	struct seen seen = {.on_bytes = meddle, .extra = &meddler};

	f->peer.answer = answer_half_then_stall;
	meddler.other = start(f, &plain, &other);
	start(f, &plain, &seen);
	assert_true(peer_world_run(&f->world, &third.done));
	assert_int_equal(third.result, TRANSPORT_DONE);
	assert_int_equal(other.dones, 0);
	assert_int_equal(seen.dones, 0);
}

static void close_inside(struct seen *seen)
{
	struct fixture *f = seen->extra;

	http_close(f->http, set_true, &f->closed);
	f->http = NULL;
}

static void test_close_from_bytes(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {.on_bytes = close_inside, .extra = f}, other = {0};

	f->peer.answer = answer_half_then_stall;
	start(f, &plain, &other);
	start(f, &plain, &seen);
	assert_true(peer_world_run(&f->world, &f->closed));
	assert_int_equal(seen.dones + other.dones, 0);
}

static void test_cancel_at_once(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0}, next = {0};

	f->peer.answer = answer_ok;
	http_cancel(f->http, start(f, &plain, &seen));
	fetch(f, &plain, &next);
	assert_int_equal(seen.heads + seen.dones, 0);
}

static void test_connect(void **state)
{
	struct fixture *f = *state;
	struct seen up = {0}, down = {0};

	assert_non_null(http_connect(f->http, &f->view, seen_done, &up));
	assert_true(peer_world_run(&f->world, &up.done));
	assert_int_equal(up.result, TRANSPORT_DONE);
	assert_int_equal(f->peer.requests, 0);
	peer_close(&f->peer);
	uv_run(&f->world.loop, UV_RUN_NOWAIT);
	assert_non_null(http_connect(f->http, &f->view, seen_done, &down));
	assert_true(peer_world_run(&f->world, &down.done));
	assert_int_equal(down.result, TRANSPORT_UNREACHABLE);
}

static void test_proxy(void **state)
{
	struct fixture *f = *state;
	char request[4096] = "";
	struct seen seen = {0};

	f->peer.answer = answer_ok;
	f->peer.user = request;
	f->view = (struct access_view){.url = "http://127.0.0.1:1", .proxy_url = f->peer.url};
	fetch(f, &plain, &seen);
	assert_int_equal(seen.result, TRANSPORT_DONE);
	assert_int_equal(strncmp(request, "GET http://127.0.0.1:1/api/v1/services ", 39), 0);
}

static void test_no_descriptors_left(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};
	struct rlimit before, few;
	int fds[64];
	size_t count = 0;

	f->peer.answer = answer_ok;
	start(f, &plain, &seen);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (count < sizeof fds / sizeof *fds && (fds[count] = dup(1)) >= 0)
		count++;
	assert_true(peer_world_run(&f->world, &seen.done));
	while (count > 0)
		close(fds[--count]);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(seen.result, TRANSPORT_LOCAL);
	assert_non_null(strstr(seen.detail, "Too many open files"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_request_and_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gzip_only_for_lists_that_may, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chunks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status_and_retry_after, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreachable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeouts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_from_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls_from_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_from_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_proxy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors_left, setup, teardown),
	};
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if (http_global_init() < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	http_global_cleanup();
	return rc;
}

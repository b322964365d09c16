/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi-socket interface on a uv loop.
 *
 * libcurl says which sockets it waits for (socket_wanted) and when it wants to
 * be called (timer_wanted); we tell it what happened (act). It must not be
 * entered again from its own callbacks, but those are where head() and bytes()
 * are told, and their receiver may well start or cancel calls. So while `busy`,
 * http_get(), http_cancel() and http_close() only mark what is to be done, and
 * flush() does it at the end of act().
 *
 * uv_poll and closed descriptors: epoll aborts on a descriptor that was closed
 * behind its back, so CURLOPT_CLOSESOCKETFUNCTION ends the poll handle before it
 * closes. Poll handles are found by descriptor, never by a pointer that libcurl
 * keeps for us: there are few, and none can dangle. After POLLERR libuv has
 * stopped the handle; it is started again if libcurl still wants it.
 */

#include "http.h"

#include "http_ahead.h"
#include "http_setup.h"
#include "http_verdict.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define CONNECT_MS      10000
#define AHEAD_TURNS     1000u
#define HEAD_MS         90000
#define USER_TIMEOUT_MS 45000
#define LIST_BUFFER     (256 * 1024)
#define WATCH_BUFFER    (16 * 1024)

struct sock {
	uv_poll_t poll; /* first: freed through the handle */
	LIST_ENTRY(sock) link;
	struct http *http;
	curl_socket_t fd;
	int events;
	CURL *easy; /* whose connection it is now; compared only */
};

struct http_call {
	uv_timer_t timer; /* first: freed through the handle; no header yet, or silence */
	LIST_ENTRY(http_call) link;
	struct http *http;
	CURL *easy;
	struct http_setup setup;
	struct transport_handler handler;
	void *user;
	unsigned silence_ms;
	uint64_t heard_ms; /* loop time of the last byte */
	int socket_errno;
	bool added;     /* libcurl has it */
	bool refused;   /* libcurl would not take it */
	bool dropped;   /* nobody wants to hear of it any more */
	bool requested; /* the connection is up, the request goes out */
	bool head_told;
	char error[CURL_ERROR_SIZE];
};

struct http {
	uv_loop_t *loop;
	uv_timer_t timer; /* libcurl's */
	uv_timer_t more;  /* the turns were used up, and bytes are left */
	CURLM *multi;
	LIST_HEAD(, sock) socks;
	LIST_HEAD(, http_call) calls;
	struct http_limits limits;
	unsigned handles; /* that uv has not finished closing */
	bool busy;
	bool closing;   /* asked for */
	bool torn_down; /* done: only close callbacks are left */
	void (*done)(void *user);
	void *done_user;
	char user_agent[];
};

static void flush(struct http *http);

/* ---- closing handles ---- */

static void handle_closed(struct http *http)
{
	void (*done)(void *user) = http->done;
	void *user = http->done_user;

	http->handles--;
	if (http->handles > 0 || !http->torn_down)
		return;
	free(http);
	if (done)
		done(user);
}

static void sock_closed(uv_handle_t *handle)
{
	struct sock *sock = (struct sock *)handle;
	struct http *http = sock->http;

	free(sock);
	handle_closed(http);
}

static void call_closed(uv_handle_t *handle)
{
	struct http_call *call = (struct http_call *)handle;
	struct http *http = call->http;

	free(call);
	handle_closed(http);
}

static void timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static void sock_drop(struct sock *sock)
{
	LIST_REMOVE(sock, link);
	uv_close((uv_handle_t *)&sock->poll, sock_closed);
}

/* Out of libcurl and out of the list; freed when its timer is closed. Never from
 * inside libcurl. */
static void call_release(struct http_call *call)
{
	LIST_REMOVE(call, link);
	if (call->added)
		curl_multi_remove_handle(call->http->multi, call->easy);
	curl_easy_cleanup(call->easy);
	http_setup_free(&call->setup);
	call->easy = NULL;
	uv_close((uv_handle_t *)&call->timer, call_closed);
}

/* ---- the end of a call ---- */

static void call_end(struct http_call *call, enum transport_result result, const char *detail)
{
	const struct transport_handler handler = call->handler;
	void *user = call->user;
	bool dropped = call->dropped;

	call_release(call);
	if (!dropped)
		handler.done(user, result, detail);
}

bool http_connected(const struct http_call *call)
{
	curl_off_t connect_us = 0;

	curl_easy_getinfo(call->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
	return connect_us > 0;
}

static void call_ended(struct http_call *call, CURLcode code)
{
	struct http_outcome outcome = {
		.code = (int)code,
		.error = call->error,
		.socket_errno = call->socket_errno,
		.connected = call->requested || http_connected(call),
		.requested = call->requested,
	};
	char detail[HTTP_DETAIL_MAX];
	enum transport_result result;
	long os_errno = 0;

	curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_errno);
	outcome.os_errno = (int)os_errno;
	result = http_verdict(&outcome, detail);
	call_end(call, result, detail);
}

static void drain(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		struct http_call *call = NULL;
		CURLcode code = message->data.result; /* message dies with the handle's removal */

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call_ended(call, code);
	}
}

/* The socket of a connection that has bytes which poll() does not see, or none. */
static curl_socket_t socket_with_bytes(const struct http *http)
{
	struct http_call *call;
	struct sock *sock;

	LIST_FOREACH(sock, &http->socks, link)
	{
		LIST_FOREACH(call, &http->calls, link)
		{
			if (call->easy == sock->easy && call->requested &&
				http_ahead_left(call->easy))
				return sock->fd;
		}
	}
	return CURL_SOCKET_BAD;
}

static void more_due(uv_timer_t *timer);

/* A server that sends without end must not keep the loop from the rest: after so many turns
 * it comes round once. */
static void act(struct http *http, curl_socket_t fd, int flags)
{
	unsigned turns = AHEAD_TURNS;
	int running;

	http->busy = true;
	curl_multi_socket_action(http->multi, fd, flags, &running);
	while ((fd = socket_with_bytes(http)) != CURL_SOCKET_BAD && turns-- > 0)
		curl_multi_socket_action(http->multi, fd, CURL_CSELECT_IN, &running);
	if (fd != CURL_SOCKET_BAD)
		uv_timer_start(&http->more, more_due, 1, 0);
	drain(http);
	http->busy = false;
	flush(http);
}

static void more_due(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- libcurl's wishes ---- */

static struct sock *sock_find(struct http *http, curl_socket_t fd)
{
	struct sock *sock;

	LIST_FOREACH(sock, &http->socks, link)
	{
		if (sock->fd == fd)
			return sock;
	}
	return NULL;
}

static void sock_ready(uv_poll_t *poll, int status, int events)
{
	struct sock *sock = (struct sock *)poll;
	struct http *http = sock->http;
	curl_socket_t fd = sock->fd;
	int flags = 0;

	/* An error is left for read(2) to find: what the peer sent before it (a TLS
	 * alert) comes first, and errno says more than CURL_CSELECT_ERR would. */
	if (status < 0 || (events & UV_READABLE))
		flags |= CURL_CSELECT_IN;
	if (status < 0 || (events & UV_WRITABLE))
		flags |= CURL_CSELECT_OUT;
	act(http, fd, flags);
	if (status >= 0 || http->torn_down)
		return;
	sock = sock_find(http, fd);
	if (sock && !uv_is_active((uv_handle_t *)&sock->poll))
		uv_poll_start(&sock->poll, sock->events, sock_ready);
}

static struct sock *sock_new(struct http *http, curl_socket_t fd)
{
	struct sock *sock = calloc(1, sizeof *sock);

	if (!sock)
		return NULL;
	if (uv_poll_init_socket(http->loop, &sock->poll, fd) < 0) {
		free(sock);
		return NULL;
	}
	sock->http = http;
	sock->fd = fd;
	http->handles++;
	LIST_INSERT_HEAD(&http->socks, sock, link);
	return sock;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *user, void *assigned)
{
	struct http *http = user;
	struct sock *sock = sock_find(http, fd);

	(void)assigned;
	if (what == CURL_POLL_REMOVE) {
		if (sock)
			sock_drop(sock);
		return 0;
	}
	if (http->closing && !http->busy)
		return 0; /* inside curl_multi_cleanup */
	if (!sock)
		sock = sock_new(http, fd);
	if (!sock)
		return 0; /* an error here would kill every call; this one runs into its limit */
	sock->easy = easy;
	sock->events = 0;
	if (what & CURL_POLL_IN)
		sock->events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		sock->events |= UV_WRITABLE;
	uv_poll_start(&sock->poll, sock->events, sock_ready);
	return 0;
}

static void timer_due(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int timer_wanted(CURLM *multi, long ms, void *user)
{
	struct http *http = user;

	(void)multi;
	if (ms < 0 || http->torn_down)
		uv_timer_stop(&http->timer);
	else
		uv_timer_start(&http->timer, timer_due, (uint64_t)ms, 0);
	return 0;
}

static curl_socket_t socket_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_call *call = user;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	(void)purpose;
	if (fd < 0)
		call->socket_errno = errno;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int socket_opened(void *user, curl_socket_t fd, curlsocktype purpose)
{
	const int probes = 3, user_timeout_ms = USER_TIMEOUT_MS;

	(void)user;
	(void)purpose;
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
	return CURL_SOCKOPT_OK;
}

static int socket_close(void *user, curl_socket_t fd)
{
	struct sock *sock = sock_find(user, fd);

	if (sock)
		sock_drop(sock);
	return close(fd);
}

/* ---- a call's bytes ---- */

static int call_connected(void *user, char *remote, char *local, int remote_port, int local_port)
{
	struct http_call *call = user;

	(void)remote;
	(void)local;
	(void)remote_port;
	(void)local_port;
	call->requested = true;
	return CURL_PREREQFUNC_OK;
}

static void call_silent(uv_timer_t *timer)
{
	struct http_call *call = (struct http_call *)timer;
	struct http *http = call->http;
	uint64_t silent_ms = uv_now(http->loop) - call->heard_ms;
	char detail[96];

	if (call->head_told && silent_ms < call->silence_ms) {
		uv_timer_start(timer, call_silent, call->silence_ms - silent_ms, 0);
		return;
	}
	if (call->refused)
		snprintf(detail, sizeof detail, "libcurl did not take the call");
	else if (call->head_told)
		snprintf(detail, sizeof detail, "nothing came for %u ms", call->silence_ms);
	else
		snprintf(detail, sizeof detail, "no answer within %u ms", http->limits.head_ms);
	http->busy = true;
	call_end(call, call->refused ? TRANSPORT_LOCAL : TRANSPORT_TIMEOUT, detail);
	http->busy = false;
	flush(http);
}

static size_t header_came(char *line, size_t size, size_t count, void *user)
{
	struct http_call *call = user;
	size_t len = size * count;
	struct transport_head head = {.retry_after_s = -1, .content_type = ""};
	const char *content_type = NULL;
	curl_off_t retry_after_s = 0;
	long status = 0;

	call->heard_ms = uv_now(call->http->loop);
	if (call->dropped)
		return 0;
	if (call->head_told || len == 0 || (line[0] != '\r' && line[0] != '\n'))
		return len; /* a trailer, or a line before the empty one */
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return len; /* 1xx: the real one follows */
	curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	head.status = (int)status;
	if (content_type)
		head.content_type = content_type;
	if (retry_after_s > 0)
		head.retry_after_s = retry_after_s > 3600 ? 3600 : (int)retry_after_s;
	call->head_told = true;
	if (call->silence_ms)
		uv_timer_start(&call->timer, call_silent, call->silence_ms, 0);
	else
		uv_timer_stop(&call->timer);
	if (call->handler.head)
		call->handler.head(call->user, &head);
	return call->dropped ? 0 : len;
}

static size_t bytes_came(char *data, size_t size, size_t count, void *user)
{
	struct http_call *call = user;
	size_t len = size * count;

	call->heard_ms = uv_now(call->http->loop);
	if (!call->dropped && !call->handler.bytes(call->user, data, len))
		call->dropped = true;
	return call->dropped ? CURL_WRITEFUNC_ERROR : len;
}

/* ---- making a call ---- */

static int call_set_hooks(struct http_call *call)
{
	struct http *http = call->http;
	CURL *easy = call->easy;
	int bad = 0;

	bad |= (int)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	bad |= (int)curl_easy_setopt(
		easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->limits.connect_ms);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, socket_opened);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, socket_close);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, call_connected);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
	return bad;
}

static int call_set_transfer(struct http_call *call, const struct access_view *view,
	const struct transport_request *request)
{
	CURL *easy = call->easy;
	const struct http *http = call->http;
	int bad = 0;

	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_USERAGENT, &http->user_agent[0]);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_came);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bytes_came);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	/* Who may be compressed is a list; a watch trickles. */
	bad |= (int)curl_easy_setopt(
		easy, CURLOPT_BUFFERSIZE, (long)(request->compressed ? LIST_BUFFER : WATCH_BUFFER));
	/* Never on a watch: libcurl's decoder takes one gzip member, and servers
	 * that compress watches (1.37) close a member at every flush. */
	if (request->compressed && !view->disable_compression)
		bad |= (int)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	return bad;
}

static struct http_call *call_new(
	struct http *http, const struct transport_handler *handler, void *user)
{
	struct http_call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	call->easy = curl_easy_init();
	if (!call->easy) {
		free(call);
		return NULL;
	}
	call->http = http;
	call->handler = *handler;
	call->user = user;
	uv_timer_init(http->loop, &call->timer);
	http->handles++;
	LIST_INSERT_HEAD(&http->calls, call, link);
	return call;
}

/* Takes what the setters returned: the call starts, or dies unseen. */
static struct http_call *call_start(struct http_call *call, int bad)
{
	if (bad) {
		call_release(call);
		return NULL;
	}
	if (!call->http->busy)
		flush(call->http);
	return call;
}

struct http_call *http_get(struct http *http, const struct access_view *view,
	const struct transport_request *request, const struct transport_handler *handler,
	void *user)
{
	struct http_call *call = call_new(http, handler, user);
	int bad;

	if (!call)
		return NULL;
	call->silence_ms = request->silence_ms;
	http_ahead_set(call->easy, view);
	bad = call_set_hooks(call) || http_setup_connection(call->easy, view) ||
	      http_setup_tls(call->easy, view) || call_set_transfer(call, view, request) ||
	      http_setup_request(
		      call->easy, view, request->target, request->protobuf, &call->setup);
	return call_start(call, bad);
}

struct http_call *http_connect(struct http *http, const struct access_view *view,
	void (*done)(void *user, enum transport_result result, const char *detail), void *user)
{
	const struct transport_handler handler = {.done = done};
	struct http_call *call = call_new(http, &handler, user);
	int bad;

	if (!call)
		return NULL;
	bad = call_set_hooks(call) || http_setup_connection(call->easy, view) ||
	      http_setup_tls(call->easy, view) ||
	      http_setup_request(call->easy, view, "", false, &call->setup) ||
	      curl_easy_setopt(call->easy, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK;
	return call_start(call, bad);
}

void http_cancel(struct http *http, struct http_call *call)
{
	call->dropped = true;
	if (!http->busy)
		call_release(call);
}

/* ---- life ---- */

static void call_add(struct http_call *call)
{
	struct http *http = call->http;

	uv_update_time(http->loop);
	call->added = curl_multi_add_handle(http->multi, call->easy) == CURLM_OK;
	call->refused = !call->added;
	uv_timer_start(&call->timer, call_silent, call->refused ? 0 : http->limits.head_ms, 0);
}

static void tear_down(struct http *http)
{
	while (!LIST_EMPTY(&http->calls))
		call_release(LIST_FIRST(&http->calls));
	curl_multi_cleanup(http->multi);
	while (!LIST_EMPTY(&http->socks))
		sock_drop(LIST_FIRST(&http->socks));
	http->torn_down = true;
	uv_close((uv_handle_t *)&http->timer, timer_closed);
	uv_close((uv_handle_t *)&http->more, timer_closed);
}

/* Do what could not be done while busy. Makes no callback. */
static void flush(struct http *http)
{
	struct http_call *call, *next;

	if (http->torn_down)
		return;
	if (http->closing) {
		tear_down(http);
		return;
	}
	for (call = LIST_FIRST(&http->calls); call; call = next) {
		next = LIST_NEXT(call, link);
		if (call->dropped)
			call_release(call);
		else if (!call->added && !call->refused)
			call_add(call);
	}
}

int http_open(struct uv_loop_s *loop, const char *user_agent, const struct http_limits *limits,
	struct http **out)
{
	const struct http_limits usual = {.connect_ms = CONNECT_MS, .head_ms = HEAD_MS};
	size_t agent_len = strlen(user_agent);
	struct http *http = calloc(1, sizeof *http + agent_len + 1);

	if (!http)
		return -ENOMEM;
	http->multi = curl_multi_init();
	if (!http->multi) {
		free(http);
		return -ENOMEM;
	}
	memcpy(http->user_agent, user_agent, agent_len + 1);
	http->loop = loop;
	http->limits = limits ? *limits : usual;
	LIST_INIT(&http->socks);
	LIST_INIT(&http->calls);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	uv_timer_init(loop, &http->timer);
	uv_timer_init(loop, &http->more);
	http->timer.data = http->more.data = http;
	http->handles = 2;
	*out = http;
	return 0;
}

void http_close(struct http *http, void (*done)(void *user), void *user)
{
	if (!http)
		return;
	http->done = done;
	http->done_user = user;
	http->closing = true;
	for (struct http_call *call = LIST_FIRST(&http->calls); call; call = LIST_NEXT(call, link))
		call->dropped = true;
	if (!http->busy)
		flush(http);
}

int http_global_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

void http_global_cleanup(void)
{
	curl_global_cleanup();
}

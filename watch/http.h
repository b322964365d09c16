/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_HTTP_H
#define BINNACLE_WATCH_HTTP_H

/* HTTP GET over a uv loop: the only user of libcurl (multi-socket).
 *
 * One thread, the loop's. No callback is ever made from inside http_get(),
 * http_connect() or http_cancel(); all three, and http_close(), may be called
 * from inside a callback. HTTP/1.1, no redirects, certificates checked, TCP
 * keepalive and TCP_USER_TIMEOUT so that a vanished peer ends the call within
 * 45 s. Connections are kept for reuse up to 80 s (the API server closes idle
 * ones at 90 s), never across a change of view->tls_generation.
 *
 * The caller sees every failure as an enum transport_result and a sentence for
 * a person; see http_verdict.h.
 */

#include "access.h"
#include "transport.h"

struct http;
struct http_call; /* dead after done, after cancel, or after bytes returned false */

struct http_limits {
	unsigned connect_ms; /* TCP, proxy and TLS together */
	unsigned head_ms;    /* from the call to the end of the response's header */
};

/* Once per process, before the first thread. 0 or -ENOMEM. */
int http_global_init(void);
void http_global_cleanup(void);

/* user_agent is copied. limits NULL: 10 s and 90 s. */
int http_open(struct uv_loop_s *loop, const char *user_agent, const struct http_limits *limits,
	struct http **out);

/* view, request and handler are copied as far as needed. view->headers go out as
 * they are. silence_ms counts from the response's header on. NULL: out of memory. */
struct http_call *http_get(struct http *http, const struct access_view *view,
	const struct transport_request *request, const struct transport_handler *handler,
	void *user);

/* Connect and nothing more, to see whether anybody is there: the API server, or
 * the proxy that stands before it. Anything but UNREACHABLE and LOCAL means that
 * a TCP connection came up. NULL: out of memory. */
struct http_call *http_connect(struct http *http, const struct access_view *view,
	void (*done)(void *user, enum transport_result result, const char *detail), void *user);
/* True once the call has (or had) a TCP connection. */
bool http_connected(const struct http_call *call);

void http_cancel(struct http *http, struct http_call *call);

/* Cancels every call; done (may be NULL) comes from the loop when all handles
 * are closed and the memory is gone. NULL http is allowed (done is not called). */
void http_close(struct http *http, void (*done)(void *user), void *user);

#endif

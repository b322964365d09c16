/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_NET_HTTP_H
#define BINNACLE_DNS_NET_HTTP_H

/* Small HTTP servers for /health, /ready, /metrics and, later, the admin pages: libmicrohttpd on a thread of its own, so that no flood of questions
 * and no relist delays a probe. GET and HEAD only; anything else is 405, an
 * unknown path 404. Timeouts of 5 s.
 */

#include <stddef.h>
#include <stdint.h>

struct http;
struct sockaddr;

struct http_reply {
	int status;
	const char *content_type; /* NULL: text/plain; charset=utf-8 */
	char *body;               /* malloc'ed, owned and freed by the server; NULL: empty */
	size_t len;
	int close; /* say Connection: close */
};

struct http_route {
	const char *path;
	/* Called on the HTTP thread. */
	void (*answer)(void *user, struct http_reply *reply);
	void *user;
};

/* Listen with SO_REUSEPORT and serve the routes (copied; strings and users
 * outlive the server). host "" means all addresses, both families where the
 * kernel has both. 0 or a negative errno. */
int http_listen(const char *host, uint16_t port, const struct http_route *routes, size_t count,
	struct http **out);
uint16_t http_port(const struct http *http);
/* Serve these from the next request on (malloc'ed, the server's now). When it returns no
 * answer() of the old routes is running, nor will one: their strings and users may go. */
void http_set_routes(struct http *http, struct http_route *routes, size_t count);
void http_stop(struct http *http); /* NULL is allowed; waits for running answers, 5 s at most */

#endif

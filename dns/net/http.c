/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include "runner.h"
#include "socket.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG              128
#define TIMEOUT_S            5
#define CONNECTIONS_MAX      64
#define CONNECTIONS_PER_PEER 32 /* one peer cannot keep the probes out */
#define CONNECTION_BYTES     8192
#define TEXT                 "text/plain; charset=utf-8"

struct http {
	struct MHD_Daemon *daemon;
	struct http_route *routes;
	size_t count;
	uint16_t port;
	pthread_mutex_t serving; /* for the routes, held while one answers */
	pthread_mutex_t lock;    /* for running */
	pthread_cond_t finished;
	unsigned running; /* requests between their header and the end of their reply */
};

/* --- requests --- */

static void running_add(struct http *http, int n)
{
	pthread_mutex_lock(&http->lock);
	http->running += (unsigned)n;
	if (http->running == 0)
		pthread_cond_broadcast(&http->finished);
	pthread_mutex_unlock(&http->lock);
}

static const struct http_route *route_find(const struct http *http, const char *path)
{
	for (size_t i = 0; i < http->count; i++) {
		if (strcmp(http->routes[i].path, path) == 0)
			return &http->routes[i];
	}
	return NULL;
}

/* A reply of our own; the text is a constant. */
static struct http_reply reply_text(int status, const char *text)
{
	struct http_reply reply = {.status = status, .body = strdup(text)};

	reply.len = reply.body ? strlen(text) : 0;
	return reply;
}

static enum MHD_Result reply_queue(struct MHD_Connection *connection, struct http_reply *reply)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(reply->len, reply->body,
		reply->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response) {
		free(reply->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
		reply->content_type ? reply->content_type : TEXT);
	if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (reply->close)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(connection, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static bool is_read(const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
	       strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

/* It comes when the header is there, for each part of a body, and at the end of it. A reply at
 * the first of these costs the connection, because a body might follow: right for what is
 * refused, and not for probes and scrapers. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *upload, size_t *upload_len,
	void **request)
{
	struct http *http = user;
	const bool begins = !*request;
	const struct http_route *route;
	struct http_reply reply = {.status = MHD_HTTP_OK};

	(void)version;
	(void)upload;
	if (begins) {
		*request = http; /* on_completed() takes it off again */
		running_add(http, 1);
	}
	if (is_read(method) && (begins || *upload_len > 0)) {
		*upload_len = 0;
		return MHD_YES;
	}
	pthread_mutex_lock(&http->serving);
	route = route_find(http, path);
	if (!is_read(method))
		reply = reply_text(MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed\n");
	else if (!route)
		reply = reply_text(MHD_HTTP_NOT_FOUND, "not found\n");
	else
		route->answer(route->user, &reply);
	pthread_mutex_unlock(&http->serving);
	return reply_queue(connection, &reply);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **request,
	enum MHD_RequestTerminationCode code)
{
	(void)connection;
	(void)code;
	if (*request)
		running_add(user, -1);
	*request = NULL;
}

/* --- opening and closing --- */

static int host_bind(const char *host, uint16_t port, int *fd)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct addrinfo *list;
	int rc;

	if (host[0] == '\0') {
		rc = socket_bind((struct sockaddr *)&v6, 1, SOCK_STREAM | SOCK_NONBLOCK, fd, 1);
		if (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL)
			return rc;
		return socket_bind((struct sockaddr *)&v4, 0, SOCK_STREAM | SOCK_NONBLOCK, fd, 1);
	}
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return -EADDRNOTAVAIL;
	rc = -EADDRNOTAVAIL;
	for (const struct addrinfo *at = list; at && rc != 0; at = at->ai_next) {
		union address address = {0};

		if (at->ai_addrlen > sizeof address)
			continue;
		memcpy(&address, at->ai_addr, at->ai_addrlen);
		if (address.sa.sa_family == AF_INET6)
			address.v6.sin6_port = htons(port);
		else
			address.v4.sin_port = htons(port);
		rc = socket_bind(&address.sa, 0, SOCK_STREAM | SOCK_NONBLOCK, fd, 1);
	}
	freeaddrinfo(list);
	return rc;
}

static int socket_for(struct http *http, const char *host, uint16_t port, int *out)
{
	union address bound;
	int fd;
	int rc = host_bind(host, port, &fd);

	if (rc < 0)
		return rc;
	rc = listen(fd, BACKLOG) < 0 ? -errno : socket_local(fd, &bound);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	http->port = address_port(&bound);
	*out = fd;
	return 0;
}

/* Its thread takes no signals: they are the control loop's. */
static struct MHD_Daemon *daemon_start(struct http *http, int fd)
{
	sigset_t all, before;
	struct MHD_Daemon *daemon;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, http->port, NULL,
		NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_PER_PEER,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)RUNNER_STACK_BYTES,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

static int http_init(struct http *http, const struct http_route *routes, size_t count)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&http->serving, NULL);
	pthread_mutex_init(&http->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&http->finished, &attr);
	pthread_condattr_destroy(&attr);
	http->routes = calloc(count + 1, sizeof *routes);
	if (!http->routes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		http->routes[i] = routes[i];
	http->count = count;
	return 0;
}

int http_listen(const char *host, uint16_t port, const struct http_route *routes, size_t count,
	struct http **out)
{
	struct http *http = calloc(1, sizeof *http);
	int fd = -1;
	int rc;

	if (!http)
		return -ENOMEM;
	rc = http_init(http, routes, count);
	if (rc == 0)
		rc = socket_for(http, host, port, &fd);
	if (rc < 0)
		goto fail;
	http->daemon = daemon_start(http, fd);
	if (!http->daemon) {
		close(fd);
		rc = -ENOMEM;
		goto fail;
	}
	*out = http;
	return 0;
fail:
	http_stop(http);
	return rc;
}

uint16_t http_port(const struct http *http)
{
	return http->port;
}

void http_set_routes(struct http *http, struct http_route *routes, size_t count)
{
	struct http_route *old;

	pthread_mutex_lock(&http->serving);
	old = http->routes;
	http->routes = routes;
	http->count = count;
	pthread_mutex_unlock(&http->serving);
	free(old);
}

static void running_wait(struct http *http)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TIMEOUT_S;
	pthread_mutex_lock(&http->lock);
	while (http->running > 0 && rc == 0)
		rc = pthread_cond_timedwait(&http->finished, &http->lock, &until);
	pthread_mutex_unlock(&http->lock);
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	if (http->daemon) {
		int fd = MHD_quiesce_daemon(http->daemon);

		running_wait(http);
		MHD_stop_daemon(http->daemon);
		if (fd >= 0)
			close(fd);
	}
	pthread_cond_destroy(&http->finished);
	pthread_mutex_destroy(&http->lock);
	pthread_mutex_destroy(&http->serving);
	free(http->routes);
	free(http);
}

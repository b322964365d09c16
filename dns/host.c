/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "dns/net/http.h"
#include "dns/observe/process.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host_route {
	char *host, *path;
	uint16_t port;
	void (*answer)(void *user, struct http_reply *reply);
	void *user;
	bool opened;
};

struct host_shared {
	char *key;
	void *memory;
};

struct host {
	struct plugin_host plugin;
	struct metrics *metrics;
	struct process process;
	atomic_bool stopping;
	struct host_route *routes;
	size_t route_count;
	struct http **servers;
	size_t server_count;
	struct host_shared *shared;
	size_t shared_count;
};

static bool same_address(const struct host_route *a, const struct host_route *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static int route_add(void *ctx, const char *address, uint16_t port, const char *path,
	void (*answer)(void *user, struct http_reply *reply), void *user)
{
	struct host *host = ctx;
	struct host_route route = {.host = strdup(address),
		.path = strdup(path),
		.port = port,
		.answer = answer,
		.user = user};
	struct host_route *grown;
	int rc = -ENOMEM;

	if (!route.host || !route.path)
		goto drop;
	for (size_t i = 0; i < host->route_count; i++) {
		rc = 1;
		if (same_address(&host->routes[i], &route) &&
			strcmp(host->routes[i].path, path) == 0)
			goto drop;
	}
	rc = -ENOMEM;
	grown = reallocarray(host->routes, host->route_count + 1, sizeof *grown);
	if (!grown)
		goto drop;
	host->routes = grown;
	grown[host->route_count++] = route;
	return 0;
drop:
	free(route.host);
	free(route.path);
	return rc;
}

static void *shared_get(void *ctx, const char *key, size_t size)
{
	struct host *host = ctx;
	struct host_shared *grown, item;

	for (size_t i = 0; i < host->shared_count; i++) {
		if (strcmp(host->shared[i].key, key) == 0)
			return host->shared[i].memory;
	}
	item = (struct host_shared){strdup(key), calloc(1, size)};
	grown = reallocarray(host->shared, host->shared_count + 1, sizeof *grown);
	if (grown)
		host->shared = grown;
	if (!grown || !item.key || !item.memory) {
		free(item.key);
		free(item.memory);
		return NULL;
	}
	grown[host->shared_count++] = item;
	return item.memory;
}

static bool stopping_get(void *ctx)
{
	struct host *host = ctx;

	return atomic_load_explicit(&host->stopping, memory_order_relaxed);
}

int host_new(struct uv_loop_s *loop, struct host **out)
{
	struct host *host = calloc(1, sizeof *host);

	int rc;

	if (!host)
		return -ENOMEM;
	rc = metrics_new(&host->metrics);
	if (rc == 0)
		rc = process_measure(&host->process, host->metrics);
	if (rc < 0) {
		host_free(host);
		return rc;
	}
	host->plugin = (struct plugin_host){
		.metrics = host->metrics,
		.ctx = host,
		.loop = loop,
		.version = BINNACLE_VERSION,
		.http_route = route_add,
		.shared = shared_get,
		.stopping = stopping_get,
	};
	*out = host;
	return 0;
}

void host_set_worker(struct host *host, struct worker *worker)
{
	host->plugin.worker = worker;
}

const struct plugin_host *host_plugin(const struct host *host)
{
	return &host->plugin;
}

/* All routes of the address of route `first`, as one server. */
static int server_open(struct host *host, size_t first)
{
	struct host_route *at = &host->routes[first];
	struct http_route *routes = calloc(host->route_count, sizeof *routes);
	struct http **grown;
	size_t count = 0;
	int rc;

	grown = reallocarray(host->servers, host->server_count + 1, sizeof *grown);
	if (grown)
		host->servers = grown;
	if (!grown || !routes) {
		free(routes);
		return -ENOMEM;
	}
	for (size_t i = first; i < host->route_count; i++) {
		struct host_route *route = &host->routes[i];

		if (!same_address(route, at))
			continue;
		route->opened = true;
		routes[count++] = (struct http_route){route->path, route->answer, route->user};
	}
	rc = http_listen(at->host, at->port, routes, count, &grown[host->server_count]);
	free(routes);
	if (rc == 0)
		host->server_count++;
	return rc;
}

static const char *open_advice(int rc)
{
	switch (rc) {
	case -EADDRINUSE:
		return "the port is in use: stop what listens there, or give the plugin another "
		       "address, for example ':9080'";
	case -EACCES:
		return "no permission for this port: use one above 1023, or grant "
		       "CAP_NET_BIND_SERVICE";
	case -EADDRNOTAVAIL:
		return "this host has no such address";
	}
	return strerror(-rc);
}

int host_http_open(struct host *host, char err[COREFILE_ERROR_MAX])
{
	for (size_t i = 0; i < host->route_count; i++) {
		const struct host_route *route = &host->routes[i];
		int rc;

		if (route->opened)
			continue;
		rc = server_open(host, i);
		if (rc < 0) {
			snprintf(err, COREFILE_ERROR_MAX,
				"cannot listen on %s:%u (HTTP, for %s): %s", route->host,
				(unsigned)route->port, route->path, open_advice(rc));
			return rc;
		}
	}
	return 0;
}

void host_http_close(struct host *host)
{
	while (host->server_count)
		http_stop(host->servers[--host->server_count]);
}

void host_set_stopping(struct host *host)
{
	atomic_store_explicit(&host->stopping, true, memory_order_relaxed);
}

void host_free(struct host *host)
{
	if (!host)
		return;
	host_http_close(host);
	for (size_t i = 0; i < host->route_count; i++) {
		free(host->routes[i].host);
		free(host->routes[i].path);
	}
	for (size_t i = 0; i < host->shared_count; i++) {
		free(host->shared[i].key);
		free(host->shared[i].memory);
	}
	metrics_free(host->metrics);
	free(host->servers);
	free(host->routes);
	free(host->shared);
	free(host);
}

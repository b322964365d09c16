/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include "dns/net/http.h"
#include "dns/observe/metric.h"
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
};

struct host_server {
	char *host;
	uint16_t port;
	struct http *http;
	bool fresh;              /* opened for the plan that does not count yet */
	struct http_route *next; /* what it will serve then; NULL: nothing */
	size_t next_count;
};

struct host_memory {
	struct host_shared {
		char *key;
		void *memory;
	} * items;
	size_t count;
};

/* What one configuration asked for. */
struct host_plan {
	struct host_route *routes;
	size_t route_count;
	struct host_memory shared;
	unsigned reload_ms, jitter_ms;
};

struct host {
	struct plugin_host plugin;
	struct metrics *metrics;
	struct process process;
	atomic_bool stopping;
	struct host_plan plans[2]; /* [current] counts, or will as the first one */
	unsigned current;
	struct host_plan *building; /* what plugins add to */
	struct host_memory lasting;
	struct host_server *servers;
	size_t server_count;
};

static bool is_at(const struct host_route *route, const char *address, uint16_t port)
{
	return route->port == port && strcmp(route->host, address) == 0;
}

static int route_add(void *ctx, const char *address, uint16_t port, const char *path,
	void (*answer)(void *user, struct http_reply *reply), void *user)
{
	struct host_plan *plan = ((struct host *)ctx)->building;
	struct host_route route = {.host = strdup(address),
		.path = strdup(path),
		.port = port,
		.answer = answer,
		.user = user};
	struct host_route *grown;
	int rc = -ENOMEM;

	if (!route.host || !route.path)
		goto drop;
	for (size_t i = 0; i < plan->route_count; i++) {
		rc = 1;
		if (is_at(&plan->routes[i], address, port) &&
			strcmp(plan->routes[i].path, path) == 0)
			goto drop;
	}
	rc = -ENOMEM;
	grown = reallocarray(plan->routes, plan->route_count + 1, sizeof *grown);
	if (!grown)
		goto drop;
	plan->routes = grown;
	grown[plan->route_count++] = route;
	return 0;
drop:
	free(route.host);
	free(route.path);
	return rc;
}

static void *memory_get(struct host_memory *memory, const char *key, size_t size)
{
	struct host_shared *grown, item;

	for (size_t i = 0; i < memory->count; i++) {
		if (strcmp(memory->items[i].key, key) == 0)
			return memory->items[i].memory;
	}
	item = (struct host_shared){strdup(key), calloc(1, size)};
	grown = reallocarray(memory->items, memory->count + 1, sizeof *grown);
	if (grown)
		memory->items = grown;
	if (!grown || !item.key || !item.memory) {
		free(item.key);
		free(item.memory);
		return NULL;
	}
	grown[memory->count++] = item;
	return item.memory;
}

static void memory_free(struct host_memory *memory)
{
	for (size_t i = 0; i < memory->count; i++) {
		free(memory->items[i].key);
		free(memory->items[i].memory);
	}
	free(memory->items);
	*memory = (struct host_memory){0};
}

static void plan_free(struct host_plan *plan)
{
	for (size_t i = 0; i < plan->route_count; i++) {
		free(plan->routes[i].host);
		free(plan->routes[i].path);
	}
	free(plan->routes);
	memory_free(&plan->shared);
	*plan = (struct host_plan){0};
}

static void *shared_get(void *ctx, const char *key, size_t size)
{
	struct host *host = ctx;

	return memory_get(&host->building->shared, key, size);
}

static void *lasting_get(void *ctx, const char *key, size_t size)
{
	struct host *host = ctx;

	return memory_get(&host->lasting, key, size);
}

static void reload_set(void *ctx, unsigned interval_ms, unsigned jitter_ms)
{
	struct host *host = ctx;

	host->building->reload_ms = interval_ms;
	host->building->jitter_ms = jitter_ms;
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
	host->building = &host->plans[0];
	host->plugin = (struct plugin_host){
		.metrics = host->metrics,
		.ctx = host,
		.loop = loop,
		.version = BINNACLE_VERSION,
		.http_route = route_add,
		.shared = shared_get,
		.lasting = lasting_get,
		.reload_every = reload_set,
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

/* --- HTTP servers --- */

static struct host_server *server_find(const struct host *host, const char *address, uint16_t port)
{
	for (size_t i = 0; i < host->server_count; i++) {
		struct host_server *at = &host->servers[i];

		if (at->port == port && strcmp(at->host, address) == 0)
			return at;
	}
	return NULL;
}

static void server_close(struct host_server *server)
{
	http_stop(server->http);
	free(server->next);
	free(server->host);
}

/* All routes of one address; NULL: out of memory. */
static struct http_route *routes_of(
	const struct host_plan *plan, const char *address, uint16_t port, size_t *count)
{
	struct http_route *routes = calloc(plan->route_count + 1, sizeof *routes);

	*count = 0;
	for (size_t i = 0; routes && i < plan->route_count; i++) {
		const struct host_route *at = &plan->routes[i];

		if (is_at(at, address, port))
			routes[(*count)++] = (struct http_route){at->path, at->answer, at->user};
	}
	return routes;
}

static int server_open(
	struct host *host, const struct host_route *at, struct http_route *routes, size_t count)
{
	struct host_server *grown =
		reallocarray(host->servers, host->server_count + 1, sizeof *grown);
	struct host_server server = {.host = strdup(at->host), .port = at->port, .fresh = true};
	int rc = -ENOMEM;

	if (grown)
		host->servers = grown;
	if (grown && server.host)
		rc = http_listen(at->host, at->port, routes, count, &server.http);
	if (rc < 0) {
		free(server.host);
		return rc;
	}
	server.next = routes;
	server.next_count = count;
	grown[host->server_count++] = server;
	return 0;
}

/* Have the address of this route served, or know what its server will serve. */
static int address_prepare(struct host *host, const struct host_route *at)
{
	struct host_server *server = server_find(host, at->host, at->port);
	struct http_route *routes;
	size_t count;
	int rc = 0;

	if (server && server->next)
		return 0;
	routes = routes_of(host->building, at->host, at->port, &count);
	if (!routes)
		return -ENOMEM;
	if (!server) {
		rc = server_open(host, at, routes, count);
		if (rc < 0)
			free(routes);
		return rc;
	}
	server->next = routes;
	server->next_count = count;
	return 0;
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
	for (size_t i = 0; i < host->building->route_count; i++) {
		const struct host_route *route = &host->building->routes[i];
		int rc = address_prepare(host, route);

		if (rc < 0) {
			snprintf(err, COREFILE_ERROR_MAX,
				"cannot listen on %s:%u (HTTP, for %s): %s", route->host,
				(unsigned)route->port, route->path, open_advice(rc));
			host_abort(host);
			return rc;
		}
	}
	return 0;
}

void host_commit(struct host *host)
{
	size_t kept = 0;

	for (size_t i = 0; i < host->server_count; i++) {
		struct host_server *at = &host->servers[i];

		if (!at->next) {
			server_close(at);
			continue;
		}
		http_set_routes(at->http, at->next, at->next_count);
		at->next = NULL;
		at->fresh = false;
		host->servers[kept++] = *at;
	}
	host->server_count = kept;
	host->current = (unsigned)(host->building - host->plans);
}

void host_abort(struct host *host)
{
	size_t kept = 0;

	for (size_t i = 0; i < host->server_count; i++) {
		struct host_server *at = &host->servers[i];

		if (at->fresh) {
			server_close(at);
			continue;
		}
		free(at->next);
		at->next = NULL;
		host->servers[kept++] = *at;
	}
	host->server_count = kept;
	host->building = &host->plans[host->current];
}

void host_begin(struct host *host)
{
	host->building = &host->plans[!host->current];
	metrics_hold(host->metrics, true);
}

void host_retire(struct host *host)
{
	plan_free(&host->plans[!host->current]);
}

void host_http_close(struct host *host)
{
	while (host->server_count)
		server_close(&host->servers[--host->server_count]);
}

void host_reload_every(const struct host *host, unsigned *interval_ms, unsigned *jitter_ms)
{
	*interval_ms = host->plans[host->current].reload_ms;
	*jitter_ms = host->plans[host->current].jitter_ms;
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
	plan_free(&host->plans[0]);
	plan_free(&host->plans[1]);
	memory_free(&host->lasting);
	metrics_free(host->metrics);
	free(host->servers);
	free(host);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_PLUGIN_SITE_H
#define BINNACLE_TESTS_PLUGIN_SITE_H

/* What a plugin is given, made from text: its lines in the first block of a
 * Corefile, a host that records, a log that can be read, and one finished query. */

#include "dns/net/http.h"
#include "dns/observe/log.h"
#include "dns/plugin/list.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- setup --- */

struct site {
	struct corefile *corefile;
	void *instance;
	char err[COREFILE_ERROR_MAX];
};

/* Call setup for every line of the directive in the first block. */
static inline int site_setup(struct site *site, const struct plugin *plugin, const char *text)
{
	const struct corefile_line *lines[16];
	const struct corefile_block *block;
	static const struct name root = {.len = 1};
	struct plugin_site given = {.lines = lines, .zones = &root, .zone_count = 1, .port = 53};

	memset(site, 0, sizeof *site);
	if (corefile_parse(text, strlen(text), "F", &site->corefile, site->err) < 0)
		fail_msg("%s", site->err);
	block = &site->corefile->blocks[0];
	for (size_t i = 0; i < block->line_count; i++) {
		if (strcmp(block->lines[i].tokens[0].text, plugin->name) == 0)
			lines[given.line_count++] = &block->lines[i];
	}
	return plugin->setup(&given, &site->instance, site->err);
}

static inline void site_free(struct site *site, const struct plugin *plugin)
{
	if (site->instance && plugin->free)
		plugin->free(site->instance);
	else
		free(site->instance);
	corefile_free(site->corefile);
	memset(site, 0, sizeof *site);
}

/* Setup fails with a message that begins with start. */
static inline void site_refused(const struct plugin *plugin, const char *text, const char *start)
{
	struct site site;

	assert_true(site_setup(&site, plugin, text) < 0);
	if (strncmp(site.err, start, strlen(start)) != 0)
		fail_msg("'%s' does not begin with '%s'", site.err, start);
	assert_null(site.instance);
	site_free(&site, plugin);
}

/* --- host --- */

struct recorder {
	struct plugin_host host;
	bool stopping;
	int route_error;
	struct {
		char host[64], path[32];
		uint16_t port;
		void (*answer)(void *user, struct http_reply *reply);
		void *user;
	} routes[8];
	size_t route_count;
	struct {
		char key[128];
		void *memory;
	} shared[8];
	size_t shared_count;
	unsigned reload_ms, jitter_ms;
};

static int recorder_route(void *ctx, const char *host, uint16_t port, const char *path,
	void (*answer)(void *user, struct http_reply *reply), void *user)
{
	struct recorder *recorder = ctx;
	size_t at = recorder->route_count;

	if (recorder->route_error)
		return recorder->route_error;
	for (size_t i = 0; i < at; i++) {
		if (recorder->routes[i].port == port &&
			strcmp(recorder->routes[i].host, host) == 0 &&
			strcmp(recorder->routes[i].path, path) == 0)
			return 1;
	}
	snprintf(recorder->routes[at].host, sizeof recorder->routes[at].host, "%s", host);
	snprintf(recorder->routes[at].path, sizeof recorder->routes[at].path, "%s", path);
	recorder->routes[at].port = port;
	recorder->routes[at].answer = answer;
	recorder->routes[at].user = user;
	recorder->route_count++;
	return 0;
}

static void *recorder_shared(void *ctx, const char *key, size_t size)
{
	struct recorder *recorder = ctx;
	size_t at;

	for (at = 0; at < recorder->shared_count; at++) {
		if (strcmp(recorder->shared[at].key, key) == 0)
			return recorder->shared[at].memory;
	}
	snprintf(recorder->shared[at].key, sizeof recorder->shared[at].key, "%s", key);
	recorder->shared[at].memory = calloc(1, size);
	recorder->shared_count++;
	return recorder->shared[at].memory;
}

static void recorder_reload(void *ctx, unsigned interval_ms, unsigned jitter_ms)
{
	struct recorder *recorder = ctx;

	recorder->reload_ms = interval_ms;
	recorder->jitter_ms = jitter_ms;
}

static bool recorder_stopping(void *ctx)
{
	const struct recorder *recorder = ctx;

	return recorder->stopping;
}

static inline void recorder_init(struct recorder *recorder)
{
	memset(recorder, 0, sizeof *recorder);
	recorder->host = (struct plugin_host){
		.ctx = recorder,
		.version = "0",
		.http_route = recorder_route,
		.shared = recorder_shared,
		.lasting = recorder_shared,
		.reload_every = recorder_reload,
		.stopping = recorder_stopping,
	};
}

static inline void recorder_free(struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->shared_count; i++)
		free(recorder->shared[i].memory);
}

/* Ask a route: "200 OK", "503 x close". */
static inline const char *recorder_get(const struct recorder *recorder, size_t at)
{
	static char text[256];
	struct http_reply reply = {0};

	recorder->routes[at].answer(recorder->routes[at].user, &reply);
	snprintf(text, sizeof text, "%d %.*s%s", reply.status, (int)reply.len,
		reply.body ? reply.body : "", reply.close ? " close" : "");
	free(reply.body);
	return text;
}

/* --- log --- */

struct captured_log {
	int fds[2];
	char text[65536];
};

static inline void captured_open(struct captured_log *log)
{
	assert_int_equal(pipe2(log->fds, O_NONBLOCK), 0);
	log_set_fd(log->fds[1]);
}

static inline const char *captured_read(struct captured_log *log)
{
	ssize_t len = read(log->fds[0], log->text, sizeof log->text - 1);

	log->text[len > 0 ? len : 0] = 0;
	return log->text;
}

static inline void captured_close(struct captured_log *log)
{
	log_set_fd(1);
	close(log->fds[0]);
	close(log->fds[1]);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The server's life, on the control loop (this thread):
 *
 *	read Corefile -> set up plugins -> bind -> start plugins -> open HTTP
 *	     -> run threads -> [serve] -> signal -> lameduck -> stop threads
 *	     -> close HTTP -> stop plugins -> loop empty -> free
 *
 * Sockets are bound before a plugin starts, so that a port in use is known
 * before anything reaches the API server; questions that come before the first
 * lists are complete get SERVFAIL from `kubernetes`. A failure at any step goes
 * down the same road from "stop threads" on.
 *
 * While it serves, another configuration may take the first one's place (reload.h). */

#include "server.h"

#include "config.h"
#include "dns/observe/log.h"
#include "host.h"
#include "listen.h"
#include "reload.h"
#include "watch/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

static const int server_signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
#define SIGNAL_COUNT (sizeof server_signals / sizeof *server_signals)

enum server_phase { SERVER_STARTING, SERVER_SERVING, SERVER_LAMEDUCK, SERVER_STOPPING };

struct server {
	uv_loop_t loop;
	uv_signal_t signals[SIGNAL_COUNT];
	size_t signal_count;
	uv_timer_t lameduck;
	bool lameduck_made;
	enum server_phase phase;
	const struct options *options;
	struct corefile *corefile; /* of the start; the config holds it too */
	struct config *config;     /* until reload has it */
	struct reload *reload;
	struct listen *listen;
	struct host *host;
	int status;
};

/* --- stopping --- */

static void plugins_stopped(void *user)
{
	(void)user;
}

static void server_finish(struct server *server)
{
	if (server->phase == SERVER_STOPPING)
		return;
	server->phase = SERVER_STOPPING;
	if (server->host)
		host_set_stopping(server->host);
	if (server->listen)
		listen_stop(server->listen);
	if (server->host)
		host_http_close(server->host);
	if (server->reload)
		reload_close(server->reload);
	else if (server->config)
		config_stop(server->config, true, plugins_stopped, NULL);
	if (server->lameduck_made)
		uv_close((uv_handle_t *)&server->lameduck, NULL);
	for (size_t i = 0; i < server->signal_count; i++)
		uv_close((uv_handle_t *)&server->signals[i], NULL);
}

static void lameduck_over(uv_timer_t *timer)
{
	server_finish(timer->data);
}

/* The longest lameduck that a plugin asks for. */
static unsigned lameduck_ms(const struct config *config)
{
	unsigned longest_ms = 0;

	for (size_t g = 0; g < config->group_count; g++) {
		const struct config_group *group = &config->groups[g];

		for (size_t i = 0; i < group->plugin_count; i++) {
			const struct block_plugin *at = &group->plugins[i];
			unsigned ms =
				at->plugin->lameduck_ms ? at->plugin->lameduck_ms(at->instance) : 0;

			longest_ms = ms > longest_ms ? ms : longest_ms;
		}
	}
	return longest_ms;
}

static void server_stop(struct server *server)
{
	unsigned ms;

	if (server->phase != SERVER_SERVING) {
		server_finish(server); /* a second signal cuts the lameduck short */
		return;
	}
	host_set_stopping(server->host);
	reload_freeze(server->reload);
	ms = lameduck_ms(reload_config(server->reload));
	if (ms == 0) {
		server_finish(server);
		return;
	}
	server->phase = SERVER_LAMEDUCK;
	uv_timer_start(&server->lameduck, lameduck_over, ms, 0);
}

static void signal_came(uv_signal_t *handle, int number)
{
	struct server *server = handle->data;

	switch (number) {
	case SIGTERM:
	case SIGINT:
		log_write(LOG_INFO, NULL, "%s: shutting down",
			number == SIGTERM ? "SIGTERM" : "SIGINT");
		server_stop(server);
		break;
	case SIGQUIT:
		server_finish(server);
		break;
	default:
		if (server->phase == SERVER_SERVING)
			reload_now(server->reload, number == SIGHUP ? "SIGHUP" : "SIGUSR1");
		break;
	}
}

/* --- starting --- */

static int failed(struct server *server, const char *message)
{
	fprintf(stderr, "binnacle: %s\n", message);
	server->status = 1;
	return -1;
}

static int read_stdin(struct corefile **out, char err[COREFILE_ERROR_MAX])
{
	size_t cap = 1 << 16, len = 0;
	char *text = malloc(cap);
	int rc;

	while (text) {
		ssize_t got = read(STDIN_FILENO, text + len, cap - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
		if (len == cap) {
			char *grown = len < 1 << 20 ? realloc(text, cap *= 2) : NULL;

			if (!grown)
				break;
			text = grown;
		}
	}
	if (!text || len > 1 << 20) {
		snprintf(err, COREFILE_ERROR_MAX, "standard input: the Corefile is over 1 MiB");
		rc = -EFBIG;
	} else {
		rc = corefile_parse(text, len, "stdin", out, err);
	}
	free(text);
	return rc;
}

static int corefile_load(struct server *server)
{
	const struct options *options = server->options;
	char err[COREFILE_ERROR_MAX] = "", message[COREFILE_ERROR_MAX + 512];
	int rc;

	if (strcmp(options->conf, "stdin") == 0)
		rc = read_stdin(&server->corefile, err);
	else
		rc = corefile_read(options->conf, &server->corefile, err);
	if (rc == -ENOENT && !options->conf_given) {
		snprintf(message, sizeof message,
			"there is no ./Corefile here; name one with -conf FILE. The smallest one "
			"that serves a cluster is\n\n"
			"  .:53 {\n      errors\n      health\n      ready\n"
			"      kubernetes cluster.local in-addr.arpa ip6.arpa\n  }\n\n"
			"and 'manifests PATH' in the body of kubernetes serves files without a "
			"cluster.");
		return failed(server, message);
	}
	if (rc < 0)
		return failed(server, err);
	for (size_t i = 0; i < server->corefile->warning_count; i++)
		log_write(LOG_WARNING, NULL, "%s", server->corefile->warnings[i]);
	return 0;
}

static int signals_start(struct server *server)
{
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		uv_signal_t *handle = &server->signals[i];

		if (uv_signal_init(&server->loop, handle) < 0)
			return failed(server, "cannot handle signals");
		handle->data = server;
		server->signal_count++;
		if (uv_signal_start(handle, signal_came, server_signals[i]) < 0)
			return failed(server, "cannot handle signals");
	}
	if (uv_timer_init(&server->loop, &server->lameduck) < 0)
		return failed(server, "cannot make a timer");
	server->lameduck.data = server;
	server->lameduck_made = true;
	return 0;
}

static void print_banner(const struct server *server, const struct config *config)
{
	if (server->options->quiet)
		return;
	for (size_t b = 0; b < config->block_count; b++) {
		const struct block *block = &config->blocks[b];

		for (size_t z = 0; z < block->zone_count; z++) {
			char line[NAME_TEXT_MAX + 16];
			int len = snprintf(line, sizeof line, "%s:%u\n", block->zone_texts[z],
				(unsigned)block->port);

			log_raw(line, (size_t)len);
		}
	}
	log_raw("Binnacle-" BINNACLE_VERSION "\n", sizeof "Binnacle-" BINNACLE_VERSION);
}

static int pidfile_write(struct server *server)
{
	const char *path = server->options->pidfile;
	FILE *file = path ? fopen(path, "we") : NULL;
	char message[512];

	if (!path)
		return 0;
	if (file && fprintf(file, "%ld\n", (long)getpid()) > 0 && fclose(file) == 0)
		return 0;
	snprintf(message, sizeof message, "cannot write the pidfile %s: %s", path, strerror(errno));
	return failed(server, message);
}

static int reload_start(struct server *server)
{
	const struct reload_parts parts = {
		.loop = &server->loop,
		.options = server->options,
		.host = server->host,
		.listen = server->listen,
	};

	if (reload_new(&parts, server->config, &server->reload) < 0)
		return failed(server, "out of memory");
	server->config = NULL;
	corefile_free(server->corefile);
	server->corefile = NULL;
	return 0;
}

static int server_start(struct server *server)
{
	char err[COREFILE_ERROR_MAX] = "";
	int rc = host_new(&server->loop, &server->host);

	if (rc < 0)
		return failed(server, "out of memory");
	if (signals_start(server) < 0 || corefile_load(server) < 0)
		return -1;
	if (config_new(server->corefile, server->options->port, &server->config, err) < 0)
		return failed(server, err);
	if (listen_open(server->config, listen_threads(), &server->listen, err) < 0)
		return failed(server, err);
	host_set_worker(server->host, listen_worker(server->listen));
	if (config_start(server->config, host_plugin(server->host), err) < 0)
		return failed(server, err);
	if (host_http_open(server->host, err) < 0)
		return failed(server, err);
	host_commit(server->host);
	listen_set_metrics(server->listen, host_plugin(server->host)->metrics);
	rc = listen_run(server->listen);
	if (rc < 0) {
		snprintf(err, sizeof err, "cannot start the answering threads: %s", strerror(-rc));
		return failed(server, err);
	}
	if (pidfile_write(server) < 0)
		return -1;
	print_banner(server, server->config);
	if (reload_start(server) < 0)
		return -1;
	server->phase = SERVER_SERVING;
	return 0;
}

/* A look-up has sockets of its own, so thousands of them need more descriptors than the
 * soft limit that shells and service managers set for the sake of select(). */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int server_run(const struct options *options)
{
	struct server server = {.options = options};

	signal(SIGPIPE, SIG_IGN);
	descriptors_raise();
	if (uv_loop_init(&server.loop) < 0) {
		failed(&server, "cannot make an event loop");
		return server.status;
	}
	if (watch_global_init() < 0)
		failed(&server, "cannot initialise the HTTP library");
	else if (server_start(&server) < 0)
		server_finish(&server);
	uv_run(&server.loop, UV_RUN_DEFAULT);
	if (options->pidfile && server.status == 0)
		unlink(options->pidfile);
	listen_free(server.listen);
	reload_free(server.reload);
	config_free(server.config);
	host_free(server.host);
	corefile_free(server.corefile);
	uv_loop_close(&server.loop);
	watch_global_cleanup();
	return server.status;
}

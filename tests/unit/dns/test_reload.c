/* SPDX-License-Identifier: Apache-2.0 */
/* The server without its process: a Corefile that is changed under it. */
#include "dns/reload.h"

#include "dns/observe/log.h"
#include "free_port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

struct world {
	uv_loop_t loop;
	uv_timer_t clock; /* the loop never sleeps long */
	struct options options;
	struct host *host;
	struct listen *listen;
	struct reload *reload;
	char dir[64], path[96], log_path[96];
	uint16_t port;
};

static void on_clock(uv_timer_t *clock)
{
	(void)clock;
}

static void corefile_write(struct world *world, const char *lines)
{
	FILE *file = fopen(world->path, "w");

	assert_non_null(file);
	fprintf(file, ".:%u {\nbind 127.0.0.1\n%s\n}\n", (unsigned)world->port, lines);
	fclose(file);
}

static const char *log_text(struct world *world)
{
	static char text[1 << 16];
	FILE *file = fopen(world->log_path, "r");

	text[fread(text, 1, sizeof text - 1, file)] = 0;
	fclose(file);
	return text;
}

static unsigned count(struct world *world, const char *what)
{
	unsigned found = 0;

	for (const char *at = log_text(world); (at = strstr(at, what)); at++)
		found++;
	return found;
}

/* Turn the loop until the log has said it so many times. */
static void says(struct world *world, const char *what, unsigned times)
{
	const uint64_t until_ms = uv_hrtime() / 1000000 + 20000;

	while (count(world, what) < times) {
		if (uv_hrtime() / 1000000 > until_ms)
			fail_msg("not %u times '%s' in\n%s", times, what, log_text(world));
		uv_run(&world->loop, UV_RUN_ONCE);
	}
}

static void start(struct world *world, const char *lines)
{
	struct corefile *corefile = NULL;
	struct config *config = NULL;
	char err[COREFILE_ERROR_MAX] = "";

	corefile_write(world, lines);
	assert_int_equal(corefile_read(world->path, &corefile, err), 0);
	assert_int_equal(config_new(corefile, 53, &config, err), 0);
	corefile_free(corefile);
	assert_int_equal(listen_open(config, 2, &world->listen, err), 0);
	host_set_worker(world->host, listen_worker(world->listen));
	assert_int_equal(config_start(config, host_plugin(world->host), err), 0);
	assert_int_equal(host_http_open(world->host, err), 0);
	host_commit(world->host);
	listen_set_metrics(world->listen, host_plugin(world->host)->metrics);
	assert_int_equal(listen_run(world->listen), 0);
	assert_int_equal(reload_new(&(struct reload_parts){&world->loop, &world->options,
					    world->host, world->listen},
				 config, &world->reload),
		0);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	strcpy(world->dir, "/tmp/test_reload.XXXXXX");
	if (!mkdtemp(world->dir))
		return -1;
	snprintf(world->path, sizeof world->path, "%s/Corefile", world->dir);
	snprintf(world->log_path, sizeof world->log_path, "%s/log", world->dir);
	log_set_fd(open(world->log_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND, 0600));
	world->options.conf = world->path;
	world->options.port = 53;
	world->port = free_port();
	uv_loop_init(&world->loop);
	uv_timer_init(&world->loop, &world->clock);
	uv_timer_start(&world->clock, on_clock, 5, 5);
	*state = world;
	return host_new(&world->loop, &world->host);
}

/* As server.c ends it. */
static int teardown(void **state)
{
	struct world *world = *state;

	listen_stop(world->listen);
	host_http_close(world->host);
	reload_close(world->reload);
	uv_close((uv_handle_t *)&world->clock, NULL);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	listen_free(world->listen);
	reload_free(world->reload);
	host_free(world->host);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	unlink(world->path);
	unlink(world->log_path);
	rmdir(world->dir);
	free(world);
	return 0;
}

#define HOSTS "hosts {\n10.0.0.1 a.example\n}\n"
/* Nobody listens there: it never gets its lists. */
#define UNREADY  "kubernetes cluster.local {\nendpoint http://127.0.0.1:1\n}\n"
#define COMPLETE "[INFO] Reloading complete"
#define REFUSED  "[ERROR] Restart failed: "

static void test_good_and_bad_by_turns(void **state)
{
	static const char *const bad[] = {"nothing", "bufsize x", "hosts {"};
	struct world *world = *state;

	start(world, HOSTS);
	for (unsigned i = 0; i < 9; i++) {
		const struct config *before = reload_config(world->reload);

		corefile_write(world, i % 2 ? HOSTS "errors" : HOSTS "log");
		reload_now(world->reload, "SIGHUP");
		says(world, COMPLETE, i + 1);
		assert_int_equal(reload_config(world->reload)->blocks[0].plugin_count, 3);
		assert_ptr_not_equal(reload_config(world->reload), before);
		before = reload_config(world->reload);
		corefile_write(world, bad[i % 3]);
		reload_now(world->reload, "SIGUSR1");
		says(world, REFUSED, i + 1);
		assert_ptr_equal(reload_config(world->reload), before);
	}
	assert_int_equal(count(world, "is read: "), 1); /* hosts: kept */
	assert_int_equal(count(world, "[INFO] SIGHUP: Reloading\n"), 9);
}

static void test_no_file(void **state)
{
	struct world *world = *state;

	start(world, HOSTS);
	unlink(world->path);
	reload_now(world->reload, "SIGHUP");
	says(world, REFUSED, 1);
	assert_non_null(strstr(log_text(world), "Corefile"));
}

static void test_not_ready_waits(void **state)
{
	struct world *world = *state;

	start(world, HOSTS);
	corefile_write(world, HOSTS UNREADY);
	reload_now(world->reload, "SIGHUP");
	for (int i = 0; i < 20; i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(reload_config(world->reload)->blocks[0].plugin_count, 2);
	/* what comes meanwhile is remembered, and it is going down before */
	reload_now(world->reload, "SIGUSR1");
	assert_int_equal(count(world, COMPLETE), 0);
	reload_freeze(world->reload);
}

/* One that was not ready before either does not hold up what else is changed. */
static void test_not_ready_before(void **state)
{
	struct world *world = *state;
	const void *instance;

	start(world, UNREADY);
	instance = reload_config(world->reload)->blocks[0].plugins[1].instance;
	corefile_write(world, UNREADY HOSTS);
	reload_now(world->reload, "SIGHUP");
	says(world, COMPLETE, 1);
	assert_ptr_equal(reload_config(world->reload)->blocks[0].plugins[2].instance, instance);
}

static void test_ends_in_the_middle(void **state)
{
	struct world *world = *state;

	start(world, HOSTS UNREADY);
	corefile_write(world, "log\n");
	/* the old kubernetes takes turns of the loop to stop */
	reload_now(world->reload, "SIGHUP");
	assert_int_equal(count(world, COMPLETE), 1);
	assert_int_equal(reload_config(world->reload)->blocks[0].plugin_count, 2);
	reload_now(world->reload, "SIGHUP");
	assert_int_equal(count(world, COMPLETE), 1);
}

static void test_remembered(void **state)
{
	struct world *world = *state;

	start(world, UNREADY);
	corefile_write(world, HOSTS);
	reload_now(world->reload, "SIGHUP");
	corefile_write(world, HOSTS "log");
	reload_now(world->reload, "SIGHUP");
	reload_now(world->reload, "SIGUSR1");
	says(world, COMPLETE, 2);
	assert_int_equal(reload_config(world->reload)->blocks[0].plugin_count, 3);
	assert_int_equal(count(world, "[INFO] Reloading\n"), 2);
}

static void test_standard_input(void **state)
{
	struct world *world = *state;

	start(world, HOSTS "reload");
	world->options.conf = "stdin";
	reload_now(world->reload, "SIGHUP");
	assert_int_equal(count(world, "standard input"), 1);
	assert_int_equal(count(world, "SHA512"), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_good_and_bad_by_turns),
		CASE(test_no_file),
		CASE(test_not_ready_waits),
		CASE(test_not_ready_before),
		CASE(test_ends_in_the_middle),
		CASE(test_remembered),
		CASE(test_standard_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload takes over, seen through whole configurations. */
#include "dns/config.h"
#include "dns/host.h"
#include "dns/observe/log.h"
#include "dns/plugin/list.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

struct world {
	uv_loop_t loop;
	struct host *host;
	char dir[64], file[96];
};

static void file_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	uv_loop_init(&world->loop);
	strcpy(world->dir, "/tmp/test_slot.XXXXXX");
	if (host_new(&world->loop, &world->host) < 0 || !mkdtemp(world->dir))
		return -1;
	snprintf(world->file, sizeof world->file, "%s/hosts", world->dir);
	file_write(world->file, "10.0.0.1 a.example\n");
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	uv_run(&world->loop, UV_RUN_DEFAULT);
	host_free(world->host);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	unlink(world->file);
	rmdir(world->dir);
	free(world);
	return 0;
}

/* DIR stands for the world's folder. */
static struct config *config_of(struct world *world, const char *text, const struct config *old)
{
	struct corefile *corefile = NULL;
	struct config *config = NULL;
	char err[COREFILE_ERROR_MAX] = "", full[2048] = "";
	const char *at;

	for (; (at = strstr(text, "DIR")); text = at + 3) {
		strncat(full, text, (size_t)(at - text));
		strcat(full, world->dir);
	}
	strcat(full, text);
	if (corefile_parse(full, strlen(full), "Corefile", &corefile, err) < 0 ||
		config_next(corefile, 53, old, &config, err) < 0)
		fail_msg("%s: %s", full, err);
	corefile_free(corefile); /* the config holds it */
	if (config_start(config, host_plugin(world->host), err) < 0)
		fail_msg("%s: %s", full, err);
	return config;
}

static void stopped(void *user)
{
	*(bool *)user = true;
}

static void config_end(struct world *world, struct config *config)
{
	bool over = false;

	config_stop(config, false, stopped, &over);
	while (!over)
		uv_run(&world->loop, UV_RUN_ONCE);
	config_free(config);
}

/* How many instances the second configuration takes over from the first. */
static size_t kept(struct world *world, const char *before, const char *after)
{
	struct config *old = config_of(world, before, NULL);
	struct config *new = config_of(world, after, old);
	size_t count = config_kept(new);

	config_end(world, old);
	assert_int_equal(config_kept(new), 0);
	config_end(world, new);
	return count;
}

#define KUBERNETES "kubernetes cluster.local {\nmanifests DIR\n}\n"
#define EXTERNAL   "k8s_external example.org\n"
#define TRANSFER   "transfer {\nto *\n}\n"
#define HOSTS      "hosts DIR/hosts {\nttl 60\n}\n"

static void test_what_is_kept(void **state)
{
	static const struct {
		const char *before, *after;
		size_t kept;
	} rows[] = {
		{". {\n" KUBERNETES "}\n", ". {\n" KUBERNETES "}\n", 1},
		{". {\nerrors\n" KUBERNETES HOSTS "}\n", ". {\n" HOSTS "log\n" KUBERNETES "}\n", 2},
		/* other lines, other zones, another port, another place */
		{". {\n" HOSTS "}\n", ". {\nhosts DIR/hosts {\nttl 61\n}\n}\n", 0},
		{". {\n" HOSTS "}\n", "example.org {\n" HOSTS "}\n", 0},
		{". {\n" HOSTS "}\n", ".:54 {\n" HOSTS "}\n", 0},
		{". {\n" HOSTS "}\n", ". {\nerrors\n}\n", 0},
		{". {\nerrors\n}\n", ". {\n" HOSTS "}\n", 0},
		/* what does not say that it can be kept */
		{". {\nerrors\nlog\n}\n", ". {\nerrors\nlog\n}\n", 0},
		/* who tells another one something, and who was told */
		{". {\n" KUBERNETES "}\n", ". {\n" KUBERNETES EXTERNAL "}\n", 0},
		{". {\n" KUBERNETES EXTERNAL "}\n", ". {\n" KUBERNETES "}\n", 0},
		{". {\n" KUBERNETES EXTERNAL "}\n", ". {\n" KUBERNETES EXTERNAL "}\n", 2},
		{". {\n" KUBERNETES TRANSFER "}\n", ". {\n" KUBERNETES TRANSFER "}\n", 2},
		{". {\n" KUBERNETES TRANSFER "}\n", ". {\n" KUBERNETES "}\n", 1},
		{". {\n" KUBERNETES TRANSFER "}\n", ". {\n" KUBERNETES EXTERNAL TRANSFER "}\n", 0},
		{". {\n" HOSTS TRANSFER "}\n", ". {\n" HOSTS KUBERNETES TRANSFER "}\n", 1},
		/* blocks that change their places, and two of the same keys */
		{"a {\n" HOSTS "}\nb {\n" KUBERNETES "}\n",
			"b {\n" KUBERNETES "}\na {\n" HOSTS "}\n", 2},
		{". {\nbind 127.0.0.1\n" HOSTS "}\n. {\nbind 127.0.0.2\n" KUBERNETES "}\n",
			". {\nbind 127.0.0.2\n" KUBERNETES "}\n. {\nbind 127.0.0.3\n" HOSTS "}\n",
			2},
		{". {\nbind 127.0.0.1\n" HOSTS "}\n. {\nbind 127.0.0.2\n" HOSTS "}\n",
			". {\nbind 127.0.0.2\n" HOSTS "}\n", 1},
		{". {\nbind 127.0.0.1\n" HOSTS "}\n",
			". {\nbind 127.0.0.1\n" HOSTS "}\n. {\nbind 127.0.0.2\n" HOSTS "}\n", 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t count = kept(*state, rows[i].before, rows[i].after);

		if (count != rows[i].kept)
			fail_msg("%zu kept, not %zu, of\n%sin\n%s", count, rows[i].kept,
				rows[i].before, rows[i].after);
	}
}

static void test_a_file_that_has_changed(void **state)
{
	struct world *world = *state;
	struct config *old = config_of(world, ". {\n" HOSTS "}\n", NULL);
	struct config *new;

	file_write(world->file, "10.0.0.1 another.example\n");
	new = config_of(world, ". {\n" HOSTS "}\n", old);
	assert_int_equal(config_kept(new), 0);
	config_end(world, old);
	old = new;
	new = config_of(world, ". {\n" HOSTS "}\n", old);
	assert_int_equal(config_kept(new), 1);
	config_end(world, old);
	config_end(world, new);
}

/* An instance outlives the text, the zones and the blocks that it came with. */
static void test_kept_over_many(void **state)
{
	static const char *const texts[] = {
		"example.org {\nlog\n" HOSTS "}\n", "example.org {\n" HOSTS "errors\n}\n"};
	struct world *world = *state;
	struct config *config = config_of(world, texts[0], NULL);
	const void *instance = config->blocks[0].plugins[1].instance;

	for (int i = 1; i < 20; i++) {
		struct config *next = config_of(world, texts[i % 2], config);

		assert_int_equal(config_kept(next), 1);
		assert_ptr_equal(next->blocks[0].plugins[1].instance, instance);
		assert_ptr_equal(next->blocks[0].plugins[1].plugin, &plugin_hosts);
		config_end(world, config);
		config = next;
	}
	config_end(world, config);
}

/* A reload that fails gives back what it had taken. */
static void test_given_back(void **state)
{
	static const char *const bad[] = {". {\n" HOSTS "bufsize many\n}\n",
		". {\nbufsize many\n" HOSTS "}\n", ". {\n" HOSTS "}\n. {\nerrors\n}\n",
		"a {\n" HOSTS "}\n. {\n" HOSTS "}\nb {\nnothing\n}\n"};
	struct world *world = *state;
	struct config *config = config_of(world, ". {\n" HOSTS "}\n", NULL);

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct corefile *corefile = NULL;
		struct config *next = NULL;
		char err[COREFILE_ERROR_MAX] = "", full[1024];
		const char *at = strstr(bad[i], "DIR");

		snprintf(full, sizeof full, "%.*s%s%s", (int)(at - bad[i]), bad[i], world->dir,
			at + 3);
		assert_int_equal(corefile_parse(full, strlen(full), "Corefile", &corefile, err), 0);
		assert_true(config_next(corefile, 53, config, &next, err) < 0);
		assert_null(next);
		corefile_free(corefile);
		assert_int_equal(config_kept(config), 0);
	}
	config_end(world, config);
}

/* All of them, whoever else has them, and once. */
static void test_stop_all(void **state)
{
	struct world *world = *state;
	struct config *old = config_of(world, ". {\n" HOSTS "}\n", NULL);
	struct config *new = config_of(world, ". {\n" HOSTS KUBERNETES "}\n", old);
	bool old_over = false, new_over = false;

	assert_null(config_unready(old));
	config_stop(new, true, stopped, &new_over);
	config_stop(old, true, stopped, &old_over);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_true(old_over && new_over);
	config_free(old);
	config_free(new);
}

static void test_unready(void **state)
{
	struct world *world = *state;
	struct config *old = config_of(world, ". {\n" HOSTS "}\n", NULL);
	struct config *new = config_of(world, ". {\n" HOSTS KUBERNETES "}\n", old);

	assert_string_equal(config_unready(new), "kubernetes");
	while (config_unready(new))
		uv_run(&world->loop, UV_RUN_ONCE);
	config_end(world, old);
	config_end(world, new);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_is_kept),
		CASE(test_a_file_that_has_changed),
		CASE(test_kept_over_many),
		CASE(test_given_back),
		CASE(test_stop_all),
		CASE(test_unready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "site.h"

#include <errno.h>

/* A plugin whose readiness is set by the test, and which counts questions. */
struct gate {
	bool open;
	unsigned asked;
};

static bool gate_ready(void *instance)
{
	struct gate *gate = instance;

	gate->asked++;
	return gate->open;
}

static const struct plugin plugin_zebra = {.name = "zebra", .ready = gate_ready};
static const struct plugin plugin_ape = {.name = "ape", .ready = gate_ready};
static const struct plugin plugin_plain = {.name = "plain"};

struct fixture {
	struct recorder recorder;
	struct site one, two;
	struct gate zebra, ape;
	struct block_plugin first_plugins[3], second_plugins[1];
	struct block first, second;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	recorder_init(&f->recorder);
	f->first_plugins[0] = (struct block_plugin){&plugin_plain, NULL};
	f->first_plugins[1] = (struct block_plugin){&plugin_zebra, &f->zebra};
	f->first_plugins[2] = (struct block_plugin){&plugin_ape, &f->ape};
	f->second_plugins[0] = (struct block_plugin){&plugin_zebra, &f->zebra};
	f->first = (struct block){.plugins = f->first_plugins, .plugin_count = 3};
	f->second = (struct block){.plugins = f->second_plugins, .plugin_count = 1};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	/* As the server does it: shared memory goes before the instances. */
	recorder_free(&f->recorder);
	site_free(&f->one, &plugin_ready);
	site_free(&f->two, &plugin_ready);
	free(f);
	return 0;
}

static void start(struct fixture *f, struct site *site, const char *text, const struct block *block)
{
	assert_int_equal(site_setup(site, &plugin_ready, text), 0);
	assert_int_equal(
		plugin_ready.start(site->instance, &f->recorder.host, block, site->err), 0);
}

static void test_names_who_is_not_ready(void **state)
{
	struct fixture *f = *state;

	start(f, &f->one, ". {\n ready\n}", &f->first);
	assert_int_equal(f->recorder.routes[0].port, 8181);
	assert_string_equal(f->recorder.routes[0].host, "");
	assert_string_equal(f->recorder.routes[0].path, "/ready");
	assert_string_equal(recorder_get(&f->recorder, 0), "503 ape,zebra");
	f->ape.open = true;
	assert_string_equal(recorder_get(&f->recorder, 0), "503 zebra");
	f->zebra.open = true;
	assert_string_equal(recorder_get(&f->recorder, 0), "200 OK");
}

static void test_ready_once_is_not_asked_again(void **state)
{
	struct fixture *f = *state;

	start(f, &f->one, ". {\n ready {\n monitor until-ready\n}\n}", &f->first);
	f->ape.open = true;
	recorder_get(&f->recorder, 0);
	f->ape.open = false;
	f->zebra.open = true;
	assert_string_equal(recorder_get(&f->recorder, 0), "200 OK");
	f->zebra.open = false;
	assert_string_equal(recorder_get(&f->recorder, 0), "200 OK");
	assert_int_equal(f->ape.asked, 1);
	assert_int_equal(f->zebra.asked, 2);
}

static void test_continuously_asks_each_time(void **state)
{
	struct fixture *f = *state;

	start(f, &f->one, ". {\n ready :1 {\n monitor continuously\n}\n}", &f->first);
	f->ape.open = f->zebra.open = true;
	assert_string_equal(recorder_get(&f->recorder, 0), "200 OK");
	f->ape.open = false;
	assert_string_equal(recorder_get(&f->recorder, 0), "503 ape");
}

static void test_blocks_with_one_address_are_one_set(void **state)
{
	struct fixture *f = *state;

	start(f, &f->one, ". {\n ready\n}", &f->second);
	start(f, &f->two, ". {\n ready\n}", &f->first);
	assert_int_equal(f->recorder.route_count, 1);
	/* zebra is not ready in both, and is named once. */
	assert_string_equal(recorder_get(&f->recorder, 0), "503 ape,zebra");
	f->ape.open = f->zebra.open = true;
	assert_string_equal(recorder_get(&f->recorder, 0), "200 OK");
}

static void test_other_address_is_another_set(void **state)
{
	struct fixture *f = *state;

	start(f, &f->one, ". {\n ready :1\n}", &f->second);
	start(f, &f->two, ". {\n ready :2\n}", &f->first);
	assert_int_equal(f->recorder.route_count, 2);
	assert_string_equal(recorder_get(&f->recorder, 0), "503 zebra");
	assert_string_equal(recorder_get(&f->recorder, 1), "503 ape,zebra");
}

static void test_shutting_down(void **state)
{
	struct fixture *f = *state;

	start(f, &f->one, ". {\n ready\n}", &f->first);
	f->ape.open = f->zebra.open = true;
	f->recorder.stopping = true;
	assert_string_equal(recorder_get(&f->recorder, 0), "503 Shutting down close");
}

static void test_route_failure_is_told(void **state)
{
	struct fixture *f = *state;

	f->recorder.route_error = -ENOMEM;
	assert_int_equal(site_setup(&f->one, &plugin_ready, ". {\n ready\n}"), 0);
	assert_int_equal(
		plugin_ready.start(f->one.instance, &f->recorder.host, &f->first, f->one.err),
		-ENOMEM);
	assert_non_null(strstr(f->one.err, "F:2:2: ready: cannot serve /ready"));
}

static void test_refusals(void **state)
{
	const struct plugin *p = &plugin_ready;

	(void)state;
	site_refused(p, ". {\n ready\n ready\n}", "F:3:2: a server block can have 'ready' once");
	site_refused(p, ". {\n ready a b\n}", "F:2:10: ready: one address at most");
	site_refused(p, ". {\n ready :x\n}", "F:2:8: ready: ':x' is not an address");
	site_refused(p, ". {\n ready {\n monitor\n}\n}", "F:3:2: ready: write 'monitor until");
	site_refused(p, ". {\n ready {\n monitor continously\n}\n}",
		"F:3:10: ready: monitor 'continously'; did you mean 'continuously'?");
	site_refused(p, ". {\n ready {\n monitor no\n}\n}", "F:3:10: ready: monitor 'no'; write");
	site_refused(p, ". {\n ready {\n moniter x\n}\n}", "F:3:2: ready: unknown option");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_who_is_not_ready),
		TEST(test_ready_once_is_not_asked_again),
		TEST(test_continuously_asks_each_time),
		TEST(test_blocks_with_one_address_are_one_set),
		TEST(test_other_address_is_another_set),
		TEST(test_shutting_down),
		TEST(test_route_failure_is_told),
		TEST(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

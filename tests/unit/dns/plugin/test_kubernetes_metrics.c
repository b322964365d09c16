/* SPDX-License-Identifier: Apache-2.0 */
/* A `kubernetes` over a manifest, on a real loop, and what its metrics say. */
#include "cache/epoch.h"
#include "dns/observe/metric.h"
#include "site.h"

#include <uv.h>

static const char manifest[] = "apiVersion: v1\nkind: Service\n"
			       "metadata: {name: web, namespace: shop}\n"
			       "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n";

struct world {
	char dir[64], path[96];
	uv_loop_t loop;
	struct recorder recorder;
	struct metrics *metrics;
	unsigned stopped;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	FILE *file;

	strcpy(world->dir, "/tmp/test_kubernetes_metrics.XXXXXX");
	if (!mkdtemp(world->dir) || metrics_new(&world->metrics) < 0)
		return -1;
	snprintf(world->path, sizeof world->path, "%s/shop.yaml", world->dir);
	file = fopen(world->path, "w");
	fputs(manifest, file);
	fclose(file);
	uv_loop_init(&world->loop);
	recorder_init(&world->recorder);
	world->recorder.host.loop = &world->loop;
	world->recorder.host.metrics = world->metrics;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	assert_int_equal(uv_loop_close(&world->loop), 0);
	metrics_free(world->metrics);
	recorder_free(&world->recorder);
	unlink(world->path);
	rmdir(world->dir);
	free(world);
	return 0;
}

static void site_open(struct world *world, struct site *site)
{
	char text[256];

	snprintf(text, sizeof text,
		". {\n kubernetes cluster.local in-addr.arpa {\n manifests %s\n }\n}", world->dir);
	assert_int_equal(site_setup(site, &plugin_kubernetes, text), 0);
	if (plugin_kubernetes.start(site->instance, &world->recorder.host, NULL, site->err) < 0)
		fail_msg("%s", site->err);
}

static void count_stopped(void *user)
{
	++*(unsigned *)user;
}

static void timer_noop(uv_timer_t *timer)
{
	(void)timer;
}

static char *look(const struct world *world)
{
	char *text;
	size_t len;

	assert_int_equal(metrics_render(world->metrics, &text, &len), 0);
	text = realloc(text, len + 1);
	text[len] = 0;
	return text;
}

/* Turn the loop until a line is there; the copy is made once a second. */
static void wait_for_line(struct world *world, const char *line)
{
	uv_timer_t tick;
	bool found = false;

	uv_timer_init(&world->loop, &tick);
	uv_timer_start(&tick, timer_noop, 50, 50);
	for (int i = 0; i < 400 && !found; i++) {
		char *text = look(world);

		found = strstr(text, line) != NULL;
		free(text);
		if (!found)
			uv_run(&world->loop, UV_RUN_ONCE);
	}
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&world->loop, UV_RUN_NOWAIT);
	if (!found)
		fail_msg("no line '%s' in\n%s", line, look(world));
}

static void site_close(struct world *world, struct site *site)
{
	plugin_kubernetes.stop(site->instance, count_stopped, &world->stopped);
}

#define ZONES "{zones=\"cluster.local.,in-addr.arpa.\""

static void test_kinds_and_cluster(void **state)
{
	struct world *world = *state;
	struct site site;
	char *text;

	site_open(world, &site);
	wait_for_line(world, "binnacle_kubernetes_objects" ZONES ",kind=\"services\"} 1\n");
	wait_for_line(world, "binnacle_kubernetes_synced" ZONES ",kind=\"services\"} 1\n");
	wait_for_line(world, "binnacle_cluster_serial" ZONES "} ");
	text = look(world);
	assert_non_null(
		strstr(text, "binnacle_kubernetes_failures_total" ZONES ",kind=\"services\"} 0\n"));
	assert_non_null(
		strstr(text, "binnacle_kubernetes_forbidden" ZONES ",kind=\"namespaces\"} 0\n"));
	assert_non_null(strstr(
		text, "binnacle_kubernetes_last_contact_age_seconds" ZONES ",kind=\"services\"} "));
	assert_null(strstr(text, "kind=\"pods\"")); /* not watched */
	assert_non_null(strstr(text, "binnacle_cluster_names" ZONES "} "));
	assert_non_null(strstr(text, "binnacle_cluster_bytes" ZONES "} "));
	free(text);
	site_close(world, &site);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->stopped, 1);
	site_free(&site, &plugin_kubernetes);
}

static double value_of(const struct world *world, const char *line)
{
	char *text = look(world);
	const char *at = strstr(text, line);
	const double value = at ? strtod(at + strlen(line), NULL) : -1;

	free(text);
	return value;
}

static void test_copy_follows_the_cluster(void **state)
{
	static const char line[] = "\nbinnacle_cluster_published_total" ZONES "} ";
	struct world *world = *state;
	struct site site;
	uv_timer_t tick;
	double before;
	FILE *file;

	site_open(world, &site);
	wait_for_line(world, "binnacle_kubernetes_objects" ZONES ",kind=\"services\"} 1\n");
	before = value_of(world, line);
	file = fopen(world->path, "a");
	fputs("---\napiVersion: v1\nkind: Service\nmetadata: {name: more, namespace: shop}\n"
	      "spec: {clusterIP: 10.96.0.2}\n",
		file);
	fclose(file);
	uv_timer_init(&world->loop, &tick);
	uv_timer_start(&tick, timer_noop, 50, 50);
	for (int i = 0; i < 600 && value_of(world, line) <= before; i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	assert_true(before >= 0 && value_of(world, line) > before);
	uv_close((uv_handle_t *)&tick, NULL);
	site_close(world, &site);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	site_free(&site, &plugin_kubernetes);
}

static void test_same_zones_twice(void **state)
{
	struct world *world = *state;
	struct site one, two;

	site_open(world, &one);
	site_open(world, &two);
	wait_for_line(world, "binnacle_cluster_names{zones=\"cluster.local.,in-addr.arpa.\"} ");
	wait_for_line(world, "binnacle_cluster_names{zones=\"cluster.local.,in-addr.arpa.#2\"} ");
	site_close(world, &one);
	site_close(world, &two);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->stopped, 2);
	site_free(&one, &plugin_kubernetes);
	site_free(&two, &plugin_kubernetes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds_and_cluster, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy_follows_the_cluster, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_zones_twice, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

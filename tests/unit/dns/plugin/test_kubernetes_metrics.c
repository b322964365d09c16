/* SPDX-License-Identifier: Apache-2.0 */
/* A `kubernetes` over a manifest, on a real loop, and what its metrics say. */
#include "cache/epoch.h"
#include "dns/observe/metric.h"
#include "dns/plugin/kubernetes_metrics.h"
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

/* What a watch of an API server would tell of the Services of this manifest. */
static const char kinds_manifest[] =
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n"
	"spec: {clusterIP: None}\n"
	"---\napiVersion: v1\nkind: Service\nmetadata: {name: out, namespace: shop}\n"
	"spec: {type: ExternalName, externalName: example.org}\n";

struct counting {
	struct kubernetes_options options;
	struct name zone;
	struct cluster *cluster;
	struct watch *watch;
	struct kubernetes_metrics *metrics;
};

static void counting_open(struct world *world, struct counting *counting)
{
	const char *const paths[] = {world->dir, NULL};
	struct cluster_config config = {.zones = &counting->zone, .zone_count = 1};
	const struct watch_config watch = {.source = WATCH_MANIFESTS,
		.kinds = KIND_BIT(KIND_SERVICE) | KIND_BIT(KIND_NAMESPACE),
		.paths = paths};
	FILE *file = fopen(world->path, "a");
	struct sink sink;
	char err[256];

	fputs(kinds_manifest, file);
	fclose(file);
	memset(counting, 0, sizeof *counting);
	name_from_text("cluster.local", 13, &counting->zone);
	counting->options.zones = &counting->zone;
	counting->options.zone_count = 1;
	assert_int_equal(cluster_new(&config, &counting->cluster), 0);
	sink = cluster_sink(counting->cluster, NULL, NULL);
	assert_int_equal(
		watch_start(&world->loop, &watch, &sink, &counting->watch, err, sizeof err), 0);
	assert_int_equal(kubernetes_metrics_start(&world->recorder.host, &counting->options,
				 counting->cluster, counting->watch, &counting->metrics),
		0);
	wait_for_line(world, "binnacle_kubernetes_objects{zones=\"cluster.local.\","
			     "kind=\"services\"} 3\n");
}

static void counting_close(struct world *world, struct counting *counting)
{
	kubernetes_metrics_stop(counting->metrics, count_stopped, &world->stopped);
	watch_close(counting->watch, count_stopped, &world->stopped);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->stopped, 2);
	kubernetes_metrics_free(counting->metrics);
	cluster_free(counting->cluster);
}

static void triggered(struct counting *counting, const char *name, int64_t ms_ago)
{
	struct watch_event event = {
		.type = WATCH_TRIGGERED, .kind = KIND_SLICE, .ns = "shop", .name = name};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	event.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - ms_ago * 1000000;
	kubernetes_metrics_event(counting->metrics, &event);
}

static void has_lines(struct world *world, const char *const *lines)
{
	char *text = look(world);

	for (; *lines; lines++) {
		if (!strstr(text, *lines))
			fail_msg("no line '%s' in\n%s", *lines, text);
	}
	free(text);
}

#define PUBLISH "\nbinnacle_kubernetes_publish_duration_seconds_"

static void test_publish(void **state)
{
	static const char *const lines[] = {
		PUBLISH "bucket{kind=\"services\",le=\"0.00001\"} 1\n",
		PUBLISH "bucket{kind=\"services\",le=\"0.0005\"} 2\n",
		PUBLISH "bucket{kind=\"services\",le=\"0.1\"} 2\n",
		PUBLISH "count{kind=\"services\"} 3\n",
		PUBLISH "count{kind=\"endpointslices\"} 1\n",
		NULL,
	};
	static const struct {
		enum object_kind kind;
		int64_t ns;
	} events[] = {{KIND_SERVICE, 9000}, {KIND_SERVICE, 400000}, {KIND_SERVICE, 2000000000},
		{KIND_SLICE, 1}};
	struct world *world = *state;
	struct counting counting;

	counting_open(world, &counting);
	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		const struct watch_event event = {
			.type = WATCH_PUBLISHED, .kind = events[i].kind, .time_ns = events[i].ns};

		kubernetes_metrics_event(counting.metrics, &event);
	}
	has_lines(world, lines);
	counting_close(world, &counting);
}

#define PROGRAMMING "\ncoredns_kubernetes_dns_programming_duration_seconds_"

/* By the kind of the Service; of one that is an alias or not there, nothing. */
static void test_programming(void **state)
{
	static const char *const lines[] = {
		PROGRAMMING "bucket{service_kind=\"cluster_ip\",le=\"0.001\"} 1\n",
		PROGRAMMING "bucket{service_kind=\"cluster_ip\",le=\"65.536\"} 1\n",
		PROGRAMMING "bucket{service_kind=\"cluster_ip\",le=\"131.072\"} 2\n",
		PROGRAMMING "bucket{service_kind=\"cluster_ip\",le=\"524.288\"} 2\n",
		PROGRAMMING "count{service_kind=\"cluster_ip\"} 2\n",
		PROGRAMMING "bucket{service_kind=\"headless_with_selector\",le=\"524.288\"} 0\n",
		PROGRAMMING "count{service_kind=\"headless_with_selector\"} 1\n",
		NULL,
	};
	struct world *world = *state;
	struct counting counting;

	counting_open(world, &counting);
	triggered(&counting, "web", 100000);
	triggered(&counting, "web", -5000); /* whose clock is ahead */
	triggered(&counting, "db", 600000);
	triggered(&counting, "out", 1000);
	triggered(&counting, "gone", 1000);
	has_lines(world, lines);
	counting_close(world, &counting);
	has_lines(world, lines); /* what was counted stays */
}

#define CLIENT "\ncoredns_kubernetes_rest_client_request"

static void test_answers(void **state)
{
	static const char *const lines[] = {
		CLIENT "s_total{code=\"200\",method=\"GET\",host=\"10.96.0.1:443\"} 2\n",
		CLIENT "s_total{code=\"<error>\",method=\"GET\",host=\"api.example\"} 1\n",
		CLIENT "_duration_seconds_bucket{verb=\"GET\",host=\"10.96.0.1:443\",le=\"0.005\"} "
		       "1\n",
		CLIENT
		"_duration_seconds_bucket{verb=\"GET\",host=\"10.96.0.1:443\",le=\"10\"} 2\n",
		CLIENT "_duration_seconds_count{verb=\"GET\",host=\"api.example\"} 1\n",
		NULL,
	};
	struct watch_event event = {
		.type = WATCH_ANSWERED, .source = "https://10.96.0.1:443", .status = 200};
	struct world *world = *state;
	struct counting counting;

	counting_open(world, &counting);
	kubernetes_metrics_event(counting.metrics, &event);
	event.time_ns = 9000000000;
	kubernetes_metrics_event(counting.metrics, &event);
	event.source = "https://api.example/prefix";
	event.status = 0;
	kubernetes_metrics_event(counting.metrics, &event);
	has_lines(world, lines);
	counting_close(world, &counting);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds_and_cluster, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy_follows_the_cluster, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_zones_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_publish, setup, teardown),
		cmocka_unit_test_setup_teardown(test_programming, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

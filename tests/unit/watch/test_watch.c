/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/watch.h"

#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

struct fixture {
	struct peer_world world;
	struct peer peer;
	struct watch_config config;
	struct sink sink;
	struct watch *watch;
	unsigned begins, upserts, ends, synced, missing, unreachable, reachable;
	bool all, watching, told, closed;
	bool close_on_sync;
	char hostname[64];     /* of the slice's endpoint */
	char selectors[3][64]; /* of the last request for Services and for Namespaces */
	char err[512];
};

/* ---- a sink that counts ---- */

static void set_true(void *user)
{
	*(bool *)user = true;
}

static void sink_begin(void *ctx, enum object_kind kind)
{
	struct fixture *f = ctx;

	(void)kind;
	f->begins++;
}

static int sink_upsert(void *ctx, struct object *object)
{
	struct fixture *f = ctx;

	f->upserts++;
	if (object->kind == KIND_SLICE && ((struct endpoint_slice *)object)->v4_hostnames)
		snprintf(f->hostname, sizeof f->hostname, "%s",
			((struct endpoint_slice *)object)->v4_hostnames[0]);
	object_free(object);
	return 0;
}

static void sink_remove(
	void *ctx, enum object_kind kind, const char *ns, const char *name, uint64_t version)
{
	(void)ctx;
	(void)kind;
	(void)ns;
	(void)name;
	(void)version;
	fail_msg("nothing was deleted");
}

static void sink_end(void *ctx, enum object_kind kind, uint64_t version)
{
	struct fixture *f = ctx;

	(void)kind;
	(void)version;
	f->ends++;
}

static void sink_abort(void *ctx, enum object_kind kind)
{
	(void)ctx;
	(void)kind;
}

static void sink_settle(void *ctx)
{
	(void)ctx;
}

static void sink_event(void *ctx, const struct watch_event *event)
{
	struct fixture *f = ctx;

	f->synced += event->type == WATCH_SYNCED;
	f->unreachable += event->type == WATCH_UNREACHABLE;
	f->reachable += event->type == WATCH_REACHABLE;
	f->missing += event->type == WATCH_API_MISSING;
	f->all = f->synced + f->missing == 2;
	f->told = true;
	if (event->type == WATCH_SYNCED && f->close_on_sync && f->watch) {
		watch_close(f->watch, set_true, &f->closed);
		f->watch = NULL;
	}
}

/* ---- an API server that has one Service, one Namespace and one slice ---- */

static void say_body(struct peer_conn *conn, const char *status, const char *body)
{
	char text[2048];

	snprintf(text, sizeof text,
		"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		status, strlen(body), body);
	peer_say(conn, text);
}

static void selector_note(struct fixture *f, const char *request)
{
	const char *selector = strstr(request, "labelSelector=");
	char *to = f->selectors[0];

	if (strstr(request, "/namespaces?"))
		to = f->selectors[1];
	else if (strstr(request, "/serviceimports?"))
		to = f->selectors[2];

	to[0] = '\0';
	if (selector)
		sscanf(selector, "labelSelector=%63[^& ]", to);
}

static void answer(struct peer_conn *conn, const char *request)
{
	struct fixture *f = conn->peer->user;

	selector_note(f, request);
	if (strstr(request, "/serviceimports?")) {
		say_body(conn, "404 X",
			"{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\"}");
		return;
	}
	if (strstr(request, "sendInitialEvents")) {
		say_body(
			conn, "422 X", "{\"kind\":\"Status\",\"code\":422,\"reason\":\"Invalid\"}");
	} else if (strstr(request, "watch=true")) {
		f->watching = true;
		peer_say(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			       "Transfer-Encoding: chunked\r\n\r\n");
	} else if (strstr(request, "/services?")) {
		say_body(conn, "200 OK",
			"{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{"
			"\"resourceVersion\":\"7\"},\"items\":[{\"metadata\":{\"name\":\"a\","
			"\"namespace\":\"b\",\"resourceVersion\":\"5\"},\"spec\":{\"type\":"
			"\"ClusterIP\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"]}}]"
			"}");
	} else if (strstr(request, "/namespaces?")) {
		say_body(conn, "200 OK",
			"{\"kind\":\"NamespaceList\",\"apiVersion\":\"v1\",\"metadata\":{"
			"\"resourceVersion\":\"7\"},\"items\":[{\"metadata\":{\"name\":\"b\","
			"\"resourceVersion\":\"1\"}}]}");
	} else if (strstr(request, "GET /apis/discovery.k8s.io/v1 ")) {
		say_body(conn, "200 OK",
			"{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":"
			"\"endpointslices\"}]}");
	} else if (strstr(request, "/endpointslices?")) {
		say_body(conn, "200 OK",
			"{\"kind\":\"EndpointSliceList\",\"apiVersion\":\"discovery.k8s.io/v1\","
			"\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{\"metadata\":{"
			"\"name\":"
			"\"s\",\"namespace\":\"b\",\"labels\":{\"kubernetes.io/"
			"service-name\":\"a\"}},"
			"\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.1.0.1\"],"
			"\"targetRef\":{\"kind\":\"Pod\",\"name\":\"a-x\"}}]}]}");
	} else {
		fail_msg("asked for: %.100s", request);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	peer_world_open(&f->world);
	assert_int_equal(peer_open(&f->peer, &f->world.loop, 0), 0);
	f->peer.answer = answer;
	f->peer.user = f;
	f->sink = (struct sink){f, sink_begin, sink_upsert, sink_remove, sink_end, sink_abort,
		sink_settle, sink_event};
	f->config = (struct watch_config){
		.source = WATCH_ENDPOINT,
		.kinds = KIND_BIT(KIND_SERVICE) | KIND_BIT(KIND_NAMESPACE),
		.user_agent = "test",
		.endpoint = f->peer.url,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->watch) {
		watch_close(f->watch, set_true, &f->closed);
		assert_true(peer_world_run(&f->world, &f->closed));
	}
	peer_close(&f->peer);
	assert_true(peer_world_close(&f->world));
	free(f);
	return 0;
}

static int start(struct fixture *f)
{
	return watch_start(&f->world.loop, &f->config, &f->sink, &f->watch, f->err, sizeof f->err);
}

/* ---- tests ---- */

static void test_session(void **state)
{
	struct fixture *f = *state;
	struct watch_stats stats;

	assert_int_equal(start(f), 0);
	assert_false(watch_synced(f->watch));
	assert_true(peer_world_run(&f->world, &f->all));
	assert_true(watch_synced(f->watch));
	assert_int_equal(f->begins, 2);
	assert_int_equal(f->upserts, 2);
	assert_int_equal(f->ends, 2);
	watch_stats(f->watch, KIND_SERVICE, &stats);
	assert_true(stats.synced);
	assert_int_equal(stats.objects, 1);
	assert_int_equal(stats.lists, 1);
	assert_int_equal(stats.version, 7);
	assert_true(stats.bytes > 100);
	watch_stats(f->watch, KIND_POD, &stats);
	assert_int_equal(stats.state, WATCH_STATE_OFF);
	assert_int_equal(stats.lists, 0);
	assert_true(peer_world_run(&f->world, &f->watching));
}

/* Each kind by the labels it has itself. */
static void test_selectors(void **state)
{
	struct fixture *f = *state;

	f->config.label_selector = "app=web";
	f->config.namespace_selector = "team=a";
	assert_int_equal(start(f), 0);
	assert_true(peer_world_run(&f->world, &f->all));
	assert_string_equal(f->selectors[0], "app%3Dweb");
	assert_string_equal(f->selectors[1], "team%3Da");
}

/* Nothing selects among imports; their slices have a label of their own, too. */
static void test_imports(void **state)
{
	struct fixture *f = *state;

	f->config.kinds = KIND_BIT(KIND_IMPORT) | KIND_BIT(KIND_IMPORT_SLICE);
	f->config.label_selector = "app=web";
	f->config.namespace_selector = "team=a";
	assert_int_equal(start(f), 0);
	assert_true(peer_world_run(&f->world, &f->all));
	assert_true(watch_synced(f->watch));
	assert_int_equal(f->missing, 1);
	assert_string_equal(f->selectors[2], "");
	assert_string_equal(
		f->selectors[0], "multicluster.kubernetes.io%2Fservice-name%2Capp%3Dweb");
}

static void test_a_namespace_selector_alone(void **state)
{
	struct fixture *f = *state;

	f->config.namespace_selector = "team=a";
	assert_int_equal(start(f), 0);
	assert_true(peer_world_run(&f->world, &f->all));
	assert_string_equal(f->selectors[0], "");
	assert_string_equal(f->selectors[1], "team%3Da");
}

static void test_pod_names(void **state)
{
	struct fixture *f = *state;

	f->config.kinds = KIND_BIT(KIND_SERVICE) | KIND_BIT(KIND_SLICE);
	f->config.endpoint_pod_names = true;
	assert_int_equal(start(f), 0);
	assert_true(peer_world_run(&f->world, &f->all));
	assert_string_equal(f->hostname, "a-x");
}

static void test_no_pod_names(void **state)
{
	struct fixture *f = *state;

	f->config.kinds = KIND_BIT(KIND_SERVICE) | KIND_BIT(KIND_SLICE);
	assert_int_equal(start(f), 0);
	assert_true(peer_world_run(&f->world, &f->all));
	assert_string_equal(f->hostname, "");
}

static void test_not_synced_before_the_last_kind(void **state)
{
	struct fixture *f = *state;
	bool one = false;

	assert_int_equal(start(f), 0);
	while (!one && f->world.ticks_left > 0) {
		uv_run(&f->world.loop, UV_RUN_ONCE);
		one = f->synced > 0;
		assert_int_equal(watch_synced(f->watch), f->synced == 2);
	}
	assert_true(one);
}

static void test_server_comes_later(void **state)
{
	struct fixture *f = *state;
	uint16_t port = f->peer.port;

	peer_close(&f->peer);
	uv_run(&f->world.loop, UV_RUN_NOWAIT);
	assert_int_equal(start(f), 0);
	assert_true(peer_world_run(&f->world, &f->told));
	assert_int_equal(f->unreachable, 1);
	memset(&f->peer, 0, sizeof f->peer);
	f->peer.answer = answer;
	f->peer.user = f;
	assert_int_equal(peer_open(&f->peer, &f->world.loop, port), 0);
	assert_true(peer_world_run(&f->world, &f->all));
	assert_int_equal(f->unreachable, 1);
	assert_int_equal(f->reachable, 1);
}

static void test_close_from_the_sink(void **state)
{
	struct fixture *f = *state;

	f->close_on_sync = true;
	assert_int_equal(start(f), 0);
	assert_true(peer_world_run(&f->world, &f->closed));
	assert_int_equal(f->synced, 1);
}

static void test_close_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(start(f), 0);
	watch_close(f->watch, NULL, NULL); /* no callback is wanted */
	f->watch = NULL;
}

static void *stats_read(void *user)
{
	struct fixture *f = user;
	struct watch_stats stats;

	while (!watch_synced(f->watch))
		watch_stats(f->watch, KIND_SERVICE, &stats);
	watch_stats(f->watch, KIND_SERVICE, &stats);
	return (void *)(uintptr_t)stats.objects;
}

static void test_stats_from_another_thread(void **state)
{
	struct fixture *f = *state;
	void *objects = NULL;
	pthread_t thread;

	assert_int_equal(start(f), 0);
	assert_int_equal(pthread_create(&thread, NULL, stats_read, f), 0);
	assert_true(peer_world_run(&f->world, &f->all));
	assert_int_equal(pthread_join(thread, &objects), 0);
	assert_int_equal((uintptr_t)objects, 1);
}

static void test_configurations_refused(void **state)
{
	const char *const paths[] = {"/nonexistent/demo", NULL};
	const struct {
		struct watch_config config;
		const char *err; /* must be in it */
	} rows[] = {
		{{.source = WATCH_ENDPOINT, .endpoint = "http://127.0.0.1:1", .user_agent = "t"},
			"kind"},
		{{.source = WATCH_ENDPOINT,
			 .kinds = 1u << KIND_COUNT,
			 .user_agent = "t",
			 .endpoint = "http://127.0.0.1:1"},
			"kind"},
		{{.source = WATCH_ENDPOINT, .kinds = 1, .endpoint = "http://127.0.0.1:1"},
			"user agent"},
		{{.source = WATCH_ENDPOINT,
			 .kinds = 1,
			 .endpoint = "http://127.0.0.1:1",
			 .user_agent = "t",
			 .label_selector = "a in ("},
			""},
		{{.source = WATCH_ENDPOINT,
			 .kinds = 1,
			 .endpoint = "http://127.0.0.1:1",
			 .user_agent = "t",
			 .label_selector = "a",
			 .namespace_selector = "a in ("},
			"character 7"},
		{{.source = WATCH_ENDPOINT,
			 .kinds = 1,
			 .endpoint = "http://127.0.0.1:1",
			 .user_agent = "t",
			 .tls_ca = "/nonexistent/ca.crt"},
			"/nonexistent/ca.crt"},
		{{.source = WATCH_IN_CLUSTER, .kinds = 1, .user_agent = "t"},
			"KUBERNETES_SERVICE_HOST"},
		{{.source = WATCH_KUBECONFIG,
			 .kinds = 1,
			 .user_agent = "t",
			 .kubeconfig = "/nonexistent/config"},
			"/nonexistent/config"},
		{{.source = WATCH_MANIFESTS, .kinds = 1, .paths = paths}, "/nonexistent/demo"},
	};
	struct fixture *f = *state;

	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		f->config = rows[i].config;
		f->err[0] = '\0';
		assert_true(start(f) < 0);
		assert_null(f->watch);
		assert_true(f->err[0] != '\0');
		if (!strstr(f->err, rows[i].err))
			fail_msg("row %zu: \"%s\" lacks \"%s\"", i, f->err, rows[i].err);
	}
}

static void test_selector_check(void **state)
{
	char err[200] = "";

	(void)state;
	assert_int_equal(watch_selector_check("app=web,tier in (a,b)", err, sizeof err), 0);
	assert_int_equal(watch_selector_check("", err, sizeof err), 0);
	assert_int_equal(watch_selector_check("app in (", err, sizeof err), -EINVAL);
	assert_true(err[0] != '\0');
}

static void test_manifests(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/test_watch_XXXXXX.yaml";
	const char *paths[] = {path, NULL};
	int fd = mkstemps(path, 5);
	const char text[] = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: b}\n"
			    "spec: {clusterIP: 10.0.0.1}\n---\napiVersion: v1\nkind: Namespace\n"
			    "metadata: {name: b}\n";
	struct watch_stats stats;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
	close(fd);
	f->config.source = WATCH_MANIFESTS;
	f->config.paths = paths;
	assert_int_equal(start(f), 0);
	while (!watch_synced(f->watch) && f->world.ticks_left > 0)
		uv_run(&f->world.loop, UV_RUN_ONCE);
	unlink(path);
	assert_true(watch_synced(f->watch));
	assert_true(f->upserts >= 2);
	watch_stats(f->watch, KIND_SERVICE, &stats);
	assert_int_equal(stats.objects, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_session, setup, teardown),
		cmocka_unit_test_setup_teardown(test_selectors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_imports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_namespace_selector_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pod_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_pod_names, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_not_synced_before_the_last_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_comes_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_from_the_sink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stats_from_another_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_configurations_refused, setup, teardown),
		cmocka_unit_test(test_selector_check),
		cmocka_unit_test_setup_teardown(test_manifests, setup, teardown),
	};
	int rc;

	if (watch_global_init() < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	watch_global_cleanup();
	return rc;
}

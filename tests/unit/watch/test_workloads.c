/* SPDX-License-Identifier: Apache-2.0 */
/* Services and what their selectors find, as text. */

#include "watch/workloads.h"

#include "nomem.h"
#include "workload_script.h"

#define SERVICE(name, spec)                                                                        \
	"{apiVersion: v1, kind: Service, metadata: {name: " name "}, spec: {" spec "}}\n---\n"
#define POD(name, labels, ip)                                                                      \
	"{apiVersion: v1, kind: Pod, metadata: {name: " name ", labels: {" labels                  \
	"}}, status: {podIP: " ip "}}\n---\n"
#define SLICE(name) "default/" name "-manifest-v4-0 IPv4 [] kubernetes.io/service-name=" name "\n"

static void assert_expands(struct script *s, const char *yaml, const char *wanted)
{
	const struct workload_host host = script_host(s);

	script_read(s, yaml);
	assert_int_equal(workloads_expand(s->inputs, s->count, &host), 0);
	script_assert(s, wanted);
}

static void test_kinds(void **state)
{
	(void)state;
	assert_string_equal(workloads_kind("apps/v1", "StatefulSet"), "StatefulSet");
	assert_string_equal(workloads_kind("apps/v1beta2", "DaemonSet"), "DaemonSet");
	assert_string_equal(workloads_kind("extensions/v1beta1", "ReplicaSet"), "ReplicaSet");
	assert_string_equal(workloads_kind("v1", "ReplicationController"), "ReplicationController");
	assert_null(workloads_kind("v1", "Deployment"));
	assert_null(workloads_kind("apps.example/v1", "Deployment"));
	assert_null(workloads_kind("extensions/v1beta1", "StatefulSet"));
	assert_null(workloads_kind("batch/v1", "Job"));
}

static void assert_selects(const char *spec, bool selects)
{
	cJSON *service = cJSON_CreateObject();

	assert_true(cJSON_AddItemToObject(service, "spec", cJSON_Parse(spec)));
	if (workloads_selects(service) != selects)
		fail_msg("%s: not %d", spec, selects);
	cJSON_Delete(service);
}

static void test_who_selects(void **state)
{
	(void)state;
	assert_selects("{\"selector\":{\"a\":\"b\"}}", true);
	assert_selects("{\"selector\":{\"a\":\"b\"},\"clusterIP\":\"None\"}", true);
	assert_selects("{\"selector\":{\"a\":\"b\"},\"type\":\"ExternalName\"}", false);
	assert_selects("{\"selector\":{}}", false);
	assert_selects("{\"selector\":null}", false);
	assert_selects("{\"selector\":[\"a\"]}", false);
	assert_selects("{}", false);
	assert_selects("[]", false);
	assert_false(workloads_selects(NULL));
}

static void test_prune(void **state)
{
	struct script *s = *state;
	char *text;

	script_read(s,
		"{apiVersion: apps/v1, kind: StatefulSet, other: 1, metadata: {name: a, uid: x,"
		" labels: {a: b}}, spec: {replicas: 2, selector: {}, template: {metadata: {name: t,"
		" annotations: {}}, spec: {nodeName: n, hostname: h, containers: [{image: i,"
		" ports: [{containerPort: 1}]}, 5]}}}, status: {phase: x, replicas: 7}}\n");
	workloads_prune((cJSON *)(uintptr_t)s->inputs[0].tree);
	text = cJSON_PrintUnformatted(s->inputs[0].tree);
	assert_string_equal(text,
		"{\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"a\",\"labels\":{\"a\":\"b\"},"
		"\"namespace\":\"default\"},\"spec\":{\"replicas\":2,\"template\":{\"metadata\":{"
		"\"name\":\"t\"},\"spec\":{\"hostname\":\"h\",\"containers\":[{\"ports\":[{"
		"\"containerPort\":1}]},5]}}},\"status\":{\"phase\":\"x\"}}");
	cJSON_free(text);
}

/* All of the selector's pairs, and the namespace. */
static void test_selectors(void **state)
{
	assert_expands(*state,
		SERVICE("one", "selector: {app: web}") SERVICE(
			"two", "selector: {app: web, tier: a}") SERVICE("none",
			"selector: {app: db}") SERVICE("all", "selector: {}") SERVICE("out",
			"type: ExternalName, externalName: x, selector: "
			"{app: web}") "{apiVersion: v1, kind: Service, "
				      "metadata: {name: three, namespace: "
				      "x},"
				      " spec: {selector: {app: web}}}\n---\n"
				      "{apiVersion: v1, kind: Pod, "
				      "metadata: {name: p, namespace: x, "
				      "labels: {app: web}},"
				      " status: {podIP: 10.2.0.1}}\n---\n"
				      "{apiVersion: v1, kind: Pod, "
				      "metadata: {name: p, namespace: a, "
				      "labels: {app: web}},"
				      " status: {podIP: "
				      "10.3.0.1}}\n---\n" POD("p", "app: web", "10.1.0.1")
					      POD("q", "app: web, tier: a, more: b", "10.1.0.2")
						      POD("r", "app: webb", "10.1.0.3")
							      POD("t", "", "10.1.0.4"),
		SLICE("one") "  10.1.0.1 p\n  10.1.0.2 q\n" SLICE(
			"two") "  10.1.0.2 q\n"
			       "x/three-manifest-v4-0 IPv4 [] kubernetes.io/service-name=three\n  "
			       "10.2.0.1 p\n");
}

static void test_templates(void **state)
{
	assert_expands(*state,
		SERVICE("nginx", "clusterIP: None, selector: {app: nginx}") SERVICE("other",
			"clusterIP: None, selector: {app: nginx}") "apiVersion: apps/v1\nkind: "
								   "StatefulSet\nmetadata: {name: "
								   "web}\n"
								   "spec: {serviceName: nginx, "
								   "template: {metadata: {labels: "
								   "{app: nginx}}}}\n",
		SLICE("nginx") "  10.241.76.28 web-0 =web-0\n" SLICE(
			"other") "  10.241.76.28 web-0\n");
}

/* Somebody has written them: nothing is added. */
static void test_written_endpoints_count(void **state)
{
	assert_expands(*state,
		SERVICE("a", "selector: {app: web}") SERVICE("b", "selector: {app: web}") SERVICE(
			"c", "selector: {app: web}") "{apiVersion: v1, kind: Service, metadata: "
						     "{name: a, namespace: x},"
						     " spec: {selector: {app: web}}}\n---\n"
						     "{apiVersion: v1, kind: Endpoints, metadata: "
						     "{name: a}, subsets: []}\n---\n"
						     "{apiVersion: discovery.k8s.io/v1, kind: "
						     "EndpointSlice, metadata: {name: x,"
						     " labels: {kubernetes.io/service-name: b}}, "
						     "addressType: IPv4}\n---\n"
						     "{apiVersion: v1, kind: Pod, metadata: {name: "
						     "p, namespace: x, labels: {app: web}},"
						     " status: {podIP: 10.2.0.1}}\n---\n" POD(
							     "p", "app: web", "10.1.0.1"),
		SLICE("c") "  10.1.0.1 p\n"
			   "x/a-manifest-v4-0 IPv4 [] kubernetes.io/service-name=a\n  10.2.0.1 "
			   "p\n");
}

static void test_a_selector_that_cannot_be_used(void **state)
{
	struct script *s = *state;
	const struct workload_host host = script_host(s);

	assert_expands(s,
		SERVICE("a", "selector: {app: web, version: 1}")
			SERVICE("b", "selector: {app: web}") POD("p", "app: web", "10.1.0.1"),
		"refused Service default/a: spec.selector: version is not a string\n" SLICE(
			"b") "  10.1.0.1 p\n");
	s->fails = -ENOMEM;
	assert_int_equal(workloads_expand(s->inputs, s->count, &host), -ENOMEM);
}

static void test_nothing_at_all(void **state)
{
	struct script *s = *state;
	const struct workload_host host = script_host(s);

	assert_int_equal(workloads_expand(NULL, 0, &host), 0);
	assert_expands(s, SERVICE("a", "selector: {app: web}"), "");
}

static void test_no_memory(void **state)
{
	struct script *s = *state;
	const struct workload_host host = script_host(s);
	cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};
	unsigned nth = 1;
	int rc;

	script_read(s, SERVICE("a", "selector: {app: web}") SERVICE("b", "selector: {app: 5}")
			       POD("p", "app: web", "10.1.0.1"));
	cJSON_InitHooks(&hooks);
	do {
		s->used = 0;
		nomem_at(nth++);
		rc = workloads_expand(s->inputs, s->count, &host);
		nomem_left = rc == 0 ? nomem_left : 0;
		assert_true(rc == 0 || rc == -ENOMEM);
	} while (rc < 0);
	cJSON_InitHooks(NULL);
	assert_true(nomem_left > 0);
	nomem_at(0);
	assert_true(nth > 40);
	script_assert(s,
		SLICE("a") "  10.1.0.1 p\n"
			   "refused Service default/b: spec.selector: app is not a string\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_who_selects),
		cmocka_unit_test_setup_teardown(test_prune, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_selectors, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_templates, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_written_endpoints_count, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_selector_that_cannot_be_used, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_nothing_at_all, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, script_setup, script_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

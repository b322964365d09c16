/* SPDX-License-Identifier: Apache-2.0 */
/* The slices of one Service and all Pods there are, as text. */

#include "watch/workload_slices.h"

#include "nomem.h"
#include "workload_script.h"

#define SERVICE(spec)                                                                              \
	"{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {" spec "}}\n---\n"
#define SET                                                                                        \
	"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {serviceName: "      \
	"web}}\n"
#define POD(name, spec, status)                                                                    \
	"{apiVersion: v1, kind: Pod, metadata: {name: " name "}, spec: {" spec                     \
	"}, status: {" status "}}\n---\n"
#define LABEL " kubernetes.io/service-name=web\n"

/* The first input is the Service. */
static int make(struct script *s, uint32_t *endpoints)
{
	const struct workload_host host = script_host(s);
	const struct workload_source *sources[SCRIPT_INPUTS];
	struct workload_pods pods;
	int rc = workload_pods_make(s->inputs, s->count, &host, &pods);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < pods.source_count; i++)
		sources[i] = &pods.sources[i];
	rc = workload_slices_make(
		&s->inputs[0], 0, &pods, sources, pods.source_count, &host, endpoints);
	workload_pods_clear(&pods);
	return rc;
}

static void assert_slices(struct script *s, const char *yaml, const char *wanted)
{
	uint32_t endpoints = 0;

	script_read(s, yaml);
	assert_int_equal(make(s, &endpoints), 0);
	script_assert(s, wanted);
}

static void test_a_statefulset(void **state)
{
	assert_slices(*state,
		"{apiVersion: v1, kind: Service, metadata: {name: web, namespace: x, labels: {a: b,"
		" n: 1, kubernetes.io/service-name: other}}, spec: {ports: [{name: http, port: "
		"80}]}}\n"
		"---\n"
		"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: x},"
		" spec: {serviceName: web, replicas: 2}}\n",
		"x/web-manifest-v4-0 IPv4 [http:80/TCP] a=b kubernetes.io/service-name=web\n"
		"  10.242.224.31 db-0 =db-0\n"
		"  10.249.134.238 db-1 =db-1\n");
}

static void test_families(void **state)
{
	static const char pods[] = POD("a", "", "podIPs: [{ip: 'fd00::1'}, {ip: 10.1.0.1}]")
		POD("b", "", "podIP: 10.1.0.2") SET;
	static const char v4_a[] = "  10.1.0.1 a\n", v4_b[] = "  10.1.0.2 b\n",
			  v4_db[] = "  10.247.73.249 db-0 =db-0\n", v6_a[] = "  fd00::1 a\n",
			  v6_db[] = "  fd00:10:240::7:49f9 db-0 =db-0\n";
	static const struct {
		const char *spec;
		bool v4, v6;
	} rows[] = {
		{"clusterIP: 10.96.0.1", true, false},
		{"ipFamilies: [IPv4]", true, false},
		{"ipFamilies: [IPv6]", false, true},
		{"clusterIPs: ['fd00::5']", false, true},
		{"ipFamilyPolicy: PreferDualStack", true, true},
		{"ipFamilies: [IPv6, IPv4]", true, true},
		{"clusterIP: None, ipFamilyPolicy: RequireDualStack", true, true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char yaml[2048], wanted[1024] = "";

		snprintf(yaml, sizeof yaml, SERVICE("%s") "%s", rows[i].spec, pods);
		if (rows[i].v4)
			snprintf(wanted, sizeof wanted,
				"default/web-manifest-v4-0 IPv4 []" LABEL "%s%s%s", v4_a, v4_b,
				v4_db);
		if (rows[i].v6)
			snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted),
				"default/web-manifest-v6-0 IPv6 []" LABEL "%s%s", v6_a, v6_db);
		assert_slices(*state, yaml, wanted);
	}
}

static void test_a_silent_headless_service(void **state)
{
	assert_slices(*state,
		SERVICE("clusterIP: None") POD("a", "", "podIPs: [{ip: 'fd00::1'}, {ip: 10.1.0.1}]")
			POD("b", "", "podIP: 10.1.0.2"),
		"default/web-manifest-v4-0 IPv4 []" LABEL "  10.1.0.2 b\n"
		"default/web-manifest-v6-0 IPv6 []" LABEL "  fd00::1 a\n");
}

#define CONTAINERS(port)                                                                           \
	"containers: [{}, {ports: 5}, {ports: [{}, {name: admin, containerPort: " port "}]}]"

static void test_ports_and_their_targets(void **state)
{
	assert_slices(*state,
		SERVICE("ports: [{port: 80}, {name: zero, port: 81, targetPort: 0},"
			" {name: void, port: 82, targetPort: ''}, {name: num, port: 83, "
			"targetPort: 8083},"
			" {name: u, port: 84, protocol: UDP, targetPort: 53},"
			" {name: adm, port: 85, targetPort: admin},"
			" {name: udp, port: 86, protocol: UDP, targetPort: admin}]")
			POD("a", CONTAINERS("9000"), "podIP: 10.1.0.1") POD("b", CONTAINERS("9001"),
				"podIP: 10.1.0.2") POD("c", "", "podIP: 10.1.0.3")
				POD("d", CONTAINERS("9000"), "podIP: 10.1.0.4")
					POD("e", CONTAINERS("90000"), "podIP: 10.1.0.5"),
		"default/web-manifest-v4-0 IPv4 [:80/TCP zero:81/TCP void:82/TCP num:8083/TCP"
		" u:53/UDP] kubernetes.io/service-name=web\n"
		"  10.1.0.3 c\n"
		"  10.1.0.5 e\n"
		"default/web-manifest-v4-1 IPv4 [:80/TCP zero:81/TCP void:82/TCP num:8083/TCP"
		" u:53/UDP adm:9000/TCP] kubernetes.io/service-name=web\n"
		"  10.1.0.1 a\n"
		"  10.1.0.4 d\n"
		"default/web-manifest-v4-2 IPv4 [:80/TCP zero:81/TCP void:82/TCP num:8083/TCP"
		" u:53/UDP adm:9001/TCP] kubernetes.io/service-name=web\n"
		"  10.1.0.2 b\n");
}

static void test_ports_that_cannot_be_used(void **state)
{
	struct script *s = *state;
	char yaml[8192] = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [";
	uint32_t endpoints = 0;

	assert_slices(s,
		SERVICE("ports: [{port: 0}, 5, {port: 65536}, {port: '80'}, {targetPort: 80},"
			" {port: 80, targetPort: 70000}, {name: ok, port: 80}]")
			POD("a", "", "podIP: 10.1.0.1"),
		"refused Service default/web: spec.ports[0] and 5 more cannot be used\n"
		"default/web-manifest-v4-0 IPv4 [ok:80/TCP]" LABEL "  10.1.0.1 a\n");
	for (unsigned i = 0; i <= WORKLOAD_PORTS_MAX; i++)
		snprintf(yaml + strlen(yaml), sizeof yaml - strlen(yaml), "{port: %u},", i + 1);
	strcat(yaml, "]}}\n---\n" POD("a", "", "podIP: 10.1.0.1"));
	script_read(s, yaml);
	assert_int_equal(make(s, &endpoints), 0);
	assert_int_equal(endpoints, 1);
	assert_says(s->text, "refused Service default/web: spec.ports[250] cannot be used\n");
	assert_says(s->text, ":250/TCP]" LABEL);
}

static void test_ready_and_hostnames(void **state)
{
	static const char pods[] = POD("a", "hostname: aa, subdomain: web",
		"podIP: 10.1.0.1, conditions: [{type: Ready, status: Unknown}]")
		POD("b", "hostname: bb, subdomain: other", "podIP: 10.1.0.2");
	char yaml[1024];

	snprintf(yaml, sizeof yaml, SERVICE("clusterIP: None") "%s", pods);
	assert_slices(*state, yaml,
		"default/web-manifest-v4-0 IPv4 []" LABEL
		"  10.1.0.1 a =aa unready\n  10.1.0.2 b\n");
	snprintf(yaml, sizeof yaml, SERVICE("publishNotReadyAddresses: true") "%s", pods);
	assert_slices(*state, yaml,
		"default/web-manifest-v4-0 IPv4 []" LABEL "  10.1.0.1 a =aa\n  10.1.0.2 b\n");
}

static void test_nothing_makes_no_slice(void **state)
{
	assert_slices(*state, SERVICE("ports: [{port: 0}]"), "");
	assert_slices(*state, SERVICE("ipFamilies: [IPv6]") POD("a", "", "podIP: 10.1.0.1"), "");
}

static void test_a_name_that_is_taken(void **state)
{
	struct script *s = *state;

	s->taken = "web-manifest-v4-0";
	assert_slices(s, SERVICE("") POD("a", "", "podIP: 10.1.0.1"),
		"default/web-manifest-v4-1 IPv4 []" LABEL "  10.1.0.1 a\n");
}

/* Another slice after each thousand. */
static int slice_count(void *user, size_t at, cJSON *slice)
{
	struct script *s = user;

	assert_int_equal(at, 0);
	say(s, "%s %d\n", script_string(script_member(slice, "metadata"), "name"),
		cJSON_GetArraySize(script_member(slice, "endpoints")));
	cJSON_Delete(slice);
	return s->fails;
}

static void test_bounds(void **state)
{
	struct script *s = *state;
	struct workload_host host = script_host(s);
	struct workload_pods pods;
	const struct workload_source *sources[2];
	uint32_t endpoints = WORKLOAD_ENDPOINTS_MAX - 2001;

	host.slice = slice_count;
	script_read(s, SERVICE("") "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, "
				   "spec: {replicas: 1000}}\n"
				   "---\n"
				   "{apiVersion: apps/v1, kind: Deployment, metadata: {name: b}, "
				   "spec: {replicas: 2}}\n");
	assert_int_equal(workload_pods_make(s->inputs, s->count, &host, &pods), 0);
	sources[0] = &pods.sources[0];
	sources[1] = &pods.sources[1];
	assert_int_equal(
		workload_slices_make(&s->inputs[0], 0, &pods, sources, 2, &host, &endpoints), 0);
	assert_int_equal(endpoints, WORKLOAD_ENDPOINTS_MAX - 999);
	assert_int_equal(
		workload_slices_make(&s->inputs[0], 0, &pods, sources, 2, &host, &endpoints), 0);
	assert_int_equal(endpoints, WORKLOAD_ENDPOINTS_MAX - 999);
	script_assert(s, "web-manifest-v4-0 1000\nweb-manifest-v4-1 2\n"
			 "refused Service default/web: too many endpoints from selectors in all\n");
	s->fails = -EINVAL;
	endpoints = 0;
	assert_int_equal(
		workload_slices_make(&s->inputs[0], 0, &pods, sources, 2, &host, &endpoints),
		-EINVAL);
	workload_pods_clear(&pods);
}

static void test_no_memory(void **state)
{
	struct script *s = *state;
	cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};
	unsigned nth = 1;
	int rc;

	script_read(s,
		"{apiVersion: v1, kind: Service, metadata: {name: web, labels: {a: b}}, spec:"
		" {ipFamilyPolicy: PreferDualStack, ports: [{port: 80, targetPort: admin}, {port: "
		"0}]}}\n"
		"---\n" POD("a", CONTAINERS("9000") ", hostname: a, subdomain: web",
			"podIPs: [{ip: 10.1.0.1}, {ip: 'fd00::1'}]")
			POD("b", "", "podIP: 10.1.0.2"));
	cJSON_InitHooks(&hooks);
	do {
		uint32_t endpoints = 0;

		s->used = 0;
		nomem_at(nth++);
		rc = make(s, &endpoints);
		nomem_left = rc == 0 ? nomem_left : 0;
		assert_true(rc == 0 || rc == -ENOMEM);
	} while (rc < 0);
	cJSON_InitHooks(NULL);
	assert_true(nomem_left > 0);
	nomem_at(0);
	assert_true(nth > 100);
	script_assert(s, "refused Service default/web: spec.ports[1] cannot be used\n"
			 "default/web-manifest-v4-0 IPv4 [] a=b" LABEL "  10.1.0.2 b\n"
			 "default/web-manifest-v4-1 IPv4 [:9000/TCP] a=b" LABEL "  10.1.0.1 a =a\n"
			 "default/web-manifest-v6-0 IPv6 [:9000/TCP] a=b" LABEL "  fd00::1 a =a\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_statefulset, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_families, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_silent_headless_service, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_ports_and_their_targets, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_ports_that_cannot_be_used, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_ready_and_hostnames, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_nothing_makes_no_slice, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_name_that_is_taken, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_bounds, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, script_setup, script_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

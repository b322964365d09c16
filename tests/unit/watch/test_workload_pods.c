/* SPDX-License-Identifier: Apache-2.0 */
/* Which Pods manifests stand for, printed as a line per Pod and compared. */

#include "nomem.h"
#include "workload_script.h"

#define POD(name)      "{apiVersion: v1, kind: Pod, metadata: {name: " name "}"
#define APP(kind, n)   "{apiVersion: apps/v1, kind: " kind ", metadata: {name: " n "}"
#define OWNER(kind, n) "ownerReferences: [{kind: " kind ", name: " n "}]"

static void address_say(struct script *s, const struct ip *ip)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->bytes, text, sizeof text);
	say(s, " %s", text);
}

static void source_say(struct script *s, const struct workload_pods *pods,
	const struct workload_source *source, bool with_addresses)
{
	for (uint32_t i = 0; i < source->count; i++) {
		const struct workload_pod *pod = &pods->pods[source->first + i];
		char name[WORKLOAD_POD_NAME_MAX], room[WORKLOAD_POD_NAME_MAX];
		const char *hostname = workload_pod_hostname(source, i, "web", room);

		workload_pod_name(source, i, name);
		say(s, "%s %s/%s", source->kind, source->ns, name);
		if (hostname)
			say(s, "=%s", hostname);
		for (unsigned ip = 0; ip < pod->ip_count && with_addresses; ip++)
			address_say(s, &pod->ips[ip]);
		say(s, source->ready ? "\n" : " unready\n");
	}
}

static void assert_pods(struct script *s, const char *yaml, bool with_addresses, const char *wanted)
{
	const struct workload_host host = script_host(s);
	struct workload_pods pods;

	script_read(s, yaml);
	assert_int_equal(workload_pods_make(s->inputs, s->count, &host, &pods), 0);
	for (size_t i = 0; i < pods.source_count; i++)
		source_say(s, &pods, &pods.sources[i], with_addresses);
	script_assert(s, wanted);
	workload_pods_clear(&pods);
}

static void assert_stands(struct script *s, const char *yaml, const char *wanted)
{
	assert_pods(s, yaml, false, wanted);
}

static void test_pods_as_they_are(void **state)
{
	assert_pods(*state,
		POD("a") ", status: {podIP: 10.1.0.1}}\n---\n" POD(
			"b") ", status: {podIPs: [{ip: 'fd00::1'}, {ip: 10.1.0.2}, {ip: "
			     "10.1.0.3}]}}\n"
			     "---\n" POD(
				     "c") ", status: {phase: Running, podIP: 10.1.0.4,"
					  " conditions: [{type: Initialized, status: 'True'}, "
					  "{type: Ready, status: 'False'}]}}\n"
					  "---\n" POD(
						  "d") ", status: {podIP: 10.1.0.5, conditions: "
						       "[{type: Ready, status: 'True'}]}}\n"
						       "---\n"
						       "{apiVersion: v1, kind: Pod, metadata: "
						       "{name: e, deletionTimestamp: x},"
						       " status: {podIP: 10.1.0.6}}\n---\n"
		/* Over, and not there yet. */
		POD("f") ", status: {phase: Succeeded, podIP: 10.1.0.7}}\n---\n" POD(
			"g") ", status: {phase: Failed}}\n---\n" POD("h") ", status: {phase: "
									  "Pending}}\n---\n"
									  "{apiVersion: v1, kind: "
									  "Pod, metadata: {name: "
									  "i, " OWNER("Job",
										  "j") "}}\n",
		true,
		"Pod default/a 10.1.0.1\n"
		"Pod default/b fd00::1 10.1.0.2\n"
		"Pod default/c 10.1.0.4 unready\n"
		"Pod default/d 10.1.0.5\n"
		"Pod default/e 10.1.0.6 unready\n");
}

static void test_a_plain_pod_stands_for_itself(void **state)
{
	assert_pods(*state,
		POD("a") "}\n---\n" POD("b") ", status: {}}\n---\n" POD(
			"c") ", status: null,"
			     " spec: {hostname: cc, subdomain: web}}\n",
		true,
		"Pod default/a 10.246.205.19 fd00:10:240::6:cd13\n"
		"Pod default/b 10.249.77.28 fd00:10:240::9:4d1c\n"
		"Pod default/c=cc 10.250.115.85 fd00:10:240::a:7355\n");
}

static void test_workloads_stand_for_their_replicas(void **state)
{
	assert_stands(*state,
		APP("StatefulSet", "db") ", spec: {replicas: 2, serviceName: web}}\n---\n" APP(
			"StatefulSet",
			"from") ", spec: {replicas: 2, ordinals: {start: 5}}}\n---\n" APP("Deployme"
											  "nt",
			"api") ", spec: {replicas: 2, template: {spec: {hostname: h,"
			       " subdomain: web}}}}\n---\n" APP("Deployment", "one") "}\n---\n" APP(
				       "Deployment",
				       "nil") ", spec: {replicas: null}}\n---\n" APP("Deployment",
				       "none") ", spec: {replicas: 0}}\n---\n" APP("ReplicaSet",
				       "rs") ", spec: {template: {spec: {hostname: h, subdomain: "
					     "x}}}}\n"
					     "---\n" APP("DaemonSet",
						     "ds") ", spec: {replicas: 3}}\n---\n"
							   "{apiVersion: extensions/v1beta1, kind: "
							   "Deployment, metadata: {name: "
							   "old}}\n---\n"
							   "{apiVersion: v1, kind: "
							   "ReplicationController, metadata: "
							   "{name: rc, namespace: x}}\n",
		"DaemonSet default/ds-l6r2t\n"
		"Deployment default/api-p9rpc=h\n"
		"Deployment default/api-vc7kt=h\n"
		"Deployment default/nil-rmpsg\n"
		"Deployment default/old-59d8p\n"
		"Deployment default/one-mmkp7\n"
		"ReplicaSet default/rs-9624d\n"
		"StatefulSet default/db-0=db-0\n"
		"StatefulSet default/db-1=db-1\n"
		"StatefulSet default/from-5\n"
		"StatefulSet default/from-6\n"
		"ReplicationController x/rc-x8kpp\n");
}

/* As kubectl get prints a Deployment and what came of it. */
static void test_pods_in_the_set_count_instead(void **state)
{
	static const char pod[] = "{apiVersion: v1, kind: Pod, metadata: {name: p, " OWNER(
		"ReplicaSet", "web-5d9c") "},"
					  " status: {podIP: 10.1.0.1}}\n---\n";
	static const char owned[] =
		"{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-5d9c, " OWNER(
			"Deployment", "web") "}}\n---\n";
	char yaml[1024];

	snprintf(yaml, sizeof yaml, "%s%s" APP("Deployment", "web") "}\n", pod, owned);
	assert_stands(*state, yaml, "Pod default/p\n");
	/* The ReplicaSet was not printed. */
	snprintf(yaml, sizeof yaml, "%s" APP("Deployment", "web") "}\n", pod);
	assert_stands(*state, yaml, "Pod default/p\n");
	/* Nor the Pods: the Deployment counts, once. */
	snprintf(yaml, sizeof yaml, "%s" APP("Deployment", "web") "}\n", owned);
	assert_stands(*state, yaml, "Deployment default/web-x7mjv\n");
	assert_stands(*state, owned, "ReplicaSet default/web-5d9c-2bbgg\n");
	/* A ReplicaSet of nobody's, whose name says nothing. */
	snprintf(yaml, sizeof yaml,
		"%s" APP("Deployment", "web") "}\n---\n" APP("ReplicaSet", "web-5d9c") "}\n", pod);
	assert_stands(*state, yaml, "Deployment default/web-x7mjv\nPod default/p\n");
}

static void test_owners_of_other_kinds_and_namespaces(void **state)
{
	assert_stands(*state,
		"{apiVersion: v1, kind: Pod, metadata: {name: db-0, " OWNER(
			"StatefulSet", "db") "},"
					     " spec: {hostname: db-0, subdomain: web}, status: "
					     "{podIP: 10.1.0.1}}\n---\n" APP("StatefulSet",
						     "db") ", spec: {replicas: 3, serviceName: "
							   "web}}\n---\n" APP("DaemonSet",
								   "db") "}\n---\n"
									 "{apiVersion: apps/v1, "
									 "kind: StatefulSet, "
									 "metadata: {name: db, "
									 "namespace: x}}\n---\n"
		/* A Pod without an address is no reason to be silent. */
		APP("DaemonSet",
			"late") "}\n---\n"
				"{apiVersion: v1, kind: Pod, metadata: {name: late-1, " OWNER(
					"DaemonSet",
					"late") "}}\n"
						"---\n"
						/* Owners that are none. */
						"{apiVersion: v1, kind: Pod, metadata: {name: q, "
						"ownerReferences: [5, {kind: 7},"
						" {kind: ReplicaSet, name: '-'}, {kind: "
						"ReplicaSet, name: x-}]},"
						" status: {podIP: 10.1.0.2}}\n",
		"DaemonSet default/db-ph65s\nDaemonSet default/late-xzrn5\n"
		"Pod default/db-0=db-0\nPod default/q\nStatefulSet x/db-0\n");
}

/* ---- addresses ---- */

#define WEB3 APP("StatefulSet", "web") ", spec: {replicas: 3}}\n---\n"

/* People have written these addresses down: they must stay the same for ever. */
static void test_addresses_are_stable(void **state)
{
	assert_pods(*state, WEB3, true,
		"StatefulSet default/web-0 10.241.76.28 fd00:10:240::1:4c1c\n"
		"StatefulSet default/web-1 10.252.89.12 fd00:10:240::c:590c\n"
		"StatefulSet default/web-2 10.244.159.160 fd00:10:240::4:9fa0\n");
	/* Others change nothing. */
	assert_pods(*state,
		APP("StatefulSet", "wea") ", spec: {replicas: 1}}\n---\n" WEB3 APP(
			"Deployment", "web") "}\n",
		true,
		"Deployment default/web-x7mjv 10.249.108.217 fd00:10:240::9:6cd9\n"
		"StatefulSet default/wea-0 10.253.248.4 fd00:10:240::d:f804\n"
		"StatefulSet default/web-0 10.241.76.28 fd00:10:240::1:4c1c\n"
		"StatefulSet default/web-1 10.252.89.12 fd00:10:240::c:590c\n"
		"StatefulSet default/web-2 10.244.159.160 fd00:10:240::4:9fa0\n");
}

static void test_written_addresses_are_taken(void **state)
{
	assert_pods(*state,
		WEB3 POD("p") ", status: {podIP: 10.241.76.28}}\n---\n"
			      "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: "
			      "{clusterIP: 10.252.89.12}}\n---\n"
			      "{apiVersion: v1, kind: Endpoints, metadata: {name: s},"
			      " subsets: [{addresses: [{ip: 10.241.76.29}, {ip: "
			      "'fd00:10:240::4:9fa0'}]}]}\n",
		true,
		"Pod default/p 10.241.76.28\n"
		"StatefulSet default/web-0 10.241.76.30 fd00:10:240::1:4c1c\n"
		"StatefulSet default/web-1 10.252.89.13 fd00:10:240::c:590c\n"
		"StatefulSet default/web-2 10.244.159.160 fd00:10:240::4:9fa1\n");
}

/* ---- what is refused ---- */

static void test_what_cannot_be_read_stands_for_nothing(void **state)
{
	char yaml[2048], name[255];

	memset(name, 'n', 254);
	name[254] = '\0';
	snprintf(yaml, sizeof yaml,
		APP("StatefulSet", "a") ", spec: {replicas: x}}\n---\n" APP(
			"StatefulSet", "b") ", spec: {replicas: -1}}\n---\n" APP("StatefulSet",
			"c") ", spec: []}\n---\n" APP("StatefulSet",
			"d") ", spec: {template: {metadata: {labels: {v: 1}}}}}\n---\n" APP("Statef"
											    "ulSet",
			"e") ", spec: {ordinals: {start: -1}}}\n---\n"
			     "{apiVersion: v1, kind: Pod, metadata: {name: f, labels: "
			     "[x]}}\n---\n" POD(
				     "g") ", status: {conditions: {}, podIP: "
					  "10.1.0.1}}\n---\n" APP("StatefulSet",
						  "''") "}\n---\n" APP("StatefulSet", "%s") "}\n",
		name);
	assert_stands(*state, yaml,
		"refused Pod default/f: labels is not an object\n"
		"refused Pod default/g: conditions is not a list\n"
		"refused StatefulSet default/: metadata.name is missing or longer than 253\n"
		"refused StatefulSet default/a: replicas is not a number of a sensible size\n"
		"refused StatefulSet default/b: replicas is not a number of a sensible size\n"
		"refused StatefulSet default/c: spec is not an object\n"
		"refused StatefulSet default/d: the label v is not a string\n"
		"refused StatefulSet default/e: start is not a number of a sensible size\n"
		"refused StatefulSet "
		"default/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nnnn: metadata.name is missing or longer than 253\n");
}

static void test_bounds(void **state)
{
	const struct workload_host host = script_host(*state);
	struct script *s = *state;
	struct workload_pods pods;

	script_read(s, APP("StatefulSet", "a") ", spec: {replicas: 1000}}\n---\n" APP("StatefulSet",
			       "b") ", spec: {replicas: 1001}}\n---\n" APP("StatefulSet",
			       "c") ", spec: {replicas: 2147483647, ordinals: {start:"
				    " 2147483647}}}\n");
	assert_int_equal(workload_pods_make(s->inputs, s->count, &host, &pods), 0);
	assert_int_equal(pods.pod_count, 3000);
	script_assert(s,
		"refused StatefulSet default/b: spec.replicas is 1001, only 1000 of them count\n"
		"refused StatefulSet default/c: spec.replicas is 2147483647,"
		" only 1000 of them count\n");
	workload_pods_clear(&pods);
}

/* A hundred and one of a thousand each. */
static void test_too_many_in_all(void **state)
{
	struct script *s = *state;
	const struct workload_host host = script_host(s);
	struct workload_input inputs[102];
	char text[102][128];
	struct workload_pods pods;

	for (unsigned i = 0; i < 102; i++) {
		snprintf(text[i], sizeof text[i],
			"{\"metadata\":{\"name\":\"w%03u\","
			"\"namespace\":\"x\"},\"spec\":{\"replicas\":%u}}",
			i, i < 101 ? 1000 : 0);
		inputs[i] =
			(struct workload_input){.kind = "ReplicaSet", .tree = cJSON_Parse(text[i])};
		assert_non_null(inputs[i].tree);
	}
	s->count = 102; /* as many may be refused */
	assert_int_equal(workload_pods_make(inputs, 102, &host, &pods), 0);
	s->count = 0;
	assert_int_equal(pods.pod_count, WORKLOAD_PODS_MAX);
	assert_int_equal(pods.sources[100].count, 0);
	script_assert(s, "refused ReplicaSet x/w100: too many Pods without an address in all\n");
	workload_pods_clear(&pods);
	for (unsigned i = 0; i < 102; i++)
		cJSON_Delete((cJSON *)(uintptr_t)inputs[i].tree);
}

/* No two Pods of a workload have one name. */
static int name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void test_names_differ_and_are_labels(void **state)
{
	static char names[WORKLOAD_REPLICAS_MAX][WORKLOAD_POD_NAME_MAX];
	const struct workload_host host = script_host(*state);
	struct script *s = *state;
	struct workload_pods pods;

	script_read(s, APP("Deployment", "a-name-that-is-as-long-as-a-dns-label-can-be-which-is-63-"
					 "bytes-or") ", spec: {replicas: 1000}}\n");
	assert_int_equal(workload_pods_make(s->inputs, s->count, &host, &pods), 0);
	for (uint32_t i = 0; i < WORKLOAD_REPLICAS_MAX; i++) {
		workload_pod_name(&pods.sources[0], i, names[i]);
		assert_int_equal(strlen(names[i]), 63);
	}
	qsort(names, WORKLOAD_REPLICAS_MAX, sizeof *names, name_compare);
	for (uint32_t i = 1; i < WORKLOAD_REPLICAS_MAX; i++)
		assert_string_not_equal(names[i - 1], names[i]);
	workload_pods_clear(&pods);
}

static void test_the_host_ends_it(void **state)
{
	struct script *s = *state;
	const struct workload_host host = script_host(s);
	struct workload_pods pods = {.pod_count = 7};

	script_read(s, APP("StatefulSet", "a") ", spec: []}\n");
	s->fails = -ENOMEM;
	assert_int_equal(workload_pods_make(s->inputs, s->count, &host, &pods), -ENOMEM);
	assert_int_equal(pods.pod_count, 7);
}

static void test_no_memory(void **state)
{
	struct script *s = *state;
	const struct workload_host host = script_host(s);
	struct workload_pods pods;
	unsigned nth = 1;
	int rc;

	script_read(s, WEB3 POD("p") ", status: {podIP: 10.1.0.1}}\n");
	do {
		nomem_at(nth++);
		rc = workload_pods_make(s->inputs, s->count, &host, &pods);
		nomem_left = rc == 0 ? nomem_left : 0;
		assert_true(rc == 0 || rc == -ENOMEM);
	} while (rc < 0);
	assert_true(nomem_left > 0);
	nomem_at(0);
	assert_int_equal(nth, 6);
	workload_pods_clear(&pods);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_pods_as_they_are, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_a_plain_pod_stands_for_itself, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_workloads_stand_for_their_replicas, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_pods_in_the_set_count_instead, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_owners_of_other_kinds_and_namespaces, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_addresses_are_stable, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_written_addresses_are_taken, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_what_cannot_be_read_stands_for_nothing, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_bounds, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_too_many_in_all, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_names_differ_and_are_labels, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(
			test_the_host_ends_it, script_setup, script_teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, script_setup, script_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

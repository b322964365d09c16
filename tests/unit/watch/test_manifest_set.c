/* SPDX-License-Identifier: Apache-2.0 */
/* What files say, printed as a line per object and compared. */

#include "watch/manifest_set.h"

#include <cjson/cJSON.h>
#include <errno.h>

#include "nomem.h"
#include "scratch.h"

#include <arpa/inet.h>

#define ALL_KINDS (KIND_BIT(KIND_COUNT) - 1)

struct reading {
	struct scratch scratch;
	struct manifest_files files;
	struct manifest_filter filter;
	struct manifest_set set;
	struct manifest_error error;
	char text[8192];
	size_t used;
};

/* The lists of a set grow with it: let them fail like realloc(). */
void *reallocarray(void *ptr, size_t count, size_t size)
{
	return realloc(ptr, count * size);
}

static int setup(void **state)
{
	struct reading *r = calloc(1, sizeof *r);

	assert_non_null(r);
	scratch_make(&r->scratch);
	r->filter.kinds = ALL_KINDS;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct reading *r = *state;

	manifest_set_clear(&r->set);
	manifest_files_clear(&r->files);
	scratch_remove(&r->scratch);
	free(r);
	return 0;
}

/* ---- as text ---- */

static void say(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct reading *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	r->used += (size_t)vsnprintf(r->text + r->used, sizeof r->text - r->used, format, args);
	va_end(args);
	assert_true(r->used < sizeof r->text);
}

static void address_say(struct reading *r, int family, const uint8_t *bytes)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
	say(r, " %s", text);
}

static void ips_say(struct reading *r, const struct ip *ips, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		address_say(r, ips[i].family, ips[i].bytes);
}

static void service_say(struct reading *r, const struct service *service)
{
	ips_say(r, service->ips, service->ip_count);
	if (service->type == SERVICE_HEADLESS)
		say(r, " None");
	if (service->external_name)
		say(r, " =%s", service->external_name);
}

static void slice_say(struct reading *r, const struct endpoint_slice *slice)
{
	say(r, " of %s%s%s:", slice->service, slice->cluster ? " in " : "",
		slice->cluster ? slice->cluster : "");
	for (size_t i = 0; i < slice->v4_count; i++) {
		address_say(r, 4, slice->v4 + 4 * i);
		if (slice->v4_hostnames && slice->v4_hostnames[i])
			say(r, "=%s", slice->v4_hostnames[i]);
	}
	for (size_t i = 0; i < slice->v6_count; i++)
		address_say(r, 6, slice->v6 + 16 * i);
}

static void object_say(struct reading *r, const struct manifest_object *one)
{
	const struct object *object = one->object;

	assert_null(one->tree);
	if (!object)
		return;
	say(r, "%s %s/%s", object_kind_name((enum object_kind)object->kind), object->ns,
		object->name);
	if (object->kind == KIND_SERVICE || object->kind == KIND_IMPORT)
		service_say(r, (const struct service *)object);
	else if (object->kind == KIND_SLICE || object->kind == KIND_IMPORT_SLICE)
		slice_say(r, (const struct endpoint_slice *)object);
	else if (object->kind == KIND_POD)
		ips_say(r, ((const struct pod *)object)->ips,
			((const struct pod *)object)->ip_count);
	say(r, one->hidden ? " hidden\n" : "\n");
}

static void refused_say(struct reading *r, const struct manifest_refused *refused)
{
	say(r, "refused %s %s/%s %s:%u\n", object_kind_name(refused->kind),
		refused->ns ? refused->ns : "?", refused->name ? refused->name : "?",
		strrchr(refused->file, '/') + 1, refused->line);
}

/* ---- reading ---- */

/* All files of the scratch folder. */
static int read_set(struct reading *r)
{
	const char *const paths[] = {r->scratch.dir, NULL};
	const char *failed;
	char err[160];

	manifest_set_clear(&r->set);
	manifest_files_clear(&r->files);
	assert_int_equal(manifest_files_find(paths, &r->files, &failed, err, sizeof err), 0);
	return manifest_set_read(&r->files, &r->filter, &r->set, &r->error);
}

static void assert_set(struct reading *r, const char *wanted)
{
	if (read_set(r) < 0)
		fail_msg("%s:%u: %s", r->error.file, r->error.line, r->error.text);
	r->used = 0;
	r->text[0] = '\0';
	for (size_t i = 0; i < r->set.object_count; i++)
		object_say(r, &r->set.objects[i]);
	for (size_t i = 0; i < r->set.refused_count; i++)
		refused_say(r, &r->set.refused[i]);
	if (strcmp(r->text, wanted) != 0)
		fail_msg("read:\n%snot:\n%s", r->text, wanted);
}

static void assert_reads(struct reading *r, const char *yaml, const char *wanted)
{
	scratch_write(&r->scratch, "a.yaml", yaml);
	assert_set(r, wanted);
}

/* Nothing is read then, and error says where. */
static void assert_refused(
	struct reading *r, const char *yaml, const char *name, unsigned line, const char *says)
{
	scratch_write(&r->scratch, name, yaml);
	assert_int_equal(read_set(r), -EINVAL);
	assert_int_equal(r->set.object_count, 0);
	assert_non_null(r->error.file);
	assert_string_equal(strrchr(r->error.file, '/') + 1, name);
	if (r->error.line != line)
		fail_msg("line %u, not %u: %s", r->error.line, line, r->error.text);
	assert_says(r->error.text, says);
}

/* ---- shapes ---- */

static void test_documents_of_all_kinds(void **state)
{
	assert_reads(*state,
		"# head\n---\n"
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
		"spec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}\n---\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n"
		"spec: {clusterIP: None}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: out, namespace: shop}\n"
		"spec: {type: ExternalName, externalName: x.example}\n---\n"
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\n"
		"status: {phase: Running, podIPs: [{ip: 10.1.0.1}, {ip: fd00::1}]}\n...\n",
		"namespaces /shop\n"
		"services shop/db None\n"
		"services shop/out =x.example\n"
		"services shop/web 10.96.0.10\n"
		"pods shop/p 10.1.0.1 fd00::1\n");
}

static void test_slices_and_endpoints(void **state)
{
	assert_reads(*state,
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		"metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\n"
		"addressType: IPv4\nendpoints:\n"
		"- {addresses: [10.1.0.1], hostname: one}\n"
		"- {addresses: [10.1.0.2], conditions: {ready: false}}\n---\n"
		"apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n"
		"metadata: {name: web-2, labels: {kubernetes.io/service-name: web}}\n"
		"addressType: IPv6\nendpoints: [{addresses: ['fd00::1']}]\n---\n"
		"apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\n"
		"subsets: [{addresses: [{ip: 10.2.0.1}, {ip: 10.2.0.2, hostname: b}]}]\n---\n"
		/* Of no use to DNS: not refused, not there. */
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		"metadata: {name: free}\naddressType: IPv4\n",
		"endpointslices default/db of db: 10.2.0.1 10.2.0.2=b\n"
		"endpointslices default/web-1 of web: 10.1.0.1=one\n"
		"endpointslices default/web-2 of web: fd00::1\n");
}

/* No API server of today takes these; a laptop has nothing else. */
static void test_addresses_are_taken_as_written(void **state)
{
	assert_reads(*state,
		"{apiVersion: v1, kind: Endpoints, metadata: {name: db},"
		" subsets: [{addresses: [{ip: 127.0.0.1}, {ip: '::ffff:10.2.0.2'}]}]}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: db},"
		" spec: {clusterIP: 127.0.0.2}}\n---\n"
		"{apiVersion: v1, kind: Pod, metadata: {name: p}, status: {podIP: '::1'}}\n",
		"services default/db 127.0.0.2\n"
		"endpointslices default/db of db: 127.0.0.1 10.2.0.2\n"
		"pods default/p ::1\n");
}

static void test_pod_names(void **state)
{
	static const char *const yaml =
		"{apiVersion: v1, kind: Endpoints, metadata: {name: db}, subsets: [{addresses:"
		" [{ip: 10.2.0.1, targetRef: {kind: Pod, name: db-0}}]}]}\n";
	struct reading *r = *state;

	assert_reads(r, yaml, "endpointslices default/db of db: 10.2.0.1\n");
	r->filter.pod_names = true;
	assert_reads(r, yaml, "endpointslices default/db of db: 10.2.0.1=db-0\n");
}

static void test_lists_are_opened(void **state)
{
	static const char *const wanted = "services default/a 10.96.0.1\n"
					  "services default/b 10.96.0.2\n";

	/* kubectl get -o yaml; nested; kubectl get --raw. */
	assert_reads(*state,
		"apiVersion: v1\nitems:\n"
		"- apiVersion: v1\n  kind: Service\n  metadata:\n    annotations:\n"
		"      kubectl.kubernetes.io/last-applied-configuration: |\n        {\"a\":1}\n"
		"    creationTimestamp: \"2026-01-01T00:00:00Z\"\n    name: a\n"
		"    namespace: default\n    resourceVersion: \"12\"\n    uid: 0-1\n"
		"  spec:\n    clusterIP: 10.96.0.1\n    clusterIPs:\n    - 10.96.0.1\n"
		"    type: ClusterIP\n  status:\n    loadBalancer: {}\n"
		"- apiVersion: v1\n  kind: Service\n  metadata: {name: b, namespace: default}\n"
		"  spec: {clusterIP: 10.96.0.2}\nkind: List\n"
		"metadata:\n  resourceVersion: \"\"\n",
		wanted);
	assert_reads(*state,
		"{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{\"kind\":\"List\","
		"\"apiVersion\":\"v1\",\"items\":[{\"kind\":\"Service\",\"apiVersion\":\"v1\","
		"\"metadata\":{\"name\":\"a\"},\"spec\":{\"clusterIP\":\"10.96.0.1\"}}]},"
		"{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b\"},"
		"\"spec\":{\"clusterIP\":\"10.96.0.2\"}}]}",
		wanted);
	assert_reads(*state,
		"{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"items\":["
		"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"clusterIP\":\"10.96.0.1\"}},"
		"{\"metadata\":{\"name\":\"b\"},\"spec\":{\"clusterIP\":\"10.96.0.2\"}}]}",
		wanted);
	assert_reads(*state,
		"kind: EndpointSliceList\napiVersion: discovery.k8s.io/v1\nitems:\n"
		"- metadata: {name: w, labels: {kubernetes.io/service-name: web}}\n"
		"  addressType: IPv4\n  endpoints: [{addresses: [10.1.0.1]}]\n",
		"endpointslices default/w of web: 10.1.0.1\n");
	assert_reads(*state, "kind: List\napiVersion: v1\nitems: []\n", "");
	assert_reads(*state, "kind: List\napiVersion: v1\n", "");
	/* An item of a plain List that says nothing of itself. */
	assert_reads(*state, "kind: List\napiVersion: v1\nitems: [{metadata: {name: a}}]\n", "");
}

static void test_other_kinds_are_passed_over(void **state)
{
	assert_reads(*state,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\n"
		"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: web}\n---\n"
		"apiVersion: v1\nkind: service\nmetadata: {name: web}\n---\n"
		"resources: [a.yaml]\n---\nkind: Service\n---\napiVersion: v1\n---\n"
		"kind: DeploymentList\napiVersion: apps/v1\nitems: [{metadata: {name: x}}]\n",
		"");
}

static void test_only_wanted_kinds(void **state)
{
	struct reading *r = *state;

	r->filter.kinds = KIND_BIT(KIND_NAMESPACE) | KIND_BIT(KIND_POD);
	assert_reads(r,
		"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {}}\n---\n"
		"{apiVersion: v1, kind: Pod, metadata: {name: p}, status: {podIP: 10.1.0.1}}\n",
		"namespaces /shop\npods default/p 10.1.0.1\n");
}

static void test_default_namespace(void **state)
{
	assert_reads(*state,
		"{apiVersion: v1, kind: Service, metadata: {name: a},"
		" spec: {clusterIP: None}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: b, namespace: null},"
		" spec: {clusterIP: None}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: c, namespace: x},"
		" spec: {clusterIP: None}}\n",
		"services default/a None\nservices default/b None\nservices x/c None\n");
}

/* ---- several files ---- */

static void test_the_later_double_counts(void **state)
{
	struct reading *r = *state;

	scratch_write(&r->scratch, "a.yaml",
		"{apiVersion: v1, kind: Service, metadata: {name: w}, spec: {clusterIP: None}}\n"
		"---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: w},"
		" spec: {clusterIP: 10.96.0.2}}\n---\n"
		"{apiVersion: v1, kind: Pod, metadata: {name: w}, status: {podIP: 10.1.0.1}}\n");
	scratch_write(&r->scratch, "b.json",
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"w\","
		"\"namespace\":\"default\"},\"spec\":{\"clusterIP\":\"10.96.0.3\"}}");
	assert_set(r, "services default/w 10.96.0.3\npods default/w 10.1.0.1\n"
		      "refused services default/w a.yaml:1\n"
		      "refused services default/w a.yaml:3\n");
	assert_says(r->set.refused[0].why, "defined again in ");
	assert_says(r->set.refused[0].why, "a.yaml:3, which counts");
	assert_says(r->set.refused[1].why, "b.json:1, which counts");
	/* Nothing but the name of the file decides. */
	scratch_write(&r->scratch, "0.yaml",
		"{apiVersion: v1, kind: Service, metadata: {name: w}, spec: {clusterIP: None}}");
	assert_set(r, "services default/w 10.96.0.3\npods default/w 10.1.0.1\n"
		      "refused services default/w 0.yaml:1\n"
		      "refused services default/w a.yaml:1\n"
		      "refused services default/w a.yaml:3\n");
}

static void test_an_object_is_refused_and_the_others_go_on(void **state)
{
	struct reading *r = *state;

	assert_reads(r,
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: None}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: bad}\n"
		"spec: {clusterIP: 10.96.0}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {labels: {a: b}}\nspec: {}\n---\n"
		"apiVersion: v1\nkind: Service\nmetadata: {name: odd, namespace: 5}\n---\n"
		"apiVersion: v1\nkind: Service\nspec: {}\n---\n"
		"kind: List\napiVersion: v1\nitems:\n"
		"- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n"
		"- {apiVersion: v1, kind: Pod, metadata: {name: p}, status: {podIP: x}}\n---\n"
		"apiVersion: v1\nkind: Endpoints\nmetadata: {name: part}\n"
		"subsets: [{addresses: [{ip: 10.1.0.1}, {ip: what}]}]\n",
		"namespaces /shop\n"
		"services default/a None\n"
		"endpointslices default/part of part: 10.1.0.1\n"
		"refused services default/bad a.yaml:6\n"
		"refused services default/? a.yaml:11\n"
		"refused services ?/odd a.yaml:16\n"
		"refused services ?/? a.yaml:20\n"
		"refused pods default/p a.yaml:28\n"
		"refused endpointslices default/part a.yaml:30\n");
	assert_says(r->set.refused[0].why, "address \"10.96.0\"");
	assert_says(r->set.refused[1].why, "metadata.name is missing");
	assert_says(r->set.refused[5].why, "address \"what\"");
}

static void test_a_mistake_names_its_place(void **state)
{
	struct reading *r = *state;

	scratch_write(&r->scratch, "a.yaml",
		"{apiVersion: v1, kind: Service, metadata: {name: w}, spec: {}}\n");
	assert_refused(r, "a: 1\nb:\n\tc: 2\n", "b.yaml", 3, "column 1: ");
	assert_refused(r, "a: 1\n---\na: [1, 2\nb: 3\n", "b.yaml", 4, "did not find expected");
	assert_refused(r, "a: 1\n---\n- x\n", "b.yaml", 3, "not a Kubernetes object");
	assert_refused(r, "\njust a text\n", "b.yaml", 2, "not a Kubernetes object");
	assert_refused(r, "kind: List\napiVersion: v1\nitems:\n- {}\n- [a]\n", "b.yaml", 5,
		"not a Kubernetes object");
	assert_refused(r, "{\"kind\":\"Service\",\n\"apiVersion\":}\n]", "b.yaml", 3, "column");
}

static void test_a_file_that_cannot_be_read(void **state)
{
	struct reading *r = *state;
	const char *const paths[] = {r->scratch.dir, NULL};
	const char *failed;
	char err[160];

	scratch_write(&r->scratch, "a.yaml", "");
	assert_int_equal(manifest_files_find(paths, &r->files, &failed, err, sizeof err), 0);
	assert_int_equal(unlink(scratch_path(&r->scratch, "a.yaml")), 0);
	assert_int_equal(manifest_set_read(&r->files, &r->filter, &r->set, &r->error), -ENOENT);
	assert_ptr_equal(r->error.file, r->files.paths[0]);
	assert_int_equal(r->error.line, 0);
	assert_says(r->error.text, "No such file");
	/* A sparse one, beyond the bound. */
	scratch_write(&r->scratch, "a.yaml", "");
	assert_int_equal(truncate(scratch_path(&r->scratch, "a.yaml"), (64 << 20) + 1), 0);
	assert_int_equal(read_set(r), -EFBIG);
	assert_says(r->error.text, "larger than");
}

/* ---- cluster IPs ---- */

static const char *const service_files[] = {
	"{apiVersion: v1, kind: Service, metadata: {name: s793}, spec: {}}\n",
	"{apiVersion: v1, kind: Service, metadata: {name: s1283}, spec: {}}\n",
	"{apiVersion: v1, kind: Service, metadata: {name: web},"
	" spec: {ipFamilyPolicy: PreferDualStack}}\n",
	/* The address that web would have, and the one that db would have. */
	"{apiVersion: v1, kind: Service, metadata: {name: z}, spec: {clusterIP: 10.99.148.188}}\n",
	"{apiVersion: v1, kind: Service, metadata: {name: zz},"
	" spec: {clusterIP: 10.109.37.87, ipFamilyPolicy: RequireDualStack}}\n",
	"{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {}}\n",
};
#define SERVICE_FILES (sizeof service_files / sizeof *service_files)

static void test_addresses_do_not_depend_on_the_order_of_files(void **state)
{
	struct reading *r = *state;

	for (size_t turn = 0; turn < 2 * SERVICE_FILES; turn++) {
		for (size_t i = 0; i < SERVICE_FILES; i++) {
			size_t place = turn < SERVICE_FILES ? i : SERVICE_FILES - 1 - i;
			char name[16];

			snprintf(name, sizeof name, "%zu.yaml", (place + turn) % SERVICE_FILES);
			scratch_write(&r->scratch, name, service_files[i]);
		}
		/* s1283 and s793 have one hash: the first by name gets it. */
		assert_set(r, "services default/db 10.109.37.88\n"
			      "services default/s1283 10.102.5.83\n"
			      "services default/s793 10.102.5.84\n"
			      "services default/web 10.99.148.189 fd00:10:96::64bc\n"
			      "services default/z 10.99.148.188\n"
			      "services default/zz 10.109.37.87 fd00:10:96::a6b5\n");
	}
}

#define IMPORT_LABELS                                                                              \
	"multicluster.kubernetes.io/service-name: db, "                                            \
	"multicluster.kubernetes.io/source-cluster: east"
#define SLICE_REST "addressType: IPv4, endpoints: [{addresses: [10.1.0.1], hostname: a}]}\n"

/* A slice may be one of a Service, one of an import, both, or none. */
static void test_imports(void **state)
{
	assert_reads(*state,
		"{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, "
		"metadata: {name: db}, spec: {type: Headless, ports: [{port: 80}]}}\n---\n"
		"{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, "
		"metadata: {name: web}, spec: {type: ClusterSetIP, ips: [10.42.0.1]}}\n---\n"
		"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: both, "
		"labels: {kubernetes.io/service-name: db, " IMPORT_LABELS "}}, " SLICE_REST "---\n"
		"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: import, "
		"labels: {" IMPORT_LABELS "}}, " SLICE_REST "---\n"
		"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: "
		"none}, " SLICE_REST,
		"endpointslices default/both of db: 10.1.0.1=a\n"
		"serviceimports default/db None\n"
		"serviceimports default/web 10.42.0.1\n"
		"imported endpointslices default/both of db in east: 10.1.0.1=a\n"
		"imported endpointslices default/import of db in east: 10.1.0.1=a\n");
}

static bool selects_blue(void *user, enum object_kind kind, const cJSON *labels)
{
	const cJSON *color = cJSON_GetObjectItemCaseSensitive(labels, "color");

	++((unsigned *)user)[kind];
	return cJSON_IsString(color) && strcmp(color->valuestring, "blue") == 0;
}

/* What is hidden keeps its address, so the others keep theirs. */
static void test_a_selector_hides_and_changes_no_address(void **state)
{
	struct reading *r = *state;
	unsigned asked[KIND_COUNT] = {0};

	r->filter.selects = selects_blue;
	r->filter.user = asked;
	assert_reads(r,
		"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
		"{apiVersion: v1, kind: Namespace, metadata: {name: sky, labels: {color: blue}}}\n"
		"---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: s1283}, spec: {}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: s793, labels: {color: blue}},"
		" spec: {}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: t, labels: [blue]},"
		" spec: {clusterIP: None}}\n---\n"
		"{apiVersion: v1, kind: Endpoints, metadata: {name: e, labels: {color: blue}},"
		" subsets: []}\n---\n"
		"{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {color: red}},"
		" status: {podIP: 10.1.0.1}}\n",
		"namespaces /shop hidden\n"
		"namespaces /sky\n"
		"services default/s1283 10.102.5.83 hidden\n"
		"services default/s793 10.102.5.84\n"
		"services default/t None hidden\n"
		"endpointslices default/e of e:\n"
		"pods default/p 10.1.0.1 hidden\n");
	assert_int_equal(asked[KIND_NAMESPACE], 2);
	assert_int_equal(asked[KIND_SERVICE], 3);
	assert_int_equal(asked[KIND_SLICE], 1);
	assert_int_equal(asked[KIND_POD], 1);
}

/* A Service that needs an address and is refused for something else. */
static void test_refused_after_its_address_was_given(void **state)
{
	struct reading *r = *state;

	assert_reads(r,
		"\n{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {type: Odd}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: ''}, spec: {}}\n",
		"refused services default/ a.yaml:4\nrefused services default/a a.yaml:2\n");
	assert_says(r->set.refused[1].why, "unknown spec.type");
}

/* ---- selectors ---- */

#define WEB                                                                                        \
	"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: web}, spec: {replicas: 2,"      \
	" serviceName: nginx, template: {metadata: {labels: {app: web}}}}}\n---\n"

/* Read before and after what it selects, with and without an address. */
static void test_selectors_find_workloads_and_pods(void **state)
{
	struct reading *r = *state;

	assert_reads(r,
		"{apiVersion: v1, kind: Service, metadata: {name: front},"
		" spec: {selector: {app: web}}}\n---\n" WEB
		"{apiVersion: v1, kind: Service, metadata: {name: nginx, labels: {color: blue}},"
		" spec: {clusterIP: None, selector: {app: web}}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: db},"
		" spec: {clusterIP: None, selector: {app: db}}}\n---\n"
		"{apiVersion: v1, kind: PodList, items: [{metadata: {name: a, labels: {app: db}},"
		" status: {phase: Running, podIP: 10.1.0.1}}, {metadata: {name: b, labels: {app: "
		"db}}}]}\n",
		"services default/db None\n"
		"services default/front 10.105.206.118\n"
		"services default/nginx None\n"
		"pods default/a 10.1.0.1\n"
		"endpointslices default/db-manifest-v4-0 of db: 10.1.0.1 10.249.77.28\n"
		"endpointslices default/front-manifest-v4-0 of front: 10.241.76.28 10.252.89.12\n"
		"endpointslices default/nginx-manifest-v4-0 of nginx: 10.241.76.28=web-0 "
		"10.252.89.12=web-1\n");
	/* Pods are not wanted themselves, but are looked at. */
	r->filter.kinds = KIND_BIT(KIND_SERVICE) | KIND_BIT(KIND_SLICE);
	assert_set(r,
		"services default/db None\n"
		"services default/front 10.105.206.118\n"
		"services default/nginx None\n"
		"endpointslices default/db-manifest-v4-0 of db: 10.1.0.1 10.249.77.28\n"
		"endpointslices default/front-manifest-v4-0 of front: 10.241.76.28 10.252.89.12\n"
		"endpointslices default/nginx-manifest-v4-0 of nginx: 10.241.76.28=web-0 "
		"10.252.89.12=web-1\n");
	r->filter.kinds = KIND_BIT(KIND_SERVICE);
	assert_set(r, "services default/db None\n"
		      "services default/front 10.105.206.118\n"
		      "services default/nginx None\n");
}

static void test_the_later_workload_counts(void **state)
{
	struct reading *r = *state;

	assert_reads(r,
		"{apiVersion: v1, kind: Service, metadata: {name: nginx},"
		" spec: {clusterIP: None, selector: {app: web}}}\n---\n" WEB
		"{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}},"
		" status: {podIP: 10.1.0.1}}\n---\n"
		"{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}},"
		" status: {phase: Pending}}\n---\n"
		"{apiVersion: apps/v1beta1, kind: StatefulSet, metadata: {name: web},"
		" spec: {serviceName: nginx, template: {metadata: {labels: {app: web}}}}}\n---\n"
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: "
		"x}}\n"
		"---\n"
		"{apiVersion: apps/v1, kind: Deployment, metadata: {labels: {app: web}}}\n---\n"
		"{apiVersion: v1, kind: Pod, metadata: {name: bad, labels: {app: web}},"
		" status: {podIP: x}}\n",
		"services default/nginx None\n"
		"endpointslices default/nginx-manifest-v4-0 of nginx: 10.241.76.28=web-0\n"
		"refused endpointslices default/? a.yaml:13\n"
		"refused pods default/bad a.yaml:15\n"
		"refused endpointslices default/web a.yaml:3\n"
		"refused pods default/web a.yaml:5\n"
		"refused endpointslices default/web a.yaml:11\n");
	assert_says(r->set.refused[2].why, "a.yaml:9, which counts");
}

/* A slice that was written counts, and keeps its name. */
static void test_slices_that_are_written_stay(void **state)
{
	assert_reads(*state,
		WEB "{apiVersion: v1, kind: Service, metadata: {name: nginx},"
		    " spec: {clusterIP: None, selector: {app: web}}}\n---\n"
		    "{apiVersion: v1, kind: Service, metadata: {name: other},"
		    " spec: {clusterIP: None, selector: {app: web}}}\n---\n"
		    /* Refused when everything is read. */
		    "{apiVersion: v1, kind: Service, metadata: {name: odd},"
		    " spec: {type: Odd, selector: {app: web}}}\n---\n"
		    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name:"
		    " other-manifest-v4-0, labels: {kubernetes.io/service-name: nginx}}, "
		    "addressType: IPv4,"
		    " endpoints: [{addresses: [10.241.76.28]}]}\n",
		"services default/nginx None\n"
		"services default/other None\n"
		"endpointslices default/other-manifest-v4-0 of nginx: 10.241.76.28\n"
		"endpointslices default/other-manifest-v4-1 of other: 10.241.76.29 10.252.89.12\n"
		"refused services default/odd a.yaml:7\n");
}

/* A slice is selected where its Service is. */
static void test_slices_inherit_labels(void **state)
{
	struct reading *r = *state;
	unsigned asked[KIND_COUNT] = {0};

	r->filter.selects = selects_blue;
	r->filter.user = asked;
	assert_reads(r,
		WEB "{apiVersion: v1, kind: Service, metadata: {name: a, labels: {color: blue}},"
		    " spec: {clusterIP: None, selector: {app: web}}}\n---\n"
		    "{apiVersion: v1, kind: Service, metadata: {name: b, labels: {color: red}},"
		    " spec: {clusterIP: None, selector: {app: web}}}\n",
		"services default/a None\n"
		"services default/b None hidden\n"
		"endpointslices default/a-manifest-v4-0 of a: 10.241.76.28 10.252.89.12\n"
		"endpointslices default/b-manifest-v4-0 of b: 10.241.76.28 10.252.89.12 hidden\n");
}

/* ---- no memory ---- */

static void test_no_memory(void **state)
{
	struct reading *r = *state;
	cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};
	unsigned nth = 1;
	int rc;

	scratch_write(&r->scratch, "a.yaml",
		"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: a},"
		" spec: {ipFamilyPolicy: PreferDualStack}}\n---\n"
		"{apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {clusterIP: x}}\n");
	scratch_write(&r->scratch, "b.yaml",
		"kind: EndpointsList\napiVersion: v1\nitems:\n- metadata: {name: e}\n"
		"  subsets: [{addresses: [{ip: 10.1.0.1}], ports: [{name: http, port: 80}]},"
		" {addresses: [{ip: 10.1.0.2}], ports: [{port: 1, protocol: X}]}]\n---\n" WEB
		"{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {app: "
		"web}}}\n"
		"---\n{apiVersion: v1, kind: Pod, metadata: {name: p}, status: {podIP: "
		"10.1.0.1}}\n");
	assert_int_equal(read_set(r), 0);
	manifest_set_clear(&r->set);
	cJSON_InitHooks(&hooks); /* cJSON's own allocations fail as well */
	do {
		nomem_at(nth++);
		rc = manifest_set_read(&r->files, &r->filter, &r->set, &r->error);
		nomem_left = rc == 0 ? nomem_left : 0;
		if (rc < 0 && (rc != -ENOMEM || r->set.object_count > 0))
			fail_msg("allocation %u: %d", nth - 1, rc);
		if (rc < 0)
			assert_says(r->error.text, "memory");
	} while (rc < 0);
	cJSON_InitHooks(NULL);
	/* It went through because there was no nth allocation. */
	assert_true(nomem_left > 0);
	nomem_at(0);
	assert_true(nth > 50);
	assert_int_equal(r->set.object_count, 6);
	assert_int_equal(r->set.refused_count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_documents_of_all_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices_and_endpoints, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_addresses_are_taken_as_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pod_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists_are_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_kinds_are_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_wanted_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_default_namespace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_later_double_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_object_is_refused_and_the_others_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_mistake_names_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_read, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_addresses_do_not_depend_on_the_order_of_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_imports, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_selector_hides_and_changes_no_address, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_refused_after_its_address_was_given, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_selectors_find_workloads_and_pods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_later_workload_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices_that_are_written_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices_inherit_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct object *make(enum resource resource, const char *json)
{
	char why[DECODE_WHY_MAX];
	struct object *object = NULL;

	assert_int_equal(
		decode_object(resource, &(struct document){.bytes = json, .len = strlen(json)},
			NULL, &object, why),
		DECODE_OK);
	return object;
}

static bool same(enum resource resource, const char *a, const char *b)
{
	struct object *first = make(resource, a), *second = make(resource, b);
	const bool result = object_same(first, second);

	assert_true(object_same(first, first));
	assert_int_equal(object_same(second, first), result);
	object_free(first);
	object_free(second);
	return result;
}

#define META(name, version)                                                                        \
	"{\"metadata\":{\"namespace\":\"d\",\"name\":\"" name "\",\"resourceVersion\":\"" version  \
	"\",\"labels\":{\"kubernetes.io/service-name\":\"w\"}}"
#define SERVICE(spec)     META("w", "1") ",\"spec\":{" spec "}}"
#define SLICE(endpoints)  META("s", "1") ",\"addressType\":\"IPv4\",\"endpoints\":[" endpoints "]}"
#define POD(ips)          META("p", "1") ",\"status\":{\"podIPs\":[" ips "]}}"
#define READY(address)    "{\"addresses\":[\"" address "\"]}"
#define NAMED(address, n) "{\"hostname\":\"" n "\",\"addresses\":[\"" address "\"]}"

static void test_services(void **state)
{
	(void)state;
	assert_true(same(RESOURCE_SERVICES, META("w", "1") "}", META("w", "2") "}"));
	assert_false(same(RESOURCE_SERVICES, META("w", "1") "}", META("x", "1") "}"));
	assert_false(same(RESOURCE_SERVICES, SERVICE("\"clusterIP\":\"10.0.0.1\""),
		SERVICE("\"clusterIP\":\"10.0.0.2\"")));
	assert_false(same(RESOURCE_SERVICES, SERVICE("\"clusterIP\":\"10.0.0.1\""),
		SERVICE("\"clusterIP\":\"None\"")));
	assert_false(same(RESOURCE_SERVICES, SERVICE("\"clusterIP\":\"10.0.0.1\""),
		SERVICE("\"clusterIPs\":[\"10.0.0.1\",\"fd00::1\"]")));
	assert_true(same(RESOURCE_SERVICES, SERVICE("\"clusterIP\":\"10.0.0.1\""),
		SERVICE("\"clusterIPs\":[\"10.0.0.1\"],\"type\":\"NodePort\"")));
	assert_false(same(RESOURCE_SERVICES,
		SERVICE("\"type\":\"ExternalName\",\"externalName\":\"a.b\""),
		SERVICE("\"type\":\"ExternalName\",\"externalName\":\"a.c\"")));
}

static void test_slices(void **state)
{
	(void)state;
	assert_true(same(RESOURCE_SLICES, SLICE(READY("10.0.0.1")), SLICE(READY("10.0.0.1"))));
	assert_false(same(RESOURCE_SLICES, SLICE(READY("10.0.0.1")), SLICE(READY("10.0.0.2"))));
	assert_false(same(RESOURCE_SLICES, SLICE(READY("fd00::1")), SLICE(READY("fd00::2"))));
	assert_false(same(RESOURCE_SLICES, SLICE(READY("fd00::1")), SLICE(READY("10.0.0.1"))));
	assert_false(same(RESOURCE_SLICES, SLICE(READY("10.0.0.1") "," READY("10.0.0.2")),
		SLICE(READY("10.0.0.2") "," READY("10.0.0.1"))));
	assert_false(same(RESOURCE_SLICES, SLICE(READY("10.0.0.1")), SLICE("")));
	assert_false(
		same(RESOURCE_SLICES, SLICE(READY("10.0.0.1")), SLICE(NAMED("10.0.0.1", "a"))));
	assert_false(
		same(RESOURCE_SLICES, SLICE(NAMED("fd00::1", "a")), SLICE(NAMED("fd00::1", "b"))));
	assert_true(same(RESOURCE_SLICES, SLICE(NAMED("10.0.0.1", "a") "," READY("10.0.0.2")),
		SLICE(NAMED("10.0.0.1", "a") "," READY("10.0.0.2"))));
	assert_false(same(RESOURCE_SLICES, SLICE(""), SLICE("{\"conditions\":{\"ready\":false}}")));
}

#define PORTS(ports)        META("w", "1") ",\"spec\":{\"ports\":[" ports "]}}"
#define PORT(name, n, p)    "{\"name\":\"" name "\",\"port\":" n ",\"protocol\":\"" p "\"}"
#define SLICE_PORTS(ports)  META("s", "1") ",\"addressType\":\"IPv4\",\"ports\":[" ports "]}"
#define SUBSETS(subsets)    META("w", "1") ",\"subsets\":[" subsets "]}"
#define SUBSET(list, ports) "{\"addresses\":[" list "],\"ports\":[" ports "]}"
#define IP(ip)              "{\"ip\":\"" ip "\"}"

/* The order matters, the number, the name and the protocol. */
static void test_ports(void **state)
{
	static const struct {
		const char *a, *b;
	} rows[] = {
		{PORTS(PORT("a", "80", "TCP")), PORTS("")},
		{PORTS(PORT("a", "80", "TCP")), PORTS(PORT("a", "81", "TCP"))},
		{PORTS(PORT("a", "80", "TCP")), PORTS(PORT("b", "80", "TCP"))},
		{PORTS(PORT("a", "80", "TCP")), PORTS(PORT("a", "80", "UDP"))},
		{PORTS(PORT("a", "80", "TCP")), PORTS(PORT("a", "80", "tcp"))},
		{PORTS(PORT("a", "80", "TCP") "," PORT("b", "81", "TCP")),
			PORTS(PORT("b", "81", "TCP") "," PORT("a", "80", "TCP"))},
		{PORTS(PORT("a", "80", "TCP")),
			PORTS(PORT("a", "80", "TCP") "," PORT("b", "81", "TCP"))},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_false(same(RESOURCE_SERVICES, rows[i].a, rows[i].b));
		assert_true(same(RESOURCE_SERVICES, rows[i].a, rows[i].a));
	}
	assert_true(same(RESOURCE_SERVICES, PORTS("{\"port\":80}"),
		PORTS("{\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"}")));
	assert_false(same(RESOURCE_SLICES, SLICE_PORTS(PORT("a", "80", "TCP")),
		SLICE_PORTS(PORT("a", "81", "TCP"))));
	assert_true(same(RESOURCE_SLICES, SLICE_PORTS(PORT("a", "80", "TCP")),
		SLICE_PORTS(PORT("a", "80", "TCP"))));
	assert_false(
		same(RESOURCE_SLICES, SLICE_PORTS("{\"port\":null}"), SLICE_PORTS("{\"port\":0}")));
}

/* The same addresses and the same ports, but otherwise put together. */
static void test_groups(void **state)
{
	static const char *const two = SUBSETS(SUBSET(IP("10.0.0.1"), "{\"port\":1}") "," SUBSET(
		IP("10.0.0.2") "," IP("10.0.0.3"), "{\"port\":2}"));
	static const char *const other = SUBSETS(SUBSET(IP("10.0.0.1") "," IP("10.0.0.2"),
		"{\"port\":1}") "," SUBSET(IP("10.0.0.3"), "{\"port\":2}"));
	static const char *const one = SUBSETS(
		SUBSET(IP("10.0.0.1") "," IP("10.0.0.2") "," IP("10.0.0.3"), "{\"port\":1}"));

	(void)state;
	assert_true(same(RESOURCE_ENDPOINTS, two, two));
	assert_false(same(RESOURCE_ENDPOINTS, two, other));
	assert_false(same(RESOURCE_ENDPOINTS, two, one));
}

static void test_others(void **state)
{
	struct object *pod = make(RESOURCE_PODS, POD("{\"ip\":\"10.0.0.1\"}"));
	struct object *service = make(RESOURCE_SERVICES, META("p", "1") "}");

	(void)state;
	assert_false(object_same(pod, service));
	object_free(pod);
	object_free(service);
	object_free(NULL);
	assert_false(
		same(RESOURCE_PODS, POD("{\"ip\":\"10.0.0.1\"}"), POD("{\"ip\":\"10.0.0.2\"}")));
	assert_true(same(RESOURCE_NAMESPACES, META("n", "1") "}", META("n", "2") "}"));
	assert_false(same(RESOURCE_NAMESPACES, META("n", "1") "}", META("m", "1") "}"));
}

#define IMPORT(spec) META("i", "1") ",\"spec\":{" spec "}}"
#define IMPORT_SLICE(cluster)                                                                      \
	"{\"metadata\":{\"name\":\"s\",\"namespace\":\"d\",\"labels\":{"                           \
	"\"multicluster.kubernetes.io/service-name\":\"i\","                                       \
	"\"multicluster.kubernetes.io/source-cluster\":\"" cluster                                 \
	"\"}},\"addressType\":\"IPv4\"}"

static void test_imports(void **state)
{
	static const char *const one = IMPORT("\"type\":\"ClusterSetIP\",\"ips\":[\"10.0.0.1\"]");

	(void)state;
	assert_true(same(RESOURCE_IMPORTS, one, one));
	assert_false(same(
		RESOURCE_IMPORTS, one, IMPORT("\"type\":\"ClusterSetIP\",\"ips\":[\"10.0.0.2\"]")));
	assert_false(same(RESOURCE_IMPORTS, IMPORT("\"type\":\"ClusterSetIP\""),
		IMPORT("\"type\":\"Headless\"")));
	assert_true(same(RESOURCE_IMPORT_SLICES, IMPORT_SLICE("a"), IMPORT_SLICE("a")));
	assert_false(same(RESOURCE_IMPORT_SLICES, IMPORT_SLICE("a"), IMPORT_SLICE("b")));
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(object_kind_name(KIND_NAMESPACE), "namespaces");
	assert_string_equal(object_kind_name(KIND_SERVICE), "services");
	assert_string_equal(object_kind_name(KIND_SLICE), "endpointslices");
	assert_string_equal(object_kind_name(KIND_POD), "pods");
	assert_string_equal(object_kind_name(KIND_IMPORT), "serviceimports");
	assert_string_equal(object_kind_name(KIND_IMPORT_SLICE), "imported endpointslices");
	assert_string_equal(object_kind_name(KIND_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_imports),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in, what DNS sees of them out as one line of text:
 *
 *	d/web@7 cluster 10.0.0.1 fd00::1     d/web@7 headless    d/web@7 external x.org
 *	d/s@7 of web v4 10.1.0.1=a 10.1.0.2 v6 fd00::1 unready 2
 */

#include "watch/decode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char line[4096];

static void line_add(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void line_add(const char *format, ...)
{
	const size_t len = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + len, sizeof line - len, format, args);
	va_end(args);
}

static void line_ip(int family, const void *bytes)
{
	char text[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text));
	line_add(" %s", text);
}

/* Everything an object points at has to lie inside its one allocation. */
static void inside(const struct object *object, const void *at, size_t len)
{
	const char *start = (const char *)object, *p = at;

	if (at)
		assert_true(p >= start && p + len <= start + object->size);
}

static void slice_line(const struct endpoint_slice *slice)
{
	inside(&slice->head, slice->v4, 4 * (size_t)slice->v4_count);
	inside(&slice->head, slice->v6, 16 * (size_t)slice->v6_count);
	inside(&slice->head, slice->service, strlen(slice->service) + 1);
	line_add(" of %s%s", slice->service, slice->v4_count ? " v4" : "");
	for (uint32_t i = 0; i < slice->v4_count; i++) {
		line_ip(4, slice->v4 + 4 * (size_t)i);
		if (slice->v4_hostnames && slice->v4_hostnames[i])
			line_add("=%s", slice->v4_hostnames[i]);
	}
	line_add("%s", slice->v6_count ? " v6" : "");
	for (uint32_t i = 0; i < slice->v6_count; i++) {
		line_ip(6, slice->v6 + 16 * (size_t)i);
		if (slice->v6_hostnames && slice->v6_hostnames[i])
			line_add("=%s", slice->v6_hostnames[i]);
	}
	if (slice->unready)
		line_add(" unready %u", slice->unready);
}

static void object_line(const struct object *object)
{
	static const char *const types[] = {"cluster", "headless", "external"};
	const struct ip *ips = NULL;
	unsigned count = 0;

	inside(object, object->name, strlen(object->name) + 1);
	inside(object, object->ns, strlen(object->ns) + 1);
	line_add("%s%s%s@%llu", object->ns, *object->ns ? "/" : "", object->name,
		(unsigned long long)object->version);
	if (object->kind == KIND_SERVICE) {
		const struct service *service = (const struct service *)object;

		line_add(" %s", types[service->type]);
		ips = service->ips;
		count = service->ip_count;
		if (service->external_name)
			line_add(" %s", service->external_name);
	} else if (object->kind == KIND_POD) {
		ips = ((const struct pod *)object)->ips;
		count = ((const struct pod *)object)->ip_count;
	} else if (object->kind == KIND_SLICE) {
		slice_line((const struct endpoint_slice *)object);
	}
	inside(object, ips, count * sizeof *ips);
	for (unsigned i = 0; i < count; i++)
		line_ip(ips[i].family, ips[i].bytes);
}

/* "line", "line; why", "SKIP why", "INVALID why", "SYNTAX". */
static const char *decode(enum resource resource, const char *json)
{
	static const char *const results[] = {
		[DECODE_SKIP] = "SKIP", [DECODE_INVALID] = "INVALID", [DECODE_SYNTAX] = "SYNTAX"};
	const size_t len = strlen(json);
	char *copy = malloc(len ? len : 1), why[DECODE_WHY_MAX] = "";
	struct object *object = NULL;
	enum decode_result result;

	memcpy(copy, json, len);
	result = decode_object(resource, copy, len, &object, why);
	free(copy);
	line[0] = '\0';
	if (result == DECODE_OK) {
		assert_int_equal(object->kind, resource_table[resource].kind);
		object_line(object);
		line_add("%s%s", why[0] ? "; " : "", why);
		object_free(object);
	} else {
		assert_null(object);
		line_add("%s%s%s", results[result], result == DECODE_SYNTAX ? "" : " ",
			result == DECODE_SYNTAX ? "" : why);
	}
	return line;
}

struct row {
	const char *json;
	const char *line;
};

#define META "\"metadata\":{\"name\":\"web\",\"namespace\":\"d\",\"resourceVersion\":\"7\"}"

static const struct row namespaces[] = {
	{"{\"metadata\":{\"name\":\"shop\",\"resourceVersion\":\"18446744073709551615\"}}",
		"shop@18446744073709551615"},
	{"{\"metadata\":{\"name\":\"shop\",\"namespace\":\"ignored\"}}", "shop@0"},
	{"{\"metadata\":{\"name\":\"a\",\"name\":\"b\"}}", "a@0"},
	{"{\"Metadata\":{\"name\":\"a\"}}", "INVALID Namespace: metadata.name is missing"},
	{"{\"metadata\":{\"name\":null}}", "INVALID Namespace: metadata.name is missing"},
	{"{\"metadata\":{\"name\":\"\"}}", "INVALID Namespace : metadata.name is missing"},
	{"{\"metadata\":{\"name\":7}}", "INVALID Namespace: name is not a string"},
	{"{\"metadata\":[]}", "INVALID Namespace: metadata is not an object"},
	{"{\"metadata\":{\"name\":\"a\",\"resourceVersion\":7}}",
		"INVALID Namespace a: resourceVersion is not a string"},
	{"{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"x\"}}",
		"INVALID Namespace a: resourceVersion is not a decimal number"},
	{"{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"18446744073709551616\"}}",
		"INVALID Namespace a: resourceVersion is not a decimal number"},
	{"[]", "INVALID Namespace: not an object"},
	{"7", "INVALID Namespace: not an object"},
	{"", "SYNTAX"},
	{"{", "SYNTAX"},
	{"{}x", "SYNTAX"},
	{"{} \n", "INVALID Namespace: metadata.name is missing"},
	{"{\"metadata\":{\"name\":\"\\ud800\"}}", "SYNTAX"},
};

static const struct row services[] = {
	{"{" META "}", "d/web@7 cluster"},
	{"{" META ",\"spec\":null}", "d/web@7 cluster"},
	{"{" META ",\"spec\":{\"clusterIP\":\"10.0.0.1\"}}", "d/web@7 cluster 10.0.0.1"},
	{"{" META
	 ",\"spec\":{\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\",\"fd00::1\"]}}",
		"d/web@7 cluster 10.0.0.1 fd00::1"},
	{"{" META ",\"spec\":{\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[]}}",
		"d/web@7 cluster 10.0.0.1"},
	{"{" META
	 ",\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":null}}",
		"d/web@7 cluster 10.0.0.1"},
	{"{" META ",\"spec\":{\"type\":\"LoadBalancer\",\"clusterIP\":\"\"}}", "d/web@7 cluster"},
	{"{" META ",\"spec\":{\"clusterIP\":\"None\"}}", "d/web@7 headless"},
	{"{" META ",\"spec\":{\"clusterIPs\":[\"None\"]}}", "d/web@7 headless"},
	{"{" META ",\"spec\":{\"clusterIP\":\"::ffff:10.0.0.1\"}}", "d/web@7 cluster 10.0.0.1"},
	{"{" META ",\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"db.example.org.\"}}",
		"d/web@7 external db.example.org."},
	{"{" META ",\"spec\":{\"type\":\"ExternalName\",\"clusterIP\":\"\"}}",
		"INVALID Service d/web: spec.externalName is missing"},
	{"{" META ",\"spec\":{\"type\":\"Funny\"}}",
		"INVALID Service d/web: unknown spec.type \"Funny\""},
	{"{" META ",\"spec\":{\"type\":3}}", "INVALID Service d/web: type is not a string"},
	{"{" META ",\"spec\":[]}", "INVALID Service d/web: spec is not an object"},
	{"{" META ",\"spec\":{\"clusterIP\":10}}",
		"INVALID Service d/web: clusterIP is not a string"},
	{"{" META ",\"spec\":{\"clusterIPs\":\"10.0.0.1\"}}",
		"INVALID Service d/web: clusterIPs is not a list"},
	{"{" META ",\"spec\":{\"clusterIPs\":[1]}}",
		"INVALID Service d/web: an entry of spec.clusterIPs is not a string"},
	{"{" META ",\"spec\":{\"clusterIP\":\"010.0.0.1\"}}",
		"INVALID Service d/web: address \"010.0.0.1\" cannot be used"},
	{"{" META ",\"spec\":{\"clusterIPs\":[\"10.0.0.1\",\"x\",\"y\"]}}",
		"d/web@7 cluster 10.0.0.1; Service d/web: address \"x\" and 1 more cannot be used"},
	{"{\"metadata\":{\"name\":\"web\"}}", "INVALID Service web: metadata.namespace is missing"},
};

#define LABELED(label)                                                                             \
	"\"metadata\":{\"name\":\"s\",\"namespace\":\"d\",\"resourceVersion\":\"7\",\"labels\":{"  \
	"\"kubernetes.io/service-name\":" label "}}"
#define SLICE(rest)          "{" LABELED("\"web\"") ",\"addressType\":\"IPv4\"" rest "}"
#define ENDPOINTS(endpoints) SLICE(",\"endpoints\":[" endpoints "]")

static const struct row slices[] = {
	{SLICE(""), "d/s@7 of web"},
	{SLICE(",\"endpoints\":null,\"ports\":null"), "d/s@7 of web"},
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\"]}"), "d/s@7 of web v4 10.1.0.1"},
	{ENDPOINTS("{\"addresses\":null},{\"addresses\":[]},{}"), "d/s@7 of web"},
	/* ready: nil is true */
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\"],\"conditions\":null},"
		   "{\"addresses\":[\"10.1.0.2\"],\"conditions\":{}},"
		   "{\"addresses\":[\"10.1.0.3\"],\"conditions\":{\"ready\":null}},"
		   "{\"addresses\":[\"10.1.0.4\"],\"conditions\":{\"ready\":true,\"terminating\":"
		   "true}},"
		   "{\"addresses\":[\"10.1.0.5\"],\"conditions\":{\"ready\":false,\"serving\":true}"
		   "}"),
		"d/s@7 of web v4 10.1.0.1 10.1.0.2 10.1.0.3 10.1.0.4 unready 1"},
	/* all addresses of an endpoint, duplicates too; one hostname for all of them */
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\",\"10.1.0.1\",\"10.1.0.2\"],\"hostname\":\"a\"},"
		   "{\"addresses\":[\"10.1.0.3\"],\"hostname\":\"\"},"
		   "{\"addresses\":[\"10.1.0.4\"],\"hostname\":null}"),
		"d/s@7 of web v4 10.1.0.1=a 10.1.0.1=a 10.1.0.2=a 10.1.0.3 10.1.0.4"},
	{ENDPOINTS("{\"addresses\":[\"fd00::1\",\"10.1.0.1\"],\"hostname\":\"a\"},"
		   "{\"addresses\":[\"::1\",\"127.0.0.1\",\"::ffff:10.1.0.9\"]}"),
		"d/s@7 of web v4 10.1.0.1=a 127.0.0.1 10.1.0.9 v6 fd00::1=a ::1"},
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\",\"10.1.0.999\"]}"),
		"d/s@7 of web v4 10.1.0.1; EndpointSlice d/s: address \"10.1.0.999\" cannot be "
		"used"},
	{ENDPOINTS("{\"addresses\":[\"fe80::1%eth0\",\"\"]}"),
		"INVALID EndpointSlice d/s: address \"fe80::1%eth0\" and 1 more cannot be used"},
	{"{" LABELED("\"web\"") ",\"addressType\":\"IP\",\"endpoints\":[{\"addresses\":["
				"\"10.1.0.1\"],\"topology\":{\"kubernetes.io/hostname\":\"n\"}}]}",
		"d/s@7 of web v4 10.1.0.1"},
	/* nothing to DNS */
	{"{" LABELED("\"web\"") ",\"addressType\":\"FQDN\",\"endpoints\":[{\"addresses\":["
				"\"a.b\"]}]}",
		"SKIP EndpointSlice d/s: addressType is not IPv4 or IPv6"},
	{"{" LABELED("null") ",\"addressType\":\"IPv4\"}",
		"SKIP EndpointSlice d/s: no label kubernetes.io/service-name"},
	{"{" LABELED("\"\"") ",\"addressType\":\"IPv4\"}",
		"SKIP EndpointSlice d/s: no label kubernetes.io/service-name"},
	{"{" META ",\"addressType\":\"IPv6\"}",
		"SKIP EndpointSlice d/web: no label kubernetes.io/service-name"},
	/* wrong types */
	{"{" META "}", "INVALID EndpointSlice d/web: addressType is missing"},
	{"{" LABELED("3") ",\"addressType\":\"IPv4\"}",
		"INVALID EndpointSlice d/s: kubernetes.io/service-name is not a string"},
	{SLICE(",\"endpoints\":{}"), "INVALID EndpointSlice d/s: endpoints is not a list"},
	{SLICE(",\"endpoints\":\"x\""), "INVALID EndpointSlice d/s: endpoints is not a list"},
	{ENDPOINTS("null"), "INVALID EndpointSlice d/s: an entry of endpoints is not an object"},
	{ENDPOINTS("{\"addresses\":7}"), "INVALID EndpointSlice d/s: addresses is not a list"},
	{ENDPOINTS("{\"addresses\":[7]}"),
		"INVALID EndpointSlice d/s: an entry of addresses is not a string"},
	{ENDPOINTS("{\"addresses\":[null]}"),
		"INVALID EndpointSlice d/s: an entry of addresses is not a string"},
	{ENDPOINTS("{\"conditions\":{\"ready\":\"true\"}}"),
		"INVALID EndpointSlice d/s: ready is not true or false"},
	{ENDPOINTS("{\"conditions\":[]}"),
		"INVALID EndpointSlice d/s: conditions is not an object"},
	{ENDPOINTS("{\"hostname\":[],\"addresses\":[\"10.1.0.1\"]}"),
		"INVALID EndpointSlice d/s: hostname is not a string"},
};

static const struct row endpoints[] = {
	{"{" META "}", "d/web@7 of web"},
	{"{" META ",\"subsets\":[{\"addresses\":[{\"ip\":\"10.1.0.1\",\"hostname\":\"a\"},"
	 "{\"ip\":\"fd00::1\"}],\"notReadyAddresses\":[{\"ip\":\"10.1.0.2\"},{\"ip\":\"x\"}]},"
	 "{\"addresses\":[{\"ip\":\"10.1.0.3\"}],\"notReadyAddresses\":null,\"ports\":null}]}",
		"d/web@7 of web v4 10.1.0.1=a 10.1.0.3 v6 fd00::1 unready 2"},
	{"{\"metadata\":{\"name\":\"l\",\"namespace\":\"d\",\"annotations\":{"
	 "\"control-plane.alpha.kubernetes.io/leader\":\"{}\"}}}",
		"SKIP Endpoints d/l: a lock of a leader election"},
	{"{" META ",\"subsets\":[{\"addresses\":[{}]}]}",
		"INVALID Endpoints d/web: address \"\" cannot be used"},
	{"{" META ",\"subsets\":[7]}",
		"INVALID Endpoints d/web: an entry of subsets is not an object"},
	{"{" META ",\"subsets\":[{\"addresses\":[7]}]}",
		"INVALID Endpoints d/web: an entry of addresses is not an object"},
	{"{" META ",\"subsets\":[{\"notReadyAddresses\":7}]}",
		"INVALID Endpoints d/web: notReadyAddresses is not a list"},
};

static const struct row pods[] = {
	{"{" META ",\"status\":{\"podIP\":\"10.2.0.1\"}}", "d/web@7 10.2.0.1"},
	{"{" META ",\"status\":{\"podIP\":\"10.2.0.1\",\"podIPs\":[{\"ip\":\"10.2.0.1\"},"
	 "{\"ip\":\"fd00::2\"}]}}",
		"d/web@7 10.2.0.1 fd00::2"},
	{"{" META ",\"status\":{\"phase\":\"Pending\"}}", "SKIP Pod d/web: no address yet"},
	{"{" META ",\"status\":{\"phase\":\"Failed\",\"podIP\":\"10.2.0.1\"}}",
		"SKIP Pod d/web: the pod is over"},
	{"{" META "}", "SKIP Pod d/web: no address yet"},
	{"{" META ",\"status\":{\"podIPs\":[7]}}",
		"INVALID Pod d/web: an entry of status.podIPs is not an object"},
	{"{" META ",\"status\":{\"podIP\":\"x\"}}",
		"INVALID Pod d/web: address \"x\" cannot be used"},
};

static void check(enum resource resource, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_string_equal(decode(resource, rows[i].json), rows[i].line);
}

#define CHECK(resource, rows) check(resource, rows, sizeof(rows) / sizeof((rows)[0]))

static void test_namespaces(void **state)
{
	(void)state;
	CHECK(RESOURCE_NAMESPACES, namespaces);
}

static void test_services(void **state)
{
	(void)state;
	CHECK(RESOURCE_SERVICES, services);
}

static void test_slices(void **state)
{
	(void)state;
	CHECK(RESOURCE_SLICES, slices);
	CHECK(RESOURCE_SLICES_V1BETA1, slices);
}

static void test_endpoints(void **state)
{
	(void)state;
	CHECK(RESOURCE_ENDPOINTS, endpoints);
}

static void test_pods(void **state)
{
	(void)state;
	CHECK(RESOURCE_PODS, pods);
}

/* Names and lists at their limits. */
static void test_limits(void **state)
{
	char name[400], json[8192];
	size_t len;

	(void)state;
	memset(name, 'a', sizeof name);
	name[253] = '\0';
	snprintf(json, sizeof json, "{\"metadata\":{\"name\":\"%s\"}}", name);
	assert_memory_equal(decode(RESOURCE_NAMESPACES, json), name, 253);
	name[253] = 'a';
	name[254] = '\0';
	snprintf(json, sizeof json, "{\"metadata\":{\"name\":\"%s\"}}", name);
	assert_non_null(strstr(decode(RESOURCE_NAMESPACES, json), "is longer than 253 bytes"));
	snprintf(json, sizeof json, "{" LABELED("\"%s\"") ",\"addressType\":\"IPv4\"}", name);
	assert_non_null(strstr(decode(RESOURCE_SLICES, json), "is too long"));
	name[254] = 'a';
	name[255] = '\0';
	snprintf(json, sizeof json,
		"{" META ",\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"%s\"}}", name);
	assert_non_null(strstr(decode(RESOURCE_SERVICES, json), "longer than a DNS name"));
	len = (size_t)snprintf(
		json, sizeof json, "{" META ",\"spec\":{\"clusterIPs\":[\"10.0.0.1\"");
	for (unsigned i = 0; i < 255; i++)
		len += (size_t)snprintf(json + len, sizeof json - len, ",\"10.0.0.1\"");
	snprintf(json + len, sizeof json - len, "]}}");
	assert_string_equal(
		decode(RESOURCE_SERVICES, json), "INVALID Service d/web: more than 255 addresses");
}

/* Nesting beyond cJSON's limit is refused, not a stack overflow. */
static void test_deep_nesting(void **state)
{
	const size_t depth = 100000;
	char *json = malloc(2 * depth + 1);

	(void)state;
	memset(json, '[', depth);
	memset(json + depth, ']', depth);
	json[2 * depth] = '\0';
	assert_string_equal(decode(RESOURCE_SERVICES, json), "SYNTAX");
	free(json);
}

static void test_identity(void **state)
{
	static const char whole[] = "{" META ",\"spec\":7,\"endpoints\":\"x\"}";
	char why[DECODE_WHY_MAX];

	(void)state;
	for (int resource = 0; resource < RESOURCE_COUNT; resource++) {
		struct object *object = NULL;
		const bool flat = resource == RESOURCE_NAMESPACES;

		assert_int_equal(decode_identity((enum resource)resource, whole, strlen(whole),
					 &object, why),
			DECODE_OK);
		assert_string_equal(object->name, "web");
		assert_string_equal(object->ns, flat ? "" : "d");
		assert_int_equal(object->version, 7);
		assert_int_equal(object->kind, resource_table[resource].kind);
		inside(object, object->name, 4);
		object_free(object);
		object = NULL;
		assert_int_equal(decode_identity((enum resource)resource, "{}", 2, &object, why),
			DECODE_INVALID);
		assert_non_null(strstr(why, "metadata.name is missing"));
		assert_int_equal(decode_identity((enum resource)resource, "{", 1, &object, why),
			DECODE_SYNTAX);
		assert_null(object);
	}
}

/* A tree made by somebody else. */
static void test_tree(void **state)
{
	cJSON *tree = cJSON_CreateObject(), *metadata = cJSON_AddObjectToObject(tree, "metadata");
	struct object *object = NULL;
	char why[DECODE_WHY_MAX];

	(void)state;
	cJSON_AddStringToObject(metadata, "name", "shop");
	assert_int_equal(decode_tree(RESOURCE_NAMESPACES, tree, &object, why), DECODE_OK);
	assert_string_equal(object->name, "shop");
	assert_string_equal(why, "");
	object_free(object);
	cJSON_Delete(tree);
}

/* 150 endpoints cost their addresses and little more. */
static void test_size(void **state)
{
	char json[16384], why[DECODE_WHY_MAX];
	struct object *object = NULL;
	size_t len = (size_t)snprintf(json, sizeof json,
		"{" LABELED("\"web\"") ",\"addressType\":\"IPv4\",\"endpoints\":[");

	(void)state;
	for (unsigned i = 0; i < 150; i++)
		len += (size_t)snprintf(json + len, sizeof json - len,
			"%s{\"addresses\":[\"10.0.0.%u\"]}", i ? "," : "", i);
	len += (size_t)snprintf(json + len, sizeof json - len, "]}");
	assert_int_equal(decode_object(RESOURCE_SLICES, json, len, &object, why), DECODE_OK);
	assert_int_equal(object->size,
		sizeof(struct endpoint_slice) + 600 + sizeof "web" + sizeof "d" + sizeof "s");
	object_free(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_line.h"

#include <cjson/cJSON.h>

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
	{"{" META ",\"spec\":{\"clusterIP\":\"::ffff:10.0.0.1\"}}",
		"INVALID Service d/web: IPv4-mapped address \"::ffff:10.0.0.1\" cannot be used"},
	{"{" META ",\"spec\":{\"clusterIPs\":[\"10.0.0.1\",\"::1\"]}}",
		"d/web@7 cluster 10.0.0.1; Service d/web: loopback address \"::1\" cannot be "
		"used"},
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

#define PORTS(ports) "{" META ",\"spec\":{\"clusterIP\":\"10.0.0.1\",\"ports\":" ports "}}"

static const struct row service_ports[] = {
	{PORTS("null"), "d/web@7 cluster 10.0.0.1"},
	{PORTS("[]"), "d/web@7 cluster 10.0.0.1"},
	{PORTS("[{\"port\":80,\"targetPort\":\"x\",\"nodePort\":30080,\"appProtocol\":\"h\"}]"),
		"d/web@7 cluster 10.0.0.1 ports :80/TCP"},
	{PORTS("[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"},"
	       "{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\"},"
	       "{\"name\":\"s\",\"port\":65535,\"protocol\":\"SCTP\"},"
	       "{\"name\":\"TCP\",\"port\":0,\"protocol\":\"Odd.One\"}]"),
		"d/web@7 cluster 10.0.0.1 ports http:80/TCP dns:53/UDP s:65535/SCTP "
		"TCP:0/Odd.One"},
	{PORTS("[{},{\"name\":null,\"port\":null,\"protocol\":null},"
	       "{\"name\":\"\",\"protocol\":\"\"}]"),
		"d/web@7 cluster 10.0.0.1 ports :-1/TCP :-1/TCP :-1/TCP"},
	{"{" META ",\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}}",
		"d/web@7 headless ports :80/TCP"},
	{"{" META ",\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\","
	 "\"ports\":[{\"name\":\"http\",\"port\":80}]}}",
		"d/web@7 external a.b ports http:80/TCP"},
	{PORTS("{}"), "INVALID Service d/web: ports is not a list"},
	{PORTS("[80]"), "INVALID Service d/web: an entry of ports is not an object"},
	{PORTS("[null]"), "INVALID Service d/web: an entry of ports is not an object"},
	{PORTS("[{\"port\":\"80\"}]"),
		"INVALID Service d/web: port is not a number of a sensible size"},
	{PORTS("[{\"port\":-1}]"),
		"INVALID Service d/web: port is not a number of a sensible size"},
	{PORTS("[{\"port\":65536}]"), "INVALID Service d/web: port 65536 is beyond 65535"},
	{PORTS("[{\"name\":80}]"), "INVALID Service d/web: name is not a string"},
	{PORTS("[{\"protocol\":6}]"), "INVALID Service d/web: protocol is not a string"},
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
	{"{" META ",\"status\":{\"podIP\":\"169.254.0.1\"}}",
		"INVALID Pod d/web: link-local address \"169.254.0.1\" cannot be used"},
};

/* As they are written. */
static const struct row trusted_services[] = {
	{"{" META ",\"spec\":{\"clusterIP\":\"::ffff:10.0.0.1\"}}", "d/web@7 cluster 10.0.0.1"},
	{"{" META ",\"spec\":{\"clusterIPs\":[\"127.0.0.1\",\"::1\"]}}",
		"d/web@7 cluster 127.0.0.1 ::1"},
	{"{" META ",\"spec\":{\"clusterIP\":\"127.0.1\"}}",
		"INVALID Service d/web: address \"127.0.1\" cannot be used"},
};

static const struct row trusted_pods[] = {
	{"{" META ",\"status\":{\"podIP\":\"169.254.0.1\"}}", "d/web@7 169.254.0.1"},
};

static void test_namespaces(void **state)
{
	(void)state;
	CHECK(RESOURCE_NAMESPACES, namespaces);
}

static void test_services(void **state)
{
	(void)state;
	CHECK(RESOURCE_SERVICES, services);
	CHECK(RESOURCE_SERVICES, service_ports);
}

static void test_pods(void **state)
{
	(void)state;
	CHECK(RESOURCE_PODS, pods);
}

static void test_trusted(void **state)
{
	(void)state;
	line_options.trusted = true;
	CHECK(RESOURCE_SERVICES, trusted_services);
	CHECK(RESOURCE_PODS, trusted_pods);
	line_options.trusted = false;
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

		assert_int_equal(decode_identity((enum resource)resource,
					 &(struct document){.bytes = whole, .len = strlen(whole)},
					 &object, why),
			DECODE_OK);
		assert_string_equal(object->name, "web");
		assert_string_equal(object->ns, flat ? "" : "d");
		assert_int_equal(object->version, 7);
		assert_int_equal(object->kind, resource_table[resource].kind);
		inside(object, object->name, 4);
		object_free(object);
		object = NULL;
		assert_int_equal(decode_identity((enum resource)resource,
					 &(struct document){.bytes = "{}", .len = 2}, &object, why),
			DECODE_INVALID);
		assert_non_null(strstr(why, "metadata.name is missing"));
		assert_int_equal(decode_identity((enum resource)resource,
					 &(struct document){.bytes = "{", .len = 1}, &object, why),
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
	assert_int_equal(decode_tree(RESOURCE_NAMESPACES, tree, NULL, &object, why), DECODE_OK);
	assert_string_equal(object->name, "shop");
	assert_string_equal(why, "");
	object_free(object);
	cJSON_Delete(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_trusted),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_tree),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}

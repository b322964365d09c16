/* SPDX-License-Identifier: Apache-2.0 */
/* An object in protobuf is the same object as in JSON. The messages are as the API server
 * writes them: with the fields that nobody reads, and with single ones that are empty. */

#include "decode_line.h"
#include "proto_build.h"
#include "watch/proto_schema.h"

static const char *proto_decode(enum resource resource, const struct built *built)
{
	const struct document document = {
		built->bytes, built->len, proto_message_of(resource), decode_parts(&line_options)};

	return decode_document(resource, &document);
}

static void assert_same(enum resource resource, const struct built *built, const char *json)
{
	char wanted[sizeof line];

	snprintf(wanted, sizeof wanted, "%s", decode(resource, json));
	assert_string_equal(proto_decode(resource, built), wanted);
}

static void options_set(bool on)
{
	line_options = (struct decode_options){.pod_names = on, .zones = on, .externals = on};
}

static void port_add(struct built *to, unsigned field, const char *name, int number)
{
	struct built port = {.len = 0}, target = {.len = 0};

	built_text(&port, 1, name);
	built_text(&port, 2, "TCP");
	built_number(&port, 3, (uint64_t)number);
	built_number(&target, 1, 0); /* IntOrString */
	built_number(&target, 2, 8080);
	built_text(&target, 3, "");
	built_message(&port, 4, &target);
	built_number(&port, 5, 0); /* nodePort */
	built_message(to, field, &port);
}

static void build_service(
	struct built *built, const char *cluster_ip, const char *type, const char *external_name)
{
	struct built meta = {.len = 0}, spec = {.len = 0}, status = {.len = 0}, part = {.len = 0},
		     ingress = {.len = 0};

	built->len = 0;
	built_meta(&meta, "shop", "web", "4711");
	built_entry(&meta, 11, "app", "web");
	built_entry(&meta, 12, "kubectl.kubernetes.io/last-applied-configuration", "{}");
	built_message(built, 1, &meta);
	port_add(&spec, 1, "http", 80);
	port_add(&spec, 1, "", 443);
	built_entry(&spec, 2, "app", "web");
	built_text(&spec, 3, cluster_ip);
	built_text(&spec, 4, type);
	built_text(&spec, 5, "192.0.2.9");
	built_text(&spec, 7, "None"); /* sessionAffinity */
	built_text(&spec, 8, "");
	built_text(&spec, 10, external_name);
	built_text(&spec, 11, "");
	built_number(&spec, 12, 0);
	built_number(&spec, 13, 0);
	built_text(&spec, 17, "SingleStack");
	if (*cluster_ip)
		built_text(&spec, 18, cluster_ip);
	built_text(&spec, 19, "IPv4");
	built_message(built, 2, &spec);
	built_text(&ingress, 1, "");
	built_text(&ingress, 2, "lb.example.org");
	built_message(&part, 1, &ingress);
	ingress.len = 0;
	built_text(&ingress, 1, "192.0.2.10");
	built_text(&ingress, 2, "");
	built_message(&part, 1, &ingress);
	built_message(&status, 1, &part);
	built_message(built, 3, &status);
}

#define SERVICE_JSON(spec)                                                                         \
	"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"resourceVersion\":\"4711\"},"    \
	"\"spec\":{" spec ",\"externalIPs\":[\"192.0.2.9\"],\"ports\":[{\"name\":\"http\","        \
	"\"port\":80,\"protocol\":\"TCP\"},{\"port\":443,\"protocol\":\"TCP\"}]},"                 \
	"\"status\":{\"loadBalancer\":{\"ingress\":[{\"hostname\":\"lb.example.org\"},"            \
	"{\"ip\":\"192.0.2.10\"}]}}}"

static void services(void **state)
{
	static struct built built;

	(void)state;
	for (unsigned on = 0; on < 2; on++) {
		options_set(on);
		build_service(&built, "10.96.0.10", "ClusterIP", "");
		assert_same(RESOURCE_SERVICES, &built,
			SERVICE_JSON("\"clusterIP\":\"10.96.0.10\",\"type\":\"ClusterIP\","
				     "\"clusterIPs\":[\"10.96.0.10\"]"));
		assert_int_equal(strstr(line, "lb.example.org") != NULL, on);
		build_service(&built, "None", "ClusterIP", "");
		assert_same(RESOURCE_SERVICES, &built,
			SERVICE_JSON("\"clusterIP\":\"None\",\"type\":\"ClusterIP\","
				     "\"clusterIPs\":[\"None\"]"));
		build_service(&built, "", "ExternalName", "example.org");
		assert_same(RESOURCE_SERVICES, &built,
			SERVICE_JSON("\"type\":\"ExternalName\",\"externalName\":\"example.org\""));
		assert_non_null(strstr(line, " external example.org"));
	}
	options_set(false);
	build_service(&built, "", "ExternalName", "");
	assert_string_equal(proto_decode(RESOURCE_SERVICES, &built),
		"INVALID Service shop/web: spec.externalName is missing");
}

static void endpoint_add(
	struct built *slice, const char *address, const char *hostname, int ready, const char *zone)
{
	struct built endpoint = {.len = 0}, part = {.len = 0};

	built_text(&endpoint, 1, address);
	if (ready >= 0)
		built_number(&part, 1, (uint64_t)ready);
	built_number(&part, 2, 1);
	built_number(&part, 3, 0);
	built_message(&endpoint, 2, &part);
	if (*hostname)
		built_text(&endpoint, 3, hostname);
	part.len = 0;
	built_text(&part, 1, "Pod");
	built_text(&part, 2, "shop");
	built_text(&part, 3, "web-5d7f");
	built_text(&part, 4, "uid");
	built_text(&part, 5, "");
	built_text(&part, 6, "");
	built_text(&part, 7, "");
	built_message(&endpoint, 4, &part);
	built_entry(&endpoint, 5, "topology.kubernetes.io/zone", "north");
	built_text(&endpoint, 6, "node-1");
	built_text(&endpoint, 7, zone);
	built_message(slice, 2, &endpoint);
}

static void build_slice(struct built *built, const char *service_label)
{
	struct built meta = {.len = 0}, port = {.len = 0};

	built->len = 0;
	built_meta(&meta, "shop", "web-x7k", "99");
	built_entry(&meta, 11, service_label, "web");
	built_entry(&meta, 11, "multicluster.kubernetes.io/source-cluster", "east");
	built_entry(&meta, 12, "endpoints.kubernetes.io/last-change-trigger-time",
		"2024-05-06T07:08:09Z");
	built_message(built, 1, &meta);
	endpoint_add(built, "10.1.0.1", "", 1, "west");
	endpoint_add(built, "10.1.0.2", "db-0", -1, "east");
	endpoint_add(built, "10.1.0.3", "", 0, "east");
	built_text(&port, 1, "http");
	built_text(&port, 2, "UDP");
	built_number(&port, 3, 8080);
	built_text(&port, 4, "h2c");
	built_message(built, 3, &port);
	built_message(built, 3, &(struct built){.len = 0}); /* all ports */
	built_text(built, 4, "IPv4");
}

#define SLICE_JSON(label)                                                                          \
	"{\"metadata\":{\"name\":\"web-x7k\",\"namespace\":\"shop\",\"resourceVersion\":\"99\","   \
	"\"labels\":{\"" label                                                                     \
	"\":\"web\",\"multicluster.kubernetes.io/source-cluster\":\"east\"},"                      \
	"\"annotations\":{\"endpoints.kubernetes.io/last-change-trigger-time\":"                   \
	"\"2024-05-06T07:08:09Z\"}},\"addressType\":\"IPv4\",\"endpoints\":["                      \
	"{\"addresses\":[\"10.1.0.1\"],\"conditions\":{\"ready\":true},\"zone\":\"west\","         \
	"\"targetRef\":{\"name\":\"web-5d7f\"}},"                                                  \
	"{\"addresses\":[\"10.1.0.2\"],\"hostname\":\"db-0\",\"zone\":\"east\","                   \
	"\"targetRef\":{\"name\":\"web-5d7f\"}},"                                                  \
	"{\"addresses\":[\"10.1.0.3\"],\"conditions\":{\"ready\":false}}],"                        \
	"\"ports\":[{\"name\":\"http\",\"port\":8080,\"protocol\":\"UDP\"},{}]}"

static void slices(void **state)
{
	int64_t triggered_ns = 0;
	static struct built built;

	(void)state;
	for (unsigned on = 0; on < 2; on++) {
		options_set(on);
		build_slice(&built, "kubernetes.io/service-name");
		assert_same(RESOURCE_SLICES, &built, SLICE_JSON("kubernetes.io/service-name"));
		assert_int_equal(strstr(line, "=web-5d7f") != NULL, on);
		assert_int_equal(strstr(line, "zones west east") != NULL, on);
		assert_non_null(strstr(line, "unready 1"));
		build_slice(&built, "multicluster.kubernetes.io/service-name");
		assert_same(RESOURCE_IMPORT_SLICES, &built,
			SLICE_JSON("multicluster.kubernetes.io/service-name"));
		assert_non_null(strstr(line, " in \"east\""));
	}
	options_set(false);
	line_options.triggered_ns = &triggered_ns;
	build_slice(&built, "kubernetes.io/service-name");
	proto_decode(RESOURCE_SLICES, &built);
	assert_int_equal(triggered_ns / 1000000000, 1714979289);
	line_options.triggered_ns = NULL;
	build_slice(&built, "app");
	assert_non_null(strstr(proto_decode(RESOURCE_SLICES, &built), "SKIP "));
}

static void build_endpoints(struct built *built, const char *annotation)
{
	struct built meta = {.len = 0}, subset = {.len = 0}, part = {.len = 0}, ref = {.len = 0};

	built->len = 0;
	built_meta(&meta, "shop", "web", "12");
	built_entry(&meta, 12, annotation, "{}");
	built_message(built, 1, &meta);
	built_text(&part, 1, "10.1.0.1");
	built_text(&ref, 3, "web-5d7f");
	built_message(&part, 2, &ref);
	built_text(&part, 3, "");
	built_text(&part, 4, "node-1");
	built_message(&subset, 1, &part);
	part.len = 0;
	built_text(&part, 1, "10.1.0.2");
	built_text(&part, 3, "db-0");
	built_message(&subset, 1, &part);
	built_message(&subset, 2, &part); /* not ready */
	part.len = 0;
	built_text(&part, 1, "dns");
	built_number(&part, 2, 53);
	built_text(&part, 3, "UDP");
	built_message(&subset, 3, &part);
	built_message(built, 2, &subset);
}

static void endpoints(void **state)
{
	static struct built built;

	(void)state;
	for (unsigned on = 0; on < 2; on++) {
		options_set(on);
		build_endpoints(&built, "some");
		assert_same(RESOURCE_ENDPOINTS, &built,
			"{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\","
			"\"resourceVersion\":\"12\"},\"subsets\":[{\"addresses\":["
			"{\"ip\":\"10.1.0.1\",\"targetRef\":{\"name\":\"web-5d7f\"}},"
			"{\"ip\":\"10.1.0.2\",\"hostname\":\"db-0\"}],"
			"\"notReadyAddresses\":[{\"ip\":\"10.1.0.2\"}],"
			"\"ports\":[{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\"}]}]}");
		assert_int_equal(strstr(line, "=web-5d7f") != NULL, on);
	}
	options_set(false);
	build_endpoints(&built, "control-plane.alpha.kubernetes.io/leader");
	assert_non_null(strstr(proto_decode(RESOURCE_ENDPOINTS, &built), "SKIP "));
}

static void pods_and_namespaces(void **state)
{
	static struct built built, part, ip;

	(void)state;
	options_set(false);
	built_meta(&part, "shop", "web-1", "5");
	built_message(&built, 1, &part);
	built_text(&built, 2, "a spec that nobody reads");
	part.len = 0;
	built_text(&part, 1, "Running");
	built_text(&part, 5, "192.0.2.1");
	built_text(&part, 6, "10.2.0.1");
	built_text(&ip, 1, "10.2.0.1");
	built_message(&part, 12, &ip);
	ip.len = 0;
	built_text(&ip, 1, "fd00::1");
	built_message(&part, 12, &ip);
	built_message(&built, 3, &part);
	assert_same(RESOURCE_PODS, &built,
		"{\"metadata\":{\"name\":\"web-1\",\"namespace\":\"shop\",\"resourceVersion\":"
		"\"5\"},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.2.0.1\","
		"\"podIPs\":[{\"ip\":\"10.2.0.1\"},{\"ip\":\"fd00::1\"}]}}");
	assert_non_null(strstr(line, "fd00::1"));
	built.len = part.len = 0;
	built_meta(&part, "", "shop", "6");
	built_message(&built, 1, &part);
	assert_same(RESOURCE_NAMESPACES, &built,
		"{\"metadata\":{\"name\":\"shop\",\"resourceVersion\":\"6\"}}");
}

static void machinery(void **state)
{
	struct built built = {.len = 0}, details = {.len = 0}, cause = {.len = 0};
	struct document document = {built.bytes, 0, &proto_status, 0};
	struct decode_meta meta;

	(void)state;
	built_message(&built, 1, &cause); /* metadata */
	built_text(&built, 2, "Failure");
	built_text(&built, 3, "Too old");
	built_text(&built, 4, "Expired");
	built_text(&cause, 1, "ResourceVersionTooLarge");
	built_message(&details, 4, &cause);
	built_number(&details, 5, 7);
	built_message(&built, 5, &details);
	built_number(&built, 6, 410);
	document.len = built.len;
	assert_int_equal(decode_meta(&document, &meta), DECODE_OK);
	assert_int_equal(meta.code, 410);
	assert_string_equal(meta.reason, "Expired");
	assert_string_equal(meta.message, "Too old");
	assert_int_equal(meta.retry_after_s, 7);
	assert_true(meta.too_large_version);
	built.len = details.len = 0;
	built_number(&details, 5, 0); /* JSON would not have it */
	built_message(&built, 5, &details);
	document.len = built.len;
	assert_int_equal(decode_meta(&document, &meta), DECODE_OK);
	assert_int_equal(meta.retry_after_s, -1);
	built.len = 0;
	built_text(&built, 2, "1234");
	built_text(&built, 3, "token");
	built_number(&built, 4, 99);
	document = (struct document){built.bytes, built.len, &proto_list_meta, 0};
	assert_int_equal(decode_meta(&document, &meta), DECODE_OK);
	assert_int_equal(meta.version, 1234);
	assert_string_equal(meta.continue_token, "token");
	free(meta.continue_token);
	built.len = details.len = 0;
	built_text(&details, 6, "77");
	built_entry(&details, 12, "k8s.io/initial-events-end", "true");
	built_message(&built, 1, &details);
	document = (struct document){
		built.bytes, built.len, proto_message_of(RESOURCE_PODS), 0}; /* a bookmark */
	assert_int_equal(decode_meta(&document, &meta), DECODE_OK);
	assert_int_equal(meta.version, 77);
	assert_true(meta.initial_events_end);
}

static void resources(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RESOURCE_COUNT; i++) {
		const struct proto_message *message = proto_message_of((enum resource)i);

		if (i == RESOURCE_SLICES_V1BETA1 || i == RESOURCE_IMPORTS) {
			assert_null(message);
			continue;
		}
		assert_string_equal(message->kind, resource_table[i].api_kind);
		assert_true(message->count <= PROTO_FIELDS_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services),
		cmocka_unit_test(slices),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(pods_and_namespaces),
		cmocka_unit_test(machinery),
		cmocka_unit_test(resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

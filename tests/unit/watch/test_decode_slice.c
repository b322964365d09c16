/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_line.h"

#define META "\"metadata\":{\"name\":\"web\",\"namespace\":\"d\",\"resourceVersion\":\"7\"}"
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
		   "{\"addresses\":[\"::2\",\"10.1.0.9\"]}"),
		"d/s@7 of web v4 10.1.0.1=a 10.1.0.9 v6 fd00::1=a ::2"},
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\",\"10.1.0.999\"]}"),
		"d/s@7 of web v4 10.1.0.1; EndpointSlice d/s: address \"10.1.0.999\" cannot be "
		"used"},
	{ENDPOINTS("{\"addresses\":[\"127.0.0.1\",\"10.1.0.1\",\"fe80::1\"],\"hostname\":\"a\"}"),
		"d/s@7 of web v4 10.1.0.1=a; EndpointSlice d/s: loopback address \"127.0.0.1\" "
		"and 1 more cannot be used"},
	{ENDPOINTS("{\"addresses\":[\"::ffff:10.1.0.9\"]}"),
		"INVALID EndpointSlice d/s: IPv4-mapped address \"::ffff:10.1.0.9\" cannot be "
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

#define IMPORTED(labels)                                                                           \
	"{\"metadata\":{\"name\":\"s\",\"namespace\":\"d\",\"resourceVersion\":\"7\",\"labels\":"  \
	"{" labels "}},\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.1.0.1\"],"     \
	"\"hostname\":\"a\"}]}"
#define IMPORT_NAME(name) "\"multicluster.kubernetes.io/service-name\":" name
#define SOURCE(cluster)   "\"multicluster.kubernetes.io/source-cluster\":" cluster

static const struct row import_slices[] = {
	{IMPORTED(IMPORT_NAME("\"web\"") "," SOURCE("\"east\"")),
		"d/s@7 of web in \"east\" v4 10.1.0.1=a"},
	/* the id is whatever a label's value can be */
	{IMPORTED(IMPORT_NAME("\"web\"") "," SOURCE("\"East_1.example\"")),
		"d/s@7 of web in \"East_1.example\" v4 10.1.0.1=a"},
	{IMPORTED(IMPORT_NAME("\"web\"")), "d/s@7 of web in \"\" v4 10.1.0.1=a"},
	{IMPORTED(IMPORT_NAME("\"web\"") "," SOURCE("null")), "d/s@7 of web in \"\" v4 10.1.0.1=a"},
	{IMPORTED(IMPORT_NAME("\"web\"") "," SOURCE("7")),
		"INVALID EndpointSlice d/s: multicluster.kubernetes.io/source-cluster is not a "
		"string"},
	/* a slice of this cluster is not one of an import */
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\"]}"),
		"SKIP EndpointSlice d/s: no label multicluster.kubernetes.io/service-name"},
	{IMPORTED(IMPORT_NAME("\"\"")),
		"SKIP EndpointSlice d/s: no label multicluster.kubernetes.io/service-name"},
};

/* ... and the other way round, but a slice may be both. */
static const struct row not_imported[] = {
	{IMPORTED(IMPORT_NAME("\"web\"")),
		"SKIP EndpointSlice d/s: no label kubernetes.io/service-name"},
	{IMPORTED(IMPORT_NAME("\"web\"") ",\"kubernetes.io/service-name\":\"local\""),
		"d/s@7 of local v4 10.1.0.1=a"},
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
	{"{" META ",\"subsets\":[{\"addresses\":[{\"ip\":\"224.0.0.1\"}]}]}",
		"INVALID Endpoints d/web: multicast address \"224.0.0.1\" cannot be used"},
	{"{" META ",\"subsets\":[7]}",
		"INVALID Endpoints d/web: an entry of subsets is not an object"},
	{"{" META ",\"subsets\":[{\"addresses\":[7]}]}",
		"INVALID Endpoints d/web: an entry of addresses is not an object"},
	{"{" META ",\"subsets\":[{\"notReadyAddresses\":7}]}",
		"INVALID Endpoints d/web: notReadyAddresses is not a list"},
};

#define PORTS(ports) SLICE(",\"endpoints\":[{\"addresses\":[\"10.1.0.1\"]}],\"ports\":" ports)

static const struct row slice_ports[] = {
	{PORTS("[]"), "d/s@7 of web v4 10.1.0.1"},
	{PORTS("[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\",\"appProtocol\":null},"
	       "{\"name\":\"\",\"port\":53,\"protocol\":\"UDP\"},{\"name\":\"any\"}]"),
		"d/s@7 of web [1+0 http:8080/TCP :53/UDP any:-1/TCP] v4 10.1.0.1"},
	{SLICE(",\"endpoints\":[{\"addresses\":[\"10.1.0.1\",\"fd00::1\"],\"hostname\":\"a\"}],"
	       "\"ports\":[{\"name\":\"p\",\"port\":1}]"),
		"d/s@7 of web [1+1 p:1/TCP] v4 10.1.0.1=a v6 fd00::1=a"},
	{SLICE(",\"ports\":[{\"port\":1}]"), "d/s@7 of web [0+0 :1/TCP]"},
	{PORTS("7"), "INVALID EndpointSlice d/s: ports is not a list"},
	{PORTS("[[]]"), "INVALID EndpointSlice d/s: an entry of ports is not an object"},
	{PORTS("[{\"port\":true}]"),
		"INVALID EndpointSlice d/s: port is not a number of a sensible size"},
};

#define SUBSETS(subsets)         "{" META ",\"subsets\":[" subsets "]}"
#define SUBSET(addresses, ports) "{\"addresses\":[" addresses "],\"ports\":" ports "}"
#define IP(ip)                   "{\"ip\":\"" ip "\"}"
#define P80                      "[{\"name\":\"a\",\"port\":80}]"
#define P81                      "[{\"name\":\"a\",\"port\":81,\"protocol\":\"TCP\"}]"

static const struct row endpoints_ports[] = {
	{SUBSETS(SUBSET(IP("10.1.0.1"), P80)), "d/web@7 of web [1+0 a:80/TCP] v4 10.1.0.1"},
	{SUBSETS(SUBSET(IP("10.1.0.1") "," IP("fd00::1"), P80) "," SUBSET(
		 IP("fd00::2") "," IP("10.1.0.2") "," IP("10.1.0.3"), P81)),
		"d/web@7 of web [1+1 a:80/TCP] [2+1 a:81/TCP] v4 10.1.0.1 10.1.0.2 10.1.0.3 v6 "
		"fd00::1 fd00::2"},
	/* the same ports: one group, if nothing stands between */
	{SUBSETS(SUBSET(IP("10.1.0.1"), P80) "," SUBSET(IP("10.1.0.2"), P80) "," SUBSET(
		 IP("10.1.0.3"), P81) "," SUBSET(IP("10.1.0.4"), P80)),
		"d/web@7 of web [2+0 a:80/TCP] [1+0 a:81/TCP] [1+0 a:80/TCP] v4 10.1.0.1 "
		"10.1.0.2 10.1.0.3 10.1.0.4"},
	{SUBSETS(SUBSET(IP("10.1.0.1"), "null") "," SUBSET(IP("10.1.0.2"), "[]") "," SUBSET(
		 IP("10.1.0.3"), P80)),
		"d/web@7 of web [2+0] [1+0 a:80/TCP] v4 10.1.0.1 10.1.0.2 10.1.0.3"},
	/* one is the beginning of the other */
	{SUBSETS(SUBSET(IP("10.1.0.1"), P80) "," SUBSET(
		 IP("10.1.0.2"), "[{\"name\":\"a\",\"port\":80},{\"name\":\"b\",\"port\":80}]")),
		"d/web@7 of web [1+0 a:80/TCP] [1+0 a:80/TCP b:80/TCP] v4 10.1.0.1 10.1.0.2"},
	{SUBSETS("{\"notReadyAddresses\":[" IP("10.1.0.1") "],\"ports\":" P80 "}"),
		"d/web@7 of web [0+0 a:80/TCP] unready 1"},
	{SUBSETS(SUBSET(IP("10.1.0.1"), P80) "," SUBSET(IP("10.1.0.2"), "[7]")),
		"INVALID Endpoints d/web: an entry of ports is not an object"},
	/* what is no port is not the same as an empty one */
	{SUBSETS(SUBSET("", "[{}]") "," SUBSET("", "[7]")),
		"INVALID Endpoints d/web: an entry of ports is not an object"},
	{SUBSETS(SUBSET("", "{}")), "INVALID Endpoints d/web: ports is not a list"},
};

static const struct row trusted_slices[] = {
	{ENDPOINTS("{\"addresses\":[\"::1\",\"127.0.0.1\",\"::ffff:10.1.0.9\"]}"),
		"d/s@7 of web v4 127.0.0.1 10.1.0.9 v6 ::1"},
};

static const struct row trusted_endpoints[] = {
	{"{" META ",\"subsets\":[{\"addresses\":[{\"ip\":\"224.0.0.1\"}]}]}",
		"d/web@7 of web v4 224.0.0.1"},
};

#define A63          "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-abcdefghi"
#define AT(ip, rest) "{\"addresses\":[\"" ip "\"]" rest "}"
#define TARGET(name) ",\"targetRef\":{\"kind\":\"Pod\",\"name\":" name "}"
#define HOST(name)   ",\"hostname\":" name

static const struct row pod_named_slices[] = {
	{ENDPOINTS(AT("10.1.0.1", TARGET("\"web-x\""))), "d/s@7 of web v4 10.1.0.1=web-x"},
	{ENDPOINTS(AT("10.1.0.1", HOST("\"a\"") TARGET("\"web-x\""))),
		"d/s@7 of web v4 10.1.0.1=a"},
	{ENDPOINTS(AT("10.1.0.1", HOST("\"\"") TARGET("\"web-x\"")) "," AT(
		 "10.1.0.2", HOST("null") TARGET("\"web-y\""))),
		"d/s@7 of web v4 10.1.0.1=web-x 10.1.0.2=web-y"},
	{ENDPOINTS(AT("10.1.0.1", TARGET("\"" A63 "\""))), "d/s@7 of web v4 10.1.0.1=" A63},
	{ENDPOINTS(AT("10.1.0.1", TARGET("\"" A63 "j\""))), "d/s@7 of web v4 10.1.0.1"},
	{ENDPOINTS(AT("10.1.0.1", ",\"targetRef\":{\"name\":\"x\"}") "," AT(
		 "10.1.0.2", ",\"targetRef\":{\"kind\":\"Other\",\"name\":\"y\"}")),
		"d/s@7 of web v4 10.1.0.1=x 10.1.0.2=y"},
	{ENDPOINTS(AT("10.1.0.1", TARGET("\"\"")) "," AT("10.1.0.2", TARGET("null")) "," AT(
		 "10.1.0.3", ",\"targetRef\":null") "," AT("10.1.0.4", ",\"targetRef\":{}")),
		"d/s@7 of web v4 10.1.0.1 10.1.0.2 10.1.0.3 10.1.0.4"},
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\",\"fd00::1\"]" TARGET("\"p\"") "}"),
		"d/s@7 of web v4 10.1.0.1=p v6 fd00::1=p"},
	{ENDPOINTS(AT("10.1.0.1", ",\"targetRef\":\"p\"")),
		"INVALID EndpointSlice d/s: targetRef is not an object"},
	{ENDPOINTS(AT("10.1.0.1", TARGET("7"))), "INVALID EndpointSlice d/s: name is not a string"},
};

static const struct row pod_named_endpoints[] = {
	{SUBSETS("{\"addresses\":[{\"ip\":\"10.1.0.1\"" TARGET(
		 "\"web-x\"") "},{\"ip\":\"10.1.0.2\"" HOST("\"a\"") TARGET("\"web-y\"") "}]}"),
		"d/web@7 of web v4 10.1.0.1=web-x 10.1.0.2=a"},
};

/* Where they are not asked for, nobody looks. */
static const struct row not_pod_named[] = {
	{ENDPOINTS(AT("10.1.0.1", TARGET("\"web-x\"")) "," AT("10.1.0.2", ",\"targetRef\":7")),
		"d/s@7 of web v4 10.1.0.1 10.1.0.2"},
};

static void test_slices(void **state)
{
	(void)state;
	CHECK(RESOURCE_SLICES, slices);
	CHECK(RESOURCE_SLICES_V1BETA1, slices);
	CHECK(RESOURCE_SLICES, slice_ports);
	CHECK(RESOURCE_SLICES_V1BETA1, slice_ports);
}

static void test_endpoints(void **state)
{
	(void)state;
	CHECK(RESOURCE_ENDPOINTS, endpoints);
	CHECK(RESOURCE_ENDPOINTS, endpoints_ports);
}

/* `before`, so many times a number between `open` and `close`, each another one than
 * the one before it, and "]}". */
static char *many(const char *before, const char *open, unsigned count, const char *close)
{
	const size_t each = strlen(open) + strlen(close) + 8;
	const size_t size = strlen(before) + count * each + 3;
	char *json = malloc(size);
	size_t len = (size_t)snprintf(json, size, "%s", before);

	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(
			json + len, size - len, "%s%s%u%s", i ? "," : "", open, i % 60000, close);
	snprintf(json + len, size - len, "]}");
	return json;
}

static const char *const port_list = "{" LABELED("\"web\"") ",\"addressType\":\"IPv4\",\"ports\":[";
static const char *const subset_list = "{" META ",\"subsets\":[";

/* As many as there are, and one more. */
static void test_counts(void **state)
{
	struct object *object = NULL;
	char why[DECODE_WHY_MAX];
	char *json = many(port_list, "{\"port\":", 65535, "}");

	(void)state;
	assert_int_equal(
		decode_object(RESOURCE_SLICES,
			&(struct document){.bytes = json, .len = strlen(json)}, NULL, &object, why),
		DECODE_OK);
	assert_int_equal(((struct endpoint_slice *)object)->groups->port_count, 65535);
	assert_int_equal(((struct endpoint_slice *)object)->groups->ports[65534].number, 5534);
	object_free(object);
	free(json);
	json = many(port_list, "{\"port\":", 65536, "}");
	assert_string_equal(
		decode(RESOURCE_SLICES, json), "INVALID EndpointSlice d/s: more than 65535 ports");
	free(json);
	json = many(subset_list, "{\"ports\":[{\"port\":", 65535, "}]}");
	assert_int_equal(
		decode_object(RESOURCE_ENDPOINTS,
			&(struct document){.bytes = json, .len = strlen(json)}, NULL, &object, why),
		DECODE_OK);
	assert_int_equal(((struct endpoint_slice *)object)->group_count, 65535);
	object_free(object);
	free(json);
	json = many(subset_list, "{\"ports\":[{\"port\":", 65536, "}]}");
	assert_string_equal(decode(RESOURCE_ENDPOINTS, json),
		"INVALID Endpoints d/web: more than 65535 subsets with ports of their own");
	free(json);
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
	assert_int_equal(decode_object(RESOURCE_SLICES,
				 &(struct document){.bytes = json, .len = len}, NULL, &object, why),
		DECODE_OK);
	assert_int_equal(object->size, sizeof(struct endpoint_slice) + sizeof(struct slice_group) +
					       600 + sizeof "web" + sizeof "d" + sizeof "s");
	object_free(object);
}

static void test_trusted(void **state)
{
	(void)state;
	line_options.trusted = true;
	CHECK(RESOURCE_SLICES, trusted_slices);
	CHECK(RESOURCE_ENDPOINTS, trusted_endpoints);
	line_options.trusted = false;
}

static void test_pod_names(void **state)
{
	(void)state;
	CHECK(RESOURCE_SLICES, not_pod_named);
	line_options.pod_names = true;
	CHECK(RESOURCE_SLICES, pod_named_slices);
	CHECK(RESOURCE_SLICES_V1BETA1, pod_named_slices);
	CHECK(RESOURCE_ENDPOINTS, pod_named_endpoints);
	line_options.pod_names = false;
}

static void test_import_slices(void **state)
{
	(void)state;
	CHECK(RESOURCE_IMPORT_SLICES, import_slices);
	CHECK(RESOURCE_SLICES, not_imported);
}

#define ZONED                                                                                      \
	ENDPOINTS("{\"addresses\":[\"10.1.0.1\",\"fd00::1\"],\"zone\":\"a.b\"},"                   \
		  "{\"addresses\":[\"10.1.0.2\"]},{\"addresses\":[\"10.1.0.3\"],\"zone\":\"\","    \
		  "\"hostname\":\"h\"},{\"addresses\":[\"10.1.0.4\"],\"topology\":{"               \
		  "\"topology.kubernetes.io/zone\":\"c\"}}")

static const struct row zoned[] = {
	{ZONED, "d/s@7 of web v4 10.1.0.1 10.1.0.2 10.1.0.3=h 10.1.0.4 zones a.b - - c v6 fd00::1 "
		"zones a.b"},
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\"]}"), "d/s@7 of web v4 10.1.0.1"},
	{ENDPOINTS("{\"addresses\":[\"10.1.0.1\"],\"zone\":7}"),
		"INVALID EndpointSlice d/s: zone is not a string"},
};

static const struct row not_zoned[] = {
	{ZONED, "d/s@7 of web v4 10.1.0.1 10.1.0.2 10.1.0.3=h 10.1.0.4 v6 fd00::1"},
};

static void test_zones(void **state)
{
	(void)state;
	CHECK(RESOURCE_SLICES, not_zoned);
	line_options.zones = true;
	CHECK(RESOURCE_SLICES, zoned);
	CHECK(RESOURCE_SLICES_V1BETA1, zoned);
	line_options.zones = false;
}

static void test_limits(void **state)
{
	char name[255], json[1024];

	(void)state;
	memset(name, 'a', sizeof name);
	name[254] = '\0';
	snprintf(json, sizeof json, "{" LABELED("\"%s\"") ",\"addressType\":\"IPv4\"}", name);
	assert_non_null(strstr(decode(RESOURCE_SLICES, json), "is too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_trusted),
		cmocka_unit_test(test_pod_names),
		cmocka_unit_test(test_import_slices),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests_name("decode_slice", tests, NULL, NULL);
}

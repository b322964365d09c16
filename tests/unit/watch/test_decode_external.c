/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/decode_external.h"

#include "decode_line.h"

#define SERVICE(spec, status)                                                                      \
	"{\"metadata\":{\"name\":\"web\",\"namespace\":\"d\",\"resourceVersion\":\"7\"},"          \
	"\"spec\":{\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"port\":80,\"name\":\"http\"}]" spec    \
	"},\"status\":{" status "}}"
#define BALANCER(ingress) "\"loadBalancer\":{\"ingress\":[" ingress "]}"

static int setup(void **state)
{
	(void)state;
	line_options = (struct decode_options){.externals = true};
	return 0;
}

static void test_addresses_and_names(void **state)
{
	(void)state;
	assert_string_equal(decode(RESOURCE_SERVICES,
				    SERVICE(",\"externalIPs\":[\"192.0.2.1\",\"2001:db8::1\"]",
					    BALANCER("{\"ip\":\"192.0.2.2\"},"
						     "{\"hostname\":\"lb.example.org\"},{},"
						     "{\"ip\":\"\",\"hostname\":\"\"}"))),
		"d/web@7 cluster outside 192.0.2.1 2001:db8::1 192.0.2.2 lb.example.org inside "
		"10.0.0.1 ports http:80/TCP");
	assert_string_equal(decode(RESOURCE_SERVICES, SERVICE("", "")),
		"d/web@7 cluster 10.0.0.1 ports http:80/TCP");
	assert_string_equal(
		decode(RESOURCE_SERVICES, SERVICE(",\"externalIPs\":null", "\"loadBalancer\":{}")),
		"d/web@7 cluster 10.0.0.1 ports http:80/TCP");
}

static void test_not_wanted(void **state)
{
	(void)state;
	line_options.externals = false;
	assert_string_equal(
		decode(RESOURCE_SERVICES, SERVICE(",\"externalIPs\":[\"192.0.2.1\"]", "")),
		"d/web@7 cluster 10.0.0.1 ports http:80/TCP");
}

/* What the API server would refuse today, and what is no address: the Service lives on. */
static void test_left_out(void **state)
{
	(void)state;
	assert_string_equal(
		decode(RESOURCE_SERVICES, SERVICE(",\"externalIPs\":[\"127.0.0.1\",\"192.0.2.1\"]",
						  BALANCER("{\"ip\":\"169.254.1.1\"}"))),
		"d/web@7 cluster outside 192.0.2.1 inside 10.0.0.1 ports http:80/TCP; Service "
		"d/web: "
		"loopback address \"127.0.0.1\" and 1 more cannot be used");
	line_options.trusted = true;
	assert_string_equal(
		decode(RESOURCE_SERVICES, SERVICE(",\"externalIPs\":[\"127.0.0.1\"]", "")),
		"d/web@7 cluster outside 127.0.0.1 inside 10.0.0.1 ports http:80/TCP");
	assert_string_equal(decode(RESOURCE_SERVICES, SERVICE("", BALANCER("\"x\""))),
		"INVALID Service d/web: an entry of status.loadBalancer.ingress is not an object");
}

static void test_too_many(void **state)
{
	static char json[65536], list[32768], names[32768];
	const struct service *service;
	struct object *object;
	char why[DECODE_WHY_MAX];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		sprintf(list + strlen(list), "%s\"10.9.%u.%u\"", i ? "," : "", i / 250, i % 250);
		sprintf(names + strlen(names), "%s{\"hostname\":\"n%u.test\"}", i ? "," : "", i);
	}
	sprintf(json,
		"{\"metadata\":{\"name\":\"w\",\"namespace\":\"d\"},\"spec\":{\"clusterIP\":"
		"\"10.0.0.1\",\"externalIPs\":[%s]},\"status\":{\"loadBalancer\":{\"ingress\":[%s]}"
		"}}",
		list, names);
	assert_int_equal(decode_object(RESOURCE_SERVICES,
				 &(struct document){.bytes = json, .len = strlen(json)},
				 &line_options, &object, why),
		DECODE_OK);
	assert_non_null(strstr(why, "more than 255 external addresses"));
	service = (const struct service *)object;
	assert_int_equal(service->external_ip_count, IPS_MAX);
	assert_int_equal(service->external_host_count, EXTERNAL_HOSTS_MAX);
	assert_int_equal(service->ip_count, 1);
	object_free(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_addresses_and_names, setup),
		cmocka_unit_test_setup(test_not_wanted, setup),
		cmocka_unit_test_setup(test_left_out, setup),
		cmocka_unit_test_setup(test_too_many, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

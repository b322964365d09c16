/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/clusterip.h"

#include "scratch.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>

static int setup(void **state)
{
	*state = clusterip_pool_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	clusterip_pool_free(*state);
	return 0;
}

/* A Service whose spec is this JSON. */
static cJSON *service_new(const char *spec)
{
	cJSON *service = cJSON_CreateObject();
	cJSON *tree = cJSON_Parse(spec);

	if (!service || !tree || !cJSON_AddItemToObject(service, "spec", tree))
		fail_msg("not JSON: %s", spec);
	return service;
}

static void take(struct clusterip_pool *pool, const char *address)
{
	struct ip ip = {.family = strchr(address, ':') ? 6 : 4};

	assert_int_equal(inet_pton(ip.family == 4 ? AF_INET : AF_INET6, address, ip.bytes), 1);
	clusterip_take(pool, &ip);
}

/* The whole spec afterwards must be this. */
static void assert_assigned(struct clusterip_pool *pool, const char *ns, const char *name,
	const char *spec, const char *wanted)
{
	cJSON *service = service_new(spec);
	char *text;

	assert_true(clusterip_is_needed(service));
	assert_int_equal(clusterip_assign(pool, ns, name, service), 0);
	assert_false(clusterip_is_needed(service));
	text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(service, "spec"));
	if (strcmp(text, wanted) != 0)
		fail_msg("%s/%s %s became %s, not %s", ns, name, spec, text, wanted);
	cJSON_free(text);
	cJSON_Delete(service);
}

/* A plain Service of the default namespace gets this one address. */
static void assert_plain(struct clusterip_pool *pool, const char *name, const char *address)
{
	char wanted[128];

	snprintf(wanted, sizeof wanted, "{\"clusterIP\":\"%s\",\"clusterIPs\":[\"%s\"]}", address,
		address);
	assert_assigned(pool, "default", name, "{}", wanted);
}

static void assert_needed(const char *spec, bool needed)
{
	cJSON *service = service_new(spec);

	if (clusterip_is_needed(service) != needed)
		fail_msg("%s: needed is not %d", spec, needed);
	cJSON_Delete(service);
}

static void test_who_needs_one(void **state)
{
	cJSON *bare = cJSON_CreateObject();

	(void)state;
	assert_needed("{}", true);
	assert_needed("{\"type\":\"ClusterIP\"}", true);
	assert_needed("{\"type\":\"NodePort\",\"clusterIP\":\"\"}", true);
	assert_needed("{\"type\":\"LoadBalancer\",\"clusterIP\":null,\"clusterIPs\":[]}", true);
	assert_needed("{\"clusterIPs\":[\"\"]}", true);
	assert_needed("{\"clusterIP\":\"10.96.0.1\"}", false);
	assert_needed("{\"clusterIPs\":[\"fd00::1\"]}", false);
	assert_needed("{\"clusterIP\":\"None\"}", false);
	assert_needed("{\"clusterIPs\":[\"None\"],\"ipFamilyPolicy\":\"RequireDualStack\"}", false);
	assert_needed("{\"type\":\"ExternalName\",\"externalName\":\"a.example\"}", false);
	assert_needed("{\"clusterIP\":\"10.0.0.1\",\"ipFamilyPolicy\":\"SingleStack\"}", false);
	assert_needed("{\"clusterIP\":\"10.0.0.1\",\"ipFamilyPolicy\":\"PreferDualStack\"}", true);
	assert_needed("{\"clusterIPs\":[\"10.0.0.1\",\"fd00::1\"],"
		      "\"ipFamilyPolicy\":\"RequireDualStack\"}",
		false);
	assert_needed("[]", false);
	assert_false(clusterip_is_needed(bare));
	cJSON_Delete(bare);
}

/* People have written these addresses down: they must stay the same for ever. */
static void test_addresses_are_stable(void **state)
{
	assert_plain(*state, "web", "10.99.148.188");
	assert_plain(*state, "api", "10.99.31.239");
	assert_plain(*state, "db", "10.109.37.87");
	assert_assigned(*state, "shop", "web", "{\"clusterIP\":\"\",\"ports\":[]}",
		"{\"ports\":[],\"clusterIP\":\"10.104.13.163\",\"clusterIPs\":[\"10.104.13.163\"]"
		"}");
	assert_assigned(*state, "kube-system", "metrics", "{\"ipFamilies\":[\"IPv6\"]}",
		"{\"ipFamilies\":[\"IPv6\"],\"clusterIP\":\"fd00:10:96::d326\","
		"\"clusterIPs\":[\"fd00:10:96::d326\"]}");
}

static void test_a_taken_address_gives_the_next_free_one(void **state)
{
	take(*state, "10.99.148.188");
	take(*state, "10.99.148.189");
	assert_plain(*state, "web", "10.99.148.190");
	/* These two have the same hash. */
	assert_plain(*state, "s793", "10.102.5.83");
	assert_plain(*state, "s1283", "10.102.5.84");
	/* And this one the last address of all: on from the first. */
	take(*state, "10.111.254.255");
	assert_plain(*state, "s1138897", "10.96.1.0");
}

static void test_addresses_of_others_are_no_matter(void **state)
{
	static const char *const others[] = {
		"10.112.148.188", "11.99.148.188", "192.168.0.1", "fd00:10:97::64bc", "::1"};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		take(*state, others[i]);
	assert_plain(*state, "web", "10.99.148.188");
	assert_assigned(*state, "default", "web", "{\"ipFamilies\":[\"IPv6\"]}",
		"{\"ipFamilies\":[\"IPv6\"],\"clusterIP\":\"fd00:10:96::64bc\","
		"\"clusterIPs\":[\"fd00:10:96::64bc\"]}");
}

static void test_written_addresses_are_taken(void **state)
{
	static const char *const specs[] = {
		"{\"clusterIP\":\"10.99.148.188\"}",
		("{\"clusterIP\":\"10.99.31.239\","
		 "\"clusterIPs\":[\"10.99.31.239\",\"fd00:10:96::64bc\"]}"),
		"{\"clusterIP\":\"None\"}",
		"{\"clusterIP\":\"10.109.37\"}",
		"{\"clusterIP\":5,\"clusterIPs\":[5,{}]}",
	};

	for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
		cJSON *service = service_new(specs[i]);

		clusterip_take_written(*state, service);
		cJSON_Delete(service);
	}
	assert_plain(*state, "web", "10.99.148.189");
	assert_plain(*state, "api", "10.99.31.240");
	assert_plain(*state, "db", "10.109.37.87");
	assert_assigned(*state, "default", "web", "{\"ipFamilies\":[\"IPv6\"]}",
		"{\"ipFamilies\":[\"IPv6\"],\"clusterIP\":\"fd00:10:96::64bd\","
		"\"clusterIPs\":[\"fd00:10:96::64bd\"]}");
}

/* Each with an empty pool, for the same Service. */
static void test_families_and_policies(void **state)
{
	static const char v4[] = "10.99.148.188", v6[] = "fd00:10:96::64bc";
	static const struct {
		const char *spec, *first, *second;
	} rows[] = {
		{"{\"ipFamilyPolicy\":\"SingleStack\"}", v4, NULL},
		{"{\"ipFamilyPolicy\":\"PreferDualStack\"}", v4, v6},
		{"{\"ipFamilyPolicy\":\"RequireDualStack\"}", v4, v6},
		{"{\"ipFamilies\":[\"IPv6\"],\"ipFamilyPolicy\":\"SingleStack\"}", v6, NULL},
		{"{\"ipFamilies\":[\"IPv6\"],\"ipFamilyPolicy\":\"RequireDualStack\"}", v6, v4},
		{"{\"ipFamilies\":[\"IPv4\",\"IPv6\"]}", v4, v6},
		{"{\"ipFamilies\":[\"IPv6\",\"IPv4\"]}", v6, v4},
		{"{\"ipFamilies\":[\"IPv6\",\"IPv4\"],\"ipFamilyPolicy\":\"SingleStack\"}", v6,
			NULL},
		{"{\"ipFamilies\":[\"IPv4\",\"IPv4\"]}", v4, NULL},
		{"{\"clusterIP\":\"10.1.2.3\",\"ipFamilyPolicy\":\"PreferDualStack\"}", "10.1.2.3",
			v6},
		{"{\"clusterIP\":\"fd00::5\",\"ipFamilyPolicy\":\"RequireDualStack\"}", "fd00::5",
			v4},
		{"{\"clusterIPs\":[\"10.1.2.3\"],\"ipFamilies\":[\"IPv4\",\"IPv6\"]}", "10.1.2.3",
			v6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct clusterip_pool *pool = clusterip_pool_new();
		cJSON *service = service_new(rows[i].spec), *spec, *list;

		assert_non_null(pool);
		assert_int_equal(clusterip_assign(pool, "default", "web", service), 0);
		spec = cJSON_GetObjectItemCaseSensitive(service, "spec");
		list = cJSON_GetObjectItemCaseSensitive(spec, "clusterIPs");
		if (cJSON_GetArraySize(list) != (rows[i].second ? 2 : 1))
			fail_msg("%s: %d addresses", rows[i].spec, cJSON_GetArraySize(list));
		assert_string_equal(cJSON_GetArrayItem(list, 0)->valuestring, rows[i].first);
		if (rows[i].second)
			assert_string_equal(
				cJSON_GetArrayItem(list, 1)->valuestring, rows[i].second);
		assert_string_equal(
			cJSON_GetObjectItemCaseSensitive(spec, "clusterIP")->valuestring,
			rows[i].first);
		cJSON_Delete(service);
		clusterip_pool_free(pool);
	}
}

static void assert_families(const char *spec, unsigned count, uint8_t first)
{
	cJSON *service = service_new(spec);
	uint8_t families[2] = {0, 0};

	if (clusterip_families(service, families) != count || families[0] != first)
		fail_msg("%s: not %u, IPv%u first", spec, count, first);
	cJSON_Delete(service);
}

static void test_families_that_are_asked_for(void **state)
{
	(void)state;
	assert_families("{}", 0, 0);
	assert_families("{\"clusterIP\":\"None\",\"ipFamilies\":[]}", 0, 0);
	assert_families("[]", 0, 0);
	assert_families("{\"clusterIP\":\"fd00::5\"}", 1, 6);
	assert_families("{\"clusterIP\":\"None\",\"ipFamilies\":[\"IPv6\"]}", 1, 6);
	assert_families("{\"clusterIP\":\"None\",\"ipFamilyPolicy\":\"RequireDualStack\"}", 2, 4);
	assert_families("{\"ipFamilies\":[\"IPv6\",\"IPv4\"]}", 2, 6);
}

static void test_both_ends_are_left_alone_and_the_pool_ends(void **state)
{
	struct ip ip = {.family = 6, .bytes = {0xfd, 0x00, 0x00, 0x10, 0x00, 0x96}};
	cJSON *service = service_new("{\"ipFamilyPolicy\":\"PreferDualStack\"}");

	/* All of fd00:10:96::100 to fd00:10:96::feff but one. */
	for (unsigned host = 0x100; host <= 0xfeff; host++) {
		ip.bytes[14] = (uint8_t)(host >> 8);
		ip.bytes[15] = (uint8_t)(host & 0xff);
		if (host != 0x3000)
			clusterip_take(*state, &ip);
	}
	assert_assigned(*state, "default", "last", "{\"ipFamilies\":[\"IPv6\"]}",
		"{\"ipFamilies\":[\"IPv6\"],\"clusterIP\":\"fd00:10:96::3000\","
		"\"clusterIPs\":[\"fd00:10:96::3000\"]}");
	assert_int_equal(clusterip_assign(*state, "default", "late", service), -ENOSPC);
	assert_plain(*state, "web", "10.99.148.188");
	cJSON_Delete(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_needs_one),
		cmocka_unit_test_setup_teardown(test_addresses_are_stable, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_taken_address_gives_the_next_free_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_addresses_of_others_are_no_matter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_addresses_are_taken, setup, teardown),
		cmocka_unit_test(test_families_and_policies),
		cmocka_unit_test(test_families_that_are_asked_for),
		cmocka_unit_test_setup_teardown(
			test_both_ends_are_left_alone_and_the_pool_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

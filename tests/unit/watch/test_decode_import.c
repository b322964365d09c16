/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_line.h"

#define META       "\"metadata\":{\"name\":\"web\",\"namespace\":\"d\",\"resourceVersion\":\"7\"}"
#define SPEC(spec) "{" META ",\"spec\":{" spec "}}"
#define SET_IP     "\"type\":\"ClusterSetIP\""
#define HEADLESS   "\"type\":\"Headless\""

static const struct row imports[] = {
	{SPEC(SET_IP), "d/web@7 cluster"},
	{SPEC(SET_IP ",\"ips\":null,\"ports\":null"), "d/web@7 cluster"},
	{SPEC(SET_IP ",\"ips\":[\"10.42.0.1\",\"fd00:42::1\"]"),
		"d/web@7 cluster 10.42.0.1 fd00:42::1"},
	{SPEC(SET_IP ",\"ips\":[\"10.42.0.1\"],\"ports\":[{\"name\":\"http\",\"port\":80},"
		     "{\"name\":\"dns\",\"protocol\":\"UDP\",\"port\":53}],\"sessionAffinity\":"
		     "\"None\""),
		"d/web@7 cluster 10.42.0.1 ports http:80/TCP dns:53/UDP"},
	/* a headless one has no address of its own */
	{SPEC(HEADLESS ",\"ips\":[\"10.42.0.1\"],\"ports\":[{\"port\":80}]"),
		"d/web@7 headless ports :80/TCP"},
	/* what today's API server would refuse in a Service */
	{SPEC(SET_IP ",\"ips\":[\"127.0.0.1\",\"10.42.0.1\"]"),
		"d/web@7 cluster 10.42.0.1; ServiceImport d/web: loopback address \"127.0.0.1\" "
		"cannot be used"},
	{SPEC(SET_IP ",\"ips\":[\"169.254.0.1\"]"),
		"INVALID ServiceImport d/web: link-local address \"169.254.0.1\" cannot be used"},
	{SPEC(SET_IP ",\"ips\":[7]"),
		"INVALID ServiceImport d/web: an entry of spec.ips is not a string"},
	{SPEC(SET_IP ",\"ips\":\"10.42.0.1\""), "INVALID ServiceImport d/web: ips is not a list"},
	{SPEC(SET_IP ",\"ports\":[7]"),
		"INVALID ServiceImport d/web: an entry of ports is not an object"},
	{SPEC("\"type\":\"ExternalName\""),
		"INVALID ServiceImport d/web: unknown spec.type \"ExternalName\""},
	{SPEC(""), "INVALID ServiceImport d/web: spec.type is missing"},
	{"{" META "}", "INVALID ServiceImport d/web: spec.type is missing"},
	{"{" META ",\"spec\":[]}", "INVALID ServiceImport d/web: spec is not an object"},
	{"{\"metadata\":{\"name\":\"web\"},\"spec\":{" HEADLESS "}}",
		"INVALID ServiceImport web: metadata.namespace is missing"},
};

static void test_imports(void **state)
{
	(void)state;
	CHECK(RESOURCE_IMPORTS, imports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_imports),
	};

	return cmocka_run_group_tests_name("decode_import", tests, NULL, NULL);
}

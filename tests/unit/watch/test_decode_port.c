/* SPDX-License-Identifier: Apache-2.0 */
/* The parts; test_decode.c and test_decode_slice.c have what becomes of them. */

#include "watch/decode_port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cJSON *parse(const char *json)
{
	char why[DECODE_WHY_MAX];
	cJSON *tree = NULL;

	assert_int_equal(
		tree_parse(&(struct document){.bytes = json, .len = strlen(json)}, &tree, why),
		DECODE_OK);
	return tree;
}

static void test_measure_and_pack(void **state)
{
	char why[DECODE_WHY_MAX] = "", room[64];
	struct decoder d = {.why = why};
	struct pack pack = {.at = room};
	struct port_sizes sizes = {0};
	struct port ports[3];
	cJSON *list = parse("[{\"name\":\"http\",\"port\":80},{\"port\":53,\"protocol\":\"UDP\"},"
			    "{\"name\":\"x\",\"protocol\":\"QUIC\"}]");

	(void)state;
	ports_measure(&d, list, &sizes);
	assert_int_equal(sizes.ports, 3);
	assert_int_equal(sizes.text, sizeof "http" + sizeof "x" + sizeof "QUIC");
	assert_int_equal(ports_pack(&d, &pack, list, ports), 3);
	assert_ptr_equal(pack.at, room + sizes.text);
	cJSON_Delete(list);
	assert_int_equal(ports[0].number, 80);
	assert_string_equal(ports[0].name, "http");
	assert_string_equal(ports[0].protocol, "TCP");
	assert_int_equal(ports[1].number, 53);
	assert_string_equal(ports[1].name, "");
	assert_string_equal(ports[1].protocol, "UDP");
	assert_int_equal(ports[2].number, -1);
	assert_string_equal(ports[2].name, "x");
	assert_string_equal(ports[2].protocol, "QUIC");
	assert_int_equal(d.result, DECODE_OK);
}

/* Lists add up; no list is an empty one. */
static void test_sizes_add_up(void **state)
{
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};
	struct port_sizes sizes = {0};
	struct pack pack = {0};
	cJSON *list = parse("[{\"name\":\"a\"}]");

	(void)state;
	ports_measure(&d, NULL, &sizes);
	assert_int_equal(sizes.ports, 0);
	assert_int_equal(ports_pack(&d, &pack, NULL, NULL), 0);
	ports_measure(&d, list, &sizes);
	ports_measure(&d, list, &sizes);
	assert_int_equal(sizes.ports, 2);
	assert_int_equal(sizes.text, 4);
	cJSON_Delete(list);
}

static const struct {
	const char *a, *b;
	bool equal;
} pairs[] = {
	{"[]", "[]", true},
	{"[{}]", "[]", false},
	{"[{}]", "[{\"protocol\":\"TCP\",\"name\":\"\",\"port\":null}]", true},
	{"[{\"port\":1}]", "[{\"port\":2}]", false},
	{"[{\"port\":0}]", "[{}]", false},
	{"[{\"name\":\"a\"}]", "[{\"name\":\"A\"}]", false},
	{"[{\"protocol\":\"UDP\"}]", "[{\"protocol\":\"TCP\"}]", false},
	{"[{\"port\":1},{\"port\":2}]", "[{\"port\":2},{\"port\":1}]", false},
	{"[{\"port\":1},{\"port\":2}]", "[{\"port\":1},{\"port\":2,\"appProtocol\":\"x\"}]", true},
};

static void test_equal(void **state)
{
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		cJSON *a = parse(pairs[i].a), *b = parse(pairs[i].b);

		if (ports_equal(&d, a, b) != pairs[i].equal ||
			ports_equal(&d, b, a) != pairs[i].equal)
			fail_msg("%s and %s", pairs[i].a, pairs[i].b);
		cJSON_Delete(a);
		cJSON_Delete(b);
	}
	cJSON *none = parse("[]");
	assert_true(ports_equal(&d, NULL, NULL));
	assert_true(ports_equal(&d, NULL, none));
	assert_true(ports_equal(&d, none, NULL));
	cJSON_Delete(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_measure_and_pack),
		cmocka_unit_test(test_sizes_add_up),
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests_name("decode_port", tests, NULL, NULL);
}

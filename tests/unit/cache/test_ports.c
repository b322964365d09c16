/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/ports_builder.h"

static const struct port web[] = {
	{80, "http", "TCP"}, {443, "https", "TCP"}, {9090, "", "TCP"}, {53, "DNS", "UDP"}};
static const struct port few[] = {{8080, "http", "TCP"}, {-1, "odd", "SCTP"}};

/* Two groups, of endpoints 0, 2 and 1. */
static struct port_set *make_set(void)
{
	struct ports_builder builder = {.error = 0};
	struct draft draft;
	const struct port_set *in;
	struct port_set *set;
	uint32_t a, b;

	draft_init(&draft, 5);
	draft_begin(&draft, (const uint8_t *)"\1x", 2, ENTRY_CLUSTER_IP);
	a = ports_builder_list(&builder, web, 4);
	b = ports_builder_list(&builder, few, 2);
	ports_builder_member(&builder, a, true);
	ports_builder_member(&builder, b, true);
	ports_builder_member(&builder, a, true);
	ports_builder_write(&builder, &draft, SLOT_PORTS);
	draft_end(&draft);
	in = entry_block((const void *)draft_entry(&draft, &draft.names[0]), SLOT_PORTS);
	set = malloc(in->bytes);
	memcpy(set, in, in->bytes);
	draft_free(&draft);
	ports_builder_free(&builder);
	return set;
}

/* labels: "_http._tcp". How many ports of a group match; -1: never any. */
static int matches(const struct port_set *set, unsigned group, const char *name, const char *proto)
{
	uint8_t labels[2][64];
	struct port_wanted wanted;
	const char *const texts[] = {name, proto};

	for (unsigned i = 0; i < 2; i++) {
		labels[i][0] = (uint8_t)strlen(texts[i]);
		memcpy(labels[i] + 1, texts[i], labels[i][0]);
	}
	if (!ports_wanted(labels[0], labels[1], &wanted))
		return -1;
	return (int)ports_count(set, group, &wanted);
}

static bool has_protocol(const struct port_set *set, const char *text)
{
	uint8_t label[64] = {(uint8_t)strlen(text)};

	memcpy(label + 1, text, label[0]);
	return ports_has_protocol(set, label);
}

static void groups(void **state)
{
	struct port_set *set = make_set();

	(void)state;
	assert_int_equal(set->port_count, 6);
	assert_int_equal(set->group_count, 2);
	assert_int_equal(ports_group_of(set, 0), 0);
	assert_int_equal(ports_group_of(set, 1), 1);
	assert_int_equal(ports_group_of(set, 2), 0);
	assert_int_equal(ports_groups(set)[1].first, 4);
	assert_int_equal(ports_groups(set)[1].count, 2);
	free(set);
}

static void names(void **state)
{
	struct port_set *set = make_set();
	const struct port_wanted any = {.name = NULL};

	(void)state;
	assert_int_equal(matches(set, 0, "_http", "_tcp"), 1);
	assert_int_equal(matches(set, 0, "http", "tcp"), 1);
	assert_int_equal(matches(set, 0, "_http", "tcp"), 1);
	assert_int_equal(matches(set, 0, "_http", "_udp"), 0);
	assert_int_equal(matches(set, 0, "_htt", "_tcp"), 0);
	assert_int_equal(matches(set, 0, "_httpx", "_tcp"), 0);
	assert_int_equal(matches(set, 0, "__http", "_tcp"), 0);
	assert_int_equal(matches(set, 0, "_dns", "_udp"), 1);
	assert_int_equal(matches(set, 1, "_dns", "_udp"), 0);
	assert_int_equal(matches(set, 1, "_odd", "_sctp"), 1);
	/* An unnamed port has no name to be asked for. */
	assert_int_equal(matches(set, 0, "_", "_tcp"), -1);
	assert_int_equal(matches(set, 0, "_http", "_"), -1);
	assert_int_equal(ports_count(set, 0, &any), 4);
	assert_int_equal(ports_count(set, 1, &any), 2);
	free(set);
}

static void protocols(void **state)
{
	struct port_set *set = make_set();

	(void)state;
	assert_true(has_protocol(set, "_tcp"));
	assert_true(has_protocol(set, "tcp"));
	assert_true(has_protocol(set, "_udp"));
	assert_true(has_protocol(set, "_sctp"));
	assert_false(has_protocol(set, "_tc"));
	assert_false(has_protocol(set, "_"));
	assert_false(has_protocol(set, "_http"));
	free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups),
		cmocka_unit_test(names),
		cmocka_unit_test(protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

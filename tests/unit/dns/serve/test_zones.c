/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/serve/zones.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKS_MAX 300

struct world {
	struct name names[BLOCKS_MAX];
	char *texts[BLOCKS_MAX];
	struct block blocks[BLOCKS_MAX];
	const struct block *list[BLOCKS_MAX];
	size_t count;
};

static void world_add(struct world *world, const char *zone)
{
	size_t at = world->count++;

	assert_int_equal(name_from_text(zone, strlen(zone), &world->names[at]), 0);
	world->texts[at] = strdup(zone);
	world->blocks[at] = (struct block){.zones = &world->names[at],
		.zone_texts = &world->texts[at],
		.zone_count = 1,
		.port = 53};
	world->list[at] = &world->blocks[at];
}

static void world_free(struct world *world)
{
	for (size_t i = 0; i < world->count; i++)
		free(world->texts[i]);
	free(world);
}

static void question(const char *text, uint16_t type, struct query *out)
{
	static uint8_t packet[512];
	struct name name;

	assert_int_equal(name_from_text(text, strlen(text), &name), 0);
	memcpy(packet, "\0\1\1\0\0\1\0\0\0\0\0\0", 12);
	memcpy(packet + 12, name.wire, name.len);
	bytes_set_u16(packet + 12 + name.len, type);
	bytes_set_u16(packet + 14 + name.len, CLASS_IN);
	assert_int_equal(query_parse(packet, 16u + name.len, out), QUERY_OK);
}

static const char *found(const struct zone_table *table, const char *name, uint16_t type)
{
	struct query query;
	const struct block *block;
	unsigned zone = 99;

	question(name, type, &query);
	block = zone_table_find(table, &query, &zone);
	if (block)
		assert_true(zone < block->zone_count);
	return block ? block->zone_texts[zone] : "none";
}

static void test_longest_zone_wins(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	struct zone_table *table;
	const char *clash = NULL;

	(void)state;
	world_add(world, "cluster.local.");
	world_add(world, "local.");
	world_add(world, "svc.cluster.local.");
	world_add(world, "example.org.");
	assert_int_equal(zone_table_new(world->list, world->count, &table, &clash), 0);
	assert_string_equal(found(table, "a.svc.cluster.local", TYPE_A), "svc.cluster.local.");
	assert_string_equal(found(table, "SVC.Cluster.LOCAL", TYPE_A), "svc.cluster.local.");
	assert_string_equal(found(table, "xsvc.cluster.local", TYPE_A), "cluster.local.");
	assert_string_equal(found(table, "a.local", TYPE_A), "local.");
	assert_string_equal(found(table, "b.example.org", TYPE_A), "example.org.");
	assert_string_equal(found(table, "org", TYPE_A), "none");
	assert_string_equal(found(table, ".", TYPE_A), "none");
	zone_table_free(table);
	world_free(world);
}

static void test_ds_goes_to_the_parent(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	struct zone_table *table;
	const char *clash = NULL;

	(void)state;
	world_add(world, "cluster.local.");
	world_add(world, "local.");
	assert_int_equal(zone_table_new(world->list, world->count, &table, &clash), 0);
	assert_string_equal(found(table, "cluster.local", TYPE_DS), "local.");
	assert_string_equal(found(table, "x.cluster.local", TYPE_DS), "cluster.local.");
	/* No parent is served: the zone itself answers. */
	assert_string_equal(found(table, "local", TYPE_DS), "local.");
	zone_table_free(table);
	world_free(world);
}

static void test_many_zones_and_the_root(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	struct zone_table *table;
	const char *clash = NULL;
	char text[64];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		snprintf(text, sizeof text, "%u.10.in-addr.arpa.", i);
		world_add(world, text);
	}
	world_add(world, ".");
	assert_int_equal(zone_table_new(world->list, world->count, &table, &clash), 0);
	for (unsigned i = 0; i < 256; i++) {
		char name[80];

		snprintf(text, sizeof text, "%u.10.in-addr.arpa.", i);
		snprintf(name, sizeof name, "1.2.%s", text);
		assert_string_equal(found(table, name, TYPE_PTR), text);
	}
	assert_string_equal(found(table, "10.in-addr.arpa", TYPE_PTR), ".");
	assert_string_equal(found(table, ".", TYPE_NS), ".");
	zone_table_free(table);
	world_free(world);
}

static void test_clash(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	struct zone_table *table = NULL;
	const char *clash = NULL;

	(void)state;
	world_add(world, "a.");
	world_add(world, "b.a.");
	world_add(world, "b.a.");
	assert_int_equal(zone_table_new(world->list, world->count, &table, &clash), -EEXIST);
	assert_string_equal(clash, "b.a.");
	assert_null(table);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longest_zone_wins),
		cmocka_unit_test(test_ds_goes_to_the_parent),
		cmocka_unit_test(test_many_zones_and_the_root),
		cmocka_unit_test(test_clash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

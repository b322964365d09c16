/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct record {
	struct table_link link;
	unsigned key;
	bool in, seen;
};

#define RECORDS 5000

static uint32_t hash(unsigned key)
{
	return key * 2654435761u >> 20; /* many share one */
}

static struct record *find(struct table *table, unsigned key)
{
	struct table_link *link = table_first(table, hash(key));

	for (; link; link = table_next(link)) {
		struct record *record = (struct record *)(void *)link;

		assert_int_equal(link->hash, hash(key));
		if (record->key == key)
			return record;
	}
	return NULL;
}

static void finds_what_is_in(void **state)
{
	static struct record records[RECORDS];
	struct table table;
	unsigned seed = 1;
	size_t in = 0, base;

	(void)state;
	assert_int_equal(table_init(&table), 0);
	base = table_bytes(&table);
	for (unsigned round = 0; round < 40000; round++) {
		const unsigned key = (unsigned)rand_r(&seed) % RECORDS;
		struct record *record = &records[key];

		record->key = key;
		assert_ptr_equal(find(&table, key), record->in ? record : NULL);
		if (record->in) {
			table_remove(&table, &record->link);
			in--;
		} else {
			table_add(&table, &record->link, hash(key));
			in++;
		}
		record->in = !record->in;
		assert_int_equal(table.count, in);
		assert_true(table.count <= table.bucket_count);
	}
	for (unsigned key = 0; key < RECORDS; key++) {
		if (records[key].in)
			table_remove(&table, &records[key].link);
	}
	assert_int_equal(table_bytes(&table), base);
	table_free(&table);
}

static void visit_half(void *user, struct table_link *link)
{
	struct record *record = (struct record *)(void *)link;

	assert_false(record->seen);
	record->seen = true;
	if (record->key % 2)
		table_remove(user, link);
}

static void visits_all_and_may_remove(void **state)
{
	static struct record records[RECORDS];
	struct table table;

	(void)state;
	assert_int_equal(table_init(&table), 0);
	for (unsigned key = 0; key < RECORDS; key++) {
		records[key].key = key;
		table_add(&table, &records[key].link, hash(key));
	}
	table_each(&table, visit_half, &table);
	assert_int_equal(table.count, RECORDS / 2);
	for (unsigned key = 0; key < RECORDS; key++) {
		assert_true(records[key].seen);
		assert_ptr_equal(find(&table, key), key % 2 ? NULL : &records[key]);
	}
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_in),
		cmocka_unit_test(visits_all_and_may_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

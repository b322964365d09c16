/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "copy.h"
#include "nomem.h"

#include <errno.h>

static struct copy_account account;
static struct copy_writer writer;
static struct zone_copy *copy;
static struct copy_text text;

static int setup(void **state)
{
	(void)state;
	atomic_init(&account.bytes, 0);
	account.limit = 1 << 24;
	copy = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	copy_text_free(&text);
	zone_copy_drop(copy);
	assert_int_equal(atomic_load(&account.bytes), 0);
	return 0;
}

static void begin(const char *zone)
{
	struct name name;

	assert_int_equal(name_from_text(zone, strlen(zone), &name), 0);
	copy_begin(&writer, &name, 7, &account);
}

static void owner(const char *name)
{
	struct name wire;

	assert_int_equal(name_from_text(name, strlen(name), &wire), 0);
	copy_owner(&writer, wire.wire, wire.len - 1u);
}

static void address(uint32_t number)
{
	const uint8_t rdata[4] = {
		10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};

	copy_record(&writer, TYPE_A, 30, rdata, 4);
}

static void end(const char *zone)
{
	assert_int_equal(copy_end(&writer, &copy), 0);
	text = copy_read(copy, zone);
}

static void test_owners(void **state)
{
	static const char *const names[] = {".", "b.a", "c.b.a", "c.b.a", "d.c.b.a", "b.a", "a",
		"x", "b.x", "xb.a", "c.xb.a", "b.a.x", "b.a.x.x.x", "."};
	char line[64];

	(void)state;
	begin("cluster.local.");
	for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
		owner(names[i]);
		address(i);
		address(i + 100);
	}
	end("cluster.local.");
	assert_int_equal(text.count, 2 * sizeof names / sizeof *names);
	for (uint32_t i = 0; i < text.count; i++) {
		const char *name = names[i / 2];

		snprintf(line, sizeof line, "%s A 10.0.0.%u", strcmp(name, ".") ? name : "@",
			i / 2 + 100 * (i % 2));
		assert_string_equal(text.lines[i], line);
	}
	assert_int_equal(text.messages, 1);
	assert_int_equal(zone_copy_serial(copy), 7);
	assert_int_equal(zone_copy_bytes(copy), atomic_load(&account.bytes));
	/* 14 bytes a record, a pointer each, and the labels that are new */
	assert_int_equal(zone_copy_bytes(copy),
		28 * (14 + 2) + 4 + 2 + 0 + 2 + 0 + 0 + 2 + 2 + 5 + 2 + 6 + 8);
}

/* In the root zone the only name that is there before all others is the root. */
static void test_root(void **state)
{
	(void)state;
	begin(".");
	owner(".");
	address(1);
	owner("a.b");
	address(2);
	end(".");
	assert_int_equal(text.count, 2);
}

/* Every message can be read alone: names are spelled again in each. */
static void test_many_messages(void **state)
{
	char name[200], line[260];

	(void)state;
	begin("cluster.local.");
	for (uint32_t i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "%0*u.x%u.svc", 1 + (int)(i % 60), i % 10, i / 100);
		owner(name);
		address(i);
	}
	end("cluster.local.");
	assert_int_equal(text.count, 20000);
	assert_true(text.messages > 20);
	assert_in_range(text.longest, COPY_MESSAGE_MAX - 100, COPY_MESSAGE_MAX);
	for (uint32_t i = 0; i < 20000; i++) {
		snprintf(line, sizeof line, "%0*u.x%u.svc A 10.%u.%u.%u", 1 + (int)(i % 60), i % 10,
			i / 100, i >> 16, i >> 8 & 255, i & 255);
		assert_string_equal(text.lines[i], line);
	}
}

static void test_longest_names(void **state)
{
	char name[300];
	uint8_t rdata[600] = {0};
	size_t len = 0;

	(void)state;
	/* 120 labels, 240 bytes, and a zone of 15 */
	for (unsigned i = 0; i < 119; i++)
		len += (size_t)sprintf(name + len, "%u.", i % 10);
	strcpy(name + len, "9");
	begin("cluster.local.");
	for (unsigned i = 0; i < 200; i++) {
		name[0] = (char)('0' + i % 10);
		name[4] = (char)('0' + i / 10 % 10);
		owner(name);
		copy_record(&writer, 65280, 1, rdata, sizeof rdata);
	}
	end("cluster.local.");
	assert_int_equal(text.count, 200);
	begin("cluster.local.");
	zone_copy_drop(copy);
	copy_record(&writer, TYPE_TXT, 1, rdata, 0);
	copy_record(&writer, TYPE_TXT, 1, NULL, COPY_MESSAGE_MAX);
	assert_int_equal(copy_end(&writer, &copy), -EMSGSIZE);
	copy = NULL;
}

static void test_account(void **state)
{
	struct zone_copy *first;

	(void)state;
	account.limit = 40000;
	begin("a.");
	for (uint32_t i = 0; i < 2000; i++)
		address(i);
	end("a.");
	assert_in_range(atomic_load(&account.bytes), 32000, 40000);
	first = copy;
	begin("a.");
	for (uint32_t i = 0; i < 2000; i++)
		address(i);
	assert_int_equal(copy_end(&writer, &copy), -ENOBUFS);
	assert_int_equal(zone_copy_bytes(first), atomic_load(&account.bytes));
	copy = zone_copy_hold(first);
	zone_copy_drop(first);
	zone_copy_drop(copy);
	copy = NULL;
	assert_int_equal(atomic_load(&account.bytes), 0);
	zone_copy_drop(NULL);
}

static void test_nothing_in_it(void **state)
{
	(void)state;
	begin("a.");
	end("a.");
	assert_int_equal(text.messages, 0);
}

static void test_no_memory(void **state)
{
	unsigned n = 0;
	int rc;

	(void)state;
	do {
		nomem_at(++n);
		begin("a.");
		for (uint32_t i = 0; i < 40000; i++)
			address(i);
		rc = copy_end(&writer, &copy);
		if (rc < 0)
			assert_int_equal(rc, -ENOMEM);
		if (rc < 0)
			assert_int_equal(atomic_load(&account.bytes), 0);
	} while (rc < 0);
	nomem_at(0);
	assert_true(n > 40);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_owners),
		CASE(test_root),
		CASE(test_many_messages),
		CASE(test_longest_names),
		CASE(test_account),
		CASE(test_nothing_in_it),
		CASE(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "proto_build.h"
#include "watch/proto_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

/* What comes of a copy that is exactly so long. */
static bool next(const char *bytes, size_t len, struct proto_value *out)
{
	char *copy = malloc(len);
	struct proto_reader reader;
	bool right;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	reader = proto_reader_of(copy, len);
	right = proto_next(&reader, out);
	if (right)
		assert_ptr_equal(reader.at, reader.end);
	free(copy);
	return right;
}

static void fields_of_all_forms(void **state)
{
	struct proto_reader reader;
	struct proto_value value;
	struct built built = {.len = 0};

	(void)state;
	built_number(&built, 1, 0);
	built_number(&built, 100, UINT64_MAX);
	built_text(&built, 2, "text");
	built_raw(&built,
		"\x19"
		"12345678",
		9); /* field 3, eight bytes */
	built_raw(&built,
		"\x25"
		"1234",
		5); /* field 4, four bytes */
	built_text(&built, 5, "");
	reader = proto_reader_of(built.bytes, built.len);
	assert_true(proto_next(&reader, &value));
	assert_int_equal(value.number, 1);
	assert_int_equal(value.varint, 0);
	assert_true(proto_next(&reader, &value));
	assert_int_equal(value.number, 100);
	assert_true(value.varint == UINT64_MAX);
	assert_true(proto_next(&reader, &value));
	assert_int_equal(value.wire, PROTO_WIRE_BYTES);
	assert_int_equal(value.len, 4);
	assert_memory_equal(value.bytes, "text", 4);
	assert_true(proto_next(&reader, &value));
	assert_int_equal(value.wire, PROTO_WIRE_8);
	assert_memory_equal(value.bytes, "12345678", 8);
	assert_true(proto_next(&reader, &value));
	assert_int_equal(value.wire, PROTO_WIRE_4);
	assert_int_equal(value.len, 4);
	assert_true(proto_next(&reader, &value));
	assert_int_equal(value.number, 5);
	assert_int_equal(value.len, 0);
	assert_ptr_equal(reader.at, reader.end);
}

static void what_is_no_field_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{"\x80", 1},     /* half a key */
		{"\x08", 1},     /* no value */
		{"\x08\x80", 2}, /* half a value */
		{"\x00\x01", 2}, /* field 0 */
		{"\x0a", 1},     /* no length */
		{"\x0a\x02"
		 "a",
			3},                                           /* too few bytes */
		{"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* as many as there can be */
		{"\x09"
		 "1234567",
			8}, /* seven of eight */
		{"\x0d"
		 "123",
			4},                                               /* three of four */
		{"\x0b\x0c", 2},                                          /* a group */
		{"\x0e\x00", 2},                                          /* wire type 6 */
		{"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},     /* 65 bits */
		{"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12}, /* eleven bytes */
	};
	struct proto_value value;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_false(next(rows[i].bytes, rows[i].len, &value));
	assert_true(next("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, &value));
	assert_true(value.varint == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_all_forms),
		cmocka_unit_test(what_is_no_field_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

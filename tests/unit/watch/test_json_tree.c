/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/json_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	char why[DECODE_WHY_MAX];
	struct decoder d;
	cJSON *tree;
};

static int setup(void **state)
{
	static struct fixture fixture;
	static const char json[] =
		"{\"text\":\"x\",\"empty\":\"\",\"none\":null,\"yes\":true,\"no\":false,\"n\":7.9,"
		"\"big\":3e9,\"minus\":-1,\"list\":[\"a\",1],\"map\":{\"k\":\"v\"},"
		"\"version\":\"18446744073709551615\",\"over\":\"18446744073709551616\",\"hex\":"
		"\"0x1\"}";

	memset(&fixture, 0, sizeof fixture);
	fixture.d.why = fixture.why;
	*state = &fixture;
	return tree_parse(&(struct document){.bytes = json, .len = sizeof json - 1}, &fixture.tree,
		       fixture.why) == DECODE_OK
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	cJSON_Delete(((struct fixture *)*state)->tree);
	return 0;
}

static void test_reads(void **state)
{
	struct fixture *f = *state;
	struct decoder *d = &f->d;

	assert_string_equal(tree_text(d, f->tree, "text"), "x");
	assert_string_equal(tree_text(d, f->tree, "empty"), "");
	assert_null(tree_text(d, f->tree, "none"));
	assert_null(tree_text(d, f->tree, "absent"));
	assert_null(tree_text(d, NULL, "text"));
	assert_string_equal(tree_text(d, tree_member(d, f->tree, "map"), "k"), "v");
	assert_null(tree_member(d, f->tree, "none"));
	assert_int_equal(cJSON_GetArraySize(tree_list(d, f->tree, "list")), 2);
	assert_null(tree_list(d, f->tree, "none"));
	assert_true(tree_flag(d, f->tree, "yes", false));
	assert_false(tree_flag(d, f->tree, "no", true));
	assert_true(tree_flag(d, f->tree, "none", true));
	assert_int_equal(tree_number(d, f->tree, "n", -1), 7);
	assert_int_equal(tree_number(d, f->tree, "absent", -1), -1);
	assert_true(tree_version(d, f->tree, "version") == UINT64_MAX);
	assert_int_equal(tree_version(d, f->tree, "empty"), 0);
	assert_string_equal(
		item_text(d, cJSON_GetArrayItem(tree_list(d, f->tree, "list"), 0), "l"), "a");
	assert_int_equal(d->result, DECODE_OK);
	assert_string_equal(d->why, "");
}

static void expect_refusal(struct fixture *f, const char *why)
{
	assert_int_equal(f->d.result, DECODE_INVALID);
	assert_string_equal(f->d.why, why);
	f->d.result = DECODE_OK;
	f->d.why[0] = '\0';
}

static void test_wrong_types(void **state)
{
	struct fixture *f = *state;
	struct decoder *d = &f->d;

	assert_null(tree_text(d, f->tree, "n"));
	expect_refusal(f, "n is not a string");
	assert_null(tree_member(d, f->tree, "list"));
	expect_refusal(f, "list is not an object");
	assert_null(tree_list(d, f->tree, "map"));
	expect_refusal(f, "map is not a list");
	assert_true(tree_flag(d, f->tree, "text", true));
	expect_refusal(f, "text is not true or false");
	assert_int_equal(tree_number(d, f->tree, "big", 5), 5);
	expect_refusal(f, "big is not a number of a sensible size");
	assert_int_equal(tree_number(d, f->tree, "minus", 5), 5);
	expect_refusal(f, "minus is not a number of a sensible size");
	assert_int_equal(tree_number(d, f->tree, "text", 5), 5);
	expect_refusal(f, "text is not a number of a sensible size");
	assert_int_equal(tree_version(d, f->tree, "over"), 0);
	expect_refusal(f, "over is not a decimal number");
	assert_int_equal(tree_version(d, f->tree, "hex"), 0);
	expect_refusal(f, "hex is not a decimal number");
	assert_null(item_text(d, cJSON_GetArrayItem(tree_list(d, f->tree, "list"), 1), "l"));
	expect_refusal(f, "an entry of l is not a string");
}

/* The first reason stays; what was left out is a better one than "nothing left". */
static void test_sticky(void **state)
{
	struct fixture *f = *state;
	struct decoder *d = &f->d;

	decoder_refuse(d, "first %d", 1);
	decoder_refuse(d, "second");
	decoder_skip(d, "third");
	decoder_leave_out(d, "fourth");
	decoder_finish(d);
	expect_refusal(f, "first 1");
	decoder_leave_out(d, "a");
	decoder_leave_out(d, "b");
	decoder_refuse(d, "nothing left");
	decoder_finish(d);
	expect_refusal(f, "a and 1 more cannot be used");
	decoder_leave_out(d, "a");
	decoder_finish(d);
	assert_int_equal(d->result, DECODE_OK);
	assert_string_equal(d->why, "a cannot be used");
	decoder_skip(d, "over");
	assert_int_equal(d->result, DECODE_SKIP);
	assert_string_equal(d->why, "over");
}

static void test_parse(void **state)
{
	static const struct {
		const char *json;
		enum decode_result result;
	} rows[] = {{"{}", DECODE_OK}, {" [1] \r\n\t", DECODE_OK}, {"{}{}", DECODE_SYNTAX},
		{"{} x", DECODE_SYNTAX}, {"", DECODE_SYNTAX}, {"{\"a\":}", DECODE_SYNTAX},
		{"\"\\u12\"", DECODE_SYNTAX}};
	char why[DECODE_WHY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cJSON *tree = NULL;

		assert_int_equal(tree_parse(&(struct document){.bytes = rows[i].json,
						    .len = strlen(rows[i].json)},
					 &tree, why),
			rows[i].result);
		assert_int_equal(tree != NULL, rows[i].result == DECODE_OK);
		cJSON_Delete(tree);
	}
	/* a NUL behind the document is not white space */
	cJSON *tree = NULL;
	assert_int_equal(tree_parse(&(struct document){.bytes = "{}\0", .len = 3}, &tree, why),
		DECODE_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sticky, setup, teardown),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests_name("json_tree", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "nomem.h"
#include "proto_build.h"
#include "watch/json_arena.h"
#include "watch/proto_schema.h"
#include "watch/proto_tree.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static const struct proto_field inner_fields[] = {
	[1] = {.name = "flag", .form = PROTO_FLAG},
	[2] = {.name = "words", .form = PROTO_TEXT, .repeated = true},
};
static const struct proto_message inner = {.count = 3, .fields = inner_fields};

static const struct proto_field outer_fields[] = {
	[1] = {.name = "text", .form = PROTO_TEXT},
	[2] = {.name = "number", .form = PROTO_NUMBER},
	[3] = {.name = "positive", .form = PROTO_NUMBER, .positive = true},
	[4] = {.name = "inner", .form = PROTO_MESSAGE, .message = &inner},
	[5] = {.name = "inners", .form = PROTO_MESSAGE, .repeated = true, .message = &inner},
	[6] = {.name = "map", .form = PROTO_MAP},
	[7] = {.name = "zone", .form = PROTO_TEXT, .part = DECODE_ZONES},
};
static const struct proto_message outer = {
	.kind = "Outer", .kind_told = true, .count = 8, .fields = outer_fields};

static enum decode_result tree_of(
	const struct built *built, unsigned parts, cJSON **tree, char why[DECODE_WHY_MAX])
{
	const struct document document = {built->bytes, built->len, &outer, parts};

	return proto_tree(&document, tree, why);
}

/* What comes of it is this JSON. */
static void assert_tree(const struct built *built, unsigned parts, const char *wanted)
{
	char why[DECODE_WHY_MAX] = "";
	cJSON *tree = NULL;
	char *text;

	assert_int_equal(tree_of(built, parts, &tree, why), DECODE_OK);
	assert_string_equal(why, "");
	text = cJSON_PrintUnformatted(tree);
	assert_non_null(text);
	assert_string_equal(text, wanted);
	cJSON_free(text);
	cJSON_Delete(tree);
}

static void assert_refused(const struct built *built)
{
	char why[DECODE_WHY_MAX] = "";
	cJSON *tree = NULL;

	assert_int_equal(tree_of(built, 0, &tree, why), DECODE_SYNTAX);
	assert_string_equal(why, "not a protobuf message of Outer");
	assert_null(tree);
}

static void build_all(struct built *built)
{
	struct built part = {.len = 0};

	built_text(built, 1, "a text");
	built_number(built, 2, 443);
	built_number(built, 3, 7);
	built_number(&part, 1, 1);
	built_text(&part, 2, "one");
	built_text(&part, 2, "");
	built_message(built, 4, &part);
	built_message(built, 5, &part);
	part.len = 0;
	built_entry(built, 6, "key", "value");
	built_message(built, 5, &part);
	built_entry(built, 6, "empty", "");
	built_text(built, 7, "west");
}

static void all_forms(void **state)
{
	struct built built = {.len = 0};

	(void)state;
	assert_tree(&built, 0, "{\"kind\":\"Outer\"}");
	build_all(&built);
	assert_tree(&built, DECODE_ZONES,
		"{\"kind\":\"Outer\",\"text\":\"a text\",\"number\":443,\"positive\":7,"
		"\"inner\":{\"flag\":true,\"words\":[\"one\",\"\"]},"
		"\"inners\":[{\"flag\":true,\"words\":[\"one\",\"\"]},{}],"
		"\"map\":{\"key\":\"value\",\"empty\":\"\"},\"zone\":\"west\"}");
}

static void what_json_leaves_out_is_absent(void **state)
{
	struct built built = {.len = 0}, part = {.len = 0};

	(void)state;
	built_text(&built, 1, "");
	built_number(&built, 2, 0);
	built_number(&built, 3, 0);
	built_number(&part, 1, 0);
	built_message(&built, 4, &part);
	built_text(&built, 7, "west"); /* not asked for */
	assert_tree(&built, 0, "{\"kind\":\"Outer\",\"number\":0,\"inner\":{\"flag\":false}}");
	built.len = 0;
	built_number(&built, 2, UINT64_MAX); /* -1 */
	assert_tree(&built, 0, "{\"kind\":\"Outer\",\"number\":-1}");
}

static void unknown_fields_are_passed_over(void **state)
{
	struct built built = {.len = 0};

	(void)state;
	built_number(&built, 8, 1);
	built_text(&built, 9, "of later");
	built_text(&built, 300, "of much later");
	built_text(&built, 1, "text");
	built_number(&built, 63, 1);
	built_number(&built, 64, 1);
	assert_tree(&built, 0, "{\"kind\":\"Outer\",\"text\":\"text\"}");
}

static void texts_with_nul_are_left_out(void **state)
{
	struct built built = {.len = 0}, entry = {.len = 0};

	(void)state;
	built_bytes(&built, 1, "a\0b", 3);
	built_bytes(&entry, 1, "k\0", 2);
	built_text(&entry, 2, "v");
	built_message(&built, 6, &entry);
	entry.len = 0;
	built_text(&entry, 1, "k");
	built_bytes(&entry, 2, "\0", 1);
	built_number(&entry, 3, 1); /* of later */
	built_message(&built, 6, &entry);
	assert_tree(&built, 0, "{\"kind\":\"Outer\",\"map\":{}}");
}

static void what_is_no_such_message_is_refused(void **state)
{
	struct built built = {.len = 0}, part = {.len = 0};

	(void)state;
	built_number(&built, 1, 1); /* a number for a text */
	assert_refused(&built);
	built.len = 0;
	built_text(&built, 2, "1");
	assert_refused(&built);
	built.len = 0;
	built_text(&built, 1, "a");
	built_text(&built, 1, "b"); /* which? */
	assert_refused(&built);
	built.len = 0;
	built_text(&part, 1, "true");
	built_message(&built, 4, &part);
	assert_refused(&built);
	built.len = part.len = 0;
	built_number(&part, 1, 1); /* a key that is a number */
	built_message(&built, 6, &part);
	assert_refused(&built);
	built.len = 0;
	built_text(&built, 6, "\x0a\x05k");
	assert_refused(&built);
}

/* Each piece of it, whatever the others are: refused, or a tree. */
static void half_of_a_message(void **state)
{
	char why[DECODE_WHY_MAX] = "";
	struct built built = {.len = 0};
	unsigned refused = 0;
	size_t whole;

	(void)state;
	build_all(&built);
	whole = built.len;
	for (built.len = 0; built.len < whole; built.len++) {
		cJSON *tree = NULL;
		const enum decode_result result = tree_of(&built, 0, &tree, why);

		assert_true(result == DECODE_OK || result == DECODE_SYNTAX);
		refused += result == DECODE_SYNTAX;
		cJSON_Delete(tree);
	}
	assert_int_equal(refused, whole - 9); /* before each of nine fields it may end */
}

static void no_memory(void **state)
{
	char why[DECODE_WHY_MAX] = "";
	struct built built = {.len = 0};
	cJSON *tree = NULL;
	unsigned nth = 1;

	(void)state;
	build_all(&built);
	for (nomem_at(nth); tree_of(&built, DECODE_ZONES, &tree, why) != DECODE_OK;
		nomem_at(++nth)) {
		assert_string_equal(why, "out of memory");
		assert_null(tree);
	}
	nomem_at(0);
	assert_true(nth > 30);
	cJSON_Delete(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms),
		cmocka_unit_test(what_json_leaves_out_is_absent),
		cmocka_unit_test(unknown_fields_are_passed_over),
		cmocka_unit_test(texts_with_nul_are_left_out),
		cmocka_unit_test(what_is_no_such_message_is_refused),
		cmocka_unit_test(half_of_a_message),
		cmocka_unit_test(no_memory),
	};

	json_arena_install(); /* its allocations can fail; those of cJSON's own malloc not */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

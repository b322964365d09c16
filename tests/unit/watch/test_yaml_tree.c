/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/yaml_tree.h"

#include "scratch.h"

#include <cjson/cJSON.h>
#include <errno.h>

struct documents {
	cJSON *trees[16];
	size_t count;
	int answer;
};

static int document_keep(void *user, cJSON *tree)
{
	struct documents *d = user;

	assert_true(d->count < 16);
	d->trees[d->count++] = tree;
	return d->answer;
}

static void documents_clear(struct documents *d)
{
	while (d->count > 0)
		cJSON_Delete(d->trees[--d->count]);
}

static int read_all(const char *text, struct documents *d, struct yaml_error *error)
{
	*d = (struct documents){.answer = 0};
	*error = (struct yaml_error){.line = 0};
	return yaml_read(text, strlen(text), document_keep, d, error);
}

/* One document becomes this JSON. */
static void assert_becomes(const char *yaml, const char *json)
{
	struct documents d;
	struct yaml_error error;
	char *text;

	if (read_all(yaml, &d, &error) < 0)
		fail_msg("'%s' is refused: %s", yaml, error.text);
	assert_int_equal(d.count, 1);
	text = cJSON_PrintUnformatted(d.trees[0]);
	if (strcmp(text, json) != 0)
		fail_msg("'%s' became %s, not %s", yaml, text, json);
	cJSON_free(text);
	documents_clear(&d);
}

static void assert_refused(const char *yaml, unsigned line, const char *says)
{
	struct documents d;
	struct yaml_error error;
	int rc = read_all(yaml, &d, &error);

	documents_clear(&d);
	if (rc != -EINVAL)
		fail_msg("'%.60s' passed", yaml);
	assert_says(error.text, says);
	if (error.line != line)
		fail_msg("'%s': line %u, not %u", yaml, error.line, line);
}

static void test_scalars_as_the_api_types_them(void **state)
{
	static const char *const rows[][2] = {
		{"a: 1", "{\"a\":1}"},
		{"a: -17", "{\"a\":-17}"},
		{"a: +5", "{\"a\":5}"},
		{"a: 1_000", "{\"a\":1000}"},
		{"a: 0x1F", "{\"a\":31}"},
		{"a: 010", "{\"a\":8}"},
		{"a: 0o10", "{\"a\":8}"},
		{"a: 0b101", "{\"a\":5}"},
		{"a: 08", "{\"a\":8}"},
		{"a: 1.5", "{\"a\":1.5}"},
		{"a: .5", "{\"a\":0.5}"},
		{"a: 1e3", "{\"a\":1000}"},
		{"a: 1e999", "{\"a\":\"1e999\"}"},
		{"a: .inf", "{\"a\":\".inf\"}"},
		{"a: 10.96.0.1", "{\"a\":\"10.96.0.1\"}"},
		{"a: fd00:10:96::1", "{\"a\":\"fd00:10:96::1\"}"},
		{"a: 0x", "{\"a\":\"0x\"}"},
		{"a: 1-2", "{\"a\":\"1-2\"}"},
		{"a: '1'", "{\"a\":\"1\"}"},
		{"a: \"true\"", "{\"a\":\"true\"}"},
		{"a: yes", "{\"a\":true}"},
		{"a: Off", "{\"a\":false}"},
		{"a: n", "{\"a\":false}"},
		{"a: tRue", "{\"a\":\"tRue\"}"},
		{"a: ~", "{\"a\":null}"},
		{"a:", "{\"a\":null}"},
		{"a: Null", "{\"a\":null}"},
		{"a: ''", "{\"a\":\"\"}"},
		{"a: 2026-01-02", "{\"a\":\"2026-01-02\"}"},
		{"a: !!str 12", "{\"a\":\"12\"}"},
		{"a: !!int '12'", "{\"a\":12}"},
		{"a: !mine 12", "{\"a\":\"12\"}"},
		{"a: |\n  1\n  2\n", "{\"a\":\"1\\n2\\n\"}"},
		{"1: 2\ntrue: 3", "{\"1\":2,\"true\":3}"},
		{"a: [1, b, {c: d}]", "{\"a\":[1,\"b\",{\"c\":\"d\"}]}"},
		{"- a\n- - b\n  - []\n- {}", "[\"a\",[\"b\",[]],{}]"},
		{"a: caf\xc3\xa9", "{\"a\":\"caf\xc3\xa9\"}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_becomes(rows[i][0], rows[i][1]);
}

static void test_json_is_yaml(void **state)
{
	(void)state;
	assert_becomes("{\"a\":[1,2.5,true,null,\"x\\/\\u00e9\\n\"],\n\t\"b\": {}}",
		"{\"a\":[1,2.5,true,null,\"x/\xc3\xa9\\n\"],\"b\":{}}");
	/* Two surrogates, which YAML does not know. */
	assert_becomes("{\"a\":\"\\ud83d\\ude00\"}\n", "{\"a\":\"\xf0\x9f\x98\x80\"}");
	assert_refused("{\"a\":\"\\ud83d\\ude00\"} x", 1, "");
}

static void test_documents(void **state)
{
	struct documents d;
	struct yaml_error error;

	(void)state;
	assert_int_equal(
		read_all("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n---\n", &d, &error), 0);
	assert_int_equal(d.count, 2);
	assert_non_null(cJSON_GetObjectItemCaseSensitive(d.trees[0], "a"));
	assert_non_null(cJSON_GetObjectItemCaseSensitive(d.trees[1], "b"));
	documents_clear(&d);
	assert_int_equal(read_all("", &d, &error), 0);
	assert_int_equal(d.count, 0);
	assert_int_equal(read_all("# only a comment\n", &d, &error), 0);
	assert_int_equal(d.count, 0);
	d = (struct documents){.answer = -EEXIST};
	assert_int_equal(yaml_read("a: 1\n---\nb: 2\n", 14, document_keep, &d, &error), -EEXIST);
	assert_int_equal(d.count, 1);
	documents_clear(&d);
}

static void test_lines(void **state)
{
	struct documents d;
	struct yaml_error error;
	const cJSON *list;

	(void)state;
	assert_int_equal(read_all("# head\na: x\nb:\n- c: 1\n- d: {}\n  e: f\n", &d, &error), 0);
	assert_int_equal(yaml_line(d.trees[0]), 2);
	assert_int_equal(yaml_line(cJSON_GetObjectItemCaseSensitive(d.trees[0], "a")), 2);
	list = cJSON_GetObjectItemCaseSensitive(d.trees[0], "b");
	assert_int_equal(yaml_line(list), 4);
	assert_int_equal(yaml_line(cJSON_GetArrayItem(list, 0)), 4);
	assert_int_equal(yaml_line(cJSON_GetArrayItem(list, 1)), 5);
	assert_int_equal(
		yaml_line(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, 1), "e")), 6);
	assert_int_equal(
		yaml_line(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, 0), "c")), 0);
	assert_int_equal(yaml_line(NULL), 0);
	documents_clear(&d);
}

static void test_aliases_and_merges(void **state)
{
	(void)state;
	assert_becomes("a: &x {b: [1, 2]}\nc: *x\n", "{\"a\":{\"b\":[1,2]},\"c\":{\"b\":[1,2]}}");
	assert_becomes("a: &x 1\nb: &x two\nc: *x\n", "{\"a\":1,\"b\":\"two\",\"c\":\"two\"}");
	assert_becomes("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
		"{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1}}");
	assert_becomes("<<: [{a: 1}, {a: 2, b: 3}]\n", "{\"a\":1,\"b\":3}");
	/* An anchor inside a merged mapping outlives the merging. */
	assert_becomes(
		"a:\n  <<: {p: &x deep}\nb: *x\n", "{\"a\":{\"p\":\"deep\"},\"b\":\"deep\"}");
	assert_becomes("'<<': 1\n", "{\"<<\":1}");
	assert_refused("<<: 1\n", 2, "<< must be a mapping");
	assert_refused("a: *x\n", 1, "an alias to an anchor that is not there");
	assert_refused("a: &x\n  b: *x\n", 2, "an alias to an anchor that is not there");
	assert_refused("a: &x b\n? *x\n: c\n", 2, "an alias cannot be a key");
	/* Anchors end with their document. */
	assert_refused("a: &x 1\n---\nb: *x\n", 3, "an anchor that is not there");
}

static void test_aliases_are_bounded(void **state)
{
	char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
	size_t used = strlen(text);
	struct documents d;
	struct yaml_error error;

	(void)state;
	for (int i = 1; i < 20; i++)
		used += (size_t)snprintf(text + used, sizeof text - used,
			"a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
			i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	assert_int_equal(read_all(text, &d, &error), -EINVAL);
	assert_says(error.text, "aliases make the document too large");
	assert_true(error.line > 1);
}

static void test_depth_and_anchors_are_bounded(void **state)
{
	char deep[2 * YAML_DEPTH_MAX + 4];
	char *many = malloc(YAML_ANCHORS_MAX * 16 + 64);
	size_t used = 0;
	struct documents d;
	struct yaml_error error;

	(void)state;
	memset(deep, '[', YAML_DEPTH_MAX);
	memset(deep + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
	deep[2 * YAML_DEPTH_MAX] = '\0';
	assert_int_equal(read_all(deep, &d, &error), 0);
	documents_clear(&d);
	memset(deep, '[', YAML_DEPTH_MAX + 1);
	memset(deep + YAML_DEPTH_MAX + 1, ']', YAML_DEPTH_MAX + 1);
	deep[2 * YAML_DEPTH_MAX + 2] = '\0';
	assert_refused(deep, 1, "nested too deeply");
	for (int i = 0; i <= YAML_ANCHORS_MAX; i++)
		used += (size_t)sprintf(many + used, "- &a%d x\n", i);
	assert_refused(many, YAML_ANCHORS_MAX + 1, "too many anchors");
	free(many);
}

/* A chain of aliases, each one level deeper than the one before. */
static void test_depth_through_aliases(void **state)
{
	char text[8192] = "a0: &a0 x\n";
	size_t used = strlen(text);
	struct documents d;
	struct yaml_error error;

	(void)state;
	for (int i = 1; i < YAML_DEPTH_MAX + 5; i++)
		used += (size_t)snprintf(
			text + used, sizeof text - used, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	assert_int_equal(read_all(text, &d, &error), -EINVAL);
	assert_says(error.text, "nested too deeply");
}

static void test_mistakes_have_places(void **state)
{
	(void)state;
	assert_refused("a: 1\nb:\n\tc: 2\n", 3, "found character that cannot start any token");
	assert_refused("a: 1\n  b: 2\n", 2, "mapping values are not allowed");
	assert_refused("a: [1, 2\nb: 3\n", 2, "did not find expected");
	assert_refused("a: 'open\n", 2, "end of stream");
	assert_refused("a: 1\nb: 2\na: 'x'\n", 3, "the key 'a' appears twice");
	assert_refused("? [a]\n: b\n", 1, "a key must be a plain text");
	assert_refused("a: \"x\\0y\"\n", 1, "NUL character");
	assert_refused("a: b\xff\n", 1, "not UTF-8");
	assert_refused("a: \x01\n", 1, "control characters are not allowed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars_as_the_api_types_them),
		cmocka_unit_test(test_json_is_yaml),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_aliases_and_merges),
		cmocka_unit_test(test_aliases_are_bounded),
		cmocka_unit_test(test_depth_and_anchors_are_bounded),
		cmocka_unit_test(test_depth_through_aliases),
		cmocka_unit_test(test_mistakes_have_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

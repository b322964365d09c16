/* SPDX-License-Identifier: Apache-2.0 */
/* Every document is run over whole, byte by byte, and cut in two at every place: what is
 * kept of it must be the same. */

#include "watch/json_value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct json_member unread[] = {
	JSON_MEMBER(1, "top"),
	JSON_MEMBER(1, "x"),
	JSON_MEMBER(3, "nodeName"),
	JSON_MEMBER(3, "ref"),
	JSON_MEMBER(6, "deep"),
	JSON_MEMBER_END,
};

static const struct {
	const char *text, *kept; /* NULL: as it is */
} documents[] = {
	{"{}", NULL},
	{"{\"a\":1,\"b\":[{},[]]}", NULL},
	/* first, between others, last, alone, all */
	{"{\"top\":1,\"a\":2}", "{\"a\":2}"},
	{"{\"a\":1,\"top\":[1,2],\"b\":3}", "{\"a\":1,\"b\":3}"},
	{"{\"a\":1,\"top\":{\"a\":{}}}", "{\"a\":1}"},
	{"{\"top\":true}", "{}"},
	{"{\"top\":1,\"x\":2,\"top\":3}", "{}"},
	{"{\"top\":1,\"x\":2,\"a\":3,\"top\":4}", "{\"a\":3}"},
	{"{\"a\":1,\"top\":1,\"x\":2,\"b\":3}", "{\"a\":1,\"b\":3}"},
	{"{\"a\":1,\"top\":1,\"x\":2}", "{\"a\":1}"},
	/* white space goes or stays with its side */
	{"{ \"top\" : 1 , \"a\" : 2 }", "{ \"a\" : 2 }"},
	{"{ \"a\" : 1\n, \"top\" : 1 }", "{ \"a\" : 1\n}"},
	/* what looks like an end is none */
	{"{\"top\":\"},\\\"}\",\"a\":2}", "{\"a\":2}"},
	{"{\"top\":[{\"a\":\"]}\"},[]],\"a\":2}", "{\"a\":2}"},
	{"{\"top\":{\"nodeName\":{\"ref\":1},\"top\":[]},\"a\":2}", "{\"a\":2}"},
	/* only at their depth, only as keys, only of objects */
	{"{\"nodeName\":1,\"deep\":2,\"a\":{\"top\":1}}", NULL},
	{"{\"a\":\"top\",\"b\":[\"x\",\"top\"]}", NULL},
	{"{\"l\":[[\"nodeName\",1],[\"ref\"]]}", NULL},
	{"{\"l\":[{\"a\":\"nodeName\",\"nodeName\":\"n\",\"b\":{}},{\"ref\":{\"b\":[]}},{\"a\":1}]"
	 "}",
		"{\"l\":[{\"a\":\"nodeName\",\"b\":{}},{},{\"a\":1}]}"},
	{"{\"a\":{\"b\":{\"ref\":1,\"c\":{\"ref\":2}}}}", "{\"a\":{\"b\":{\"c\":{\"ref\":2}}}}"},
	{"{\"1\":{\"2\":[[{\"deep\":1,\"a\":{\"deep\":2}}]]}}",
		"{\"1\":{\"2\":[[{\"deep\":1,\"a\":{}}]]}}"},
	{"{\"1\":{\"2\":[[[{\"deep\":1,\"a\":{\"deep\":2}}]]]}}",
		"{\"1\":{\"2\":[[[{\"a\":{\"deep\":2}}]]]}}"},
	/* other keys, and keys that are written in another way */
	{"{\"to\":1,\"topp\":2,\"\":3,\"t\\u006fp\":4,\"to\\\"p\":5}", NULL},
	{"{\"a-key-that-is-longer-than-any-that-we-keep-of-one\":1}", NULL},
	/* no JSON; cJSON will say so */
	{"{\"top\"}", NULL},
	{"{\"top\",\"a\":1}", NULL},
	{"{\"top\" \"x\":1}", NULL},
	{"{\"top\"[\"a\":1]}", NULL},
	{"{\"top\"{\"a\":1}}", NULL},
	{"{\"a\":1 \"top\":2}", NULL},
	{"{:1,\"a\":}", NULL},
};

/* In pieces of `first` bytes, then of `rest` (0: all of it). Returns what is kept, to be freed. */
static char *run(const char *text, size_t first, size_t rest)
{
	struct json_value value;
	const size_t len = strlen(text);
	char *kept = NULL;

	json_value_init(&value, 16);
	json_value_leave_out(&value, unread);
	for (size_t from = 0, size = first; from < len; from += size, size = rest ? rest : len) {
		const char *at, *end, *document;
		bool ended = false;
		char *chunk;

		size = size && size < len - from ? size : len - from;
		chunk = malloc(size);
		assert_non_null(chunk);
		memcpy(chunk, text + from, size);
		at = chunk;
		end = chunk + size;
		json_value_chunk_begin(&value, chunk);
		if (from == 0)
			assert_int_equal(json_value_begin(&value, JSON_KEEP_DOCUMENT, at), 0);
		assert_int_equal(json_value_run(&value, &at, end, &ended), 0);
		assert_int_equal(ended, from + size == len);
		assert_ptr_equal(at, end);
		assert_int_equal(json_value_length(&value, end), from + size);
		if (ended) {
			size_t size_kept;

			assert_int_equal(json_value_finish(&value, end), 0);
			document = json_value_document(&value, &size_kept);
			kept = calloc(1, size_kept + 1);
			assert_non_null(kept);
			memcpy(kept, document, size_kept);
		}
		assert_int_equal(json_value_chunk_end(&value, end, !ended), 0);
		free(chunk);
	}
	json_value_clear(&value);
	json_value_free(&value);
	return kept;
}

static void check(const char *text, size_t first, size_t rest, const char *wanted)
{
	char *kept = run(text, first, rest);

	assert_string_equal(kept, wanted);
	free(kept);
}

static void every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
		const char *text = documents[i].text;
		const char *wanted = documents[i].kept ? documents[i].kept : text;

		for (size_t first = 0; first <= strlen(text); first++)
			check(text, first, 0, wanted);
		for (size_t size = 1; size < 10; size++)
			check(text, size, size, wanted);
	}
}

/* Without a table everything stays, and a document in one chunk is not copied. */
static void nothing_is_left_out(void **state)
{
	const char *text = "{\"top\":[1],\"x\":2}", *at = text, *end = text + strlen(text);
	struct json_value value;
	bool ended = false;
	size_t len;

	(void)state;
	json_value_init(&value, 16);
	json_value_leave_out(&value, NULL);
	json_value_chunk_begin(&value, text);
	assert_int_equal(json_value_begin(&value, JSON_KEEP_DOCUMENT, text), 0);
	assert_int_equal(json_value_run(&value, &at, end, &ended), 0);
	assert_true(ended);
	assert_int_equal(json_value_finish(&value, end), 0);
	assert_ptr_equal(json_value_document(&value, &len), text);
	assert_int_equal(len, strlen(text));
	json_value_free(&value);
}

static void texts(void **state)
{
	static const char string[] = "\"ADDED\",";
	const char *at = string;
	struct json_value value;
	struct json_text text;
	bool ended = false, in_string = true, escaped = false;

	(void)state;
	json_value_init(&value, 16);
	json_value_chunk_begin(&value, string);
	assert_int_equal(json_value_begin(&value, JSON_KEEP_TEXT, string), 0);
	assert_int_equal(json_value_run(&value, &at, string + 8, &ended), 0);
	assert_true(ended && json_text_is(&value.text, "ADDED") && *at == ',');
	json_value_free(&value);

	/* cut to what is kept, and never more */
	json_text_clear(&text);
	at = "0123456789012345678901234567890123456789\"";
	assert_int_equal(json_string_keep(&text, &in_string, &escaped, &at, at + 41), 0);
	assert_false(in_string);
	assert_true(json_text_is(&text, "0123456789012345678901234567890"));
}

static void what_cannot_be(void **state)
{
	static const struct {
		enum json_keep keep;
		const char *text;
	} firsts[] = {
		{JSON_KEEP_DOCUMENT, "["},
		{JSON_KEEP_DOCUMENT, "\"a\""},
		{JSON_KEEP_DOCUMENT, "1"},
		{JSON_KEEP_TEXT, "{"},
		{JSON_KEEP_TEXT, "1"},
		{JSON_KEEP_NOTHING, "}"},
		{JSON_KEEP_NOTHING, ","},
		{JSON_KEEP_NOTHING, "\x01"},
	};
	static const char *const bad[] = {"{\"a\":\x01}", "{\"a\":\"\x01\"}", "{\"top\":\x01}",
		"{\"top\":\"\n\"}", "[[[[[[[[[", "{\"top\":[[[[[[[["};
	struct json_value value;

	(void)state;
	for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
		json_value_init(&value, 8);
		assert_int_equal(
			json_value_begin(&value, firsts[i].keep, firsts[i].text), -EBADMSG);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *at = bad[i];
		bool ended = false;

		json_value_init(&value, 8);
		json_value_leave_out(&value, unread);
		json_value_chunk_begin(&value, at);
		assert_int_equal(json_value_begin(&value,
					 *at == '{' ? JSON_KEEP_DOCUMENT : JSON_KEEP_NOTHING, at),
			0);
		assert_int_equal(json_value_run(&value, &at, at + strlen(at), &ended), -EBADMSG);
		assert_false(ended);
		json_value_free(&value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_split),
		cmocka_unit_test(nothing_is_left_out),
		cmocka_unit_test(texts),
		cmocka_unit_test(what_cannot_be),
	};

	return cmocka_run_group_tests_name("json_value", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Every document is fed whole, byte by byte, and cut in two at every place: the
 * frames that come out must be the same. */

#include "watch/frames.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct json_member unread[] = {JSON_MEMBER(2, "managedFields"), JSON_MEMBER_END};

struct heard {
	char text[4096]; /* "meta {..}|item {..}|ADDED {..}" */
	size_t len;
	unsigned count, stop_at;
	const char *from, *to; /* the chunk being fed */
	bool copied;           /* a frame was not inside the chunk */
};

static int hear(void *user, const struct frame *frame)
{
	static const char *const names[] = {[FRAME_META] = "meta", [FRAME_ITEM] = "item"};
	struct heard *heard = user;
	const char *what = frame->type == FRAME_EVENT ? frame->event : names[frame->type];

	heard->len += (size_t)snprintf(heard->text + heard->len, sizeof heard->text - heard->len,
		"%s%s %.*s", heard->len ? "|" : "", what, (int)frame->document.len,
		frame->document.bytes);
	assert_true(heard->len < sizeof heard->text);
	if (frame->document.bytes < heard->from ||
		frame->document.bytes + frame->document.len > heard->to)
		heard->copied = true;
	return ++heard->count == heard->stop_at ? -ECANCELED : 0;
}

/* Feed a copy that is exactly as long as it is. */
static int feed(struct frames *frames, struct heard *heard, const char *data, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int error;

	assert_non_null(copy);
	memcpy(copy, data, len);
	heard->from = copy;
	heard->to = copy + len;
	error = frames_feed(frames, copy, len);
	free(copy);
	return error;
}

/* The result of data cut at `cut`, and then in pieces of `piece` (0: whole). */
static int run(enum frames_mode mode, const char *data, size_t cut, size_t piece,
	const struct frames_limits *limits, struct heard *heard)
{
	struct frames *frames = frames_new(mode, limits, hear, heard);
	size_t len = strlen(data), at = 0;
	int error = 0;

	memset(heard, 0, sizeof *heard);
	assert_non_null(frames);
	frames_reset(frames, mode, unread);
	while (at < len && error == 0) {
		size_t step = at < cut ? cut - at : piece ? piece : len - at;

		step = step < len - at ? step : len - at;
		error = feed(frames, heard, data + at, step);
		at += step;
	}
	assert_int_equal(frames_feed(frames, "", 0), error);
	error = frames_end(frames);
	frames_free(frames);
	return error;
}

static const struct {
	enum frames_mode mode;
	const char *data;
	const char *frames;
	int error;
} cases[] = {
	/* lists: any order of keys, any layout */
	{FRAMES_LIST, "{\"kind\":\"L\",\"metadata\":{\"a\":1},\"items\":[{\"b\":2},{\"c\":[{}]}]}",
		"meta {\"a\":1}|item {\"b\":2}|item {\"c\":[{}]}", 0},
	{FRAMES_LIST, "{\"items\":[{}],\"metadata\":{}}\n", "item {}|meta {}", 0},
	{FRAMES_LIST, " {\n \"items\" : [ { } , {\t} ] ,\r\n \"x\" : { \"items\":[{\"n\":1}] } } ",
		"item { }|item {\t}", 0},
	{FRAMES_LIST, "{\"items\":null,\"metadata\":{}}", "meta {}", 0},
	{FRAMES_LIST, "{\"items\":[]}", "", 0},
	{FRAMES_LIST, "{}", "", 0},
	{FRAMES_LIST, "{\"x\":[\"]}\\\"\",{\"y\":\"}\"}],\"n\":-1.5e+3,\"t\":true,\"items\":[{}]}",
		"item {}", 0},
	{FRAMES_LIST, "{\"items\":[{\"a\":\"\\\\\"},{\"b\":\"\\\"}\\u007d\xc3\xa9{\"}]}",
		"item {\"a\":\"\\\\\"}|item {\"b\":\"\\\"}\\u007d\xc3\xa9{\"}", 0},
	/* managedFields */
	{FRAMES_LIST,
		"{\"items\":[{\"metadata\":{\"managedFields\":[{\"f:a\":{\"}\":\"]\"}}],\"n\":1}}]"
		"}",
		"item {\"metadata\":{\"n\":1}}", 0},
	{FRAMES_LIST, "{\"items\":[{\"metadata\":{\"n\":1,\"managedFields\" : {\"a\":1} }}]}",
		"item {\"metadata\":{\"n\":1}}", 0},
	{FRAMES_LIST, "{\"items\":[{\"metadata\":{\"managedFields\":\"a,}\",\"b\":7}},{\"x\":1}]}",
		"item {\"metadata\":{\"b\":7}}|item {\"x\":1}", 0},
	{FRAMES_LIST,
		"{\"items\":[{\"m\":{\"l\":{\"managedFields\":1}},\"n\":[\"managedFields\",2]}]}",
		"item {\"m\":{\"l\":{\"managedFields\":1}},\"n\":[\"managedFields\",2]}", 0},
	{FRAMES_LIST, "{\"items\":[{\"m\":{\"a\":\"managedFields\",\"managedFieldsX\":1}}]}",
		"item {\"m\":{\"a\":\"managedFields\",\"managedFieldsX\":1}}", 0},
	/* streams */
	{FRAMES_STREAM,
		"{\"type\":\"ADDED\",\"object\":{\"a\":1}}\n{\"type\":\"DELETED\",\"object\":{}}\n",
		"ADDED {\"a\":1}|DELETED {}", 0},
	{FRAMES_STREAM,
		"{\"object\":{\"a\":{}},\"x\":[{}],\"type\":\"ADDED\"}{\"type\":\"B\",\"object\":{}"
		"}",
		"ADDED {\"a\":{}}|B {}", 0},
	{FRAMES_STREAM, "{\n  \"type\": \"ADDED\",\n  \"object\": {\n    \"a\": [\n 1\n]\n  }\n}\n",
		"ADDED {\n    \"a\": [\n 1\n]\n  }", 0},
	{FRAMES_STREAM,
		"{\"type\":\"A\",\"object\":{\"metadata\":{\"managedFields\":[1,2],\"z\":[\"q\"]}}"
		"}",
		"A {\"metadata\":{\"z\":[\"q\"]}}", 0},
	{FRAMES_STREAM, "{\"type\":\"A_TYPE_THAT_IS_LONGER_THAN_ANY_WE_KNOW\",\"object\":{}}",
		"A_TYPE_THAT_IS_LONGER_THAN_ANY_ {}", 0},
	{FRAMES_STREAM, "", "", 0},
	{FRAMES_STREAM, " \n\n", "", 0},
	/* not whole */
	{FRAMES_LIST, "", "", -ENODATA},
	{FRAMES_LIST, "{\"items\":[{\"a\":1}]", "item {\"a\":1}", -ENODATA},
	{FRAMES_LIST, "{\"items\":[{\"a\":1},{\"b\":", "item {\"a\":1}", -ENODATA},
	{FRAMES_STREAM, "{\"type\":\"ADDED\",\"object\":{}", "", -ENODATA},
	{FRAMES_STREAM, "{\"type\":\"ADDED\",\"object\":{}}{", "ADDED {}", -ENODATA},
	/* not what it should be */
	{FRAMES_LIST, "<html>", "", -EBADMSG},
	{FRAMES_LIST, "[{}]", "", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[{}]}x", "item {}", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[{}]}{}", "item {}", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[{},]}", "item {}", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[1]}", "", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[[]]}", "", -EBADMSG},
	{FRAMES_LIST, "{\"items\":{}}", "", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[{} {}]}", "item {}", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[],\"items\":[]}", "", -EBADMSG},
	{FRAMES_LIST, "{\"metadata\":{},\"metadata\":{}}", "meta {}", -EBADMSG},
	{FRAMES_LIST, "{\"metadata\":7}", "", -EBADMSG},
	{FRAMES_LIST, "{\"kind\":7}", "", -EBADMSG},
	{FRAMES_LIST, "{\"a\" 1}", "", -EBADMSG},
	{FRAMES_LIST, "{\"a\":1 \"b\":2}", "", -EBADMSG},
	{FRAMES_LIST, "{\"a\":1,}", "", -EBADMSG},
	{FRAMES_LIST, "{a:1}", "", -EBADMSG},
	{FRAMES_LIST, "{\"a\":}", "", -EBADMSG},
	{FRAMES_LIST, "{\"a\":1;}", "", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[{\"a\":\x01}]}", "", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[{\"a\":\"\x01\"}]}", "", -EBADMSG},
	{FRAMES_LIST, "{\"items\":[{\"a\":\"b\nc\"}]}", "", -EBADMSG},
	{FRAMES_STREAM, "{\"object\":{}}", "", -EBADMSG},
	{FRAMES_STREAM, "{\"type\":\"A\"}", "", -EBADMSG},
	{FRAMES_STREAM, "{\"type\":\"A\",\"object\":null}", "", -EBADMSG},
	{FRAMES_STREAM, "{\"type\":\"A\",\"object\":\"x\"}", "", -EBADMSG},
	{FRAMES_STREAM, "{\"type\":[],\"object\":{}}", "", -EBADMSG},
	{FRAMES_STREAM, "{\"type\":\"A\",\"type\":\"B\",\"object\":{}}", "", -EBADMSG},
	{FRAMES_STREAM, "{\"type\":\"A\",\"object\":{},\"object\":{}}", "", -EBADMSG},
	{FRAMES_STREAM, "{},", "", -EBADMSG},
};

static void test_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const size_t len = strlen(cases[i].data);
		struct heard heard;

		for (size_t cut = 0; cut <= len; cut++) {
			assert_int_equal(run(cases[i].mode, cases[i].data, cut, 0, NULL, &heard),
				cases[i].error);
			assert_string_equal(heard.text, cases[i].frames);
		}
		for (size_t piece = 1; piece < 9; piece++) {
			assert_int_equal(run(cases[i].mode, cases[i].data, 0, piece, NULL, &heard),
				cases[i].error);
			assert_string_equal(heard.text, cases[i].frames);
		}
	}
}

static void test_not_copied(void **state)
{
	struct heard heard;

	(void)state;
	run(FRAMES_LIST, "{\"metadata\":{\"a\":1},\"items\":[{\"b\":2}]}", 0, 0, NULL, &heard);
	assert_false(heard.copied);
	run(FRAMES_STREAM, "{\"type\":\"A\",\"object\":{\"b\":2}}", 0, 0, NULL, &heard);
	assert_false(heard.copied);
	run(FRAMES_STREAM, "{\"type\":\"A\",\"object\":{\"b\":2}}", 0, 1, NULL, &heard);
	assert_true(heard.copied);
}

static void test_size_cap(void **state)
{
	static const struct frames_limits limits = {16, 8};
	struct heard heard;

	(void)state;
	for (size_t piece = 0; piece < 12; piece++) {
		/* 16 bytes, 17 bytes; what is passed over is not bounded */
		assert_int_equal(run(FRAMES_LIST, "{\"items\":[{\"a\":\"12345678\"}]}", 0, piece,
					 &limits, &heard),
			0);
		assert_int_equal(run(FRAMES_LIST, "{\"items\":[{\"a\":\"123456789\"}]}", 0, piece,
					 &limits, &heard),
			-EMSGSIZE);
		assert_int_equal(heard.count, 0);
		assert_int_equal(run(FRAMES_LIST, "{\"x\":{\"a\":\"1234567890123456789\"}}", 0,
					 piece, &limits, &heard),
			0);
		assert_int_equal(
			run(FRAMES_STREAM,
				"{\"type\":\"A\",\"object\":{\"m\":{\"managedFields\":[1]}}}", 0,
				piece, &limits, &heard),
			-EMSGSIZE);
	}
}

static void test_depth_cap(void **state)
{
	static const struct frames_limits limits = {1000, 8};
	struct heard heard;

	(void)state;
	for (size_t piece = 0; piece < 3; piece++) {
		assert_int_equal(run(FRAMES_LIST, "{\"items\":[{\"a\":[[[[[[[]]]]]]]}]}", 0, piece,
					 &limits, &heard),
			0);
		assert_int_equal(run(FRAMES_LIST, "{\"items\":[{\"a\":[[[[[[[[]]]]]]]]}]}", 0,
					 piece, &limits, &heard),
			-EBADMSG);
		assert_int_equal(
			run(FRAMES_LIST, "{\"x\":[[[[[[[[[]]]]]]]]]}", 0, piece, &limits, &heard),
			-EBADMSG);
	}
}

/* A 20 MB object against the usual cap; then the same frames go on with another
 * body, and have given the memory back. */
static void test_large_object(void **state)
{
	static const char head[] = "{\"items\":[{\"a\":\"";
	struct heard heard = {.count = 0};
	struct frames *frames = frames_new(FRAMES_LIST, NULL, hear, &heard);
	static char block[1 << 16];
	unsigned blocks = 0;
	int error;

	(void)state;
	memset(block, 'x', sizeof block);
	assert_int_equal(feed(frames, &heard, head, strlen(head)), 0);
	do {
		error = feed(frames, &heard, block, sizeof block);
		blocks++;
	} while (error == 0 && blocks < 320);
	assert_int_equal(error, -EMSGSIZE);
	assert_int_equal(blocks, 256); /* 16 MiB */
	assert_int_equal(feed(frames, &heard, "{}", 2), -EMSGSIZE);
	frames_reset(frames, FRAMES_STREAM, NULL);
	assert_int_equal(feed(frames, &heard, "{\"type\":\"A\",\"object\":{}}", 24), 0);
	assert_int_equal(frames_end(frames), 0);
	assert_string_equal(heard.text, "A {}");
	frames_free(frames);
	frames_free(NULL);
}

static void test_stop(void **state)
{
	struct heard heard = {.stop_at = 2};
	struct frames *frames = frames_new(FRAMES_LIST, NULL, hear, &heard);
	const char *data = "{\"items\":[{},{},{}]}";

	(void)state;
	assert_int_equal(feed(frames, &heard, data, strlen(data)), -ECANCELED);
	assert_int_equal(heard.count, 2);
	assert_int_equal(frames_end(frames), -ECANCELED);
	frames_free(frames);
}

static void test_kind(void **state)
{
	struct heard heard = {.count = 0};
	struct frames *frames = frames_new(FRAMES_LIST, NULL, hear, &heard);

	(void)state;
	assert_string_equal(frames_kind(frames), "");
	assert_int_equal(feed(frames, &heard, "{\"kind\":\"Pod", 12), 0);
	assert_int_equal(feed(frames, &heard, "List\"}", 6), 0);
	assert_string_equal(frames_kind(frames), "PodList");
	frames_free(frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_not_copied),
		cmocka_unit_test(test_size_cap),
		cmocka_unit_test(test_depth_cap),
		cmocka_unit_test(test_large_object),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_kind),
	};

	return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Every body is fed whole, byte by byte, and cut in two at every place: the frames that come
 * out must be the same. */

#include "nomem.h"
#include "proto_build.h"
#include "watch/proto_frames.h"
#include "watch/proto_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include <cmocka.h>

#define OBJECT_MAX 4000

struct heard {
	char text[8192]; /* "meta 5 item 12 ADDED 12 " */
	size_t len;
	int stop;
};

static int hear(void *user, const struct frame *frame)
{
	static const char *const names[] = {[FRAME_META] = "meta", [FRAME_ITEM] = "item"};
	struct heard *heard = user;
	uint32_t sum = 0;

	for (size_t i = 0; i < frame->document.len; i++)
		sum = sum * 31 + (unsigned char)frame->document.bytes[i];
	heard->len += (size_t)snprintf(heard->text + heard->len, sizeof heard->text - heard->len,
		"%s%s%s %zu:%x ", frame->document.message == &proto_status ? "status " : "",
		frame->document.message == &proto_unknown ? "unknown " : "",
		frame->type == FRAME_EVENT ? frame->event : names[frame->type], frame->document.len,
		sum);
	assert_true(heard->len < sizeof heard->text);
	assert_int_equal(frame->document.parts, DECODE_ZONES);
	return heard->stop;
}

/* The first piece has `cut` bytes, the others `piece`. */
static int run(enum frames_mode mode, const struct built *built, size_t cut, size_t piece,
	struct heard *heard)
{
	struct proto_frames frames = {.object_max = OBJECT_MAX, .fn = hear, .user = heard};
	size_t at = 0;
	int error = 0;

	heard->len = 0;
	heard->text[0] = '\0';
	proto_frames_begin(&frames, mode, proto_message_of(RESOURCE_SERVICES), DECODE_ZONES);
	while (at < built->len && error == 0) {
		size_t step = at < cut ? cut - at : piece;
		char *copy;

		step = step < built->len - at ? step : built->len - at;
		copy = malloc(step);
		assert_non_null(copy);
		memcpy(copy, built->bytes + at, step);
		error = proto_frames_feed(&frames, copy, step);
		free(copy);
		at += step;
	}
	if (error == 0)
		error = proto_frames_end(&frames);
	if (mode == FRAMES_LIST && error == 0)
		assert_string_equal(frames.kind, "ServiceList");
	proto_frames_free(&frames);
	return error;
}

static void assert_same(enum frames_mode mode, const struct built *built, int error)
{
	static struct heard whole, cut;

	assert_int_equal(run(mode, built, 0, built->len, &whole), error);
	assert_int_equal(run(mode, built, 0, 1, &cut), error);
	assert_string_equal(cut.text, whole.text);
	assert_int_equal(run(mode, built, 0, 3, &cut), error);
	assert_string_equal(cut.text, whole.text);
	for (size_t at = 1; at < built->len; at += 1 + built->len / 500) {
		assert_int_equal(run(mode, built, at, built->len, &cut), error);
		assert_string_equal(cut.text, whole.text);
	}
}

static void build_service(struct built *built, const char *name, size_t filling)
{
	static const char dots[3000];
	struct built meta = {.len = 0};

	built->len = 0;
	built_meta(&meta, "shop", name, "7");
	built_message(built, 1, &meta);
	built_bytes(built, 99, dots, filling);
}

static void build_list(struct built *built, unsigned items)
{
	struct built list = {.len = 0}, part = {.len = 0};

	built_text(&part, 1, "");
	built_text(&part, 2, "1234");
	built_message(&list, 1, &part);
	for (unsigned i = 0; i < items; i++) {
		build_service(&part, "web", 100 * (i % 30));
		built_message(&list, 2, &part);
	}
	built->len = 0;
	built_envelope(built, "ServiceList", &list);
}

static void lists(void **state)
{
	static struct built built;
	static struct heard heard;

	(void)state;
	build_list(&built, 0);
	assert_same(FRAMES_LIST, &built, 0);
	build_list(&built, 3);
	assert_same(FRAMES_LIST, &built, 0);
	assert_int_equal(run(FRAMES_LIST, &built, 0, built.len, &heard), 0);
	assert_non_null(strstr(heard.text, "meta 8:"));
	build_list(&built, 20);
	assert_same(FRAMES_LIST, &built, 0);
}

static void fields_of_later_are_passed_over(void **state)
{
	static struct built list, built, part;

	(void)state;
	list.len = built.len = part.len = 0;
	built_number(&list, 7, UINT64_MAX);
	built_text(&list, 8, "text");
	built_raw(&list,
		"\x49"
		"12345678",
		9);
	built_text(&list, 1, ""); /* metadata without a member */
	built_raw(&list,
		"\x4d"
		"1234",
		5);
	build_service(&part, "web", 0);
	built_message(&list, 2, &part);
	built_text(&list, 2, ""); /* an item without a member, at the end */
	built_envelope(&built, "ServiceList", &list);
	built_number(&built, 70, 5);
	built_text(&built, 71, "text");
	built_text(&built, 72, "");
	assert_same(FRAMES_LIST, &built, 0);
	assert_int_equal(run(FRAMES_LIST, &built, 0, 5, &(struct heard){.len = 0}), 0);
}

static void streams(void **state)
{
	static struct built built, part;
	static struct heard heard;

	(void)state;
	built.len = part.len = 0;
	assert_same(FRAMES_STREAM, &built, 0);
	build_service(&part, "web", 300);
	built_event(&built, "ADDED", "Service", &part);
	build_service(&part, "mail", 0);
	built_event(&built, "MODIFIED", "Service", &part);
	part.len = 0;
	built_number(&part, 6, 410);
	built_event(&built, "ERROR", "Status", &part);
	part.len = 0;
	built_event(&built, "A-TYPE-THAT-IS-LONGER-THAN-WHAT-IS-KEPT", "Service", &part);
	built_event(&built, "SURPRISE", "Surprise", &part);
	assert_same(FRAMES_STREAM, &built, 0);
	assert_int_equal(run(FRAMES_STREAM, &built, 0, built.len, &heard), 0);
	assert_non_null(strstr(heard.text, "unknown SURPRISE 0:0"));
	assert_non_null(strstr(heard.text, "status ERROR 3:"));
	assert_non_null(strstr(heard.text, "A-TYPE-THAT-IS-LONGER-THAN-WHAT 0:0"));
	for (size_t at = built.len - 1; at > built.len - 10; at--) { /* half an event */
		struct built half = built;

		half.len = at;
		assert_int_equal(run(FRAMES_STREAM, &half, 0, 7, &heard), -ENODATA);
	}
}

static void half_a_list_is_none(void **state)
{
	static struct built built, half;
	static struct heard heard;

	(void)state;
	build_list(&built, 2);
	for (size_t len = 0; len < built.len - 4; len++) {
		half = built;
		half.len = len;
		assert_int_equal(run(FRAMES_LIST, &half, 0, 11, &heard), -ENODATA);
	}
}

static void rows_refused(enum frames_mode mode, const char *bytes, size_t len, int error)
{
	struct built built = {.len = 0};

	built_raw(&built, bytes, len);
	assert_same(mode, &built, error);
}

static void what_is_no_list_is_refused(void **state)
{
	(void)state;
	rows_refused(FRAMES_LIST, "{\"kind\":\"ServiceList\"}", 22, -EBADMSG);
	rows_refused(FRAMES_LIST, "k8s\0\x0b", 5, -EBADMSG);                 /* a group */
	rows_refused(FRAMES_LIST, "k8s\0\x00\x00", 6, -EBADMSG);             /* field 0 */
	rows_refused(FRAMES_LIST, "k8s\0\x1a\x04gzip", 10, -EBADMSG);        /* encoded once more */
	rows_refused(FRAMES_LIST, "k8s\0\x0a\xff\x7f", 7, -EMSGSIZE);        /* such a type meta */
	rows_refused(FRAMES_LIST, "k8s\0\x12\x02\x12\x01", 8, -EBADMSG);     /* an item leads out */
	rows_refused(FRAMES_LIST, "k8s\0\x12\x02\x32\x01", 8, -EBADMSG);     /* so does another */
	rows_refused(FRAMES_LIST, "k8s\0\x12\x01\x12\x00", 8, -EBADMSG);     /* half a head */
	rows_refused(FRAMES_LIST, "k8s\0\x12\x02\x30\x80\x01", 9, -EBADMSG); /* half a number */
	rows_refused(FRAMES_LIST,
		"k8s\0\x12\x04\x31"
		"123",
		10, -EBADMSG);                                           /* three of eight */
	rows_refused(FRAMES_LIST, "k8s\0\x12\x00\x12\x00", 8, -EBADMSG); /* two lists */
	rows_refused(FRAMES_LIST, "k8s\0\x12\x80\x80\x04\x12\xa1\x1f", 11, -EMSGSIZE); /* 4001 */
	rows_refused(FRAMES_LIST, "k8s\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 14, -EBADMSG);
	rows_refused(FRAMES_LIST, "k8s\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 14, -EBADMSG);
}

static void what_is_no_stream_is_refused(void **state)
{
	(void)state;
	rows_refused(FRAMES_STREAM, "\0\0\0\0", 4, -EBADMSG);
	rows_refused(FRAMES_STREAM,
		"\0\0\x0f\xa1"
		"1",
		5, -EMSGSIZE);
	rows_refused(FRAMES_STREAM, "{\"type\":\"ADDED\"}", 16, -EMSGSIZE);
	rows_refused(FRAMES_STREAM, "\0\0\0\x02\x12\x00", 6, -EBADMSG); /* no type */
	rows_refused(FRAMES_STREAM,
		"\0\0\0\x03\x0a\x01"
		"A",
		7, -EBADMSG);                                           /* no object */
	rows_refused(FRAMES_STREAM, "\0\0\0\x02\x08\x01", 6, -EBADMSG); /* a number */
	rows_refused(FRAMES_STREAM, "\0\0\0\x02\x0a\x01", 6, -EBADMSG); /* half a field */
}

static void a_reader_can_stop(void **state)
{
	static struct built built, part;
	struct heard heard = {.stop = -ECANCELED};

	(void)state;
	build_list(&built, 3);
	assert_int_equal(run(FRAMES_LIST, &built, 0, built.len, &heard), -ECANCELED);
	assert_int_equal(run(FRAMES_LIST, &built, 0, 1, &heard), -ECANCELED);
	built.len = part.len = 0;
	built_event(&built, "ADDED", "Service", &part);
	assert_int_equal(run(FRAMES_STREAM, &built, 0, built.len, &heard), -ECANCELED);
}

static void what_it_holds_is_given_back(void **state)
{
	static struct heard heard;
	struct proto_frames frames = {.object_max = 1 << 20, .fn = hear, .user = &heard};
	const struct proto_message *services = proto_message_of(RESOURCE_SERVICES);
	/* An item of 399,996 bytes in a list of 400,000. */
	static char bytes[400012] = "k8s\0\x12\x80\xb5\x18\x12\xfc\xb4\x18";

	(void)state;
	heard.len = 0;
	proto_frames_begin(&frames, FRAMES_LIST, services, DECODE_ZONES);
	assert_int_equal(proto_frames_feed(&frames, bytes, 12), 0);
	assert_int_equal(proto_frames_feed(&frames, bytes + 12, 390000), 0);
	assert_true(frames.buffer.size >= 390000);
	assert_int_equal(proto_frames_feed(&frames, bytes + 390012, 9996), 0);
	assert_int_equal(frames.buffer.size, 0);
	assert_int_equal(proto_frames_end(&frames), 0);
	proto_frames_begin(&frames, FRAMES_LIST, services, DECODE_ZONES);
	assert_int_equal(proto_frames_feed(&frames, bytes, 500), 0);
	nomem_at(1);
	assert_int_equal(proto_frames_feed(&frames, bytes + 500, 90000), -ENOMEM);
	nomem_at(0);
	proto_frames_free(&frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(fields_of_later_are_passed_over),
		cmocka_unit_test(streams),
		cmocka_unit_test(half_a_list_is_none),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(what_is_no_stream_is_refused),
		cmocka_unit_test(a_reader_can_stop),
		cmocka_unit_test(what_it_holds_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

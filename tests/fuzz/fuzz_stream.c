/* SPDX-License-Identifier: Apache-2.0 */
/* A list or a watch as an API server, or somebody in its place, sends it. The
 * first byte chooses the mode (bit 0), the resource (bits 1 to 4), JSON or protobuf (bit 5),
 * and the options (bit 6: trusted, bit 7: pod names), the second seeds the splits. However the bytes are split,
 * the same frames must come out, and what is decoded from them must lie inside its one
 * allocation. Without the members that nobody reads, the same objects must come out. */

#include "watch/decode_unread.h"
#include "watch/frames.h"
#include "watch/proto_schema.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const struct frames_limits limits = {1u << 20, 256};

struct run {
	enum resource resource;
	struct decode_options options;
	bool whole; /* nothing is left out */
	bool protobuf;
	uint64_t hash, verdicts;
	unsigned frames, syntax;
};

static void inside(const struct object *object, const char *text)
{
	const char *start = (const char *)object;

	CHECK(text >= start && text + strlen(text) < start + object->size);
}

static void hostnames_check(
	const struct object *object, const char *const *hostnames, uint32_t count)
{
	for (uint32_t i = 0; hostnames && i < count; i++) {
		if (hostnames[i])
			inside(object, hostnames[i]);
	}
}

static void text_check(const struct object *object, const char *text)
{
	if (strcmp(text, "") != 0 && strcmp(text, "TCP") != 0 && strcmp(text, "UDP") != 0 &&
		strcmp(text, "SCTP") != 0)
		inside(object, text);
}

static void ports_check(const struct object *object, const struct port *ports, unsigned count)
{
	CHECK(!ports == !count);
	for (unsigned i = 0; i < count; i++) {
		CHECK(ports[i].number >= -1 && ports[i].number <= 65535);
		CHECK(*ports[i].protocol);
		text_check(object, ports[i].name);
		text_check(object, ports[i].protocol);
	}
}

static void groups_check(const struct endpoint_slice *slice)
{
	uint64_t v4 = 0, v6 = 0;

	for (unsigned i = 0; i < slice->group_count; i++) {
		const struct slice_group *group = &slice->groups[i];

		v4 += group->v4_count;
		v6 += group->v6_count;
		ports_check(&slice->head, group->ports, group->port_count);
	}
	CHECK(v4 == slice->v4_count && v6 == slice->v6_count);
}

static void slice_check(const struct run *run, const struct endpoint_slice *slice)
{
	const size_t bytes = 4 * (size_t)slice->v4_count + 16 * (size_t)slice->v6_count;

	inside(&slice->head, slice->service);
	CHECK(*slice->service);
	groups_check(slice);
	CHECK(sizeof *slice + bytes < slice->head.size);
	hostnames_check(&slice->head, slice->v4_hostnames, slice->v4_count);
	hostnames_check(&slice->head, slice->v6_hostnames, slice->v6_count);
	for (uint32_t i = 0; !run->options.trusted && i < slice->v4_count; i++)
		CHECK(slice->v4[4 * (size_t)i] != 127 && slice->v4[4 * (size_t)i] >> 4 != 14);
}

static void object_check(const struct run *run, const struct object *object)
{
	CHECK(object->kind == resource_table[run->resource].kind);
	inside(object, object->ns);
	inside(object, object->name);
	CHECK(*object->name);
	CHECK(object_same(object, object));
	if (object->kind == KIND_SERVICE)
		ports_check(object, ((const struct service *)object)->ports,
			((const struct service *)object)->port_count);
	if (object->kind == KIND_SLICE)
		slice_check(run, (const struct endpoint_slice *)object);
}

/* What became of a document: also of one that is no object of ours. */
static void verdict_note(
	struct run *run, enum decode_result result, const struct object *object, const char *why)
{
	run->syntax += result == DECODE_SYNTAX;
	run->verdicts = run->verdicts * 31 + (uint64_t)result;
	run->verdicts = run->verdicts * 31 + (object ? object->version + object->size : 0);
	for (; result != DECODE_SYNTAX && *why; why++)
		run->verdicts = run->verdicts * 31 + (unsigned char)*why;
}

static void document_check(struct run *run, const struct document *document)
{
	char why[DECODE_WHY_MAX] = "";
	struct object *object = NULL;
	struct decode_meta meta;
	enum decode_result result =
		decode_object(run->resource, document, &run->options, &object, why);

	CHECK(memchr(why, '\0', sizeof why));
	CHECK((result == DECODE_OK) == (object != NULL));
	CHECK(result == DECODE_OK || why[0]);
	if (object)
		object_check(run, object);
	verdict_note(run, result, object, why);
	object_free(object);
	object = NULL;
	if (decode_identity(run->resource, document, &object, why) == DECODE_OK)
		inside(object, object->name);
	else
		CHECK(result != DECODE_OK);
	object_free(object);
	if (decode_meta(document, &meta) == DECODE_OK)
		free(meta.continue_token);
}

static int on_frame(void *user, const struct frame *frame)
{
	struct run *run = user;

	run->frames++;
	run->hash = run->hash * 31 + frame->type;
	if (frame->type == FRAME_EVENT) {
		for (const char *p = frame->event; *p; p++)
			run->hash = run->hash * 31 + (unsigned char)*p;
	}
	for (size_t i = 0; i < frame->document.len; i++)
		run->hash = run->hash * 31 + (unsigned char)frame->document.bytes[i];
	CHECK(!run->protobuf == !frame->document.message);
	CHECK(run->protobuf || (frame->document.len >= 2 && frame->document.bytes[0] == '{'));
	document_check(run, &frame->document);
	return 0;
}

/* seed 0: in one piece. Each piece is a copy of exactly its length. */
static int run_split(
	struct run *run, enum frames_mode mode, const uint8_t *data, size_t size, unsigned seed)
{
	struct frames *frames = frames_new(mode, &limits, on_frame, run);
	struct json_member unread[DECODE_UNREAD_MAX];
	uint32_t state = seed;
	int error = 0;

	CHECK(frames);
	decode_unread(run->resource, &run->options, unread);
	frames_reset(frames, mode, run->whole ? NULL : unread);
	if (run->protobuf)
		frames_protobuf(frames, proto_message_of(run->resource),
			run->whole ? ~0u : decode_parts(&run->options));
	while (size > 0 && error == 0) {
		size_t piece = size;
		char *copy;

		state = state * 1664525 + 1013904223;
		if (seed)
			piece = 1 + (state >> 16) % (seed < 64 ? seed : 3 * (size_t)seed);
		piece = piece < size ? piece : size;
		copy = malloc(piece);
		CHECK(copy);
		memcpy(copy, data, piece);
		error = frames_feed(frames, copy, piece);
		free(copy);
		data += piece;
		size -= piece;
	}
	CHECK(error == 0 || error == -EBADMSG || error == -EMSGSIZE);
	error = frames_end(frames);
	frames_free(frames);
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run once = {0}, split = {0}, whole = {.whole = true};
	enum frames_mode mode;
	unsigned seed;
	int verdict;

	if (size < 2)
		return 0;
	mode = data[0] & 1 ? FRAMES_STREAM : FRAMES_LIST;
	once.resource = (enum resource)((data[0] >> 1 & 15) % RESOURCE_COUNT);
	once.options.trusted = data[0] & 64;
	once.options.pod_names = data[0] & 128;
	once.protobuf = (data[0] & 32) && proto_message_of(once.resource);
	split.protobuf = whole.protobuf = once.protobuf;
	split.resource = whole.resource = once.resource;
	split.options = whole.options = once.options;
	seed = data[1];
	verdict = run_split(&once, mode, data + 2, size - 2, 0);
	CHECK(run_split(&split, mode, data + 2, size - 2, seed ? seed : 1) == verdict);
	CHECK(once.frames == split.frames && once.hash == split.hash);
	CHECK(run_split(&whole, mode, data + 2, size - 2, 0) == verdict);
	CHECK(whole.frames == once.frames);
	CHECK(whole.syntax > 0 || whole.verdicts == once.verdicts);
	return 0;
}

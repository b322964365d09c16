/* SPDX-License-Identifier: Apache-2.0 */
#include "intake.h"

#include "proto_document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static enum object_kind kind_of(const struct intake *intake)
{
	return resource_table[intake->resource].kind;
}

static void version_set(struct intake *intake, uint64_t version)
{
	intake->version = version;
	atomic_store_explicit(&intake->counters.version, version, memory_order_relaxed);
}

static void objects_set(struct intake *intake, uint64_t objects)
{
	atomic_store_explicit(&intake->counters.objects, objects, memory_order_relaxed);
}

static void settle(struct intake *intake)
{
	if (!intake->changed || intake->stopped)
		return;
	intake->changed = false;
	intake->sink->settle(intake->sink->ctx);
	triggers_tell(&intake->triggers, intake->sink, &intake->stopped);
}

static void published_tell(const struct intake *intake, uint64_t began_ns)
{
	const struct watch_event event = {
		.type = WATCH_PUBLISHED,
		.kind = kind_of(intake),
		.time_ns = (int64_t)(uv_hrtime() - began_ns),
	};

	intake->sink->event(intake->sink->ctx, &event);
}

/* Duplicates are legal after a watch has been made again: never go back by one.
 * In a streamed list the objects come in no order; its end has the version. */
static void version_advance(struct intake *intake, uint64_t version)
{
	if (intake->mode == INTAKE_WATCH && version > intake->version)
		version_set(intake, version);
}

/* Keep what an outcome was, and stop the frames. */
static int verdict_set(struct intake *intake, enum outcome verdict)
{
	intake->verdict = verdict;
	return -ECANCELED;
}

static int corrupt(struct intake *intake, const char *why)
{
	if (why != intake->why)
		snprintf(intake->why, sizeof intake->why, "%s", why);
	return verdict_set(intake, OUTCOME_CORRUPT);
}

/* ---- objects ---- */

static void replace_begin(struct intake *intake)
{
	if (intake->replacing)
		return;
	intake->replacing = true;
	intake->count = 0;
	intake->sink->begin_replace(intake->sink->ctx, kind_of(intake));
}

static void replace_end(struct intake *intake, uint64_t version)
{
	replace_begin(intake);
	intake->replacing = false;
	intake->completed = true;
	version_set(intake, version);
	objects_set(intake, intake->count);
	intake->sink->end_replace(intake->sink->ctx, kind_of(intake), version);
	intake->changed = true;
	settle(intake);
}

static void refused_tell(struct intake *intake, const struct object *identity, const char *why)
{
	const struct watch_event event = {
		.type = WATCH_OBJECT_REFUSED,
		.kind = kind_of(intake),
		.source = intake->source,
		.detail = why,
		.ns = identity ? identity->ns : NULL,
		.name = identity ? identity->name : NULL,
	};

	counter_add(&intake->counters.refused, 1);
	intake->sink->event(intake->sink->ctx, &event);
}

/* Who it was that could not be used. In a stream, an object without even a name is
 * an event lost; in a list it is one object less. */
static int object_refuse(
	struct intake *intake, const struct frame *frame, enum decode_result result, char *why)
{
	const bool stream = frame->type == FRAME_EVENT;
	char identity_why[DECODE_WHY_MAX];
	struct object *identity = NULL;
	enum decode_result found;

	if (result == DECODE_SKIP && !stream)
		return 0;
	found = decode_identity(intake->resource, &frame->document, &identity, identity_why);
	if (found == DECODE_NOMEM)
		return verdict_set(intake, OUTCOME_NO_MEMORY);
	if (result == DECODE_INVALID)
		refused_tell(intake, identity, why);
	if (stream && identity && !intake->stopped) {
		version_advance(intake, identity->version);
		intake->sink->remove(intake->sink->ctx, kind_of(intake), identity->ns,
			identity->name, identity->version);
		intake->changed = true;
	}
	object_free(identity);
	if (stream && found != DECODE_OK)
		return corrupt(intake, identity_why);
	return 0;
}

/* *told: the sink has it. *version: the object's, 0 if it could not be read. */
static int object_take(
	struct intake *intake, const struct frame *frame, bool *told, uint64_t *version)
{
	char why[DECODE_WHY_MAX];
	struct object *object = NULL;
	enum decode_result result;

	intake->triggered_ns = 0;
	result = decode_object(intake->resource, &frame->document, &intake->options, &object, why);

	switch (result) {
	case DECODE_OK:
		break;
	case DECODE_SKIP:
	case DECODE_INVALID:
		return object_refuse(intake, frame, result, why);
	case DECODE_SYNTAX:
		return corrupt(intake, why);
	case DECODE_NOMEM:
		return verdict_set(intake, OUTCOME_NO_MEMORY);
	}
	if (why[0]) /* usable, but for a part */
		refused_tell(intake, object, why);
	if (intake->stopped) {
		object_free(object);
		return -ECANCELED;
	}
	*told = true;
	*version = object->version;
	if (intake->mode == INTAKE_WATCH && intake->triggered_ns)
		triggers_add(&intake->triggers, (const struct endpoint_slice *)object,
			intake->triggered_ns);
	intake->changed = true;
	if (intake->sink->upsert(intake->sink->ctx, object) < 0)
		return verdict_set(intake, OUTCOME_NO_MEMORY);
	return 0;
}

/* 0: *meta is filled, its continue token the caller's; else the verdict is set. */
static int meta_decode(
	struct intake *intake, const struct frame *frame, struct decode_meta *meta, const char *why)
{
	switch (decode_meta(&frame->document, meta)) {
	case DECODE_OK:
		return 0;
	case DECODE_NOMEM:
		return verdict_set(intake, OUTCOME_NO_MEMORY);
	default:
		return corrupt(intake, why);
	}
}

/* ---- a list ---- */

static int meta_take(struct intake *intake, const struct frame *frame)
{
	struct decode_meta meta;
	int error = meta_decode(intake, frame, &meta, "the list's metadata cannot be read");

	if (error)
		return error;
	intake->identified = true;
	intake->page_version = meta.version;
	free(intake->continue_token);
	intake->continue_token = meta.continue_token;
	return 0;
}

static int item_take(struct intake *intake, const struct frame *frame)
{
	uint64_t version;
	bool told = false;
	int error;

	replace_begin(intake);
	error = object_take(intake, frame, &told, &version);
	intake->count += told;
	return error;
}

/* "ServiceList" for services. A server may leave it out. */
static bool kind_is_right(const struct intake *intake)
{
	const char *kind = frames_kind(intake->frames);
	const char *wanted = resource_table[intake->resource].api_kind;
	const size_t len = strlen(wanted);

	return !*kind || (strncmp(kind, wanted, len) == 0 && strcmp(kind + len, "List") == 0);
}

/* Older than what we have, though we asked for nothing older. */
static bool goes_back(const struct intake *intake, uint64_t version)
{
	return version < intake->version && !intake->latest;
}

static enum outcome list_end(struct intake *intake)
{
	if (!kind_is_right(intake) || !intake->identified || intake->page_version == 0) {
		corrupt(intake, "the answer is not a list with a resource version");
		return OUTCOME_CORRUPT;
	}
	if (intake->continue_token)
		return OUTCOME_PAGE;
	if (goes_back(intake, intake->page_version))
		return OUTCOME_BACKWARDS;
	replace_end(intake, intake->page_version);
	return OUTCOME_WHOLE;
}

/* ---- a stream ---- */

static int event_upsert(struct intake *intake, const struct frame *frame)
{
	const bool added = strcmp(frame->event, "ADDED") == 0;
	uint64_t version = 0;
	bool told = false;
	int error = object_take(intake, frame, &told, &version);

	if (error)
		return error;
	version_advance(intake, version);
	if (told && added && intake->replacing)
		intake->count++;
	else if (told && added)
		counter_add(&intake->counters.objects, 1);
	return 0;
}

static void object_forget(struct intake *intake)
{
	const uint64_t objects =
		atomic_load_explicit(&intake->counters.objects, memory_order_relaxed);

	if (intake->replacing)
		intake->count -= intake->count > 0;
	else
		objects_set(intake, objects - (objects > 0));
}

static int event_delete(struct intake *intake, const struct frame *frame)
{
	char why[DECODE_WHY_MAX];
	struct object *identity = NULL;

	switch (decode_identity(intake->resource, &frame->document, &identity, why)) {
	case DECODE_OK:
		break;
	case DECODE_NOMEM:
		return verdict_set(intake, OUTCOME_NO_MEMORY);
	default:
		return corrupt(intake, why);
	}
	intake->sink->remove(intake->sink->ctx, kind_of(intake), identity->ns, identity->name,
		identity->version);
	intake->changed = true;
	object_forget(intake);
	version_advance(intake, identity->version);
	object_free(identity);
	return 0;
}

static int initial_events_end(struct intake *intake, uint64_t version)
{
	if (version == 0)
		return corrupt(intake, "the end of the initial events has no resource version");
	if (goes_back(intake, version))
		return verdict_set(intake, OUTCOME_BACKWARDS);
	intake->mode = INTAKE_WATCH;
	replace_end(intake, version);
	return 0;
}

static int event_bookmark(struct intake *intake, const struct frame *frame)
{
	struct decode_meta meta;
	int error = meta_decode(intake, frame, &meta, "a bookmark cannot be read");

	if (error)
		return error;
	free(meta.continue_token);
	intake->bookmarked = true;
	counter_add(&intake->counters.bookmarks, 1);
	if (intake->mode == INTAKE_STREAM_LIST)
		return meta.initial_events_end ? initial_events_end(intake, meta.version) : 0;
	/* etcd put back from a backup: a watch from our version would be silent. */
	if (meta.version > 0 && meta.version < intake->version)
		return verdict_set(intake, OUTCOME_BACKWARDS);
	version_advance(intake, meta.version);
	return 0;
}

static enum outcome status_outcome(const struct decode_meta *status)
{
	if (status->code == 410 || strcmp(status->reason, "Expired") == 0 ||
		strcmp(status->reason, "Gone") == 0)
		return OUTCOME_EXPIRED;
	if (status->code == 429)
		return OUTCOME_THROTTLED;
	if (status->too_large_version)
		return OUTCOME_TOO_LARGE;
	return status->code == 500 ? OUTCOME_INTERNAL : OUTCOME_ERROR;
}

static int event_error(struct intake *intake, const struct frame *frame)
{
	struct decode_meta status;
	int error = meta_decode(intake, frame, &status, "an ERROR event cannot be read");

	if (error)
		return error;
	free(status.continue_token);
	status.continue_token = NULL;
	intake->status = status;
	return verdict_set(intake, status_outcome(&status));
}

static int event_take(struct intake *intake, const struct frame *frame)
{
	static const struct {
		const char *type;
		int (*take)(struct intake *intake, const struct frame *frame);
		bool counts;
	} types[] = {
		{"ADDED", event_upsert, true},
		{"MODIFIED", event_upsert, true},
		{"DELETED", event_delete, true},
		{"BOOKMARK", event_bookmark, false},
		{"ERROR", event_error, false},
	};

	if (intake->mode == INTAKE_STREAM_LIST)
		replace_begin(intake);
	intake->stream_events++;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (strcmp(frame->event, types[i].type) != 0)
			continue;
		counter_add(&intake->counters.events, types[i].counts);
		return types[i].take(intake, frame);
	}
	return 0; /* types that do not exist yet must be passed over */
}

/* ---- the body ---- */

static int frame_take(void *user, const struct frame *frame)
{
	struct intake *intake = user;
	int error = 0;

	if (intake->stopped)
		return -ECANCELED;
	switch (frame->type) {
	case FRAME_META:
		error = meta_take(intake, frame);
		break;
	case FRAME_ITEM:
		error = item_take(intake, frame);
		break;
	case FRAME_EVENT:
		error = event_take(intake, frame);
		break;
	}
	return intake->stopped ? -ECANCELED : error;
}

int intake_init(struct intake *intake, const struct frames_limits *limits, bool counted)
{
	intake->counted = counted;
	intake->options.triggered_ns = counted ? &intake->triggered_ns : NULL;
	intake->frames = frames_new(FRAMES_LIST, limits, frame_take, intake);
	return intake->frames ? 0 : -ENOMEM;
}

void intake_free(struct intake *intake)
{
	frames_free(intake->frames);
	free(intake->continue_token);
	triggers_clear(&intake->triggers);
	intake->frames = NULL;
	intake->continue_token = NULL;
}

void intake_begin(struct intake *intake, enum intake_mode mode, bool latest)
{
	if (mode != INTAKE_LIST || !intake->continue_token)
		intake_abort(intake);
	free(intake->continue_token);
	intake->continue_token = NULL;
	intake->mode = mode;
	intake->latest = latest;
	intake->identified = intake->bookmarked = intake->protobuf = false;
	intake->stream_events = 0;
	intake->page_version = 0;
	intake->verdict = OUTCOME_NONE;
	intake->why[0] = '\0';
	decode_unread(intake->resource, &intake->options, intake->unread);
	frames_reset(
		intake->frames, mode == INTAKE_LIST ? FRAMES_LIST : FRAMES_STREAM, intake->unread);
}

void intake_head(struct intake *intake, const char *content_type)
{
	const struct proto_message *object = proto_message_of(intake->resource);

	intake->protobuf = object && proto_content_type(content_type);
	if (intake->protobuf)
		frames_protobuf(intake->frames, object, decode_parts(&intake->options));
}

static enum outcome frames_outcome(struct intake *intake, int error)
{
	switch (error) {
	case 0:
		return OUTCOME_NONE;
	case -ECANCELED:
		return intake->verdict;
	case -ENOMEM:
		return OUTCOME_NO_MEMORY;
	case -EMSGSIZE:
		corrupt(intake, "an object is larger than anything the API server can store");
		return OUTCOME_CORRUPT;
	default:
		corrupt(intake, intake->protobuf
					? "the answer is not the protobuf of a list or a watch"
					: "the answer is not the JSON of a list or a watch");
		return OUTCOME_CORRUPT;
	}
}

enum outcome intake_bytes(struct intake *intake, const char *data, size_t len)
{
	const bool timed = intake->counted && intake->mode == INTAKE_WATCH;
	const uint64_t began_ns = timed ? uv_hrtime() : 0;
	int error = frames_feed(intake->frames, data, len);
	const bool changed = intake->changed;

	settle(intake);
	if (timed && changed && error == 0 && !intake->stopped)
		published_tell(intake, began_ns);
	return frames_outcome(intake, error);
}

enum outcome intake_end(struct intake *intake)
{
	if (frames_end(intake->frames) < 0)
		return OUTCOME_BROKEN;
	return intake->mode == INTAKE_LIST ? list_end(intake) : OUTCOME_ENDED;
}

void intake_abort(struct intake *intake)
{
	free(intake->continue_token);
	intake->continue_token = NULL;
	if (!intake->replacing)
		return;
	intake->replacing = false;
	intake->sink->abort_replace(intake->sink->ctx, kind_of(intake));
	intake->changed = true;
	settle(intake);
}

void intake_none(struct intake *intake)
{
	intake_abort(intake);
	if (!intake->stopped)
		replace_end(intake, 0);
	intake->completed = false;
}

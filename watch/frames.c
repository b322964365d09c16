/* SPDX-License-Identifier: Apache-2.0 */
/* Two machines, one inside the other.
 *
 * The outer one reads the top object (and the items list) byte by byte:
 *
 *	OUTSIDE --{--> FIRST_KEY --"--> KEY --"--> COLON --:--> VALUE
 *	   ^               |}             ^                       |
 *	   |               v              |"                      v  (inner machine)
 *	   +----(STREAM)- end <---}--- AFTER_VALUE --,--> NEXT_KEY
 *	AFTER_END (LIST)
 *
 *	VALUE of "items" is [ --> FIRST_ITEM --{--> (inner) --> AFTER_ITEM --,--> NEXT_ITEM
 *	                             |]                            |]--> AFTER_VALUE
 *
 * The inner one runs over one value to its end (json_value.h).
 */

#include "frames.h"

#include "proto_frames.h"

#include <errno.h>
#include <stdlib.h>

enum outer {
	OUTSIDE,
	FIRST_KEY,
	NEXT_KEY,
	KEY,
	COLON,
	VALUE,
	INSIDE, /* the inner machine has it */
	AFTER_VALUE,
	FIRST_ITEM,
	NEXT_ITEM,
	AFTER_ITEM,
	AFTER_END
};

struct frames {
	frame_fn *fn;
	void *user;
	struct frames_limits limits;
	enum frames_mode mode;
	int error;

	enum outer outer;
	bool in_items;
	bool in_string, escaped; /* in a key of the top object */
	struct json_text key;
	bool has_meta, has_items, has_text, has_document;

	struct json_value value; /* its text: the event's type, or the list's kind */

	bool protobuf; /* none of this: */
	struct proto_frames proto;
};

/* ---- frames out ---- */

static int document_tell(struct frames *f, enum frame_type type)
{
	struct frame frame = {.type = type, .event = f->value.text.bytes};
	int error;

	frame.document.bytes = json_value_document(&f->value, &frame.document.len);
	error = f->fn(f->user, &frame);
	f->has_document = false;
	json_value_clear(&f->value);
	return error;
}

/* A kept document has ended right before `end`. */
static int document_end(struct frames *f, const char *end)
{
	int error;

	if (json_value_length(&f->value, end) > f->limits.object_max)
		return -EMSGSIZE;
	error = json_value_finish(&f->value, end);
	f->has_document = true;
	if (error < 0 || f->mode == FRAMES_STREAM)
		return error; /* told when its event ends: "type" may come later */
	return document_tell(f, f->in_items ? FRAME_ITEM : FRAME_META);
}

/* ---- the inner machine ---- */

static int value_begin(struct frames *f, enum json_keep keep, const char *p)
{
	f->outer = INSIDE;
	return json_value_begin(&f->value, keep, p);
}

static int value_run(struct frames *f, const char **at, const char *end)
{
	bool ended = false;
	int error = json_value_run(&f->value, at, end, &ended);

	if (error < 0 || !ended)
		return error;
	f->outer = f->in_items ? AFTER_ITEM : AFTER_VALUE;
	return f->value.keep == JSON_KEEP_DOCUMENT ? document_end(f, *at) : 0;
}

/* ---- the outer machine ---- */

/* Which member of the top object is wanted, and how. A second one of a name that
 * is wanted would make the first one's meaning doubtful. */
static int member_begin(struct frames *f, const char *p)
{
	const bool list = f->mode == FRAMES_LIST;

	if (json_text_is(&f->key, list ? "kind" : "type")) {
		if (f->has_text)
			return -EBADMSG;
		f->has_text = true;
		return value_begin(f, JSON_KEEP_TEXT, p);
	}
	if (json_text_is(&f->key, list ? "metadata" : "object")) {
		if (list ? f->has_meta : f->has_document)
			return -EBADMSG;
		f->has_meta = true;
		return value_begin(f, JSON_KEEP_DOCUMENT, p);
	}
	if (!list || !json_text_is(&f->key, "items"))
		return value_begin(f, JSON_KEEP_NOTHING, p);
	if (f->has_items)
		return -EBADMSG;
	f->has_items = true;
	if (*p != '[')
		return *p == 'n' ? value_begin(f, JSON_KEEP_NOTHING, p) : -EBADMSG;
	f->in_items = true;
	f->outer = FIRST_ITEM;
	return 0;
}

static void top_begin(struct frames *f)
{
	f->outer = FIRST_KEY;
	f->in_items = false;
	f->has_text = f->has_meta = f->has_items = f->has_document = false;
	json_text_clear(&f->value.text);
}

static int top_end(struct frames *f)
{
	if (f->mode == FRAMES_LIST) {
		f->outer = AFTER_END;
		return 0;
	}
	f->outer = OUTSIDE;
	if (!f->has_text || !f->has_document)
		return -EBADMSG;
	return document_tell(f, FRAME_EVENT);
}

static void key_begin(struct frames *f)
{
	f->outer = KEY;
	f->in_string = true;
	f->escaped = false;
	json_text_clear(&f->key);
}

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* One byte that is no white space, in a state of the outer machine's own. *taken
 * is false where the inner machine has to see the byte as well. */
static int outer_step(struct frames *f, const char *p, bool *taken)
{
	switch (f->outer) {
	case OUTSIDE:
		if (*p != '{')
			return -EBADMSG;
		top_begin(f);
		return 0;
	case FIRST_KEY:
	case NEXT_KEY:
		if (*p == '}' && f->outer == FIRST_KEY)
			return top_end(f);
		key_begin(f);
		return *p == '"' ? 0 : -EBADMSG;
	case COLON:
		f->outer = VALUE;
		return *p == ':' ? 0 : -EBADMSG;
	case VALUE: {
		int error = member_begin(f, p);

		*taken = f->outer != INSIDE;
		return error;
	}
	case AFTER_VALUE:
		if (*p == '}')
			return top_end(f);
		f->outer = NEXT_KEY;
		return *p == ',' ? 0 : -EBADMSG;
	case FIRST_ITEM:
	case NEXT_ITEM:
		if (*p != ']' || f->outer == NEXT_ITEM) {
			*taken = false;
			return value_begin(f, JSON_KEEP_DOCUMENT, p);
		}
		f->in_items = false;
		f->outer = AFTER_VALUE;
		return 0;
	case AFTER_ITEM:
		f->in_items = *p != ']';
		f->outer = f->in_items ? NEXT_ITEM : AFTER_VALUE;
		return *p == ',' || *p == ']' ? 0 : -EBADMSG;
	default:
		return -EBADMSG; /* AFTER_END: nothing may follow */
	}
}

/* A step of either machine from *at on. */
static int frames_step(struct frames *f, const char **at, const char *end)
{
	bool taken = true;
	int error;

	if (f->outer == INSIDE)
		return value_run(f, at, end);
	if (f->outer == KEY) {
		error = json_string_keep(&f->key, &f->in_string, &f->escaped, at, end);
		if (!f->in_string)
			f->outer = COLON;
		return error;
	}
	while (is_space(**at)) {
		if (++*at == end)
			return 0;
	}
	error = outer_step(f, *at, &taken);
	if (taken)
		++*at;
	return error;
}

/* The chunk is about to go. */
static int chunk_end(struct frames *f, const char *end)
{
	const bool inside = f->outer == INSIDE;

	if (inside && f->value.keep == JSON_KEEP_DOCUMENT &&
		json_value_length(&f->value, end) > f->limits.object_max)
		return -EMSGSIZE;
	return json_value_chunk_end(&f->value, end, inside);
}

static int json_feed(struct frames *f, const char *data, size_t len)
{
	const char *p = data, *end = data + len;

	json_value_chunk_begin(&f->value, data);
	while (p < end && f->error == 0)
		f->error = frames_step(f, &p, end);
	if (f->error == 0)
		f->error = chunk_end(f, end);
	return f->error;
}

int frames_feed(struct frames *f, const char *data, size_t len)
{
	if (f->error || len == 0)
		return f->error;
	if (!f->protobuf)
		return json_feed(f, data, len);
	f->error = proto_frames_feed(&f->proto, data, len);
	return f->error;
}

int frames_end(const struct frames *f)
{
	if (f->error)
		return f->error;
	if (f->protobuf)
		return proto_frames_end(&f->proto);
	return f->outer == (f->mode == FRAMES_LIST ? AFTER_END : OUTSIDE) ? 0 : -ENODATA;
}

const char *frames_kind(const struct frames *f)
{
	return f->protobuf ? f->proto.kind : f->value.text.bytes;
}

/* ---- life ---- */

void frames_reset(struct frames *f, enum frames_mode mode, const struct json_member *unread)
{
	f->mode = mode;
	f->error = 0;
	f->outer = OUTSIDE;
	f->has_document = f->protobuf = false;
	json_text_clear(&f->value.text);
	json_value_clear(&f->value);
	json_value_leave_out(&f->value, unread);
}

void frames_protobuf(struct frames *f, const struct proto_message *object, unsigned parts)
{
	f->protobuf = true;
	proto_frames_begin(&f->proto, f->mode, object, parts);
}

struct frames *frames_new(
	enum frames_mode mode, const struct frames_limits *limits, frame_fn *fn, void *user)
{
	struct frames *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->fn = fn;
	f->user = user;
	f->limits = limits ? *limits : (struct frames_limits){FRAMES_OBJECT_MAX, FRAMES_DEPTH_MAX};
	f->proto.object_max = f->limits.object_max;
	f->proto.fn = fn;
	f->proto.user = user;
	json_value_init(&f->value, f->limits.depth_max);
	frames_reset(f, mode, NULL);
	return f;
}

void frames_free(struct frames *f)
{
	if (!f)
		return;
	json_value_free(&f->value);
	proto_frames_free(&f->proto);
	free(f);
}

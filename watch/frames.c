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
 * The inner one runs over one value to its end: strings in words of eight bytes,
 * the rest by a table of byte classes. Where the value is to be kept, `mark` is
 * the first byte in this chunk that has not been copied yet; a value that begins
 * and ends in one chunk is never copied. managedFields breaks that: what is
 * before it is copied, "null" is put in its place, and mark is NULL until its end.
 */

#include "frames.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST 4096u
/* A buffer above this is given back after use. */
#define BUFFER_KEPT (256u << 10)

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

enum keep {
	KEEP_NOTHING,
	KEEP_TEXT,    /* a short string, into text */
	KEEP_DOCUMENT /* an object, for a frame */
};

/* What an inner value is. */
enum form { FORM_SCALAR, FORM_STRING, FORM_CONTAINER };

enum byte_class {
	CLASS_BAD, /* never outside a string */
	CLASS_PLAIN,
	CLASS_QUOTE,
	CLASS_OPEN,
	CLASS_CLOSE,
	CLASS_COMMA,
	CLASS_COLON
};

enum drop { DROP_NOT, DROP_KEY, DROP_COLON, DROP_VALUE };

static const uint8_t byte_classes[256] = {
	['\t'] = CLASS_PLAIN,
	['\n'] = CLASS_PLAIN,
	['\r'] = CLASS_PLAIN,
	[' '] = CLASS_PLAIN,
	['+'] = CLASS_PLAIN,
	['-'] = CLASS_PLAIN,
	['.'] = CLASS_PLAIN,
	['0' ... '9'] = CLASS_PLAIN,
	['A' ... 'Z'] = CLASS_PLAIN,
	['a' ... 'z'] = CLASS_PLAIN,
	['"'] = CLASS_QUOTE,
	['{'] = CLASS_OPEN,
	['['] = CLASS_OPEN,
	['}'] = CLASS_CLOSE,
	[']'] = CLASS_CLOSE,
	[','] = CLASS_COMMA,
	[':'] = CLASS_COLON,
};

/* A string of which the first bytes are kept, as they stand in the JSON. */
struct short_text {
	char bytes[FRAME_TEXT_MAX];
	uint8_t len;
};

struct frames {
	frame_fn *fn;
	void *user;
	struct frames_limits limits;
	enum frames_mode mode;
	int error;

	enum outer outer;
	bool in_items;
	struct short_text key;
	struct short_text text; /* the event's type, or the list's kind */
	bool has_meta, has_items, has_text, has_document;

	/* inner */
	enum keep keep;
	enum form form;
	unsigned depth;
	bool in_string, escaped;
	enum drop drop;
	bool in_member; /* the container at depth 2 is an object */
	bool key_comes; /* the next string at depth 2 is a key */
	struct short_text inner_key;
	size_t value_len; /* bytes of the value in earlier chunks */
	const char *mark;
	const char *value_start; /* in this chunk */

	/* A kept document: in buffer, or, as long as the chunk lives, at document. */
	const char *document;
	size_t document_len;
	char *buffer;
	size_t used, size;
};

/* ---- the buffer ---- */

static int buffer_add(struct frames *f, const char *data, size_t len)
{
	size_t size = f->size ? f->size : BUFFER_FIRST;
	char *grown;

	if (len == 0)
		return 0;
	while (size - f->used < len)
		size *= 2;
	if (size != f->size) {
		grown = realloc(f->buffer, size);
		if (!grown)
			return -ENOMEM;
		f->buffer = grown;
		f->size = size;
	}
	memcpy(f->buffer + f->used, data, len);
	f->used += len;
	return 0;
}

static void buffer_clear(struct frames *f)
{
	f->used = 0;
	if (f->size <= BUFFER_KEPT)
		return;
	free(f->buffer);
	f->buffer = NULL;
	f->size = 0;
}

static void short_text_add(struct short_text *text, char byte)
{
	if (text->len < FRAME_TEXT_MAX - 1)
		text->bytes[text->len++] = byte;
	text->bytes[text->len] = '\0';
}

static void short_text_clear(struct short_text *text)
{
	text->len = 0;
	text->bytes[0] = '\0';
}

static bool short_text_is(const struct short_text *text, const char *wanted)
{
	return strcmp(text->bytes, wanted) == 0;
}

/* ---- frames out ---- */

static int document_tell(struct frames *f, enum frame_type type)
{
	const struct frame frame = {
		.type = type,
		.event = f->text.bytes,
		.json = f->document ? f->document : f->buffer,
		.len = f->document ? f->document_len : f->used,
	};
	int error = f->fn(f->user, &frame);

	f->document = NULL;
	f->has_document = false;
	buffer_clear(f);
	return error;
}

/* A kept document has ended right before `end`. */
static int document_end(struct frames *f, const char *end)
{
	int error = 0;

	if (f->used == 0) {
		f->document = f->mark;
		f->document_len = (size_t)(end - f->mark);
	} else {
		f->document = NULL;
		error = buffer_add(f, f->mark, (size_t)(end - f->mark));
	}
	f->mark = NULL;
	f->has_document = true;
	if (error < 0 || f->mode == FRAMES_STREAM)
		return error; /* told when its event ends: "type" may come later */
	return document_tell(f, f->in_items ? FRAME_ITEM : FRAME_META);
}

/* ---- the inner machine ---- */

#define ONES  0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* The first byte of p..end that is a quote, a backslash or a control character.
 * Eight at a time: x - ONES has a byte's high bit set if it was 0 (borrows may
 * mark bytes above a true hit too, which does no harm: the hit is found first). */
static const char *string_skip(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t word, quote, slash, control;

		memcpy(&word, p, 8);
		quote = word ^ (ONES * '"');
		slash = word ^ (ONES * '\\');
		quote = (quote - ONES) & ~quote;
		slash = (slash - ONES) & ~slash;
		control = (word - ONES * 0x20) & ~word;
		if ((quote | slash | control) & HIGHS)
			break;
		p += 8;
	}
	while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
		p++;
	return p;
}

/* Inside a string. Leaves in_string when its closing quote is passed. */
static int string_run(struct frames *f, const char **at, const char *end)
{
	const char *p = *at;

	while (p < end) {
		if (f->escaped) {
			f->escaped = false;
			p++;
			continue;
		}
		p = string_skip(p, end);
		if (p == end)
			break;
		if (*p == '"') {
			f->in_string = false;
			p++;
			break;
		}
		if (*p != '\\')
			return -EBADMSG;
		f->escaped = true;
		p++;
	}
	*at = p;
	return 0;
}

/* The same for a string whose beginning is wanted. */
static int string_keep(struct frames *f, struct short_text *text, const char **at, const char *end)
{
	const char *from = *at;
	int error = string_run(f, at, end);
	const char *to = *at - (f->in_string || *at == from ? 0 : 1);

	for (; error == 0 && from < to && text->len < FRAME_TEXT_MAX - 1; from++)
		short_text_add(text, *from);
	return error;
}

static bool drops(const struct frames *f)
{
	return f->depth == 2 && f->in_member && f->keep == KEEP_DOCUMENT;
}

/* `,` and the closing brace at depth 2 end a dropped value; both are kept. */
static void drop_end(struct frames *f, const char *p)
{
	if (f->drop == DROP_VALUE)
		f->mark = p;
	f->drop = DROP_NOT;
}

static void container_quote(struct frames *f)
{
	f->in_string = true;
	if (f->key_comes && drops(f)) {
		f->key_comes = false;
		f->drop = DROP_KEY;
		short_text_clear(&f->inner_key);
	}
}

static void key_end(struct frames *f)
{
	f->drop = short_text_is(&f->inner_key, "managedFields") ? DROP_COLON : DROP_NOT;
}

/* p is behind the colon. */
static int drop_begin(struct frames *f, const char *p)
{
	int error = buffer_add(f, f->mark, (size_t)(p - f->mark));

	f->mark = NULL;
	f->drop = DROP_VALUE;
	return error ? error : buffer_add(f, "null", 4);
}

static int container_open(struct frames *f, char byte)
{
	if (++f->depth > f->limits.depth_max)
		return -EBADMSG;
	if (f->depth == 2) {
		f->in_member = byte == '{';
		f->key_comes = true;
	}
	return 0;
}

/* Runs over a container until depth is 0 or the chunk ends. */
static int container_run(struct frames *f, const char **at, const char *end)
{
	const char *p = *at;
	int error = 0;

	while (p < end && error == 0) {
		if (f->in_string) {
			bool key = f->drop == DROP_KEY;

			error = key ? string_keep(f, &f->inner_key, &p, end)
				    : string_run(f, &p, end);
			if (key && !f->in_string)
				key_end(f);
			continue;
		}
		switch ((enum byte_class)byte_classes[(unsigned char)*p]) {
		case CLASS_BAD:
			return -EBADMSG;
		case CLASS_PLAIN:
			break;
		case CLASS_QUOTE:
			container_quote(f);
			break;
		case CLASS_OPEN:
			error = container_open(f, *p);
			break;
		case CLASS_CLOSE:
			if (f->drop != DROP_NOT && f->depth == 2)
				drop_end(f, p);
			f->depth--;
			break;
		case CLASS_COMMA:
			if (f->depth == 2) {
				drop_end(f, p);
				f->key_comes = true;
			}
			break;
		case CLASS_COLON:
			if (f->drop == DROP_COLON)
				error = drop_begin(f, p + 1);
			break;
		}
		p++;
		if (f->depth == 0)
			break;
	}
	*at = p;
	return error;
}

/* A number or a word: ends before the first byte that cannot be of it. */
static bool scalar_run(const char **at, const char *end)
{
	const char *p = *at;

	while (p < end && byte_classes[(unsigned char)*p] == CLASS_PLAIN && (unsigned char)*p > ' ')
		p++;
	*at = p;
	return p < end;
}

static int value_begin(struct frames *f, enum keep keep, const char *p)
{
	f->keep = keep;
	f->outer = INSIDE;
	f->depth = 0;
	f->drop = DROP_NOT;
	f->in_string = f->escaped = false;
	f->value_len = 0;
	f->value_start = p;
	f->mark = keep == KEEP_DOCUMENT ? p : NULL;
	switch ((enum byte_class)byte_classes[(unsigned char)*p]) {
	case CLASS_OPEN:
		f->form = FORM_CONTAINER;
		return keep == KEEP_TEXT || (keep == KEEP_DOCUMENT && *p != '{') ? -EBADMSG : 0;
	case CLASS_QUOTE:
		f->form = FORM_STRING;
		return keep == KEEP_DOCUMENT ? -EBADMSG : 0;
	case CLASS_PLAIN:
		f->form = FORM_SCALAR;
		return keep != KEEP_NOTHING ? -EBADMSG : 0;
	default:
		return -EBADMSG;
	}
}

static int value_end(struct frames *f, const char *p)
{
	f->outer = f->in_items ? AFTER_ITEM : AFTER_VALUE;
	if (f->keep != KEEP_DOCUMENT)
		return 0;
	if (f->value_len + (size_t)(p - f->value_start) > f->limits.object_max)
		return -EMSGSIZE;
	return document_end(f, p);
}

/* The string's opening quote is passed at its first call. */
static int text_run(struct frames *f, const char **at, const char *end)
{
	if (!f->in_string) {
		f->in_string = true;
		++*at;
	}
	return f->keep == KEEP_TEXT ? string_keep(f, &f->text, at, end) : string_run(f, at, end);
}

static int value_run(struct frames *f, const char **at, const char *end)
{
	bool ended = false;
	int error = 0;

	switch (f->form) {
	case FORM_SCALAR:
		ended = scalar_run(at, end);
		break;
	case FORM_STRING:
		error = text_run(f, at, end);
		ended = !f->in_string;
		break;
	case FORM_CONTAINER:
		error = container_run(f, at, end);
		ended = f->depth == 0;
		break;
	}
	return error == 0 && ended ? value_end(f, *at) : error;
}

/* ---- the outer machine ---- */

/* Which member of the top object is wanted, and how. A second one of a name that
 * is wanted would make the first one's meaning doubtful. */
static int member_begin(struct frames *f, const char *p)
{
	const bool list = f->mode == FRAMES_LIST;

	if (short_text_is(&f->key, list ? "kind" : "type")) {
		if (f->has_text)
			return -EBADMSG;
		f->has_text = true;
		return value_begin(f, KEEP_TEXT, p);
	}
	if (short_text_is(&f->key, list ? "metadata" : "object")) {
		if (list ? f->has_meta : f->has_document)
			return -EBADMSG;
		f->has_meta = true;
		return value_begin(f, KEEP_DOCUMENT, p);
	}
	if (!list || !short_text_is(&f->key, "items"))
		return value_begin(f, KEEP_NOTHING, p);
	if (f->has_items)
		return -EBADMSG;
	f->has_items = true;
	if (*p != '[')
		return *p == 'n' ? value_begin(f, KEEP_NOTHING, p) : -EBADMSG;
	f->in_items = true;
	f->outer = FIRST_ITEM;
	return 0;
}

static void top_begin(struct frames *f)
{
	f->outer = FIRST_KEY;
	f->in_items = false;
	f->has_text = f->has_meta = f->has_items = f->has_document = false;
	short_text_clear(&f->text);
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
	short_text_clear(&f->key);
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
			return value_begin(f, KEEP_DOCUMENT, p);
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
		error = string_keep(f, &f->key, at, end);
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

/* The chunk is about to go: copy what is kept of it. */
static int chunk_end(struct frames *f, const char *end)
{
	int error = 0;

	if (f->outer == INSIDE) {
		f->value_len += (size_t)(end - f->value_start);
		if (f->keep == KEEP_DOCUMENT && f->value_len > f->limits.object_max)
			return -EMSGSIZE;
		if (f->mark)
			error = buffer_add(f, f->mark, (size_t)(end - f->mark));
	}
	if (f->document) {
		error = buffer_add(f, f->document, f->document_len);
		f->document = NULL;
	}
	return error;
}

int frames_feed(struct frames *f, const char *data, size_t len)
{
	const char *p = data, *end = data + len;

	if (f->error || len == 0)
		return f->error;
	f->value_start = data;
	if (f->mark)
		f->mark = data;
	while (p < end && f->error == 0)
		f->error = frames_step(f, &p, end);
	if (f->error == 0)
		f->error = chunk_end(f, end);
	return f->error;
}

int frames_end(const struct frames *f)
{
	if (f->error)
		return f->error;
	return f->outer == (f->mode == FRAMES_LIST ? AFTER_END : OUTSIDE) ? 0 : -ENODATA;
}

const char *frames_kind(const struct frames *f)
{
	return f->text.bytes;
}

/* ---- life ---- */

void frames_reset(struct frames *f, enum frames_mode mode)
{
	f->mode = mode;
	f->error = 0;
	f->outer = OUTSIDE;
	f->mark = f->document = NULL;
	f->has_document = false;
	short_text_clear(&f->text);
	buffer_clear(f);
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
	frames_reset(f, mode);
	return f;
}

void frames_free(struct frames *f)
{
	if (!f)
		return;
	free(f->buffer);
	free(f);
}

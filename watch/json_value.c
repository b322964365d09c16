/* SPDX-License-Identifier: Apache-2.0 */
/* Strings are run over in words of eight bytes, the rest by a table of byte classes.
 *
 * Where the value is kept, `mark` is the first byte of this chunk that has not been copied
 * yet. A member that nobody reads breaks that: what is before it is copied, mark is NULL
 * until it ends, and the comma on one of its sides goes with it:
 *
 *	{"a":1,"unread":[..],"b":2}          {"unread":[..],"b":2}
 *	      ^member_at    ^mark             ^member_at    ^mark (behind the comma)
 *
 * member_at counts in bytes of what is kept, so that it stays true when a chunk ends. */

#include "json_value.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static enum byte_class class_of(char byte)
{
	return (enum byte_class)byte_classes[(unsigned char)byte];
}

/* ---- short texts ---- */

void json_text_clear(struct json_text *text)
{
	text->len = 0;
	text->bytes[0] = '\0';
}

bool json_text_is(const struct json_text *text, const char *wanted)
{
	return strcmp(text->bytes, wanted) == 0;
}

static void text_add(struct json_text *text, const char *from, const char *to)
{
	const size_t room = JSON_TEXT_MAX - 1u - text->len, len = (size_t)(to - from);
	const size_t taken = len < room ? len : room;

	memcpy(text->bytes + text->len, from, taken);
	text->len = (uint8_t)(text->len + taken);
	text->bytes[text->len] = '\0';
}

/* ---- strings ---- */

#define ONES  0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* The first byte of p..end that is a quote, a backslash or a control character.
 * Eight at a time: x - ONES has a byte's high bit set if it was 0. A borrow may mark
 * bytes above a true hit too, which does no harm: the lowest one is taken. */
static const char *string_skip(const char *p, const char *end)
{
	for (; end - p >= 8; p += 8) {
		uint64_t word, quote, slash, control, hits;

		memcpy(&word, p, 8);
		word = le64toh(word);
		quote = word ^ (ONES * '"');
		slash = word ^ (ONES * '\\');
		quote = (quote - ONES) & ~quote;
		slash = (slash - ONES) & ~slash;
		control = (word - ONES * 0x20) & ~word;
		hits = (quote | slash | control) & HIGHS;
		if (hits)
			return p + __builtin_ctzll(hits) / 8;
	}
	while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
		p++;
	return p;
}

static int string_run(bool *in_string, bool *escaped, const char **at, const char *end)
{
	const char *p = *at;

	while (p < end) {
		if (*escaped) {
			*escaped = false;
			p++;
			continue;
		}
		p = string_skip(p, end);
		if (p == end)
			break;
		if (*p == '"') {
			*in_string = false;
			p++;
			break;
		}
		if (*p != '\\')
			return -EBADMSG;
		*escaped = true;
		p++;
	}
	*at = p;
	return 0;
}

int json_string_keep(
	struct json_text *text, bool *in_string, bool *escaped, const char **at, const char *end)
{
	const char *from = *at;
	int error = string_run(in_string, escaped, at, end);

	if (error == 0)
		text_add(text, from, *at - !*in_string);
	return error;
}

/* ---- members that are left out ---- */

static bool depth_is_looked_at(const struct json_value *v)
{
	return v->depth <= JSON_MEMBER_DEPTH && v->mark &&
	       v->first[v->depth] != v->first[v->depth + 1];
}

static void member_begin(struct json_value *v, const char *p, bool leading)
{
	v->key_comes = v->objects >> v->depth & 1;
	v->leading = leading;
	v->member_at = v->buffer.used + (size_t)(p - v->mark);
}

static bool is_unread(const struct json_value *v, const char *key, size_t len)
{
	for (unsigned i = v->first[v->depth]; i < v->first[v->depth + 1]; i++) {
		const struct json_member *member = &v->unread[i];

		if (member->len == len && memcmp(member->key, key, len) == 0)
			return true;
	}
	return false;
}

/* Its closing quote is right before p. */
static void key_end(struct json_value *v, const char *p)
{
	const char *key = v->key_start;
	size_t len = (size_t)(p - 1 - v->key_start);

	if (v->key.len > 0) {
		text_add(&v->key, v->key_start, p - 1);
		key = v->key.bytes;
		len = v->key.len;
	}
	v->drop = is_unread(v, key, len) ? DROP_COLON : DROP_NOT;
}

/* The colon has come: cut what is kept where the member begins. */
static int drop_begin(struct json_value *v)
{
	int error = 0;

	if (v->member_at <= v->buffer.used)
		v->buffer.used = v->member_at;
	else
		error = growing_add(&v->buffer, v->mark, v->member_at - v->buffer.used);
	v->mark = NULL;
	v->drop = DROP_VALUE;
	v->drop_depth = v->depth;
	return error;
}

/* At the comma, or at what closes the object, behind the value. */
static void drop_end(struct json_value *v, const char *p)
{
	const bool comma_goes = *p == ',' && v->leading;

	v->drop = DROP_NOT;
	v->mark = comma_goes ? p + 1 : p;
	if (*p == ',')
		member_begin(v, v->mark, v->leading);
}

/* ---- containers ---- */

static int container_open(struct json_value *v, const char *p)
{
	if (++v->depth > v->depth_max)
		return -EBADMSG;
	v->key_comes = false;
	if (depth_is_looked_at(v)) {
		v->objects = (uint8_t)((v->objects & ~(1u << v->depth)) | (unsigned)(*p == '{')
										  << v->depth);
		member_begin(v, p + 1, true);
	}
	return 0;
}

/* p is at the opening quote; returns where to go on. Most strings are in one chunk, and
 * have no escapes; of the others string_run() finds the end. */
static const char *container_quote(struct json_value *v, const char *p, const char *end)
{
	const char *from = p + 1, *to = string_skip(from, end);
	const bool key = v->key_comes;

	v->key_comes = false;
	if (to < end && *to == '"') {
		if (key && is_unread(v, from, (size_t)(to - from)))
			v->drop = DROP_COLON;
		return to + 1;
	}
	v->in_string = true;
	if (key) {
		v->drop = DROP_KEY;
		json_text_clear(&v->key);
		v->key_start = from;
	}
	return from;
}

/* What comes behind a key that is left out must be a colon. */
static int colon_run(struct json_value *v, const char **at, const char *end)
{
	while (*at < end && class_of(**at) == CLASS_PLAIN)
		++*at;
	if (*at == end)
		return 0;
	if (**at != ':') {
		v->drop = DROP_NOT;
		return 0;
	}
	++*at;
	return drop_begin(v);
}

/* Over what is kept, up to a key that is left out, or a string that string_run() must see. */
static int kept_run(struct json_value *v, const char **at, const char *end)
{
	const char *p = *at;
	int error = 0;

	while (p < end && v->drop == DROP_NOT && !v->in_string && error == 0 && v->depth > 0) {
		switch (class_of(*p)) {
		case CLASS_BAD:
			error = -EBADMSG;
			break;
		case CLASS_QUOTE:
			p = container_quote(v, p, end);
			continue;
		case CLASS_OPEN:
			error = container_open(v, p);
			break;
		case CLASS_CLOSE:
			v->depth--;
			v->key_comes = false;
			break;
		case CLASS_COMMA:
			if (depth_is_looked_at(v))
				member_begin(v, p, false);
			break;
		case CLASS_COLON:
		case CLASS_PLAIN:
			break;
		}
		p++;
	}
	*at = p;
	return error;
}

/* Over the value that is left out, and what ends it: its object goes on, or is closed. */
static int dropped_run(struct json_value *v, const char **at, const char *end)
{
	for (const char *p = *at; p < end; p++) {
		const enum byte_class class = class_of(*p);

		if (class == CLASS_QUOTE) {
			p = string_skip(p + 1, end);
			if (p == end || *p != '"') {
				v->in_string = true;
				*at = p;
				return 0;
			}
		} else if (class == CLASS_OPEN) {
			if (++v->depth > v->depth_max)
				return -EBADMSG;
		} else if (class == CLASS_BAD) {
			return -EBADMSG;
		} else if (class == CLASS_CLOSE && v->depth > v->drop_depth) {
			v->depth--;
		} else if ((class == CLASS_COMMA || class == CLASS_CLOSE) &&
			   v->depth == v->drop_depth) {
			drop_end(v, p);
			v->depth -= class == CLASS_CLOSE;
			*at = p + 1;
			return 0;
		}
	}
	*at = end;
	return 0;
}

/* Until depth is 0 or the chunk ends. */
static int container_run(struct json_value *v, const char **at, const char *end)
{
	int error = v->depth == 0 && !v->in_string ? container_open(v, (*at)++) : 0;

	while (*at < end && v->depth > 0 && error == 0) {
		if (v->in_string) {
			error = string_run(&v->in_string, &v->escaped, at, end);
			if (v->drop == DROP_KEY && !v->in_string)
				key_end(v, *at);
		} else if (v->drop == DROP_COLON) {
			error = colon_run(v, at, end);
		} else if (v->drop == DROP_VALUE) {
			error = dropped_run(v, at, end);
		} else {
			error = kept_run(v, at, end);
		}
	}
	return error;
}

/* ---- values ---- */

/* A number or a word: ends before the first byte that cannot be of it. */
static bool scalar_run(const char **at, const char *end)
{
	const char *p = *at;

	while (p < end && class_of(*p) == CLASS_PLAIN && (unsigned char)*p > ' ')
		p++;
	*at = p;
	return p < end;
}

int json_value_begin(struct json_value *v, enum json_keep keep, const char *p)
{
	v->keep = keep;
	v->depth = 0;
	v->drop = DROP_NOT;
	v->in_string = v->escaped = v->key_comes = false;
	v->passed = 0;
	v->start = p;
	v->mark = keep == JSON_KEEP_DOCUMENT ? p : NULL;
	switch (class_of(*p)) {
	case CLASS_OPEN:
		v->form = FORM_CONTAINER;
		return keep == JSON_KEEP_TEXT || (keep == JSON_KEEP_DOCUMENT && *p != '{')
			       ? -EBADMSG
			       : 0;
	case CLASS_QUOTE:
		v->form = FORM_STRING;
		return keep == JSON_KEEP_DOCUMENT ? -EBADMSG : 0;
	case CLASS_PLAIN:
		v->form = FORM_SCALAR;
		return keep != JSON_KEEP_NOTHING ? -EBADMSG : 0;
	default:
		return -EBADMSG;
	}
}

/* The string's opening quote is passed at its first call. */
static int text_run(struct json_value *v, const char **at, const char *end)
{
	if (!v->in_string) {
		v->in_string = true;
		++*at;
	}
	return v->keep == JSON_KEEP_TEXT
		       ? json_string_keep(&v->text, &v->in_string, &v->escaped, at, end)
		       : string_run(&v->in_string, &v->escaped, at, end);
}

int json_value_run(struct json_value *v, const char **at, const char *end, bool *ended)
{
	int error = 0;

	switch ((enum form)v->form) {
	case FORM_SCALAR:
		*ended = scalar_run(at, end);
		break;
	case FORM_STRING:
		error = text_run(v, at, end);
		*ended = error == 0 && !v->in_string;
		break;
	case FORM_CONTAINER:
		error = container_run(v, at, end);
		*ended = error == 0 && v->depth == 0;
		break;
	}
	return error;
}

size_t json_value_length(const struct json_value *v, const char *p)
{
	return v->passed + (size_t)(p - v->start);
}

/* ---- documents ---- */

int json_value_finish(struct json_value *v, const char *end)
{
	int error = 0;

	if (v->buffer.used == 0) {
		v->document = v->mark;
		v->document_len = (size_t)(end - v->mark);
	} else {
		v->document = NULL;
		error = growing_add(&v->buffer, v->mark, (size_t)(end - v->mark));
	}
	v->mark = NULL;
	return error;
}

const char *json_value_document(const struct json_value *v, size_t *len)
{
	*len = v->document ? v->document_len : v->buffer.used;
	return v->document ? v->document : v->buffer.bytes;
}

void json_value_clear(struct json_value *v)
{
	v->document = v->mark = NULL;
	growing_clear(&v->buffer);
}

/* ---- chunks ---- */

void json_value_chunk_begin(struct json_value *v, const char *data)
{
	v->start = v->key_start = data;
	if (v->mark)
		v->mark = data;
}

int json_value_chunk_end(struct json_value *v, const char *end, bool inside)
{
	int error = 0;

	if (inside) {
		v->passed = json_value_length(v, end);
		if (v->drop == DROP_KEY)
			text_add(&v->key, v->key_start, end);
		if (v->mark)
			error = growing_add(&v->buffer, v->mark, (size_t)(end - v->mark));
	}
	if (v->document) {
		error = growing_add(&v->buffer, v->document, v->document_len);
		v->document = NULL;
	}
	return error;
}

/* ---- life ---- */

void json_value_init(struct json_value *v, unsigned depth_max)
{
	memset(v, 0, sizeof *v);
	v->depth_max = depth_max;
}

void json_value_leave_out(struct json_value *v, const struct json_member *unread)
{
	unsigned i = 0;

	v->unread = unread;
	for (unsigned depth = 0; depth < JSON_MEMBER_DEPTH + 2; depth++) {
		while (unread && unread[i].key && unread[i].depth < depth)
			i++;
		v->first[depth] = (uint8_t)i;
	}
}

void json_value_free(struct json_value *v)
{
	growing_free(&v->buffer);
}

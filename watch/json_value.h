/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_JSON_VALUE_H
#define BINNACLE_WATCH_JSON_VALUE_H

/* Runs over one JSON value to its end, however the network has split it, for frames.c.
 *
 * An object that is to be kept comes out as one piece of text, and without the members
 * that nobody reads: what cJSON does not see costs nothing. A value that begins and ends
 * in one chunk, and of which nothing is left out, is never copied.
 *
 * Checked is only what is needed to find the end. Owned by the frames; one thread, no I/O.
 */

#include "growing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A member that is left out: in which objects (1: the document itself, 2: the objects
 * that it holds, directly or in a list one level up, and so on), and its key as the API
 * server writes it. A key that is written with escapes is not recognised, and stays. */
struct json_member {
	uint8_t depth, len;
	const char *key;
};
#define JSON_MEMBER(depth, key)                                                                    \
	{                                                                                          \
		depth, sizeof(key) - 1, key                                                        \
	}
/* The end of a table. */
#define JSON_MEMBER_END                                                                            \
	{                                                                                          \
		0, 0, NULL                                                                         \
	}
/* Deeper ones are not looked for. */
#define JSON_MEMBER_DEPTH 6u

enum json_keep {
	JSON_KEEP_NOTHING,
	JSON_KEEP_TEXT,    /* a string's beginning, into text */
	JSON_KEEP_DOCUMENT /* an object */
};

/* A string of which the first bytes are kept, as they stand in the JSON. */
#define JSON_TEXT_MAX 32
struct json_text {
	char bytes[JSON_TEXT_MAX];
	uint8_t len;
};
void json_text_clear(struct json_text *text);
bool json_text_is(const struct json_text *text, const char *wanted);

struct json_value {
	const struct json_member *unread;
	uint8_t first[JSON_MEMBER_DEPTH + 2]; /* where a depth's begin in unread */
	unsigned depth_max;

	struct json_text text; /* what JSON_KEEP_TEXT has kept */
	enum json_keep keep;
	uint8_t form;
	unsigned depth;
	bool in_string, escaped;
	uint8_t objects; /* bit per depth: it is an object, no list */
	uint8_t drop;
	bool key_comes; /* the next string is a key that is looked at */
	bool leading;   /* no member before this one is kept */
	unsigned drop_depth;
	size_t member_at;      /* where the member begins in what is kept */
	struct json_text key;  /* of earlier chunks */
	const char *key_start; /* in this chunk */
	size_t passed;         /* bytes of the value in earlier chunks */
	const char *start;     /* of the value, in this chunk */
	const char *mark;      /* what is kept and not copied begins here; NULL: nothing */

	/* The document, once it is whole: in buffer, or in the chunk at `document`. */
	const char *document;
	size_t document_len;
	struct growing buffer;
};

void json_value_init(struct json_value *value, unsigned depth_max);
/* unread: NULL, or a table in the order of depths, which must not change as long as it is
 * used. Not within a value. */
void json_value_leave_out(struct json_value *value, const struct json_member *unread);
void json_value_free(struct json_value *value);

/* The first byte is at p. 0 or -EBADMSG: it cannot be a value, or not of that kind. */
int json_value_begin(struct json_value *value, enum json_keep keep, const char *p);
/* From *at on, which it moves. 0, -EBADMSG or -ENOMEM; *ended: *at is behind the value. */
int json_value_run(struct json_value *value, const char **at, const char *end, bool *ended);
/* Bytes of the value up to p, of this chunk and of those before. */
size_t json_value_length(const struct json_value *value, const char *p);

/* The kept document has ended right before `end`. 0 or -ENOMEM. */
int json_value_finish(struct json_value *value, const char *end);
/* The text of a document that is whole. It lives until the chunk ends or the value is cleared. */
const char *json_value_document(const struct json_value *value, size_t *len);
/* The document is not needed any more. */
void json_value_clear(struct json_value *value);

/* A chunk begins; it is about to go: what is kept of it is copied. `inside`: a value is
 * being run over. 0 or -ENOMEM. */
void json_value_chunk_begin(struct json_value *value, const char *data);
int json_value_chunk_end(struct json_value *value, const char *end, bool inside);

/* Inside a string: to behind its closing quote, or to the end; *in_string says which. What
 * it begins with is added to text. 0 or -EBADMSG. */
int json_string_keep(
	struct json_text *text, bool *in_string, bool *escaped, const char **at, const char *end);

#endif

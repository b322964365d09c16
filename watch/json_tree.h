/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_JSON_TREE_H
#define BINNACLE_WATCH_JSON_TREE_H

/* Typed reads from a cJSON tree (which protobuf becomes, too) for the decoders, with a
 * sticky verdict: the first
 * refusal stays and names the member; every read after it is still safe. A member
 * that is null counts as absent. A NULL tree has no members. Pure. Any thread.
 */

#include "decode.h"

#include <cjson/cJSON.h>

struct decoder {
	char *why;                 /* DECODE_WHY_MAX bytes, "" at the start */
	enum decode_result result; /* OK at the start */
	unsigned left_out;         /* parts that could not be used */
	struct decode_options options;
};

/* Set the verdict, if there is none yet. */
void decoder_refuse(struct decoder *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void decoder_skip(struct decoder *d, const char *reason);
/* Count a part that is left out; the first one is what why will say. */
void decoder_leave_out(struct decoder *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* To be called once at the end: puts what was left out into why. */
void decoder_finish(struct decoder *d);

/* OK, or SYNTAX or NOMEM with why. Nothing but white space may follow a JSON document. */
enum decode_result tree_parse(
	const struct document *document, cJSON **out, char why[DECODE_WHY_MAX]);

/* NULL if absent; NULL and a refusal if it is of another type. */
const char *tree_text(struct decoder *d, const cJSON *tree, const char *key);
const cJSON *tree_member(struct decoder *d, const cJSON *tree, const char *key); /* an object */
const cJSON *tree_list(struct decoder *d, const cJSON *tree, const char *key);   /* an array */
bool tree_flag(struct decoder *d, const cJSON *tree, const char *key, bool absent);
/* A whole number of at least 0 that an int can hold. */
int tree_number(struct decoder *d, const cJSON *tree, const char *key, int absent);
/* A resource version: a string of decimal digits; 0 if absent or "". */
uint64_t tree_version(struct decoder *d, const cJSON *tree, const char *key);
/* An array's element that has to be a string. */
const char *item_text(struct decoder *d, const cJSON *item, const char *list);

#endif

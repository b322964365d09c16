/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of k8s.io/apimachinery's labels.Parse:
 *
 *	selector    = [ requirement { "," requirement } ]
 *	requirement = "!" key | key | key ( "=" | "==" | "!=" | ">" | "<" ) value
 *	            | key ( "in" | "notin" ) "(" value { "," value } ")"
 *	key         = [ prefix "/" ] name
 *
 * A value may be empty. Everything lies in one allocation behind the selector: the
 * text is copied and cut into NUL-terminated pieces in place. */

#include "selector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LENGTH   63
#define PREFIX_MAX_LENGTH 253

enum operation { OP_EXISTS, OP_ABSENT, OP_IN, OP_NOT_IN, OP_GREATER, OP_LESS };

struct requirement {
	enum operation op;
	const char *key;
	const char *const *values; /* IN, NOT_IN, GREATER, LESS */
	size_t value_count;
};

struct selector {
	size_t count;
	struct requirement *requirements;
	const char **values;
	char *text; /* where keys and values point */
};

/* ---- reading ---- */

struct reader {
	const char *start, *at;
	struct selector *out;
	size_t value_count;
	char *text; /* next free byte of out->text */
	char *err;
	size_t err_len;
	bool failed;
};

static void reader_fail(struct reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void reader_fail(struct reader *r, const char *format, ...)
{
	char what[160];
	va_list args;

	if (r->failed)
		return;
	r->failed = true;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	snprintf(r->err, r->err_len, "label selector: character %zu: %s",
		(size_t)(r->at - r->start) + 1, what);
}

static void space_skip(struct reader *r)
{
	while (*r->at && strchr(" \t\r\n", *r->at))
		r->at++;
}

static bool token_take(struct reader *r, const char *token)
{
	const size_t len = strlen(token);

	space_skip(r);
	if (strncmp(r->at, token, len) != 0)
		return false;
	r->at += len;
	return true;
}

/* A run of bytes up to white space or one of the grammar's own. */
static size_t word_length(const char *at)
{
	return strcspn(at, " \t\r\n,()=!<>");
}

static bool word_take(struct reader *r, const char *word)
{
	const size_t len = strlen(word);

	space_skip(r);
	if (word_length(r->at) != len || strncmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

static const char *word_read(struct reader *r)
{
	size_t len;
	char *copy = r->text;

	space_skip(r);
	len = word_length(r->at);
	memcpy(copy, r->at, len);
	copy[len] = '\0';
	r->text += len + 1;
	r->at += len;
	return copy;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Letters, digits, and `more` between them. */
static bool name_is_valid(const char *name, size_t len, size_t max, const char *more)
{
	if (len == 0 || len > max || !is_alnum(name[0]) || !is_alnum(name[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(name[i]) && !strchr(more, name[i]))
			return false;
	}
	return true;
}

static bool key_is_valid(const char *key)
{
	const char *slash = strchr(key, '/');

	if (slash && !name_is_valid(key, (size_t)(slash - key), PREFIX_MAX_LENGTH, "-."))
		return false;
	key = slash ? slash + 1 : key;
	return name_is_valid(key, strlen(key), NAME_MAX_LENGTH, "-_.");
}

static const char *key_read(struct reader *r)
{
	const char *key = word_read(r);

	if (!*key)
		reader_fail(r, "a label's key is expected%s", *r->at ? "" : " at the end");
	else if (!key_is_valid(key))
		reader_fail(r, "\"%.80s\" cannot be a label's key", key);
	return key;
}

static void value_read(struct reader *r)
{
	const char *value = word_read(r);

	if (*value && !name_is_valid(value, strlen(value), NAME_MAX_LENGTH, "-_."))
		reader_fail(r, "\"%.80s\" cannot be a label's value", value);
	r->out->values[r->value_count++] = value;
}

static void values_read(struct reader *r)
{
	if (!token_take(r, "(")) {
		reader_fail(r, "\"(\" is expected after in and notin");
		return;
	}
	do {
		value_read(r);
	} while (!r->failed && token_take(r, ","));
	if (!token_take(r, ")"))
		reader_fail(r, "\",\" or \")\" is expected");
}

static bool number_parse(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && (is_alnum(*text) || *text == '-');
}

static void number_read(struct reader *r)
{
	int64_t number;

	value_read(r);
	if (!number_parse(r->out->values[r->value_count - 1], &number))
		reader_fail(r, "a whole number is expected after < and >");
}

static void operation_read(struct reader *r, struct requirement *requirement)
{
	static const struct {
		const char *token;
		enum operation op;
		void (*read)(struct reader *r);
	} tokens[] = {/* longer ones first */
		{"==", OP_IN, value_read}, {"=", OP_IN, value_read}, {"!=", OP_NOT_IN, value_read},
		{">", OP_GREATER, number_read}, {"<", OP_LESS, number_read}};

	for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
		if (token_take(r, tokens[i].token)) {
			requirement->op = tokens[i].op;
			tokens[i].read(r);
			return;
		}
	}
	if (word_take(r, "in"))
		requirement->op = OP_IN;
	else if (word_take(r, "notin"))
		requirement->op = OP_NOT_IN;
	else
		return; /* the key alone */
	values_read(r);
}

static void requirement_read(struct reader *r, struct requirement *requirement)
{
	const size_t first = r->value_count;

	requirement->op = OP_EXISTS;
	if (token_take(r, "!")) {
		requirement->op = OP_ABSENT;
		requirement->key = key_read(r);
		return;
	}
	requirement->key = key_read(r);
	if (r->failed)
		return;
	operation_read(r, requirement);
	requirement->values = r->out->values + first;
	requirement->value_count = r->value_count - first;
}

static void selector_read(struct reader *r)
{
	space_skip(r);
	if (!*r->at)
		return;
	do {
		requirement_read(r, &r->out->requirements[r->out->count++]);
	} while (!r->failed && token_take(r, ","));
	if (!r->failed && *r->at)
		reader_fail(r, "\",\" or the end is expected");
}

int selector_parse(const char *text, struct selector **out, char *err, size_t err_len)
{
	const size_t len = strlen(text);
	struct reader r = {.start = text, .at = text, .err = err, .err_len = err_len};
	size_t most = 2; /* words, and so requirements and values, that there can be */
	size_t size;

	/* Only these bytes begin a word where another one or nothing was. */
	for (size_t i = 0; i < len; i++)
		most += strchr(" \t\r\n,()=!<>", text[i]) != NULL;
	size = sizeof(struct selector) + most * (sizeof(struct requirement) + sizeof(char *)) +
	       len + most + 1;
	r.out = calloc(1, size);
	if (!r.out) {
		snprintf(err, err_len, "label selector: out of memory");
		return -ENOMEM;
	}
	r.out->requirements = (struct requirement *)(r.out + 1);
	r.out->values = (const char **)(r.out->requirements + most);
	r.out->text = r.text = (char *)(r.out->values + most);
	selector_read(&r);
	if (r.failed) {
		selector_free(r.out);
		return -EINVAL;
	}
	*out = r.out;
	return 0;
}

void selector_free(struct selector *selector)
{
	free(selector);
}

/* ---- matching ---- */

static bool value_among(const struct requirement *requirement, const char *value)
{
	for (size_t i = 0; i < requirement->value_count; i++) {
		if (strcmp(requirement->values[i], value) == 0)
			return true;
	}
	return false;
}

static bool numbers_match(const struct requirement *requirement, const char *value)
{
	int64_t have, limit;

	if (!number_parse(value, &have) || !number_parse(requirement->values[0], &limit))
		return false;
	return requirement->op == OP_GREATER ? have > limit : have < limit;
}

static bool requirement_holds(const struct requirement *requirement, const char *value)
{
	switch (requirement->op) {
	case OP_EXISTS:
		return value != NULL;
	case OP_ABSENT:
		return value == NULL;
	case OP_IN:
		return value && value_among(requirement, value);
	case OP_NOT_IN:
		return !value || !value_among(requirement, value);
	case OP_GREATER:
	case OP_LESS:
		return value && numbers_match(requirement, value);
	}
	return false;
}

bool selector_match(const struct selector *selector,
	const char *(*label)(void *user, const char *key), void *user)
{
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *requirement = &selector->requirements[i];

		if (!requirement_holds(requirement, label(user, requirement->key)))
			return false;
	}
	return true;
}

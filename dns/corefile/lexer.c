/* SPDX-License-Identifier: Apache-2.0 */
#include "lexer.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* One character of UTF-8 (RFC 3629): its length, 0 where the bytes are none. */
static size_t utf8_read(const char *text, size_t len, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = (uint8_t)text[0];
	size_t size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t c = size == 1 ? lead : lead & (0x7fu >> size);

	if (size == 0 || size > len || lead > 0xf4)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if (((uint8_t)text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((uint8_t)text[i] & 0x3f);
	}
	if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*out = c;
	return size;
}

/* What Unicode calls white space: text that went through a web page often has
 * no-break spaces in it. */
static bool is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

static struct corefile_token position(const struct lexer *lexer)
{
	return (struct corefile_token){
		.text = "", .file = lexer->file, .line = lexer->line, .col = lexer->col};
}

/* The next character, which stays where it is. 1, 0 at the end, or negative. */
static int peek(const struct lexer *lexer, uint32_t *c, size_t *size, char *err)
{
	struct corefile_token here = position(lexer);
	uint8_t byte;

	if (lexer->next == lexer->end)
		return 0;
	byte = (uint8_t)*lexer->next;
	*size = utf8_read(lexer->next, (size_t)(lexer->end - lexer->next), c);
	if (*size == 0)
		return corefile_error(
			err, &here, "byte 0x%02x is not UTF-8 text; save the file as UTF-8", byte);
	if ((*c < 0x20 && !is_space(*c)) || *c == 0x7f)
		return corefile_error(err, &here,
			"control character 0x%02x; is this a text file? take it out", byte);
	return 1;
}

static void advance(struct lexer *lexer, uint32_t c, size_t size)
{
	lexer->next += size;
	lexer->col++;
	if (c == '\n') {
		lexer->line++;
		lexer->col = 1;
		lexer->line_start = true;
	}
}

void lexer_init(
	struct lexer *lexer, struct arena *arena, const char *file, const char *text, size_t len)
{
	size_t mark = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	*lexer = (struct lexer){
		.arena = arena,
		.file = file,
		.next = text + mark,
		.end = text + len,
		.line = 1,
		.col = 1,
		.line_start = true,
	};
}

/* To the end of the line. Comments may be in any encoding. */
static int skip_comment(struct lexer *lexer, char *err)
{
	while (lexer->next < lexer->end && *lexer->next != '\n') {
		uint32_t c;
		size_t size;

		if (!((uint8_t)*lexer->next & 0x80) && peek(lexer, &c, &size, err) < 0)
			return -EINVAL;
		lexer->next++;
		lexer->col++;
	}
	return 0;
}

/* To the first character of a token. 1; 0 at the end; negative. */
static int skip_space(struct lexer *lexer, char *err)
{
	uint32_t c;
	size_t size;
	int rc;

	while ((rc = peek(lexer, &c, &size, err)) > 0) {
		if (c == '#') {
			rc = skip_comment(lexer, err);
			if (rc < 0)
				return rc;
			continue;
		}
		if (!is_space(c))
			return 1;
		advance(lexer, c, size);
	}
	return rc;
}

/* From behind the opening quote to behind the closing one; text has room. */
static int read_quoted(
	struct lexer *lexer, const struct token *token, char *text, size_t *len, char *err)
{
	uint32_t c;
	size_t size;
	int rc;

	while ((rc = peek(lexer, &c, &size, err)) > 0) {
		const char *from = lexer->next;

		advance(lexer, c, size);
		if (c == '"')
			return 1;
		if (c == '\r')
			continue;
		if (c == '\\' && lexer->next < lexer->end) {
			/* The byte behind a backslash is taken as it is, so that the
			 * second one of "\\" does not escape the quote. */
			rc = peek(lexer, &c, &size, err);
			if (rc < 0)
				return rc;
			if (c != '"')
				text[(*len)++] = '\\';
			from = lexer->next;
			advance(lexer, c, size);
		}
		memcpy(text + *len, from, size);
		*len += size;
	}
	if (rc < 0)
		return rc;
	return corefile_error(err, &token->at,
		"this quote is never closed; put a '\"' at the end of the text, and write a quote "
		"inside it as '\\\"'");
}

static int read_word(struct lexer *lexer, char *text, size_t *len, char *err)
{
	uint32_t c;
	size_t size;
	int rc;

	while ((rc = peek(lexer, &c, &size, err)) > 0) {
		if (c == '#' || (is_space(c) && c != '\r'))
			break;
		if (c != '\r') {
			memcpy(text + *len, lexer->next, size);
			*len += size;
		}
		advance(lexer, c, size);
	}
	return rc < 0 ? rc : 1;
}

/* How long a token that starts here can be at most: to the next white space, or
 * to the next quote that may close it. */
static size_t token_room(const struct lexer *lexer, bool quoted)
{
	const char *at = lexer->next;

	if (!quoted) {
		while (at < lexer->end && !strchr(" \t\n", *at))
			at++;
		return (size_t)(at - lexer->next);
	}
	for (; at < lexer->end && *at != '"'; at++) {
		if (*at == '\\' && at + 1 < lexer->end)
			at++;
	}
	return (size_t)(at - lexer->next);
}

static enum token_kind token_kind(const struct token *token)
{
	if (token->at.quoted || !token->at.text[0] || token->at.text[1])
		return TOKEN_WORD;
	switch (token->at.text[0]) {
	case '{':
		return TOKEN_OPEN;
	case '}':
		return TOKEN_CLOSE;
	}
	return TOKEN_WORD;
}

int lexer_next(struct lexer *lexer, struct token *out, char err[COREFILE_ERROR_MAX])
{
	struct token token = {.kind = TOKEN_WORD};
	size_t len = 0;
	char *text;
	int rc = skip_space(lexer, err);

	if (rc <= 0)
		return rc;
	token.at = position(lexer);
	token.first = lexer->line_start;
	token.at.quoted = *lexer->next == '"';
	if (token.at.quoted)
		advance(lexer, '"', 1);
	text = arena_alloc(lexer->arena, token_room(lexer, token.at.quoted) + 1);
	if (!text) {
		corefile_error(err, &token.at, "the configuration is too large for memory");
		return -ENOMEM;
	}
	if (token.at.quoted)
		rc = read_quoted(lexer, &token, text, &len, err);
	else
		rc = read_word(lexer, text, &len, err);
	if (rc < 0)
		return rc;
	lexer->line_start = false; /* a line break inside quotes does not end the line */
	token.at.text = text;
	token.kind = token_kind(&token);
	*out = token;
	return 1;
}

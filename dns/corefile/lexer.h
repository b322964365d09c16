/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_LEXER_H
#define BINNACLE_DNS_COREFILE_LEXER_H

/* Text to tokens. Tokens are split at white space; "..." is one token, in which
 * \" stands for a quote and every other backslash for itself; # starts a comment
 * outside quotes, in the middle of a token too; CR is ignored, and so is a byte
 * order mark at the start. A quote opens a string only at the start of a token,
 * and its end ends the token.
 *
 *	a "b c"d#e     ->  a | b c | d
 *
 * The text must be UTF-8 without control characters other than white space. */

#include "arena.h"
#include "corefile.h"

enum token_kind {
	TOKEN_WORD,
	TOKEN_OPEN, /* { alone and not quoted */
	TOKEN_CLOSE /* } alone and not quoted */
};

struct token {
	struct corefile_token at;
	enum token_kind kind;
	bool first; /* of its line */
};

struct lexer {
	struct arena *arena;
	const char *file;
	const char *next, *end;
	unsigned line, col; /* of *next; columns count characters */
	bool line_start;    /* no token on this line yet */
};

void lexer_init(
	struct lexer *lexer, struct arena *arena, const char *file, const char *text, size_t len);

/* 1: *out is the next token; 0: there is none; negative: what is wrong is in err. */
int lexer_next(struct lexer *lexer, struct token *out, char err[COREFILE_ERROR_MAX]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What is hashed is every token with the zero behind it, and a byte for the begin and end
 * of each line, body and block, so that no two trees are the same bytes. */

#include "same.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

enum mark { LINE = 1, BODY, BODY_END, BLOCK, KEYS_END };

static bool lines_same(const struct corefile_line *a, const struct corefile_line *b)
{
	if (a->token_count != b->token_count || a->body_count != b->body_count ||
		a->has_body != b->has_body)
		return false;
	for (size_t i = 0; i < a->token_count; i++) {
		if (strcmp(a->tokens[i].text, b->tokens[i].text) != 0)
			return false;
	}
	for (size_t i = 0; i < a->body_count; i++) {
		if (!lines_same(&a->body[i], &b->body[i]))
			return false;
	}
	return true;
}

bool corefile_lines_same(const struct corefile_line *const *a, size_t a_count,
	const struct corefile_line *const *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++) {
		if (!lines_same(a[i], b[i]))
			return false;
	}
	return true;
}

static bool put_mark(EVP_MD_CTX *ctx, enum mark mark)
{
	const uint8_t byte = (uint8_t)mark;

	return EVP_DigestUpdate(ctx, &byte, 1) == 1;
}

static bool put_tokens(EVP_MD_CTX *ctx, const struct corefile_token *tokens, size_t count)
{
	bool good = true;

	for (size_t i = 0; i < count && good; i++)
		good = EVP_DigestUpdate(ctx, tokens[i].text, strlen(tokens[i].text) + 1) == 1;
	return good;
}

static bool put_lines(EVP_MD_CTX *ctx, const struct corefile_line *lines, size_t count)
{
	bool good = true;

	for (size_t i = 0; i < count && good; i++) {
		good = put_mark(ctx, LINE) &&
		       put_tokens(ctx, lines[i].tokens, lines[i].token_count);
		if (good && lines[i].has_body)
			good = put_mark(ctx, BODY) &&
			       put_lines(ctx, lines[i].body, lines[i].body_count) &&
			       put_mark(ctx, BODY_END);
	}
	return good;
}

int corefile_digest(const struct corefile *corefile, uint8_t out[COREFILE_DIGEST_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1;

	for (size_t i = 0; i < corefile->block_count && good; i++) {
		const struct corefile_block *block = &corefile->blocks[i];

		good = put_mark(ctx, BLOCK) && put_tokens(ctx, block->keys, block->key_count) &&
		       put_mark(ctx, KEYS_END) && put_lines(ctx, block->lines, block->line_count);
	}
	if (good)
		good = EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!good)
		return -ENOMEM;
	memcpy(out, digest, COREFILE_DIGEST_LEN);
	return 0;
}

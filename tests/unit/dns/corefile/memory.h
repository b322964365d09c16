/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_COREFILE_MEMORY_H
#define BINNACLE_TESTS_COREFILE_MEMORY_H

/* A reader whose files and variables are tables, and a Corefile tree as text:
 *
 *	". {\n errors\n health {\n lameduck 5s\n }\n}"  ->  ".{errors;health{lameduck 5s;};}"
 *
 * Quoted tokens are shown in quotes. */

#include "dns/corefile/reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory_file {
	const char *path, *text;
};

struct memory {
	const struct memory_file *files; /* sorted; path NULL at the end */
	unsigned reads;
};

static int memory_read(void *ctx, const char *path, size_t max, char **text, size_t *len)
{
	struct memory *memory = ctx;

	memory->reads++;
	for (const struct memory_file *at = memory->files; at && at->path; at++) {
		if (strcmp(at->path, path) != 0)
			continue;
		if (strlen(at->text) > max)
			return -EFBIG;
		*text = strdup(at->text);
		*len = strlen(at->text);
		return 0;
	}
	return -ENOENT;
}

/* The pattern has one '*'. */
static int memory_list(
	void *ctx, const char *dir, const char *pattern, char ***paths, size_t *count)
{
	struct memory *memory = ctx;
	const char *star = strchr(pattern, '*');
	char prefix[256];
	size_t used = 0, len;

	snprintf(prefix, sizeof prefix, "%s%.*s", dir, (int)(star - pattern), pattern);
	len = strlen(star + 1);
	*paths = calloc(64, sizeof **paths);
	for (const struct memory_file *at = memory->files; at && at->path; at++) {
		if (strncmp(at->path, prefix, strlen(prefix)) == 0 &&
			strlen(at->path) >= strlen(prefix) + len &&
			strcmp(at->path + strlen(at->path) - len, star + 1) == 0)
			(*paths)[used++] = strdup(at->path);
	}
	*count = used;
	return 0;
}

static const char *memory_env(void *ctx, const char *name)
{
	(void)ctx;
	if (strcmp(name, "ZONE") == 0)
		return "cluster.local";
	if (strcmp(name, "BRACE") == 0)
		return "{";
	if (strcmp(name, "TWO") == 0)
		return "a b, {$ZONE}";
	return NULL;
}

static inline struct corefile_reader memory_reader(struct memory *memory)
{
	return (struct corefile_reader){memory, memory_read, memory_list, memory_env};
}

struct tree {
	char text[65536];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void tree_add(
	struct tree *tree, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tree->len += (size_t)vsnprintf(
		tree->text + tree->len, sizeof tree->text - tree->len, format, args);
	va_end(args);
}

static void tree_lines(struct tree *tree, const struct corefile_line *lines, size_t count)
{
	tree_add(tree, "{");
	for (size_t i = 0; i < count; i++) {
		for (size_t t = 0; t < lines[i].token_count; t++) {
			const struct corefile_token *token = &lines[i].tokens[t];

			tree_add(tree, token->quoted ? "%s\"%s\"" : "%s%s", t ? " " : "",
				token->text);
		}
		if (lines[i].has_body)
			tree_lines(tree, lines[i].body, lines[i].body_count);
		tree_add(tree, ";");
	}
	tree_add(tree, "}");
}

static inline void tree_write(struct tree *tree, const struct corefile *corefile)
{
	tree->len = 0;
	for (size_t i = 0; i < corefile->block_count; i++) {
		const struct corefile_block *block = &corefile->blocks[i];

		for (size_t k = 0; k < block->key_count; k++)
			tree_add(tree, "%s%s", k ? " " : "", block->keys[k].text);
		tree_lines(tree, block->lines, block->line_count);
	}
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_COREFILE_H
#define BINNACLE_DNS_COREFILE_COREFILE_H

/* The Corefile language: text to a tree in which every token knows where it
 * stands. Imports, snippets and environment variables are expanded here; what
 * the directives mean is not known here.
 *
 *	(snip) { errors }
 *	example.org:53, 10.0.0.0/8 {     # block: 2 keys
 *	    import snip                  # -> the line "errors"
 *	    kubernetes cluster.local {   # line: 2 tokens and a body
 *	        ttl 30                   #   line of the body
 *	    }
 *	}
 *
 * Everything belongs to the corefile and dies with its last corefile_free().
 */

#include <stdbool.h>
#include <stddef.h>

struct corefile_token {
	const char *text;
	const char *file;   /* as it was named; "stdin", "Corefile" */
	unsigned line, col; /* from 1 */
	bool quoted;
};

struct corefile_line {
	struct corefile_token *tokens; /* tokens[0] is the directive or option */
	size_t token_count;
	struct corefile_line *body; /* the lines between { and } */
	size_t body_count;
	bool has_body;
};

struct corefile_block {
	struct corefile_token *keys; /* at least one; text as written, commas gone */
	size_t key_count;
	struct corefile_line *lines;
	size_t line_count;
};

struct corefile {
	struct corefile_block *blocks;
	size_t block_count;
	char **warnings; /* "Corefile:3:9: import 'x.*' matches no file" */
	size_t warning_count;
	char **files; /* every file that was read, for reload */
	size_t file_count;
};

#define COREFILE_ERROR_MAX 1024

/* Read a file (imports are relative to it), or text that came from elsewhere
 * (name stands in positions; imports are relative to the working directory).
 * 0; or -ENOENT and the like, or -EINVAL, with "file:line:col: what is wrong
 * and what to do" in err. Limits: 1 MiB per file, 16 MiB in all, 10000 snippet
 * and 100000 file expansions, nesting 32. */
int corefile_read(const char *path, struct corefile **out, char err[COREFILE_ERROR_MAX]);
int corefile_parse(const char *text, size_t len, const char *name, struct corefile **out,
	char err[COREFILE_ERROR_MAX]);
/* One more who needs it; one thread. Returns it. */
struct corefile *corefile_hold(struct corefile *corefile);
/* Freed when as many have called this as hold it, and who made it. */
void corefile_free(struct corefile *corefile);

/* "file:line:col: " + message to err; returns -EINVAL. */
int corefile_error(char err[COREFILE_ERROR_MAX], const struct corefile_token *at,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The entry of a NULL-terminated list that is spelled most like word, letter case
 * ignored, or NULL. The edit distance is at most 2, 1 for words of three letters
 * or fewer, a third of the length for those of nine or more. */
const char *corefile_nearest(const char *word, const char *const *list);

#endif

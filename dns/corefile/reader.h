/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_READER_H
#define BINNACLE_DNS_COREFILE_READER_H

/* All that the parser takes from outside the text: files, file names and
 * environment variables. corefile_read() and corefile_parse() use the real ones;
 * tests and the fuzzer bring their own, so that no input can reach the disk. */

#include "corefile.h"

struct corefile_reader {
	void *ctx;
	/* The bytes of a file: malloc'ed (*text is NULL only where *len is 0). 0, or
	 * -ENOENT and the like; -EFBIG above max bytes; -EISDIR. */
	int (*read)(void *ctx, const char *path, size_t max, char **text, size_t *len);
	/* The regular files that match dir and pattern, sorted, as dir + name:
	 * malloc'ed strings in a malloc'ed array. None is no error. */
	int (*list)(void *ctx, const char *dir, const char *pattern, char ***paths, size_t *count);
	/* NULL: not set. */
	const char *(*env)(void *ctx, const char *name);
};

/* The process's file system and environment. */
extern const struct corefile_reader corefile_reader_system;

/* As corefile_read() and corefile_parse(). */
int corefile_read_with(const struct corefile_reader *reader, const char *path,
	struct corefile **out, char err[COREFILE_ERROR_MAX]);
int corefile_parse_with(const struct corefile_reader *reader, const char *text, size_t len,
	const char *name, struct corefile **out, char err[COREFILE_ERROR_MAX]);

#endif

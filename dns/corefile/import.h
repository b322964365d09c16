/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_IMPORT_H
#define BINNACLE_DNS_COREFILE_IMPORT_H

/* What `import` finds on disk: a path or a pattern to texts. A file is read once
 * however often it is imported. Texts, paths, the list of files and the warnings
 * lie in the corefile's arena. */

#include "arena.h"
#include "reader.h"

#define IMPORT_FILE_MAX        (1u << 20)  /* bytes of one file */
#define IMPORT_TOTAL_MAX       (16u << 20) /* bytes of all files, each time they are imported */
#define IMPORT_FILE_EXPANSIONS 100000u

struct import_file {
	const char *path; /* as messages name it */
	const char *dir;  /* what its own imports are relative to: "" or "conf/" */
	const char *text;
	size_t len;
};

struct importer {
	const struct corefile_reader *reader;
	struct arena *arena;
	struct corefile *corefile; /* gets files and warnings */
	struct import_file **files;
	size_t file_count;
	size_t total; /* bytes imported so far */
	unsigned expansions;
};

/* Read a file that is named outright. 0, or negative with a message in err; at
 * NULL: the message begins with the path. */
int import_load(struct importer *importer, const struct corefile_token *at, const char *path,
	const struct import_file **out, char err[COREFILE_ERROR_MAX]);

/* The files that at->text names, relative to dir where it is no absolute path; an
 * arena array in alphabetical order. A pattern that matches nothing gives none
 * and a warning. */
int import_resolve(struct importer *importer, const struct corefile_token *at, const char *dir,
	const struct import_file ***out, size_t *count, char err[COREFILE_ERROR_MAX]);

/* "conf/" of "conf/a", "" of "a". NULL: no room. */
const char *import_dir(struct arena *arena, const char *path);

#endif

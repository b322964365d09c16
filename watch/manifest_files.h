/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_MANIFEST_FILES_H
#define BINNACLE_WATCH_MANIFEST_FILES_H

/* Which files `manifests PATH...` means: a file as it is given, of a folder the
 * files *.yaml, *.yml and *.json in it, by name, without its sub-folders and
 * without hidden files (a mounted ConfigMap keeps its old and new content in
 * such). Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_FILES_MAX 20000

struct manifest_files {
	char **paths;
	size_t count;
	uint64_t signature; /* differs if any file was added, removed, replaced or written */
};

/* paths: NULL-terminated. 0, or a negative errno with the path in *failed (one of
 * paths) and the reason in err. */
int manifest_files_find(const char *const *paths, struct manifest_files *out, const char **failed,
	char *err, size_t err_len);
void manifest_files_clear(struct manifest_files *files);

/* True if a folder's file of this name is read. */
bool manifest_file_counts(const char *name);

#endif

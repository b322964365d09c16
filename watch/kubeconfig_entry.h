/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_KUBECONFIG_ENTRY_H
#define BINNACLE_WATCH_KUBECONFIG_ENTRY_H

/* The files of a kubeconfig as trees, the named entries in them, and their
 * fields. Every error is one line that names the file and, where it is known,
 * the line. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

#define KUBECONFIG_FILES_MAX 32

struct kubeconfig_file {
	char *path;
	struct cJSON *tree; /* NULL: an empty file */
};

struct kubeconfig_files {
	struct kubeconfig_file files[KUBECONFIG_FILES_MAX];
	size_t count;
	char *err; /* borrowed */
	size_t err_len;
};

/* One entry of clusters, contexts or users: its inner mapping. */
struct entry {
	struct kubeconfig_files *files;
	const struct kubeconfig_file *file;
	const char *kind, *name;  /* "user", "admin": for messages */
	const struct cJSON *body; /* NULL: empty */
};

/* Read all files of path; see kubeconfig_read(). 0 or a negative errno with err
 * written. kubeconfig_files_clear() in either case. */
int kubeconfig_files_read(
	const char *path, struct kubeconfig_files *out, char *err, size_t err_len);
void kubeconfig_files_clear(struct kubeconfig_files *files);

/* The first entry `name` of list "clusters" etc. in any of the files. -ENOENT
 * with a message that lists what there is; -EINVAL if a list is malformed. */
int entry_find(struct kubeconfig_files *files, const char *list, const char *kind, const char *name,
	struct entry *out);

/* Names of a list's entries, "a, b, c", cut to size. */
void entry_names(const struct kubeconfig_files *files, const char *list, char *out, size_t out_len);

/* Write an error: one line, whatever the values in it. */
void kubeconfig_say(const struct kubeconfig_files *files, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Write "FILE:LINE: KIND 'NAME': message" and return -EINVAL. node NULL: the
 * entry's own line. */
int entry_refuse(const struct entry *entry, const struct cJSON *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int entry_no_memory(const struct entry *entry);

/* Fields. Absent, null and "" leave *out as it was. 0, -EINVAL or -ENOMEM. */
int entry_string(const struct entry *entry, const char *key, char **out);
int entry_bool(const struct entry *entry, const char *key, bool *out);
/* Base64 of something, decoded. */
int entry_data(const struct entry *entry, const char *key, char **out);
/* A file's name, relative to the kubeconfig. */
int entry_path(const struct entry *entry, const char *key, char **out);
/* A list of strings, NULL-terminated. */
int entry_strings(const struct entry *entry, const char *key, char ***out);

#endif

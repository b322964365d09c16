/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool manifest_file_counts(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (name[0] == '.' || !dot)
		return false;
	return strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0;
}

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

/* Takes path, whatever it returns. */
static int file_add(struct manifest_files *files, char *path, const struct stat *st)
{
	const uint64_t facts[] = {(uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size,
		(uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
		(uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec};
	char **grown = path ? reallocarray(files->paths, files->count + 1, sizeof *grown) : NULL;

	if (!grown) {
		free(path);
		return -ENOMEM;
	}
	files->paths = grown;
	grown[files->count++] = path;
	files->signature = mix(files->signature, path, strlen(path) + 1);
	files->signature = mix(files->signature, facts, sizeof facts);
	return files->count > MANIFEST_FILES_MAX ? -E2BIG : 0;
}

static int entry_filter(const struct dirent *entry)
{
	return manifest_file_counts(entry->d_name);
}

/* By bytes, so that the order is the same in every locale. */
static int entry_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int folder_add(struct manifest_files *files, const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, entry_filter, entry_compare);
	const char *slash = folder[strlen(folder) - 1] == '/' ? "" : "/";
	int rc = 0;

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		char *path = NULL;
		struct stat st;

		if (rc == 0 && asprintf(&path, "%s%s%s", folder, slash, entries[i]->d_name) < 0) {
			path = NULL;
			rc = -ENOMEM;
		}
		free(entries[i]);
		if (!path)
			continue;
		/* Gone meanwhile, or a folder: not a file of this folder. */
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
			free(path);
		else
			rc = file_add(files, path, &st);
	}
	free(entries);
	return rc;
}

static int path_add(struct manifest_files *files, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return folder_add(files, path);
	if (!S_ISREG(st.st_mode))
		return -ENOTDIR;
	return file_add(files, strdup(path), &st);
}

static const char *reason_of(int rc)
{
	switch (rc) {
	case -E2BIG:
		return "too many files";
	case -ENOTDIR:
		return "neither a file nor a folder";
	default:
		return strerror(-rc);
	}
}

int manifest_files_find(const char *const *paths, struct manifest_files *out, const char **failed,
	char *err, size_t err_len)
{
	struct manifest_files files = {.signature = 0xcbf29ce484222325u};

	for (size_t i = 0; paths[i]; i++) {
		int rc = path_add(&files, paths[i]);

		if (rc == 0)
			continue;
		manifest_files_clear(&files);
		*failed = paths[i];
		snprintf(err, err_len, "cannot be read: %s", reason_of(rc));
		return rc;
	}
	*out = files;
	return 0;
}

void manifest_files_clear(struct manifest_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->paths[i]);
	free(files->paths);
	*files = (struct manifest_files){0};
}

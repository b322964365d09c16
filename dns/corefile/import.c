/* SPDX-License-Identifier: Apache-2.0 */
#include "import.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_room(char *err, const struct corefile_token *at)
{
	corefile_error(err, at, "the configuration is too large for memory");
	return -ENOMEM;
}

const char *import_dir(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');

	return arena_copy(arena, path, slash ? (size_t)(slash - path) + 1 : 0);
}

static int list_add(struct arena *arena, char ***list, size_t *count, const char *text)
{
	char **grown = arena_grow(arena, *list, *count, sizeof *grown);
	char *copy = arena_copy(arena, text, strlen(text));

	if (!grown || !copy)
		return -ENOMEM;
	*list = grown;
	grown[(*count)++] = copy;
	return 0;
}

static int read_failed(char *err, const struct corefile_token *at, const char *path, int rc)
{
	struct corefile_token start = {.file = path, .line = 1, .col = 1};
	const char *why = strerror(-rc);

	if (rc == -EFBIG)
		why = "it is larger than 1 MiB, which no Corefile is";
	else if (rc == -ENOENT)
		why = "there is no such file";
	else if (rc == -EISDIR)
		why = "it is a folder; to import its files write the folder's name and '/*'";
	corefile_error(err, at ? at : &start, "cannot read '%s': %s", path, why);
	return rc;
}

static const struct import_file *file_find(const struct importer *importer, const char *path)
{
	for (size_t i = 0; i < importer->file_count; i++) {
		if (strcmp(importer->files[i]->path, path) == 0)
			return importer->files[i];
	}
	return NULL;
}

static int file_add(struct importer *importer, const char *path, const char *text, size_t len,
	const struct import_file **out)
{
	struct arena *arena = importer->arena;
	struct import_file *file = arena_alloc(arena, sizeof *file);
	struct import_file **grown =
		arena_grow(arena, importer->files, importer->file_count, sizeof *grown);

	if (!file || !grown)
		return -ENOMEM;
	importer->files = grown;
	file->path = arena_copy(arena, path, strlen(path));
	file->dir = import_dir(arena, path);
	file->text = arena_copy(arena, text, len);
	file->len = len;
	if (!file->path || !file->dir || !file->text ||
		list_add(arena, &importer->corefile->files, &importer->corefile->file_count, path) <
			0)
		return -ENOMEM;
	grown[importer->file_count++] = file;
	*out = file;
	return 0;
}

static int count_expansion(
	struct importer *importer, const struct corefile_token *at, size_t len, char *err)
{
	if (++importer->expansions > IMPORT_FILE_EXPANSIONS)
		return corefile_error(err, at,
			"more than %u files are imported; does a file import itself by way of "
			"others?",
			IMPORT_FILE_EXPANSIONS);
	importer->total += len;
	if (importer->total > IMPORT_TOTAL_MAX)
		return corefile_error(err, at,
			"the imported files have more than %u MiB in all; does a file import "
			"itself by way of others?",
			IMPORT_TOTAL_MAX >> 20);
	return 0;
}

int import_load(struct importer *importer, const struct corefile_token *at, const char *path,
	const struct import_file **out, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_reader *reader = importer->reader;
	const struct import_file *file = file_find(importer, path);
	struct corefile_token start = {.file = path, .line = 1, .col = 1};
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (!at)
		at = &start;
	if (!file) {
		rc = reader->read ? reader->read(reader->ctx, path, IMPORT_FILE_MAX, &text, &len)
				  : -EACCES;
		if (rc < 0)
			return read_failed(err, at, path, rc);
		rc = file_add(importer, path, text, len, &file);
		free(text);
		if (rc < 0)
			return no_room(err, at);
	}
	rc = count_expansion(importer, at, file->len, err);
	if (rc < 0)
		return rc;
	*out = file;
	return 0;
}

static int warn(struct importer *importer, const struct corefile_token *at, char *err)
{
	char line[COREFILE_ERROR_MAX];

	corefile_error(line, at, "import '%s' matches no file", at->text);
	if (list_add(importer->arena, &importer->corefile->warnings,
		    &importer->corefile->warning_count, line) < 0)
		return no_room(err, at);
	return 0;
}

static size_t count_of(const char *text, char c)
{
	size_t count = 0;

	for (; (text = strchr(text, c)) != NULL; text++)
		count++;
	return count;
}

/* One '*' is what CoreDNS allows: a pattern of many takes very long to match. */
static int pattern_check(const struct corefile_token *at, char *err)
{
	if (count_of(at->text, '*') > 1 || count_of(at->text, '?') > 1 || strpbrk(at->text, "[]"))
		return corefile_error(err, at,
			"the pattern '%s' may hold one '*' and one '?' and no brackets; write one "
			"import line for each folder",
			at->text);
	return 0;
}

static int load_all(struct importer *importer, const struct corefile_token *at, char **paths,
	size_t count, const struct import_file **files, char *err)
{
	int rc = files ? 0 : no_room(err, at);

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = import_load(importer, at, paths[i], &files[i], err);
	return rc;
}

static int resolve_pattern(struct importer *importer, const struct corefile_token *at,
	const char *dir, const struct import_file ***out, size_t *out_count, char *err)
{
	const struct corefile_reader *reader = importer->reader;
	const struct import_file **files;
	char **paths = NULL;
	size_t count = 0;
	int rc = pattern_check(at, err);

	if (rc < 0)
		return rc;
	rc = reader->list ? reader->list(reader->ctx, dir, at->text, &paths, &count) : 0;
	if (rc < 0)
		return read_failed(err, at, at->text, rc);
	files = arena_alloc(importer->arena, (count + 1) * sizeof(struct import_file *));
	rc = load_all(importer, at, paths, count, files, err);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	free(paths);
	if (rc == 0 && count == 0)
		rc = warn(importer, at, err);
	if (rc < 0)
		return rc;
	*out = files;
	*out_count = count;
	return 0;
}

int import_resolve(struct importer *importer, const struct corefile_token *at, const char *dir,
	const struct import_file ***out, size_t *count, char err[COREFILE_ERROR_MAX])
{
	struct arena *arena = importer->arena;
	const struct import_file **files;
	char *path;
	int rc;

	if (at->text[0] == '/')
		dir = "";
	if (strpbrk(at->text, "*?[]"))
		return resolve_pattern(importer, at, dir, out, count, err);
	files = arena_alloc(arena, sizeof(struct import_file *));
	path = arena_alloc(arena, strlen(dir) + strlen(at->text) + 1);
	if (!files || !path)
		return no_room(err, at);
	strcpy(stpcpy(path, dir), at->text);
	rc = import_load(importer, at, path, &files[0], err);
	if (rc < 0)
		return rc;
	*out = files;
	*count = 1;
	return 0;
}

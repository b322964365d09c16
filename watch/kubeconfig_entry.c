/* SPDX-License-Identifier: Apache-2.0 */
#include "kubeconfig_entry.h"

#include "file.h"
#include "pem.h"
#include "yaml_tree.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KUBECONFIG_MAX (4u << 20)

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *name_of(const cJSON *item)
{
	const cJSON *name = get(item, "name");

	return cJSON_IsString(name) ? name->valuestring : NULL;
}

/* ---- errors ---- */

void kubeconfig_say(const struct kubeconfig_files *files, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(files->err, files->err_len, format, args);
	va_end(args);
	/* Values of the file stand in it; a line break would forge a line of the log. */
	for (char *at = files->err; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
}

static int file_refuse(
	const struct kubeconfig_files *files, const char *path, unsigned line, const char *text)
{
	if (line > 0)
		kubeconfig_say(files, "%s:%u: %s", path, line, text);
	else
		kubeconfig_say(files, "%s: %s", path, text);
	return -EINVAL;
}

static int no_memory(const struct kubeconfig_files *files)
{
	kubeconfig_say(files, "out of memory");
	return -ENOMEM;
}

int entry_refuse(const struct entry *entry, const cJSON *node, const char *format, ...)
{
	char why[512], text[768];
	unsigned line = node ? yaml_line(node) : 0;
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	snprintf(text, sizeof text, "%s '%.100s': %s", entry->kind, entry->name, why);
	return file_refuse(
		entry->files, entry->file->path, line ? line : yaml_line(entry->body), text);
}

int entry_no_memory(const struct entry *entry)
{
	return no_memory(entry->files);
}

/* ---- files ---- */

static int tree_take(void *user, cJSON *tree)
{
	cJSON **slot = user;

	if (*slot) {
		cJSON_Delete(tree);
		return -EEXIST;
	}
	*slot = tree;
	return 0;
}

static int file_add(struct kubeconfig_files *files, const char *path)
{
	struct kubeconfig_file *file = &files->files[files->count];
	struct yaml_error error;
	char *text = NULL;
	size_t len = 0;
	int rc = file_read(path, KUBECONFIG_MAX, &text, &len, files->err, files->err_len);

	if (rc < 0)
		return rc;
	file->path = strdup(path);
	if (!file->path) {
		free(text);
		return no_memory(files);
	}
	files->count++;
	rc = yaml_read(text, len, tree_take, &file->tree, &error);
	/* There are private keys in it. */
	explicit_bzero(text, len);
	free(text);
	if (rc == -EEXIST)
		return file_refuse(files, path, 0, "has more than one YAML document");
	if (rc < 0)
		return file_refuse(files, path, error.line, error.text);
	if (file->tree && !cJSON_IsObject(file->tree))
		return file_refuse(files, path, 1, "is not a kubeconfig (no mapping at its top)");
	return 0;
}

static int files_add_each(struct kubeconfig_files *files, char *list)
{
	char *save = NULL;

	for (char *path = strtok_r(list, ":", &save); path; path = strtok_r(NULL, ":", &save)) {
		int rc;

		if (files->count == KUBECONFIG_FILES_MAX) {
			kubeconfig_say(
				files, "more than %d kubeconfig files", KUBECONFIG_FILES_MAX);
			return -EINVAL;
		}
		rc = file_add(files, path);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	if (files->count > 0)
		return 0;
	kubeconfig_say(files, "none of the kubeconfig files is there");
	return -ENOENT;
}

int kubeconfig_files_read(const char *path, struct kubeconfig_files *out, char *err, size_t err_len)
{
	char *list;
	int rc;

	*out = (struct kubeconfig_files){.err = err, .err_len = err_len};
	if (!strchr(path, ':') || access(path, F_OK) == 0)
		return file_add(out, path);
	list = strdup(path);
	if (!list)
		return no_memory(out);
	rc = files_add_each(out, list);
	free(list);
	return rc;
}

void kubeconfig_files_clear(struct kubeconfig_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->files[i].path);
		cJSON_Delete(files->files[i].tree);
	}
	files->count = 0;
}

/* ---- entries ---- */

void entry_names(const struct kubeconfig_files *files, const char *list, char *out, size_t out_len)
{
	size_t used = 0;

	snprintf(out, out_len, "(none)");
	for (size_t i = 0; i < files->count; i++) {
		const cJSON *item;

		cJSON_ArrayForEach (item, get(files->files[i].tree, list)) {
			const char *name = name_of(item);

			if (name && used < out_len)
				used += (size_t)snprintf(out + used, out_len - used, "%s%s",
					used > 0 ? ", " : "", name);
		}
	}
}

/* The item of that name; one list must not have it twice, as for client-go. */
static int list_find(const struct kubeconfig_files *files, const struct kubeconfig_file *file,
	const char *list, const char *name, const cJSON **out)
{
	const cJSON *items = get(file->tree, list), *item, *found = NULL;
	char text[160];

	if (items && !cJSON_IsArray(items) && !cJSON_IsNull(items)) {
		snprintf(text, sizeof text, "%s must be a list", list);
		return file_refuse(files, file->path, yaml_line(items), text);
	}
	cJSON_ArrayForEach (item, items) {
		if (!name_of(item)) {
			snprintf(text, sizeof text, "an entry of %s has no name", list);
			return file_refuse(files, file->path, yaml_line(item), text);
		}
		if (strcmp(name_of(item), name) != 0)
			continue;
		if (found) {
			snprintf(text, sizeof text, "%s has '%.100s' twice", list, name);
			return file_refuse(files, file->path, yaml_line(item), text);
		}
		found = item;
	}
	*out = found;
	return 0;
}

int entry_find(struct kubeconfig_files *files, const char *list, const char *kind, const char *name,
	struct entry *out)
{
	char names[256];

	for (size_t i = 0; i < files->count; i++) {
		const struct kubeconfig_file *file = &files->files[i];
		struct entry entry = {.files = files, .file = file, .kind = kind, .name = name};
		const cJSON *item = NULL;
		int rc = list_find(files, file, list, name, &item);

		if (rc < 0)
			return rc;
		if (!item)
			continue;
		entry.body = get(item, kind);
		if (entry.body && !cJSON_IsObject(entry.body) && !cJSON_IsNull(entry.body)) {
			entry.body = item;
			return entry_refuse(&entry, NULL, "'%s' must be a mapping", kind);
		}
		*out = entry;
		return 0;
	}
	entry_names(files, list, names, sizeof names);
	kubeconfig_say(files, "%s: there is no %s '%.100s'; %s: %s", files->files[0].path, kind,
		name, list, names);
	return -ENOENT;
}

/* ---- fields ---- */

static int string_find(const struct entry *entry, const char *key, const cJSON **out)
{
	const cJSON *item = get(entry->body, key);

	*out = NULL;
	if (!item || cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsString(item))
		return entry_refuse(entry, item, "%s must be a text; put it in quotes", key);
	if (item->valuestring[0])
		*out = item;
	return 0;
}

int entry_string(const struct entry *entry, const char *key, char **out)
{
	const cJSON *item;
	char *copy;
	int rc = string_find(entry, key, &item);

	if (rc < 0 || !item)
		return rc;
	copy = strdup(item->valuestring);
	if (!copy)
		return entry_no_memory(entry);
	free(*out);
	*out = copy;
	return 0;
}

int entry_bool(const struct entry *entry, const char *key, bool *out)
{
	const cJSON *item = get(entry->body, key);

	if (!item || cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsBool(item))
		return entry_refuse(entry, item, "%s must be true or false", key);
	*out = cJSON_IsTrue(item);
	return 0;
}

int entry_data(const struct entry *entry, const char *key, char **out)
{
	const cJSON *item;
	char *bytes = NULL;
	size_t len = 0;
	int rc = string_find(entry, key, &item);

	if (rc < 0 || !item)
		return rc;
	rc = base64_decode(item->valuestring, strlen(item->valuestring), &bytes, &len);
	if (rc == -ENOMEM)
		return entry_no_memory(entry);
	if (rc < 0)
		return entry_refuse(entry, item, "%s is not base64", key);
	if (strlen(bytes) != len) {
		free(bytes);
		return entry_refuse(entry, item, "%s is not PEM text", key);
	}
	free(*out);
	*out = bytes;
	return 0;
}

int entry_path(const struct entry *entry, const char *key, char **out)
{
	const cJSON *item;
	char *path;
	int rc = string_find(entry, key, &item);

	if (rc < 0 || !item)
		return rc;
	path = file_beside(entry->file->path, item->valuestring);
	if (!path)
		return entry_no_memory(entry);
	free(*out);
	*out = path;
	return 0;
}

int entry_strings(const struct entry *entry, const char *key, char ***out)
{
	const cJSON *list = get(entry->body, key), *item;
	size_t count = 0;
	char **copies;

	if (!list || cJSON_IsNull(list))
		return 0;
	if (!cJSON_IsArray(list))
		return entry_refuse(entry, list, "%s must be a list", key);
	copies = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *copies);
	if (!copies)
		return entry_no_memory(entry);
	*out = copies;
	cJSON_ArrayForEach (item, list) {
		if (!cJSON_IsString(item))
			return entry_refuse(entry, item,
				"%s must be a list of texts; put numbers in quotes", key);
		copies[count] = strdup(item->valuestring);
		if (!copies[count++])
			return entry_no_memory(entry);
	}
	return 0;
}

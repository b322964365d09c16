/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, size_t max, char **text, size_t *len)
{
	size_t cap = 4096, used = 0;
	char *buffer = malloc(cap);
	int rc = -ENOMEM;

	while (buffer) {
		ssize_t got = read(fd, buffer + used, cap - used);

		if (got < 0 && errno == EINTR)
			continue;
		rc = got < 0 ? -errno : 0;
		if (got <= 0)
			break;
		used += (size_t)got;
		rc = -EFBIG;
		if (used > max)
			break;
		if (used == cap) {
			char *grown = realloc(buffer, cap * 2);

			rc = -ENOMEM;
			if (!grown)
				break;
			buffer = grown;
			cap *= 2;
		}
	}
	if (rc < 0) {
		free(buffer);
		return rc;
	}
	*text = buffer;
	*len = used;
	return 0;
}

static int system_read(void *ctx, const char *path, size_t max, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	int rc;

	(void)ctx;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		rc = -errno;
	else if (S_ISDIR(status.st_mode))
		rc = -EISDIR;
	else
		rc = read_all(fd, max, text, len);
	close(fd);
	return rc;
}

/* dir is a name, not a pattern: what glob(3) would read in it is escaped. */
static char *pattern_join(const char *dir, const char *pattern)
{
	char *joined = malloc(strlen(dir) * 2 + strlen(pattern) + 1);
	char *to = joined;

	if (!joined)
		return NULL;
	for (; *dir; dir++) {
		if (strchr("*?[]\\", *dir))
			*to++ = '\\';
		*to++ = *dir;
	}
	strcpy(to, pattern);
	return joined;
}

static bool path_is_file(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

static int paths_copy(const glob_t *found, char ***paths, size_t *count)
{
	char **list = calloc(found->gl_pathc + 1, sizeof *list);
	size_t used = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < found->gl_pathc; i++) {
		if (!path_is_file(found->gl_pathv[i]))
			continue;
		list[used] = strdup(found->gl_pathv[i]);
		if (!list[used++])
			goto fail;
	}
	*paths = list;
	*count = used;
	return 0;
fail:
	while (used)
		free(list[--used]);
	free(list);
	return -ENOMEM;
}

static int system_list(
	void *ctx, const char *dir, const char *pattern, char ***paths, size_t *count)
{
	char *joined = pattern_join(dir, pattern);
	glob_t found = {0};
	int rc;

	(void)ctx;
	if (!joined)
		return -ENOMEM;
	switch (glob(joined, 0, NULL, &found)) {
	case 0:
	case GLOB_NOMATCH:
		rc = paths_copy(&found, paths, count);
		break;
	case GLOB_NOSPACE:
		rc = -ENOMEM;
		break;
	default:
		rc = -EIO;
	}
	globfree(&found);
	free(joined);
	return rc;
}

static const char *system_env(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

const struct corefile_reader corefile_reader_system = {
	.read = system_read,
	.list = system_list,
	.env = system_env,
};

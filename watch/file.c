/* SPDX-License-Identifier: Apache-2.0 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read to the end of fd, which may grow or shrink meanwhile. */
static int read_all(int fd, size_t expected, size_t max, char **out, size_t *out_len)
{
	size_t room = expected + 1, len = 0;
	char *bytes = malloc(room + 1);
	int rc = -ENOMEM;

	while (bytes) {
		ssize_t got = read(fd, bytes + len, room - len);
		char *grown;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			rc = -errno;
			break;
		}
		len += (size_t)got;
		if (len > max) {
			rc = -EFBIG;
			break;
		}
		if (got == 0) {
			bytes[len] = '\0';
			*out = bytes;
			*out_len = len;
			return 0;
		}
		if (len < room)
			continue;
		room *= 2;
		grown = realloc(bytes, room + 1);
		if (!grown)
			break;
		bytes = grown;
	}
	free(bytes);
	return rc;
}

int file_read(const char *path, size_t max, char **out, size_t *out_len, char *err, size_t err_len)
{
	/* O_NONBLOCK: to open a FIFO would wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = -errno;
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(err, err_len, "cannot read %s: it is not a file", path);
		close(fd);
		return -EINVAL;
	}
	if ((uintmax_t)st.st_size > max)
		rc = -EFBIG;
	else
		rc = read_all(fd, (size_t)st.st_size, max, out, out_len);
	if (rc < 0)
		goto fail;
	close(fd);
	return 0;
fail:
	if (fd >= 0)
		close(fd);
	if (rc == -EFBIG)
		snprintf(err, err_len, "cannot read %s: it is larger than %zu bytes", path, max);
	else
		snprintf(err, err_len, "cannot read %s: %s", path, strerror(-rc));
	return rc;
}

char *file_beside(const char *beside, const char *path)
{
	const char *slash = strrchr(beside, '/');
	size_t folder_len, path_len = strlen(path);
	char *joined;

	if (path[0] == '/' || !slash)
		return strdup(path);
	folder_len = (size_t)(slash - beside) + 1;
	joined = malloc(folder_len + path_len + 1);
	if (!joined)
		return NULL;
	memcpy(joined, beside, folder_len);
	memcpy(joined + folder_len, path, path_len + 1);
	return joined;
}

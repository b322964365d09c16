/* SPDX-License-Identifier: Apache-2.0 */
#include "hosts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static bool stamp_same(const struct hosts_stamp *a, const struct hosts_stamp *b)
{
	return a->known == b->known && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec && a->size == b->size &&
	       a->inode == b->inode && a->device == b->device;
}

static int stamp_take(int fd, struct hosts_stamp *out)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (S_ISDIR(stat.st_mode))
		return -EISDIR;
	/* /dev/null is a way to have no file. */
	if (!S_ISREG(stat.st_mode) && !S_ISCHR(stat.st_mode))
		return -EOPNOTSUPP;
	if (stat.st_size > (off_t)HOSTS_FILE_MAX)
		return -EFBIG;
	*out = (struct hosts_stamp){
		.known = true,
		.changed = stat.st_mtim,
		.size = stat.st_size,
		.inode = stat.st_ino,
		.device = stat.st_dev,
	};
	return 0;
}

/* The file may be longer than its size said. */
static int text_read(int fd, size_t expected, char **text, size_t *len)
{
	size_t cap = expected + 1, have = 0;
	char *buf = malloc(cap);

	while (buf) {
		ssize_t got = read(fd, buf + have, cap - have);
		char *grown;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			const int rc = -errno;

			free(buf);
			return rc;
		}
		have += (size_t)got;
		if (got == 0) {
			*text = buf;
			*len = have;
			return 0;
		}
		if (have > HOSTS_FILE_MAX) {
			free(buf);
			return -EFBIG;
		}
		if (have < cap)
			continue;
		cap = cap * 2 > HOSTS_FILE_MAX ? HOSTS_FILE_MAX + 1 : cap * 2 + 4096;
		grown = realloc(buf, cap);
		if (!grown)
			free(buf);
		buf = grown;
	}
	return -ENOMEM;
}

int hosts_file_read(const char *path, struct hosts_stamp *stamp, char **text, size_t *len)
{
	/* Without O_NONBLOCK the open of a pipe would wait for its other end. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct hosts_stamp now;
	int rc;

	if (fd < 0)
		return -errno;
	rc = stamp_take(fd, &now);
	if (rc == 0)
		rc = stamp_same(&now, stamp) ? 1 : text_read(fd, (size_t)now.size, text, len);
	if (rc == 0)
		*stamp = now;
	close(fd);
	return rc;
}

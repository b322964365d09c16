/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_HOSTS_FILE_H
#define BINNACLE_DNS_PLUGIN_HOSTS_FILE_H

/* A file that is read again when it has become another. Any thread, one at a time; may
 * wait for the disk. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define HOSTS_FILE_MAX (64u << 20)

/* What tells one version of a file from another. Zero: none was read yet. */
struct hosts_stamp {
	bool known;
	struct timespec changed;
	off_t size;
	ino_t inode; /* another file in the same place may be as old and as long */
	dev_t device;
};

/* 0: *text (malloc) holds the len bytes of the file, which stamp now stands for; 1: it is
 * still the one that stamp stands for; or a negative errno and nothing changed: -EISDIR,
 * -EOPNOTSUPP (a pipe or socket), -EFBIG (over HOSTS_FILE_MAX), -ENOMEM, or what open or
 * read said. */
int hosts_file_read(const char *path, struct hosts_stamp *stamp, char **text, size_t *len);

#endif

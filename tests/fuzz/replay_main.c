/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over the files and folders named: how a corpus is replayed
 * as a test, with any compiler. */

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replayed;

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	struct stat info;
	size_t got;

	if (!file || fstat(fileno(file), &info) < 0) {
		perror(path);
		return -1;
	}
	/* exactly as large as the file, so that a read beyond it is seen */
	data = malloc(info.st_size ? (size_t)info.st_size : 1);
	got = data ? fread(data, 1, (size_t)info.st_size, file) : 0;
	fclose(file);
	LLVMFuzzerTestOneInput(data, got);
	free(data);
	replayed++;
	return 0;
}

static int replay(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	int rc = 0;

	if (!dir)
		return replay_file(path);
	while (rc == 0 && (entry = readdir(dir))) {
		char child[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
		rc = replay(child);
	}
	closedir(dir);
	return rc;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) < 0)
			return 1;
	}
	printf("%lu inputs\n", replayed);
	return replayed == 0;
}

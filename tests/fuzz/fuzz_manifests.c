/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest file: YAML or JSON, any number of documents. Whatever is in it, each
 * object that comes out is whole and has a name, and whatever is refused says why;
 * an error leaves nothing behind. */

#include "watch/manifest_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static bool selects(void *user, enum object_kind kind, const struct cJSON *labels)
{
	(void)user;
	CHECK(kind < KIND_COUNT);
	return labels != NULL;
}

static void check_object(const struct manifest_object *at, const char *path)
{
	const struct object *object = at->object;

	CHECK(at->file == path && !at->tree);
	if (!object)
		return;
	CHECK(object->kind == resource_table[at->resource].kind);
	CHECK(*object->name && object_same(object, object));
	CHECK(object->kind == KIND_NAMESPACE || *object->ns);
	CHECK(object->kind != KIND_SERVICE || ((const struct service *)object)->ip_count <= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], *paths[] = {path};
	const struct manifest_files files = {.paths = paths, .count = 1};
	const struct manifest_filter filter = {
		.kinds = KIND_BIT(KIND_COUNT) - 1,
		.pod_names = size && data[0] == '#',
		.selects = size && data[0] == '#' ? selects : NULL,
	};
	struct manifest_error error = {0};
	struct manifest_set set = {0};
	int fd = memfd_create("manifest", MFD_CLOEXEC), rc;

	CHECK(fd >= 0);
	CHECK(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	rc = manifest_set_read(&files, &filter, &set, &error);
	close(fd);
	if (rc < 0) {
		CHECK(rc == -EINVAL || rc == -EFBIG);
		CHECK(error.text[0] && memchr(error.text, '\0', sizeof error.text));
		CHECK(set.object_count == 0 && set.refused_count == 0);
		return 0;
	}
	for (size_t i = 0; i < set.object_count; i++)
		check_object(&set.objects[i], path);
	for (size_t i = 0; i < set.refused_count; i++)
		CHECK(set.refused[i].why[0]);
	manifest_set_clear(&set);
	return 0;
}

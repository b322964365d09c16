/* SPDX-License-Identifier: Apache-2.0 */
#include "growing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 1024u
/* What is above is given back after use. */
#define KEPT_SIZE (256u << 10)

int growing_add(struct growing *growing, const char *bytes, size_t len)
{
	size_t size = growing->size ? growing->size : FIRST_SIZE;
	char *grown;

	if (len == 0)
		return 0;
	while (size - growing->used < len)
		size *= 2;
	if (size != growing->size) {
		grown = realloc(growing->bytes, size);
		if (!grown)
			return -ENOMEM;
		growing->bytes = grown;
		growing->size = size;
	}
	memcpy(growing->bytes + growing->used, bytes, len);
	growing->used += len;
	return 0;
}

void growing_clear(struct growing *growing)
{
	growing->used = 0;
	if (growing->size > KEPT_SIZE)
		growing_free(growing);
}

void growing_free(struct growing *growing)
{
	free(growing->bytes);
	*growing = (struct growing){.bytes = NULL};
}

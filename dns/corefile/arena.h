/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_COREFILE_ARENA_H
#define BINNACLE_DNS_COREFILE_ARENA_H

/* The memory of one Corefile: chunks that are filled from the front and freed
 * together. What is allocated is zeroed, and lives until arena_free(). One
 * thread at a time. The limit is what keeps a small text that imports itself
 * many times over from becoming a large tree. */

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the newest first */
	size_t used, limit;         /* bytes, over all chunks */
};

#define ARENA_LIMIT (64u << 20)

static inline struct arena arena_make(size_t limit)
{
	return (struct arena){NULL, 0, limit};
}

/* Zeroed and aligned for any type. NULL: the limit is reached or there is no
 * memory. */
void *arena_alloc(struct arena *arena, size_t size);

/* A terminated copy. */
char *arena_copy(struct arena *arena, const char *text, size_t len);

/* Room for one more item behind the count items of an array that grows only
 * through this function (items NULL, count 0 at first): the array, perhaps moved.
 * The old one's memory stays in the arena. */
void *arena_grow(struct arena *arena, const void *items, size_t count, size_t item_size);

void arena_free(struct arena *arena);

#endif

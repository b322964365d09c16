/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 16384u

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size; /* of data */
	alignas(max_align_t) unsigned char data[];
};

static struct arena_chunk *chunk_new(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;

	if (size < CHUNK_SIZE)
		size = CHUNK_SIZE;
	chunk = calloc(1, sizeof *chunk + size);
	if (!chunk)
		return NULL;
	chunk->size = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	void *at;

	if (size > arena->limit)
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (size > arena->limit - arena->used)
		return NULL;
	if (!chunk || size > chunk->size - chunk->used)
		chunk = chunk_new(arena, size);
	if (!chunk)
		return NULL;
	at = chunk->data + chunk->used;
	chunk->used += size;
	arena->used += size;
	return at;
}

char *arena_copy(struct arena *arena, const char *text, size_t len)
{
	char *copy = len < SIZE_MAX ? arena_alloc(arena, len + 1) : NULL;

	if (copy && len)
		memcpy(copy, text, len);
	return copy;
}

void *arena_grow(struct arena *arena, const void *items, size_t count, size_t item_size)
{
	size_t cap = count ? count * 2 : 4;
	void *grown;

	/* The capacity is 4 and then every power of two: nobody has to keep it. */
	if (count && (count < 4 || (count & (count - 1)) != 0))
		return (void *)(uintptr_t)items;
	if (cap > arena->limit / item_size)
		return NULL;
	grown = arena_alloc(arena, cap * item_size);
	if (grown && count)
		memcpy(grown, items, count * item_size);
	return grown;
}

void arena_free(struct arena *arena)
{
	struct arena_chunk *chunk = arena->chunks;

	while (chunk) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	*arena = arena_make(arena->limit);
}

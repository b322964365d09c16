/* SPDX-License-Identifier: Apache-2.0 */
#include "json_arena.h"

#include <cjson/cJSON.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define FIRST_BYTES (64u * 1024)
#define CHUNK_BYTES (256u * 1024)
#define ALIGN       alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t size;
	alignas(max_align_t) uint8_t bytes[];
};

/* The one piece of changing state that is nobody's: see the header. */
static _Thread_local struct json_arena {
	bool active;
	size_t used;          /* of the newest chunk, or of first */
	struct chunk *chunks; /* the newest first */
	alignas(max_align_t) uint8_t first[FIRST_BYTES];
} arena;

static void *chunk_add(size_t size)
{
	const size_t bytes = size > CHUNK_BYTES ? size : CHUNK_BYTES;
	struct chunk *chunk = malloc(sizeof *chunk + bytes);

	if (!chunk)
		return NULL;
	chunk->next = arena.chunks;
	chunk->size = bytes;
	arena.chunks = chunk;
	arena.used = size;
	return chunk->bytes;
}

static void *CJSON_CDECL arena_allocate(size_t size)
{
	const size_t rounded = (size + ALIGN - 1) & ~(ALIGN - 1);
	uint8_t *bytes = arena.chunks ? arena.chunks->bytes : arena.first;
	const size_t room = arena.chunks ? arena.chunks->size : FIRST_BYTES;

	if (!arena.active)
		return malloc(size);
	if (rounded < size)
		return NULL;
	if (rounded > room - arena.used)
		return chunk_add(rounded);
	arena.used += rounded;
	return bytes + arena.used - rounded;
}

static bool is_in(const uint8_t *at, const uint8_t *bytes, size_t size)
{
	return (uintptr_t)at >= (uintptr_t)bytes && (uintptr_t)at - (uintptr_t)bytes < size;
}

static bool is_ours(const void *at)
{
	if (is_in(at, arena.first, FIRST_BYTES))
		return true;
	for (const struct chunk *chunk = arena.chunks; chunk; chunk = chunk->next) {
		if (is_in(at, chunk->bytes, chunk->size))
			return true;
	}
	return false;
}

static void CJSON_CDECL arena_free(void *at)
{
	if (!arena.active || !is_ours(at))
		free(at);
}

void json_arena_install(void)
{
	cJSON_Hooks hooks = {arena_allocate, arena_free};

	cJSON_InitHooks(&hooks);
}

void json_arena_begin(void)
{
	arena.active = true;
}

void json_arena_end(struct cJSON *tree)
{
	if (!is_ours(tree))
		cJSON_Delete(tree);
	while (arena.chunks) {
		struct chunk *chunk = arena.chunks;

		arena.chunks = chunk->next;
		free(chunk);
	}
	arena.used = 0;
	arena.active = false;
}

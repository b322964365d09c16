/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_NOMEM_H
#define BINNACLE_TESTS_CACHE_NOMEM_H

/* Makes one allocation of the code under test fail. The program is linked with
 * --wrap for malloc, calloc and realloc; this header is for its one source. */

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

static unsigned nomem_left;

/* The nth allocation from now fails, once; 0: none. */
static inline void nomem_at(unsigned nth)
{
	nomem_left = nth;
}

static inline int nomem_now(void)
{
	return nomem_left && --nomem_left == 0;
}

void *__wrap_malloc(size_t size)
{
	return nomem_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return nomem_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
	return nomem_now() ? NULL : __real_realloc(ptr, size);
}

#endif

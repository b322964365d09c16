/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_WATCH_NOMEM_H
#define BINNACLE_TESTS_WATCH_NOMEM_H

/* Makes one allocation of the code under test fail: the program is linked with
 * --wrap for each function here. For the one source of such a program. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
char *__wrap_strdup(const char *text);

static unsigned nomem_left;

/* The nth allocation from now fails, once; 0: none. */
static inline void nomem_at(unsigned nth)
{
	nomem_left = nth;
}

static inline int nomem_now(void)
{
	if (!nomem_left || --nomem_left > 0)
		return 0;
	errno = ENOMEM;
	return 1;
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

char *__wrap_strdup(const char *text)
{
	return nomem_now() ? NULL : __real_strdup(text);
}

#endif

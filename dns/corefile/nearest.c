/* SPDX-License-Identifier: Apache-2.0 */
#include "corefile.h"

#include <string.h>

#define WORD_MAX 64

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Insertions, deletions, substitutions and swaps of neighbours that make b of a
 * (optimal string alignment), letter case ignored. Both are below WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *two = rows[0], *one = rows[1], *now = rows[2];
	size_t b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		now[j] = two[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t *spare = two;

		two = one;
		one = now;
		now = spare;
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t differs = lower(a[i - 1]) != lower(b[j - 1]);

			now[j] = least(least(one[j], now[j - 1]) + 1, one[j - 1] + differs);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
				lower(a[i - 2]) == lower(b[j - 1]))
				now[j] = least(now[j], two[j - 2] + 1);
		}
	}
	return now[b_len];
}

const char *corefile_nearest(const char *word, const char *const *list)
{
	size_t len = strlen(word);
	size_t limit = len <= 3 ? 1 : len < 9 ? 2 : len / 3;
	const char *best = NULL;

	if (len >= WORD_MAX)
		return NULL;
	for (; *list; list++) {
		size_t away = strlen(*list) < WORD_MAX ? distance(word, *list) : WORD_MAX;

		if (away > limit)
			continue;
		best = *list;
		if (away == 0)
			break;
		limit = away - 1; /* only a nearer one is better */
	}
	return best;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_GROWING_H
#define BINNACLE_WATCH_GROWING_H

/* Bytes that come one behind the other, for parts of a body that are not whole yet. What is
 * the most, its user knows. Zeroed is empty. One thread. */

#include <stddef.h>

struct growing {
	char *bytes;
	size_t used, size;
};

/* 0, or -ENOMEM and nothing has changed. */
int growing_add(struct growing *growing, const char *bytes, size_t len);
/* Empty; what was large is given back. */
void growing_clear(struct growing *growing);
void growing_free(struct growing *growing);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_FILE_H
#define BINNACLE_WATCH_FILE_H

/* A whole small file in memory. Opened by path each time, because mounted
 * Secrets, tokens and ConfigMaps are symlinks that the kubelet swaps. Any thread.
 */

#include <stddef.h>

/* The bytes and a NUL behind them, to be freed. Only regular files: a FIFO would
 * stop the loop. 0, or a negative errno with "cannot read PATH: why" in err;
 * -EFBIG above max bytes. */
int file_read(const char *path, size_t max, char **out, size_t *out_len, char *err, size_t err_len);

/* path, if it is relative, taken relative to the folder of the file `beside`.
 * NULL: out of memory. */
char *file_beside(const char *beside, const char *path);

#endif

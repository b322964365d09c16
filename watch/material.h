/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_MATERIAL_H
#define BINNACLE_WATCH_MATERIAL_H

/* One file of credentials (token, CA, client certificate or its key), read again
 * when it is due. A file that cannot be read, is empty or holds the wrong thing
 * leaves the last good content in use. Any thread; time comes from the caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum material_kind {
	MATERIAL_TOKEN, /* one line; white space around it is cut off */
	MATERIAL_CA,
	MATERIAL_CERT,
	MATERIAL_KEY
};

struct material {
	enum material_kind kind;
	char *path;  /* NULL: given inline, never read; or not given at all */
	char *bytes; /* NUL-terminated; NULL: none */
	size_t len;
	uint64_t due_ms;
	char warning[320]; /* why the last reading failed; "": it did not */
};

/* Both strings are copied and may be NULL. 0 or -ENOMEM. */
int material_init(struct material *material, enum material_kind kind, const char *path,
	const char *inline_bytes);
void material_clear(struct material *material);

/* Read the file if it is due, or forced. True if the content changed. */
bool material_refresh(struct material *material, uint64_t now_ms, bool force);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_TARGET_H
#define BINNACLE_WATCH_TARGET_H

/* The request targets of list and watch: path and query, escaped. The parameters
 * and which of them may stand together are the API server's rules ("Resource
 * versions" in the API concepts). Pure.
 */

#include <stdbool.h>
#include <stdint.h>

/* What a list may be answered with. */
enum list_from {
	LIST_CACHED, /* whatever the API server has in its cache (version 0) */
	LIST_KNOWN,  /* not older than a version that we have had */
	LIST_LATEST  /* the most recent state */
};

struct target {
	const char *path;
	const char *label_selectors[2]; /* both have to match; NULL or "": none */
	const char *field_selector;
};

/* All return a string to be freed; NULL: out of memory. */

/* unpaged: the whole list in one answer, which no expired page can break off. */
char *target_list(const struct target *target, enum list_from from, uint64_t version, bool unpaged);
char *target_page(const struct target *target, const char *continue_token);
char *target_watch(const struct target *target, uint64_t version, unsigned timeout_s);
/* A watch that begins with the current state, not older than version (0: the
 * most recent). */
char *target_stream_list(const struct target *target, uint64_t version, unsigned timeout_s);
/* The group version of a resource's path: what it has can be asked for there. */
char *target_discovery(const char *path);

#endif

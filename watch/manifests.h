/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_MANIFESTS_H
#define BINNACLE_WATCH_MANIFESTS_H

/* A session like a reflector's, fed from YAML and JSON files instead of an API
 * server. At every change on disk all files are read anew (manifest_set.h says
 * what they mean) and, if every one of them could be parsed, given to the sink as
 * one complete list per kind and one settle(). If one could not, the sink gets
 * WATCH_FILE_REFUSED and nothing else: what was there before stays. An object
 * that cannot be used is told with WATCH_OBJECT_REFUSED, the others go on.
 *
 * Changes are noticed by inotify and acted upon once the files have been quiet
 * for a moment; a look at their times every two seconds catches what inotify
 * cannot see (a symlink swapped higher up, a network file system). A file that is
 * written in place is best written elsewhere and renamed.
 *
 * Life: manifests_start() on the loop's thread, loop turns, manifests_close(). All
 * sink calls come from the loop, the first after the start has returned. The sets
 * read live only until the sink has them. manifests_stats() and
 * manifests_synced() may be called from any thread.
 */

#include "watch.h"

struct manifests;

struct manifests_timing {
	unsigned quiet_ms; /* without a change, before the files are read again */
	unsigned look_ms;  /* between two looks at the files' times */
	unsigned retry_ms; /* after the sink had no memory */
};

/* config: paths, kinds, the selectors and endpoint_* count. timing NULL: 50, 2000 and 5000 ms.
 * Everything is read once here: 0, or a negative errno with a message that names
 * the path and, for a file that does not parse, its line. The sink's ctx must
 * outlive the close callback. */
int manifests_start(struct uv_loop_s *loop, const struct watch_config *config,
	const struct sink *sink, const struct manifests_timing *timing, struct manifests **out,
	char *err, size_t err_len);

bool manifests_synced(const struct manifests *manifests);
/* objects: in the sink now; lists: readings that went to it; failures: readings
 * that were refused; refused: objects that were, each time they were read. */
void manifests_stats(
	const struct manifests *manifests, enum object_kind kind, struct watch_stats *out);

/* done (may be NULL) is called from the loop when all handles are closed. */
void manifests_close(struct manifests *manifests, void (*done)(void *user), void *user);

#endif

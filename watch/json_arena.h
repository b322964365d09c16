/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_JSON_ARENA_H
#define BINNACLE_WATCH_JSON_ARENA_H

/* Where the trees of cJSON live that are read once and dropped: objects of lists and
 * watches. A slice of 15 endpoints is some 500 small allocations, and to free them one by
 * one costs more than to parse the text.
 *
 * cJSON's hooks know no context, so that the arena is the thread's. What is allocated by
 * cJSON between begin and end comes from it, and must not live longer; what is freed and is
 * not from it, free() gets. Without json_arena_install() all of it is malloc()'s.
 */

struct cJSON;

/* Once per process, before the first thread. */
void json_arena_install(void);

/* Not nested. */
void json_arena_begin(void);
/* The tree (may be NULL) and all else is gone. What a large document took goes back to the
 * system. */
void json_arena_end(struct cJSON *tree);

#endif

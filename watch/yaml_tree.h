/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_YAML_TREE_H
#define BINNACLE_WATCH_YAML_TREE_H

/* YAML (and JSON, which is YAML) to cJSON trees that remember their lines. The
 * only user of libyaml. Scalars are typed as the API server's own clients type
 * them, which is YAML 1.1: quoted is a string; plain yes/no/on/off/y/n and
 * true/false are booleans; ~ and null are null; dates stay strings. Merge keys
 * (<<) are done. A key that appears twice is an error.
 *
 * Bounded: nesting, the number of anchors, and the bytes that aliases may copy,
 * so a small file cannot become a large tree. Any thread; no I/O.
 */

#include <stddef.h>

struct cJSON;

#define YAML_DEPTH_MAX   100
#define YAML_ANCHORS_MAX 1000
#define YAML_COPY_MAX    (16u << 20)

struct yaml_error {
	unsigned line, column; /* from 1; 0: unknown */
	char text[256];
};

/* Calls document for each document that is not empty; it owns the tree and stops
 * the reading by returning other than 0. 0; what document returned; -EINVAL (not
 * YAML, or beyond a bound) or -ENOMEM with error filled. */
int yaml_read(const char *text, size_t len, int (*document)(void *user, struct cJSON *tree),
	void *user, struct yaml_error *error);

/* Where a mapping, sequence or string of such a tree begins; 0: not known. */
unsigned yaml_line(const struct cJSON *node);

#endif

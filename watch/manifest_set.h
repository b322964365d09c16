/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_MANIFEST_SET_H
#define BINNACLE_WATCH_MANIFEST_SET_H

/* What a list of manifest files says, as one set of objects: all of it, or none
 * if one file cannot be read or parsed.
 *
 * Documents of other kinds are passed over; List objects are opened, nested ones
 * too. A namespaced object without a namespace is in "default". Of two objects of
 * the same kind, namespace and name the later one counts (files in the order of
 * the paths, in a folder by name) and the earlier one is among the refused.
 * Services without a cluster IP get one (clusterip.h), and Services with a selector
 * get the slices that a cluster would make (workloads.h), whether they are selected
 * or not, so that a label selector changes no address. Any thread.
 */

#include "decode.h"
#include "manifest_files.h"

struct cJSON;

struct manifest_object {
	struct object *object; /* NULL: not to be used */
	enum resource resource;
	const char *file; /* of files->paths */
	unsigned line;    /* 0: not known */
	bool hidden;      /* not selected */
	/* while it is read */
	size_t order;
	struct cJSON *tree;
	const char *workload; /* its kind: it stands for Pods, and is no object */
};

struct manifest_refused {
	enum object_kind kind;
	char *ns, *name; /* NULL: not readable */
	const char *file;
	unsigned line;
	char why[DECODE_WHY_MAX];
};

struct manifest_set {
	const struct manifest_files *files; /* borrowed */
	struct manifest_object *objects;
	size_t object_count;
	struct manifest_refused *refused;
	size_t refused_count;
};

struct manifest_error {
	const char *file; /* of files->paths */
	unsigned line;
	char text[384];
};

/* Which objects are wanted, and how they are read. selects NULL: all; it is asked
 * about each object with metadata.labels (NULL: none). */
struct manifest_filter {
	unsigned kinds;                   /* KIND_BITs */
	bool pod_names, zones, externals; /* of struct decode_options */
	bool (*selects)(void *user, enum object_kind kind, const struct cJSON *labels);
	void *user;
};

/* 0, or a negative errno with the error. */
int manifest_set_read(const struct manifest_files *files, const struct manifest_filter *filter,
	struct manifest_set *out, struct manifest_error *error);
/* Objects that were taken out (object NULL) are not freed. */
void manifest_set_clear(struct manifest_set *set);

#endif

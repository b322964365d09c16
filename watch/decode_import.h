/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DECODE_IMPORT_H
#define BINNACLE_WATCH_DECODE_IMPORT_H

/* The builder of ServiceImports (multicluster.x-k8s.io, KEP-1645), for decode.c's
 * table: from a whole object whose identity has been read. NULL and a verdict if
 * nothing comes of it. Any thread. */

#include "decode_pack.h"

struct object *import_build(struct decoder *d, const cJSON *tree, const struct identity *id);

#endif

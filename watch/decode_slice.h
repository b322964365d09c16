/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DECODE_SLICE_H
#define BINNACLE_WATCH_DECODE_SLICE_H

/* The builders of slices, for decode.c's table: from a whole EndpointSlice (either
 * version) or core Endpoints object whose identity has been read. NULL and a
 * verdict if nothing comes of it. Any thread. */

#include "decode_pack.h"

/* What the API server lets a name be: DNS-1123 subdomain. */
#define NAME_LENGTH_MAX 253

struct object *slice_build(struct decoder *d, const cJSON *tree, const struct identity *id);
/* A slice of an import: of the ServiceImport of its namespace that its label names. */
struct object *import_slice_build(struct decoder *d, const cJSON *tree, const struct identity *id);
struct object *endpoints_build(struct decoder *d, const cJSON *tree, const struct identity *id);

#endif

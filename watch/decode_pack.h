/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DECODE_PACK_H
#define BINNACLE_WATCH_DECODE_PACK_H

/* The one allocation of an object, for the decoders of the kinds: pack_start()
 * makes it when all sizes are known, pack_take() hands out its bytes one behind
 * the other, pack_finish() puts the names into what is left. Sections must be
 * taken in the order of their alignment: pointers, then bytes. Any thread.
 *
 *	service = pack_start(d, &pack, KIND_SERVICE, id, sizeof *service, 5);
 *	service->external_name = pack_text(&pack, "a.bc");
 *	pack_finish(&pack, &service->head, id);
 */

#include "json_tree.h"

/* metadata, as far as every kind needs it. */
struct identity {
	const char *ns, *name;
	uint64_t version;
};

struct pack {
	char *at;
};

/* The struct of `fixed` bytes (zeroed), `extra` bytes behind it, and room for the
 * names. NULL if the decoder has refused already, or has no memory now. */
struct object *pack_start(struct decoder *d, struct pack *pack, enum object_kind kind,
	const struct identity *id, size_t fixed, size_t extra);
void *pack_take(struct pack *pack, size_t len);
/* A copy. */
const char *pack_text(struct pack *pack, const char *text);
void pack_finish(struct pack *pack, struct object *object, const struct identity *id);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_pack.h"

#include <stdlib.h>
#include <string.h>

void *pack_take(struct pack *pack, size_t len)
{
	void *taken = pack->at;

	pack->at += len;
	return taken;
}

const char *pack_text(struct pack *pack, const char *text)
{
	const size_t len = strlen(text) + 1;

	return memcpy(pack_take(pack, len), text, len);
}

struct object *pack_start(struct decoder *d, struct pack *pack, enum object_kind kind,
	const struct identity *id, size_t fixed, size_t extra)
{
	struct object *object;
	size_t size;

	if (d->result != DECODE_OK)
		return NULL;
	size = fixed + extra + strlen(id->ns) + strlen(id->name) + 2;
	object = size > UINT32_MAX ? NULL : calloc(1, size);
	if (!object) {
		d->result = DECODE_NOMEM;
		return NULL;
	}
	object->kind = (uint8_t)kind;
	object->size = (uint32_t)size;
	object->version = id->version;
	pack->at = (char *)object + fixed;
	return object;
}

void pack_finish(struct pack *pack, struct object *object, const struct identity *id)
{
	object->ns = pack_text(pack, id->ns);
	object->name = pack_text(pack, id->name);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_PROTO_FRAMES_H
#define BINNACLE_WATCH_PROTO_FRAMES_H

/* Cuts a list or a watch in protobuf into the same frames as frames.c does with JSON, for it.
 *
 *	list	"k8s\0" Unknown{ typeMeta, raw: List{ metadata, items.. } }
 *	watch	length WatchEvent{ type, object{ raw: "k8s\0" Unknown{ typeMeta, raw } } }  ..
 *
 * The length has four bytes, the first one the highest. A message that lies whole in one
 * chunk is not copied; of all others one is held at a time, as much of it as has come.
 *
 * Owned by the frames; one thread, no I/O. */

#include "frames.h"

struct proto_message;

struct proto_frames {
	const struct proto_message *object; /* what the items and events are */
	unsigned parts;                     /* enum decode_part */
	enum frames_mode mode;
	size_t object_max;
	frame_fn *fn;
	void *user;

	uint8_t state, level;
	bool had_list;
	char kind[JSON_TEXT_MAX]; /* LIST: of the envelope */
	uint64_t left;            /* bytes of the list that have not come */
	uint64_t varint, number;
	unsigned varint_len;
	uint64_t need; /* bytes of the piece, or of what is passed over */
	uint8_t piece;
	struct growing buffer; /* the piece, if it is not in one chunk */
};

/* A body begins. object: proto_message_of() what is read. fn, user and object_max are set. */
void proto_frames_begin(struct proto_frames *frames, enum frames_mode mode,
	const struct proto_message *object, unsigned parts);
void proto_frames_free(struct proto_frames *frames);

/* As frames_feed(), but that an error does not stick. */
int proto_frames_feed(struct proto_frames *frames, const char *data, size_t len);
/* 0: the body may end here; else -ENODATA. */
int proto_frames_end(const struct proto_frames *frames);

#endif

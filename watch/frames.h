/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_FRAMES_H
#define BINNACLE_WATCH_FRAMES_H

/* Cuts the bytes of a list or of a watch into whole documents, however the network has split
 * them, and never holds more than one of them. In JSON:
 *
 *	FRAMES_LIST    {"kind":"ServiceList","metadata":{..},"items":[{..},{..}]}
 *	               gives META once (before, between or after the items; the
 *	               order of keys means nothing) and one ITEM each.
 *	FRAMES_STREAM  {"type":"ADDED","object":{..}}\n{"type":..    gives EVENTs.
 *
 * Anything else in them is passed over without being kept, and so are the members of
 * documents that the caller says nobody reads (json_value.h): managedFields alone is half
 * of the bytes of some objects.
 *
 * A document is checked only as far as is needed to find its end: what a frame
 * holds still has to be parsed. The layers around it are checked strictly, so
 * that an HTML page, binary data or text behind the end is -EBADMSG.
 *
 * The same in protobuf, once frames_protobuf() is called: proto_frames.h.
 *
 * One thread at a time; no I/O. The buffer grows with the largest document, up
 * to object_max, and shrinks after it.
 */

#include "document.h"
#include "json_value.h"

struct frames;

enum frames_mode { FRAMES_LIST, FRAMES_STREAM };

enum frame_type { FRAME_META, FRAME_ITEM, FRAME_EVENT };

#define FRAME_TEXT_MAX JSON_TEXT_MAX

/* The document lives during the call; it points into the fed bytes where it can. */
struct frame {
	enum frame_type type;
	const char *event; /* EVENT: its "type", cut to FRAME_TEXT_MAX - 1 bytes */
	struct document document;
};

#define FRAMES_OBJECT_MAX (16u << 20)
#define FRAMES_DEPTH_MAX  256u

struct frames_limits {
	size_t object_max;  /* bytes of one document as they came */
	unsigned depth_max; /* nesting of one document, in JSON */
};

/* Other than 0 stops the feeding; frames_feed() returns it. It must not call
 * frames_feed, frames_reset or frames_free. */
typedef int frame_fn(void *user, const struct frame *frame);

/* limits NULL: the values above. NULL: out of memory. */
struct frames *frames_new(
	enum frames_mode mode, const struct frames_limits *limits, frame_fn *fn, void *user);
void frames_free(struct frames *frames);

/* Ready for another body; the buffer is kept. unread: NULL (as after frames_new), or a table that
 * must not change before the next reset. */
void frames_reset(struct frames *frames, enum frames_mode mode, const struct json_member *unread);

/* Between a reset and the first byte: the body is protobuf, its objects are such messages, of
 * which `parts` (enum decode_part) are read. */
void frames_protobuf(struct frames *frames, const struct proto_message *object, unsigned parts);

/* 0; what fn returned; -EMSGSIZE (a document above object_max), -EBADMSG (not what
 * the mode expects) or -ENOMEM. After an error every further call returns it,
 * until frames_reset(). */
int frames_feed(struct frames *frames, const char *data, size_t len);

/* At the end of the body: 0 if it was whole (LIST: one object to its last brace;
 * STREAM: nothing half), else -ENODATA or the earlier error. */
int frames_end(const struct frames *frames);

/* LIST: the list's "kind"; "" as long as it has not come. */
const char *frames_kind(const struct frames *frames);

#endif

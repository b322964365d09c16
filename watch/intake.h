/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_INTAKE_H
#define BINNACLE_WATCH_INTAKE_H

/* From the body of a list or a watch to the sink: frames, decoding, the order of
 * begin_replace, upsert, remove and end_replace, and the last resource version.
 * Says how a body has gone (enum outcome); what to do then is the reflector's.
 *
 * An object that cannot be used, or says nothing to DNS, is taken out of the
 * sink, because what the sink has of it is not true any more: in a list by not
 * being told, in a stream by a remove. Everything else goes on.
 *
 * Owned by one reflector; one thread, but intake's counters may be read from any.
 */

#include "decode_unread.h"
#include "frames.h"
#include "reflector_step.h"
#include "sink.h"
#include "trigger.h"

#include <stdatomic.h>

enum intake_mode { INTAKE_LIST, INTAKE_STREAM_LIST, INTAKE_WATCH };

struct intake_counters {
	_Atomic uint64_t objects, version, bookmarks, events, refused;
};

struct intake {
	const struct sink *sink;
	const char *source; /* for messages */
	enum resource resource;
	struct decode_options options;
	struct frames *frames;
	struct json_member unread[DECODE_UNREAD_MAX]; /* of this body's resource */

	uint64_t version; /* what the sink stands at; 0: nothing known */
	enum intake_mode mode;
	bool latest;  /* this list is the most recent state: its version counts */
	bool stopped; /* set from outside: take nothing in any more */
	bool replacing;
	bool changed;    /* the sink has something to settle */
	bool completed;  /* a list has become complete; the reader clears it */
	bool bookmarked; /* this stream has sent a bookmark */
	bool identified; /* this page's metadata has come */
	bool protobuf;   /* this body is no JSON */
	uint64_t stream_events;
	uint64_t count;        /* objects told since begin_replace */
	uint64_t page_version; /* of this page's metadata */
	char *continue_token;  /* NULL: the last page */
	int64_t triggered_ns;  /* of the last slice that was read; where options say */
	struct triggers triggers;
	bool counted; /* tell WATCH_TRIGGERED and WATCH_PUBLISHED */
	enum outcome verdict;
	struct decode_meta status; /* of an ERROR event */
	char why[DECODE_WHY_MAX];  /* of CORRUPT */
	struct intake_counters counters;
};

/* A single writer's increment, visible to any reader. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t by)
{
	const uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, now + by, memory_order_relaxed);
}

/* intake is zeroed but for sink, source, resource and options. limits may be NULL. counted: tell
 * WATCH_TRIGGERED and WATCH_PUBLISHED. 0 or -ENOMEM. */
int intake_init(struct intake *intake, const struct frames_limits *limits, bool counted);
void intake_free(struct intake *intake);

/* A body begins. A LIST after a page that was not the last goes on with it; every
 * other body begins anew, and aborts a list that is still under way. */
void intake_begin(struct intake *intake, enum intake_mode mode, bool latest);

/* The body's content type, before its first byte; JSON where nothing is said. */
void intake_head(struct intake *intake, const char *content_type);

/* NONE: go on. The sink is settled. */
enum outcome intake_bytes(struct intake *intake, const char *data, size_t len);

/* The body has ended cleanly, says the transport. */
enum outcome intake_end(struct intake *intake);

/* There are no objects, because there is no such resource: a complete list of none. */
void intake_none(struct intake *intake);

/* The list under way, if there is one, has failed. */
void intake_abort(struct intake *intake);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The way through the states. Any call may end in BACKOFF, from where it is made
 * again; CLOSED can be entered from everywhere.
 *
 *	  (endpoints only)
 *	+----------+  found   +-------------+  initial events end
 *	| DISCOVER |--------->| STREAM_LIST |-----------------------+
 *	+----------+          +-------------+                       |
 *	     ^                   |       ^ expired, corrupt, ...    |
 *	     | 404               | not   |                          v
 *	     |                   | to be |    ended: from the  +---------+
 *	     |                   | had   +---------------------|  WATCH  |<-+
 *	     |                   v            last version     +---------+  |
 *	     |                +------+                           ^     |    |
 *	     +----------------| LIST |---------------------------+     +----+
 *	                      +------+<-+        whole              clean end
 *	                          |     | next page
 *	                          +-----+
 *
 * What is never done: a list because the connection was lost (the watch goes on
 * from its last version; only a 410 or a corrupt event makes a new list), or a
 * second call without a pause after the same failure. */

#include "reflector_step.h"

#include <stddef.h>

/* Without `again`, the same is done each time; a step that goes on at once and
 * is not a success must have one. */
struct rule {
	enum reflector_state state;
	enum outcome outcome;
	struct step first;
	const struct step *again;
};

#define AGAIN(...) (&(const struct step){__VA_ARGS__})

static const struct rule rules[] = {
	/* ---- DISCOVER ---- */
	{REFLECTOR_DISCOVER, OUTCOME_WHOLE, {.go = GO_SYNC, .quiet = true}, NULL},
	/* 404: the next older API; the oldest is taken for granted */
	{REFLECTOR_DISCOVER, OUTCOME_MISSING, {.go = GO_DISCOVER, .quiet = true}, NULL},
	{REFLECTOR_DISCOVER, OUTCOME_UNREACHABLE, {.go = GO_DISCOVER, .quiet = true}, NULL},
	{REFLECTOR_DISCOVER, OUTCOME_BROKEN, {.go = GO_DISCOVER, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_DISCOVER, OUTCOME_CORRUPT, {.go = GO_DISCOVER, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_DISCOVER, OUTCOME_NO_MEMORY, {.go = GO_DISCOVER, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_DISCOVER, OUTCOME_BAD_REQUEST, {.go = GO_DISCOVER, .pause = PAUSE_BACKOFF},
		NULL},
	/* 401, 403, 5xx say nothing about which APIs there are: ask again */
	{REFLECTOR_DISCOVER, OUTCOME_THROTTLED, {.go = GO_DISCOVER, .pause = PAUSE_NAMED}, NULL},
	{REFLECTOR_DISCOVER, OUTCOME_SERVER, {.go = GO_DISCOVER, .pause = PAUSE_NAMED}, NULL},
	{REFLECTOR_DISCOVER, OUTCOME_UNAUTHORIZED, {.go = GO_DISCOVER, .quiet = true},
		AGAIN(.go = GO_DISCOVER, .pause = PAUSE_REFUSED)},
	{REFLECTOR_DISCOVER, OUTCOME_FORBIDDEN, {.go = GO_DISCOVER, .pause = PAUSE_REFUSED}, NULL},

	/* ---- LIST ---- */
	{REFLECTOR_LIST, OUTCOME_WHOLE, {.go = GO_WATCH, .quiet = true}, NULL},
	{REFLECTOR_LIST, OUTCOME_PAGE, {.go = GO_PAGE, .quiet = true}, NULL},
	{REFLECTOR_LIST, OUTCOME_UNREACHABLE, {.go = GO_LIST, .quiet = true}, NULL},
	{REFLECTOR_LIST, OUTCOME_BROKEN, {.go = GO_LIST, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_LIST, OUTCOME_CORRUPT, {.go = GO_LIST, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_LIST, OUTCOME_NO_MEMORY, {.go = GO_LIST, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_LIST, OUTCOME_PAGE_EXPIRED, {.go = GO_LIST, .unpaged = true, .quiet = true},
		AGAIN(.go = GO_LIST, .pause = PAUSE_BACKOFF, .from = FROM_LATEST, .unpaged = true)},
	{REFLECTOR_LIST, OUTCOME_EXPIRED, {.go = GO_LIST, .from = FROM_LATEST, .quiet = true},
		AGAIN(.go = GO_LIST, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_LIST, OUTCOME_TOO_LARGE, {.go = GO_LIST, .from = FROM_LATEST, .quiet = true},
		AGAIN(.go = GO_LIST, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_LIST, OUTCOME_BACKWARDS, {.go = GO_LIST, .from = FROM_LATEST, .quiet = true},
		AGAIN(.go = GO_LIST, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_LIST, OUTCOME_THROTTLED, {.go = GO_LIST, .pause = PAUSE_NAMED}, NULL},
	{REFLECTOR_LIST, OUTCOME_SERVER, {.go = GO_LIST, .pause = PAUSE_NAMED}, NULL},
	{REFLECTOR_LIST, OUTCOME_UNAUTHORIZED, {.go = GO_LIST, .quiet = true},
		AGAIN(.go = GO_LIST, .pause = PAUSE_REFUSED)},
	/* a streamed list needs the verb watch only */
	{REFLECTOR_LIST, OUTCOME_FORBIDDEN, {.go = GO_SYNC, .pause = PAUSE_REFUSED}, NULL},
	{REFLECTOR_LIST, OUTCOME_MISSING, {.go = GO_DISCOVER},
		AGAIN(.go = GO_DISCOVER, .pause = PAUSE_POLL)},
	{REFLECTOR_LIST, OUTCOME_BAD_REQUEST,
		{.go = GO_LIST, .pause = PAUSE_BACKOFF, .from = FROM_LATEST}, NULL},

	/* ---- STREAM_LIST: what fails here is tried as a list, quietly ---- */
	{REFLECTOR_STREAM_LIST, OUTCOME_WHOLE, {.go = GO_ATTACH, .quiet = true}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_ENDED, {.go = GO_LIST, .unsupported = true, .quiet = true},
		NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_SHORT, {.go = GO_LIST, .unsupported = true, .quiet = true},
		NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_STALLED,
		{.go = GO_LIST, .unsupported = true, .quiet = true}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_BAD_REQUEST,
		{.go = GO_LIST, .unsupported = true, .quiet = true}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_INTERNAL,
		{.go = GO_LIST, .unsupported = true, .quiet = true}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_ERROR, {.go = GO_LIST, .unsupported = true, .quiet = true},
		NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_FORBIDDEN, {.go = GO_LIST, .quiet = true}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_UNREACHABLE, {.go = GO_SYNC, .quiet = true}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_BROKEN, {.go = GO_SYNC, .pause = PAUSE_BACKOFF},
		AGAIN(.go = GO_LIST, .pause = PAUSE_BACKOFF)},
	{REFLECTOR_STREAM_LIST, OUTCOME_CORRUPT, {.go = GO_LIST, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_NO_MEMORY, {.go = GO_LIST, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_EXPIRED,
		{.go = GO_SYNC, .from = FROM_LATEST, .quiet = true},
		AGAIN(.go = GO_LIST, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_STREAM_LIST, OUTCOME_TOO_LARGE,
		{.go = GO_SYNC, .from = FROM_LATEST, .quiet = true},
		AGAIN(.go = GO_LIST, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_STREAM_LIST, OUTCOME_BACKWARDS,
		{.go = GO_SYNC, .from = FROM_LATEST, .quiet = true},
		AGAIN(.go = GO_LIST, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_STREAM_LIST, OUTCOME_THROTTLED, {.go = GO_SYNC, .pause = PAUSE_NAMED}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_SERVER, {.go = GO_LIST, .pause = PAUSE_NAMED}, NULL},
	{REFLECTOR_STREAM_LIST, OUTCOME_UNAUTHORIZED, {.go = GO_SYNC, .quiet = true},
		AGAIN(.go = GO_SYNC, .pause = PAUSE_REFUSED)},
	{REFLECTOR_STREAM_LIST, OUTCOME_MISSING, {.go = GO_DISCOVER},
		AGAIN(.go = GO_DISCOVER, .pause = PAUSE_POLL)},

	/* ---- WATCH ---- */
	{REFLECTOR_WATCH, OUTCOME_ENDED, {.go = GO_WATCH, .quiet = true}, NULL},
	{REFLECTOR_WATCH, OUTCOME_UNREACHABLE, {.go = GO_WATCH, .quiet = true}, NULL},
	{REFLECTOR_WATCH, OUTCOME_SHORT, {.go = GO_WATCH, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_WATCH, OUTCOME_BROKEN, {.go = GO_WATCH, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_WATCH, OUTCOME_STALLED, {.go = GO_WATCH, .pause = PAUSE_BACKOFF}, NULL},
	{REFLECTOR_WATCH, OUTCOME_EXPIRED, {.go = GO_SYNC, .from = FROM_KNOWN, .quiet = true},
		AGAIN(.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_WATCH, OUTCOME_TOO_LARGE, {.go = GO_SYNC, .from = FROM_LATEST, .quiet = true},
		AGAIN(.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_WATCH, OUTCOME_BACKWARDS, {.go = GO_SYNC, .from = FROM_LATEST, .quiet = true},
		AGAIN(.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_LATEST)},
	{REFLECTOR_WATCH, OUTCOME_THROTTLED, {.go = GO_WATCH, .pause = PAUSE_NAMED}, NULL},
	{REFLECTOR_WATCH, OUTCOME_SERVER, {.go = GO_WATCH, .pause = PAUSE_NAMED}, NULL},
	{REFLECTOR_WATCH, OUTCOME_UNAUTHORIZED, {.go = GO_WATCH, .quiet = true},
		AGAIN(.go = GO_WATCH, .pause = PAUSE_REFUSED)},
	{REFLECTOR_WATCH, OUTCOME_FORBIDDEN, {.go = GO_WATCH, .pause = PAUSE_REFUSED}, NULL},
	{REFLECTOR_WATCH, OUTCOME_MISSING, {.go = GO_DISCOVER, .from = FROM_KNOWN},
		AGAIN(.go = GO_DISCOVER, .pause = PAUSE_POLL, .from = FROM_KNOWN)},
	{REFLECTOR_WATCH, OUTCOME_BAD_REQUEST,
		{.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_LATEST}, NULL},
	{REFLECTOR_WATCH, OUTCOME_INTERNAL, {.go = GO_WATCH, .pause = PAUSE_BACKOFF},
		AGAIN(.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_KNOWN)},
	/* the events that follow are lost: only a list can tell */
	{REFLECTOR_WATCH, OUTCOME_ERROR,
		{.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_KNOWN}, NULL},
	{REFLECTOR_WATCH, OUTCOME_CORRUPT,
		{.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_KNOWN}, NULL},
	{REFLECTOR_WATCH, OUTCOME_NO_MEMORY,
		{.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_KNOWN}, NULL},
};

struct step reflector_step(enum reflector_state state, enum outcome outcome, bool again)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		const struct rule *rule = &rules[i];

		if (rule->state == state && rule->outcome == outcome)
			return again && rule->again ? *rule->again : rule->first;
	}
	/* It cannot happen here: begin anew, in no hurry. */
	return (struct step){.go = GO_SYNC, .pause = PAUSE_BACKOFF, .from = FROM_LATEST};
}

const char *step_verb(enum reflector_state state)
{
	switch (state) {
	case REFLECTOR_DISCOVER:
		return "get";
	case REFLECTOR_LIST:
		return "list";
	default:
		return "watch";
	}
}

const char *outcome_text(enum outcome outcome)
{
	static const char *const texts[OUTCOMES] = {
		[OUTCOME_ENDED] = "the stream ended",
		[OUTCOME_SHORT] = "the watch ended at once, without an event",
		[OUTCOME_BROKEN] = "the connection broke",
		[OUTCOME_STALLED] = "nothing comes from the API server any more",
		[OUTCOME_EXPIRED] = "the resource version was too old",
		[OUTCOME_PAGE_EXPIRED] = "the list's pages expired",
		[OUTCOME_TOO_LARGE] = "the API server does not know the resource version yet",
		[OUTCOME_BACKWARDS] = "the API server's resource versions have gone back",
		[OUTCOME_THROTTLED] = "too many requests",
		[OUTCOME_UNAUTHORIZED] = "unauthorized",
		[OUTCOME_FORBIDDEN] = "forbidden",
		[OUTCOME_MISSING] = "the API was missing",
		[OUTCOME_BAD_REQUEST] = "the request was refused",
		[OUTCOME_SERVER] = "the API server failed",
		[OUTCOME_INTERNAL] = "the API server reported an internal error in the watch",
		[OUTCOME_ERROR] = "the API server reported an error in the watch",
		[OUTCOME_CORRUPT] = "an answer could not be read",
		[OUTCOME_NO_MEMORY] = "out of memory",
	};
	const char *text = (unsigned)outcome < OUTCOMES ? texts[outcome] : NULL;

	return text ? text : "no reason given";
}

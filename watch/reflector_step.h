/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_REFLECTOR_STEP_H
#define BINNACLE_WATCH_REFLECTOR_STEP_H

/* The decisions of a reflector: what an outcome means in a state. A table and
 * nothing else; reflector.c carries them out. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

enum reflector_state {
	REFLECTOR_DISCOVER,    /* asks which endpoints API there is */
	REFLECTOR_LIST,        /* a list, page after page */
	REFLECTOR_STREAM_LIST, /* a watch that begins with the current state (WatchList) */
	REFLECTOR_WATCH,
	REFLECTOR_BACKOFF, /* no call; a timer runs */
	REFLECTOR_CLOSED,
	REFLECTOR_STATES
};

/* How a call has gone. HTTP statuses and ERROR events of a stream are one. */
enum outcome {
	OUTCOME_NONE,   /* not over yet */
	OUTCOME_WHOLE,  /* the complete list is in; the API is found */
	OUTCOME_PAGE,   /* a page is in, there are more */
	OUTCOME_ENDED,  /* the stream ended cleanly */
	OUTCOME_SHORT,  /* ... in less than a second and without an event */
	OUTCOME_BROKEN, /* cut, truncated, timed out; TLS, credentials, memory */
	OUTCOME_UNREACHABLE,
	OUTCOME_STALLED,      /* a stream from which nothing comes any more */
	OUTCOME_EXPIRED,      /* 410 */
	OUTCOME_PAGE_EXPIRED, /* 410 for a continue token */
	OUTCOME_TOO_LARGE,    /* the server does not know so new a version */
	OUTCOME_BACKWARDS,    /* a version older than ours: the server's past is another */
	OUTCOME_THROTTLED,    /* 429 */
	OUTCOME_UNAUTHORIZED, /* 401 */
	OUTCOME_FORBIDDEN,    /* 403 */
	OUTCOME_MISSING,      /* 404 */
	OUTCOME_BAD_REQUEST,  /* 400, 422 and all other 4xx */
	OUTCOME_SERVER,       /* 5xx, and statuses that make no sense */
	OUTCOME_INTERNAL,     /* an ERROR event with 500 */
	OUTCOME_ERROR,        /* any other ERROR event */
	OUTCOME_CORRUPT,      /* a body that is not what it should be */
	OUTCOME_NO_MEMORY,    /* an object could not be taken in */
	OUTCOMES
};

enum step_go {
	GO_DISCOVER, /* if the kind has several APIs, else as GO_SYNC */
	GO_SYNC,     /* a streamed list, or a list where that is not to be had */
	GO_LIST,
	GO_PAGE, /* the next page of this list */
	GO_WATCH,
	GO_ATTACH /* go on with this call as a watch */
};

enum step_pause {
	PAUSE_NONE,
	PAUSE_BACKOFF,
	PAUSE_NAMED,   /* as long as the server said, else as BACKOFF */
	PAUSE_REFUSED, /* as BACKOFF, near its cap when repeated */
	PAUSE_POLL     /* for an API that may be installed one day */
};

/* From which version on the next list is to be. */
enum step_from { FROM_SAME, FROM_KNOWN, FROM_LATEST };

struct step {
	enum step_go go;
	enum step_pause pause;
	enum step_from from;
	bool unpaged;     /* the next list in one piece */
	bool unsupported; /* no streamed lists for an hour */
	bool quiet;       /* nothing that anybody has to be told */
};

/* again: the same outcome as the last time in this state, with no success since. */
struct step reflector_step(enum reflector_state state, enum outcome outcome, bool again);

/* What a call in this state asks for, as RBAC has it: "get", "list", "watch". */
const char *step_verb(enum reflector_state state);

/* In words, for "listed again: ..." and for outcomes that carry no text. */
const char *outcome_text(enum outcome outcome);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_REFLECTOR_H
#define BINNACLE_WATCH_REFLECTOR_H

/* One kind, kept in step with the API server: a complete list, then a watch from
 * its version, for ever. What is decided where:
 *
 *	reflector_step  what an outcome means (diagram and transition table)
 *	reflector       carries it out: calls, timers, messages
 *	intake          what comes in goes to the sink
 *
 * One thread, the transport's; reflector_stats() from any. Sink and transport
 * are called from there, and may close the reflector from inside a call.
 *
 * It does not tell WATCH_UNREACHABLE and WATCH_REACHABLE (they are the
 * transport's, which all reflectors share), but has to be told of the latter.
 */

#include "decode.h"
#include "frames.h"
#include "sink.h"
#include "transport.h"
#include "watch.h"

struct reflector;

/* Strings are copied. */
struct reflector_config {
	enum object_kind kind;
	const char *label_selector;         /* NULL or "": none; already checked */
	struct decode_options options;      /* how its objects are read; no triggered_ns */
	bool counted;                       /* tell WATCH_TRIGGERED and WATCH_PUBLISHED */
	const char *source;                 /* for messages; NULL: none */
	const struct frames_limits *limits; /* NULL: the usual ones */
};

/* transport must outlive it, sink's ctx too; the sink struct is copied. Nothing
 * happens before reflector_start(). 0 or -ENOMEM. */
int reflector_new(struct transport *transport, const struct sink *sink,
	const struct reflector_config *config, struct reflector **out);

/* Once. Failures from here on are told to the sink and cured by the reflector. */
void reflector_start(struct reflector *reflector);

/* The API server can be reached again: a wait that is not the server's own wish
 * is over. */
void reflector_reachable(struct reflector *reflector);

/* Cancels everything. The sink is not called any more: a list under way is neither
 * ended nor aborted. The memory is gone on return, or, when called from inside a
 * call of the reflector's, as soon as that returns. NULL is allowed. */
void reflector_close(struct reflector *reflector);

/* state, counters, version, ...; of objects the number in the last complete list
 * with the additions and deletes since (the sink knows it exactly). */
void reflector_stats(const struct reflector *reflector, struct watch_stats *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_SINK_H
#define BINNACLE_WATCH_SINK_H

/* What a watch needs from whoever keeps the objects.
 *
 * All calls come from the control loop's thread. A complete list is told as
 *
 *	begin_replace(kind)  upsert(kind)*  end_replace(kind, version)
 *
 * and whatever was there before and was not upserted in between is gone: the
 * store marks and sweeps, there is never a second copy. remove() may come
 * between the two as well (a streamed list carries live events). A list that
 * breaks off is told by abort_replace(kind): nothing is swept then, and what
 * was upserted meanwhile stays (it is newer than what it replaced).
 *
 * Before the first end_replace of a kind nothing of that kind is complete.
 *
 * settle() ends a burst: every change told so far should be visible to readers
 * when it returns. It comes after each batch of bytes that the network gave,
 * and after end_replace.
 */

#include "object.h"

enum watch_event_type {
	WATCH_SYNCED,         /* a kind's first complete list is in */
	WATCH_RELISTED,       /* a later complete list is in; detail: why it was needed */
	WATCH_UNREACHABLE,    /* no TCP connection to the API server; once per outage */
	WATCH_REACHABLE,      /* ... and it is over */
	WATCH_TLS_FAILED,     /* detail: the TLS library's reason */
	WATCH_UNAUTHORIZED,   /* 401 */
	WATCH_FORBIDDEN,      /* 403; verb and kind say what RBAC must grant */
	WATCH_FAILED,         /* any other failed list or watch; status, detail */
	WATCH_API_MISSING,    /* 404 on the collection; of a resource that may be missing
				 (ServiceImports) it is told once, and the kind is complete */
	WATCH_OBJECT_REFUSED, /* one object could not be used; ns, name, detail */
	WATCH_CREDENTIALS,    /* token, CA, exec plugin: could not be read; detail */
	WATCH_FILE_REFUSED,   /* manifests: file, line, detail; the old set stays */
	WATCH_FILES_LOADED,   /* manifests: read again after a change, or at start */
	/* Those of watch_config.counted, for whoever counts: */
	WATCH_TRIGGERED, /* a watch told of endpoints, and it is settled; ns and name are the
			    Service's, time_ns when they changed (CLOCK_REALTIME) */
	WATCH_PUBLISHED, /* what a watch told is in the sink, and it is settled; time_ns is how
			    long that took from its bytes on */
	WATCH_ANSWERED   /* the API server's answer to a request begins (status), or there is
			    none (status 0); time_ns is how long that took */
};

/* Strings live only during the call and may be NULL where they do not apply.
 * detail may hold bytes from outside: escape before printing. */
struct watch_event {
	enum watch_event_type type;
	enum object_kind kind;
	const char *verb;   /* "list" or "watch" */
	const char *source; /* the API server's URL, or the manifest path */
	const char *detail;
	const char *ns, *name;
	const char *file;
	unsigned line;
	int status; /* HTTP status, 0: none */
	int64_t time_ns;
	unsigned repeats; /* how often the same was told before without a change */
};

struct sink {
	void *ctx;
	void (*begin_replace)(void *ctx, enum object_kind kind);
	/* Takes the object, whatever it returns: 0 or -ENOMEM (the watch then
	 * lists again after a backoff). */
	int (*upsert)(void *ctx, struct object *object);
	/* version: the resource version of the delete, 0: none. */
	void (*remove)(void *ctx, enum object_kind kind, const char *ns, const char *name,
		uint64_t version);
	void (*end_replace)(void *ctx, enum object_kind kind, uint64_t version);
	void (*abort_replace)(void *ctx, enum object_kind kind);
	void (*settle)(void *ctx);
	void (*event)(void *ctx, const struct watch_event *event);
};

#endif

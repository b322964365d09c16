/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_TRANSPORT_H
#define BINNACLE_WATCH_TRANSPORT_H

/* What a reflector needs from the world: one HTTP GET at a time, one timer,
 * the time, and randomness. api.c implements it over libcurl and libuv; the
 * tests implement it in virtual time.
 *
 * Everything happens on one thread. No callback is ever made from inside
 * get(), cancel() or timer_set().
 *
 * An API server that cannot be reached is the transport's business: it reports
 * TRANSPORT_UNREACHABLE once per call, and a call made while the server is
 * known to be away is held until one TCP connect has succeeded (about one
 * attempt a second for the whole process, with jitter). A reflector therefore
 * simply asks again, without a backoff of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transport_result {
	TRANSPORT_DONE,        /* the whole body came */
	TRANSPORT_UNREACHABLE, /* no TCP connection */
	TRANSPORT_TLS,         /* handshake or certificate refused */
	TRANSPORT_BROKEN,      /* cut in the middle: RST, FIN, truncation */
	TRANSPORT_TIMEOUT,     /* the call's own limit, or silent for too long */
	TRANSPORT_CREDENTIALS, /* token, CA or exec plugin unusable; nothing was sent */
	TRANSPORT_LOCAL        /* out of memory, descriptors, a libcurl error */
};

struct transport_request {
	const char *target;     /* path and query, escaped: "/api/v1/services?limit=500" */
	unsigned timeout_ms;    /* limit for the whole call */
	unsigned silence_ms;    /* limit between two bytes once one has come; 0: none */
	bool protobuf;          /* may be answered with, instead of JSON */
	bool compressed;        /* gzip may be asked for (a list, never a watch) */
	bool fresh_credentials; /* re-read token and client certificate first (after a 401) */
};

struct transport_head {
	int status;               /* HTTP status */
	int retry_after_s;        /* Retry-After in seconds; -1: absent */
	const char *content_type; /* "" if absent; lives during the callback */
};

/* head comes once before the first bytes, bytes any number of times, done
 * exactly once and last, unless the call is cancelled. */
struct transport_handler {
	void (*head)(void *user, const struct transport_head *head);
	/* false: stop the transfer; no further callback for this call. */
	bool (*bytes)(void *user, const char *data, size_t len);
	void (*done)(void *user, enum transport_result result, const char *detail);
};

struct transport_call; /* owned by the transport; dead after done, or after cancel,
			* or after bytes returned false */
struct transport_timer;

struct transport {
	/* NULL: out of memory (nothing will be called). */
	struct transport_call *(*get)(struct transport *self,
		const struct transport_request *request, const struct transport_handler *handler,
		void *user);
	void (*cancel)(struct transport *self, struct transport_call *call);
	/* A timer is made once per reflector; set replaces, ms 0 fires on the next turn. */
	struct transport_timer *(*timer_new)(
		struct transport *self, void (*fire)(void *user), void *user);
	void (*timer_set)(struct transport *self, struct transport_timer *timer, uint64_t ms);
	void (*timer_stop)(struct transport *self, struct transport_timer *timer);
	void (*timer_free)(struct transport *self, struct transport_timer *timer);
	uint64_t (*now_ms)(struct transport *self); /* monotonic */
	uint32_t (*random)(struct transport *self);
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_API_H
#define BINNACLE_WATCH_API_H

/* The transport of a session: access says where and as whom, http goes there.
 * All reflectors of the session share one.
 *
 * The gate. When a call finds no TCP connection (refused, black-holed, or the
 * API server's name does not resolve), the gate closes: WATCH_UNREACHABLE is
 * told, and calls made from then on are held. One prober for the whole session
 * connects once a second, with jitter, and gives each attempt up when the next
 * is due; through a proxy it is the proxy that counts. The first TCP connection
 * opens the gate: WATCH_REACHABLE is told and all held calls go out at once.
 * Sessions that know of each other (api_join) and wait for the same server have
 * one prober among them, and its success opens the gate of each.
 *
 * Credentials go to an http:// address only if it is a loopback one; elsewhere
 * such a call ends with TRANSPORT_CREDENTIALS.
 *
 * One thread, the loop's. Everything asynchronous in the sense of transport.h.
 */

#include "access.h"
#include "http.h"
#include "sink.h"
#include "transport.h"
#include "watch.h"

struct api;

struct api_limits {
	struct http_limits http;
	unsigned probe_ms;
};

/* access is borrowed and must outlive the close callback. event gets
 * WATCH_UNREACHABLE, WATCH_REACHABLE and WATCH_CREDENTIALS (what access warns of,
 * once per change), always from the loop. limits NULL: the usual ones. */
int api_open(struct uv_loop_s *loop, struct access *access, const char *user_agent,
	const struct api_limits *limits, void (*event)(void *user, const struct watch_event *event),
	void *user, struct api **out);

struct transport *api_transport(struct api *api);

/* From now on event gets WATCH_ANSWERED too, once for each call that went out. */
void api_tell_answers(struct api *api);

/* Share the prober with the others of the list; until api_close(). */
void api_join(struct api *api, struct watch_peers *peers);

/* Ends every call without a callback. All timers must have been freed. done comes
 * from the loop when all handles are closed and the memory is gone. */
void api_close(struct api *api, void (*done)(void *user), void *user);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_TRANSFER_H
#define BINNACLE_DNS_PLUGIN_TRANSFER_H

/* What the files of the `transfer` plugin share: the rules of its lines
 * (transfer_options.c), copies of zones and the streams that send them
 * (transfer_copies.c), NOTIFY (transfer_notify.c), and the instance that joins them
 * (transfer.c). */

#include "dns/corefile/value.h"
#include "dns/serve/plugin.h"

/* ---- rules ---- */

struct transfer_peer {
	struct value_prefix prefix;
	uint16_t notify_port; /* 0: it is told of no change */
};

/* One line: who may have which zones. */
struct transfer_rule {
	struct name *zones;
	size_t zone_count;
	struct transfer_peer *peers;
	size_t peer_count;
	bool anybody;
};

struct transfer_rules {
	struct transfer_rule *list;
	size_t count;
};

/* 0 or negative with err. */
int transfer_rules_read(
	const struct plugin_site *site, struct transfer_rules *out, char err[COREFILE_ERROR_MAX]);
void transfer_rules_free(struct transfer_rules *rules);

/* The rule whose zone is the longest that the name is in; NULL: none. */
const struct transfer_rule *transfer_rules_find(
	const struct transfer_rules *rules, const struct query *query);
const struct transfer_rule *transfer_rules_find_name(
	const struct transfer_rules *rules, const struct name *name);
bool transfer_rule_allows(const struct transfer_rule *rule, const struct sockaddr *peer);

/* ---- zones ---- */

/* One zone of a plugin. */
struct transfer_origin {
	const struct transfer_source *source;
	void *instance; /* the plugin's */
	size_t zone;    /* its number there */
};

#define TRANSFER_PEER_TEXT 64

/* ---- copies ---- */

struct copies;

/* Limits; 0: the default. */
struct copies_limits {
	unsigned streams;   /* at once, 32 */
	size_t bytes;       /* of all copies, 128 MiB */
	unsigned linger_ms; /* how long a copy is kept for the next that asks, 10000 */
	unsigned stream_ms; /* how long one may take, 1800000 */
};

/* 0 or a negative errno. Control loop's thread, as all here but copies_stream(). */
int copies_open(struct uv_loop_s *loop, const struct copies_limits *limits, struct copies **out);
/* Who asked already gets a copy; nobody asks any more. done is called when nothing runs on
 * the loop any more, and then copies_free() may be. */
void copies_close(struct copies *copies, void (*done)(void *user), void *user);
/* After done. Streams go on to their end, on their threads. */
void copies_free(struct copies *copies);

/* A stream that answers the question (about the apex of origin's zone) with a copy that is
 * not older than the question. A copy that cannot be made is told by SERVFAIL. Any
 * thread; NULL: too many at once, or no memory. */
struct stream *copies_stream(struct copies *copies, const struct transfer_origin *origin,
	const struct query *query, const struct stream_wake *wake, const struct sockaddr *peer);

/* ---- NOTIFY ---- */

struct notify;

/* 0: the default. */
struct notify_timing {
	unsigned
		first_ms; /* from the first try to the second, 1000; then twice as long each time */
	unsigned interval_ms; /* between two changes that are told, 1000 */
};

/* Who is told of which zone's changes. */
struct notify_target {
	struct transfer_origin origin;
	struct name apex;
	struct sockaddr_storage address;
};

/* Tells them at once what version there is, and from then on of every change that
 * notify_changed() is called for. count may be 0. Control loop's thread, all of it. */
int notify_open(struct uv_loop_s *loop, const struct notify_timing *timing,
	const struct notify_target *targets, size_t count, struct notify **out);
void notify_changed(struct notify *notify);
void notify_close(struct notify *notify, void (*done)(void *user), void *user);
void notify_free(struct notify *notify); /* after done */

/* "10.0.0.1:53", "[fd00::1]:53" */
void transfer_peer_text(const struct sockaddr *address, char text[TRANSFER_PEER_TEXT]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_WATCH_SCRIPT_H
#define BINNACLE_TESTS_WATCH_SCRIPT_H

/* A reflector against an API server that is a script, in virtual time. One line
 * per step; namespaces are the objects unless the scenario says otherwise.
 *
 *	get TARGET          a call must be pending, with exactly this target
 *	get LIST            ?limit=500&resourceVersion=0         GET LATEST  ?limit=500
 *	get KNOWN 7         ?resourceVersion=7&resourceVersionMatch=NotOlderThan
 *	get WATCH 7         get STREAM (no version)              get STREAM 7
 *	get fresh TARGET    ... and credentials read anew
 *	head 429 [RETRY_AFTER_S [CONTENT_TYPE]]
 *	raw BYTES           \n in it is a line break
 *	list 10 a@5 b@6     a whole list of version 10
 *	page 10 TOKEN a@5   a page of it
 *	add a@11  mod a@12  del a@13  mark 20  endmark 20
 *	error CODE REASON   an ERROR event
 *	status CODE REASON MESSAGE   a Status as body
 *	done | broken | unreachable | timeout | tls | credentials
 *	over                the reflector must have ended the call by itself
 *	wait 800            no call; the timer must be set to this; let it pass
 *	pass 1000           time goes by; the timer fires if it is due
 *	sink TEXT           what the sink has been told since the last time, exactly
 *	nosink              nothing
 *	reachable           reflector_reachable()
 *
 * The sink's words: begin +a@5 -a@7 end@10 abort, and EVENT(verb,status,detail).
 * After every step the sink must be settled.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "watch/reflector.h"

#define LOG_MAX 16384

struct transport_call {
	char target[1024];
	struct transport_request request;
	struct transport_handler handler;
	void *user;
};

struct transport_timer {
	void (*fire)(void *user);
	void *user;
	uint64_t due_ms; /* 0: not set */
};

struct world {
	struct transport transport; /* first */
	struct sink sink;
	struct reflector *reflector;
	struct transport_call *call;
	struct transport_call *in_bytes; /* whose bytes are being told */
	struct transport_timer *timer;
	uint64_t now;
	uint32_t random;
	size_t chunk; /* bytes come in pieces of this size; 0: as they are */
	const char *path;
	char log[LOG_MAX];
	size_t log_len;
	bool unsettled;
	bool stopped;         /* the reflector has ended the last call by itself */
	const char *close_at; /* close the reflector when the sink is told this */
	unsigned fail_upserts;
	const char *line; /* for messages */
	unsigned calls;
};

/* ---- the sink ---- */

static inline void world_log(struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void world_log(struct world *world, const char *format, ...)
{
	const size_t before = world->log_len;
	va_list args;

	va_start(args, format);
	world->log_len += (size_t)snprintf(
		world->log + world->log_len, LOG_MAX - world->log_len, "%s", before ? " " : "");
	world->log_len += (size_t)vsnprintf(
		world->log + world->log_len, LOG_MAX - world->log_len, format, args);
	va_end(args);
	assert_true(world->log_len < LOG_MAX);
	if (world->close_at && strstr(world->log + before, world->close_at)) {
		world->close_at = NULL;
		reflector_close(world->reflector);
		world->reflector = NULL;
	}
}

static inline void sink_begin(void *ctx, enum object_kind kind)
{
	(void)kind;
	world_log(ctx, "begin");
}

static inline int sink_upsert(void *ctx, struct object *object)
{
	struct world *world = ctx;
	const bool fails = world->fail_upserts > 0;

	world->unsettled = true;
	world->fail_upserts -= fails;
	if (*object->ns)
		world_log(world, "+%s/%s@%llu", object->ns, object->name,
			(unsigned long long)object->version);
	else
		world_log(world, "+%s@%llu", object->name, (unsigned long long)object->version);
	object_free(object);
	return fails ? -12 : 0;
}

static inline void sink_remove(
	void *ctx, enum object_kind kind, const char *ns, const char *name, uint64_t version)
{
	struct world *world = ctx;

	(void)kind;
	world->unsettled = true;
	world_log(world, "-%s%s%s@%llu", ns, *ns ? "/" : "", name, (unsigned long long)version);
}

static inline void sink_end(void *ctx, enum object_kind kind, uint64_t version)
{
	struct world *world = ctx;

	(void)kind;
	world->unsettled = true;
	world_log(world, "end@%llu", (unsigned long long)version);
}

static inline void sink_abort(void *ctx, enum object_kind kind)
{
	struct world *world = ctx;

	(void)kind;
	world->unsettled = true;
	world_log(world, "abort");
}

static inline void sink_settle(void *ctx)
{
	struct world *world = ctx;

	assert_true(world->unsettled);
	world->unsettled = false;
}

static inline void sink_event(void *ctx, const struct watch_event *event)
{
	static const char *const names[] = {
		[WATCH_SYNCED] = "SYNCED",
		[WATCH_RELISTED] = "RELISTED",
		[WATCH_TLS_FAILED] = "TLS_FAILED",
		[WATCH_UNAUTHORIZED] = "UNAUTHORIZED",
		[WATCH_FORBIDDEN] = "FORBIDDEN",
		[WATCH_FAILED] = "FAILED",
		[WATCH_API_MISSING] = "API_MISSING",
		[WATCH_OBJECT_REFUSED] = "REFUSED",
		[WATCH_CREDENTIALS] = "CREDENTIALS",
	};
	char again[16] = "";

	if (event->repeats)
		snprintf(again, sizeof again, "*%u", event->repeats);
	if (event->type == WATCH_SYNCED)
		world_log(ctx, "SYNCED");
	else if (event->type == WATCH_RELISTED)
		world_log(ctx, "RELISTED(%s)", event->detail);
	else if (event->type == WATCH_OBJECT_REFUSED)
		world_log(ctx, "REFUSED(%s)", event->detail);
	else
		world_log(ctx, "%s%s(%s,%d,%s)", names[event->type], again, event->verb,
			event->status, event->detail);
}

/* ---- the transport ---- */

static inline struct transport_call *world_get(struct transport *self,
	const struct transport_request *request, const struct transport_handler *handler,
	void *user)
{
	struct world *world = (struct world *)self;
	struct transport_call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	assert_null(world->call);
	snprintf(call->target, sizeof call->target, "%s", request->target);
	call->request = *request;
	call->handler = *handler;
	call->user = user;
	world->call = call;
	world->calls++;
	return call;
}

static inline void world_cancel(struct transport *self, struct transport_call *call)
{
	struct world *world = (struct world *)self;

	if (call == world->in_bytes)
		return; /* freed by whoever tells the bytes */
	assert_ptr_equal(world->call, call);
	world->call = NULL;
	free(call);
}

static inline struct transport_timer *world_timer_new(
	struct transport *self, void (*fire)(void *user), void *user)
{
	struct world *world = (struct world *)self;
	struct transport_timer *timer = calloc(1, sizeof *timer);

	if (!timer)
		return NULL;
	timer->fire = fire;
	timer->user = user;
	world->timer = timer;
	return timer;
}

static inline void world_timer_set(
	struct transport *self, struct transport_timer *timer, uint64_t ms)
{
	timer->due_ms = ((struct world *)self)->now + ms + 1; /* 0 is "not set" */
}

static inline void world_timer_stop(struct transport *self, struct transport_timer *timer)
{
	(void)self;
	timer->due_ms = 0;
}

static inline void world_timer_free(struct transport *self, struct transport_timer *timer)
{
	((struct world *)self)->timer = NULL;
	free(timer);
}

static inline uint64_t world_now(struct transport *self)
{
	return ((struct world *)self)->now;
}

static inline uint32_t world_random(struct transport *self)
{
	return ((struct world *)self)->random;
}

static inline int world_open(struct world *world, const struct reflector_config *config)
{
	*world = (struct world){
		.transport = {world_get, world_cancel, world_timer_new, world_timer_set,
			world_timer_stop, world_timer_free, world_now, world_random},
		.sink = {world, sink_begin, sink_upsert, sink_remove, sink_end, sink_abort,
			sink_settle, sink_event},
		.now = 1000000,
		.path = "/api/v1/namespaces",
		.line = "(start)",
	};
	return reflector_new(&world->transport, &world->sink, config, &world->reflector);
}

static inline void world_close(struct world *world)
{
	reflector_close(world->reflector);
	assert_null(world->call);
	assert_null(world->timer);
}

/* ---- steps ---- */

static inline void world_expect(struct world *world, bool holds, const char *what)
{
	if (!holds)
		fail_msg("\"%s\": %s (call: %s; log: %s)", world->line, what,
			world->call ? world->call->target : "none", world->log);
}

static inline bool world_piece(struct world *world, const char *data, size_t len)
{
	struct transport_call *call = world->call;
	/* exactly as long as it is, so that a read beyond it is seen */
	void *copy = NULL;
	bool wanted;

	assert_int_equal(posix_memalign(&copy, 16, len ? len : 1), 0);
	memcpy(copy, data, len);
	world->call = NULL; /* a new one may be made from inside */
	world->in_bytes = call;
	wanted = call->handler.bytes(call->user, copy, len);
	world->in_bytes = NULL;
	world->stopped = !wanted;
	if (wanted) {
		assert_null(world->call);
		world->call = call;
	} else {
		free(call);
	}
	free(copy);
	world_expect(world, !world->unsettled || !world->reflector, "not settled");
	return wanted;
}

static inline void world_bytes(struct world *world, const char *data)
{
	size_t len = strlen(data), size = world->chunk ? world->chunk : len;

	world_expect(world, world->call != NULL, "no call");
	while (len > 0) {
		const size_t piece = len < size ? len : size;

		if (!world_piece(world, data, piece))
			return;
		data += piece;
		len -= piece;
	}
}

static inline void world_done(struct world *world, enum transport_result result, const char *detail)
{
	struct transport_call *call = world->call;

	world_expect(world, call != NULL, "no call");
	world->call = NULL;
	call->handler.done(call->user, result, detail);
	free(call);
}

static inline void world_head(struct world *world, const char *args)
{
	struct transport_head head = {.retry_after_s = -1};
	char type[64] = "application/json";

	sscanf(args, "%d %d %63s", &head.status, &head.retry_after_s, type);
	head.content_type = type;
	world_expect(world, world->call != NULL, "no call");
	world->call->handler.head(world->call->user, &head);
}

static inline void world_fire(struct world *world)
{
	struct transport_timer *timer = world->timer;

	timer->due_ms = 0;
	timer->fire(timer->user);
}

static inline void world_get_expect(struct world *world, const char *args)
{
	const bool fresh = strncmp(args, "fresh ", 6) == 0;
	char wanted[1024], word[1024] = "", version[64] = "";

	args += fresh ? 6 : 0;
	sscanf(args, "%1023s %63s", word, version);
	if (strcmp(word, "LIST") == 0)
		snprintf(wanted, sizeof wanted, "%s?limit=500&resourceVersion=0", world->path);
	else if (strcmp(word, "LATEST") == 0)
		snprintf(wanted, sizeof wanted, "%s?limit=500", world->path);
	else if (strcmp(word, "KNOWN") == 0)
		snprintf(wanted, sizeof wanted,
			"%s?resourceVersion=%s&resourceVersionMatch=NotOlderThan", world->path,
			version);
	else if (strcmp(word, "WATCH") == 0)
		snprintf(wanted, sizeof wanted,
			"%s?watch=true&allowWatchBookmarks=true&resourceVersion=%s"
			"&timeoutSeconds=300",
			world->path, version);
	else if (strcmp(word, "STREAM") == 0)
		snprintf(wanted, sizeof wanted,
			"%s?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
			"&resourceVersionMatch=NotOlderThan&resourceVersion=%s&timeoutSeconds=300",
			world->path, version);
	else
		snprintf(wanted, sizeof wanted, "%s", word);
	world_expect(world, world->call != NULL, "no call");
	world_expect(world, strcmp(world->call->target, wanted) == 0, wanted);
	world_expect(world, world->call->request.fresh_credentials == fresh, "fresh");
}

/* "a@5 b@6" as objects with commas between them. */
static inline void world_items(char *out, size_t size, const char *args)
{
	char name[64];
	unsigned version;
	int taken;
	size_t len = 0;

	out[0] = '\0';
	while (sscanf(args, " %63[^@ ]@%u%n", name, &version, &taken) == 2) {
		len += (size_t)snprintf(out + len, size - len,
			"%s{\"metadata\":{\"name\":\"%s\",\"resourceVersion\":\"%u\"}}",
			len ? "," : "", name, version);
		args += taken;
	}
}

static inline void world_list(struct world *world, const char *args, bool page)
{
	char text[4096], items[2048], token[64] = "";
	unsigned version;
	int taken = 0;

	sscanf(args, "%u%n", &version, &taken);
	args += taken;
	if (page) {
		sscanf(args, " %63s%n", token, &taken);
		args += taken;
	}
	world_items(items, sizeof items, args);
	snprintf(text, sizeof text,
		"{\"kind\":\"NamespaceList\",\"apiVersion\":\"v1\",\"metadata\":"
		"{\"resourceVersion\":\"%u\",\"continue\":\"%s\"},\"items\":[%s]}\n",
		version, token, items);
	world_bytes(world, text);
}

static inline void world_event_bytes(struct world *world, const char *type, const char *object)
{
	char text[2048];

	snprintf(text, sizeof text, "{\"type\":\"%s\",\"object\":%s}\n", type, object);
	world_bytes(world, text);
}

static inline void world_object(struct world *world, const char *type, const char *args)
{
	char items[1024];

	world_items(items, sizeof items, args);
	world_event_bytes(world, type, items);
}

static inline void world_mark(struct world *world, const char *args, bool end)
{
	char text[512];

	snprintf(text, sizeof text,
		"{\"kind\":\"Namespace\",\"metadata\":{\"resourceVersion\":\"%s\"%s}}", args,
		end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
	world_event_bytes(world, "BOOKMARK", text);
}

static inline void world_status(struct world *world, const char *args, bool event)
{
	char reason[64] = "", text[1024];
	int code = 0, taken = 0;

	sscanf(args, "%d %63s%n", &code, reason, &taken);
	args += taken;
	snprintf(text, sizeof text,
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
		"\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d}",
		*args == ' ' ? args + 1 : args, reason, code);
	if (event)
		world_event_bytes(world, "ERROR", text);
	else
		world_bytes(world, text);
}

static inline void world_raw(struct world *world, const char *args)
{
	char text[4096];
	size_t len = 0;

	for (; *args && len < sizeof text - 1; args++) {
		if (args[0] == '\\' && args[1] == 'n') {
			text[len++] = '\n';
			args++;
		} else {
			text[len++] = *args;
		}
	}
	text[len] = '\0';
	world_bytes(world, text);
}

static inline void world_wait(struct world *world, const char *args)
{
	const uint64_t ms = strtoull(args, NULL, 10);
	char set[64];

	world_expect(world, world->call == NULL, "a call is pending");
	world_expect(world, world->timer->due_ms != 0, "no timer");
	snprintf(set, sizeof set, "the timer is at %llu",
		(unsigned long long)(world->timer->due_ms - world->now - 1));
	world_expect(world, world->timer->due_ms == world->now + ms + 1, set);
	world->now += ms;
	world_fire(world);
}

static inline void world_pass(struct world *world, const char *args)
{
	const uint64_t until = world->now + strtoull(args, NULL, 10);

	while (world->timer->due_ms && world->timer->due_ms - 1 <= until) {
		if (world->timer->due_ms - 1 > world->now)
			world->now = world->timer->due_ms - 1;
		world_fire(world);
	}
	world->now = until;
}

static inline void world_sink_expect(struct world *world, const char *args)
{
	world_expect(world, strcmp(world->log, args) == 0, "the sink was told something else");
	world_expect(world, !world->unsettled, "not settled");
	world->log_len = 0;
	world->log[0] = '\0';
}

static inline bool world_step_bytes(struct world *world, const char *word, const char *args)
{
	if (strcmp(word, "raw") == 0)
		world_raw(world, args);
	else if (strcmp(word, "list") == 0 || strcmp(word, "page") == 0)
		world_list(world, args, *word == 'p');
	else if (strcmp(word, "add") == 0)
		world_object(world, "ADDED", args);
	else if (strcmp(word, "mod") == 0)
		world_object(world, "MODIFIED", args);
	else if (strcmp(word, "del") == 0)
		world_object(world, "DELETED", args);
	else if (strcmp(word, "mark") == 0 || strcmp(word, "endmark") == 0)
		world_mark(world, args, *word == 'e');
	else if (strcmp(word, "error") == 0 || strcmp(word, "status") == 0)
		world_status(world, args, *word == 'e');
	else
		return false;
	return true;
}

static inline bool world_step_end(struct world *world, const char *word, const char *args)
{
	static const struct {
		const char *word;
		enum transport_result result;
		const char *detail;
	} ends[] = {
		{"done", TRANSPORT_DONE, NULL},
		{"broken", TRANSPORT_BROKEN, "connection reset"},
		{"unreachable", TRANSPORT_UNREACHABLE, "connection refused"},
		{"timeout", TRANSPORT_TIMEOUT, "timed out"},
		{"tls", TRANSPORT_TLS, "self-signed certificate"},
		{"credentials", TRANSPORT_CREDENTIALS, "no token"},
	};

	(void)args;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		if (strcmp(word, ends[i].word) == 0) {
			world_done(world, ends[i].result, ends[i].detail);
			return true;
		}
	}
	return false;
}

static inline void world_step(struct world *world, const char *line)
{
	char word[32] = "";
	const char *args;
	int taken = 0;

	world->line = line;
	sscanf(line, "%31s%n", word, &taken);
	args = line + taken;
	args += *args == ' ';
	if (strcmp(word, "get") == 0)
		world_get_expect(world, args);
	else if (strcmp(word, "head") == 0)
		world_head(world, args);
	else if (strcmp(word, "over") == 0)
		world_expect(world, world->stopped, "the call goes on");
	else if (strcmp(word, "wait") == 0)
		world_wait(world, args);
	else if (strcmp(word, "pass") == 0)
		world_pass(world, args);
	else if (strcmp(word, "sink") == 0 || strcmp(word, "nosink") == 0)
		world_sink_expect(world, args);
	else if (strcmp(word, "reachable") == 0)
		reflector_reachable(world->reflector);
	else if (strcmp(word, "path") == 0)
		world->path = args;
	else if (!world_step_bytes(world, word, args) && !world_step_end(world, word, args))
		fail_msg("no such step: %s", line);
}

/* lines: NULL-terminated. */
static inline void world_play(struct world *world, const char *const *lines)
{
	for (; *lines; lines++)
		world_step(world, *lines);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of zones, made on demand, and the streams that send them.
 *
 *	question   stream: WAITING           the connection's thread
 *	  take     all WAITING become TAKEN  the control loop: what is published, as it is
 *	  copy                               a thread for this one copy
 *	  serve    all TAKEN become READY    the control loop
 *	message, message, ..., close         the connection's thread
 *
 * So a copy is one version, and not older than the question; those who ask while
 * one is made share it or the next. Copies are made one at a time, and the last one
 * is kept for a while: secondaries that were told of a change come together.
 *
 * Bounds: a number of streams at once, waiting ones included; an account of the bytes of all
 * copies, of which the older ones live as long as a stream sends them; and a
 * time in which a stream must be through (how long it may rest in between is the
 * connection's limit).
 *
 * A stream's state and its place in the queue are guarded by the lock. It is woken
 * under the lock, so never after its close. */

#include "transfer.h"

#include "cache/zone_copy.h"
#include "dns/net/runner.h"
#include "dns/observe/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <time.h>
#include <uv.h>

#define STREAMS_DEFAULT   32
#define BYTES_DEFAULT     (128u << 20)
#define LINGER_MS_DEFAULT 10000
#define STREAM_MS_DEFAULT 1800000
/* Copying yields to answering. */
#define COPY_NICE 10

enum sender_state { SENDER_WAITING, SENDER_TAKEN, SENDER_READY };

struct sender {
	struct stream stream;
	struct copies *copies;
	struct transfer_origin origin;
	struct stream_wake wake;
	TAILQ_ENTRY(sender) link; /* until it is READY */
	enum sender_state state;
	/* When READY: */
	struct zone_copy *copy; /* NULL: it could not be made */
	size_t message;         /* the next one */

	uint64_t until_ms;
	struct query query; /* asked points to the next */
	uint8_t asked[NAME_MAX_LEN + 4];
	char peer[TRANSFER_PEER_TEXT];
};

struct copies {
	pthread_mutex_t lock;
	TAILQ_HEAD(, sender) queue;
	unsigned streams;
	bool orphaned; /* copies_free() was called: the last stream frees it */

	struct copies_limits limits;
	struct copy_account account;
	uv_async_t ask, made;
	uv_timer_t linger;
	unsigned handles;
	/* The copy that is being made. */
	bool making;
	struct transfer_origin origin;
	void *taken;
	struct zone_copy *fresh;
	int rc;
	struct runner runner;
	pthread_t thread;
	/* The last one that was made. */
	struct transfer_origin kept_origin;
	struct zone_copy *kept;

	void (*done)(void *user); /* NULL: not closing */
	void *user;
};

void transfer_peer_text(const struct sockaddr *address, char text[TRANSFER_PEER_TEXT])
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
		snprintf(text, TRANSFER_PEER_TEXT, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
	} else {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		snprintf(text, TRANSFER_PEER_TEXT, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
	}
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool origin_same(const struct transfer_origin *a, const struct transfer_origin *b)
{
	return a->source == b->source && a->instance == b->instance && a->zone == b->zone;
}

static void copies_destroy(struct copies *copies)
{
	pthread_mutex_destroy(&copies->lock);
	free(copies);
}

/* ---- streams, on the connection's thread ---- */

static enum sender_state sender_state(struct sender *sender)
{
	enum sender_state state;

	pthread_mutex_lock(&sender->copies->lock);
	state = sender->state;
	pthread_mutex_unlock(&sender->copies->lock);
	return state;
}

static ssize_t sender_next(struct stream *stream, uint8_t *out)
{
	struct sender *sender = (struct sender *)(void *)stream;
	struct reply reply;

	if (sender_state(sender) != SENDER_READY)
		return -EAGAIN;
	if (sender->message >= (sender->copy ? zone_copy_messages(sender->copy) : 1))
		return 0;
	if (now_ms() > sender->until_ms)
		return -ETIMEDOUT;
	sender->message++;
	if (!sender->copy)
		return (ssize_t)reply_error(&sender->query, RCODE_SERVFAIL, out);
	reply_begin(&reply, &sender->query, out, UINT16_MAX);
	zone_copy_put(sender->copy, sender->message - 1, &reply);
	return (ssize_t)reply_end(&reply);
}

static void sender_close(struct stream *stream)
{
	struct sender *sender = (struct sender *)(void *)stream;
	struct copies *copies = sender->copies;
	bool last;

	pthread_mutex_lock(&copies->lock);
	if (sender->state != SENDER_READY)
		TAILQ_REMOVE(&copies->queue, sender, link);
	pthread_mutex_unlock(&copies->lock);
	zone_copy_drop(sender->copy); /* to the account, which is the copies' */
	pthread_mutex_lock(&copies->lock);
	last = --copies->streams == 0 && copies->orphaned;
	pthread_mutex_unlock(&copies->lock);
	if (last)
		copies_destroy(copies);
	free(sender);
}

/* False: there are enough. */
static bool sender_enter(struct copies *copies, struct sender *sender)
{
	bool room;

	pthread_mutex_lock(&copies->lock);
	room = copies->streams < copies->limits.streams;
	if (room) {
		copies->streams++;
		TAILQ_INSERT_TAIL(&copies->queue, sender, link);
	}
	pthread_mutex_unlock(&copies->lock);
	return room;
}

struct stream *copies_stream(struct copies *copies, const struct transfer_origin *origin,
	const struct query *query, const struct stream_wake *wake, const struct sockaddr *peer)
{
	struct sender *sender = calloc(1, sizeof *sender);

	if (!sender)
		return NULL;
	sender->stream.next = sender_next;
	sender->stream.close = sender_close;
	sender->copies = copies;
	sender->origin = *origin;
	sender->wake = *wake;
	sender->until_ms = now_ms() + copies->limits.stream_ms;
	sender->query = *query;
	memcpy(sender->asked, query->asked, query->name_len + 4u);
	sender->query.asked = sender->asked;
	transfer_peer_text(peer, sender->peer);
	if (!sender_enter(copies, sender)) {
		free(sender);
		return NULL;
	}
	uv_async_send(&copies->ask);
	return &sender->stream;
}

/* ---- the queue, on the control loop ---- */

/* The zone that the first in the queue waits for; false: nobody does. */
static bool queue_first(struct copies *copies, struct transfer_origin *out)
{
	const struct sender *first;

	pthread_mutex_lock(&copies->lock);
	first = TAILQ_FIRST(&copies->queue);
	if (first)
		*out = first->origin;
	pthread_mutex_unlock(&copies->lock);
	return first != NULL;
}

static void queue_take(struct copies *copies, const struct transfer_origin *origin)
{
	struct sender *at;

	pthread_mutex_lock(&copies->lock);
	TAILQ_FOREACH (at, &copies->queue, link) {
		if (origin_same(&at->origin, origin))
			at->state = SENDER_TAKEN;
	}
	pthread_mutex_unlock(&copies->lock);
}

struct served {
	uint8_t name[NAME_MAX_LEN + 1];
	char peer[TRANSFER_PEER_TEXT];
};

/* Give one in this state its copy (NULL: none) and wake it; false: there is none. */
static bool queue_serve_one(struct copies *copies, const struct transfer_origin *origin,
	enum sender_state state, struct zone_copy *copy, struct served *out)
{
	struct sender *at;

	pthread_mutex_lock(&copies->lock);
	TAILQ_FOREACH (at, &copies->queue, link) {
		if (at->state == state && origin_same(&at->origin, origin))
			break;
	}
	if (at) {
		TAILQ_REMOVE(&copies->queue, at, link);
		at->copy = copy ? zone_copy_hold(copy) : NULL;
		at->state = SENDER_READY;
		memcpy(out->name, at->query.name, sizeof out->name);
		memcpy(out->peer, at->peer, sizeof out->peer);
		at->wake.call(at->wake.ctx);
	}
	pthread_mutex_unlock(&copies->lock);
	return at != NULL;
}

static const char *failure_text(int rc)
{
	switch (rc) {
	case -EAGAIN:
		return "the cluster's objects are not complete yet";
	case -ENOBUFS:
		return "its copy, with older ones that are still being sent, would take too much "
		       "memory";
	default:
		return strerror(-rc);
	}
}

static void queue_serve(struct copies *copies, const struct transfer_origin *origin,
	enum sender_state state, struct zone_copy *copy, int rc)
{
	struct served served;

	while (queue_serve_one(copies, origin, state, copy, &served)) {
		char zone[NAME_TEXT_MAX];

		name_to_text(served.name, zone, sizeof zone);
		if (copy)
			log_write(LOG_INFO, "transfer",
				"Outgoing transfer of %zu records of zone %s to %s with serial %u",
				zone_copy_records(copy), zone, served.peer, zone_copy_serial(copy));
		else
			log_write(LOG_WARNING, "transfer", "No transfer of zone %s to %s: %s", zone,
				served.peer, failure_text(rc));
	}
}

/* ---- the copy, on the control loop and its thread ---- */

static void kept_drop(struct copies *copies)
{
	zone_copy_drop(copies->kept);
	copies->kept = NULL;
}

static void on_linger(uv_timer_t *timer)
{
	kept_drop(timer->data);
}

static bool kept_is_current(const struct copies *copies, const struct transfer_origin *origin)
{
	uint32_t serial;

	return copies->kept && origin_same(&copies->kept_origin, origin) &&
	       origin->source->serial(origin->instance, &serial) &&
	       serial == zone_copy_serial(copies->kept);
}

static void *copy_main(void *arg)
{
	struct copies *copies = arg;

	runner_ready(&copies->runner, 0);
	/* Linux: of this thread alone. */
	setpriority(PRIO_PROCESS, 0, COPY_NICE);
	copies->rc = copies->origin.source->copy(
		copies->taken, copies->origin.zone, &copies->account, &copies->fresh);
	uv_async_send(&copies->made);
	return NULL;
}

static int copy_start(struct copies *copies, const struct transfer_origin *origin)
{
	int rc = origin->source->take(origin->instance, &copies->taken);

	if (rc < 0)
		return rc;
	kept_drop(copies); /* before the next one takes its memory */
	copies->origin = *origin;
	rc = runner_start(&copies->runner, "transfer", copy_main, copies, &copies->thread);
	if (rc < 0) {
		origin->source->release(copies->taken);
		return rc;
	}
	copies->making = true;
	queue_take(copies, origin);
	return 0;
}

static void handles_close(struct copies *copies);

static void queue_run(struct copies *copies)
{
	struct transfer_origin origin;

	while (!copies->making && queue_first(copies, &origin)) {
		int rc = 0;

		if (kept_is_current(copies, &origin))
			queue_serve(copies, &origin, SENDER_WAITING, copies->kept, 0);
		else
			rc = copy_start(copies, &origin);
		if (rc < 0)
			queue_serve(copies, &origin, SENDER_WAITING, NULL, rc);
	}
	if (copies->done && !copies->making)
		handles_close(copies);
	else
		uv_timer_start(&copies->linger, on_linger, copies->limits.linger_ms, 0);
}

static void on_ask(uv_async_t *async)
{
	const struct copies *copies = async->data;

	if (!copies->done)
		queue_run(async->data);
}

static void on_made(uv_async_t *async)
{
	struct copies *copies = async->data;
	struct transfer_origin origin = copies->origin;

	if (!copies->making)
		return;
	pthread_join(copies->thread, NULL);
	origin.source->release(copies->taken);
	copies->making = false;
	if (copies->rc == 0) {
		copies->kept = copies->fresh;
		copies->kept_origin = origin;
	}
	queue_serve(
		copies, &origin, SENDER_TAKEN, copies->rc == 0 ? copies->kept : NULL, copies->rc);
	queue_run(copies);
}

/* ---- life ---- */

int copies_open(struct uv_loop_s *loop, const struct copies_limits *limits, struct copies **out)
{
	struct copies *copies = calloc(1, sizeof *copies);

	if (!copies)
		return -ENOMEM;
	copies->limits = (struct copies_limits){
		.streams = limits->streams ? limits->streams : STREAMS_DEFAULT,
		.bytes = limits->bytes ? limits->bytes : BYTES_DEFAULT,
		.linger_ms = limits->linger_ms ? limits->linger_ms : LINGER_MS_DEFAULT,
		.stream_ms = limits->stream_ms ? limits->stream_ms : STREAM_MS_DEFAULT,
	};
	pthread_mutex_init(&copies->lock, NULL);
	TAILQ_INIT(&copies->queue);
	atomic_init(&copies->account.bytes, 0);
	copies->account.limit = copies->limits.bytes;
	/* The loop has an async handle already where it has any thread beside it, and a
	 * second one takes no descriptor; a first one can fail. */
	if (uv_async_init(loop, &copies->ask, on_ask) < 0) {
		copies_free(copies);
		return -EMFILE;
	}
	uv_async_init(loop, &copies->made, on_made);
	uv_timer_init(loop, &copies->linger);
	copies->ask.data = copies->made.data = copies->linger.data = copies;
	copies->handles = 3;
	*out = copies;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct copies *copies = handle->data;

	if (--copies->handles == 0)
		copies->done(copies->user);
}

static void handles_close(struct copies *copies)
{
	uv_close((uv_handle_t *)&copies->ask, on_closed);
	uv_close((uv_handle_t *)&copies->made, on_closed);
	uv_close((uv_handle_t *)&copies->linger, on_closed);
}

void copies_close(struct copies *copies, void (*done)(void *user), void *user)
{
	copies->done = done;
	copies->user = user;
	if (!copies->making) /* else on_made() goes on */
		queue_run(copies);
}

void copies_free(struct copies *copies)
{
	bool last;

	if (!copies)
		return;
	kept_drop(copies);
	pthread_mutex_lock(&copies->lock);
	copies->orphaned = true;
	last = copies->streams == 0;
	pthread_mutex_unlock(&copies->lock);
	if (last)
		copies_destroy(copies);
}

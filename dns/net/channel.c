/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include "outbound.h"
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LENGTH_BYTES               2
#define HEADER_BYTES               12
#define MESSAGE_MAX                65535
#define FLAG_QR                    0x80 /* of the third byte of a header */
#define EXPIRE_MS_DEFAULT          10000
#define CONNECT_TIMEOUT_MS_DEFAULT 5000
/* Questions out and not a byte back for so long: better another connection. */
#define SILENT_MS 1000
/* Places of a connection that cancelled questions may hold. */
#define DEAD_MAX 32
/* After one that could not be opened, while others stand. */
#define REOPEN_MS 1000

enum ask_state { ASK_WAITING, ASK_OUT, ASK_FINISHED };

TAILQ_HEAD(ask_list, channel_ask);

struct channel_link { /* a connection */
	uv_poll_t poll;
	TAILQ_ENTRY(channel_link) entry;
	struct channel *channel;
	struct outbound outbound;
	int waits;          /* as outbound_turn() */
	int rc;             /* < 0: it is broken, and is ended from the loop */
	unsigned live;      /* questions out, without those that were cancelled */
	uint64_t used;      /* a bit for each slot whose ID is out */
	uint64_t opened_ms; /* when connecting began */
	uint64_t idle_ms;   /* when live became 0 */
	uint64_t heard_ms;  /* the last message came, or live was 0 */
	bool retired;       /* no new questions; closed when live is 0 */
	bool closing;       /* its memory lives until uv has closed the handle */
	uint16_t ids[CHANNEL_OUTSTANDING];
	struct channel_ask *asks[CHANNEL_OUTSTANDING]; /* NULL in a used slot: cancelled */
};

struct channel {
	uv_loop_t *loop;
	uv_timer_t timer;
	uint64_t armed_ms; /* what the timer is set to */
	TAILQ_HEAD(, channel_link) links;
	struct ask_list waiting, finished;
	size_t waiting_count;
	size_t bytes; /* of all questions' frames */
	uint64_t reopen_ms;
	unsigned handles; /* of uv, until they are closed */
	bool closing;
	void (*closed)(void *user);
	void *closed_user;
	struct tls_peer *peer; /* NULL: plain */
	struct channel_options options;
	union address server, source;
	struct channel_stats stats;
	unsigned random_left;
	uint8_t random[256];
	char upstream[INET6_ADDRSTRLEN + 24];
	char error[512];
};

/* --- questions --- */

static uint16_t random_id(struct channel *channel)
{
	uint16_t id;

	if (channel->random_left < sizeof id) {
		/* Blocks of up to 256 bytes are never cut (getrandom(2)). */
		while (getrandom(channel->random, sizeof channel->random, 0) < 0)
			;
		channel->random_left = sizeof channel->random;
	}
	channel->random_left -= (unsigned)sizeof id;
	memcpy(&id, channel->random + channel->random_left, sizeof id);
	memset(channel->random + channel->random_left, 0, sizeof id);
	return id;
}

static void ask_wait(struct channel *channel, struct channel_ask *ask, bool first)
{
	ask->state = ASK_WAITING;
	channel->waiting_count++;
	if (first)
		TAILQ_INSERT_HEAD(&channel->waiting, ask, entry);
	else
		TAILQ_INSERT_TAIL(&channel->waiting, ask, entry);
}

static void ask_unwait(struct channel *channel, struct channel_ask *ask)
{
	channel->waiting_count--;
	TAILQ_REMOVE(&channel->waiting, ask, entry);
}

/* It is in no list and no slot any more. */
static void ask_release(struct channel_ask *ask)
{
	ask->channel->bytes -= ask->len;
	free(ask->frame);
	ask->frame = NULL;
	ask->channel = NULL;
	ask->link = NULL;
}

/* Its done is called by channel_deliver(). */
static void ask_fail(struct channel *channel, struct channel_ask *ask, int rc)
{
	ask->state = ASK_FINISHED;
	ask->rc = rc;
	TAILQ_INSERT_TAIL(&channel->finished, ask, entry);
}

static void waiting_fail(struct channel *channel, int rc)
{
	struct channel_ask *ask;

	while ((ask = TAILQ_FIRST(&channel->waiting))) {
		ask_unwait(channel, ask);
		ask_fail(channel, ask, rc);
	}
}

/* Only from the loop, or while closing: a done may call whatever it likes. */
static void channel_deliver(struct channel *channel)
{
	struct channel_ask *ask;

	while ((ask = TAILQ_FIRST(&channel->finished))) {
		TAILQ_REMOVE(&channel->finished, ask, entry);
		ask_release(ask);
		ask->done(ask, CHANNEL_FAILED, ask->rc, NULL, 0);
	}
}

/* --- the state of a connection --- */

static bool link_is_open(const struct channel_link *link)
{
	return link->outbound.state == OUTBOUND_OPEN;
}

static bool link_is_silent(const struct channel_link *link)
{
	return link->live > 0 && uv_now(link->channel->loop) - link->heard_ms >= SILENT_MS;
}

static unsigned link_used(const struct channel_link *link)
{
	return (unsigned)__builtin_popcountll(link->used);
}

static bool link_is_old(const struct channel_link *link)
{
	const struct channel *channel = link->channel;

	return channel->options.max_age_ms > 0 &&
	       uv_now(channel->loop) - link->opened_ms >= channel->options.max_age_ms;
}

/* Never to be used again. */
static bool link_is_spent(const struct channel_link *link)
{
	return link->retired || link_is_old(link) || link_used(link) - link->live >= DEAD_MAX;
}

static bool link_is_usable(const struct channel_link *link)
{
	return link->rc == 0 && link_is_open(link) && link_used(link) < CHANNEL_OUTSTANDING &&
	       !link_is_silent(link) && !link_is_spent(link);
}

/* --- time --- */

static void on_timer(uv_timer_t *timer);

static uint64_t link_due(const struct channel_link *link)
{
	const struct channel_options *options = &link->channel->options;
	uint64_t due_ms;

	if (link->rc < 0)
		return 0;
	if (!link_is_open(link))
		return link->opened_ms + options->connect_timeout_ms;
	if (link->live > 0)
		return UINT64_MAX;
	due_ms = link->idle_ms + options->expire_ms;
	if (options->max_age_ms > 0 && link->opened_ms + options->max_age_ms < due_ms)
		due_ms = link->opened_ms + options->max_age_ms;
	return due_ms;
}

/* The timer is moved only forward: one that fires too early looks again. */
static void timer_arm(struct channel *channel)
{
	const uint64_t now_ms = uv_now(channel->loop);
	uint64_t due_ms = TAILQ_EMPTY(&channel->finished) ? UINT64_MAX : 0;
	const struct channel_link *link;

	if (channel->closing)
		return;
	TAILQ_FOREACH(link, &channel->links, entry)
	{
		const uint64_t link_ms = link_due(link);

		if (link_ms < due_ms)
			due_ms = link_ms;
	}
	if (!TAILQ_EMPTY(&channel->waiting) && now_ms < channel->reopen_ms &&
		channel->reopen_ms < due_ms)
		due_ms = channel->reopen_ms;
	if (due_ms >= channel->armed_ms)
		return;
	channel->armed_ms = due_ms;
	uv_timer_start(&channel->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

/* --- opening and closing connections --- */

static void handle_closed(struct channel *channel)
{
	void (*closed)(void *user) = channel->closed;
	void *user = channel->closed_user;

	if (--channel->handles > 0)
		return;
	tls_peer_free(channel->peer);
	free(channel);
	if (closed)
		closed(user);
}

static void on_link_closed(uv_handle_t *handle)
{
	struct channel_link *link = handle->data;
	struct channel *channel = link->channel;

	outbound_free(&link->outbound);
	free(link);
	handle_closed(channel);
}

/* Its questions are somebody else's business by now. */
static void link_close(struct channel_link *link)
{
	TAILQ_REMOVE(&link->channel->links, link, entry);
	link->channel->stats.connections--;
	link->closing = true;
	uv_close((uv_handle_t *)&link->poll, on_link_closed);
	outbound_shut(&link->outbound);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void link_wait(struct channel_link *link, int waits)
{
	int events = 0;

	if (waits == link->waits)
		return;
	events |= waits & OUTBOUND_READ ? UV_READABLE : 0;
	events |= waits & OUTBOUND_WRITE ? UV_WRITABLE : 0;
	link->waits = waits;
	if (uv_poll_start(&link->poll, events, on_poll) < 0)
		link->rc = -ENOMEM;
}

static void channel_say(struct channel *channel, const char *what, const char *words)
{
	snprintf(channel->error, sizeof channel->error, "%s%s (upstream %s)", what, words,
		channel->upstream);
}

static int link_start(struct channel *channel)
{
	const struct sockaddr *source = channel->options.source ? &channel->source.sa : NULL;
	struct channel_link *link = calloc(1, sizeof *link);
	int rc;

	if (!link)
		return -ENOMEM;
	rc = outbound_open(&link->outbound, &channel->server.sa, source, channel->peer);
	if (rc < 0) {
		free(link);
		return rc;
	}
	rc = uv_poll_init(channel->loop, &link->poll, link->outbound.fd);
	if (rc < 0) {
		outbound_free(&link->outbound);
		free(link);
		return rc;
	}
	link->poll.data = link;
	link->channel = channel;
	link->opened_ms = uv_now(channel->loop);
	TAILQ_INSERT_TAIL(&channel->links, link, entry);
	channel->stats.connections++;
	channel->handles++;
	link_wait(link, outbound_waits(&link->outbound));
	return 0;
}

static int link_open(struct channel *channel)
{
	const int rc = link_start(channel);

	if (rc < 0) {
		channel->stats.failed++;
		channel->reopen_ms = uv_now(channel->loop) + REOPEN_MS;
		channel_say(channel, "connect: ", strerror(-rc));
	}
	return rc;
}

/* --- questions on connections --- */

static int slot_find(const struct channel_link *link, uint16_t id)
{
	for (int i = 0; i < CHANNEL_OUTSTANDING; i++) {
		if (link->used & UINT64_C(1) << i && link->ids[i] == id)
			return i;
	}
	return -1;
}

static void slot_clear(struct channel_link *link, unsigned slot)
{
	link->used &= ~(UINT64_C(1) << slot);
	link->asks[slot] = NULL;
}

static void link_ask(struct channel_link *link, struct channel_ask *ask)
{
	const unsigned slot = (unsigned)__builtin_ctzll(~link->used);
	uint16_t id;
	int waits;

	do
		id = random_id(link->channel);
	while (slot_find(link, id) >= 0);
	ask->state = ASK_OUT;
	ask->link = link;
	ask->slot = slot;
	ask->frame[LENGTH_BYTES] = (uint8_t)(id >> 8);
	ask->frame[LENGTH_BYTES + 1] = (uint8_t)id;
	link->ids[slot] = id;
	link->asks[slot] = ask;
	link->used |= UINT64_C(1) << slot;
	if (link->live++ == 0)
		link->heard_ms = uv_now(link->channel->loop);
	waits = outbound_send(&link->outbound, ask->frame, ask->len);
	if (waits < 0)
		link->rc = waits; /* on_timer() ends it */
	else
		link_wait(link, waits);
}

static bool idle_is_too_many(const struct channel *channel)
{
	const struct channel_link *link;
	unsigned idle = 0;

	TAILQ_FOREACH(link, &channel->links, entry)
	idle += link_is_open(link) && link->live == 0;
	return channel->options.max_idle > 0 && idle > channel->options.max_idle;
}

/* After its questions have become fewer. silent: the last of them had to be given up. */
static void link_rest(struct channel_link *link, bool silent)
{
	if (link->closing || link->live > 0)
		return;
	link->idle_ms = uv_now(link->channel->loop);
	if (silent || link_is_spent(link) || idle_is_too_many(link->channel))
		link_close(link);
}

static int on_message(void *user, uint8_t *message, size_t len)
{
	struct channel_link *link = user;
	const int slot = slot_find(link, (uint16_t)(message[0] << 8 | message[1]));
	struct channel_ask *ask;

	if (slot < 0 || !(message[2] & FLAG_QR))
		return -EPROTO;
	link->heard_ms = uv_now(link->channel->loop);
	ask = link->asks[slot];
	slot_clear(link, (unsigned)slot);
	if (!ask)
		return 0;
	link->live--;
	message[0] = (uint8_t)(ask->id >> 8);
	message[1] = (uint8_t)ask->id;
	ask_release(ask);
	ask->done(ask, CHANNEL_REPLY, 0, message, len);
	return link->closing ? -ECANCELED : 0;
}

/* --- which question goes where --- */

static struct channel_link *link_best(const struct channel *channel)
{
	struct channel_link *link, *best = NULL;

	TAILQ_FOREACH(link, &channel->links, entry)
	{
		if (link_is_usable(link) && (!best || link_used(link) < link_used(best)))
			best = link;
	}
	return best;
}

/* Will those that are being opened take all that waits, or can no other be opened? */
static bool links_suffice(const struct channel *channel)
{
	const struct channel_link *link;
	size_t room = 0;

	if (TAILQ_EMPTY(&channel->links))
		return TAILQ_EMPTY(&channel->waiting);
	if (channel->stats.connections >= CHANNEL_CONNECTIONS ||
		uv_now(channel->loop) < channel->reopen_ms)
		return true;
	TAILQ_FOREACH(link, &channel->links, entry)
	room += link_is_open(link) ? 0 : CHANNEL_OUTSTANDING;
	return channel->waiting_count <= room;
}

/* Send what can be sent, open what is needed. A negative errno: nothing is open, and nothing
 * can be opened. */
static int channel_pump(struct channel *channel)
{
	struct channel_ask *ask;
	struct channel_link *link;
	int rc = 0;

	while ((ask = TAILQ_FIRST(&channel->waiting)) && (link = link_best(channel))) {
		ask_unwait(channel, ask);
		link_ask(link, ask);
	}
	while (rc == 0 && !links_suffice(channel))
		rc = link_open(channel);
	return TAILQ_EMPTY(&channel->links) ? rc : 0;
}

static void channel_settle(struct channel *channel)
{
	int rc;

	if (channel->closing)
		return;
	rc = channel_pump(channel);
	if (rc < 0)
		waiting_fail(channel, rc);
	channel_deliver(channel);
	timer_arm(channel);
}

/* --- the end of a connection --- */

static void link_say(const struct channel_link *link, int rc)
{
	const char *words = outbound_words(&link->outbound);

	if (words[0] != '\0')
		channel_say(link->channel, "", words);
	else if (rc == -EPROTO)
		channel_say(
			link->channel, "", "what came is no reply to a question that was asked");
	else if (link->outbound.state == OUTBOUND_CONNECTING)
		channel_say(link->channel, "connect: ", strerror(-rc));
	else if (link->outbound.state == OUTBOUND_HANDSHAKE)
		channel_say(link->channel, "TLS handshake: ", strerror(-rc));
	else
		channel_say(link->channel, "", strerror(-rc));
}

/* The question was out when the connection ended. True: it is to be asked again. */
static bool ask_again(struct channel *channel, struct channel_ask *ask, int rc)
{
	if (ask->again || rc == -EPROTO || rc == -ENOMEM) {
		ask_fail(channel, ask, rc);
		return false;
	}
	ask->again = true;
	ask->kept = false;
	ask->link = NULL;
	channel->stats.asked_again++;
	ask_wait(channel, ask, true);
	return true;
}

static void links_retire(struct channel *channel)
{
	struct channel_link *link, *next;

	for (link = TAILQ_FIRST(&channel->links); link; link = next) {
		next = TAILQ_NEXT(link, entry);
		if (!link_is_open(link))
			continue;
		link->retired = true;
		if (link->live == 0)
			link_close(link);
	}
}

static void link_end(struct channel_link *link, int rc)
{
	struct channel *channel = link->channel;
	const bool was_open = link_is_open(link);
	bool again = false;

	/* A server may close what is idle: nothing is wrong. */
	if (!was_open || link->live > 0 || rc == -EPROTO)
		link_say(link, rc);
	for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++) {
		if (link->asks[i])
			again |= ask_again(channel, link->asks[i], rc);
	}
	link_close(link);
	if (again)
		links_retire(channel);
	if (was_open)
		return;
	channel->stats.failed++;
	channel->reopen_ms = uv_now(channel->loop) + REOPEN_MS;
	if (TAILQ_EMPTY(&channel->links))
		waiting_fail(channel, rc);
}

/* --- what the loop calls --- */

static void link_opened(struct channel_link *link)
{
	struct channel *channel = link->channel;

	channel->stats.opened++;
	if (link->outbound.tls && tls_resumed(link->outbound.tls))
		channel->stats.resumed++;
	link->idle_ms = uv_now(channel->loop);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct channel_link *link = poll->data;
	struct channel *channel = link->channel;
	const struct outbound_sink sink = {on_message, link};
	const bool was_open = link_is_open(link);
	const unsigned was_live = link->live;
	int rc = link->rc < 0 ? link->rc : outbound_turn(&link->outbound, &sink);

	(void)events;
	/* uv has stopped looking at a socket with an error; what it is, recv() has said. */
	if (rc >= 0 && status < 0)
		rc = -ECONNRESET;
	if (!link->closing && rc < 0) {
		link_end(link, rc);
	} else if (!link->closing) {
		link_wait(link, rc);
		if (!was_open && link_is_open(link))
			link_opened(link);
		if (was_live > 0)
			link_rest(link, false);
	}
	channel_settle(channel);
}

/* A link is due for one of the reasons of link_due(). */
static void link_expire(struct channel_link *link)
{
	if (link->rc < 0)
		link_end(link, link->rc);
	else if (!link_is_open(link))
		link_end(link, -ETIMEDOUT);
	else
		link_close(link);
}

static void on_timer(uv_timer_t *timer)
{
	struct channel *channel = timer->data;
	const uint64_t now_ms = uv_now(channel->loop);
	struct channel_link *link = TAILQ_FIRST(&channel->links);

	channel->armed_ms = UINT64_MAX;
	while (link) {
		/* The end of one may be that of others: from the start then. */
		if (link_due(link) <= now_ms) {
			link_expire(link);
			link = TAILQ_FIRST(&channel->links);
		} else {
			link = TAILQ_NEXT(link, entry);
		}
	}
	channel_settle(channel);
}

/* --- the caller's side --- */

int channel_send(
	struct channel *channel, struct channel_ask *ask, const uint8_t *message, size_t len)
{
	int rc;

	if (channel->closing)
		return -ECANCELED;
	if (ask->channel || len < HEADER_BYTES || len > MESSAGE_MAX)
		return -EINVAL;
	if (channel->waiting_count >= CHANNEL_WAITING || channel->bytes + len > CHANNEL_BYTES)
		return -EAGAIN;
	ask->frame = malloc(LENGTH_BYTES + len);
	if (!ask->frame)
		return -ENOMEM;
	ask->len = LENGTH_BYTES + len;
	ask->frame[0] = (uint8_t)(len >> 8);
	ask->frame[1] = (uint8_t)len;
	memcpy(ask->frame + LENGTH_BYTES, message, len);
	ask->id = (uint16_t)(message[0] << 8 | message[1]);
	ask->channel = channel;
	ask->link = NULL;
	ask->again = false;
	channel->bytes += ask->len;
	ask_wait(channel, ask, false);
	rc = channel_pump(channel);
	ask->kept = ask->state == ASK_OUT;
	if (rc < 0) {
		ask_unwait(channel, ask);
		ask_release(ask);
		return rc;
	}
	timer_arm(channel);
	return 0;
}

static void out_cancel(struct channel_ask *ask)
{
	struct channel_link *link = ask->link;
	const bool was_silent = link_is_silent(link);

	/* The ID stays taken: its reply may still come. */
	link->asks[ask->slot] = NULL;
	link->live--;
	ask_release(ask);
	link_rest(link, was_silent);
}

void channel_cancel(struct channel_ask *ask)
{
	struct channel *channel = ask->channel;

	if (!channel)
		return;
	if (ask->state == ASK_OUT) {
		int rc;

		out_cancel(ask);
		rc = channel_pump(channel);
		if (rc < 0)
			waiting_fail(channel, rc);
		timer_arm(channel);
		return;
	}
	if (ask->state == ASK_WAITING)
		ask_unwait(channel, ask);
	else
		TAILQ_REMOVE(&channel->finished, ask, entry);
	ask_release(ask);
}

bool channel_took_kept(const struct channel_ask *ask)
{
	return ask->kept;
}

const char *channel_error(const struct channel *channel)
{
	return channel->error;
}

void channel_stats(const struct channel *channel, struct channel_stats *out)
{
	*out = channel->stats;
}

/* --- beginning and end --- */

static void upstream_text(struct channel *channel)
{
	const char *scheme = channel->peer ? "tls://" : "";
	char host[INET6_ADDRSTRLEN] = "?";

	if (channel->server.sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &channel->server.v6.sin6_addr, host, sizeof host);
		snprintf(channel->upstream, sizeof channel->upstream, "%s[%s]:%u", scheme, host,
			(unsigned)address_port(&channel->server));
		return;
	}
	inet_ntop(AF_INET, &channel->server.v4.sin_addr, host, sizeof host);
	snprintf(channel->upstream, sizeof channel->upstream, "%s%s:%u", scheme, host,
		(unsigned)address_port(&channel->server));
}

static void address_copy(union address *to, const struct sockaddr *from)
{
	if (from->sa_family == AF_INET6)
		memcpy(&to->v6, from, sizeof to->v6);
	else
		memcpy(&to->v4, from, sizeof to->v4);
}

int channel_new(uv_loop_t *loop, const struct sockaddr *server,
	const struct channel_options *options, struct channel **out)
{
	struct channel *channel = calloc(1, sizeof *channel);
	int rc = 0;

	if (!channel)
		return -ENOMEM;
	if (options->tls)
		rc = tls_peer_new(options->tls, options->server_name, server, &channel->peer);
	if (rc < 0) {
		free(channel);
		return rc;
	}
	channel->loop = loop;
	channel->options = *options;
	if (options->expire_ms == 0)
		channel->options.expire_ms = EXPIRE_MS_DEFAULT;
	if (options->connect_timeout_ms == 0)
		channel->options.connect_timeout_ms = CONNECT_TIMEOUT_MS_DEFAULT;
	address_copy(&channel->server, server);
	if (options->source)
		address_copy(&channel->source, options->source);
	upstream_text(channel);
	TAILQ_INIT(&channel->links);
	TAILQ_INIT(&channel->waiting);
	TAILQ_INIT(&channel->finished);
	uv_timer_init(loop, &channel->timer);
	channel->timer.data = channel;
	channel->armed_ms = UINT64_MAX;
	channel->handles = 1;
	*out = channel;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

void channel_close(struct channel *channel, void (*closed)(void *user), void *user)
{
	struct channel_link *link;

	channel->closing = true;
	channel->closed = closed;
	channel->closed_user = user;
	while ((link = TAILQ_FIRST(&channel->links))) {
		for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++) {
			if (link->asks[i])
				ask_fail(channel, link->asks[i], -ECANCELED);
		}
		link_close(link);
	}
	waiting_fail(channel, -ECANCELED);
	uv_close((uv_handle_t *)&channel->timer, on_timer_closed);
	channel_deliver(channel);
}

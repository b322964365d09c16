/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include "channel_link.h"
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES               2
#define HEADER_BYTES               12
#define MESSAGE_MAX                65535
#define EXPIRE_MS_DEFAULT          10000
#define CONNECT_TIMEOUT_MS_DEFAULT 5000
/* After one that could not be opened, while others stand. */
#define REOPEN_MS 1000

enum ask_state { ASK_WAITING, ASK_OUT, ASK_FINISHED };

TAILQ_HEAD(ask_list, channel_ask);

struct channel {
	struct link_io io;
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
	unsigned max_idle;
	bool has_source;
	union address server, source;
	struct channel_stats stats;
	char upstream[INET6_ADDRSTRLEN + 24];
	char error[512];
};

/* --- questions --- */

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

/* --- time --- */

static void on_timer(uv_timer_t *timer);

/* The timer is only made to fire sooner: one that fires too early looks again. */
static void timer_arm(struct channel *channel)
{
	const uint64_t now_ms = uv_now(channel->io.loop);
	uint64_t due_ms = TAILQ_EMPTY(&channel->finished) ? UINT64_MAX : 0;
	const struct channel_link *link;

	if (channel->closing)
		return;
	TAILQ_FOREACH (link, &channel->links, entry) {
		const uint64_t link_ms = link_due_ms(link);

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

static void channel_say(struct channel *channel, const char *words)
{
	snprintf(channel->error, sizeof channel->error, "%s (upstream %s)", words,
		channel->upstream);
}

static int channel_connect(struct channel *channel)
{
	const struct sockaddr *source = channel->has_source ? &channel->source.sa : NULL;
	struct channel_link *link;
	const int rc = link_open(&channel->io, &channel->server.sa, source, &link);
	char words[128];

	if (rc == 0) {
		TAILQ_INSERT_TAIL(&channel->links, link, entry);
		channel->stats.connections++;
		channel->handles++;
		return 0;
	}
	channel->stats.failed++;
	channel->reopen_ms = uv_now(channel->io.loop) + REOPEN_MS;
	snprintf(words, sizeof words, "connect: %s", strerror(-rc));
	channel_say(channel, words);
	return rc;
}

static void channel_disconnect(struct channel *channel, struct channel_link *link)
{
	TAILQ_REMOVE(&channel->links, link, entry);
	channel->stats.connections--;
	link_close(link);
}

static bool idle_is_too_many(const struct channel *channel)
{
	const struct channel_link *link;
	unsigned idle = 0;

	TAILQ_FOREACH (link, &channel->links, entry)
		idle += link_is_open(link) && link->live == 0;
	return channel->max_idle > 0 && idle > channel->max_idle;
}

/* After its questions have become fewer. silent: the last of them had to be given up. */
static void channel_rest(struct channel *channel, struct channel_link *link, bool silent)
{
	if (link->closing || link->live > 0)
		return;
	if (silent || link_is_spent(link) || idle_is_too_many(channel))
		channel_disconnect(channel, link);
}

/* --- which question goes where --- */

static struct channel_link *link_best(const struct channel *channel)
{
	struct channel_link *link, *best = NULL;

	TAILQ_FOREACH (link, &channel->links, entry) {
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
		uv_now(channel->io.loop) < channel->reopen_ms)
		return true;
	TAILQ_FOREACH (link, &channel->links, entry)
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
		ask->state = ASK_OUT;
		link_ask(link, ask);
	}
	while (rc == 0 && !links_suffice(channel))
		rc = channel_connect(channel);
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
			channel_disconnect(channel, link);
	}
}

static void link_end(struct channel *channel, struct channel_link *link, int rc)
{
	const bool was_open = link_is_open(link);
	bool again = false;

	/* A server may close what is idle: nothing is wrong. */
	if (!was_open || link->live > 0 || rc == -EPROTO) {
		char words[384];

		link_words(link, rc, words, sizeof words);
		channel_say(channel, words);
	}
	for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++) {
		if (link->asks[i])
			again |= ask_again(channel, link->asks[i], rc);
	}
	channel_disconnect(channel, link);
	if (again)
		links_retire(channel);
	if (was_open)
		return;
	channel->stats.failed++;
	channel->reopen_ms = uv_now(channel->io.loop) + REOPEN_MS;
	if (TAILQ_EMPTY(&channel->links))
		waiting_fail(channel, rc);
}

/* --- what the loop calls --- */

static void on_reply(
	struct channel_link *link, struct channel_ask *ask, uint8_t *message, size_t len)
{
	(void)link;
	message[0] = (uint8_t)(ask->id >> 8);
	message[1] = (uint8_t)ask->id;
	ask_release(ask);
	ask->done(ask, CHANNEL_REPLY, 0, message, len);
}

static void on_turned(struct channel_link *link, int rc, void *user)
{
	struct channel *channel = user;

	if (link && rc < 0) {
		link_end(channel, link, rc);
	} else if (link && link_is_open(link) && !link->told_open) {
		link->told_open = true;
		channel->stats.opened++;
		channel->stats.resumed += link->outbound.tls && tls_resumed(link->outbound.tls);
	} else if (link && link_is_open(link)) {
		channel_rest(channel, link, false);
	}
	channel_settle(channel);
}

/* It is due for one of the reasons of link_due_ms(). */
static void link_expire(struct channel *channel, struct channel_link *link)
{
	if (link->rc < 0)
		link_end(channel, link, link->rc);
	else if (!link_is_open(link))
		link_end(channel, link, -ETIMEDOUT);
	else
		channel_disconnect(channel, link);
}

static void on_timer(uv_timer_t *timer)
{
	struct channel *channel = timer->data;
	const uint64_t now_ms = uv_now(channel->io.loop);
	struct channel_link *link = TAILQ_FIRST(&channel->links);

	channel->armed_ms = UINT64_MAX;
	while (link) {
		/* The end of one may be that of others: from the start then. */
		if (link_due_ms(link) <= now_ms) {
			link_expire(channel, link);
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

static void out_cancel(struct channel *channel, struct channel_ask *ask)
{
	struct channel_link *link = ask->link;
	const bool was_silent = link_is_silent(link);

	link_forget(link, ask);
	ask_release(ask);
	channel_rest(channel, link, was_silent);
}

void channel_cancel(struct channel_ask *ask)
{
	struct channel *channel = ask->channel;

	if (!channel)
		return;
	if (ask->state == ASK_OUT) {
		int rc;

		out_cancel(channel, ask);
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
	const char *scheme = channel->io.peer ? "tls://" : "";
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

static void handle_closed(void *user)
{
	struct channel *channel = user;
	void (*closed)(void *user) = channel->closed;
	void *closed_user = channel->closed_user;

	if (--channel->handles > 0)
		return;
	tls_peer_free(channel->io.peer);
	free(channel);
	if (closed)
		closed(closed_user);
}

static unsigned or_default(unsigned wanted, unsigned fallback)
{
	return wanted ? wanted : fallback;
}

int channel_new(uv_loop_t *loop, const struct sockaddr *server,
	const struct channel_options *options, struct channel **out)
{
	struct channel *channel = calloc(1, sizeof *channel);
	int rc = 0;

	if (!channel)
		return -ENOMEM;
	channel->io = (struct link_io){
		.loop = loop,
		.expire_ms = or_default(options->expire_ms, EXPIRE_MS_DEFAULT),
		.max_age_ms = options->max_age_ms,
		.connect_timeout_ms =
			or_default(options->connect_timeout_ms, CONNECT_TIMEOUT_MS_DEFAULT),
		.reply = on_reply,
		.turned = on_turned,
		.closed = handle_closed,
		.user = channel,
	};
	if (options->tls)
		rc = tls_peer_new(options->tls, options->server_name, server, &channel->io.peer);
	if (rc < 0) {
		free(channel);
		return rc;
	}
	channel->max_idle = options->max_idle;
	channel->has_source = options->source != NULL;
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
		channel_disconnect(channel, link);
	}
	waiting_fail(channel, -ECANCELED);
	uv_close((uv_handle_t *)&channel->timer, on_timer_closed);
	channel_deliver(channel);
}

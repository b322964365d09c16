/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LENGTH_BYTES 2
#define FLAG_QR      0x80 /* of the third byte of a header */
/* Questions out and not a byte back for so long: better another connection. */
#define SILENT_MS 1000
/* Slots that cancelled questions may hold. */
#define DEAD_MAX 32

static uint16_t random_id(struct link_io *io)
{
	uint16_t id;

	if (io->random_left < sizeof id) {
		/* Blocks of up to 256 bytes are never cut (getrandom(2)). */
		while (getrandom(io->random, sizeof io->random, 0) < 0)
			;
		io->random_left = sizeof io->random;
	}
	io->random_left -= (unsigned)sizeof id;
	memcpy(&id, io->random + io->random_left, sizeof id);
	memset(io->random + io->random_left, 0, sizeof id);
	return id;
}

/* --- its state --- */

static uint64_t now_ms(const struct channel_link *link)
{
	return uv_now(link->io->loop);
}

bool link_is_open(const struct channel_link *link)
{
	return link->outbound.state == OUTBOUND_OPEN;
}

bool link_is_silent(const struct channel_link *link)
{
	return link->live > 0 && now_ms(link) - link->heard_ms >= SILENT_MS;
}

unsigned link_used(const struct channel_link *link)
{
	return (unsigned)__builtin_popcountll(link->used);
}

static bool link_is_old(const struct channel_link *link)
{
	return link->io->max_age_ms > 0 && now_ms(link) - link->opened_ms >= link->io->max_age_ms;
}

bool link_is_spent(const struct channel_link *link)
{
	return link->retired || link_is_old(link) || link_used(link) - link->live >= DEAD_MAX;
}

bool link_is_usable(const struct channel_link *link)
{
	return link->rc == 0 && link_is_open(link) && link_used(link) < CHANNEL_OUTSTANDING &&
	       !link_is_silent(link) && !link_is_spent(link);
}

uint64_t link_due_ms(const struct channel_link *link)
{
	const struct link_io *io = link->io;
	uint64_t due_ms;

	if (link->rc < 0)
		return 0;
	if (!link_is_open(link))
		return link->opened_ms + io->connect_timeout_ms;
	if (link->live > 0)
		return UINT64_MAX;
	due_ms = link->idle_ms + io->expire_ms;
	if (io->max_age_ms > 0 && link->opened_ms + io->max_age_ms < due_ms)
		due_ms = link->opened_ms + io->max_age_ms;
	return due_ms;
}

void link_words(const struct channel_link *link, int rc, char *words, size_t cap)
{
	const char *tls = outbound_words(&link->outbound);

	if (tls[0] != '\0')
		snprintf(words, cap, "%s", tls);
	else if (rc == -EPROTO)
		snprintf(words, cap, "what came is no reply to a question that was asked");
	else if (link->outbound.state == OUTBOUND_CONNECTING)
		snprintf(words, cap, "connect: %s", strerror(-rc));
	else if (link->outbound.state == OUTBOUND_HANDSHAKE)
		snprintf(words, cap, "TLS handshake: %s", strerror(-rc));
	else
		snprintf(words, cap, "%s", strerror(-rc));
}

/* --- its questions --- */

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

static int slot_find(const struct channel_link *link, uint16_t id)
{
	for (int i = 0; i < CHANNEL_OUTSTANDING; i++) {
		if (link->used & UINT64_C(1) << i && link->ids[i] == id)
			return i;
	}
	return -1;
}

void link_ask(struct channel_link *link, struct channel_ask *ask)
{
	const unsigned slot = (unsigned)__builtin_ctzll(~link->used);
	uint16_t id;
	int waits;

	do
		id = random_id(link->io);
	while (slot_find(link, id) >= 0);
	ask->link = link;
	ask->slot = slot;
	ask->frame[LENGTH_BYTES] = (uint8_t)(id >> 8);
	ask->frame[LENGTH_BYTES + 1] = (uint8_t)id;
	link->ids[slot] = id;
	link->asks[slot] = ask;
	link->used |= UINT64_C(1) << slot;
	if (link->live++ == 0)
		link->heard_ms = now_ms(link);
	waits = outbound_send(&link->outbound, ask->frame, ask->len);
	if (waits < 0)
		link->rc = waits;
	else
		link_wait(link, waits);
}

/* live has become less. */
static void live_drop(struct channel_link *link)
{
	if (--link->live == 0)
		link->idle_ms = now_ms(link);
}

void link_forget(struct channel_link *link, struct channel_ask *ask)
{
	link->asks[ask->slot] = NULL;
	live_drop(link);
}

static int on_message(void *user, uint8_t *message, size_t len)
{
	struct channel_link *link = user;
	const int slot = slot_find(link, (uint16_t)(message[0] << 8 | message[1]));
	struct channel_ask *ask;

	if (slot < 0 || !(message[2] & FLAG_QR))
		return -EPROTO;
	link->heard_ms = now_ms(link);
	ask = link->asks[slot];
	link->asks[slot] = NULL;
	link->used &= ~(UINT64_C(1) << slot);
	if (!ask)
		return 0;
	live_drop(link);
	link->io->reply(link, ask, message, len);
	return link->closing ? -ECANCELED : 0;
}

/* --- on the loop --- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct channel_link *link = poll->data;
	struct link_io *io = link->io;
	const struct outbound_sink sink = {on_message, link};
	const bool was_open = link_is_open(link);
	int rc = link->rc < 0 ? link->rc : outbound_turn(&link->outbound, &sink);

	(void)events;
	if (link->closing) {
		io->turned(NULL, 0, io->user);
		return;
	}
	/* uv has stopped looking at a socket with an error; what it is, recv() has said. */
	if (rc >= 0 && status < 0)
		rc = -ECONNRESET;
	if (rc >= 0)
		link_wait(link, rc);
	/* Its age counts from here: one that took long to open is as good as others. */
	if (!was_open && link_is_open(link))
		link->opened_ms = link->idle_ms = now_ms(link);
	io->turned(link, rc < 0 ? rc : 0, io->user);
}

int link_open(struct link_io *io, const struct sockaddr *server, const struct sockaddr *source,
	struct channel_link **out)
{
	struct channel_link *link = calloc(1, sizeof *link);
	int rc;

	if (!link)
		return -ENOMEM;
	rc = outbound_open(&link->outbound, server, source, io->peer);
	if (rc < 0) {
		free(link);
		return rc;
	}
	rc = uv_poll_init(io->loop, &link->poll, link->outbound.fd);
	if (rc < 0) {
		outbound_free(&link->outbound);
		free(link);
		return rc;
	}
	link->poll.data = link;
	link->io = io;
	link->opened_ms = now_ms(link);
	link_wait(link, outbound_waits(&link->outbound));
	*out = link;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct channel_link *link = handle->data;
	struct link_io *io = link->io;

	outbound_free(&link->outbound);
	free(link);
	io->closed(io->user);
}

void link_close(struct channel_link *link)
{
	link->closing = true;
	uv_close((uv_handle_t *)&link->poll, on_closed);
	outbound_shut(&link->outbound);
}

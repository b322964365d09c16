/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFY (RFC 1996): tells secondaries that a zone has another version.
 *
 *	        change              due           answer
 *	IDLE ----------> DUE(0) ----------> DUE(1..5) ----------> IDLE
 *	  ^                ^    first try      |   | due: the next try
 *	  |                +------ change -----+   |
 *	  +----- due after the last try: give up --+
 *
 * A change makes a target due at once, but not sooner than a second behind the first
 * try for the change before: a burst is one NOTIFY at its beginning and one a second
 * as long as it lasts. A try that is not answered is repeated after 1, 2, 4 and 8 s;
 * who still says nothing learns of the change by the zone's refresh. Any answer
 * with the right id from the right place counts. */

#include "transfer.h"

#include "dns/observe/log.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#define TRIES               5
#define FIRST_MS_DEFAULT    1000
#define INTERVAL_MS_DEFAULT 1000
#define OPCODE              0x2000u /* NOTIFY */
#define OPCODE_MASK         0x7800u

struct target {
	struct notify_target of;
	uint8_t packet[DNS_HEADER_LEN + NAME_MAX_LEN + 4]; /* the question's */
	struct query query;
	bool due, told, silent;
	unsigned tries;
	uint16_t id;
	uint32_t serial; /* the last one told */
	uint64_t due_ms, first_ms;
};

struct notify {
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_udp_t sockets[2]; /* IPv4, IPv6 */
	unsigned handles;
	struct notify_timing timing;
	struct target *targets;
	size_t count;
	uint8_t in[512]; /* what is longer is no answer to us */
	void (*done)(void *user);
	void *user;
};

static uv_udp_t *socket_for(struct notify *notify, const struct sockaddr_storage *address)
{
	return &notify->sockets[address->ss_family == AF_INET6];
}

/* ---- out ---- */

/* The question and, as a hint, the SOA (RFC 1996 section 3.7). */
static size_t message_make(struct target *target, uint8_t *out)
{
	struct reply reply;
	size_t len;

	target->query.id = target->id;
	reply_begin(&reply, &target->query, out, DNS_UDP_DEFAULT);
	target->serial =
		target->of.origin.source->soa(target->of.origin.instance, &target->query, &reply);
	len = reply_end(&reply);
	bytes_set_u16(out + 2, OPCODE | DNS_FLAG_AA);
	return len;
}

static void target_send(struct notify *notify, struct target *target)
{
	uint8_t out[DNS_UDP_DEFAULT];
	uv_buf_t buf = uv_buf_init((char *)out, 0);

	if (target->tries == 0) {
		target->first_ms = uv_now(notify->loop);
		if (getrandom(&target->id, sizeof target->id, GRND_NONBLOCK) < 0)
			target->id++;
	}
	target->told = true;
	buf.len = message_make(target, out);
	/* What cannot be sent now is one try less. */
	uv_udp_try_send(socket_for(notify, &target->of.address), &buf, 1,
		(const struct sockaddr *)&target->of.address);
	target->due_ms =
		uv_now(notify->loop) + ((uint64_t)notify->timing.first_ms << target->tries);
	target->tries++;
}

static void target_give_up(struct target *target)
{
	char zone[NAME_TEXT_MAX], peer[TRANSFER_PEER_TEXT];

	target->due = false;
	if (target->silent) /* said before */
		return;
	target->silent = true;
	name_to_text(target->of.apex.wire, zone, sizeof zone);
	transfer_peer_text((const struct sockaddr *)&target->of.address, peer);
	log_write(LOG_WARNING, "transfer",
		"%s does not answer to NOTIFY for zone %s; it learns of changes when it next asks "
		"by itself",
		peer, zone);
}

static void on_timer(uv_timer_t *timer);

static void timer_arm(struct notify *notify)
{
	const uint64_t now = uv_now(notify->loop);
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < notify->count; i++) {
		if (notify->targets[i].due && notify->targets[i].due_ms < next)
			next = notify->targets[i].due_ms;
	}
	if (next == UINT64_MAX)
		uv_timer_stop(&notify->timer);
	else
		uv_timer_start(&notify->timer, on_timer, next > now ? next - now : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct notify *notify = timer->data;
	const uint64_t now = uv_now(notify->loop);

	for (size_t i = 0; i < notify->count; i++) {
		struct target *target = &notify->targets[i];

		if (!target->due || target->due_ms > now)
			continue;
		if (target->tries == TRIES)
			target_give_up(target);
		else
			target_send(notify, target);
	}
	timer_arm(notify);
}

static void target_changed(struct notify *notify, struct target *target)
{
	const struct transfer_origin *origin = &target->of.origin;
	const uint64_t now = uv_now(notify->loop),
		       soonest = target->first_ms + notify->timing.interval_ms;
	uint32_t serial;

	if (!origin->source->serial(origin->instance, &serial) ||
		(target->told && serial == target->serial))
		return;
	if (target->due && target->tries == 0)
		return;
	target->due = true;
	target->tries = 0;
	target->due_ms = target->told && soonest > now ? soonest : now;
}

void notify_changed(struct notify *notify)
{
	if (!notify->count || notify->done)
		return;
	for (size_t i = 0; i < notify->count; i++)
		target_changed(notify, &notify->targets[i]);
	timer_arm(notify);
}

/* ---- in ---- */

static bool address_same(const struct sockaddr *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->sa_family != b->ss_family)
		return false;
	if (a->sa_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_port == b6->sin6_port &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

static void target_answered(struct target *target, unsigned rcode)
{
	char zone[NAME_TEXT_MAX], peer[TRANSFER_PEER_TEXT], text[TYPE_TEXT_MAX];

	target->due = false;
	target->silent = false;
	if (rcode == RCODE_NOERROR)
		return;
	name_to_text(target->of.apex.wire, zone, sizeof zone);
	transfer_peer_text((const struct sockaddr *)&target->of.address, peer);
	log_write(LOG_WARNING, "transfer", "%s answers %s to NOTIFY for zone %s", peer,
		rcode_to_text((uint16_t)rcode, text), zone);
}

static void answer_read(struct notify *notify, size_t len, const struct sockaddr *from)
{
	struct bytes_in in = bytes_in(notify->in, len);
	const uint16_t id = bytes_get_u16(&in), flags = bytes_get_u16(&in);

	if (len < DNS_HEADER_LEN || !(flags & DNS_FLAG_QR) || (flags & OPCODE_MASK) != OPCODE)
		return;
	for (size_t i = 0; i < notify->count; i++) {
		struct target *target = &notify->targets[i];

		if (target->due && target->tries > 0 && target->id == id &&
			address_same(from, &target->of.address))
			target_answered(target, flags & 15u);
	}
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct notify *notify = handle->data;

	(void)size;
	*buf = uv_buf_init((char *)notify->in, sizeof notify->in);
}

static void on_answer(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
	unsigned flags)
{
	(void)buf;
	(void)flags;
	if (len <= 0 || !from)
		return;
	answer_read(udp->data, (size_t)len, from);
	timer_arm(udp->data);
}

/* ---- life ---- */

static int target_init(struct target *target, const struct notify_target *of)
{
	uint8_t *at = target->packet;

	target->of = *of;
	bytes_set_u16(at + 4, 1);
	memcpy(at + DNS_HEADER_LEN, of->apex.wire, of->apex.len);
	at += DNS_HEADER_LEN + of->apex.len;
	bytes_set_u16(at, TYPE_SOA);
	bytes_set_u16(at + 2, CLASS_IN);
	return query_parse(target->packet, DNS_HEADER_LEN + of->apex.len + 4u, &target->query) ==
			       QUERY_OK
		       ? 0
		       : -EINVAL;
}

static void socket_bind_any(uv_udp_t *udp, sa_family_t family)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET};
	const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (family == AF_INET)
		uv_udp_bind(udp, (const struct sockaddr *)&v4, 0);
	else
		uv_udp_bind(udp, (const struct sockaddr *)&v6, UV_UDP_IPV6ONLY);
}

/* A family that the kernel does not have is one that nobody answers in. */
static void sockets_open(struct notify *notify)
{
	for (unsigned i = 0; i < 2; i++) {
		uv_udp_init(notify->loop, &notify->sockets[i]);
		notify->sockets[i].data = notify;
		notify->handles++;
	}
	for (size_t i = 0; i < notify->count; i++) {
		const struct sockaddr_storage *address = &notify->targets[i].of.address;
		uv_udp_t *udp = socket_for(notify, address);

		if (uv_is_active((uv_handle_t *)udp))
			continue;
		socket_bind_any(udp, address->ss_family);
		uv_udp_recv_start(udp, on_room, on_answer);
	}
}

int notify_open(struct uv_loop_s *loop, const struct notify_timing *timing,
	const struct notify_target *targets, size_t count, struct notify **out)
{
	struct notify *notify = calloc(1, sizeof *notify);
	int rc = notify ? 0 : -ENOMEM;

	if (notify)
		notify->targets = calloc(count + 1, sizeof *notify->targets);
	if (!notify || !notify->targets)
		rc = -ENOMEM;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = target_init(&notify->targets[notify->count++], &targets[i]);
	if (rc < 0) {
		notify_free(notify);
		return rc;
	}
	notify->loop = loop;
	notify->timing = (struct notify_timing){
		.first_ms = timing->first_ms ? timing->first_ms : FIRST_MS_DEFAULT,
		.interval_ms = timing->interval_ms ? timing->interval_ms : INTERVAL_MS_DEFAULT,
	};
	uv_timer_init(loop, &notify->timer);
	notify->timer.data = notify;
	notify->handles = 1;
	sockets_open(notify);
	notify_changed(notify);
	*out = notify;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct notify *notify = handle->data;

	if (--notify->handles == 0)
		notify->done(notify->user);
}

void notify_close(struct notify *notify, void (*done)(void *user), void *user)
{
	notify->done = done;
	notify->user = user;
	uv_close((uv_handle_t *)&notify->timer, on_closed);
	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&notify->sockets[i], on_closed);
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	free(notify->targets);
	free(notify);
}

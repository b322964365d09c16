/* SPDX-License-Identifier: Apache-2.0 */
/* Upstreams: their sockets, and the probes that say whether they are there.
 *
 *	opens            one probe: is it there, how quick is it, does it lead back to us
 *	MISSING, DOWN    a probe now, and one every health_check until it answers
 *	LOOPING          a probe every LOOP_AGAIN_MS: it may have been put right
 *
 * With `loop` in the block the probe of an upstream that opens, or that looped, asks for a
 * name nobody can guess. If that question comes to us, the upstream forwards to us, directly
 * or through others, and is left out. */

#include "forward.h"

#include "dns/observe/log.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LOOP_AGAIN_MS 30000
#define OUTAGE_MS     900 /* nobody answered anything for so long */
#define LOOP_LABEL    16  /* hexadecimal digits of a nonce */
#define PROBE_MAX     (DNS_HEADER_LEN + QUERY_ASKED_MAX)

/* ---- life ---- */

struct upstream *upstream_new(struct forward_line *line, const struct forward_target *target)
{
	struct upstream *upstream = calloc(1, sizeof *upstream);

	if (!upstream)
		return NULL;
	upstream->line = line;
	upstream->target = *target;
	upstream->refs = 1;
	forward_target_text(target, upstream->text);
	if (upstream_count_setup(upstream) == -ENOMEM) {
		free(upstream);
		return NULL;
	}
	return upstream;
}

void upstream_ref(struct upstream *upstream)
{
	upstream->refs++;
}

void upstream_unref(struct upstream *upstream)
{
	if (--upstream->refs == 0)
		free(upstream);
}

static void on_timer_closed(uv_handle_t *handle)
{
	upstream_unref(handle->data);
}

static void on_channel_closed(void *user)
{
	upstream_unref(user);
}

static void probe_stop(struct upstream *upstream)
{
	if (!upstream->probing)
		return;
	upstream->probing = false;
	if (upstream->probe_streamed)
		channel_cancel(&upstream->probe_ask);
	else
		exchange_cancel(upstream->probe);
}

void upstream_close(struct upstream *upstream)
{
	const bool was_open = upstream->open;

	/* First: what fails with its channel must not begin a probe. */
	upstream->open = false;
	probe_stop(upstream);
	ports_close(upstream->ports);
	upstream->ports = NULL;
	if (upstream->channel) {
		struct channel *channel = upstream->channel;

		upstream->channel = NULL;
		upstream_ref(upstream);
		channel_close(channel, on_channel_closed, upstream);
	}
	if (was_open)
		uv_close((uv_handle_t *)&upstream->timer, on_timer_closed);
	else
		upstream_unref(upstream);
}

/* ---- how it is asked ---- */

bool upstream_is_streamed(const struct upstream *upstream)
{
	return upstream->target.tls || upstream->line->options.force_tcp;
}

static const struct sockaddr *upstream_source(const struct upstream *upstream)
{
	const struct forward_options *options = &upstream->line->options;
	const union address *source = upstream->target.address.sa.sa_family == AF_INET
					      ? &options->source_v4
					      : &options->source_v6;

	return source->sa.sa_family ? &source->sa : NULL;
}

struct ports *upstream_ports(struct upstream *upstream)
{
	if (!upstream->ports && upstream->open)
		ports_new(upstream->line->forward->io.loop, &upstream->target.address.sa,
			upstream_source(upstream), &upstream->ports);
	return upstream->ports;
}

struct channel *upstream_channel(struct upstream *upstream)
{
	const struct forward_line *line = upstream->line;
	const struct forward_options *options = &line->options;
	const char *own = upstream->target.server_name;
	const struct channel_options how = {
		.tls = upstream->target.tls ? line->tls : NULL,
		.server_name = *own                       ? own
			       : *options->tls_servername ? options->tls_servername
							  : NULL,
		.expire_ms = options->expire_ms,
		.max_age_ms = options->max_age_ms,
		.max_idle = options->max_idle,
		.connect_timeout_ms = options->read_timeout_ms,
		.source = upstream_source(upstream),
	};

	if (!upstream->channel && upstream->open)
		channel_new(line->forward->io.loop, &upstream->target.address.sa, &how,
			&upstream->channel);
	return upstream->channel;
}

/* ---- its state ---- */

static bool all_missing(const struct forward_line *line, uint64_t now_ms)
{
	for (unsigned i = 0; i < line->upstream_count; i++) {
		if (upstream_rank(&line->upstreams[i]->state, now_ms) < UPSTREAM_MISSING)
			return false;
	}
	return true;
}

static void line_update(struct forward_line *line)
{
	const uint64_t now_ms = forward_now_ms();
	const bool unwell = all_missing(line, now_ms);
	const bool was = atomic_load_explicit(&line->unwell, memory_order_relaxed);

	if (unwell == was)
		return;
	atomic_store_explicit(&line->unwell, unwell, memory_order_relaxed);
	if (unwell) {
		line->unwell_since_ms = now_ms;
		count_forward(line->forward, COUNT_BROKEN);
		return;
	}
	/* They were only slow: what was asked of them is being answered. */
	if (now_ms - line->unwell_since_ms < OUTAGE_MS)
		return;
	atomic_store_explicit(&line->recovered_ms, now_ms, memory_order_relaxed);
	lookups_wake(line);
}

static void probe_begin(struct upstream *upstream);
static void on_timer(uv_timer_t *timer);

/* Whether it is to be probed, and how soon; false: there is no need. */
static bool probe_due(const struct upstream *upstream, uint64_t *ms)
{
	const struct upstream_state *state = &upstream->state;

	*ms = state->looping ? LOOP_AGAIN_MS : upstream->line->options.check_ms;
	return state->looping || state->missing || state->down;
}

void upstream_changed(struct upstream *upstream)
{
	uint64_t ms;

	line_update(upstream->line);
	if (!upstream->open || upstream->probing ||
		uv_is_active((const uv_handle_t *)&upstream->timer))
		return;
	if (!probe_due(upstream, &ms))
		return;
	/* It was well until now: look at once. Later ones keep the interval. */
	if (!upstream->state.looping)
		probe_begin(upstream);
	else
		uv_timer_start(&upstream->timer, on_timer, ms, 0);
}

/* ---- probes ---- */

static void probe_next(struct upstream *upstream)
{
	uint64_t ms;

	if (upstream->loop_nonce)
		atomic_store_explicit(upstream->loop_nonce, 0, memory_order_relaxed);
	if (probe_due(upstream, &ms))
		uv_timer_start(&upstream->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&upstream->timer);
	line_update(upstream->line);
}

static void probe_answered(struct upstream *upstream, bool measured)
{
	const uint64_t us = (uv_hrtime() - upstream->probed_ns) / 1000;
	const bool was_down = upstream->state.down;

	upstream->probing = false;
	upstream_replied(&upstream->state, forward_now_ms(), measured ? (uint32_t)us : 0);
	if (was_down)
		log_write(LOG_INFO, "forward", "upstream %s answers again", upstream->text);
	/* A reply to a question that led back to us comes from us: the nonce is cleared then. */
	if (upstream->loop_nonce &&
		atomic_load_explicit(upstream->loop_nonce, memory_order_acquire)) {
		if (upstream->state.looping)
			log_write(LOG_INFO, "loop",
				"upstream %s leads back to this server no longer", upstream->text);
		upstream->loop_checked = true;
		upstream->state.looping = false;
	}
	probe_next(upstream);
}

static void probe_failed(struct upstream *upstream, const char *reason)
{
	const struct forward_options *options = &upstream->line->options;

	upstream->probing = false;
	if (options->max_fails) {
		count_probe_failed(upstream);
		if (upstream_probe_failed(&upstream->state, options->max_fails))
			log_write(LOG_WARNING, "forward",
				"upstream %s does not answer (%s); it is asked again when it "
				"answers probes",
				upstream->text, reason);
	}
	probe_next(upstream);
}

static void on_exchange(void *user, enum exchange_end end, int rc, const uint8_t *reply, size_t len)
{
	struct upstream *upstream = user;

	(void)reply;
	(void)len;
	if (end == EXCHANGE_FAILED)
		probe_failed(upstream, strerror(-rc));
	else if (end == EXCHANGE_FORGED)
		probe_failed(upstream, "forged replies");
	else
		probe_answered(upstream, true);
}

static void on_channel(
	struct channel_ask *ask, enum channel_end end, int rc, const uint8_t *reply, size_t len)
{
	struct upstream *upstream =
		(struct upstream *)(void *)((char *)ask - offsetof(struct upstream, probe_ask));

	(void)reply;
	(void)len;
	if (end == CHANNEL_REPLY)
		probe_answered(upstream, channel_took_kept(ask));
	else
		probe_failed(
			upstream, rc == -EPROTO ? channel_error(upstream->channel) : strerror(-rc));
}

static size_t message_make(
	const uint8_t *name, size_t name_len, uint16_t type, uint16_t flags, uint8_t buf[PROBE_MAX])
{
	struct bytes_out out = bytes_out(buf, PROBE_MAX);

	bytes_put_u16(&out, 0);
	bytes_put_u16(&out, flags);
	bytes_put_u16(&out, 1);
	bytes_put_u16(&out, 0);
	bytes_put_u32(&out, 0);
	bytes_put(&out, name, name_len);
	bytes_put_u16(&out, type);
	bytes_put_u16(&out, CLASS_IN);
	return bytes_used(&out);
}

/* "<16 digits>.<the block's first zone>": HINFO, as CoreDNS asks. */
static size_t loop_make(struct upstream *upstream, uint8_t buf[PROBE_MAX])
{
	struct name name = upstream->line->forward->zone;
	char label[LOOP_LABEL + 1];
	uint64_t nonce = 0;

	while (getrandom(&nonce, sizeof nonce, 0) < 0 || !nonce)
		;
	snprintf(label, sizeof label, "%016llx", (unsigned long long)nonce);
	if (name_prepend(&name, label, LOOP_LABEL) < 0)
		return 0;
	atomic_store_explicit(upstream->loop_nonce, nonce, memory_order_release);
	return message_make(name.wire, name.len, TYPE_HINFO, DNS_FLAG_RD, buf);
}

static void probe_begin(struct upstream *upstream)
{
	const struct forward_options *options = &upstream->line->options;
	const struct name *name = &options->check_name;
	struct channel *channel = NULL;
	uint8_t message[PROBE_MAX];
	size_t len = 0;
	int rc = -ENOMEM;

	if (upstream->loop_nonce && (!upstream->loop_checked || upstream->state.looping))
		len = loop_make(upstream, message);
	if (!len)
		len = message_make(name->wire, name->len, TYPE_NS,
			options->check_no_rec ? 0 : DNS_FLAG_RD, message);
	upstream->probe_streamed = upstream_is_streamed(upstream);
	upstream->probed_ns = uv_hrtime();
	upstream->probing = true;
	if (!upstream->probe_streamed) {
		if (upstream_ports(upstream))
			rc = exchange_start(&upstream->line->forward->io, upstream->ports, message,
				len, on_exchange, upstream, &upstream->probe);
	} else if ((channel = upstream_channel(upstream))) {
		upstream->probe_ask.done = on_channel;
		rc = channel_send(channel, &upstream->probe_ask, message, len);
	}
	if (rc < 0)
		probe_failed(upstream, strerror(-rc));
	else
		uv_timer_start(&upstream->timer, on_timer, FORWARD_CHECK_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct upstream *upstream = timer->data;

	if (upstream->probing) {
		probe_stop(upstream);
		probe_failed(upstream, "no reply within a second");
		return;
	}
	probe_begin(upstream);
}

void upstream_open(struct upstream *upstream)
{
	struct forward *forward = upstream->line->forward;

	uv_timer_init(forward->io.loop, &upstream->timer);
	upstream->timer.data = upstream;
	upstream->open = true;
	if (forward->looks_for_loops)
		upstream->loop_nonce =
			&forward->loop_nonces[forward->loop_nonce_next++ % FORWARD_NONCES];
	probe_begin(upstream);
}

/* ---- loops ---- */

struct loop_job {
	struct worker_job job;
	struct forward *forward;
	const _Atomic uint64_t *which;
};

static void loop_mark(struct upstream *upstream)
{
	const char *zone = upstream->line->forward->zone_text;
	const bool was = upstream->state.looping;

	upstream->state.looping = true;
	count_loop(upstream);
	if (!was)
		log_write(LOG_ERROR, "loop",
			"Loop detected for zone \"%s\": upstream %s forwards to this server; it is "
			"not asked until it no longer does. Name other upstreams in `forward`, or "
			"in the resolv.conf that it reads",
			zone, upstream->text);
	upstream_changed(upstream);
}

static void on_loop_job(struct worker_job *base, bool cancelled)
{
	struct loop_job *job = (struct loop_job *)(void *)base;
	struct forward *forward = job->forward;

	for (size_t l = 0; l < forward->line_count && !cancelled; l++) {
		struct forward_line *line = &forward->lines[l];

		for (unsigned i = 0; i < line->upstream_count; i++) {
			struct upstream *upstream = line->upstreams[i];

			if (upstream->loop_nonce == job->which)
				loop_mark(upstream);
		}
	}
	free(job);
}

bool forward_loop_seen(struct forward *forward, const struct query *query)
{
	const struct name *zone = &forward->zone;
	char text[LOOP_LABEL + 1], *end;
	struct loop_job *job;
	uint64_t nonce;

	if (query->qtype != TYPE_HINFO || query->name[0] != LOOP_LABEL ||
		query->labels != zone->labels + 1u || !query_below(query, zone))
		return false;
	memcpy(text, query->name + 1, LOOP_LABEL);
	text[LOOP_LABEL] = 0;
	nonce = strtoull(text, &end, 16);
	if (*end || !nonce)
		return false;
	for (unsigned i = 0; i < FORWARD_NONCES; i++) {
		uint64_t expected = nonce;

		if (!atomic_compare_exchange_strong(&forward->loop_nonces[i], &expected, 0))
			continue;
		/* Whose it is, the loop thread knows. */
		job = malloc(sizeof *job);
		if (!job)
			return true;
		job->job.run = on_loop_job;
		job->forward = forward;
		job->which = &forward->loop_nonces[i];
		worker_post(forward->worker, &job->job);
		return true;
	}
	return false;
}

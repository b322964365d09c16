/* SPDX-License-Identifier: Apache-2.0 */
/* A call is made by go(), its bytes go to the intake (or, where the status is not
 * 200 and in a discovery, to the answer), and its end comes to finish(), which asks
 * reflector_step() what to do, tells the sink, and either goes on or waits.
 *
 * The one timer is the wait's in BACKOFF, and a watchdog during a stream.
 *
 * Every entry from outside is bracketed by enter() and leave(): reflector_close()
 * may come from inside a sink's callback, and then only leave() frees. After every
 * call of the sink the state may therefore be CLOSED. */

#include "reflector.h"

#include "answer.h"
#include "backoff.h"
#include "intake.h"
#include "notice.h"
#include "proto_schema.h"
#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_TIMEOUT_MS     120000u
#define LIST_SILENCE_MS     60000u
#define DISCOVER_TIMEOUT_MS 30000u
/* The server ends a watch after a time from [300, 600] s; half a minute of grace. */
#define WATCH_TIMEOUT_S 300u
#define WATCH_GRACE_S   30u
#define WATCH_SHORT_MS  1000u
/* Bookmarks come about once a minute, from servers that send them at all. */
#define WATCH_SILENCE_MS       180000u
#define STREAM_LIST_SILENCE_MS 30000u
#define STREAM_LIST_RETRY_MS   3600000u
#define PROTOBUF_RETRY_MS      3600000u
#define POLL_S                 60u

struct reflector {
	struct transport *transport;
	struct sink sink;
	char *source, *label_selector; /* NULL: none */
	enum object_kind kind;
	enum resource resource;
	struct transport_call *call;
	struct transport_timer *timer;
	struct intake intake;
	struct backoff backoff;

	enum reflector_state state;
	unsigned entered;
	enum outcome last[REFLECTOR_STATES]; /* failures with no success since */
	/* BACKOFF */
	enum step_go go_next;
	enum step_pause pause;
	/* the next list */
	enum list_from from;
	bool unpaged;
	bool absent;                  /* an optional resource is not there: no objects */
	enum outcome reason;          /* why there has to be one */
	uint64_t stream_list_from_ms; /* no streamed list before this time */
	uint64_t protobuf_from_ms;    /* nothing but JSON before this time */

	/* the call */
	bool fresh; /* its credentials are read anew: the last answer was 401 */
	bool armed; /* the watchdog runs */
	bool is_page;
	struct answer answer;
	uint64_t head_ms, last_byte_ms;

	struct notice notice;

	_Atomic int shown_state;
	_Atomic bool synced, forbidden;
	_Atomic uint64_t lists, stream_lists, watches, expired, failures, bytes, last_contact_ms;
};

/* The endpoints APIs, from new to old. */
static const enum resource endpoint_resources[] = {
	RESOURCE_SLICES, RESOURCE_SLICES_V1BETA1, RESOURCE_ENDPOINTS};

static const enum resource first_resources[KIND_COUNT] = {
	[KIND_NAMESPACE] = RESOURCE_NAMESPACES,
	[KIND_SERVICE] = RESOURCE_SERVICES,
	[KIND_SLICE] = RESOURCE_SLICES,
	[KIND_POD] = RESOURCE_PODS,
	[KIND_IMPORT] = RESOURCE_IMPORTS,
	[KIND_IMPORT_SLICE] = RESOURCE_IMPORT_SLICES,
};

static void go(struct reflector *r, enum step_go where);
static void finish(struct reflector *r, enum outcome outcome, const char *detail);

/* ---- small things ---- */

static uint64_t now_ms(struct reflector *r)
{
	return r->transport->now_ms(r->transport);
}

static uint32_t draw(struct reflector *r)
{
	return r->transport->random(r->transport);
}

static void state_set(struct reflector *r, enum reflector_state state)
{
	static const enum watch_state shown[REFLECTOR_STATES] = {
		[REFLECTOR_DISCOVER] = WATCH_STATE_DISCOVERING,
		[REFLECTOR_LIST] = WATCH_STATE_LISTING,
		[REFLECTOR_STREAM_LIST] = WATCH_STATE_LISTING,
		[REFLECTOR_WATCH] = WATCH_STATE_WATCHING,
		[REFLECTOR_BACKOFF] = WATCH_STATE_WAITING,
		[REFLECTOR_CLOSED] = WATCH_STATE_CLOSED,
	};

	r->state = state;
	atomic_store_explicit(&r->shown_state, (int)shown[state], memory_order_relaxed);
}

static bool is_closed(const struct reflector *r)
{
	return r->state == REFLECTOR_CLOSED;
}

static void reflector_free(struct reflector *r)
{
	intake_free(&r->intake);
	answer_free(&r->answer);
	free(r->source);
	free(r->label_selector);
	free(r);
}

static void enter(struct reflector *r)
{
	r->entered++;
}

/* False: r is gone. */
static bool leave(struct reflector *r)
{
	if (--r->entered > 0 || !is_closed(r))
		return true;
	reflector_free(r);
	return false;
}

static void timer_stop(struct reflector *r)
{
	r->armed = false;
	r->transport->timer_stop(r->transport, r->timer);
}

static void call_cancel(struct reflector *r)
{
	struct transport_call *call = r->call;

	r->call = NULL;
	if (call)
		r->transport->cancel(r->transport, call);
}

/* ---- telling ---- */

static void failure_tell(struct reflector *r, enum watch_event_type type, const char *detail)
{
	const int status = r->answer.status == 200 ? 0 : r->answer.status;

	notice_failure(&r->notice, type, step_verb(r->state), status, detail);
}

static void completed_tell(struct reflector *r)
{
	const bool first = !atomic_load_explicit(&r->synced, memory_order_relaxed);

	r->absent = false;
	atomic_store_explicit(&r->synced, true, memory_order_relaxed);
	notice_completed(&r->notice, step_verb(r->state), first ? NULL : outcome_text(r->reason));
}

/* Which event a failure is; a transport's own failure says more than BROKEN. */
static enum watch_event_type failure_type(enum outcome outcome, enum transport_result result)
{
	switch (outcome) {
	case OUTCOME_UNAUTHORIZED:
		return WATCH_UNAUTHORIZED;
	case OUTCOME_FORBIDDEN:
		return WATCH_FORBIDDEN;
	case OUTCOME_MISSING:
		return WATCH_API_MISSING;
	case OUTCOME_BROKEN:
		if (result == TRANSPORT_TLS)
			return WATCH_TLS_FAILED;
		return result == TRANSPORT_CREDENTIALS ? WATCH_CREDENTIALS : WATCH_FAILED;
	default:
		return WATCH_FAILED;
	}
}

/* ---- waiting ---- */

static uint64_t pause_length(struct reflector *r, enum step_pause pause)
{
	switch (pause) {
	case PAUSE_NONE:
		return 0;
	case PAUSE_NAMED:
		if (r->answer.retry_after_s >= 0)
			return backoff_named((uint32_t)r->answer.retry_after_s, draw(r));
		break;
	case PAUSE_REFUSED:
		return backoff_refused(&r->backoff, now_ms(r), draw(r));
	case PAUSE_POLL:
		return backoff_named(POLL_S, draw(r));
	case PAUSE_BACKOFF:
		break;
	}
	return backoff_next(&r->backoff, now_ms(r), draw(r));
}

static void wait_begin(struct reflector *r, enum step_go next, enum step_pause pause)
{
	const uint64_t length_ms = pause_length(r, pause);

	state_set(r, REFLECTOR_BACKOFF);
	r->go_next = next;
	r->pause = pause == PAUSE_NAMED && r->answer.retry_after_s < 0 ? PAUSE_BACKOFF : pause;
	r->transport->timer_set(r->transport, r->timer, length_ms);
}

/* ---- the end of a call ---- */

/* Success in a state forgets its failures; a complete list those of all ways to
 * it. An API that is found and then missing again has not been a success. */
static void success_note(struct reflector *r)
{
	r->last[r->state] = OUTCOME_NONE;
	if (r->state == REFLECTOR_DISCOVER)
		return;
	notice_success(&r->notice);
	if (r->state == REFLECTOR_WATCH)
		return;
	r->last[REFLECTOR_LIST] = OUTCOME_NONE;
	r->last[REFLECTOR_STREAM_LIST] = OUTCOME_NONE;
}

/* A page is neither: what went wrong with the one before it is not forgotten. */
static void result_note(struct reflector *r, enum outcome outcome)
{
	if (outcome == OUTCOME_CORRUPT && r->intake.protobuf)
		r->protobuf_from_ms = now_ms(r) + PROTOBUF_RETRY_MS;
	if (outcome == OUTCOME_WHOLE || (outcome == OUTCOME_ENDED && r->state == REFLECTOR_WATCH))
		success_note(r);
	else if (outcome != OUTCOME_PAGE)
		r->last[r->state] = outcome;
}

static void next_list_set(struct reflector *r, const struct step *step, enum outcome outcome)
{
	const bool known = r->intake.version > 0;

	r->unpaged = step->unpaged;
	if (step->from == FROM_LATEST)
		r->from = LIST_LATEST;
	else if (step->from == FROM_KNOWN)
		r->from = known ? LIST_KNOWN : LIST_CACHED;
	if (step->from != FROM_SAME)
		r->reason = outcome;
	if (step->unsupported)
		r->stream_list_from_ms = now_ms(r) + STREAM_LIST_RETRY_MS;
}

/* The failure of a list under way: nothing is swept. */
static void list_give_up(struct reflector *r, enum outcome outcome)
{
	if (r->state != REFLECTOR_WATCH && outcome != OUTCOME_WHOLE && outcome != OUTCOME_PAGE)
		intake_abort(&r->intake);
}

/* A resource that a server may be without has no objects there: the kind is
 * complete. It is looked for about once a minute, and nothing has failed. What has
 * been there a moment ago is asked for once more before its objects go. */
static void absent_take(struct reflector *r, const char *detail)
{
	const bool first = !r->absent;

	r->reason = OUTCOME_MISSING;
	r->unpaged = false;
	if (r->state == REFLECTOR_WATCH) {
		r->from = LIST_LATEST;
		go(r, GO_SYNC);
		return;
	}
	r->absent = true;
	if (first)
		intake_none(&r->intake);
	if (is_closed(r))
		return;
	atomic_store_explicit(&r->synced, true, memory_order_relaxed);
	atomic_store_explicit(&r->forbidden, false, memory_order_relaxed);
	if (first)
		failure_tell(r, WATCH_API_MISSING, detail);
	if (is_closed(r))
		return;
	r->from = LIST_CACHED;
	wait_begin(r, GO_SYNC, PAUSE_POLL);
}

static void step_take(struct reflector *r, const struct step *step, enum outcome outcome)
{
	result_note(r, outcome);
	if (outcome == OUTCOME_EXPIRED || outcome == OUTCOME_PAGE_EXPIRED)
		counter_add(&r->expired, 1);
	if (!step->quiet)
		counter_add(&r->failures, 1);
	r->fresh = outcome == OUTCOME_UNAUTHORIZED;
	atomic_store_explicit(&r->forbidden, outcome == OUTCOME_FORBIDDEN, memory_order_relaxed);
	next_list_set(r, step, outcome);
}

static void finish_as(
	struct reflector *r, enum outcome outcome, enum transport_result result, const char *detail)
{
	const bool again = r->last[r->state] == outcome;
	const struct step step = reflector_step(r->state, outcome, again);

	timer_stop(r);
	list_give_up(r, outcome);
	if (is_closed(r))
		return;
	if (outcome == OUTCOME_MISSING && resource_table[r->resource].optional) {
		absent_take(r, detail && *detail ? detail : outcome_text(outcome));
		return;
	}
	if (!step.quiet)
		failure_tell(r, failure_type(outcome, result),
			detail && *detail ? detail : outcome_text(outcome));
	if (is_closed(r))
		return;
	step_take(r, &step, outcome);
	if (step.pause == PAUSE_NONE)
		go(r, step.go);
	else
		wait_begin(r, step.go, step.pause);
}

static void finish(struct reflector *r, enum outcome outcome, const char *detail)
{
	finish_as(r, outcome, TRANSPORT_DONE, detail);
}

/* ---- what an answer means ---- */

static void status_finish(struct reflector *r)
{
	char detail[ANSWER_DETAIL_MAX];
	enum outcome outcome = answer_failure(&r->answer, r->is_page, detail);

	finish(r, outcome, detail);
}

static void stream_error_finish(struct reflector *r, enum outcome outcome)
{
	const struct decode_meta *status = &r->intake.status;

	r->answer.retry_after_s = status->retry_after_s;
	r->answer.status = status->code;
	finish(r, outcome, status->message);
}

/* A verdict of the intake's, from bytes or from the end. */
static void intake_finish(struct reflector *r, enum outcome outcome)
{
	const char *type = r->answer.content_type;
	const bool usual = answer_is_objects(&r->answer);
	char detail[ANSWER_DETAIL_MAX];

	switch (outcome) {
	case OUTCOME_CORRUPT:
		snprintf(detail, sizeof detail, "%s%s%s", r->intake.why,
			usual ? "" : "; its content type is ", usual ? "" : type);
		finish(r, outcome, detail);
		break;
	case OUTCOME_EXPIRED:
	case OUTCOME_THROTTLED:
	case OUTCOME_TOO_LARGE:
	case OUTCOME_INTERNAL:
	case OUTCOME_ERROR:
		stream_error_finish(r, outcome);
		break;
	default:
		finish(r, outcome, NULL);
		break;
	}
}

static void whole_finish(struct reflector *r)
{
	enum outcome outcome;

	if (r->answer.status != 200) {
		status_finish(r);
		return;
	}
	if (r->state == REFLECTOR_DISCOVER) {
		finish(r, answer_offers(&r->answer, object_kind_name(r->kind)), NULL);
		return;
	}
	outcome = intake_end(&r->intake);
	if (is_closed(r))
		return;
	if (outcome == OUTCOME_ENDED && r->intake.stream_events == 0 &&
		now_ms(r) - r->head_ms < WATCH_SHORT_MS)
		outcome = OUTCOME_SHORT;
	if (r->intake.completed) {
		r->intake.completed = false;
		completed_tell(r);
	}
	if (!is_closed(r))
		intake_finish(r, outcome);
}

/* ---- the transport's callbacks ---- */

static void call_head(void *user, const struct transport_head *head)
{
	struct reflector *r = user;

	answer_head(&r->answer, head);
	r->head_ms = r->last_byte_ms = now_ms(r);
	atomic_store_explicit(&r->last_contact_ms, r->head_ms, memory_order_relaxed);
	if (r->answer.status != 200)
		return;
	intake_head(&r->intake, head->content_type);
	r->fresh = false;
	backoff_accepted(&r->backoff);
	atomic_store_explicit(&r->forbidden, false, memory_order_relaxed);
	if (r->state == REFLECTOR_STREAM_LIST) {
		r->armed = true;
		r->transport->timer_set(r->transport, r->timer, STREAM_LIST_SILENCE_MS);
	}
}

/* A streamed list is complete: the call goes on as the watch. */
static void attach(struct reflector *r)
{
	const struct step step = reflector_step(REFLECTOR_STREAM_LIST, OUTCOME_WHOLE, false);

	r->intake.completed = false;
	completed_tell(r);
	if (is_closed(r))
		return;
	step_take(r, &step, OUTCOME_WHOLE);
	state_set(r, REFLECTOR_WATCH);
	counter_add(&r->watches, 1);
}

static void progress_note(struct reflector *r, uint64_t events_before)
{
	if (r->state != REFLECTOR_WATCH)
		return;
	if (r->intake.stream_events > events_before)
		success_note(r);
	if (r->intake.bookmarked && !r->armed) {
		r->armed = true;
		r->transport->timer_set(r->transport, r->timer, WATCH_SILENCE_MS);
	}
}

/* False: the call is over. */
static bool intake_take(struct reflector *r, const char *data, size_t len)
{
	const uint64_t before = r->intake.stream_events;
	enum outcome outcome = intake_bytes(&r->intake, data, len);

	if (!is_closed(r) && r->state == REFLECTOR_STREAM_LIST && r->intake.completed)
		attach(r);
	if (is_closed(r))
		return false;
	if (outcome == OUTCOME_NONE) {
		progress_note(r, before);
		return true;
	}
	r->call = NULL; /* returning false ends it */
	intake_finish(r, outcome);
	return false;
}

static bool call_bytes(void *user, const char *data, size_t len)
{
	struct reflector *r = user;
	bool wanted = true;

	enter(r);
	counter_add(&r->bytes, len);
	r->last_byte_ms = now_ms(r);
	atomic_store_explicit(&r->last_contact_ms, r->last_byte_ms, memory_order_relaxed);
	if (r->answer.status == 200 && r->state != REFLECTOR_DISCOVER) {
		wanted = intake_take(r, data, len);
	} else if (answer_add(&r->answer, data, len) < 0) {
		wanted = false;
		r->call = NULL;
		finish(r, OUTCOME_NO_MEMORY, NULL);
	}
	return leave(r) && wanted;
}

static void failure_finish(struct reflector *r, enum transport_result result, const char *detail)
{
	if (r->answer.status != 0 && r->answer.status != 200) {
		status_finish(r); /* the status says enough, however the body ended */
		return;
	}
	if (result == TRANSPORT_UNREACHABLE)
		finish_as(r, OUTCOME_UNREACHABLE, result, detail);
	else if (result == TRANSPORT_TIMEOUT && r->state == REFLECTOR_STREAM_LIST)
		finish_as(r, OUTCOME_STALLED, result, detail);
	else
		finish_as(r, OUTCOME_BROKEN, result, detail);
}

static void call_done(void *user, enum transport_result result, const char *detail)
{
	struct reflector *r = user;

	enter(r);
	r->call = NULL;
	if (result == TRANSPORT_DONE)
		whole_finish(r);
	else
		failure_finish(r, result, detail);
	leave(r);
}

static const struct transport_handler handler = {
	.head = call_head,
	.bytes = call_bytes,
	.done = call_done,
};

/* ---- calls ---- */

static struct target target_of(const struct reflector *r)
{
	const struct resource_info *resource = &resource_table[r->resource];

	return (struct target){
		.path = resource->path,
		.label_selectors = {resource->label_selector, r->label_selector},
		.field_selector = resource->field_selector,
	};
}

/* Takes target. */
static void call_make(struct reflector *r, char *target, struct transport_request request)
{
	answer_reset(&r->answer);
	request.target = target;
	request.protobuf = r->state != REFLECTOR_DISCOVER && proto_message_of(r->resource) &&
			   now_ms(r) >= r->protobuf_from_ms;
	request.fresh_credentials = r->fresh;
	if (is_closed(r)) {
		free(target);
		return;
	}
	if (target)
		r->call = r->transport->get(r->transport, &request, &handler, r);
	free(target);
	if (!r->call)
		finish_as(r, OUTCOME_BROKEN, TRANSPORT_LOCAL, "out of memory");
}

static void resource_set(struct reflector *r, enum resource resource)
{
	if (r->resource == resource)
		return;
	/* Versions of different resources cannot be compared. */
	r->resource = r->intake.resource = resource;
	r->intake.version = 0;
	r->from = LIST_CACHED;
}

/* The candidate after the one that was missing; the first one at the start. The
 * core Endpoints are older than all discovery groups and need no question. */
static void discover(struct reflector *r)
{
	const size_t count = sizeof endpoint_resources / sizeof endpoint_resources[0];
	size_t candidate = 0;

	if (r->state == REFLECTOR_DISCOVER && r->last[REFLECTOR_DISCOVER] == OUTCOME_MISSING) {
		while (endpoint_resources[candidate] != r->resource)
			candidate++;
		candidate++;
	}
	r->is_page = false;
	state_set(r, REFLECTOR_DISCOVER);
	resource_set(r, endpoint_resources[candidate]);
	if (candidate == count - 1) {
		finish(r, OUTCOME_WHOLE, NULL);
		return;
	}
	call_make(r, target_discovery(resource_table[r->resource].path),
		(struct transport_request){
			.timeout_ms = DISCOVER_TIMEOUT_MS, .silence_ms = DISCOVER_TIMEOUT_MS});
}

static void list(struct reflector *r, bool page)
{
	const struct target target = target_of(r);
	char *text = page ? target_page(&target, r->intake.continue_token)
			  : target_list(&target, r->from, r->intake.version, r->unpaged);

	r->is_page = page;
	state_set(r, REFLECTOR_LIST);
	if (!page)
		counter_add(&r->lists, 1);
	intake_begin(&r->intake, INTAKE_LIST, r->from == LIST_LATEST);
	call_make(r, text,
		(struct transport_request){.timeout_ms = LIST_TIMEOUT_MS,
			.silence_ms = LIST_SILENCE_MS,
			.compressed = true});
}

static void stream(struct reflector *r, bool with_list)
{
	const struct target target = target_of(r);
	const unsigned timeout_s = WATCH_TIMEOUT_S + draw(r) % (WATCH_TIMEOUT_S + 1);
	const uint64_t version = r->from == LIST_LATEST ? 0 : r->intake.version;
	char *text = with_list ? target_stream_list(&target, version, timeout_s)
			       : target_watch(&target, r->intake.version, timeout_s);

	r->is_page = false;
	state_set(r, with_list ? REFLECTOR_STREAM_LIST : REFLECTOR_WATCH);
	counter_add(with_list ? &r->stream_lists : &r->watches, 1);
	intake_begin(&r->intake, with_list ? INTAKE_STREAM_LIST : INTAKE_WATCH,
		with_list && r->from == LIST_LATEST);
	call_make(r, text,
		(struct transport_request){.timeout_ms = (timeout_s + WATCH_GRACE_S) * 1000});
}

static void go(struct reflector *r, enum step_go where)
{
	const bool streams = now_ms(r) >= r->stream_list_from_ms;

	if (where == GO_DISCOVER && r->kind != KIND_SLICE)
		where = GO_SYNC;
	switch (where) {
	case GO_DISCOVER:
		discover(r);
		break;
	case GO_SYNC:
	case GO_ATTACH: /* attach() does it without ending the call */
		if (streams)
			stream(r, true);
		else
			list(r, false);
		break;
	case GO_LIST:
		list(r, false);
		break;
	case GO_PAGE:
		list(r, true);
		break;
	case GO_WATCH:
		stream(r, false);
		break;
	}
}

/* ---- the timer ---- */

/* The watchdog: how long has nothing come? Looked at anew each time it is due,
 * so that a busy stream need not set a timer with every byte. */
static void silence_check(struct reflector *r)
{
	const uint64_t limit_ms =
		r->state == REFLECTOR_STREAM_LIST ? STREAM_LIST_SILENCE_MS : WATCH_SILENCE_MS;
	const uint64_t silent_ms = now_ms(r) - r->last_byte_ms;

	if (silent_ms < limit_ms) {
		r->transport->timer_set(r->transport, r->timer, limit_ms - silent_ms);
		return;
	}
	call_cancel(r);
	finish(r, OUTCOME_STALLED, NULL);
}

static void timer_due(void *user)
{
	struct reflector *r = user;

	enter(r);
	if (r->state == REFLECTOR_BACKOFF)
		go(r, r->go_next);
	else if (r->armed)
		silence_check(r);
	leave(r);
}

/* ---- life ---- */

static int text_copy(char **to, const char *from)
{
	if (!from || !*from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

int reflector_new(struct transport *transport, const struct sink *sink,
	const struct reflector_config *config, struct reflector **out)
{
	struct reflector *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->transport = transport;
	r->sink = *sink;
	r->kind = config->kind;
	r->resource = first_resources[r->kind];
	if (text_copy(&r->source, config->source) < 0 ||
		text_copy(&r->label_selector, config->label_selector) < 0)
		goto fail;
	r->intake.sink = &r->sink;
	r->intake.source = r->source;
	r->intake.resource = r->resource;
	r->intake.options = config->options;
	r->notice = (struct notice){.sink = &r->sink, .kind = r->kind, .source = r->source};
	if (intake_init(&r->intake, config->limits, config->counted) < 0)
		goto fail;
	r->timer = transport->timer_new(transport, timer_due, r);
	if (!r->timer)
		goto fail;
	r->from = LIST_CACHED;
	r->state = REFLECTOR_BACKOFF;
	atomic_store_explicit(&r->shown_state, WATCH_STATE_OFF, memory_order_relaxed);
	*out = r;
	return 0;
fail:
	reflector_free(r);
	return -ENOMEM;
}

void reflector_start(struct reflector *r)
{
	enter(r);
	go(r, GO_DISCOVER);
	leave(r);
}

void reflector_reachable(struct reflector *r)
{
	backoff_reset(&r->backoff);
	if (r->state == REFLECTOR_BACKOFF && r->pause == PAUSE_BACKOFF)
		r->transport->timer_set(r->transport, r->timer, 0);
}

void reflector_close(struct reflector *r)
{
	if (!r || is_closed(r))
		return;
	call_cancel(r);
	state_set(r, REFLECTOR_CLOSED);
	r->intake.stopped = true;
	r->transport->timer_free(r->transport, r->timer);
	r->timer = NULL;
	if (r->entered == 0)
		reflector_free(r);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void reflector_stats(const struct reflector *r, struct watch_stats *out)
{
	const struct intake_counters *intake = &r->intake.counters;

	*out = (struct watch_stats){
		.state = (enum watch_state)atomic_load_explicit(
			&r->shown_state, memory_order_relaxed),
		.synced = atomic_load_explicit(&r->synced, memory_order_relaxed),
		.forbidden = atomic_load_explicit(&r->forbidden, memory_order_relaxed),
		.objects = load(&intake->objects),
		.version = load(&intake->version),
		.lists = load(&r->lists),
		.stream_lists = load(&r->stream_lists),
		.watches = load(&r->watches),
		.bookmarks = load(&intake->bookmarks),
		.events = load(&intake->events),
		.expired = load(&r->expired),
		.failures = load(&r->failures),
		.refused = load(&intake->refused),
		.bytes = load(&r->bytes),
		.last_contact_ms = load(&r->last_contact_ms),
	};
}

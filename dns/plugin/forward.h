/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_FORWARD_H
#define BINNACLE_DNS_PLUGIN_FORWARD_H

/* What the files of `forward` share.
 *
 *	struct forward          the directive lines of a server block
 *	  struct forward_line   one line: options, upstreams, look-ups under way
 *	    struct upstream     one server, its sockets and probes (forward_probe.c)
 *	    struct lookup       one question under way, and who waits for it (forward_lookup.c)
 *
 * Threads: options are read-only after setup. Upstreams and look-ups are the loop
 * thread's. Answering threads see the options, the block's cache and a line's atomics.
 */

#include "cache.h"
#include "cache/forwarded.h"
#include "cache/table.h"
#include "dns/net/channel.h"
#include "dns/net/exchange.h"
#include "dns/net/tls.h"
#include "dns/net/worker.h"
#include "dns/serve/plugin.h"
#include "forward_upstream.h"

#include <stdatomic.h>

#define FORWARD_UPSTREAMS_MAX   15   /* as CoreDNS */
#define FORWARD_LOOKUPS_MAX     4096 /* of a line at once, where max_concurrent says nothing */
#define FORWARD_SENDS_MAX       3    /* of one question */
#define FORWARD_TOTAL_MS        5000
#define FORWARD_RESEND_MS       1000 /* to the same upstream, there being no other one */
#define FORWARD_CHECK_MS        1000 /* a probe's time */
#define FORWARD_NONCES          64
#define FORWARD_SERVER_NAME_MAX 256

struct forward_target {
	union address address;
	bool tls;
	char server_name[FORWARD_SERVER_NAME_MAX]; /* to be verified; "": none given */
};

struct forward_options {
	struct name *from; /* canonical; one at least */
	size_t from_count;
	struct name *except;
	size_t except_count;
	struct forward_target targets[FORWARD_UPSTREAMS_MAX]; /* those with addresses */
	size_t target_count;
	char **files; /* in the form of resolv.conf */
	size_t file_count;
	bool force_tcp, failfast, next_on_nodata;
	enum upstream_policy policy;
	uint32_t expire_ms, max_age_ms, read_timeout_ms;
	unsigned max_idle, max_fails;
	uint32_t check_ms;
	bool check_no_rec;
	struct name check_name;
	unsigned max_concurrent;            /* 0: FORWARD_LOOKUPS_MAX */
	uint32_t next_rcodes;               /* bits */
	uint32_t failover_rcodes;           /* beside those that always are */
	union address source_v4, source_v6; /* family 0: any */
	char *tls_cert, *tls_key, *tls_ca;
	char tls_servername[FORWARD_SERVER_NAME_MAX];
	struct corefile_token at; /* text and file are the line's own copies */
};

struct forward;
struct forward_line;

enum forward_count {
	COUNT_BROKEN,
	COUNT_REJECTED,
	COUNT_HEDGES,
	COUNT_JOINED,
	COUNT_WRONG,
	COUNT_FORWARD
};

/* Of its metrics. */
struct upstream_slots {
	bool counted;
	uint32_t duration, requests, responses, responses_duration;
	uint32_t kept[2], fresh[2]; /* UDP, TCP */
	uint32_t check_failures, old_check_failures, loops;
};

struct upstream {
	struct forward_line *line;
	struct forward_target target;
	char text[UPSTREAM_TEXT_MAX]; /* "192.0.2.1:53" */
	struct upstream_state state;
	unsigned refs;       /* sends under way, and the line */
	struct ports *ports; /* while it is open */
	struct channel *channel;
	uv_timer_t timer; /* the next probe, or the end of one */
	bool open;        /* the timer is there */
	struct exchange *probe;
	struct channel_ask probe_ask;
	bool probing, probe_streamed, probe_again;
	uint64_t probed_ns;
	_Atomic uint64_t *loop_nonce; /* of forward.loop_nonces; NULL: not looked for */
	bool loop_checked;            /* a probe for loops was answered */
	struct upstream_slots slots;
};

struct forward_line {
	struct forward *forward;
	struct forward_options options;
	struct tls_client *tls; /* NULL: no upstream needs it */
	/* The loop thread's. */
	struct upstream *upstreams[FORWARD_UPSTREAMS_MAX];
	unsigned upstream_count;
	struct table lookups;
	uint8_t secret[16];
	uint32_t turn;
	uint32_t hedge_credit; /* tenths of a hedge */
	uint64_t unwell_since_ms;
	/* Anybody's. */
	_Atomic bool unwell;           /* no upstream answers */
	_Atomic uint64_t recovered_ms; /* when that was last over, having been so for a while */
	/* The control loop's. */
	struct forward_target file_targets[FORWARD_UPSTREAMS_MAX];
	size_t file_target_count;
};

struct forward {
	struct worker_service service;
	struct worker *worker;
	struct metrics *metrics;
	_Atomic uint64_t *counters; /* the loop thread's; NULL: nobody counts */
	uint32_t slots[COUNT_FORWARD];
	uint64_t wrong_counted;
	struct name zone; /* the block's first, for loops */
	char *zone_text;
	struct exchange_io io;
	const struct cache *cache; /* NULL: the block has none */
	struct forwarded *table;
	struct forward_line *lines;
	size_t line_count;
	bool looks_for_loops; /* the block has `loop` */
	/* The probes for loops that are out, 0: none. Set by the loop thread, cleared by
	 * whoever gets the question. */
	_Atomic uint64_t loop_nonces[FORWARD_NONCES];
	unsigned loop_nonce_next;
	bool running; /* between the service's start and stop */
	struct forward_files *files;
};

/* What came of a look-up. */
struct outcome {
	struct finding finding;
	unsigned refs;
	struct forwarded_answer *answer; /* NULL: it failed */
	uint32_t ttl_s;
	bool stale;
	bool pass_on; /* for the next line (`next`) */
	/* Replies on the way that could not be read, until the first client counts them. */
	unsigned dropped;
	uint16_t ede;
	char error[256];
};

static inline uint64_t forward_now_ms(void)
{
	return uv_hrtime() / 1000000u;
}

/* ---- forward.c ---- */

/* A line behind this one holds the name, too (`next`). */
bool forward_has_next(const struct forward_line *line, const struct query *query);

/* ---- forward_options.c ---- */

int forward_options_read(const struct plugin_site *site, const struct corefile_line *line,
	struct forward_options *out, char err[COREFILE_ERROR_MAX]);
void forward_options_free(struct forward_options *options);
/* "10.0.0.1:53", "[2001:db8::1]:53" */
void forward_target_text(const struct forward_target *target, char text[UPSTREAM_TEXT_MAX]);

/* ---- forward_lookup.c: loop thread ---- */

void lookup_begin(void *line, const struct wait *wait, struct waiter *waiter);
/* Ask again before it is too late; nobody waits. */
void lookup_refresh(struct forward_line *line, const struct wait *wait);
/* Upstreams answer again: what waits for a reply is to be asked once more. */
void lookups_wake(struct forward_line *line);
/* End all of them, with what is the case for their waiters. */
void lookups_end(struct forward_line *line);

/* ---- forward_probe.c: loop thread but for upstream_new() ---- */

/* Any thread that may add metrics. NULL: out of memory. */
struct upstream *upstream_new(struct forward_line *line, const struct forward_target *target);
/* It joins the line: a first probe tells how quick it is. */
void upstream_open(struct upstream *upstream);
void upstream_ref(struct upstream *upstream);
void upstream_unref(struct upstream *upstream);
/* It leaves the line. */
void upstream_close(struct upstream *upstream);
/* Its state may be another one: start or end probes, tell the line. */
void upstream_changed(struct upstream *upstream);
/* For whom it is asked over a stream. NULL: out of memory. */
struct channel *upstream_channel(struct upstream *upstream);
bool upstream_is_streamed(const struct upstream *upstream);
/* NULL: it is not open, or out of memory. */
struct ports *upstream_ports(struct upstream *upstream);
/* The question of a probe came to us: it loops. Any thread. True: it was one of ours. */
bool forward_loop_seen(struct forward *forward, const struct query *query);

/* ---- forward_count.c: counters of the loop thread ---- */

/* On the control loop. 0, -ENOMEM. */
int forward_count_setup(struct forward *forward);
int upstream_count_setup(struct upstream *upstream);
void count_reply(struct upstream *upstream, unsigned rcode, uint64_t ns);
void count_asked(struct upstream *upstream, bool streamed, bool kept);
void count_probe_failed(struct upstream *upstream);
void count_loop(struct upstream *upstream);
void count_forward(struct forward *forward, enum forward_count which);
/* What exchanges have thrown away since the last time. */
void count_wrong(struct forward *forward);

/* ---- forward_files.c: control loop ---- */

/* The upstreams that files name, as they are now. */
int forward_files_read(struct forward_line *line, char err[COREFILE_ERROR_MAX]);
/* Follow them. 0 or -ENOMEM. */
int forward_files_start(struct forward *forward, struct uv_loop_s *loop);
void forward_files_stop(struct forward *forward, void (*done)(void *user), void *user);

#endif

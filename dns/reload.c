/* SPDX-License-Identifier: Apache-2.0 */
#include "reload.h"

#include "dns/corefile/same.h"
#include "dns/observe/log.h"
#include "dns/observe/metric.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#define TURN_MS 20 /* between two looks at what is waited for */
/* A new `kubernetes` must have its lists before it takes over. The old one answers
 * meanwhile, so nothing is lost by patience. */
#define READY_MS 30000
/* Questions that wait for an upstream when their listener goes: longer than `forward`
 * looks. */
#define DRAIN_MS 7000

#define DIGEST_TEXT (2 * COREFILE_DIGEST_LEN + 1)

enum phase {
	IDLE,
	WAITING,  /* for the next one's plugins to be ready */
	DRAINING, /* the retired one: questions of closed listeners */
	STOPPING, /* the retired one: its plugins */
};

struct reload {
	struct reload_parts parts;
	enum phase phase;
	bool closing;
	struct config *current, *next, *retired;
	uv_timer_t look; /* whether the Corefile has changed */
	uv_timer_t turn; /* what the phase waits for */
	uint64_t until_ms;
	bool polled;                   /* the reload under way was not asked for by a signal */
	char again[16];                /* the signal that came during a reload; "": none */
	bool next_bears;               /* the next one's predecessor was not ready either */
	char told[COREFILE_ERROR_MAX]; /* the last mistake of a file that was looked at */
	uint8_t running[COREFILE_DIGEST_LEN], wanted[COREFILE_DIGEST_LEN];
	uint8_t refused[COREFILE_DIGEST_LEN]; /* not tried again unless asked; zero: none */

	pthread_mutex_t lock; /* for what a look at the metrics reads */
	uint64_t failures;
	char version[DIGEST_TEXT]; /* "": no reload yet */
};

/* --- what others see --- */

static void collect(void *user, struct metric_page *page)
{
	struct reload *reload = user;
	const char *const labels[] = {"sha512", reload->version};

	pthread_mutex_lock(&reload->lock);
	metric_put(page, METRIC_RELOAD_FAILED, NULL, (double)reload->failures);
	if (reload->version[0])
		metric_put(page, METRIC_RELOAD_VERSION, labels, 1);
	pthread_mutex_unlock(&reload->lock);
}

static void digest_text(const uint8_t *digest, char text[DIGEST_TEXT])
{
	for (size_t i = 0; i < COREFILE_DIGEST_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static void version_tell(struct reload *reload, bool first)
{
	unsigned interval_ms, jitter_ms;
	char text[DIGEST_TEXT];

	digest_text(reload->running, text);
	host_reload_every(reload->parts.host, &interval_ms, &jitter_ms);
	if (interval_ms)
		log_write(LOG_INFO, "reload", "Running configuration SHA512 = %s", text);
	if (first)
		return;
	pthread_mutex_lock(&reload->lock);
	memcpy(reload->version, text, sizeof text);
	pthread_mutex_unlock(&reload->lock);
}

static void failure_count(struct reload *reload)
{
	pthread_mutex_lock(&reload->lock);
	reload->failures++;
	pthread_mutex_unlock(&reload->lock);
}

/* --- the end of a reload --- */

static void look_arm(struct reload *reload);
static void begin(struct reload *reload);

static void idle(struct reload *reload)
{
	reload->phase = IDLE;
	if (!reload->again[0] || reload->closing)
		return;
	reload->again[0] = 0;
	reload->polled = false;
	begin(reload);
}

static void on_stopped(void *user)
{
	struct reload *reload = user;
	struct config *retired = reload->retired;

	if (reload->closing)
		return; /* reload_free() */
	reload->retired = NULL;
	listen_drained(reload->parts.listen); /* those that were cut have ended by now */
	config_free(retired);
	host_retire(reload->parts.host);
	idle(reload);
}

static void plugins_stop(struct reload *reload)
{
	uv_timer_stop(&reload->turn);
	reload->phase = STOPPING;
	config_stop(reload->retired, false, on_stopped, reload);
	metrics_hold(host_plugin(reload->parts.host)->metrics, false);
}

static void on_drain(uv_timer_t *timer)
{
	struct reload *reload = timer->data;

	if (!listen_drained(reload->parts.listen)) {
		if (uv_now(timer->loop) < reload->until_ms)
			return;
		listen_cut(reload->parts.listen);
	}
	plugins_stop(reload);
}

/* Nobody begins anything with it any more. */
static void retire(struct reload *reload, struct config *config)
{
	reload->retired = config;
	reload->phase = DRAINING;
	reload->until_ms = uv_now(reload->parts.loop) + DRAIN_MS;
	if (listen_drained(reload->parts.listen))
		plugins_stop(reload);
	else
		uv_timer_start(&reload->turn, on_drain, TURN_MS, TURN_MS);
}

/* --- what goes wrong --- */

static void refuse(struct reload *reload, const char *why)
{
	failure_count(reload);
	log_write(LOG_ERROR, NULL, "Restart failed: %s", why);
	if (reload->polled)
		log_write(LOG_ERROR, "reload", "Corefile changed but reload failed: %s", why);
}

/* The next one has started, wholly or in part. */
static void drop_next(struct reload *reload, const char *why)
{
	struct config *config = reload->next;

	refuse(reload, why);
	host_abort(reload->parts.host);
	reload->next = NULL;
	retire(reload, config);
}

/* --- from one to the other --- */

static void exchange(struct reload *reload)
{
	const struct reload_parts *parts = &reload->parts;
	struct config *old = reload->current;
	char err[COREFILE_ERROR_MAX] = "";

	uv_timer_stop(&reload->turn);
	if (host_http_open(parts->host, err) < 0 ||
		listen_extend(parts->listen, reload->next, err) < 0) {
		memcpy(reload->refused, reload->wanted, sizeof reload->refused);
		drop_next(reload, err);
		return;
	}
	reload->current = reload->next;
	reload->next = NULL;
	listen_exchange(parts->listen);
	host_commit(parts->host);
	memcpy(reload->running, reload->wanted, sizeof reload->running);
	memset(reload->refused, 0, sizeof reload->refused);
	version_tell(reload, false);
	log_write(LOG_INFO, NULL, "Reloading complete");
	look_arm(reload);
	retire(reload, old);
}

static void on_waiting(uv_timer_t *timer)
{
	struct reload *reload = timer->data;
	const char *name = config_unready(reload->next);
	char why[160];

	if (name && uv_now(timer->loop) < reload->until_ms)
		return;
	if (!name || reload->next_bears) {
		exchange(reload);
		return;
	}
	uv_timer_stop(timer);
	/* The text is not to blame: the next look tries again. */
	snprintf(why, sizeof why,
		"plugin/%s is not ready after %d s; the configuration from before answers on", name,
		READY_MS / 1000);
	drop_next(reload, why);
}

/* The corefile has been read; it is given up here. */
static void start_next(struct reload *reload, struct corefile *corefile)
{
	const struct reload_parts *parts = &reload->parts;
	char err[COREFILE_ERROR_MAX] = "";
	int rc;

	log_write(LOG_INFO, NULL, "Reloading");
	for (size_t i = 0; i < corefile->warning_count; i++)
		log_write(LOG_WARNING, NULL, "%s", corefile->warnings[i]);
	rc = config_next(corefile, parts->options->port, reload->current, &reload->next, err);
	corefile_free(corefile);
	if (rc < 0) {
		memcpy(reload->refused, reload->wanted, sizeof reload->refused);
		refuse(reload, err);
		return;
	}
	host_begin(parts->host);
	rc = config_start(reload->next, host_plugin(parts->host), err);
	if (rc < 0) {
		memcpy(reload->refused, reload->wanted, sizeof reload->refused);
		drop_next(reload, err);
		return;
	}
	reload->phase = WAITING;
	reload->next_bears = config_unready(reload->current) != NULL;
	reload->until_ms = uv_now(parts->loop) + READY_MS;
	if (config_unready(reload->next))
		uv_timer_start(&reload->turn, on_waiting, TURN_MS, TURN_MS);
	else
		exchange(reload);
}

/* --- what begins it --- */

/* A mistake that a look found is told once, not at each look. */
static void tell_unreadable(struct reload *reload, const char *err)
{
	if (!reload->polled) {
		refuse(reload, err);
		return;
	}
	if (strcmp(reload->told, err) == 0)
		return;
	snprintf(reload->told, sizeof reload->told, "%s", err);
	failure_count(reload);
	log_write(LOG_WARNING, "reload", "Corefile parse failed: %s", err);
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, COREFILE_DIGEST_LEN) == 0;
}

static void begin(struct reload *reload)
{
	struct corefile *corefile = NULL;
	char err[COREFILE_ERROR_MAX] = "";

	if (corefile_read(reload->parts.options->conf, &corefile, err) < 0) {
		tell_unreadable(reload, err);
		return;
	}
	reload->told[0] = 0;
	if (corefile_digest(corefile, reload->wanted) < 0) {
		corefile_free(corefile);
		refuse(reload, "out of memory");
		return;
	}
	if (reload->polled &&
		(same(reload->wanted, reload->running) || same(reload->wanted, reload->refused))) {
		corefile_free(corefile);
		return;
	}
	start_next(reload, corefile);
}

static void on_look(uv_timer_t *timer)
{
	struct reload *reload = timer->data;

	look_arm(reload);
	if (reload->phase != IDLE)
		return;
	reload->polled = true;
	begin(reload);
}

static bool is_stdin(const struct reload *reload)
{
	return strcmp(reload->parts.options->conf, "stdin") == 0;
}

/* Servers that were started together do not all ask the API server at once. */
static void look_arm(struct reload *reload)
{
	unsigned interval_ms, jitter_ms, random = 0;

	host_reload_every(reload->parts.host, &interval_ms, &jitter_ms);
	if (!interval_ms || is_stdin(reload) || reload->closing) {
		uv_timer_stop(&reload->look);
		return;
	}
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = (unsigned)uv_hrtime();
	interval_ms += jitter_ms ? random % (jitter_ms + 1) : 0;
	uv_timer_start(&reload->look, on_look, interval_ms - jitter_ms / 2, 0);
}

void reload_now(struct reload *reload, const char *signal)
{
	if (reload->closing)
		return;
	if (is_stdin(reload)) {
		log_write(LOG_WARNING, NULL,
			"%s: the Corefile came from standard input and cannot be read again; start "
			"with -conf FILE to reload",
			signal);
		return;
	}
	log_write(LOG_INFO, NULL, "%s: Reloading", signal);
	if (reload->phase != IDLE) {
		snprintf(reload->again, sizeof reload->again, "%s", signal);
		return;
	}
	reload->polled = false;
	begin(reload);
}

/* --- life --- */

int reload_new(const struct reload_parts *parts, struct config *config, struct reload **out)
{
	struct reload *reload = calloc(1, sizeof *reload);
	int rc;

	if (!reload)
		return -ENOMEM;
	reload->parts = *parts;
	pthread_mutex_init(&reload->lock, NULL);
	rc = corefile_digest(config->corefile, reload->running);
	if (rc == 0)
		rc = metrics_collect(host_plugin(parts->host)->metrics, collect, reload);
	if (rc < 0) {
		pthread_mutex_destroy(&reload->lock);
		free(reload);
		return rc;
	}
	uv_timer_init(parts->loop, &reload->look);
	uv_timer_init(parts->loop, &reload->turn);
	reload->look.data = reload->turn.data = reload;
	reload->current = config;
	version_tell(reload, true);
	look_arm(reload);
	*out = reload;
	return 0;
}

const struct config *reload_config(const struct reload *reload)
{
	return reload->current;
}

void reload_freeze(struct reload *reload)
{
	reload->again[0] = 0;
	uv_timer_stop(&reload->look);
}

void reload_close(struct reload *reload)
{
	const enum phase phase = reload->phase;

	reload->closing = true;
	uv_close((uv_handle_t *)&reload->look, NULL);
	uv_close((uv_handle_t *)&reload->turn, NULL);
	metrics_forget(host_plugin(reload->parts.host)->metrics, reload);
	/* What one has stopped, the others do not stop again. */
	if (phase == DRAINING)
		config_stop(reload->retired, true, on_stopped, reload);
	if (reload->next)
		config_stop(reload->next, true, on_stopped, reload);
	config_stop(reload->current, true, on_stopped, reload);
}

void reload_free(struct reload *reload)
{
	if (!reload)
		return;
	config_free(reload->next);
	config_free(reload->retired);
	config_free(reload->current);
	pthread_mutex_destroy(&reload->lock);
	free(reload);
}

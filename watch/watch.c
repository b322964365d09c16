/* SPDX-License-Identifier: Apache-2.0 */
/* A session is either access + api + one reflector per kind, or manifests. It is
 * taken down from the top: reflectors (at once), api, access, and each is only
 * freed when the one above it has given back its last handle. */

#include "watch.h"

#include "access.h"
#include "api.h"
#include "http.h"
#include "json_arena.h"
#include "manifests.h"
#include "reflector.h"
#include "selector.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch {
	struct sink sink;
	unsigned kinds;
	struct access *access;
	struct api *api;
	struct reflector *reflectors[KIND_COUNT]; /* NULL: not of this session */
	struct manifests *manifests;              /* then the three above are NULL */
	bool closing;
	void (*done)(void *user);
	void *done_user;
};

int watch_global_init(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (sigaction(SIGPIPE, &ignore, NULL) < 0)
		return -errno;
	json_arena_install();
	return http_global_init();
}

void watch_global_cleanup(void)
{
	http_global_cleanup();
}

int watch_selector_check(const char *text, char *err, size_t err_len)
{
	struct selector *selector = NULL;
	int rc = selector_parse(text, &selector, err, err_len);

	selector_free(selector);
	return rc;
}

/* ---- the end ---- */

static void watch_gone(struct watch *watch)
{
	void (*done)(void *user) = watch->done;
	void *user = watch->done_user;

	free(watch);
	if (done)
		done(user);
}

static void last_closed(void *user)
{
	watch_gone(user);
}

static void api_closed(void *user)
{
	struct watch *watch = user;

	access_close(watch->access, last_closed, watch);
}

/* Takes a half-built session too; not one without access and manifests. */
void watch_close(struct watch *watch, void (*done)(void *user), void *user)
{
	if (watch->closing)
		return;
	watch->closing = true;
	watch->done = done;
	watch->done_user = user;
	for (int kind = 0; kind < KIND_COUNT; kind++)
		reflector_close(watch->reflectors[kind]);
	if (watch->manifests)
		manifests_close(watch->manifests, last_closed, watch);
	else if (watch->api)
		api_close(watch->api, api_closed, watch);
	else
		api_closed(watch);
}

/* ---- the start ---- */

/* What the transport has to tell, for all kinds at once. */
static void api_event(void *user, const struct watch_event *event)
{
	struct watch *watch = user;

	watch->sink.event(watch->sink.ctx, event);
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		if (event->type == WATCH_REACHABLE && !watch->closing && watch->reflectors[kind])
			reflector_reachable(watch->reflectors[kind]);
	}
}

/* Nothing selects among ServiceImports: their labels are the set's. */
static const char *selector_of(const struct watch_config *config, enum object_kind kind)
{
	if (kind == KIND_NAMESPACE)
		return config->namespace_selector;
	return kind == KIND_IMPORT ? NULL : config->label_selector;
}

static int reflectors_make(struct watch *watch, const struct watch_config *config)
{
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		const struct reflector_config one = {
			.kind = (enum object_kind)kind,
			.label_selector = selector_of(config, (enum object_kind)kind),
			.options = {.pod_names = config->endpoint_pod_names,
				.zones = config->endpoint_zones,
				.externals = config->service_externals},
			.source = access_url(watch->access),
			.counted = config->counted,
		};
		int rc;

		if (!(watch->kinds & KIND_BIT(kind)))
			continue;
		rc = reflector_new(
			api_transport(watch->api), &watch->sink, &one, &watch->reflectors[kind]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* On failure access says in err why; -ENOMEM goes without. */
static int api_session_open(struct watch *watch, struct uv_loop_s *loop,
	const struct watch_config *config, char *err, size_t err_len)
{
	int rc = access_open(loop, config, &watch->access, err, err_len);

	if (rc < 0)
		return rc;
	rc = api_open(loop, watch->access, config->user_agent, NULL, api_event, watch, &watch->api);
	if (rc == 0 && config->counted)
		api_tell_answers(watch->api);
	if (rc == 0 && config->peers)
		api_join(watch->api, config->peers);
	if (rc == 0)
		rc = reflectors_make(watch, config);
	if (rc < 0)
		snprintf(err, err_len, "out of memory");
	return rc;
}

static int config_check(const struct watch_config *config, char *err, size_t err_len)
{
	const unsigned known = KIND_BIT(KIND_COUNT) - 1;
	const char *const selectors[] = {config->label_selector, config->namespace_selector};
	int rc = 0;

	if (config->kinds == 0 || (config->kinds & ~known) != 0) {
		snprintf(err, err_len, "no kind of object to watch, or an unknown one");
		return -EINVAL;
	}
	if (!config->user_agent && config->source != WATCH_MANIFESTS) {
		snprintf(err, err_len, "no user agent is set");
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof selectors / sizeof selectors[0] && rc == 0; i++) {
		if (selectors[i])
			rc = watch_selector_check(selectors[i], err, err_len);
	}
	return rc;
}

int watch_start(struct uv_loop_s *loop, const struct watch_config *config, const struct sink *sink,
	struct watch **out, char *err, size_t err_len)
{
	struct watch *watch;
	int rc = config_check(config, err, err_len);

	if (rc < 0)
		return rc;
	watch = calloc(1, sizeof *watch);
	if (!watch) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	watch->sink = *sink;
	watch->kinds = config->kinds;
	if (config->source == WATCH_MANIFESTS)
		rc = manifests_start(loop, config, sink, NULL, &watch->manifests, err, err_len);
	else
		rc = api_session_open(watch, loop, config, err, err_len);
	if (rc < 0)
		goto fail;
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		if (watch->reflectors[kind])
			reflector_start(watch->reflectors[kind]);
	}
	*out = watch;
	return 0;
fail:
	if (watch->access)
		watch_close(watch, NULL, NULL);
	else
		free(watch);
	return rc;
}

/* ---- looking ---- */

void watch_stats(const struct watch *watch, enum object_kind kind, struct watch_stats *out)
{
	if (!(watch->kinds & KIND_BIT(kind)))
		*out = (struct watch_stats){.state = WATCH_STATE_OFF};
	else if (watch->manifests)
		manifests_stats(watch->manifests, kind, out);
	else
		reflector_stats(watch->reflectors[kind], out);
}

bool watch_synced(const struct watch *watch)
{
	struct watch_stats stats;

	if (watch->manifests)
		return manifests_synced(watch->manifests);
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		watch_stats(watch, (enum object_kind)kind, &stats);
		if (watch->kinds & KIND_BIT(kind) && !stats.synced)
			return false;
	}
	return true;
}

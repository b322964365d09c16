/* SPDX-License-Identifier: Apache-2.0 */
/* The words for what a watch has to say. Each names the thing, what it means for
 * the answers, and what to do. A kind and detail come from outside: they are
 * escaped by the log. */

#include "kubernetes.h"

#include "dns/observe/log.h"

#include <stdio.h>

#define NAME "kubernetes"

/* An API server that has just started refuses everybody until it has read its
 * own rules: with complete data that is nothing to wake anybody for. */
#define FORBIDDEN_PATIENCE 5

/* The same message again is told at the 1st, 10th, 100th ... time. */
static bool is_worth_telling(const struct watch_event *event, bool complete)
{
	unsigned repeats = event->repeats;

	if (event->type == WATCH_FORBIDDEN && complete && repeats <= FORBIDDEN_PATIENCE)
		return repeats == FORBIDDEN_PATIENCE;
	if (repeats == 0)
		return true;
	while (repeats % 10 == 0)
		repeats /= 10;
	return repeats == 1;
}

static const char *group_of(enum object_kind kind)
{
	if (kind == KIND_IMPORT)
		return "multicluster.x-k8s.io";
	return kind == KIND_SLICE || kind == KIND_IMPORT_SLICE ? "discovery.k8s.io" : "\"\" (core)";
}

/* As RBAC spells it. */
static const char *resource_of(enum object_kind kind)
{
	return object_kind_name(kind == KIND_IMPORT_SLICE ? KIND_SLICE : kind);
}

static const char *names_of(enum object_kind kind)
{
	switch (kind) {
	case KIND_SLICE:
		return "headless Services and endpoints";
	case KIND_POD:
		return "pods";
	case KIND_IMPORT:
		return "imported Services";
	case KIND_IMPORT_SLICE:
		return "headless imported Services and their endpoints";
	case KIND_NAMESPACE:
	case KIND_SERVICE:
	case KIND_COUNT:
		break;
	}
	return "Services";
}

static void log_access(const struct watch_event *event, const char *source, const char *detail)
{
	switch (event->type) {
	case WATCH_UNREACHABLE:
		log_write(LOG_ERROR, NAME,
			"cannot reach the API server at %s: %s; answering from what is known and "
			"trying again about once a second",
			source, detail);
		break;
	case WATCH_REACHABLE:
		log_write(LOG_INFO, NAME, "the API server at %s can be reached again", source);
		break;
	case WATCH_TLS_FAILED:
		log_write(LOG_ERROR, NAME,
			"no TLS with the API server at %s: %s; check that the CA given for it "
			"(certificate-authority in the kubeconfig, third argument of 'tls', ca.crt "
			"of the ServiceAccount) is the one that signed its certificate",
			source, detail);
		break;
	case WATCH_UNAUTHORIZED:
		log_write(LOG_ERROR, NAME,
			"the API server at %s refuses our credentials (401 Unauthorized): %s; the "
			"token or client certificate is expired, revoked or of another cluster",
			source, detail);
		break;
	default:
		log_write(LOG_ERROR, NAME, "credentials for the API server at %s: %s", source,
			detail);
		break;
	}
}

static void log_file(const struct watch_event *event, const char *detail)
{
	if (event->type == WATCH_FILES_LOADED)
		log_write(LOG_INFO, NAME, "manifests read: %s", detail);
	else
		log_write(LOG_ERROR, NAME,
			"%s:%u: %s; nothing was changed, what was served before is still served",
			event->file ? event->file : "?", event->line, detail);
}

static void log_refused_object(
	const struct watch_event *event, const char *kind, const char *detail)
{
	char place[512] = "";

	if (event->file)
		snprintf(place, sizeof place, "%s:%u: ", event->file, event->line);
	log_write(LOG_WARNING, NAME, "%s%s %s/%s is left out: %s", place, kind,
		event->ns ? event->ns : "?", event->name ? event->name : "?", detail);
}

static void log_failed(
	const struct watch_event *event, const char *verb, const char *kind, const char *detail)
{
	if (event->status)
		log_write(LOG_WARNING, NAME, "%s %s: HTTP status %d: %s; trying again", verb, kind,
			event->status, detail);
	else
		log_write(LOG_WARNING, NAME, "%s %s: %s; trying again", verb, kind, detail);
}

void kubernetes_event_log(const struct watch_event *event, bool complete)
{
	const char *kind = object_kind_name(event->kind);
	const char *detail = event->detail ? event->detail : "no reason given";
	const char *source = event->source ? event->source : "?";
	const char *verb = event->verb ? event->verb : "list";

	if (!is_worth_telling(event, complete))
		return;
	switch (event->type) {
	case WATCH_SYNCED:
		log_write(LOG_INFO, NAME, "%s: the first list is complete", kind);
		break;
	case WATCH_RELISTED:
		log_write(LOG_INFO, NAME, "%s: listed again: %s", kind, detail);
		break;
	case WATCH_UNREACHABLE:
	case WATCH_REACHABLE:
	case WATCH_TLS_FAILED:
	case WATCH_UNAUTHORIZED:
	case WATCH_CREDENTIALS:
		log_access(event, source, detail);
		break;
	case WATCH_FORBIDDEN:
		log_write(LOG_ERROR, NAME,
			"not allowed to %s %s: %s; grant the verbs list and watch on %s in API "
			"group %s in this ServiceAccount's ClusterRole; until then names of %s "
			"that "
			"were never complete get SERVFAIL and /ready says no",
			verb, kind, detail, resource_of(event->kind), group_of(event->kind),
			names_of(event->kind));
		break;
	case WATCH_API_MISSING:
		if (event->kind == KIND_IMPORT) {
			log_write(LOG_INFO, NAME,
				"the API server does not serve serviceimports "
				"(multicluster.x-k8s.io): nothing is imported; looking for them "
				"about once a minute");
			break;
		}
		log_write(LOG_WARNING, NAME, "the API server does not serve %s: %s; asking again",
			kind, detail);
		break;
	case WATCH_FAILED:
		log_failed(event, verb, kind, detail);
		break;
	case WATCH_OBJECT_REFUSED:
		log_refused_object(event, kind, detail);
		break;
	case WATCH_TRIGGERED: /* only counted */
	case WATCH_PUBLISHED:
	case WATCH_ANSWERED:
		break;
	case WATCH_FILE_REFUSED:
	case WATCH_FILES_LOADED:
		log_file(event, detail);
		break;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `kubernetes`, a table row each. */

#include "kubernetes.h"

#include "dns/corefile/value.h"
#include "dns/observe/log.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct option {
	const char *name;
	unsigned min, max; /* arguments; max 0 with min 0: none */
	const char *syntax;
	int (*read)(
		struct kubernetes_options *options, const struct corefile_line *line, char *err);
};

/* CoreDNS had them once; old Corefiles still do. */
static const struct {
	const char *name, *why;
} options_dropped[] = {
	{"resyncperiod", "the API server's watch says what has changed"},
	{"transfer", "zone transfers are a directive of their own"},
	{"upstream", "targets of ExternalName Services are followed without it"},
};

static int out_of_memory(char *err, const struct corefile_token *at)
{
	corefile_error(err, at, "out of memory");
	return -ENOMEM;
}

static int string_set(char **to, const struct corefile_token *from, char *err)
{
	char *copy = strdup(from->text);

	if (!copy)
		return out_of_memory(err, from);
	free(*to);
	*to = copy;
	return 0;
}

static void strings_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

/* Append the tokens behind the option's name. */
static int strings_add(char ***list, const struct corefile_line *line, char *err)
{
	size_t have = 0;
	char **grown;

	while (*list && (*list)[have])
		have++;
	grown = reallocarray(*list, have + line->token_count, sizeof *grown);
	if (!grown)
		return out_of_memory(err, &line->tokens[0]);
	*list = grown;
	for (size_t i = 1; i < line->token_count; i++) {
		grown[have] = strdup(line->tokens[i].text);
		if (!grown[have])
			return out_of_memory(err, &line->tokens[i]);
		grown[++have] = NULL;
	}
	return 0;
}

static int read_ttl(struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	int64_t ttl_s;

	if (value_number(line->tokens[1].text, 0, KUBERNETES_TTL_MAX, &ttl_s) < 0)
		return corefile_error(err, &line->tokens[1],
			"ttl must be a whole number of seconds from 0 to %d, not '%s'",
			KUBERNETES_TTL_MAX, line->tokens[1].text);
	options->ttl_s = (uint32_t)ttl_s;
	return 0;
}

static int read_namespaces(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	return strings_add(&options->namespaces, line, err);
}

/* A label selector: the arguments joined by blanks. */
static int selector_set(char **to, const struct corefile_line *line, char *err)
{
	char why[256];
	size_t len = 1;
	char *text;

	for (size_t i = 1; i < line->token_count; i++)
		len += strlen(line->tokens[i].text) + 1;
	text = calloc(1, len);
	if (!text)
		return out_of_memory(err, &line->tokens[0]);
	for (size_t i = 1; i < line->token_count; i++) {
		strcat(text, line->tokens[i].text);
		if (i + 1 < line->token_count)
			strcat(text, " ");
	}
	free(*to);
	*to = text;
	if (watch_selector_check(text, why, sizeof why) < 0)
		return corefile_error(err, &line->tokens[1], "%s: %s", line->tokens[0].text, why);
	return 0;
}

static int read_labels(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	return selector_set(&options->labels, line, err);
}

static int read_namespace_labels(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	return selector_set(&options->namespace_labels, line, err);
}

static int read_endpoint_pod_names(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	(void)line;
	(void)err;
	options->endpoint_pod_names = true;
	return 0;
}

static int read_noendpoints(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	(void)line;
	(void)err;
	options->no_endpoints = true;
	return 0;
}

static int read_zonal(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	(void)line;
	(void)err;
	options->zonal = true;
	return 0;
}

/* A bare `ignore` is passed over, as in CoreDNS. */
static int read_ignore(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	if (line->token_count == 1)
		return 0;
	if (strcmp(line->tokens[1].text, "empty_service") != 0)
		return corefile_error(err, &line->tokens[1],
			"ignore: the one thing that can be ignored is 'empty_service', not '%s'",
			line->tokens[1].text);
	options->ignore_empty = true;
	return 0;
}

static int read_startup_timeout(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	if (value_duration_ms(line->tokens[1].text, &options->startup_timeout_ms) < 0 ||
		options->startup_timeout_ms < 0)
		return corefile_error(err, &line->tokens[1],
			"startup_timeout must be a duration such as 5s, not '%s'",
			line->tokens[1].text);
	return 0;
}

static int read_negative_ttl(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	int64_t ttl_s;

	if (value_number(line->tokens[1].text, 0, KUBERNETES_TTL_MAX, &ttl_s) < 0)
		return corefile_error(err, &line->tokens[1],
			"negative_ttl must be a whole number of seconds from 0 to %d, not '%s'",
			KUBERNETES_TTL_MAX, line->tokens[1].text);
	options->negative_ttl_s = (uint32_t)ttl_s;
	options->negative_ttl_given = true;
	return 0;
}

/* Limits of CoreDNS's client. A watch costs one request at a time for each kind,
 * so there is nothing to limit; the values are checked all the same. */
static int read_limit(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	const char *text = line->tokens[1].text;
	char *end = NULL;
	const double value = strtod(text, &end);

	(void)options;
	if (end == text || *end || !(value >= 0) || value > 1e9)
		return corefile_error(err, &line->tokens[1],
			"%s must be a number that is not negative, not '%s'", line->tokens[0].text,
			text);
	return 0;
}

static int read_fallthrough(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	int rc = 0;

	options->fallthrough = true;
	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = option_zones(&options->fallthrough_zones, &options->fallthrough_count,
			&line->tokens[i], err);
	return rc;
}

/* Without zones it says nothing, as in CoreDNS. */
static int read_multicluster(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	int rc = 0;

	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = option_zones(&options->multicluster_zones, &options->multicluster_count,
			&line->tokens[i], err);
	return rc;
}

static int read_endpoint(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	const struct corefile_token *url = &line->tokens[1];

	/* CoreDNS takes several and uses the first; so do we. */
	if (strncmp(url->text, "https://", 8) != 0 && strncmp(url->text, "http://", 7) != 0)
		return corefile_error(err, url,
			"endpoint must be an URL such as https://10.96.0.1:443, not '%s'",
			url->text);
	return string_set(&options->endpoint, url, err);
}

static int read_tls(struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	int rc = string_set(&options->tls_cert, &line->tokens[1], err);

	if (rc == 0)
		rc = string_set(&options->tls_key, &line->tokens[2], err);
	if (rc == 0)
		rc = string_set(&options->tls_ca, &line->tokens[3], err);
	return rc;
}

static int read_kubeconfig(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	int rc = string_set(&options->kubeconfig, &line->tokens[1], err);

	if (rc == 0 && line->token_count > 2)
		rc = string_set(&options->context, &line->tokens[2], err);
	return rc;
}

static int read_pods(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	const struct corefile_token *mode = &line->tokens[1];

	if (strcmp(mode->text, "disabled") == 0)
		options->pods = CLUSTER_PODS_DISABLED;
	else if (strcmp(mode->text, "insecure") == 0)
		options->pods = CLUSTER_PODS_INSECURE;
	else if (strcmp(mode->text, "verified") == 0)
		options->pods = CLUSTER_PODS_VERIFIED;
	else
		return corefile_error(err, mode,
			"pods must be disabled, insecure or verified, not '%s'", mode->text);
	return 0;
}

static int read_manifests(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	options->manifests_given = true;
	return strings_add(&options->manifests, line, err);
}

static const struct option option_table[] = {
	{"apiserver_burst", 1, 1, "apiserver_burst NUMBER", read_limit},
	{"apiserver_max_inflight", 1, 1, "apiserver_max_inflight NUMBER", read_limit},
	{"apiserver_qps", 1, 1, "apiserver_qps NUMBER", read_limit},
	{"endpoint", 1, 64, "endpoint URL", read_endpoint},
	{"endpoint_pod_names", 0, 0, "endpoint_pod_names", read_endpoint_pod_names},
	{"fallthrough", 0, 64, "fallthrough [ZONE...]", read_fallthrough},
	{"ignore", 0, 1, "ignore empty_service", read_ignore},
	{"kubeconfig", 1, 2, "kubeconfig FILE [CONTEXT]", read_kubeconfig},
	{"labels", 1, 64, "labels SELECTOR", read_labels},
	{"manifests", 1, 64, "manifests PATH...", read_manifests},
	{"multicluster", 0, 64, "multicluster [ZONE...]", read_multicluster},
	{"namespace_labels", 1, 64, "namespace_labels SELECTOR", read_namespace_labels},
	{"namespaces", 1, 1024, "namespaces NAMESPACE...", read_namespaces},
	{"negative_ttl", 1, 1, "negative_ttl SECONDS", read_negative_ttl},
	{"noendpoints", 0, 0, "noendpoints", read_noendpoints},
	{"pods", 1, 1, "pods disabled|insecure|verified", read_pods},
	{"startup_timeout", 1, 1, "startup_timeout DURATION", read_startup_timeout},
	{"tls", 3, 3, "tls CERT KEY CACERT", read_tls},
	{"ttl", 1, 1, "ttl SECONDS", read_ttl},
	{"zonal", 0, 0, "zonal", read_zonal},
};
#define OPTION_COUNT (sizeof option_table / sizeof *option_table)

static int option_refuse(const struct corefile_token *name, char *err)
{
	const char *known[OPTION_COUNT + 1] = {NULL};
	const char *nearest;

	for (size_t i = 0; i < OPTION_COUNT; i++)
		known[i] = option_table[i].name;
	nearest = corefile_nearest(name->text, known);
	if (nearest)
		return corefile_error(err, name,
			"kubernetes: unknown option '%s'; did you mean '%s'?", name->text, nearest);
	return corefile_error(err, name, "kubernetes: unknown option '%s'", name->text);
}

static bool option_was_dropped(const struct corefile_token *name)
{
	for (size_t i = 0; i < sizeof options_dropped / sizeof *options_dropped; i++) {
		if (strcmp(options_dropped[i].name, name->text) != 0)
			continue;
		log_write(LOG_WARNING, "kubernetes",
			"%s:%u:%u: '%s' is no longer an option and is ignored: %s", name->file,
			name->line, name->col, name->text, options_dropped[i].why);
		return true;
	}
	return false;
}

static int body_read(
	struct kubernetes_options *options, const struct corefile_line *line, char *err)
{
	const struct corefile_token *name = &line->tokens[0];

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *option = &option_table[i];
		size_t args = line->token_count - 1;

		if (strcmp(option->name, name->text) != 0)
			continue;
		if (line->has_body || args < option->min || args > option->max)
			return corefile_error(err, name, "kubernetes: write '%s'", option->syntax);
		return option->read(options, line, err);
	}
	if (option_was_dropped(name))
		return 0;
	return option_refuse(name, err);
}

static int zones_read(const struct plugin_site *site, struct kubernetes_options *options, char *err)
{
	const struct corefile_line *line = site->lines[0];
	int rc = 0;

	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = option_zones(&options->zones, &options->zone_count, &line->tokens[i], err);
	if (rc < 0)
		return rc;
	if (options->zone_count == 0) {
		options->zones = reallocarray(NULL, site->zone_count, sizeof *options->zones);
		if (!options->zones)
			return out_of_memory(err, &line->tokens[0]);
		memcpy(options->zones, site->zones, site->zone_count * sizeof *options->zones);
		options->zone_count = site->zone_count;
	}
	for (size_t i = 0; i < options->zone_count; i++) {
		if (!option_zone_is_reverse(&options->zones[i]))
			return 0;
	}
	return corefile_error(err, &line->tokens[0],
		"kubernetes: at least one zone must not be a reverse zone; write for example "
		"'kubernetes cluster.local in-addr.arpa ip6.arpa'");
}

static bool zone_is_ours(const struct kubernetes_options *options, const struct name *zone)
{
	for (size_t i = 0; i < options->zone_count; i++) {
		if (name_equal(options->zones[i].wire, zone->wire))
			return true;
	}
	return false;
}

static int multicluster_check(
	const struct kubernetes_options *options, const struct corefile_token *at, char *err)
{
	for (size_t i = 0; i < options->multicluster_count; i++) {
		const struct name *zone = &options->multicluster_zones[i];
		char text[NAME_TEXT_MAX];

		name_to_text(zone->wire, text, sizeof text);
		if (option_zone_is_reverse(zone))
			return corefile_error(err, at,
				"kubernetes: multicluster: %s is a reverse zone; imports have "
				"names only",
				text);
		if (!zone_is_ours(options, zone))
			return corefile_error(err, at,
				"kubernetes: multicluster: %s is not among the zones of this "
				"directive; write for example 'kubernetes cluster.local %s'",
				text, text);
	}
	return 0;
}

static int contradictions_refuse(
	const struct kubernetes_options *options, const struct corefile_token *at, char *err)
{
	if (options->manifests && (options->kubeconfig || options->endpoint))
		return corefile_error(err, at,
			"kubernetes: 'manifests' reads files instead of an API server; take out "
			"either it or 'kubeconfig'/'endpoint'");
	if (options->tls_cert && !options->endpoint && !options->kubeconfig)
		return corefile_error(err, at, "kubernetes: 'tls' needs 'endpoint URL' beside it");
	if (options->namespaces && options->namespace_labels)
		return corefile_error(err, at,
			"kubernetes: 'namespaces' and 'namespace_labels' exclude each other; take "
			"one of them out");
	if (options->no_endpoints && options->zonal)
		return corefile_error(err, at,
			"kubernetes: without endpoints no topology zone has any; take out either "
			"'noendpoints' or 'zonal'");
	if (options->no_endpoints && options->ignore_empty)
		return corefile_error(err, at,
			"kubernetes: without endpoints every Service is empty; take out either "
			"'noendpoints' or 'ignore empty_service'");
	return 0;
}

/* Which of the ways to the objects is meant. */
static enum watch_source source_choose(const struct kubernetes_options *options)
{
	if (options->manifests)
		return WATCH_MANIFESTS;
	if (options->kubeconfig)
		return WATCH_KUBECONFIG;
	return options->endpoint ? WATCH_ENDPOINT : WATCH_IN_CLUSTER;
}

int kubernetes_options_read(const struct plugin_site *site, struct kubernetes_options *out,
	char err[COREFILE_ERROR_MAX])
{
	struct kubernetes_options options = {
		.ttl_s = KUBERNETES_TTL_DEFAULT,
		.negative_ttl_s = KUBERNETES_NEGATIVE_TTL_DEFAULT,
		.startup_timeout_ms = KUBERNETES_STARTUP_TIMEOUT_DEFAULT_MS,
	};
	const struct corefile_line *line = site->lines[0];
	int rc;

	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'kubernetes' once; put all zones on one line");
	rc = zones_read(site, &options, err);
	for (size_t i = 0; i < line->body_count && rc == 0; i++)
		rc = body_read(&options, &line->body[i], err);
	if (rc == 0)
		rc = kubernetes_environment_read(&options, err);
	if (rc == 0)
		rc = multicluster_check(&options, &line->tokens[0], err);
	if (rc == 0)
		rc = contradictions_refuse(&options, &line->tokens[0], err);
	options.source = source_choose(&options);
	if (options.negative_ttl_s > options.ttl_s)
		options.negative_ttl_s = options.ttl_s;
	if (rc < 0) {
		kubernetes_options_free(&options);
		return rc;
	}
	*out = options;
	return 0;
}

void kubernetes_options_free(struct kubernetes_options *options)
{
	free(options->zones);
	free(options->fallthrough_zones);
	free(options->multicluster_zones);
	strings_free(options->namespaces);
	strings_free(options->manifests);
	free(options->endpoint);
	free(options->tls_cert);
	free(options->tls_key);
	free(options->tls_ca);
	free(options->kubeconfig);
	free(options->context);
	free(options->labels);
	free(options->namespace_labels);
}

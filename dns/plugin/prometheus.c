/* SPDX-License-Identifier: Apache-2.0 */
/* `prometheus`: counts the questions of its block, and serves all metrics there are.
 *
 * What the labels server and zone can be is known at the start, so there is a row of
 * slots for each:
 *
 *	block (a port)  server (an address of `bind`)  zone
 *	0               0                              0 1 2 ... and one for "dropped"
 *	                1                              0 1 2 ... dropped
 *	1               0                              0 1 ... dropped
 *
 * Which rcodes and plugins there can be is the same for all blocks and all configurations
 * (struct axes): a zone that a reload keeps goes on counting where it was.
 *
 * A question is then counted without a look at any text: its row is an array index, its
 * slots are the row's plus an index made of protocol, family, type, rcode and plugin.
 * Nine counters of the thread's own are written, on five or six cache lines. */

#include "dns/corefile/value.h"
#include "dns/net/http.h"
#include "dns/observe/metric.h"
#include "dns/wire/type.h"
#include "labels.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROMETHEUS_HOST "localhost" /* as in CoreDNS: others have to be let in */
#define PROMETHEUS_PORT 9153
#define DROPPED         "dropped"
/* The rcodes that have a name are below; whatever is above is one. */
#define RCODES 25

struct row { /* first slots */
	uint32_t requests, duration, with_do, responses;
	uint32_t request_size[2], response_size[2]; /* UDP, TCP */
};

struct part { /* the zones of one port */
	const struct block *block;
	size_t first; /* row */
};

#define PLUGINS_MAX 64

/* The values of the labels rcode and plugin, in memory that lasts. */
struct axes {
	char rcode_texts[RCODES][TYPE_TEXT_MAX];
	const char *rcodes[RCODES];
	const char *plugins[PLUGINS_MAX]; /* the first one is nobody */
	size_t plugin_count;              /* 0: not made yet */
};

struct answerer { /* a plugin of the block that answers */
	const char *name;
	uint32_t place; /* in axes */
};

struct prometheus {
	struct value_endpoint address;
	struct corefile_token at;
	struct metrics *metrics; /* NULL: not started */
	struct part *parts;
	size_t part_count;
	struct servers servers;
	struct row *rows;
	const struct axes *axes;
	struct answerer *answerers;
	size_t answerer_count;
};

static const char *const protos[] = {"udp", "tcp"};
static const char *const families[] = {"1", "2"};
static const char *const nobody[] = {""};

/* As CoreDNS tells them apart; the place in the one is the number in the other. */
static const char *const type_names[] = {"other", "A", "AAAA", "CNAME", "DNSKEY", "DS", "MX",
	"NSEC3", "NSEC", "NS", "PTR", "RRSIG", "SOA", "SRV", "TXT", "HTTPS", "SVCB", "IXFR", "AXFR",
	"ANY"};
static const uint8_t type_places[256] = {
	[TYPE_A] = 1,
	[TYPE_AAAA] = 2,
	[TYPE_CNAME] = 3,
	[TYPE_DNSKEY] = 4,
	[TYPE_DS] = 5,
	[TYPE_MX] = 6,
	[TYPE_NSEC3] = 7,
	[TYPE_NSEC] = 8,
	[TYPE_NS] = 9,
	[TYPE_PTR] = 10,
	[TYPE_RRSIG] = 11,
	[TYPE_SOA] = 12,
	[TYPE_SRV] = 13,
	[TYPE_TXT] = 14,
	[TYPE_HTTPS] = 15,
	[TYPE_SVCB] = 16,
	[TYPE_IXFR] = 17,
	[TYPE_AXFR] = 18,
	[TYPE_ANY] = 19,
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- setup --- */

/* Go's runtime has figures of its own; a Corefile that asks for them must load. */
static int read_runtime_metrics(void *instance, const struct corefile_line *line, char *err)
{
	(void)instance;
	(void)line;
	(void)err;
	return 0;
}

static int read_tls(void *instance, const struct corefile_line *line, char *err)
{
	(void)instance;
	return corefile_error(err, &line->tokens[0],
		"prometheus: Binnacle serves metrics over plain HTTP only; take 'tls' out, and "
		"give an address that only the scraper can reach");
}

static const struct option_row prometheus_options[] = {
	{"runtime_metrics", 0, 0, "runtime_metrics", read_runtime_metrics},
	{"tls", 0, 16, "tls FILE", read_tls}, {0}};

static int prometheus_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	struct prometheus *prometheus;
	int rc;

	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'prometheus' once; take this line out");
	if (line->token_count > 2)
		return corefile_error(err, &line->tokens[2],
			"prometheus: one address at most; write 'prometheus [ADDRESS:PORT]'");
	prometheus = calloc(1, sizeof *prometheus);
	if (!prometheus)
		return option_no_memory(err, &line->tokens[0]);
	strcpy(prometheus->address.host, PROMETHEUS_HOST);
	prometheus->address.port = PROMETHEUS_PORT;
	prometheus->at = line->tokens[0];
	if (line->token_count == 2 &&
		value_endpoint(line->tokens[1].text, PROMETHEUS_PORT, &prometheus->address) < 0)
		rc = corefile_error(err, &line->tokens[1],
			"prometheus: '%s' is not an address; write for example ':9153' or "
			"'127.0.0.1:9153'",
			line->tokens[1].text);
	else
		rc = option_read(line, prometheus_options, prometheus, err);
	if (rc < 0) {
		free(prometheus);
		return rc;
	}
	*instance = prometheus;
	return 0;
}

static void prometheus_free(void *instance)
{
	struct prometheus *prometheus = instance;

	if (!prometheus)
		return;
	free(prometheus->parts);
	servers_free(&prometheus->servers);
	free(prometheus->rows);
	free(prometheus->answerers);
	free(prometheus);
}

/* --- questions --- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const struct row *row_of(
	const struct prometheus *prometheus, const struct txn *txn, bool dropped)
{
	const struct part *part = &prometheus->parts[txn->block - prometheus->parts[0].block];
	const size_t zones = txn->block->zone_count;
	const size_t server = servers_at(&prometheus->servers, txn->local);

	return &prometheus
			->rows[part->first + server * (zones + 1) + (dropped ? zones : txn->zone)];
}

/* Names of plugins are compared as pointers: answered_by is the descriptor's. */
static size_t plugin_of(const struct prometheus *prometheus, const char *answered_by)
{
	for (size_t i = 0; i < prometheus->answerer_count; i++) {
		if (prometheus->answerers[i].name == answered_by)
			return prometheus->answerers[i].place;
	}
	return 0;
}

/* plugins: how many the row tells apart. */
static void question_count(
	const struct txn *txn, const struct row *row, size_t plugin, size_t plugins)
{
	_Atomic uint64_t *counters = thread_counters(txn->thread);
	const uint32_t proto = txn->tcp, family = txn->peer->sa_family == AF_INET6;
	const uint16_t qtype = txn->query->qtype, rcode = txn->reply->rcode;
	const uint32_t type = qtype < COUNT(type_places) ? type_places[qtype] : 0;
	const uint32_t row_rcode = rcode < RCODES ? rcode : RCODES - 1;

	if (!counters)
		return;
	metric_count(counters,
		row->requests + (proto * 2 + family) * (uint32_t)COUNT(type_names) + type, 1);
	metric_observe(
		counters, METRIC_DNS_REQUEST_SIZE, row->request_size[proto], txn->query->size);
	if (txn->query->edns_do)
		metric_count(counters, row->with_do, 1);
	metric_observe(
		counters, METRIC_DNS_RESPONSE_SIZE, row->response_size[proto], txn->reply_len);
	metric_count(
		counters, row->responses + row_rcode * (uint32_t)plugins + (uint32_t)plugin, 1);
	metric_observe(
		counters, METRIC_DNS_REQUEST_DURATION, row->duration, now_ns() - txn->start_ns);
}

static void prometheus_done(void *instance, struct txn *txn)
{
	const struct prometheus *prometheus = instance;

	question_count(txn, row_of(prometheus, txn, false), plugin_of(prometheus, txn->answered_by),
		prometheus->axes->plugin_count);
}

static void prometheus_refused(void *instance, struct txn *txn)
{
	const struct prometheus *prometheus = instance;

	question_count(txn, row_of(prometheus, txn, true), 0, COUNT(nobody));
}

/* --- start --- */

static int row_add(struct metrics *metrics, const char *server, const char *zone,
	const struct metric_axis *rcode_and_plugin, struct row *row)
{
	const char *const labels[] = {server, zone, ""};
	const struct metric_axis question[] = {{protos, COUNT(protos)}, {families, COUNT(families)},
		{type_names, COUNT(type_names)}};
	const struct {
		enum metric_id id;
		const struct metric_axis *axes;
		size_t axis_count;
		uint32_t *slot;
	} series[] = {
		{METRIC_DNS_REQUESTS, question, 3, &row->requests},
		{METRIC_DNS_REQUEST_DURATION, NULL, 0, &row->duration},
		{METRIC_DNS_REQUEST_SIZE, question, 1, &row->request_size[0]},
		{METRIC_DNS_DO_REQUESTS, NULL, 0, &row->with_do},
		{METRIC_DNS_RESPONSE_SIZE, question, 1, &row->response_size[0]},
		{METRIC_DNS_RESPONSES, rcode_and_plugin, 2, &row->responses},
	};
	int rc = 0;

	for (size_t i = 0; i < COUNT(series) && rc == 0; i++)
		rc = metrics_add(metrics, series[i].id, labels, series[i].axes,
			series[i].axis_count, series[i].slot);
	row->request_size[1] = row->request_size[0] + metric_width(METRIC_DNS_REQUEST_SIZE);
	row->response_size[1] = row->response_size[0] + metric_width(METRIC_DNS_RESPONSE_SIZE);
	return rc;
}

static int part_add(struct prometheus *prometheus, struct metrics *metrics, struct part *part)
{
	const struct block *block = part->block;
	const struct axes *axes = prometheus->axes;
	const struct metric_axis of_zone[] = {
		{axes->rcodes, RCODES}, {axes->plugins, axes->plugin_count}};
	const struct metric_axis of_dropped[] = {{axes->rcodes, RCODES}, {nobody, COUNT(nobody)}};
	struct row *row = &prometheus->rows[part->first];
	char server[SERVER_TEXT_MAX];
	int rc = 0;

	for (size_t i = 0; i < prometheus->servers.count && rc == 0; i++) {
		servers_text(&prometheus->servers, i, block->port, server);
		for (size_t z = 0; z < block->zone_count && rc == 0; z++)
			rc = row_add(metrics, server, block->zone_texts[z], of_zone, row++);
		if (rc == 0)
			rc = row_add(metrics, server, DROPPED, of_dropped, row++);
	}
	return rc;
}

static void axes_fill(struct axes *axes)
{
	for (uint16_t i = 0; i < RCODES; i++)
		axes->rcodes[i] = rcode_to_text(i, axes->rcode_texts[i]);
	axes->rcodes[RCODES - 1] = "other";
	axes->plugins[axes->plugin_count++] = "";
	for (size_t i = 0; plugin_list[i] && axes->plugin_count < PLUGINS_MAX; i++) {
		if (plugin_list[i]->query)
			axes->plugins[axes->plugin_count++] = plugin_list[i]->name;
	}
}

static uint32_t place_of(const struct axes *axes, const char *plugin)
{
	uint32_t place = (uint32_t)axes->plugin_count;

	while (--place && axes->plugins[place] != plugin)
		continue;
	return place;
}

/* Who may answer, what can be answered. */
static int axes_make(
	struct prometheus *prometheus, const struct plugin_host *host, const struct block *block)
{
	struct axes *axes = host->lasting(host->ctx, "prometheus axes", sizeof *axes);

	prometheus->answerers = calloc(block->plugin_count + 1, sizeof *prometheus->answerers);
	if (!axes || !prometheus->answerers)
		return -ENOMEM;
	if (!axes->plugin_count)
		axes_fill(axes);
	prometheus->axes = axes;
	for (size_t i = 0; i < block->plugin_count; i++) {
		const struct plugin *plugin = block->plugins[i].plugin;

		if (plugin->query)
			prometheus->answerers[prometheus->answerer_count++] =
				(struct answerer){plugin->name, place_of(axes, plugin->name)};
	}
	return 0;
}

static int rows_make(
	struct prometheus *prometheus, const struct block *block, struct metrics *metrics)
{
	const size_t count = block->siblings + 1;
	size_t rows = 0;
	int rc = 0;

	prometheus->parts = calloc(count, sizeof *prometheus->parts);
	if (!prometheus->parts)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		prometheus->parts[i] = (struct part){&block[i], rows};
		rows += prometheus->servers.count * (block[i].zone_count + 1);
	}
	prometheus->part_count = count;
	prometheus->rows = calloc(rows, sizeof *prometheus->rows);
	if (!prometheus->rows)
		return -ENOMEM;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = part_add(prometheus, metrics, &prometheus->parts[i]);
	return rc;
}

/* --- what is looked up when somebody asks --- */

static void collect_plugins(void *user, struct metric_page *page)
{
	const struct prometheus *prometheus = user;
	char server[SERVER_TEXT_MAX];

	for (size_t p = 0; p < prometheus->part_count; p++) {
		const struct block *block = prometheus->parts[p].block;
		const size_t zones = block->zone_count, plugins = block->plugin_count;

		for (size_t i = 0; i < prometheus->servers.count * zones * plugins; i++) {
			const struct plugin *plugin = block->plugins[i % plugins].plugin;
			const char *labels[] = {
				server, block->zone_texts[i / plugins % zones], "", plugin->name};

			if (!plugin->query && !plugin->rewrite && !plugin->done)
				continue;
			servers_text(
				&prometheus->servers, i / plugins / zones, block->port, server);
			metric_put(page, METRIC_PLUGIN_ENABLED, labels, 1);
		}
	}
}

static void collect_build(void *user, struct metric_page *page)
{
	const char *const labels[] = {user, "", ""};

	metric_put(page, METRIC_BUILD_INFO, labels, 1);
	metric_put(page, METRIC_PANICS, NULL, 0);
}

static void prometheus_answer(void *user, struct http_reply *reply)
{
	if (metrics_render(user, &reply->body, &reply->len) == 0) {
		reply->status = 200;
		reply->content_type = METRICS_CONTENT_TYPE;
		return;
	}
	reply->status = 503;
	reply->body = strdup("out of memory\n");
	reply->len = reply->body ? strlen(reply->body) : 0;
}

/* What belongs to the process is told once, however many blocks have the directive. */
static int collect_once(const struct plugin_host *host)
{
	bool *told = host->lasting(host->ctx, "prometheus", sizeof *told);

	if (!told)
		return -ENOMEM;
	if (*told)
		return 0;
	*told = true;
	return metrics_collect(host->metrics, collect_build, (void *)(uintptr_t)host->version);
}

static int prometheus_start(void *instance, const struct plugin_host *host,
	const struct block *block, char err[COREFILE_ERROR_MAX])
{
	struct prometheus *prometheus = instance;
	int rc = servers_read(block, &prometheus->servers, err);

	prometheus->metrics = host->metrics;
	if (rc < 0 && err[0])
		return rc;
	if (rc == 0)
		rc = axes_make(prometheus, host, block);
	if (rc == 0)
		rc = rows_make(prometheus, block, host->metrics);
	if (rc == 0)
		rc = collect_once(host);
	if (rc == 0)
		rc = metrics_collect(host->metrics, collect_plugins, prometheus);
	/* 1: another block has the same address; all metrics are there already. */
	if (rc == 0)
		rc = host->http_route(host->ctx, prometheus->address.host, prometheus->address.port,
			"/metrics", prometheus_answer, host->metrics);
	if (rc >= 0)
		return 0;
	corefile_error(err, &prometheus->at, "prometheus: cannot serve /metrics: %s",
		rc == -ENOSPC ? "so many zones have been counted that there is no room for "
				"another; restart the server to begin anew"
			      : strerror(-rc));
	return rc;
}

static void prometheus_stop(void *instance, void (*done)(void *user), void *user)
{
	const struct prometheus *prometheus = instance;

	if (prometheus->metrics)
		metrics_forget(prometheus->metrics, prometheus);
	done(user);
}

const struct plugin plugin_prometheus = {
	.name = "prometheus",
	.setup = prometheus_setup,
	.start = prometheus_start,
	.done = prometheus_done,
	.refused = prometheus_refused,
	.stop = prometheus_stop,
	.free = prometheus_free,
	.wants_time = true,
};

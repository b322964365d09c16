/* SPDX-License-Identifier: Apache-2.0 */
/* A watch session that prints what it tells its sink, one JSON object a line, for
 * tests that run an API server of their own:
 *
 *	watch_probe endpoint URL [CERT KEY CA]
 *	watch_probe in-cluster DIR        KUBERNETES_SERVICE_HOST and _PORT are set
 *	watch_probe kubeconfig FILE [CONTEXT]
 *	watch_probe manifests PATH...
 *
 * KINDS in the environment names the kinds (default: namespaces services
 * endpointslices), LABELS a label selector. On standard input `stats` prints the
 * counters; `quit`, or its end, closes the session. */

#include "watch/watch.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct probe {
	uv_loop_t loop;
	uv_pipe_t input;
	struct watch *watch;
	unsigned kinds;
	char command[256];
	size_t command_len;
	bool closing;
};

static const char *const event_names[] = {
	[WATCH_SYNCED] = "SYNCED",
	[WATCH_RELISTED] = "RELISTED",
	[WATCH_UNREACHABLE] = "UNREACHABLE",
	[WATCH_REACHABLE] = "REACHABLE",
	[WATCH_TLS_FAILED] = "TLS_FAILED",
	[WATCH_UNAUTHORIZED] = "UNAUTHORIZED",
	[WATCH_FORBIDDEN] = "FORBIDDEN",
	[WATCH_FAILED] = "FAILED",
	[WATCH_API_MISSING] = "API_MISSING",
	[WATCH_OBJECT_REFUSED] = "OBJECT_REFUSED",
	[WATCH_CREDENTIALS] = "CREDENTIALS",
	[WATCH_FILE_REFUSED] = "FILE_REFUSED",
	[WATCH_FILES_LOADED] = "FILES_LOADED",
	[WATCH_TRIGGERED] = "TRIGGERED",
	[WATCH_PUBLISHED] = "PUBLISHED",
	[WATCH_ANSWERED] = "ANSWERED",
};

/* ---- output ---- */

/* , "key": "text"; bytes outside of printable ASCII as \u00XX. Nothing for NULL. */
static void put_text(const char *key, const char *text)
{
	if (!text)
		return;
	printf(",\"%s\":\"", key);
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			printf("\\%c", *at);
		else if (*at < 0x20 || *at > 0x7e)
			printf("\\u%04x", *at);
		else
			putchar(*at);
	}
	putchar('"');
}

static void put_start(const char *call, enum object_kind kind)
{
	printf("{\"call\":\"%s\",\"kind\":\"%s\"", call, object_kind_name(kind));
}

static void put_end(void)
{
	puts("}");
}

static void put_ips(const struct ip *ips, unsigned count)
{
	char text[INET6_ADDRSTRLEN];

	printf(",\"ips\":[");
	for (unsigned i = 0; i < count; i++) {
		inet_ntop(ips[i].family == 4 ? AF_INET : AF_INET6, ips[i].bytes, text, sizeof text);
		printf("%s\"%s\"", i ? "," : "", text);
	}
	putchar(']');
}

static void put_slice(const struct endpoint_slice *slice)
{
	char text[INET6_ADDRSTRLEN];

	put_text("service", slice->service);
	printf(",\"ips\":[");
	for (uint32_t i = 0; i < slice->v4_count; i++) {
		inet_ntop(AF_INET, slice->v4 + 4 * i, text, sizeof text);
		printf("%s\"%s\"", i ? "," : "", text);
	}
	for (uint32_t i = 0; i < slice->v6_count; i++) {
		inet_ntop(AF_INET6, slice->v6 + 16 * i, text, sizeof text);
		printf("%s\"%s\"", i || slice->v4_count ? "," : "", text);
	}
	putchar(']');
}

/* ---- the sink ---- */

static void sink_begin(void *ctx, enum object_kind kind)
{
	(void)ctx;
	put_start("begin", kind);
	put_end();
}

static int sink_upsert(void *ctx, struct object *object)
{
	(void)ctx;
	put_start("upsert", (enum object_kind)object->kind);
	put_text("ns", object->ns);
	put_text("name", object->name);
	printf(",\"version\":%" PRIu64, object->version);
	if (object->kind == KIND_SERVICE)
		put_ips(((struct service *)object)->ips, ((struct service *)object)->ip_count);
	else if (object->kind == KIND_POD)
		put_ips(((struct pod *)object)->ips, ((struct pod *)object)->ip_count);
	else if (object->kind == KIND_SLICE)
		put_slice((struct endpoint_slice *)object);
	put_end();
	object_free(object);
	return 0;
}

static void sink_remove(
	void *ctx, enum object_kind kind, const char *ns, const char *name, uint64_t version)
{
	(void)ctx;
	put_start("remove", kind);
	put_text("ns", ns);
	put_text("name", name);
	printf(",\"version\":%" PRIu64, version);
	put_end();
}

static void sink_end(void *ctx, enum object_kind kind, uint64_t version)
{
	(void)ctx;
	put_start("end", kind);
	printf(",\"version\":%" PRIu64, version);
	put_end();
}

static void sink_abort(void *ctx, enum object_kind kind)
{
	(void)ctx;
	put_start("abort", kind);
	put_end();
}

static void sink_settle(void *ctx)
{
	(void)ctx;
	puts("{\"call\":\"settle\"}");
	fflush(stdout);
}

static void sink_event(void *ctx, const struct watch_event *event)
{
	(void)ctx;
	put_start("event", event->kind);
	put_text("type", event_names[event->type]);
	put_text("verb", event->verb);
	put_text("source", event->source);
	put_text("detail", event->detail);
	put_text("ns", event->ns);
	put_text("name", event->name);
	put_text("file", event->file);
	printf(",\"line\":%u,\"status\":%d,\"repeats\":%u", event->line, event->status,
		event->repeats);
	put_end();
	fflush(stdout);
}

/* ---- commands ---- */

static void probe_stats(struct probe *probe)
{
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		struct watch_stats stats;

		if (!(probe->kinds & KIND_BIT(kind)))
			continue;
		watch_stats(probe->watch, (enum object_kind)kind, &stats);
		put_start("stats", (enum object_kind)kind);
		printf(",\"state\":%d,\"synced\":%s,\"forbidden\":%s,\"objects\":%" PRIu64
		       ",\"version\":%" PRIu64 ",\"lists\":%" PRIu64 ",\"stream_lists\":%" PRIu64
		       ",\"watches\":%" PRIu64 ",\"bookmarks\":%" PRIu64 ",\"events\":%" PRIu64,
			(int)stats.state, stats.synced ? "true" : "false",
			stats.forbidden ? "true" : "false", stats.objects, stats.version,
			stats.lists, stats.stream_lists, stats.watches, stats.bookmarks,
			stats.events);
		printf(",\"expired\":%" PRIu64 ",\"failures\":%" PRIu64 ",\"refused\":%" PRIu64
		       ",\"bytes\":%" PRIu64 ",\"all_synced\":%s",
			stats.expired, stats.failures, stats.refused, stats.bytes,
			watch_synced(probe->watch) ? "true" : "false");
		put_end();
	}
	fflush(stdout);
}

static void probe_closed(void *user)
{
	(void)user;
	puts("{\"call\":\"closed\"}");
	fflush(stdout);
}

static void probe_quit(struct probe *probe)
{
	if (probe->closing)
		return;
	probe->closing = true;
	uv_close((uv_handle_t *)&probe->input, NULL);
	watch_close(probe->watch, probe_closed, probe);
}

static void input_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct probe *probe = handle->data;

	(void)suggested;
	*buf = uv_buf_init(probe->command + probe->command_len,
		(unsigned)(sizeof probe->command - 1 - probe->command_len));
}

static void input_came(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct probe *probe = stream->data;
	char *end;

	(void)buf;
	if (len < 0) {
		probe_quit(probe);
		return;
	}
	probe->command_len += (size_t)len;
	probe->command[probe->command_len] = '\0';
	while (!probe->closing && (end = strchr(probe->command, '\n')) != NULL) {
		*end++ = '\0';
		if (strcmp(probe->command, "stats") == 0)
			probe_stats(probe);
		else if (strcmp(probe->command, "quit") == 0)
			probe_quit(probe);
		probe->command_len = strlen(end);
		memmove(probe->command, end, probe->command_len + 1);
	}
}

/* ---- life ---- */

static unsigned kinds_read(const char *text)
{
	unsigned kinds = 0;

	for (int kind = 0; kind < KIND_COUNT; kind++) {
		if (strstr(text, object_kind_name((enum object_kind)kind)))
			kinds |= KIND_BIT(kind);
	}
	return kinds;
}

static int config_read(int argc, char **argv, struct watch_config *config)
{
	const char *source = argc > 1 ? argv[1] : "";

	if (strcmp(source, "endpoint") == 0 && (argc == 3 || argc == 6)) {
		config->source = WATCH_ENDPOINT;
		config->endpoint = argv[2];
		config->tls_cert = argc == 6 && argv[3][0] ? argv[3] : NULL;
		config->tls_key = argc == 6 && argv[4][0] ? argv[4] : NULL;
		config->tls_ca = argc == 6 && argv[5][0] ? argv[5] : NULL;
	} else if (strcmp(source, "in-cluster") == 0 && argc == 3) {
		config->source = WATCH_IN_CLUSTER;
		config->service_account_dir = argv[2];
	} else if (strcmp(source, "kubeconfig") == 0 && (argc == 3 || argc == 4)) {
		config->source = WATCH_KUBECONFIG;
		config->kubeconfig = argv[2];
		config->context = argc == 4 ? argv[3] : NULL;
	} else if (strcmp(source, "manifests") == 0 && argc >= 3) {
		config->source = WATCH_MANIFESTS;
		config->paths = (const char *const *)argv + 2;
	} else {
		fprintf(stderr, "usage: watch_probe endpoint URL [CERT KEY CA] | in-cluster DIR | "
				"kubeconfig FILE [CONTEXT] | manifests PATH...\n");
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct sink sink = {NULL, sink_begin, sink_upsert, sink_remove, sink_end, sink_abort,
		sink_settle, sink_event};
	const char *kinds = getenv("KINDS");
	struct probe probe = {0};
	struct watch_config config = {
		.user_agent = "watch_probe/0 (linux)",
		.label_selector = getenv("LABELS"),
	};
	char err[1024];

	if (config_read(argc, argv, &config) < 0 || watch_global_init() < 0)
		return 2;
	config.kinds = probe.kinds =
		kinds_read(kinds ? kinds : "namespaces services endpointslices");
	uv_loop_init(&probe.loop);
	if (watch_start(&probe.loop, &config, &sink, &probe.watch, err, sizeof err) < 0) {
		printf("{\"call\":\"refused\"");
		put_text("detail", err);
		put_end();
		uv_run(&probe.loop, UV_RUN_DEFAULT);
		watch_global_cleanup();
		return uv_loop_close(&probe.loop) == 0 ? 1 : 3;
	}
	uv_pipe_init(&probe.loop, &probe.input, 0);
	probe.input.data = &probe;
	if (uv_pipe_open(&probe.input, 0) < 0)
		return 2;
	uv_read_start((uv_stream_t *)&probe.input, input_room, input_came);
	uv_run(&probe.loop, UV_RUN_DEFAULT);
	watch_global_cleanup();
	/* Anything that was left open shows here. */
	return uv_loop_close(&probe.loop) == 0 ? 0 : 3;
}

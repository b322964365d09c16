/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/metric.h"
#include "question.h"
#include "site.h"

#include <errno.h>
#include <time.h>

static enum plugin_verdict never_asked(void *instance, struct txn *txn)
{
	(void)instance;
	(void)txn;
	return PLUGIN_NEXT;
}

/* They get the names of two that there are: only those can be told apart. */
static struct plugin plugin_first = {.query = never_asked};
static struct plugin plugin_second = {.query = never_asked};

#define WORLD_PLUGINS 4
#define WORLD_BLOCKS  2
#define WORLD_ZONES   3

/* Two blocks of one server block: example.org and example.net on one port, the root on
 * another. */
struct world {
	struct site site, bind;
	struct recorder recorder;
	struct metrics *metrics;
	struct thread *thread;
	struct name zones[WORLD_ZONES];
	char *texts[WORLD_ZONES];
	struct block_plugin plugins[WORLD_PLUGINS];
	struct block blocks[WORLD_BLOCKS];
};

/* bind: "" or a line. */
static void world_open(struct world *world, const char *bind)
{
	static char *const texts[] = {"example.org.", "example.net.", "."};
	char text[256];

	memset(world, 0, sizeof *world);
	plugin_first.name = plugin_hosts.name;
	plugin_second.name = plugin_kubernetes.name;
	recorder_init(&world->recorder);
	assert_int_equal(metrics_new(&world->metrics), 0);
	world->recorder.host.metrics = world->metrics;
	snprintf(text, sizeof text, ". {\n prometheus :9153\n %s\n}", bind);
	assert_int_equal(site_setup(&world->site, &plugin_prometheus, text), 0);
	world->plugins[0] = (struct block_plugin){&plugin_prometheus, world->site.instance};
	world->plugins[1] = (struct block_plugin){&plugin_first, NULL};
	world->plugins[2] = (struct block_plugin){&plugin_second, NULL};
	if (bind[0]) {
		assert_int_equal(site_setup(&world->bind, &plugin_bind, text), 0);
		world->plugins[3] = (struct block_plugin){&plugin_bind, world->bind.instance};
	}
	for (size_t i = 0; i < WORLD_ZONES; i++) {
		world->texts[i] = texts[i];
		name_from_text(texts[i], strlen(texts[i]), &world->zones[i]);
	}
	for (size_t i = 0; i < WORLD_BLOCKS; i++)
		world->blocks[i] = (struct block){
			.zones = &world->zones[i * 2],
			.zone_texts = &world->texts[i * 2],
			.zone_count = i ? 1 : 2,
			.port = i ? 54 : 53,
			.plugins = world->plugins,
			.plugin_count = bind[0] ? 4 : 3,
			.siblings = 1 - i,
		};
	if (plugin_prometheus.start(world->site.instance, &world->recorder.host, world->blocks,
		    world->site.err) < 0)
		fail_msg("%s", world->site.err);
	world->thread = thread_new();
	thread_set_counters(world->thread, metrics_counters(world->metrics));
}

static void world_close(struct world *world)
{
	thread_free(world->thread);
	metrics_free(world->metrics);
	recorder_free(&world->recorder);
	site_free(&world->site, &plugin_prometheus);
	if (world->bind.corefile)
		site_free(&world->bind, &plugin_bind);
}

static void world_question(struct world *world, struct question *q, uint16_t type, bool tcp)
{
	struct timespec now;

	question_init(q, "www.example.net", type, tcp ? 1232 : 0, tcp, tcp);
	clock_gettime(CLOCK_MONOTONIC, &now);
	q->txn.thread = world->thread;
	q->txn.block = &world->blocks[0];
	q->txn.zone = 1;
	q->txn.start_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - 300000;
	q->txn.answered_by = plugin_second.name;
}

/* What is served; freed by the next call. */
static const char *world_metrics(struct world *world)
{
	static char text[1 << 16];
	struct http_reply reply = {0};

	world->recorder.routes[0].answer(world->recorder.routes[0].user, &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
	assert_true(reply.len < sizeof text);
	memcpy(text, reply.body, reply.len);
	text[reply.len] = 0;
	free(reply.body);
	return text;
}

static void assert_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || at[strlen(line)] != '\n')
		fail_msg("no line '%s' in\n%s", line, text);
}

static void test_default_address(void **state)
{
	struct world world;
	struct site site;

	(void)state;
	world_open(&world, "");
	assert_string_equal(world.recorder.routes[0].host, "");
	assert_int_equal(world.recorder.routes[0].port, 9153);
	assert_string_equal(world.recorder.routes[0].path, "/metrics");
	world_close(&world);

	recorder_init(&world.recorder);
	assert_int_equal(metrics_new(&world.recorder.host.metrics), 0);
	assert_int_equal(
		site_setup(&site, &plugin_prometheus, ". {\n prometheus {\nruntime_metrics\n}\n}"),
		0);
	assert_int_equal(plugin_prometheus.start(
				 site.instance, &world.recorder.host, world.blocks, site.err),
		0);
	assert_string_equal(world.recorder.routes[0].host, "localhost");
	assert_int_equal(world.recorder.routes[0].port, 9153);
	metrics_free(world.recorder.host.metrics);
	recorder_free(&world.recorder);
	site_free(&site, &plugin_prometheus);
}

static void test_a_question_is_counted(void **state)
{
	static struct question q;
	struct world world;
	const char *text;

	(void)state;
	world_open(&world, "");
	world_question(&world, &q, TYPE_AAAA, true);
	question_finish(&q, RCODE_NXDOMAIN);
	plugin_prometheus.done(world.site.instance, &q.txn);
	text = world_metrics(&world);
#define AT "{server=\"dns://:53\",zone=\"example.net.\",view=\"\""
	assert_line(text,
		"coredns_dns_requests_total" AT ",proto=\"tcp\",family=\"1\",type=\"AAAA\"} 1");
	assert_line(text,
		"coredns_dns_responses_total" AT ",rcode=\"NXDOMAIN\",plugin=\"kubernetes\"} 1");
	assert_line(text, "coredns_dns_do_requests_total" AT "} 1");
	assert_line(text, "coredns_dns_request_size_bytes_sum" AT ",proto=\"tcp\"} 44");
	assert_line(text, "coredns_dns_response_size_bytes_count" AT ",proto=\"tcp\"} 1");
	assert_line(text, "coredns_dns_request_duration_seconds_bucket" AT ",le=\"0.00025\"} 0");
	assert_line(text, "coredns_dns_request_duration_seconds_count" AT "} 1");
#undef AT
	assert_null(strstr(text, "zone=\"example.org.\",view=\"\",proto"));
	world_close(&world);
}

static void test_types_rcodes_and_ports(void **state)
{
	static struct question q;
	struct world world;
	const char *text;

	(void)state;
	world_open(&world, "");
	world_question(&world, &q, TYPE_NAPTR, false);
	question_peer6(&q);
	q.txn.block = &world.blocks[1];
	q.txn.zone = 0;
	q.txn.answered_by = NULL;
	question_finish(&q, 23);
	plugin_prometheus.done(world.site.instance, &q.txn);
	world_question(&world, &q, 65280, false);
	q.txn.block = &world.blocks[1];
	q.txn.zone = 0;
	question_finish(&q, 4095);
	plugin_prometheus.done(world.site.instance, &q.txn);
	text = world_metrics(&world);
#define AT "{server=\"dns://:54\",zone=\".\",view=\"\""
	assert_line(text,
		"coredns_dns_requests_total" AT ",proto=\"udp\",family=\"2\",type=\"other\"} 1");
	assert_line(text,
		"coredns_dns_requests_total" AT ",proto=\"udp\",family=\"1\",type=\"other\"} 1");
	assert_line(text, "coredns_dns_responses_total" AT ",rcode=\"BADCOOKIE\",plugin=\"\"} 1");
	assert_line(
		text, "coredns_dns_responses_total" AT ",rcode=\"other\",plugin=\"kubernetes\"} 1");
#undef AT
	assert_null(strstr(text, "coredns_dns_do_requests_total"));
	world_close(&world);
}

/* Every type that has a name of its own is counted under it. */
static void test_names_of_types(void **state)
{
	static const char *const names[] = {"A", "AAAA", "CNAME", "DNSKEY", "DS", "MX", "NSEC3",
		"NSEC", "NS", "PTR", "RRSIG", "SOA", "SRV", "TXT", "HTTPS", "SVCB", "IXFR", "AXFR",
		"ANY"};
	static struct question q;
	struct world world;
	char line[200];

	(void)state;
	world_open(&world, "");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		world_question(&world, &q, TYPE_A, false);
		q.query.qtype = (uint16_t)type_from_text(names[i], strlen(names[i]));
		question_finish(&q, RCODE_NOERROR);
		plugin_prometheus.done(world.site.instance, &q.txn);
		snprintf(line, sizeof line, "proto=\"udp\",family=\"1\",type=\"%s\"} 1", names[i]);
		assert_line(world_metrics(&world), line);
	}
	assert_null(strstr(world_metrics(&world), "type=\"other\""));
	world_close(&world);
}

static void test_refused_questions_are_dropped(void **state)
{
	static struct question q;
	struct world world;
	const char *text;

	(void)state;
	world_open(&world, "");
	world_question(&world, &q, TYPE_A, false);
	q.txn.zone = 0;
	q.txn.answered_by = NULL;
	question_finish(&q, RCODE_REFUSED);
	plugin_prometheus.refused(world.site.instance, &q.txn);
	text = world_metrics(&world);
#define AT "{server=\"dns://:53\",zone=\"dropped\",view=\"\""
	assert_line(
		text, "coredns_dns_requests_total" AT ",proto=\"udp\",family=\"1\",type=\"A\"} 1");
	assert_line(text, "coredns_dns_responses_total" AT ",rcode=\"REFUSED\",plugin=\"\"} 1");
#undef AT
	world_close(&world);
}

static void test_addresses_of_bind(void **state)
{
	static struct question q;
	struct world world;
	const char *text;

	(void)state;
	world_open(&world, "bind 127.0.0.1 ::1 127.0.0.1 0.0.0.0");
	world_question(&world, &q, TYPE_A, false);
	((struct sockaddr_in *)&q.local)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	question_finish(&q, RCODE_NOERROR);
	plugin_prometheus.done(world.site.instance, &q.txn);
	((struct sockaddr_in *)&q.local)->sin_addr.s_addr = htonl(0x0a000001);
	plugin_prometheus.done(world.site.instance, &q.txn);
	question_peer6(&q);
	((struct sockaddr_in6 *)&q.local)->sin6_addr = in6addr_loopback;
	plugin_prometheus.done(world.site.instance, &q.txn);
	plugin_prometheus.done(world.site.instance, &q.txn);
	text = world_metrics(&world);
#define AT "\",zone=\"example.net.\",view=\"\",proto=\"udp\","
	assert_line(text, "coredns_dns_requests_total{server=\"dns://127.0.0.1:53" AT
			  "family=\"1\",type=\"A\"} 1");
	assert_line(text, "coredns_dns_requests_total{server=\"dns://0.0.0.0:53" AT
			  "family=\"1\",type=\"A\"} 1");
	assert_line(text, "coredns_dns_requests_total{server=\"dns://[::1]:53" AT
			  "family=\"2\",type=\"A\"} 2");
#undef AT
	world_close(&world);
}

static void test_plugins_and_build(void **state)
{
	struct world world;
	const char *text, *line;

	(void)state;
	world_open(&world, "bind 127.0.0.1 127.0.0.1");
	text = world_metrics(&world);
	assert_line(text, "coredns_build_info{version=\"0\",revision=\"\",goversion=\"\"} 1");
	assert_line(text, "coredns_panics_total 0");
	line = "coredns_plugin_enabled{server=\"dns://127.0.0.1:54\",zone=\".\",view=\"\","
	       "name=\"hosts\"} 1";
	assert_line(text, line);
	assert_null(strstr(strstr(text, line) + 1, line));
	assert_non_null(strstr(text, "zone=\"example.net.\",view=\"\",name=\"prometheus\""));
	assert_null(strstr(text, "name=\"bind\"")); /* takes no part in questions */
	world_close(&world);
}

static void test_two_blocks_share_an_address(void **state)
{
	struct world world;
	struct site other;
	struct block block;
	static char *zone = "example.com.";
	const char *text, *build = "coredns_build_info{";

	(void)state;
	world_open(&world, "");
	world.metrics = NULL; /* begun again, with nobody counting yet */
	metrics_free(world.recorder.host.metrics);
	recorder_free(&world.recorder);
	site_free(&world.site, &plugin_prometheus);
	recorder_init(&world.recorder);
	assert_int_equal(metrics_new(&world.metrics), 0);
	world.recorder.host.metrics = world.metrics;
	assert_int_equal(site_setup(&world.site, &plugin_prometheus, ". {\n prometheus :1\n}"), 0);
	assert_int_equal(site_setup(&other, &plugin_prometheus, ". {\n prometheus :1\n}"), 0);
	block = world.blocks[1];
	block.zone_texts = &zone;
	assert_int_equal(plugin_prometheus.start(world.site.instance, &world.recorder.host,
				 world.blocks, world.site.err),
		0);
	assert_int_equal(
		plugin_prometheus.start(other.instance, &world.recorder.host, &block, other.err),
		0);
	assert_int_equal(world.recorder.route_count, 1);
	text = world_metrics(&world);
	assert_non_null(strstr(text, "zone=\"example.com.\""));
	assert_non_null(strstr(text, "zone=\"example.net.\""));
	assert_null(strstr(strstr(text, build) + 1, build));
	thread_free(world.thread);
	metrics_free(world.metrics);
	recorder_free(&world.recorder);
	site_free(&world.site, &plugin_prometheus);
	site_free(&other, &plugin_prometheus);
}

static void test_refusals(void **state)
{
	const struct plugin *p = &plugin_prometheus;

	(void)state;
	site_refused(p, ". {\n prometheus a b\n}", "F:2:15: prometheus: one address at most");
	site_refused(p, ". {\n prometheus 9153\n}", "F:2:13: prometheus: '9153' is not an address");
	site_refused(p, ". {\n prometheus\n prometheus :1\n}", "F:3:2: a server block can have");
	site_refused(p, ". {\n prometheus {\n runtime\n}\n}", "F:3:2: prometheus: unknown option");
	site_refused(p, ". {\n prometheus {\n tls web.yml\n}\n}",
		"F:3:2: prometheus: Binnacle serves metrics over plain HTTP only");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_address),
		cmocka_unit_test(test_a_question_is_counted),
		cmocka_unit_test(test_types_rcodes_and_ports),
		cmocka_unit_test(test_names_of_types),
		cmocka_unit_test(test_refused_questions_are_dropped),
		cmocka_unit_test(test_addresses_of_bind),
		cmocka_unit_test(test_plugins_and_build),
		cmocka_unit_test(test_two_blocks_share_an_address),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

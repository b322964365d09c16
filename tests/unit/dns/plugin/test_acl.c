/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/metric.h"
#include "dns/serve/respond.h"
#include "question.h"
#include "site.h"

#define ALLOW  'a'
#define BLOCK  'b'
#define FILTER 'f'
#define DROP   'd'

static struct question q;

static void peer_set(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(&q.peer, &v4, sizeof v4);
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(&q.peer, &v6, sizeof v6);
	else
		fail_msg("'%s' is no address", text);
}

static char verdict_of(struct site *site)
{
	switch (plugin_acl.query(site->instance, &q.txn)) {
	case PLUGIN_NEXT:
		return ALLOW;
	case PLUGIN_DROP:
		return DROP;
	case PLUGIN_DONE:
		break;
	case PLUGIN_WAIT:
		fail_msg("acl waits");
	}
	assert_int_equal(q.reply.len, q.reply.body);
	return q.reply.rcode == RCODE_REFUSED ? BLOCK : FILTER;
}

static char ask(const char *corefile, const char *name, uint16_t type, const char *peer)
{
	struct site site;
	char got;

	if (site_setup(&site, &plugin_acl, corefile) < 0)
		fail_msg("%s", site.err);
	question_init(&q, name, type, 1232, false, false);
	peer_set(peer);
	got = verdict_of(&site);
	site_free(&site, &plugin_acl);
	return got;
}

static void test_actions(void **state)
{
	static const uint8_t blocked[] = {0, 6, 0, 15, 0, 2, 0, EDE_BLOCKED};
	static const uint8_t filtered[] = {0, 6, 0, 15, 0, 2, 0, EDE_FILTERED};
	size_t len;

	(void)state;
	assert_int_equal(ask(". {\nacl {\nallow\nblock\n}\n}", "a.", TYPE_A, "10.0.0.1"), ALLOW);
	assert_int_equal(ask(". {\nacl {\ndrop\n}\n}", "a.", TYPE_A, "10.0.0.1"), DROP);
	assert_int_equal(ask(". {\nacl {\nBlock\n}\n}", "a.", TYPE_A, "10.0.0.1"), BLOCK);
	len = reply_end(&q.reply);
	assert_memory_equal(q.buf + len - sizeof blocked, blocked, sizeof blocked);
	assert_int_equal(ask(". {\nacl {\nfilter\n}\n}", "a.", TYPE_A, "::1"), FILTER);
	assert_int_equal(q.reply.rcode, RCODE_NOERROR);
	len = reply_end(&q.reply);
	assert_memory_equal(q.buf + len - sizeof filtered, filtered, sizeof filtered);
}

static void test_types(void **state)
{
	static const char text[] = ". {\nacl {\nblock type a TYPE99 type AAAA net *\n}\n}";
	static const char all[] = ". {\nacl {\nblock TYPE A *\n}\n}";

	(void)state;
	assert_int_equal(ask(text, "a.", TYPE_A, "10.0.0.1"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_AAAA, "::1"), BLOCK);
	assert_int_equal(ask(text, "a.", 99, "::1"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_SRV, "10.0.0.1"), ALLOW);
	assert_int_equal(ask(all, "a.", TYPE_SRV, "10.0.0.1"), BLOCK);
	assert_int_equal(ask(". {\nacl {\nblock type ANY\n}\n}", "a.", TYPE_ANY, "::1"), BLOCK);
}

static void test_sources(void **state)
{
	static const char text[] = ". {\nacl {\nblock net 10.1.0.0/16 192.0.2.7 net fd00::/8\n}\n}";
	static const char none[] = ". {\nacl {\nblock type A net ::/0\n}\n}";

	(void)state;
	assert_int_equal(ask(text, "a.", TYPE_A, "10.1.255.1"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_A, "10.2.0.1"), ALLOW);
	assert_int_equal(ask(text, "a.", TYPE_A, "192.0.2.7"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_A, "192.0.2.8"), ALLOW);
	assert_int_equal(ask(text, "a.", TYPE_A, "fd12::1"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_A, "fe80::1"), ALLOW);
	assert_int_equal(ask(none, "a.", TYPE_A, "10.0.0.1"), ALLOW);
}

/* The first rule that fits, over all lines that have the name. */
static void test_order(void **state)
{
	static const char text[] = ". {\n"
				   "acl a.example.org {\nallow net 10.0.0.1\nblock type A\n}\n"
				   "acl example.org {\nfilter net 10.0.0.0/24\n}\n"
				   "acl 192.0.2.0/24 {\ndrop\n}\n"
				   "}";

	(void)state;
	assert_int_equal(ask(text, "x.A.example.org", TYPE_A, "10.0.0.1"), ALLOW);
	assert_int_equal(ask(text, "a.example.org", TYPE_A, "10.0.0.2"), BLOCK);
	assert_int_equal(ask(text, "a.example.org", TYPE_AAAA, "10.0.0.2"), FILTER);
	assert_int_equal(ask(text, "a.example.org", TYPE_AAAA, "10.0.1.2"), ALLOW);
	assert_int_equal(ask(text, "ba.example.org", TYPE_A, "10.0.0.1"), FILTER);
	assert_int_equal(ask(text, "example.com", TYPE_A, "10.0.0.1"), ALLOW);
	assert_int_equal(ask(text, "1.2.0.192.in-addr.arpa", TYPE_PTR, "10.0.0.1"), DROP);
}

/* ---- what is counted ---- */

static void waits_begin(void *instance, const struct wait *wait, struct waiter *waiter)
{
	(void)instance;
	(void)wait;
	(void)waiter;
}

/* Knows nothing on the first run of a chain. */
static enum plugin_verdict waits_query(void *instance, struct txn *txn)
{
	if (!wait_found(txn, instance) && wait_for(txn, instance, waits_begin))
		return PLUGIN_WAIT;
	return PLUGIN_DONE;
}

static void finding_release(struct finding *finding)
{
	(void)finding;
}

static const struct plugin plugin_waits = {.name = "waits", .query = waits_query};

static struct {
	struct site site;
	struct recorder recorder;
	struct name root;
	struct block_plugin plugins[2];
	struct block block;
	struct zone_table *table;
	struct thread *thread;
	char page[1 << 14];
} world;

static void world_start(const char *corefile)
{
	static char root_text[] = ".";
	static char *root_texts[] = {root_text};
	const struct block *block = &world.block;
	const char *clash;

	memset(&world, 0, sizeof world);
	recorder_init(&world.recorder);
	assert_int_equal(metrics_new(&world.recorder.host.metrics), 0);
	world.root.len = 1;
	assert_int_equal(site_setup(&world.site, &plugin_acl, corefile), 0);
	world.plugins[0] = (struct block_plugin){&plugin_acl, world.site.instance};
	world.plugins[1] = (struct block_plugin){&plugin_waits, NULL};
	world.block = (struct block){.zones = &world.root,
		.zone_texts = root_texts,
		.zone_count = 1,
		.port = 53,
		.plugins = world.plugins,
		.plugin_count = 2};
	assert_int_equal(
		plugin_acl.start(world.site.instance, &world.recorder.host, block, world.site.err),
		0);
	assert_int_equal(zone_table_new(&block, 1, &world.table, &clash), 0);
	world.thread = thread_new();
	thread_set_counters(world.thread, metrics_counters(world.recorder.host.metrics));
}

static void world_stop(void)
{
	thread_free(world.thread);
	zone_table_free(world.table);
	site_free(&world.site, &plugin_acl);
	metrics_free(world.recorder.host.metrics);
	recorder_free(&world.recorder);
}

/* A client's question, run as often as it waits. How often that was. */
static unsigned world_ask(const char *name)
{
	static struct finding finding = {finding_release};
	static uint8_t out[65535];
	struct wait wait = {0};
	struct memo memo = {0};
	struct respond_packet packet = {.wait = &wait, .memo = &memo};
	unsigned runs = 1;

	question_init(&q, name, TYPE_A, 1232, false, false);
	packet.data = q.packet;
	packet.len = q.query.size;
	packet.peer = (struct sockaddr *)&q.peer;
	packet.local = (struct sockaddr *)&q.local;
	while (respond(world.thread, world.table, &packet, out) == 0 && wait.begin) {
		assert_int_equal(memo_add(&memo, &wait, &finding), 0);
		wait = (struct wait){0};
		runs++;
	}
	memo_clear(&memo);
	return runs;
}

static void check_line(const char *line)
{
	char *page;
	size_t len;

	assert_int_equal(metrics_render(world.recorder.host.metrics, &page, &len), 0);
	assert_true(len < sizeof world.page);
	memcpy(world.page, page, len);
	world.page[len] = '\0';
	free(page);
	if (!strstr(world.page, line))
		fail_msg("no '%s' in\n%s", line, world.page);
}

#define AT "{server=\"dns://:53\","

/* A question that waits for an upstream, and so is looked at twice, counts once. */
static void test_counters(void **state)
{
	(void)state;
	world_start(". {\nacl . a.test b.a.test {\nallow net 10.1.0.0/16\n}\n"
		    "acl test a.test {\nfilter\n}\nacl b.test {\nallow\n}\n"
		    "acl c.example {\nblock\n}\nacl d.example {\ndrop\n}\n}");
	assert_int_equal(world_ask("example.org"), 2);
	assert_int_equal(world_ask("www.example.org"), 2);
	check_line("\ncoredns_acl_allowed_requests_total" AT "view=\"\"} 2\n");
	assert_null(strstr(world.page, "coredns_acl_filtered_requests_total{"));
	assert_int_equal(world_ask("x.a.test"), 1);
	assert_int_equal(world_ask("x.test"), 1);
	assert_int_equal(world_ask("y.test"), 1);
	check_line("\ncoredns_acl_filtered_requests_total" AT "zone=\"a.test.\",view=\"\"} 1\n");
	check_line("\ncoredns_acl_filtered_requests_total" AT "zone=\"test.\",view=\"\"} 2\n");
	assert_int_equal(world_ask("c.example"), 1);
	check_line("\ncoredns_acl_blocked_requests_total" AT "zone=\"c.example.\",view=\"\"} 1\n");
	assert_int_equal(world_ask("d.example"), 1);
	check_line("\ncoredns_acl_dropped_requests_total" AT "zone=\"d.example.\",view=\"\"} 1\n");
	check_line("\ncoredns_acl_allowed_requests_total" AT "view=\"\"} 2\n");
	world_stop();
}

/* What the server asks itself is not counted, nor anything where no block has `prometheus`. */
static void test_not_counted(void **state)
{
	(void)state;
	world_start(". {\nacl {\nblock\n}\n}");
	question_init(&q, "a.", TYPE_A, 1232, false, false);
	q.txn.thread = world.thread;
	q.txn.block = &world.block;
	q.txn.depth = 1;
	assert_int_equal(plugin_acl.query(world.site.instance, &q.txn), PLUGIN_DONE);
	thread_set_counters(world.thread, NULL);
	assert_int_equal(world_ask("a."), 1);
	check_line("");
	assert_null(strstr(world.page, "coredns_acl_"));
	world_stop();
}

static void test_without_rules(void **state)
{
	static struct captured_log log;

	(void)state;
	captured_open(&log);
	assert_int_equal(ask(". {\nacl\n}", "a.", TYPE_A, "10.0.0.1"), ALLOW);
	assert_non_null(strstr(captured_read(&log), "F:2:1: without rules everything is allowed"));
	captured_close(&log);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{". {\nacl {\nblok\n}\n}",
			"F:3:1: acl: unknown action 'blok'; did you mean 'block'?"},
		{". {\nacl {\nrejection\n}\n}",
			"F:3:1: acl: unknown action 'rejection'; there are 'allow'"},
		{". {\nacl {\nblock A\n}\n}", "F:3:7: acl: 'A' belongs to nothing; write 'type'"},
		{". {\nacl {\nblock type\n}\n}",
			"F:3:7: acl: behind 'type' there must be a record"},
		{". {\nacl {\nblock type net *\n}\n}", "F:3:7: acl: behind 'type' there must be"},
		{". {\nacl {\nblock type A NET\n}\n}",
			"F:3:14: acl: behind 'net' there must be an"},
		{". {\nacl {\nblock type AA\n}\n}", "F:3:12: acl: 'AA' is no record type"},
		{". {\nacl {\nblock net 10.0.0\n}\n}",
			"F:3:11: acl: '10.0.0' is neither an address"},
		{". {\nacl {\nblock net 10.0.0.0/33\n}\n}",
			"F:3:11: acl: '10.0.0.0/33' is neither"},
		{". {\nacl {\nblock {\nallow\n}\n}\n}", "F:3:1: acl: a rule is one line"},
		{". {\nacl a..b {\nblock\n}\n}", "F:2:5: "},
		{". {\nacl {\nblock\n}\nacl {\nno\n}\n}", "F:6:1: acl: unknown action 'no'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		site_refused(&plugin_acl, rows[i].text, rows[i].says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_not_counted),
		cmocka_unit_test(test_without_rules),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

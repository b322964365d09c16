/* SPDX-License-Identifier: Apache-2.0 */
/* One block: autopath, a plugin that knows a client's search list, and answers. */
#include "dns/observe/metric.h"
#include "dns/serve/ask.h"
#include "dns/serve/zones.h"
#include "question.h"
#include "site.h"

#include <stdio.h>
#include <unistd.h>

/* ---- who answers ---- */

static unsigned asked;
static bool knows_clients, waits;

static void wait_begin(void *instance, const struct wait *wait, struct waiter *waiter)
{
	(void)instance;
	(void)wait;
	(void)waiter;
}

static enum plugin_verdict names_query(void *instance, struct txn *txn)
{
	static const uint8_t address[4] = {192, 0, 2, 7};
	static const uint8_t soa[22];
	char text[NAME_TEXT_MAX];

	asked++;
	if (waits && !wait_found(txn, instance) && wait_for(txn, instance, wait_begin))
		return PLUGIN_WAIT;
	name_to_text(txn->query->name, text, sizeof text);
	if (strstr(text, "silent."))
		return PLUGIN_NEXT;
	if (strncmp(text, "fails.", 6) == 0 && strcmp(text, "fails.") != 0 &&
		strcmp(text, "fails.x.corp.") != 0) {
		txn->reply->rcode = RCODE_SERVFAIL;
		txn->error = "upstream is silent";
		if (strstr(text, "shop"))
			txn->reply->rcode = RCODE_NXDOMAIN, txn->error = NULL;
	} else if (strcmp(text, "db.shop.svc.cluster.local.") == 0 ||
		   strcmp(text, "example.org.") == 0 || strcmp(text, "host.corp.") == 0 ||
		   strcmp(text, "fails.x.corp.") == 0) {
		txn->reply->flags |= DNS_FLAG_RA;
		reply_put_rr(txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
	} else {
		txn->reply->rcode = strcmp(text, "nodata.") == 0 ? 0 : RCODE_NXDOMAIN;
		reply_put_rr(
			txn->reply, REPLY_AUTHORITY, DNS_HEADER_LEN, TYPE_SOA, 5, soa, sizeof soa);
	}
	return PLUGIN_DONE;
}

static unsigned names_search(
	void *instance, const struct txn *txn, struct name out[PLUGIN_SEARCH_MAX])
{
	static const char *const texts[] = {
		"shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp", "."};

	(void)instance;
	if (!txn || !knows_clients)
		return knows_clients;
	for (unsigned i = 0; i < 5; i++)
		name_from_text(texts[i], strlen(texts[i]), &out[i]);
	return 5;
}

static const struct plugin plugin_names = {
	.name = "kubernetes", .query = names_query, .search = names_search};

/* ---- the server around it ---- */

struct world {
	struct site site;
	struct name root;
	struct block_plugin plugins[2];
	struct block block;
	struct zone_table *table;
	struct thread *thread;
	struct recorder recorder;
	struct question question;
	char err[COREFILE_ERROR_MAX];
};

static struct world *world_new(const char *corefile)
{
	static char root_text[] = ".";
	static char *root_texts[] = {root_text};
	struct world *world = calloc(1, sizeof *world);
	const struct block *block = &world->block;
	const char *clash;

	recorder_init(&world->recorder);
	assert_int_equal(metrics_new(&world->recorder.host.metrics), 0);
	world->root.len = 1;
	assert_int_equal(site_setup(&world->site, &plugin_autopath, corefile), 0);
	world->plugins[0] = (struct block_plugin){&plugin_autopath, world->site.instance};
	world->plugins[1] = (struct block_plugin){&plugin_names, NULL};
	world->block = (struct block){.zones = &world->root,
		.zone_texts = root_texts,
		.zone_count = 1,
		.plugins = world->plugins,
		.plugin_count = 2};
	assert_int_equal(zone_table_new(&block, 1, &world->table, &clash), 0);
	world->thread = thread_new();
	knows_clients = true;
	assert_int_equal(plugin_autopath.start(world->site.instance, &world->recorder.host,
				 &world->block, world->err),
		0);
	return world;
}

static void world_free(struct world *world)
{
	zone_table_free(world->table);
	thread_free(world->thread);
	site_free(&world->site, &plugin_autopath);
	metrics_free(world->recorder.host.metrics);
	recorder_free(&world->recorder);
	free(world);
}

static enum plugin_verdict ask(struct world *world, const char *name)
{
	struct txn *txn = &world->question.txn;

	question_init(&world->question, name, TYPE_A, 1232, false, false);
	txn->thread = world->thread;
	txn->table = world->table;
	txn->block = &world->block;
	asked = 0;
	return plugin_autopath.query(world->site.instance, txn);
}

/* The reply: rcode, then the answer's aliases and how many other records. */
static void expect(struct world *world, unsigned rcode, const char *alias, unsigned others)
{
	struct reply *reply = &world->question.reply;
	uint8_t name[NAME_MAX_LEN], len;
	char text[NAME_TEXT_MAX] = "";
	struct message message;
	struct message_walk walk;
	struct record record;

	assert_int_equal(reply->rcode, rcode);
	assert_true(message_open(reply->buf, reply_end(reply), &message));
	message_walk(&message, &walk);
	while (message_next(&walk, &record) && record.section == REPLY_ANSWER) {
		if (record.type != TYPE_CNAME) {
			others--;
			continue;
		}
		assert_int_equal(record.ttl_s, 30);
		assert_true(message_name(&message, record.rdata, name, &len) > 0);
		name_to_text(name, text, sizeof text);
	}
	assert_string_equal(text, alias);
	assert_int_equal(others, 0);
}

static const char at_kubernetes[] = ". {\nautopath @kubernetes\n}\n";

static void test_first_name_that_exists(void **state)
{
	struct world *world = world_new(at_kubernetes);

	(void)state;
	assert_int_equal(ask(world, "Example.org.shop.svc.cluster.local"), PLUGIN_DONE);
	assert_int_equal(asked, 5);
	expect(world, RCODE_NOERROR, "Example.org.", 1);
	assert_true(world->question.reply.flags & DNS_FLAG_RA);
	assert_int_equal(ask(world, "host.shop.svc.cluster.local"), PLUGIN_DONE);
	assert_int_equal(asked, 4);
	expect(world, RCODE_NOERROR, "host.corp.", 1);
	assert_int_equal(ask(world, "db.shop.shop.svc.cluster.local"), PLUGIN_DONE);
	assert_int_equal(asked, 2);
	expect(world, RCODE_NOERROR, "db.shop.svc.cluster.local.", 1);
	/* no record, but the name exists */
	assert_int_equal(ask(world, "nodata.shop.svc.cluster.local"), PLUGIN_DONE);
	expect(world, RCODE_NOERROR, "", 0);
	assert_int_equal(world->question.reply.count[REPLY_AUTHORITY], 1);
	world_free(world);
}

static void test_not_its_business(void **state)
{
	struct world *world = world_new(at_kubernetes);

	(void)state;
	/* the first name exists; none does; below no or another name of the list */
	assert_int_equal(ask(world, "db.shop.svc.cluster.local"), PLUGIN_NEXT);
	assert_int_equal(asked, 1);
	assert_int_equal(ask(world, "no.shop.svc.cluster.local"), PLUGIN_NEXT);
	assert_int_equal(asked, 5);
	assert_int_equal(ask(world, "silent.shop.svc.cluster.local"), PLUGIN_NEXT);
	assert_int_equal(ask(world, "example.org.svc.cluster.local"), PLUGIN_NEXT);
	assert_int_equal(asked, 0);
	assert_int_equal(ask(world, "shop.svc.cluster.local"), PLUGIN_NEXT);
	assert_int_equal(ask(world, "example.org"), PLUGIN_NEXT);
	assert_int_equal(asked, 0);
	knows_clients = false;
	assert_int_equal(ask(world, "example.org.shop.svc.cluster.local"), PLUGIN_NEXT);
	assert_int_equal(asked, 0);
	world_free(world);
}

static void finding_release(struct finding *finding)
{
	(void)finding;
}

static void check_successes(struct world *world, const char *line)
{
	char *page;
	size_t len;

	assert_int_equal(metrics_render(world->recorder.host.metrics, &page, &len), 0);
	page = realloc(page, len + 1);
	page[len] = '\0';
	if (line ? !strstr(page, line) : strstr(page, "coredns_autopath_success_total{") != NULL)
		fail_msg("%s", page);
	free(page);
}

/* Five names of which each is waited for: one success. */
static void test_success_counts_once(void **state)
{
	static struct finding finding = {finding_release};
	struct world *world = world_new(at_kubernetes);
	struct wait wait = {0};
	struct memo memo = {0};

	(void)state;
	thread_set_counters(world->thread, metrics_counters(world->recorder.host.metrics));
	waits = true;
	question_init(
		&world->question, "example.org.shop.svc.cluster.local", TYPE_A, 0, false, false);
	world->question.txn.thread = world->thread;
	world->question.txn.table = world->table;
	world->question.txn.block = &world->block;
	world->question.txn.wait = &wait;
	world->question.txn.memo = &memo;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(plugin_autopath.query(world->site.instance, &world->question.txn),
			PLUGIN_WAIT);
		check_successes(world, NULL);
		assert_int_equal(memo_add(&memo, &wait, &finding), 0);
	}
	assert_int_equal(
		plugin_autopath.query(world->site.instance, &world->question.txn), PLUGIN_DONE);
	waits = false;
	memo_clear(&memo);
	check_successes(world, "\ncoredns_autopath_success_total{server=\"dns://:0\"} 1\n");
	assert_int_equal(ask(world, "db.shop.svc.cluster.local"), PLUGIN_NEXT);
	assert_int_equal(ask(world, "no.shop.svc.cluster.local"), PLUGIN_NEXT);
	assert_int_equal(ask(world, "fails.shop.svc.cluster.local"), PLUGIN_DONE);
	check_successes(world, "\ncoredns_autopath_success_total{server=\"dns://:0\"} 1\n");
	world_free(world);
}

/* A name that cannot be looked up is no reason to say that nothing is there. */
static void test_failures(void **state)
{
	struct world *world = world_new(at_kubernetes);

	(void)state;
	assert_int_equal(ask(world, "fails.shop.svc.cluster.local"), PLUGIN_DONE);
	assert_int_equal(asked, 5);
	expect(world, RCODE_SERVFAIL, "", 0);
	assert_string_equal(world->question.txn.error, "upstream is silent");
	assert_int_equal(ask(world, "fails.x.shop.svc.cluster.local"), PLUGIN_DONE);
	expect(world, RCODE_NOERROR, "fails.x.corp.", 1);
	assert_null(world->question.txn.error);
	world_free(world);
}

static void test_names_too_long(void **state)
{
	struct world *world = world_new(at_kubernetes);
	char text[512] = "";

	(void)state;
	for (unsigned i = 0; i < 115; i++)
		strcat(text, "a.");
	strcat(text, "shop.svc.cluster.local");
	assert_int_equal(ask(world, text), PLUGIN_NEXT);
	assert_int_equal(asked, 5);
	world_free(world);
}

static void test_file(void **state)
{
	char path[] = "/tmp/test_autopath.XXXXXX", text[128];
	int fd = mkstemp(path);
	struct world *world;

	(void)state;
	assert_int_equal(write(fd, "search a.test corp\n", 19), 19);
	close(fd);
	snprintf(text, sizeof text, ". {\nautopath test %s\n}\n", path);
	world = world_new(text);
	assert_int_equal(ask(world, "host.a.test"), PLUGIN_DONE);
	expect(world, RCODE_NOERROR, "host.corp.", 1);
	assert_int_equal(ask(world, "example.org.a.test"), PLUGIN_DONE);
	expect(world, RCODE_NOERROR, "example.org.", 1);
	assert_int_equal(ask(world, "example.org.corp"), PLUGIN_NEXT);
	world_free(world);
	unlink(path);
}

static void test_warnings(void **state)
{
	const struct plugin_host silent = {0};
	struct captured_log log;
	struct world *world = world_new(at_kubernetes);

	(void)state;
	captured_open(&log);
	knows_clients = false;
	plugin_autopath.start(world->site.instance, &silent, &world->block, world->err);
	assert_non_null(strstr(captured_read(&log), "F:2:10: clients are known by their Pods: "
						    "without 'pods verified'"));
	world->block.plugin_count = 1;
	world_free(world);
	world = world_new(at_kubernetes);
	world->block.plugin_count = 1;
	plugin_autopath.start(world->site.instance, &silent, &world->block, world->err);
	world_free(world);
	captured_close(&log);
}

static void test_bad_lines(void **state)
{
	(void)state;
	site_refused(&plugin_autopath, ". {\nautopath\n}\n",
		"F:2:1: autopath: write 'autopath [ZONE...] @kubernetes'");
	site_refused(&plugin_autopath, ". {\nautopath @erratic\n}\n",
		"F:2:10: autopath: '@erratic' has no search lists");
	site_refused(&plugin_autopath, ". {\nautopath /does/not/exist\n}\n",
		"F:2:10: autopath: cannot read '/does/not/exist'");
	site_refused(&plugin_autopath, ". {\nautopath a..b @kubernetes\n}\n", "F:2:10: ");
	site_refused(&plugin_autopath, ". {\nautopath @kubernetes {\n x\n}\n}\n",
		"F:2:1: autopath: write");
	site_refused(&plugin_autopath, ". {\nautopath @kubernetes\nautopath @kubernetes\n}\n",
		"F:3:1: a server block can have 'autopath' once");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_name_that_exists),
		cmocka_unit_test(test_not_its_business),
		cmocka_unit_test(test_success_counts_once),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_names_too_long),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_bad_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The directive from setup to stop over manifest files, on a real loop. */
#include "cache/epoch.h"
#include "cache/zone_copy.h"
#include "dns/observe/log.h"
#include "dns/plugin/list.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"
#include "watch/watch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

static const char manifest[] =
	"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
	"spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n"
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: web-0, namespace: shop}\n"
	"status: {podIPs: [{ip: 10.1.0.1}, {ip: 'fd00::1'}]}\n";

struct world {
	char dir[64], path[96];
	uv_loop_t loop;
	struct corefile *corefile;
	void *instance;
	struct thread *thread;
	struct plugin_host host;
	unsigned stopped;
};

static int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	FILE *file;

	strcpy(world->dir, "/tmp/test_kubernetes.XXXXXX");
	if (!mkdtemp(world->dir))
		return -1;
	snprintf(world->path, sizeof world->path, "%s/shop.yaml", world->dir);
	file = fopen(world->path, "w");
	fputs(manifest, file);
	fclose(file);
	uv_loop_init(&world->loop);
	world->host = (struct plugin_host){.loop = &world->loop, .version = "test"};
	world->thread = thread_new();
	epoch_thread_start();
	*state = world;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *world = *state;

	epoch_thread_stop();
	if (world->instance)
		plugin_kubernetes.free(world->instance);
	corefile_free(world->corefile);
	thread_free(world->thread);
	unlink(world->path);
	rmdir(world->dir);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	free(world);
	return 0;
}

static int setup_plugin(struct world *world, const char *body, char *err)
{
	static struct name root = {.len = 1};
	struct plugin_site site = {.line_count = 1, .zones = &root, .zone_count = 1};
	const struct corefile_line *line;
	char text[512];

	snprintf(text, sizeof text, ". {\nkubernetes cluster.local in-addr.arpa {\n%s\n}\n}\n",
		body);
	assert_int_equal(corefile_parse(text, strlen(text), "Corefile", &world->corefile, err), 0);
	line = &world->corefile->blocks[0].lines[0];
	site.lines = &line;
	return plugin_kubernetes.setup(&site, &world->instance, err);
}

static uint32_t ttl_most_s; /* as the last question's answer said */

static enum plugin_verdict ask(
	struct world *world, const char *text, uint16_t type, struct reply *reply)
{
	static uint8_t packet[512], out[65535];
	static struct query query;
	struct txn txn = {.thread = world->thread, .query = &query, .reply = reply};
	struct name name;
	enum plugin_verdict verdict;

	name_from_text(text, strlen(text), &name);
	memcpy(packet, "\0\1\1\0\0\1\0\0\0\0\0\0", 12);
	memcpy(packet + 12, name.wire, name.len);
	bytes_set_u16(packet + 12 + name.len, type);
	bytes_set_u16(packet + 14 + name.len, CLASS_IN);
	assert_int_equal(query_parse(packet, 16u + name.len, &query), QUERY_OK);
	reply_begin(reply, &query, out, 512);
	epoch_online();
	verdict = plugin_kubernetes.query(world->instance, &txn);
	ttl_most_s = txn.ttl_most_s;
	epoch_offline();
	return verdict;
}

static void on_stopped(void *user)
{
	struct world *world = user;

	world->stopped++;
}

static void stop(struct world *world)
{
	plugin_kubernetes.stop(world->instance, on_stopped, world);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->stopped, 1);
}

/* A reverse name may be anybody's: it is held back until startup_timeout is over. */
static void test_reverse_names_before_the_lists(void **state)
{
	struct world *world = *state;
	char body[256], err[COREFILE_ERROR_MAX] = "";
	struct reply reply;

	snprintf(body, sizeof body, "manifests %s\nfallthrough in-addr.arpa\nstartup_timeout 0s",
		world->dir);
	assert_int_equal(setup_plugin(world, body, err), 0);
	assert_int_equal(ask(world, "1.0.96.10.in-addr.arpa", TYPE_PTR, &reply), PLUGIN_NEXT);
	assert_int_equal(ask(world, "web.shop.svc.cluster.local", TYPE_A, &reply), PLUGIN_DONE);
	assert_int_equal(reply.rcode, RCODE_SERVFAIL);
	plugin_kubernetes.free(world->instance);
	world->instance = NULL;
	corefile_free(world->corefile);
	snprintf(body, sizeof body, "manifests %s\nfallthrough in-addr.arpa", world->dir);
	assert_int_equal(setup_plugin(world, body, err), 0);
	assert_int_equal(ask(world, "1.0.96.10.in-addr.arpa", TYPE_PTR, &reply), PLUGIN_DONE);
	assert_int_equal(reply.rcode, RCODE_SERVFAIL);
}

static void test_life(void **state)
{
	struct world *world = *state;
	char body[256], err[COREFILE_ERROR_MAX] = "";
	struct reply reply;

	snprintf(body, sizeof body, "manifests %s\nfallthrough in-addr.arpa", world->dir);
	assert_int_equal(setup_plugin(world, body, err), 0);
	assert_false(plugin_kubernetes.ready(world->instance));
	assert_int_equal(ask(world, "web.shop.svc.cluster.local", TYPE_A, &reply), PLUGIN_DONE);
	assert_int_equal(reply.rcode, RCODE_SERVFAIL);
	assert_int_equal(plugin_kubernetes.start(world->instance, &world->host, NULL, err), 0);
	for (int i = 0; i < 1000 && !plugin_kubernetes.ready(world->instance); i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	assert_true(plugin_kubernetes.ready(world->instance));
	assert_int_equal(ask(world, "web.shop.svc.cluster.local", TYPE_A, &reply), PLUGIN_DONE);
	assert_int_equal(reply.rcode, RCODE_NOERROR);
	assert_int_equal(reply.count[REPLY_ANSWER], 1);
	assert_int_equal(ask(world, "no.shop.svc.cluster.local", TYPE_A, &reply), PLUGIN_DONE);
	assert_int_equal(reply.rcode, RCODE_NXDOMAIN);
	/* not its zone; and a reverse name that falls through */
	assert_int_equal(ask(world, "example.org", TYPE_A, &reply), PLUGIN_NEXT);
	assert_int_equal(ask(world, "1.2.3.4.in-addr.arpa", TYPE_PTR, &reply), PLUGIN_NEXT);
	assert_int_equal(ask(world, "cluster.local", TYPE_AXFR, &reply), PLUGIN_DONE);
	assert_int_equal(reply.rcode, RCODE_REFUSED);
	stop(world);
}

static void start(struct world *world, const char *more)
{
	char body[256], err[COREFILE_ERROR_MAX] = "";

	snprintf(body, sizeof body, "manifests %s\n%s", world->dir, more);
	assert_int_equal(setup_plugin(world, body, err), 0);
	assert_int_equal(plugin_kubernetes.start(world->instance, &world->host, NULL, err), 0);
	for (int i = 0; i < 1000 && !plugin_kubernetes.ready(world->instance); i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	assert_true(plugin_kubernetes.ready(world->instance));
}

static void expect_rcode(struct world *world, const char *name, uint16_t type, uint16_t rcode)
{
	struct reply reply;

	assert_int_equal(ask(world, name, type, &reply), PLUGIN_DONE);
	assert_int_equal(reply.rcode, rcode);
	assert_int_equal(reply.count[REPLY_ANSWER], rcode == RCODE_NOERROR);
}

/* Nothing in a reply lives longer than it says; where that is another TTL, it does not say. */
static void test_the_most_that_a_ttl_can_be(void **state)
{
	struct world *world = *state;

	start(world, "ttl 20\nnegative_ttl 4");
	expect_rcode(world, "web.shop.svc.cluster.local", TYPE_A, RCODE_NOERROR);
	assert_int_equal(ttl_most_s, 20);
	expect_rcode(world, "no.shop.svc.cluster.local", TYPE_A, RCODE_NXDOMAIN);
	assert_int_equal(ttl_most_s, 20);
	expect_rcode(world, "dns-version.cluster.local", TYPE_TXT, RCODE_NOERROR);
	assert_int_equal(ttl_most_s, 0);
	stop(world);
}

/* Pods are watched where they are verified; ready then waits for them too. */
static void test_pods_verified(void **state)
{
	struct world *world = *state;

	start(world, "pods verified");
	expect_rcode(world, "10-1-0-1.shop.pod.cluster.local", TYPE_A, RCODE_NOERROR);
	expect_rcode(world, "fd00--1.shop.pod.cluster.local", TYPE_AAAA, RCODE_NOERROR);
	expect_rcode(world, "10-1-0-2.shop.pod.cluster.local", TYPE_A, RCODE_NXDOMAIN);
	stop(world);
}

static void test_pods_insecure(void **state)
{
	struct world *world = *state;

	start(world, "pods insecure");
	expect_rcode(world, "10-1-0-2.shop.pod.cluster.local", TYPE_A, RCODE_NOERROR);
	stop(world);
}

static void test_pods_disabled(void **state)
{
	struct world *world = *state;

	start(world, "ttl 30");
	expect_rcode(world, "10-1-0-1.shop.pod.cluster.local", TYPE_A, RCODE_NXDOMAIN);
	stop(world);
}

static void on_changed(void *user)
{
	++*(unsigned *)user;
}

/* What `transfer` asks for. */
static void test_zones_for_secondaries(void **state)
{
	const struct transfer_source *source = plugin_kubernetes.transfer;
	struct world *world = *state;
	char body[256], err[COREFILE_ERROR_MAX] = "";
	struct copy_account account = {0, 1 << 20};
	struct transfer_zone zone;
	struct zone_copy *copy;
	unsigned changed = 0;
	uint32_t serial;
	void *taken;

	snprintf(body, sizeof body, "manifests %s", world->dir);
	assert_int_equal(setup_plugin(world, body, err), 0);
	assert_true(source->zone(world->instance, 0, &zone));
	assert_int_equal(zone.apex->labels, 2);
	assert_false(zone.withheld);
	assert_true(source->zone(world->instance, 1, &zone));
	assert_true(zone.withheld);
	assert_false(source->zone(world->instance, 2, &zone));
	assert_false(source->serial(world->instance, &serial));
	assert_int_equal(source->take(world->instance, &taken), -EAGAIN);
	source->watch(world->instance, on_changed, &changed);
	assert_int_equal(plugin_kubernetes.start(world->instance, &world->host, NULL, err), 0);
	for (int i = 0; i < 1000 && !plugin_kubernetes.ready(world->instance); i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	assert_true(changed > 0);
	assert_true(source->serial(world->instance, &serial));
	assert_int_equal(source->take(world->instance, &taken), 0);
	assert_int_equal(source->copy(taken, 0, &account, &copy), 0);
	source->release(taken);
	assert_int_equal(zone_copy_serial(copy), serial);
	/* SOA, NS, ns.dns, dns-version, web: A, SRV; SOA */
	assert_true(zone_copy_records(copy) >= 6);
	zone_copy_drop(copy);
	source->watch(world->instance, NULL, NULL);
	stop(world);
}

static void test_soa_for_secondaries(void **state)
{
	const struct transfer_source *source = plugin_kubernetes.transfer;
	struct world *world = *state;
	char err[COREFILE_ERROR_MAX] = "";
	struct reply reply;
	uint32_t serial;

	assert_int_equal(setup_plugin(world, "ttl 30", err), 0);
	assert_int_equal(ask(world, "cluster.local", TYPE_SOA, &reply), PLUGIN_DONE);
	reply_reset(&reply);
	reply.flags = 0;
	serial = source->soa(world->instance, reply.query, &reply);
	assert_int_equal(reply.count[REPLY_ANSWER], 1);
	assert_true(reply.flags & DNS_FLAG_AA);
	assert_int_equal(bytes_u32(reply.buf + reply.len - 20), serial);
	stop(world);
}

static void test_stop_before_start(void **state)
{
	struct world *world = *state;
	char err[COREFILE_ERROR_MAX] = "";

	assert_int_equal(setup_plugin(world, "ttl 30", err), 0);
	stop(world);
}

static void test_start_says_what_is_wrong(void **state)
{
	struct world *world = *state;
	char err[COREFILE_ERROR_MAX] = "";

	assert_int_equal(setup_plugin(world, "manifests /nonexistent/binnacle", err), 0);
	assert_true(plugin_kubernetes.start(world->instance, &world->host, NULL, err) < 0);
	assert_non_null(strstr(err, "plugin/kubernetes: "));
	assert_non_null(strstr(err, "/nonexistent/binnacle"));
	stop(world);
}

static int quiet(void **state)
{
	(void)state;
	log_set_fd(2);
	return watch_global_init();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_reverse_names_before_the_lists, world_setup, world_teardown),
		CASE(test_life),
		CASE(test_the_most_that_a_ttl_can_be),
		CASE(test_pods_verified),
		CASE(test_pods_insecure),
		CASE(test_pods_disabled),
		CASE(test_zones_for_secondaries),
		CASE(test_soa_for_secondaries),
		CASE(test_stop_before_start),
		CASE(test_start_says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/labels.h"
#include "question.h"
#include "site.h"

/* The servers of a block with this line; "": without `bind`. */
static void read_servers(const char *bind, struct servers *servers)
{
	struct block_plugin plugin = {.plugin = &plugin_bind};
	struct block block = {.plugins = &plugin, .plugin_count = bind[0] ? 1 : 0};
	char text[256], err[COREFILE_ERROR_MAX] = "";
	struct site site;

	snprintf(text, sizeof text, ". {\n %s\n}", bind[0] ? bind : "errors");
	*servers = (struct servers){0};
	if (bind[0])
		assert_int_equal(site_setup(&site, &plugin_bind, text), 0);
	plugin.instance = bind[0] ? site.instance : NULL;
	assert_int_equal(servers_read(&block, servers, err), 0);
	if (bind[0])
		site_free(&site, &plugin_bind);
}

static const char *server(const struct servers *servers, size_t at)
{
	static char text[SERVER_TEXT_MAX];

	servers_text(servers, at, 53, text);
	return text;
}

static size_t asked_at(const struct servers *servers, const char *address)
{
	struct sockaddr_storage local = {0};

	if (strchr(address, ':')) {
		local.ss_family = AF_INET6;
		inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&local)->sin6_addr);
	} else {
		local.ss_family = AF_INET;
		inet_pton(AF_INET, address, &((struct sockaddr_in *)&local)->sin_addr);
	}
	return servers_at(servers, (struct sockaddr *)&local);
}

static void test_without_bind(void **state)
{
	struct servers servers;

	(void)state;
	read_servers("", &servers);
	assert_int_equal(servers.count, 1);
	assert_string_equal(server(&servers, 0), "dns://:53");
	assert_int_equal(asked_at(&servers, "192.0.2.1"), 0);
	servers_free(&servers);
}

static void test_addresses_of_bind(void **state)
{
	struct servers servers;

	(void)state;
	read_servers("bind 127.0.0.1 ::1 127.0.0.1 0.0.0.0", &servers);
	assert_int_equal(servers.count, 3);
	assert_string_equal(server(&servers, 0), "dns://127.0.0.1:53");
	assert_string_equal(server(&servers, 1), "dns://[::1]:53");
	assert_string_equal(server(&servers, 2), "dns://0.0.0.0:53");
	assert_int_equal(asked_at(&servers, "127.0.0.1"), 0);
	assert_int_equal(asked_at(&servers, "::1"), 1);
	assert_int_equal(asked_at(&servers, "192.0.2.1"), 2);
	servers_free(&servers);
}

/* A block on two ports with two addresses; another configuration may free it. */
static void test_rows(void **state)
{
	struct block_plugin plugin = {.plugin = &plugin_bind};
	struct block blocks[2] = {
		{.plugins = &plugin, .plugin_count = 1, .port = 53, .siblings = 1}, {.port = 54}};
	char text[SERVER_TEXT_MAX], err[COREFILE_ERROR_MAX] = "";
	static struct question q;
	struct server_rows rows = {0};
	struct site site;

	(void)state;
	assert_int_equal(site_setup(&site, &plugin_bind, ". {\n bind 127.0.0.1 10.96.0.10\n}"), 0);
	plugin.instance = site.instance;
	assert_int_equal(server_rows_read(blocks, &rows, err), 0);
	site_free(&site, &plugin_bind);
	assert_int_equal(server_rows_count(&rows), 4);
	server_rows_text(&rows, 0, text);
	assert_string_equal(text, "dns://127.0.0.1:53");
	server_rows_text(&rows, 3, text);
	assert_string_equal(text, "dns://10.96.0.10:54");
	question_init(&q, "a.", TYPE_A, 0, false, false); /* asked at 10.96.0.10 */
	q.txn.block = &blocks[1];
	assert_int_equal(server_rows_at(&rows, &q.txn), 3);
	q.txn.block = &blocks[0];
	assert_int_equal(server_rows_at(&rows, &q.txn), 1);
	server_rows_free(&rows);
	server_rows_free(&rows);
}

static void test_zones(void **state)
{
	struct name zones[2];
	char *text;

	(void)state;
	assert_int_equal(name_from_text("cluster.local", 13, &zones[0]), 0);
	assert_int_equal(name_from_text("in-addr.arpa", 12, &zones[1]), 0);
	text = labels_zones(zones, 2);
	assert_string_equal(text, "cluster.local.,in-addr.arpa.");
	free(text);
	text = labels_zones(zones, 0);
	assert_string_equal(text, "");
	free(text);
}

static void shows(const struct twin *twin, const char *text)
{
	char *made;

	assert_string_equal(twin_text(twin, &made), text);
	free(made);
}

static void test_twins(void **state)
{
	struct twin first = {0}, second = {0}, third = {0}, other = {0};
	struct recorder recorder;

	(void)state;
	recorder_init(&recorder);
	assert_int_equal(twin_join(&first, &recorder.host, "x", "a."), 0);
	assert_int_equal(twin_join(&second, &recorder.host, "x", "a."), 0);
	assert_int_equal(twin_join(&third, &recorder.host, "y", "a."), 0);
	assert_int_equal(twin_join(&other, &recorder.host, "x", "b."), 0);
	shows(&first, "a.");
	shows(&second, "a.#2");
	shows(&third, "a.");
	shows(&other, "b.");
	twin_leave(&first);
	twin_leave(&first);
	shows(&second, "a.");
	assert_int_equal(twin_join(&first, &recorder.host, "x", "a."), 0);
	shows(&first, "a.#2");
	twin_leave(&second);
	twin_leave(&third);
	twin_leave(&other);
	shows(&first, "a.");
	twin_leave(&first);
	recorder_free(&recorder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_bind),
		cmocka_unit_test(test_addresses_of_bind),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_twins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

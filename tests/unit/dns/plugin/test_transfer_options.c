/* SPDX-License-Identifier: Apache-2.0 */
#include "site.h"

#include "dns/plugin/transfer.h"

#include <arpa/inet.h>

static struct transfer_rules rules;
static struct corefile *corefile;
static char err[COREFILE_ERROR_MAX];

static int read_rules(const char *text)
{
	const struct corefile_line *lines[8];
	static const struct name root = {.len = 1};
	struct plugin_site given = {.lines = lines, .zones = &root, .zone_count = 1};

	assert_int_equal(corefile_parse(text, strlen(text), "F", &corefile, err), 0);
	for (size_t i = 0; i < corefile->blocks[0].line_count; i++)
		lines[given.line_count++] = &corefile->blocks[0].lines[i];
	return transfer_rules_read(&given, &rules, err);
}

static void drop(void)
{
	transfer_rules_free(&rules);
	corefile_free(corefile);
}

static bool allows(const struct transfer_rule *rule, const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(4000)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(4000)};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return transfer_rule_allows(rule, (struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return transfer_rule_allows(rule, (struct sockaddr *)&v6);
}

static const struct transfer_rule *rule_for(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text, strlen(text), &name), 0);
	return transfer_rules_find_name(&rules, &name);
}

static void test_peers(void **state)
{
	const struct transfer_rule *rule;

	(void)state;
	assert_int_equal(read_rules(". {\ntransfer {\nto 10.0.0.1 10.0.0.2:5353 192.0.2.128/25\n"
				    "to fd00::1 [fd00::2]:54 2001:db8::/33\n}\n}"),
		0);
	rule = &rules.list[0];
	assert_int_equal(rule->peer_count, 6);
	assert_false(rule->anybody);
	assert_int_equal(rule->peers[0].notify_port, 53);
	assert_int_equal(rule->peers[1].notify_port, 5353);
	assert_int_equal(rule->peers[2].notify_port, 0);
	assert_int_equal(rule->peers[3].notify_port, 53);
	assert_int_equal(rule->peers[4].notify_port, 54);
	assert_int_equal(rule->peers[5].notify_port, 0);
	assert_true(allows(rule, "10.0.0.1"));
	assert_true(allows(rule, "10.0.0.2"));
	assert_false(allows(rule, "10.0.0.3"));
	assert_true(allows(rule, "192.0.2.128"));
	assert_true(allows(rule, "192.0.2.255"));
	assert_false(allows(rule, "192.0.2.127"));
	assert_true(allows(rule, "fd00::1"));
	assert_true(allows(rule, "fd00::2"));
	assert_false(allows(rule, "fd00::3"));
	assert_true(allows(rule, "2001:db8:7fff::1"));
	assert_false(allows(rule, "2001:db8:8000::1"));
	/* not of the other family, whatever its bytes are */
	assert_false(allows(rule, "a00:1::"));
	drop();
}

static void test_anybody(void **state)
{
	(void)state;
	assert_int_equal(read_rules(". {\ntransfer {\nto * 10.0.0.1\n}\n}"), 0);
	assert_true(allows(&rules.list[0], "192.0.2.1"));
	assert_true(allows(&rules.list[0], "2001:db8::1"));
	assert_int_equal(rules.list[0].peer_count, 1); /* who is told */
	drop();
	assert_int_equal(read_rules(". {\ntransfer {\nto 0.0.0.0/0\n}\n}"), 0);
	assert_true(allows(&rules.list[0], "192.0.2.1"));
	assert_false(allows(&rules.list[0], "2001:db8::1"));
	drop();
}

static void test_zones(void **state)
{
	(void)state;
	assert_int_equal(read_rules(". {\ntransfer Example.org 10.0.0.0/8 {\nto *\n}\n"
				    "transfer sub.example.org {\nto 10.0.0.1\n}\n}"),
		0);
	assert_int_equal(rules.count, 2);
	assert_ptr_equal(rule_for("example.org"), &rules.list[0]);
	assert_ptr_equal(rule_for("x.EXAMPLE.org"), &rules.list[0]);
	assert_ptr_equal(rule_for("10.in-addr.arpa"), &rules.list[0]);
	assert_ptr_equal(rule_for("sub.example.org"), &rules.list[1]);
	assert_ptr_equal(rule_for("x.sub.example.org"), &rules.list[1]);
	assert_null(rule_for("org"));
	drop();
	/* without zones those of the block */
	assert_int_equal(read_rules(". {\ntransfer {\nto *\n}\n}"), 0);
	assert_ptr_equal(rule_for("anything"), &rules.list[0]);
	drop();
}

static void test_mistakes(void **state)
{
	static const char *const rows[][2] = {
		{". {\ntransfer\n}", "F:2:1: transfer: to whom?"},
		{". {\ntransfer example.org {\n}\n}", "F:2:1: transfer: to whom?"},
		{". {\ntransfer {\nto\n}\n}", "F:3:1: transfer: write 'to "},
		{". {\ntransfer {\nfrom 10.0.0.1\n}\n}", "F:3:1: transfer: unknown option 'from'"},
		{". {\ntransfer {\nto ns1.example.org\n}\n}",
			"F:3:4: transfer: 'ns1.example.org' is no address"},
		{". {\ntransfer {\nto 10.0.0.1:0\n}\n}", "F:3:4: transfer: '10.0.0.1:0'"},
		{". {\ntransfer {\nto 10.0.0.0/33\n}\n}", "F:3:4: transfer: '10.0.0.0/33'"},
		{". {\ntransfer {\nto :53\n}\n}", "F:3:4: transfer: ':53'"},
		{". {\ntransfer a..b {\nto *\n}\n}", "F:2:10: "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_true(read_rules(rows[i][0]) < 0);
		if (strncmp(err, rows[i][1], strlen(rows[i][1])) != 0)
			fail_msg("'%s' does not begin with '%s'", err, rows[i][1]);
		corefile_free(corefile);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_anybody),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

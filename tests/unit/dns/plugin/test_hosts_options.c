/* SPDX-License-Identifier: Apache-2.0 */
#include "site.h"
#include "tests/unit/cache/nomem.h"

#include "hosts_answer.h"

static struct site site;

static const struct hosts_options *options_of(const char *text)
{
	if (site_setup(&site, &plugin_hosts, text) < 0)
		fail_msg("%s", site.err);
	return &((struct hosts *)site.instance)->options;
}

static void test_defaults(void **state)
{
	const struct hosts_options *options = options_of(". {\nhosts\n}\n");

	(void)state;
	assert_string_equal(options->path, "/etc/hosts");
	assert_int_equal(options->ttl_s, 3600);
	assert_int_equal(options->reload_ms, 5000);
	assert_int_equal(options->zone_count, 1);
	assert_int_equal(options->zones[0].len, 1);
	assert_false(options->no_reverse || options->fallthrough);
	site_free(&site, &plugin_hosts);
}

/* The lines of k3s. */
static void test_k3s(void **state)
{
	const struct hosts_options *options =
		options_of(". {\nhosts /etc/coredns/NodeHosts {\nttl 60\nreload 15s\n"
			   "fallthrough\n}\n}\n");

	(void)state;
	assert_string_equal(options->path, "/etc/coredns/NodeHosts");
	assert_int_equal(options->ttl_s, 60);
	assert_int_equal(options->reload_ms, 15000);
	assert_true(options->fallthrough);
	assert_int_equal(options->fallthrough_count, 0);
	site_free(&site, &plugin_hosts);
}

static void test_everything(void **state)
{
	const struct hosts_options *options = options_of(
		". {\nhosts f Example.org 10.0.0.0/8 {\n10.0.0.1 A.example.org b.example.org\n"
		"reload 0\nno_reverse\nfallthrough in-addr.arpa example.org\n"
		"fallthrough_unsupported\nfd00::1%eth0 c.example.org # so\nttl 65535\n}\n}\n");

	(void)state;
	assert_int_equal(options->zone_count, 2);
	assert_memory_equal(options->zones[0].wire, "\7example\3org", 13);
	assert_int_equal(options->inline_count, 3);
	assert_memory_equal(options->inlines[1].name.wire, "\1b\7example\3org", 15);
	assert_int_equal(options->inlines[2].address.family, AF_INET6);
	assert_int_equal(options->reload_ms, 0);
	assert_true(options->no_reverse && options->fallthrough_unsupported);
	assert_int_equal(options->fallthrough_count, 2);
	assert_int_equal(options->ttl_s, 65535);
	site_free(&site, &plugin_hosts);
}

static void test_reload_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {{"0s", 0}, {"0", 0}, {"300ms", 300}, {"100us", 1}, {"1h", 3600000},
		{"9000h", 32400000000}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[64];

		snprintf(text, sizeof text, ". {\nhosts {\nreload %s\n}\n}\n", rows[i].text);
		assert_int_equal(options_of(text)->reload_ms, rows[i].ms);
		site_free(&site, &plugin_hosts);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *body, *says;
	} rows[] = {
		{"ttl 0", "F:3:5: hosts: ttl must be a whole number of seconds from 1 to 65535"},
		{"ttl 65536", "F:3:5: hosts: ttl must be"},
		{"ttl 1s", "F:3:5: hosts: ttl must be"},
		{"ttl", "F:3:1: hosts: write 'ttl SECONDS'"},
		{"reload", "F:3:1: hosts: write 'reload DURATION'"},
		{"reload -1s", "F:3:8: hosts: reload must be a duration such as '15s'"},
		{"reload 5", "F:3:8: hosts: reload must be a duration"},
		{"no_reverse yes", "F:3:1: hosts: write 'no_reverse'"},
		{"fallthrough a..b", "F:3:13: "},
		{"fallthrough_unsupported", "F:2:1: hosts: 'fallthrough_unsupported' goes where"},
		{"fallthrough_unsupported a\nfallthrough",
			"F:3:1: hosts: write 'fallthrough_unsupported'"},
		{"relaod 5s", "F:3:1: hosts: unknown option 'relaod'; did you mean 'reload'?"},
		{"10.0.0.256 a", "F:3:1: hosts: unknown option '10.0.0.256'"},
		{"10.0.0.1", "F:3:1: hosts: write '10.0.0.1 NAME...'"},
		{"10.0.0.1 a {\nb\n}", "F:3:1: hosts: write '10.0.0.1 NAME...'"},
		{"10.0.0.1 a b..c", "F:3:12: hosts: 'b..c' is no name; behind an address"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[128];

		snprintf(text, sizeof text, ". {\nhosts {\n%s\n}\n}\n", rows[i].body);
		site_refused(&plugin_hosts, text, rows[i].says);
	}
	site_refused(&plugin_hosts, ". {\nhosts f a..b\n}\n", "F:2:9: ");
	site_refused(&plugin_hosts, ". {\nhosts\nhosts f\n}\n",
		"F:3:1: a server block can have 'hosts' once");
	site_refused(&plugin_hosts, ". {\nhosts /etc/passwd/hosts\n}\n",
		"F:2:7: hosts: cannot look for '/etc/passwd/hosts': Not a directory");
}

static void test_memory_short_at_every_place(void **state)
{
	static const char text[] =
		". {\nhosts f example.org {\n10.0.0.1 a.example.org\n10.0.0.2 b\n}\n}\n";
	struct corefile *corefile;
	char err[COREFILE_ERROR_MAX];
	const struct corefile_line *line;
	static const struct name root = {.len = 1};
	struct plugin_site given = {
		.lines = &line, .line_count = 1, .zones = &root, .zone_count = 1};
	void *instance = NULL;
	unsigned n = 1;

	(void)state;
	assert_int_equal(corefile_parse(text, strlen(text), "F", &corefile, err), 0);
	line = &corefile->blocks[0].lines[0];
	for (;; n++) {
		nomem_at(n);
		if (plugin_hosts.setup(&given, &instance, err) == 0)
			break;
		assert_null(instance);
	}
	nomem_at(0);
	assert_true(n > 3);
	plugin_hosts.free(instance);
	corefile_free(corefile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_k3s),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_reload_times),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_memory_short_at_every_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

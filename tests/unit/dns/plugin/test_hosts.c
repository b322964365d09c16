/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered, and what goes on. */
#include "site.h"
#include "tests/unit/cache/nomem.h"

#include "hosts_answer.h"

static struct site site;

static void begin(const char *line)
{
	const struct plugin_host host = {0};
	char text[512];

	snprintf(text, sizeof text, ". {\nhosts /dev/null %s\n}\n", line);
	if (site_setup(&site, &plugin_hosts, text) < 0 ||
		plugin_hosts.start(site.instance, &host, NULL, site.err) < 0)
		fail_msg("%s", site.err);
}

static int drop(void **state)
{
	(void)state;
	site_free(&site, &plugin_hosts);
	return 0;
}

#define ASK(name, type, text) assert_string_equal(hosts_answer(site.instance, name, type), text)
#define LINES                                                                                      \
	"reload 0\n10.0.0.1 web.example.org\nfd00::1 web.example.org\n10.0.0.2 four.example.org\n" \
	"10.0.0.3 *.wild.example.org\n"

static void test_names_that_are_there(void **state)
{
	(void)state;
	begin("{\n" LINES "}");
	ASK("WEB.example.ORG", TYPE_A, "AA 10.0.0.1");
	ASK("web.example.org", TYPE_AAAA, "AA fd00::1");
	ASK("four.example.org", TYPE_AAAA, "AA ");
	ASK("1.0.0.10.in-addr.arpa", TYPE_PTR, "AA web.example.org.");
	ASK("x.wild.example.org", TYPE_A, "AA 10.0.0.3");
}

/* RFC 2308 section 2.2: a name exists for every type or for none. */
static void test_other_types(void **state)
{
	static const uint16_t types[] = {
		TYPE_MX, TYPE_TXT, TYPE_SOA, TYPE_NS, TYPE_SRV, TYPE_HTTPS, TYPE_ANY, 65280};

	(void)state;
	begin("{\n" LINES "fallthrough\n}");
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		ASK("web.example.org", types[i], "AA ");
		ASK("x.wild.example.org", types[i], "AA ");
		ASK("1.0.0.10.in-addr.arpa", types[i], "AA ");
		ASK("no.example.org", types[i], "next");
	}
	ASK("web.example.org", TYPE_PTR, "AA ");
	ASK("1.0.0.10.in-addr.arpa", TYPE_A, "AA ");
	ASK("web.example.org", TYPE_AXFR, "REFUSED");
	ASK("web.example.org", TYPE_IXFR, "REFUSED");
	ASK("no.example.org", TYPE_AXFR, "next");
}

static void test_names_that_are_not(void **state)
{
	(void)state;
	begin("{\n" LINES "}");
	ASK("no.example.org", TYPE_A, "SERVFAIL");
	ASK("example.org", TYPE_MX, "SERVFAIL");
	ASK("9.0.0.10.in-addr.arpa", TYPE_A, "SERVFAIL");
	ASK("9.0.0.10.in-addr.arpa", TYPE_PTR, "next");
	ASK("no.example.org", TYPE_PTR, "next");
}

static void test_zones(void **state)
{
	(void)state;
	begin("example.org {\n" LINES "10.0.0.1 web.example.net\n}");
	ASK("web.example.org", TYPE_A, "AA 10.0.0.1");
	ASK("web.example.net", TYPE_A, "next");
	ASK("no.example.org", TYPE_A, "SERVFAIL");
	ASK("1.0.0.10.in-addr.arpa", TYPE_PTR, "AA web.example.org.");
	ASK("1.0.0.10.in-addr.arpa", TYPE_TXT, "AA ");
	ASK("9.0.0.10.in-addr.arpa", TYPE_TXT, "next");
}

static void test_fallthrough(void **state)
{
	(void)state;
	begin("{\n" LINES "fallthrough\n}");
	ASK("no.example.org", TYPE_A, "next");
	drop(state);
	begin("{\n" LINES "fallthrough sub.example.org example.net\n}");
	ASK("no.example.org", TYPE_A, "SERVFAIL");
	ASK("no.sub.Example.org", TYPE_A, "next");
	ASK("example.net", TYPE_A, "next");
	ASK("web.example.org", TYPE_TXT, "AA ");
}

static void test_fallthrough_unsupported(void **state)
{
	(void)state;
	begin("{\n" LINES "fallthrough example.org\nfallthrough_unsupported\n}");
	ASK("web.example.org", TYPE_TXT, "next");
	ASK("web.example.org", TYPE_HTTPS, "next");
	ASK("four.example.org", TYPE_AAAA, "AA ");
	ASK("web.example.org", TYPE_PTR, "AA ");
	ASK("1.0.0.10.in-addr.arpa", TYPE_TXT, "AA ");
}

static void test_no_reverse_and_ttl(void **state)
{
	(void)state;
	begin("{\n" LINES "no_reverse\nttl 60\n}");
	assert_int_equal(((struct hosts *)site.instance)->options.ttl_s, 60);
	ASK("web.example.org", TYPE_A, "AA 10.0.0.1");
	ASK("1.0.0.10.in-addr.arpa", TYPE_PTR, "next");
}

/* A name that is a reverse name in the file, too. */
static void test_reverse_name_as_owner(void **state)
{
	(void)state;
	begin("{\nreload 0\n10.0.0.1 1.0.0.10.in-addr.arpa\n}");
	ASK("1.0.0.10.in-addr.arpa", TYPE_A, "AA 10.0.0.1");
	ASK("1.0.0.10.in-addr.arpa", TYPE_PTR, "AA 1.0.0.10.in-addr.arpa.");
}

/* The file's table cannot be made: the Corefile's lines are answered. */
static void test_memory_short_at_every_place_of_start(void **state)
{
	const struct plugin_host host = {0};
	char path[] = "/tmp/test_hosts.XXXXXX", text[128];
	struct captured_log captured;
	unsigned n = 1;
	bool short_of = true;

	(void)state;
	close(mkstemp(path));
	hosts_write(path, "10.0.0.1 a\n");
	snprintf(text, sizeof text, ". {\nhosts %s {\nreload 0\n10.0.0.2 b\n}\n}\n", path);
	for (; short_of; n++) {
		captured_open(&captured);
		assert_int_equal(site_setup(&site, &plugin_hosts, text), 0);
		nomem_at(n);
		assert_int_equal(plugin_hosts.start(site.instance, &host, NULL, site.err), 0);
		nomem_at(0);
		short_of = strstr(captured_read(&captured), "Cannot allocate memory") != NULL;
		ASK("b", TYPE_A, "AA 10.0.0.2");
		ASK("a", TYPE_A, short_of ? "SERVFAIL" : "AA 10.0.0.1");
		site_free(&site, &plugin_hosts);
		captured_close(&captured);
	}
	assert_true(n > 8);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_names_that_are_there, drop),
		cmocka_unit_test_teardown(test_other_types, drop),
		cmocka_unit_test_teardown(test_names_that_are_not, drop),
		cmocka_unit_test_teardown(test_zones, drop),
		cmocka_unit_test_teardown(test_fallthrough, drop),
		cmocka_unit_test_teardown(test_fallthrough_unsupported, drop),
		cmocka_unit_test_teardown(test_no_reverse_and_ttl, drop),
		cmocka_unit_test_teardown(test_reverse_name_as_owner, drop),
		cmocka_unit_test(test_memory_short_at_every_place_of_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "outside.h"

static const char *const types[] = {"A", "AAAA", "SRV", "TXT", "PTR", "HTTPS", "SOA", "NS", "ANY"};
#define TYPE_NUMBER (sizeof types / sizeof *types)

static void test_before_the_lists(void **state)
{
	struct outside *f = *state;

	assert_string_equal(out(f, "web.shop.example.org", "A"), "SERVFAIL");
	assert_string_equal(out(f, "shop.example.org", "A"), "SERVFAIL");
	assert_string_equal(out(f, "ns1.dns.example.org", "A"), "SERVFAIL");
	assert_string_equal(out(f, "1.2.0.192.in-addr.arpa", "PTR"), "SERVFAIL");
	assert_string_equal(out(f, "dns.example.org", "A"), "NODATA");
	complete(&f->c, KIND_NAMESPACE, 1);
	complete(&f->c, KIND_SERVICE, 1);
	outside_put(f, "db", 2, SERVICE_HEADLESS, "", "", "");
	assert_string_equal(out(f, "web.shop.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "db.shop.example.org", "A"), "SERVFAIL");
	assert_string_equal(out(f, "x.db.shop.example.org", "A"), "SERVFAIL");
	complete(&f->c, KIND_SLICE, 1);
	assert_string_equal(out(f, "db.shop.example.org", "A"), "NXDOMAIN");
}

static void test_addresses(void **state)
{
	struct outside *f = *state;

	outside_listed(f);
	outside_put(f, "web", 3, SERVICE_CLUSTER_IP, "10.0.0.1", "80:http:TCP 53:dns:UDP",
		"192.0.2.2 2001:db8::1 192.0.2.1 192.0.2.2");
	assert_string_equal(out(f, "Web.shop.example.org", "A"), "NOERROR A 192.0.2.1 A 192.0.2.2");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(f->ask->pkt), 0)), 7);
	assert_string_equal(out(f, "web.shop.example.org", "AAAA"), "NOERROR AAAA 2001:db8::1");
	assert_string_equal(out(f, "web.shop.example.org", "TXT"), "NODATA");
	assert_string_equal(out(f, "_http._tcp.web.shop.example.org", "SRV"),
		"NOERROR SRV 0 33 80 web.shop.example.org.");
	assert_string_equal(ask_additional(f->ask),
		" A web.shop.example.org. 192.0.2.1 A web.shop.example.org. 192.0.2.2"
		" AAAA web.shop.example.org. 2001:db8::1");
	assert_string_equal(out(f, "web.shop.example.org", "SRV"),
		"NOERROR SRV 0 16 53 web.shop.example.org. SRV 0 16 80 web.shop.example.org.");
	assert_string_equal(
		out(f, "http.tcp.web.shop.example.org", "A"), "NOERROR A 192.0.2.1 A 192.0.2.2");
	assert_string_equal(out(f, "_tcp.web.shop.example.org", "A"), "NODATA");
	assert_string_equal(out(f, "_http._udp.web.shop.example.org", "SRV"), "NXDOMAIN");
	assert_string_equal(out(f, "a.web.shop.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "a._http._tcp.web.shop.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "no.shop.example.org", "A"), "NXDOMAIN");
	/* inside nothing is different */
	assert_string_equal(
		ask(f->ask, f->c.cluster, "web.shop.svc.cluster.local", "A"), "NOERROR A 10.0.0.1");
	outside_put(f, "web", 4, SERVICE_CLUSTER_IP, "10.0.0.1", "80:http:TCP", "");
	assert_string_equal(out(f, "web.shop.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "_http._tcp.web.shop.example.org", "SRV"), "NXDOMAIN");
}

static void test_names_of_the_zone(void **state)
{
	struct outside *f = *state;
	struct name deep;

	outside_listed(f);
	assert_string_equal(out(f, "shop.example.org", "A"), "NODATA");
	assert_string_equal(out(f, "bar.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "dns.example.org", "TXT"), "NODATA");
	assert_string_equal(out(f, "ns2.dns.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "a.ns1.dns.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "example.org", "A"), "NODATA");
	/* a label that only looks like the end of one */
	assert_string_equal(out(f, "x\\003dns.example.org", "A"), "NXDOMAIN");
	name_from_text("a.b", 3, &deep);
	f->external.apex = &deep;
	assert_string_equal(out(f, "b.example.org", "A"), "NODATA");
	assert_string_equal(out(f, "a.b.example.org", "A"), "NODATA");
	assert_string_equal(out(f, "ns1.a.b.example.org", "A"), "NOERROR A 10.244.0.53");
	assert_string_equal(out(f, "c.b.example.org", "A"), "NXDOMAIN");
}

static void test_headless(void **state)
{
	struct outside *f = *state;

	outside_listed(f);
	outside_put(f, "db", 3, SERVICE_HEADLESS, "", "5432:sql:TCP", "");
	assert_string_equal(out(f, "db.shop.example.org", "A"), "NXDOMAIN");
	put(&f->c, make_slice_ports("shop", "db-1", "db", 4, "10.1.0.1=db-0 10.1.0.2 fd00::1=db-0",
			   "5432:sql:TCP"));
	settle(&f->c);
	assert_string_equal(out(f, "db.shop.example.org", "A"), "NOERROR A 10.1.0.1 A 10.1.0.2");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(f->ask->pkt), 0)), 7);
	assert_string_equal(out(f, "db-0.db.shop.example.org", "AAAA"), "NOERROR AAAA fd00::1");
	assert_string_equal(out(f, "10-1-0-2.db.shop.example.org", "A"), "NOERROR A 10.1.0.2");
	assert_string_equal(out(f, "_sql._tcp.db.shop.example.org", "SRV"),
		"NOERROR SRV 0 33 5432 10-1-0-2.db.shop.example.org."
		" SRV 0 33 5432 db-0.db.shop.example.org.");
	assert_string_equal(ask_additional(f->ask),
		" A 10-1-0-2.db.shop.example.org. 10.1.0.2 A db-0.db.shop.example.org. 10.1.0.1"
		" AAAA db-0.db.shop.example.org. fd00::1");
	assert_string_equal(
		out(f, "_sql._tcp.db.shop.example.org", "A"), "NOERROR A 10.1.0.1 A 10.1.0.2");
	assert_string_equal(out(f, "_tcp.db.shop.example.org", "A"), "NODATA");
	/* addresses outside hide those inside */
	outside_put(f, "db", 5, SERVICE_HEADLESS, "", "5432:sql:TCP", "192.0.2.1");
	assert_string_equal(out(f, "db.shop.example.org", "A"), "NOERROR A 192.0.2.1");
	assert_string_equal(out(f, "db-0.db.shop.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "_sql._tcp.db.shop.example.org", "SRV"),
		"NOERROR SRV 0 100 5432 db.shop.example.org.");
	outside_put(f, "db", 6, SERVICE_HEADLESS, "", "5432:sql:TCP", "");
	f->external.headless = false;
	assert_string_equal(out(f, "db.shop.example.org", "A"), "NXDOMAIN");
	assert_string_equal(out(f, "db-0.db.shop.example.org", "A"), "NXDOMAIN");
}

/* For one name the choice between NXDOMAIN and anything else is the same. */
static void test_one_choice_for_all_types(void **state)
{
	static const char *const names[] = {"example.org", "shop.example.org", "bar.example.org",
		"dns.example.org", "ns1.dns.example.org", "web.shop.example.org",
		"lb.shop.example.org", "db.shop.example.org", "db-0.db.shop.example.org",
		"_tcp.web.shop.example.org", "_http._tcp.web.shop.example.org",
		"_http._tcp.lb.shop.example.org", "_tcp.lb.shop.example.org",
		"_x._tcp.lb.shop.example.org", "no.shop.example.org", "1.2.0.192.in-addr.arpa",
		"2.2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa", "ip.shop.example.org"};
	struct outside *f = *state;

	outside_listed(f);
	outside_put(f, "web", 3, SERVICE_CLUSTER_IP, "10.0.0.1", "80:http:TCP", "192.0.2.1");
	outside_put(f, "lb", 4, SERVICE_CLUSTER_IP, "10.0.0.2", "80:http:TCP", "lb.example.net");
	outside_put(f, "ip", 4, SERVICE_CLUSTER_IP, "10.0.0.3", "80:http:TCP", "");
	outside_put(f, "db", 5, SERVICE_HEADLESS, "", "80:http:TCP", "");
	put(&f->c, make_slice_ports("shop", "db-1", "db", 6, "10.1.0.1=db-0", "80:http:TCP"));
	settle(&f->c);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const bool absent = strcmp(out(f, names[i], "A"), "NXDOMAIN") == 0;

		for (size_t t = 0; t < TYPE_NUMBER; t++)
			assert_int_equal(
				strcmp(out(f, names[i], types[t]), "NXDOMAIN") == 0, absent);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, outside_setup, outside_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_before_the_lists),
		CASE(test_addresses),
		CASE(test_names_of_the_zone),
		CASE(test_headless),
		CASE(test_one_choice_for_all_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

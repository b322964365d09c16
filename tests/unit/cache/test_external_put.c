/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "outside.h"

static void test_load_balancer_names(void **state)
{
	struct outside *f = *state;
	char text[64];

	outside_listed(f);
	outside_put(f, "lb", 3, SERVICE_CLUSTER_IP, "10.0.0.1", "80:http:TCP",
		"z.example.net A.example.net a.example.net bad..name");
	assert_string_equal(out(f, "lb.shop.example.org", "A"), "NOERROR CNAME a.example.net.");
	assert_true(f->follow);
	name_to_text(f->target.wire, text, sizeof text);
	assert_string_equal(text, "a.example.net.");
	assert_string_equal(out(f, "lb.shop.example.org", "SRV"), "NOERROR CNAME a.example.net.");
	assert_true(f->follow);
	assert_string_equal(out(f, "lb.shop.example.org", "ANY"), "NOERROR CNAME a.example.net.");
	assert_false(f->follow);
	assert_string_equal(out(f, "lb.shop.example.org", "CNAME"), "NOERROR CNAME a.example.net.");
	assert_false(f->follow);
	/* a target of SRV is no alias */
	assert_string_equal(out(f, "_http._tcp.lb.shop.example.org", "SRV"),
		"NOERROR SRV 0 50 80 a.example.net. SRV 0 50 80 z.example.net.");
	assert_string_equal(out(f, "_http._tcp.lb.shop.example.org", "A"), "NODATA");
	assert_string_equal(out(f, "_tcp.lb.shop.example.org", "A"), "NODATA");
	/* nothing beside a CNAME: addresses come first */
	outside_put(f, "lb", 4, SERVICE_CLUSTER_IP, "10.0.0.1", "80:http:TCP",
		"192.0.2.1 a.example.net");
	assert_string_equal(out(f, "lb.shop.example.org", "A"), "NOERROR A 192.0.2.1");
	assert_string_equal(out(f, "lb.shop.example.org", "AAAA"), "NODATA");
	outside_put(f, "lb", 5, SERVICE_CLUSTER_IP, "10.0.0.1", "80:http:TCP", "bad..name");
	assert_string_equal(out(f, "lb.shop.example.org", "A"), "NXDOMAIN");
}

static void test_pointers(void **state)
{
	struct outside *f = *state;

	outside_listed(f);
	outside_put(f, "web", 3, SERVICE_CLUSTER_IP, "10.0.0.1", "", "192.0.2.1 2001:db8::1");
	outside_put(f, "api", 4, SERVICE_CLUSTER_IP, "10.0.0.2", "", "192.0.2.1");
	outside_put(f, "in", 5, SERVICE_CLUSTER_IP, "192.0.2.9", "", "");
	assert_string_equal(out(f, "1.2.0.192.in-addr.arpa", "PTR"),
		"NOERROR PTR api.shop.example.org. PTR web.shop.example.org.");
	assert_string_equal(
		out(f, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
			"PTR"),
		"NOERROR PTR web.shop.example.org.");
	assert_string_equal(out(f, "1.2.0.192.in-addr.arpa", "A"), "NODATA");
	assert_string_equal(out(f, "9.2.0.192.in-addr.arpa", "PTR"), "NXDOMAIN");
	assert_string_equal(out(f, "2.0.192.in-addr.arpa", "PTR"), "NXDOMAIN");
	/* a zone that holds them, such as the root, has them too */
	f->zones[0] = (struct name){.len = 1};
	f->zones[1] = f->zones[2] = f->apex;
	assert_string_equal(
		out(f, "1.2.0.192.in-addr.arpa", "PTR"), "NOERROR PTR api.shop. PTR web.shop.");
	assert_string_equal(out(f, "9.2.0.192.in-addr.arpa", "PTR"), "NXDOMAIN");
	assert_string_equal(out(f, "web.shop", "A"), "NOERROR A 192.0.2.1");
	take(&f->c, KIND_SERVICE, "shop", "api", 6);
	settle(&f->c);
	assert_string_equal(out(f, "1.2.0.192.in-addr.arpa", "PTR"), "NOERROR PTR web.shop.");
	outside_put(f, "web", 7, SERVICE_CLUSTER_IP, "10.0.0.1", "", "192.0.2.2");
	assert_string_equal(out(f, "1.2.0.192.in-addr.arpa", "PTR"), "NXDOMAIN");
}

static void test_apex(void **state)
{
	struct outside *f = *state;

	outside_listed(f);
	assert_string_equal(out(f, "example.org", "NS"), "NOERROR NS ns1.dns.example.org.");
	assert_string_equal(ask_additional(f->ask), " A ns1.dns.example.org. 10.244.0.53");
	assert_string_equal(out(f, "ns1.dns.example.org", "A"), "NOERROR A 10.244.0.53");
	assert_string_equal(out(f, "ns1.dns.example.org", "AAAA"), "NODATA");
	out(f, "example.org", "SOA");
	assert_int_equal(
		strncmp(f->ask->text,
			"NOERROR SOA ns1.dns.example.org. hostmaster.dns.example.org. ", 60),
		0);
	assert_non_null(strstr(f->ask->text, " 7200 1800 86400 7"));
	/* the Service that leads here has addresses outside */
	outside_put(f, "dns", 3, SERVICE_CLUSTER_IP, "10.0.0.10", "53:dns:UDP",
		"192.0.2.53 2001:db8::53");
	put(&f->c, make_slice("shop", "dns-1", "dns", 4, "10.244.0.53"));
	settle(&f->c);
	assert_string_equal(out(f, "ns1.dns.example.org", "A"), "NOERROR A 192.0.2.53");
	assert_string_equal(out(f, "Example.org", "NS"), "NOERROR NS ns1.dns.Example.org.");
	assert_string_equal(ask_additional(f->ask), " A ns1.dns.Example.org. 192.0.2.53"
						    " AAAA ns1.dns.Example.org. 2001:db8::53");
	/* what is inside goes on */
	assert_string_equal(ask(f->ask, f->c.cluster, "cluster.local", "NS"),
		"NOERROR NS dns.shop.svc.cluster.local.");
}

/* More than fits: TC, and another window each time. */
static void test_truncation(void **state)
{
	struct outside *f = *state;
	char text[4096] = "";

	outside_listed(f);
	for (unsigned i = 1; i <= 200; i++)
		sprintf(text + strlen(text), "192.0.2.%u ", i);
	outside_put(f, "many", 3, SERVICE_CLUSTER_IP, "10.0.0.1", "80:http:TCP", text);
	outside_limited(f, "many.shop.example.org", "A", 512);
	assert_true(ldns_pkt_tc(f->ask->pkt));
	assert_in_range(ldns_pkt_ancount(f->ask->pkt), 20, 30);
	/* glue whole or not at all */
	outside_limited(f, "_http._tcp.many.shop.example.org", "SRV", 512);
	assert_false(ldns_pkt_tc(f->ask->pkt));
	assert_int_equal(ldns_pkt_arcount(f->ask->pkt), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, outside_setup, outside_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_load_balancer_names),
		CASE(test_pointers),
		CASE(test_apex),
		CASE(test_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

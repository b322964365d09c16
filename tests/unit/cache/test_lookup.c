/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/lookup.h"
#include "expect.h"

static int setup(void **state)
{
	(void)state;
	expect_start((struct cluster_config){.ttl_s = 5, .pods = CLUSTER_PODS_INSECURE}, true);
	return 0;
}

/* "4 10.1.2.3", "" where the name is no address. */
static const char *address_of(const char *name)
{
	static char text[100];
	char ip[INET6_ADDRSTRLEN];
	uint8_t addr[16], family;

	ask_query(asker, name, TYPE_PTR);
	family = lookup_reverse_address(&asker->query, addr);
	if (!family)
		return "";
	inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, ip, sizeof ip);
	snprintf(text, sizeof text, "%u %s", family, ip);
	return text;
}

#define V6 "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.0.d."

static void reverse_addresses(void **state)
{
	static const char *const none[] = {"2.1.10.in-addr.arpa", "4.3.2.1.10.in-addr.arpa",
		"3.2.1.256.in-addr.arpa", "03.2.1.10.in-addr.arpa", "3.2.1.1000.in-addr.arpa",
		"a.2.1.10.in-addr.arpa", "3.2.1.-1.in-addr.arpa", "3.2.1.10.in-addr.org",
		"3.2.1.10.ip6.arpa", V6 "ip6.arpa", V6 "f.f.ip6.arpa", V6 "g.ip6.arpa",
		V6 "f.in-addr.arpa", V6 "ff.ip6.arpa", "in-addr.arpa", "."};

	(void)state;
	assert_string_equal(address_of("3.2.1.10.in-addr.arpa"), "4 10.1.2.3");
	assert_string_equal(address_of("0.0.0.0.IN-ADDR.arpa"), "4 0.0.0.0");
	assert_string_equal(address_of("255.255.255.255.in-addr.arpa"), "4 255.255.255.255");
	assert_string_equal(address_of(V6 "f.ip6.arpa"), "6 fd09::1");
	assert_string_equal(address_of(V6 "F.ip6.arpa"), "6 fd09::1");
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		assert_string_equal(address_of(none[i]), "");
}

static void below_a_service(void **state)
{
	(void)state;
	service("web", SERVICE_CLUSTER_IP, "10.9.0.1", "80:http:TCP 53:dns:UDP 7::SCTP");
	slice("web-1", "web", "10.1.0.1 10.1.0.2=tcp-0", "8080:http:TCP 99:own:TCP");
	expect("_http._tcp.web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect("http.tcp.web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect("_http._tcp.web.shop.svc" ZONE, "AAAA", "NODATA");
	expect("_http._tcp.web.shop.svc" ZONE, "TXT", "NODATA");
	expect("_http._udp.web.shop.svc" ZONE, "SRV", "NXDOMAIN");
	expect("_http._udp.web.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("_own._tcp.web.shop.svc" ZONE, "SRV", "NXDOMAIN");
	expect("_._tcp.web.shop.svc" ZONE, "SRV", "NXDOMAIN");
	/* Empty non-terminals: where a name of a port is below. */
	expect("_tcp.web.shop.svc" ZONE, "A", "NODATA");
	expect("_udp.web.shop.svc" ZONE, "SRV", "NODATA");
	expect("_sctp.web.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("_http.web.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("_http._tcp.10-1-0-1.web.shop.svc" ZONE, "SRV", "NXDOMAIN");
	expect("_http._tcp.shop.svc" ZONE, "SRV", "NXDOMAIN");
	/* An endpoint's ports are those of its slice. */
	expect("10-1-0-1.web.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 50 8080 10-1-0-1.web.shop.svc.cluster.local. "
		"SRV 0 50 99 10-1-0-1.web.shop.svc.cluster.local.");
	/* A hostname that is called like a protocol. */
	expect("udp.web.shop.svc" ZONE, "A", "NODATA");
	slice("web-2", "web", "10.1.0.3=udp", "");
	expect("udp.web.shop.svc" ZONE, "A", "NOERROR A 10.1.0.3");
	expect("_udp.web.shop.svc" ZONE, "A", "NODATA");
	service("cdn", SERVICE_EXTERNAL_NAME, "example.org", "80:http:TCP");
	expect("cdn.shop.svc" ZONE, "SRV", "NOERROR CNAME example.org.");
	expect("_http._tcp.cdn.shop.svc" ZONE, "SRV", "NXDOMAIN");
	expect("_tcp.cdn.shop.svc" ZONE, "SRV", "NXDOMAIN");
	service("none", SERVICE_HEADLESS, "", "80:http:TCP");
	expect("_http._tcp.none.shop.svc" ZONE, "SRV", "NXDOMAIN");
	expect("_tcp.none.shop.svc" ZONE, "SRV", "NXDOMAIN");
	slice("none-1", "none", "10.1.0.9", "80:http:TCP");
	expect("_tcp.none.shop.svc" ZONE, "SRV", "NODATA");
	expect("_http._tcp.none.shop.svc" ZONE, "AAAA", "NODATA");
}

static void gates(void **state)
{
	(void)state;
	cluster_free(c.cluster);
	c = ask_cluster_of((struct cluster_config){.ttl_s = 5, .pods = CLUSTER_PODS_INSECURE});
	put(&c, make_service_ports(
			"shop", "web", 1, SERVICE_CLUSTER_IP, "10.9.0.1", "80:http:TCP"));
	put(&c, make_service_ports("shop", "db", 1, SERVICE_HEADLESS, "", "80:http:TCP"));
	settle(&c);
	expect("_http._tcp.web.shop.svc" ZONE, "SRV", "SERVFAIL");
	expect("1-2-3-4.shop.pod" ZONE, "A", "SERVFAIL");
	expect("shop.pod" ZONE, "A", "SERVFAIL");
	expect("dns-version" ZONE, "A", "NODATA");
	c.sink.end_replace(c.sink.ctx, KIND_SERVICE, 5);
	c.sink.end_replace(c.sink.ctx, KIND_NAMESPACE, 5);
	settle(&c);
	expect("_http._tcp.web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect("_tcp.web.shop.svc" ZONE, "A", "NODATA");
	expect("_http._tcp.db.shop.svc" ZONE, "A", "SERVFAIL");
	expect("_tcp.db.shop.svc" ZONE, "A", "SERVFAIL");
	expect("1.0.9.10.in-addr.arpa", "A", "SERVFAIL");
	expect("1-2-3-4.shop.pod" ZONE, "A", "NOERROR A 1.2.3.4");
}

static void pods(void **state)
{
	(void)state;
	put(&c, make_namespace("shop", 1));
	settle(&c);
	expect("pod" ZONE, "A", "NODATA");
	expect("shop.pod" ZONE, "A", "NODATA");
	expect("other.pod" ZONE, "A", "NXDOMAIN");
	expect("1-2-3-4.shop.pod" ZONE, "A", "NOERROR A 1.2.3.4");
	expect("1-2-3-4.SHOP.pod" ZONE, "A", "NOERROR A 1.2.3.4");
	expect("1-2-3-4.shop.pod" ZONE, "AAAA", "NODATA");
	expect("1-2-3-4.shop.pod" ZONE, "SRV", "NODATA");
	expect("fd00--1.shop.pod" ZONE, "AAAA", "NOERROR AAAA fd00::1");
	expect("fd00--1.shop.pod" ZONE, "A", "NODATA");
	expect("1-2-3.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("1-2-3-256.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("web.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("1-2-3-4.other.pod" ZONE, "A", "NXDOMAIN");
	expect("x.1-2-3-4.shop.pod" ZONE, "A", "NXDOMAIN");
	cluster_free(c.cluster);
	c = ask_cluster(NULL, NULL, 0, 5);
	complete_all(&c);
	put(&c, make_namespace("shop", 1));
	settle(&c);
	expect("pod" ZONE, "A", "NODATA");
	expect("shop.pod" ZONE, "A", "NXDOMAIN");
	expect("1-2-3-4.shop.pod" ZONE, "A", "NXDOMAIN");
}

static void verified(void)
{
	cluster_free(c.cluster);
	c = ask_cluster_of((struct cluster_config){.ttl_s = 5, .pods = CLUSTER_PODS_VERIFIED});
}

static void verified_pods(void **state)
{
	(void)state;
	verified();
	complete_all(&c);
	complete(&c, KIND_POD, 1);
	put(&c, make_namespace("shop", 1));
	put(&c, make_namespace("bill", 1));
	put(&c, make_pod("shop", "web", 2, "10.1.0.1 fd00::1"));
	put(&c, make_pod("hidden", "web", 2, "10.1.0.3"));
	settle(&c);
	expect("pod" ZONE, "A", "NODATA");
	expect("shop.pod" ZONE, "A", "NODATA");
	expect("other.pod" ZONE, "A", "NXDOMAIN");
	expect("10-1-0-1.shop.pod" ZONE, "A", "NOERROR A 10.1.0.1");
	expect("10-1-0-1.SHOP.pod" ZONE, "A", "NOERROR A 10.1.0.1");
	expect("10-1-0-1.shop.pod" ZONE, "AAAA", "NODATA");
	expect("10-1-0-1.shop.pod" ZONE, "SRV", "NODATA");
	/* Every address of it, in every spelling. */
	expect("fd00--1.shop.pod" ZONE, "AAAA", "NOERROR AAAA fd00::1");
	expect("FD00--1.shop.pod" ZONE, "AAAA", "NOERROR AAAA fd00::1");
	expect("fd00-0-0-0-0-0-0-1.shop.pod" ZONE, "AAAA", "NXDOMAIN");
	expect("fd00--1.shop.pod" ZONE, "A", "NODATA");
	expect("10-1-0-2.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("10-1-0-2.shop.pod" ZONE, "TXT", "NXDOMAIN");
	expect("10-1-0-1.bill.pod" ZONE, "A", "NXDOMAIN");
	expect("web.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("x.10-1-0-1.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("x.y.10-1-0-1.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("10-1-0-1.shop.svc" ZONE, "A", "NXDOMAIN");
	/* Nothing exists below a namespace that does not. */
	expect("10-1-0-3.hidden.pod" ZONE, "A", "NXDOMAIN");
	put(&c, make_namespace("hidden", 3));
	put(&c, make_pod("shop", "web", 3, "10.1.0.2"));
	settle(&c);
	expect("10-1-0-3.hidden.pod" ZONE, "A", "NOERROR A 10.1.0.3");
	expect("10-1-0-2.shop.pod" ZONE, "A", "NOERROR A 10.1.0.2");
	expect("10-1-0-1.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("fd00--1.shop.pod" ZONE, "AAAA", "NXDOMAIN");
	take(&c, KIND_POD, "shop", "web", 4);
	settle(&c);
	expect("10-1-0-2.shop.pod" ZONE, "A", "NXDOMAIN");
}

static void verified_pods_wait_for_pods(void **state)
{
	(void)state;
	verified();
	put(&c, make_namespace("shop", 1));
	c.sink.begin_replace(c.sink.ctx, KIND_POD);
	put(&c, make_pod("shop", "web", 2, "10.1.0.1"));
	settle(&c);
	expect("10-1-0-1.shop.pod" ZONE, "A", "SERVFAIL");
	c.sink.end_replace(c.sink.ctx, KIND_SERVICE, 5);
	c.sink.end_replace(c.sink.ctx, KIND_NAMESPACE, 5);
	c.sink.end_replace(c.sink.ctx, KIND_SLICE, 5);
	settle(&c);
	expect("10-1-0-1.shop.pod" ZONE, "A", "SERVFAIL");
	expect("10-1-0-2.shop.pod" ZONE, "A", "SERVFAIL");
	/* Whatever Pods there are, these are decided. */
	expect("shop.pod" ZONE, "A", "NODATA");
	expect("10-1-0-1.other.pod" ZONE, "A", "NXDOMAIN");
	expect("web.shop.pod" ZONE, "A", "NXDOMAIN");
	expect("web.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NXDOMAIN");
	c.sink.abort_replace(c.sink.ctx, KIND_POD);
	settle(&c);
	expect("10-1-0-1.shop.pod" ZONE, "A", "SERVFAIL");
	c.sink.begin_replace(c.sink.ctx, KIND_POD);
	put(&c, make_pod("shop", "web", 2, "10.1.0.1"));
	c.sink.end_replace(c.sink.ctx, KIND_POD, 5);
	settle(&c);
	expect("10-1-0-1.shop.pod" ZONE, "A", "NOERROR A 10.1.0.1");
	expect("10-1-0-2.shop.pod" ZONE, "A", "NXDOMAIN");
	/* Pods alone say nothing about namespaces. */
	verified();
	complete(&c, KIND_POD, 1);
	expect("10-1-0-1.shop.pod" ZONE, "A", "SERVFAIL");
}

static void verified_pods_of_admitted_namespaces(void **state)
{
	static const char *const only[] = {"shop", NULL};
	struct cluster_stats stats;

	(void)state;
	cluster_free(c.cluster);
	c = ask_cluster_of((struct cluster_config){
		.ttl_s = 5, .pods = CLUSTER_PODS_VERIFIED, .namespaces = only});
	complete_all(&c);
	complete(&c, KIND_POD, 1);
	put(&c, make_namespace("shop", 1));
	put(&c, make_namespace("other", 1));
	put(&c, make_pod("shop", "web", 2, "10.1.0.1"));
	put(&c, make_pod("other", "web", 2, "10.1.0.1"));
	settle(&c);
	expect("10-1-0-1.shop.pod" ZONE, "A", "NOERROR A 10.1.0.1");
	expect("10-1-0-1.other.pod" ZONE, "A", "NXDOMAIN");
	cluster_stats(c.cluster, &stats);
	assert_int_equal(stats.pods, 1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, expect_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(reverse_addresses),
		CASE(below_a_service),
		CASE(gates),
		CASE(pods),
		CASE(verified_pods),
		CASE(verified_pods_wait_for_pods),
		CASE(verified_pods_of_admitted_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

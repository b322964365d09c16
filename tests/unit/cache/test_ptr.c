/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "expect.h"

static int setup(void **state)
{
	(void)state;
	expect_start((struct cluster_config){.ttl_s = 30}, true);
	return 0;
}

static void cluster_ips(void **state)
{
	(void)state;
	service("web", SERVICE_CLUSTER_IP, "10.9.0.1 fd09::1", "");
	slice("web-1", "web", "10.1.0.1 10.1.0.2=web-0 10.9.0.1=x", "");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NOERROR PTR web.shop.svc.cluster.local.");
	expect("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.0.d.f.ip6.arpa", "PTR",
		"NOERROR PTR web.shop.svc.cluster.local.");
	expect("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.0.D.F.IP6.Arpa", "PTR",
		"NOERROR PTR web.shop.svc.cluster.local.");
	expect("1.0.1.10.in-addr.arpa", "PTR", "NOERROR PTR 10-1-0-1.web.shop.svc.cluster.local.");
	expect("2.0.1.10.in-addr.arpa", "PTR", "NOERROR PTR web-0.web.shop.svc.cluster.local.");
	/* Other types at a name that exists; names that do not. */
	expect("1.0.9.10.in-addr.arpa", "A", "NODATA");
	expect("1.0.9.10.in-addr.arpa", "ANY", "NODATA");
	expect("3.0.1.10.in-addr.arpa", "PTR", "NXDOMAIN");
	expect("0.9.10.in-addr.arpa", "PTR", "NXDOMAIN");
	/* Two claim one address: the same one everywhere, whatever came first. */
	service("abc", SERVICE_CLUSTER_IP, "10.9.0.1", "");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NOERROR PTR abc.shop.svc.cluster.local.");
}

static void endpoints_of_several_services(void **state)
{
	(void)state;
	service("a", SERVICE_HEADLESS, "", "");
	service("b", SERVICE_CLUSTER_IP, "10.9.0.1", "");
	slice("a-1", "a", "10.1.0.1=h0 10.1.0.1=h1 10.1.0.1", "");
	slice("a-2", "a", "10.1.0.1=h0", "");
	slice("b-1", "b", "10.1.0.1", "");
	slice("lost-1", "lost", "10.1.0.1 10.1.0.2", ""); /* no Service */
	expect("1.0.1.10.in-addr.arpa", "PTR",
		"NOERROR PTR 10-1-0-1.a.shop.svc.cluster.local. PTR "
		"10-1-0-1.b.shop.svc.cluster.local. "
		"PTR h0.a.shop.svc.cluster.local. PTR h1.a.shop.svc.cluster.local.");
	expect("2.0.1.10.in-addr.arpa", "PTR", "NXDOMAIN");
	service("a", SERVICE_EXTERNAL_NAME, "example.org", "");
	expect("1.0.1.10.in-addr.arpa", "PTR", "NOERROR PTR 10-1-0-1.b.shop.svc.cluster.local.");
	take(&c, KIND_SERVICE, "shop", "b", 9);
	settle(&c);
	expect("1.0.1.10.in-addr.arpa", "PTR", "NXDOMAIN");
}

static void namesakes_once(void **state)
{
	(void)state;
	service("a", SERVICE_HEADLESS, "", "");
	slice("a-1", "a", "10.1.0.2 10.1.0.1=10-1-0-2", "");
	expect("2.0.1.10.in-addr.arpa", "PTR", "NOERROR PTR 10-1-0-2.a.shop.svc.cluster.local.");
	expect("1.0.1.10.in-addr.arpa", "PTR", "NOERROR PTR 10-1-0-2.a.shop.svc.cluster.local.");
}

/* Every PTR leads back: its name has the address. */
static void all_lead_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		char name[32], endpoints[100];

		snprintf(name, sizeof name, "s%u", i);
		snprintf(endpoints, sizeof endpoints, "10.1.0.%u 10.1.0.%u=h%u", i % 50, i % 7,
			i % 3);
		service(name, i % 2 ? SERVICE_HEADLESS : SERVICE_CLUSTER_IP,
			i % 2 ? "" : "10.9.0.1", "");
		slice(name, name, endpoints, "");
	}
	for (unsigned i = 0; i < 50; i++) {
		char name[100], wanted[100];
		ldns_rr_list *list;

		snprintf(name, sizeof name, "%u.0.1.10.in-addr.arpa", i);
		snprintf(wanted, sizeof wanted, " A 10.1.0.%u", i);
		ask(asker, c.cluster, name, "PTR");
		list = ldns_rr_list_clone(ldns_pkt_answer(asker->pkt));
		assert_in_range(ldns_rr_list_rr_count(list), 6, 100);
		for (size_t k = 0; k < ldns_rr_list_rr_count(list); k++) {
			char *target = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(list, k), 0));

			assert_non_null(strstr(ask(asker, c.cluster, target, "A"), wanted));
			free(target);
		}
		ldns_rr_list_deep_free(list);
	}
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, expect_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(cluster_ips),
		CASE(endpoints_of_several_services),
		CASE(namesakes_once),
		CASE(all_lead_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

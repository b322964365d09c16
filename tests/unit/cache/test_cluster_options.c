/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "expect.h"

static void make(struct cluster_config config)
{
	config.ttl_s = 30;
	expect_start(config, false);
}

static void selected_namespaces(void **state)
{
	(void)state;
	make((struct cluster_config){.namespaces_selected = true});
	complete_all(&c);
	service("web", SERVICE_CLUSTER_IP, "10.9.0.1", "80:http:TCP");
	slice("web-1", "web", "10.1.0.1", "80:http:TCP");
	/* The namespace has not come: it is not selected, or not yet. */
	expect("web.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("shop.svc" ZONE, "A", "NXDOMAIN");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NXDOMAIN");
	expect("1.0.1.10.in-addr.arpa", "PTR", "NXDOMAIN");
	put(&c, make_namespace("shop", 5));
	settle(&c);
	expect("web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect("_http._tcp.web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect("shop.svc" ZONE, "A", "NODATA");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NOERROR PTR web.shop.svc.cluster.local.");
	/* It loses its label: gone from the list, with all that is in it. */
	take(&c, KIND_NAMESPACE, "", "shop", 6);
	settle(&c);
	expect("web.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("shop.svc" ZONE, "A", "NXDOMAIN");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NXDOMAIN");
	put(&c, make_namespace("shop", 7));
	settle(&c);
	c.sink.begin_replace(c.sink.ctx, KIND_NAMESPACE);
	c.sink.end_replace(c.sink.ctx, KIND_NAMESPACE, 8);
	settle(&c);
	expect("web.shop.svc" ZONE, "A", "NXDOMAIN");
}

static void no_endpoints(void **state)
{
	(void)state;
	make((struct cluster_config){.no_endpoints = true});
	complete(&c, KIND_NAMESPACE, 1);
	complete(&c, KIND_SERVICE, 1);
	service("web", SERVICE_CLUSTER_IP, "10.9.0.1", "80:http:TCP");
	service("db", SERVICE_HEADLESS, "", "80:http:TCP");
	expect("web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect("_http._tcp.web.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 100 80 web.shop.svc.cluster.local.");
	expect("db.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("10-1-0-1.web.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NOERROR PTR web.shop.svc.cluster.local.");
	expect("1.0.1.10.in-addr.arpa", "PTR", "NXDOMAIN");
}

static void ignore_empty(void **state)
{
	(void)state;
	make((struct cluster_config){.ignore_empty = true});
	complete(&c, KIND_NAMESPACE, 1);
	complete(&c, KIND_SERVICE, 1);
	service("web", SERVICE_CLUSTER_IP, "10.9.0.1", "80:http:TCP");
	service("cdn", SERVICE_EXTERNAL_NAME, "example.org", "");
	/* Whether it is empty is not known yet. */
	expect("web.shop.svc" ZONE, "A", "SERVFAIL");
	expect("nobody.shop.svc" ZONE, "A", "SERVFAIL");
	complete(&c, KIND_SLICE, 1);
	expect("web.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("_http._tcp.web.shop.svc" ZONE, "SRV", "NXDOMAIN");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NXDOMAIN");
	expect("cdn.shop.svc" ZONE, "A", "NOERROR CNAME example.org.");
	expect("shop.svc" ZONE, "A", "NODATA");
	slice("web-1", "web", "10.1.0.1", "");
	expect("web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	slice("web-1", "web", "", "");
	expect("web.shop.svc" ZONE, "A", "NXDOMAIN");
}

static void negative_ttl(void **state)
{
	(void)state;
	make((struct cluster_config){.own = NULL});
	complete_all(&c);
	ask(asker, c.cluster, "x.shop.svc" ZONE, "A");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_authority(asker->pkt), 0)), 5);
	/* At the apex the SOA keeps its own. */
	ask(asker, c.cluster, "cluster.local", "SOA");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(asker->pkt), 0)), 30);
}

static char told[400];
static unsigned told_count;

static void note(void *user, const struct watch_event *event)
{
	(void)user;
	snprintf(told, sizeof told, "%u %u %s/%s %s", event->type, event->kind, event->ns,
		event->name, event->detail);
	told_count++;
}

static void an_address_is_no_alias(void **state)
{
	char wanted[100];

	(void)state;
	make((struct cluster_config){.own = NULL});
	c.sink = cluster_sink(c.cluster, note, NULL);
	told_count = 0;
	complete_all(&c);
	service("old", SERVICE_EXTERNAL_NAME, "192.0.2.1", "");
	snprintf(wanted, sizeof wanted, "%u %u shop/old externalName is an address",
		WATCH_OBJECT_REFUSED, KIND_SERVICE);
	assert_memory_equal(told, wanted, strlen(wanted));
	assert_int_equal(told_count, 1);
	expect("old.shop.svc" ZONE, "A", "NXDOMAIN");
	expect("old.shop.svc" ZONE, "CNAME", "NXDOMAIN");
	/* Told again only when it changes. */
	service("old", SERVICE_EXTERNAL_NAME, "192.0.2.1", "");
	service("new", SERVICE_EXTERNAL_NAME, "example.org", "");
	assert_int_equal(told_count, 1);
	service("old", SERVICE_EXTERNAL_NAME, "2001:db8::1", "");
	assert_int_equal(told_count, 2);
	service("root", SERVICE_EXTERNAL_NAME, ".", "");
	assert_int_equal(told_count, 3);
	expect("root.shop.svc" ZONE, "A", "NXDOMAIN");
}

static void type_is_told(void **state)
{
	(void)state;
	make((struct cluster_config){0});
	complete_all(&c);
	assert_int_equal(cluster_service_type(c.cluster, "shop", "web"), -1);
	put(&c, make_service("shop", "web", 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
	put(&c, make_service("shop", "db", 2, SERVICE_HEADLESS, ""));
	put(&c, make_slice("shop", "gone-1", "gone", 3, "10.1.0.1"));
	settle(&c);
	assert_int_equal(cluster_service_type(c.cluster, "shop", "web"), SERVICE_CLUSTER_IP);
	assert_int_equal(cluster_service_type(c.cluster, "shop", "db"), SERVICE_HEADLESS);
	assert_int_equal(cluster_service_type(c.cluster, "shop", "gone"), -1);
	assert_int_equal(cluster_service_type(c.cluster, "other", "web"), -1);
}

#define CASE(function) cmocka_unit_test_teardown(function, expect_end)

/* The search list that a kubelet writes for a Pod, known by any of its addresses. */
static void test_search_lists(void **state)
{
	const struct cluster_config config = {.ttl_s = 30, .pods = CLUSTER_PODS_VERIFIED};
	const struct ask_cluster pods = ask_cluster_of(config);
	const struct ip v4 = make_ip("10.1.0.1"), v6 = make_ip("fd00::1"),
			none = make_ip("10.1.0.2");
	struct name list[CLUSTER_SEARCH_COUNT];

	(void)state;
	assert_int_equal(cluster_search(pods.cluster, 0, 4, v4.bytes, list), 0);
	put(&pods, make_namespace("shop", 1));
	put(&pods, make_pod("shop", "web-0", 2, "10.1.0.1 fd00::1"));
	for (int kind = 0; kind < KIND_COUNT; kind++)
		settle(&pods);
	assert_int_equal(cluster_search(pods.cluster, 0, 4, none.bytes, list), 0);
	assert_int_equal(cluster_search(pods.cluster, 0, 4, v4.bytes, list), 3);
	assert_int_equal(list[0].labels, 4);
	assert_int_equal(list[0].len, 24);
	assert_memory_equal(list[0].wire, "\4shop\3svc\7cluster\5local", 24);
	assert_memory_equal(list[1].wire, "\3svc\7cluster\5local", 19);
	assert_int_equal(list[2].labels, 2);
	assert_int_equal(cluster_search(pods.cluster, 3, 6, v6.bytes, list), 3);
	assert_memory_equal(list[2].wire, "\012clusterset\5local", 18);
	cluster_free(pods.cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search_lists),
		CASE(selected_namespaces),
		CASE(no_endpoints),
		CASE(ignore_empty),
		CASE(negative_ttl),
		CASE(an_address_is_no_alias),
		CASE(type_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

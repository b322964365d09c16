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

/* The SRVs of the last reply in their order: "50 80 web.shop.svc.cluster.local." */
static const char *services(size_t at)
{
	static char text[600];
	const ldns_rr_list *list = ldns_pkt_answer(asker->pkt);
	const ldns_rr *rr = ldns_rr_list_rr(list, at);
	char *target = ldns_rdf2str(ldns_rr_rdf(rr, 3));

	snprintf(text, sizeof text, "%u %u %s", ldns_rdf2native_int16(ldns_rr_rdf(rr, 1)),
		ldns_rdf2native_int16(ldns_rr_rdf(rr, 2)), target);
	free(target);
	return text;
}

static void services_of_a_cluster_ip(void **state)
{
	(void)state;
	service("web", SERVICE_CLUSTER_IP, "10.9.0.1 fd09::1", "80:http:TCP 53:dns:UDP 99::TCP");
	expect("_http._tcp.web.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 50 80 web.shop.svc.cluster.local.");
	assert_string_equal(ask_additional(asker),
		" A web.shop.svc.cluster.local. 10.9.0.1 AAAA web.shop.svc.cluster.local. fd09::1");
	expect("_DNS._UDP.web.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 50 53 web.shop.svc.cluster.local.");
	/* The bare name has all ports, the unnamed one too. */
	expect("web.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 16 53 web.shop.svc.cluster.local. SRV 0 16 80 "
		"web.shop.svc.cluster.local. SRV 0 16 99 web.shop.svc.cluster.local.");
	/* The zone is spelled as it was asked, the rest as the object is called. */
	expect("_HTTP._tcp.WEB.Shop.SVC.Cluster.LOCAL", "SRV",
		"NOERROR SRV 0 50 80 web.shop.svc.Cluster.LOCAL.");
	expect("web.shop.svc.clusterset.local", "SRV",
		"NOERROR SRV 0 16 53 web.shop.svc.clusterset.local. SRV 0 16 80 "
		"web.shop.svc.clusterset.local. SRV 0 16 99 web.shop.svc.clusterset.local.");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(asker->pkt), 0)), 30);
	/* Two names of one number are one record where both are asked for. */
	service("two", SERVICE_CLUSTER_IP, "10.9.0.3", "80:http:TCP 80:web:TCP 80:quic:UDP");
	expect("two.shop.svc" ZONE, "SRV", "NOERROR SRV 0 33 80 two.shop.svc.cluster.local.");
	expect("_web._tcp.two.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 100 80 two.shop.svc.cluster.local.");
	/* As kube-dns has them (RFC 2181 section 5). */
	service("dns", SERVICE_CLUSTER_IP, "10.9.0.3", "53:dns:UDP 53:dns-tcp:TCP 9153:m:TCP");
	expect("dns.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 33 53 dns.shop.svc.cluster.local. SRV 0 33 9153 "
		"dns.shop.svc.cluster.local.");
	expect("_dns-tcp._tcp.dns.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 100 53 dns.shop.svc.cluster.local.");
	service("bare", SERVICE_CLUSTER_IP, "10.9.0.2", "");
	expect("bare.shop.svc" ZONE, "SRV", "NODATA");
	service("pending", SERVICE_CLUSTER_IP, "", "80:http:TCP");
	expect("pending.shop.svc" ZONE, "SRV", "NODATA");
}

static void services_of_endpoints(void **state)
{
	(void)state;
	service("db", SERVICE_HEADLESS, "", "5432:pg:TCP");
	slice("db-1", "db", "10.1.0.1=db-0 10.1.0.2 10.1.0.3=db-1", "5432:pg:TCP 9187:metrics:TCP");
	slice("db-2", "db", "fd00::1=db-0 fd00::2", "5432:pg:TCP 9187:metrics:TCP");
	expect("_pg._tcp.db.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 20 5432 10-1-0-2.db.shop.svc.cluster.local. "
		"SRV 0 20 5432 db-0.db.shop.svc.cluster.local. "
		"SRV 0 20 5432 db-1.db.shop.svc.cluster.local. "
		"SRV 0 20 5432 fd00--2.db.shop.svc.cluster.local.");
	assert_string_equal(ask_additional(asker),
		" A 10-1-0-2.db.shop.svc.cluster.local. 10.1.0.2 "
		"A db-0.db.shop.svc.cluster.local. 10.1.0.1 A db-1.db.shop.svc.cluster.local. "
		"10.1.0.3 "
		"AAAA db-0.db.shop.svc.cluster.local. fd00::1 "
		"AAAA fd00--2.db.shop.svc.cluster.local. fd00::2");
	ask(asker, c.cluster, "db.shop.svc" ZONE, "SRV");
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 8);
	assert_int_equal(ldns_pkt_arcount(asker->pkt), 5);
	/* Not shuffled. */
	assert_string_equal(services(0), "10 5432 10-1-0-2.db.shop.svc.cluster.local.");
	assert_string_equal(services(1), "10 9187 10-1-0-2.db.shop.svc.cluster.local.");
	assert_string_equal(services(4), "10 5432 db-0.db.shop.svc.cluster.local.");
	expect("db-0.db.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 25 5432 db-0.db.shop.svc.cluster.local. "
		"SRV 0 25 9187 db-0.db.shop.svc.cluster.local.");
	expect("10-1-0-2.db.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 50 5432 10-1-0-2.db.shop.svc.cluster.local. "
		"SRV 0 50 9187 10-1-0-2.db.shop.svc.cluster.local.");
}

/* Endpoints that differ in their ports, and a port without a number. */
static void ports_by_slice(void **state)
{
	(void)state;
	service("mix", SERVICE_HEADLESS, "", "");
	slice("mix-1", "mix", "10.1.0.1 10.1.0.2=h", "80:http:TCP");
	slice("mix-2", "mix", "10.1.0.3 10.1.0.1", "8080:http:TCP 53:dns:UDP -1:odd:TCP");
	expect("_http._tcp.mix.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 25 80 10-1-0-1.mix.shop.svc.cluster.local. "
		"SRV 0 25 80 h.mix.shop.svc.cluster.local. "
		"SRV 0 25 8080 10-1-0-1.mix.shop.svc.cluster.local. "
		"SRV 0 25 8080 10-1-0-3.mix.shop.svc.cluster.local.");
	expect("_http._tcp.mix.shop.svc" ZONE, "A", "NOERROR A 10.1.0.1 A 10.1.0.2 A 10.1.0.3");
	expect("_dns._udp.mix.shop.svc" ZONE, "A", "NOERROR A 10.1.0.1 A 10.1.0.3");
	expect("_dns._udp.mix.shop.svc" ZONE, "AAAA", "NODATA");
	expect("_odd._tcp.mix.shop.svc" ZONE, "SRV", "NODATA");
	expect("_odd._tcp.mix.shop.svc" ZONE, "A", "NOERROR A 10.1.0.1 A 10.1.0.3");
	expect("h.mix.shop.svc" ZONE, "SRV", "NOERROR SRV 0 100 80 h.mix.shop.svc.cluster.local.");
}

static void hostname_that_spells_an_address(void **state)
{
	(void)state;
	service("twin", SERVICE_HEADLESS, "", "");
	slice("twin-1", "twin", "10.1.0.1=10-1-0-2 10.1.0.2", "80:http:TCP");
	expect("twin.shop.svc" ZONE, "SRV",
		"NOERROR SRV 0 50 80 10-1-0-2.twin.shop.svc.cluster.local.");
	assert_string_equal(ask_additional(asker),
		" A 10-1-0-2.twin.shop.svc.cluster.local. 10.1.0.1 "
		"A 10-1-0-2.twin.shop.svc.cluster.local. 10.1.0.2");
	expect("10-1-0-2.twin.shop.svc" ZONE, "A", "NOERROR A 10.1.0.1 A 10.1.0.2");
}

static void big_service(unsigned endpoints)
{
	char *text = malloc(endpoints * 16u + 1);
	size_t at = 0;

	for (unsigned i = 0; i < endpoints; i++)
		at += (size_t)sprintf(text + at, "10.1.%u.%u ", i / 250, i % 250);
	service("big", SERVICE_HEADLESS, "", "");
	slice("big-1", "big", text, "80:http:TCP");
	free(text);
}

static void truncated_services_are_a_window(void **state)
{
	bool other = false;
	char first[600] = "";

	(void)state;
	big_service(100);
	for (uint32_t random = 0; random < 100; random += 7) {
		ask_limited(asker, c.cluster, "big.shop.svc" ZONE, "SRV", 512, random);
		assert_true(ldns_pkt_tc(asker->pkt));
		assert_in_range(ldns_pkt_ancount(asker->pkt), 5, 9);
		assert_int_equal(ldns_pkt_arcount(asker->pkt), 0);
		other |= *first && strcmp(first, services(0)) != 0;
		strcpy(first, services(0));
	}
	assert_true(other);
	/* Room for all records and some of the glue: TC is not set (RFC 2181 section 9). */
	ask_limited(asker, c.cluster, "big.shop.svc" ZONE, "SRV", 6400, 3);
	assert_false(ldns_pkt_tc(asker->pkt));
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 100);
	assert_in_range(ldns_pkt_arcount(asker->pkt), 1, 99);
	ask_limited(asker, c.cluster, "big.shop.svc" ZONE, "SRV", 65535, 3);
	assert_int_equal(ldns_pkt_arcount(asker->pkt), 100);
}

/* Beyond what a pointer can reach there is no glue, and nothing is wrong. */
static void pointers_reach_16_kilobytes(void **state)
{
	(void)state;
	big_service(1000);
	ask(asker, c.cluster, "big.shop.svc" ZONE, "SRV");
	assert_false(ldns_pkt_tc(asker->pkt));
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 1000);
	assert_in_range(ldns_pkt_arcount(asker->pkt), 200, 400);
	big_service(5000);
	ask(asker, c.cluster, "big.shop.svc" ZONE, "A");
	/* More than a message can hold, whatever the transport. */
	assert_true(ldns_pkt_tc(asker->pkt));
	assert_in_range(ldns_pkt_ancount(asker->pkt), 4080, 4095);
}

static void glue_is_whole_rrsets(void **state)
{
	(void)state;
	service("db", SERVICE_HEADLESS, "", "");
	slice("db-1", "db", "10.1.0.1=h 10.1.0.2=h 10.1.0.3=h fd00::1=h", "80:http:TCP");
	ask(asker, c.cluster, "db.shop.svc" ZONE, "SRV");
	for (size_t cut = 1; cut < asker->len - 92; cut += 5) {
		const uint16_t limit = (uint16_t)(asker->len - cut);

		ask_limited(
			asker, c.cluster, "db.shop.svc" ZONE, "SRV", limit < 512 ? 512 : limit, 0);
		assert_false(ldns_pkt_tc(asker->pkt));
	}
	ask_limited(asker, c.cluster, "db.shop.svc" ZONE, "SRV", 160, 0);
	assert_false(ldns_pkt_tc(asker->pkt));
	assert_string_equal(ask_additional(asker),
		" A h.db.shop.svc.cluster.local. 10.1.0.1 A h.db.shop.svc.cluster.local. 10.1.0.2 "
		"A h.db.shop.svc.cluster.local. 10.1.0.3");
	ask_limited(asker, c.cluster, "db.shop.svc" ZONE, "SRV", 130, 0);
	assert_string_equal(ask_additional(asker), " AAAA h.db.shop.svc.cluster.local. fd00::1");
}

/* The addresses of one hostname begin anywhere. */
static void rotation(void **state)
{
	bool seen[3] = {false};

	(void)state;
	service("db", SERVICE_HEADLESS, "", "");
	slice("db-1", "db", "10.1.0.0=h 10.1.0.1=h 10.1.0.2=h", "");
	for (uint32_t random = 0; random < 3; random++) {
		const ldns_rr *rr;

		ask_limited(asker, c.cluster, "h.db.shop.svc" ZONE, "A", 512, random);
		assert_int_equal(ldns_pkt_ancount(asker->pkt), 3);
		rr = ldns_rr_list_rr(ldns_pkt_answer(asker->pkt), 0);
		seen[ldns_rdf_data(ldns_rr_rdf(rr, 0))[3]] = true;
	}
	assert_true(seen[0] && seen[1] && seen[2]);
}

static void version(void **state)
{
	(void)state;
	expect("dns-version" ZONE, "TXT", "NOERROR TXT \"1.1.0\"");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(asker->pkt), 0)), 28800);
	expect("dns-version" ZONE, "A", "NODATA");
	expect("dns-version" ZONE, "SRV", "NODATA");
	expect("x.dns-version" ZONE, "TXT", "NXDOMAIN");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, expect_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(services_of_a_cluster_ip),
		CASE(services_of_endpoints),
		CASE(ports_by_slice),
		CASE(hostname_that_spells_an_address),
		CASE(truncated_services_are_a_window),
		CASE(pointers_reach_16_kilobytes),
		CASE(glue_is_whole_rrsets),
		CASE(rotation),
		CASE(version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

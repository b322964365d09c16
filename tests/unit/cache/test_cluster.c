/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"

#define ZONE ".cluster.local"

static struct ask *asker;
static struct ask_cluster c;

static int setup(void **state)
{
	(void)state;
	asker = ask_new();
	c = ask_cluster(NULL, NULL, 0, 30);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ask_free(asker);
	cluster_free(c.cluster);
	return 0;
}

static void expect_at(
	const char *file, int line, const char *name, const char *type, const char *wanted)
{
	const char *got = ask(asker, c.cluster, name, type);

	if (strcmp(got, wanted) != 0) {
		print_error("%s:%d: %s %s: %s\n", file, line, name, type, got);
		fail_msg("wanted: %s", wanted);
	}
}
#define expect(name, type, wanted) expect_at(__FILE__, __LINE__, name, type, wanted)

/* Every type gives the same. */
static void expect_all_at(const char *file, int line, const char *name, const char *wanted)
{
	static const char *const types[] = {"A", "AAAA", "CNAME", "TXT", "MX", "SRV", "PTR",
		"HTTPS", "SVCB", "ANY", "NS", "SOA", "DS", "CAA", "TYPE65280"};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		expect_at(file, line, name, types[i], wanted);
}
#define expect_all(name, wanted) expect_all_at(__FILE__, __LINE__, name, wanted)

/* Every type but A and AAAA gives NODATA. */
static void expect_addresses_at(
	const char *file, int line, const char *name, const char *a, const char *aaaa)
{
	static const char *const types[] = {
		"CNAME", "TXT", "MX", "SRV", "PTR", "HTTPS", "ANY", "NS", "SOA", "TYPE65280"};

	expect_at(file, line, name, "A", a);
	expect_at(file, line, name, "AAAA", aaaa);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		expect_at(file, line, name, types[i], "NODATA");
}
#define expect_addresses(name, a, aaaa) expect_addresses_at(__FILE__, __LINE__, name, a, aaaa)

static void populate(void)
{
	put(&c, make_namespace("shop", 1));
	put(&c, make_namespace("empty", 1));
	put(&c, make_service("shop", "web", 2, SERVICE_CLUSTER_IP, "10.9.0.1 fd09::1"));
	put(&c, make_slice("shop", "web-1", "web", 3, "10.1.0.1 10.1.0.2=web-0"));
	put(&c, make_service("shop", "db", 4, SERVICE_HEADLESS, ""));
	put(&c, make_slice("shop", "db-1", "db", 5, "10.2.0.1=db-0 10.2.0.2=db-1 10.2.0.3"));
	put(&c, make_slice("shop", "db-6", "db", 6, "fd02::1=db-0 fd02::"));
	put(&c, make_service("shop", "none", 7, SERVICE_HEADLESS, ""));
	put(&c, make_service("shop", "cdn", 8, SERVICE_EXTERNAL_NAME, "CDN.example.org"));
	put(&c, make_slice("shop", "cdn-1", "cdn", 9, "10.3.0.1 10.3.0.2=cdn-0"));
	put(&c, make_service("shop", "new", 10, SERVICE_CLUSTER_IP, ""));
	put(&c, make_service("lone", "web", 11, SERVICE_CLUSTER_IP, "10.9.0.2"));
	put(&c, make_slice("shop", "orphan-1", "orphan", 12, "10.4.0.1 10.4.0.2=o"));
	settle(&c);
}

static void records(void **state)
{
	(void)state;
	populate();
	complete_all(&c);
	/* The lists that completed were empty: all is gone, and comes back. */
	expect_all("web.shop.svc" ZONE, "NXDOMAIN");
	populate();
	expect_addresses("web.shop.svc" ZONE, "NOERROR A 10.9.0.1", "NOERROR AAAA fd09::1");
	expect_addresses(
		"WEB.Shop.SVC.Cluster.Local", "NOERROR A 10.9.0.1", "NOERROR AAAA fd09::1");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_authority(asker->pkt), 0)), 5);
	expect("web.shop.svc.clusterset.local", "A", "NOERROR A 10.9.0.1");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(asker->pkt), 0)), 30);
	expect_addresses("db.shop.svc" ZONE, "NOERROR A 10.2.0.1 A 10.2.0.2 A 10.2.0.3",
		"NOERROR AAAA fd02:: AAAA fd02::1");
	expect_all("none.shop.svc" ZONE, "NXDOMAIN");
	expect_all("cdn.shop.svc" ZONE, "NOERROR CNAME CDN.example.org.");
	expect_all("new.shop.svc" ZONE, "NODATA");
	expect_all("orphan.shop.svc" ZONE, "NXDOMAIN");
	expect_addresses("web.lone.svc" ZONE, "NOERROR A 10.9.0.2", "NODATA");
}

static void endpoint_names(void **state)
{
	(void)state;
	complete_all(&c);
	populate();
	expect_addresses("db-0.db.shop.svc" ZONE, "NOERROR A 10.2.0.1", "NOERROR AAAA fd02::1");
	expect_addresses("DB-1.db.shop.svc" ZONE, "NOERROR A 10.2.0.2", "NODATA");
	expect_addresses("10-2-0-3.db.shop.svc" ZONE, "NOERROR A 10.2.0.3", "NODATA");
	expect_addresses("fd02--0.db.shop.svc" ZONE, "NODATA", "NOERROR AAAA fd02::");
	expect_addresses("FD02--0.db.shop.svc" ZONE, "NODATA", "NOERROR AAAA fd02::");
	expect_addresses("web-0.web.shop.svc" ZONE, "NOERROR A 10.1.0.2", "NODATA");
	expect_addresses("10-1-0-1.web.shop.svc" ZONE, "NOERROR A 10.1.0.1", "NODATA");
	/* Known by a hostname only, unknown, of another Service, spelled otherwise. */
	expect_all("10-2-0-1.db.shop.svc" ZONE, "NXDOMAIN");
	expect_all("fd02--1.db.shop.svc" ZONE, "NXDOMAIN");
	expect_all("10-2-0-4.db.shop.svc" ZONE, "NXDOMAIN");
	expect_all("10-1-0-1.db.shop.svc" ZONE, "NXDOMAIN");
	expect_all("10-2-0-03.db.shop.svc" ZONE, "NXDOMAIN");
	expect_all("fd02--.db.shop.svc" ZONE, "NXDOMAIN");
	expect_all("fd02-0--0.db.shop.svc" ZONE, "NXDOMAIN");
	expect_all("db-2.db.shop.svc" ZONE, "NXDOMAIN");
	/* An alias hides its slices; a slice without a Service says nothing. */
	expect_all("10-3-0-1.cdn.shop.svc" ZONE, "NXDOMAIN");
	expect_all("cdn-0.cdn.shop.svc" ZONE, "NXDOMAIN");
	expect_all("10-4-0-1.orphan.shop.svc" ZONE, "NXDOMAIN");
	expect_all("o.orphan.shop.svc" ZONE, "NXDOMAIN");
	put(&c, make_service("shop", "orphan", 13, SERVICE_HEADLESS, ""));
	settle(&c);
	expect("10-4-0-1.orphan.shop.svc" ZONE, "A", "NOERROR A 10.4.0.1");
	expect("o.orphan.shop.svc" ZONE, "A", "NOERROR A 10.4.0.2");
}

static void grammar(void **state)
{
	static const char *const absent[] = {"web", "shop.web", "web.shop", "svc.web",
		"web.shop.pod", "shop.pod", "1-2-3-4.shop.pod", "nobody.svc", "web.nobody.svc",
		"x.web.nobody.svc", "_http._tcp.web.shop.svc", "_tcp.web.shop.svc",
		"http.tcp.web.shop.svc", "a.web-0.web.shop.svc", "a.10-1-0-1.web.shop.svc",
		"a.b.c.web.shop.svc", "*.shop.svc", "any.shop.svc", "wen.shop.svc", "we.shop.svc",
		"webb.shop.svc", "svc.svc", "x.ns.dns", "ns", "dnss", "x.dns", "www.example.org"};

	(void)state;
	complete_all(&c);
	populate();
	for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
		char name[200];

		snprintf(name, sizeof name, "%s%s", absent[i], ZONE);
		expect_all(name, "NXDOMAIN");
	}
	expect_all("svc" ZONE, "NODATA");
	expect_all("SVC" ZONE, "NODATA");
	expect_all("pod" ZONE, "NODATA");
	expect_all("dns" ZONE, "NODATA");
	expect_all("ns.dns" ZONE, "NODATA");
	expect_all("shop.svc" ZONE, "NODATA");
	expect_all("empty.svc" ZONE, "NODATA");
	expect_all("lone.svc" ZONE, "NODATA"); /* no Namespace object, but a Service */
	expect("cluster.local", "A", "NODATA");
	expect("cluster.local", "TXT", "NODATA");
	expect("cluster.local", "ANY", "NODATA");
	put(&c, make_service("svc", "pod", 20, SERVICE_CLUSTER_IP, "10.9.0.3"));
	settle(&c);
	expect("pod.svc.svc" ZONE, "A", "NOERROR A 10.9.0.3");
	expect_all("pod" ZONE, "NODATA");
	expect_all("svc.svc" ZONE, "NODATA");
}

static void zones(void **state)
{
	struct query *query = &asker->query;

	(void)state;
	ask_query(asker, "x.cluster.local", TYPE_A);
	assert_int_equal(cluster_zone(c.cluster, query), 0);
	ask_query(asker, "CLUSTER.local", TYPE_A);
	assert_int_equal(cluster_zone(c.cluster, query), 0);
	ask_query(asker, "1.2.3.10.in-addr.arpa", TYPE_PTR);
	assert_int_equal(cluster_zone(c.cluster, query), 1);
	ask_query(asker, "xcluster.local", TYPE_A);
	assert_int_equal(cluster_zone(c.cluster, query), -1);
	ask_query(asker, "local", TYPE_A);
	assert_int_equal(cluster_zone(c.cluster, query), -1);
	ask_query(asker, ".", TYPE_A);
	assert_int_equal(cluster_zone(c.cluster, query), -1);
}

static void longest_zone_wins(void **state)
{
	static const char *const texts[] = {".", "a.local", "local"};
	struct name names[3];
	struct cluster_config config = {
		.zones = names, .zone_count = 3, .ttl_s = 5, .negative_ttl_s = 5};
	struct cluster *cluster;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		name_from_text(texts[i], strlen(texts[i]), &names[i]);
	assert_int_equal(cluster_new(&config, &cluster), 0);
	ask_query(asker, "x.a.local", TYPE_A);
	assert_int_equal(cluster_zone(cluster, &asker->query), 1);
	ask_query(asker, "x.b.local", TYPE_A);
	assert_int_equal(cluster_zone(cluster, &asker->query), 2);
	ask_query(asker, "org", TYPE_A);
	assert_int_equal(cluster_zone(cluster, &asker->query), 0);
	assert_string_equal(ask(asker, cluster, "ns.dns", "A"), "NODATA");
	assert_string_equal(ask(asker, cluster, ".", "A"), "NODATA");
	cluster_free(cluster);
}

static void configuration_is_checked(void **state)
{
	struct name name;
	struct cluster_config config = {.zones = &name, .ttl_s = 5};
	struct cluster *cluster = NULL;
	char text[200];

	(void)state;
	assert_int_equal(cluster_new(&config, &cluster), -EINVAL);
	config.zone_count = 1;
	name_from_text("in-addr.arpa", 12, &name);
	assert_int_equal(cluster_new(&config, &cluster), -EINVAL);
	name_from_text("8.b.d.0.1.0.0.2.ip6.arpa", 24, &name);
	assert_int_equal(cluster_new(&config, &cluster), -EINVAL);
	memset(text, 'a', sizeof text);
	text[60] = '.';
	name_from_text(text, 122, &name);
	assert_int_equal(cluster_new(&config, &cluster), -EINVAL);
	assert_null(cluster);
	name_from_text(text, 121, &name);
	assert_int_equal(cluster_new(&config, &cluster), 0);
	cluster_free(cluster);
	cluster_free(NULL);
}

/* What may be said before which lists are in. */
static void gates(void **state)
{
	(void)state;
	put(&c, make_namespace("shop", 1));
	put(&c, make_service("shop", "web", 2, SERVICE_CLUSTER_IP, "10.9.0.1"));
	put(&c, make_service("shop", "db", 2, SERVICE_HEADLESS, ""));
	put(&c, make_service("shop", "cdn", 2, SERVICE_EXTERNAL_NAME, "example.org"));
	put(&c, make_slice("shop", "db-1", "db", 3, "10.2.0.1=db-0 10.2.0.2"));
	settle(&c);
	for (int step = 0; step < 3; step++) {
		static const char *const below[] = {"shop.svc", "web.shop.svc", "db.shop.svc",
			"cdn.shop.svc", "nobody.svc", "x.shop.svc", "10-2-0-2.db.shop.svc",
			"db-0.db.shop.svc", "_a._b.web.shop.svc"};

		for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
			char name[200];

			snprintf(name, sizeof name, "%s%s", below[i], ZONE);
			expect_all(name, "SERVFAIL");
		}
		expect("cluster.local", "A", "NODATA");
		expect("cluster.local", "NS", "NOERROR NS ns.dns.cluster.local.");
		expect("svc" ZONE, "A", "NODATA");
		expect("ns.dns" ZONE, "A", "NODATA");
		expect("1.0.9.10.in-addr.arpa", "PTR", "SERVFAIL");
		expect("10.in-addr.arpa", "A", "NODATA");
		expect("x" ZONE, "A", "NXDOMAIN");
		if (step == 0) {
			c.sink.end_replace(c.sink.ctx, KIND_SLICE, 5);
			settle(&c);
			assert_true(cluster_synced(c.cluster, KIND_SLICE));
			/* once more without slices */
			cluster_free(c.cluster);
			c = ask_cluster(NULL, NULL, 0, 30);
			put(&c, make_namespace("shop", 1));
			put(&c, make_service("shop", "web", 2, SERVICE_CLUSTER_IP, "10.9.0.1"));
			put(&c, make_service("shop", "db", 2, SERVICE_HEADLESS, ""));
			put(&c, make_service("shop", "none", 2, SERVICE_HEADLESS, ""));
			put(&c, make_service("shop", "cdn", 2, SERVICE_EXTERNAL_NAME, "a.org"));
			put(&c, make_slice("shop", "db-1", "db", 3, "10.2.0.1=db-0 10.2.0.2"));
			settle(&c);
		} else if (step == 1) {
			c.sink.end_replace(c.sink.ctx, KIND_SERVICE, 5);
			settle(&c);
			assert_true(cluster_synced(c.cluster, KIND_SERVICE));
			assert_false(cluster_synced(c.cluster, KIND_NAMESPACE));
		}
	}
	c.sink.end_replace(c.sink.ctx, KIND_NAMESPACE, 5);
	settle(&c);
	/* Namespaces and Services are there, slices are not. */
	expect_addresses("web.shop.svc" ZONE, "NOERROR A 10.9.0.1", "NODATA");
	expect_all("cdn.shop.svc" ZONE, "NOERROR CNAME a.org.");
	expect_all("db.shop.svc" ZONE, "SERVFAIL");
	expect_all("none.shop.svc" ZONE, "SERVFAIL");
	expect_all("db-0.db.shop.svc" ZONE, "SERVFAIL");
	expect_all("10-2-0-2.db.shop.svc" ZONE, "SERVFAIL");
	expect_all("10-2-0-2.web.shop.svc" ZONE, "SERVFAIL");
	expect_all("nothing.web.shop.svc" ZONE, "SERVFAIL");
	expect_all("nothing.cdn.shop.svc" ZONE, "NXDOMAIN");
	expect_all("nothing.x.shop.svc" ZONE, "NXDOMAIN");
	expect_all("x.shop.svc" ZONE, "NXDOMAIN");
	expect_all("shop.svc" ZONE, "NODATA");
	expect_all("nobody.svc" ZONE, "NXDOMAIN");
	expect("1.0.9.10.in-addr.arpa", "PTR", "SERVFAIL");
	c.sink.end_replace(c.sink.ctx, KIND_SLICE, 5);
	settle(&c);
	expect("db.shop.svc" ZONE, "A", "NOERROR A 10.2.0.1 A 10.2.0.2");
	expect("db-0.db.shop.svc" ZONE, "A", "NOERROR A 10.2.0.1");
	expect_all("none.shop.svc" ZONE, "NXDOMAIN");
	expect_all("10-2-0-2.web.shop.svc" ZONE, "NXDOMAIN");
	expect("1.0.9.10.in-addr.arpa", "PTR", "NOERROR PTR web.shop.svc.cluster.local.");
	expect("2.0.9.10.in-addr.arpa", "PTR", "NXDOMAIN");
}

static void type_changes(void **state)
{
	static const struct {
		enum service_type type;
		const char *what, *service, *host, *dashed;
	} steps[] = {
		{SERVICE_CLUSTER_IP, "10.9.0.1", "NOERROR A 10.9.0.1", "NOERROR A 10.1.0.1",
			"NOERROR A 10.1.0.2"},
		{SERVICE_HEADLESS, "", "NOERROR A 10.1.0.1 A 10.1.0.2", "NOERROR A 10.1.0.1",
			"NOERROR A 10.1.0.2"},
		{SERVICE_EXTERNAL_NAME, "a.org", "NOERROR CNAME a.org.", "NXDOMAIN", "NXDOMAIN"},
		{SERVICE_EXTERNAL_NAME, "10.0.0.1", "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"},
		{SERVICE_EXTERNAL_NAME, "b.org.", "NOERROR CNAME b.org.", "NXDOMAIN", "NXDOMAIN"},
		{SERVICE_HEADLESS, "", "NOERROR A 10.1.0.1 A 10.1.0.2", "NOERROR A 10.1.0.1",
			"NOERROR A 10.1.0.2"},
		{SERVICE_CLUSTER_IP, "", "NODATA", "NOERROR A 10.1.0.1", "NOERROR A 10.1.0.2"},
	};

	(void)state;
	complete_all(&c);
	put(&c, make_slice("shop", "web-1", "web", 1, "10.1.0.1=h 10.1.0.2"));
	assert_int_equal(cluster_service_type(c.cluster, "shop", "web"), -1);
	for (size_t i = 0; i < 3 * sizeof steps / sizeof steps[0]; i++) {
		const size_t at = i * 5 % (sizeof steps / sizeof steps[0]);

		put(&c, make_service("shop", "web", i + 2, steps[at].type, steps[at].what));
		settle(&c);
		assert_int_equal(cluster_service_type(c.cluster, "shop", "web"), steps[at].type);
		expect("web.shop.svc" ZONE, "A", steps[at].service);
		expect("h.web.shop.svc" ZONE, "A", steps[at].host);
		expect("10-1-0-2.web.shop.svc" ZONE, "A", steps[at].dashed);
		expect_all("shop.svc" ZONE, "NODATA");
	}
	take(&c, KIND_SERVICE, "shop", "web", 90);
	settle(&c);
	expect_all("web.shop.svc" ZONE, "NXDOMAIN");
	expect_all("h.web.shop.svc" ZONE, "NXDOMAIN");
	expect_all("10-1-0-2.web.shop.svc" ZONE, "NXDOMAIN");
	expect_all("shop.svc" ZONE, "NXDOMAIN");
}

static void namespaces_live_as_long_as_anything_needs_them(void **state)
{
	(void)state;
	complete_all(&c);
	put(&c, make_namespace("shop", 1));
	put(&c, make_service("shop", "web", 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
	settle(&c);
	take(&c, KIND_NAMESPACE, "", "shop", 2);
	settle(&c);
	expect("web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect_all("shop.svc" ZONE, "NODATA");
	put(&c, make_service("shop", "web", 1, SERVICE_EXTERNAL_NAME, "1.2.3.4"));
	settle(&c);
	expect_all("shop.svc" ZONE, "NODATA");
	take(&c, KIND_SERVICE, "shop", "web", 2);
	settle(&c);
	expect_all("shop.svc" ZONE, "NXDOMAIN");
	put(&c, make_namespace("shop", 3));
	settle(&c);
	expect_all("shop.svc" ZONE, "NODATA");
}

static void only_admitted_namespaces(void **state)
{
	static const char *const only[] = {"shop", "bank", NULL};

	(void)state;
	cluster_free(c.cluster);
	c = ask_cluster(only, NULL, 0, 30);
	complete_all(&c);
	populate();
	expect("web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect_all("web.lone.svc" ZONE, "NXDOMAIN");
	expect_all("lone.svc" ZONE, "NXDOMAIN");
	expect_all("empty.svc" ZONE, "NXDOMAIN");
	expect_all("bank.svc" ZONE, "NXDOMAIN");
}

static void relists_sweep(void **state)
{
	struct cluster_stats before, after;

	(void)state;
	complete_all(&c);
	populate();
	cluster_stats(c.cluster, &before);
	c.sink.begin_replace(c.sink.ctx, KIND_SERVICE);
	put(&c, make_service("shop", "web", 2, SERVICE_CLUSTER_IP, "10.9.0.1 fd09::1"));
	settle(&c);
	expect("db.shop.svc" ZONE, "AAAA", "NOERROR AAAA fd02:: AAAA fd02::1"); /* not yet told */
	put(&c, make_service("shop", "db", 4, SERVICE_HEADLESS, ""));
	put(&c, make_service("shop", "cdn", 20, SERVICE_EXTERNAL_NAME, "new.example.org"));
	c.sink.end_replace(c.sink.ctx, KIND_SERVICE, 30);
	settle(&c);
	expect("web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
	expect("cdn.shop.svc" ZONE, "A", "NOERROR CNAME new.example.org.");
	expect_all("new.shop.svc" ZONE, "NXDOMAIN");
	expect_all("web.lone.svc" ZONE, "NXDOMAIN");
	expect_all("lone.svc" ZONE, "NXDOMAIN");
	cluster_stats(c.cluster, &after);
	assert_int_equal(after.published, before.published + 1);
	assert_int_equal(after.services, 3);
	/* A list that breaks off sweeps nothing. */
	c.sink.begin_replace(c.sink.ctx, KIND_SERVICE);
	c.sink.abort_replace(c.sink.ctx, KIND_SERVICE);
	settle(&c);
	expect("web.shop.svc" ZONE, "A", "NOERROR A 10.9.0.1");
}

static uint32_t soa(const char *zone, uint32_t *ttl, uint32_t *minimum)
{
	const ldns_rr *rr;
	char wanted[300], *text;

	ask(asker, c.cluster, zone, "SOA");
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 1);
	rr = ldns_rr_list_rr(ldns_pkt_answer(asker->pkt), 0);
	snprintf(wanted, sizeof wanted, "ns.dns.%s.", zone);
	text = ldns_rdf2str(ldns_rr_rdf(rr, 0));
	assert_string_equal(text, wanted);
	free(text);
	snprintf(wanted, sizeof wanted, "hostmaster.%s.", zone);
	text = ldns_rdf2str(ldns_rr_rdf(rr, 1));
	assert_string_equal(text, wanted);
	free(text);
	assert_int_equal(ldns_rdf2native_int32(ldns_rr_rdf(rr, 3)), 7200);
	assert_int_equal(ldns_rdf2native_int32(ldns_rr_rdf(rr, 4)), 1800);
	assert_int_equal(ldns_rdf2native_int32(ldns_rr_rdf(rr, 5)), 86400);
	*ttl = ldns_rr_ttl(rr);
	*minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));
	return ldns_rdf2native_int32(ldns_rr_rdf(rr, 2));
}

static uint32_t serial(void)
{
	uint32_t ttl, minimum;

	return soa("cluster.local", &ttl, &minimum);
}

static void soa_of_each_zone(void **state)
{
	uint32_t ttl, minimum;

	(void)state;
	cluster_free(c.cluster);
	c = ask_cluster(NULL, NULL, 0, 3600);
	assert_int_equal(soa("Cluster.LOCAL", &ttl, &minimum), 0x80000000u);
	assert_int_equal(ttl, 300);
	assert_int_equal(minimum, 3600);
	soa("10.in-addr.arpa", &ttl, &minimum);
	expect("a.Cluster.LOCAL", "A", "NXDOMAIN"); /* checks TTL and minimum <= 5 */
	cluster_free(c.cluster);
	c = ask_cluster(NULL, NULL, 0, 2);
	soa("ip6.arpa", &ttl, &minimum);
	assert_int_equal(ttl, 2);
	assert_int_equal(minimum, 2);
	expect("a.cluster.local", "A", "NXDOMAIN");
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_authority(asker->pkt), 0)), 2);
}

static void serial_follows_versions(void **state)
{
	const uint32_t base = 0x80000000u;

	(void)state;
	complete(&c, KIND_NAMESPACE, 100);
	complete(&c, KIND_SERVICE, 100);
	complete(&c, KIND_SLICE, 100);
	assert_int_equal(serial(), base + 300);
	put(&c, make_service("shop", "web", 110, SERVICE_CLUSTER_IP, "10.9.0.1"));
	settle(&c);
	assert_int_equal(serial(), base + 310);
	/* Nothing that DNS sees has changed. */
	put(&c, make_service("shop", "web", 120, SERVICE_CLUSTER_IP, "10.9.0.1"));
	settle(&c);
	settle(&c);
	assert_int_equal(serial(), base + 310);
	take(&c, KIND_SERVICE, "shop", "web", 130);
	settle(&c);
	assert_int_equal(serial(), base + 330);
	/* A relist without news, one with news. */
	complete(&c, KIND_SLICE, 140);
	assert_int_equal(serial(), base + 330);
	c.sink.begin_replace(c.sink.ctx, KIND_SLICE);
	put(&c, make_slice("shop", "x", "web", 120, "10.0.0.1"));
	c.sink.end_replace(c.sink.ctx, KIND_SLICE, 150);
	settle(&c);
	assert_int_equal(serial(), base + 380);
	/* Versions that went back (a restored etcd), and objects without any. */
	put(&c, make_service("shop", "web", 7, SERVICE_CLUSTER_IP, "10.9.0.1"));
	settle(&c);
	assert_int_equal(serial(), base + 381);
	put(&c, make_service("shop", "web", 0, SERVICE_CLUSTER_IP, "10.9.0.2"));
	settle(&c);
	assert_int_equal(serial(), base + 382);
	put(&c, make_service("shop", "web", 200, SERVICE_CLUSTER_IP, "10.9.0.3"));
	settle(&c);
	assert_int_equal(serial(), base + 100 + 200 + 150);
	/* Past 2^32 it goes on rising (RFC 1982). */
	put(&c, make_service("shop", "web", 0x7FFFFFF0u, SERVICE_CLUSTER_IP, "10.9.0.4"));
	settle(&c);
	assert_int_equal(serial(), (uint32_t)(base + 250 + 0x7FFFFFF0u));
}

static void on_change(void *user)
{
	++*(unsigned *)user;
}

/* Told after every settle that has changed the serial or completed something. */
static void watched(void **state)
{
	unsigned changes = 0;

	(void)state;
	cluster_watch(c.cluster, on_change, &changes);
	complete(&c, KIND_NAMESPACE, 100);
	complete(&c, KIND_SERVICE, 100);
	assert_false(cluster_complete(c.cluster));
	complete(&c, KIND_SLICE, 100);
	assert_true(cluster_complete(c.cluster));
	assert_int_equal(changes, 3);
	settle(&c);
	assert_int_equal(changes, 3);
	put(&c, make_service("shop", "web", 110, SERVICE_CLUSTER_IP, "10.9.0.1"));
	assert_int_equal(changes, 3);
	settle(&c);
	assert_int_equal(changes, 4);
	assert_int_equal(cluster_serial(c.cluster), serial());
	put(&c, make_service("shop", "web", 120, SERVICE_CLUSTER_IP, "10.9.0.1"));
	settle(&c);
	assert_int_equal(changes, 4);
	cluster_watch(c.cluster, NULL, &changes);
	take(&c, KIND_SERVICE, "shop", "web", 130);
	settle(&c);
	assert_int_equal(changes, 4);
}

static void watched_by_two(void **state)
{
	unsigned old = 0, new = 0;

	(void)state;
	cluster_watch(c.cluster, on_change, &old);
	cluster_watch(c.cluster, on_change, &new);
	complete(&c, KIND_NAMESPACE, 100);
	assert_int_equal(old, 1);
	assert_int_equal(new, 1);
	cluster_watch(c.cluster, NULL, &old);
	complete(&c, KIND_SERVICE, 100);
	assert_int_equal(old, 1);
	assert_int_equal(new, 2);
}

static void soa_alone(void **state)
{
	uint8_t buf[512];
	struct reply reply;

	(void)state;
	complete(&c, KIND_NAMESPACE, 100);
	ask(asker, c.cluster, "cluster.LOCAL", "SOA");
	reply_begin(&reply, &asker->query, buf, sizeof buf);
	assert_int_equal(cluster_put_soa(c.cluster, &asker->query, &reply), serial());
	assert_int_equal(reply.count[REPLY_ANSWER], 1);
	ask(asker, c.cluster, "cluster.LOCAL", "SOA");
	assert_int_equal(reply_end(&reply), asker->len);
	assert_memory_equal(buf, asker->reply, asker->len);
	assert_true(cluster_zone_is_reverse(c.cluster, 1));
	assert_false(cluster_zone_is_reverse(c.cluster, 3));
}

static void name_servers(void **state)
{
	const struct ip own[] = {make_ip("10.1.0.5"), make_ip("fd01::5")};

	(void)state;
	cluster_free(c.cluster);
	c = ask_cluster(NULL, own, 2, 30);
	expect("cluster.local", "NS", "NOERROR NS ns.dns.cluster.local.");
	assert_string_equal(ask_additional(asker),
		" A ns.dns.cluster.local. 10.1.0.5 AAAA ns.dns.cluster.local. fd01::5");
	expect_addresses("ns.dns" ZONE, "NOERROR A 10.1.0.5", "NOERROR AAAA fd01::5");
	expect("NS.dns.CLUSTER.local", "A", "NOERROR A 10.1.0.5");
	complete_all(&c);
	put(&c, make_service(
			"kube-system", "kube-dns", 2, SERVICE_CLUSTER_IP, "10.9.0.10 fd09::a"));
	settle(&c);
	expect("cluster.local", "NS", "NOERROR NS ns.dns.cluster.local.");
	put(&c, make_slice("kube-system", "kd", "kube-dns", 3, "10.1.0.4 10.1.0.5 10.1.0.6"));
	settle(&c);
	expect("Cluster.Local", "NS", "NOERROR NS kube-dns.kube-system.svc.Cluster.Local.");
	assert_string_equal(ask_additional(asker),
		" A kube-dns.kube-system.svc.Cluster.Local. 10.9.0.10"
		" AAAA kube-dns.kube-system.svc.Cluster.Local. fd09::a");
	expect("clusterset.local", "NS", "NOERROR NS kube-dns.kube-system.svc.clusterset.local.");
	expect("10.in-addr.arpa", "NS", "NOERROR NS kube-dns.kube-system.svc.cluster.local.");
	assert_string_equal(ask_additional(asker),
		" A kube-dns.kube-system.svc.cluster.local. 10.9.0.10"
		" AAAA kube-dns.kube-system.svc.cluster.local. fd09::a");
	/* New addresses of the Service. */
	put(&c, make_service("kube-system", "kube-dns", 4, SERVICE_CLUSTER_IP, "10.9.0.11"));
	settle(&c);
	ask(asker, c.cluster, "cluster.local", "NS");
	assert_string_equal(
		ask_additional(asker), " A kube-dns.kube-system.svc.cluster.local. 10.9.0.11");
	/* A headless one beside it. */
	put(&c, make_service("kube-system", "peers", 5, SERVICE_HEADLESS, ""));
	put(&c, make_slice("kube-system", "p4", "peers", 6, "10.1.0.4=p0 10.1.0.5=P1 10.1.0.6"));
	put(&c, make_slice("kube-system", "p6", "peers", 6, "fd01::5 fd01::6"));
	settle(&c);
	expect("cluster.local", "NS",
		"NOERROR NS 10-1-0-6.peers.kube-system.svc.cluster.local."
		" NS fd01--5.peers.kube-system.svc.cluster.local."
		" NS fd01--6.peers.kube-system.svc.cluster.local."
		" NS kube-dns.kube-system.svc.cluster.local."
		" NS p0.peers.kube-system.svc.cluster.local."
		" NS p1.peers.kube-system.svc.cluster.local.");
	assert_string_equal(ask_additional(asker),
		" A 10-1-0-6.peers.kube-system.svc.cluster.local. 10.1.0.6"
		" A kube-dns.kube-system.svc.cluster.local. 10.9.0.11"
		" A p0.peers.kube-system.svc.cluster.local. 10.1.0.4"
		" A p1.peers.kube-system.svc.cluster.local. 10.1.0.5"
		" AAAA fd01--5.peers.kube-system.svc.cluster.local. fd01::5"
		" AAAA fd01--6.peers.kube-system.svc.cluster.local. fd01::6");
	expect("ns.dns" ZONE, "A", "NOERROR A 10.1.0.4 A 10.1.0.5 A 10.1.0.6 A 10.9.0.11");
	expect("ns.dns.10.in-addr.arpa", "AAAA", "NOERROR AAAA fd01::5 AAAA fd01::6");
	expect("dns.10.in-addr.arpa", "A", "NODATA");
	expect("p1.peers.kube-system.svc" ZONE, "A", "NOERROR A 10.1.0.5");
	/* And back. */
	take(&c, KIND_SLICE, "kube-system", "p4", 7);
	take(&c, KIND_SLICE, "kube-system", "p6", 7);
	take(&c, KIND_SERVICE, "kube-system", "kube-dns", 7);
	settle(&c);
	expect("cluster.local", "NS", "NOERROR NS ns.dns.cluster.local.");
}

static void large_sets(void **state)
{
	static char endpoints[5000 * 16];
	bool first_seen[5000] = {false};
	size_t at = 0;

	(void)state;
	complete_all(&c);
	for (unsigned i = 0; i < 3000; i++)
		at += (size_t)sprintf(endpoints + at, "10.1.%u.%u ", i / 250, i % 250);
	put(&c, make_service("shop", "big", 2, SERVICE_HEADLESS, ""));
	put(&c, make_slice("shop", "big-1", "big", 3, endpoints));
	settle(&c);
	ask_limited(asker, c.cluster, "big.shop.svc" ZONE, "A", 65535, 77);
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 3000);
	assert_false(ldns_pkt_tc(asker->pkt));
	/* Truncated: another window each time. */
	for (uint32_t random = 0; random < 30000; random += 1000) {
		const ldns_rr *rr;
		const uint8_t *addr;

		ask_limited(asker, c.cluster, "big.shop.svc" ZONE, "A", 512, random);
		assert_true(ldns_pkt_tc(asker->pkt));
		assert_in_range(ldns_pkt_ancount(asker->pkt), 25, 31);
		rr = ldns_rr_list_rr(ldns_pkt_answer(asker->pkt), 0);
		addr = ldns_rdf_data(ldns_rr_rdf(rr, 0));
		assert_int_equal(addr[2] * 250 + addr[3], random % 3000);
		first_seen[random % 3000] = true;
	}
	assert_true(first_seen[0] && first_seen[1000] && first_seen[2000]);
	expect("10-1-11-249.big.shop.svc" ZONE, "A", "NOERROR A 10.1.11.249");
	expect("10-1-0-0.big.shop.svc" ZONE, "A", "NOERROR A 10.1.0.0");
}

/* All that was counted is given back when everything is gone. */
static void bytes_are_exact(void **state)
{
	struct cluster_stats base, now;

	(void)state;
	complete_all(&c);
	cluster_stats(c.cluster, &base);
	for (unsigned i = 0; i < 3000; i++) {
		char name[32];

		sprintf(name, "s%u", i);
		put(&c, make_service(i % 2 ? "a" : "b", name, 1, (enum service_type)(i % 3),
				i % 3 == 2 ? "example.org"
				: i % 3    ? ""
					   : "10.0.0.1"));
		put(&c, make_slice(
				i % 2 ? "a" : "b", name, name, 1, "10.1.0.1=x 10.1.0.2=y fd00::1"));
		put(&c, make_namespace(name, 1));
	}
	settle(&c);
	cluster_stats(c.cluster, &now);
	assert_int_equal(now.services, 3000);
	assert_int_equal(now.slices, 3000);
	assert_int_equal(now.namespaces, 3000);
	assert_int_equal(now.endpoints, 9000);
	assert_int_equal(now.nodes, base.nodes + 2 + 3000 + 3000);
	assert_true(now.bytes > base.bytes + 1000000);
	assert_int_equal(now.compiled, 3000);
	for (unsigned i = 0; i < 3000; i++) {
		char name[32];

		sprintf(name, "s%u", i);
		take(&c, KIND_SLICE, i % 2 ? "a" : "b", name, 2);
		if (i == 1500)
			settle(&c);
	}
	complete_all(&c);
	cluster_stats(c.cluster, &now);
	assert_int_equal(now.nodes, base.nodes);
	assert_int_equal(now.bytes, base.bytes);
}

static unsigned told;

static void count_event(void *user, const struct watch_event *event)
{
	assert_ptr_equal(user, &told);
	told += event->type == WATCH_FORBIDDEN;
}

static void events_are_passed_on(void **state)
{
	const struct watch_event event = {.type = WATCH_FORBIDDEN, .kind = KIND_SLICE};

	(void)state;
	c.sink.event(c.sink.ctx, &event);
	c.sink = cluster_sink(c.cluster, count_event, &told);
	c.sink.event(c.sink.ctx, &event);
	assert_int_equal(told, 1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(records),
		CASE(endpoint_names),
		CASE(grammar),
		CASE(zones),
		CASE(longest_zone_wins),
		CASE(configuration_is_checked),
		CASE(gates),
		CASE(type_changes),
		CASE(namespaces_live_as_long_as_anything_needs_them),
		CASE(only_admitted_namespaces),
		CASE(relists_sweep),
		CASE(soa_of_each_zone),
		CASE(serial_follows_versions),
		CASE(watched),
		CASE(watched_by_two),
		CASE(soa_alone),
		CASE(name_servers),
		CASE(large_sets),
		CASE(bytes_are_exact),
		CASE(events_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

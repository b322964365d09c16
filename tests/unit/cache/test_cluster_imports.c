/* SPDX-License-Identifier: Apache-2.0 */
/* Zones of a set of clusters: what is said about imports, and that the names of
 * the cluster and those of the set never meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"

#define SET ".shop.svc.clusterset.local"

struct fixture {
	struct ask_cluster c;
	struct ask *ask;
};

static const char *const own_text = "10.244.0.53";

static struct ask_cluster cluster_of(struct cluster_config config)
{
	struct name set;

	assert_int_equal(name_from_text("clusterset.local", 16, &set), 0);
	config.ttl_s = 30;
	config.clusterset_zones = &set;
	config.clusterset_count = 1;
	return ask_cluster_of(config);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const struct ip own = make_ip(own_text);

	f->c = cluster_of((struct cluster_config){.own = &own, .own_count = 1});
	f->ask = ask_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cluster_free(f->c.cluster);
	ask_free(f->ask);
	free(f);
	return 0;
}

static void told(const struct fixture *f)
{
	settle(&f->c);
}

static void listed(const struct fixture *f, enum object_kind kind)
{
	complete(&f->c, kind, 1);
}

static void all_listed(const struct fixture *f)
{
	for (int kind = 0; kind < KIND_COUNT; kind++)
		listed(f, (enum object_kind)kind);
	put(&f->c, make_namespace("shop", 2));
}

static const char *q(const struct fixture *f, const char *name, const char *type)
{
	return ask(f->ask, f->c.cluster, name, type);
}

static void test_cluster_set_ip(void **state)
{
	const struct fixture *f = *state;

	all_listed(f);
	put(&f->c, make_import_ports("shop", "web", 2, SERVICE_CLUSTER_IP, "10.42.0.1 fd00:42::1",
			   "80:http:TCP 53:dns:UDP"));
	put(&f->c, make_import_slice_ports(
			   "shop", "w", "web", "west", 3, "10.1.0.1=a", "8080:http:TCP"));
	told(f);
	assert_string_equal(q(f, "web" SET, "A"), "NOERROR A 10.42.0.1");
	assert_string_equal(q(f, "WEB" SET, "AAAA"), "NOERROR AAAA fd00:42::1");
	assert_string_equal(q(f, "web" SET, "TXT"), "NODATA");
	assert_string_equal(q(f, "_http._tcp.web" SET, "SRV"), "NOERROR SRV 0 50 80 web" SET ".");
	assert_string_equal(
		ask_additional(f->ask), " A web" SET ". 10.42.0.1 AAAA web" SET ". fd00:42::1");
	assert_string_equal(
		q(f, "web" SET, "SRV"), "NOERROR SRV 0 25 53 web" SET ". SRV 0 25 80 web" SET ".");
	assert_string_equal(q(f, "_http._tcp.web" SET, "A"), "NOERROR A 10.42.0.1");
	assert_string_equal(q(f, "_tcp.web" SET, "A"), "NODATA");
	assert_string_equal(q(f, "_x._tcp.web" SET, "SRV"), "NXDOMAIN");
	/* no names per cluster */
	assert_string_equal(q(f, "a.west.web" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "west.web" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "10-1-0-1.web" SET, "A"), "NXDOMAIN");
	/* without an underscore it is an endpoint and a cluster */
	assert_string_equal(q(f, "http.tcp.web" SET, "SRV"), "NXDOMAIN");
	assert_string_equal(q(f, "1.0.42.10.in-addr.arpa", "PTR"), "NXDOMAIN");
	assert_string_equal(q(f, "1.0.1.10.in-addr.arpa", "PTR"), "NXDOMAIN");
}

/* Its addresses are not those of a port. */
static void test_no_ports(void **state)
{
	const struct fixture *f = *state;

	all_listed(f);
	put(&f->c, make_import("shop", "web", 2, SERVICE_CLUSTER_IP, "10.42.0.1"));
	told(f);
	assert_string_equal(q(f, "web" SET, "A"), "NOERROR A 10.42.0.1");
	assert_string_equal(q(f, "web" SET, "AAAA"), "NODATA");
	assert_string_equal(q(f, "web" SET, "SRV"), "NODATA");
	assert_string_equal(q(f, "_http._tcp.web" SET, "A"), "NXDOMAIN");
}

static void test_headless(void **state)
{
	const struct fixture *f = *state;

	all_listed(f);
	put(&f->c, make_import_ports("shop", "db", 2, SERVICE_HEADLESS, "", "5432:sql:TCP"));
	told(f);
	assert_string_equal(q(f, "db" SET, "A"), "NXDOMAIN");
	put(&f->c, make_import_slice_ports(
			   "shop", "w", "db", "west", 3, "10.1.0.1=db-0 10.1.0.2", "5432:sql:TCP"));
	put(&f->c, make_import_slice_ports("shop", "e", "db", "East", 4,
			   "10.1.0.1=DB-0 fd00::1=db-0", "5433:sql:TCP"));
	told(f);
	assert_string_equal(q(f, "db" SET, "A"), "NOERROR A 10.1.0.1 A 10.1.0.2");
	assert_string_equal(q(f, "db" SET, "AAAA"), "NOERROR AAAA fd00::1");
	assert_string_equal(q(f, "db-0.west.db" SET, "A"), "NOERROR A 10.1.0.1");
	assert_string_equal(q(f, "db-0.west.db" SET, "AAAA"), "NODATA");
	assert_string_equal(q(f, "DB-0.east.db" SET, "AAAA"), "NOERROR AAAA fd00::1");
	assert_string_equal(q(f, "10-1-0-2.west.db" SET, "A"), "NOERROR A 10.1.0.2");
	assert_string_equal(q(f, "10-1-0-2.east.db" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "db-0.db" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "db-0.north.db" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "east.db" SET, "A"), "NODATA");
	assert_string_equal(q(f, "a.db-0.west.db" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "_sql._tcp.db" SET, "SRV"),
		"NOERROR SRV 0 25 5432 10-1-0-2.west.db" SET ". SRV 0 25 5432 db-0.west.db" SET
		". SRV 0 25 5433 db-0.east.db" SET ".");
	assert_string_equal(ask_additional(f->ask),
		" A 10-1-0-2.west.db" SET ". 10.1.0.2 A db-0.east.db" SET
		". 10.1.0.1 A db-0.west.db" SET ". 10.1.0.1 AAAA db-0.east.db" SET ". fd00::1");
	assert_string_equal(
		q(f, "db-0.west.db" SET, "SRV"), "NOERROR SRV 0 100 5432 db-0.west.db" SET ".");
	assert_string_equal(q(f, "1.0.1.10.in-addr.arpa", "PTR"), "NXDOMAIN");
	take(&f->c, KIND_IMPORT_SLICE, "shop", "w", 9);
	take(&f->c, KIND_IMPORT_SLICE, "shop", "e", 10);
	told(f);
	assert_string_equal(q(f, "db" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "db-0.west.db" SET, "A"), "NXDOMAIN");
}

/* A cluster id that is no label makes no name of its own, but its addresses count. */
static void test_a_cluster_without_a_name(void **state)
{
	const struct fixture *f = *state;

	all_listed(f);
	put(&f->c, make_import_ports("shop", "db", 2, SERVICE_HEADLESS, "", "1:a:TCP"));
	put(&f->c, make_import_slice_ports(
			   "shop", "e", "db", "a.b", 3, "10.1.0.1=db-0 10.1.0.3", "1:a:TCP"));
	told(f);
	assert_string_equal(q(f, "db" SET, "A"), "NOERROR A 10.1.0.1 A 10.1.0.3");
	assert_string_equal(q(f, "db" SET, "SRV"), "NODATA");
	put(&f->c, make_import_slice_ports(
			   "shop", "w", "db", "west", 4, "10.1.0.1=db-0 10.1.0.2", "1:a:TCP"));
	told(f);
	assert_string_equal(q(f, "db" SET, "A"), "NOERROR A 10.1.0.1 A 10.1.0.2 A 10.1.0.3");
	assert_string_equal(
		q(f, "_a._tcp.db" SET, "A"), "NOERROR A 10.1.0.1 A 10.1.0.2 A 10.1.0.3");
	assert_string_equal(q(f, "db" SET, "SRV"),
		"NOERROR SRV 0 25 1 10-1-0-2.west.db" SET ". SRV 0 25 1 db-0.west.db" SET ".");
	assert_string_equal(q(f, "10-1-0-3.db" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "a.b.db" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "db-0.a.b.db" SET, "A"), "NXDOMAIN");
}

static void test_the_two_do_not_meet(void **state)
{
	const struct fixture *f = *state;

	all_listed(f);
	put(&f->c, make_service("shop", "local", 2, SERVICE_CLUSTER_IP, "10.0.0.1"));
	put(&f->c, make_service("shop", "both", 3, SERVICE_CLUSTER_IP, "10.0.0.2"));
	put(&f->c, make_import("shop", "both", 4, SERVICE_CLUSTER_IP, "10.42.0.2"));
	put(&f->c, make_import("shop", "far", 5, SERVICE_CLUSTER_IP, "10.42.0.3"));
	told(f);
	assert_string_equal(q(f, "local.shop.svc.cluster.local", "A"), "NOERROR A 10.0.0.1");
	assert_string_equal(q(f, "local" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "both.shop.svc.cluster.local", "A"), "NOERROR A 10.0.0.2");
	assert_string_equal(q(f, "both" SET, "A"), "NOERROR A 10.42.0.2");
	assert_string_equal(q(f, "far.shop.svc.cluster.local", "A"), "NXDOMAIN");
	assert_string_equal(q(f, "far" SET, "A"), "NOERROR A 10.42.0.3");
	assert_string_equal(q(f, "far.shop.SVC.cluster.local", "A"), "NXDOMAIN");
	assert_string_equal(
		q(f, "1.0.0.10.in-addr.arpa", "PTR"), "NOERROR PTR local.shop.svc.cluster.local.");
	/* what they have in common */
	assert_string_equal(q(f, "shop.svc.clusterset.local", "A"), "NODATA");
	assert_string_equal(q(f, "nope.svc.clusterset.local", "A"), "NXDOMAIN");
	assert_string_equal(q(f, "svc.clusterset.local", "A"), "NODATA");
	assert_string_equal(q(f, "clusterset.local", "A"), "NODATA");
	assert_string_equal(q(f, "dns-version.clusterset.local", "TXT"), "NOERROR TXT \"1.1.0\"");
	assert_string_equal(q(f, "ns.dns.clusterset.local", "A"), "NOERROR A 10.244.0.53");
	take(&f->c, KIND_SERVICE, "shop", "both", 9);
	told(f);
	assert_string_equal(q(f, "both.shop.svc.cluster.local", "A"), "NXDOMAIN");
	assert_string_equal(q(f, "both" SET, "A"), "NOERROR A 10.42.0.2");
	listed(f, KIND_IMPORT);
	assert_string_equal(q(f, "both" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "local.shop.svc.cluster.local", "A"), "NOERROR A 10.0.0.1");
}

/* An EndpointSlice may be one of a Service and of an import. */
static void test_a_slice_of_both(void **state)
{
	const struct fixture *f = *state;

	all_listed(f);
	put(&f->c, make_service("shop", "db", 2, SERVICE_HEADLESS, ""));
	put(&f->c, make_import("shop", "db", 3, SERVICE_HEADLESS, ""));
	put(&f->c, make_slice("shop", "s", "db", 4, "10.1.0.1=a"));
	put(&f->c, make_import_slice("shop", "s", "db", "east", 4, "10.1.0.1=a"));
	told(f);
	assert_string_equal(q(f, "a.db.shop.svc.cluster.local", "A"), "NOERROR A 10.1.0.1");
	assert_string_equal(q(f, "a.east.db" SET, "A"), "NOERROR A 10.1.0.1");
	assert_string_equal(
		q(f, "1.0.1.10.in-addr.arpa", "PTR"), "NOERROR PTR a.db.shop.svc.cluster.local.");
	take(&f->c, KIND_SLICE, "shop", "s", 5);
	told(f);
	assert_string_equal(q(f, "a.db.shop.svc.cluster.local", "A"), "NXDOMAIN");
	assert_string_equal(q(f, "a.east.db" SET, "A"), "NOERROR A 10.1.0.1");
	listed(f, KIND_SLICE);
	assert_string_equal(q(f, "a.east.db" SET, "A"), "NOERROR A 10.1.0.1");
	listed(f, KIND_IMPORT_SLICE);
	assert_string_equal(q(f, "a.east.db" SET, "A"), "NXDOMAIN");
}

/* The name server of the set's zone is the Service of this cluster. */
static void test_name_servers(void **state)
{
	const struct fixture *f = *state;

	all_listed(f);
	put(&f->c, make_service("kube-system", "kube-dns", 2, SERVICE_CLUSTER_IP, "10.96.0.10"));
	put(&f->c, make_slice("kube-system", "d", "kube-dns", 3, own_text));
	put(&f->c, make_import("shop", "db", 3, SERVICE_HEADLESS, ""));
	put(&f->c, make_import_slice("shop", "s", "db", "east", 4, own_text));
	told(f);
	assert_string_equal(q(f, "clusterset.local", "NS"),
		"NOERROR NS kube-dns.kube-system.svc.cluster.local.");
	assert_string_equal(
		ask_additional(f->ask), " A kube-dns.kube-system.svc.cluster.local. 10.96.0.10");
	assert_string_equal(
		q(f, "cluster.local", "NS"), "NOERROR NS kube-dns.kube-system.svc.cluster.local.");
}

static void test_gates(void **state)
{
	const struct fixture *f = *state;

	put(&f->c, make_import("shop", "web", 2, SERVICE_CLUSTER_IP, "10.42.0.1"));
	put(&f->c, make_import_ports("shop", "db", 3, SERVICE_HEADLESS, "", "1:a:TCP"));
	put(&f->c, make_import_slice_ports("shop", "s", "db", "east", 4, "10.1.0.1=a", "1:a:TCP"));
	told(f);
	listed(f, KIND_NAMESPACE);
	listed(f, KIND_SERVICE);
	listed(f, KIND_SLICE);
	assert_string_equal(q(f, "web" SET, "A"), "SERVFAIL");
	assert_string_equal(q(f, "shop.svc.clusterset.local", "A"), "SERVFAIL");
	assert_string_equal(q(f, "web.shop.svc.cluster.local", "A"), "NXDOMAIN");
	f->c.sink.begin_replace(f->c.sink.ctx, KIND_IMPORT);
	put(&f->c, make_import("shop", "web", 2, SERVICE_CLUSTER_IP, "10.42.0.1"));
	put(&f->c, make_import_ports("shop", "db", 3, SERVICE_HEADLESS, "", "1:a:TCP"));
	f->c.sink.end_replace(f->c.sink.ctx, KIND_IMPORT, 9);
	told(f);
	assert_string_equal(q(f, "web" SET, "A"), "NOERROR A 10.42.0.1");
	assert_string_equal(q(f, "db" SET, "A"), "SERVFAIL");
	assert_string_equal(q(f, "a.east.db" SET, "A"), "SERVFAIL");
	assert_string_equal(q(f, "east.db" SET, "A"), "SERVFAIL");
	assert_string_equal(q(f, "_a._tcp.db" SET, "SRV"), "SERVFAIL");
	f->c.sink.begin_replace(f->c.sink.ctx, KIND_IMPORT_SLICE);
	put(&f->c, make_import_slice_ports("shop", "s", "db", "east", 4, "10.1.0.1=a", "1:a:TCP"));
	f->c.sink.end_replace(f->c.sink.ctx, KIND_IMPORT_SLICE, 9);
	told(f);
	assert_string_equal(q(f, "a.east.db" SET, "A"), "NOERROR A 10.1.0.1");
	assert_string_equal(q(f, "_a._tcp.db" SET, "SRV"), "NOERROR SRV 0 100 1 a.east.db" SET ".");
}

/* Imports need no list of Services. */
static void test_services_never_come(void **state)
{
	const struct fixture *f = *state;

	put(&f->c, make_import("shop", "web", 2, SERVICE_CLUSTER_IP, "10.42.0.1"));
	told(f);
	listed(f, KIND_NAMESPACE);
	f->c.sink.begin_replace(f->c.sink.ctx, KIND_IMPORT);
	put(&f->c, make_import("shop", "web", 2, SERVICE_CLUSTER_IP, "10.42.0.1"));
	f->c.sink.end_replace(f->c.sink.ctx, KIND_IMPORT, 9);
	told(f);
	assert_string_equal(q(f, "web" SET, "A"), "NOERROR A 10.42.0.1");
	assert_string_equal(q(f, "web.shop.svc.cluster.local", "A"), "SERVFAIL");
}

static void test_stats(void **state)
{
	const struct fixture *f = *state;
	struct cluster_stats stats;

	all_listed(f);
	put(&f->c, make_import("shop", "db", 3, SERVICE_HEADLESS, ""));
	put(&f->c, make_import_slice("shop", "s", "db", "east", 4, "10.1.0.1=a"));
	told(f);
	cluster_stats(f->c.cluster, &stats);
	assert_int_equal(stats.imports, 1);
	assert_int_equal(stats.import_slices, 1);
	assert_int_equal(stats.services, 0);
	assert_int_equal(stats.slices, 0);
	assert_int_equal(stats.endpoints, 1);
	assert_true(stats.synced[KIND_IMPORT]);
}

/* Where all zones are the set's there is no name a PTR or an NS could lead to. */
static void test_only_zones_of_the_set(void **state)
{
	static const char *const texts[] = {"clusterset.local", "10.in-addr.arpa"};
	const struct ip own = make_ip(own_text);
	struct name zones[2];
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(name_from_text(texts[i], strlen(texts[i]), &zones[i]), 0);
	assert_int_equal(cluster_new(&(struct cluster_config){.zones = zones,
					     .zone_count = 2,
					     .clusterset_zones = zones,
					     .clusterset_count = 1,
					     .ttl_s = 5,
					     .negative_ttl_s = 5,
					     .own = &own,
					     .own_count = 1},
				 &f.c.cluster),
		0);
	f.c.sink = cluster_sink(f.c.cluster, NULL, NULL);
	f.ask = ask_new();
	all_listed(&f);
	put(&f.c, make_service("kube-system", "kube-dns", 2, SERVICE_CLUSTER_IP, "10.96.0.10"));
	put(&f.c, make_slice("kube-system", "d", "kube-dns", 3, own_text));
	told(&f);
	assert_string_equal(q(&f, "clusterset.local", "NS"), "NOERROR NS ns.dns.clusterset.local.");
	assert_string_equal(q(&f, "10.0.96.10.in-addr.arpa", "PTR"), "NXDOMAIN");
	cluster_free(f.c.cluster);
	ask_free(f.ask);
}

/* A zone is of the set only if it is named. */
static void test_a_zone_below_one_of_the_set(void **state)
{
	static const char *const texts[] = {"clusterset.local", "b.clusterset.local"};
	struct name zones[2];
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(name_from_text(texts[i], strlen(texts[i]), &zones[i]), 0);
	assert_int_equal(cluster_new(&(struct cluster_config){.zones = zones,
					     .zone_count = 2,
					     .clusterset_zones = zones,
					     .clusterset_count = 1,
					     .ttl_s = 5,
					     .negative_ttl_s = 5},
				 &f.c.cluster),
		0);
	f.c.sink = cluster_sink(f.c.cluster, NULL, NULL);
	f.ask = ask_new();
	all_listed(&f);
	put(&f.c, make_service("shop", "web", 2, SERVICE_CLUSTER_IP, "10.96.0.10"));
	told(&f);
	assert_string_equal(q(&f, "web.shop.svc.b.clusterset.local", "A"), "NOERROR A 10.96.0.10");
	assert_string_equal(q(&f, "web.shop.svc.clusterset.local", "A"), "NXDOMAIN");
	cluster_free(f.c.cluster);
	ask_free(f.ask);
}

/* ---- random events against a naive recomputation ---- */

#define SLICES    4
#define ADDRESSES 3
#define HOSTS     3 /* the last: none */

static const char *const clusters[] = {"east", "West", "a.b", ""};
static const char *const addresses[ADDRESSES] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
static const char *const labels[HOSTS] = {"h0", "10-0-0-2", NULL};

struct model {
	bool import, in[SLICES];
	unsigned cluster[SLICES];
	bool has[SLICES][ADDRESSES][HOSTS];
};

static unsigned draw(unsigned *state, unsigned below)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % below;
}

static void model_change(struct model *m, const struct fixture *f, unsigned *random)
{
	const unsigned slice = draw(random, SLICES + 1);
	char name[16], endpoints[400] = "";

	if (slice == SLICES) {
		m->import = !m->import;
		if (m->import)
			put(&f->c, make_import("shop", "db", 2, SERVICE_HEADLESS, ""));
		else
			take(&f->c, KIND_IMPORT, "shop", "db", 3);
		return;
	}
	snprintf(name, sizeof name, "s%u", slice);
	m->in[slice] = draw(random, 4) > 0;
	m->cluster[slice] = draw(random, 4);
	memset(m->has[slice], 0, sizeof m->has[slice]);
	if (!m->in[slice]) {
		take(&f->c, KIND_IMPORT_SLICE, "shop", name, 4);
		return;
	}
	for (unsigned i = draw(random, 4); i > 0; i--) {
		const unsigned a = draw(random, ADDRESSES), h = draw(random, HOSTS);

		m->has[slice][a][h] = true;
		sprintf(endpoints + strlen(endpoints), " %s%s%s", addresses[a],
			labels[h] ? "=" : "", labels[h] ? labels[h] : "");
	}
	put(&f->c,
		make_import_slice("shop", name, "db", clusters[m->cluster[slice]], 5, endpoints));
}

/* What the addresses of a set make of an answer. */
static const char *model_answer(unsigned set, const char *none)
{
	static char text[200];

	strcpy(text, "NOERROR");
	for (unsigned a = 0; a < ADDRESSES; a++) {
		if (set & 1u << a)
			strcat(strcat(text, " A "), addresses[a]);
	}
	return set ? text : none;
}

/* host, cluster NULL: any. */
static unsigned model_set(const struct model *m, const char *host, const char *cluster)
{
	unsigned set = 0;

	for (unsigned i = 0; m->import && i < SLICES * ADDRESSES * HOSTS; i++) {
		const unsigned s = i / (ADDRESSES * HOSTS), a = i / HOSTS % ADDRESSES;
		const char *label = labels[i % HOSTS];
		const char dashed[] = {'1', '0', '-', '0', '-', '0', '-', (char)('1' + a), '\0'};

		if (!m->in[s] || !m->has[s][a][i % HOSTS] ||
			(cluster && strcmp(clusters[m->cluster[s]], cluster) != 0) ||
			(host && strcmp(label ? label : dashed, host) != 0))
			continue;
		set |= 1u << a;
	}
	return set;
}

static void model_check(const struct model *m, const struct fixture *f)
{
	static const char *const hosts[] = {"h0", "10-0-0-1", "10-0-0-2", "10-0-0-3"};
	char name[100];

	assert_string_equal(
		q(f, "db" SET, "A"), model_answer(model_set(m, NULL, NULL), "NXDOMAIN"));
	for (unsigned c = 0; c < 2; c++) {
		const char *none = model_set(m, NULL, clusters[c]) ? "NODATA" : "NXDOMAIN";

		snprintf(name, sizeof name, "%s.db" SET, clusters[c]);
		assert_string_equal(q(f, name, "A"), none);
		for (unsigned h = 0; h < 4; h++) {
			snprintf(name, sizeof name, "%s.%s.db" SET, hosts[h], clusters[c]);
			assert_string_equal(q(f, name, "A"),
				model_answer(model_set(m, hosts[h], clusters[c]), "NXDOMAIN"));
		}
	}
	assert_string_equal(q(f, "h0.a.b.db" SET, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "h0.db" SET, "A"), "NXDOMAIN");
}

static void test_model(void **state)
{
	const struct fixture *f = *state;
	struct model model = {.import = false};
	unsigned random = 28211214;

	all_listed(f);
	for (unsigned i = 0; i < 3000; i++) {
		model_change(&model, f, &random);
		told(f);
		model_check(&model, f);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cluster_set_ip),
		TEST(test_no_ports),
		TEST(test_headless),
		TEST(test_a_cluster_without_a_name),
		TEST(test_the_two_do_not_meet),
		TEST(test_a_slice_of_both),
		TEST(test_name_servers),
		TEST(test_gates),
		TEST(test_services_never_come),
		TEST(test_stats),
		TEST(test_model),
		cmocka_unit_test(test_only_zones_of_the_set),
		cmocka_unit_test(test_a_zone_below_one_of_the_set),
	};

	return cmocka_run_group_tests_name("cluster_imports", tests, NULL, NULL);
}

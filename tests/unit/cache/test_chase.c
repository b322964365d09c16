/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/chase.h"
#include "expect.h"

static int setup(void **state)
{
	(void)state;
	expect_start((struct cluster_config){.ttl_s = 30}, true);
	return 0;
}

/* The answer section of the last reply in its order, with owners:
 * "a.shop.svc.cluster.local. CNAME b.org.; b.org. A 10.0.0.1". */
static const char *chain(const char *name, const char *type, struct name *outside, bool *left)
{
	static char text[8000];
	const int number = (int)ldns_get_rr_type_by_name(type);
	struct reply reply;
	size_t at = 0;

	ask_query(asker, name, (uint16_t)number);
	cluster_find(c.cluster, cluster_zone(c.cluster, &asker->query), &asker->query, &asker->hit);
	reply_begin(&reply, &asker->query, asker->reply, 65535);
	*left = cluster_answer(c.cluster, &asker->hit, 0, &reply, NULL, NULL, outside);
	asker->len = reply_end(&reply);
	ldns_pkt_free(asker->pkt);
	asker->pkt = NULL;
	assert_int_equal(ldns_wire2pkt(&asker->pkt, asker->reply, asker->len), LDNS_STATUS_OK);
	text[0] = '\0';
	for (size_t i = 0; i < ldns_pkt_ancount(asker->pkt); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(asker->pkt), i);
		char *owner = ldns_rdf2str(ldns_rr_owner(rr));
		char *kind = ldns_rr_type2str(ldns_rr_get_type(rr));
		char *rdata = ldns_rdf2str(ldns_rr_rdf(rr, ldns_rr_rd_count(rr) - 1));

		at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %s %s", i ? "; " : "",
			owner, kind, rdata);
		free(owner);
		free(kind);
		free(rdata);
	}
	return text;
}

/* rcode and what is in Authority: "NXDOMAIN cluster.local." */
static const char *ending(void)
{
	static char text[400];
	char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(asker->pkt));
	char *owner = NULL;

	if (ldns_pkt_nscount(asker->pkt))
		owner = ldns_rdf2str(
			ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_authority(asker->pkt), 0)));
	snprintf(text, sizeof text, "%s%s%s", rcode, owner ? " " : "", owner ? owner : "");
	free(rcode);
	free(owner);
	return text;
}

static struct name outside;
static bool left;

static void expect_chain(
	const char *name, const char *type, const char *wanted, const char *end, bool goes_out)
{
	assert_string_equal(chain(name, type, &outside, &left), wanted);
	assert_string_equal(ending(), end);
	assert_int_equal(left, goes_out);
}

static void populate(void)
{
	service("web", SERVICE_CLUSTER_IP, "10.9.0.1 10.9.0.2", "80:http:TCP");
	service("a", SERVICE_EXTERNAL_NAME, "b.shop.svc.Cluster.local", "");
	service("b", SERVICE_EXTERNAL_NAME, "WEB.shop.svc.cluster.local.", "");
	service("gone", SERVICE_EXTERNAL_NAME, "nobody.shop.svc.cluster.local", "");
	service("out", SERVICE_EXTERNAL_NAME, "www.Example.org", "");
	service("far", SERVICE_EXTERNAL_NAME, "out.shop.svc.cluster.local", "");
	service("apex", SERVICE_EXTERNAL_NAME, "cluster.local", "");
	service("self", SERVICE_EXTERNAL_NAME, "self.shop.svc.cluster.local", "");
	service("back", SERVICE_EXTERNAL_NAME, "1.0.9.10.in-addr.arpa", "");
}

static void inside(void **state)
{
	(void)state;
	populate();
	expect_chain("a.shop.svc" ZONE, "A",
		"a.shop.svc.cluster.local. CNAME b.shop.svc.Cluster.local.; "
		"b.shop.svc.Cluster.local. CNAME WEB.shop.svc.cluster.local.; "
		"WEB.shop.svc.cluster.local. A 10.9.0.1; WEB.shop.svc.cluster.local. A 10.9.0.2",
		"NOERROR", false);
	expect_chain("a.shop.svc" ZONE, "SRV",
		"a.shop.svc.cluster.local. CNAME b.shop.svc.Cluster.local.; "
		"b.shop.svc.Cluster.local. CNAME WEB.shop.svc.cluster.local.; "
		"WEB.shop.svc.cluster.local. SRV web.shop.svc.cluster.local.",
		"NOERROR", false);
	assert_string_equal(ask_additional(asker),
		" A web.shop.svc.cluster.local. 10.9.0.1 A web.shop.svc.cluster.local. 10.9.0.2");
	/* The rcode and the SOA are those of the last name. */
	expect_chain("a.shop.svc" ZONE, "AAAA",
		"a.shop.svc.cluster.local. CNAME b.shop.svc.Cluster.local.; "
		"b.shop.svc.Cluster.local. CNAME WEB.shop.svc.cluster.local.",
		"NOERROR cluster.local.", false);
	expect_chain("gone.shop.svc" ZONE, "A",
		"gone.shop.svc.cluster.local. CNAME nobody.shop.svc.cluster.local.",
		"NXDOMAIN cluster.local.", false);
	expect_chain("back.shop.svc" ZONE, "PTR",
		"back.shop.svc.cluster.local. CNAME 1.0.9.10.in-addr.arpa.; "
		"1.0.9.10.in-addr.arpa. PTR web.shop.svc.cluster.local.",
		"NOERROR", false);
	expect_chain("back.shop.svc" ZONE, "A",
		"back.shop.svc.cluster.local. CNAME 1.0.9.10.in-addr.arpa.",
		"NOERROR 10.in-addr.arpa.", false);
}

static void apex(void **state)
{
	(void)state;
	populate();
	expect_chain("apex.shop.svc" ZONE, "A", "apex.shop.svc.cluster.local. CNAME cluster.local.",
		"NOERROR cluster.local.", false);
	expect_chain("apex.shop.svc" ZONE, "NS",
		"apex.shop.svc.cluster.local. CNAME cluster.local.; "
		"cluster.local. NS ns.dns.cluster.local.",
		"NOERROR", false);
	expect_chain("apex.shop.svc" ZONE, "SOA",
		"apex.shop.svc.cluster.local. CNAME cluster.local.; cluster.local. SOA 30",
		"NOERROR", false);
}

static void alias_alone(void **state)
{
	(void)state;
	populate();
	expect_chain("a.shop.svc" ZONE, "CNAME",
		"a.shop.svc.cluster.local. CNAME b.shop.svc.Cluster.local.", "NOERROR", false);
	expect_chain("a.shop.svc" ZONE, "ANY",
		"a.shop.svc.cluster.local. CNAME b.shop.svc.Cluster.local.", "NOERROR", false);
}

static void out_of_the_cluster(void **state)
{
	(void)state;
	populate();
	expect_chain("far.shop.svc" ZONE, "A",
		"far.shop.svc.cluster.local. CNAME out.shop.svc.cluster.local.; "
		"out.shop.svc.cluster.local. CNAME www.Example.org.",
		"NOERROR", true);
	assert_int_equal(outside.labels, 3);
	assert_memory_equal(outside.wire, "\3www\7example\3org", outside.len);
	expect_chain("out.shop.svc" ZONE, "CNAME",
		"out.shop.svc.cluster.local. CNAME www.Example.org.", "NOERROR", false);
}

static bool may_leave(const void *user, const struct query *target)
{
	*(unsigned *)(uintptr_t)user += target->labels;
	return true;
}

/* A target that does not exist and falls through is a resolver's business. */
static void targets_that_fall_through(void **state)
{
	struct reply reply;
	unsigned asked = 0;

	(void)state;
	populate();
	ask_query(asker, "gone.shop.svc" ZONE, TYPE_A);
	cluster_find(c.cluster, 0, &asker->query, &asker->hit);
	reply_begin(&reply, &asker->query, asker->reply, 512);
	assert_true(cluster_answer(c.cluster, &asker->hit, 0, &reply, may_leave, &asked, &outside));
	assert_int_equal(asked, 5);
	assert_int_equal(reply.rcode, RCODE_NOERROR);
	assert_int_equal(reply.count[REPLY_ANSWER], 1);
	assert_int_equal(reply.count[REPLY_AUTHORITY], 0);
	assert_memory_equal(outside.wire, "\6nobody\4shop\3svc\7cluster\5local", outside.len);
}

static void loops_end(void **state)
{
	(void)state;
	populate();
	chain("self.shop.svc" ZONE, "A", &outside, &left);
	assert_int_equal(ldns_pkt_get_rcode(asker->pkt), LDNS_RCODE_SERVFAIL);
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 1);
	assert_false(left);
	/* A tail and a ring of two: each link once. */
	service("r1", SERVICE_EXTERNAL_NAME, "R2.shop.svc.cluster.local", "");
	service("r2", SERVICE_EXTERNAL_NAME, "r1.SHOP.svc.cluster.local", "");
	service("r0", SERVICE_EXTERNAL_NAME, "r1.shop.svc.cluster.local", "");
	expect_chain("r0.shop.svc" ZONE, "A",
		"r0.shop.svc.cluster.local. CNAME r1.shop.svc.cluster.local.; "
		"r1.shop.svc.cluster.local. CNAME R2.shop.svc.cluster.local.; "
		"R2.shop.svc.cluster.local. CNAME r1.SHOP.svc.cluster.local.",
		"SERVFAIL", false);
}

/* 16 links are a chain, 17 are too many. */
static void as_long_as_allowed(void **state)
{
	(void)state;
	service("web", SERVICE_CLUSTER_IP, "10.9.0.1", "");
	for (unsigned i = 0; i < CHASE_MAX + 1; i++) {
		char name[20], target[64];

		snprintf(name, sizeof name, "l%u", i);
		snprintf(target, sizeof target, "l%u.shop.svc.cluster.local", i - 1);
		service(name, SERVICE_EXTERNAL_NAME, i ? target : "web.shop.svc.cluster.local", "");
	}
	chain("l14.shop.svc" ZONE, "A", &outside, &left);
	assert_int_equal(ldns_pkt_get_rcode(asker->pkt), LDNS_RCODE_NOERROR);
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 16);
	chain("l15.shop.svc" ZONE, "A", &outside, &left);
	assert_int_equal(ldns_pkt_get_rcode(asker->pkt), LDNS_RCODE_NOERROR);
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 17);
	chain("l16.shop.svc" ZONE, "A", &outside, &left);
	assert_int_equal(ldns_pkt_get_rcode(asker->pkt), LDNS_RCODE_SERVFAIL);
	assert_int_equal(ldns_pkt_ancount(asker->pkt), 17);
}

static void truncated(void **state)
{
	struct reply reply;

	(void)state;
	populate();
	ask_query(asker, "a.shop.svc" ZONE, TYPE_A);
	cluster_find(c.cluster, 0, &asker->query, &asker->hit);
	for (uint16_t limit = 60; limit < 190; limit++) {
		reply_begin(&reply, &asker->query, asker->reply, limit);
		cluster_answer(c.cluster, &asker->hit, 0, &reply, NULL, NULL, &outside);
		assert_int_equal(!!(reply.flags & DNS_FLAG_TC), reply.count[REPLY_ANSWER] < 4);
		assert_in_range(reply_end(&reply), 40, limit);
	}
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, expect_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(inside),
		CASE(apex),
		CASE(alias_alone),
		CASE(out_of_the_cluster),
		CASE(targets_that_fall_through),
		CASE(loops_end),
		CASE(as_long_as_allowed),
		CASE(truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* In virtual time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/forwarded.h"
#include "nomem.h"
#include "upstream.h"

static const struct forwarded_policy usual = {
	.success_bytes = 1 << 20,
	.denial_bytes = 1 << 20,
	.success_max_s = 3600,
	.success_min_s = 5,
	.denial_max_s = 1800,
	.denial_min_s = 5,
	.servfail_ms = 5000,
	.stale_s = 3600,
};

static struct forwarded *table;
static struct forwarded_hit hit;
static uint64_t now_ms;

static void open_table(const struct forwarded_policy *policy)
{
	forwarded_free(table);
	assert_int_equal(forwarded_new(policy, &table), 0);
	now_ms = 1000000;
}

static int setup(void **state)
{
	(void)state;
	open_table(&usual);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	forwarded_free(table);
	table = NULL;
	return 0;
}

static void store(const char *name, const char *type, struct forwarded_answer *answer)
{
	struct upstream_question asked;

	upstream_ask(name, type, false, &asked);
	forwarded_store(table, &asked.question, answer, now_ms);
	forwarded_answer_unref(answer);
}

static void store_address(const char *name, unsigned ttl_s)
{
	store(name, "A", upstream_address(name, ttl_s));
}

static void store_denial(const char *name, const char *type, ldns_pkt_rcode rcode, unsigned ttl_s)
{
	store(name, type, upstream_denial(name, type, rcode, ttl_s));
}

static void lookup_failed(const char *name, const char *type)
{
	struct upstream_question asked;

	upstream_ask(name, type, false, &asked);
	forwarded_store_failure(table, &asked.question, now_ms);
}

static enum forwarded_state find(const char *name, const char *type)
{
	struct upstream_question asked;

	upstream_ask(name, type, false, &asked);
	return forwarded_find(table, &asked.question, now_ms, &hit);
}

static void expect_at(int line, const char *name, const char *type, enum forwarded_state wanted)
{
	const enum forwarded_state got = find(name, type);

	if (got != wanted)
		fail_msg("line %d: %s %s: %d, wanted %d", line, name, type, got, wanted);
	assert_int_equal(hit.answer != NULL, got == FORWARDED_FRESH || got == FORWARDED_STALE);
	assert_int_equal(hit.ttl_s > 0, got == FORWARDED_FRESH);
}
#define expect(name, type, wanted) expect_at(__LINE__, name, type, wanted)

static void read_by_a_clock_that_is_behind(void **state)
{
	(void)state;
	store_address("www.example.org", 60);
	now_ms -= 4;
	expect("www.example.org", "A", FORWARDED_FRESH);
	assert_int_equal(hit.ttl_s, 60);
}

static void ages(void **state)
{
	(void)state;
	expect("www.example.org", "A", FORWARDED_MISS);
	store_address("www.example.org", 60);
	expect("www.example.org", "A", FORWARDED_FRESH);
	assert_int_equal(hit.ttl_s, 60);
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_POSITIVE);
	now_ms += 1;
	find("www.example.org", "A");
	assert_int_equal(hit.ttl_s, 60);
	now_ms += 59998;
	expect("www.example.org", "A", FORWARDED_FRESH);
	assert_int_equal(hit.ttl_s, 1);
	now_ms += 1;
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_false(hit.held);
	now_ms += 3599999;
	expect("www.example.org", "A", FORWARDED_STALE);
	now_ms += 1;
	expect("www.example.org", "A", FORWARDED_MISS);
	store_address("www.example.org", 60);
	expect("www.example.org", "A", FORWARDED_FRESH);
}

static void keys(void **state)
{
	struct upstream_question asked;
	struct forwarded_answer *answer = upstream_address("www.example.org", 60);

	(void)state;
	store("www.example.org", "A", answer);
	expect("www.example.org", "AAAA", FORWARDED_MISS);
	expect("WWW.example.org", "A", FORWARDED_FRESH);
	expect("ww.example.org", "A", FORWARDED_MISS);
	expect("example.org", "A", FORWARDED_MISS);
	upstream_ask("www.example.org", "A", true, &asked);
	assert_int_equal(forwarded_find(table, &asked.question, now_ms, &hit), FORWARDED_MISS);
	asked.question.dnssec_ok = false;
	asked.question.checking_disabled = true;
	assert_int_equal(forwarded_find(table, &asked.question, now_ms, &hit), FORWARDED_MISS);
}

static void ttl_bounds(void **state)
{
	struct forwarded_policy policy = usual;

	(void)state;
	policy.success_max_s = 100;
	open_table(&policy);
	store_address("short.example.org", 0);
	store_address("long.example.org", 200);
	store_denial("no.example.org", "A", LDNS_RCODE_NXDOMAIN, 1);
	store_denial("long.no.example.org", "A", LDNS_RCODE_NOERROR, 5000);
	find("short.example.org", "A");
	assert_int_equal(hit.ttl_s, 5);
	find("long.example.org", "A");
	assert_int_equal(hit.ttl_s, 100);
	find("long.no.example.org", "A");
	assert_int_equal(hit.ttl_s, 1800);
	store_denial("no.example.org", "A", LDNS_RCODE_NXDOMAIN, 1);
	find("no.example.org", "A");
	assert_int_equal(hit.ttl_s, 5);
	policy.success_max_s = 3; /* wins over the minimum */
	open_table(&policy);
	store_address("long.example.org", 200);
	find("long.example.org", "A");
	assert_int_equal(hit.ttl_s, 3);
}

static void what_may_not_be_stored(void **state)
{
	struct forwarded_policy policy = usual;
	struct forwarded_stats stats;

	(void)state;
	policy.success_min_s = policy.denial_min_s = 0;
	open_table(&policy);
	store_address("www.example.org", 0);
	store("gone.example.org", "A",
		upstream_answer(&(struct upstream_reply){.name = "gone.example.org",
					.type = "A",
					.rcode = LDNS_RCODE_NXDOMAIN},
			false));
	store("alias.example.org", "A",
		upstream_answer(&(struct upstream_reply){.name = "alias.example.org",
					.type = "A",
					.answer = "alias.example.org 60 CNAME other.example.org."},
			false));
	store("alias.example.org", "TYPE0",
		upstream_answer(&(struct upstream_reply){.name = "alias.example.org",
					.type = "TYPE0",
					.authority = "example.org 60 SOA " SOA_TEXT},
			false));
	lookup_failed("other.example.org", "TYPE0");
	forwarded_stats(table, &stats);
	assert_int_equal(stats.success_entries + stats.denial_entries, 0);
	/* It ends what was known. */
	store_address("www.example.org", 1);
	now_ms += 1000;
	expect("www.example.org", "A", FORWARDED_STALE);
	store_address("www.example.org", 0);
	expect("www.example.org", "A", FORWARDED_MISS);
}

/* RFC 8020 */
static void nothing_below_what_does_not_exist(void **state)
{
	(void)state;
	store_denial("gone.example.org", "A", LDNS_RCODE_NXDOMAIN, 30);
	expect("gone.example.org", "A", FORWARDED_FRESH);
	expect("gone.example.org", "TXT", FORWARDED_FRESH);
	expect("a.b.gone.example.org", "AAAA", FORWARDED_FRESH);
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_NXDOMAIN);
	assert_int_equal(hit.ttl_s, 30);
	expect("example.org", "A", FORWARDED_MISS);
	expect("agone.example.org", "A", FORWARDED_MISS);
	/* A denial is never stale. */
	now_ms += 30000;
	expect("gone.example.org", "A", FORWARDED_MISS);
	expect("a.b.gone.example.org", "AAAA", FORWARDED_MISS);
}

/* A top-level name that the root does not know may be somebody's own. */
static void names_below_what_the_root_denies(void **state)
{
	(void)state;
	store("internal", "A",
		upstream_answer(&(struct upstream_reply){.name = "internal",
					.type = "A",
					.rcode = LDNS_RCODE_NXDOMAIN,
					.authority = ". 60 SOA " SOA_TEXT},
			false));
	expect("internal", "AAAA", FORWARDED_FRESH);
	expect("db.internal", "A", FORWARDED_MISS);
	store_address("db.internal", 5);
	expect("internal", "AAAA", FORWARDED_MISS);
	store("internal", "A",
		upstream_answer(&(struct upstream_reply){.name = "internal",
					.type = "A",
					.rcode = LDNS_RCODE_NXDOMAIN,
					.authority = ". 60 SOA " SOA_TEXT},
			false));
	now_ms += 5000;
	expect("db.internal", "A", FORWARDED_STALE);
}

static void what_exists_ends_denials_above(void **state)
{
	(void)state;
	store_denial("gone.example.org", "A", LDNS_RCODE_NXDOMAIN, 300);
	store_denial("b.gone.example.org", "A", LDNS_RCODE_NXDOMAIN, 300);
	store_address("a.b.gone.example.org", 60);
	expect("gone.example.org", "A", FORWARDED_MISS);
	expect("c.gone.example.org", "A", FORWARDED_MISS);
	expect("b.gone.example.org", "A", FORWARDED_MISS);
	store_denial("gone.example.org", "A", LDNS_RCODE_NXDOMAIN, 300);
	expect("a.b.gone.example.org", "A", FORWARDED_FRESH); /* the exact answer */
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_POSITIVE);
	store_denial("gone.example.org", "AAAA", LDNS_RCODE_NOERROR, 300);
	expect("c.gone.example.org", "A", FORWARDED_MISS);
	expect("gone.example.org", "AAAA", FORWARDED_FRESH);
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_NODATA);
}

/* Only the target does not exist: other types of the name may. */
static void denials_behind_an_alias(void **state)
{
	(void)state;
	store("www.example.org", "A",
		upstream_answer(&(struct upstream_reply){.name = "www.example.org",
					.type = "A",
					.rcode = LDNS_RCODE_NXDOMAIN,
					.answer = "www.example.org. 60 CNAME gone.example.org.",
					.authority = "example.org. 60 SOA " SOA_TEXT},
			false));
	expect("www.example.org", "A", FORWARDED_FRESH);
	expect("www.example.org", "TXT", FORWARDED_MISS);
	expect("a.www.example.org", "A", FORWARDED_MISS);
	now_ms += 30000;
	expect("www.example.org", "A", FORWARDED_MISS);
}

static void a_denial_beats_what_is_stale(void **state)
{
	(void)state;
	store_address("www.example.org", 60);
	store("www.example.org", "TXT",
		upstream_answer(&(struct upstream_reply){.name = "www.example.org",
					.type = "TXT",
					.answer = "www.example.org. 60 TXT \"x\""},
			false));
	store_address("a.www.example.org", 60);
	now_ms += 60000;
	expect("www.example.org", "A", FORWARDED_STALE);
	store_denial("www.example.org", "A", LDNS_RCODE_NXDOMAIN, 30);
	expect("www.example.org", "TXT", FORWARDED_FRESH);
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_NXDOMAIN);
	/* And when it is over, what was before it does not come back. */
	now_ms += 30000;
	expect("www.example.org", "A", FORWARDED_MISS);
	expect("www.example.org", "TXT", FORWARDED_MISS);
	expect("a.www.example.org", "A", FORWARDED_MISS);
}

static void stale_switched_off(void **state)
{
	struct forwarded_policy policy = usual;

	(void)state;
	policy.stale_s = 0;
	open_table(&policy);
	store_address("www.example.org", 60);
	now_ms += 60000;
	expect("www.example.org", "A", FORWARDED_MISS);
}

static void failures(void **state)
{
	struct forwarded_policy policy = usual;
	const uint64_t first = now_ms;

	(void)state;
	lookup_failed("www.example.org", "A");
	expect("www.example.org", "A", FORWARDED_FAILED);
	assert_true(hit.held);
	assert_int_equal(hit.failed_at_ms, first);
	expect("www.example.org", "AAAA", FORWARDED_MISS);
	now_ms += 4999;
	expect("www.example.org", "A", FORWARDED_FAILED);
	now_ms += 1;
	expect("www.example.org", "A", FORWARDED_MISS);
	lookup_failed("www.example.org", "A");
	expect("www.example.org", "A", FORWARDED_FAILED);
	store_address("www.example.org", 60);
	expect("www.example.org", "A", FORWARDED_FRESH);
	lookup_failed("www.example.org", "A"); /* never shadows what is valid */
	expect("www.example.org", "A", FORWARDED_FRESH);
	assert_int_equal(hit.failed_at_ms, 0);
	lookup_failed("gone.example.org", "A");
	store_denial("gone.example.org", "A", LDNS_RCODE_NXDOMAIN, 30);
	lookup_failed("gone.example.org", "A");
	expect("gone.example.org", "A", FORWARDED_FRESH);
	policy.servfail_ms = 0;
	open_table(&policy);
	lookup_failed("www.example.org", "A");
	expect("www.example.org", "A", FORWARDED_MISS);
}

static void stale_and_failed(void **state)
{
	struct forwarded_policy policy = usual;

	(void)state;
	policy.servfail_ms = 0; /* the hold of stale answers has a bound of its own */
	open_table(&policy);
	store_address("www.example.org", 60);
	now_ms += 70000;
	lookup_failed("www.example.org", "A");
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_true(hit.held);
	assert_int_equal(hit.failed_at_ms, now_ms);
	now_ms += FORWARDED_STALE_HOLD_MS;
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_false(hit.held);
	assert_int_equal(hit.failed_at_ms, now_ms - FORWARDED_STALE_HOLD_MS);
	now_ms += 3600000;
	lookup_failed("www.example.org", "A");
	expect("www.example.org", "A", FORWARDED_MISS);
}

/* As written in the Corefile, rather than what follows from the other figures. */
static void a_hold_of_its_own(void **state)
{
	struct forwarded_policy policy = usual;

	(void)state;
	policy.stale_hold_ms = 30000;
	open_table(&policy);
	store_address("www.example.org", 60);
	now_ms += 70000;
	lookup_failed("www.example.org", "A");
	now_ms += 29999;
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_true(hit.held);
	now_ms += 1;
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_false(hit.held);
}

static void positive_answers_preferred(void **state)
{
	struct forwarded_policy policy = usual;
	struct upstream_question asked;

	(void)state;
	policy.prefer_positive = true;
	open_table(&policy);
	upstream_ask("www.example.org", "A", false, &asked);
	store_address("www.example.org", 60);
	store_denial("www.example.org", "A", LDNS_RCODE_NXDOMAIN, 100);
	expect("www.example.org", "A", FORWARDED_FRESH);
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_POSITIVE);
	expect("www.example.org", "TXT", FORWARDED_FRESH);
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_NXDOMAIN);
	now_ms += 60000;
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_true(hit.held); /* the denial is fresh: it would come again */
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_POSITIVE);
	now_ms += 40000;
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_false(hit.held);
	assert_true(forwarded_claim_refresh(table, &asked.question, now_ms));
	store_denial("www.example.org", "A", LDNS_RCODE_NOERROR, 100);
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_true(hit.held);
	now_ms += 100000;
	lookup_failed("www.example.org", "A");
	expect("www.example.org", "A", FORWARDED_STALE);
	assert_true(hit.held);
	assert_int_equal(hit.failed_at_ms, now_ms);
	store_address("www.example.org", 60);
	expect("www.example.org", "A", FORWARDED_FRESH);
	store_denial("www.example.org", "A", LDNS_RCODE_NOERROR, 1800);
	store_denial("www.example.org", "A", LDNS_RCODE_NOERROR, 1800);
	now_ms += 3659000;
	expect("www.example.org", "A", FORWARDED_STALE);
	store_denial("www.example.org", "A", LDNS_RCODE_NOERROR, 1800);
	now_ms += 1000; /* only the denial is left */
	expect("www.example.org", "A", FORWARDED_FRESH);
	assert_int_equal(forwarded_answer_kind(hit.answer), FORWARDED_NODATA);
}

static void prefetch(void **state)
{
	struct forwarded_policy policy = usual;
	struct upstream_question asked;

	(void)state;
	policy.prefetch_hits = 3;
	policy.prefetch_window_ms = 60000;
	policy.prefetch_percent = 10;
	open_table(&policy);
	store_address("www.example.org", 100);
	for (unsigned i = 0; i < 5; i++) {
		expect("www.example.org", "A", FORWARDED_FRESH);
		assert_false(hit.refresh);
	}
	now_ms += 90000; /* due, but the last hit is too long ago */
	for (unsigned i = 1; i <= 5; i++) {
		find("www.example.org", "A");
		assert_int_equal(hit.refresh, i == 3); /* told once */
	}
	upstream_ask("www.example.org", "A", false, &asked);
	assert_false(forwarded_claim_refresh(table, &asked.question, now_ms));
	lookup_failed("www.example.org", "A"); /* not again at once */
	find("www.example.org", "A");
	assert_false(hit.refresh);
	now_ms += 5000;
	find("www.example.org", "A");
	assert_true(hit.refresh);
	store_address("www.example.org", 100);
	find("www.example.org", "A");
	assert_int_equal(hit.ttl_s, 100);
	assert_false(hit.refresh);
	now_ms += 50000;
	find("www.example.org", "A");
	now_ms += 40000;
	find("www.example.org", "A"); /* as popular as it was */
	assert_true(hit.refresh);
	/* Denials too, but not by names below. */
	store_denial("gone.example.org", "A", LDNS_RCODE_NXDOMAIN, 100);
	now_ms += 95000;
	for (unsigned i = 0; i < 5; i++) {
		find("a.gone.example.org", "A");
		assert_false(hit.refresh);
	}
	for (unsigned i = 1; i <= 5; i++) {
		find("gone.example.org", "TXT");
		assert_int_equal(hit.refresh, i == 3);
	}
}

static void claims(void **state)
{
	struct upstream_question asked;

	(void)state;
	upstream_ask("www.example.org", "A", false, &asked);
	assert_false(forwarded_claim_refresh(table, &asked.question, now_ms));
	store_address("www.example.org", 60);
	assert_true(forwarded_claim_refresh(table, &asked.question, now_ms));
	assert_false(forwarded_claim_refresh(table, &asked.question, now_ms));
	now_ms += FORWARDED_CLAIM_MS; /* whoever it was never came back */
	assert_true(forwarded_claim_refresh(table, &asked.question, now_ms));
	store_address("www.example.org", 60);
	assert_true(forwarded_claim_refresh(table, &asked.question, now_ms));
	store_denial("gone.example.org", "A", LDNS_RCODE_NXDOMAIN, 30);
	upstream_ask("gone.example.org", "TXT", false, &asked);
	assert_true(forwarded_claim_refresh(table, &asked.question, now_ms));
	assert_false(forwarded_claim_refresh(table, &asked.question, now_ms));
}

static void check_bounds(const struct forwarded_policy *policy)
{
	struct forwarded_stats stats;

	forwarded_stats(table, &stats);
	assert_true(stats.success_bytes <= policy->success_bytes);
	assert_true(stats.denial_bytes <= policy->denial_bytes);
}

/* A hot set asked again and again while names that are asked once rush by: every hit on
 * the hot set counts, every miss is looked up and stored. */
static void one_off_names_do_not_push_out_the_hot_set(void **state)
{
	const struct forwarded_policy policy = {.success_bytes = 128 * 1024,
		.denial_bytes = 64 * 1024,
		.success_max_s = 3600,
		.denial_max_s = 1800,
		.servfail_ms = 5000};
	unsigned asked = 0, hits = 0, serial = 0;
	struct forwarded_stats stats;
	char name[64];

	(void)state;
	open_table(&policy);
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 200; i++) { /* some 55 KiB of them */
			sprintf(name, "hot%u.example.org", i);
			asked++;
			if (find(name, "A") == FORWARDED_FRESH)
				hits++;
			else
				store_address(name, 3600);
			for (unsigned n = 0; n < 2; n++) {
				sprintf(name, "x%u.example.org", serial++);
				if (serial % 3 == 0)
					lookup_failed(name, "A");
				else
					store_address(name, 3600);
			}
		}
		check_bounds(&policy);
		now_ms += 100;
	}
	assert_true(hits * 100 >= asked * 95);
	forwarded_stats(table, &stats);
	assert_true(stats.success_evictions > 1000);
	assert_true(stats.denial_evictions > 100);
	assert_true(stats.success_entries > 200);
}

/* What nobody can use any more goes first, and is not counted as pushed out. */
static void room_is_made_of_what_is_over(void **state)
{
	struct forwarded_policy policy = {.success_bytes = 8 * 1024,
		.denial_bytes = 8 * 1024,
		.success_max_s = 3600,
		.denial_max_s = 1800};
	struct forwarded_stats stats;
	char name[64];

	(void)state;
	open_table(&policy);
	for (unsigned i = 0; i < 10; i++) {
		sprintf(name, "old%u.example.org", i);
		store_address(name, 10);
		find(name, "A");
	}
	now_ms += 10000;
	for (unsigned i = 0; i < 10; i++) {
		sprintf(name, "new%u.example.org", i);
		store_address(name, 10);
	}
	forwarded_stats(table, &stats);
	assert_int_equal(stats.success_evictions, 0);
	for (unsigned i = 0; i < 10; i++) {
		sprintf(name, "new%u.example.org", i);
		expect(name, "A", FORWARDED_FRESH);
	}
}

static void bounds_of_nothing_and_of_little(void **state)
{
	struct forwarded_policy policy = usual;
	struct forwarded_stats stats;

	(void)state;
	policy.success_bytes = 0;
	policy.denial_bytes = 400;
	open_table(&policy);
	store_address("www.example.org", 60);
	expect("www.example.org", "A", FORWARDED_MISS);
	for (unsigned i = 0; i < 10; i++) {
		store_denial(
			i % 2 ? "a.example.org" : "b.example.org", "A", LDNS_RCODE_NXDOMAIN, 9);
		check_bounds(&policy);
	}
	forwarded_stats(table, &stats);
	assert_int_equal(stats.denial_entries, 1);
	expect("a.example.org", "A", FORWARDED_FRESH);
	/* What became too large goes, rather than to stay in its old state. */
	store_address("a.example.org", 60);
	expect("a.example.org", "A", FORWARDED_MISS);
}

/* The success class gives back what becomes a denial, and the other way round. */
static void classes_are_accounted_apart(void **state)
{
	struct forwarded_stats stats;

	(void)state;
	store_address("www.example.org", 60);
	forwarded_stats(table, &stats);
	assert_int_equal(stats.success_entries, 1);
	assert_int_equal(stats.denial_entries, 0);
	assert_in_range(stats.success_bytes, 150, 400);
	store_denial("www.example.org", "A", LDNS_RCODE_NOERROR, 60);
	forwarded_stats(table, &stats);
	assert_int_equal(stats.success_entries, 0);
	assert_int_equal(stats.success_bytes, 0);
	assert_int_equal(stats.denial_entries, 1);
	store_denial("www.example.org", "A", LDNS_RCODE_NXDOMAIN, 60);
	forwarded_stats(table, &stats);
	assert_int_equal(stats.denial_entries, 1);
	store_address("www.example.org", 60);
	forwarded_stats(table, &stats);
	assert_int_equal(stats.success_entries, 1);
	assert_int_equal(stats.denial_entries, 0);
	assert_int_equal(stats.denial_bytes, 0);
}

static void without_memory(void **state)
{
	struct forwarded *other = NULL;
	struct forwarded_answer *answer;
	struct upstream_question asked;

	(void)state;
	for (unsigned i = 1; i <= 2; i++) {
		nomem_at(i);
		assert_int_equal(forwarded_new(&usual, &other), -ENOMEM);
		assert_null(other);
	}
	answer = upstream_address("www.example.org", 60);
	upstream_ask("www.example.org", "A", false, &asked);
	nomem_at(1);
	forwarded_store(table, &asked.question, answer, now_ms);
	expect("www.example.org", "A", FORWARDED_MISS);
	nomem_at(1);
	forwarded_store_failure(table, &asked.question, now_ms);
	expect("www.example.org", "A", FORWARDED_MISS);
	/* The old one has nowhere to wait for its grace period. */
	forwarded_store(table, &asked.question, answer, now_ms);
	nomem_at(2);
	forwarded_store(table, &asked.question, answer, now_ms);
	nomem_at(0);
	expect("www.example.org", "A", FORWARDED_FRESH);
	forwarded_answer_unref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ages, setup),
		cmocka_unit_test_setup(read_by_a_clock_that_is_behind, setup),
		cmocka_unit_test_setup(keys, setup),
		cmocka_unit_test_setup(ttl_bounds, setup),
		cmocka_unit_test_setup(what_may_not_be_stored, setup),
		cmocka_unit_test_setup(nothing_below_what_does_not_exist, setup),
		cmocka_unit_test_setup(names_below_what_the_root_denies, setup),
		cmocka_unit_test_setup(what_exists_ends_denials_above, setup),
		cmocka_unit_test_setup(denials_behind_an_alias, setup),
		cmocka_unit_test_setup(a_denial_beats_what_is_stale, setup),
		cmocka_unit_test_setup(stale_switched_off, setup),
		cmocka_unit_test_setup(failures, setup),
		cmocka_unit_test_setup(stale_and_failed, setup),
		cmocka_unit_test_setup(a_hold_of_its_own, setup),
		cmocka_unit_test_setup(positive_answers_preferred, setup),
		cmocka_unit_test_setup(prefetch, setup),
		cmocka_unit_test_setup(claims, setup),
		cmocka_unit_test_setup(one_off_names_do_not_push_out_the_hot_set, setup),
		cmocka_unit_test_setup(room_is_made_of_what_is_over, setup),
		cmocka_unit_test_setup(bounds_of_nothing_and_of_little, setup),
		cmocka_unit_test_setup(classes_are_accounted_apart, setup),
		cmocka_unit_test_setup(without_memory, setup),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}

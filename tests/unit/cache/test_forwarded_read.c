/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "upstream.h"

#define RRSIG_OF(type, zone)                                                                       \
	" 60 RRSIG " type " 8 2 60 20300101000000 20200101000000 1 " zone " AAAA"

/* What is kept, as a client of the same question gets it. */
static const char *kept_do(const struct upstream_reply *reply, bool dnssec_ok)
{
	struct forwarded_answer *answer = upstream_answer(reply, dnssec_ok);
	const struct client client = {reply->name, reply->type, 0, false, dnssec_ok, 0};
	const char *text = upstream_put(answer, FORWARDED_TTL_OWN, &client);

	forwarded_answer_unref(answer);
	return text;
}

static const char *kept(const struct upstream_reply *reply)
{
	return kept_do(reply, false);
}

static enum forwarded_verdict verdict(const struct upstream_reply *reply)
{
	struct forwarded_answer *answer = NULL;
	const enum forwarded_verdict got = upstream_read(reply, false, &answer);

	assert_int_equal(got == FORWARDED_USABLE, answer != NULL);
	forwarded_answer_unref(answer);
	return got;
}

static void an_address(void **state)
{
	(void)state;
	assert_string_equal(kept(&(struct upstream_reply){.name = "WWW.example.org.",
				    .type = "A",
				    .ra = true,
				    .ad = true,
				    .edns = true,
				    .answer = "www.EXAMPLE.org. 60 A 192.0.2.1\n"
					      "www.example.org. 50 A 192.0.2.2"}),
		"ra NOERROR WWW.example.org. 60 A 192.0.2.1, WWW.example.org. 50 A 192.0.2.2");
}

/* The rest of a zone that an upstream would like us to believe. */
static void additions_of_a_hostile_upstream(void **state)
{
	static const char evil[] = "kubernetes.default.svc.cluster.local. 60 A 203.0.113.1\n"
				   "ns.example.org. 60 A 203.0.113.2\n"
				   "example.org. 60 A 203.0.113.3\n"
				   "org. 60 NS ns.evil.example.\n"
				   "mail.www.example.org. 60 A 203.0.113.4\n"
				   "example.org. 60 DNAME evil.example.\n"
				   "www.example.org. 60 TXT \"not asked for\"\n";
	char answer[1000];

	(void)state;
	snprintf(answer, sizeof answer, "%swww.example.org. 60 A 192.0.2.1\n%s", evil, evil);
	assert_string_equal(kept(&(struct upstream_reply){.name = "www.example.org.",
				    .type = "A",
				    .answer = answer,
				    .authority = evil,
				    .additional = evil}),
		"NOERROR www.example.org. 60 A 192.0.2.1");
	snprintf(answer, sizeof answer, "%sexample.org. 60 SOA " SOA_TEXT "\n%s", evil, evil);
	assert_string_equal(kept(&(struct upstream_reply){.name = "www.example.org.",
				    .type = "A",
				    .rcode = LDNS_RCODE_NXDOMAIN,
				    .answer = evil,
				    .authority = answer,
				    .additional = evil}),
		"NXDOMAIN | example.org. 60 SOA " SOA_TEXT);
}

static void other_classes(void **state)
{
	(void)state;
	assert_string_equal(kept(&(struct upstream_reply){.name = "www.example.org.",
				    .type = "TXT",
				    .answer = "www.example.org. 60 CH TXT \"x\"\n"
					      "www.example.org. 60 IN TXT \"y\"\n"}),
		"NOERROR www.example.org. 60 TXT \"y\"");
}

static void aliases(void **state)
{
	struct forwarded_answer *answer;
	const struct upstream_reply unordered = {.name = "a.example.org.",
		.type = "A",
		.answer = "c.example.org. 60 A 192.0.2.1\n"
			  "b.example.org. 40 CNAME c.example.org.\n"
			  "d.example.org. 40 CNAME c.example.org.\n"
			  "a.example.org. 50 CNAME b.example.org.\n"};

	(void)state;
	assert_string_equal(kept(&unordered),
		"NOERROR a.example.org. 50 CNAME b.example.org., b.example.org. 40 CNAME "
		"c.example.org., c.example.org. 60 A 192.0.2.1");
	answer = upstream_answer(&unordered, false);
	assert_int_equal(forwarded_answer_kind(answer), FORWARDED_POSITIVE);
	assert_int_equal(forwarded_answer_ttl(answer), 40);
	forwarded_answer_unref(answer);
	assert_string_equal(kept(&(struct upstream_reply){.name = "a.example.org.",
				    .type = "CNAME",
				    .answer = "b.example.org. 40 CNAME c.example.org.\n"
					      "a.example.org. 50 CNAME b.example.org.\n"}),
		"NOERROR a.example.org. 50 CNAME b.example.org.");
}

/* RFC 6604: the rcode is the last name's; the SOA must be of a zone that holds it. */
static void aliases_that_end_in_a_denial(void **state)
{
	const struct upstream_reply denied = {.name = "a.example.org.",
		.type = "A",
		.rcode = LDNS_RCODE_NXDOMAIN,
		.answer = "a.example.org. 50 CNAME b.example.net.",
		.authority = "example.org. 60 SOA " SOA_TEXT "\nexample.net. 60 SOA " SOA_TEXT};
	struct upstream_reply nodata = denied, alone = denied, mute = denied;
	struct forwarded_answer *answer = upstream_answer(&denied, false);

	(void)state;
	assert_int_equal(forwarded_answer_kind(answer), FORWARDED_NXDOMAIN);
	assert_false(forwarded_answer_denies_name(answer));
	assert_true(forwarded_answer_storable(answer));
	assert_int_equal(forwarded_answer_ttl(answer), 30);
	forwarded_answer_unref(answer);
	assert_string_equal(kept(&denied),
		"NXDOMAIN a.example.org. 50 CNAME b.example.net. | example.net. 60 SOA " SOA_TEXT);
	nodata.rcode = LDNS_RCODE_NOERROR;
	answer = upstream_answer(&nodata, false);
	assert_int_equal(forwarded_answer_kind(answer), FORWARDED_NODATA);
	forwarded_answer_unref(answer);
	/* Without an SOA they are what they are, and nothing is kept of it. */
	alone.rcode = LDNS_RCODE_NOERROR;
	alone.authority = NULL;
	answer = upstream_answer(&alone, false);
	assert_int_equal(forwarded_answer_kind(answer), FORWARDED_POSITIVE);
	assert_false(forwarded_answer_storable(answer));
	assert_int_equal(forwarded_answer_ttl(answer), 0);
	forwarded_answer_unref(answer);
	mute.authority = "example.org. 60 SOA " SOA_TEXT;
	answer = upstream_answer(&mute, false);
	assert_int_equal(forwarded_answer_kind(answer), FORWARDED_NXDOMAIN);
	assert_false(forwarded_answer_storable(answer));
	forwarded_answer_unref(answer);
}

static void denials(void **state)
{
	struct upstream_reply reply = {.name = "www.example.org.",
		.type = "A",
		.authority = "example.org. 20 SOA " SOA_TEXT};
	struct forwarded_answer *answer = upstream_answer(&reply, false);

	(void)state;
	assert_int_equal(forwarded_answer_kind(answer), FORWARDED_NODATA);
	assert_int_equal(forwarded_answer_ttl(answer), 20); /* below MINIMUM */
	forwarded_answer_unref(answer);
	reply.rcode = LDNS_RCODE_NXDOMAIN;
	reply.authority = "example.org. 90 SOA " SOA_TEXT;
	answer = upstream_answer(&reply, false);
	assert_true(forwarded_answer_denies_name(answer));
	assert_true(forwarded_answer_denies_below(answer));
	assert_int_equal(forwarded_answer_ttl(answer), 30); /* RFC 2308 section 5 */
	forwarded_answer_unref(answer);
	reply.authority = ". 90 SOA " SOA_TEXT;
	answer = upstream_answer(&reply, false);
	assert_true(forwarded_answer_denies_name(answer));
	assert_false(forwarded_answer_denies_below(answer));
	forwarded_answer_unref(answer);
	reply.authority = "www.example.net. 90 SOA " SOA_TEXT;
	answer = upstream_answer(&reply, false);
	assert_false(forwarded_answer_storable(answer));
	assert_int_equal(forwarded_answer_ttl(answer), 0);
	forwarded_answer_unref(answer);
	reply.authority = NULL;
	reply.rcode = LDNS_RCODE_NOERROR;
	answer = upstream_answer(&reply, false);
	assert_int_equal(forwarded_answer_kind(answer), FORWARDED_NODATA);
	assert_false(forwarded_answer_storable(answer));
	forwarded_answer_unref(answer);
}

static void dname(void **state)
{
	(void)state;
	assert_string_equal(kept(&(struct upstream_reply){.name = "www.old.example.",
				    .type = "A",
				    .answer = "old.example. 60 DNAME new.example.\n"
					      "www.old.example. 60 CNAME www.new.example.\n"
					      "www.new.example. 60 A 192.0.2.1"}),
		"NOERROR old.example. 60 DNAME new.example., www.old.example. 60 CNAME "
		"www.new.example., www.new.example. 60 A 192.0.2.1");
	/* One that the CNAME does not follow from. */
	assert_string_equal(kept(&(struct upstream_reply){.name = "www.old.example.",
				    .type = "A",
				    .answer = "example. 60 DNAME evil.example.\n"
					      "old.example. 60 DNAME evil.example.\n"
					      "www.old.example. 60 CNAME www.new.example.\n"
					      "www.new.example. 60 A 192.0.2.1"}),
		"NOERROR www.old.example. 60 CNAME www.new.example., www.new.example. 60 A "
		"192.0.2.1");
	/* Who asks for the alias itself can check what it follows from. */
	assert_string_equal(kept(&(struct upstream_reply){.name = "www.old.example.",
				    .type = "CNAME",
				    .answer = "www.old.example. 60 CNAME www.new.example.\n"
					      "old.example. 60 DNAME new.example."}),
		"NOERROR old.example. 60 DNAME new.example., www.old.example. 60 CNAME "
		"www.new.example.");
	assert_string_equal(kept(&(struct upstream_reply){.name = "old.example.",
				    .type = "DNAME",
				    .answer = "old.example. 60 DNAME new.example."}),
		"NOERROR old.example. 60 DNAME new.example.");
}

static void any(void **state)
{
	(void)state;
	assert_string_equal(kept(&(struct upstream_reply){.name = "www.example.org.",
				    .type = "ANY",
				    .answer = "www.example.org. 60 A 192.0.2.1\n"
					      "mail.example.org. 60 A 192.0.2.2\n"
					      "www.example.org. 60 TXT \"x\""}),
		"NOERROR www.example.org. 60 A 192.0.2.1, www.example.org. 60 TXT \"x\"");
}

static void signatures(void **state)
{
	const struct upstream_reply reply = {.name = "www.example.org.",
		.type = "A",
		.answer = "www.example.org. 60 A 192.0.2.1\n"
			  "www.example.org." RRSIG_OF("A",
				  "example.org.") "\n"
						  "www.example.org." RRSIG_OF("TXT",
							  "example.org.") "\n"
									  "mail.example."
									  "org." RRSIG_OF("A",
										  "example.org."),
		.authority =
			"example.org. 60 NS ns.example.org.\n"
			"example.org." RRSIG_OF("NS",
				"example.org.") "\n"
						"a.example.org. 60 NSEC z.example.org. A RRSIG "
						"NSEC\n"
						"a.example.org." RRSIG_OF("NSEC",
							"example.org.") "\n"
									"a.example.net. 60 NSEC "
									"z.example.net. A"};

	(void)state;
	assert_string_equal(kept(&reply), "NOERROR www.example.org. 60 A 192.0.2.1");
	/* ldns writes rdata in its own way; what matters is which records there are. */
	assert_string_equal(kept_do(&reply, true),
		"NOERROR www.example.org. 60 A 192.0.2.1,"
		" www.example.org. 60 RRSIG A 8 2 60 20300101000000 20200101000000 1 example.org. "
		"AAAA |"
		" a.example.org. 60 NSEC z.example.org. A RRSIG NSEC ,"
		" a.example.org. 60 RRSIG NSEC 8 2 60 20300101000000 20200101000000 1 "
		"example.org. AAAA");
}

static void signed_denials(void **state)
{
	const struct upstream_reply reply = {.name = "www.example.org.",
		.type = "A",
		.rcode = LDNS_RCODE_NXDOMAIN,
		.authority = "example.org. 60 SOA " SOA_TEXT "\n"
			     "example.org." RRSIG_OF("SOA",
				     "example.org.") "\n"
						     "org." RRSIG_OF("SOA",
							     "org.") "\n"
								     "b.example.org. 60 NSEC "
								     "z.example.org. A\n"
								     "b.cluster.local. 60 NSEC "
								     "z.cluster.local. A"};

	(void)state;
	assert_string_equal(kept(&reply), "NXDOMAIN | example.org. 60 SOA " SOA_TEXT);
	assert_string_equal(kept_do(&reply, true),
		"NXDOMAIN | example.org. 60 SOA " SOA_TEXT ","
		" example.org. 60 RRSIG SOA 8 2 60 20300101000000 20200101000000 1 example.org. "
		"AAAA,"
		" b.example.org. 60 NSEC z.example.org. A ");
}

static void verdicts(void **state)
{
	struct upstream_reply reply = {.name = "www.example.org.", .type = "A"};

	(void)state;
	reply.rcode = LDNS_RCODE_SERVFAIL;
	assert_int_equal(verdict(&reply), FORWARDED_REFUSED);
	reply.tc = true;
	assert_int_equal(verdict(&reply), FORWARDED_REFUSED);
	reply.rcode = LDNS_RCODE_NOERROR;
	assert_int_equal(verdict(&reply), FORWARDED_TRUNCATED);
	reply.tc = false;
	reply.extended = 1; /* BADVERS */
	assert_int_equal(verdict(&reply), FORWARDED_REFUSED);
	reply.extended = 0x80;
	assert_int_equal(verdict(&reply), FORWARDED_REFUSED);
	reply.extended = 0;
	reply.authority = "org. 60 NS ns.example.org.";
	assert_int_equal(verdict(&reply), FORWARDED_LAME);
	reply.authority = "org. 60 NS ns.example.org.\norg. 60 SOA " SOA_TEXT;
	assert_int_equal(verdict(&reply), FORWARDED_USABLE);
	reply.rcode = LDNS_RCODE_NXDOMAIN;
	assert_int_equal(verdict(&reply), FORWARDED_USABLE);
	reply.answer = "www.example.org. 60 A 192.0.2.1";
	assert_int_equal(verdict(&reply), FORWARDED_MALFORMED);
}

static void circles_and_long_ways(void **state)
{
	struct upstream_reply reply = {.name = "a0.example.org.",
		.type = "A",
		.answer = "a0.example.org. 60 CNAME a1.example.org.\n"
			  "a1.example.org. 60 CNAME A0.example.org."};
	char lines[4000];
	size_t at = 0;

	(void)state;
	assert_int_equal(verdict(&reply), FORWARDED_MALFORMED);
	reply.answer = "a0.example.org. 60 CNAME a0.example.org.";
	assert_int_equal(verdict(&reply), FORWARDED_MALFORMED);
	reply.answer = "a0.example.org. 60 CNAME b.example.org.\n"
		       "a0.example.org. 60 CNAME c.example.org.";
	assert_int_equal(verdict(&reply), FORWARDED_MALFORMED);
	for (unsigned i = 0; i < FORWARDED_LINKS_MAX; i++)
		at += (size_t)sprintf(
			lines + at, "a%u.example.org. 60 CNAME a%u.example.org.\n", i, i + 1);
	reply.answer = lines;
	assert_int_equal(verdict(&reply), FORWARDED_USABLE);
	sprintf(lines + at, "a%u.example.org. 60 CNAME a.example.org.\n", FORWARDED_LINKS_MAX);
	assert_int_equal(verdict(&reply), FORWARDED_MALFORMED);
}

static enum forwarded_verdict reread(size_t len, const struct forwarded_question *question)
{
	struct forwarded_answer *answer = NULL;
	uint8_t *exact = malloc(len);
	enum forwarded_verdict got = FORWARDED_MALFORMED;
	struct message message;

	memcpy(exact, upstream_wire, len);
	if (message_open(exact, len, &message))
		got = forwarded_answer_read(&message, question, &answer);
	forwarded_answer_unref(answer);
	free(exact);
	return got;
}

static void cut_and_other_questions(void **state)
{
	struct upstream_question asked, other;

	(void)state;
	upstream_write(&(struct upstream_reply){.name = "www.example.org.",
		.type = "A",
		.answer = "www.example.org. 60 A 192.0.2.1\nwww.example.org. 60 A 192.0.2.2"});
	upstream_ask("www.example.org.", "A", false, &asked);
	for (size_t len = 12; len < upstream_len; len++)
		assert_int_equal(reread(len, &asked.question), FORWARDED_MALFORMED);
	assert_int_equal(reread(upstream_len, &asked.question), FORWARDED_USABLE);
	upstream_ask("www.example.org.", "AAAA", false, &other);
	assert_int_equal(reread(upstream_len, &other.question), FORWARDED_MALFORMED);
	upstream_ask("wwv.example.org.", "A", false, &other);
	assert_int_equal(reread(upstream_len, &other.question), FORWARDED_MALFORMED);
	asked.question.class = CLASS_CH;
	assert_int_equal(reread(upstream_len, &asked.question), FORWARDED_MALFORMED);
}

/* An address of three bytes, a name in rdata that is none. */
static void unsound_rdata(void **state)
{
	struct upstream_question asked;

	(void)state;
	upstream_write(&(struct upstream_reply){.name = "www.example.org.",
		.type = "A",
		.answer = "www.example.org. 60 A 192.0.2.1"});
	upstream_ask("www.example.org.", "A", false, &asked);
	upstream_wire[upstream_len - 5] = 3;
	assert_int_equal(reread(upstream_len - 1, &asked.question), FORWARDED_MALFORMED);
	upstream_write(&(struct upstream_reply){.name = "www.example.org.",
		.type = "MX",
		.answer = "www.example.org. 60 MX 1 www.example.org."});
	upstream_ask("www.example.org.", "MX", false, &asked);
	upstream_wire[upstream_len - 1] = 0xff;
	assert_int_equal(reread(upstream_len, &asked.question), FORWARDED_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address),
		cmocka_unit_test(additions_of_a_hostile_upstream),
		cmocka_unit_test(other_classes),
		cmocka_unit_test(aliases),
		cmocka_unit_test(aliases_that_end_in_a_denial),
		cmocka_unit_test(denials),
		cmocka_unit_test(dname),
		cmocka_unit_test(any),
		cmocka_unit_test(signatures),
		cmocka_unit_test(signed_denials),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(circles_and_long_ways),
		cmocka_unit_test(cut_and_other_questions),
		cmocka_unit_test(unsound_rdata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

#include "nomem.h"
#include "upstream.h"

static const struct upstream_reply alias = {.name = "www.example.org.",
	.type = "A",
	.ra = true,
	.ad = true,
	.answer = "www.example.org. 60 CNAME cdn.example.org.\n"
		  "cdn.example.org. 30 A 192.0.2.1\n"
		  "cdn.example.org. 30 A 192.0.2.2"};

static const struct upstream_reply denied = {.name = "gone.example.org.",
	.type = "A",
	.rcode = LDNS_RCODE_NXDOMAIN,
	.ra = true,
	.authority = "example.org. 60 SOA " SOA_TEXT};

/* In the client's spelling, with one TTL or everybody's own. */
static void the_same_name(void **state)
{
	struct forwarded_answer *answer = upstream_answer(&alias, false);
	const struct client client = {.name = "wWw.Example.org.", .type = "A"};

	(void)state;
	assert_string_equal(upstream_put(answer, 7, &client),
		"ra NOERROR wWw.Example.org. 7 CNAME cdn.Example.org., cdn.Example.org. 7 A "
		"192.0.2.1, cdn.Example.org. 7 A 192.0.2.2");
	assert_string_equal(upstream_put(answer, FORWARDED_TTL_OWN, &client),
		"ra NOERROR wWw.Example.org. 60 CNAME cdn.Example.org., cdn.Example.org. 30 A "
		"192.0.2.1, cdn.Example.org. 30 A 192.0.2.2");
	assert_int_equal(forwarded_answer_kind(answer), FORWARDED_POSITIVE);
	assert_int_equal(forwarded_answer_ttl(answer), 30);
	assert_int_equal(forwarded_answer_flags(answer), DNS_FLAG_RA | DNS_FLAG_AD);
	assert_true(forwarded_answer_storable(answer));
	assert_false(forwarded_answer_denies_name(answer));
	assert_in_range(forwarded_answer_size(answer), 100, 300);
	forwarded_answer_unref(answer);
}

/* RFC 6840 section 5.8 */
static void ad_for_those_who_understand_it(void **state)
{
	struct forwarded_answer *answer = upstream_answer(&alias, false);
	struct client client = {.name = "www.example.org.", .type = "A", .edns = true};

	(void)state;
	assert_memory_equal(upstream_put(answer, 7, &client), "ra NOERROR", 10);
	client.flags = DNS_FLAG_AD;
	assert_memory_equal(upstream_put(answer, 7, &client), "ra ad NOERROR", 13);
	client.flags = 0;
	client.edns_do = true;
	assert_memory_equal(upstream_put(answer, 7, &client), "ra ad NOERROR", 13);
	forwarded_answer_unref(answer);
}

static void names_below_what_does_not_exist(void **state)
{
	struct forwarded_answer *answer = upstream_answer(&denied, false);
	struct client client = {.name = "a.B.gone.example.org.", .type = "TXT"};

	(void)state;
	assert_string_equal(
		upstream_put(answer, 7, &client), "ra NXDOMAIN | example.org. 7 SOA " SOA_TEXT);
	assert_string_equal(upstream_put(answer, FORWARDED_TTL_OWN, &client),
		"ra NXDOMAIN | example.org. 60 SOA " SOA_TEXT);
	client.name = "GONE.example.org.";
	assert_string_equal(
		upstream_put(answer, 7, &client), "ra NXDOMAIN | example.org. 7 SOA " SOA_TEXT);
	assert_true(forwarded_answer_denies_name(answer));
	forwarded_answer_unref(answer);
}

/* At every limit: whole records from the beginning, and TC where one is missing. */
static void what_does_not_fit(void **state)
{
	char lines[8000], wanted[20000];
	struct client client = {.name = "many.example.org.", .type = "A"};
	struct forwarded_answer *answer;
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		at += (size_t)sprintf(lines + at, "many.example.org. 60 A 192.0.2.%u\n", i);
	answer = upstream_answer(
		&(struct upstream_reply){.name = client.name, .type = "A", .answer = lines}, false);
	for (client.limit = 512; client.limit < 1700; client.limit++) {
		const unsigned fit = (client.limit - 12u - 22u) / 16u;

		at = (size_t)sprintf(wanted, "%sNOERROR", fit < 100 ? "tc " : "");
		for (unsigned i = 0; i < fit && i < 100; i++)
			at += (size_t)sprintf(wanted + at, "%s many.example.org. 9 A 192.0.2.%u",
				i ? "," : "", i);
		assert_string_equal(upstream_put(answer, 9, &client), wanted);
	}
	forwarded_answer_unref(answer);
}

static void references(void **state)
{
	struct forwarded_answer *answer = upstream_answer(&alias, false);

	(void)state;
	assert_ptr_equal(forwarded_answer_ref(answer), answer);
	forwarded_answer_unref(answer);
	assert_int_equal(forwarded_answer_ttl(answer), 30);
	forwarded_answer_unref(answer);
	forwarded_answer_unref(NULL);
	assert_null(forwarded_answer_ref(NULL));
}

static void without_memory(void **state)
{
	struct forwarded_answer *answer = NULL;
	struct upstream_question asked;
	struct message message;

	(void)state;
	upstream_write(&alias);
	upstream_ask(alias.name, alias.type, false, &asked);
	assert_true(message_open(upstream_wire, upstream_len, &message));
	for (unsigned i = 1; i <= 2; i++) {
		nomem_at(i);
		assert_int_equal(forwarded_answer_read(&message, &asked.question, &answer),
			FORWARDED_NO_MEMORY);
		assert_null(answer);
	}
	nomem_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_name),
		cmocka_unit_test(ad_for_those_who_understand_it),
		cmocka_unit_test(names_below_what_does_not_exist),
		cmocka_unit_test(what_does_not_fit),
		cmocka_unit_test(references),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

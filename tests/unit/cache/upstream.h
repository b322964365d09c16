/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_UPSTREAM_H
#define BINNACLE_TESTS_CACHE_UPSTREAM_H

/* Replies of an upstream, written by ldns from lines of zone file text, and what comes of
 * them, read by ldns. The result is a text: flags and rcode, then each record, Authority
 * behind a bar.
 *
 *	"ra NOERROR www.example.org. 60 A 192.0.2.1"
 *	"ra NXDOMAIN | example.org. 60 SOA ..."
 *
 * Include cmocka first. */

#include <ldns/ldns.h>

#include "cache/forwarded_answer.h"
#include "dns/wire/type.h"

#define SOA_TEXT "ns.example.org. host.example.org. 1 2 3 4 30"

struct upstream_reply {
	const char *name, *type; /* the question */
	ldns_pkt_rcode rcode;
	unsigned extended; /* upper bits of the rcode; != 0: with an OPT */
	bool tc, ra, ad, edns;
	const char *answer, *authority, *additional; /* lines; NULL: none */
};

static uint8_t upstream_wire[65535];
static size_t upstream_len;

static inline void upstream_section(ldns_pkt *pkt, ldns_pkt_section section, const char *lines)
{
	while (lines && *lines) {
		const size_t len = strcspn(lines, "\n");
		char line[2000];
		ldns_rr *rr;

		snprintf(line, sizeof line, "%.*s", (int)len, lines);
		if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) != LDNS_STATUS_OK)
			fail_msg("no record: %s", line);
		ldns_pkt_push_rr(pkt, section, rr);
		lines += len + (lines[len] == '\n');
	}
}

/* Into upstream_wire. */
static inline void upstream_write(const struct upstream_reply *reply)
{
	ldns_pkt *pkt = ldns_pkt_new();
	uint8_t *wire;

	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_tc(pkt, reply->tc);
	ldns_pkt_set_ra(pkt, reply->ra);
	ldns_pkt_set_ad(pkt, reply->ad);
	ldns_pkt_set_rcode(pkt, (uint8_t)reply->rcode);
	if (reply->edns || reply->extended) {
		ldns_pkt_set_edns_udp_size(pkt, 1232);
		ldns_pkt_set_edns_extended_rcode(pkt, (uint8_t)reply->extended);
	}
	ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION,
		ldns_rr_new_frm_type(ldns_get_rr_type_by_name(reply->type)));
	ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	ldns_rr_set_question(question, true);
	ldns_rr_set_owner(question, ldns_dname_new_frm_str(reply->name));
	ldns_rr_set_class(question, LDNS_RR_CLASS_IN);
	upstream_section(pkt, LDNS_SECTION_ANSWER, reply->answer);
	upstream_section(pkt, LDNS_SECTION_AUTHORITY, reply->authority);
	upstream_section(pkt, LDNS_SECTION_ADDITIONAL, reply->additional);
	assert_int_equal(ldns_pkt2wire(&wire, pkt, &upstream_len), LDNS_STATUS_OK);
	memcpy(upstream_wire, wire, upstream_len);
	free(wire);
	ldns_pkt_free(pkt);
}

struct upstream_question {
	struct name name;
	struct forwarded_question question;
};

static inline void upstream_ask(
	const char *name, const char *type, bool dnssec_ok, struct upstream_question *out)
{
	assert_int_equal(name_from_text(name, strlen(name), &out->name), 0);
	name_lower(out->name.wire, out->name.wire, out->name.len);
	out->question = (struct forwarded_question){
		.name = out->name.wire,
		.name_len = out->name.len,
		.type = (uint16_t)ldns_get_rr_type_by_name(type),
		.class = CLASS_IN,
		.dnssec_ok = dnssec_ok,
	};
}

/* The reply's own question. */
static inline enum forwarded_verdict upstream_read(
	const struct upstream_reply *reply, bool dnssec_ok, struct forwarded_answer **out)
{
	struct upstream_question asked;
	struct message message;

	upstream_write(reply);
	upstream_ask(reply->name, reply->type, dnssec_ok, &asked);
	assert_true(message_open(upstream_wire, upstream_len, &message));
	return forwarded_answer_read(&message, &asked.question, out);
}

static inline struct forwarded_answer *upstream_answer(
	const struct upstream_reply *reply, bool dnssec_ok)
{
	struct forwarded_answer *answer = NULL;

	assert_int_equal(upstream_read(reply, dnssec_ok, &answer), FORWARDED_USABLE);
	assert_non_null(answer);
	return answer;
}

/* An A record, or a denial of the name, for when it does not matter. */
static inline struct forwarded_answer *upstream_address(const char *name, unsigned ttl_s)
{
	char line[400];

	snprintf(line, sizeof line, "%s %u A 192.0.2.1", name, ttl_s);
	return upstream_answer(
		&(struct upstream_reply){.name = name, .type = "A", .ra = true, .answer = line},
		false);
}

static inline struct forwarded_answer *upstream_denial(
	const char *name, const char *type, ldns_pkt_rcode rcode, unsigned ttl_s)
{
	char line[400];

	snprintf(line, sizeof line, "%s %u SOA ns.example.org. host.example.org. 1 2 3 4 %u",
		strchr(name, '.') + 1, ttl_s, ttl_s);
	return upstream_answer(
		&(struct upstream_reply){
			.name = name, .type = type, .rcode = rcode, .ra = true, .authority = line},
		false);
}

static char upstream_text[200000];

static inline size_t upstream_records(size_t at, const ldns_rr_list *list, const char *before)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		char *owner = ldns_rdf2str(ldns_rr_owner(rr));
		char *type = ldns_rr_type2str(ldns_rr_get_type(rr));

		at += (size_t)snprintf(upstream_text + at, sizeof upstream_text - at, "%s %s %u %s",
			i ? "," : before, owner, ldns_rr_ttl(rr), type);
		for (size_t r = 0; r < ldns_rr_rd_count(rr); r++) {
			char *rdata = ldns_rdf2str(ldns_rr_rdf(rr, r));

			at += (size_t)snprintf(
				upstream_text + at, sizeof upstream_text - at, " %s", rdata);
			free(rdata);
		}
		free(owner);
		free(type);
	}
	return at;
}

struct client { /* one that asks us */
	const char *name, *type;
	uint16_t flags; /* of its question */
	bool edns, edns_do;
	uint16_t limit; /* 0: 65535 */
};

/* What a client gets of an answer, read by ldns. */
static inline const char *upstream_put(
	const struct forwarded_answer *answer, uint32_t ttl_s, const struct client *client)
{
	static uint8_t out[65535];
	uint8_t asked[QUERY_ASKED_MAX];
	struct query query;
	struct reply reply;
	struct name name;
	ldns_pkt *pkt;
	char *rcode;
	size_t len, at;

	assert_int_equal(name_from_text(client->name, strlen(client->name), &name), 0);
	query_make(name.wire, name.len, (uint16_t)ldns_get_rr_type_by_name(client->type), asked,
		&query);
	query.flags = client->flags;
	query.has_edns = client->edns || client->edns_do;
	query.edns_do = client->edns_do;
	reply_begin(&reply, &query, out, client->limit ? client->limit : 65535);
	reply.flags |= DNS_FLAG_AA;
	forwarded_answer_put(answer, ttl_s, &reply);
	len = reply_end(&reply);
	assert_true(!client->limit || len <= client->limit);
	assert_int_equal(ldns_wire2pkt(&pkt, out, len), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_arcount(pkt), 0);
	rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(pkt));
	at = (size_t)sprintf(upstream_text, "%s%s%s%s%s", ldns_pkt_aa(pkt) ? "aa " : "",
		ldns_pkt_tc(pkt) ? "tc " : "", ldns_pkt_ra(pkt) ? "ra " : "",
		ldns_pkt_ad(pkt) ? "ad " : "", rcode);
	at = upstream_records(at, ldns_pkt_answer(pkt), "");
	upstream_records(at, ldns_pkt_authority(pkt), " |");
	free(rcode);
	ldns_pkt_free(pkt);
	return upstream_text;
}

#endif

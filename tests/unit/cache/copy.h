/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_COPY_H
#define BINNACLE_TESTS_CACHE_COPY_H

/* A zone copy as an AXFR client sees it: every message is completed to a reply
 * and read by ldns; the records are texts, "web.shop.svc A 10.0.0.1", the zone at
 * the end of owners left out ("@": the apex), TTLs too. Include cmocka first. */

#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/zone_copy.h"
#include "dns/wire/type.h"

struct copy_text {
	char **lines;
	size_t count, cap;
	size_t messages, longest;
};

static inline void copy_text_free(struct copy_text *text)
{
	for (size_t i = 0; i < text->count; i++)
		free(text->lines[i]);
	free(text->lines);
	*text = (struct copy_text){.count = 0};
}

static inline char *copy_line(const ldns_rr *rr, const char *zone)
{
	char *line = calloc(1, 4096), *type = ldns_rr_type2str(ldns_rr_get_type(rr));
	char *owner = ldns_rdf2str(ldns_rr_owner(rr));
	const size_t len = strlen(owner), tail = strlen(zone);
	size_t at;

	assert_true(len >= tail && strcmp(owner + len - tail, zone) == 0);
	if (len == tail)
		strcpy(owner, "@");
	else
		owner[len - tail - 1] = '\0';
	at = (size_t)sprintf(line, "%s %s", owner, type);
	for (size_t r = 0; r < ldns_rr_rd_count(rr); r++) {
		char *rdata = ldns_rdf2str(ldns_rr_rdf(rr, r));

		at += (size_t)snprintf(line + at, 4096 - at, " %s", rdata);
		free(rdata);
	}
	free(type);
	free(owner);
	return line;
}

/* zone with its final dot. */
static inline struct copy_text copy_read(const struct zone_copy *copy, const char *zone)
{
	struct copy_text text = {.messages = zone_copy_messages(copy)};
	struct name name;
	uint8_t packet[300] = {0x12, 0x34, 0, 0, 0, 1, [11] = 1}, *out = malloc(65535);
	struct query query;
	size_t len;

	assert_int_equal(name_from_text(zone, strlen(zone), &name), 0);
	memcpy(packet + 12, name.wire, name.len);
	len = 12u + name.len;
	memcpy(packet + len, "\0\374\0\1\0\0\51\4\320\0\0\0\0\0\0", 15);
	assert_int_equal(query_parse(packet, len + 15, &query), QUERY_OK);
	for (size_t i = 0; i < text.messages; i++) {
		ldns_pkt *pkt = NULL;
		struct reply reply;

		reply_begin(&reply, &query, out, UINT16_MAX);
		zone_copy_put(copy, i, &reply);
		len = reply_end(&reply);
		assert_true(len <= COPY_MESSAGE_MAX);
		text.longest = len > text.longest ? len : text.longest;
		assert_int_equal(ldns_wire2pkt(&pkt, out, len), LDNS_STATUS_OK);
		assert_true(ldns_pkt_aa(pkt) && !ldns_pkt_tc(pkt));
		assert_true(ldns_pkt_ancount(pkt) > 0);
		for (size_t k = 0; k < ldns_pkt_ancount(pkt); k++) {
			if (text.count == text.cap) {
				text.cap = text.cap ? text.cap * 2 : 256;
				text.lines = realloc(text.lines, text.cap * sizeof(char *));
			}
			text.lines[text.count++] =
				copy_line(ldns_rr_list_rr(ldns_pkt_answer(pkt), k), zone);
		}
		ldns_pkt_free(pkt);
	}
	assert_int_equal(text.count, zone_copy_records(copy));
	free(out);
	return text;
}

#endif

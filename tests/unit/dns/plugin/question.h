/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_PLUGIN_QUESTION_H
#define BINNACLE_TESTS_PLUGIN_QUESTION_H

/* A question and its finished reply, as the done hooks find them. */

#include "dns/serve/txn.h"
#include "dns/wire/type.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct question {
	uint8_t packet[512], buf[65535];
	struct query query;
	struct reply reply;
	struct txn txn;
	struct sockaddr_storage peer, local;
};

/* edns_size 0: without EDNS. */
static inline void question_init(struct question *q, const char *name_text, uint16_t type,
	uint16_t edns_size, bool edns_do, bool tcp)
{
	static const uint8_t header[12] = {0x71, 0x50, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0};
	struct name name;
	size_t len = sizeof header;

	memset(q, 0, sizeof *q);
	assert_int_equal(name_from_text(name_text, strlen(name_text), &name), 0);
	memcpy(q->packet, header, sizeof header);
	memcpy(q->packet + len, name.wire, name.len);
	len += name.len;
	q->packet[len++] = (uint8_t)(type >> 8);
	q->packet[len++] = (uint8_t)type;
	q->packet[len++] = 0;
	q->packet[len++] = CLASS_IN;
	if (edns_size) {
		const uint8_t opt[11] = {0, 0, TYPE_OPT, (uint8_t)(edns_size >> 8),
			(uint8_t)edns_size, 0, 0, edns_do ? 0x80 : 0, 0, 0, 0};

		q->packet[11] = 1;
		memcpy(q->packet + len, opt, sizeof opt);
		len += sizeof opt;
	}
	assert_int_equal(query_parse(q->packet, len, &q->query), QUERY_OK);
	reply_begin(&q->reply, &q->query, q->buf, reply_limit(&q->query, tcp));
	*(struct sockaddr_in *)&q->peer = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(41812), .sin_addr = {htonl(0x0af40007)}};
	*(struct sockaddr_in *)&q->local = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(0x0a60000a)}};
	q->txn = (struct txn){
		.query = &q->query,
		.reply = &q->reply,
		.peer = (struct sockaddr *)&q->peer,
		.local = (struct sockaddr *)&q->local,
		.tcp = tcp,
	};
}

static inline void question_peer6(struct question *q)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(7)};

	inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr);
	memcpy(&q->peer, &v6, sizeof v6);
	memcpy(&q->local, &v6, sizeof v6);
}

static inline void question_finish(struct question *q, uint16_t rcode)
{
	q->reply.rcode = rcode;
	q->txn.reply_len = reply_end(&q->reply);
}

#endif

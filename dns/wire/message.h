/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_MESSAGE_H
#define BINNACLE_DNS_WIRE_MESSAGE_H

/* Walks a reply that somebody else wrote (or we did): hostile bytes. Nothing is
 * copied or allocated; a name is expanded when it is asked for, and a pointer may
 * only lead to what lies before the place it is read at, so that every walk ends
 * (RFC 1035 section 4.1.4).
 *
 *	if (!message_open(data, len, &message)) ...no reply to one question
 *	message_walk(&message, &walk);
 *	while (message_next(&walk, &record)) ...
 *	if (walk.bad) ...cut, or no records at all
 *
 * A record that came out has its owner and rdata inside the message; the names in
 * the rdata are checked by whoever expands them (pack.h).
 */

#include "bytes.h"
#include "name.h"
#include "reply.h"

struct message {
	const uint8_t *data;
	size_t len;
	uint16_t id, flags, rcode; /* rcode: the header's four bits */
	uint16_t counts[3];        /* by section, as the header says */
	uint16_t qtype, qclass;
	uint8_t name_len;
	uint8_t name[NAME_MAX_LEN]; /* the question's, in the message's letter case */
	size_t body;                /* where the records begin */
};

struct record {
	enum reply_section section;
	uint16_t type, class, rdata_len;
	uint32_t ttl_s; /* as it came; with the top bit set it counts as 0 (RFC 2181 section 8) */
	size_t owner, rdata; /* offsets */
};

struct message_walk {
	const struct message *message;
	struct bytes_in in;
	unsigned section;
	uint16_t left; /* in the section */
	bool bad;
};

/* False: not a whole header with QR set, opcode QUERY, and one well-formed question. data
 * must live as long as the message. */
bool message_open(const uint8_t *data, size_t len, struct message *out);

void message_walk(const struct message *message, struct message_walk *out);

/* The next record of any section; false at the end, or with walk->bad. */
bool message_next(struct message_walk *walk, struct record *out);

/* Expand the name at an offset, in its letter case. Returns how many bytes it takes
 * at that place (a pointer: 2), 0 if it is none. out_len is the expanded length. */
size_t message_name(
	const struct message *message, size_t at, uint8_t out[NAME_MAX_LEN], uint8_t *out_len);

#endif

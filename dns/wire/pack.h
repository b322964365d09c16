/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_PACK_H
#define BINNACLE_DNS_WIRE_PACK_H

/* Copies records from one message into a reply: names are expanded there and compressed
 * anew here, against the question and what was packed or written before (RFC 1035
 * section 4.1.4; in rdata only where RFC 3597 section 4 allows it).
 *
 *	pack_begin(&pack, &reply);
 *	pack_record(&pack, &message, &record, record.section, ttl_s)*
 *
 * For answers that come from elsewhere; what the cluster says is laid out already.
 */

#include "message.h"

#define PACK_NAMES 96 /* places that are remembered; further names are written out */

struct pack {
	struct reply *reply;
	uint16_t count;
	uint16_t at[PACK_NAMES]; /* where a label begins that a pointer may lead to */
};

enum pack_verdict {
	PACK_DONE,
	PACK_FULL,     /* no room: the reply says so as for any record left out */
	PACK_MALFORMED /* a name in the rdata is none; nothing was written */
};

/* What was put into the reply before is known too: its owners, and targets of CNAMEs. */
void pack_begin(struct pack *pack, struct reply *reply);

enum pack_verdict pack_record(struct pack *pack, const struct message *message,
	const struct record *record, enum reply_section section, uint32_t ttl_s);

/* A CNAME from the question's name to a target, uncompressed. */
enum pack_verdict pack_alias(struct pack *pack, const uint8_t *target, uint32_t ttl_s);

#endif

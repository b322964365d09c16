/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_REPLY_H
#define BINNACLE_DNS_WIRE_REPLY_H

/* Builds one reply in the caller's buffer: header, question echo in the
 * client's letter case, RRs, OPT. No allocation, no name table: owners are
 * pointers to the question or to parts of it whose offsets are known.
 *
 * Room for the OPT is set aside from the start. A record that does not fit in
 * Answer or Authority sets TC, and nothing is added after it (as many whole
 * records as fit, RFC 2181 section 9); one that does not fit in Additional is
 * left out silently.
 *
 *	reply_begin(&r, &query, buf, sizeof buf, limit);
 *	reply_put(&r, REPLY_ANSWER, rr, rr_len);
 *	len = reply_end(&r);
 */

#include "query.h"

enum reply_section { REPLY_ANSWER, REPLY_AUTHORITY, REPLY_ADDITIONAL };

enum dns_rcode {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_NOTAUTH = 9,
	RCODE_BADVERS = 16
};

struct reply {
	const struct query *query;
	uint8_t *buf;
	uint16_t len;      /* bytes so far; RRs start at `body` */
	uint16_t body;     /* first byte behind the question */
	uint16_t end;      /* RRs must end here (limit less the OPT's room) */
	uint16_t flags;    /* AA, TC, RA, AD ... ; QR, RD and CD are set by begin */
	uint16_t rcode;    /* 12 bits; the upper ones go to the OPT */
	uint16_t ede;      /* extended error; 0: none */
	uint16_t count[3]; /* by section */
	bool full;         /* a record was left out */
};

/* The UDP size limit for a query: max(512, what the client advertised) without
 * EDNS 512; on TCP 65535. */
uint16_t reply_limit(const struct query *query, bool tcp);

/* cap >= limit >= 512. RD and CD are copied (RFC 1035, RFC 4035 section 3.1.6). */
void reply_begin(struct reply *reply, const struct query *query, uint8_t *buf, uint16_t limit);

/* Lower the limit of a UDP reply to size >= 512 bytes, for what is put from now on. */
void reply_lower_limit(struct reply *reply, uint16_t size);

/* Say in the OPT why the reply is what it is (RFC 8914). Nothing where the client sent no
 * EDNS, where there is no room left, or where one was given already. */
enum dns_ede {
	EDE_OTHER = 0, /* not sent: 0 stands for none */
	EDE_STALE_ANSWER = 3,
	EDE_CACHED_ERROR = 13,
	EDE_BLOCKED = 15,
	EDE_FILTERED = 17,
	EDE_NO_REACHABLE_AUTHORITY = 22,
	EDE_NETWORK_ERROR = 23
};
void reply_explain(struct reply *reply, enum dns_ede code);

/* Forget all records (not flags, rcode or extended error): for a plugin that starts again. */
void reply_reset(struct reply *reply);

/* True if len more bytes of records would fit. */
static inline bool reply_fits(const struct reply *reply, size_t len)
{
	return !reply->full && len <= (size_t)(reply->end - reply->len);
}

/* Append an RR of len bytes that the caller lays out at the place returned; what it has
 * laid out at buf + len beforehand stays as it is. NULL if it does not fit. */
uint8_t *reply_room(struct reply *reply, enum reply_section section, size_t len);

/* Append one RR in wire form (owner included). False if it did not fit. */
bool reply_put(struct reply *reply, enum reply_section section, const uint8_t *rr, size_t len);

/* Append count RRs that lie one behind the other, all of the same length
 * stride > 0, beginning with the one at index first < count (0 where count is 0)
 * and wrapping round; as many as fit. Returns how many. One memcpy (or two) where all fit. */
size_t reply_put_fixed(struct reply *reply, enum reply_section section, const uint8_t *rrs,
	size_t stride, size_t count, size_t first);

/* Append count RRs of len bytes together that were laid out for just this place.
 * All of them or, where they do not fit, none (false). */
bool reply_put_many(struct reply *reply, enum reply_section section, const uint8_t *rrs, size_t len,
	uint16_t count);

/* Put an RR piece by piece: owner given as a pointer to offset `owner_at` of the
 * message (RFC 1035 section 4.1.4; DNS_HEADER_LEN is the question's name). */
bool reply_put_rr(struct reply *reply, enum reply_section section, uint16_t owner_at, uint16_t type,
	uint32_t ttl_s, const uint8_t *rdata, uint16_t rdata_len);

/* The offset in the message of the zone made of the question's last `labels` labels. */
static inline uint16_t reply_zone_at(const struct query *query, unsigned labels)
{
	return (uint16_t)(DNS_HEADER_LEN + query->label_at[labels]);
}

/* Write header and OPT; the message's length. RA is what the flags say. */
size_t reply_end(struct reply *reply);

/* A whole reply that carries nothing but an rcode (and an OPT where the query
 * had one). Works after every verdict but QUERY_DROP. buf holds >= 512 bytes.
 * Returns the length. */
size_t reply_error(const struct query *query, enum dns_rcode rcode, uint8_t *buf);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_WIRE_QUERY_H
#define BINNACLE_DNS_WIRE_QUERY_H

/* The front door for hostile bytes: one pass over a question, no allocation,
 * no pointer followed. After QUERY_OK everything in the struct is safe to use
 * without another check.
 *
 * The gate is O(1) and comes first: at least 12 bytes, QR clear (else dropped:
 * answering answers makes loops), opcode QUERY (else NOTIMP, RFC 1035 section
 * 4.1.1), QDCOUNT 1, ANCOUNT 0, NSCOUNT at most 1, ARCOUNT at most 1 OPT (a second
 * OPT is FORMERR, RFC 6891 section 6.1.1; a TSIG or any other additional record
 * is FORMERR), no pointer in the name (FORMERR), nothing behind the last record
 * (FORMERR). EDNS version other than 0 is BADVERS (RFC 6891 section 6.1.3).
 *
 * The one record that Authority may have is the SOA of an IXFR question (RFC 1995
 * section 3), with the question's name as its owner. Of its rdata the serial is
 * read; the names in it are walked and not followed.
 */

#include "name.h"

#include <string.h>

#define DNS_HEADER_LEN  12
#define DNS_UDP_DEFAULT 512  /* RFC 1035 section 4.2.1 */
#define DNS_UDP_OURS    1232 /* what we advertise (DNS flag day 2020) */
#define DNS_FLAG_QR     0x8000u
#define DNS_FLAG_AA     0x0400u
#define DNS_FLAG_TC     0x0200u
#define DNS_FLAG_RD     0x0100u
#define DNS_FLAG_RA     0x0080u
#define DNS_FLAG_AD     0x0020u
#define DNS_FLAG_CD     0x0010u

enum query_verdict {
	QUERY_OK,
	QUERY_DROP, /* no answer at all */
	/* For these the header (id, flags, opcode) is valid; answer with
	 * reply_error(). The question is valid only where has_question is set. */
	QUERY_FORMERR,
	QUERY_NOTIMP,
	QUERY_BADVERS /* has_edns is set */
};

struct query {
	uint16_t id;
	uint16_t flags; /* the header's second word as it came */
	uint16_t qtype, qclass;
	uint16_t edns_size; /* the client's, as it came; 0 without EDNS */
	uint16_t size;      /* of the whole message */
	uint8_t labels;     /* of the name, the root not counted */
	uint8_t name_len;   /* wire bytes with the root */
	bool has_question;
	bool has_edns;
	bool edns_do;
	bool has_serial;
	uint32_t serial; /* of an IXFR question: the version that the client has */
	/* The name in the packet, in the client's letter case. Type and class follow
	 * it, and replies copy all three from there. */
	const uint8_t *asked;
	uint8_t name[NAME_MAX_LEN + 1]; /* canonical */
	/* label_at[i] is the offset in name of label i counted FROM THE RIGHT:
	 * label_at[0] the root's zero byte, label_at[1] the top-level label, ...,
	 * label_at[labels] == 0. So "zone of k labels" begins at label_at[k]. */
	uint8_t label_at[NAME_MAX_LABELS];
};

/* Parse one message. packet must live as long as out->asked is used. */
enum query_verdict query_parse(const uint8_t *packet, size_t len, struct query *out);

/* Set the name (asked, canonical, labels) to an uncompressed valid name, which must live
 * as long as out->asked is used. */
void query_set_name(const uint8_t *name, uint8_t name_len, struct query *out);

#define QUERY_ASKED_MAX (NAME_MAX_LEN + 4)

/* A question of our own, class IN, without EDNS or flags. asked holds what replies copy
 * from the packet, and must live as long. */
void query_make(const uint8_t *name, uint8_t name_len, uint16_t qtype,
	uint8_t asked[QUERY_ASKED_MAX], struct query *out);

/* True if the question's name is zone (canonical) or below it. */
static inline bool query_below(const struct query *query, const struct name *zone)
{
	size_t at;

	if (zone->labels > query->labels)
		return false;
	at = query->label_at[zone->labels];
	return query->name_len - at == zone->len &&
	       memcmp(query->name + at, zone->wire, zone->len) == 0;
}

#endif

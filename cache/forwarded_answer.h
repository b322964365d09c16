/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_FORWARDED_ANSWER_H
#define BINNACLE_CACHE_FORWARDED_ANSWER_H

/* One reply of an upstream with what does not answer the question left out: immutable,
 * reference counted, one allocation.
 *
 *	header, question (canonical), Answer, Authority     a whole message, compressed
 *	where each record's TTL lies in it
 *
 * A reply about the same name is one copy of the records and a store for each TTL: the
 * question's name is as long in every spelling, so that all pointers stay right. For
 * another name (RFC 8020) the records are laid out anew.
 *
 * What is kept:
 *	Answer     the aliases from the question's name on (CNAME, and a DNAME in front of
 *	           the CNAME that follows from it), in order, and the RRset of the type at
 *	           their end; RRSIGs covering those where dnssec_ok. For ANY what is at the name.
 *	Authority  of a denial the SOA, of the last name's zone; where dnssec_ok the proofs
 *	           (NSEC, NSEC3) of the zones met, and RRSIGs.
 * Nothing else: no NS, no glue, no record of another owner or class, whatever a
 * hostile upstream adds. */

#include "dns/wire/message.h"

struct forwarded_answer;

struct forwarded_question {
	const uint8_t *name; /* canonical wire form */
	uint8_t name_len;
	uint16_t type, class;
	bool dnssec_ok, checking_disabled;
};

enum forwarded_kind {
	FORWARDED_POSITIVE, /* also aliases whose end the upstream did not tell */
	FORWARDED_NODATA,
	FORWARDED_NXDOMAIN
};

enum forwarded_verdict {
	FORWARDED_USABLE,
	FORWARDED_TRUNCATED, /* TC, cut or not: ask over TCP */
	FORWARDED_REFUSED,   /* any rcode but NOERROR and NXDOMAIN, extended ones too */
	FORWARDED_LAME,      /* NOERROR, neither an answer nor an SOA, but NS: a referral */
	FORWARDED_MALFORMED, /* cut, another question, names that are none, aliases in a
			      * circle or more than FORWARDED_LINKS_MAX, data beside NXDOMAIN */
	FORWARDED_NO_MEMORY
};

#define FORWARDED_LINKS_MAX 16 /* RFC 1034 section 5.2.2 leaves the bound to us */

/* Read a reply for which message_open() was true; its id and where it came from are the
 * caller's business. Any thread; the message is not needed afterwards. *out, for
 * FORWARDED_USABLE only, holds the one reference. */
enum forwarded_verdict forwarded_answer_read(const struct message *message,
	const struct forwarded_question *question, struct forwarded_answer **out);

/* Any thread; NULL is allowed. */
struct forwarded_answer *forwarded_answer_ref(struct forwarded_answer *answer);
void forwarded_answer_unref(struct forwarded_answer *answer);

enum forwarded_kind forwarded_answer_kind(const struct forwarded_answer *answer);

/* The least TTL of its records; of a denial also the SOA's MINIMUM (RFC 2308 section 5).
 * 0 where it may not be stored. */
uint32_t forwarded_answer_ttl(const struct forwarded_answer *answer);

/* False: a denial without SOA (RFC 2308 section 5), or aliases without an end. */
bool forwarded_answer_storable(const struct forwarded_answer *answer);

/* The question's own name does not exist, whatever the type; not where only the target of an
 * alias does not. */
bool forwarded_answer_denies_name(const struct forwarded_answer *answer);

/* And so nothing below it exists (RFC 8020). Not where it is the root that denies it: many
 * resolvers have names of their own below top-level names that the root does not know
 * (corp, lan, internal), and pass on the root's word for the names above. */
bool forwarded_answer_denies_below(const struct forwarded_answer *answer);

/* What it takes in memory, all told. */
size_t forwarded_answer_size(const struct forwarded_answer *answer);

/* DNS_FLAG_RA and DNS_FLAG_AD, as the upstream said. */
uint16_t forwarded_answer_flags(const struct forwarded_answer *answer);

#define FORWARDED_TTL_OWN UINT32_MAX /* every record keeps the TTL that it came with */

/* Put it into a reply that has no records yet, about the name that it was read for or,
 * where it denies that name, one below it. Every record gets ttl_s. Sets the rcode, RA, and
 * AD only for clients that sent AD or DO (RFC 6840 section 5.8); AA is cleared. As many
 * whole records as fit, then TC. */
void forwarded_answer_put(
	const struct forwarded_answer *answer, uint32_t ttl_s, struct reply *reply);

/* What forwarded_answer_read() has understood. */
struct forwarded_sense {
	enum forwarded_kind kind;
	bool aliases;   /* the answer begins with one */
	bool complete;  /* the type's records, or a denial's SOA, are there */
	bool by_root;   /* that is the root's */
	uint16_t flags; /* the upstream's */
};

/* Keep the records of a finished reply without OPT about a canonical name. One reference;
 * NULL: out of memory. */
struct forwarded_answer *forwarded_answer_new(
	const struct reply *reply, const struct forwarded_sense *sense);

#endif

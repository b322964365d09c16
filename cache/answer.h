/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_ANSWER_H
#define BINNACLE_CACHE_ANSWER_H

/* What is published for a name: an entry, one allocation, position-independent
 * and immutable from the moment it is in the index. All RRsets of the name lie
 * in it, so a reader who follows the one pointer to it sees one version of the
 * object behind all types. Entries are drafted in a scratch buffer (draft.h),
 * compared byte by byte with what is published, and copied out only when they
 * differ; compile owns that, and the epoch bin frees them.
 *
 *	entry of the headless Service db.shop with 10.0.0.7 (hostname db-0),
 *	10.0.0.2 and 10.0.0.5 (no hostname):
 *
 *	kind HEADLESS   at[A] = at[ENDPOINTS_A] = 44
 *	+44  type A, stride 16, count 3, dashed_count 2, bytes 48
 *	+60  C0 0C 00 01 00 01 ttl(4) 00 04 0A 00 00 02
 *	     C0 0C 00 01 00 01 ttl(4) 00 04 0A 00 00 05
 *	     C0 0C 00 01 00 01 ttl(4) 00 04 0A 00 00 07
 *
 * Invariants of an address RRset: owner is a pointer to the question, all
 * records have the same length (stride), no two are equal, and both the first
 * dashed_count records and those behind are sorted by address. The first part
 * is what has no hostname: there a dashed-address endpoint name is found by
 * binary search and costs nothing of its own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/wire/reply.h"

#define ANSWER_HEAD     12 /* owner pointer, type, class, TTL, RDLENGTH */
#define ANSWER_A_LEN    (ANSWER_HEAD + 4)
#define ANSWER_AAAA_LEN (ANSWER_HEAD + 16)

struct answer {
	uint16_t type;
	uint16_t stride; /* bytes of each record; 0: they differ */
	uint32_t count;
	uint32_t dashed_count;
	uint32_t bytes; /* of rr */
	uint8_t rr[];
};

enum entry_kind {
	ENTRY_EMPTY,      /* the name exists, with nothing at it */
	ENTRY_FIXED,      /* needs no object */
	ENTRY_CLUSTER_IP, /* a Service with addresses of its own */
	ENTRY_HEADLESS,   /* a Service whose addresses are its endpoints' */
	ENTRY_EXTERNAL    /* a Service that is an alias */
};

enum entry_slot {
	SLOT_A,
	SLOT_AAAA,
	SLOT_NAME, /* CNAME; NS at an apex, where A and AAAA are its glue */
	SLOT_ENDPOINTS_A,
	SLOT_ENDPOINTS_AAAA,
	SLOT_TXT,
	SLOT_HOSTS,          /* struct host_set (endpoints.h) */
	SLOT_PORTS,          /* struct port_set (ports.h) of the name itself */
	SLOT_ENDPOINT_PORTS, /* struct port_set of the endpoints */
	SLOT_ZONES,          /* struct zone_set (zones.h) */
	SLOT_EXTERNAL_A,     /* what the Service has outside of the cluster */
	SLOT_EXTERNAL_AAAA,
	SLOT_EXTERNAL_NAMES, /* CNAMEs, of which one can be answered: without addresses */
	SLOT_EXTERNAL_PORTS, /* struct port_set of the Service, where there are any of these */
	SLOT_COUNT
};

struct entry {
	uint32_t size; /* of the whole allocation */
	uint8_t kind;  /* enum entry_kind */
	/* 1: an endpoint without a hostname has no name, not even its dashed address */
	uint8_t nameless;
	uint8_t zero[2];
	uint32_t at[SLOT_COUNT]; /* offset of a struct answer or of what the slot
				  * says; 0: none */
};

/* Shared by all empty non-terminals; never freed. */
extern const struct entry entry_empty;

static inline const struct answer *entry_answer(const struct entry *entry, enum entry_slot slot)
{
	const void *at = (const uint8_t *)entry + entry->at[slot];

	return entry->at[slot] ? at : NULL;
}

/* What lies in a slot that holds no RRset. */
static inline const void *entry_block(const struct entry *entry, enum entry_slot slot)
{
	return entry->at[slot] ? (const uint8_t *)entry + entry->at[slot] : NULL;
}

/* The index of the record with this address in an RRset of which all records are
 * sorted (a Service's own addresses), -1: there is none. */
int64_t answer_find_sorted(const struct answer *answer, const uint8_t *addr);

/* The index of the record that the dashed label of this address stands for, -1:
 * there is none. addr is in the RRset's family. */
int64_t answer_find(const struct answer *answer, const uint8_t *addr);

/* Put records [first, first + count) into a section, beginning with record
 * first + start % count. Fewer where they do not fit (reply.h). */
void answer_put(const struct answer *answer, uint32_t first, uint32_t count, uint32_t start,
	struct reply *reply, enum reply_section section);

#endif

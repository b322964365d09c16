/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_ZONE_COPY_H
#define BINNACLE_CACHE_ZONE_COPY_H

/* One version of a zone, laid out as the messages of a zone transfer (RFC 5936):
 * the bodies, each of which follows a header and the question for the zone's
 * apex. What tells one transfer from another (id, letter case, AXFR or IXFR, EDNS)
 * is not in them, so all transfers of a version share one copy.
 *
 *	header(12)  question(zone, 4)  | C00C SOA ...  03 web 04 shop 03 svc C00C A ...
 *	                               | C02A A ...    04 http C02A SRV ...
 *
 * Owners are compressed to what is nearest before them: a pointer to the whole
 * name, to the part they share with the owner before, or to the zone in the
 * question. A message has 16 KiB at most, all of which pointers can reach
 * (RFC 1035 section 4.1.4). Rdata is put as it is given, and may point to the
 * question.
 *
 * Writing: one thread, errors are sticky.
 *
 *	copy_begin(&w, &zone, serial, account)
 *	copy_owner(&w, key, len)  copy_record(&w, ...)*       any number of times
 *	copy_end(&w, &copy)
 *
 * A finished copy is immutable and counted: any thread may hold, read and drop it.
 */

#include "dns/wire/reply.h"

#include <stdatomic.h>

#define COPY_MESSAGE_MAX 16384

/* What all living copies that name it may take together. Outlives them. */
struct copy_account {
	_Atomic size_t bytes;
	size_t limit;
};

struct zone_copy;

struct copy_writer {
	struct zone_copy *copy;
	uint8_t *message;
	size_t cap; /* of copy->messages */
	uint16_t body, len, records;
	uint16_t owner_at; /* of the owner in this message; 0: it is not in it */
	uint8_t owner_len, before_len;
	uint8_t owner[NAME_MAX_LEN];         /* the labels left of the zone */
	uint8_t before[NAME_MAX_LEN];        /* the last one written in this message */
	uint16_t before_at[NAME_MAX_LABELS]; /* where the name begins that its i-th label
					      * from the right begins */
	int error; /* -ENOMEM, -ENOBUFS: the account's limit, -EMSGSIZE: a record too long */
};

void copy_begin(struct copy_writer *writer, const struct name *zone, uint32_t serial,
	struct copy_account *account);
/* The owner of the records that follow: canonical labels relative to the zone,
 * without a terminator; none: the apex. */
void copy_owner(struct copy_writer *writer, const uint8_t *key, size_t len);
void copy_record(struct copy_writer *writer, uint16_t type, uint32_t ttl_s, const uint8_t *rdata,
	size_t len);
/* 0, the caller has the one reference; or the writer's error, and nothing is left. */
int copy_end(struct copy_writer *writer, struct zone_copy **out);

struct zone_copy *zone_copy_hold(struct zone_copy *copy);
void zone_copy_drop(struct zone_copy *copy); /* NULL is allowed */

uint32_t zone_copy_serial(const struct zone_copy *copy);
size_t zone_copy_messages(const struct zone_copy *copy);
size_t zone_copy_records(const struct zone_copy *copy);
size_t zone_copy_bytes(const struct zone_copy *copy);

/* Put message number i into a reply that was begun for a question about the apex. */
void zone_copy_put(const struct zone_copy *copy, size_t i, struct reply *reply);

#endif

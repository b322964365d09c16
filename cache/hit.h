/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_HIT_H
#define BINNACLE_CACHE_HIT_H

/* What a look-up found, before it is written. Points into what is published, and
 * lives until the reader's thread goes offline (epoch.h). */

#include "endpoints.h"
#include "zones.h"

enum cluster_verdict { CLUSTER_FOUND, CLUSTER_NODATA, CLUSTER_NXDOMAIN, CLUSTER_UNSYNCED };

enum hit_kind {
	HIT_SOA,       /* the zone's */
	HIT_RRSET,     /* records [first, first + count) of answer, with glue */
	HIT_ADDRESSES, /* of the endpoints in pick */
	HIT_SERVICES,  /* SRV of what is in pick */
	HIT_ADDRESS,   /* one address, which the name itself spells */
	HIT_REVERSE    /* PTR of one address */
};

/* Endpoints [first, first + count) that have a port that is wanted, or the
 * Service itself. Of a topology zone: only those that are in it. */
struct pick {
	const struct entry *entry;
	struct endpoints endpoints;
	const struct port_set *ports; /* NULL: there are none */
	struct port_wanted wanted;
	const struct zone_set *zones;
	unsigned zone; /* 0: any */
	uint32_t first, count;
	bool own;
	bool external; /* the Service's addresses outside, and names without "svc" */
};

struct node;

struct cluster_hit {
	enum cluster_verdict verdict;
	enum hit_kind kind; /* of FOUND */
	uint8_t zone;       /* index of the zone in the configuration */
	uint8_t zone_labels;
	uint8_t family; /* of addr */
	uint8_t addr[16];
	uint32_t ttl_s; /* of records that are made when they are asked for */
	uint32_t first, count;
	const struct answer *answer;
	const struct answer *glue[2]; /* may be NULL */
	struct pick pick;
	/* HIT_REVERSE: the first Service that was seen to have the address, and what it
	 * said then, so that the answer has a record whatever is published meanwhile. */
	const struct node *node;
	const struct entry *entry;
	bool own; /* the address is its cluster IP */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_DRAFT_H
#define BINNACLE_CACHE_DRAFT_H

/* Where the rules write: the names of one owner, each with its entry in the very
 * bytes that will be published, in one scratch buffer that is used again for the
 * next owner. So compiling something that has not changed allocates nothing.
 *
 *	draft_begin(d, key, key_len, ENTRY_CLUSTER_IP);
 *	draft_open(d, SLOT_A, TYPE_A);
 *	draft_address(d, 4, addr);              any number of times
 *	draft_close(d, dashed_count);           any number of RRsets
 *	draft_end(d);                           any number of names
 *
 * An error is sticky: after a failed allocation calls do nothing and `error` is
 * -ENOMEM. One thread.
 */

#include <string.h>

#include "answer.h"
#include "plain.h"

struct draft_name {
	size_t entry_at; /* offset in the buffer */
	uint32_t entry_len;
	uint8_t key_len;
	uint8_t key[NAME_MAX_LEN];
};

/* Rules collect, sort and merge addresses here, but for plain endpoints. */
struct draft_item {
	const char *host;    /* hostname as the object has it; NULL: none */
	const char *cluster; /* the label behind it, of an import's endpoint; else NULL */
	uint8_t family;      /* 4 or 6 */
	uint8_t addr[16];
	uint32_t list; /* which list of ports it has (rule_endpoint.c) */
};

struct draft_text;

struct draft {
	uint8_t *buf;
	size_t len, cap;
	struct draft_name *names;
	size_t name_count, name_cap;
	struct draft_item *items;
	size_t item_count, item_cap;
	struct plain plain;         /* endpoints that need no item */
	struct draft_text *texts;   /* of items, until the next reset */
	size_t entry_at, answer_at; /* of what is open */
	uint32_t ttl_s;
	int error;
};

void draft_init(struct draft *draft, uint32_t ttl_s);
void draft_free(struct draft *draft);
/* Forget everything; memory that one large owner took is given back. */
void draft_reset(struct draft *draft);

void draft_begin(struct draft *draft, const uint8_t *key, size_t len, enum entry_kind kind);
void draft_open(struct draft *draft, enum entry_slot slot, uint16_t type);
void draft_address(struct draft *draft, uint8_t family, const uint8_t *addr);
/* Those of the plain endpoints, which are sorted, each once; returns how many. */
uint32_t draft_plain(struct draft *draft);
/* A record of any kind. owner NULL: the question's name. */
void draft_record(struct draft *draft, const uint8_t *owner, size_t owner_len, const uint8_t *rdata,
	size_t len);
void draft_close(struct draft *draft, uint32_t dashed_count);
/* What is written of the open entry so far, until the next call that writes. */
const struct entry *draft_open_entry(const struct draft *draft);
/* The open entry's endpoints have no names but hostnames. */
void draft_nameless(struct draft *draft);
/* size zeroed bytes in a slot of the open entry, valid until the next call that
 * writes; NULL: no memory. */
void *draft_block(struct draft *draft, enum entry_slot slot, size_t size);
/* The same RRset or block in another slot of the open entry. */
void draft_alias(struct draft *draft, enum entry_slot from, enum entry_slot to);
void draft_end(struct draft *draft);

/* An RRset of n sorted items for each family there is (equal addresses once): A in the
 * slot given, AAAA in the one behind it. */
void draft_addresses(
	struct draft *draft, enum entry_slot slot, const struct draft_item *items, size_t n);

/* The entry of a name, valid until the next call that writes. */
const uint8_t *draft_entry(const struct draft *draft, const struct draft_name *name);

/* The item, until the next one; NULL: no memory. */
struct draft_item *draft_item(
	struct draft *draft, const char *host, uint8_t family, const uint8_t *addr, uint32_t list);
/* A copy that lives until the next reset; NULL: no memory. */
const char *draft_text(struct draft *draft, const char *text);
/* By hostname and cluster (letter case ignored), family, address. */
void draft_sort_by_host(struct draft_item *items, size_t n);
/* By cluster alone, those without one first. */
void draft_sort_by_cluster(struct draft_item *items, size_t n);
/* By hostname and cluster alone. */
int draft_compare_names(const struct draft_item *a, const struct draft_item *b);
/* By family and address alone. */
int draft_compare(const struct draft_item *a, const struct draft_item *b);
static inline bool draft_same_address(const struct draft_item *a, const struct draft_item *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof a->addr) == 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_HOSTS_TABLE_H
#define BINNACLE_DNS_PLUGIN_HOSTS_TABLE_H

/* The names of a hosts file and what is said of each: A and AAAA, and for the reverse
 * name of each address PTR. Built once and then immutable: any number of readers, on any
 * thread, without allocation or lock.
 *
 *	192.0.2.1 web www      node "web."                      A   192.0.2.1
 *	                       node "www."                      A   192.0.2.1
 *	                       node "1.2.0.192.in-addr.arpa."   PTR web. www.
 *
 * All nodes are in one hash table, keyed, so that a name is looked up once whatever it
 * is and whatever is asked. Records stand in the order in which they were added, each
 * once (RFC 2181 section 5).
 */

#include "dns/corefile/value.h"
#include "dns/wire/name.h"
#include "dns/wire/reply.h"

/* Records of all names together; twice as many as a file has names, PTR being made of
 * each. */
#define HOSTS_RECORDS_MAX (1u << 22)

enum hosts_kind { HOSTS_A, HOSTS_AAAA, HOSTS_PTR, HOSTS_KINDS };

struct hosts_rules {
	const struct name *zones; /* canonical; names outside of them are passed over */
	size_t zone_count;
	bool reverse;       /* make PTR */
	size_t records_max; /* HOSTS_RECORDS_MAX, but for tests */
	uint8_t key[16];    /* from the kernel's generator */
};

struct hosts_builder;
struct hosts_table;
struct hosts_node;

/* NULL: out of memory. rules must live as long as the builder. */
struct hosts_builder *hosts_builder_new(const struct hosts_rules *rules);

/* Say that name (in any letter case) has the address. 0; -ENOMEM, or -E2BIG over
 * records_max: nothing is then to be done with the builder but to free it. */
int hosts_builder_add(struct hosts_builder *builder, const struct value_address *address,
	const struct name *name);

/* 0, and the builder is empty but must still be freed; or -ENOMEM. */
int hosts_builder_end(struct hosts_builder *builder, struct hosts_table **out);
void hosts_builder_free(struct hosts_builder *builder); /* NULL: nothing */

void hosts_table_free(struct hosts_table *table); /* NULL: nothing */
size_t hosts_table_bytes(const struct hosts_table *table);
size_t hosts_table_records(const struct hosts_table *table);

/* The question's name, or the name with its first label replaced by "*" (which stands
 * for one label, and not for a name of one label), or NULL. */
const struct hosts_node *hosts_table_find(
	const struct hosts_table *table, const struct query *query);

/* Put the node's records of a kind into Answer, as many as fit; the owner is the
 * question's name as it was asked. */
void hosts_table_put(const struct hosts_table *table, const struct hosts_node *node,
	enum hosts_kind kind, uint32_t ttl_s, struct reply *reply);

#endif

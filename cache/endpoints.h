/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_ENDPOINTS_H
#define BINNACLE_CACHE_ENDPOINTS_H

/* The endpoints of one Service, as they lie in its entry: everything that is
 * said below a Service's name (endpoint names, SRV, PTR) is read from there, so
 * that one store publishes it all, and no name of an endpoint costs a node.
 *
 *	number   0 ... v4_count-1            without a hostname, by address
 *	         ... +v6_count-1             the same, IPv6
 *	         ... +host_count-1           (hostname, address), by hostname
 *
 * An endpoint without a hostname is known by its dashed address (dashed.h). Its
 * address is a record of SLOT_ENDPOINTS_A or _AAAA; the hostnames are in
 * SLOT_HOSTS:
 *
 *	db-0 10.0.0.7, db-0 fd00::7, db-1 10.0.0.3
 *	pairs       [db-0 4 10.0.0.7] [db-0 6 fd00::7] [db-1 4 10.0.0.3]
 *	by address  2 0 1
 *	labels      04 d b - 0 04 d b - 1
 *
 * Of an import (a Service of a set of clusters) a hostname is two labels, the second
 * being the cluster's id, and behind the labels lie these ids, each once:
 *
 *	labels      04 d b - 0 04 e a s t, 04 d b - 0 04 w e s t
 *	clusters    04 e a s t 04 w e s t
 *
 * There a dashed address is a hostname like any other, and what has no hostname (its
 * cluster has no id that can be a label) has no name at all, only its address.
 *
 * Which ports an endpoint has: ports.h. Position-independent, immutable. Any
 * thread.
 */

#include "answer.h"
#include "ports.h"

struct host_pair {
	uint32_t label_at; /* from the start of the set: one or two labels, each a length byte and
			    * letters in lower case */
	uint8_t family;
	uint8_t addr[16];
	uint8_t zero[3];
};

/* Behind the pairs: uint32_t by_address[count], then the labels. */
struct host_set {
	uint32_t bytes; /* of all */
	uint32_t count;
	uint32_t namesakes;   /* hostnames that are also a dashed address of the Service */
	uint32_t clusters_at; /* from the start of the set; 0: hostnames are one label */
	struct host_pair pairs[];
};

struct endpoints {
	const struct answer *v4, *v6;
	const struct host_set *hosts;
	const struct port_set *ports;
	uint32_t v4_count, v6_count, host_count;
	bool nameless; /* without a hostname there is no name */
};

struct endpoint {
	const uint8_t *label; /* the hostname with its length bytes; NULL: the dashed address */
	uint8_t label_len;    /* of all its labels */
	const uint8_t *addr;
	uint8_t family;
	uint16_t group; /* of ports */
	uint32_t number;
};

struct endpoints endpoints_of(const struct entry *entry);

static inline uint32_t endpoints_count(const struct endpoints *endpoints)
{
	return endpoints->v4_count + endpoints->v6_count + endpoints->host_count;
}

/* The first one that has a hostname. */
static inline uint32_t endpoints_first_host(const struct endpoints *endpoints)
{
	return endpoints->v4_count + endpoints->v6_count;
}

/* at < endpoints_count(). by_address: those with a hostname in the order of their
 * addresses. */
struct endpoint endpoints_get(const struct endpoints *endpoints, uint32_t at);
struct endpoint endpoints_get_by_address(const struct endpoints *endpoints, uint32_t at);

/* The number of the endpoint that a dashed label stands for; -1: none. */
int64_t endpoints_find_dashed(const struct endpoints *endpoints, const uint8_t *label);

/* The number of the first endpoint with this hostname, and how many there are
 * (0: none). label: a question's labels in lower case, as many as a hostname has. */
uint32_t endpoints_find_host(
	const struct endpoints *endpoints, const uint8_t *label, uint32_t *count);

/* True if there is an endpoint of the cluster with this id: of a label in lower case. */
bool endpoints_has_cluster(const struct endpoints *endpoints, const uint8_t *label);

/* The k-th endpoint that has a hostname and this address, false: there is none. */
bool endpoints_find_named(const struct endpoints *endpoints, uint8_t family, const uint8_t *addr,
	uint32_t k, struct endpoint *out);

#endif

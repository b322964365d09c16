/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_PORTS_H
#define BINNACLE_CACHE_PORTS_H

/* The ports of a Service or of its endpoints, as they lie in an entry. Endpoints
 * that have the same ports form a group; nearly always there is one.
 *
 *	ports     [80 "http" "tcp"] [443 "https" "tcp"] [8080 "http" "tcp"]
 *	groups    [0, 2) [2, 3)
 *	group_of  0 0 1 0          of each endpoint (endpoints.h); left out where
 *	                           there is one group
 *
 * Position-independent, immutable. Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_record {
	int32_t number;   /* -1: no SRV can be made of it */
	uint32_t text_at; /* from the start of the set: name and protocol, each a
			   * length byte and letters in lower case */
	uint16_t times;   /* in how many slices each endpoint of the group has it */
	uint16_t zero;
};

struct port_group {
	uint16_t first, count; /* of the records */
};

/* Behind the records: groups, group_of, texts. */
struct port_set {
	uint32_t bytes; /* of all */
	uint16_t port_count, group_count;
	struct port_record ports[];
};

/* What a name asks for: `_http._tcp` with or without underscores. NULL: any. */
struct port_wanted {
	const uint8_t *name, *protocol;
	uint8_t name_len, protocol_len;
};

static inline const struct port_group *ports_groups(const struct port_set *set)
{
	const void *at = set->ports + set->port_count;

	return at;
}

static inline uint16_t ports_group_of(const struct port_set *set, uint32_t endpoint)
{
	const void *at = ports_groups(set) + set->group_count;
	const uint16_t *group_of = at;

	return set->group_count > 1 ? group_of[endpoint] : 0;
}

/* From two labels of a question in lower case (each with its length byte).
 * False: no port can be called so. */
bool ports_wanted(const uint8_t *name, const uint8_t *protocol, struct port_wanted *out);

bool ports_match(const struct port_set *set, const struct port_record *port,
	const struct port_wanted *wanted);

/* A port's name and, behind it, its protocol: each a length byte and letters. */
static inline const uint8_t *ports_labels(const struct port_set *set, unsigned port)
{
	return (const uint8_t *)set + set->ports[port].text_at;
}

/* How many ports of a group match. */
unsigned ports_count(const struct port_set *set, unsigned group, const struct port_wanted *wanted);

/* The same, each as often as it is there. */
unsigned ports_candidates(
	const struct port_set *set, unsigned group, const struct port_wanted *wanted);

/* True if a name `_port.LABEL` can exist: the empty non-terminal above it does. */
bool ports_has_protocol(const struct port_set *set, const uint8_t *label);

#endif

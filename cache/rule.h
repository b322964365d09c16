/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_RULE_H
#define BINNACLE_CACHE_RULE_H

/* A rule says what one kind of record follows from the objects: pure functions
 * from an owner (a Service joined with its slices) to a draft. A new kind of
 * record is one rule_*.c and one row in compile.c.
 *
 * For each owner compile begins the entry of the owner's own name, lets the
 * rules in order add RRsets to it (own), ends it, and lets them add further
 * names (names), each begun and ended by the rule. Rules run on the writer's
 * thread; a failed allocation is the draft's sticky error.
 */

#include "draft.h"
#include "store.h"

/* What does not change while the cluster lives. */
struct rule_config {
	uint32_t ttl_s;
	const struct ip *own; /* this server's addresses */
	size_t own_count;
	const struct name *primary; /* the first forward zone */
	uint8_t zone_max;           /* wire bytes of the longest forward zone */
};

/* One owner on its way through the rules. */
struct rule_run {
	const struct rule_config *config;
	const struct owner *owner; /* its service is not NULL */
	struct draft *draft;
	enum entry_kind kind; /* set by compile from the Service's type */
	bool absent;          /* a rule says: this owner has no name at all */
	bool holds_own;       /* one of our own addresses is an endpoint */
	size_t hosts;         /* endpoints with a hostname */
	uint64_t refused;     /* names left out as invalid, added up */
};

struct rule {
	void (*own)(struct rule_run *run);
	void (*names)(struct rule_run *run); /* NULL: none */
};

extern const struct rule rule_service, rule_endpoint;

/* The hostname of an endpoint of this owner, NULL: none, or one that makes no
 * valid name, which counts as none (the endpoint is then known by its address). */
const char *rule_host(const struct rule_config *config, const struct owner *owner,
	const char *const *hosts, size_t at);
bool rule_is_own(const struct rule_config *config, uint8_t family, const uint8_t *addr);

/* The apex and ns.dns, which depend on all owners at once: NS with glue. The
 * draft's first name is the apex of the forward zones, the second that of the
 * reverse zones. */
void rule_zone(const struct rule_config *config, struct table *owners, struct draft *draft);
/* The entry of ns.dns: our own addresses. */
void rule_zone_host(const struct rule_config *config, struct draft *draft);

#endif

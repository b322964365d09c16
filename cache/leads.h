/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_LEADS_H
#define BINNACLE_CACHE_LEADS_H

/* What the exchange of an entry changes in reverse.h: the hashes of addresses that lead to
 * its node now and did not, and of those that did and do not.
 *
 * A Service may have thousands of endpoints, of which one slice has changed: endpoints that
 * both entries have are passed over as bytes, and hashed only where one has gone, because
 * another one may have the same hash.
 *
 * The writer's thread.
 */

#include "answer.h"
#include "reverse.h"

struct hash_list {
	uint32_t *hash; /* sorted, each once */
	size_t count, cap;
};

void hash_list_free(struct hash_list *list);

/* Either entry may be NULL: nothing leads there. What is in come may lead to the node
 * already. 0 or -ENOMEM. */
int leads_differ(const struct reverse *reverse, const struct entry *old, const struct entry *fresh,
	struct hash_list *gone, struct hash_list *come);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_COMPILE_H
#define BINNACLE_CACHE_COMPILE_H

/* From dirty keys to what readers see. For each dirty owner: run the rules,
 * compare with what is published, replace only what differs.
 *
 * An owner has one entry. First comes everything that can fail: the entry is
 * copied out, the node made (readers do not see it yet), its addresses lead to it
 * (reverse.h; readers look into the entry first). Then one store publishes all.
 * Without memory the owner keeps the answers it has and stays dirty; the next
 * run tries again.
 *
 * The writer's thread. Readers only load `apex`.
 */

#include "leads.h"
#include "rule.h"

enum { APEX_FORWARD, APEX_REVERSE, APEX_WHOLE, APEX_EXTERNAL, APEX_COUNT };

struct compile {
	_Atomic(const struct entry *) apex[APEX_COUNT]; /* never NULL after init */
	struct store *store;
	struct index *index;
	struct reverse *reverse;
	const struct rule_config *config;
	struct draft draft;
	struct ports_builder ports;
	struct hash_list gone, come; /* of the entry under way */
	struct node *host;           /* ns.dns */
	struct node *schema;         /* dns-version */
	struct node *bare[2];        /* svc and pod, which exist whatever is in them */
	bool zone_dirty;
	uint64_t published, compiled, refused;
	uint64_t bytes; /* of apex entries */
};

/* 0 or -ENOMEM. Publishes what needs no object. Everything pointed to must
 * outlive it; compile must be zeroed. */
int compile_init(struct compile *compile, struct store *store, struct index *index,
	struct reverse *reverse, const struct rule_config *config);
/* No reader may be inside; a zeroed struct is allowed. */
void compile_free(struct compile *compile);

/* Compile what is dirty: owners only once the Services or the imports are complete. Returns how
 * many keys could not be (out of memory); they are dirty again. */
size_t compile_run(struct compile *compile);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_SERVE_WAIT_H
#define BINNACLE_DNS_SERVE_WAIT_H

/* How a question waits without anybody waiting for it.
 *
 * A plugin that needs to learn something looks into the txn's memo first. If it is not
 * there it says what it needs (wait_for) and gives up with PLUGIN_WAIT; so does whatever
 * asked it. Whoever runs the chain keeps a copy of the packet, has the plugin begin, and
 * when the finding comes adds it to the memo and runs the whole chain again, from the
 * start: a plugin is straight code, whether it waits for nothing or five times.
 *
 *	run 1   kubernetes: CNAME db.example.org ... forward: not in the memo   WAIT
 *	        begin(forward, db.example.org A) ............ finding 1
 *	run 2   kubernetes: CNAME db.example.org ... forward: finding 1         DONE
 *
 * What a chain does before it waits must therefore have no effect but on the reply.
 */

#include "dns/wire/name.h"
#include "dns/wire/query.h"

struct txn;

/* What was learned: belongs to who made it, held by references. */
struct finding {
	void (*release)(struct finding *finding); /* gives one reference back */
};

/* Who waits; embedded. On the loop thread. */
struct waiter {
	/* Once, also from within begin(). The reference is the waiter's now; NULL: there was
	 * no memory for a finding. */
	void (*done)(struct waiter *waiter, struct finding *finding);
	struct waiter *next; /* for whom it waits */
};

struct wait {
	/* Starts to find out, on the loop thread, inside no epoch. Afterwards the waiter
	 * belongs to the instance until done(). NULL: nobody waits. */
	void (*begin)(void *instance, const struct wait *wait, struct waiter *waiter);
	void *instance;
	uint64_t start_ns; /* the txn's */
	uint16_t type;
	bool dnssec_ok, checking_disabled;
	uint8_t name_len;
	uint8_t name[NAME_MAX_LEN]; /* canonical */
};

#define MEMO_MAX 24 /* findings for one question: aliases, and names of a search list */

struct memo_item {
	struct finding *finding;
	const void *instance;
	uint16_t type;
	uint8_t name_len;
	uint8_t *name; /* owned */
};

struct memo {
	struct memo_item *items; /* owned; NULL: empty */
	unsigned count;
};

/* The txn's question is what instance has to learn about. True: the verdict is PLUGIN_WAIT.
 * False: nothing can wait here or now. */
bool wait_for(struct txn *txn, void *instance,
	void (*begin)(void *instance, const struct wait *wait, struct waiter *waiter));

/* What the instance has found out about the txn's question; NULL: nothing yet. */
struct finding *wait_found(const struct txn *txn, const void *instance);

/* Add what a wait was for; takes the reference. 0, -ENOMEM, or -E2BIG (MEMO_MAX): the
 * reference is given back then. */
int memo_add(struct memo *memo, const struct wait *wait, struct finding *finding);
void memo_clear(struct memo *memo);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_SERVE_ASK_H
#define BINNACLE_DNS_SERVE_ASK_H

/* A question goes along its block's plugins; and what the answer leads to goes along
 * the plugins of whichever block holds that name, as if the client had asked:
 *
 *	db.shop.svc.cluster.local A?    block cluster.local: kubernetes
 *	    CNAME db.example.org        leads out of the cluster
 *	  db.example.org A?             block .: whoever answers there
 *	    A 192.0.2.7                 joins the reply
 *
 * Questions that are asked in between live in the thread, one for each depth: an
 * answer that was asked for may lead on, and is then followed in turn.
 */

#include "dns/wire/message.h"
#include "plugin.h"

#define ASK_DEPTH_MAX 2
#define ASK_LINKS_MAX 16 /* aliases in one reply */

/* One question that the server asks itself. */
struct inner {
	struct query query;
	struct reply reply;
	uint8_t asked[QUERY_ASKED_MAX];
	uint8_t buf[UINT16_MAX];
};

/* The thread's for a depth below ASK_DEPTH_MAX (thread.c). */
struct inner *thread_inner(struct thread *thread, unsigned depth);

/* Ask the plugins of the txn's block in order, and follow the alias that the reply may
 * end in (txn->outside): every record on the way joins the reply, its rcode is that of the
 * last name (RFC 6604), the negative SOA that of the last name's zone (RFC 2308 section
 * 2.1). More than ASK_LINKS_MAX links or a loop are SERVFAIL with what was found.
 * A target that nobody here answers for is left to the client. */
enum plugin_verdict ask_chain(struct txn *txn);

/* Ask the server for another name, with the client's address and EDNS. PLUGIN_DONE: the
 * whole reply (no OPT) is in out and lives until the thread's next question of that
 * depth. PLUGIN_NEXT: nobody answers for it. What went wrong is in txn->error. */
enum plugin_verdict ask_other(
	struct txn *txn, const uint8_t *name, uint8_t name_len, struct message *out);

/* For a plugin whose reply ends in an alias to a name it does not know. */
void ask_outside(struct txn *txn, const struct name *target);

#endif

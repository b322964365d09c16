/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PENDING_H
#define BINNACLE_DNS_PENDING_H

/* Questions that wait (dns/serve/wait.h): copied off the thread that received them,
 * handed to the loop thread, run again there when what they wait for is known, and
 * answered from there, a turn of the loop's replies together. Joins serve (chains) with net
 * (threads and sockets).
 *
 * However long upstreams are silent, so many questions wait and no more: PENDING_MAX, and
 * each once as long as what it waits for takes.
 */

#include "dns/net/worker.h"
#include "dns/serve/respond.h"

#define PENDING_MAX 16384

struct pendings;

/* The worker outlives it, its handler too. Control loop's thread. 0 or -ENOMEM. */
int pendings_new(struct worker *worker, struct pendings **out);
void pendings_free(struct pendings *pendings); /* after worker_stop(); NULL is allowed */

/* Take over a question for which respond() filled wait. False: too many wait, or no
 * memory; nothing has happened then. Later runs go by what the slot has then, and it must
 * live as long. Any thread. */
bool pending_start(struct pendings *pendings, const struct net_packet *packet,
	const struct zone_slot *slot, const struct wait *wait);

/* How many wait now. Any thread. */
unsigned pendings_count(const struct pendings *pendings);

#endif

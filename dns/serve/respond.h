/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_SERVE_RESPOND_H
#define BINNACLE_DNS_SERVE_RESPOND_H

/* From a packet to a reply: parse, pick the server block, run its chain,
 * finish. The one way in for every transport. Runs on answering and loop
 * threads; allocates nothing, takes no lock. */

#include "plugin.h"
#include "zones.h"

struct respond_packet {
	const uint8_t *data;
	size_t len;
	const struct sockaddr *peer, *local;
	bool tcp;
	struct stream **stream;         /* where a stream goes; NULL: there can be none */
	const struct stream_wake *wake; /* set where stream is */
	/* Where a wait is described, its begin NULL before; NULL: nothing may wait. */
	struct wait *wait;
	const struct memo *memo; /* of earlier runs; NULL: this is the first */
	uint64_t start_ns;       /* of the first run, if it took the time; else 0 */
};

/* Write the reply to out (65535 bytes); its length, 0: no reply, a stream of
 * them in *packet->stream, or a wait in *packet->wait. REFUSED where
 * no block matches and for classes other than IN, SERVFAIL where no plugin of
 * the block answers. */
size_t respond(struct thread *thread, const struct zone_table *table,
	const struct respond_packet *packet, uint8_t *out);

#endif

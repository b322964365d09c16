/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_SIEVE_H
#define BINNACLE_CACHE_SIEVE_H

/* Which of many entries goes when room is needed: SIEVE (Zhang and others, NSDI 2024). A
 * queue in the order of arrival and a hand that moves from the oldest to the newest: what
 * was asked for since the hand was there last stays where it is, the first that was not
 * goes. So names that are asked once do not push out those that are asked again and again,
 * and a hit moves nothing: it sets one bit.
 *
 *	newest [ ][v][ ][ ][v] oldest        <- hand:  v is cleared, the next one goes
 *
 * The links belong to the caller's entries. One writer at a time; sieve_visit() may be
 * called by any thread meanwhile, while the entry exists. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct sieve_link {
	struct sieve_link *older, *newer;
	atomic_bool visited;
};

struct sieve { /* zero-initialised */
	struct sieve_link *newest, *oldest;
	struct sieve_link *hand; /* NULL: begins at the oldest */
};

static inline void sieve_visit(struct sieve_link *link)
{
	/* Most often it is set: the line then stays shared between readers. */
	if (!atomic_load_explicit(&link->visited, memory_order_relaxed))
		atomic_store_explicit(&link->visited, true, memory_order_relaxed);
}

/* visited: what replaces an entry that was asked for. */
void sieve_add(struct sieve *sieve, struct sieve_link *link, bool visited);
void sieve_remove(struct sieve *sieve, struct sieve_link *link);

/* The one to remove; NULL: the queue is empty. One that is `dead` goes whether it was
 * visited or not. Each step clears a bit that a visit has set, so that the cost is the
 * visits'. */
struct sieve_link *sieve_victim(
	struct sieve *sieve, bool (*dead)(void *user, const struct sieve_link *link), void *user);

#endif

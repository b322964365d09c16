/* SPDX-License-Identifier: Apache-2.0 */
#include "sieve.h"

void sieve_add(struct sieve *sieve, struct sieve_link *link, bool visited)
{
	link->newer = NULL;
	link->older = sieve->newest;
	atomic_init(&link->visited, visited);
	if (sieve->newest)
		sieve->newest->newer = link;
	else
		sieve->oldest = link;
	sieve->newest = link;
}

void sieve_remove(struct sieve *sieve, struct sieve_link *link)
{
	if (sieve->hand == link)
		sieve->hand = link->newer;
	if (link->newer)
		link->newer->older = link->older;
	else
		sieve->newest = link->older;
	if (link->older)
		link->older->newer = link->newer;
	else
		sieve->oldest = link->newer;
}

struct sieve_link *sieve_victim(
	struct sieve *sieve, bool (*dead)(void *user, const struct sieve_link *link), void *user)
{
	struct sieve_link *at = sieve->hand ? sieve->hand : sieve->oldest;

	while (at && atomic_load_explicit(&at->visited, memory_order_relaxed) && !dead(user, at)) {
		atomic_store_explicit(&at->visited, false, memory_order_relaxed);
		at = at->newer ? at->newer : sieve->oldest;
	}
	sieve->hand = at;
	return at;
}

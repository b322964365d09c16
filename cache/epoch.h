/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_CACHE_EPOCH_H
#define BINNACLE_CACHE_EPOCH_H

/* Publication to readers without locks: liburcu's QSBR flavour, wrapped in this
 * one file so that ThreadSanitizer can be told of grace periods (liburcu
 * 0.13's barriers are invisible to it).
 *
 * Reader thread:  epoch_thread_start()
 *                 { block; epoch_online(); read; epoch_offline(); }*
 *                 epoch_thread_stop()
 * Offline is the state after start. Pointers read while online die at offline.
 *
 * Writer (one thread per bin): unpublish with a release store, then
 * epoch_retire(); memory is freed by epoch_reclaim() after a grace period.
 */

#include <stddef.h>

void epoch_thread_start(void);
void epoch_thread_stop(void);
void epoch_online(void);
void epoch_offline(void);

/* Wait for a grace period: readers that were online have been offline. Not by a thread that
 * is online. */
void epoch_wait(void);

/* What a writer has unpublished and not yet freed. Zero-initialised. */
struct epoch_bin {
	struct epoch_retired *items;
	size_t count, cap;
	size_t bytes; /* as the caller gave them */
};

/* Free ptr with release (NULL: free) after a grace period. If memory for the
 * note is short, waits for the grace period and frees at once. ptr NULL: nothing. */
void epoch_retire(struct epoch_bin *bin, void *ptr, size_t bytes, void (*release)(void *));

/* Wait for one grace period and free everything in the bin. Must not be called
 * by a thread that is online. */
void epoch_reclaim(struct epoch_bin *bin);
void epoch_bin_free(struct epoch_bin *bin); /* reclaims first */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Without _LGPL_SOURCE, so that liburcu's functions are called and not inlined:
 * one call per batch of queries, and ThreadSanitizer then does not look into
 * barriers that it cannot understand. */
#include "epoch.h"

#include <stdlib.h>
#include <urcu-qsbr.h>

struct epoch_retired {
	void *ptr;
	void (*release)(void *);
};

/* More notes than this are not kept in readiness for the next burst. */
#define BIN_KEEP 1024

/* The one allowed #if: ThreadSanitizer cannot see liburcu's barriers, so it is
 * told that whatever a reader did before it went offline happens before what
 * the writer does after the grace period. The address stands for the epoch and
 * is never read or written. */
#if defined(__SANITIZE_THREAD__)
#define EPOCH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EPOCH_TSAN 1
#endif
#endif

#ifdef EPOCH_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
static char epoch_tag;

static void tell_offline(void)
{
	__tsan_release(&epoch_tag);
}

static void tell_grace_period(void)
{
	__tsan_acquire(&epoch_tag);
}
#else
static void tell_offline(void)
{
}

static void tell_grace_period(void)
{
}
#endif

void epoch_thread_start(void)
{
	urcu_qsbr_register_thread();
	epoch_offline();
}

void epoch_thread_stop(void)
{
	urcu_qsbr_unregister_thread();
}

void epoch_online(void)
{
	urcu_qsbr_thread_online();
}

void epoch_offline(void)
{
	tell_offline();
	urcu_qsbr_thread_offline();
}

void epoch_wait(void)
{
	urcu_qsbr_synchronize_rcu();
	tell_grace_period();
}

static void release_one(const struct epoch_retired *item)
{
	if (item->release)
		item->release(item->ptr);
	else
		free(item->ptr);
}

static int bin_grow(struct epoch_bin *bin)
{
	size_t cap = bin->cap ? bin->cap * 2 : 64;
	struct epoch_retired *items = realloc(bin->items, cap * sizeof *items);

	if (!items)
		return -1;
	bin->items = items;
	bin->cap = cap;
	return 0;
}

void epoch_retire(struct epoch_bin *bin, void *ptr, size_t bytes, void (*release)(void *))
{
	const struct epoch_retired item = {ptr, release};

	if (!ptr)
		return;
	if (bin->count == bin->cap && bin_grow(bin)) {
		epoch_wait();
		release_one(&item);
		return;
	}
	bin->items[bin->count++] = item;
	bin->bytes += bytes;
}

void epoch_reclaim(struct epoch_bin *bin)
{
	if (!bin->count)
		return;
	epoch_wait();
	for (size_t i = 0; i < bin->count; i++)
		release_one(&bin->items[i]);
	bin->count = 0;
	bin->bytes = 0;
	if (bin->cap > BIN_KEEP) {
		free(bin->items);
		bin->items = NULL;
		bin->cap = 0;
	}
}

void epoch_bin_free(struct epoch_bin *bin)
{
	epoch_reclaim(bin);
	free(bin->items);
	*bin = (struct epoch_bin){0};
}

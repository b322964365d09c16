/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/epoch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int freed;

static void note_free(void *ptr)
{
	freed++;
	free(ptr);
}

static void frees_at_reclaim(void **state)
{
	struct epoch_bin bin = {0};

	(void)state;
	freed = 0;
	for (int i = 0; i < 3000; i++)
		epoch_retire(&bin, malloc(8), 8, note_free);
	epoch_retire(&bin, NULL, 8, note_free);
	assert_int_equal(bin.count, 3000);
	assert_int_equal(bin.bytes, 24000);
	assert_int_equal(freed, 0);
	epoch_reclaim(&bin);
	assert_int_equal(freed, 3000);
	assert_int_equal(bin.count, 0);
	assert_int_equal(bin.bytes, 0);
	epoch_retire(&bin, malloc(8), 8, NULL);
	epoch_bin_free(&bin);
	assert_null(bin.items);
}

/* A reader that is online holds up the writer; what it saw stays good. */
struct shared {
	_Atomic(int *) value;
	atomic_int online, done;
};

static void *reader(void *user)
{
	struct shared *shared = user;

	epoch_thread_start();
	for (int i = 0; i < 2000; i++) {
		const int *value;

		epoch_online();
		value = atomic_load_explicit(&shared->value, memory_order_acquire);
		atomic_store(&shared->online, 1);
		if (*value < 0)
			abort(); /* freed memory is overwritten by the writer first */
		epoch_offline();
	}
	epoch_thread_stop();
	atomic_store(&shared->done, 1);
	return NULL;
}

static void poison(void *ptr)
{
	*(int *)ptr = -1;
	free(ptr);
}

static void readers_are_waited_for(void **state)
{
	struct shared shared = {.online = 0};
	struct epoch_bin bin = {0};
	int *value = malloc(sizeof *value);
	pthread_t thread;

	(void)state;
	*value = 0;
	atomic_init(&shared.value, value);
	assert_int_equal(pthread_create(&thread, NULL, reader, &shared), 0);
	for (int i = 1; !atomic_load(&shared.done); i++) {
		int *fresh = malloc(sizeof *fresh), *old = value;

		*fresh = i;
		atomic_store_explicit(&shared.value, fresh, memory_order_release);
		value = fresh;
		epoch_retire(&bin, old, sizeof *old, poison);
		epoch_reclaim(&bin);
	}
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&shared.online), 1);
	epoch_retire(&bin, value, sizeof *value, poison);
	epoch_bin_free(&bin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frees_at_reclaim),
		cmocka_unit_test(readers_are_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nomem.h"
#include "objects.h"

static const uint8_t secret[16] = "0123456789abcde";

struct fixture {
	struct store store;
	uint64_t base;
};

static int setup(void **state)
{
	static struct fixture fixture;

	if (store_init(&fixture.store, secret, NULL))
		return -1;
	fixture.base = store_bytes(&fixture.store);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	store_free(&fixture->store);
	return 0;
}

/* Take the dirty owners as compile does; returns how many, the last in *last. */
static unsigned take(struct store *store, struct owner **last)
{
	struct owner *owner;
	struct space *space;
	unsigned count = 0;

	while ((space = store_take_space(store)))
		store_put_space(store, space);
	while ((owner = store_take_owner(store))) {
		if (last)
			*last = owner;
		store_put_owner(store, owner);
		count++;
	}
	return count;
}

static unsigned slices_of(const struct owner *owner)
{
	unsigned count = 0;

	for (const struct slice_record *at = owner->slices; at; at = at->next)
		count++;
	return count;
}

static void upsert(struct store *store, struct object *object)
{
	assert_int_equal(store_upsert(store, object), 0);
}

static void joins_in_either_order(void **state)
{
	struct fixture *fixture = *state;
	struct store *store = &fixture->store;
	struct owner *first = NULL, *owner = NULL;

	upsert(store, make_slice("shop", "web-1", "web", 1, "10.0.0.1 10.0.0.2"));
	assert_int_equal(take(store, &first), 1);
	assert_null(first->service);
	upsert(store, make_service("shop", "web", 2, SERVICE_CLUSTER_IP, "10.9.0.1"));
	upsert(store, make_slice("shop", "web-2", "web", 3, "10.0.0.3 fd00::1"));
	assert_int_equal(take(store, &owner), 1);
	assert_ptr_equal(first, owner);
	assert_non_null(owner->service);
	assert_int_equal(slices_of(owner), 2);
	assert_int_equal(store->endpoints, 4);
	assert_int_equal(store->kinds[KIND_SLICE].count, 2);
	assert_int_equal(owner->space->services, 1);

	/* Another namespace, another name: not the same. */
	upsert(store, make_slice("other", "web-1", "web", 4, "10.0.0.1"));
	upsert(store, make_slice("shop", "we-1", "we", 5, "10.0.0.1"));
	assert_int_equal(take(store, NULL), 2);
	assert_int_equal(slices_of(owner), 2);

	store_remove(store, KIND_SERVICE, "shop", "web", 6);
	store_remove(store, KIND_SLICE, "shop", "web-1", 7);
	assert_int_equal(take(store, &owner), 1);
	assert_null(owner->service);
	assert_int_equal(slices_of(owner), 1);
	store_remove(store, KIND_SLICE, "shop", "web-2", 8);
	store_remove(store, KIND_SLICE, "shop", "we-1", 9);
	store_remove(store, KIND_SLICE, "other", "web-1", 10);
	store_remove(store, KIND_SLICE, "other", "never-was", 11);
	assert_int_equal(take(store, NULL), 3);
	assert_int_equal(store_bytes(store), fixture->base);
	assert_int_equal(store->endpoints, 0);
}

static void same_is_not_dirty(void **state)
{
	struct fixture *fixture = *state;
	struct store *store = &fixture->store;
	struct owner *owner = NULL;

	upsert(store, make_service("shop", "web", 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
	upsert(store, make_slice("shop", "web-1", "web", 2, "10.0.0.1"));
	upsert(store, make_namespace("shop", 3));
	assert_int_equal(take(store, &owner), 1);
	store->changed = false;
	upsert(store, make_service("shop", "web", 11, SERVICE_CLUSTER_IP, "10.9.0.1"));
	upsert(store, make_slice("shop", "web-1", "web", 12, "10.0.0.1"));
	upsert(store, make_namespace("shop", 13));
	assert_false(store->changed);
	assert_int_equal(take(store, NULL), 0);
	assert_int_equal(owner->service->head.version, 11);
	assert_int_equal(owner->slices->object->head.version, 12);
	assert_int_equal(store->kinds[KIND_SERVICE].version, 1);
	upsert(store, make_service("shop", "web", 14, SERVICE_CLUSTER_IP, "10.9.0.2"));
	assert_true(store->changed);
	assert_int_equal(store->kinds[KIND_SERVICE].version, 14);
	assert_int_equal(take(store, NULL), 1);
}

static void sweep_takes_what_is_gone(void **state)
{
	struct fixture *fixture = *state;
	struct store *store = &fixture->store;

	store_begin(store, KIND_SERVICE);
	store_begin(store, KIND_SLICE);
	store_begin(store, KIND_NAMESPACE);
	for (unsigned i = 0; i < 100; i++) {
		char name[32];

		sprintf(name, "s%u", i);
		upsert(store, make_service("shop", name, 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
		upsert(store, make_slice("shop", name, name, 1, "10.0.0.1"));
		upsert(store, make_namespace(name, 1));
	}
	store_end(store, KIND_SERVICE, 50);
	store_end(store, KIND_SLICE, 50);
	store_end(store, KIND_NAMESPACE, 50);
	assert_int_equal(take(store, NULL), 100);
	assert_int_equal(store->kinds[KIND_SLICE].version, 50);

	/* A list that breaks off sweeps nothing, its news stay. */
	store_begin(store, KIND_SERVICE);
	upsert(store, make_service("shop", "s7", 60, SERVICE_CLUSTER_IP, "10.9.0.7"));
	store_abort(store, KIND_SERVICE);
	assert_int_equal(store->kinds[KIND_SERVICE].count, 100);
	assert_int_equal(take(store, NULL), 1);

	/* A list that says nothing new changes nothing, not even the version. */
	store->changed = false;
	store_begin(store, KIND_NAMESPACE);
	for (unsigned i = 0; i < 100; i++) {
		char name[32];

		sprintf(name, "s%u", i);
		upsert(store, make_namespace(name, 2));
	}
	store_end(store, KIND_NAMESPACE, 70);
	assert_false(store->changed);
	assert_int_equal(store->kinds[KIND_NAMESPACE].version, 50);

	store_begin(store, KIND_SERVICE);
	store_begin(store, KIND_SLICE);
	store_begin(store, KIND_NAMESPACE);
	for (unsigned i = 0; i < 100; i += 2) {
		char name[32];

		sprintf(name, "s%u", i);
		upsert(store, make_service("shop", name, 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
		upsert(store, make_slice("shop", name, name, 1, "10.0.0.1"));
		upsert(store, make_namespace(name, 1));
	}
	store_remove(store, KIND_SERVICE, "shop", "s0", 75); /* live, inside the list */
	store_end(store, KIND_SERVICE, 80);
	store_end(store, KIND_SLICE, 81);
	store_end(store, KIND_NAMESPACE, 82);
	assert_int_equal(store->kinds[KIND_SERVICE].count, 49);
	assert_int_equal(store->kinds[KIND_SLICE].count, 50);
	assert_int_equal(store->kinds[KIND_NAMESPACE].count, 50);
	assert_int_equal(store->kinds[KIND_SERVICE].version, 80);
	assert_int_equal(store->kinds[KIND_NAMESPACE].version, 82);
	assert_int_equal(take(store, NULL), 51); /* the 50 that went, and s0 */
	for (unsigned i = 0; i < 3; i++) {
		store_begin(store, (enum object_kind)i);
		store_end(store, (enum object_kind)i, 90);
	}
	take(store, NULL);
	assert_int_equal(store_bytes(store), fixture->base);
}

static void slice_moves_to_another_service(void **state)
{
	struct fixture *fixture = *state;
	struct store *store = &fixture->store;

	upsert(store, make_service("shop", "a", 1, SERVICE_HEADLESS, ""));
	upsert(store, make_service("shop", "b", 1, SERVICE_HEADLESS, ""));
	upsert(store, make_slice("shop", "x", "a", 1, "10.0.0.1"));
	take(store, NULL);
	upsert(store, make_slice("shop", "x", "b", 2, "10.0.0.1"));
	assert_int_equal(take(store, NULL), 2);
	/* Its Service's name is no longer one: as if it were gone. */
	upsert(store, make_slice("shop", "x", "not.a.label", 3, "10.0.0.1"));
	assert_int_equal(store->kinds[KIND_SLICE].count, 0);
	assert_int_equal(store->refused, 1);
	assert_int_equal(take(store, NULL), 1);
}

static void refuses_at_the_door(void **state)
{
	static const char *const only[] = {"shop", NULL};
	struct fixture *fixture = *state;
	struct store *store = &fixture->store;

	upsert(store, make_service("shop", "a.b", 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
	upsert(store, make_service("-shop", "ab", 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
	upsert(store, make_service("shop", "", 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
	upsert(store, make_namespace("under_score", 1));
	assert_int_equal(store->refused, 4);
	store->namespaces = only;
	upsert(store, make_service("other", "web", 1, SERVICE_CLUSTER_IP, "10.9.0.1"));
	upsert(store, make_slice("other", "web", "web", 1, "10.9.0.1"));
	upsert(store, make_namespace("other", 1));
	store_remove(store, KIND_SERVICE, "other", "web", 2);
	assert_int_equal(store->refused, 4);
	assert_false(store->changed);
	assert_int_equal(take(store, NULL), 0);
	assert_int_equal(store_bytes(store), fixture->base);
	upsert(store, make_service("SHOP", "Web", 3, SERVICE_CLUSTER_IP, "10.9.0.1"));
	upsert(store, make_service("shop", "web", 4, SERVICE_CLUSTER_IP, "10.9.0.2"));
	assert_int_equal(store->kinds[KIND_SERVICE].count, 1); /* one name, one Service */
	assert_int_equal(take(store, NULL), 1);
}

static void pods_are_let_go(void **state)
{
	struct fixture *fixture = *state;

	store_begin(&fixture->store, KIND_POD);
	upsert(&fixture->store, make_pod("shop", "p", 1, "10.1.0.1"));
	store_remove(&fixture->store, KIND_POD, "shop", "p", 2);
	store_end(&fixture->store, KIND_POD, 3);
	assert_true(fixture->store.kinds[KIND_POD].complete);
	assert_int_equal(fixture->store.kinds[KIND_POD].count, 0);
	assert_int_equal(store_bytes(&fixture->store), fixture->base);
}

/* What the store says of Pods where they are kept: count, versions, change. */
static void pods_are_kept(void **state)
{
	static const char *const only[] = {"shop", NULL};
	struct fixture *fixture = *state;
	struct store *store = &fixture->store;
	const struct store_kind *kind = &store->kinds[KIND_POD];
	struct epoch_bin bin = {.count = 0};
	struct pods pods = {.bytes = 0};
	char long_name[300];

	assert_int_equal(pods_init(&pods, secret, &bin), 0);
	store->pods = &pods;
	store->namespaces = only;
	store_begin(store, KIND_POD);
	upsert(store, make_pod("shop", "a", 4, "10.1.0.1"));
	upsert(store, make_pod("Shop", "b", 3, "10.1.0.2 fd00::2"));
	upsert(store, make_pod("other", "a", 9, "10.1.0.1"));
	store_end(store, KIND_POD, 5);
	assert_int_equal(kind->count, 2);
	assert_int_equal(kind->version, 5);
	store->changed = false;
	upsert(store, make_pod("shop", "a", 6, "10.1.0.1"));
	store_remove(store, KIND_POD, "shop", "c", 7);
	store_remove(store, KIND_POD, "other", "a", 7);
	assert_false(store->changed);
	upsert(store, make_pod("shop", "a", 8, "10.1.0.9"));
	assert_true(store->changed);
	assert_int_equal(kind->version, 8);
	/* Neither a namespace nor a name that could be one: not kept. */
	memset(long_name, 'a', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	upsert(store, make_pod("shop", long_name, 9, "10.1.0.1"));
	upsert(store, make_pod("sh_op", "a", 9, "10.1.0.1"));
	assert_int_equal(store->refused, 2);
	/* Without an address it is as if it had gone. */
	upsert(store, make_pod("shop", "a", 10, ""));
	upsert(store, make_pod("shop", "a", 11, ""));
	assert_int_equal(kind->count, 1);
	assert_int_equal(kind->version, 10);
	/* A list that breaks off takes nothing away, and one that ends sweeps. */
	store_begin(store, KIND_POD);
	upsert(store, make_pod("shop", "c", 12, "10.1.0.3"));
	store_abort(store, KIND_POD);
	assert_int_equal(kind->count, 2);
	store_begin(store, KIND_POD);
	upsert(store, make_pod("shop", "c", 12, "10.1.0.3"));
	store_end(store, KIND_POD, 20);
	assert_int_equal(kind->count, 1);
	assert_int_equal(kind->version, 20);
	store_begin(store, KIND_POD);
	upsert(store, make_pod("shop", "c", 12, "10.1.0.3"));
	store_end(store, KIND_POD, 30);
	assert_int_equal(kind->version, 20);
	store_remove(store, KIND_POD, "shop", "c", 31);
	assert_int_equal(kind->count, 0);
	assert_int_equal(kind->version, 31);
	pods_free(&pods);
	epoch_bin_free(&bin);
}

/* Every allocation of an upsert fails once: -ENOMEM, and nothing has changed. */
static void every_allocation_fails_once(void **state)
{
	struct fixture *fixture = *state;
	struct store *store = &fixture->store;
	unsigned failures = 0;

	for (int kind = 0; kind < 3; kind++) {
		for (unsigned nth = 1;; nth++) {
			const uint64_t bytes = store_bytes(store);
			struct object *object;
			int rc;

			if (kind == 0)
				object = make_namespace("n", 1);
			else if (kind == 1)
				object = make_service("m", "web", 1, SERVICE_HEADLESS, "");
			else
				object = make_slice("m", "x", "other", 1, "10.0.0.1");
			nomem_at(nth);
			rc = store_upsert(store, object);
			nomem_at(0);
			if (!rc)
				break;
			assert_int_equal(rc, -12);
			assert_int_equal(store->kinds[kind].count, 0);
			take(store, NULL);
			assert_int_equal(store_bytes(store), bytes);
			failures++;
		}
	}
	assert_int_equal(failures, 1 + 2 + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(joins_in_either_order, setup, teardown),
		cmocka_unit_test_setup_teardown(same_is_not_dirty, setup, teardown),
		cmocka_unit_test_setup_teardown(sweep_takes_what_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(slice_moves_to_another_service, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_at_the_door, setup, teardown),
		cmocka_unit_test_setup_teardown(pods_are_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(pods_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(every_allocation_fails_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

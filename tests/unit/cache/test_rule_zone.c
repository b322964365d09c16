/* SPDX-License-Identifier: Apache-2.0 */
/* What an apex looks like to a client is in test_cluster.c; here are the drafts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nomem.h"
#include "rules.h"

static const char question[] = {(char)0xC0, 0x0C};

/* The records of a slot, as counted bytes. */
static const struct answer *slot(const struct rules_fixture *f, size_t name, enum entry_slot slot)
{
	const void *entry = draft_entry(&f->draft, &f->draft.names[name]);

	return entry_answer(entry, slot);
}

static void draft_zone(struct rules_fixture *f)
{
	draft_reset(&f->draft);
	rule_zone(&f->config, &f->store.owners, &f->draft);
	assert_int_equal(f->draft.error, 0);
	assert_int_equal(f->draft.name_count, 5);
}

static struct owner *add(struct rules_fixture *f, const char *name, enum service_type type,
	const char *ips, const char *endpoints)
{
	struct owner *owner;

	assert_int_equal(store_upsert(&f->store, make_service("ks", name, 1, type, ips)), 0);
	assert_int_equal(store_upsert(&f->store, make_slice("ks", name, name, 1, endpoints)), 0);
	owner = store_take_owner(&f->store);
	owner->holds_own = true;
	return owner;
}

static void default_server(void **state)
{
	const struct ip own[] = {make_ip("10.0.0.1")};
	struct rules_fixture *f = rules_new(own, 1);
	const struct answer *ns, *glue;

	(void)state;
	draft_zone(f);
	ns = slot(f, 0, SLOT_NAME);
	assert_int_equal(ns->count, 1);
	assert_int_equal(ns->bytes, 12 + 9);
	assert_memory_equal(ns->rr, question, 2);
	assert_memory_equal(ns->rr + 12, "\2ns\3dns\xC0\x0C", 9);
	glue = slot(f, 0, SLOT_A);
	assert_int_equal(glue->bytes, 9 + 10 + 4);
	assert_memory_equal(glue->rr, "\2ns\3dns\xC0\x0C\0\1\0\1\0\0\0\5\0\4\12\0\0\1", 23);
	assert_null(slot(f, 0, SLOT_AAAA));
	/* A reverse zone has one of its own; a whole one is for aliases. */
	assert_memory_equal(slot(f, 1, SLOT_NAME)->rr + 12, "\2ns\3dns\xC0\x0C", 9);
	ns = slot(f, 2, SLOT_NAME);
	assert_memory_equal(ns->rr + 12, "\2ns\3dns\7cluster\5local\0", 22);
	glue = slot(f, 2, SLOT_A);
	assert_memory_equal(glue->rr, "\2ns\3dns\7cluster\5local\0\0\1", 24);
	f->config.own_count = 0;
	draft_zone(f);
	assert_int_equal(slot(f, 0, SLOT_NAME)->count, 1);
	assert_null(slot(f, 0, SLOT_A));
	rules_free(f);
}

/* The same draft whatever the order in which the objects came. */
static void order_does_not_matter(void **state)
{
	const struct ip own[] = {make_ip("10.0.0.1"), make_ip("fd00::1")};
	struct rules_fixture *one = rules_new(own, 2), *two = rules_new(own, 2);

	(void)state;
	add(one, "a", SERVICE_CLUSTER_IP, "10.9.0.2 10.9.0.1", "10.0.0.1");
	add(one, "b", SERVICE_HEADLESS, "", "10.0.0.1=h fd00::1=H 10.0.0.2");
	add(one, "c", SERVICE_CLUSTER_IP, "fd09::1", "10.0.0.1");
	add(two, "c", SERVICE_CLUSTER_IP, "fd09::1", "10.0.0.1");
	add(two, "b", SERVICE_HEADLESS, "", "10.0.0.2 fd00::1=H 10.0.0.1=h");
	add(two, "a", SERVICE_CLUSTER_IP, "10.9.0.1 10.9.0.2", "10.0.0.1");
	draft_zone(one);
	draft_zone(two);
	assert_int_equal(one->draft.len, two->draft.len);
	assert_memory_equal(one->draft.buf, two->draft.buf, one->draft.len);
	assert_int_equal(slot(one, 0, SLOT_NAME)->count, 4); /* h.b once, for both families */
	assert_int_equal(slot(one, 0, SLOT_A)->count, 4);
	assert_int_equal(slot(one, 0, SLOT_AAAA)->count, 2);
	rules_free(one);
	rules_free(two);
}

static void only_those_that_hold_our_own(void **state)
{
	const struct ip own[] = {make_ip("10.0.0.1")};
	struct rules_fixture *f = rules_new(own, 1);

	(void)state;
	add(f, "alias", SERVICE_EXTERNAL_NAME, "a.org", "10.0.0.1");
	add(f, "other", SERVICE_CLUSTER_IP, "10.9.0.1", "10.0.0.2")->holds_own = false;
	add(f, "without", SERVICE_CLUSTER_IP, "", "10.0.0.1");
	draft_zone(f);
	assert_int_equal(slot(f, 0, SLOT_NAME)->count, 1);
	assert_memory_equal(slot(f, 0, SLOT_NAME)->rr + 12, "\2ns\3dns", 7);
	rules_free(f);
}

/* ns.dns has what the name servers have: our own addresses only where none of
 * them is an endpoint. */
static void host_entry(void **state)
{
	const struct ip own[] = {make_ip("10.0.0.2"), make_ip("fd00::1"), make_ip("10.0.0.1")};
	struct rules_fixture *f = rules_new(own, 3);

	(void)state;
	draft_zone(f);
	assert_non_null(strstr(rules_text(f), "; ns.dns A 10.0.0.1 10.0.0.2 AAAA fd00::1"));
	add(f, "dns", SERVICE_CLUSTER_IP, "10.9.0.10", "10.0.0.1 10.0.0.7");
	draft_zone(f);
	assert_non_null(strstr(rules_text(f), "; ns.dns A 10.9.0.10"));
	assert_memory_equal(slot(f, 1, SLOT_NAME)->rr + 12, "\3dns\2ks\3svc\7cluster\5local", 26);
	/* A headless one names all replicas. */
	add(f, "dns", SERVICE_HEADLESS, "", "10.0.0.1 10.0.0.7");
	draft_zone(f);
	assert_non_null(strstr(rules_text(f), "; ns.dns A 10.0.0.1 10.0.0.7"));
	assert_int_equal(slot(f, 0, SLOT_NAME)->count, 2);
	rules_free(f);
}

static void no_memory(void **state)
{
	struct ip own[20];
	struct rules_fixture *f;
	unsigned failures = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		own[i] = make_ip("10.0.0.1");
		own[i].bytes[3] = (uint8_t)i;
	}
	f = rules_new(own, 20);
	for (unsigned nth = 1;; nth++) {
		draft_free(&f->draft);
		draft_reset(&f->draft);
		nomem_at(nth);
		rule_zone(&f->config, &f->store.owners, &f->draft);
		nomem_at(0);
		if (!f->draft.error)
			break;
		assert_int_equal(f->draft.error, -ENOMEM);
		failures++;
	}
	assert_true(failures >= 5);
	rules_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_server),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(only_those_that_hold_our_own),
		cmocka_unit_test(host_entry),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/wire/type.h"
#include "rules.h"

static const struct entry *run(
	struct rules_fixture *f, enum service_type type, const char *ports, const char *outside)
{
	static const enum entry_kind kinds[] = {ENTRY_CLUSTER_IP, ENTRY_HEADLESS, ENTRY_EXTERNAL};

	assert_int_equal(
		store_upsert(&f->store,
			make_service_outside("shop", "web", 1, type,
				type == SERVICE_EXTERNAL_NAME ? "a.example" : "", ports, outside)),
		0);
	rules_run(f, rule_external, kinds[type]);
	return (const void *)draft_entry(&f->draft, &f->draft.names[0]);
}

static void not_wanted(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);
	const struct entry *entry = run(f, SERVICE_CLUSTER_IP, "80:http:TCP", "192.0.2.1 lb.test");

	(void)state;
	for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
		assert_int_equal(entry->at[slot], 0);
	rules_free(f);
}

static void addresses(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);
	const struct entry *entry;
	const struct answer *a;

	(void)state;
	f->config.external = true;
	f->config.external_ttl_s = 7;
	entry = run(f, SERVICE_HEADLESS, "80:http:TCP", "192.0.2.2 lb.test 2001:db8::1 192.0.2.1");
	a = entry_answer(entry, SLOT_EXTERNAL_A);
	assert_int_equal(a->count, 2);
	assert_memory_equal(a->rr, "\xC0\x0C\0\1\0\1\0\0\0\7\0\4\xC0\0\2\1", 16);
	assert_int_equal(entry_answer(entry, SLOT_EXTERNAL_AAAA)->count, 1);
	assert_int_equal(entry->at[SLOT_EXTERNAL_NAMES], 0);
	assert_int_not_equal(entry->at[SLOT_EXTERNAL_PORTS], 0);
	assert_int_equal(entry->at[SLOT_A], 0);
	/* the TTL of the rules that follow is their own */
	assert_int_equal(f->draft.ttl_s, 5);
	rules_free(f);
}

static void names(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);
	const struct entry *entry;
	const struct answer *names;

	(void)state;
	f->config.external = true;
	entry = run(f, SERVICE_EXTERNAL_NAME, "", "B.test a.test b.test");
	names = entry_answer(entry, SLOT_EXTERNAL_NAMES);
	assert_int_equal(names->type, TYPE_CNAME);
	assert_int_equal(names->count, 2);
	assert_memory_equal(names->rr + 12, "\1a\4test", 8);
	assert_int_equal(entry->at[SLOT_EXTERNAL_PORTS], 0);
	entry = run(f, SERVICE_CLUSTER_IP, "", "a..b ..x");
	assert_int_equal(entry->at[SLOT_EXTERNAL_NAMES], 0);
	assert_int_equal(f->run.refused, 1);
	rules_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_wanted),
		cmocka_unit_test(addresses),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules.h"

static const char *run(struct rules_fixture *f, enum service_type type, const char *what)
{
	static const enum entry_kind kinds[] = {ENTRY_CLUSTER_IP, ENTRY_HEADLESS, ENTRY_EXTERNAL};

	assert_int_equal(store_upsert(&f->store, make_service("shop", "web", 1, type, what)), 0);
	return rules_run(f, rule_service, kinds[type]);
}

static void cluster_ips(void **state)
{
	struct rules_fixture *f = rules_new(NULL, 0);

	(void)state;
	assert_string_equal(run(f, SERVICE_CLUSTER_IP, "10.0.0.1"), "web.shop.svc A 10.0.0.1");
	assert_string_equal(run(f, SERVICE_CLUSTER_IP, "fd00::1 10.0.0.2 10.0.0.1 10.0.0.2"),
		"web.shop.svc A 10.0.0.1 10.0.0.2 AAAA fd00::1");
	assert_string_equal(run(f, SERVICE_CLUSTER_IP, ""), "web.shop.svc");
	assert_string_equal(run(f, SERVICE_HEADLESS, ""), "web.shop.svc");
	assert_false(f->run.absent);
	rules_free(f);
}

static void aliases(void **state)
{
	static const char *const wrong[] = {"", ".", "10.0.0.1", "fd00::1", "a..b",
		"a123456789012345678901234567890123456789012345678901234567890123.org"};
	struct rules_fixture *f = rules_new(NULL, 0);
	const struct draft_name *name;
	const uint8_t *entry;

	(void)state;
	assert_string_equal(
		run(f, SERVICE_EXTERNAL_NAME, "cdn.example.org."), "web.shop.svc NAME ...");
	name = &f->draft.names[0];
	entry = draft_entry(&f->draft, name) + sizeof(struct entry) + sizeof(struct answer);
	assert_memory_equal(entry, "\xC0\x0C\0\5\0\1\0\0\0\5\0\21\3cdn\7example\3org\0", 29);
	assert_string_equal(
		run(f, SERVICE_EXTERNAL_NAME, "under_score.example"), "web.shop.svc NAME ...");
	assert_false(f->run.absent);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		run(f, SERVICE_EXTERNAL_NAME, wrong[i]);
		assert_true(f->run.absent);
		assert_int_equal(f->run.refused, 1);
	}
	rules_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cluster_ips),
		cmocka_unit_test(aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

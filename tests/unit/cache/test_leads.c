/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/leads.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/address_sort.h"
#include "dns/wire/type.h"
#include "nomem.h"

#define ENTRIES 400
#define SLOTS   6

static const uint8_t secret[16] = "0123456789abcde";
static const enum entry_slot slots[SLOTS] = {SLOT_A, SLOT_AAAA, SLOT_ENDPOINTS_A,
	SLOT_ENDPOINTS_AAAA, SLOT_EXTERNAL_A, SLOT_EXTERNAL_AAAA};
static uint32_t state_of_chance = 7;

struct fixture {
	struct epoch_bin bin;
	struct reverse reverse;
	struct draft draft;
	struct hash_list gone, come;
};

static uint32_t draw(uint32_t below)
{
	state_of_chance = state_of_chance * 1664525u + 1013904223u;
	return (state_of_chance >> 8) % below;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	assert_int_equal(reverse_init(&f->reverse, secret, &f->bin), 0);
	draft_init(&f->draft, 5);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hash_list_free(&f->gone);
	hash_list_free(&f->come);
	draft_free(&f->draft);
	reverse_free(&f->reverse);
	epoch_bin_free(&f->bin);
	free(f);
	return 0;
}

/* Up to most addresses of few, those of the second part with a hostname. */
static void slot_put(struct draft *draft, enum entry_slot slot, uint8_t family, uint32_t most)
{
	uint32_t dashed = 0;

	draft->item_count = 0;
	for (uint32_t i = draw(most + 1); i > 0; i--) {
		const uint8_t addr[16] = {10, 0, (uint8_t)draw(2), (uint8_t)draw(40)};

		draft_item(draft, NULL, family, addr, 0);
	}
	if (draft->item_count == 0)
		return;
	address_sort(draft->items, draft->item_count);
	draft_open(draft, slot, family == 4 ? TYPE_A : TYPE_AAAA);
	for (unsigned part = 0; part < 2; part++) {
		for (size_t i = 0; i < draft->item_count; i++) {
			const struct draft_item *item = &draft->items[i];

			if (i && draft_compare(item, item - 1) == 0)
				continue;
			if ((item->addr[3] % 3 == 0) != part)
				continue;
			draft_address(draft, family, item->addr);
			dashed += part == 0;
		}
	}
	draft_close(draft, dashed);
}

static struct entry *entry_make(struct fixture *f)
{
	const enum entry_kind kind = draw(2) ? ENTRY_HEADLESS : ENTRY_CLUSTER_IP;
	struct draft *draft = &f->draft;
	struct entry *entry;

	draft_reset(draft);
	draft_begin(draft, (const uint8_t *)"\1a", 2, kind);
	for (unsigned s = 0; s < SLOTS; s++) {
		if (kind == ENTRY_CLUSTER_IP || s >= 2)
			slot_put(draft, slots[s], s % 2 ? 6 : 4, s == 2 || s == 3 ? 60 : 2);
	}
	if (kind == ENTRY_HEADLESS) {
		draft_alias(draft, SLOT_ENDPOINTS_A, SLOT_A);
		draft_alias(draft, SLOT_ENDPOINTS_AAAA, SLOT_AAAA);
	}
	draft_end(draft);
	assert_int_equal(draft->error, 0);
	entry = malloc(draft->names[0].entry_len);
	assert_non_null(entry);
	memcpy(entry, draft_entry(draft, &draft->names[0]), draft->names[0].entry_len);
	return entry;
}

static bool entry_has(struct fixture *f, const struct entry *entry, uint32_t hash)
{
	for (unsigned s = 0; entry && s < SLOTS; s++) {
		const struct answer *answer = entry_answer(entry, slots[s]);

		for (uint32_t i = 0; answer && i < answer->count; i++) {
			if (reverse_hash(&f->reverse, s % 2 ? 6 : 4,
				    answer->rr + (size_t)i * answer->stride + ANSWER_HEAD) == hash)
				return true;
		}
	}
	return false;
}

static bool list_has(const struct hash_list *list, uint32_t hash)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->hash[i] == hash)
			return true;
	}
	return false;
}

static void list_is_sorted(const struct hash_list *list)
{
	for (size_t i = 1; i < list->count; i++)
		assert_true(list->hash[i - 1] < list->hash[i]);
}

/* Every hash of a that b has not is in the list. */
static void list_has_rest(struct fixture *f, const struct hash_list *list, const struct entry *a,
	const struct entry *b)
{
	for (unsigned s = 0; a && s < SLOTS; s++) {
		const struct answer *answer = entry_answer(a, slots[s]);

		for (uint32_t i = 0; answer && i < answer->count; i++) {
			const uint32_t hash = reverse_hash(&f->reverse, s % 2 ? 6 : 4,
				answer->rr + (size_t)i * answer->stride + ANSWER_HEAD);

			if (!entry_has(f, b, hash))
				assert_true(list_has(list, hash));
		}
	}
}

static void one_pair(struct fixture *f, const struct entry *old, const struct entry *fresh)
{
	assert_int_equal(leads_differ(&f->reverse, old, fresh, &f->gone, &f->come), 0);
	list_is_sorted(&f->gone);
	list_is_sorted(&f->come);
	list_has_rest(f, &f->gone, old, fresh);
	list_has_rest(f, &f->come, fresh, old);
	for (size_t i = 0; i < f->gone.count; i++) {
		assert_true(entry_has(f, old, f->gone.hash[i]));
		assert_false(entry_has(f, fresh, f->gone.hash[i]));
	}
	for (size_t i = 0; i < f->come.count; i++)
		assert_true(entry_has(f, fresh, f->come.hash[i]));
}

static void random_entries(void **state)
{
	struct fixture *f = *state;
	struct entry *last = NULL;

	for (unsigned i = 0; i < ENTRIES; i++) {
		struct entry *entry = entry_make(f);

		one_pair(f, last, entry);
		one_pair(f, entry, NULL);
		one_pair(f, entry, entry);
		assert_int_equal(f->gone.count + f->come.count, 0);
		free(last);
		last = entry;
	}
	free(last);
	one_pair(f, NULL, NULL);
}

static void no_memory(void **state)
{
	struct fixture *f = *state;
	struct entry *entry = entry_make(f);
	int rc;

	while (!entry->at[SLOT_ENDPOINTS_A]) {
		free(entry);
		entry = entry_make(f);
	}
	nomem_at(1);
	rc = leads_differ(&f->reverse, NULL, entry, &f->gone, &f->come);
	nomem_at(0);
	assert_int_equal(rc, -ENOMEM);
	one_pair(f, NULL, entry);
	free(entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

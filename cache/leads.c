/* SPDX-License-Identifier: Apache-2.0 */
#include "leads.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/type.h"

#define FILTER_BITS 4096u

/* Addresses of an answer, in the order in which they lie there. */
struct run {
	const uint8_t *rr, *end;
	size_t stride, addr_len;
};

void hash_list_free(struct hash_list *list)
{
	free(list->hash);
	*list = (struct hash_list){.count = 0};
}

static uint8_t family_of(const struct run *run)
{
	return run->addr_len == 4 ? 4 : 6;
}

/* Part of an answer (NULL: none). */
static struct run run_of(const struct answer *answer, uint32_t from, uint32_t to)
{
	struct run run = {NULL, NULL, 0, 0};

	if (!answer)
		return run;
	run.rr = answer->rr + (size_t)from * answer->stride;
	run.end = answer->rr + (size_t)to * answer->stride;
	run.stride = answer->stride;
	run.addr_len = answer->type == TYPE_A ? 4 : 16;
	return run;
}

static int hash_push(struct hash_list *list, uint32_t hash)
{
	if (list->count == list->cap) {
		const size_t cap = list->cap ? 2 * list->cap : 32;
		uint32_t *grown = realloc(list->hash, cap * sizeof *grown);

		if (!grown)
			return -ENOMEM;
		list->hash = grown;
		list->cap = cap;
	}
	list->hash[list->count++] = hash;
	return 0;
}

static int run_push(const struct reverse *reverse, struct run *run, struct hash_list *list)
{
	const uint32_t hash = reverse_hash(reverse, family_of(run), run->rr + ANSWER_HEAD);

	run->rr += run->stride;
	return hash_push(list, hash);
}

/* What only one of two sorted runs has. */
static int runs_differ(const struct reverse *reverse, struct run old, struct run fresh,
	struct hash_list *gone, struct hash_list *come)
{
	int rc = 0;

	while (!rc && (old.rr != old.end || fresh.rr != fresh.end)) {
		int order = old.rr == old.end ? 1 : -1;

		if (old.rr != old.end && fresh.rr != fresh.end)
			order = memcmp(old.rr + ANSWER_HEAD, fresh.rr + ANSWER_HEAD, old.addr_len);
		if (order < 0) {
			rc = run_push(reverse, &old, gone);
		} else if (order > 0) {
			rc = run_push(reverse, &fresh, come);
		} else {
			old.rr += old.stride;
			fresh.rr += fresh.stride;
		}
	}
	return rc;
}

static const struct answer *answer_of(const struct entry *entry, enum entry_slot slot)
{
	/* The same as its endpoints. */
	if (!entry || (entry->kind == ENTRY_HEADLESS && (slot == SLOT_A || slot == SLOT_AAAA)))
		return NULL;
	return entry_answer(entry, slot);
}

static int hash_order(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void list_sort(struct hash_list *list)
{
	size_t n = 0;

	if (list->count > 1)
		qsort(list->hash, list->count, sizeof *list->hash, hash_order);
	for (size_t i = 0; i < list->count; i++) {
		if (!n || list->hash[n - 1] != list->hash[i])
			list->hash[n++] = list->hash[i];
	}
	list->count = n;
}

static const enum entry_slot slots[] = {SLOT_A, SLOT_AAAA, SLOT_ENDPOINTS_A, SLOT_ENDPOINTS_AAAA,
	SLOT_EXTERNAL_A, SLOT_EXTERNAL_AAAA};
#define SLOTS (sizeof slots / sizeof *slots)

/* Those without a hostname come first in an answer, and each part is sorted. */
static int slot_differ(const struct reverse *reverse, const struct answer *old,
	const struct answer *fresh, struct hash_list *gone, struct hash_list *come)
{
	const uint32_t old_dashed = old ? old->dashed_count : 0;
	const uint32_t fresh_dashed = fresh ? fresh->dashed_count : 0;
	int rc = runs_differ(
		reverse, run_of(old, 0, old_dashed), run_of(fresh, 0, fresh_dashed), gone, come);

	if (!rc)
		rc = runs_differ(reverse, run_of(old, old_dashed, old ? old->count : 0),
			run_of(fresh, fresh_dashed, fresh ? fresh->count : 0), gone, come);
	return rc;
}

/* Leave out of the list what an address of the entry has as its hash. */
static void list_without(
	const struct reverse *reverse, struct hash_list *list, const struct entry *entry)
{
	uint64_t filter[FILTER_BITS / 64] = {0};

	if (!list->count || !entry)
		return;
	for (size_t i = 0; i < list->count; i++)
		filter[list->hash[i] % FILTER_BITS / 64] |= (uint64_t)1 << list->hash[i] % 64;
	for (size_t s = 0; s < SLOTS; s++) {
		const struct answer *answer = answer_of(entry, slots[s]);
		struct run run = run_of(answer, 0, answer ? answer->count : 0);

		for (; run.rr != run.end; run.rr += run.stride) {
			const uint32_t hash =
				reverse_hash(reverse, family_of(&run), run.rr + ANSWER_HEAD);
			uint32_t *found = NULL;

			if (filter[hash % FILTER_BITS / 64] & (uint64_t)1 << hash % 64)
				found = bsearch(
					&hash, list->hash, list->count, sizeof hash, hash_order);
			if (found) {
				memmove(found, found + 1,
					(size_t)(list->hash + list->count - found - 1) *
						sizeof *found);
				list->count--;
			}
		}
	}
}

int leads_differ(const struct reverse *reverse, const struct entry *old, const struct entry *fresh,
	struct hash_list *gone, struct hash_list *come)
{
	int rc = 0;

	gone->count = come->count = 0;
	for (size_t s = 0; s < SLOTS && !rc; s++)
		rc = slot_differ(
			reverse, answer_of(old, slots[s]), answer_of(fresh, slots[s]), gone, come);
	if (rc)
		return rc;
	list_sort(gone);
	list_sort(come);
	list_without(reverse, gone, fresh);
	return 0;
}

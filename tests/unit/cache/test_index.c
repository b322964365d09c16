/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/index.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t secret[16] = "0123456789abcde";

/* The key of a name such as "web.shop.svc". */
static size_t key_of(const char *text, uint8_t *out)
{
	struct name name;

	assert_int_equal(name_from_text(text, strlen(text), &name), 0);
	memcpy(out, name.wire, name.len);
	return name.len - 1u;
}

/* An entry that carries a number. */
static struct entry *entry_new(uint32_t number)
{
	struct entry *entry = calloc(1, sizeof *entry);

	assert_non_null(entry);
	entry->size = sizeof *entry;
	entry->at[0] = number;
	return entry;
}

static const struct entry *find(const struct index *index, const char *text)
{
	uint8_t key[INDEX_KEY_MAX];
	const size_t len = key_of(text, key);

	return index_find(index, key, len);
}

static struct node *hold(struct index *index, const char *text)
{
	uint8_t key[INDEX_KEY_MAX];
	const size_t len = key_of(text, key);
	struct node *node;

	assert_int_equal(index_hold(index, key, len, &node), 0);
	return node;
}

struct notes {
	unsigned lengths, calls, most;
};

static bool note(void *user, const struct node *node)
{
	struct notes *notes = user;

	notes->lengths += node->len;
	return ++notes->calls < notes->most;
}

static void each_node_once(void **state)
{
	struct notes notes = {.most = 100};
	struct epoch_bin bin = {0};
	struct index index;

	(void)state;
	assert_int_equal(index_init(&index, secret, &bin), 0);
	assert_true(index_each(&index, note, &notes));
	assert_int_equal(notes.calls, 0);
	hold(&index, "aa.bb.svc"); /* keys of 10, 7 and 4 bytes */
	index_drop(&index, hold(&index, "x.bb.svc"));
	assert_true(index_each(&index, note, &notes));
	assert_int_equal(notes.calls, 3);
	assert_int_equal(notes.lengths, 21);
	notes = (struct notes){.most = 2};
	assert_false(index_each(&index, note, &notes));
	assert_int_equal(notes.calls, 2);
	index_free(&index);
	epoch_bin_free(&bin);
}

static void ancestors_come_and_go(void **state)
{
	struct epoch_bin bin = {0};
	struct index index;
	struct node *web, *db, *shop;
	uint64_t base;

	(void)state;
	assert_int_equal(index_init(&index, secret, &bin), 0);
	base = index.bytes;
	web = hold(&index, "web.shop.svc");
	assert_int_equal(index.nodes, 3);
	assert_null(find(&index, "web.shop.svc"));
	assert_null(find(&index, "shop.svc"));
	index_publish(&index, web, entry_new(1));
	assert_int_equal(find(&index, "web.shop.svc")->at[0], 1);
	assert_ptr_equal(find(&index, "shop.svc"), &entry_empty);
	assert_ptr_equal(find(&index, "svc"), &entry_empty);
	assert_null(find(&index, "eb.shop.svc"));
	assert_null(find(&index, "shop"));

	db = hold(&index, "db.shop.svc");
	index_publish(&index, db, entry_new(2));
	index_drop(&index, web);
	assert_null(find(&index, "web.shop.svc"));
	assert_int_equal(find(&index, "db.shop.svc")->at[0], 2);
	shop = hold(&index, "shop.svc");
	index_drop(&index, db);
	assert_ptr_equal(find(&index, "shop.svc"), &entry_empty);
	index_drop(&index, shop);
	assert_null(find(&index, "shop.svc"));
	assert_int_equal(index.nodes, 0);
	assert_int_equal(index.bytes, base);
	index_free(&index);
	epoch_bin_free(&bin);
}

/* Model check against a sorted list of what is held. */

#define NAMES 4000

struct model {
	bool held[NAMES];
	uint32_t number[NAMES];
	struct node *node[NAMES];
};

static void name_of(unsigned i, char *out)
{
	/* Four levels, so that many names are ancestors of others. */
	const unsigned a = i % 10, b = i / 10 % 10, c = i / 100 % 10, d = i / 1000;

	if (d == 0)
		sprintf(out, "s%u", a * 100 + b * 10 + c);
	else if (d == 1)
		sprintf(out, "n%u.s%u", c, a * 10 + b);
	else if (d == 2)
		sprintf(out, "w%u.n%u.s%u", a, c, b);
	else
		sprintf(out, "e%u.w%u.n%u.s1", a, b, c);
}

static bool has_child(const struct model *model, const char *parent)
{
	const size_t len = strlen(parent);

	for (unsigned i = 0; i < NAMES; i++) {
		char name[64];
		size_t n;

		if (!model->held[i])
			continue;
		name_of(i, name);
		n = strlen(name);
		if (n > len && name[n - len - 1] == '.' && strcmp(name + n - len, parent) == 0)
			return true;
	}
	return false;
}

static void check(const struct index *index, const struct model *model, unsigned i)
{
	const struct entry *entry;
	char name[64];

	name_of(i, name);
	entry = find(index, name);
	if (model->held[i]) {
		assert_non_null(entry);
		assert_int_equal(entry->at[0], model->number[i]);
	} else if (has_child(model, name)) {
		assert_non_null(entry); /* an entry that was there may be left: not checked */
	} else {
		assert_null(entry);
	}
}

static void agrees_with_a_model(void **state)
{
	static struct model model;
	struct epoch_bin bin = {0};
	struct index index;
	unsigned seed = 99;
	uint64_t base;

	(void)state;
	assert_int_equal(index_init(&index, secret, &bin), 0);
	base = index.bytes;
	for (unsigned round = 0; round < 60000; round++) {
		const unsigned i = (unsigned)rand_r(&seed) % NAMES;
		char name[64];

		name_of(i, name);
		if (!model.held[i]) {
			model.held[i] = true;
			model.number[i] = round;
			model.node[i] = hold(&index, name);
			index_publish(&index, model.node[i], entry_new(round));
		} else if (rand_r(&seed) % 3 == 0) {
			model.number[i] = round;
			index_publish(&index, model.node[i], entry_new(round));
		} else {
			index_publish(&index, model.node[i], &entry_empty);
			index_drop(&index, model.node[i]);
			model.held[i] = false;
		}
		if (round % 50 == 0)
			check(&index, &model, (unsigned)rand_r(&seed) % NAMES);
		if (round % 1000 == 0)
			epoch_reclaim(&bin);
	}
	for (unsigned i = 0; i < NAMES; i++)
		check(&index, &model, i);
	for (unsigned i = 0; i < NAMES; i++) {
		if (model.held[i])
			index_drop(&index, model.node[i]);
	}
	assert_int_equal(index.nodes, 0);
	assert_int_equal(index.bytes, base);
	index_free(&index);
	epoch_bin_free(&bin);
}

/* Readers during growth, cleaning and deletes: names that stay are always
 * found, with an entry that is theirs. */

#define STAY    50
#define READERS 2

struct shared {
	struct index index;
	atomic_int stop;
	atomic_ulong looked;
};

static void *reader(void *user)
{
	struct shared *shared = user;
	uint8_t keys[STAY][64];
	size_t lens[STAY];

	for (unsigned i = 0; i < STAY; i++) {
		char name[64];

		sprintf(name, "stay%u.ns.svc", i);
		lens[i] = key_of(name, keys[i]);
	}
	epoch_thread_start();
	while (!atomic_load(&shared->stop)) {
		epoch_online();
		for (unsigned i = 0; i < STAY; i++) {
			const struct entry *entry = index_find(&shared->index, keys[i], lens[i]);

			if (!entry || entry->at[0] % STAY != i || entry->at[1] != ~entry->at[0])
				abort();
		}
		epoch_offline();
		atomic_fetch_add(&shared->looked, STAY);
	}
	epoch_thread_stop();
	return NULL;
}

static struct entry *checked_entry(uint32_t number)
{
	struct entry *entry = entry_new(number);

	entry->at[1] = ~number;
	return entry;
}

static void churn(struct shared *shared, struct epoch_bin *bin, struct node **stay)
{
	static struct node *come[3000];
	const unsigned count = sizeof come / sizeof come[0];

	for (unsigned i = 0; i < count; i++) {
		char name[64];

		sprintf(name, "come%u.n%u.svc", i, i % 100);
		come[i] = hold(&shared->index, name);
		index_publish(&shared->index, come[i], checked_entry(i));
		index_publish(&shared->index, stay[i % STAY], checked_entry(i * STAY + i % STAY));
		if (bin->count > 500)
			epoch_reclaim(bin);
	}
	for (unsigned i = 0; i < count; i++)
		index_drop(&shared->index, come[i]);
	epoch_reclaim(bin);
}

static void readers_never_miss(void **state)
{
	static struct shared shared;
	struct epoch_bin bin = {0};
	struct node *stay[STAY];
	pthread_t threads[READERS];

	(void)state;
	assert_int_equal(index_init(&shared.index, secret, &bin), 0);
	for (unsigned i = 0; i < STAY; i++) {
		char name[64];

		sprintf(name, "stay%u.ns.svc", i);
		stay[i] = hold(&shared.index, name);
		index_publish(&shared.index, stay[i], checked_entry(i));
	}
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &shared), 0);
	for (unsigned i = 0; i < 5 || (atomic_load(&shared.looked) < 20000 && i < 500); i++)
		churn(&shared, &bin, stay);
	atomic_store(&shared.stop, 1);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < STAY; i++)
		index_drop(&shared.index, stay[i]);
	assert_int_equal(shared.index.nodes, 0);
	index_free(&shared.index);
	epoch_bin_free(&bin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_node_once),
		cmocka_unit_test(ancestors_come_and_go),
		cmocka_unit_test(agrees_with_a_model),
		cmocka_unit_test(readers_never_miss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

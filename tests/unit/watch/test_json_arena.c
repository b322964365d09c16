/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/json_arena.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LARGE 200000

static void small_trees_one_after_the_other(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		cJSON *tree;

		json_arena_begin();
		tree = cJSON_Parse("{\"a\":[1,2,{\"b\":\"text\"}],\"c\":null}");
		assert_non_null(tree);
		assert_int_equal((uintptr_t)tree % sizeof(void *), 0);
		assert_string_equal(
			cJSON_GetObjectItem(
				cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "a"), 2), "b")
				->valuestring,
			"text");
		json_arena_end(tree);
	}
}

/* More than the first block, and one string that is larger than any. */
static void large_trees(void **state)
{
	char *text = malloc(2 * LARGE + 64), *at = text;
	cJSON *tree;

	(void)state;
	assert_non_null(text);
	at += sprintf(at, "[");
	for (unsigned i = 0; i < LARGE / 8; i++)
		at += sprintf(at, "%06u,", i + 100000);
	at += sprintf(at, "\"");
	memset(at, 'x', LARGE);
	strcpy(at + LARGE, "\"]");
	for (unsigned round = 0; round < 3; round++) {
		json_arena_begin();
		tree = cJSON_Parse(text);
		assert_non_null(tree);
		assert_int_equal(cJSON_GetArraySize(tree), LARGE / 8 + 1);
		assert_int_equal(
			cJSON_GetArrayItem(tree, LARGE / 8 - 1)->valueint, LARGE / 8 + 99999);
		assert_int_equal(strlen(cJSON_GetArrayItem(tree, LARGE / 8)->valuestring), LARGE);
		json_arena_end(tree);
	}
	free(text);
}

static void without_a_tree(void **state)
{
	(void)state;
	json_arena_begin();
	assert_null(cJSON_Parse("{\"a\":[1,2,"));
	json_arena_end(NULL);
}

/* What was there before lives on, and may go while the arena is in use. */
static void trees_from_elsewhere(void **state)
{
	cJSON *kept = cJSON_Parse("{\"kept\":\"yes\"}"), *gone = cJSON_Parse("[\"gone\"]"), *tree;

	(void)state;
	json_arena_begin();
	tree = cJSON_Parse("[1]");
	cJSON_Delete(gone);
	json_arena_end(tree);
	json_arena_begin();
	tree = cJSON_Parse("[\"over it\",\"over it\",\"over it\"]");
	json_arena_end(tree);
	assert_string_equal(cJSON_GetObjectItem(kept, "kept")->valuestring, "yes");
	json_arena_begin();
	json_arena_end(kept); /* is freed as it was made */
}

static void *in_a_thread(void *user)
{
	small_trees_one_after_the_other(user);
	return user;
}

static void each_thread_has_its_own(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, in_a_thread, NULL), 0);
	small_trees_one_after_the_other(NULL);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static int install(void **state)
{
	(void)state;
	json_arena_install();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_trees_one_after_the_other),
		cmocka_unit_test(large_trees),
		cmocka_unit_test(without_a_tree),
		cmocka_unit_test(trees_from_elsewhere),
		cmocka_unit_test(each_thread_has_its_own),
	};

	return cmocka_run_group_tests(tests, install, NULL);
}

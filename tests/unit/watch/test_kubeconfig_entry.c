/* SPDX-License-Identifier: Apache-2.0 */
/* Entries and their fields, of one file "config". */

#include "watch/kubeconfig_entry.h"

#include <errno.h>

#include "scratch.h"

struct fixture {
	struct scratch scratch;
	struct kubeconfig_files files;
	struct entry entry;
	char err[512];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	scratch_make(&f->scratch);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kubeconfig_files_clear(&f->files);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

static void load(struct fixture *f, const char *text)
{
	char path[256];

	kubeconfig_files_clear(&f->files);
	scratch_write(&f->scratch, "config", text);
	snprintf(path, sizeof path, "%s", scratch_path(&f->scratch, "config"));
	assert_int_equal(kubeconfig_files_read(path, &f->files, f->err, sizeof f->err), 0);
}

/* The user u with these fields, one on each line from the third on. */
static void load_user(struct fixture *f, const char *fields)
{
	char text[1024];

	snprintf(text, sizeof text, "users:\n- name: u\n  user:\n%s", fields);
	load(f, text);
	assert_int_equal(entry_find(&f->files, "users", "user", "u", &f->entry), 0);
}

static void assert_err(struct fixture *f, const char *message)
{
	char wanted[512];

	snprintf(wanted, sizeof wanted, "%s%s", scratch_path(&f->scratch, "config"), message);
	assert_string_equal(f->err, wanted);
}

static void test_find(void **state)
{
	struct fixture *f = *state;
	char names[8];

	load(f, "users:\n- {name: a, user: {token: 1}}\n- {name: b}\n- {name: c, user: x}\n");
	assert_int_equal(entry_find(&f->files, "users", "user", "b", &f->entry), 0);
	assert_string_equal(f->entry.name, "b");
	assert_null(f->entry.body);
	assert_int_equal(entry_find(&f->files, "users", "user", "c", &f->entry), -EINVAL);
	assert_err(f, ":4: user 'c': 'user' must be a mapping");
	assert_int_equal(entry_find(&f->files, "users", "user", "z", &f->entry), -ENOENT);
	assert_err(f, ": there is no user 'z'; users: a, b, c");
	assert_int_equal(entry_find(&f->files, "clusters", "cluster", "z", &f->entry), -ENOENT);
	assert_err(f, ": there is no cluster 'z'; clusters: (none)");
	entry_names(&f->files, "users", names, sizeof names);
	assert_string_equal(names, "a, b, c");
	entry_names(&f->files, "users", names, 5); /* cut, not overrun */
	assert_string_equal(names, "a, b");
}

static void test_malformed_lists(void **state)
{
	struct fixture *f = *state;

	load(f, "users: {a: b}\n");
	assert_int_equal(entry_find(&f->files, "users", "user", "a", &f->entry), -EINVAL);
	assert_err(f, ":1: users must be a list");
	load(f, "users:\n- {name: a}\n- {user: {}}\n");
	assert_int_equal(entry_find(&f->files, "users", "user", "a", &f->entry), -EINVAL);
	assert_err(f, ":3: an entry of users has no name");
	load(f, "users:\n- {name: a}\n- {name: a}\n");
	assert_int_equal(entry_find(&f->files, "users", "user", "a", &f->entry), -EINVAL);
	assert_err(f, ":3: users has 'a' twice");
}

static void test_strings(void **state)
{
	struct fixture *f = *state;
	char *text = strdup("before");

	load_user(f, "    one: first\n    none: ~\n    empty: ''\n    number: 5\n");
	assert_int_equal(entry_string(&f->entry, "absent", &text), 0);
	assert_int_equal(entry_string(&f->entry, "none", &text), 0);
	assert_int_equal(entry_string(&f->entry, "empty", &text), 0);
	assert_string_equal(text, "before");
	assert_int_equal(entry_string(&f->entry, "number", &text), -EINVAL);
	assert_string_equal(text, "before");
	assert_says(f->err, "user 'u': number must be a text; put it in quotes");
	assert_int_equal(entry_string(&f->entry, "one", &text), 0);
	assert_string_equal(text, "first");
	free(text);
}

static void test_bools(void **state)
{
	struct fixture *f = *state;
	bool value = true;

	load_user(f, "    yes: true\n    no: false\n    text: 'false'\n");
	assert_int_equal(entry_bool(&f->entry, "absent", &value), 0);
	assert_true(value);
	assert_int_equal(entry_bool(&f->entry, "text", &value), -EINVAL);
	assert_err(f, ":6: user 'u': text must be true or false");
	assert_true(value);
}

static void test_data(void **state)
{
	struct fixture *f = *state;
	char *data = NULL;

	load_user(f, "    hello: aGVs\n    bad: 'a*'\n    zero: AAAA\n");
	assert_int_equal(entry_data(&f->entry, "hello", &data), 0);
	assert_string_equal(data, "hel");
	assert_int_equal(entry_data(&f->entry, "bad", &data), -EINVAL);
	assert_err(f, ":5: user 'u': bad is not base64");
	assert_int_equal(entry_data(&f->entry, "zero", &data), -EINVAL);
	assert_err(f, ":6: user 'u': zero is not PEM text");
	assert_string_equal(data, "hel");
	free(data);
}

static void test_paths(void **state)
{
	struct fixture *f = *state;
	char *path = NULL;

	load_user(f, "    near: pki/a.crt\n    far: /etc/a.crt\n");
	assert_int_equal(entry_path(&f->entry, "near", &path), 0);
	assert_string_equal(path, scratch_path(&f->scratch, "pki/a.crt"));
	assert_int_equal(entry_path(&f->entry, "far", &path), 0);
	assert_string_equal(path, "/etc/a.crt");
	free(path);
}

static void lists_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static void test_lists(void **state)
{
	struct fixture *f = *state;
	char **list = NULL;

	load_user(f, "    two: [a, b]\n    text: a\n    mixed: [a, 1]\n");
	assert_int_equal(entry_strings(&f->entry, "absent", &list), 0);
	assert_null(list);
	assert_int_equal(entry_strings(&f->entry, "two", &list), 0);
	assert_string_equal(list[0], "a");
	assert_string_equal(list[1], "b");
	assert_null(list[2]);
	lists_free(list);
	list = NULL;
	assert_int_equal(entry_strings(&f->entry, "text", &list), -EINVAL);
	assert_says(f->err, "user 'u': text must be a list");
	assert_int_equal(entry_strings(&f->entry, "mixed", &list), -EINVAL);
	assert_says(f->err, "user 'u': mixed must be a list of texts; put numbers in quotes");
	lists_free(list);
}

/* A message is one line of the log, whatever the values in it. */
static void test_errors_keep_to_their_line(void **state)
{
	struct fixture *f = *state;

	load_user(f, "    a: b\n");
	assert_int_equal(
		entry_refuse(&f->entry, NULL, "no %s", "x\n[ERROR] forged\r\x7f"), -EINVAL);
	assert_says(f->err, "user 'u': no x?[ERROR] forged??");
	assert_int_equal(entry_find(&f->files, "users", "user", "a\nb", &f->entry), -ENOENT);
	assert_err(f, ": there is no user 'a?b'; users: u");
}

static void test_too_many_files(void **state)
{
	struct fixture *f = *state;
	char list[40 * 80] = "";

	scratch_write(&f->scratch, "config", "");
	for (int i = 0; i <= KUBECONFIG_FILES_MAX; i++) {
		strcat(list, i ? ":" : "");
		strcat(list, scratch_path(&f->scratch, "config"));
	}
	assert_int_equal(kubeconfig_files_read(list, &f->files, f->err, sizeof f->err), -EINVAL);
	assert_string_equal(f->err, "more than 32 kubeconfig files");
	assert_int_equal(f->files.count, KUBECONFIG_FILES_MAX);
}

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_find),
		FIXTURE_TEST(test_malformed_lists),
		FIXTURE_TEST(test_strings),
		FIXTURE_TEST(test_bools),
		FIXTURE_TEST(test_data),
		FIXTURE_TEST(test_paths),
		FIXTURE_TEST(test_lists),
		FIXTURE_TEST(test_errors_keep_to_their_line),
		FIXTURE_TEST(test_too_many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

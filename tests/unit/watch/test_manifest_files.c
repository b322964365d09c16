/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/manifest_files.h"

#include "scratch.h"

#include <errno.h>
#include <utime.h>

struct found {
	struct scratch scratch;
	struct manifest_files files;
	const char *failed;
	char err[160];
};

static int setup(void **state)
{
	struct found *f = calloc(1, sizeof *f);

	assert_non_null(f);
	scratch_make(&f->scratch);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct found *f = *state;

	manifest_files_clear(&f->files);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

/* names are within the scratch folder; second may be NULL. */
static int find(struct found *f, const char *first, const char *second)
{
	char paths[2][256];
	const char *const list[] = {paths[0], second ? paths[1] : NULL, NULL};

	snprintf(paths[0], sizeof paths[0], "%s", scratch_path(&f->scratch, first));
	if (second)
		snprintf(paths[1], sizeof paths[1], "%s", scratch_path(&f->scratch, second));
	manifest_files_clear(&f->files);
	return manifest_files_find(list, &f->files, &f->failed, f->err, sizeof f->err);
}

/* names: with a blank behind each; what was found, below the scratch folder. */
static void assert_names(struct found *f, const char *names)
{
	char text[1024] = "";
	size_t used = 0;

	for (size_t i = 0; i < f->files.count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s ",
			f->files.paths[i] + strlen(f->scratch.dir) + 1);
	assert_string_equal(text, names);
}

static uint64_t signature(struct found *f, const char *name)
{
	assert_int_equal(find(f, name, NULL), 0);
	return f->files.signature;
}

static void folder_make(struct found *f, const char *name)
{
	assert_int_equal(mkdir(scratch_path(&f->scratch, name), 0755), 0);
}

static void link_make(struct found *f, const char *target, const char *name)
{
	assert_int_equal(symlink(target, scratch_path(&f->scratch, name)), 0);
}

static void move(struct found *f, const char *from, const char *to)
{
	char path[256];

	snprintf(path, sizeof path, "%s", scratch_path(&f->scratch, from));
	assert_int_equal(rename(path, scratch_path(&f->scratch, to)), 0);
}

static void test_names_that_count(void **state)
{
	static const char *const yes[] = {"a.yaml", "a.yml", "a.json", "a.b.yaml", "-.yaml"};
	static const char *const no[] = {"", "a", "yaml", ".yaml", ".a.yaml", "..data", "a.yaml~",
		"a.yaml.bak", "a.YAML", "a.txt", "a.", ".a.yaml.swp", "..2026.json"};

	(void)state;
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(manifest_file_counts(yes[i]));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		assert_false(manifest_file_counts(no[i]));
}

static void test_a_folder_is_its_files_by_name(void **state)
{
	struct found *f = *state;

	folder_make(f, "d");
	folder_make(f, "d/sub");
	folder_make(f, "d/folder.yaml");
	scratch_write(&f->scratch, "d/sub/x.yaml", "");
	scratch_write(&f->scratch, "d/b.yaml", "");
	scratch_write(&f->scratch, "d/B.json", "");
	scratch_write(&f->scratch, "d/a.yml", "");
	scratch_write(&f->scratch, "d/a-0.yaml", "");
	scratch_write(&f->scratch, "d/.hidden.yaml", "");
	scratch_write(&f->scratch, "d/notes.txt", "");
	link_make(f, "nowhere", "d/dangling.yaml");
	link_make(f, "sub/x.yaml", "d/link.yaml");
	assert_int_equal(find(f, "d", NULL), 0);
	assert_names(f, "d/B.json d/a-0.yaml d/a.yml d/b.yaml d/link.yaml ");
	/* One slash is enough. */
	assert_int_equal(find(f, "d/", NULL), 0);
	assert_names(f, "d/B.json d/a-0.yaml d/a.yml d/b.yaml d/link.yaml ");
	folder_make(f, "empty");
	assert_int_equal(find(f, "empty", NULL), 0);
	assert_int_equal(f->files.count, 0);
}

static void test_a_file_is_taken_as_it_is_given(void **state)
{
	struct found *f = *state;

	folder_make(f, "d");
	scratch_write(&f->scratch, "d/a.yaml", "");
	scratch_write(&f->scratch, ".z.conf", "");
	assert_int_equal(find(f, ".z.conf", "d"), 0);
	assert_names(f, ".z.conf d/a.yaml ");
	assert_int_equal(find(f, "d", ".z.conf"), 0);
	assert_names(f, "d/a.yaml .z.conf ");
}

static void test_what_cannot_be_found(void **state)
{
	struct found *f = *state;

	scratch_write(&f->scratch, "a.yaml", "");
	f->files.signature = 77;
	assert_int_equal(find(f, "a.yaml", "missing"), -ENOENT);
	assert_string_equal(f->err, "cannot be read: No such file or directory");
	assert_string_equal(f->failed + strlen(f->scratch.dir), "/missing");
	assert_int_equal(f->files.count, 0);
	assert_int_equal(find(f, "a.yaml/b", NULL), -ENOTDIR);
	assert_int_equal(mkfifo(scratch_path(&f->scratch, "pipe"), 0600), 0);
	assert_int_equal(find(f, "pipe", NULL), -ENOTDIR);
	assert_string_equal(f->err, "cannot be read: neither a file nor a folder");
	link_make(f, "loop", "loop");
	assert_int_equal(find(f, "loop", NULL), -ELOOP);
}

static void test_files_are_bounded(void **state)
{
	struct found *f = *state;
	const char **paths = calloc(MANIFEST_FILES_MAX + 2, sizeof *paths);

	assert_non_null(paths);
	scratch_write(&f->scratch, "a.yaml", "");
	for (size_t i = 0; i < MANIFEST_FILES_MAX; i++)
		paths[i] = scratch_path(&f->scratch, "a.yaml");
	assert_int_equal(
		manifest_files_find(paths, &f->files, &f->failed, f->err, sizeof f->err), 0);
	assert_int_equal(f->files.count, MANIFEST_FILES_MAX);
	manifest_files_clear(&f->files);
	paths[MANIFEST_FILES_MAX] = paths[0];
	assert_int_equal(
		manifest_files_find(paths, &f->files, &f->failed, f->err, sizeof f->err), -E2BIG);
	assert_string_equal(f->err, "cannot be read: too many files");
	free(paths);
}

static void test_every_change_changes_the_signature(void **state)
{
	struct found *f = *state;
	const struct utimbuf past = {.actime = 1000, .modtime = 1000};
	uint64_t before;

	folder_make(f, "d");
	scratch_write(&f->scratch, "d/a.yaml", "one");
	scratch_write(&f->scratch, "other", "one");
	before = signature(f, "d");
	assert_true(before == signature(f, "d"));
	scratch_write(&f->scratch, "d/a.yaml", "three");
	assert_true(before != signature(f, "d"));

	before = f->files.signature;
	assert_int_equal(utime(scratch_path(&f->scratch, "d/a.yaml"), &past), 0);
	assert_true(before != signature(f, "d"));

	before = f->files.signature;
	scratch_write(&f->scratch, "d/b.yaml", "");
	assert_true(before != signature(f, "d"));

	before = f->files.signature;
	move(f, "d/b.yaml", "d/c.yaml");
	assert_true(before != signature(f, "d"));

	before = f->files.signature;
	move(f, "other", "d/a.yaml");
	assert_true(before != signature(f, "d"));

	before = f->files.signature;
	assert_int_equal(unlink(scratch_path(&f->scratch, "d/c.yaml")), 0);
	assert_true(before != signature(f, "d"));

	/* What is not read does not count. */
	before = f->files.signature;
	scratch_write(&f->scratch, "d/notes.txt", "");
	folder_make(f, "d/sub");
	assert_true(before == signature(f, "d"));
}

/* As the kubelet does it: new content in a new hidden folder, then one rename. */
static void test_a_mounted_configmap(void **state)
{
	struct found *f = *state;
	uint64_t before;

	folder_make(f, "d");
	folder_make(f, "d/..1");
	scratch_write(&f->scratch, "d/..1/a.yaml", "same");
	link_make(f, "..1", "d/..data");
	link_make(f, "..data/a.yaml", "d/a.yaml");
	before = signature(f, "d");
	assert_names(f, "d/a.yaml ");
	folder_make(f, "d/..2");
	scratch_write(&f->scratch, "d/..2/a.yaml", "same");
	link_make(f, "..2", "d/..data_tmp");
	assert_true(before == signature(f, "d"));
	move(f, "d/..data_tmp", "d/..data");
	assert_true(before != signature(f, "d"));
	assert_names(f, "d/a.yaml ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_that_count),
		cmocka_unit_test_setup_teardown(
			test_a_folder_is_its_files_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_file_is_taken_as_it_is_given, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_every_change_changes_the_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_mounted_configmap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

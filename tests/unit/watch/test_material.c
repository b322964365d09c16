/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/material.h"

#include "nomem.h"
#include "scratch.h"

#define PEM_KEY_B "-----BEGIN PRIVATE KEY-----\nMAMCAQQ=\n-----END PRIVATE KEY-----\n"
#define PEM_KEY_LOCKED                                                                             \
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQM=\n-----END ENCRYPTED PRIVATE KEY-----\n"

struct fixture {
	struct scratch scratch;
	struct material material;
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

	material_clear(&f->material);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

/* The file "m" of the scratch folder, not read yet. */
static void material_make(struct fixture *f, enum material_kind kind, const char *text)
{
	scratch_write(&f->scratch, "m", text);
	material_clear(&f->material);
	assert_int_equal(
		material_init(&f->material, kind, scratch_path(&f->scratch, "m"), NULL), 0);
	assert_null(f->material.bytes);
}

static void assert_bytes(const struct material *material, const char *wanted)
{
	assert_non_null(material->bytes);
	assert_string_equal(material->bytes, wanted);
	assert_int_equal(material->len, strlen(wanted));
}

/* Two good contents of each kind, and how long one is kept. */
static const struct kind_row {
	enum material_kind kind;
	const char *one, *two;
	uint64_t keep_ms;
} kinds[] = {
	{MATERIAL_TOKEN, "token-1", "token-2", 50000},
	{MATERIAL_CA, PEM_CERT_A, PEM_CERT_B, 300000},
	{MATERIAL_CERT, PEM_CERT_A, PEM_CERT_B, 300000},
	{MATERIAL_KEY, PEM_KEY_A, PEM_KEY_B, 300000},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static void test_token_is_trimmed(void **state)
{
	struct fixture *f = *state;

	material_make(f, MATERIAL_TOKEN, " \r\n\teyJh.b-c_d~\n\n");
	assert_true(material_refresh(&f->material, 0, false));
	assert_bytes(&f->material, "eyJh.b-c_d~");
	/* Other white space around the same token is no change. */
	scratch_write(&f->scratch, "m", "eyJh.b-c_d~\n");
	assert_false(material_refresh(&f->material, 0, true));
	assert_string_equal(f->material.warning, "");
	assert_bytes(&f->material, "eyJh.b-c_d~");
}

static void test_read_again_when_due(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < KINDS; i++) {
		const uint64_t due_ms = 1000 + kinds[i].keep_ms;

		material_make(f, kinds[i].kind, kinds[i].one);
		assert_true(material_refresh(&f->material, 1000, false));
		assert_bytes(&f->material, kinds[i].one);
		scratch_write(&f->scratch, "m", kinds[i].two);
		assert_false(material_refresh(&f->material, 1000, false));
		assert_false(material_refresh(&f->material, due_ms - 1, false));
		assert_bytes(&f->material, kinds[i].one);
		assert_true(material_refresh(&f->material, due_ms, false));
		assert_bytes(&f->material, kinds[i].two);
	}
}

/* The first look may have come between the replacing of certificate and key. */
static void test_a_change_is_looked_at_again_soon(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 1; i < KINDS; i++) {
		material_make(f, kinds[i].kind, kinds[i].one);
		assert_true(material_refresh(&f->material, 0, false));
		scratch_write(&f->scratch, "m", kinds[i].two);
		assert_true(material_refresh(&f->material, 300000, false));
		scratch_write(&f->scratch, "m", kinds[i].one);
		assert_false(material_refresh(&f->material, 309999, false));
		assert_true(material_refresh(&f->material, 310000, false));
		/* Then it stays, and is kept as long as any. */
		assert_false(material_refresh(&f->material, 320000, false));
		scratch_write(&f->scratch, "m", kinds[i].two);
		assert_false(material_refresh(&f->material, 619999, false));
		assert_true(material_refresh(&f->material, 620000, false));
	}
}

static void test_only_other_bytes_are_a_change(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < KINDS; i++) {
		material_make(f, kinds[i].kind, kinds[i].one);
		assert_true(material_refresh(&f->material, 0, true));
		assert_false(material_refresh(&f->material, 0, true));
		scratch_write(&f->scratch, "m", kinds[i].one);
		assert_false(material_refresh(&f->material, 0, true));
		assert_bytes(&f->material, kinds[i].one);
		/* Of one length. */
		scratch_write(&f->scratch, "m", kinds[i].two);
		assert_true(material_refresh(&f->material, 0, true));
		assert_bytes(&f->material, kinds[i].two);
	}
}

static void test_wrong_content_leaves_the_last_good(void **state)
{
	static const struct {
		size_t kind;
		const char *text, *says;
	} rows[] = {
		{0, "", "/m is empty"},
		{0, " \n\t\r\n", "/m is empty"},
		{0, "two words", "/m is not a token: it has spaces or control characters in it"},
		{0, "a\r\nX-Other: b", "/m is not a token"},
		{0, "t\xc3\xa4g", "/m is not a token"},
		{1, "", "/m holds no PEM certificate"},
		{1, PEM_KEY_A, "/m holds no PEM certificate"},
		{2, "-----BEGIN CERTIFICATE-----\n", "/m holds no PEM certificate"},
		{3, "", "/m holds no PEM private key"},
		{3, PEM_CERT_A, "/m holds no PEM private key"},
		{3, PEM_KEY_LOCKED, "/m holds a key with a passphrase; give one without"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct kind_row *kind = &kinds[rows[i].kind];
		char wanted[400];

		material_make(f, kind->kind, kind->one);
		assert_true(material_refresh(&f->material, 0, false));
		scratch_write(&f->scratch, "m", rows[i].text);
		assert_false(material_refresh(&f->material, kind->keep_ms, false));
		assert_bytes(&f->material, kind->one);
		snprintf(wanted, sizeof wanted, "%s%s", f->scratch.dir, rows[i].says);
		if (strncmp(f->material.warning, wanted, strlen(wanted)) != 0)
			fail_msg("'%s', not '%s'", f->material.warning, wanted);
		/* Looked at again ten seconds later, not when it would be due. */
		scratch_write(&f->scratch, "m", kind->two);
		assert_false(material_refresh(&f->material, kind->keep_ms + 9999, false));
		assert_bytes(&f->material, kind->one);
		assert_true(material_refresh(&f->material, kind->keep_ms + 10000, false));
		assert_bytes(&f->material, kind->two);
		assert_string_equal(f->material.warning, "");
	}
}

static void test_what_cannot_be_read_leaves_the_last_good(void **state)
{
	struct fixture *f = *state;
	char path[256];

	material_make(f, MATERIAL_TOKEN, "token-1");
	strcpy(path, f->material.path);
	assert_true(material_refresh(&f->material, 0, false));
	assert_int_equal(unlink(path), 0);
	assert_false(material_refresh(&f->material, 50000, false));
	assert_says(f->material.warning, "/m: No such file");
	assert_bytes(&f->material, "token-1");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(material_refresh(&f->material, 60000, false));
	assert_says(f->material.warning, "/m: it is not a file");
	assert_int_equal(rmdir(path), 0);
	scratch_write(&f->scratch, "m", "");
	assert_int_equal(truncate(path, (1 << 20) + 1), 0);
	assert_false(material_refresh(&f->material, 70000, false));
	assert_says(f->material.warning, "/m: it is larger than 1048576 bytes");
	assert_bytes(&f->material, "token-1");
	/* It comes back as it was: no change, and nothing to warn of. */
	scratch_write(&f->scratch, "m", "token-1");
	assert_false(material_refresh(&f->material, 80000, false));
	assert_string_equal(f->material.warning, "");
	assert_bytes(&f->material, "token-1");
}

static void test_never_good(void **state)
{
	struct fixture *f = *state;

	material_make(f, MATERIAL_CA, "no certificate");
	assert_false(material_refresh(&f->material, 0, true));
	assert_says(f->material.warning, "/m holds no PEM certificate");
	assert_null(f->material.bytes);
	scratch_write(&f->scratch, "m", PEM_CERT_A);
	assert_true(material_refresh(&f->material, 10000, false));
	assert_string_equal(f->material.warning, "");
}

static void test_force_reads_what_is_not_due(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < KINDS; i++) {
		material_make(f, kinds[i].kind, kinds[i].one);
		assert_true(material_refresh(&f->material, 0, false));
		scratch_write(&f->scratch, "m", kinds[i].two);
		assert_false(material_refresh(&f->material, 1, false));
		assert_true(material_refresh(&f->material, 1, true));
		assert_bytes(&f->material, kinds[i].two);
	}
}

/* token -> ..data/token, and ..data -> ..1, which is replaced with one rename(). */
static void test_the_kubelets_symlinks(void **state)
{
	struct fixture *f = *state;
	struct scratch *s = &f->scratch;
	char from[256];

	assert_int_equal(mkdir(scratch_path(s, "..1"), 0700), 0);
	assert_int_equal(mkdir(scratch_path(s, "..2"), 0700), 0);
	scratch_write(s, "..1/token", "token-1");
	scratch_write(s, "..2/token", "token-2");
	assert_int_equal(symlink("..1", scratch_path(s, "..data")), 0);
	assert_int_equal(symlink("..data/token", scratch_path(s, "token")), 0);
	assert_int_equal(
		material_init(&f->material, MATERIAL_TOKEN, scratch_path(s, "token"), NULL), 0);
	assert_true(material_refresh(&f->material, 0, false));
	assert_bytes(&f->material, "token-1");
	assert_int_equal(symlink("..2", scratch_path(s, "..data_tmp")), 0);
	strcpy(from, scratch_path(s, "..data_tmp"));
	assert_int_equal(rename(from, scratch_path(s, "..data")), 0);
	assert_int_equal(unlink(scratch_path(s, "..1/token")), 0);
	assert_int_equal(rmdir(scratch_path(s, "..1")), 0);
	assert_true(material_refresh(&f->material, 50000, false));
	assert_bytes(&f->material, "token-2");
}

static void test_inline_is_never_read(void **state)
{
	struct fixture *f = *state;
	struct material *m = &f->material;

	scratch_write(&f->scratch, "m", PEM_CERT_B);
	assert_int_equal(
		material_init(m, MATERIAL_CA, scratch_path(&f->scratch, "m"), PEM_CERT_A), 0);
	assert_false(material_refresh(m, 0, true));
	assert_bytes(m, PEM_CERT_A);
	material_clear(m);
	assert_null(m->bytes);
	/* Nothing given is nothing wrong. */
	assert_int_equal(material_init(m, MATERIAL_CERT, NULL, NULL), 0);
	assert_false(material_refresh(m, 0, true));
	assert_null(m->bytes);
	assert_string_equal(m->warning, "");
}

/* It goes into a header line, as one from a file does. */
static void test_no_memory(void **state)
{
	struct fixture *f = *state;
	struct material *m = &f->material;
	const char *path = scratch_path(&f->scratch, "m");
	unsigned nth = 1;

	nomem_at(1);
	assert_int_equal(material_init(m, MATERIAL_CA, path, NULL), -ENOMEM);
	material_clear(m);
	nomem_at(1);
	assert_int_equal(material_init(m, MATERIAL_TOKEN, NULL, "token-1"), -ENOMEM);
	material_clear(m);
	material_make(f, MATERIAL_CA, PEM_CERT_A);
	assert_true(material_refresh(m, 0, false));
	scratch_write(&f->scratch, "m", PEM_CERT_B);
	for (nomem_at(nth); !material_refresh(m, 0, true); nomem_at(++nth)) {
		assert_int_equal(nomem_left, 0);
		assert_bytes(m, PEM_CERT_A);
		assert_string_not_equal(m->warning, "");
	}
	nomem_at(0);
	assert_true(nth > 1);
	assert_bytes(m, PEM_CERT_B);
	assert_string_equal(m->warning, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_token_is_trimmed),
		CASE(test_read_again_when_due),
		CASE(test_a_change_is_looked_at_again_soon),
		CASE(test_only_other_bytes_are_a_change),
		CASE(test_wrong_content_leaves_the_last_good),
		CASE(test_what_cannot_be_read_leaves_the_last_good),
		CASE(test_never_good),
		CASE(test_force_reads_what_is_not_due),
		CASE(test_the_kubelets_symlinks),
		CASE(test_inline_is_never_read),
		CASE(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

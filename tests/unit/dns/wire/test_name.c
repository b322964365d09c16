/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/wire/name.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct name from(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text, strlen(text), &name), 0);
	return name;
}

static void test_text_and_back(void **state)
{
	static const struct {
		const char *text, *back;
		unsigned len, labels;
	} rows[] = {
		{"", ".", 1, 0},
		{".", ".", 1, 0},
		{"a", "a.", 3, 1},
		{"a.Bc.", "a.Bc.", 6, 2},
		{"_http._tcp.x", "_http._tcp.x.", 14, 3},
		{"a\\.b.c", "a\\.b.c.", 7, 2},
		{"a\\\\b", "a\\\\b.", 5, 1},
		{"\\000\\032\\255", "\\000\\032\\255.", 5, 1},
		{"\\097bc", "abc.", 5, 1},
		{"a b", "a\\032b.", 5, 1},
		{"a\"b;c", "a\\034b\\059c.", 7, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct name name = from(rows[i].text);
		char text[NAME_TEXT_MAX];

		assert_int_equal(name.len, rows[i].len);
		assert_int_equal(name.labels, rows[i].labels);
		assert_int_equal(name_wire_check(name.wire, name.len), name.len);
		assert_int_equal(name_to_text(name.wire, text, sizeof text), strlen(rows[i].back));
		assert_string_equal(text, rows[i].back);
	}
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} rows[] = {
		{"..", -EINVAL},
		{".a", -EINVAL},
		{"a..b", -EINVAL},
		{"a\\", -EINVAL},
		{"a\\25", -EINVAL},
		{"a\\256", -EINVAL},
		{"a\\2x5", -EINVAL},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct name name = {.len = 77};

		assert_int_equal(
			name_from_text(rows[i].text, strlen(rows[i].text), &name), rows[i].rc);
		assert_int_equal(name.len, 77);
	}
}

/* What lies behind the length is not read. */
static void test_text_ends(void **state)
{
	struct name name;

	(void)state;
	assert_int_equal(name_from_text("a\\255", 4, &name), -EINVAL);
	assert_int_equal(name_from_text("ab.c", 2, &name), 0);
	assert_int_equal(name.len, 4);
}

/* Three labels of 63 and one of `last`: 255 wire bytes where last is 61. */
static void long_name(char *text, unsigned last, bool dot)
{
	for (int i = 0; i < 3; i++, text += 64) {
		memset(text, 'a', 63);
		text[63] = '.';
	}
	memset(text, 'b', last);
	text[last] = dot ? '.' : '\0';
	text[last + dot] = '\0';
}

static void test_limits(void **state)
{
	char text[1100];
	struct name name;

	(void)state;
	for (int dot = 0; dot < 2; dot++) {
		long_name(text, 61, dot);
		name = from(text);
		assert_int_equal(name.len, 255);
		assert_int_equal(name_prepend(&name, "x", 1), -ENAMETOOLONG);
		long_name(text, 60, dot);
		name = from(text);
		assert_int_equal(name.len, 254);
		assert_int_equal(name_prepend(&name, "x", 1), -ENAMETOOLONG);
		long_name(text, 59, dot);
		name = from(text);
		assert_int_equal(name_prepend(&name, "x", 1), 0);
		assert_int_equal(name_wire_check(name.wire, name.len), 255);
		long_name(text, 62, dot);
		assert_int_equal(name_from_text(text, strlen(text), &name), -ENAMETOOLONG);
	}
	for (int i = 0; i < 127; i++)
		memcpy(text + i * 2, "x.", 3);
	name = from(text);
	assert_int_equal(name.labels, 127);
	assert_int_equal(name.len, 255);
	memset(text, 0, sizeof text);
	for (int i = 0, at = 0; i < 4; i++) {
		for (int k = 0; k < (i == 3 ? 61 : 63); k++, at += 4)
			memcpy(text + at, "\\001", 4);
		text[at++] = '.';
	}
	name = from(text);
	assert_int_equal(name.len, 255);
	assert_int_equal(name_to_text(name.wire, text, NAME_TEXT_MAX), 250 * 4 + 4);
}

static void test_short_buffers(void **state)
{
	struct name name = from("ab.c\\000d.");
	char whole[64], cut[64];
	size_t len = name_to_text(name.wire, whole, sizeof whole);

	(void)state;
	assert_int_equal(name_to_text(name.wire, cut, 0), 0);
	for (size_t cap = 1; cap <= len; cap++) {
		memset(cut, 'z', sizeof cut);
		assert_true(name_to_text(name.wire, cut, cap) < cap);
		assert_int_equal(strncmp(cut, whole, strlen(cut)), 0);
		assert_int_equal(cut[cap], 'z');
	}
}

static void test_wire_check(void **state)
{
	uint8_t wire[300];

	(void)state;
	memset(wire, 1, sizeof wire);
	assert_int_equal(name_wire_check(wire, sizeof wire), 0); /* never ends in 255 */
	wire[256] = 0;
	assert_int_equal(name_wire_check(wire, sizeof wire), 0);
	wire[254] = 0;
	assert_int_equal(name_wire_check(wire, sizeof wire), 255);
	assert_int_equal(name_wire_check(wire, 254), 0);
	assert_int_equal(name_wire_check((const uint8_t *)"\100", 300), 0);
	assert_int_equal(name_wire_check((const uint8_t *)"\300\014", 2), 0);
	assert_int_equal(name_wire_check((const uint8_t *)"\1a", 2), 0);
	assert_int_equal(name_wire_check((const uint8_t *)"", 1), 1);
	assert_int_equal(name_wire_check((const uint8_t *)"", 0), 0);
}

static void test_compare(void **state)
{
	struct name zone = from("Cluster.local"), name = from("web.cluster.LOCAL");
	struct name root = from("."), other = from("xcluster.local");

	(void)state;
	assert_true(name_below(&name, &zone));
	assert_true(name_below(&zone, &zone));
	assert_true(name_below(&name, &root));
	assert_false(name_below(&zone, &name));
	assert_false(name_below(&other, &zone));
	assert_true(name_equal(from("A.b").wire, from("a.B").wire));
	assert_false(name_equal(from("a.b").wire, from("a.bb").wire));
	assert_false(name_equal(from("ab").wire, from("a.b").wire));
	assert_false(name_equal(from("@").wire, from("`").wire)); /* 0x20 apart, no letters */
	assert_false(name_equal(from("[").wire, from("{").wire));
}

static void test_prepend(void **state)
{
	struct name name = from("b.c");
	char label[64];

	(void)state;
	assert_int_equal(name_prepend(&name, "a", 1), 0);
	assert_true(name_equal(name.wire, from("a.b.c").wire));
	assert_int_equal(name.labels, 3);
	assert_int_equal(name_prepend(&name, "", 0), -EINVAL);
	memset(label, 'x', sizeof label);
	assert_int_equal(name_prepend(&name, label, 64), -EINVAL);
	assert_int_equal(name_prepend(&name, label, 63), 0);
	assert_int_equal(name.labels, 4);
}

static void test_host_labels(void **state)
{
	static const char *const good[] = {"a", "0", "a-b", "db-0", "A1"};
	static const char *const bad[] = {"", "-a", "a-", "a_b", "a.b", "\xc3\xa4", "a b"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(name_label_is_host(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(name_label_is_host(bad[i], strlen(bad[i])));
}

/* Random names: ours to text, ldns's from text, the same bytes; and back. */
static void test_against_ldns(void **state)
{
	unsigned seed = 4711;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		uint8_t wire[NAME_MAX_LEN];
		char text[NAME_TEXT_MAX];
		size_t at = 0;
		struct name name;
		ldns_rdf *rdf;

		for (int labels = rand_r(&seed) % 6; labels > 0; labels--) {
			size_t len = 1 + (size_t)rand_r(&seed) % 40;

			wire[at++] = (uint8_t)len;
			for (size_t i = 0; i < len; i++)
				wire[at++] = (uint8_t)rand_r(&seed);
		}
		wire[at++] = 0;
		name_to_text(wire, text, sizeof text);
		rdf = ldns_dname_new_frm_str(text);
		assert_non_null(rdf);
		assert_int_equal(ldns_rdf_size(rdf), at);
		assert_memory_equal(ldns_rdf_data(rdf), wire, at);
		ldns_rdf_deep_free(rdf);
		name = from(text);
		assert_int_equal(name.len, at);
		assert_memory_equal(name.wire, wire, at);
	}
}

/* Every byte value at every place of a word, nothing beside it touched. */
static void test_lower(void **state)
{
	uint8_t from_bytes[40], to[40];

	(void)state;
	for (unsigned value = 0; value < 256; value++) {
		for (size_t len = 0; len <= 33; len++) {
			memset(from_bytes, (int)value, sizeof from_bytes);
			memset(to, 0xee, sizeof to);
			name_lower(to, from_bytes, len);
			for (size_t i = 0; i < sizeof to; i++) {
				bool capital = value >= 'A' && value <= 'Z';

				assert_int_equal(
					to[i], i >= len ? 0xee : value + (capital ? 32 : 0));
			}
			name_lower(from_bytes, from_bytes, len);
			assert_memory_equal(from_bytes, to, len);
		}
	}
	memcpy(to, "\2AZ\4@[`{\1z", 10); /* the neighbours of one byte do not reach another */
	name_lower(to, to, 10);
	assert_memory_equal(to, "\2az\4@[`{\1z", 10);
}

/* Bytes 0, 1, 2, ... hashed by CPython 3.11, whose hash() of bytes is SipHash-1-3. */
static void test_hash_is_siphash_1_3(void **state)
{
	static const uint8_t key[16] = {0xaf, 0x90, 0xcd, 0x68, 0xd3, 0x4f, 0x50, 0xdc, 0xc1, 0xe9,
		0x99, 0xfe, 0x9f, 0xbb, 0x20, 0xb9};
	static const struct {
		size_t len;
		uint64_t hash;
	} rows[] = {
		{1, 0xce880c366bcf3489},
		{7, 0xce280fabc397fbda},
		{8, 0x60866c3c108c6afb},
		{9, 0x68814005f7469e03},
		{15, 0x94ace24d68c18cf8},
		{16, 0x339176f3ac59ce05},
		{17, 0xed2706b414c296f1},
		{63, 0x06e24d6f0d014c37},
		{64, 0x91639ef7de8d52cb},
		{254, 0x3884dfa0e585b166},
		{255, 0xd02008474fae02c8},
	};
	uint8_t data[255];

	(void)state;
	for (unsigned i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_true(name_hash(data, rows[i].len, key) == rows[i].hash);
}

/* Every length, every bit of data and key counts. */
static void test_hash_spreads(void **state)
{
	uint8_t key[16], data[64];
	uint64_t seen[65];
	unsigned buckets[64] = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)i;
	for (unsigned len = 0; len <= 64; len++) {
		seen[len] = name_hash(data, len, key);
		for (unsigned k = 0; k < len; k++)
			assert_true(seen[k] != seen[len]);
	}
	for (unsigned i = 0; i < 64000; i++) {
		memcpy(data, &i, sizeof i);
		buckets[name_hash(data, 11, key) % 64]++;
	}
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(buckets[i], 850, 1150);
	key[15] ^= 1; /* another key, another hash */
	memcpy(data, "\0\1\2\3\4\5\6\7\10\11\12", 11);
	assert_true(name_hash(data, 8, key) != seen[8]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_and_back),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_text_ends),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_short_buffers),
		cmocka_unit_test(test_wire_check),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_prepend),
		cmocka_unit_test(test_host_labels),
		cmocka_unit_test(test_against_ldns),
		cmocka_unit_test(test_lower),
		cmocka_unit_test(test_hash_is_siphash_1_3),
		cmocka_unit_test(test_hash_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

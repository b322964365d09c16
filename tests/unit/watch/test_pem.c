/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/pem.h"

#include "scratch.h"

#include <errno.h>

/* RFC 4648 section 10, and what must not pass. */
static void test_base64(void **state)
{
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};
	static const char *const wrong[] = {"Z", "Zg", "Zg=", "Zm9", "Zg==Zg==", "Zm9v!", "=Zm9",
		"Zm9v====", "Zm-_", "=", "===="};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *bytes = NULL, *text = base64_encode(rows[i][0], strlen(rows[i][0]));
		size_t len = 99;

		assert_string_equal(text, rows[i][1]);
		assert_int_equal(base64_decode(text, strlen(text), &bytes, &len), 0);
		assert_int_equal(len, strlen(rows[i][0]));
		assert_string_equal(bytes, rows[i][0]);
		free(text);
		free(bytes);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char *bytes = NULL;
		size_t len = 99;

		if (base64_decode(wrong[i], strlen(wrong[i]), &bytes, &len) != -EINVAL)
			fail_msg("'%s' passed", wrong[i]);
		assert_null(bytes);
		assert_int_equal(len, 99);
	}
}

static void test_base64_all_bytes_and_spaces(void **state)
{
	uint8_t all[256];
	char *text, *bytes;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	text = base64_encode(all, sizeof all);
	assert_int_equal(base64_decode(text, strlen(text), &bytes, &len), 0);
	assert_int_equal(len, sizeof all);
	assert_memory_equal(bytes, all, sizeof all);
	free(text);
	free(bytes);
	assert_int_equal(base64_decode(" Zm\r\n9v\tYg =\n= ", 15, &bytes, &len), 0);
	assert_string_equal(bytes, "foob");
	free(bytes);
}

static void test_certificates(void **state)
{
	static const char *const wrong[] = {"", "hello", PEM_KEY_A,
		"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n",
		"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"};
	static const char behind[] = "some words\n" PEM_KEY_A PEM_CERT_A;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		if (pem_has_certificate(wrong[i], strlen(wrong[i])))
			fail_msg("'%s' passed", wrong[i]);
	}
	assert_true(pem_has_certificate(PEM_CERT_A, strlen(PEM_CERT_A)));
	assert_true(pem_has_certificate(behind, strlen(behind)));
}

static void test_keys(void **state)
{
	static const struct {
		const char *text;
		enum pem_key want;
	} rows[] = {
		{"", PEM_KEY_NONE},
		{PEM_CERT_A, PEM_KEY_NONE},
		{PEM_CERT_A PEM_KEY_A, PEM_KEY_PLAIN},
		{"-----BEGIN EC PRIVATE KEY-----\nMAMC\n-----END EC PRIVATE KEY-----",
			PEM_KEY_PLAIN},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMC\n-----END ENCRYPTED PRIVATE "
		 "KEY-----",
			PEM_KEY_ENCRYPTED},
		{"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAMC\n-----END RSA "
		 "PRIVATE KEY-----",
			PEM_KEY_ENCRYPTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(pem_find_key(rows[i].text, strlen(rows[i].text)), rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_all_bytes_and_spaces),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

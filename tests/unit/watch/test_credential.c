/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/credential.h"

#include "scratch.h"

#include <errno.h>

#define V1   "client.authentication.k8s.io/v1"
#define HEAD "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":{"

static const char cert_json[] =
	"-----BEGIN CERTIFICATE-----\\nMAMCAQE=\\n-----END CERTIFICATE-----\\n";
static const char key_json[] =
	"-----BEGIN PRIVATE KEY-----\\nMAMCAQM=\\n-----END PRIVATE KEY-----\\n";

static int parse(const char *text, struct credential *out, char err[256])
{
	err[0] = '\0';
	return credential_parse(text, strlen(text), V1, out, err, 256);
}

static void test_token(void **state)
{
	struct credential c = {.token = NULL};
	char err[256];

	(void)state;
	assert_int_equal(parse(HEAD "\"token\":\"t0\"}}", &c, err), 0);
	assert_string_equal(c.token, "t0");
	assert_null(c.cert_pem);
	assert_false(c.expires);
	credential_clear(&c);
	assert_int_equal(parse(HEAD "\"token\":\"t\",\"expirationTimestamp\":"
				    "\"1970-01-02T00:00:00Z\"}}",
				 &c, err),
		0);
	assert_true(c.expires);
	assert_int_equal(c.expiry_s, 86400);
	credential_clear(&c);
	assert_null(c.token);
}

static void test_certificate(void **state)
{
	struct credential c = {.token = NULL};
	char err[256], text[1024];

	(void)state;
	snprintf(text, sizeof text,
		HEAD "\"clientCertificateData\":\"%s\",\"clientKeyData\":\"%s\"}}", cert_json,
		key_json);
	assert_int_equal(parse(text, &c, err), 0);
	assert_string_equal(c.cert_pem, PEM_CERT_A);
	assert_string_equal(c.key_pem, PEM_KEY_A);
	assert_null(c.token);
	credential_clear(&c);
	snprintf(text, sizeof text, HEAD "\"token\":\"t\",\"clientCertificateData\":\"%s\"}}",
		cert_json);
	assert_int_equal(parse(text, &c, err), -EINVAL);
	assert_says(err, "only one of");
}

static void test_mistakes(void **state)
{
	static const char *const rows[][2] = {
		{"", "did not print JSON"},
		{"login please", "did not print JSON"},
		{"[]", "did not print JSON"},
		{"{}", "did not print an ExecCredential"},
		{"{\"kind\":\"ExecCredential\"}", "apiVersion (none)"},
		{"{\"kind\":\"ExecCredential\",\"apiVersion\":\"x/v9\"}", "apiVersion x/v9"},
		{HEAD "}}", "neither status.token"},
		{"{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\"}", "neither status.token"},
		{HEAD "\"token\":\"\"}}", "neither status.token"},
		{HEAD "\"token\":\"t\",\"expirationTimestamp\":\"soon\"}}", "RFC 3339"},
		{HEAD "\"token\":\"t\\r\\nX: 1\"}}", "spaces or control characters"},
		{HEAD "\"clientCertificateData\":\"x\",\"clientKeyData\":\"y\"}}",
			"holds no certificate"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct credential c = {.token = NULL};
		char err[256];

		if (parse(rows[i][0], &c, err) != -EINVAL)
			fail_msg("'%s' passed", rows[i][0]);
		assert_says(err, rows[i][1]);
		assert_null(c.token);
	}
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:00:00.999999999Z", 0},
		{"1970-01-01t00:00:01z", 1},
		{"1970-01-01T01:30:00+01:30", 0},
		{"1969-12-31T23:00:00-01:00", 0},
		{"2000-02-29T12:00:00Z", 951825600},
		{"2038-01-19T03:14:08Z", 2147483648},
	};
	static const char *const wrong[] = {"", "2030", "2030-01-01", "2030-01-01T00:00:00",
		"2030-13-01T00:00:00Z", "2030-00-01T00:00:00Z", "2030-01-01T24:00:00Z",
		"2030-01-01T00:60:00Z", "2030-01-01T00:00:00.Z", "2030-01-01T00:00:00+1:00",
		"2030-01-01T00:00:00Zx", "+030-01-01T00:00:00Z", "2030-01-01T00:00:00+24:00"};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t got = -5;

		assert_int_equal(credential_time_parse(rows[i].text, &got), 0);
		if (got != rows[i].want)
			fail_msg("%s is %lld", rows[i].text, (long long)got);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		int64_t got = -5;

		if (credential_time_parse(wrong[i], &got) != -EINVAL || got != -5)
			fail_msg("'%s' passed", wrong[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/http_setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const char *url_of(CURL *easy)
{
	const char *url = NULL;

	assert_int_equal(curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url), CURLE_OK);
	return url;
}

static bool has(const struct curl_slist *list, const char *text)
{
	for (; list; list = list->next) {
		if (strcmp(list->data, text) == 0)
			return true;
	}
	return false;
}

static void test_plain_request(void **state)
{
	const char *headers[] = {"Authorization: Bearer x", "Impersonate-User: y", NULL};
	const struct access_view view = {.url = "https://host/k8s/clusters/c", .headers = headers};
	struct http_setup setup = {0};
	CURL *easy = curl_easy_init();

	(void)state;
	assert_int_equal(http_setup_request(easy, &view, "/api/v1/pods?limit=5", false, &setup), 0);
	assert_string_equal(url_of(easy), "https://host/k8s/clusters/c/api/v1/pods?limit=5");
	assert_true(has(setup.headers, "Accept: application/json"));
	assert_true(has(setup.headers, "Authorization: Bearer x"));
	assert_true(has(setup.headers, "Impersonate-User: y"));
	assert_null(setup.connect_to);
	curl_easy_cleanup(easy);
	http_setup_free(&setup);
	assert_null(setup.headers);
}

static void test_protobuf_may_come(void **state)
{
	const struct access_view view = {.url = "https://host"};
	struct http_setup setup = {0};
	CURL *easy = curl_easy_init();

	(void)state;
	assert_int_equal(http_setup_request(easy, &view, "/api/v1/pods", true, &setup), 0);
	assert_true(
		has(setup.headers, "Accept: application/vnd.kubernetes.protobuf,application/json"));
	curl_easy_cleanup(easy);
	http_setup_free(&setup);
}

static void test_another_name_for_tls(void **state)
{
	static const struct {
		const char *url, *effective, *connect_to, *host;
	} rows[] = {
		{"https://10.96.0.1:443", "https://kubernetes.default.svc:443/version",
			"kubernetes.default.svc:443:10.96.0.1:443", "Host: 10.96.0.1:443"},
		{"https://[fd00::1]:6443", "https://kubernetes.default.svc:6443/version",
			"kubernetes.default.svc:6443:[fd00::1]:6443", "Host: [fd00::1]:6443"},
		{"https://api.test", "https://kubernetes.default.svc/version",
			"kubernetes.default.svc:443:api.test:443", "Host: api.test:443"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct access_view view = {
			.url = rows[i].url,
			.tls_server_name = "kubernetes.default.svc",
		};
		struct http_setup setup = {0};
		CURL *easy = curl_easy_init();

		assert_int_equal(http_setup_request(easy, &view, "/version", false, &setup), 0);
		assert_string_equal(url_of(easy), rows[i].effective);
		assert_true(has(setup.connect_to, rows[i].connect_to));
		assert_true(has(setup.headers, rows[i].host));
		curl_easy_cleanup(easy);
		http_setup_free(&setup);
	}
}

static void test_bad_url_is_refused(void **state)
{
	const struct access_view view = {.url = "https://[", .tls_server_name = "name"};
	struct http_setup setup = {0};
	CURL *easy = curl_easy_init();

	(void)state;
	assert_int_not_equal(http_setup_request(easy, &view, "/", false, &setup), 0);
	curl_easy_cleanup(easy);
	http_setup_free(&setup);
}

/* Every option must be known to the libcurl that is linked. */
static void test_options_are_taken(void **state)
{
	const struct access_view views[] = {
		{.url = "https://a", .no_proxy = true},
		{.url = "https://a", .proxy_url = "http://proxy:3128", .insecure = true},
		{.url = "https://a",
			.ca_pem = "pem",
			.ca_pem_len = 3,
			.cert_pem = "c",
			.cert_pem_len = 1,
			.key_pem = "k",
			.key_pem_len = 1,
			.tls_generation = 4000000000u},
	};

	(void)state;
	for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
		CURL *easy = curl_easy_init();

		assert_int_equal(http_setup_connection(easy, &views[i]), 0);
		assert_int_equal(http_setup_tls(easy, &views[i]), 0);
		curl_easy_cleanup(easy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_request),
		cmocka_unit_test(test_protobuf_may_come),
		cmocka_unit_test(test_another_name_for_tls),
		cmocka_unit_test(test_bad_url_is_refused),
		cmocka_unit_test(test_options_are_taken),
	};
	int rc;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return rc;
}

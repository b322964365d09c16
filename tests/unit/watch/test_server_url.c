/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/server_url.h"

#include "scratch.h"

#include <errno.h>

static void test_tidy(void **state)
{
	static const char *const rows[][2] = {
		{"https://10.96.0.1:443", "https://10.96.0.1:443"},
		{"https://api.example:6443/", "https://api.example:6443"},
		{"HTTPS://api.example", "https://api.example"},
		{"http://127.0.0.1:8001//", "http://127.0.0.1:8001"},
		{"10.0.0.1:6443", "https://10.0.0.1:6443"},
		{"https://[fd00::1]:6443", "https://[fd00::1]:6443"},
		{"https://[fd00::1]", "https://[fd00::1]"},
		{"https://rancher.example/k8s/clusters/c-1/",
			"https://rancher.example/k8s/clusters/c-1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *url = NULL, err[320] = "";

		if (server_url_tidy(rows[i][0], &url, err, sizeof err) < 0)
			fail_msg("%s: %s", rows[i][0], err);
		assert_string_equal(url, rows[i][1]);
		free(url);
	}
}

static void test_mistakes(void **state)
{
	static const char *const rows[][2] = {
		{"", "no host"},
		{"https://", "no host"},
		{"https://:443", "no host"},
		{"ftp://host", "only https and http"},
		{"https://user:pw@host", "a user in it"},
		{"https://host:0", "the port"},
		{"https://host:65536", "the port"},
		{"https://host:", "the port"},
		{"https://host:https", "the port"},
		{"https://fd00::1", "in brackets"},
		{"https://[fd00::1", "not complete"},
		{"https://[fd00::zz]:1", "the IPv6 address is wrong"},
		{"https://[::1]x", "the port"},
		{"https://host?x=1", "query or fragment"},
		{"https://host/#x", "query or fragment"},
		{"https://host name", "a space"},
		{"https://host\r\nX: y", "a space"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *url = NULL, err[320] = "";

		if (server_url_tidy(rows[i][0], &url, err, sizeof err) != -EINVAL)
			fail_msg("'%s' passed", rows[i][0]);
		assert_null(url);
		assert_says(err, rows[i][1]);
	}
}

static void test_make(void **state)
{
	char *url = NULL, err[320] = "", host[400];

	(void)state;
	assert_int_equal(server_url_make("10.96.0.1", "443", &url, err, sizeof err), 0);
	assert_string_equal(url, "https://10.96.0.1:443");
	free(url);
	assert_int_equal(server_url_make("fd00::1", "443", &url, err, sizeof err), 0);
	assert_string_equal(url, "https://[fd00::1]:443");
	free(url);
	assert_int_equal(server_url_make("[fd00::1]", "443", &url, err, sizeof err), 0);
	assert_string_equal(url, "https://[fd00::1]:443");
	free(url);
	assert_int_equal(
		server_url_make("10.96.0.1", "tcp://10.0.0.1:443", &url, err, sizeof err), -EINVAL);
	memset(host, 'a', sizeof host - 1);
	host[sizeof host - 1] = '\0';
	assert_int_equal(server_url_make(host, "443", &url, err, sizeof err), -EINVAL);
	assert_says(err, "too long");
}

static void test_private(void **state)
{
	(void)state;
	assert_true(server_url_is_private("https://api.example"));
	assert_true(server_url_is_private("http://127.0.0.1:8001"));
	assert_true(server_url_is_private("http://127.9.9.9"));
	assert_true(server_url_is_private("http://localhost:8001/x"));
	assert_true(server_url_is_private("http://[::1]:8001"));
	assert_false(server_url_is_private("http://10.0.0.1"));
	assert_false(server_url_is_private("http://127.0.0.1.example"));
	assert_false(server_url_is_private("http://localhost.example"));
	assert_false(server_url_is_private("http://[fd00::1]"));
	assert_false(server_url_is_private("http://"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tidy),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_make),
		cmocka_unit_test(test_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

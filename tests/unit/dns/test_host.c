/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/host.h"
#include "dns/net/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void answer_text(void *user, struct http_reply *reply)
{
	reply->status = 200;
	reply->body = strdup(user);
	reply->len = strlen(user);
}

static uint16_t free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void fetch(uint16_t port, const char *path, char *out, size_t cap)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t at = 0;
	ssize_t got;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	dprintf(fd, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	while (at + 1 < cap && (got = read(fd, out + at, cap - at - 1)) > 0)
		at += (size_t)got;
	out[at] = '\0';
	close(fd);
}

static bool connects(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;

	close(fd);
	return connected;
}

static void test_routes_share_an_address(void **state)
{
	struct host *host;
	const struct plugin_host *plugin;
	uint16_t port = free_port();
	char err[COREFILE_ERROR_MAX], text[1024];

	(void)state;
	assert_int_equal(host_new(NULL, &host), 0);
	plugin = host_plugin(host);
	assert_int_equal(
		plugin->http_route(plugin->ctx, "127.0.0.1", port, "/a", answer_text, "alpha"), 0);
	assert_int_equal(
		plugin->http_route(plugin->ctx, "127.0.0.1", port, "/b", answer_text, "beta"), 0);
	/* the first one stays */
	assert_int_equal(
		plugin->http_route(plugin->ctx, "127.0.0.1", port, "/a", answer_text, "gamma"), 1);
	assert_int_equal(host_http_open(host, err), 0);
	fetch(port, "/a", text, sizeof text);
	assert_non_null(strstr(text, "alpha"));
	fetch(port, "/b", text, sizeof text);
	assert_non_null(strstr(text, "beta"));
	fetch(port, "/c", text, sizeof text);
	assert_non_null(strstr(text, " 404 "));
	host_free(host);
}

static void test_port_in_use_is_told(void **state)
{
	struct host *one, *two;
	uint16_t port = free_port();
	char err[COREFILE_ERROR_MAX] = "", number[16];

	(void)state;
	assert_int_equal(host_new(NULL, &one), 0);
	assert_int_equal(host_new(NULL, &two), 0);
	host_plugin(one)->http_route(one, "127.0.0.1", port, "/a", answer_text, "x");
	host_plugin(two)->http_route(two, "127.0.0.1", port, "/health", answer_text, "x");
	assert_int_equal(host_http_open(one, err), 0);
	assert_int_equal(host_http_open(two, err), -EADDRINUSE);
	snprintf(number, sizeof number, ":%u", (unsigned)port);
	assert_non_null(strstr(err, number));
	assert_non_null(strstr(err, "/health"));
	assert_non_null(strstr(err, "in use"));
	host_free(two);
	host_free(one);
}

static void test_shared_memory_and_stopping(void **state)
{
	struct host *host;
	const struct plugin_host *plugin;
	int *a;

	(void)state;
	assert_int_equal(host_new(NULL, &host), 0);
	plugin = host_plugin(host);
	a = plugin->shared(plugin->ctx, "ready :8181", sizeof *a);
	assert_int_equal(*a, 0);
	assert_ptr_equal(a, plugin->shared(plugin->ctx, "ready :8181", sizeof *a));
	assert_ptr_not_equal(a, plugin->shared(plugin->ctx, "ready :8182", sizeof *a));
	assert_false(plugin->stopping(plugin->ctx));
	host_set_stopping(host);
	assert_true(plugin->stopping(plugin->ctx));
	host_free(host);
}

static void test_next_plan_keeps_the_address(void **state)
{
	struct host *host;
	const struct plugin_host *plugin;
	uint16_t port = free_port(), gone = free_port(), come = free_port();
	char err[COREFILE_ERROR_MAX], text[1024];
	unsigned interval_ms, jitter_ms;
	int *one, *lasting;

	(void)state;
	assert_int_equal(host_new(NULL, &host), 0);
	plugin = host_plugin(host);
	plugin->http_route(host, "127.0.0.1", port, "/a", answer_text, "alpha");
	plugin->http_route(host, "127.0.0.1", gone, "/a", answer_text, "alpha");
	plugin->reload_every(host, 2000, 1000);
	one = plugin->shared(host, "key", sizeof *one);
	lasting = plugin->lasting(host, "key", sizeof *lasting);
	*one = *lasting = 1;
	assert_int_equal(host_http_open(host, err), 0);
	host_commit(host);

	host_begin(host);
	plugin->http_route(host, "127.0.0.1", port, "/a", answer_text, "beta");
	plugin->http_route(host, "127.0.0.1", come, "/b", answer_text, "gamma");
	plugin->reload_every(host, 3000, 0);
	assert_int_equal(*(int *)plugin->shared(host, "key", sizeof(int)), 0);
	assert_int_equal(*(int *)plugin->lasting(host, "key", sizeof(int)), 1);
	assert_int_equal(host_http_open(host, err), 0);
	fetch(port, "/a", text, sizeof text);
	assert_non_null(strstr(text, "alpha")); /* until it counts */
	host_reload_every(host, &interval_ms, &jitter_ms);
	assert_int_equal(interval_ms, 2000);
	host_commit(host);
	host_reload_every(host, &interval_ms, &jitter_ms);
	assert_int_equal(interval_ms, 3000);
	assert_int_equal(jitter_ms, 0);
	fetch(port, "/a", text, sizeof text);
	assert_non_null(strstr(text, "beta"));
	fetch(come, "/b", text, sizeof text);
	assert_non_null(strstr(text, "gamma"));
	assert_false(connects(gone));
	host_retire(host);
	host_free(host);
}

static void test_next_plan_is_given_up(void **state)
{
	struct host *host, *other;
	const struct plugin_host *plugin;
	uint16_t port = free_port(), taken = free_port(), come = free_port();
	char err[COREFILE_ERROR_MAX], text[1024];

	(void)state;
	assert_int_equal(host_new(NULL, &other), 0);
	host_plugin(other)->http_route(other, "127.0.0.1", taken, "/a", answer_text, "x");
	assert_int_equal(host_http_open(other, err), 0);
	assert_int_equal(host_new(NULL, &host), 0);
	plugin = host_plugin(host);
	plugin->http_route(host, "127.0.0.1", port, "/a", answer_text, "alpha");
	assert_int_equal(host_http_open(host, err), 0);
	host_commit(host);
	for (int i = 0; i < 3; i++) {
		host_begin(host);
		plugin->http_route(host, "127.0.0.1", port, "/a", answer_text, "beta");
		plugin->http_route(host, "127.0.0.1", come, "/b", answer_text, "gamma");
		plugin->http_route(host, "127.0.0.1", taken, "/b", answer_text, "gamma");
		assert_int_equal(host_http_open(host, err), -EADDRINUSE);
		host_abort(host);
		host_retire(host);
		fetch(port, "/a", text, sizeof text);
		assert_non_null(strstr(text, "alpha"));
		assert_false(connects(come));
	}
	host_free(host);
	host_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes_share_an_address),
		cmocka_unit_test(test_port_in_use_is_told),
		cmocka_unit_test(test_shared_memory_and_stopping),
		cmocka_unit_test(test_next_plan_keeps_the_address),
		cmocka_unit_test(test_next_plan_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

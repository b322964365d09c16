/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/listen.h"
#include "dns/wire/reply.h"
#include "dns/wire/type.h"
#include "free_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	struct corefile *corefile;
	struct config *config;
	uint16_t port;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	char text[128], err[COREFILE_ERROR_MAX];

	world->port = free_port();
	snprintf(text, sizeof text, "example.org:%u {\nbind 127.0.0.1\nerrors\n}\n",
		(unsigned)world->port);
	if (corefile_parse(text, strlen(text), "Corefile", &world->corefile, err) < 0)
		return -1;
	*state = world;
	return config_new(world->corefile, 53, &world->config, err);
}

static int teardown(void **state)
{
	struct world *world = *state;

	config_free(world->config);
	corefile_free(world->corefile);
	free(world);
	return 0;
}

/* Ask for www.example.net (REFUSED) over either transport; the rcode, or -1. */
static int ask(uint16_t port, int type)
{
	static const uint8_t question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\3www\7example\3net\0\0\1\0\1";
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 10};
	uint8_t message[600];
	size_t skip = type == SOCK_STREAM ? 2 : 0;
	int fd = socket(AF_INET, type, 0);
	ssize_t got;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	message[0] = 0;
	message[1] = sizeof question - 1;
	memcpy(message + skip, question, sizeof question - 1);
	assert_true(write(fd, message, sizeof question - 1 + skip) > 0);
	got = recv(fd, message, sizeof message, 0);
	close(fd);
	return got > 12 ? message[3 + skip] & 15 : -1;
}

static void test_answers_on_both_transports(void **state)
{
	struct world *world = *state;
	struct listen *listen;
	char err[COREFILE_ERROR_MAX] = "";

	assert_int_equal(listen_open(world->config, 2, &listen, err), 0);
	assert_int_equal(listen_run(listen), 0);
	assert_int_equal(ask(world->port, SOCK_DGRAM), RCODE_REFUSED);
	assert_int_equal(ask(world->port, SOCK_STREAM), RCODE_REFUSED);
	listen_stop(listen);
	listen_free(listen);
}

static void test_port_in_use(void **state)
{
	struct world *world = *state;
	struct listen *one, *two = NULL;
	char err[COREFILE_ERROR_MAX] = "", where[64];

	assert_int_equal(listen_open(world->config, 1, &one, err), 0);
	assert_int_equal(listen_open(world->config, 1, &two, err), -EADDRINUSE);
	assert_null(two);
	snprintf(where, sizeof where, "127.0.0.1:%u (UDP)", (unsigned)world->port);
	assert_non_null(strstr(err, where));
	assert_non_null(strstr(err, "-dns.port"));
	listen_free(one);
}

static void test_address_of_another_host(void **state)
{
	struct corefile *corefile = NULL;
	struct config *config = NULL;
	struct listen *listen = NULL;
	char err[COREFILE_ERROR_MAX] = "";
	static const char text[] = ".:1053 {\nbind 203.0.113.77\nerrors\n}\n";

	(void)state;
	assert_int_equal(corefile_parse(text, sizeof text - 1, "Corefile", &corefile, err), 0);
	assert_int_equal(config_new(corefile, 53, &config, err), 0);
	assert_int_equal(listen_open(config, 1, &listen, err), -EADDRNOTAVAIL);
	assert_non_null(strstr(err, "203.0.113.77:1053"));
	assert_non_null(strstr(err, "no such address"));
	config_free(config);
	corefile_free(corefile);
}

/* The world's listener, or another one, with another block behind it. */
static struct config *config_of(const char *text)
{
	struct corefile *corefile = NULL;
	struct config *config = NULL;
	char err[COREFILE_ERROR_MAX] = "";

	assert_int_equal(corefile_parse(text, strlen(text), "Corefile", &corefile, err), 0);
	assert_int_equal(config_new(corefile, 53, &config, err), 0);
	corefile_free(corefile);
	return config;
}

static void test_exchange(void **state)
{
	struct world *world = *state;
	struct listen *listen;
	struct config *all, *other;
	uint16_t port = free_port();
	char err[COREFILE_ERROR_MAX] = "", text[256];

	snprintf(text, sizeof text, ".:%u {\nbind 127.0.0.1\n}\n.:%u {\nbind 127.0.0.1\n}\n",
		(unsigned)world->port, (unsigned)port);
	all = config_of(text);
	snprintf(text, sizeof text, ".:%u {\nbind 127.0.0.1\n}\n", (unsigned)port);
	other = config_of(text);
	assert_int_equal(listen_open(world->config, 2, &listen, err), 0);
	assert_int_equal(listen_run(listen), 0);
	for (int i = 0; i < 5; i++) {
		/* nobody has the name, and then a block has it and no answer */
		assert_int_equal(ask(world->port, SOCK_DGRAM), RCODE_REFUSED);
		assert_int_equal(listen_extend(listen, all, err), 0);
		assert_int_equal(ask(world->port, SOCK_DGRAM), RCODE_REFUSED);
		assert_int_equal(ask(port, SOCK_DGRAM), RCODE_SERVFAIL);
		listen_exchange(listen);
		assert_true(listen_drained(listen));
		for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
			assert_int_equal(ask(world->port, type), RCODE_SERVFAIL);
			assert_int_equal(ask(port, type), RCODE_SERVFAIL);
		}
		assert_int_equal(listen_extend(listen, other, err), 0);
		listen_exchange(listen);
		assert_true(listen_drained(listen));
		assert_int_equal(ask(port, SOCK_DGRAM), RCODE_SERVFAIL);
		assert_int_equal(listen_extend(listen, world->config, err), 0);
		listen_exchange(listen);
		assert_true(listen_drained(listen));
	}
	listen_free(listen);
	config_free(all);
	config_free(other);
}

static void test_extend_fails(void **state)
{
	struct world *world = *state;
	struct listen *listen;
	struct config *bad;
	uint16_t port = free_port();
	char err[COREFILE_ERROR_MAX] = "", text[256];

	snprintf(text, sizeof text,
		".:%u {\nbind 127.0.0.1\n}\n.:%u {\nbind 127.0.0.1 203.0.113.77\n}\n",
		(unsigned)world->port, (unsigned)port);
	bad = config_of(text);
	assert_int_equal(listen_open(world->config, 1, &listen, err), 0);
	assert_int_equal(listen_run(listen), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(listen_extend(listen, bad, err), -EADDRNOTAVAIL);
		assert_non_null(strstr(err, "203.0.113.77"));
		assert_true(listen_drained(listen));
		assert_int_equal(ask(world->port, SOCK_DGRAM), RCODE_REFUSED);
	}
	listen_cut(listen);
	listen_free(listen);
	config_free(bad);
}

static void test_threads_are_bounded(void **state)
{
	(void)state;
	assert_in_range(listen_threads(), 1, 8);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_answers_on_both_transports),
		CASE(test_port_in_use),
		cmocka_unit_test(test_address_of_another_host),
		CASE(test_exchange),
		CASE(test_extend_fails),
		cmocka_unit_test(test_threads_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

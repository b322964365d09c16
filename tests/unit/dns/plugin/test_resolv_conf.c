/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/resolv_conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct resolv_conf conf;

static void parse(const char *text)
{
	memset(&conf, 0xa5, sizeof conf);
	resolv_conf_parse(text, strlen(text), &conf);
}

static void test_what_a_kubelet_writes(void **state)
{
	(void)state;
	parse("search default.svc.cluster.local svc.Cluster.Local cluster.local\n"
	      "nameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n");
	assert_int_equal(conf.server_count, 2);
	assert_int_equal(conf.servers[0].family, AF_INET);
	assert_memory_equal(conf.servers[0].bytes, "\x0a\x60\0\x0a", 4);
	assert_int_equal(conf.servers[1].family, AF_INET6);
	assert_int_equal(conf.search_count, 3);
	assert_int_equal(conf.search[1].len, 19);
	assert_memory_equal(conf.search[1].wire, "\3svc\7cluster\5local", 19);
}

static void test_odd_lines(void **state)
{
	(void)state;
	parse("");
	assert_int_equal(conf.server_count + conf.search_count, 0);
	parse("# nameserver 1.1.1.1\n;search a\n\n\t nameserver\t192.0.2.1 # ours\r\n"
	      "nameserver\nnameserver localhost\nnameservers 192.0.2.2\nsearch a ..b c#d # e\n"
	      "nameserver fe80::1%lo");
	assert_int_equal(conf.server_count, 2);
	assert_int_equal(conf.servers[1].family, AF_INET6);
	assert_int_equal(conf.search_count, 2);
	assert_memory_equal(conf.search[0].wire, "\1a", 3);
	assert_memory_equal(conf.search[1].wire, "\3c#d", 5);
}

static void test_last_list_counts(void **state)
{
	(void)state;
	parse("search a b\ndomain c\n");
	assert_int_equal(conf.search_count, 1);
	assert_memory_equal(conf.search[0].wire, "\1c", 3);
	parse("domain c\nsearch a b\n");
	assert_int_equal(conf.search_count, 2);
}

static void test_more_than_there_is_room_for(void **state)
{
	char text[4096] = "search";

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		sprintf(text + strlen(text), " n%u", i);
	for (unsigned i = 0; i < 50; i++)
		sprintf(text + strlen(text), "\nnameserver 192.0.2.%u", i);
	parse(text);
	assert_int_equal(conf.search_count, RESOLV_CONF_MAX);
	assert_int_equal(conf.server_count, RESOLV_CONF_MAX);
}

static void test_files(void **state)
{
	char path[] = "/tmp/test_resolv_conf.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(resolv_conf_read("/does/not/exist", &conf), -ENOENT);
	assert_int_equal(resolv_conf_read("/tmp", &conf), -EIO);
	assert_int_equal(write(fd, "nameserver 192.0.2.1\n", 21), 21);
	assert_int_equal(resolv_conf_read(path, &conf), 0);
	assert_int_equal(conf.server_count, 1);
	assert_int_equal(ftruncate(fd, 65537), 0);
	assert_int_equal(resolv_conf_read(path, &conf), -EFBIG);
	assert_int_equal(conf.server_count, 1);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_kubelet_writes),
		cmocka_unit_test(test_odd_lines),
		cmocka_unit_test(test_last_list_counts),
		cmocka_unit_test(test_more_than_there_is_room_for),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "site.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

/* The addresses of a Corefile as text, a space behind each. */
static const char *listens(const char *text)
{
	static char out[1024];
	struct listen_address *list = NULL;
	size_t count = 0;
	struct site site;

	if (site_setup(&site, &plugin_bind, text) < 0)
		fail_msg("%s", site.err);
	assert_int_equal(plugin_bind.listen(site.instance, &list, &count, site.err), 0);
	out[0] = 0;
	for (size_t i = 0; i < count; i++) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&list[i].address;
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&list[i].address;

		if (list[i].address.ss_family == AF_INET)
			assert_int_equal(v4->sin_port, 0);
		else
			assert_int_equal(v6->sin6_port, 0);
		strcat(strcat(out, list[i].text), " ");
	}
	free(list);
	site_free(&site, &plugin_bind);
	return out;
}

static void test_addresses(void **state)
{
	(void)state;
	assert_string_equal(listens(". {\n bind 127.0.0.1\n}"), "127.0.0.1 ");
	assert_string_equal(listens(". {\n bind 127.0.0.1 ::1 10.0.0.1\n bind 127.0.0.2\n}"),
		"127.0.0.1 ::1 10.0.0.1 127.0.0.2 ");
	assert_string_equal(
		listens(". {\n bind 127.0.0.1 127.0.0.1 ::ffff:127.0.0.1\n}"), "127.0.0.1 ");
	assert_string_equal(listens(". {\n bind 0.0.0.0 ::\n}"), "0.0.0.0 :: ");
}

static void test_interface(void **state)
{
	(void)state;
	assert_non_null(strstr(listens(". {\n bind lo\n}"), "127.0.0.1 "));
	assert_non_null(strstr(listens(". {\n bind 10.9.8.7 lo\n}"), "10.9.8.7 127.0.0.1 "));
}

static void test_except(void **state)
{
	(void)state;
	assert_string_equal(listens(". {\n bind 127.0.0.1 127.0.0.2 {\n except 127.0.0.1\n }\n}"),
		"127.0.0.2 ");
	assert_string_equal(listens(". {\n bind 10.0.0.1 lo {\n except lo\n }\n}"), "10.0.0.1 ");
	/* Only for its own line. */
	assert_string_equal(listens(". {\n bind 10.0.0.1 10.0.0.2 {\n except 10.0.0.1\n }\n"
				    " bind 10.0.0.1\n}"),
		"10.0.0.2 10.0.0.1 ");
}

static void test_scope_is_kept(void **state)
{
	struct listen_address *list = NULL;
	size_t count = 0;
	struct site site;

	(void)state;
	assert_int_equal(site_setup(&site, &plugin_bind, ". {\n bind fe80::1%lo\n}"), 0);
	assert_int_equal(plugin_bind.listen(site.instance, &list, &count, site.err), 0);
	assert_int_equal(count, 1);
	assert_int_equal(
		((struct sockaddr_in6 *)&list[0].address)->sin6_scope_id, if_nametoindex("lo"));
	assert_string_equal(list[0].text, "fe80::1%lo");
	free(list);
	site_free(&site, &plugin_bind);
}

static void test_listen_appends(void **state)
{
	struct listen_address *list = calloc(1, sizeof *list);
	size_t count = 1;
	struct site site;

	(void)state;
	list[0].text = "first";
	assert_int_equal(site_setup(&site, &plugin_bind, ". {\n bind 127.0.0.1\n}"), 0);
	assert_int_equal(plugin_bind.listen(site.instance, &list, &count, site.err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(list[0].text, "first");
	assert_string_equal(list[1].text, "127.0.0.1");
	free(list);
	site_free(&site, &plugin_bind);
}

static void test_refusals(void **state)
{
	const struct plugin *p = &plugin_bind;

	(void)state;
	site_refused(p, ". {\n bind\n}", "F:2:2: bind: write 'bind ADDRESS|INTERFACE...'");
	site_refused(p, ". {\n bind 127.0.0.1 nosuchif\n}",
		"F:2:17: bind: 'nosuchif' is neither an address nor an interface of this host, "
		"which has:");
	site_refused(p, ". {\n bind lp\n}",
		"F:2:7: bind: 'lp' is neither an address nor an interface; did you mean 'lo'?");
	site_refused(p, ". {\n bind 127.0.0.256\n}", "F:2:7: bind: '127.0.0.256' is neither");
	site_refused(p, ". {\n bind 127.0.0.1 {\n except 127.0.0.1\n}\n}",
		"F:2:2: bind: 'except' leaves no address");
	site_refused(p, ". {\n bind ::1 {\n exept ::1\n}\n}",
		"F:3:2: bind: unknown option 'exept'; did you mean 'except'?");
	site_refused(p, ". {\n bind ::1 {\n except nosuchif\n}\n}", "F:3:9: bind: 'nosuchif' is");
	site_refused(p, ". {\n bind ::1 {\n except\n}\n}", "F:3:2: bind: write 'except ADDR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_except),
		cmocka_unit_test(test_scope_is_kept),
		cmocka_unit_test(test_listen_appends),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

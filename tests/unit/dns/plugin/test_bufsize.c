/* SPDX-License-Identifier: Apache-2.0 */
#include "question.h"
#include "site.h"

/* How long a reply full of addresses gets behind `bufsize` with these arguments. */
static size_t reply_len(const char *directive, uint16_t edns_size, bool tcp, unsigned depth)
{
	static struct question q;
	static const uint8_t address[4] = {10, 0, 0, 1};
	struct site site;
	size_t len;

	assert_int_equal(site_setup(&site, &plugin_bufsize, directive), 0);
	question_init(&q, "web.shop.svc.cluster.local", TYPE_A, edns_size, false, tcp);
	q.txn.depth = depth;
	assert_int_equal(plugin_bufsize.query(site.instance, &q.txn), PLUGIN_NEXT);
	for (unsigned i = 0; i < 1000; i++)
		reply_put_rr(&q.reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
	len = reply_end(&q.reply);
	assert_int_equal((q.reply.flags & DNS_FLAG_TC) != 0, !tcp);
	site_free(&site, &plugin_bufsize);
	return len;
}

static void check_len(const char *directive, uint16_t edns_size, size_t limit)
{
	const size_t len = reply_len(directive, edns_size, false, 0);

	assert_in_range(len, limit - 15, limit);
}

static void test_limits(void **state)
{
	(void)state;
	check_len(". {\nbufsize\n}\n", 4096, 1232);
	check_len(". {\nbufsize 512\n}\n", 4096, 512);
	check_len(". {\nbufsize 4096\n}\n", 65535, 4096);
	check_len(". {\nbufsize 1100\n}\n", 1232, 1100);
}

/* Never raised, and nothing where there is nothing to lower. */
static void test_only_lowers(void **state)
{
	(void)state;
	check_len(". {\nbufsize 4096\n}\n", 1232, 1232);
	check_len(". {\nbufsize 4096\n}\n", 0, 512);
	check_len(". {\nbufsize\n}\n", 100, 512);
	assert_int_equal(
		reply_len(". {\nbufsize 512\n}\n", 1232, true, 0), 12 + 28 + 4 + 16000 + 11);
}

/* The server's own questions have all the room there is. */
static void test_own_questions(void **state)
{
	(void)state;
	assert_in_range(reply_len(". {\nbufsize 512\n}\n", 1232, false, 1), 1217, 1232);
}

static void test_refused(void **state)
{
	(void)state;
	site_refused(
		&plugin_bufsize, ". {\nbufsize 1 2\n}\n", "F:2:1: bufsize: write 'bufsize [SIZE]'");
	site_refused(&plugin_bufsize, ". {\nbufsize {\nx\n}\n}\n",
		"F:2:1: bufsize: write 'bufsize [SIZE]'");
	site_refused(&plugin_bufsize, ". {\nbufsize 511\n}\n",
		"F:2:9: bufsize: '511' is no size; write a number of bytes from 512 to 4096");
	site_refused(
		&plugin_bufsize, ". {\nbufsize 4097\n}\n", "F:2:9: bufsize: '4097' is no size");
	site_refused(&plugin_bufsize, ". {\nbufsize 1k\n}\n", "F:2:9: bufsize: '1k' is no size");
	site_refused(&plugin_bufsize, ". {\nbufsize -1\n}\n", "F:2:9: bufsize: '-1' is no size");
	site_refused(&plugin_bufsize, ". {\nbufsize 512\nbufsize\n}\n",
		"F:3:1: a server block can have 'bufsize' once");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_only_lowers),
		cmocka_unit_test(test_own_questions),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

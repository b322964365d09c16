/* SPDX-License-Identifier: Apache-2.0 */
#include "question.h"
#include "site.h"

#define ALLOW  'a'
#define BLOCK  'b'
#define FILTER 'f'
#define DROP   'd'

static struct question q;

static void peer_set(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(&q.peer, &v4, sizeof v4);
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(&q.peer, &v6, sizeof v6);
	else
		fail_msg("'%s' is no address", text);
}

static char verdict_of(struct site *site)
{
	switch (plugin_acl.query(site->instance, &q.txn)) {
	case PLUGIN_NEXT:
		return ALLOW;
	case PLUGIN_DROP:
		return DROP;
	case PLUGIN_DONE:
		break;
	case PLUGIN_WAIT:
		fail_msg("acl waits");
	}
	assert_int_equal(q.reply.len, q.reply.body);
	return q.reply.rcode == RCODE_REFUSED ? BLOCK : FILTER;
}

static char ask(const char *corefile, const char *name, uint16_t type, const char *peer)
{
	struct site site;
	char got;

	if (site_setup(&site, &plugin_acl, corefile) < 0)
		fail_msg("%s", site.err);
	question_init(&q, name, type, 1232, false, false);
	peer_set(peer);
	got = verdict_of(&site);
	site_free(&site, &plugin_acl);
	return got;
}

static void test_actions(void **state)
{
	static const uint8_t blocked[] = {0, 6, 0, 15, 0, 2, 0, EDE_BLOCKED};
	static const uint8_t filtered[] = {0, 6, 0, 15, 0, 2, 0, EDE_FILTERED};
	size_t len;

	(void)state;
	assert_int_equal(ask(". {\nacl {\nallow\nblock\n}\n}", "a.", TYPE_A, "10.0.0.1"), ALLOW);
	assert_int_equal(ask(". {\nacl {\ndrop\n}\n}", "a.", TYPE_A, "10.0.0.1"), DROP);
	assert_int_equal(ask(". {\nacl {\nBlock\n}\n}", "a.", TYPE_A, "10.0.0.1"), BLOCK);
	len = reply_end(&q.reply);
	assert_memory_equal(q.buf + len - sizeof blocked, blocked, sizeof blocked);
	assert_int_equal(ask(". {\nacl {\nfilter\n}\n}", "a.", TYPE_A, "::1"), FILTER);
	assert_int_equal(q.reply.rcode, RCODE_NOERROR);
	len = reply_end(&q.reply);
	assert_memory_equal(q.buf + len - sizeof filtered, filtered, sizeof filtered);
}

static void test_types(void **state)
{
	static const char text[] = ". {\nacl {\nblock type a TYPE99 type AAAA net *\n}\n}";
	static const char all[] = ". {\nacl {\nblock TYPE A *\n}\n}";

	(void)state;
	assert_int_equal(ask(text, "a.", TYPE_A, "10.0.0.1"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_AAAA, "::1"), BLOCK);
	assert_int_equal(ask(text, "a.", 99, "::1"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_SRV, "10.0.0.1"), ALLOW);
	assert_int_equal(ask(all, "a.", TYPE_SRV, "10.0.0.1"), BLOCK);
	assert_int_equal(ask(". {\nacl {\nblock type ANY\n}\n}", "a.", TYPE_ANY, "::1"), BLOCK);
}

static void test_sources(void **state)
{
	static const char text[] = ". {\nacl {\nblock net 10.1.0.0/16 192.0.2.7 net fd00::/8\n}\n}";
	static const char none[] = ". {\nacl {\nblock type A net ::/0\n}\n}";

	(void)state;
	assert_int_equal(ask(text, "a.", TYPE_A, "10.1.255.1"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_A, "10.2.0.1"), ALLOW);
	assert_int_equal(ask(text, "a.", TYPE_A, "192.0.2.7"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_A, "192.0.2.8"), ALLOW);
	assert_int_equal(ask(text, "a.", TYPE_A, "fd12::1"), BLOCK);
	assert_int_equal(ask(text, "a.", TYPE_A, "fe80::1"), ALLOW);
	assert_int_equal(ask(none, "a.", TYPE_A, "10.0.0.1"), ALLOW);
}

/* The first rule that fits, over all lines that have the name. */
static void test_order(void **state)
{
	static const char text[] = ". {\n"
				   "acl a.example.org {\nallow net 10.0.0.1\nblock type A\n}\n"
				   "acl example.org {\nfilter net 10.0.0.0/24\n}\n"
				   "acl 192.0.2.0/24 {\ndrop\n}\n"
				   "}";

	(void)state;
	assert_int_equal(ask(text, "x.A.example.org", TYPE_A, "10.0.0.1"), ALLOW);
	assert_int_equal(ask(text, "a.example.org", TYPE_A, "10.0.0.2"), BLOCK);
	assert_int_equal(ask(text, "a.example.org", TYPE_AAAA, "10.0.0.2"), FILTER);
	assert_int_equal(ask(text, "a.example.org", TYPE_AAAA, "10.0.1.2"), ALLOW);
	assert_int_equal(ask(text, "ba.example.org", TYPE_A, "10.0.0.1"), FILTER);
	assert_int_equal(ask(text, "example.com", TYPE_A, "10.0.0.1"), ALLOW);
	assert_int_equal(ask(text, "1.2.0.192.in-addr.arpa", TYPE_PTR, "10.0.0.1"), DROP);
}

static void test_without_rules(void **state)
{
	static struct captured_log log;

	(void)state;
	captured_open(&log);
	assert_int_equal(ask(". {\nacl\n}", "a.", TYPE_A, "10.0.0.1"), ALLOW);
	assert_non_null(strstr(captured_read(&log), "F:2:1: without rules everything is allowed"));
	captured_close(&log);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{". {\nacl {\nblok\n}\n}",
			"F:3:1: acl: unknown action 'blok'; did you mean 'block'?"},
		{". {\nacl {\nrejection\n}\n}",
			"F:3:1: acl: unknown action 'rejection'; there are 'allow'"},
		{". {\nacl {\nblock A\n}\n}", "F:3:7: acl: 'A' belongs to nothing; write 'type'"},
		{". {\nacl {\nblock type\n}\n}",
			"F:3:7: acl: behind 'type' there must be a record"},
		{". {\nacl {\nblock type net *\n}\n}", "F:3:7: acl: behind 'type' there must be"},
		{". {\nacl {\nblock type A NET\n}\n}",
			"F:3:14: acl: behind 'net' there must be an"},
		{". {\nacl {\nblock type AA\n}\n}", "F:3:12: acl: 'AA' is no record type"},
		{". {\nacl {\nblock net 10.0.0\n}\n}",
			"F:3:11: acl: '10.0.0' is neither an address"},
		{". {\nacl {\nblock net 10.0.0.0/33\n}\n}",
			"F:3:11: acl: '10.0.0.0/33' is neither"},
		{". {\nacl {\nblock {\nallow\n}\n}\n}", "F:3:1: acl: a rule is one line"},
		{". {\nacl a..b {\nblock\n}\n}", "F:2:5: "},
		{". {\nacl {\nblock\n}\nacl {\nno\n}\n}", "F:6:1: acl: unknown action 'no'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		site_refused(&plugin_acl, rows[i].text, rows[i].says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_without_rules),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

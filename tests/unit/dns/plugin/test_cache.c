/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/cache.h"
#include "question.h"
#include "site.h"

static const uint8_t address[4] = {192, 0, 2, 1};

static struct question q;
static struct site site;

static void open_site(const char *directive)
{
	char text[500];

	snprintf(text, sizeof text, ". {\n%s\n}\n", directive);
	if (site_setup(&site, &plugin_cache, text) != 0)
		fail_msg("%s", site.err);
}

static void close_site(void)
{
	site_free(&site, &plugin_cache);
}

/* A reply of two records and a glue one that somebody made. */
static void ask(const char *name, const char *answered_by, uint32_t ttl_s)
{
	question_init(&q, name, TYPE_A, 1232, false, false);
	q.txn.answered_by = answered_by;
	reply_put_rr(&q.reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, ttl_s, address, 4);
	reply_put_rr(&q.reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 3, address, 4);
	reply_put_rr(&q.reply, REPLY_ADDITIONAL, DNS_HEADER_LEN, TYPE_A, ttl_s, address, 4);
}

static uint32_t ttl_of(size_t record)
{
	return bytes_u32(q.buf + q.reply.body + record * 16 + 6);
}

static void rewrite(void)
{
	const uint16_t len = q.reply.len;

	plugin_cache.rewrite(site.instance, &q.txn);
	assert_int_equal(q.reply.len, len);
}

/* The maximum lowers every record; nothing raises one. */
static void test_cap(void **state)
{
	(void)state;
	open_site("cache 30 {\nsuccess 9984 20 10\n}");
	ask("www.example.org", "kubernetes", 3600);
	rewrite();
	assert_int_equal(ttl_of(0), 20);
	assert_int_equal(ttl_of(1), 3);
	assert_int_equal(ttl_of(2), 20);
	ask("www.example.org", "kubernetes", 3600);
	q.reply.rcode = RCODE_NXDOMAIN;
	rewrite();
	assert_int_equal(ttl_of(0), 30);
	close_site();
}

/* A denial's SOA is in Authority, with a pointer as its owner or written out. */
static void test_cap_of_denials(void **state)
{
	static const uint8_t soa[] = {
		0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5};
	static const uint8_t txt[] = {
		3, 'o', 'r', 'g', 0, 0, TYPE_TXT, 0, CLASS_IN, 0x80, 0, 0, 0, 0, 2, 1, 'x'};

	(void)state;
	open_site("cache 30");
	question_init(&q, "www.example.org", TYPE_A, 0, false, false);
	q.txn.answered_by = "hosts";
	reply_put_rr(&q.reply, REPLY_AUTHORITY, reply_zone_at(&q.query, 1), TYPE_SOA, 31, soa,
		sizeof soa);
	reply_put(&q.reply, REPLY_AUTHORITY, txt, sizeof txt);
	rewrite();
	assert_int_equal(ttl_of(0), 30);
	/* With the top bit set it counts as 0 (RFC 2181 section 8). */
	assert_int_equal(bytes_u32(q.buf + q.reply.len - 8), 0x80000000u);
	close_site();
}

static void test_what_is_left_alone(void **state)
{
	(void)state;
	open_site("cache 30 example.org");
	ask("www.example.org", "forward", 3600); /* has its TTL already */
	rewrite();
	assert_int_equal(ttl_of(0), 3600);
	ask("www.example.net", "hosts", 3600); /* not in the directive's zones */
	rewrite();
	assert_int_equal(ttl_of(0), 3600);
	ask("www.example.org", NULL, 3600); /* nobody's */
	rewrite();
	assert_int_equal(ttl_of(0), 3600);
	/* Who says that nothing is above the maximum is believed, and nothing is looked at. */
	ask("www.example.org", "kubernetes", 3600);
	q.txn.ttl_most_s = 30;
	rewrite();
	assert_int_equal(ttl_of(0), 3600);
	q.txn.ttl_most_s = 31;
	rewrite();
	assert_int_equal(ttl_of(0), 30);
	close_site();
}

static void check_stores(const char *name, bool covers, bool success, bool denial)
{
	question_init(&q, name, TYPE_A, 0, false, false);
	assert_int_equal(cache_covers(site.instance, &q.query), covers);
	assert_int_equal(cache_stores(site.instance, &q.query, FORWARDED_POSITIVE), success);
	assert_int_equal(cache_stores(site.instance, &q.query, FORWARDED_NODATA), denial);
	assert_int_equal(cache_stores(site.instance, &q.query, FORWARDED_NXDOMAIN), denial);
}

static void test_what_is_stored(void **state)
{
	(void)state;
	open_site("cache 30 example.org {\ndisable success a.example.org\n"
		  "disable denial b.example.org\nkeepttl\nserve_stale 1h immediate 7s\n}");
	check_stores("www.example.org", true, true, true);
	check_stores("www.example.net", false, false, false);
	check_stores("www.a.example.org", true, false, true);
	check_stores("b.example.org", true, true, false);
	assert_true(cache_keeps_ttl(site.instance));
	assert_int_equal(cache_stale_ttl(site.instance), 7);
	assert_int_equal(cache_stale_wait_ms(site.instance), 0);
	assert_non_null(cache_table(site.instance));
	assert_int_equal(cache_policy(site.instance)->success_max_s, 30);
	close_site();
}

static void test_find(void **state)
{
	struct block_plugin plugins[] = {{&plugin_acl, NULL}, {&plugin_cache, NULL}};
	const struct block with = {.plugins = plugins, .plugin_count = 2};
	const struct block without = {.plugins = plugins, .plugin_count = 1};

	(void)state;
	open_site("cache");
	plugins[1].instance = site.instance;
	assert_ptr_equal(cache_find(&with), site.instance);
	assert_null(cache_find(&without));
	close_site();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_cap_of_denials),
		cmocka_unit_test(test_what_is_left_alone),
		cmocka_unit_test(test_what_is_stored),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

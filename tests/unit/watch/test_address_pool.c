/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/address_pool.h"

#include "scratch.h"

#include <arpa/inet.h>
#include <errno.h>

/* 32 addresses, 16 of which can be given. */
static const struct address_range small_v4 = {
	.family = 4, .base = {10, 1, 2, 0x60}, .bits = 5, .margin = 8};
static const struct address_range wide_v4 = {
	.family = 4, .base = {10, 0xf0}, .bits = 20, .margin = 256};
static const struct address_range wide_v6 = {
	.family = 6, .base = {0xfd, 0, 0, 0x10, 0x02, 0x40}, .bits = 20, .margin = 256};

static void take(struct address_pool *pool, const char *address)
{
	struct ip ip = {.family = strchr(address, ':') ? 6 : 4};

	assert_int_equal(inet_pton(ip.family == 4 ? AF_INET : AF_INET6, address, ip.bytes), 1);
	address_pool_take(pool, &ip);
}

static void assert_picks(struct address_pool *pool, uint32_t hash, const char *wanted)
{
	char text[INET6_ADDRSTRLEN];
	struct ip ip;

	assert_int_equal(address_pool_pick(pool, hash, &ip), 0);
	inet_ntop(ip.family == 4 ? AF_INET : AF_INET6, ip.bytes, text, sizeof text);
	assert_string_equal(text, wanted);
}

static void test_the_hash_says_where(void **state)
{
	struct address_pool *v4 = address_pool_new(&wide_v4), *v6 = address_pool_new(&wide_v6);

	(void)state;
	assert_non_null(v4);
	assert_non_null(v6);
	assert_picks(v4, 0, "10.240.1.0");
	assert_picks(v4, (1u << 20) - 513, "10.255.254.255");
	assert_picks(v4, 0x12345, "10.241.36.69");
	assert_picks(v6, 0, "fd00:10:240::100");
	assert_picks(v6, (1u << 20) - 513, "fd00:10:240::f:feff");
	assert_picks(v6, 0x12345, "fd00:10:240::1:2445");
	address_pool_free(v4);
	address_pool_free(v6);
	address_pool_free(NULL);
}

static void test_the_next_free_one_and_round(void **state)
{
	struct address_pool *pool = address_pool_new(&small_v4);
	struct ip ip;

	(void)state;
	assert_non_null(pool);
	take(pool, "10.1.2.105");
	take(pool, "10.1.2.119");
	/* Of the margin, of the neighbours, of another family. */
	take(pool, "10.1.2.96");
	take(pool, "10.1.2.74");
	take(pool, "10.1.3.106");
	take(pool, "10.1.2.138");
	take(pool, "::10.1.2.106");
	assert_picks(pool, 1, "10.1.2.106");
	assert_picks(pool, 15, "10.1.2.104");
	assert_picks(pool, 16, "10.1.2.107");
	for (unsigned i = 0; i < 11; i++)
		assert_int_equal(address_pool_pick(pool, i, &ip), 0);
	assert_int_equal(address_pool_pick(pool, 5, &ip), -ENOSPC);
	address_pool_free(pool);
}

static void test_hash(void **state)
{
	static const char *const one[] = {"default/web"}, *const three[] = {"default", "/", "web"},
				 *const other[] = {"default/wec"};

	(void)state;
	assert_int_equal(address_hash(one, 1), address_hash(three, 3));
	assert_int_not_equal(address_hash(one, 1), address_hash(other, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_hash_says_where),
		cmocka_unit_test(test_the_next_free_one_and_round),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"

#define DB "db.shop.svc.cluster.local"

struct fixture {
	struct ask_cluster c;
	struct ask *ask;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->c = ask_cluster_of((struct cluster_config){.ttl_s = 30, .zonal = true});
	f->ask = ask_new();
	complete_all(&f->c);
	put(&f->c, make_service("shop", "db", 2, SERVICE_HEADLESS, ""));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cluster_free(f->c.cluster);
	ask_free(f->ask);
	free(f);
	return 0;
}

static void slice(const struct fixture *f, const char *name, const char *endpoints)
{
	put(&f->c, make_zoned_slice("shop", name, "db", 3, endpoints));
	settle(&f->c);
}

static const char *q(const struct fixture *f, const char *name, const char *type)
{
	return ask(f->ask, f->c.cluster, name, type);
}

static void test_pin_and_prefer(void **state)
{
	const struct fixture *f = *state;

	slice(f, "a", "10.1.0.1=h@us-1a 10.1.0.2@US-1a 10.1.0.3=h@b 10.1.0.4 fd00::1=h@us-1a");
	assert_string_equal(q(f, "us-1a.pin._zone." DB, "A"), "NOERROR A 10.1.0.1 A 10.1.0.2");
	assert_string_equal(q(f, "US-1A.Pin._zone." DB, "AAAA"), "NOERROR AAAA fd00::1");
	assert_string_equal(q(f, "b.prefer._zone." DB, "A"), "NOERROR A 10.1.0.3");
	assert_string_equal(q(f, "b.prefer._zone." DB, "AAAA"), "NODATA");
	assert_string_equal(q(f, "c.pin._zone." DB, "A"), "NODATA");
	assert_string_equal(q(f, "c.pin._zone." DB, "TXT"), "NODATA");
	assert_string_equal(q(f, "c.prefer._zone." DB, "A"),
		"NOERROR A 10.1.0.1 A 10.1.0.2 A 10.1.0.3 A 10.1.0.4");
	assert_string_equal(q(f, "c.other._zone." DB, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "pin._zone." DB, "A"), "NODATA");
	assert_string_equal(q(f, "_zone." DB, "A"), "NODATA");
	assert_string_equal(q(f, "x._zone." DB, "A"), "NXDOMAIN");
	assert_string_equal(q(f, "b.pin._zone.none.shop.svc.cluster.local", "A"), "NXDOMAIN");
}

/* Targets, weights and glue are those of the zone's endpoints alone. */
static void test_srv(void **state)
{
	const struct fixture *f = *state;

	slice(f, "a", "10.1.0.1=h@a 10.1.0.2@a 10.1.0.3=h@b 10.1.0.4");
	assert_string_equal(q(f, "a.pin._zone." DB, "SRV"),
		"NOERROR SRV 0 50 80 10-1-0-2." DB ". SRV 0 50 80 h." DB ".");
	assert_string_equal(
		ask_additional(f->ask), " A 10-1-0-2." DB ". 10.1.0.2 A h." DB ". 10.1.0.1");
	assert_string_equal(q(f, "b.pin._zone." DB, "SRV"), "NOERROR SRV 0 100 80 h." DB ".");
	assert_string_equal(ask_additional(f->ask), " A h." DB ". 10.1.0.3");
	assert_string_equal(q(f, "c.pin._zone." DB, "SRV"), "NODATA");
}

/* A label's value may have dots. */
static void test_zones_with_dots(void **state)
{
	const struct fixture *f = *state;

	slice(f, "a", "10.1.0.1@a.b 10.1.0.2@b");
	assert_string_equal(q(f, "a.b.pin._zone." DB, "A"), "NOERROR A 10.1.0.1");
	assert_string_equal(q(f, "b.pin._zone." DB, "A"), "NOERROR A 10.1.0.2");
	assert_string_equal(q(f, "a.pin._zone." DB, "A"), "NODATA");
}

/* A hostname that is another endpoint's dashed address: one name, both zones. */
static void test_namesakes(void **state)
{
	const struct fixture *f = *state;

	slice(f, "a", "10.1.0.1=10-1-0-2@a 10.1.0.2@b");
	assert_string_equal(q(f, "b.pin._zone." DB, "A"), "NOERROR A 10.1.0.2");
	assert_string_equal(
		q(f, "b.pin._zone." DB, "SRV"), "NOERROR SRV 0 100 80 10-1-0-2." DB ".");
	assert_string_equal(ask_additional(f->ask), " A 10-1-0-2." DB ". 10.1.0.2");
}

static void test_two_zones(void **state)
{
	const struct fixture *f = *state;

	slice(f, "a", "10.1.0.1@b 10.1.0.1@a 10.1.0.2@b");
	assert_string_equal(q(f, "a.pin._zone." DB, "A"), "NOERROR A 10.1.0.1");
	assert_string_equal(q(f, "b.pin._zone." DB, "A"), "NOERROR A 10.1.0.2");
	/* with all its ports, of slices that say no zone, too */
	put(&f->c, make_slice_ports("shop", "b", "db", 4, "10.1.0.2", "5432:sql:TCP"));
	settle(&f->c);
	assert_string_equal(q(f, "b.pin._zone." DB, "SRV"),
		"NOERROR SRV 0 50 5432 10-1-0-2." DB ". SRV 0 50 80 10-1-0-2." DB ".");
}

static void test_only_headless_ones(void **state)
{
	const struct fixture *f = *state;

	put(&f->c, make_service("shop", "web", 2, SERVICE_CLUSTER_IP, "10.0.0.1"));
	put(&f->c, make_service("shop", "ext", 2, SERVICE_EXTERNAL_NAME, "x.org"));
	settle(&f->c);
	assert_string_equal(q(f, "b.pin._zone.web.shop.svc.cluster.local", "A"), "NXDOMAIN");
	assert_string_equal(q(f, "b.pin._zone.ext.shop.svc.cluster.local", "A"), "NXDOMAIN");
	assert_string_equal(q(f, "_zone.web.shop.svc.cluster.local", "A"), "NXDOMAIN");
	/* without endpoints the zonal names are there all the same, as in CoreDNS */
	assert_string_equal(q(f, "b.pin._zone." DB, "A"), "NODATA");
	assert_string_equal(q(f, "b.prefer._zone." DB, "A"), "NODATA");
}

static void test_off(void **state)
{
	struct fixture f = {.c = ask_cluster_of((struct cluster_config){.ttl_s = 30})};

	(void)state;
	f.ask = ask_new();
	complete_all(&f.c);
	put(&f.c, make_service("shop", "db", 2, SERVICE_HEADLESS, ""));
	slice(&f, "a", "10.1.0.1@a");
	assert_string_equal(q(&f, "a.pin._zone." DB, "A"), "NXDOMAIN");
	assert_string_equal(q(&f, "_zone." DB, "A"), "NXDOMAIN");
	cluster_free(f.c.cluster);
	ask_free(f.ask);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pin_and_prefer),
		TEST(test_srv),
		TEST(test_zones_with_dots),
		TEST(test_namesakes),
		TEST(test_two_zones),
		TEST(test_only_headless_ones),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests_name("rule_zonal", tests, NULL, NULL);
}

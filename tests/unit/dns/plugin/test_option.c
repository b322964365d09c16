/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/plugin/option.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int read_add(void *instance, const struct corefile_line *line, char *err)
{
	size_t *sum = instance;

	if (strcmp(line->tokens[1].text, "bad") == 0)
		return corefile_error(err, &line->tokens[1], "x: bad");
	*sum += line->token_count - 1;
	return 0;
}

static const struct option_row rows[] = {
	{"first", 1, 2, "first A [B]", read_add}, {"second", 1, 1, "second A", read_add}, {0}};
static const struct option_row one_row[] = {{"only", 1, 1, "only A", read_add}, {0}};

static int run(const char *body, const struct option_row *table, size_t *sum, char *err)
{
	struct corefile *corefile;
	char text[256];
	int rc;

	strcpy(stpcpy(stpcpy(text, ". {\nx "), body), "\n}");
	assert_int_equal(corefile_parse(text, strlen(text), "F", &corefile, err), 0);
	*sum = 0;
	rc = option_read(&corefile->blocks[0].lines[0], table, sum, err);
	corefile_free(corefile);
	return rc;
}

static void test_rows(void **state)
{
	char err[COREFILE_ERROR_MAX];
	size_t sum;

	(void)state;
	assert_int_equal(run("{\n first a b\n second c\n first d\n}", rows, &sum, err), 0);
	assert_int_equal(sum, 4);
	assert_int_equal(run("a", rows, &sum, err), 0);
	assert_int_equal(run("{\n}", rows, &sum, err), 0);
	assert_int_equal(sum, 0);
}

static void check(const char *body, const struct option_row *table, const char *expected)
{
	char err[COREFILE_ERROR_MAX];
	size_t sum;

	assert_int_equal(run(body, table, &sum, err), -EINVAL);
	assert_string_equal(err, expected);
}

static void test_refusals(void **state)
{
	(void)state;
	check("{\n secnd a\n}", rows, "F:3:2: x: unknown option 'secnd'; did you mean 'second'?");
	check("{\n other a\n}", rows, "F:3:2: x: unknown option 'other'");
	check("{\n other a\n}", one_row,
		"F:3:2: x: unknown option 'other'; the only one is 'only A'");
	check("{\n first\n}", rows, "F:3:2: x: write 'first A [B]'");
	check("{\n first a b c\n}", rows, "F:3:2: x: write 'first A [B]'");
	check("{\n second a {\n b\n }\n}", rows, "F:3:2: x: write 'second A'");
	check("{\n first a\n second bad\n}", rows, "F:4:9: x: bad");
}

static void test_no_memory(void **state)
{
	struct corefile_token at = {.text = "x", .file = "F", .line = 1, .col = 2};
	char err[COREFILE_ERROR_MAX];

	(void)state;
	assert_int_equal(option_no_memory(err, &at), -ENOMEM);
	assert_string_equal(err, "F:1:2: out of memory");
}

static void test_zones(void **state)
{
	struct corefile_token at = {.text = "Cluster.LOCAL", .file = "F", .line = 1, .col = 2};
	char err[COREFILE_ERROR_MAX];
	struct name *zones = NULL;
	size_t count = 0;

	(void)state;
	assert_int_equal(option_zones(&zones, &count, &at, err), 0);
	assert_int_equal(count, 1);
	assert_memory_equal(zones[0].wire, "\7cluster\5local", 15);
	at.text = "10.0.0.0/15";
	assert_int_equal(option_zones(&zones, &count, &at, err), 0);
	assert_int_equal(count, 3);
	assert_memory_equal(zones[1].wire, "\0010\00210\7in-addr\4arpa", 19);
	at.text = "a..b";
	assert_true(option_zones(&zones, &count, &at, err) < 0);
	assert_int_equal(strncmp(err, "F:1:2: ", 7), 0);
	assert_int_equal(count, 3);
	free(zones);
}

static struct query question(const char *text, uint8_t asked[QUERY_ASKED_MAX])
{
	struct query query;
	struct name name;

	assert_int_equal(name_from_text(text, strlen(text), &name), 0);
	query_make(name.wire, name.len, 1, asked, &query);
	return query;
}

static void test_zones_of_a_question(void **state)
{
	uint8_t asked[2][QUERY_ASKED_MAX];
	const struct query in = question("A.Example.org", asked[0]);
	const struct query out = question("example.com", asked[1]);
	struct name zones[2], root = {.len = 1};

	(void)state;
	name_from_text("test", 4, &zones[0]);
	name_from_text("example.org", 11, &zones[1]);
	assert_true(option_zones_hold(zones, 2, &in));
	assert_false(option_zones_hold(zones, 1, &in));
	assert_false(option_zones_hold(zones, 2, &out));
	assert_true(option_falls_through(true, NULL, 0, &out));
	assert_false(option_falls_through(false, NULL, 0, &out));
	assert_false(option_falls_through(true, zones, 2, &out));
	assert_true(option_falls_through(true, zones, 2, &in));
	assert_false(option_zone_is_reverse(&zones[1]));
	assert_false(option_zone_is_reverse(&root));
	name_from_text("10.in-addr.arpa", 15, &zones[0]);
	name_from_text("ip6.arpa", 8, &zones[1]);
	assert_true(option_zone_is_reverse(&zones[0]));
	assert_true(option_zone_is_reverse(&zones[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zones_of_a_question),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/selector.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A label set as "a=1 b= c=x". */
static const char *label(void *user, const char *key)
{
	static char value[64];
	const char *at = user;
	const size_t len = strlen(key);

	while (*at) {
		if (strncmp(at, key, len) == 0 && at[len] == '=') {
			value[0] = '\0';
			sscanf(at + len, "=%63[^ ]", value);
			return value;
		}
		at += strcspn(at, " ");
		at += *at == ' ';
	}
	return NULL;
}

static int parse(const char *text, struct selector **out, char *err)
{
	/* exactly as long as it is, so that a read beyond it is seen */
	char *copy = strdup(text);
	int error = selector_parse(copy, out, err, 256);

	free(copy);
	return error;
}

static const struct {
	const char *selector, *labels;
	bool matches;
} rows[] = {
	{"", "", true},
	{"  ", "a=1", true},
	{"a=1", "a=1 b=2", true},
	{"a==1", "a=1", true},
	{" a = 1 ", "a=1", true},
	{"a=1", "a=2", false},
	{"a=1", "", false},
	{"a=", "a=", true},
	{"a=", "a=1", false},
	{"a=,b=2", "a= b=2", true},
	{"a!=1", "a=2", true},
	{"a!=1", "", true},
	{"a!=1", "a=1", false},
	{"a=1,b=2", "a=1 b=2", true},
	{"a=1,b=2", "a=1 b=3", false},
	{"a", "a=", true},
	{"a", "b=", false},
	{"!a", "b=", true},
	{"! a", "a=1", false},
	{"a in (1,2)", "a=2", true},
	{"a in (1,2)", "a=3", false},
	{"a in (1,2)", "", false},
	{"a in(1)", "a=1", true},
	{"a in (1 , 2),b", "a=1 b=1", true},
	{"a in ()", "a=", true},
	{"a in (1,)", "a=", true},
	{"a notin (1,2)", "a=3", true},
	{"a notin (1,2)", "", true},
	{"a notin (1,2)", "a=1", false},
	{"in in (in,notin)", "in=notin", true},
	{"notin", "notin=1", true},
	{"!in,a", "a=1", true},
	{"a>3", "a=4", true},
	{"a > 3", "a=3", false},
	{"a<3", "a=2", true},
	{"a<3", "a=x", false},
	{"a<3", "", false},
	{"example.org/my_key.x-1=V.1_2-3", "example.org/my_key.x-1=V.1_2-3", true},
	{"kubernetes.io/service-name", "kubernetes.io/service-name=web", true},
};

static void test_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct selector *selector = NULL;
		char err[256] = "", labels[128];

		if (parse(rows[i].selector, &selector, err) != 0)
			fail_msg("%s: %s", rows[i].selector, err);
		snprintf(labels, sizeof labels, "%s", rows[i].labels);
		if (selector_match(selector, label, labels) != rows[i].matches)
			fail_msg("%s on %s", rows[i].selector, rows[i].labels);
		selector_free(selector);
	}
	selector_free(NULL);
}

static const struct {
	const char *selector, *err;
} refused[] = {
	{",", "label selector: character 1: a label's key is expected"},
	{"a,", "label selector: character 3: a label's key is expected at the end"},
	{"a=1,,b", "label selector: character 5: a label's key is expected"},
	{"=1", "label selector: character 1: a label's key is expected"},
	{"!", "label selector: character 2: a label's key is expected at the end"},
	{"!a=1", "label selector: character 3: \",\" or the end is expected"},
	{"a b", "label selector: character 3: \",\" or the end is expected"},
	{"a=1 b", "label selector: character 5: \",\" or the end is expected"},
	{"a in 1", "label selector: character 6: \"(\" is expected after in and notin"},
	{"a in (1", "label selector: character 8: \",\" or \")\" is expected"},
	{"a notin (1 2)", "label selector: character 12: \",\" or \")\" is expected"},
	{"a in (1))", "label selector: character 9: \",\" or the end is expected"},
	{"-a=1", "label selector: character 3: \"-a\" cannot be a label's key"},
	{"a/b/c", "label selector: character 6: \"a/b/c\" cannot be a label's key"},
	{"/a", "label selector: character 3: \"/a\" cannot be a label's key"},
	{"a_b/c", "label selector: character 6: \"a_b/c\" cannot be a label's key"},
	{"a=b-", "label selector: character 5: \"b-\" cannot be a label's value"},
	{"a=b@c", "label selector: character 6: \"b@c\" cannot be a label's value"},
	{"a>x", "label selector: character 4: a whole number is expected after < and >"},
	{"a<", "label selector: character 3: a whole number is expected after < and >"},
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct selector *selector = NULL;
		char err[256] = "";

		assert_int_equal(parse(refused[i].selector, &selector, err), -EINVAL);
		assert_null(selector);
		assert_string_equal(err, refused[i].err);
	}
}

static void test_lengths(void **state)
{
	char text[400], err[256];
	struct selector *selector = NULL;

	(void)state;
	memset(text, 'a', sizeof text);
	text[63] = '\0';
	assert_int_equal(parse(text, &selector, err), 0);
	selector_free(selector);
	text[63] = 'a';
	text[64] = '\0';
	assert_int_equal(parse(text, &selector, err), -EINVAL);
	text[64] = 'a';
	memcpy(text + 253, "/b", 3);
	assert_int_equal(parse(text, &selector, err), 0);
	selector_free(selector);
	text[253] = 'a';
	memcpy(text + 254, "/b", 3);
	assert_int_equal(parse(text, &selector, err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests_name("selector", tests, NULL, NULL);
}

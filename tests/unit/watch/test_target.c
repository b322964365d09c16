/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct target plain = {.path = "/api/v1/services"};
static const struct target selected = {.path = "/api/v1/pods",
	.label_selectors = {NULL, "app in (a, b),x!=y/z"},
	.field_selector = "status.phase!=Failed"};

#define SELECTORS                                                                                  \
	"labelSelector=app%20in%20%28a%2C%20b%29%2Cx%21%3Dy%2Fz&fieldSelector=status.phase%21%3D"  \
	"Failed"

static void expect(char *target, const char *wanted)
{
	assert_non_null(target);
	assert_string_equal(target, wanted);
	free(target);
}

static void test_lists(void **state)
{
	(void)state;
	expect(target_list(&plain, LIST_CACHED, 9, false),
		"/api/v1/services?limit=500&resourceVersion=0");
	expect(target_list(&plain, LIST_KNOWN, 9, false),
		"/api/v1/services?resourceVersion=9&resourceVersionMatch=NotOlderThan");
	expect(target_list(&plain, LIST_LATEST, 9, false), "/api/v1/services?limit=500");
	expect(target_list(&plain, LIST_CACHED, 9, true), "/api/v1/services?resourceVersion=0");
	expect(target_list(&plain, LIST_LATEST, 9, true), "/api/v1/services");
	expect(target_list(&selected, LIST_LATEST, 9, true), "/api/v1/pods?" SELECTORS);
	expect(target_list(&selected, LIST_CACHED, 9, false),
		"/api/v1/pods?limit=500&resourceVersion=0&" SELECTORS);
}

static void test_both_selectors(void **state)
{
	struct target target = {.path = "/s", .label_selectors = {"a/b", "x=y"}};

	(void)state;
	expect(target_list(&target, LIST_LATEST, 9, true), "/s?labelSelector=a%2Fb%2Cx%3Dy");
	target.label_selectors[1] = "";
	expect(target_list(&target, LIST_LATEST, 9, true), "/s?labelSelector=a%2Fb");
	target.label_selectors[0] = "";
	expect(target_list(&target, LIST_LATEST, 9, true), "/s");
}

static void test_pages(void **state)
{
	(void)state;
	expect(target_page(&plain, "eyJ2Ijoi+/=&\xc3\xa9"),
		"/api/v1/services?limit=500&continue=eyJ2Ijoi%2B%2F%3D%26%C3%A9");
	expect(target_page(&selected, "c"), "/api/v1/pods?limit=500&continue=c&" SELECTORS);
}

static void test_watches(void **state)
{
	(void)state;
	expect(target_watch(&plain, UINT64_MAX, 300),
		"/api/v1/services?watch=true&allowWatchBookmarks=true"
		"&resourceVersion=18446744073709551615&timeoutSeconds=300");
	expect(target_watch(&selected, 1, 599),
		"/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=1"
		"&timeoutSeconds=599&" SELECTORS);
	expect(target_stream_list(&plain, 0, 300),
		"/api/v1/services?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
		"&resourceVersionMatch=NotOlderThan&resourceVersion=&timeoutSeconds=300");
	expect(target_stream_list(&selected, 7, 300),
		"/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
		"&resourceVersionMatch=NotOlderThan&resourceVersion=7&timeoutSeconds="
		"300&" SELECTORS);
}

static void test_discovery(void **state)
{
	(void)state;
	expect(target_discovery("/apis/discovery.k8s.io/v1/endpointslices"),
		"/apis/discovery.k8s.io/v1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_both_selectors),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_watches),
		cmocka_unit_test(test_discovery),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}

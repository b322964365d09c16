/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum decode_result meta(const char *json, struct decode_meta *out)
{
	memset(out, 0x55, sizeof *out);
	return decode_meta(&(struct document){.bytes = json, .len = strlen(json)}, out);
}

static void test_list_metadata(void **state)
{
	struct decode_meta out;

	(void)state;
	assert_int_equal(meta("{\"resourceVersion\":\"200\",\"continue\":\"abc\","
			      "\"remainingItemCount\":7}",
				 &out),
		DECODE_OK);
	assert_int_equal(out.version, 200);
	assert_string_equal(out.continue_token, "abc");
	assert_false(out.initial_events_end);
	assert_int_equal(out.code, 0);
	assert_int_equal(out.retry_after_s, -1);
	free(out.continue_token);
	assert_int_equal(meta("{\"resourceVersion\":\"\",\"continue\":\"\"}", &out), DECODE_OK);
	assert_int_equal(out.version, 0);
	assert_null(out.continue_token);
	assert_int_equal(meta("{}", &out), DECODE_OK);
	assert_int_equal(out.version, 0);
}

static void test_bookmarks(void **state)
{
	struct decode_meta out;

	(void)state;
	assert_int_equal(meta("{\"kind\":\"EndpointSlice\",\"metadata\":{\"resourceVersion\":"
			      "\"240\",\"creationTimestamp\":null},\"endpoints\":null}",
				 &out),
		DECODE_OK);
	assert_int_equal(out.version, 240);
	assert_false(out.initial_events_end);
	assert_int_equal(meta("{\"metadata\":{\"resourceVersion\":\"240\",\"annotations\":{"
			      "\"k8s.io/initial-events-end\":\"true\"}}}",
				 &out),
		DECODE_OK);
	assert_true(out.initial_events_end);
	assert_int_equal(meta("{\"metadata\":{\"annotations\":{\"k8s.io/initial-events-end\":"
			      "\"false\"}}}",
				 &out),
		DECODE_OK);
	assert_false(out.initial_events_end);
}

static void test_statuses(void **state)
{
	struct decode_meta out;

	(void)state;
	assert_int_equal(meta("{\"kind\":\"Status\",\"metadata\":{},\"message\":\"too old resource "
			      "version: 1 (240)\",\"reason\":\"Expired\",\"code\":410}",
				 &out),
		DECODE_OK);
	assert_int_equal(out.code, 410);
	assert_string_equal(out.reason, "Expired");
	assert_string_equal(out.message, "too old resource version: 1 (240)");
	assert_false(out.too_large_version);
	assert_int_equal(meta("{\"kind\":\"Status\",\"metadata\":{\"continue\":\"x\"},\"reason\":"
			      "\"Expired\",\"code\":410}",
				 &out),
		DECODE_OK);
	assert_string_equal(out.continue_token, "x");
	free(out.continue_token);
	assert_int_equal(meta("{\"kind\":\"Status\",\"code\":504,\"details\":{\"causes\":[{"
			      "\"reason\":\"a\"},{\"reason\":\"ResourceVersionTooLarge\"}],"
			      "\"retryAfterSeconds\":1}}",
				 &out),
		DECODE_OK);
	assert_true(out.too_large_version);
	assert_int_equal(out.retry_after_s, 1);
	assert_int_equal(
		meta("{\"kind\":\"Status\",\"message\":\"Too large resource version: 9\"}", &out),
		DECODE_OK);
	assert_true(out.too_large_version);
}

static void test_refused(void **state)
{
	static const char *const invalid[] = {"[]", "7", "{\"resourceVersion\":7}",
		"{\"resourceVersion\":\"-1\"}", "{\"metadata\":7}", "{\"continue\":{}}",
		"{\"annotations\":{\"k8s.io/initial-events-end\":true}}",
		"{\"kind\":\"Status\",\"code\":\"410\"}", "{\"kind\":\"Status\",\"code\":-1}",
		"{\"kind\":\"Status\",\"code\":1e300}", "{\"kind\":\"Status\",\"details\":[]}",
		"{\"kind\":\"Status\",\"details\":{\"causes\":{}}}", "{\"kind\":1}"};
	struct decode_meta out, untouched;

	(void)state;
	memset(&untouched, 0x55, sizeof untouched);
	for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
		assert_int_equal(meta(invalid[i], &out), DECODE_INVALID);
		assert_memory_equal(&out, &untouched, sizeof out);
	}
	assert_int_equal(meta("", &out), DECODE_SYNTAX);
	assert_int_equal(meta("<html>", &out), DECODE_SYNTAX);
	assert_memory_equal(&out, &untouched, sizeof out);
}

/* Texts beyond our fields are cut, not refused. */
static void test_long_texts(void **state)
{
	char json[3000];
	struct decode_meta out;

	(void)state;
	snprintf(json, sizeof json,
		"{\"kind\":\"Status\",\"reason\":\"%01000d\",\"message\":\"%01000d\"}", 0, 0);
	assert_int_equal(meta(json, &out), DECODE_OK);
	assert_int_equal(strlen(out.reason), sizeof out.reason - 1);
	assert_int_equal(strlen(out.message), sizeof out.message - 1);
}

static void test_offers(void **state)
{
	static const char list[] =
		"{\"kind\":\"APIResourceList\",\"groupVersion\":\"discovery.k8s.io/v1\","
		"\"resources\":[{\"name\":\"endpointslices\",\"namespaced\":true}]}";

	(void)state;
	assert_int_equal(decode_offers(list, strlen(list), "endpointslices"), DECODE_OK);
	assert_int_equal(decode_offers(list, strlen(list), "endpointslice"), DECODE_SKIP);
	assert_int_equal(decode_offers("{}", 2, "x"), DECODE_INVALID);
	assert_int_equal(decode_offers("[]", 2, "x"), DECODE_INVALID);
	assert_int_equal(decode_offers("", 0, "x"), DECODE_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_metadata),
		cmocka_unit_test(test_bookmarks),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_offers),
	};

	return cmocka_run_group_tests_name("decode_meta", tests, NULL, NULL);
}

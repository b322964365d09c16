/* SPDX-License-Identifier: Apache-2.0 */
#include "proto_build.h"
#include "watch/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOO_LARGE                                                                                  \
	"{\"kind\":\"Status\",\"message\":\"Timeout\",\"details\":{\"retryAfterSeconds\":1,"       \
	"\"causes\":[{\"reason\":\"ResourceVersionTooLarge\"}]}}"

static const struct {
	int status, retry_after_s;
	bool page;
	const char *type, *body;
	enum outcome outcome;
	int retry_s;
	const char *detail;
} rows[] = {
	{401, -1, false, "application/json", "{\"kind\":\"Status\",\"message\":\"Unauthorized\"}",
		OUTCOME_UNAUTHORIZED, -1, "Unauthorized"},
	{403, -1, false, "application/json",
		"{\"kind\":\"Status\",\"message\":\"no \\\"list\\\"\"}", OUTCOME_FORBIDDEN, -1,
		"no \"list\""},
	{404, -1, false, "text/plain", "404 page not found\n", OUTCOME_MISSING, -1,
		"HTTP 404: 404 page not found"},
	{410, -1, false, "", "", OUTCOME_EXPIRED, -1, "HTTP 410"},
	{410, -1, true, "", "", OUTCOME_PAGE_EXPIRED, -1, "HTTP 410"},
	{404, -1, true, "", "", OUTCOME_MISSING, -1, "HTTP 404"},
	{429, 3, false, "text/plain; charset=utf-8", "Too many", OUTCOME_THROTTLED, 3,
		"HTTP 429: Too many"},
	{429, -1, false, "application/json",
		"{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":2}}", OUTCOME_THROTTLED, 2,
		"HTTP 429, application/json"},
	{429, 5, false, "application/json",
		"{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":2}}", OUTCOME_THROTTLED, 5,
		"HTTP 429, application/json"},
	{504, -1, false, "application/json", TOO_LARGE, OUTCOME_TOO_LARGE, 1, "Timeout"},
	{504, -1, false, "text/html", "<html>", OUTCOME_SERVER, -1, "HTTP 504, text/html"},
	{400, -1, false, "application/json", "{\"kind\":\"Status\",\"message\":7}",
		OUTCOME_BAD_REQUEST, -1, "HTTP 400, application/json"},
	{422, -1, false, "application/json", "{", OUTCOME_BAD_REQUEST, -1,
		"HTTP 422, application/json"},
	{500, -1, false, "", "", OUTCOME_SERVER, -1, "HTTP 500"},
	{301, -1, false, "", "", OUTCOME_SERVER, -1, "HTTP 301"},
	{204, -1, false, "", "", OUTCOME_SERVER, -1, "HTTP 204"},
};

static void fill(struct answer *answer, const char *body)
{
	for (; *body; body++)
		assert_int_equal(answer_add(answer, body, 1), 0);
}

static void test_failures(void **state)
{
	struct answer answer = {0};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct transport_head head = {
			rows[i].status, rows[i].retry_after_s, rows[i].type};
		char detail[ANSWER_DETAIL_MAX];

		answer_reset(&answer);
		answer_head(&answer, &head);
		fill(&answer, rows[i].body);
		assert_int_equal(answer_failure(&answer, rows[i].page, detail), rows[i].outcome);
		assert_int_equal(answer.retry_after_s, rows[i].retry_s);
		assert_string_equal(detail, rows[i].detail);
	}
	answer_free(&answer);
}

static void test_protobuf(void **state)
{
	const struct transport_head head = {403, -1, "application/vnd.kubernetes.protobuf"};
	struct built status = {.len = 0}, built = {.len = 0};
	char detail[ANSWER_DETAIL_MAX];
	struct answer answer = {0};

	(void)state;
	built_text(&status, 3, "no \"list\"");
	built_envelope(&built, "Status", &status);
	answer_reset(&answer);
	answer_head(&answer, &head);
	assert_int_equal(answer_add(&answer, built.bytes, built.len), 0);
	assert_int_equal(answer_failure(&answer, false, detail), OUTCOME_FORBIDDEN);
	assert_string_equal(detail, "no \"list\"");
	answer_reset(&answer);
	answer_head(&answer, &head);
	assert_int_equal(answer_add(&answer, built.bytes, 30), 0);
	assert_int_equal(answer_failure(&answer, false, detail), OUTCOME_FORBIDDEN);
	assert_string_equal(detail, "HTTP 403, application/vnd.kubernetes.protobuf");
	answer_free(&answer);
}

static void test_content_types(void **state)
{
	static const struct {
		const char *type;
		bool objects;
	} types[] = {{"", true}, {"application/json", true},
		{"application/json; charset=utf-8", true},
		{"application/vnd.kubernetes.protobuf;stream=watch", true}, {"text/html", false},
		{"application/vnd.kubernetes.protobufs", false}};

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		const struct transport_head head = {200, -1, types[i].type};
		struct answer answer = {0};

		answer_head(&answer, &head);
		assert_int_equal(answer_is_objects(&answer), types[i].objects);
	}
}

static void test_offers(void **state)
{
	static const struct {
		const char *body;
		enum outcome outcome;
	} offers[] = {
		{"{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
			OUTCOME_WHOLE},
		{"{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"a\"}]}",
			OUTCOME_MISSING},
		{"{\"kind\":\"APIResourceList\",\"resources\":null}", OUTCOME_MISSING},
		{"{\"kind\":\"APIResourceList\",\"resources\":7}", OUTCOME_CORRUPT},
		{"{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":1}]}", OUTCOME_CORRUPT},
		{"{\"kind\":\"APIGroup\"}", OUTCOME_CORRUPT},
		{"<html>", OUTCOME_CORRUPT},
		{"", OUTCOME_CORRUPT},
	};
	struct answer answer = {0};

	(void)state;
	for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
		answer_reset(&answer);
		fill(&answer, offers[i].body);
		assert_int_equal(answer_offers(&answer, "b"), offers[i].outcome);
	}
	answer_free(&answer);
}

/* What goes on without end is not kept. */
static void test_bounded(void **state)
{
	struct answer answer = {0};
	static char block[50000];

	(void)state;
	memset(block, 'x', sizeof block);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(answer_add(&answer, block, sizeof block), 0);
	assert_int_equal(answer.body.used, ANSWER_BODY_MAX);
	assert_true(answer.body.size <= 2 * ANSWER_BODY_MAX);
	answer_free(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_protobuf),
		cmocka_unit_test(test_content_types),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}

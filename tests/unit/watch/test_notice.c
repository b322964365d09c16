/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/notice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct watch_event last;

static void on_event(void *ctx, const struct watch_event *event)
{
	(void)ctx;
	last = *event;
}

static const struct sink sink = {.event = on_event};

static unsigned repeats(struct notice *notice, enum watch_event_type type, const char *verb,
	int status, const char *detail)
{
	notice_failure(notice, type, verb, status, detail);
	assert_int_equal(last.type, type);
	assert_int_equal(last.kind, KIND_POD);
	assert_int_equal(last.status, status);
	assert_string_equal(last.source, "https://x");
	assert_string_equal(last.verb, verb);
	assert_string_equal(last.detail, detail);
	return last.repeats;
}

static void test_repeats(void **state)
{
	struct notice notice = {.sink = &sink, .kind = KIND_POD, .source = "https://x"};

	(void)state;
	assert_int_equal(repeats(&notice, WATCH_FAILED, "list", 500, "a"), 0);
	assert_int_equal(repeats(&notice, WATCH_FAILED, "list", 500, "a"), 1);
	assert_int_equal(repeats(&notice, WATCH_FAILED, "list", 500, "a"), 2);
	/* any difference makes it another failure */
	assert_int_equal(repeats(&notice, WATCH_FAILED, "list", 500, "b"), 0);
	assert_int_equal(repeats(&notice, WATCH_FAILED, "list", 501, "b"), 0);
	assert_int_equal(repeats(&notice, WATCH_FAILED, "watch", 501, "b"), 0);
	assert_int_equal(repeats(&notice, WATCH_FORBIDDEN, "watch", 501, "b"), 0);
	assert_int_equal(repeats(&notice, WATCH_FORBIDDEN, "watch", 501, "b"), 1);
	notice_success(&notice);
	assert_int_equal(repeats(&notice, WATCH_FORBIDDEN, "watch", 501, "b"), 0);
}

static void test_completed(void **state)
{
	struct notice notice = {.sink = &sink, .kind = KIND_POD, .source = NULL};

	(void)state;
	notice_completed(&notice, "list", NULL);
	assert_int_equal(last.type, WATCH_SYNCED);
	assert_null(last.detail);
	notice_completed(&notice, "watch", "why");
	assert_int_equal(last.type, WATCH_RELISTED);
	assert_string_equal(last.detail, "why");
	assert_int_equal(last.repeats, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_completed),
	};

	return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}

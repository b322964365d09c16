/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/trigger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {
		{"2026-11-25T19:40:00Z", 1795635600000000000},
		{"2026-11-25T19:40:00.5Z", 1795635600500000000},
		{"2026-11-25T20:40:00.123456789+01:00", 1795635600123456789},
		{"2026-11-25T19:40:00.1234567891Z", 1795635600123456789},
		{"1970-01-01T00:00:00Z", 0}, /* none */
		{"1812-06-24T00:00:00Z", 0},
		{"9999-12-31T23:59:59Z", 0},
		{"2026-11-25", 0},
		{"", 0},
		{"yesterday", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (trigger_read(rows[i].text) != rows[i].ns)
			fail_msg("%s: %lld", rows[i].text, (long long)trigger_read(rows[i].text));
	}
}

struct heard {
	unsigned count, stop_at;
	bool stopped;
	int64_t last_ns;
	char last[64];
};

static void on_event(void *ctx, const struct watch_event *event)
{
	struct heard *heard = ctx;

	assert_int_equal(event->type, WATCH_TRIGGERED);
	heard->last_ns = event->time_ns;
	snprintf(heard->last, sizeof heard->last, "%s/%s", event->ns, event->name);
	heard->stopped = ++heard->count == heard->stop_at;
}

/* Of a burst as many as there is room for, and none twice. */
static void test_told_once(void **state)
{
	const struct endpoint_slice slice = {
		.head = {.ns = "shop", .name = "web-x"}, .service = "web"};
	struct heard heard = {0};
	const struct sink sink = {.ctx = &heard, .event = on_event};
	static struct triggers triggers;

	(void)state;
	for (int i = 1; i <= TRIGGERS_MAX + 5; i++)
		triggers_add(&triggers, &slice, i);
	triggers_tell(&triggers, &sink, &heard.stopped);
	assert_int_equal(heard.count, TRIGGERS_MAX);
	assert_int_equal(heard.last_ns, TRIGGERS_MAX);
	assert_string_equal(heard.last, "shop/web");
	triggers_tell(&triggers, &sink, &heard.stopped);
	assert_int_equal(heard.count, TRIGGERS_MAX);
}

/* Whoever is told may close the session. */
static void test_stopped(void **state)
{
	const struct endpoint_slice slice = {
		.head = {.ns = "shop", .name = "web-x"}, .service = "web"};
	struct heard heard = {.stop_at = 1};
	const struct sink sink = {.ctx = &heard, .event = on_event};
	static struct triggers triggers;

	(void)state;
	triggers_add(&triggers, &slice, 1);
	triggers_add(&triggers, &slice, 2);
	triggers_tell(&triggers, &sink, &heard.stopped);
	assert_int_equal(heard.count, 1);
	assert_int_equal(triggers.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_told_once),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

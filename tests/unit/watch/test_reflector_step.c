/* SPDX-License-Identifier: Apache-2.0 */
/* The transition table as a whole; what single rows mean for a reflector is in
 * test_reflector.c. */

#include "watch/reflector_step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_progress(enum outcome outcome)
{
	return outcome == OUTCOME_WHOLE || outcome == OUTCOME_PAGE || outcome == OUTCOME_ENDED ||
	       outcome == OUTCOME_UNREACHABLE; /* the transport holds the next call */
}

/* Does where a step leads make the same call that has just failed? */
static bool leads_back(enum reflector_state state, enum step_go go)
{
	switch (state) {
	case REFLECTOR_DISCOVER:
		return go == GO_DISCOVER;
	case REFLECTOR_LIST:
		return go == GO_LIST || go == GO_SYNC || go == GO_DISCOVER;
	case REFLECTOR_STREAM_LIST:
		return go == GO_SYNC || go == GO_DISCOVER;
	default:
		return true;
	}
}

/* No failure is answered twice in a row without a pause. */
static void test_no_hot_loop(void **state)
{
	(void)state;
	for (int from = REFLECTOR_DISCOVER; from <= REFLECTOR_WATCH; from++) {
		for (int outcome = OUTCOME_WHOLE; outcome < OUTCOMES; outcome++) {
			const struct step step = reflector_step(
				(enum reflector_state)from, (enum outcome)outcome, true);

			if (is_progress((enum outcome)outcome) ||
				!leads_back((enum reflector_state)from, step.go))
				continue;
			/* a finite list of candidates */
			if (from == REFLECTOR_DISCOVER && outcome == OUTCOME_MISSING)
				continue;
			if (step.pause == PAUSE_NONE)
				fail_msg("state %d, outcome %s", from,
					outcome_text((enum outcome)outcome));
		}
	}
}

/* A lost connection never costs a list. */
static void test_watch_survives(void **state)
{
	static const enum outcome lost[] = {OUTCOME_ENDED, OUTCOME_SHORT, OUTCOME_BROKEN,
		OUTCOME_UNREACHABLE, OUTCOME_STALLED, OUTCOME_THROTTLED, OUTCOME_UNAUTHORIZED,
		OUTCOME_FORBIDDEN, OUTCOME_SERVER};

	(void)state;
	for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
		assert_int_equal(reflector_step(REFLECTOR_WATCH, lost[i], false).go, GO_WATCH);
		assert_int_equal(reflector_step(REFLECTOR_WATCH, lost[i], true).go, GO_WATCH);
	}
}

/* Whoever fails is told, unless the next step cures it by itself. */
static void test_quiet(void **state)
{
	(void)state;
	for (int from = REFLECTOR_DISCOVER; from <= REFLECTOR_WATCH; from++) {
		for (int outcome = OUTCOME_WHOLE; outcome < OUTCOMES; outcome++) {
			for (int again = 0; again < 2; again++) {
				const struct step step = reflector_step(
					(enum reflector_state)from, (enum outcome)outcome, again);

				if (step.quiet)
					assert_int_equal(step.pause, PAUSE_NONE);
			}
		}
	}
}

static void test_impossible(void **state)
{
	const struct step step = reflector_step(REFLECTOR_CLOSED, OUTCOME_WHOLE, false);

	(void)state;
	assert_int_equal(step.go, GO_SYNC);
	assert_int_equal(step.pause, PAUSE_BACKOFF);
}

static void test_texts(void **state)
{
	(void)state;
	for (int outcome = OUTCOME_ENDED; outcome < OUTCOMES; outcome++) {
		if (outcome != OUTCOME_UNREACHABLE)
			assert_string_not_equal(
				outcome_text((enum outcome)outcome), "no reason given");
	}
	assert_string_equal(outcome_text(OUTCOMES), "no reason given");
	assert_string_equal(step_verb(REFLECTOR_DISCOVER), "get");
	assert_string_equal(step_verb(REFLECTOR_LIST), "list");
	assert_string_equal(step_verb(REFLECTOR_STREAM_LIST), "watch");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_hot_loop),
		cmocka_unit_test(test_watch_survives),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_impossible),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests_name("reflector_step", tests, NULL, NULL);
}

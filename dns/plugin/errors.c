/* SPDX-License-Identifier: Apache-2.0 */
/* `errors`: a log line for every query that failed, or one summary per period for
 * those that match a pattern.
 *
 * Answering threads match and count (an atomic per pattern); a timer of the
 * control loop per pattern takes the count and logs the summary. A period is
 * fixed to the timer, so a summary says what happened in the period before it. */

#include "dns/corefile/value.h"
#include "dns/observe/log.h"
#include "dns/wire/type.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define PATTERN_MAX  10000 /* characters, as CoreDNS */
#define MATCH_STEPS  100000
#define MATCH_HEAP_K 256
#define ERROR_MAX    512

struct pattern {
	pcre2_code *code;
	pcre2_match_context *limits;
	const char *text; /* in the Corefile */
	int64_t period_ms;
	enum log_level level;
	bool show_first;
	atomic_uint count; /* in this period */
	uv_timer_t timer;
	bool timer_made;
	struct errors *errors;
};

struct errors {
	struct pattern *patterns;
	size_t count;
	size_t timers; /* not closed yet */
	void (*stopped)(void *user);
	void *stopped_user;
};

/* --- setup --- */

static int pattern_compile(struct pattern *pattern, const struct corefile_token *token, char *err)
{
	int code;
	PCRE2_SIZE at;
	PCRE2_UCHAR why[128] = "";

	if (strlen(token->text) > PATTERN_MAX)
		return corefile_error(err, token,
			"errors: the pattern is longer than %d characters", PATTERN_MAX);
	/* '$' is the end and nothing else, as in Go. */
	pattern->code = pcre2_compile((PCRE2_SPTR)token->text, PCRE2_ZERO_TERMINATED,
		PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
	if (!pattern->code) {
		pcre2_get_error_message(code, why, sizeof why);
		return corefile_error(err, token,
			"errors: '%.200s' is not a regular expression: %s at character %zu",
			token->text, (const char *)why, (size_t)at + 1);
	}
	pattern->limits = pcre2_match_context_create(NULL);
	if (!pattern->limits)
		return option_no_memory(err, token);
	pcre2_set_match_limit(pattern->limits, MATCH_STEPS);
	pcre2_set_depth_limit(pattern->limits, MATCH_STEPS);
	pcre2_set_heap_limit(pattern->limits, MATCH_HEAP_K);
	pattern->text = token->text;
	return 0;
}

/* [warning|error|info|debug] [show_first], in this order. */
static int pattern_flags(struct pattern *pattern, const struct corefile_line *line, char *err)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {{"warning", LOG_WARNING}, {"error", LOG_ERROR}, {"info", LOG_INFO},
		{"debug", LOG_DEBUG}};
	static const char *const known[] = {
		"warning", "error", "info", "debug", "show_first", NULL};
	const char *nearest;
	size_t at = 3;

	pattern->level = LOG_ERROR;
	for (size_t i = 0; at < line->token_count && i < sizeof levels / sizeof *levels; i++) {
		if (strcmp(line->tokens[at].text, levels[i].name) != 0)
			continue;
		pattern->level = levels[i].level;
		at++;
		break;
	}
	if (at < line->token_count && strcmp(line->tokens[at].text, "show_first") == 0) {
		pattern->show_first = true;
		at++;
	}
	if (at == line->token_count)
		return 0;
	nearest = corefile_nearest(line->tokens[at].text, known);
	return corefile_error(err, &line->tokens[at],
		"errors: '%s' cannot stand here%s%s; write 'consolidate DURATION REGEXP "
		"[warning|error|info|debug] [show_first]'",
		line->tokens[at].text, nearest ? ": did you mean " : "", nearest ? nearest : "");
}

static int read_consolidate(void *instance, const struct corefile_line *line, char *err)
{
	struct errors *errors = instance;
	struct pattern *grown = reallocarray(errors->patterns, errors->count + 1, sizeof *grown);
	struct pattern *pattern;
	int rc;

	if (!grown)
		return option_no_memory(err, &line->tokens[0]);
	errors->patterns = grown;
	pattern = memset(&grown[errors->count++], 0, sizeof *pattern);
	if (value_duration_ms(line->tokens[1].text, &pattern->period_ms) < 0 ||
		pattern->period_ms < 1)
		return corefile_error(err, &line->tokens[1],
			"errors: '%s' is not a duration; write for example "
			"'consolidate 5m \"timeout$\"'",
			line->tokens[1].text);
	rc = pattern_compile(pattern, &line->tokens[2], err);
	return rc < 0 ? rc : pattern_flags(pattern, line, err);
}

/* CoreDNS prints the stack of its own panics with it; there is nothing to print
 * here, but the Corefiles that have it must load. */
static int read_stacktrace(void *instance, const struct corefile_line *line, char *err)
{
	(void)instance;
	(void)line;
	(void)err;
	return 0;
}

static const struct option_row errors_options[] = {
	{"consolidate", 2, 4, "consolidate DURATION REGEXP [warning|error|info|debug] [show_first]",
		read_consolidate},
	{"stacktrace", 0, 0, "stacktrace", read_stacktrace}, {0}};

static void errors_free(void *instance)
{
	struct errors *errors = instance;

	if (!errors)
		return;
	for (size_t i = 0; i < errors->count; i++) {
		pcre2_code_free(errors->patterns[i].code);
		pcre2_match_context_free(errors->patterns[i].limits);
	}
	free(errors->patterns);
	free(errors);
}

static int errors_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	struct errors *errors;
	int rc;

	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'errors' once; put all options in one body");
	if (line->token_count > 2 ||
		(line->token_count == 2 && strcmp(line->tokens[1].text, "stdout") != 0))
		return corefile_error(err, &line->tokens[line->token_count == 2 ? 1 : 2],
			"errors: the only argument is 'stdout', which is where errors go anyway");
	errors = calloc(1, sizeof *errors);
	if (!errors)
		return option_no_memory(err, &line->tokens[0]);
	rc = option_read(line, errors_options, errors, err);
	if (rc < 0) {
		errors_free(errors);
		return rc;
	}
	*instance = errors;
	return 0;
}

/* --- summaries, on the control loop --- */

static void pattern_flush(struct pattern *pattern)
{
	unsigned count = atomic_exchange_explicit(&pattern->count, 0, memory_order_relaxed);
	char period[VALUE_DURATION_TEXT_MAX];

	/* One that was shown in full needs no summary. */
	if (count == 0 || (count == 1 && pattern->show_first))
		return;
	log_write(pattern->level, "errors", "%u errors like '%s' occurred in last %s", count,
		pattern->text, value_duration_text(pattern->period_ms, period));
}

static void period_over(uv_timer_t *timer)
{
	pattern_flush(timer->data);
}

static int errors_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct errors *errors = instance;

	(void)block;
	for (size_t i = 0; i < errors->count; i++) {
		struct pattern *pattern = &errors->patterns[i];
		uint64_t period_ms = (uint64_t)pattern->period_ms;
		int rc = uv_timer_init(host->loop, &pattern->timer);

		if (rc == 0) {
			pattern->timer.data = pattern;
			pattern->errors = errors;
			pattern->timer_made = true;
			errors->timers++;
			rc = uv_timer_start(&pattern->timer, period_over, period_ms, period_ms);
		}
		if (rc < 0) {
			snprintf(err, COREFILE_ERROR_MAX, "errors: cannot start a timer: %s",
				uv_strerror(rc));
			return rc;
		}
	}
	return 0;
}

static void timer_closed(uv_handle_t *handle)
{
	struct pattern *pattern = handle->data;
	struct errors *errors = pattern->errors;

	if (--errors->timers == 0)
		errors->stopped(errors->stopped_user);
}

static void errors_stop(void *instance, void (*done)(void *user), void *user)
{
	struct errors *errors = instance;

	errors->stopped = done;
	errors->stopped_user = user;
	for (size_t i = 0; i < errors->count; i++) {
		struct pattern *pattern = &errors->patterns[i];

		pattern_flush(pattern);
		if (pattern->timer_made)
			uv_close((uv_handle_t *)&pattern->timer, timer_closed);
	}
	if (errors->timers == 0)
		done(user);
}

/* --- queries --- */

/* A match that meets a limit counts as none: the error is logged in full then. */
static bool pattern_matches(const struct pattern *pattern, const char *text)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int rc;

	if (!data)
		return false;
	rc = pcre2_match(
		pattern->code, (PCRE2_SPTR)text, strlen(text), 0, 0, data, pattern->limits);
	pcre2_match_data_free(data);
	return rc >= 0;
}

/* The first pattern that matches. Sets *level; true: counted, and nothing to log. */
static bool consolidate(struct errors *errors, const char *text, enum log_level *level)
{
	for (size_t i = 0; i < errors->count; i++) {
		struct pattern *pattern = &errors->patterns[i];
		unsigned before;

		if (!pattern_matches(pattern, text))
			continue;
		before = atomic_fetch_add_explicit(&pattern->count, 1, memory_order_relaxed);
		*level = pattern->level;
		return before > 0 || !pattern->show_first;
	}
	return false;
}

static void errors_done(void *instance, struct txn *txn)
{
	static const char *const levels[] = {
		[LOG_DEBUG] = "DEBUG",
		[LOG_INFO] = "INFO",
		[LOG_WARNING] = "WARNING",
		[LOG_ERROR] = "ERROR",
		[LOG_FATAL] = "FATAL",
	};
	char name[NAME_TEXT_MAX], type[TYPE_TEXT_MAX], text[ERROR_MAX];
	char line[NAME_TEXT_MAX + ERROR_MAX + 64];
	enum log_level level = LOG_ERROR;
	int len;

	if (!txn->error || consolidate(instance, txn->error, &level))
		return;
	if (level == LOG_DEBUG && !log_debug())
		return;
	name_to_text(txn->query->name, name, sizeof name);
	log_escape(txn->error, strlen(txn->error), text, sizeof text);
	len = snprintf(line, sizeof line, "[%s] plugin/errors: %u %s %s: %s\n", levels[level],
		(unsigned)txn->reply->rcode, name, type_to_text(txn->query->qtype, type), text);
	thread_log(txn->thread, line, (size_t)len);
}

const struct plugin plugin_errors = {
	.name = "errors",
	.setup = errors_setup,
	.start = errors_start,
	.done = errors_done,
	.stop = errors_stop,
	.free = errors_free,
};

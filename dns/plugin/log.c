/* SPDX-License-Identifier: Apache-2.0 */
/* `log`: a line for every query. The rules of all `log` lines of a block stand in
 * the order of the file; the first one whose zone holds the name decides, as in
 * CoreDNS. */

#include "dns/observe/log.h"
#include "dns/corefile/value.h"
#include "list.h"
#include "log_format.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_LEN 4096
#define PREFIX       "[INFO] "

struct rule {
	struct name zone;
	const struct log_format *format;
	unsigned classes; /* of enum log_class */
};

struct log {
	struct rule *rules;
	size_t rule_count;
	struct log_format **formats; /* one per line */
	size_t format_count;
};

static int read_class(void *instance, const struct corefile_line *line, char *err)
{
	static const char *const names[] = {"success", "denial", "error", "all", NULL};
	static const unsigned bits[] = {LOG_SUCCESS, LOG_DENIAL, LOG_FAILURE, LOG_ALL};
	unsigned *classes = instance;

	for (size_t i = 1; i < line->token_count; i++) {
		const struct corefile_token *token = &line->tokens[i];
		const char *nearest = corefile_nearest(token->text, names);
		size_t at = 0;

		while (names[at] && strcmp(names[at], token->text) != 0)
			at++;
		if (!names[at])
			return corefile_error(err, token,
				"log: '%s' is not a class%s%s; there are success, denial, error "
				"and "
				"all",
				token->text, nearest ? ": did you mean " : "",
				nearest ? nearest : "");
		*classes |= bits[at];
	}
	return 0;
}

static const struct option_row log_options[] = {
	{"class", 1, 16, "class success|denial|error|all...", read_class}, {0}};

static int rule_add(struct log *log, const char *zone, unsigned classes,
	const struct corefile_token *at, char *err)
{
	struct rule *grown = reallocarray(log->rules, log->rule_count + 1, sizeof *grown);
	struct rule *rule;

	if (!grown)
		return option_no_memory(err, at);
	log->rules = grown;
	rule = &grown[log->rule_count];
	if (name_from_text(zone, strlen(zone), &rule->zone) < 0)
		return corefile_error(err, at, "log: '%s' is not a name", zone);
	name_lower(rule->zone.wire, rule->zone.wire, rule->zone.len);
	rule->format = log->formats[log->format_count - 1];
	rule->classes = classes ? classes : LOG_ALL;
	log->rule_count++;
	return 0;
}

static int rules_add(
	struct log *log, const struct corefile_token *token, unsigned classes, char *err)
{
	char **zones = NULL;
	char why[256];
	size_t count = 0;
	int rc = value_zones(token->text, &zones, &count, why, sizeof why);

	if (rc < 0)
		return corefile_error(err, token, "log: %s", why);
	for (size_t i = 0; i < count; i++) {
		if (rc == 0)
			rc = rule_add(log, zones[i], classes, token, err);
		free(zones[i]);
	}
	free(zones);
	return rc;
}

/* The last argument is a format if it has a brace in it. */
static int format_add(struct log *log, const struct corefile_line *line, size_t *names, char *err)
{
	const struct corefile_token *last = &line->tokens[line->token_count - 1];
	bool given = line->token_count > 1 && strchr(last->text, '{');
	struct log_format **grown =
		reallocarray(log->formats, log->format_count + 1, sizeof *grown);
	int rc;

	if (!grown)
		return option_no_memory(err, last);
	log->formats = grown;
	rc = log_format_new(
		given ? last->text : LOG_FORMAT_COMMON, last, &grown[log->format_count], err);
	if (rc < 0)
		return rc;
	log->format_count++;
	*names = line->token_count - 1 - given;
	return 0;
}

static int log_read(struct log *log, const struct corefile_line *line, char *err)
{
	unsigned classes = 0;
	size_t names = 0;
	int rc = option_read(line, log_options, &classes, err);

	if (rc == 0)
		rc = format_add(log, line, &names, err);
	if (rc == 0 && names == 0)
		rc = rule_add(log, ".", classes, &line->tokens[0], err);
	for (size_t i = 1; i <= names && rc == 0; i++)
		rc = rules_add(log, &line->tokens[i], classes, err);
	return rc;
}

static void log_free(void *instance)
{
	struct log *log = instance;

	if (!log)
		return;
	for (size_t i = 0; i < log->format_count; i++)
		log_format_free(log->formats[i]);
	free(log->formats);
	free(log->rules);
	free(log);
}

static int log_setup(const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct log *log = calloc(1, sizeof *log);
	int rc = 0;

	if (!log)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	for (size_t i = 0; i < site->line_count && rc == 0; i++)
		rc = log_read(log, site->lines[i], err);
	if (rc < 0) {
		log_free(log);
		return rc;
	}
	*instance = log;
	return 0;
}

static bool rule_holds(const struct rule *rule, const struct query *query)
{
	const struct name *zone = &rule->zone;

	return zone->labels <= query->labels &&
	       memcmp(query->name + query->label_at[zone->labels], zone->wire, zone->len) == 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void log_done(void *instance, struct txn *txn)
{
	const struct log *log = instance;
	const struct rule *rule = log->rules;
	const struct rule *end = rule + log->rule_count;
	char line[LINE_MAX_LEN];
	size_t len = sizeof PREFIX - 1;

	while (rule < end && !rule_holds(rule, txn->query))
		rule++;
	if (rule == end || !(rule->classes & log_classify(txn)))
		return;
	memcpy(line, PREFIX, len);
	len += log_format_render(rule->format, txn, now_ns(), line + len, sizeof line - len - 1);
	line[len++] = '\n';
	thread_log(txn->thread, line, len);
}

const struct plugin plugin_log = {
	.name = "log",
	.setup = log_setup,
	.done = log_done,
	.free = log_free,
	.wants_time = true,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of `cache`, all of CoreDNS's 1.14. */

#include "cache.h"

#include "dns/corefile/value.h"
#include "option.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_DEFAULT     9984
#define ENTRIES_LEAST       1024 /* fewer count as so many */
#define ENTRIES_MOST        100000000
#define SUCCESS_TTL_DEFAULT 3600
#define DENIAL_TTL_DEFAULT  1800
#define TTL_LEAST_DEFAULT   5
#define SERVFAIL_DEFAULT_MS 5000
#define FIVE_MINUTES_MS     (5 * 60 * 1000)
#define PREFETCH_WINDOW_MS  60000
#define PREFETCH_PERCENT    10
#define PERCENT_LEAST       10
#define PERCENT_MOST        90
#define HITS_MOST           1000000
/* RFC 8767 section 5: what it recommends, and section 4: TTL 30. */
#define STALE_DEFAULT_S       3600
#define STALE_TTL_DEFAULT_S   30
#define STALE_WAIT_DEFAULT_MS 1800

/* --- values --- */

static int read_ttl(const struct corefile_token *token, const char *what, int64_t least,
	uint32_t *out, char *err)
{
	int64_t ttl_s;

	if (value_number(token->text, least, INT32_MAX, &ttl_s) < 0)
		return corefile_error(err, token,
			"cache: '%s' is no %s; write a whole number of seconds, %d at least",
			token->text, what, (int)least);
	*out = (uint32_t)ttl_s;
	return 0;
}

/* Rounded up to whole milliseconds: "100us" is not never. */
static int read_duration(const struct corefile_token *token, const char *what, int64_t most_ms,
	uint32_t *out_ms, char *err)
{
	int64_t ms;

	if (value_duration_ms(token->text, &ms) < 0 || ms > most_ms)
		return corefile_error(err, token,
			"cache: '%s' is no %s; write a duration such as '5s' or '1m', %s",
			token->text, what,
			most_ms == FIVE_MINUTES_MS ? "5m at most" : "1000h at most");
	if (ms == 0 && strpbrk(token->text, "123456789"))
		ms = 1;
	*out_ms = (uint32_t)ms;
	return 0;
}

#define ANY_DURATION_MS ((int64_t)1000 * 3600 * 1000) /* fits 32 bits of milliseconds */

/* --- success, denial --- */

static int read_class(const struct corefile_line *line, size_t *bytes, uint32_t *max_s,
	uint32_t *min_s, char *err)
{
	int64_t entries;
	int rc = 0;

	if (value_number(line->tokens[1].text, 0, ENTRIES_MOST, &entries) < 0)
		return corefile_error(err, &line->tokens[1],
			"cache: '%s' is no capacity; write a number of entries up to %d",
			line->tokens[1].text, ENTRIES_MOST);
	if (entries < ENTRIES_LEAST)
		entries = ENTRIES_LEAST;
	*bytes = (size_t)entries * CACHE_ENTRY_BYTES;
	if (line->token_count > 2)
		rc = read_ttl(&line->tokens[2], "TTL", 1, max_s, err);
	if (line->token_count > 3 && rc == 0)
		rc = read_ttl(&line->tokens[3], "minimum TTL", 0, min_s, err);
	return rc;
}

static int read_success(void *instance, const struct corefile_line *line, char *err)
{
	struct forwarded_policy *policy = &((struct cache_options *)instance)->policy;

	return read_class(
		line, &policy->success_bytes, &policy->success_max_s, &policy->success_min_s, err);
}

static int read_denial(void *instance, const struct corefile_line *line, char *err)
{
	struct forwarded_policy *policy = &((struct cache_options *)instance)->policy;

	return read_class(
		line, &policy->denial_bytes, &policy->denial_max_s, &policy->denial_min_s, err);
}

/* --- prefetch --- */

static int read_percent(const struct corefile_token *token, uint32_t *out, char *err)
{
	const size_t len = strlen(token->text);
	char digits[8] = "";
	int64_t percent;

	if (len > 1 && len <= sizeof digits && token->text[len - 1] == '%')
		memcpy(digits, token->text, len - 1);
	if (value_number(digits, PERCENT_LEAST, PERCENT_MOST, &percent) < 0)
		return corefile_error(err, token,
			"cache: '%s' is no part of a TTL; write a whole number from %d%% to %d%%, "
			"with the percent sign",
			token->text, PERCENT_LEAST, PERCENT_MOST);
	*out = (uint32_t)percent;
	return 0;
}

static int read_prefetch(void *instance, const struct corefile_line *line, char *err)
{
	struct forwarded_policy *policy = &((struct cache_options *)instance)->policy;
	int64_t hits;
	int rc = 0;

	if (value_number(line->tokens[1].text, 0, HITS_MOST, &hits) < 0)
		return corefile_error(err, &line->tokens[1],
			"cache: prefetch needs how many questions make a name popular, a number "
			"up to %d (0: none is), not '%s'",
			HITS_MOST, line->tokens[1].text);
	policy->prefetch_hits = (uint32_t)hits;
	if (line->token_count > 2)
		rc = read_duration(&line->tokens[2], "time between two questions", ANY_DURATION_MS,
			&policy->prefetch_window_ms, err);
	if (line->token_count > 3 && rc == 0)
		rc = read_percent(&line->tokens[3], &policy->prefetch_percent, err);
	return rc;
}

/* --- serve_stale --- */

/* "30s", whole seconds. */
static int read_stale_ttl(const struct corefile_token *token, uint32_t *out_s, char *err)
{
	int64_t ms;

	if (value_duration_ms(token->text, &ms) < 0 || ms % 1000 || ms / 1000 > INT32_MAX ||
		(ms == 0 && strpbrk(token->text, "123456789")))
		return corefile_error(err, token,
			"cache: '%s' is no TTL of stale answers; write a duration of whole "
			"seconds such as '30s'",
			token->text);
	*out_s = (uint32_t)(ms / 1000);
	return 0;
}

/* TTL and RECHECK from a token on. */
static int read_stale_rest(
	struct cache_options *options, const struct corefile_line *line, size_t at, char *err)
{
	int rc = 0;

	if (line->token_count > at)
		rc = read_stale_ttl(&line->tokens[at], &options->stale_ttl_s, err);
	if (line->token_count > at + 1 && rc == 0)
		rc = read_duration(&line->tokens[at + 1], "time between two attempts",
			FIVE_MINUTES_MS, &options->policy.stale_hold_ms, err);
	if (line->token_count > at + 2 && rc == 0)
		rc = corefile_error(err, &line->tokens[at + 2],
			"cache: behind 'immediate' there are a TTL and a recheck at most");
	return rc;
}

static int read_stale_mode(
	struct cache_options *options, const struct corefile_line *line, char *err)
{
	const struct corefile_token *mode = &line->tokens[2];
	int rc = 0;

	if (strcasecmp(mode->text, "immediate") == 0)
		return read_stale_rest(options, line, 3, err);
	if (strcasecmp(mode->text, "verify") != 0)
		return corefile_error(err, mode,
			"cache: '%s' is no way to serve what is stale; there are 'immediate' and "
			"'verify'",
			mode->text);
	options->stale_wait_ms = STALE_WAIT_DEFAULT_MS;
	if (line->token_count > 3)
		rc = read_duration(&line->tokens[3], "time to wait for upstreams", ANY_DURATION_MS,
			&options->stale_wait_ms, err);
	if (options->stale_wait_ms == 0)
		options->stale_wait_ms = CACHE_WAIT_FOREVER;
	return rc < 0 ? rc : read_stale_rest(options, line, 4, err);
}

static int read_serve_stale(void *instance, const struct corefile_line *line, char *err)
{
	struct cache_options *options = instance;
	uint32_t stale_ms = STALE_DEFAULT_S * 1000u;
	int rc = 0;

	options->stale_ttl_s = STALE_TTL_DEFAULT_S;
	options->stale_wait_ms = 0; /* who writes it without a mode means `immediate` */
	options->policy.stale_hold_ms = 0;
	if (line->token_count > 1)
		rc = read_duration(&line->tokens[1], "time to keep what is stale", ANY_DURATION_MS,
			&stale_ms, err);
	options->policy.stale_s = (stale_ms + 999) / 1000;
	return rc < 0 || line->token_count <= 2 ? rc : read_stale_mode(options, line, err);
}

static int read_serve_stale_policy(void *instance, const struct corefile_line *line, char *err)
{
	struct cache_options *options = instance;

	if (strcasecmp(line->tokens[1].text, "prefer_positive") != 0)
		return corefile_error(err, &line->tokens[1],
			"cache: '%s' is no policy; the only one is 'prefer_positive'",
			line->tokens[1].text);
	options->prefer_given = true;
	options->policy.prefer_positive = true;
	return 0;
}

/* --- the rest --- */

static int read_servfail(void *instance, const struct corefile_line *line, char *err)
{
	struct cache_options *options = instance;

	/* RFC 2308 section 7.1 */
	return read_duration(&line->tokens[1], "time to remember failures", FIVE_MINUTES_MS,
		&options->policy.servfail_ms, err);
}

static int zones_read(
	struct cache_zones *zones, const struct corefile_line *line, size_t from, char *err)
{
	int rc = 0;

	for (size_t i = from; i < line->token_count && rc == 0; i++)
		rc = option_zones(&zones->zones, &zones->count, &line->tokens[i], err);
	return rc;
}

static int zones_copy(struct cache_zones *zones, const struct name *from, size_t count,
	const struct corefile_token *at, char *err)
{
	zones->zones = calloc(count, sizeof *zones->zones);
	if (!zones->zones)
		return option_no_memory(err, at);
	memcpy(zones->zones, from, count * sizeof *from);
	zones->count = count;
	return 0;
}

static int read_disable(void *instance, const struct corefile_line *line, char *err)
{
	static const struct name root = {.len = 1};
	struct cache_options *options = instance;
	const char *what = line->tokens[1].text;
	struct cache_zones *zones = strcmp(what, "success") == 0  ? &options->no_success
				    : strcmp(what, "denial") == 0 ? &options->no_denial
								  : NULL;

	if (!zones)
		return corefile_error(err, &line->tokens[1],
			"cache: '%s' cannot be disabled; write 'disable success [ZONE...]' or "
			"'disable denial [ZONE...]'",
			what);
	free(zones->zones); /* the last line counts */
	*zones = (struct cache_zones){0};
	if (line->token_count == 2)
		return zones_copy(zones, &root, 1, &line->tokens[0], err);
	return zones_read(zones, line, 2, err);
}

static int read_keepttl(void *instance, const struct corefile_line *line, char *err)
{
	struct cache_options *options = instance;

	(void)line;
	(void)err;
	options->keep_ttl = true;
	return 0;
}

static const struct option_row rows[] = {
	{"success", 1, 3, "success CAPACITY [TTL] [MINTTL]", read_success},
	{"denial", 1, 3, "denial CAPACITY [TTL] [MINTTL]", read_denial},
	{"prefetch", 1, 3, "prefetch AMOUNT [DURATION] [PERCENTAGE%]", read_prefetch},
	{"serve_stale", 0, 5,
		"serve_stale [DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL "
		"[RECHECK]]]]",
		read_serve_stale},
	{"serve_stale_policy", 1, 1, "serve_stale_policy prefer_positive", read_serve_stale_policy},
	{"servfail", 1, 1, "servfail DURATION", read_servfail},
	{"disable", 1, 64, "disable success|denial [ZONE...]", read_disable},
	{"keepttl", 0, 0, "keepttl", read_keepttl},
	{0},
};

/* "cache [TTL] [ZONES...]": what begins like a number is a TTL, a prefix is not. */
static bool is_number(const char *text)
{
	text += *text == '-' || *text == '+';
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static int head_read(struct cache_options *options, const struct plugin_site *site, char *err)
{
	const struct corefile_line *line = site->lines[0];
	const bool ttl = line->token_count > 1 && is_number(line->tokens[1].text);
	int rc = 0;

	if (ttl)
		rc = read_ttl(&line->tokens[1], "TTL", 1, &options->policy.success_max_s, err);
	if (ttl)
		options->policy.denial_max_s = options->policy.success_max_s;
	if (rc == 0)
		rc = zones_read(&options->zones, line, ttl ? 2 : 1, err);
	if (rc < 0 || options->zones.count)
		return rc;
	return zones_copy(&options->zones, site->zones, site->zone_count, &line->tokens[0], err);
}

int cache_options_read(
	const struct plugin_site *site, struct cache_options *options, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	int rc;

	*options = (struct cache_options){
		.policy = {.success_bytes = ENTRIES_DEFAULT * CACHE_ENTRY_BYTES,
			.denial_bytes = ENTRIES_DEFAULT * CACHE_ENTRY_BYTES,
			.success_max_s = SUCCESS_TTL_DEFAULT,
			.success_min_s = TTL_LEAST_DEFAULT,
			.denial_max_s = DENIAL_TTL_DEFAULT,
			.denial_min_s = TTL_LEAST_DEFAULT,
			.servfail_ms = SERVFAIL_DEFAULT_MS,
			.stale_s = STALE_DEFAULT_S,
			.prefetch_window_ms = PREFETCH_WINDOW_MS,
			.prefetch_percent = PREFETCH_PERCENT},
		.stale_ttl_s = STALE_TTL_DEFAULT_S,
		.stale_wait_ms = STALE_WAIT_DEFAULT_MS,
	};
	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'cache' once; put what both say into one");
	rc = head_read(options, site, err);
	if (rc == 0)
		rc = option_read(line, rows, options, err);
	if (rc == 0 && options->prefer_given && !options->policy.stale_s)
		rc = corefile_error(err, &line->tokens[0],
			"cache: 'serve_stale_policy' needs 'serve_stale'; take one of the two "
			"lines out");
	return rc;
}

void cache_options_free(struct cache_options *options)
{
	free(options->zones.zones);
	free(options->no_success.zones);
	free(options->no_denial.zones);
	*options = (struct cache_options){0};
}

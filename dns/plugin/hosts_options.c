/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of `hosts`. In the body a line that begins with an address is one of a hosts
 * file; every other line is an option. */

#include "hosts.h"

#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH_DEFAULT      "/etc/hosts"
#define TTL_DEFAULT       3600
#define TTL_MAX           65535
#define RELOAD_DEFAULT_MS 5000

static int read_ttl(void *instance, const struct corefile_line *line, char *err)
{
	struct hosts_options *options = instance;
	int64_t ttl_s;

	if (value_number(line->tokens[1].text, 1, TTL_MAX, &ttl_s) < 0)
		return corefile_error(err, &line->tokens[1],
			"hosts: ttl must be a whole number of seconds from 1 to %d, not '%s'",
			TTL_MAX, line->tokens[1].text);
	options->ttl_s = (uint32_t)ttl_s;
	return 0;
}

static int read_reload(void *instance, const struct corefile_line *line, char *err)
{
	struct hosts_options *options = instance;
	int64_t ms;
	const int rc = value_duration_ms(line->tokens[1].text, &ms);

	if (rc < 0)
		return corefile_error(err, &line->tokens[1],
			"hosts: reload must be a duration such as '15s' or '1m', or '0' for never, "
			"not '%s'",
			line->tokens[1].text);
	/* "100us" is not never. */
	if (ms == 0 && strpbrk(line->tokens[1].text, "123456789"))
		ms = 1;
	options->reload_ms = (uint64_t)ms;
	return 0;
}

static int read_no_reverse(void *instance, const struct corefile_line *line, char *err)
{
	struct hosts_options *options = instance;

	(void)line;
	(void)err;
	options->no_reverse = true;
	return 0;
}

static int read_fallthrough(void *instance, const struct corefile_line *line, char *err)
{
	struct hosts_options *options = instance;
	int rc = 0;

	options->fallthrough = true;
	for (size_t i = 1; i < line->token_count && rc == 0; i++)
		rc = option_zones(&options->fallthrough_zones, &options->fallthrough_count,
			&line->tokens[i], err);
	return rc;
}

static int read_unsupported(void *instance, const struct corefile_line *line, char *err)
{
	struct hosts_options *options = instance;

	(void)line;
	(void)err;
	options->fallthrough_unsupported = true;
	return 0;
}

static const struct option_row rows[] = {
	{"ttl", 1, 1, "ttl SECONDS", read_ttl},
	{"reload", 1, 1, "reload DURATION", read_reload},
	{"no_reverse", 0, 0, "no_reverse", read_no_reverse},
	{"fallthrough", 0, 64, "fallthrough [ZONE...]", read_fallthrough},
	{"fallthrough_unsupported", 0, 0, "fallthrough_unsupported", read_unsupported},
	{0},
};

/* A line of a hosts file in the body. Somebody wrote it just here: what is wrong with it
 * is an error. */
static int inline_read(struct hosts_options *options, const struct value_address *address,
	const struct corefile_line *line, char *err)
{
	struct hosts_inline *grown;

	if (line->has_body || line->token_count < 2)
		return corefile_error(
			err, &line->tokens[0], "hosts: write '%s NAME...'", line->tokens[0].text);
	grown = realloc(
		options->inlines, (options->inline_count + line->token_count - 1) * sizeof *grown);
	if (!grown)
		return option_no_memory(err, &line->tokens[0]);
	options->inlines = grown;
	for (size_t i = 1; i < line->token_count; i++) {
		const struct corefile_token *token = &line->tokens[i];
		struct hosts_inline *to = &options->inlines[options->inline_count];

		if (name_from_text(token->text, strlen(token->text), &to->name) < 0)
			return corefile_error(err, token,
				"hosts: '%s' is no name; behind an address there are names, for "
				"example '192.0.2.1 www.example.org'",
				token->text);
		to->address = *address;
		options->inline_count++;
	}
	return 0;
}

static int body_read(struct hosts_options *options, const struct corefile_line *line, char *err)
{
	int rc = 0;

	for (size_t i = 0; i < line->body_count && rc == 0; i++) {
		struct corefile_line *inner = &line->body[i];
		const char *word = inner->tokens[0].text;
		struct corefile_line one = {.tokens = line->tokens,
			.token_count = line->token_count,
			.body = inner,
			.body_count = 1};
		struct value_address address;

		if (hosts_address(word, strlen(word), &address) == 0)
			rc = inline_read(options, &address, inner, err);
		else
			rc = option_read(&one, rows, options, err);
	}
	return rc;
}

static int zones_read(struct hosts_options *options, const struct plugin_site *site, char *err)
{
	const struct corefile_line *line = site->lines[0];
	int rc = 0;

	for (size_t i = 2; i < line->token_count && rc == 0; i++)
		rc = option_zones(&options->zones, &options->zone_count, &line->tokens[i], err);
	if (rc < 0 || options->zone_count)
		return rc;
	options->zones = calloc(site->zone_count + 1, sizeof *options->zones);
	if (!options->zones)
		return option_no_memory(err, &line->tokens[0]);
	memcpy(options->zones, site->zones, site->zone_count * sizeof *options->zones);
	options->zone_count = site->zone_count;
	return 0;
}

/* A file that is not there may come later; a path that cannot be one never does. */
static int path_read(struct hosts_options *options, const struct corefile_line *line, char *err)
{
	const char *path = line->token_count > 1 ? line->tokens[1].text : PATH_DEFAULT;
	struct stat stat_of;

	options->at = line->tokens[line->token_count > 1];
	options->path = strdup(path);
	if (!options->path)
		return option_no_memory(err, &options->at);
	if (line->token_count > 1 && stat(path, &stat_of) < 0 && errno != ENOENT)
		return corefile_error(err, &options->at,
			"hosts: cannot look for '%s': %s; name a file in the form of /etc/hosts "
			"that this server may read",
			path, strerror(errno));
	return 0;
}

int hosts_options_read(
	const struct plugin_site *site, struct hosts_options *options, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	int rc;

	options->ttl_s = TTL_DEFAULT;
	options->reload_ms = RELOAD_DEFAULT_MS;
	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'hosts' once; put what both say into one");
	rc = path_read(options, line, err);
	if (rc == 0)
		rc = zones_read(options, site, err);
	if (rc == 0)
		rc = body_read(options, line, err);
	if (rc == 0 && options->fallthrough_unsupported && !options->fallthrough)
		rc = corefile_error(err, &line->tokens[0],
			"hosts: 'fallthrough_unsupported' goes where 'fallthrough' goes; write "
			"that, too");
	return rc;
}

void hosts_options_free(struct hosts_options *options)
{
	free(options->path);
	free(options->zones);
	free(options->inlines);
	free(options->fallthrough_zones);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "option.h"

#include "dns/corefile/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 32

int option_no_memory(char err[COREFILE_ERROR_MAX], const struct corefile_token *at)
{
	corefile_error(err, at, "out of memory");
	return -ENOMEM;
}

static int refuse(const struct corefile_token *directive, const struct corefile_token *name,
	const struct option_row *rows, char *err)
{
	const char *known[ROWS_MAX + 1] = {NULL};
	const char *nearest;

	for (size_t i = 0; rows[i].name && i < ROWS_MAX; i++)
		known[i] = rows[i].name;
	nearest = corefile_nearest(name->text, known);
	if (nearest)
		return corefile_error(err, name, "%s: unknown option '%s'; did you mean '%s'?",
			directive->text, name->text, nearest);
	if (known[0] && !known[1])
		return corefile_error(err, name, "%s: unknown option '%s'; the only one is '%s'",
			directive->text, name->text, rows[0].syntax);
	return corefile_error(err, name, "%s: unknown option '%s'", directive->text, name->text);
}

static int read_one(const struct corefile_token *directive, const struct corefile_line *line,
	const struct option_row *rows, void *instance, char *err)
{
	const struct corefile_token *name = &line->tokens[0];
	size_t args = line->token_count - 1;

	for (const struct option_row *row = rows; row->name; row++) {
		if (strcmp(row->name, name->text) != 0)
			continue;
		if (line->has_body || args < row->min || args > row->max)
			return corefile_error(
				err, name, "%s: write '%s'", directive->text, row->syntax);
		return row->read(instance, line, err);
	}
	return refuse(directive, name, rows, err);
}

int option_read(const struct corefile_line *line, const struct option_row *rows, void *instance,
	char err[COREFILE_ERROR_MAX])
{
	int rc = 0;

	for (size_t i = 0; i < line->body_count && rc == 0; i++)
		rc = read_one(&line->tokens[0], &line->body[i], rows, instance, err);
	return rc;
}

int option_zones(struct name **zones, size_t *count, const struct corefile_token *token,
	char err[COREFILE_ERROR_MAX])
{
	char **texts = NULL;
	char why[256];
	size_t found = 0;
	struct name *grown;
	int rc = value_zones(token->text, &texts, &found, why, sizeof why);

	if (rc < 0) {
		rc = corefile_error(err, token, "%s", why);
		goto done;
	}
	grown = reallocarray(*zones, *count + found + 1, sizeof *grown);
	if (!grown) {
		rc = option_no_memory(err, token);
		goto done;
	}
	*zones = grown;
	for (size_t i = 0; i < found; i++) {
		struct name *name = &grown[*count];

		rc = name_from_text(texts[i], strlen(texts[i]), name);
		if (rc < 0) {
			rc = corefile_error(err, token, "'%s' is not a zone name", token->text);
			goto done;
		}
		name_lower(name->wire, name->wire, name->len);
		(*count)++;
	}
done:
	for (size_t i = 0; i < found; i++)
		free(texts[i]);
	free(texts);
	return rc;
}

bool option_zones_hold(const struct name *zones, size_t count, const struct query *query)
{
	for (size_t i = 0; i < count; i++) {
		if (query_below(query, &zones[i]))
			return true;
	}
	return false;
}

bool option_falls_through(
	bool given, const struct name *zones, size_t count, const struct query *query)
{
	return given && (count == 0 || option_zones_hold(zones, count, query));
}

bool option_zone_is_reverse(const struct name *zone)
{
	static const char *const trees[] = {"in-addr.arpa", "ip6.arpa"};
	struct name tree;

	for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
		if (name_from_text(trees[i], strlen(trees[i]), &tree) == 0 &&
			name_below(zone, &tree))
			return true;
	}
	return false;
}

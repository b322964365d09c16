/* SPDX-License-Identifier: Apache-2.0 */
/* `reload`: how often the server looks whether its Corefile has changed. What it does then
 * is dns/reload.c's business. */

#include "dns/corefile/value.h"
#include "list.h"
#include "option.h"

#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS     30000
#define INTERVAL_MS_MIN 2000
#define JITTER_MS       15000
#define JITTER_MS_MIN   1000

struct reload_plugin {
	unsigned interval_ms; /* 0: off */
	unsigned jitter_ms;
};

static int duration_read(
	const struct corefile_token *at, const char *what, int64_t min_ms, unsigned *out, char *err)
{
	char least[VALUE_DURATION_TEXT_MAX];
	int64_t ms;

	if (value_duration_ms(at->text, &ms) < 0 || ms > UINT32_MAX / 4)
		return corefile_error(err, at,
			"reload: '%s' is not a duration; write for example 'reload 30s 15s'",
			at->text);
	if (ms < min_ms)
		return corefile_error(err, at, "reload: the %s is %s at least", what,
			value_duration_text(min_ms, least));
	*out = (unsigned)ms;
	return 0;
}

static int times_read(struct reload_plugin *reload, const struct corefile_line *line, char *err)
{
	int rc = 0;

	if (line->token_count == 2 && strcmp(line->tokens[1].text, "off") == 0) {
		reload->interval_ms = reload->jitter_ms = 0;
		return 0;
	}
	if (line->token_count > 1)
		rc = duration_read(
			&line->tokens[1], "interval", INTERVAL_MS_MIN, &reload->interval_ms, err);
	if (rc == 0 && line->token_count > 2 && strcmp(line->tokens[2].text, "0") != 0 &&
		strcmp(line->tokens[2].text, "0s") != 0)
		rc = duration_read(
			&line->tokens[2], "jitter", JITTER_MS_MIN, &reload->jitter_ms, err);
	else if (line->token_count > 2)
		reload->jitter_ms = 0;
	if (reload->jitter_ms > reload->interval_ms / 2)
		reload->jitter_ms = reload->interval_ms / 2;
	return rc;
}

static int reload_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	struct reload_plugin *reload;
	int rc;

	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'reload' once; take this line out");
	if (line->token_count > 3 || line->has_body)
		return corefile_error(err, &line->tokens[0],
			"reload: write 'reload [INTERVAL] [JITTER]' or 'reload off'");
	reload = calloc(1, sizeof *reload);
	if (!reload)
		return option_no_memory(err, &line->tokens[0]);
	reload->interval_ms = INTERVAL_MS;
	reload->jitter_ms = JITTER_MS;
	rc = times_read(reload, line, err);
	if (rc < 0) {
		free(reload);
		return rc;
	}
	*instance = reload;
	return 0;
}

static int reload_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	const struct reload_plugin *reload = instance;

	(void)block;
	(void)err;
	host->reload_every(host->ctx, reload->interval_ms, reload->jitter_ms);
	return 0;
}

const struct plugin plugin_reload = {
	.name = "reload",
	.setup = reload_setup,
	.start = reload_start,
};

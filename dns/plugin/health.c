/* SPDX-License-Identifier: Apache-2.0 */
/* `health`: says over HTTP that the process is alive, and keeps it serving for a
 * while after it was told to stop. That the answer comes from a thread of its own
 * is the server's doing (dns/net/http.h). */

#include "dns/corefile/value.h"
#include "dns/net/http.h"
#include "dns/observe/log.h"
#include "health_poll.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEALTH_PORT 8080

struct health {
	struct value_endpoint address;
	struct corefile_token at;
	unsigned lameduck_ms;
	struct health_poll *poll; /* NULL: none */
};

static int read_lameduck(void *instance, const struct corefile_line *line, char *err)
{
	struct health *health = instance;
	int64_t ms;

	if (value_duration_ms(line->tokens[1].text, &ms) < 0 || ms > UINT32_MAX)
		return corefile_error(err, &line->tokens[1],
			"health: '%s' is not a duration; write for example 'lameduck 5s'",
			line->tokens[1].text);
	health->lameduck_ms = (unsigned)ms;
	return 0;
}

static const struct option_row health_options[] = {
	{"lameduck", 1, 1, "lameduck DURATION", read_lameduck}, {0}};

static int health_read(struct health *health, const struct corefile_line *line, char *err)
{
	if (line->token_count > 2)
		return corefile_error(err, &line->tokens[2],
			"health: one address at most; write 'health [ADDRESS:PORT]'");
	if (line->token_count == 2 &&
		value_endpoint(line->tokens[1].text, HEALTH_PORT, &health->address) < 0)
		return corefile_error(err, &line->tokens[1],
			"health: '%s' is not an address; write for example ':8080' or "
			"'127.0.0.1:8080'",
			line->tokens[1].text);
	return option_read(line, health_options, health, err);
}

/* Given more than once in a block, what comes later counts, as in CoreDNS. */
static int health_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct health *health = calloc(1, sizeof *health);
	int rc = 0;

	if (!health)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	health->address.port = HEALTH_PORT;
	health->at = site->lines[0]->tokens[0];
	for (size_t i = 0; i < site->line_count && rc == 0; i++)
		rc = health_read(health, site->lines[i], err);
	if (rc < 0) {
		free(health);
		return rc;
	}
	*instance = health;
	return 0;
}

static void health_answer(void *user, struct http_reply *reply)
{
	(void)user;
	reply->status = 200;
	reply->body = strdup("OK");
	reply->len = reply->body ? 2 : 0;
}

static int health_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct health *health = instance;
	int rc = host->http_route(host->ctx, health->address.host, health->address.port, "/health",
		health_answer, NULL);

	(void)block;
	/* 1: another block has `health` at this address; it answers the same. */
	if (rc == 0 && host->metrics)
		rc = health_poll_start(
			host, health->address.host, health->address.port, &health->poll);
	if (rc >= 0)
		return 0;
	corefile_error(err, &health->at, "health: cannot serve /health: %s", strerror(-rc));
	return rc;
}

static void health_stop(void *instance, void (*done)(void *user), void *user)
{
	struct health *health = instance;

	if (health->poll)
		health_poll_stop(health->poll, done, user);
	else
		done(user);
}

static void health_free(void *instance)
{
	struct health *health = instance;

	if (health)
		health_poll_free(health->poll);
	free(health);
}

/* The server asks once, when it is told to stop. */
static unsigned health_lameduck_ms(void *instance)
{
	const struct health *health = instance;
	char text[VALUE_DURATION_TEXT_MAX];

	if (health->lameduck_ms)
		log_write(LOG_INFO, "health", "Going into lameduck mode for %s",
			value_duration_text(health->lameduck_ms, text));
	return health->lameduck_ms;
}

const struct plugin plugin_health = {
	.name = "health",
	.setup = health_setup,
	.start = health_start,
	.lameduck_ms = health_lameduck_ms,
	.stop = health_stop,
	.free = health_free,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* `bufsize`: no UDP reply that is larger, whatever the client would take. What does not
 * fit is cut (TC), and the client asks again over TCP instead of waiting for fragments
 * that many networks lose.
 *
 * Only lowers, and only where the client sent EDNS: without it the limit is 512 bytes. */

#include "dns/corefile/value.h"
#include "list.h"
#include "option.h"

#include <stdlib.h>

#define SIZE_DEFAULT 1232 /* DNS flag day 2020 */
#define SIZE_LEAST   512  /* RFC 6891 section 6.2.3: less counts as 512 */
#define SIZE_MOST    4096

struct bufsize {
	uint16_t size;
};

static enum plugin_verdict bufsize_query(void *instance, struct txn *txn)
{
	const struct bufsize *bufsize = instance;

	if (!txn->tcp && txn->query->has_edns && txn->depth == 0)
		reply_lower_limit(txn->reply, bufsize->size);
	return PLUGIN_NEXT;
}

static int bufsize_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	struct bufsize *bufsize;
	int64_t size = SIZE_DEFAULT;

	if (site->line_count > 1)
		return corefile_error(err, &site->lines[1]->tokens[0],
			"a server block can have 'bufsize' once; take one of the lines out");
	if (line->token_count > 2 || line->has_body)
		return corefile_error(err, &line->tokens[0], "bufsize: write 'bufsize [SIZE]'");
	if (line->token_count == 2 &&
		value_number(line->tokens[1].text, SIZE_LEAST, SIZE_MOST, &size) < 0)
		return corefile_error(err, &line->tokens[1],
			"bufsize: '%s' is no size; write a number of bytes from %d to %d",
			line->tokens[1].text, SIZE_LEAST, SIZE_MOST);
	bufsize = malloc(sizeof *bufsize);
	if (!bufsize)
		return option_no_memory(err, &line->tokens[0]);
	bufsize->size = (uint16_t)size;
	*instance = bufsize;
	return 0;
}

const struct plugin plugin_bufsize = {
	.name = "bufsize",
	.setup = bufsize_setup,
	.query = bufsize_query,
};

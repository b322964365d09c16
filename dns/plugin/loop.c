/* SPDX-License-Identifier: Apache-2.0 */
/* `loop`: an upstream that forwards to this server is found and left out.
 *
 * The `forward` of the block sends each upstream a question nobody can guess
 * (forward_probe.c). If that question arrives here, the upstream leads back to us. It is
 * answered with SERVFAIL, so that it goes round once and no more. */

#include "forward.h"
#include "list.h"
#include "option.h"

#include <stdlib.h>

struct loop {
	struct forward *forward; /* NULL: the block has none */
};

static enum plugin_verdict loop_query(void *instance, struct txn *txn)
{
	const struct loop *loop = instance;

	if (!loop->forward || !forward_loop_seen(loop->forward, txn->query))
		return PLUGIN_NEXT;
	txn->reply->rcode = RCODE_SERVFAIL;
	return PLUGIN_DONE;
}

static int loop_setup(const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	const struct corefile_line *line = site->lines[0];
	struct loop *loop;

	if (line->token_count > 1 || line->has_body)
		return corefile_error(
			err, &line->tokens[0], "loop: nothing can stand behind it; write 'loop'");
	loop = calloc(1, sizeof *loop);
	if (!loop)
		return option_no_memory(err, &line->tokens[0]);
	*instance = loop;
	return 0;
}

static int loop_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct loop *loop = instance;

	(void)host;
	(void)err;
	for (size_t i = 0; i < block->plugin_count; i++) {
		if (block->plugins[i].plugin == &plugin_forward)
			loop->forward = block->plugins[i].instance;
	}
	return 0;
}

static const char *const kept_with[] = {"forward", NULL};

const struct plugin plugin_loop = {
	.name = "loop",
	.setup = loop_setup,
	.start = loop_start,
	.query = loop_query,
	.keeps = true,
	.kept_with = kept_with,
};

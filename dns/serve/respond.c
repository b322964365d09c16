/* SPDX-License-Identifier: Apache-2.0 */
/* packet -> query_parse -> class IN? -> block by longest zone -> its plugins in
 * order until one answers -> the alias in it followed (ask.h) -> the plugins'
 * rewrite hooks, last first -> reply_end -> the plugins' done hooks, last first. A
 * chain that waits ends before the hooks, and is run again as a whole.
 *
 * What goes wrong: bytes that are no question get the rcode that query_parse
 * names; no block, REFUSED (RFC 1034 section 4.3.1: we are not authoritative and
 * do not recurse for it); a block in which nobody answers, SERVFAIL with the
 * error that `errors` logs. */

#include "respond.h"

#include "ask.h"
#include "dns/wire/type.h"

#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t respond_refused_packet(
	enum query_verdict verdict, const struct query *query, uint8_t *out)
{
	switch (verdict) {
	case QUERY_FORMERR:
		return reply_error(query, RCODE_FORMERR, out);
	case QUERY_NOTIMP:
		return reply_error(query, RCODE_NOTIMP, out);
	case QUERY_BADVERS:
		return reply_error(query, RCODE_BADVERS, out);
	case QUERY_OK:
	case QUERY_DROP:
		break;
	}
	return 0;
}

static void chain_rewrite(struct txn *txn)
{
	const struct block *block = txn->block;

	for (size_t i = block->plugin_count; i-- > 0;) {
		const struct block_plugin *at = &block->plugins[i];

		if (at->plugin->rewrite)
			at->plugin->rewrite(at->instance, txn);
	}
}

static void chain_done(struct txn *txn)
{
	const struct block *block = txn->block;

	for (size_t i = block->plugin_count; i-- > 0;) {
		const struct block_plugin *at = &block->plugins[i];

		if (at->plugin->done)
			at->plugin->done(at->instance, txn);
	}
}

/* Nobody's question: no plugin is asked, but one may count it. */
static size_t respond_refused(struct txn *txn, uint8_t *out)
{
	const struct block_plugin *at = zone_table_refused(txn->table, &txn->block);

	if (!at)
		return reply_error(txn->query, RCODE_REFUSED, out);
	if (at->plugin->wants_time)
		txn->start_ns = now_ns();
	*txn->reply = (struct reply){.query = txn->query, .buf = out, .rcode = RCODE_REFUSED};
	txn->reply_len = reply_error(txn->query, RCODE_REFUSED, out);
	at->plugin->refused(at->instance, txn);
	return txn->reply_len;
}

size_t respond(struct thread *thread, const struct zone_table *table,
	const struct respond_packet *packet, uint8_t *out)
{
	struct query query;
	struct reply reply;
	struct txn txn;
	enum query_verdict verdict = query_parse(packet->data, packet->len, &query);

	if (verdict != QUERY_OK)
		return respond_refused_packet(verdict, &query, out);
	txn = (struct txn){
		.thread = thread,
		.query = &query,
		.reply = &reply,
		.peer = packet->peer,
		.local = packet->local,
		.tcp = packet->tcp,
		.wake = packet->stream ? packet->wake : NULL,
		.wait = packet->wait,
		.memo = packet->memo,
		.start_ns = packet->start_ns,
		.table = table,
	};
	if (query.qclass == CLASS_IN)
		txn.block = zone_table_find(table, &query, &txn.zone);
	if (!txn.block)
		return respond_refused(&txn, out);
	if (txn.block->wants_time && !txn.start_ns)
		txn.start_ns = now_ns();
	reply_begin(&reply, &query, out, reply_limit(&query, packet->tcp));
	switch (ask_chain(&txn)) {
	case PLUGIN_DONE:
		break;
	case PLUGIN_DROP:
	case PLUGIN_WAIT:
		return 0;
	case PLUGIN_NEXT:
		reply_reset(&reply);
		reply.flags = (uint16_t)(reply.flags & ~DNS_FLAG_AA);
		reply.rcode = RCODE_SERVFAIL;
		if (!txn.error)
			txn.error = "no next plugin found";
		break;
	}
	if (txn.block->rewrites && !txn.stream)
		chain_rewrite(&txn);
	txn.reply_len = reply_end(&reply);
	chain_done(&txn);
	if (!txn.stream)
		return txn.reply_len;
	*packet->stream = txn.stream;
	return 0;
}

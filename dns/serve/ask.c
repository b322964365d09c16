/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include "dns/wire/pack.h"
#include "dns/wire/type.h"
#include "zones.h"

static enum plugin_verdict plugins_run(struct txn *txn)
{
	const struct block *block = txn->block;

	for (size_t i = 0; i < block->plugin_count; i++) {
		const struct block_plugin *at = &block->plugins[i];
		enum plugin_verdict verdict;

		if (!at->plugin->query)
			continue;
		verdict = at->plugin->query(at->instance, txn);
		if (verdict == PLUGIN_NEXT)
			continue;
		txn->answered_by = at->plugin->name;
		return verdict;
	}
	return PLUGIN_NEXT;
}

/* ---- another question ---- */

/* The same client and thread, another question and reply. False: too deep, or no block
 * has the name. */
static bool inner_begin(
	const struct txn *txn, const uint8_t *name, uint8_t name_len, struct txn *out)
{
	struct inner *inner;

	if (txn->depth >= ASK_DEPTH_MAX)
		return false;
	inner = thread_inner(txn->thread, txn->depth);
	query_make(name, name_len, txn->query->qtype, inner->asked, &inner->query);
	inner->query.flags = txn->query->flags;
	inner->query.edns_do = txn->query->edns_do;
	*out = *txn;
	out->depth++;
	out->query = &inner->query;
	out->reply = &inner->reply;
	out->stream = NULL;
	out->wake = NULL;
	out->outside = NULL;
	out->error = NULL;
	out->shuffled = false;
	out->ttl_most_s = 0;
	out->block = zone_table_find(txn->table, &inner->query, &out->zone);
	reply_begin(&inner->reply, &inner->query, inner->buf, UINT16_MAX);
	return out->block != NULL;
}

static bool reply_read(struct reply *reply, struct message *out)
{
	const size_t len = reply_end(reply);

	return message_open(reply->buf, len, out);
}

enum plugin_verdict ask_other(
	struct txn *txn, const uint8_t *name, uint8_t name_len, struct message *out)
{
	enum plugin_verdict verdict;
	struct txn inner;

	if (!inner_begin(txn, name, name_len, &inner))
		return PLUGIN_NEXT;
	verdict = ask_chain(&inner);
	if (inner.error)
		txn->error = inner.error;
	if (verdict == PLUGIN_DONE && !reply_read(inner.reply, out))
		return PLUGIN_NEXT;
	return verdict;
}

/* ---- aliases ---- */

void ask_outside(struct txn *txn, const struct name *target)
{
	struct name *outside = thread_outside(txn->thread);

	*outside = *target;
	txn->outside = outside;
}

static struct message message_so_far(const struct reply *reply)
{
	return (struct message){
		.data = reply->buf,
		.len = reply->len,
		.counts = {reply->count[REPLY_ANSWER]},
		.body = reply->body,
	};
}

/* How many aliases the reply has, and whether one of them is the target's own. */
static unsigned links_count(const struct reply *reply, const uint8_t *target, bool *loop)
{
	const struct message message = message_so_far(reply);
	struct message_walk walk;
	struct record record;
	uint8_t owner[NAME_MAX_LEN], owner_len;
	unsigned links = 0;

	*loop = false;
	message_walk(&message, &walk);
	while (message_next(&walk, &record)) {
		if (record.type != TYPE_CNAME)
			continue;
		links++;
		if (message_name(&message, record.owner, owner, &owner_len) &&
			name_equal(owner, target))
			*loop = true;
	}
	return links;
}

static void servfail(struct txn *txn, const char *error)
{
	txn->reply->rcode = RCODE_SERVFAIL;
	if (!txn->error)
		txn->error = error;
}

/* What the last name's server says of it joins what is there. */
static void reply_join(struct txn *txn, const struct reply *from)
{
	struct reply *reply = txn->reply;
	const struct message message = {
		.data = from->buf,
		.len = from->len,
		.counts = {from->count[0], from->count[1], from->count[2]},
		.body = from->body,
	};
	struct message_walk walk;
	struct record record;
	struct pack pack;

	reply->rcode = from->rcode;
	reply->flags |= from->flags & DNS_FLAG_TC;
	pack_begin(&pack, reply);
	message_walk(&message, &walk);
	while (message_next(&walk, &record)) {
		/* Glue that does not fit is nothing the client misses, and half an RRset
		 * would be: it may ask for the name. */
		if (record.section == REPLY_ADDITIONAL)
			continue;
		if (pack_record(&pack, &message, &record, record.section, record.ttl_s) ==
			PACK_FULL)
			return;
	}
	if (walk.bad)
		servfail(txn, "a record that cannot be copied");
}

/* One target. PLUGIN_NEXT: the reply leads on to another; PLUGIN_DONE: it does not. */
static enum plugin_verdict follow_one(struct txn *txn)
{
	const struct name target = *txn->outside;
	struct txn inner;
	bool loop;

	txn->outside = NULL;
	if (links_count(txn->reply, target.wire, &loop) > ASK_LINKS_MAX || loop) {
		servfail(txn, loop ? "aliases lead in a circle" : "too many aliases");
		return PLUGIN_DONE;
	}
	if (!inner_begin(txn, target.wire, target.len, &inner))
		return PLUGIN_DONE;
	switch (plugins_run(&inner)) {
	case PLUGIN_NEXT:
		return PLUGIN_DONE;
	case PLUGIN_WAIT:
		return PLUGIN_WAIT;
	case PLUGIN_DROP:
		servfail(txn, "no answer for an alias's target");
		return PLUGIN_DONE;
	case PLUGIN_DONE:
		break;
	}
	reply_join(txn, inner.reply);
	txn->shuffled = txn->shuffled && inner.shuffled;
	if (!inner.ttl_most_s || inner.ttl_most_s > txn->ttl_most_s)
		txn->ttl_most_s = txn->ttl_most_s ? inner.ttl_most_s : 0;
	if (inner.error ||
		(txn->reply->rcode != RCODE_NOERROR && txn->reply->rcode != RCODE_NXDOMAIN))
		servfail(txn, inner.error ? inner.error : "an alias's target was refused");
	txn->outside = inner.outside;
	return txn->outside && !txn->reply->full ? PLUGIN_NEXT : PLUGIN_DONE;
}

enum plugin_verdict ask_chain(struct txn *txn)
{
	enum plugin_verdict verdict = plugins_run(txn);

	if (verdict != PLUGIN_DONE || !txn->outside)
		return verdict;
	do
		verdict = follow_one(txn);
	while (verdict == PLUGIN_NEXT);
	return verdict;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `transfer`: zones of the block's other plugins for secondaries, by AXFR and IXFR
 * (RFC 5936, RFC 1995), and NOTIFY (RFC 1996) when they change. What the zones say is the
 * other plugins' business (struct transfer_source); here it is decided who gets
 * what.
 *
 * There is no TSIG: a peer is known by its address alone. */

#include "transfer.h"

#include "dns/observe/log.h"
#include "dns/wire/type.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct source {
	const struct transfer_source *of;
	void *instance;
};

struct transfer {
	struct transfer_rules rules;
	struct corefile_token at;
	struct source *sources; /* the other plugins of the block that have zones */
	size_t source_count;
	struct copies *copies;
	struct notify *notify;
	unsigned closing;
	void (*done)(void *user);
	void *user;
};

static int transfer_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct transfer *transfer = calloc(1, sizeof *transfer);
	int rc;

	if (!transfer)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	transfer->at = site->lines[0]->tokens[0];
	rc = transfer_rules_read(site, &transfer->rules, err);
	if (rc < 0) {
		free(transfer);
		return rc;
	}
	*instance = transfer;
	return 0;
}

/* ---- questions ---- */

enum apex { APEX_NONE, APEX_WITHHELD, APEX_FOUND };

/* Whose zone it is of which the question's name is the apex. */
static enum apex apex_find(
	const struct transfer *transfer, const struct query *query, struct transfer_origin *out)
{
	for (size_t i = 0; i < transfer->source_count; i++) {
		const struct source *at = &transfer->sources[i];
		struct transfer_zone zone;

		for (size_t z = 0; at->of->zone(at->instance, z, &zone); z++) {
			if (zone.apex->labels != query->labels || !query_below(query, zone.apex))
				continue;
			*out = (struct transfer_origin){at->of, at->instance, z};
			return zone.withheld ? APEX_WITHHELD : APEX_FOUND;
		}
	}
	return APEX_NONE;
}

/* RFC 1982 section 3.2; what cannot be compared is newer. */
static bool serial_newer(uint32_t ours, uint32_t theirs)
{
	return ours != theirs && ours - theirs <= 0x80000000u;
}

static enum plugin_verdict answer_rcode(struct txn *txn, enum dns_rcode rcode, const char *error)
{
	reply_reset(txn->reply);
	txn->reply->flags = (uint16_t)(txn->reply->flags & ~DNS_FLAG_AA);
	txn->reply->rcode = (uint16_t)rcode;
	txn->error = error;
	return PLUGIN_DONE;
}

static enum plugin_verdict answer_zone(
	struct transfer *transfer, const struct transfer_origin *origin, struct txn *txn)
{
	if (txn->wake)
		txn->stream =
			copies_stream(transfer->copies, origin, txn->query, txn->wake, txn->peer);
	if (!txn->stream)
		return answer_rcode(txn, RCODE_SERVFAIL, "too many zone transfers at once");
	txn->reply->flags |= DNS_FLAG_AA; /* of every message */
	return PLUGIN_DONE;
}

/* The current SOA alone: to who has this version, and over UDP, where it says "come
 * by TCP" to who has an older one (RFC 1995 section 2). False: there is more to say. */
static bool answer_soa(const struct transfer_origin *origin, struct txn *txn)
{
	const uint32_t ours = origin->source->soa(origin->instance, txn->query, txn->reply);

	if (!txn->tcp || !serial_newer(ours, txn->query->serial))
		return true;
	reply_reset(txn->reply);
	return false;
}

static enum plugin_verdict transfer_query(void *instance, struct txn *txn)
{
	struct transfer *transfer = instance;
	const struct query *query = txn->query;
	const struct transfer_rule *rule;
	struct transfer_origin origin;
	uint32_t serial;

	if (query->qtype != TYPE_AXFR && query->qtype != TYPE_IXFR)
		return PLUGIN_NEXT;
	rule = transfer_rules_find(&transfer->rules, query);
	if (!rule)
		return PLUGIN_NEXT;
	/* RFC 5936 section 4.2: there is no AXFR over UDP. */
	if ((query->qtype == TYPE_AXFR && !txn->tcp) || !transfer_rule_allows(rule, txn->peer))
		return answer_rcode(txn, RCODE_REFUSED, NULL);
	switch (apex_find(transfer, query, &origin)) {
	case APEX_NONE:
		return answer_rcode(txn, RCODE_NOTAUTH, NULL);
	case APEX_WITHHELD:
		return answer_rcode(txn, RCODE_REFUSED, NULL);
	case APEX_FOUND:
		break;
	}
	if (query->qtype == TYPE_IXFR && !query->has_serial)
		return answer_rcode(txn, RCODE_FORMERR, NULL);
	if (!origin.source->serial(origin.instance, &serial))
		return answer_rcode(txn, RCODE_SERVFAIL, "the zone is not complete yet");
	if (query->qtype == TYPE_IXFR && answer_soa(&origin, txn))
		return PLUGIN_DONE;
	return answer_zone(transfer, &origin, txn);
}

/* ---- life ---- */

static void transfer_changed(void *user)
{
	const struct transfer *transfer = user;

	notify_changed(transfer->notify);
}

static void sources_watch(struct transfer *transfer, void (*changed)(void *user))
{
	for (size_t i = 0; i < transfer->source_count; i++)
		transfer->sources[i].of->watch(transfer->sources[i].instance, changed, transfer);
}

static int sources_find(struct transfer *transfer, const struct block *block)
{
	transfer->sources = calloc(block->plugin_count + 1, sizeof *transfer->sources);
	if (!transfer->sources)
		return -ENOMEM;
	for (size_t i = 0; i < block->plugin_count; i++) {
		const struct block_plugin *at = &block->plugins[i];

		if (at->plugin->transfer)
			transfer->sources[transfer->source_count++] =
				(struct source){at->plugin->transfer, at->instance};
	}
	return 0;
}

struct targets {
	struct notify_target *list;
	size_t count;
	int rc;
};

static void address_set(struct sockaddr_storage *out, const struct transfer_peer *peer)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;

	*out = (struct sockaddr_storage){.ss_family = (sa_family_t)peer->prefix.address.family};
	if (out->ss_family == AF_INET) {
		memcpy(&v4->sin_addr, peer->prefix.address.bytes, 4);
		v4->sin_port = htons(peer->notify_port);
	} else {
		memcpy(&v6->sin6_addr, peer->prefix.address.bytes, 16);
		v6->sin6_port = htons(peer->notify_port);
		v6->sin6_scope_id = peer->prefix.address.scope;
	}
}

static void targets_add(struct targets *targets, const struct transfer_rule *rule,
	const struct transfer_origin *origin, const struct name *apex)
{
	struct notify_target *grown =
		reallocarray(targets->list, targets->count + rule->peer_count + 1, sizeof *grown);

	if (!grown) {
		targets->rc = -ENOMEM;
		return;
	}
	targets->list = grown;
	for (size_t i = 0; i < rule->peer_count; i++) {
		struct notify_target *target = &grown[targets->count];

		if (!rule->peers[i].notify_port)
			continue;
		*target = (struct notify_target){.origin = *origin, .apex = *apex};
		address_set(&target->address, &rule->peers[i]);
		targets->count++;
	}
}

/* Everybody who is to be told, for every zone there is. Returns how many zones. */
static size_t targets_find(const struct transfer *transfer, struct targets *targets)
{
	size_t zones = 0;

	for (size_t i = 0; i < transfer->source_count; i++) {
		const struct source *at = &transfer->sources[i];
		struct transfer_origin origin = {at->of, at->instance, 0};
		struct transfer_zone zone;

		for (; at->of->zone(at->instance, origin.zone, &zone); origin.zone++) {
			const struct transfer_rule *rule =
				transfer_rules_find_name(&transfer->rules, zone.apex);

			if (!rule || zone.withheld)
				continue;
			targets_add(targets, rule, &origin, zone.apex);
			zones++;
		}
	}
	return zones;
}

static int transfer_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	static const struct copies_limits limits = {.streams = 0};
	static const struct notify_timing timing = {.first_ms = 0};
	struct transfer *transfer = instance;
	struct targets targets = {.count = 0};
	int rc = sources_find(transfer, block);

	if (rc == 0 && targets_find(transfer, &targets) == 0)
		log_write(LOG_WARNING, "transfer",
			"no plugin of the server block has a zone to transfer; 'kubernetes' does, "
			"for zones that are not reverse ones");
	if (rc == 0)
		rc = targets.rc;
	if (rc == 0)
		rc = copies_open(host->loop, &limits, &transfer->copies);
	if (rc == 0)
		rc = notify_open(
			host->loop, &timing, targets.list, targets.count, &transfer->notify);
	free(targets.list);
	if (rc < 0)
		corefile_error(err, &transfer->at, "transfer: %s", strerror(-rc));
	else
		sources_watch(transfer, transfer_changed);
	return rc;
}

static void transfer_closed(void *user)
{
	struct transfer *transfer = user;

	if (--transfer->closing == 0)
		transfer->done(transfer->user);
}

static void transfer_stop(void *instance, void (*done)(void *user), void *user)
{
	struct transfer *transfer = instance;

	transfer->done = done;
	transfer->user = user;
	transfer->closing = 1;
	sources_watch(transfer, NULL);
	if (transfer->notify) {
		transfer->closing++;
		notify_close(transfer->notify, transfer_closed, transfer);
	}
	if (transfer->copies) {
		transfer->closing++;
		copies_close(transfer->copies, transfer_closed, transfer);
	}
	transfer_closed(transfer);
}

static void transfer_free(void *instance)
{
	struct transfer *transfer = instance;

	if (!transfer)
		return;
	notify_free(transfer->notify);
	copies_free(transfer->copies);
	transfer_rules_free(&transfer->rules);
	free(transfer->sources);
	free(transfer);
}

/* Who has zones. A secondary is not told anew of what it knows, and gets to the end of
 * its copy. */
static const char *const kept_with[] = {"kubernetes", "k8s_external", NULL};

const struct plugin plugin_transfer = {
	.name = "transfer",
	.setup = transfer_setup,
	.start = transfer_start,
	.query = transfer_query,
	.stop = transfer_stop,
	.free = transfer_free,
	.keeps = true,
	.kept_with = kept_with,
};

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_ASK_H
#define BINNACLE_TESTS_CACHE_ASK_H

/* Ask a cluster through the wire code and have the reply read by ldns, which is
 * nobody of ours. The result is a text:
 *
 *	"NOERROR A 10.0.0.1 A 10.0.0.2"        the answer section, sorted
 *	"NXDOMAIN", "NODATA", "SERVFAIL"
 *
 * What every reply must have is checked on the way: AA, the owner of each
 * record, the SOA of a negative answer and none beside data. Include cmocka
 * first. */

#include <ldns/ldns.h>

#include "cache/answer.h"
#include "cache/cluster.h"
#include "dns/wire/type.h"
#include "objects.h"

#define ASK_TEXT (128 * 1024)

struct ask {
	struct query query;
	uint8_t packet[300];
	struct cluster_hit hit;
	uint8_t reply[65535];
	size_t len;
	char text[ASK_TEXT];
	ldns_pkt *pkt; /* the last reply; freed by the next question */
};

static inline void ask_query(struct ask *ask, const char *name, uint16_t type)
{
	struct name wire;
	size_t len = 12;

	assert_int_equal(name_from_text(name, strlen(name), &wire), 0);
	memcpy(ask->packet, "\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
	memcpy(ask->packet + len, wire.wire, wire.len);
	len += wire.len;
	ask->packet[len++] = (uint8_t)(type >> 8);
	ask->packet[len++] = (uint8_t)type;
	ask->packet[len++] = 0;
	ask->packet[len++] = 1;
	assert_int_equal(query_parse(ask->packet, len, &ask->query), QUERY_OK);
}

static inline int ask_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* " TYPE rdata" of each record, sorted, appended to ask->text. */
static inline void ask_records(struct ask *ask, const ldns_rr_list *list, const char *owner)
{
	const size_t count = ldns_rr_list_rr_count(list);
	char **lines = calloc(count + 1, sizeof(char *));

	for (size_t i = 0; i < count; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		char *type = ldns_rr_type2str(ldns_rr_get_type(rr));
		char *name = ldns_rdf2str(ldns_rr_owner(rr));
		size_t at = strlen(type);

		lines[i] = calloc(1, 1024);
		strcpy(lines[i], type);
		if (owner && strcasecmp(owner, name) != 0)
			fail_msg("a record of %s in the answer about %s", name, owner);
		if (!owner)
			at += (size_t)sprintf(lines[i] + at, " %s", name);
		for (size_t r = 0; r < ldns_rr_rd_count(rr); r++) {
			char *rdata = ldns_rdf2str(ldns_rr_rdf(rr, r));

			at += (size_t)snprintf(lines[i] + at, 1024 - at, " %s", rdata);
			free(rdata);
		}
		free(type);
		free(name);
	}
	qsort(lines, count, sizeof(char *), ask_compare);
	for (size_t i = 0; i < count; i++) {
		strcat(strcat(ask->text, " "), lines[i]);
		free(lines[i]);
	}
	free(lines);
}

static inline void ask_check_soa(const struct ask *ask)
{
	const ldns_rr_list *list = ldns_pkt_authority(ask->pkt);
	const ldns_rr *soa;
	char *owner;
	uint32_t minimum;

	assert_int_equal(ldns_rr_list_rr_count(list), 1);
	soa = ldns_rr_list_rr(list, 0);
	assert_int_equal(ldns_rr_get_type(soa), LDNS_RR_TYPE_SOA);
	minimum = ldns_rdf2native_int32(ldns_rr_rdf(soa, 6));
	assert_int_equal(ldns_rr_ttl(soa), minimum);
	assert_in_range(minimum, 0, 5);
	owner = ldns_rdf2str(ldns_rr_owner(soa));
	if (ask->hit.zone_labels)
		assert_int_equal(strlen(owner),
			ask->query.name_len - ask->query.label_at[ask->hit.zone_labels] - 1);
	else
		assert_string_equal(owner, ".");
	free(owner);
}

static inline void ask_free(struct ask *ask)
{
	ldns_pkt_free(ask->pkt);
	free(ask);
}

static inline struct ask *ask_new(void)
{
	return calloc(1, sizeof(struct ask));
}

/* The reply, which is in ask->reply, as text. */
static inline const char *ask_read(struct ask *ask, struct reply *reply)
{
	char *owner;

	ask->len = reply_end(reply);
	ldns_pkt_free(ask->pkt);
	ask->pkt = NULL;
	assert_int_equal(ldns_wire2pkt(&ask->pkt, ask->reply, ask->len), LDNS_STATUS_OK);
	assert_true(ldns_pkt_aa(ask->pkt));
	assert_false(ldns_pkt_ra(ask->pkt));
	ask->text[0] = '\0';
	switch (ldns_pkt_get_rcode(ask->pkt)) {
	case LDNS_RCODE_NOERROR:
		if (!ldns_pkt_ancount(ask->pkt)) {
			ask_check_soa(ask);
			return "NODATA";
		}
		assert_int_equal(ldns_pkt_nscount(ask->pkt), 0);
		strcpy(ask->text, "NOERROR");
		owner = ldns_rdf2str(
			ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(ask->pkt), 0)));
		ask_records(ask, ldns_pkt_answer(ask->pkt), owner);
		free(owner);
		return ask->text;
	case LDNS_RCODE_NXDOMAIN:
		ask_check_soa(ask);
		assert_int_equal(ldns_pkt_ancount(ask->pkt), 0);
		return "NXDOMAIN";
	case LDNS_RCODE_SERVFAIL:
		ask_check_soa(ask);
		assert_int_equal(ldns_pkt_ancount(ask->pkt), 0);
		return "SERVFAIL";
	default:
		return "?";
	}
}

/* type: "A"; limit: the reply's size. */
static inline const char *ask_limited(struct ask *ask, const struct cluster *cluster,
	const char *name, const char *type, uint16_t limit, uint32_t random)
{
	struct reply reply;
	int zone;

	ask_query(ask, name, (uint16_t)ldns_get_rr_type_by_name(type));
	zone = cluster_zone(cluster, &ask->query);
	assert_int_not_equal(zone, -1);
	cluster_find(cluster, zone, &ask->query, &ask->hit);
	reply_begin(&reply, &ask->query, ask->reply, limit);
	cluster_put(cluster, &ask->hit, random, &reply);
	return ask_read(ask, &reply);
}

static inline const char *ask(
	struct ask *ask, const struct cluster *cluster, const char *name, const char *type)
{
	return ask_limited(ask, cluster, name, type, 65535, 0);
}

/* " TYPE owner rdata" of the last reply's additional section. */
static inline const char *ask_additional(struct ask *ask)
{
	ask->text[0] = '\0';
	ask_records(ask, ldns_pkt_additional(ask->pkt), NULL);
	return ask->text;
}

/* A cluster of one forward zone and two reverse ones. */
struct ask_cluster {
	struct cluster *cluster;
	struct sink sink;
};

/* config's zones are filled in. */
static inline struct ask_cluster ask_cluster_of(struct cluster_config config)
{
	static const char *const texts[] = {
		"cluster.local", "10.in-addr.arpa", "ip6.arpa", "clusterset.local"};
	struct name zones[4];
	struct ask_cluster out;

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(name_from_text(texts[i], strlen(texts[i]), &zones[i]), 0);
	config.zones = zones;
	config.zone_count = 4;
	config.negative_ttl_s = config.ttl_s < 5 ? config.ttl_s : 5;
	assert_int_equal(cluster_new(&config, &out.cluster), 0);
	out.sink = cluster_sink(out.cluster, NULL, NULL);
	return out;
}

static inline struct ask_cluster ask_cluster(
	const char *const *namespaces, const struct ip *own, size_t own_count, uint32_t ttl_s)
{
	return ask_cluster_of((struct cluster_config){
		.ttl_s = ttl_s, .namespaces = namespaces, .own = own, .own_count = own_count});
}

static inline void put(const struct ask_cluster *c, struct object *object)
{
	assert_int_equal(c->sink.upsert(c->sink.ctx, object), 0);
}

static inline void settle(const struct ask_cluster *c)
{
	c->sink.settle(c->sink.ctx);
}

/* An empty first list of a kind. */
static inline void complete(const struct ask_cluster *c, enum object_kind kind, uint64_t version)
{
	c->sink.begin_replace(c->sink.ctx, kind);
	c->sink.end_replace(c->sink.ctx, kind, version);
	settle(c);
}

static inline void complete_all(const struct ask_cluster *c)
{
	complete(c, KIND_NAMESPACE, 1);
	complete(c, KIND_SERVICE, 1);
	complete(c, KIND_SLICE, 1);
}

static inline void take(const struct ask_cluster *c, enum object_kind kind, const char *ns,
	const char *name, uint64_t version)
{
	c->sink.remove(c->sink.ctx, kind, ns, name, version);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a scenario: API events in, questions in, answers compared. No sockets, no
 * clock; the objects go through the real decoder, the store, the index and the
 * wire code, and ldns, which shares no code with them, reads the replies.
 *
 *	zone cluster.local             a zone of the directive (before anything else)
 *	clusterset clusterset.local    ... and this zone is answered from imports
 *	zonal                          names of topology zones
 *	ttl 30
 *	namespaces shop billing        only these
 *	pods verified                  or insecure
 *	own 10.0.0.53                  an address of this server
 *	begin services                 a list begins;  put ... ;  end services [RV]
 *	abort services                 the list broke off
 *	put services {JSON}            one object, on one line
 *	delete services shop/web [RV]
 *	refuse services {JSON}         the decoder must refuse this object
 *	settle                         changes become visible
 *	ask NAME TYPE [udp SIZE]       then what must come, until an empty line:
 *	    rcode NXDOMAIN             and AA must be set, unless "noaa" is there
 *	    answer OWNER TTL TYPE DATA     the section as a set, nothing more
 *	    authority ...              soa: any SOA with that owner and TTL
 *	    additional ...
 *	    count answer 12            how many, instead of which
 *	    tc                         TC must be set (and must not be otherwise)
 *	serial same | up               the SOA serial since the last such line
 */

#include "cache/cluster.h"
#include "cache/epoch.h"
#include "dns/wire/bytes.h"
#include "dns/wire/query.h"
#include "dns/wire/reply.h"
#include "dns/wire/type.h"
#include "watch/decode.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 65536
#define RECORDS_MAX  128

struct expected {
	bool asked;
	unsigned line;
	char rcode[16];
	bool noaa, tc;
	char *records[3][RECORDS_MAX];
	size_t count[3];
	long exact[3]; /* -1: the records themselves */
};

struct scenario {
	const char *file;
	unsigned line;
	unsigned failures, checks;
	struct name zones[8];
	size_t zone_count;
	struct name sets[8];
	size_t set_count;
	bool zonal;
	uint32_t ttl_s;
	char *namespaces[16];
	size_t namespace_count;
	struct ip own[8];
	size_t own_count;
	enum cluster_pods pods;
	struct cluster *cluster;
	struct sink sink;
	uint32_t serial;
	struct expected expected;
	uint8_t reply[65535];
	size_t reply_len;
};

static const char *const section_names[3] = {"answer", "authority", "additional"};

static void fail(struct scenario *s, unsigned line, const char *what, const char *more)
{
	s->failures++;
	fprintf(stderr, "%s:%u: %s%s%s\n", s->file, line, what, more ? ": " : "", more ? more : "");
}

static void die(struct scenario *s, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", s->file, s->line, what);
	exit(2);
}

static char *word(char **rest)
{
	char *start = *rest + strspn(*rest, " \t");
	size_t len = strcspn(start, " \t");

	if (!len)
		return NULL;
	*rest = start + len;
	if (**rest) {
		**rest = '\0';
		(*rest)++;
	}
	return start;
}

static void cluster_need(struct scenario *s)
{
	struct cluster_config config = {
		.zones = s->zones,
		.zone_count = s->zone_count,
		.clusterset_zones = s->sets,
		.clusterset_count = s->set_count,
		.zonal = s->zonal,
		.ttl_s = s->ttl_s,
		.negative_ttl_s = s->ttl_s < 5 ? s->ttl_s : 5,
		.namespaces = s->namespace_count ? (const char *const *)s->namespaces : NULL,
		.own = s->own,
		.own_count = s->own_count,
		.pods = s->pods,
	};

	if (s->cluster)
		return;
	if (cluster_new(&config, &s->cluster) < 0)
		die(s, "cluster_new failed");
	s->sink = cluster_sink(s->cluster, NULL, NULL);
}

static enum resource resource_of(struct scenario *s, const char *text)
{
	static const struct {
		const char *name;
		enum resource resource;
	} names[] = {
		{"namespaces", RESOURCE_NAMESPACES},
		{"services", RESOURCE_SERVICES},
		{"slices", RESOURCE_SLICES},
		{"slicesv1beta1", RESOURCE_SLICES_V1BETA1},
		{"endpoints", RESOURCE_ENDPOINTS},
		{"pods", RESOURCE_PODS},
		{"imports", RESOURCE_IMPORTS},
		{"importslices", RESOURCE_IMPORT_SLICES},
	};

	for (size_t i = 0; text && i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i].name, text) == 0)
			return names[i].resource;
	}
	die(s, "which resource?");
	return RESOURCE_COUNT;
}

/* --- settings and events --- */

static void do_zone(struct scenario *s, char *rest)
{
	char *text = word(&rest);
	struct name *zone = &s->zones[s->zone_count++];

	if (!text || name_from_text(text, strlen(text), zone) < 0)
		die(s, "zone NAME");
	name_lower(zone->wire, zone->wire, zone->len);
}

static void do_clusterset(struct scenario *s, char *rest)
{
	do_zone(s, rest);
	s->sets[s->set_count++] = s->zones[s->zone_count - 1];
}

static void do_zonal(struct scenario *s, char *rest)
{
	(void)rest;
	s->zonal = true;
}

static void do_ttl(struct scenario *s, char *rest)
{
	s->ttl_s = (uint32_t)strtoul(rest, NULL, 10);
}

static void do_namespaces(struct scenario *s, char *rest)
{
	for (char *text; (text = word(&rest));)
		s->namespaces[s->namespace_count++] = strdup(text);
}

static void do_pods(struct scenario *s, char *rest)
{
	char *mode = word(&rest);

	if (mode && strcmp(mode, "verified") == 0)
		s->pods = CLUSTER_PODS_VERIFIED;
	else if (mode && strcmp(mode, "insecure") == 0)
		s->pods = CLUSTER_PODS_INSECURE;
	else
		die(s, "pods verified|insecure");
}

static void do_own(struct scenario *s, char *rest)
{
	char *text = word(&rest);
	struct ip *ip = &s->own[s->own_count++];

	ip->family = strchr(text, ':') ? 6 : 4;
	if (inet_pton(ip->family == 6 ? AF_INET6 : AF_INET, text, ip->bytes) != 1)
		die(s, "own ADDRESS");
}

static void do_begin(struct scenario *s, char *rest)
{
	cluster_need(s);
	s->sink.begin_replace(s->sink.ctx, resource_table[resource_of(s, word(&rest))].kind);
}

static void do_end(struct scenario *s, char *rest)
{
	enum resource resource = resource_of(s, word(&rest));

	s->sink.end_replace(s->sink.ctx, resource_table[resource].kind, strtoull(rest, NULL, 10));
	s->sink.settle(s->sink.ctx);
}

static void do_abort(struct scenario *s, char *rest)
{
	s->sink.abort_replace(s->sink.ctx, resource_table[resource_of(s, word(&rest))].kind);
	s->sink.settle(s->sink.ctx);
}

static void do_put(struct scenario *s, char *rest)
{
	enum resource resource = resource_of(s, word(&rest));
	struct object *object = NULL;
	char why[DECODE_WHY_MAX] = "";
	const struct decode_options options = {.zones = s->zonal};

	cluster_need(s);
	if (decode_object(resource, &(struct document){.bytes = rest, .len = strlen(rest)},
		    &options, &object, why) != DECODE_OK)
		die(s, why[0] ? why : "not an object");
	if (s->sink.upsert(s->sink.ctx, object) < 0)
		die(s, "upsert failed");
}

static void do_refuse(struct scenario *s, char *rest)
{
	enum resource resource = resource_of(s, word(&rest));
	struct object *object = NULL;
	char why[DECODE_WHY_MAX] = "";

	s->checks++;
	if (decode_object(resource, &(struct document){.bytes = rest, .len = strlen(rest)}, NULL,
		    &object, why) == DECODE_OK) {
		fail(s, s->line, "the decoder took this object", NULL);
		object_free(object);
	}
}

static void do_delete(struct scenario *s, char *rest)
{
	enum resource resource = resource_of(s, word(&rest));
	char *ns = word(&rest);
	char *name = ns ? strchr(ns, '/') : NULL;

	if (!name)
		die(s, "delete RESOURCE NS/NAME");
	*name++ = '\0';
	s->sink.remove(
		s->sink.ctx, resource_table[resource].kind, ns, name, strtoull(rest, NULL, 10));
}

static void do_settle(struct scenario *s, char *rest)
{
	(void)rest;
	s->sink.settle(s->sink.ctx);
}

static void do_serial(struct scenario *s, char *rest)
{
	struct cluster_stats stats;
	char *how = word(&rest);
	bool up;

	cluster_stats(s->cluster, &stats);
	up = (int32_t)(stats.serial - s->serial) > 0; /* RFC 1982 */
	s->checks++;
	if (how && strcmp(how, "same") == 0 && stats.serial != s->serial)
		fail(s, s->line, "the serial changed", NULL);
	if (how && strcmp(how, "up") == 0 && !up)
		fail(s, s->line, "the serial did not rise", NULL);
	s->serial = stats.serial;
}

/* --- questions --- */

static size_t question_make(
	struct scenario *s, const char *name, const char *type, unsigned size, uint8_t *packet)
{
	struct name qname;
	int qtype = type_from_text(type, strlen(type));
	size_t at = DNS_HEADER_LEN;

	if (name_from_text(name, strlen(name), &qname) < 0 || qtype < 0)
		die(s, "ask NAME TYPE");
	memcpy(packet, "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", DNS_HEADER_LEN);
	memcpy(packet + at, qname.wire, qname.len);
	at += qname.len;
	bytes_set_u16(packet + at, (uint16_t)qtype);
	bytes_set_u16(packet + at + 2, CLASS_IN);
	at += 4;
	if (size) {
		packet[11] = 1;
		memcpy(packet + at, "\0\0\x29\0\0\0\0\0\0\0\0", 11);
		bytes_set_u16(packet + at + 3, (uint16_t)size);
		at += 11;
	}
	return at;
}

static void do_ask(struct scenario *s, char *rest)
{
	char *name = word(&rest), *type = word(&rest), *udp = word(&rest);
	unsigned size = udp ? (unsigned)strtoul(rest, NULL, 10) : 0;
	uint8_t packet[512];
	struct query query;
	struct reply reply;
	struct cluster_hit hit;
	struct name outside;
	size_t len = question_make(s, name, type ? type : "", size, packet);
	int zone;

	cluster_need(s);
	if (query_parse(packet, len, &query) != QUERY_OK)
		die(s, "query_parse refused the question");
	reply_begin(&reply, &query, s->reply, reply_limit(&query, udp == NULL));
	zone = cluster_zone(s->cluster, &query);
	if (zone < 0)
		die(s, "no zone holds this name");
	epoch_online();
	cluster_find(s->cluster, zone, &query, &hit);
	cluster_answer(s->cluster, &hit, s->line * 2654435761u, &reply, NULL, NULL, &outside);
	epoch_offline();
	s->reply_len = reply_end(&reply);
	s->expected = (struct expected){
		.asked = true, .line = s->line, .rcode = "NOERROR", .exact = {-1, -1, -1}};
}

/* "www.example. 30 A 10.0.0.1", white space folded, as the files write it. */
static char *record_text(const ldns_rr *rr)
{
	char *text = ldns_rr2str(rr), *part, *rest = text;
	char *out = NULL;
	size_t len = 0;
	unsigned field = 0;
	FILE *stream = open_memstream(&out, &len);

	if (!text || !stream)
		abort();
	for (; (part = strtok_r(rest, " \t\n", &rest)); field++) {
		if (field != 2) /* IN */
			fprintf(stream, "%s%s", field ? " " : "", part);
		if (field == 3 && strcmp(part, "SOA") == 0)
			break;
	}
	fclose(stream);
	free(text);
	return out;
}

static int text_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void section_check(struct scenario *s, int section, const ldns_rr_list *list)
{
	struct expected *e = &s->expected;
	char *got[4096];
	size_t count = 0;
	char more[128];

	for (size_t i = 0; i < ldns_rr_list_rr_count(list) && count < 4096; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_OPT)
			got[count++] = record_text(rr);
	}
	if (e->exact[section] >= 0) {
		snprintf(more, sizeof more, "%zu records in %s, not %ld", count,
			section_names[section], e->exact[section]);
		if ((size_t)e->exact[section] != count)
			fail(s, e->line, more, NULL);
		for (size_t i = 0; i < count; i++)
			free(got[i]);
		e->count[section] = count = 0;
	}
	qsort(got, count, sizeof *got, text_compare);
	qsort(e->records[section], e->count[section], sizeof(char *), text_compare);
	for (size_t g = 0, x = 0; g < count || x < e->count[section];) {
		int order = g == count               ? 1
			    : x == e->count[section] ? -1
						     : strcmp(got[g], e->records[section][x]);

		snprintf(more, sizeof more, "%s %s", section_names[section],
			order < 0 ? got[g] : e->records[section][x < e->count[section] ? x : 0]);
		if (order < 0)
			fail(s, e->line, "not expected", more);
		else if (order > 0)
			fail(s, e->line, "missing", more);
		g += order <= 0;
		x += order >= 0;
	}
	for (size_t i = 0; i < count; i++)
		free(got[i]);
}

static void expected_free(struct expected *e)
{
	for (int section = 0; section < 3; section++) {
		for (size_t i = 0; i < RECORDS_MAX; i++)
			free(e->records[section][i]);
	}
	*e = (struct expected){.asked = false};
}

static void answer_check(struct scenario *s)
{
	struct expected *e = &s->expected;
	ldns_pkt *packet = NULL;
	char rcode[TYPE_TEXT_MAX];

	if (!e->asked)
		return;
	s->checks++;
	if (ldns_wire2pkt(&packet, s->reply, s->reply_len) != LDNS_STATUS_OK) {
		fail(s, e->line, "ldns cannot read the reply", NULL);
		expected_free(e);
		return;
	}
	rcode_to_text((uint16_t)ldns_pkt_get_rcode(packet), rcode);
	if (strcmp(rcode_to_text((uint16_t)ldns_pkt_get_rcode(packet), rcode), e->rcode) != 0)
		fail(s, e->line, "rcode",
			rcode_to_text((uint16_t)ldns_pkt_get_rcode(packet), rcode));
	if (ldns_pkt_aa(packet) == e->noaa)
		fail(s, e->line, e->noaa ? "AA is set" : "AA is not set", NULL);
	if (ldns_pkt_tc(packet) != e->tc)
		fail(s, e->line, e->tc ? "TC is not set" : "TC is set", NULL);
	section_check(s, 0, ldns_pkt_answer(packet));
	section_check(s, 1, ldns_pkt_authority(packet));
	section_check(s, 2, ldns_pkt_additional(packet));
	ldns_pkt_free(packet);
	expected_free(e);
}

static void do_rcode(struct scenario *s, char *rest)
{
	char *text = word(&rest);

	snprintf(s->expected.rcode, sizeof s->expected.rcode, "%s", text ? text : "");
}

static void do_noaa(struct scenario *s, char *rest)
{
	(void)rest;
	s->expected.noaa = true;
}

static void do_tc(struct scenario *s, char *rest)
{
	(void)rest;
	s->expected.tc = true;
}

static void expect_record(struct scenario *s, int section, char *rest)
{
	struct expected *e = &s->expected;

	if (e->count[section] == RECORDS_MAX)
		die(s, "too many records");
	e->records[section][e->count[section]++] = strdup(rest + strspn(rest, " \t"));
}

static void do_answer(struct scenario *s, char *rest)
{
	expect_record(s, 0, rest);
}

static void do_authority(struct scenario *s, char *rest)
{
	expect_record(s, 1, rest);
}

static void do_additional(struct scenario *s, char *rest)
{
	expect_record(s, 2, rest);
}

static void do_count(struct scenario *s, char *rest)
{
	char *name = word(&rest);

	for (int i = 0; i < 3; i++) {
		if (name && strcmp(name, section_names[i]) == 0)
			s->expected.exact[i] = strtol(rest, NULL, 10);
	}
}

static const struct {
	const char *name;
	bool expects; /* belongs to the question above */
	void (*run)(struct scenario *s, char *rest);
} commands[] = {
	{"zone", false, do_zone},
	{"clusterset", false, do_clusterset},
	{"zonal", false, do_zonal},
	{"ttl", false, do_ttl},
	{"namespaces", false, do_namespaces},
	{"pods", false, do_pods},
	{"own", false, do_own},
	{"begin", false, do_begin},
	{"end", false, do_end},
	{"abort", false, do_abort},
	{"put", false, do_put},
	{"refuse", false, do_refuse},
	{"delete", false, do_delete},
	{"settle", false, do_settle},
	{"serial", false, do_serial},
	{"ask", false, do_ask},
	{"rcode", true, do_rcode},
	{"noaa", true, do_noaa},
	{"tc", true, do_tc},
	{"answer", true, do_answer},
	{"authority", true, do_authority},
	{"additional", true, do_additional},
	{"count", true, do_count},
};

static void line_run(struct scenario *s, char *text)
{
	char *name = word(&text);

	if (!name || name[0] == '#')
		return;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (!commands[i].expects)
			answer_check(s);
		else if (!s->expected.asked)
			die(s, "nothing was asked");
		commands[i].run(s, text);
		return;
	}
	die(s, "unknown command");
}

int main(int argc, char **argv)
{
	static struct scenario s = {.ttl_s = 5};
	static char line[LINE_MAX_LEN];
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (!file) {
		fprintf(stderr, "usage: scenario FILE\n");
		return 2;
	}
	s.file = argv[1];
	epoch_thread_start();
	while (fgets(line, sizeof line, file)) {
		s.line++;
		line[strcspn(line, "\n")] = '\0';
		line_run(&s, line);
	}
	answer_check(&s);
	fclose(file);
	epoch_thread_stop();
	cluster_free(s.cluster);
	for (size_t i = 0; i < s.namespace_count; i++)
		free(s.namespaces[i]);
	printf("%s: %u checks, %u failed\n", s.file, s.checks, s.failures);
	return s.failures || !s.checks ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From events and a question to a reply: a small cluster changes as the input says,
 * a name made of labels that matter (or any bytes) is asked for every type, and
 * ldns, which is nobody of ours, reads the replies.
 *
 *	byte      number of events, then 2 bytes for each: what, which
 *	byte      where the answer begins, and how large it may be
 *	bytes     labels: an index into labels[], or 0xC0 + n and n bytes
 */

#include <ldns/ldns.h>

#include "cache/cluster.h"
#include "dns/wire/type.h"
#include "tests/unit/cache/objects.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const char *const labels[] = {"cluster", "local", "svc", "pod", "shop", "svc", "web", "db",
	"cdn", "loop", "_http", "_tcp", "http", "tcp", "_udp", "dns", "_dns", "db-0", "DB-0",
	"10-1-0-1", "10-1-0-2", "fd00--1", "10-1-0-9", "in-addr", "arpa", "ip6", "10", "1", "0",
	"2", "9", "d", "f", "ns", "dns-version", "other", "_", "-", "a", "clusterset", "hostmaster",
	"96"};
static const char *const addresses[] = {"10.1.0.1", "10.1.0.2=db-0", "fd00::1", "10.1.0.9=10-1-0-1",
	"10.1.0.1=DB-0 10.1.0.1=a fd00::1=db-0", "10.1.0.1 10.1.0.2 10.1.0.3 10.1.0.4=tcp", "",
	"fd00::"};
static const char *const ports[] = {"80:http:TCP", "80:http:TCP 53:dns:UDP", "", "-1:http:TCP",
	"8080:http:TCP 8080:web:TCP 9::TCP", "53:dns:UDP"};
static const char *const services[] = {"web", "db", "cdn", "loop"};
static const char *const targets[] = {"web.shop.svc.cluster.local", "loop.shop.svc.cluster.local",
	"example.org", "10.0.0.1", "cluster.local", "1.0.1.10.in-addr.arpa",
	"_http._tcp.db.shop.svc.Cluster.Local"};
static const uint16_t types[] = {TYPE_A, TYPE_AAAA, TYPE_SRV, TYPE_PTR, TYPE_TXT, TYPE_NS, TYPE_SOA,
	TYPE_CNAME, TYPE_ANY, TYPE_HTTPS};

#define PICK(table, n) (table)[(n) % (sizeof(table) / sizeof *(table))]

struct input {
	const uint8_t *at, *end;
};

static uint8_t next(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static struct cluster *make_cluster(struct sink *sink)
{
	static const char *const texts[] = {
		"cluster.local", "in-addr.arpa", "ip6.arpa", "clusterset.local"};
	struct name zones[4];
	struct ip own = make_ip("10.1.0.2");
	const struct cluster_config config = {
		.zones = zones,
		.zone_count = 4,
		.ttl_s = 30,
		.negative_ttl_s = 5,
		.pods = CLUSTER_PODS_INSECURE,
		.own = &own,
		.own_count = 1,
	};
	struct cluster *cluster;

	for (size_t i = 0; i < 4; i++)
		CHECK(name_from_text(texts[i], strlen(texts[i]), &zones[i]) == 0);
	CHECK(cluster_new(&config, &cluster) == 0);
	*sink = cluster_sink(cluster, NULL, NULL);
	return cluster;
}

static void event(const struct sink *sink, uint8_t what, uint8_t which)
{
	const char *service = PICK(services, which);
	const enum service_type type = (enum service_type)(which / 4 % 3);
	char name[16];

	snprintf(name, sizeof name, "%s-%u", service, which / 4 % 2);
	switch (what % 8) {
	case 0:
		sink->upsert(sink->ctx, make_namespace(which % 2 ? "shop" : "svc", which));
		break;
	case 1:
		sink->remove(sink->ctx, KIND_NAMESPACE, "", "shop", which);
		break;
	case 2:
	case 3:
		sink->upsert(
			sink->ctx, make_service_ports("shop", service, which, type,
					   type == SERVICE_EXTERNAL_NAME ? PICK(targets, what / 8)
					   : type == SERVICE_HEADLESS    ? ""
									 : "10.96.0.1 fd00::96",
					   PICK(ports, what / 8)));
		break;
	case 4:
		sink->remove(sink->ctx, KIND_SERVICE, "shop", service, which);
		break;
	case 5:
	case 6:
		sink->upsert(sink->ctx, make_slice_ports("shop", name, service, which,
						PICK(addresses, what / 8), PICK(ports, which / 8)));
		break;
	default:
		sink->remove(sink->ctx, KIND_SLICE, "shop", name, which);
		break;
	}
	if (what & 0x80)
		sink->settle(sink->ctx);
}

static void begin(const struct sink *sink, struct input *in)
{
	for (unsigned kind = 0; kind <= KIND_SLICE; kind++) {
		sink->begin_replace(sink->ctx, (enum object_kind)kind);
		sink->end_replace(sink->ctx, (enum object_kind)kind, 1);
	}
	for (unsigned n = next(in) % 24; n; n--) {
		const uint8_t what = next(in);

		event(sink, what, next(in));
	}
	sink->settle(sink->ctx);
}

/* The wire name the rest of the input spells; false: it is none. */
static bool name_read(struct input *in, uint8_t *wire, size_t *len)
{
	*len = 0;
	while (in->at < in->end) {
		uint8_t raw[64];
		const uint8_t code = next(in);
		const uint8_t *text = (const uint8_t *)PICK(labels, code);
		size_t n = strlen(PICK(labels, code));

		if (code >= 0xC0) {
			n = code & 63u ? code & 63u : 1;
			for (size_t i = 0; i < n; i++)
				raw[i] = next(in);
			text = raw;
		}
		if (*len + n + 2 > NAME_MAX_LEN)
			return false;
		wire[(*len)++] = (uint8_t)n;
		memcpy(wire + *len, text, n);
		*len += n;
	}
	wire[(*len)++] = 0;
	return true;
}

/* An answer, a denial with its SOA, or an alias on the way to one of the two. */
static void check_sections(const ldns_pkt *pkt, bool outside)
{
	const unsigned rcode = ldns_pkt_get_rcode(pkt);

	CHECK(ldns_pkt_aa(pkt));
	CHECK(rcode == LDNS_RCODE_NOERROR || rcode == LDNS_RCODE_NXDOMAIN ||
		rcode == LDNS_RCODE_SERVFAIL);
	CHECK(ldns_pkt_nscount(pkt) <= 1);
	if (rcode == LDNS_RCODE_NXDOMAIN)
		CHECK(ldns_pkt_nscount(pkt) == 1 || ldns_pkt_tc(pkt));
	if (!ldns_pkt_ancount(pkt))
		CHECK(ldns_pkt_nscount(pkt) == 1 || ldns_pkt_tc(pkt));
	if (outside)
		CHECK(ldns_pkt_ancount(pkt) > 0);
	for (size_t i = 0; i < ldns_pkt_ancount(pkt); i++) {
		for (size_t k = 0; k < i; k++) /* no record twice */
			CHECK(ldns_rr_compare(ldns_rr_list_rr(ldns_pkt_answer(pkt), i),
				ldns_rr_list_rr(ldns_pkt_answer(pkt), k)));
	}
}

/* The rcode, for a type and a size. */
static unsigned ask(const struct cluster *cluster, uint8_t *packet, size_t name_len, uint16_t type,
	uint16_t limit, uint32_t random)
{
	static uint8_t out[65535];
	struct query query;
	struct cluster_hit hit;
	struct reply reply;
	struct name outside;
	ldns_pkt *pkt = NULL;
	unsigned rcode;
	size_t len;
	bool left;
	int zone;

	packet[12 + name_len] = (uint8_t)(type >> 8);
	packet[13 + name_len] = (uint8_t)type;
	packet[14 + name_len] = 0;
	packet[15 + name_len] = 1;
	CHECK(query_parse(packet, 16 + name_len, &query) == QUERY_OK);
	zone = cluster_zone(cluster, &query);
	if (zone < 0)
		return LDNS_RCODE_REFUSED;
	reply_begin(&reply, &query, out, limit);
	cluster_find(cluster, zone, &query, &hit);
	left = cluster_answer(cluster, &hit, random, &reply, NULL, NULL, &outside);
	len = reply_end(&reply);
	CHECK(len <= limit);
	CHECK(ldns_wire2pkt(&pkt, out, len) == LDNS_STATUS_OK);
	check_sections(pkt, left);
	rcode = ldns_pkt_get_rcode(pkt);
	ldns_pkt_free(pkt);
	return hit.verdict == CLUSTER_NXDOMAIN ? LDNS_RCODE_NXDOMAIN
	       : rcode == LDNS_RCODE_NXDOMAIN  ? LDNS_RCODE_NOERROR
					       : rcode;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	uint8_t packet[12 + NAME_MAX_LEN + 4] = {0x12, 0x34, 1, 0, 0, 1};
	struct sink sink;
	struct cluster *cluster = make_cluster(&sink);
	unsigned first, begins;
	size_t len;

	begin(&sink, &in);
	begins = next(&in);
	if (name_read(&in, packet + 12, &len)) {
		const uint16_t limit = begins & 1 ? 65535 : 512;

		first = ask(cluster, packet, len, types[0], limit, begins);
		/* NXDOMAIN is for all types or for none (RFC 8020). */
		for (size_t i = 1; i < sizeof types / sizeof *types; i++) {
			const unsigned other = ask(cluster, packet, len, types[i], limit, begins);

			CHECK((other == LDNS_RCODE_NXDOMAIN) == (first == LDNS_RCODE_NXDOMAIN));
		}
	}
	cluster_free(cluster);
	return 0;
}

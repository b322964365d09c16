/* SPDX-License-Identifier: Apache-2.0 */
/* Random events into a cluster; what every name says is compared with a naive
 * recomputation from the list of objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ask.h"

#define SPACES    3
#define SERVICES  4
#define SLICES    3 /* of each Service's name */
#define ADDRESSES 6
#define HOSTS     3

static const char *const spaces[SPACES] = {"a", "b", "svc"};
static const char *const services[SERVICES] = {"web", "db", "pod", "a"};
static const char *const addresses[ADDRESSES] = {
	"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::", "fd00::1", "::1"};
static const char *const dashed[ADDRESSES] = {
	"10-0-0-1", "10-0-0-2", "10-0-0-3", "fd00--0", "fd00--1", "--1"};
static const char *const hosts[HOSTS] = {"h0", "H1", "10-0-0-2"};
static const char *const targets[] = {"x.org", "y.org.", "10.0.0.1", ""};

struct model_service {
	bool in;
	enum service_type type;
	unsigned what; /* cluster IPs as a set of addresses, or a target */
};

struct model_slice {
	bool in;
	/* Bit HOSTS: the address without a hostname. */
	uint8_t endpoint[ADDRESSES];
};

struct model {
	bool space[SPACES];
	struct model_service service[SPACES][SERVICES];
	struct model_slice slice[SPACES][SERVICES][SLICES];
	bool complete[3];
};

enum {
	SEEN_NXDOMAIN = 1u << 20,
	SEEN_NODATA = 2u << 20,
	SEEN_UNSYNCED = 3u << 20,
	SEEN_TARGET = 4u << 20
};

/* The naive truth: a set of addresses, or one of the above. */

static unsigned family(unsigned set, uint16_t type)
{
	const unsigned mask = type == TYPE_A ? 7u : type == TYPE_AAAA ? 0x38u : 0;

	return set & mask ? set & mask : SEEN_NODATA;
}

static unsigned endpoint_set(const struct model *m, unsigned ns, unsigned s, unsigned hosts_mask)
{
	unsigned set = 0;

	for (unsigned i = 0; i < SLICES; i++) {
		for (unsigned a = 0; m->slice[ns][s][i].in && a < ADDRESSES; a++)
			set |= m->slice[ns][s][i].endpoint[a] & hosts_mask ? 1u << a : 0;
	}
	return set;
}

static bool space_exists(const struct model *m, unsigned ns)
{
	bool used = m->space[ns];

	for (unsigned s = 0; s < SERVICES; s++)
		used |= m->service[ns][s].in;
	return used;
}

static bool is_alias(const struct model_service *service)
{
	return service->type == SERVICE_EXTERNAL_NAME;
}

static unsigned truth_service(const struct model *m, unsigned ns, unsigned s, uint16_t type)
{
	const struct model_service *service = &m->service[ns][s];
	const unsigned all = endpoint_set(m, ns, s, ~0u);

	if (!m->complete[KIND_NAMESPACE] || !m->complete[KIND_SERVICE])
		return SEEN_UNSYNCED;
	if (!service->in || (is_alias(service) && service->what >= 2))
		return SEEN_NXDOMAIN;
	if (is_alias(service))
		return SEEN_TARGET + service->what;
	if (service->type == SERVICE_CLUSTER_IP)
		return family(service->what, type);
	if (!m->complete[KIND_SLICE])
		return SEEN_UNSYNCED;
	return all ? family(all, type) : SEEN_NXDOMAIN;
}

/* label: an address (0 ... ADDRESSES - 1) dashed, or a hostname behind them. */
static unsigned truth_endpoint(
	const struct model *m, unsigned ns, unsigned s, unsigned label, uint16_t type)
{
	const struct model_service *service = &m->service[ns][s];
	unsigned set = 0;

	if (!m->complete[KIND_NAMESPACE] || !m->complete[KIND_SERVICE])
		return SEEN_UNSYNCED;
	if (!service->in || is_alias(service))
		return SEEN_NXDOMAIN;
	if (!m->complete[KIND_SLICE])
		return SEEN_UNSYNCED;
	if (label < ADDRESSES)
		set |= endpoint_set(m, ns, s, 1u << HOSTS) & 1u << label;
	/* The last hostname spells the second address. */
	if (label == 1 || label == ADDRESSES + 2)
		set |= endpoint_set(m, ns, s, 1u << 2) |
		       (endpoint_set(m, ns, s, 1u << HOSTS) & 1u << 1);
	else if (label >= ADDRESSES)
		set |= endpoint_set(m, ns, s, 1u << (label - ADDRESSES));
	return set ? family(set, type) : SEEN_NXDOMAIN;
}

/* What the cluster says, in the same terms. */

static unsigned address_bit(const char *text)
{
	for (unsigned a = 0; a < ADDRESSES; a++) {
		if (strcmp(addresses[a], text) == 0)
			return 1u << a;
	}
	fail_msg("%s: an address that was never in an object", text);
	return 0;
}

static unsigned said(
	struct ask *asker, const struct cluster *cluster, const char *name, const char *type)
{
	char *text = strdup(ask(asker, cluster, name, type)), *state = NULL, *word;
	unsigned set = 0;

	word = strtok_r(text, " ", &state);
	if (strcmp(word, "NXDOMAIN") == 0)
		set = SEEN_NXDOMAIN;
	else if (strcmp(word, "NODATA") == 0)
		set = SEEN_NODATA;
	else if (strcmp(word, "SERVFAIL") == 0)
		set = SEEN_UNSYNCED;
	while ((word = strtok_r(NULL, " ", &state))) {
		const bool alias = strcmp(word, "CNAME") == 0;

		word = strtok_r(NULL, " ", &state);
		if (alias) {
			set = SEEN_TARGET + (word[0] == 'y');
			break;
		}
		assert_false(set & address_bit(word)); /* no record twice */
		set |= address_bit(word);
	}
	free(text);
	return set;
}

static void check(struct ask *asker, const struct cluster *cluster, const char *name, uint16_t type,
	unsigned wanted)
{
	const unsigned got = said(asker, cluster, name,
		type == TYPE_A      ? "A"
		: type == TYPE_AAAA ? "AAAA"
				    : "TXT");

	if (got != wanted)
		fail_msg("%s type %u: %#x, wanted %#x", name, type, got, wanted);
}

static void check_service(struct ask *asker, const struct cluster *cluster, const struct model *m,
	unsigned ns, unsigned s)
{
	static const uint16_t types[] = {TYPE_A, TYPE_AAAA, TYPE_TXT};
	char name[100];

	for (size_t t = 0; t < 3; t++) {
		snprintf(name, sizeof name, "%s.%s.svc.cluster.local", services[s], spaces[ns]);
		check(asker, cluster, name, types[t], truth_service(m, ns, s, types[t]));
		for (unsigned label = 0; label < ADDRESSES + HOSTS; label++) {
			snprintf(name, sizeof name, "%s.%s.%s.svc.cluster.local",
				label < ADDRESSES ? dashed[label] : hosts[label - ADDRESSES],
				services[s], spaces[ns]);
			check(asker, cluster, name, types[t],
				truth_endpoint(m, ns, s, label, types[t]));
		}
	}
}

static void check_all(struct ask *asker, const struct cluster *cluster, const struct model *m)
{
	for (unsigned ns = 0; ns < SPACES; ns++) {
		char name[100];
		unsigned wanted = space_exists(m, ns) ? SEEN_NODATA : SEEN_NXDOMAIN;

		if (!m->complete[KIND_NAMESPACE] || !m->complete[KIND_SERVICE])
			wanted = SEEN_UNSYNCED;
		snprintf(name, sizeof name, "%s.svc.cluster.local", spaces[ns]);
		check(asker, cluster, name, TYPE_A, wanted);
		for (unsigned s = 0; s < SERVICES; s++)
			check_service(asker, cluster, m, ns, s);
	}
}

/* Objects from the model. */

static struct object *object_service(const struct model *m, unsigned ns, unsigned s)
{
	const struct model_service *service = &m->service[ns][s];
	char what[200] = "";

	if (is_alias(service)) {
		strcpy(what, targets[service->what]);
	} else {
		for (unsigned a = 0; a < ADDRESSES; a++) {
			if (service->what & 1u << a)
				strcat(strcat(what, addresses[a]), " ");
		}
	}
	return make_service(spaces[ns], services[s], 0, service->type, what);
}

static struct object *object_slice(const struct model *m, unsigned ns, unsigned s, unsigned i)
{
	char name[32], text[2000] = "";

	for (unsigned a = 0; a < ADDRESSES; a++) {
		for (unsigned h = 0; h <= HOSTS; h++) {
			if (!(m->slice[ns][s][i].endpoint[a] & 1u << h))
				continue;
			strcat(text, addresses[a]);
			if (h < HOSTS)
				strcat(strcat(text, "="), hosts[h]);
			strcat(text, " ");
		}
	}
	snprintf(name, sizeof name, "%s-%u", services[s], i);
	return make_slice(spaces[ns], name, services[s], 0, text);
}

static void step_slice(const struct ask_cluster *c, struct model *m, unsigned *seed)
{
	const unsigned ns = (unsigned)rand_r(seed) % SPACES, s = (unsigned)rand_r(seed) % SERVICES,
		       i = (unsigned)rand_r(seed) % SLICES;
	struct model_slice *slice = &m->slice[ns][s][i];
	char name[32];

	slice->in = rand_r(seed) % 4;
	for (unsigned a = 0; a < ADDRESSES; a++) {
		slice->endpoint[a] = 0;
		if (rand_r(seed) % 3 == 0)
			slice->endpoint[a] = (uint8_t)(rand_r(seed) % (2 << HOSTS));
	}
	if (slice->in) {
		put(c, object_slice(m, ns, s, i));
	} else {
		snprintf(name, sizeof name, "%s-%u", services[s], i);
		take(c, KIND_SLICE, spaces[ns], name, 0);
	}
}

static void step_service(const struct ask_cluster *c, struct model *m, unsigned *seed)
{
	const unsigned ns = (unsigned)rand_r(seed) % SPACES, s = (unsigned)rand_r(seed) % SERVICES;
	struct model_service *service = &m->service[ns][s];

	service->in = rand_r(seed) % 4;
	service->type = (enum service_type)(rand_r(seed) % 3);
	service->what = (unsigned)rand_r(seed) % 4;
	if (service->type == SERVICE_CLUSTER_IP)
		service->what = (unsigned)rand_r(seed) % 64;
	if (service->type == SERVICE_HEADLESS)
		service->what = 0;
	if (service->in)
		put(c, object_service(m, ns, s));
	else
		take(c, KIND_SERVICE, spaces[ns], services[s], 0);
}

static void step_space(const struct ask_cluster *c, struct model *m, unsigned *seed)
{
	const unsigned ns = (unsigned)rand_r(seed) % SPACES;

	m->space[ns] = rand_r(seed) % 2;
	if (m->space[ns])
		put(c, make_namespace(spaces[ns], 0));
	else
		take(c, KIND_NAMESPACE, "", spaces[ns], 0);
}

/* A whole list of one kind; what the model loses just before is swept. */
static void step_list(const struct ask_cluster *c, struct model *m, unsigned *seed)
{
	const enum object_kind kind = (enum object_kind)(rand_r(seed) % 3);

	c->sink.begin_replace(c->sink.ctx, kind);
	for (unsigned ns = 0; ns < SPACES; ns++) {
		if (kind == KIND_NAMESPACE && (m->space[ns] = m->space[ns] && rand_r(seed) % 4))
			put(c, make_namespace(spaces[ns], 0));
		for (unsigned s = 0; s < SERVICES; s++) {
			struct model_service *service = &m->service[ns][s];

			if (kind == KIND_SERVICE && (service->in = service->in && rand_r(seed) % 4))
				put(c, object_service(m, ns, s));
			for (unsigned i = 0; kind == KIND_SLICE && i < SLICES; i++) {
				struct model_slice *slice = &m->slice[ns][s][i];

				slice->in = slice->in && rand_r(seed) % 4;
				if (slice->in)
					put(c, object_slice(m, ns, s, i));
			}
		}
	}
	m->complete[kind] = true;
	c->sink.end_replace(c->sink.ctx, kind, 0);
}

static void agrees_with_a_model(void **state)
{
	struct ask *asker = ask_new();

	(void)state;
	for (unsigned seed = 1; seed <= 12; seed++) {
		const struct ask_cluster c = ask_cluster(NULL, NULL, 0, 5);
		struct model model = {0};
		struct cluster_stats base, end;
		unsigned dice = seed;

		cluster_stats(c.cluster, &base);
		for (unsigned round = 0; round < 200; round++) {
			for (unsigned events = (unsigned)rand_r(&dice) % 6; events; events--) {
				const unsigned kind = (unsigned)rand_r(&dice) % 20;

				if (kind < 10)
					step_slice(&c, &model, &dice);
				else if (kind < 17)
					step_service(&c, &model, &dice);
				else if (kind < 19 || round < 15)
					step_space(&c, &model, &dice);
				else
					step_list(&c, &model, &dice);
			}
			settle(&c);
			check_all(asker, c.cluster, &model);
		}
		complete_all(&c);
		cluster_stats(c.cluster, &end);
		assert_int_equal(end.bytes, base.bytes);
		assert_int_equal(end.nodes, base.nodes);
		cluster_free(c.cluster);
	}
	ask_free(asker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_OUTSIDE_H
#define BINNACLE_TESTS_CACHE_OUTSIDE_H

/* A cluster with zones for those outside: example.org and 192.in-addr.arpa, ip6.arpa. */

#include "ask.h"
#include "cache/external.h"

struct outside {
	struct ask_cluster c;
	struct ask *ask;
	struct name zones[3], apex;
	struct external external;
	struct name target; /* of the last alias */
	bool follow;
};

static inline struct outside *outside_new(const struct cluster_config *config)
{
	static const char *const zones[] = {"example.org", "192.in-addr.arpa", "ip6.arpa"};
	struct outside *f = calloc(1, sizeof *f);

	f->c = ask_cluster_of(*config);
	f->ask = ask_new();
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(name_from_text(zones[i], strlen(zones[i]), &f->zones[i]), 0);
	assert_int_equal(name_from_text("dns", 3, &f->apex), 0);
	f->external = (struct external){
		.primary = &f->zones[0], .apex = &f->apex, .ttl_s = 7, .negative_ttl_s = 4};
	return f;
}

static inline int outside_setup(void **state)
{
	const struct ip own = make_ip("10.244.0.53");
	struct outside *f =
		outside_new(&(struct cluster_config){.ttl_s = 30, .own = &own, .own_count = 1});

	cluster_want_external(f->c.cluster, 7, true, true);
	f->external.headless = true;
	*state = f;
	return 0;
}

static inline int outside_teardown(void **state)
{
	struct outside *f = *state;

	cluster_free(f->c.cluster);
	ask_free(f->ask);
	free(f);
	return 0;
}

static inline const char *outside_limited(
	struct outside *f, const char *name, const char *type, uint16_t limit)
{
	struct external_hit hit;
	struct reply reply;

	ask_query(f->ask, name, (uint16_t)ldns_get_rr_type_by_name(type));
	for (unsigned i = 0; i < 3; i++) {
		if (query_below(&f->ask->query, &f->zones[i])) {
			f->external.zone = &f->zones[i];
			f->external.reverse = i > 0;
		}
	}
	external_find(f->c.cluster, &f->external, &f->ask->query, &hit);
	f->ask->hit = hit.hit;
	reply_begin(&reply, &f->ask->query, f->ask->reply, limit);
	f->follow = external_put(f->c.cluster, &f->external, &hit, 0, &reply, &f->target);
	return ask_read(f->ask, &reply);
}

static inline const char *out(struct outside *f, const char *name, const char *type)
{
	return outside_limited(f, name, type, 65535);
}

/* What is listed: all kinds, empty but for a namespace. */
static inline void outside_listed(const struct outside *f)
{
	for (int kind = 0; kind < KIND_COUNT; kind++)
		complete(&f->c, (enum object_kind)kind, 1);
	put(&f->c, make_namespace("shop", 2));
	settle(&f->c);
}

static inline void outside_put(const struct outside *f, const char *name, uint64_t version,
	enum service_type type, const char *what, const char *ports, const char *outside)
{
	put(&f->c, make_service_outside("shop", name, version, type, what, ports, outside));
	settle(&f->c);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_RULES_H
#define BINNACLE_TESTS_CACHE_RULES_H

/* One owner through one rule, and its draft as text:
 *
 *	"web.shop.svc A 10.0.0.1 10.0.0.2 EPA 10.1.0.1* 10.1.0.2 HOSTS web-0=10.1.0.2
 *	 PORTS 80:http:tcp EPORTS 8080:http:tcp | 8081:http:tcp of 0 1"
 *
 * A star ends the part of an endpoint set that has no hostnames. Groups of ports
 * are divided by a bar; behind "of" stands which one each endpoint has. */

#include <assert.h>

#include "cache/endpoints.h"
#include "cache/rule.h"
#include "objects.h"

#define RULES_TEXT 65536

struct rules_fixture {
	struct store store;
	struct draft draft;
	struct ports_builder ports;
	struct rule_config config;
	struct rule_run run;
	struct name primary;
	char text[RULES_TEXT];
	size_t at;
};

static inline struct rules_fixture *rules_new(const struct ip *own, size_t own_count)
{
	struct rules_fixture *f = calloc(1, sizeof *f);

	if (!f || store_init(&f->store, (const uint8_t *)"0123456789abcdef", NULL) ||
		name_from_text("cluster.local", 13, &f->primary))
		abort();
	f->config = (struct rule_config){.ttl_s = 5,
		.own = own,
		.own_count = own_count,
		.primary = &f->primary,
		.zone_max = f->primary.len};
	draft_init(&f->draft, f->config.ttl_s);
	return f;
}

static inline void rules_free(struct rules_fixture *f)
{
	draft_free(&f->draft);
	ports_builder_free(&f->ports);
	store_free(&f->store);
	free(f);
}

static inline void rules_add(struct rules_fixture *f, const char *text)
{
	const size_t len = strlen(text);

	if (f->at + len >= RULES_TEXT)
		abort();
	memcpy(f->text + f->at, text, len + 1);
	f->at += len;
}

static inline void rules_add_answer(
	struct rules_fixture *f, const char *what, const struct answer *answer)
{
	if (!answer)
		return;
	rules_add(f, what);
	if (!answer->stride) {
		rules_add(f, " ...");
		return;
	}
	for (uint32_t i = 0; i < answer->count; i++) {
		const uint8_t *rr = answer->rr + (size_t)i * answer->stride;
		char addr[INET6_ADDRSTRLEN];

		inet_ntop(answer->stride == ANSWER_A_LEN ? AF_INET : AF_INET6, rr + ANSWER_HEAD,
			addr, sizeof addr);
		rules_add(f, " ");
		rules_add(f, addr);
		if (i + 1 == answer->dashed_count)
			rules_add(f, "*");
	}
}

static inline void rules_add_hosts(struct rules_fixture *f, const struct entry *entry)
{
	const struct endpoints endpoints = endpoints_of(entry);

	for (uint32_t i = 0; i < endpoints.host_count; i++) {
		const struct endpoint at =
			endpoints_get(&endpoints, endpoints_first_host(&endpoints) + i);
		char addr[INET6_ADDRSTRLEN], text[200];

		inet_ntop(at.family == 4 ? AF_INET : AF_INET6, at.addr, addr, sizeof addr);
		assert(at.label_len == 1 + at.label[0] || endpoints.hosts->clusters_at);
		snprintf(text, sizeof text, "%s %.*s%s%.*s=%s", i ? "" : " HOSTS", at.label[0],
			(const char *)at.label + 1, endpoints.hosts->clusters_at ? "." : "",
			at.label_len - at.label[0] - 1 - (endpoints.hosts->clusters_at ? 1 : 0),
			(const char *)at.label + at.label[0] + 2, addr);
		rules_add(f, text);
	}
}

static inline void rules_add_ports(
	struct rules_fixture *f, const char *what, const struct port_set *set, uint32_t endpoints)
{
	if (!set)
		return;
	rules_add(f, what);
	for (unsigned g = 0; g < set->group_count; g++) {
		const struct port_group *group = ports_groups(set) + g;

		rules_add(f, g ? " |" : "");
		for (unsigned i = 0; i < group->count; i++) {
			const struct port_record *port = &set->ports[group->first + i];
			const uint8_t *name = (const uint8_t *)set + port->text_at;
			const uint8_t *protocol = name + 1 + name[0];
			char text[200];

			snprintf(text, sizeof text, " %d:%.*s:%.*s", (int)port->number, name[0],
				(const char *)name + 1, protocol[0], (const char *)protocol + 1);
			rules_add(f, text);
		}
	}
	for (uint32_t i = 0; set->group_count > 1 && i < endpoints; i++) {
		char text[20];

		snprintf(text, sizeof text, "%s %u", i ? "" : " of", ports_group_of(set, i));
		rules_add(f, text);
	}
}

static inline const char *rules_text(struct rules_fixture *f)
{
	static const char *const slots[] = {" A", " AAAA", " NAME", " EPA", " EPAAAA"};

	f->at = 0;
	f->text[0] = '\0';
	for (size_t i = 0; i < f->draft.name_count; i++) {
		const struct draft_name *name = &f->draft.names[i];
		struct endpoints endpoints;
		uint8_t wire[NAME_MAX_LEN + 1];
		char text[NAME_TEXT_MAX];
		void *entry = malloc(name->entry_len);

		memcpy(wire, name->key, name->key_len);
		wire[name->key_len] = 0;
		name_to_text(wire, text, sizeof text);
		text[strlen(text) - 1] = '\0';
		if (i)
			rules_add(f, "; ");
		rules_add(f, text);
		memcpy(entry, draft_entry(&f->draft, name), name->entry_len);
		for (unsigned slot = 0; slot < sizeof slots / sizeof slots[0]; slot++)
			rules_add_answer(
				f, slots[slot], entry_answer(entry, (enum entry_slot)slot));
		rules_add_hosts(f, entry);
		endpoints = endpoints_of(entry);
		rules_add_ports(
			f, " PORTS", entry_block(entry, SLOT_PORTS), endpoints_count(&endpoints));
		rules_add_ports(f, " EPORTS", endpoints.ports, endpoints_count(&endpoints));
		free(entry);
	}
	return f->text;
}

/* Run one rule over shop/web as it is in the store. */
static inline const char *rules_run(struct rules_fixture *f, rule_fn *rule, enum entry_kind kind)
{
	struct owner *owner = store_take_owner(&f->store);

	while (owner && memcmp(owner->key, "\3web", 4) != 0)
		owner = store_take_owner(&f->store);
	if (!owner)
		abort();
	f->run = (struct rule_run){.config = &f->config,
		.owner = owner,
		.draft = &f->draft,
		.ports = &f->ports,
		.kind = kind};
	draft_reset(&f->draft);
	draft_begin(&f->draft, owner->key, owner->key_len, kind);
	rule(&f->run);
	draft_end(&f->draft);
	return rules_text(f);
}

#endif

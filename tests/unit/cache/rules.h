/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_CACHE_RULES_H
#define BINNACLE_TESTS_CACHE_RULES_H

/* One owner through one rule, and its draft as text:
 *
 *	"web.shop.svc A 10.0.0.1 10.0.0.2 EPA 10.1.0.1*; web-0.web.shop.svc A ..."
 *
 * A star ends the part of an endpoint set that has no hostnames. */

#include "cache/rule.h"
#include "objects.h"

#define RULES_TEXT 4096

struct rules_fixture {
	struct store store;
	struct draft draft;
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

static inline const char *rules_text(struct rules_fixture *f)
{
	static const char *const slots[] = {" A", " AAAA", " NAME", " EPA", " EPAAAA"};

	f->at = 0;
	f->text[0] = '\0';
	for (size_t i = 0; i < f->draft.name_count; i++) {
		const struct draft_name *name = &f->draft.names[i];
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
		for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
			rules_add_answer(
				f, slots[slot], entry_answer(entry, (enum entry_slot)slot));
		free(entry);
	}
	return f->text;
}

/* Run one rule over shop/web as it is in the store. */
static inline const char *rules_run(
	struct rules_fixture *f, const struct rule *rule, enum entry_kind kind)
{
	struct owner *owner = store_take_owner(&f->store);

	while (owner && memcmp(owner->key, "\3web", 4) != 0)
		owner = store_take_owner(&f->store);
	if (!owner)
		abort();
	f->run = (struct rule_run){
		.config = &f->config, .owner = owner, .draft = &f->draft, .kind = kind};
	draft_reset(&f->draft);
	draft_begin(&f->draft, owner->key, owner->key_len, kind);
	rule->own(&f->run);
	draft_end(&f->draft);
	if (rule->names)
		rule->names(&f->run);
	return rules_text(f);
}

#endif

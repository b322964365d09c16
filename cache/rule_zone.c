/* SPDX-License-Identifier: Apache-2.0 */
/* What an apex says of itself: NS, and the addresses that belong to them.
 *
 * The name servers are the Services of which one of our own addresses is an
 * endpoint (in a normal cluster kube-dns, with its cluster IP), or the names of
 * its endpoints where the Service is headless; without any it is ns.dns. Their
 * addresses, without any our own, are those of ns.dns, too: the SOA names it.
 * Forward zones share one answer: its names end in a pointer to the question, which
 * is the apex. A reverse zone has a ns.dns of its own, and otherwise the servers
 * of the primary zone. */
#include "rule.h"

#include "address_sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dashed.h"
#include "dns/wire/type.h"

/* An address of a name server. */
struct server {
	const uint8_t *key; /* of the Service, or ns.dns */
	uint8_t key_len;
	uint8_t label_len; /* 0: the Service's own name */
	uint8_t family;
	uint8_t addr[16];
	uint8_t label[NAME_MAX_LABEL];
};

struct servers {
	const struct rule_config *config;
	struct server *list;
	size_t count, cap;
	int error;
};

static const uint8_t host_key[] = {2, 'n', 's', 3, 'd', 'n', 's'};

static void server_add(struct servers *servers, const struct server *server)
{
	if (servers->count == servers->cap) {
		const size_t cap = servers->cap ? servers->cap * 2 : 8;
		struct server *list = realloc(servers->list, cap * sizeof *list);

		if (!list) {
			servers->error = -ENOMEM;
			return;
		}
		servers->list = list;
		servers->cap = cap;
	}
	servers->list[servers->count++] = *server;
}

static void add_cluster_ips(struct servers *servers, const struct owner *owner)
{
	const struct service *service = owner->service;
	struct server server = {.key = owner->key, .key_len = owner->key_len};

	for (unsigned i = 0; i < service->ip_count; i++) {
		server.family = service->ips[i].family;
		memset(server.addr, 0, sizeof server.addr);
		memcpy(server.addr, service->ips[i].bytes, server.family == 4 ? 4 : 16);
		server_add(servers, &server);
	}
}

static void add_endpoint(struct servers *servers, const struct owner *owner, const char *host,
	uint8_t family, const uint8_t *addr)
{
	struct server server = {.key = owner->key, .key_len = owner->key_len, .family = family};
	char dashed[DASHED_MAX];
	size_t len;

	if (host) {
		len = strlen(host);
	} else {
		len = dashed_format(family, addr, dashed);
		host = dashed;
	}
	if (1 + len + owner->key_len + servers->config->zone_max > NAME_MAX_LEN)
		return;
	server.label_len = (uint8_t)len;
	name_lower(server.label, (const uint8_t *)host, len);
	memcpy(server.addr, addr, family == 4 ? 4 : 16);
	server_add(servers, &server);
}

static void add_endpoints(struct servers *servers, const struct owner *owner)
{
	for (const struct slice_record *at = owner->slices; at; at = at->next) {
		const struct endpoint_slice *slice = at->object;

		for (size_t i = 0; i < slice->v4_count; i++)
			add_endpoint(servers, owner,
				rule_host(servers->config, owner, slice->v4_hostnames, i), 4,
				slice->v4 + 4 * i);
		for (size_t i = 0; i < slice->v6_count; i++)
			add_endpoint(servers, owner,
				rule_host(servers->config, owner, slice->v6_hostnames, i), 6,
				slice->v6 + 16 * i);
	}
}

static void visit_owner(void *user, struct table_link *link)
{
	const struct owner *owner = (const struct owner *)(void *)link;

	if (!owner->holds_own || !owner->service)
		return;
	if (owner->service->type == SERVICE_CLUSTER_IP)
		add_cluster_ips(user, owner);
	else if (owner->service->type == SERVICE_HEADLESS)
		add_endpoints(user, owner);
}

static void add_default(struct servers *servers)
{
	struct server server = {.key = host_key, .key_len = sizeof host_key};

	for (size_t i = 0; i < servers->config->own_count; i++) {
		const struct ip *own = &servers->config->own[i];

		server.family = own->family;
		memset(server.addr, 0, sizeof server.addr);
		memcpy(server.addr, own->bytes, own->family == 4 ? 4 : 16);
		server_add(servers, &server);
	}
	if (!servers->config->own_count)
		server_add(servers, &server); /* family 0: a name without an address */
}

static int bytes_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_name(const struct server *a, const struct server *b)
{
	const int order = bytes_compare(a->key, a->key_len, b->key, b->key_len);

	return order ? order : bytes_compare(a->label, a->label_len, b->label, b->label_len);
}

static int compare(const void *x, const void *y)
{
	const struct server *a = x, *b = y;
	const int order = compare_name(a, b);

	if (order)
		return order;
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->addr, b->addr, sizeof a->addr);
}

/* The server's whole name: into out, which has room for any name. */
static size_t server_name(const struct server *server, const struct name *zone, uint8_t *out)
{
	static const uint8_t apex[] = {0xC0, DNS_HEADER_LEN};
	const uint8_t *tail = zone ? zone->wire : apex;
	const size_t tail_len = zone ? zone->len : sizeof apex;
	uint8_t *at = out;

	if (server->label_len) {
		*at++ = server->label_len;
		memcpy(at, server->label, server->label_len);
		at += server->label_len;
	}
	memcpy(at, server->key, server->key_len);
	at += server->key_len;
	memcpy(at, tail, tail_len);
	return (size_t)(at - out) + tail_len;
}

static void put_glue(
	struct draft *draft, const struct servers *servers, const struct name *zone, uint8_t family)
{
	uint8_t name[NAME_MAX_LEN + 2];
	bool open = false;

	for (size_t i = 0; i < servers->count; i++) {
		const struct server *server = &servers->list[i];

		if (server->family != family || (i && compare(server, server - 1) == 0))
			continue;
		if (!open && family == 4)
			draft_open(draft, SLOT_A, TYPE_A);
		else if (!open)
			draft_open(draft, SLOT_AAAA, TYPE_AAAA);
		open = true;
		draft_record(draft, name, server_name(server, zone, name), server->addr,
			family == 4 ? 4 : 16);
	}
	if (open)
		draft_close(draft, 0);
}

/* zone NULL: names end in a pointer to the question. */
static void put_apex(struct draft *draft, const struct servers *servers, const struct name *zone)
{
	uint8_t name[NAME_MAX_LEN + 2];

	draft_begin(draft, NULL, 0, ENTRY_FIXED);
	draft_open(draft, SLOT_NAME, TYPE_NS);
	for (size_t i = 0; i < servers->count; i++) {
		const struct server *server = &servers->list[i];

		if (!i || compare_name(server, server - 1) != 0)
			draft_record(draft, NULL, 0, name, server_name(server, zone, name));
	}
	draft_close(draft, 0);
	put_glue(draft, servers, zone, 4);
	put_glue(draft, servers, zone, 6);
	draft_end(draft);
}

static void put_host(struct draft *draft, const struct servers *servers)
{
	draft_begin(draft, host_key, sizeof host_key, ENTRY_FIXED);
	draft->item_count = 0;
	for (size_t i = 0; i < servers->count; i++) {
		if (servers->list[i].family)
			draft_item(draft, NULL, servers->list[i].family, servers->list[i].addr, 0);
	}
	address_sort(draft->items, draft->item_count);
	draft_addresses(draft, SLOT_A, draft->items, draft->item_count);
	draft_end(draft);
}

/* ---- outside ---- */

struct outside {
	const struct rule_config *config;
	struct draft *draft;
};

static void outside_endpoints(struct draft *draft, const struct owner *owner)
{
	for (const struct slice_record *at = owner->slices; at; at = at->next) {
		const struct endpoint_slice *slice = at->object;

		for (size_t i = 0; i < slice->v4_count; i++)
			draft_item(draft, NULL, 4, slice->v4 + 4 * i, 0);
		for (size_t i = 0; i < slice->v6_count; i++)
			draft_item(draft, NULL, 6, slice->v6 + 16 * i, 0);
	}
}

static void outside_visit(void *user, struct table_link *link)
{
	const struct owner *owner = (const struct owner *)(void *)link;
	const struct outside *outside = user;
	const struct service *service = owner->service;

	if (!owner->holds_own || !service)
		return;
	for (unsigned i = 0; i < service->external_ip_count; i++)
		draft_item(outside->draft, NULL, service->external_ips[i].family,
			service->external_ips[i].bytes, 0);
	if (outside->config->external_headless && service->type == SERVICE_HEADLESS &&
		!service->external_ip_count)
		outside_endpoints(outside->draft, owner);
}

/* The addresses at which the Services of our own endpoints are reached from outside;
 * without any, the host's. */
static void put_outside(const struct rule_config *config, struct table *owners, struct draft *draft)
{
	struct outside outside = {config, draft};
	const uint32_t ttl_s = draft->ttl_s;

	draft->ttl_s = config->external_ttl_s;
	draft_begin(draft, NULL, 0, ENTRY_FIXED);
	draft->item_count = 0;
	if (config->external)
		table_each(owners, outside_visit, &outside);
	for (size_t i = 0; config->external && !draft->item_count && i < config->own_count; i++)
		draft_item(draft, NULL, config->own[i].family, config->own[i].bytes, 0);
	address_sort(draft->items, draft->item_count);
	draft_addresses(draft, SLOT_A, draft->items, draft->item_count);
	draft->item_count = 0;
	draft_end(draft);
	draft->ttl_s = ttl_s;
}

void rule_zone(const struct rule_config *config, struct table *owners, struct draft *draft)
{
	struct servers servers = {.config = config};
	bool own;

	table_each(owners, visit_owner, &servers);
	own = servers.count > 0;
	if (!own)
		add_default(&servers);
	if (servers.error) {
		draft->error = servers.error;
	} else {
		qsort(servers.list, servers.count, sizeof *servers.list, compare);
		put_apex(draft, &servers, NULL);
		put_apex(draft, &servers, own ? config->primary : NULL);
		put_apex(draft, &servers, config->primary);
		put_outside(config, owners, draft);
		put_host(draft, &servers);
	}
	free(servers.list);
}

/* Section 2.2 of the specification; the TTL is that of its example. */
void rule_zone_version(struct draft *draft)
{
	static const uint8_t key[] = "\13dns-version", text[] = "\0051.1.0";
	const uint32_t ttl_s = draft->ttl_s;

	draft->ttl_s = 28800;
	draft_begin(draft, key, sizeof key - 1, ENTRY_FIXED);
	draft_open(draft, SLOT_TXT, TYPE_TXT);
	draft_record(draft, NULL, 0, text, sizeof text - 1);
	draft_close(draft, 0);
	draft_end(draft);
	draft->ttl_s = ttl_s;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a Service has outside of the cluster (external.h): the addresses of
 * spec.externalIPs and of its load balancer, or, without any, the load balancer's
 * names. A CNAME stands alone (RFC 1034 section 3.6.2), so a name beside addresses
 * is left out: it is another way to the same balancer. */
#include "rule.h"

#include "address_sort.h"

#include <string.h>

#include "dns/wire/type.h"

static void put_addresses(struct draft *draft, const struct service *service)
{
	draft->item_count = 0;
	for (unsigned i = 0; i < service->external_ip_count; i++)
		draft_item(draft, NULL, service->external_ips[i].family,
			service->external_ips[i].bytes, 0);
	address_sort(draft->items, draft->item_count);
	draft_addresses(draft, SLOT_EXTERNAL_A, draft->items, draft->item_count);
	draft->item_count = 0;
}

/* In the order of their letters, each once: what stands first is the Service's alias,
 * whatever the order in which the load balancer tells them. */
static void put_names(struct rule_run *run)
{
	const struct service *service = run->owner->service;
	struct draft *draft = run->draft;
	struct name last = {.len = 0};
	bool open = false;

	for (;;) {
		struct name best = {.len = 0};

		for (unsigned i = 0; i < service->external_host_count; i++) {
			const char *text = service->external_hosts[i];
			struct name name = {.len = 0}; /* zeros behind it: comparable */

			if (name_from_text(text, strlen(text), &name) < 0 || !name.labels)
				continue;
			name_lower(name.wire, name.wire, name.len);
			if (last.len && memcmp(name.wire, last.wire, sizeof last.wire) <= 0)
				continue;
			if (!best.len || memcmp(name.wire, best.wire, sizeof best.wire) < 0)
				best = name;
		}
		if (!best.len)
			break;
		if (!open)
			draft_open(draft, SLOT_EXTERNAL_NAMES, TYPE_CNAME);
		open = true;
		draft_record(draft, NULL, 0, best.wire, best.len);
		last = best;
	}
	if (open)
		draft_close(draft, 0);
	else
		run->refused++;
}

static void put_ports(struct rule_run *run)
{
	const struct service *service = run->owner->service;

	if (run->kind == ENTRY_CLUSTER_IP) {
		draft_alias(run->draft, SLOT_PORTS, SLOT_EXTERNAL_PORTS);
		return;
	}
	ports_builder_reset(run->ports);
	ports_builder_member(run->ports,
		ports_builder_list(run->ports, service->ports, service->port_count), true);
	ports_builder_write(run->ports, run->draft, SLOT_EXTERNAL_PORTS);
}

void rule_external(struct rule_run *run)
{
	const struct service *service = run->owner->service;
	const uint32_t ttl_s = run->draft->ttl_s;

	if (!run->config->external)
		return;
	run->draft->ttl_s = run->config->external_ttl_s;
	if (service->external_ip_count)
		put_addresses(run->draft, service);
	else if (service->external_host_count)
		put_names(run);
	run->draft->ttl_s = ttl_s;
	if (service->external_ip_count || service->external_host_count)
		put_ports(run);
}

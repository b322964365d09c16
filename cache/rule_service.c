/* SPDX-License-Identifier: Apache-2.0 */
/* A Service's own name: A and AAAA of its cluster IPs and the ports of its SRV, or
 * the CNAME of an ExternalName. A headless Service has neither: rule_endpoint.c.
 *
 * Kubernetes DNS-Based Service Discovery, sections 2.3.1, 2.3.2 and 2.5. */
#include "rule.h"

#include "address_sort.h"

#include <arpa/inet.h>
#include <string.h>

#include "dns/wire/type.h"

static void put_addresses(struct rule_run *run)
{
	const struct service *service = run->owner->service;
	struct draft *draft = run->draft;

	draft->item_count = 0;
	for (unsigned i = 0; i < service->ip_count; i++)
		draft_item(draft, NULL, service->ips[i].family, service->ips[i].bytes, 0);
	address_sort(draft->items, draft->item_count);
	draft_addresses(draft, SLOT_A, draft->items, draft->item_count);
	draft->item_count = 0;
}

/* An address where a name belongs makes no record that a resolver could follow:
 * the Service has no name then, as the Kubernetes documentation warns. */
static void put_alias(struct rule_run *run)
{
	const char *text = run->owner->service->external_name;
	unsigned char addr[16];
	struct name target;

	if (!text || inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1)
		run->why = "externalName is an address and must be a name, so the Service has no "
			   "records; for an address make a Service without selector and give it "
			   "an EndpointSlice";
	else if (name_from_text(text, strlen(text), &target) || target.labels == 0)
		run->why = "externalName is no DNS name, so the Service has no records";
	if (run->why) {
		run->absent = true;
		run->refused++;
		return;
	}
	draft_open(run->draft, SLOT_NAME, TYPE_CNAME);
	draft_record(run->draft, NULL, 0, target.wire, target.len);
	draft_close(run->draft, 0);
}

static void put_ports(struct rule_run *run)
{
	const struct service *service = run->owner->service;

	ports_builder_reset(run->ports);
	ports_builder_member(run->ports,
		ports_builder_list(run->ports, service->ports, service->port_count), true);
	ports_builder_write(run->ports, run->draft, SLOT_PORTS);
}

void rule_service(struct rule_run *run)
{
	if (run->kind == ENTRY_EXTERNAL) {
		put_alias(run);
	} else if (run->kind == ENTRY_CLUSTER_IP) {
		put_addresses(run);
		put_ports(run);
	}
}

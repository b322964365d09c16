/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_import.h"

#include "decode_address.h"
#include "decode_port.h"

#include <string.h>

/* True: Headless. The CRD's schema demands one of the two. */
static bool type_read(struct decoder *d, const cJSON *spec)
{
	const char *type = tree_text(d, spec, "type");

	if (!type || !*type)
		decoder_refuse(d, "spec.type is missing");
	else if (strcmp(type, "Headless") == 0)
		return true;
	else if (strcmp(type, "ClusterSetIP") != 0)
		decoder_refuse(d, "unknown spec.type \"%.32s\"", type);
	return false;
}

/* None yet is an import that its controller is still at work on. */
static void ips_read(struct decoder *d, const cJSON *spec, struct ip_list *list)
{
	const cJSON *each;

	cJSON_ArrayForEach (each, tree_list(d, spec, "ips"))
		ip_list_add(d, list, item_text(d, each, "spec.ips"));
	if (list->count == 0 && d->left_out > 0)
		decoder_refuse(d, "no usable address");
}

struct object *import_build(struct decoder *d, const cJSON *tree, const struct identity *id)
{
	const cJSON *spec = tree_member(d, tree, "spec");
	const cJSON *ports = tree_list(d, spec, "ports");
	const bool headless = type_read(d, spec);
	struct port_sizes sizes = {0};
	struct ip_list list = {.count = 0};
	struct service *import;
	struct port *places;
	struct pack pack;

	if (!headless)
		ips_read(d, spec, &list);
	ports_measure(d, ports, &sizes);
	import = (struct service *)pack_start(d, &pack, KIND_IMPORT, id, sizeof *import,
		sizes.ports * sizeof *places + list.count * sizeof(struct ip) + sizes.text);
	if (!import)
		return NULL;
	places = pack_take(&pack, sizes.ports * sizeof *places);
	import->type = headless ? SERVICE_HEADLESS : SERVICE_CLUSTER_IP;
	import->ip_count = (uint8_t)list.count;
	import->ips = ip_list_pack(&list, &pack);
	import->ports = sizes.ports ? places : NULL;
	import->port_count = ports_pack(d, &pack, ports, places);
	pack_finish(&pack, &import->head, id);
	return &import->head;
}

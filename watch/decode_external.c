/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_external.h"

#include <string.h>

static void address_add(struct decoder *d, struct externals *out, const char *text)
{
	if (out->list.count == IPS_MAX && text && *text)
		decoder_leave_out(d, "more than %d external addresses: \"%.64s\"", IPS_MAX, text);
	else
		ip_list_add(d, &out->list, text);
}

static void host_add(struct decoder *d, struct externals *out, const char *text)
{
	if (!text || !*text)
		return;
	if (out->host_count == EXTERNAL_HOSTS_MAX) {
		decoder_leave_out(
			d, "more than %d external names: \"%.64s\"", EXTERNAL_HOSTS_MAX, text);
		return;
	}
	out->hosts[out->host_count++] = text;
	out->text += strlen(text) + 1;
}

void externals_read(struct decoder *d, const cJSON *tree, struct externals *out)
{
	const cJSON *spec, *balancer, *each;

	out->list.count = out->host_count = 0;
	out->text = 0;
	if (!d->options.externals)
		return;
	spec = tree_member(d, tree, "spec");
	cJSON_ArrayForEach (each, tree_list(d, spec, "externalIPs"))
		address_add(d, out, item_text(d, each, "spec.externalIPs"));
	balancer = tree_member(d, tree_member(d, tree, "status"), "loadBalancer");
	cJSON_ArrayForEach (each, tree_list(d, balancer, "ingress")) {
		if (!cJSON_IsObject(each)) {
			decoder_refuse(
				d, "an entry of status.loadBalancer.ingress is not an object");
			return;
		}
		address_add(d, out, tree_text(d, each, "ip"));
		host_add(d, out, tree_text(d, each, "hostname"));
	}
}

const char **externals_pack_places(const struct externals *externals, struct pack *pack)
{
	if (!externals->host_count)
		return NULL;
	return pack_take(pack, externals->host_count * sizeof(char *));
}

const struct ip *externals_pack_addresses(const struct externals *externals, struct pack *pack)
{
	return ip_list_pack(&externals->list, pack);
}

void externals_pack_texts(const struct externals *externals, struct pack *pack, const char **places)
{
	for (unsigned i = 0; i < externals->host_count; i++)
		places[i] = pack_text(pack, externals->hosts[i]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints of headless imports (KEP-1645, "DNS": the records of a headless Service
 * of a set of clusters). Two clusters may well use the same hostnames and the same
 * addresses, so a name has the cluster's id in it and is never an address alone. */
#include "rule.h"

#include <string.h>

#include "dashed.h"

void rule_import_endpoint(struct rule_run *run, const struct endpoint_slice *slice,
	const char *host, uint8_t family, const uint8_t *addr, uint32_t list)
{
	const size_t cluster_len = strnlen(slice->cluster, NAME_MAX_LABEL + 1);
	const size_t rest = run->owner->key_len + run->config->zone_max;
	struct draft_item *item = draft_item(run->draft, NULL, family, addr, list);
	char dashed[DASHED_MAX];

	if (!item)
		return;
	if (!host) {
		dashed_format(family, addr, dashed);
		host = draft_text(run->draft, dashed);
	}
	if (host && name_label_is_host(slice->cluster, cluster_len) &&
		1 + strlen(host) + 1 + cluster_len + rest <= NAME_MAX_LEN) {
		item->host = host;
		item->cluster = slice->cluster;
	} else {
		run->refused++;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_HOSTS_METRICS_H
#define BINNACLE_DNS_PLUGIN_HOSTS_METRICS_H

/* coredns_hosts_* of one `hosts`. Control loop. */

#include "dns/serve/plugin.h"

struct hosts_metrics;

/* Where the host has metrics. path must outlive it. 0 or a negative errno. */
int hosts_metrics_start(
	const struct plugin_host *host, const char *path, struct hosts_metrics **out);
/* What is answered by now: so many records, of a file that was changed then (ns since the
 * epoch; 0: of no file). NULL metrics: nobody counts. */
void hosts_metrics_set(struct hosts_metrics *metrics, size_t records, int64_t changed_ns);
void hosts_metrics_free(struct hosts_metrics *metrics); /* NULL is allowed */

#endif

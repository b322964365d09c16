/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_HEALTH_POLL_H
#define BINNACLE_DNS_PLUGIN_HEALTH_POLL_H

/* A look at the server's own /health once a second, as a probe would have it, for
 * coredns_health_*. Control loop's thread. */

#include "dns/serve/plugin.h"

struct health_poll;

/* While plugins start, where the host has metrics. address: "" (all), an IP address, or
 * "localhost". 0; 1: no look can be had at such an address, or at port 0; or -ENOMEM,
 * -EBUSY. */
int health_poll_start(const struct plugin_host *host, const char *address, uint16_t port,
	struct health_poll **out);
void health_poll_stop(struct health_poll *poll, void (*done)(void *user), void *user);
void health_poll_free(struct health_poll *poll); /* NULL is allowed; after done */

#endif

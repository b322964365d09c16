/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_HOST_H
#define BINNACLE_DNS_HOST_H

/* What starting plugins may ask of the server (struct plugin_host): HTTP routes,
 * which are collected and then opened one server per address, memory shared by
 * the instances of a configuration, the metrics, and whether the server is going down.
 * Control loop's thread, but for stopping(). */

#include "dns/serve/plugin.h"

struct host;

int host_new(struct uv_loop_s *loop, struct host **out);
/* The loop thread, before plugins start. */
void host_set_worker(struct host *host, struct worker *worker);
const struct plugin_host *host_plugin(const struct host *host);

/* Open the HTTP servers that were asked for. 0, or a negative errno and a message
 * that names the address and what to do. */
int host_http_open(struct host *host, char err[COREFILE_ERROR_MAX]);
void host_http_close(struct host *host);

void host_set_stopping(struct host *host);
void host_free(struct host *host); /* closes the HTTP servers first */

#endif

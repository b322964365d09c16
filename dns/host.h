/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_HOST_H
#define BINNACLE_DNS_HOST_H

/* What starting plugins may ask of the server (struct plugin_host): HTTP routes,
 * which are collected and then opened one server per address, memory shared by
 * the instances of a configuration or of all, the metrics, and whether the server is
 * going down. Control loop's thread, but for stopping().
 *
 * What belongs to one configuration is a plan:
 *
 *	host_new      a plan is made        host_begin    the next one is made; the one
 *	(start)       plugins add to it     (start)       before still counts
 *	host_http_open                      host_http_open   servers of new addresses only
 *	host_commit   it counts             host_commit   routes change in one step
 *	                                    host_retire   behind the last old instance
 *
 * An address that both have keeps its socket and its connections. */

#include "dns/serve/plugin.h"

struct host;

int host_new(struct uv_loop_s *loop, struct host **out);
/* The loop thread, before plugins start. */
void host_set_worker(struct host *host, struct worker *worker);
const struct plugin_host *host_plugin(const struct host *host);

/* Make another plan. Its collectors of metrics are not asked yet (metrics_hold()). */
void host_begin(struct host *host);
/* Open the HTTP servers that the plan has and the one before had not. 0, or a negative errno
 * and a message that names the address and what to do; nothing has changed then. */
int host_http_open(struct host *host, char err[COREFILE_ERROR_MAX]);
/* From now on the plan's routes are answered and no others; servers that it does not have
 * are closed (which waits for their running answers, 5 s at most). */
void host_commit(struct host *host);
/* Instead: close what host_http_open() has opened. */
void host_abort(struct host *host);
/* Free the plan that does not count any more, after commit or abort, when the instances that
 * used its memory are gone. */
void host_retire(struct host *host);
void host_http_close(struct host *host);

/* How often the configuration that counts wants to be looked for (plugin.h). */
void host_reload_every(const struct host *host, unsigned *interval_ms, unsigned *jitter_ms);

void host_set_stopping(struct host *host);
void host_free(struct host *host); /* closes the HTTP servers first */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_LIST_H
#define BINNACLE_DNS_PLUGIN_LIST_H

/* The plugins there are. The array in list.c is the only registration and its
 * order is the order in which a block's plugins are asked. */

#include "dns/serve/plugin.h"

extern const struct plugin plugin_acl;
extern const struct plugin plugin_autopath;
extern const struct plugin plugin_bind;
extern const struct plugin plugin_bufsize;
extern const struct plugin plugin_cache;
extern const struct plugin plugin_errors;
extern const struct plugin plugin_forward;
extern const struct plugin plugin_health;
extern const struct plugin plugin_hosts;
extern const struct plugin plugin_k8s_external;
extern const struct plugin plugin_kubernetes;
extern const struct plugin plugin_loadbalance;
extern const struct plugin plugin_log;
extern const struct plugin plugin_loop;
extern const struct plugin plugin_prometheus;
extern const struct plugin plugin_ready;
extern const struct plugin plugin_reload;
extern const struct plugin plugin_transfer;

/* NULL-terminated. */
extern const struct plugin *const plugin_list[];

/* The place of a directive in plugin_list, or -1. */
int plugin_find(const char *directive);

/* Directives of CoreDNS that this version does not have, NULL-terminated. */
extern const char *const plugin_absent[];

/* Refuse a directive that plugin_find() does not know: says whether CoreDNS has
 * it, or which known one is spelled most like it. Returns -EINVAL. */
int plugin_refuse(const struct corefile_token *directive, char err[COREFILE_ERROR_MAX]);

#endif

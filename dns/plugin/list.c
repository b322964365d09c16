/* SPDX-License-Identifier: Apache-2.0 */
#include "list.h"

#include <string.h>

const struct plugin *const plugin_list[] = {
	/* The order of CoreDNS's plugin.cfg, so that a Corefile means the same here. */
	&plugin_reload,
	&plugin_bufsize,
	&plugin_bind,
	&plugin_ready,
	&plugin_health,
	&plugin_prometheus,
	&plugin_errors,
	&plugin_log,
	&plugin_loadbalance,
	&plugin_autopath,
	&plugin_acl,
	&plugin_cache,
	&plugin_transfer,
	&plugin_hosts,
	&plugin_k8s_external,
	&plugin_kubernetes,
	&plugin_loop,
	&plugin_forward,
	NULL,
};

const char *const plugin_absent[] = {"root", "metadata", "geoip", "cancel", "proxyproto", "quic",
	"grpc_server", "https", "https3", "timeouts", "multisocket", "nsid", "debug", "trace",
	"pprof", "shed", "dnstap", "local", "dns64", "any", "chaos", "tsig", "rewrite", "header",
	"dnssec", "tls", "minimal", "template", "route53", "azure", "clouddns", "file", "auto",
	"secondary", "etcd", "grpc", "erratic", "whoami", "on", "sign", "view", "nomad", NULL};

int plugin_find(const char *directive)
{
	for (int i = 0; plugin_list[i]; i++) {
		if (strcmp(plugin_list[i]->name, directive) == 0)
			return i;
	}
	return -1;
}

int plugin_refuse(const struct corefile_token *directive, char err[COREFILE_ERROR_MAX])
{
	const char *names[64];
	const char *nearest;
	size_t count = 0;

	for (size_t i = 0; plugin_absent[i]; i++) {
		if (strcmp(plugin_absent[i], directive->text) == 0)
			return corefile_error(err, directive,
				"'%s' is a CoreDNS plugin that Binnacle does not have yet; "
				"take the line out to start without it",
				directive->text);
	}
	for (size_t i = 0; plugin_list[i] && count + 1 < sizeof names / sizeof *names; i++)
		names[count++] = plugin_list[i]->name;
	names[count] = NULL;
	nearest = corefile_nearest(directive->text, names);
	if (!nearest)
		nearest = corefile_nearest(directive->text, plugin_absent);
	if (nearest)
		return corefile_error(err, directive,
			"unknown directive '%s'; did you mean '%s'? (-plugins lists what there is)",
			directive->text, nearest);
	return corefile_error(err, directive,
		"unknown directive '%s'; -plugins lists what there is", directive->text);
}

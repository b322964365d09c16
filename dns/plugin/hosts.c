/* SPDX-License-Identifier: Apache-2.0 */
/* `hosts`: names and addresses from a file in the form of hosts(5), and from the
 * directive's body.
 *
 *	name is there      the records of the type, or NODATA; AA, without an SOA
 *	name is not there  PTR, or outside of the zones, or `fallthrough`: the next plugin
 *	                   else SERVFAIL
 *
 * SERVFAIL and not NXDOMAIN, because there is no SOA that would say how long a name is
 * missing (RFC 2308 section 3), and because who writes a few lines does not mean that
 * nothing else is there.
 *
 * A reverse name that stands for one of the addresses is there whatever the zones are,
 * and then for every type: of one name it cannot depend on the type whether it exists. */

#include "hosts.h"

#include "dns/wire/type.h"
#include "list.h"
#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- questions ---- */

static bool falls_through(const struct hosts_options *options, const struct query *query)
{
	return option_falls_through(options->fallthrough, options->fallthrough_zones,
		options->fallthrough_count, query);
}

/* A name that is not there. */
static enum plugin_verdict missing(const struct hosts_options *options, struct txn *txn)
{
	if (txn->query->qtype == TYPE_PTR ||
		!option_zones_hold(options->zones, options->zone_count, txn->query) ||
		falls_through(options, txn->query))
		return PLUGIN_NEXT;
	txn->reply->rcode = RCODE_SERVFAIL;
	return PLUGIN_DONE;
}

static enum plugin_verdict hosts_query(void *instance, struct txn *txn)
{
	const struct hosts *hosts = instance;
	const struct hosts_options *options = &hosts->options;
	const struct hosts_table *table = atomic_load_explicit(&hosts->table, memory_order_acquire);
	const struct hosts_node *node = hosts_table_find(table, txn->query);
	enum hosts_kind kind = HOSTS_KINDS;

	if (!node)
		return missing(options, txn);
	switch (txn->query->qtype) {
	case TYPE_A:
		kind = HOSTS_A;
		break;
	case TYPE_AAAA:
		kind = HOSTS_AAAA;
		break;
	case TYPE_PTR:
		kind = HOSTS_PTR;
		break;
	case TYPE_AXFR:
	case TYPE_IXFR:
		txn->reply->rcode = RCODE_REFUSED; /* there is no zone to copy */
		return PLUGIN_DONE;
	default:
		if (options->fallthrough_unsupported && falls_through(options, txn->query))
			return PLUGIN_NEXT;
		break;
	}
	txn->reply->flags |= DNS_FLAG_AA;
	if (kind < HOSTS_KINDS)
		hosts_table_put(table, node, kind, options->ttl_s, txn->reply);
	return PLUGIN_DONE;
}

/* ---- life ---- */

static void hosts_free(void *instance)
{
	struct hosts *hosts = instance;

	if (!hosts)
		return;
	hosts_metrics_free(hosts->metrics);
	hosts_reload_free(hosts);
	hosts_options_free(&hosts->options);
	free(hosts);
}

static int hosts_setup(
	const struct plugin_site *site, void **instance, char err[COREFILE_ERROR_MAX])
{
	struct hosts *hosts = calloc(1, sizeof *hosts);
	int rc;

	if (!hosts)
		return option_no_memory(err, &site->lines[0]->tokens[0]);
	rc = hosts_options_read(site, &hosts->options, err);
	if (rc < 0) {
		hosts_free(hosts);
		return rc;
	}
	*instance = hosts;
	return 0;
}

static int hosts_start(void *instance, const struct plugin_host *host, const struct block *block,
	char err[COREFILE_ERROR_MAX])
{
	struct hosts *hosts = instance;
	int rc = 0;

	(void)block;
	hosts->rules = (struct hosts_rules){
		.zones = hosts->options.zones,
		.zone_count = hosts->options.zone_count,
		.reverse = !hosts->options.no_reverse,
		.records_max = HOSTS_RECORDS_MAX,
	};
	if (getrandom(hosts->rules.key, sizeof hosts->rules.key, 0) != sizeof hosts->rules.key)
		rc = -EIO;
	if (rc == 0 && host->metrics)
		rc = hosts_metrics_start(host, hosts->options.path, &hosts->metrics);
	if (rc == 0)
		rc = hosts_reload_start(hosts, host->loop);
	if (rc < 0)
		corefile_error(
			err, &hosts->options.at, "hosts: cannot be started: %s", strerror(-rc));
	return rc;
}

static void hosts_stop(void *instance, void (*done)(void *user), void *user)
{
	struct hosts *hosts = instance;

	hosts_metrics_free(hosts->metrics);
	hosts->metrics = NULL;
	hosts_reload_stop(hosts, done, user);
}

const struct plugin plugin_hosts = {
	.name = "hosts",
	.setup = hosts_setup,
	.start = hosts_start,
	.query = hosts_query,
	.stop = hosts_stop,
	.free = hosts_free,
	.keeps = true,
};

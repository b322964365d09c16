/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool address_is(const struct sockaddr *asked, const struct sockaddr_storage *bound)
{
	if (asked->sa_family != bound->ss_family)
		return false;
	if (asked->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)asked)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)bound)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)asked)->sin6_addr,
		       &((const struct sockaddr_in6 *)bound)->sin6_addr, 16) == 0;
}

static bool address_is_any(const struct sockaddr_storage *bound)
{
	if (bound->ss_family == AF_INET)
		return ((const struct sockaddr_in *)bound)->sin_addr.s_addr == INADDR_ANY;
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)bound)->sin6_addr);
}

size_t servers_at(const struct servers *servers, const struct sockaddr *local)
{
	size_t any = 0;

	if (servers->count == 1)
		return 0;
	for (size_t i = 0; i < servers->count; i++) {
		if (address_is(local, &servers->listens[i].address))
			return i;
		if (address_is_any(&servers->listens[i].address))
			any = i;
	}
	return any;
}

void servers_text(
	const struct servers *servers, size_t at, uint16_t port, char text[SERVER_TEXT_MAX])
{
	const struct sockaddr_storage *address = &servers->listens[at].address;
	char host[INET6_ADDRSTRLEN] = "";

	if (address->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, host,
			sizeof host);
	else if (address->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, host,
			sizeof host);
	snprintf(text, SERVER_TEXT_MAX, strchr(host, ':') ? "dns://[%s]:%u" : "dns://%s:%u", host,
		(unsigned)port);
}

/* `bind` may name an address twice. */
static void listens_once(struct servers *servers)
{
	size_t kept = 0;

	for (size_t i = 0; i < servers->count; i++) {
		const struct listen_address *at = &servers->listens[i];
		size_t same = 0;

		while (same < kept && !address_is((const struct sockaddr *)&at->address,
					      &servers->listens[same].address))
			same++;
		if (same == kept)
			servers->listens[kept++] = *at;
	}
	servers->count = kept;
}

int servers_read(const struct block *block, struct servers *servers, char err[COREFILE_ERROR_MAX])
{
	int rc = 0;

	for (size_t i = 0; i < block->plugin_count && rc == 0; i++) {
		const struct block_plugin *at = &block->plugins[i];

		if (at->plugin->listen)
			rc = at->plugin->listen(
				at->instance, &servers->listens, &servers->count, err);
	}
	listens_once(servers);
	if (rc < 0 || servers->count)
		return rc;
	servers->listens = calloc(1, sizeof *servers->listens);
	servers->count = servers->listens ? 1 : 0;
	return servers->listens ? 0 : -ENOMEM;
}

void servers_free(struct servers *servers)
{
	free(servers->listens);
	*servers = (struct servers){0};
}

int server_rows_read(
	const struct block *block, struct server_rows *rows, char err[COREFILE_ERROR_MAX])
{
	rows->ports = calloc(block->siblings + 1, sizeof *rows->ports);
	if (!rows->ports)
		return -ENOMEM;
	rows->port_count = block->siblings + 1;
	for (size_t i = 0; i < rows->port_count; i++)
		rows->ports[i] = block[i].port;
	return servers_read(block, &rows->servers, err);
}

void server_rows_free(struct server_rows *rows)
{
	servers_free(&rows->servers);
	free(rows->ports);
	*rows = (struct server_rows){0};
}

size_t server_rows_count(const struct server_rows *rows)
{
	return rows->port_count * rows->servers.count;
}

void server_rows_text(const struct server_rows *rows, size_t row, char text[SERVER_TEXT_MAX])
{
	const size_t servers = rows->servers.count;

	servers_text(&rows->servers, row % servers, rows->ports[row / servers], text);
}

size_t server_rows_at(const struct server_rows *rows, const struct txn *txn)
{
	size_t port = 0;

	while (port + 1 < rows->port_count && rows->ports[port] != txn->block->port)
		port++;
	return port * rows->servers.count + servers_at(&rows->servers, txn->local);
}

char *labels_zones(const struct name *zones, size_t zone_count)
{
	char *text = malloc(zone_count * (NAME_TEXT_MAX + 1) + 1);
	size_t len = 0;

	if (!text)
		return NULL;
	text[0] = '\0';
	for (size_t i = 0; i < zone_count; i++) {
		if (i)
			text[len++] = ',';
		len += name_to_text(zones[i].wire, text + len, NAME_TEXT_MAX);
	}
	return text;
}

struct twins {
	struct twin *first;
};

static void twins_number(struct twins *twins)
{
	unsigned number = 0;

	for (struct twin *at = twins->first; at; at = at->next)
		atomic_store_explicit(&at->number, ++number, memory_order_relaxed);
}

int twin_join(struct twin *twin, const struct plugin_host *host, const char *key, const char *text)
{
	struct twin **at;
	char *full_key;

	if (asprintf(&full_key, "%s metrics %s", key, text) < 0)
		return -ENOMEM;
	twin->text = text;
	twin->next = NULL;
	twin->among = host->lasting(host->ctx, full_key, sizeof *twin->among);
	free(full_key);
	if (!twin->among)
		return -ENOMEM;
	at = &twin->among->first;
	while (*at)
		at = &(*at)->next;
	*at = twin;
	twins_number(twin->among);
	return 0;
}

void twin_leave(struct twin *twin)
{
	struct twin **at;

	if (!twin->among)
		return;
	at = &twin->among->first;
	while (*at && *at != twin)
		at = &(*at)->next;
	if (*at)
		*at = twin->next;
	twins_number(twin->among);
	twin->among = NULL;
}

const char *twin_text(const struct twin *twin, char **made)
{
	const unsigned number = atomic_load_explicit(&twin->number, memory_order_relaxed);

	*made = NULL;
	if (number < 2)
		return twin->text;
	if (asprintf(made, "%s#%u", twin->text, number) < 0)
		*made = NULL;
	return *made ? *made : twin->text;
}

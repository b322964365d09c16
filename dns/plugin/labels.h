/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_LABELS_H
#define BINNACLE_DNS_PLUGIN_LABELS_H

/* Labels that metrics of several plugins have: `server`, where a block listens, and
 * `zones`. Made on the control loop while plugins start; servers_at() and server_rows_at() are
 * for any thread. */

#include "dns/serve/plugin.h"

#include <netinet/in.h>
#include <stdatomic.h>

#define SERVER_TEXT_MAX (INET6_ADDRSTRLEN + sizeof "dns://[]:65535")

/* The addresses of a block, each once; zero-initialised. */
struct servers {
	struct listen_address *listens; /* one at least */
	size_t count;
};

/* Where the block listens, as config.c asks it. 0, or negative with a message in err where
 * a plugin gave one. servers_free() in either case. */
int servers_read(const struct block *block, struct servers *servers, char err[COREFILE_ERROR_MAX]);
void servers_free(struct servers *servers);

/* Which of them was asked: the one itself, or else one that stands for all. */
size_t servers_at(const struct servers *servers, const struct sockaddr *local);

/* "dns://:53", "dns://127.0.0.1:53", "dns://[::1]:53" */
void servers_text(
	const struct servers *servers, size_t at, uint16_t port, char text[SERVER_TEXT_MAX]);

/* A row for each server of the block: an address and a port. A copy of all that is needed of
 * the block, which another configuration may lay out anew. Zero-initialised. */
struct server_rows {
	struct servers servers;
	uint16_t *ports; /* the block's and its siblings' */
	size_t port_count;
};

/* As servers_read(). */
int server_rows_read(
	const struct block *block, struct server_rows *rows, char err[COREFILE_ERROR_MAX]);
void server_rows_free(struct server_rows *rows);
size_t server_rows_count(const struct server_rows *rows);
void server_rows_text(const struct server_rows *rows, size_t row, char text[SERVER_TEXT_MAX]);
/* The row of the server that was asked. */
size_t server_rows_at(const struct server_rows *rows, const struct txn *txn);

/* "cluster.local.,in-addr.arpa.", malloc'ed. NULL: out of memory. */
char *labels_zones(const struct name *zones, size_t zone_count);

/* One set of labels is one value. Those that would show the same text at a look are told
 * apart by "#2" and so on behind it, oldest first; when one leaves, those behind it move up,
 * so that what a reload makes anew gets the text that the old one had. Zero-initialised. */
struct twin {
	struct twins *among; /* NULL: none */
	struct twin *next;
	const char *text;
	atomic_uint number;
};

/* Among those with this key and text, which must outlive it. 0 or -ENOMEM. Control loop. */
int twin_join(struct twin *twin, const struct plugin_host *host, const char *key, const char *text);
void twin_leave(struct twin *twin); /* also of one that has not joined; control loop */
/* The text to show; *made is to be freed. Any thread. */
const char *twin_text(const struct twin *twin, char **made);

#endif

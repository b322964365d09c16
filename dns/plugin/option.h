/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_OPTION_H
#define BINNACLE_DNS_PLUGIN_OPTION_H

/* A directive's body read by table: one row per option. Control loop's thread,
 * during setup. */

#include "dns/corefile/corefile.h"
#include "dns/wire/name.h"
#include "dns/wire/query.h"

struct option_row {
	const char *name;
	unsigned min, max;  /* arguments */
	const char *syntax; /* "lameduck DURATION", for messages */
	int (*read)(void *instance, const struct corefile_line *line, char *err);
};

/* Read every line of the body. rows end with a NULL name. 0, or negative with
 * "file:line:col: directive: message" in err: an unknown option (the nearest one
 * is named), a wrong number of arguments, or what read returned. */
int option_read(const struct corefile_line *line, const struct option_row *rows, void *instance,
	char err[COREFILE_ERROR_MAX]);

/* Append the zones that one token names (a CIDR names several), canonical, to *zones
 * (realloc). 0 or negative with a message; what was there stays. */
int option_zones(struct name **zones, size_t *count, const struct corefile_token *token,
	char err[COREFILE_ERROR_MAX]);

/* Whether one of the zones holds the question's name. Any thread. */
bool option_zones_hold(const struct name *zones, size_t count, const struct query *query);

/* `fallthrough [ZONES...]`: without zones for every name. Any thread. */
bool option_falls_through(
	bool given, const struct name *zones, size_t count, const struct query *query);

/* A zone of addresses: in-addr.arpa, ip6.arpa, or below one of them. */
bool option_zone_is_reverse(const struct name *zone);

/* -ENOMEM and a message. */
int option_no_memory(char err[COREFILE_ERROR_MAX], const struct corefile_token *at);

#endif

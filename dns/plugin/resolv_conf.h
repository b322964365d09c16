/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_RESOLV_CONF_H
#define BINNACLE_DNS_PLUGIN_RESOLV_CONF_H

/* A file in the form of resolv.conf(5): the name servers and the search list. What else
 * is in it is a stub resolver's business. */

#include "dns/corefile/value.h"
#include "dns/wire/name.h"

#define RESOLV_CONF_MAX 16 /* servers, and search names; further ones are left out */

struct resolv_conf {
	struct value_address servers[RESOLV_CONF_MAX];
	size_t server_count;
	struct name search[RESOLV_CONF_MAX]; /* canonical */
	size_t search_count;
};

/* Read text. Lines that cannot be read are passed over, as every resolver does. */
void resolv_conf_parse(const char *text, size_t len, struct resolv_conf *out);

/* Read a file of at most 64 KiB. 0 or a negative errno (-EFBIG); out is untouched then. */
int resolv_conf_read(const char *path, struct resolv_conf *out);

#endif

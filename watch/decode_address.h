/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DECODE_ADDRESS_H
#define BINNACLE_WATCH_DECODE_ADDRESS_H

/* IP addresses as API objects write them. Any thread. */

#include "decode_pack.h"

/* A Service has two cluster IPs at most, a Pod likewise; object.h has 8 bits. */
#define IPS_MAX 255

/* NULL and *out; or, and *out is undefined, what the text is that is no address to
 * be used, as in "WHAT \"127.0.0.1\" cannot be used" (struct decode_options says
 * which are). As net.ParseIP sees it, an IPv4-mapped IPv6 text is IPv4. */
const char *address_read(const struct decode_options *options, const char *text, struct ip *out);

struct ip_list {
	struct ip ips[IPS_MAX];
	unsigned count;
};

/* NULL and "" are passed over, what cannot be used is left out, and an object with
 * more than IPS_MAX is refused. */
void ip_list_add(struct decoder *d, struct ip_list *list, const char *text);
/* A copy; NULL of none. */
const struct ip *ip_list_pack(const struct ip_list *list, struct pack *pack);

#endif

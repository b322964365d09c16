/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_DNS_PLUGIN_WEIGHTS_H
#define BINNACLE_DNS_PLUGIN_WEIGHTS_H

/* The file of `loadbalance weighted`: how often an address of a name comes first.
 *
 *	# a comment
 *	www.example.org
 *	192.0.2.1 3
 *	192.0.2.2 1
 *
 * Made by one thread, immutable then. */

#include <stddef.h>
#include <stdint.h>

struct weights;

#define WEIGHTS_FILE_MAX (1u << 20)

/* 0; -ENOMEM; or -EINVAL with "path:line: what is wrong" in err. */
int weights_parse(const char *text, size_t len, const char *path, struct weights **out, char *err,
	size_t err_len);
void weights_free(void *weights);

/* The weight of an address (4 or 16 bytes) of a canonical name, 1 to 255. What is not in the
 * file has 1; of several lines for one the first counts. */
unsigned weights_get(const struct weights *weights, const uint8_t *owner, size_t owner_len,
	const uint8_t *address, size_t address_len);

#endif

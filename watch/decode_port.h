/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_DECODE_PORT_H
#define BINNACLE_WATCH_DECODE_PORT_H

/* Lists of ports: of a Service, a slice, a subset of Endpoints. They look alike in
 * all three: port, name, protocol. Two passes as everywhere: measure what there is,
 * make the allocation, pack. Any thread. */

#include "decode_pack.h"

struct port_sizes {
	size_t ports; /* their number */
	size_t text;  /* bytes of their names and protocols */
};

/* list: NULL is none. Checks every port, and adds what it will take to *sizes. */
void ports_measure(struct decoder *d, const cJSON *list, struct port_sizes *sizes);
/* Write the ports of a list that was measured to `at`, their texts to the pack.
 * The common protocols are constant strings. Returns how many. */
uint16_t ports_pack(struct decoder *d, struct pack *pack, const cJSON *list, struct port *at);
/* Whether two lists that were measured say the same, in the same order. */
bool ports_equal(struct decoder *d, const cJSON *a, const cJSON *b);

#endif

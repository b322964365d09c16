/* SPDX-License-Identifier: Apache-2.0 */
#include "zones.h"

#include <string.h>

unsigned zones_find(const struct zone_set *set, const uint8_t *text, size_t len)
{
	const uint8_t *at, *end;
	unsigned number = 1;

	if (!set || !len)
		return 0;
	end = (const uint8_t *)set + set->bytes;
	for (at = zones_texts(set); at < end; at += 1 + at[0], number++) {
		if (at[0] == len && memcmp(at + 1, text, len) == 0)
			return number;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "prefix.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

bool prefix_holds(const struct value_prefix *prefix, int family, const uint8_t *bytes)
{
	const unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;
	const uint8_t mask = (uint8_t)(0xff00u >> rest);

	return prefix->address.family == family &&
	       memcmp(prefix->address.bytes, bytes, whole) == 0 &&
	       (rest == 0 || prefix->address.bytes[whole] == (bytes[whole] & mask));
}

const uint8_t *prefix_peer(const struct sockaddr *peer)
{
	if (peer->sa_family == AF_INET)
		return (const uint8_t *)&((const struct sockaddr_in *)peer)->sin_addr;
	return (const uint8_t *)&((const struct sockaddr_in6 *)peer)->sin6_addr;
}

int prefix_set_add(struct prefix_set *set, const struct value_prefix *prefix)
{
	struct prefix_list *list = prefix->address.family == AF_INET ? &set->v4 : &set->v6;
	const size_t len = prefix->address.family == AF_INET ? 4 : 16;
	struct prefix_range *grown = reallocarray(list->ranges, list->count + 1, sizeof *grown);
	struct prefix_range range = {.first = {0}};

	if (!grown)
		return -ENOMEM;
	list->ranges = grown;
	memcpy(range.first, prefix->address.bytes, len);
	memcpy(range.last, prefix->address.bytes, len);
	for (unsigned bit = prefix->bits; bit < 8 * len; bit++)
		range.last[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	grown[list->count++] = range;
	return 0;
}

static int range_compare(const void *a, const void *b)
{
	const struct prefix_range *left = a, *right = b;

	return memcmp(left->first, right->first, sizeof left->first);
}

static void list_finish(struct prefix_list *list)
{
	size_t kept = 0;

	if (list->count == 0)
		return;
	qsort(list->ranges, list->count, sizeof *list->ranges, range_compare);
	for (size_t i = 1; i < list->count; i++) {
		struct prefix_range *before = &list->ranges[kept];
		const struct prefix_range *range = &list->ranges[i];

		if (memcmp(range->first, before->last, sizeof range->first) > 0)
			list->ranges[++kept] = *range;
		else if (memcmp(range->last, before->last, sizeof range->last) > 0)
			memcpy(before->last, range->last, sizeof before->last);
	}
	list->count = kept + 1;
}

void prefix_set_finish(struct prefix_set *set)
{
	list_finish(&set->v4);
	list_finish(&set->v6);
}

bool prefix_set_holds(const struct prefix_set *set, int family, const uint8_t *bytes)
{
	const struct prefix_list *list = family == AF_INET ? &set->v4 : &set->v6;
	const size_t len = family == AF_INET ? 4 : 16;
	size_t low = 0, high = list->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct prefix_range *range = &list->ranges[middle];

		if (memcmp(bytes, range->first, len) < 0)
			high = middle;
		else if (memcmp(bytes, range->last, len) > 0)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

void prefix_set_free(struct prefix_set *set)
{
	free(set->v4.ranges);
	free(set->v6.ranges);
	*set = (struct prefix_set){.v4 = {NULL, 0}};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <string.h>

#include "dns/wire/type.h"

const struct entry entry_empty = {.size = sizeof(struct entry), .kind = ENTRY_EMPTY};

static int64_t find(const struct answer *answer, uint32_t high, const uint8_t *addr)
{
	const size_t addr_len = (size_t)answer->stride - ANSWER_HEAD;
	uint32_t low = 0;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;
		const uint8_t *rr = answer->rr + (size_t)middle * answer->stride;
		const int order = memcmp(addr, rr + ANSWER_HEAD, addr_len);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

int64_t answer_find(const struct answer *answer, const uint8_t *addr)
{
	return find(answer, answer->dashed_count, addr);
}

int64_t answer_find_sorted(const struct answer *answer, const uint8_t *addr)
{
	return find(answer, answer->count, addr);
}

/* The length of a record that we wrote ourselves. */
static size_t record_len(const uint8_t *rr)
{
	size_t at = 0;

	while (rr[at] && rr[at] < 0xC0)
		at += 1u + rr[at];
	at += rr[at] ? 2 : 1;
	return at + 10 + ((size_t)rr[at + 8] << 8 | rr[at + 9]);
}

void answer_put(const struct answer *answer, uint32_t first, uint32_t count, uint32_t start,
	struct reply *reply, enum reply_section section)
{
	const uint8_t *rr = answer->rr, *end = rr + answer->bytes;

	if (answer->stride) {
		rr += (size_t)first * answer->stride;
		reply_put_fixed(
			reply, section, rr, answer->stride, count, count > 1 ? start % count : 0);
		return;
	}
	while (rr < end) {
		const size_t len = record_len(rr);

		if (!reply_put(reply, section, rr, len))
			return;
		rr += len;
	}
}

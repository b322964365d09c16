/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as somebody's reply: what can be walked is packed into a reply of ours, at
 * every size, its addresses turned round, and must then be a message that can be walked to its end. */

#include "dns/wire/address_set.h"
#include "dns/wire/pack.h"
#include "dns/wire/type.h"

#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static uint8_t out[65535];

static void check_packed(size_t len, unsigned count)
{
	struct message packed;
	struct message_walk walk;
	struct record record;

	CHECK(message_open(out, len, &packed));
	message_walk(&packed, &walk);
	while (message_next(&walk, &record))
		count--;
	CHECK(!walk.bad && count == 0);
}

static void reverse(void *ctx, struct address_set *set)
{
	(void)ctx;
	CHECK(set->count >= 2 && name_wire_check(set->owner, set->owner_len) == set->owner_len);
	for (size_t i = 0; i < set->count / 2u; i++)
		address_set_swap(set, i, set->count - 1u - i);
}

static void pack_all(const struct message *message, uint16_t limit)
{
	uint8_t asked[QUERY_ASKED_MAX];
	struct query query;
	struct message_walk walk;
	struct record record;
	struct reply reply;
	struct pack pack;
	unsigned count = 0;

	query_make(message->name, message->name_len, message->qtype, asked, &query);
	reply_begin(&reply, &query, out, limit);
	pack_begin(&pack, &reply);
	message_walk(message, &walk);
	while (message_next(&walk, &record)) {
		CHECK(record.rdata + record.rdata_len <= message->len);
		if (pack_record(&pack, message, &record, record.section, record.ttl_s) == PACK_DONE)
			count++;
	}
	CHECK(reply.len <= limit);
	address_sets_each(&reply, reverse, NULL);
	check_packed(reply_end(&reply), count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message message;

	if (!message_open(data, size, &message))
		return 0;
	CHECK(name_wire_check(message.name, message.name_len) == message.name_len);
	pack_all(&message, 512);
	pack_all(&message, UINT16_MAX);
	return 0;
}

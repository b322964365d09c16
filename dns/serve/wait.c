/* SPDX-License-Identifier: Apache-2.0 */
#include "wait.h"

#include "txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool wait_for(struct txn *txn, void *instance,
	void (*begin)(void *instance, const struct wait *wait, struct waiter *waiter))
{
	const struct query *query = txn->query;
	struct wait *wait = txn->wait;

	if (!wait)
		return false;
	wait->begin = begin;
	wait->instance = instance;
	wait->start_ns = txn->start_ns;
	wait->type = query->qtype;
	wait->dnssec_ok = query->edns_do;
	wait->checking_disabled = (query->flags & DNS_FLAG_CD) != 0;
	wait->name_len = query->name_len;
	memcpy(wait->name, query->name, query->name_len);
	return true;
}

struct finding *wait_found(const struct txn *txn, const void *instance)
{
	const struct query *query = txn->query;

	for (unsigned i = 0; txn->memo && i < txn->memo->count; i++) {
		const struct memo_item *item = &txn->memo->items[i];

		if (item->instance == instance && item->type == query->qtype &&
			item->name_len == query->name_len &&
			memcmp(item->name, query->name, query->name_len) == 0)
			return item->finding;
	}
	return NULL;
}

int memo_add(struct memo *memo, const struct wait *wait, struct finding *finding)
{
	struct memo_item item = {
		.finding = finding,
		.instance = wait->instance,
		.type = wait->type,
		.name_len = wait->name_len,
	};
	struct memo_item *grown;
	int rc = -E2BIG;

	if (memo->count >= MEMO_MAX)
		goto refuse;
	rc = -ENOMEM;
	item.name = malloc(wait->name_len);
	if (!item.name)
		goto refuse;
	grown = reallocarray(memo->items, memo->count + 1, sizeof *grown);
	if (!grown)
		goto refuse;
	memcpy(item.name, wait->name, wait->name_len);
	memo->items = grown;
	grown[memo->count++] = item;
	return 0;
refuse:
	free(item.name);
	finding->release(finding);
	return rc;
}

void memo_clear(struct memo *memo)
{
	for (unsigned i = 0; i < memo->count; i++) {
		memo->items[i].finding->release(memo->items[i].finding);
		free(memo->items[i].name);
	}
	free(memo->items);
	*memo = (struct memo){0};
}

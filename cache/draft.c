/* SPDX-License-Identifier: Apache-2.0 */
#include "draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

/* A piece of the items' texts. */
struct draft_text {
	struct draft_text *next;
	size_t used;
	char bytes[4096];
};

/* What is kept for the next owner. */
#define KEEP_BYTES (64u * 1024)

/* Room for one more element; false (and the error) without memory. */
static bool grow(struct draft *draft, void **array, size_t *cap, size_t need, size_t element)
{
	size_t fresh = *cap ? *cap : 16;
	void *moved;

	if (draft->error)
		return false;
	if (need <= *cap)
		return true;
	while (fresh < need)
		fresh *= 2;
	moved = realloc(*array, fresh * element);
	if (!moved) {
		draft->error = -ENOMEM;
		return false;
	}
	*array = moved;
	*cap = fresh;
	return true;
}

static bool grow_buf(struct draft *draft, size_t more)
{
	void *buf = draft->buf;
	const bool ok = grow(draft, &buf, &draft->cap, draft->len + more, 1);

	draft->buf = buf;
	return ok;
}

static bool grow_names(struct draft *draft)
{
	void *names = draft->names;
	const bool ok = grow(
		draft, &names, &draft->name_cap, draft->name_count + 1, sizeof(struct draft_name));

	draft->names = names;
	return ok;
}

static bool grow_items(struct draft *draft)
{
	void *items = draft->items;
	const bool ok = grow(
		draft, &items, &draft->item_cap, draft->item_count + 1, sizeof(struct draft_item));

	draft->items = items;
	return ok;
}

/* Zero bytes up to a multiple of align: compared, so never left to chance. */
static void pad(struct draft *draft, size_t align)
{
	const size_t more = (align - draft->len % align) % align;

	if (!more || !grow_buf(draft, more))
		return;
	memset(draft->buf + draft->len, 0, more);
	draft->len += more;
}

static struct entry *open_entry(struct draft *draft)
{
	void *at = draft->buf + draft->entry_at;

	return at;
}

static struct answer *open_answer(struct draft *draft)
{
	void *at = draft->buf + draft->answer_at;

	return at;
}

void draft_init(struct draft *draft, uint32_t ttl_s)
{
	*draft = (struct draft){.ttl_s = ttl_s};
}

static void texts_free(struct draft *draft)
{
	struct draft_text *next;

	for (struct draft_text *at = draft->texts; at; at = next) {
		next = at->next;
		free(at);
	}
	draft->texts = NULL;
}

void draft_free(struct draft *draft)
{
	texts_free(draft);
	free(draft->buf);
	free(draft->names);
	free(draft->items);
	plain_free(&draft->plain);
	*draft = (struct draft){.ttl_s = draft->ttl_s};
}

void draft_reset(struct draft *draft)
{
	if (draft->cap + draft->name_cap * sizeof *draft->names +
			draft->item_cap * sizeof *draft->items +
			draft->plain.cap * 2 * sizeof *draft->plain.number >
		KEEP_BYTES)
		draft_free(draft);
	texts_free(draft);
	draft->len = draft->name_count = draft->item_count = 0;
	draft->error = 0;
}

void draft_begin(struct draft *draft, const uint8_t *key, size_t len, enum entry_kind kind)
{
	struct entry entry = {.kind = (uint8_t)kind};
	struct draft_name *name;

	pad(draft, _Alignof(struct entry));
	if (!grow_names(draft) || !grow_buf(draft, sizeof entry))
		return;
	name = &draft->names[draft->name_count++];
	name->entry_at = draft->entry_at = draft->len;
	name->entry_len = 0;
	name->key_len = (uint8_t)len;
	if (len)
		memcpy(name->key, key, len);
	memcpy(draft->buf + draft->len, &entry, sizeof entry);
	draft->len += sizeof entry;
}

const struct entry *draft_open_entry(const struct draft *draft)
{
	const void *at = draft->buf + draft->entry_at;

	return at;
}

void draft_nameless(struct draft *draft)
{
	if (!draft->error)
		open_entry(draft)->nameless = 1;
}

void draft_open(struct draft *draft, enum entry_slot slot, uint16_t type)
{
	struct answer answer = {.type = type};

	if (type == TYPE_A)
		answer.stride = ANSWER_A_LEN;
	else if (type == TYPE_AAAA)
		answer.stride = ANSWER_AAAA_LEN;
	pad(draft, _Alignof(struct answer));
	if (!grow_buf(draft, sizeof answer))
		return;
	draft->answer_at = draft->len;
	open_entry(draft)->at[slot] = (uint32_t)(draft->len - draft->entry_at);
	memcpy(draft->buf + draft->len, &answer, sizeof answer);
	draft->len += sizeof answer;
}

void draft_record(struct draft *draft, const uint8_t *owner, size_t owner_len, const uint8_t *rdata,
	size_t len)
{
	static const uint8_t question[] = {0xC0, DNS_HEADER_LEN};
	const size_t own_len = owner ? owner_len : sizeof question;
	const size_t need = own_len + 10 + len;
	struct answer *answer;
	struct bytes_out out;

	if (!grow_buf(draft, need))
		return;
	answer = open_answer(draft);
	out = bytes_out(draft->buf + draft->len, need);
	bytes_put(&out, owner ? owner : question, own_len);
	bytes_put_u16(&out, answer->type);
	bytes_put_u16(&out, CLASS_IN);
	bytes_put_u32(&out, draft->ttl_s);
	bytes_put_u16(&out, (uint16_t)len);
	bytes_put(&out, rdata, len);
	draft->len += need;
	answer->count++;
	if (owner)
		answer->stride = 0;
}

void draft_address(struct draft *draft, uint8_t family, const uint8_t *addr)
{
	const size_t len = family == 4 ? 4 : 16, need = ANSWER_HEAD + len;
	uint8_t *at;

	/* Thousands may follow each other; their heads are the same. */
	if (draft->error || open_answer(draft)->count == 0 || open_answer(draft)->stride != need ||
		!grow_buf(draft, need)) {
		draft_record(draft, NULL, 0, addr, len);
		return;
	}
	at = draft->buf + draft->len;
	memcpy(at, at - need, ANSWER_HEAD);
	memcpy(at + ANSWER_HEAD, addr, len);
	draft->len += need;
	open_answer(draft)->count++;
}

/* All but the first are written with its head. */
uint32_t draft_plain(struct draft *draft)
{
	const struct plain *plain = &draft->plain;
	const uint64_t *number = plain->number;
	const size_t count = plain->count;
	uint8_t addr[4], head[ANSWER_HEAD], *start, *at;

	if (!count || !grow_buf(draft, count * ANSWER_A_LEN))
		return 0;
	start = at = draft->buf + draft->len;
	bytes_set_u32(addr, plain_address(plain, 0));
	draft_record(draft, NULL, 0, addr, sizeof addr);
	memcpy(head, at, sizeof head);
	for (size_t i = 1; i < count; i++) {
		const uint32_t address = (uint32_t)(number[i] >> 32);

		if (address == (uint32_t)(number[i - 1] >> 32))
			continue;
		at += ANSWER_A_LEN;
		memcpy(at, head, sizeof head);
		bytes_set_u32(at + ANSWER_HEAD, address);
	}
	draft->len += (size_t)(at - start);
	open_answer(draft)->count += (uint32_t)((at - start) / ANSWER_A_LEN);
	return (uint32_t)((at - start) / ANSWER_A_LEN) + 1;
}

void draft_close(struct draft *draft, uint32_t dashed_count)
{
	struct answer *answer;

	if (draft->error)
		return;
	answer = open_answer(draft);
	answer->dashed_count = dashed_count;
	answer->bytes = (uint32_t)(draft->len - draft->answer_at - sizeof *answer);
}

void *draft_block(struct draft *draft, enum entry_slot slot, size_t size)
{
	size_t at;

	pad(draft, _Alignof(struct answer));
	if (!grow_buf(draft, size))
		return NULL;
	at = draft->len;
	open_entry(draft)->at[slot] = (uint32_t)(at - draft->entry_at);
	memset(draft->buf + at, 0, size);
	draft->len += size;
	return draft->buf + at;
}

void draft_alias(struct draft *draft, enum entry_slot from, enum entry_slot to)
{
	if (!draft->error)
		open_entry(draft)->at[to] = open_entry(draft)->at[from];
}

void draft_end(struct draft *draft)
{
	struct draft_name *name;

	if (draft->error)
		return;
	name = &draft->names[draft->name_count - 1];
	name->entry_len = (uint32_t)(draft->len - draft->entry_at);
	open_entry(draft)->size = name->entry_len;
}

void draft_addresses(
	struct draft *draft, enum entry_slot slot, const struct draft_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const bool v4 = items[i].family == 4;

		if (!i || items[i].family != items[i - 1].family)
			draft_open(draft, v4 ? slot : slot + 1, v4 ? TYPE_A : TYPE_AAAA);
		if (!i || !draft_same_address(&items[i], &items[i - 1]))
			draft_address(draft, items[i].family, items[i].addr);
		if (i + 1 == n || items[i].family != items[i + 1].family)
			draft_close(draft, 0);
	}
}

const uint8_t *draft_entry(const struct draft *draft, const struct draft_name *name)
{
	return draft->buf + name->entry_at;
}

struct draft_item *draft_item(
	struct draft *draft, const char *host, uint8_t family, const uint8_t *addr, uint32_t list)
{
	struct draft_item *item;

	if (!grow_items(draft))
		return NULL;
	item = &draft->items[draft->item_count++];
	*item = (struct draft_item){.host = host, .family = family, .list = list};
	memcpy(item->addr, addr, family == 4 ? 4 : 16);
	return item;
}

const char *draft_text(struct draft *draft, const char *text)
{
	const size_t size = strlen(text) + 1;
	struct draft_text *texts = draft->texts;
	char *copy;

	if (size > sizeof texts->bytes)
		return NULL;
	if (!texts || texts->used + size > sizeof texts->bytes) {
		texts = malloc(sizeof *texts);
		if (!texts) {
			draft->error = -ENOMEM;
			return NULL;
		}
		texts->next = draft->texts;
		texts->used = 0;
		draft->texts = texts;
	}
	copy = memcpy(texts->bytes + texts->used, text, size);
	texts->used += size;
	return copy;
}

int draft_compare(const struct draft_item *a, const struct draft_item *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->addr, b->addr, sizeof a->addr);
}

static int text_compare(const char *a, const char *b)
{
	return strcasecmp(a ? a : "", b ? b : "");
}

int draft_compare_names(const struct draft_item *a, const struct draft_item *b)
{
	const int order = text_compare(a->host, b->host);

	return order ? order : text_compare(a->cluster, b->cluster);
}

static int by_host(const void *x, const void *y)
{
	const struct draft_item *a = x, *b = y;
	const int order = draft_compare_names(a, b);

	return order ? order : draft_compare(a, b);
}

static int by_cluster(const void *x, const void *y)
{
	const struct draft_item *a = x, *b = y;

	return text_compare(a->cluster, b->cluster);
}

void draft_sort_by_host(struct draft_item *items, size_t n)
{
	if (n > 1)
		qsort(items, n, sizeof *items, by_host);
}

void draft_sort_by_cluster(struct draft_item *items, size_t n)
{
	if (n > 1)
		qsort(items, n, sizeof *items, by_cluster);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Two sorted arrays: the names, each with the number it has as an owner, and the
 * addresses by that number. A name may have several sections; they are one. */

#include "weights.h"

#include "dns/corefile/value.h"
#include "dns/wire/name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct section {
	const uint8_t *name; /* in the pool */
	uint32_t len;
	uint32_t number; /* in the order of the file; then that of the name's first section */
};

struct item {
	uint32_t owner; /* the section's number */
	uint32_t line;
	uint8_t address_len, weight;
	uint8_t address[16];
};

struct weights {
	uint8_t *pool;
	struct section *sections;
	struct item *items;
	size_t pool_len, section_count, item_count;
};

/* ---- order ---- */

static int section_compare(const void *a, const void *b)
{
	const struct section *left = a, *right = b;
	int order;

	if (left->len != right->len)
		return left->len < right->len ? -1 : 1;
	order = memcmp(left->name, right->name, left->len);
	return order ? order : (left->number > right->number) - (left->number < right->number);
}

static int item_compare(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	int order;

	if (left->owner != right->owner)
		return left->owner < right->owner ? -1 : 1;
	if (left->address_len != right->address_len)
		return left->address_len < right->address_len ? -1 : 1;
	order = memcmp(left->address, right->address, left->address_len);
	return order ? order : (left->line > right->line) - (left->line < right->line);
}

/* Sort; sections of one name become one, and their items get its number. */
static int weights_finish(struct weights *weights)
{
	uint32_t *first = malloc((weights->section_count + 1) * sizeof *first);
	size_t kept = 0;

	if (!first)
		return -ENOMEM;
	if (weights->section_count)
		qsort(weights->sections, weights->section_count, sizeof *weights->sections,
			section_compare);
	for (size_t i = 0; i < weights->section_count; i++) {
		const struct section *section = &weights->sections[i];
		const struct section *before = &weights->sections[kept ? kept - 1 : 0];

		if (kept && before->len == section->len &&
			memcmp(before->name, section->name, section->len) == 0) {
			first[section->number] = before->number;
			continue;
		}
		first[section->number] = section->number;
		weights->sections[kept++] = *section;
	}
	weights->section_count = kept;
	for (size_t i = 0; i < weights->item_count; i++)
		weights->items[i].owner = first[weights->items[i].owner];
	free(first);
	if (weights->item_count)
		qsort(weights->items, weights->item_count, sizeof *weights->items, item_compare);
	return 0;
}

/* ---- reading ---- */

struct word {
	const char *text;
	size_t len;
};

#define WORDS_MAX 3 /* one more than a line may have */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static size_t words_split(const char *at, const char *end, struct word words[WORDS_MAX])
{
	size_t count = 0;

	while (count < WORDS_MAX) {
		while (at < end && is_blank(*at))
			at++;
		if (at == end || (count == 0 && *at == '#'))
			return count;
		words[count].text = at;
		while (at < end && !is_blank(*at))
			at++;
		words[count].len = (size_t)(at - words[count].text);
		count++;
	}
	return count;
}

/* A word as a string; false: longer than any address or number. */
static bool word_copy(const struct word *word, char out[64])
{
	if (word->len >= 64 || memchr(word->text, 0, word->len))
		return false;
	memcpy(out, word->text, word->len);
	out[word->len] = 0;
	return true;
}

static bool word_address(const struct word *word, struct value_address *out)
{
	char text[64];

	return word_copy(word, text) && value_address(text, out) == 0;
}

/* Why a line is wrong; NULL: it is not. */
static const char *section_add(struct weights *weights, const struct word *word, uint32_t number)
{
	struct value_address address;
	struct name name;

	if (word_address(word, &address))
		return "an address without a weight; write for example '192.0.2.1 3'";
	if (name_from_text(word->text, word->len, &name) < 0)
		return "this is no name";
	name_lower(weights->pool + weights->pool_len, name.wire, name.len);
	weights->sections[weights->section_count++] =
		(struct section){weights->pool + weights->pool_len, name.len, number};
	weights->pool_len += name.len;
	return NULL;
}

static const char *item_add(struct weights *weights, const struct word words[2], uint32_t line)
{
	struct item *item = &weights->items[weights->item_count];
	struct value_address address;
	char number[64];
	int64_t weight;

	if (!word_address(&words[0], &address) || address.scope)
		return "this is no address; write for example '192.0.2.1 3'";
	if (!word_copy(&words[1], number) || value_number(number, 1, 255, &weight) < 0)
		return "this is no weight; write a number from 1 to 255 behind the address";
	if (weights->section_count == 0)
		return "an address of no name; write the name on a line above it";
	*item = (struct item){
		.owner = (uint32_t)(weights->section_count - 1),
		.line = line,
		.address_len = address.family == AF_INET ? 4 : 16,
		.weight = (uint8_t)weight,
	};
	memcpy(item->address, address.bytes, item->address_len);
	weights->item_count++;
	return NULL;
}

static const char *line_read(
	struct weights *weights, const char *at, const char *end, uint32_t line)
{
	struct word words[WORDS_MAX];

	switch (words_split(at, end, words)) {
	case 0:
		return NULL;
	case 1:
		return section_add(weights, &words[0], (uint32_t)weights->section_count);
	case 2:
		return item_add(weights, words, line);
	default:
		return "more than two words; write a name, or an address and its weight";
	}
}

/* Room for as many of each as the text can have. */
static struct weights *weights_new(const char *text, size_t len)
{
	struct weights *weights = calloc(1, sizeof *weights);
	size_t lines = 1;

	if (!weights)
		return NULL;
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	/* A name takes at most two bytes more than its text. */
	weights->pool = malloc(len + 2 * lines);
	weights->sections = reallocarray(NULL, lines, sizeof *weights->sections);
	weights->items = reallocarray(NULL, lines, sizeof *weights->items);
	if (weights->pool && weights->sections && weights->items)
		return weights;
	weights_free(weights);
	return NULL;
}

int weights_parse(const char *text, size_t len, const char *path, struct weights **out, char *err,
	size_t err_len)
{
	struct weights *weights = weights_new(text, len);
	const char *at = text, *end = text + len, *why = NULL;
	uint32_t line = 0;
	int rc = -ENOMEM;

	if (!weights)
		goto fail;
	while (at < end && !why) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		why = line_read(weights, at, stop ? stop : end, ++line);
		at = stop ? stop + 1 : end;
	}
	if (why)
		rc = -EINVAL;
	else
		rc = weights_finish(weights);
	if (rc < 0)
		goto fail;
	*out = weights;
	return 0;
fail:
	if (why)
		snprintf(err, err_len, "%s:%u: %s", path, (unsigned)line, why);
	else
		snprintf(err, err_len, "%s: out of memory", path);
	weights_free(weights);
	return rc;
}

void weights_free(void *freed)
{
	struct weights *weights = freed;

	if (!weights)
		return;
	free(weights->pool);
	free(weights->sections);
	free(weights->items);
	free(weights);
}

/* ---- look-up ---- */

static const struct section *section_find(
	const struct weights *weights, const uint8_t *owner, size_t owner_len)
{
	const struct section wanted = {owner, (uint32_t)owner_len, 0};
	size_t low = 0, high = weights->section_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (section_compare(&weights->sections[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* The number 0 sorts before every other of the same name. */
	if (low == weights->section_count || weights->sections[low].len != owner_len ||
		memcmp(weights->sections[low].name, owner, owner_len) != 0)
		return NULL;
	return &weights->sections[low];
}

unsigned weights_get(const struct weights *weights, const uint8_t *owner, size_t owner_len,
	const uint8_t *address, size_t address_len)
{
	const struct section *section = section_find(weights, owner, owner_len);
	struct item wanted = {.address_len = (uint8_t)address_len};
	size_t low = 0, high = weights->item_count;

	if (!section)
		return 1;
	wanted.owner = section->number;
	memcpy(wanted.address, address, address_len);
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (item_compare(&weights->items[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* A line of 0 sorts before every real one. */
	wanted.line = low < weights->item_count ? weights->items[low].line : 0;
	if (low == weights->item_count || item_compare(&weights->items[low], &wanted) != 0)
		return 1;
	return weights->items[low].weight;
}

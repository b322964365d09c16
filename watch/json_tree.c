/* SPDX-License-Identifier: Apache-2.0 */
#include "json_tree.h"

#include "proto_tree.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- the verdict ---- */

static void why_write(struct decoder *d, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void why_write(struct decoder *d, const char *format, va_list args)
{
	vsnprintf(d->why, DECODE_WHY_MAX, format, args);
}

void decoder_refuse(struct decoder *d, const char *format, ...)
{
	va_list args;

	if (d->result != DECODE_OK)
		return;
	d->result = DECODE_INVALID;
	if (d->left_out > 0)
		decoder_finish(d); /* what was left out is the better reason */
	if (d->why[0])
		return;
	va_start(args, format);
	why_write(d, format, args);
	va_end(args);
}

void decoder_skip(struct decoder *d, const char *reason)
{
	if (d->result != DECODE_OK)
		return;
	d->result = DECODE_SKIP;
	d->left_out = 0;
	snprintf(d->why, DECODE_WHY_MAX, "%s", reason);
}

void decoder_leave_out(struct decoder *d, const char *format, ...)
{
	va_list args;

	if (d->result != DECODE_OK || d->left_out++ > 0)
		return;
	va_start(args, format);
	why_write(d, format, args);
	va_end(args);
}

void decoder_finish(struct decoder *d)
{
	char first[DECODE_WHY_MAX];

	if (d->left_out == 0)
		return;
	memcpy(first, d->why, sizeof first);
	if (d->left_out == 1)
		snprintf(d->why, DECODE_WHY_MAX, "%.180s cannot be used", first);
	else
		snprintf(d->why, DECODE_WHY_MAX, "%.180s and %u more cannot be used", first,
			d->left_out - 1);
	d->left_out = 0;
}

/* ---- reads ---- */

enum decode_result tree_parse(
	const struct document *document, cJSON **out, char why[DECODE_WHY_MAX])
{
	const char *const json = document->bytes, *end = NULL;
	const size_t len = document->len;
	cJSON *tree;

	if (document->message)
		return proto_tree(document, out, why);
	/* cJSON does not say whether memory or the text was at fault; malloc does. */
	errno = 0;
	tree = cJSON_ParseWithLengthOpts(json, len, &end, 0);
	if (!tree && errno == ENOMEM) {
		snprintf(why, DECODE_WHY_MAX, "out of memory");
		return DECODE_NOMEM;
	}
	while (tree && end < json + len && strchr(" \t\r\n", *end) && *end)
		end++;
	if (!tree || end != json + len) {
		snprintf(why, DECODE_WHY_MAX, "not a JSON document (byte %zu of %zu)",
			end ? (size_t)(end - json) : 0, len);
		cJSON_Delete(tree);
		return DECODE_SYNTAX;
	}
	*out = tree;
	return DECODE_OK;
}

/* NULL if absent or null. */
static const cJSON *member_find(const cJSON *tree, const char *key)
{
	const cJSON *found = cJSON_GetObjectItemCaseSensitive(tree, key);

	return found && !cJSON_IsNull(found) ? found : NULL;
}

const char *tree_text(struct decoder *d, const cJSON *tree, const char *key)
{
	const cJSON *found = member_find(tree, key);

	if (found && !cJSON_IsString(found)) {
		decoder_refuse(d, "%s is not a string", key);
		return NULL;
	}
	return found ? found->valuestring : NULL;
}

const cJSON *tree_member(struct decoder *d, const cJSON *tree, const char *key)
{
	const cJSON *found = member_find(tree, key);

	if (found && !cJSON_IsObject(found)) {
		decoder_refuse(d, "%s is not an object", key);
		return NULL;
	}
	return found;
}

const cJSON *tree_list(struct decoder *d, const cJSON *tree, const char *key)
{
	const cJSON *found = member_find(tree, key);

	if (found && !cJSON_IsArray(found)) {
		decoder_refuse(d, "%s is not a list", key);
		return NULL;
	}
	return found;
}

bool tree_flag(struct decoder *d, const cJSON *tree, const char *key, bool absent)
{
	const cJSON *found = member_find(tree, key);

	if (found && !cJSON_IsBool(found)) {
		decoder_refuse(d, "%s is not true or false", key);
		return absent;
	}
	return found ? cJSON_IsTrue(found) : absent;
}

int tree_number(struct decoder *d, const cJSON *tree, const char *key, int absent)
{
	const cJSON *found = member_find(tree, key);

	if (!found)
		return absent;
	if (!cJSON_IsNumber(found) || !(found->valuedouble >= 0) ||
		found->valuedouble > (double)INT_MAX) {
		decoder_refuse(d, "%s is not a number of a sensible size", key);
		return absent;
	}
	return (int)found->valuedouble;
}

uint64_t tree_version(struct decoder *d, const cJSON *tree, const char *key)
{
	const char *text = tree_text(d, tree, key);
	uint64_t version = 0;

	for (; text && *text; text++) {
		const unsigned digit = (unsigned)(unsigned char)*text - '0';

		if (digit > 9 || version > (UINT64_MAX - digit) / 10) {
			decoder_refuse(d, "%s is not a decimal number", key);
			return 0;
		}
		version = version * 10 + digit;
	}
	return version;
}

const char *item_text(struct decoder *d, const cJSON *item, const char *list)
{
	if (cJSON_IsString(item))
		return item->valuestring;
	decoder_refuse(d, "an entry of %s is not a string", list);
	return NULL;
}

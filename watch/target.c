/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE_PARAMETER "limit=500"

/* A growing string with a sticky failure. */
struct text {
	char *bytes;
	size_t len;
	bool failed;
	char separator; /* what comes before the next parameter */
};

static void text_add(struct text *text, const char *bytes, size_t len)
{
	char *grown = text->failed ? NULL : realloc(text->bytes, text->len + len + 1);

	if (!grown) {
		text->failed = true;
		return;
	}
	memcpy(grown + text->len, bytes, len);
	grown[text->len + len] = '\0';
	text->bytes = grown;
	text->len += len;
}

static void parameter_add(struct text *text, const char *parameter)
{
	text_add(text, &text->separator, 1);
	text_add(text, parameter, strlen(parameter));
	text->separator = '&';
}

static bool is_unreserved(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("-._~", c));
}

/* RFC 3986 section 2.1 */
static void escaped_add(struct text *text, const char *value)
{
	for (; *value; value++) {
		char hex[4];

		if (is_unreserved(*value)) {
			text_add(text, value, 1);
			continue;
		}
		snprintf(hex, sizeof hex, "%%%02X", (unsigned)(unsigned char)*value);
		text_add(text, hex, 3);
	}
}

static void named_add(struct text *text, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	parameter_add(text, name);
	escaped_add(text, value);
}

static void version_add(struct text *text, uint64_t version)
{
	char parameter[48];

	snprintf(parameter, sizeof parameter, "resourceVersion=%" PRIu64, version);
	parameter_add(text, parameter);
}

static struct text target_begin(const struct target *target)
{
	struct text text = {.separator = '?'};

	text_add(&text, target->path, strlen(target->path));
	return text;
}

/* A comma between selectors is "and". */
static void selectors_add(struct text *text, const struct target *target)
{
	const char *first = target->label_selectors[0], *second = target->label_selectors[1];

	if (!first || !*first) {
		named_add(text, "labelSelector=", second);
		return;
	}
	named_add(text, "labelSelector=", first);
	if (!second || !*second)
		return;
	escaped_add(text, ",");
	escaped_add(text, second);
}

static char *target_end(struct text *text, const struct target *target)
{
	selectors_add(text, target);
	named_add(text, "fieldSelector=", target->field_selector);
	if (!text->failed)
		return text->bytes;
	free(text->bytes);
	return NULL;
}

static void timeout_add(struct text *text, unsigned timeout_s)
{
	char parameter[32];

	snprintf(parameter, sizeof parameter, "timeoutSeconds=%u", timeout_s);
	parameter_add(text, parameter);
}

char *target_list(const struct target *target, enum list_from from, uint64_t version, bool unpaged)
{
	struct text text = target_begin(target);

	/* limit beside a version would mean exactly that version. */
	if (!unpaged && from != LIST_KNOWN)
		parameter_add(&text, PAGE_SIZE_PARAMETER);
	if (from == LIST_CACHED)
		version_add(&text, 0);
	if (from == LIST_KNOWN) {
		version_add(&text, version);
		parameter_add(&text, "resourceVersionMatch=NotOlderThan");
	}
	return target_end(&text, target);
}

char *target_page(const struct target *target, const char *continue_token)
{
	struct text text = target_begin(target);

	parameter_add(&text, PAGE_SIZE_PARAMETER);
	named_add(&text, "continue=", continue_token);
	return target_end(&text, target);
}

char *target_watch(const struct target *target, uint64_t version, unsigned timeout_s)
{
	struct text text = target_begin(target);

	parameter_add(&text, "watch=true");
	parameter_add(&text, "allowWatchBookmarks=true");
	version_add(&text, version);
	timeout_add(&text, timeout_s);
	return target_end(&text, target);
}

char *target_stream_list(const struct target *target, uint64_t version, unsigned timeout_s)
{
	struct text text = target_begin(target);

	parameter_add(&text, "watch=true");
	parameter_add(&text, "allowWatchBookmarks=true");
	parameter_add(&text, "sendInitialEvents=true");
	parameter_add(&text, "resourceVersionMatch=NotOlderThan");
	if (version)
		version_add(&text, version);
	else
		parameter_add(&text, "resourceVersion=");
	timeout_add(&text, timeout_s);
	return target_end(&text, target);
}

char *target_discovery(const char *path)
{
	return strndup(path, (size_t)(strrchr(path, '/') - path));
}

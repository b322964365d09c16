/* SPDX-License-Identifier: Apache-2.0 */
#include "environment.h"

#include <string.h>

struct reference {
	const char *start, *name, *end; /* end: the first byte behind it */
	size_t name_len;
};

static bool reference_read(const char *at, struct reference *out)
{
	const char *close = at[1] == '$' ? "}" : "%}";
	const char *stop;

	if (at[0] != '{' || (at[1] != '$' && at[1] != '%'))
		return false;
	stop = strstr(at + 2, close);
	if (!stop || stop == at + 2)
		return false;
	*out = (struct reference){at, at + 2, stop + strlen(close), (size_t)(stop - at - 2)};
	return true;
}

static bool reference_find(const char *text, struct reference *out)
{
	for (; (text = strchr(text, '{')) != NULL; text++) {
		if (reference_read(text, out))
			return true;
	}
	return false;
}

static const char *reference_value(const struct corefile_reader *reader, struct arena *arena,
	const struct reference *reference)
{
	const char *name = arena_copy(arena, reference->name, reference->name_len);
	const char *value;

	if (!name)
		return NULL;
	value = reader->env ? reader->env(reader->ctx, name) : NULL;
	return value ? value : "";
}

/* Two passes, so that the result is as large as it has to be. With out NULL only
 * the length is found; -1: no room. */
static long expand(
	const struct corefile_reader *reader, struct arena *arena, const char *text, char *out)
{
	struct reference reference;
	size_t len = 0;

	while (reference_find(text, &reference)) {
		size_t before = (size_t)(reference.start - text);
		const char *value = reference_value(reader, arena, &reference);

		if (!value)
			return -1;
		if (out) {
			memcpy(out + len, text, before);
			memcpy(out + len + before, value, strlen(value));
		}
		len += before + strlen(value);
		text = reference.end;
	}
	if (out)
		strcpy(out + len, text);
	return (long)(len + strlen(text));
}

const char *environment_expand(
	const struct corefile_reader *reader, struct arena *arena, const char *text)
{
	struct reference reference;
	long len;
	char *out;

	if (!reference_find(text, &reference))
		return text;
	len = expand(reader, arena, text, NULL);
	out = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
	if (!out || expand(reader, arena, text, out) < 0)
		return NULL;
	return out;
}

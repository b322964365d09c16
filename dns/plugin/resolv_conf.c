/* SPDX-License-Identifier: Apache-2.0 */
#include "resolv_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX 65536

struct word {
	const char *text;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line; false at its end. A comment sign begins a comment only
 * where a word could begin. */
static bool word_next(const char **at, const char *end, struct word *out)
{
	while (*at < end && is_blank(**at))
		(*at)++;
	if (*at == end || **at == '#' || **at == ';')
		return false;
	out->text = *at;
	while (*at < end && !is_blank(**at))
		(*at)++;
	out->len = (size_t)(*at - out->text);
	return true;
}

static bool word_is(const struct word *word, const char *text)
{
	return word->len == strlen(text) && memcmp(word->text, text, word->len) == 0;
}

static void server_add(struct resolv_conf *conf, const struct word *word)
{
	char text[64];

	if (word->len >= sizeof text || conf->server_count == RESOLV_CONF_MAX)
		return;
	memcpy(text, word->text, word->len);
	text[word->len] = 0;
	if (value_address(text, &conf->servers[conf->server_count]) == 0)
		conf->server_count++;
}

static void search_add(struct resolv_conf *conf, const struct word *word)
{
	struct name *name = &conf->search[conf->search_count];

	if (conf->search_count == RESOLV_CONF_MAX ||
		name_from_text(word->text, word->len, name) < 0)
		return;
	name_lower(name->wire, name->wire, name->len);
	conf->search_count++;
}

static void line_read(struct resolv_conf *conf, const char *at, const char *end)
{
	struct word key, word;

	if (!word_next(&at, end, &key))
		return;
	if (word_is(&key, "nameserver") && word_next(&at, end, &word))
		server_add(conf, &word);
	if (!word_is(&key, "search") && !word_is(&key, "domain"))
		return;
	conf->search_count = 0; /* the last line counts */
	while (word_next(&at, end, &word))
		search_add(conf, &word);
}

void resolv_conf_parse(const char *text, size_t len, struct resolv_conf *out)
{
	const char *end = text + len;

	out->server_count = out->search_count = 0;
	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop)
			stop = end;
		line_read(out, text, stop);
		text = stop + (stop < end);
	}
}

int resolv_conf_read(const char *path, struct resolv_conf *out)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(FILE_MAX + 1);
	int rc = -errno;
	size_t len;

	if (!file)
		goto out;
	rc = -ENOMEM;
	if (!text)
		goto out;
	len = fread(text, 1, FILE_MAX + 1, file);
	rc = ferror(file) ? -EIO : len > FILE_MAX ? -EFBIG : 0;
	if (rc == 0)
		resolv_conf_parse(text, len, out);
out:
	if (file)
		fclose(file);
	free(text);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a Corefile, then its keys and arguments as values. Imports see three
 * files that are made up here and nothing of the machine. */

#include "dns/corefile/reader.h"
#include "dns/corefile/value.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fuzz_file {
	const char *path, *text;
} fuzz_files[] = {
	{"a.conf", "errors\nimport b.conf\n"},
	{"b.conf", "health {\n lameduck 5s\n}\n"},
	{"c.server", "(s) {\n log\n}\nc.org:53 {\n import s\n import c.server\n}\n"},
};
#define FILE_COUNT (sizeof fuzz_files / sizeof *fuzz_files)

static int fuzz_read(void *ctx, const char *path, size_t max, char **text, size_t *len)
{
	(void)ctx;
	(void)max;
	for (size_t i = 0; i < FILE_COUNT; i++) {
		if (strcmp(fuzz_files[i].path, path) != 0)
			continue;
		*text = strdup(fuzz_files[i].text);
		*len = *text ? strlen(*text) : 0;
		return *text ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

/* Every pattern matches the first two. */
static int fuzz_list(void *ctx, const char *dir, const char *pattern, char ***paths, size_t *count)
{
	(void)ctx;
	(void)dir;
	(void)pattern;
	*paths = calloc(2, sizeof **paths);
	if (!*paths)
		return -ENOMEM;
	for (*count = 0; *count < 2; (*count)++)
		(*paths)[*count] = strdup(fuzz_files[*count].path);
	return 0;
}

static const char *fuzz_env(void *ctx, const char *name)
{
	(void)ctx;
	return name[0] == 'A' ? "{ \"{$B}, import" : NULL;
}

/* A zone must come back as it is when it is read again. */
static void check_key(const struct corefile_token *token)
{
	struct value_key key, again;
	char why[256];

	if (value_key(token->text, &key, why, sizeof why) < 0)
		return;
	if (key.zone_count == 0)
		abort();
	if (value_key(key.zones[0], &again, why, sizeof why) < 0 || again.zone_count != 1 ||
		strcmp(again.zones[0], key.zones[0]) != 0)
		abort();
	value_key_free(&again);
	value_key_free(&key);
}

static void check_values(const char *text)
{
	char duration[VALUE_DURATION_TEXT_MAX];
	struct value_endpoint endpoint;
	struct value_address address;
	struct value_prefix prefix;
	uint64_t bytes;
	int64_t number, again;

	value_size(text, &bytes);
	value_address(text, &address);
	value_endpoint(text, 53, &endpoint);
	value_prefix(text, &prefix);
	if (value_number(text, -1000, 1000, &number) == 0 && (number < -1000 || number > 1000))
		abort();
	/* A duration reads as itself again; the text of the largest ones is rounded. */
	if (value_duration_ms(text, &number) == 0 && number < INT64_C(1) << 40 &&
		(value_duration_ms(value_duration_text(number, duration), &again) < 0 ||
			again < number - 1 || again > number))
		abort();
}

static void check_lines(const struct corefile_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (lines[i].token_count == 0 || !lines[i].tokens[0].text[0])
			abort();
		for (size_t t = 0; t < lines[i].token_count; t++) {
			if (lines[i].tokens[t].line == 0 || lines[i].tokens[t].col == 0)
				abort();
			check_values(lines[i].tokens[t].text);
		}
		check_lines(lines[i].body, lines[i].body_count);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct corefile_reader reader = {
		.read = fuzz_read, .list = fuzz_list, .env = fuzz_env};
	struct corefile *corefile;
	char err[COREFILE_ERROR_MAX];

	err[0] = 0;
	if (corefile_parse_with(&reader, (const char *)data, size, "fuzz", &corefile, err) < 0) {
		if (!strstr(err, ": ") || strchr(err, '\n'))
			abort();
		return 0;
	}
	for (size_t i = 0; i < corefile->block_count; i++) {
		const struct corefile_block *block = &corefile->blocks[i];

		if (block->key_count == 0)
			abort();
		for (size_t k = 0; k < block->key_count; k++)
			check_key(&block->keys[k]);
		check_lines(block->lines, block->line_count);
	}
	corefile_free(corefile);
	return 0;
}

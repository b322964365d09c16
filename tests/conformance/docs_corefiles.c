/* SPDX-License-Identifier: Apache-2.0 */
/* Loads every Corefile that the documentation shows: each block between
 * ```corefile and ``` of the Markdown files named, and other files whole. Every
 * directive is set up; nothing is started. A file without any is a failure, so
 * that a page cannot lose its examples unnoticed. */

#include "dns/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned loaded, failed;

static void load(const char *file, unsigned line, const char *text, size_t len)
{
	struct corefile *corefile = NULL;
	struct config *config = NULL;
	char err[COREFILE_ERROR_MAX] = "";

	loaded++;
	if (corefile_parse(text, len, file, &corefile, err) < 0 ||
		config_new(corefile, 53, &config, err) < 0) {
		fprintf(stderr, "%s: the Corefile at line %u: %s\n", file, line, err);
		failed++;
	}
	config_free(config);
	corefile_free(corefile);
}

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	if (!file || !text || fread(text, 1, (1 << 20) - 1, file) == 0) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(2);
	}
	fclose(file);
	return text;
}

static void load_markdown(const char *path, const char *text)
{
	static const char opening[] = "```corefile\n";
	unsigned line = 1;

	for (const char *at = text; (at = strstr(at, opening));) {
		const char *start = at + sizeof opening - 1;
		const char *end = strstr(start, "```");

		if (!end) {
			fprintf(stderr, "%s: a ```corefile block does not end\n", path);
			failed++;
			return;
		}
		line = 1;
		for (const char *p = text; p < start; p++)
			line += *p == '\n';
		load(path, line, start, (size_t)(end - start));
		at = end;
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		unsigned before = loaded;
		char *text = file_read(argv[i]);
		size_t len = strlen(argv[i]);

		if (len > 3 && strcmp(argv[i] + len - 3, ".md") == 0)
			load_markdown(argv[i], text);
		else
			load(argv[i], 1, text, strlen(text));
		if (loaded == before) {
			fprintf(stderr, "%s: shows no Corefile\n", argv[i]);
			failed++;
		}
		free(text);
	}
	printf("%u Corefiles loaded, %u failed\n", loaded, failed);
	return failed || !loaded;
}

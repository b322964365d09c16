/* SPDX-License-Identifier: Apache-2.0 */
#include "corefile.h"

#include "parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct corefile_owner {
	struct corefile corefile;
	unsigned holders;
	struct arena arena;
};

int corefile_error(
	char err[COREFILE_ERROR_MAX], const struct corefile_token *at, const char *format, ...)
{
	va_list args;
	int len = snprintf(err, COREFILE_ERROR_MAX, "%.*s:%u:%u: ", COREFILE_ERROR_MAX / 4,
		at->file, at->line, at->col);

	va_start(args, format);
	if (len > 0 && len < COREFILE_ERROR_MAX)
		vsnprintf(err + len, COREFILE_ERROR_MAX - (size_t)len, format, args);
	va_end(args);
	/* Quoted text and variables may hold anything; a message is one line. */
	for (char *c = err; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	return -EINVAL;
}

static int no_memory(const char *name, char *err)
{
	snprintf(err, COREFILE_ERROR_MAX, "%s:1:1: out of memory", name);
	return -ENOMEM;
}

/* text NULL: the file of that name. */
static int corefile_make(const struct corefile_reader *reader, const char *text, size_t len,
	const char *name, struct corefile **out, char *err)
{
	struct corefile_owner *owner = calloc(1, sizeof *owner);
	struct import_file given = {.path = name, .dir = "", .text = text, .len = len};
	const struct import_file *root = &given;
	struct importer importer;
	int rc = 0;

	if (!owner)
		return no_memory(name, err);
	owner->holders = 1;
	owner->arena = arena_make(ARENA_LIMIT);
	importer = (struct importer){
		.reader = reader, .arena = &owner->arena, .corefile = &owner->corefile};
	if (!text) {
		rc = import_load(&importer, NULL, name, &root, err);
	} else {
		/* Tokens name the file for as long as the corefile lives. */
		given.path = arena_copy(&owner->arena, name, strlen(name));
		if (!given.path)
			rc = no_memory(name, err);
	}
	if (rc == 0)
		rc = parser_run(&importer, root, err);
	if (rc < 0) {
		corefile_free(&owner->corefile);
		return rc;
	}
	*out = &owner->corefile;
	return 0;
}

int corefile_read_with(const struct corefile_reader *reader, const char *path,
	struct corefile **out, char err[COREFILE_ERROR_MAX])
{
	return corefile_make(reader, NULL, 0, path, out, err);
}

int corefile_parse_with(const struct corefile_reader *reader, const char *text, size_t len,
	const char *name, struct corefile **out, char err[COREFILE_ERROR_MAX])
{
	if (len > IMPORT_FILE_MAX) {
		snprintf(err, COREFILE_ERROR_MAX,
			"%s:1:1: it is larger than 1 MiB, which no Corefile is", name);
		return -EFBIG;
	}
	return corefile_make(reader, text ? text : "", len, name, out, err);
}

int corefile_read(const char *path, struct corefile **out, char err[COREFILE_ERROR_MAX])
{
	return corefile_read_with(&corefile_reader_system, path, out, err);
}

int corefile_parse(const char *text, size_t len, const char *name, struct corefile **out,
	char err[COREFILE_ERROR_MAX])
{
	return corefile_parse_with(&corefile_reader_system, text, len, name, out, err);
}

struct corefile *corefile_hold(struct corefile *corefile)
{
	((struct corefile_owner *)corefile)->holders++;
	return corefile;
}

void corefile_free(struct corefile *corefile)
{
	struct corefile_owner *owner = (struct corefile_owner *)corefile;
	struct arena arena;

	if (!owner || --owner->holders)
		return;
	arena = owner->arena;
	free(owner);
	arena_free(&arena);
}

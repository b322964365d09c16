/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive descent over a stack of sources. A source is a file (read through a
 * lexer) or a snippet (tokens that were kept); `import` puts one on the stack and
 * parses it to its end where the import stands. The stack is what shows a cycle.
 *
 * Structure is decided by what is written: a variable's value or a quoted text
 * never counts as a brace, a comma between keys or the word "import". */

#include "parser.h"

#include "environment.h"
#include "lexer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct snippet {
	const char *name;
	struct corefile_token at;
	struct token *tokens;
	size_t count;
	const char *dir; /* of the file it stands in */
};

struct source {
	const struct source *parent;
	const char *name;
	const char *dir;
	struct lexer lexer;            /* of a file */
	const struct snippet *snippet; /* NULL: a file */
	size_t next;                   /* in the snippet's tokens */
	struct token held;
	bool holds; /* held was put back */
};

struct parser {
	struct importer *importer;
	struct arena *arena;
	struct snippet *snippets;
	size_t snippet_count;
	unsigned snippet_expansions;
	unsigned depth;
	char *err;
};

struct lines {
	struct corefile_line *items;
	size_t count;
};

static int no_room(struct parser *parser, const struct corefile_token *at)
{
	corefile_error(parser->err, at, "the configuration is too large for memory");
	return -ENOMEM;
}

static int source_next(struct parser *parser, struct source *source, struct token *out)
{
	if (source->holds) {
		source->holds = false;
		*out = source->held;
		return 1;
	}
	if (!source->snippet)
		return lexer_next(&source->lexer, out, parser->err);
	if (source->next == source->snippet->count)
		return 0;
	*out = source->snippet->tokens[source->next];
	out->first = out->first || source->next == 0;
	source->next++;
	return 1;
}

static void source_put_back(struct source *source, const struct token *token)
{
	source->held = *token;
	source->holds = true;
}

static int nesting_enter(struct parser *parser, const struct corefile_token *at)
{
	if (parser->depth == PARSER_NESTING)
		return corefile_error(parser->err, at,
			"bodies and imports are nested more than %u deep", PARSER_NESTING);
	parser->depth++;
	return 0;
}

static int expand(struct parser *parser, struct corefile_token *token)
{
	token->text = environment_expand(parser->importer->reader, parser->arena, token->text);
	return token->text ? 0 : no_room(parser, token);
}

static int tokens_add(struct parser *parser, struct corefile_token **list, size_t *count,
	const struct corefile_token *token)
{
	struct corefile_token *grown = arena_grow(parser->arena, *list, *count, sizeof *grown);

	if (!grown)
		return no_room(parser, token);
	*list = grown;
	grown[(*count)++] = *token;
	return 0;
}

static bool word_is(const struct token *token, const char *word)
{
	return token->kind == TOKEN_WORD && !token->at.quoted && strcmp(token->at.text, word) == 0;
}

static int stray_close(struct parser *parser, const struct token *token)
{
	return corefile_error(parser->err, &token->at,
		"'}' without a '{' before it; take it out, or put the '{' at the end of the line "
		"that opens the block");
}

static int stray_open(struct parser *parser, const struct token *token)
{
	return corefile_error(parser->err, &token->at,
		"'{' on a line of its own; put it at the end of the line it belongs to");
}

static int never_closed(struct parser *parser, const struct token *open)
{
	return corefile_error(parser->err, &open->at,
		"this '{' is never closed; put a '}' on a line of its own behind the block");
}

/* --- imports --- */

static int parse_top(struct parser *parser, struct source *source);
static int parse_lines(struct parser *parser, struct source *source, const struct token *open,
	struct lines *lines);

static bool source_is(const struct source *source, const struct source *other)
{
	return !source->snippet == !other->snippet && strcmp(source->name, other->name) == 0;
}

/* "a -> b -> a", from the source that is imported a second time. */
static size_t cycle_text(
	const struct source *source, const struct source *again, char *out, size_t cap)
{
	size_t len = 0;

	if (source && !source_is(source, again))
		len = cycle_text(source->parent, again, out, cap);
	if (source && len < cap)
		len += (size_t)snprintf(out + len, cap - len, "%s -> ", source->name);
	return len < cap ? len : cap;
}

static int cycle_check(
	struct parser *parser, const struct source *source, const struct corefile_token *at)
{
	char path[COREFILE_ERROR_MAX / 2];

	for (const struct source *up = source->parent; up; up = up->parent) {
		if (!source_is(up, source))
			continue;
		cycle_text(source->parent, source, path, sizeof path);
		return corefile_error(parser->err, at,
			"import goes in a circle: %s%s; take one of these imports out", path,
			source->name);
	}
	return 0;
}

/* Parse an imported source where the import stands: lines NULL at top level. */
static int source_parse(struct parser *parser, struct source *source,
	const struct corefile_token *at, struct lines *lines)
{
	int rc = cycle_check(parser, source, at);

	if (rc == 0)
		rc = nesting_enter(parser, at);
	if (rc < 0)
		return rc;
	rc = lines ? parse_lines(parser, source, NULL, lines) : parse_top(parser, source);
	parser->depth--;
	return rc;
}

static const struct snippet *snippet_find(const struct parser *parser, const char *name)
{
	for (size_t i = 0; i < parser->snippet_count; i++) {
		if (strcmp(parser->snippets[i].name, name) == 0)
			return &parser->snippets[i];
	}
	return NULL;
}

static int import_snippet(struct parser *parser, const struct source *parent,
	const struct snippet *snippet, const struct corefile_token *at, struct lines *lines)
{
	struct source source = {
		.parent = parent, .name = snippet->name, .dir = snippet->dir, .snippet = snippet};

	if (++parser->snippet_expansions > PARSER_SNIPPET_EXPANSIONS)
		return corefile_error(parser->err, at, "snippets are imported more than %u times",
			PARSER_SNIPPET_EXPANSIONS);
	return source_parse(parser, &source, at, lines);
}

static int import_files(struct parser *parser, const struct source *parent,
	const struct corefile_token *at, struct lines *lines)
{
	const struct import_file **files;
	size_t count;
	int rc = import_resolve(parser->importer, at, parent->dir, &files, &count, parser->err);

	if (rc == -ENOENT)
		corefile_error(parser->err, at,
			"import '%s': there is no such file, and no snippet of this name above "
			"this line",
			at->text);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct source source = {
			.parent = parent, .name = files[i]->path, .dir = files[i]->dir};

		lexer_init(&source.lexer, parser->arena, files[i]->path, files[i]->text,
			files[i]->len);
		rc = source_parse(parser, &source, at, lines);
	}
	return rc;
}

/* Behind the word "import". */
static int parse_import(struct parser *parser, struct source *source, const struct token *import,
	struct lines *lines)
{
	const struct snippet *snippet;
	struct token name, behind;
	int rc = source_next(parser, source, &name);

	if (rc < 0)
		return rc;
	if (rc == 0 || name.first || name.kind != TOKEN_WORD)
		return corefile_error(parser->err, &import->at,
			"import needs the name of a snippet, a file or a pattern");
	rc = source_next(parser, source, &behind);
	if (rc < 0)
		return rc;
	if (rc > 0 && !behind.first && behind.kind != TOKEN_CLOSE)
		return corefile_error(parser->err, &behind.at,
			"import takes one name; put '%s' on a line of its own or in quotes with "
			"the name",
			behind.at.text);
	if (rc > 0)
		source_put_back(source, &behind);
	if (expand(parser, &name.at) < 0)
		return -ENOMEM;
	if (!name.at.text[0])
		return corefile_error(parser->err, &name.at,
			"import has an empty name; is the environment variable set?");
	snippet = snippet_find(parser, name.at.text);
	if (snippet)
		return import_snippet(parser, source, snippet, &name.at, lines);
	return import_files(parser, source, &name.at, lines);
}

/* --- lines --- */

static int parse_body(struct parser *parser, struct source *source, const struct token *open,
	struct corefile_line *line)
{
	struct lines body = {0};
	struct token behind;
	int rc = nesting_enter(parser, &open->at);

	if (rc < 0)
		return rc;
	rc = parse_lines(parser, source, open, &body);
	parser->depth--;
	if (rc < 0)
		return rc;
	line->has_body = true;
	line->body = body.items;
	line->body_count = body.count;
	rc = source_next(parser, source, &behind);
	if (rc <= 0)
		return rc;
	if (!behind.first && behind.kind != TOKEN_CLOSE)
		return corefile_error(parser->err, &behind.at,
			"'%s' stands behind a '}'; start a new line", behind.at.text);
	source_put_back(source, &behind);
	return 0;
}

/* `ttl{` and `errors {}` are one word each; both are nearly always slips. */
static int check_glued_brace(struct parser *parser, const struct token *token, bool name)
{
	size_t len = strlen(token->at.text);

	if (token->at.quoted || token->kind != TOKEN_WORD)
		return 0;
	if (strcmp(token->at.text, "{}") == 0)
		return corefile_error(parser->err, &token->at,
			"'{}' is one word here; leave it out, or write '{' and '}' apart");
	if (name && len > 1 && token->at.text[len - 1] == '{')
		return corefile_error(parser->err, &token->at, "'%s': put a space before the '{'",
			token->at.text);
	return 0;
}

/* A directive or option, its arguments and its body; first was read. */
static int parse_line(struct parser *parser, struct source *source, const struct token *first,
	struct corefile_line *line)
{
	struct token token = *first;
	int rc = check_glued_brace(parser, first, true);

	while (rc == 0) {
		rc = expand(parser, &token.at);
		if (rc == 0)
			rc = tokens_add(parser, &line->tokens, &line->token_count, &token.at);
		if (rc < 0)
			return rc;
		rc = source_next(parser, source, &token);
		if (rc <= 0)
			return rc;
		if (token.first && token.kind == TOKEN_OPEN)
			return stray_open(parser, &token);
		if (token.first || token.kind == TOKEN_CLOSE) {
			source_put_back(source, &token);
			return 0;
		}
		if (token.kind == TOKEN_OPEN)
			return parse_body(parser, source, &token, line);
		rc = check_glued_brace(parser, &token, false);
	}
	return rc;
}

static int lines_add(struct parser *parser, struct source *source, const struct token *first,
	struct lines *lines)
{
	struct corefile_line line = {0};
	struct corefile_line *grown;
	int rc = parse_line(parser, source, first, &line);

	if (rc < 0)
		return rc;
	if (!line.tokens[0].text[0])
		return corefile_error(parser->err, &first->at,
			"the line begins with an empty word; is the environment variable set?");
	grown = arena_grow(parser->arena, lines->items, lines->count, sizeof *grown);
	if (!grown)
		return no_room(parser, &first->at);
	lines->items = grown;
	grown[lines->count++] = line;
	return 0;
}

/* Up to the '}' that closes open; with open NULL up to the source's end. */
static int parse_lines(
	struct parser *parser, struct source *source, const struct token *open, struct lines *lines)
{
	struct token token;
	int rc;

	while ((rc = source_next(parser, source, &token)) > 0) {
		if (token.kind == TOKEN_CLOSE)
			return open ? 0 : stray_close(parser, &token);
		if (token.kind == TOKEN_OPEN)
			return stray_open(parser, &token);
		if (word_is(&token, "import"))
			rc = parse_import(parser, source, &token, lines);
		else
			rc = lines_add(parser, source, &token, lines);
		if (rc < 0)
			return rc;
	}
	if (rc == 0 && open)
		return never_closed(parser, open);
	return rc;
}

/* --- server blocks and snippets --- */

static int parse_snippet(struct parser *parser, struct source *source,
	const struct corefile_token *key, const struct token *open)
{
	struct snippet snippet = {.at = *key, .dir = source->dir};
	const struct snippet *earlier;
	struct snippet *grown;
	struct token token;
	unsigned depth = 1;
	int rc;

	snippet.name = arena_copy(parser->arena, key->text + 1, strlen(key->text) - 2);
	if (!snippet.name)
		return no_room(parser, key);
	earlier = snippet_find(parser, snippet.name);
	if (earlier)
		return corefile_error(parser->err, key,
			"the snippet %s is there already, at %s:%u; give one of them another name",
			key->text, earlier->at.file, earlier->at.line);
	while ((rc = source_next(parser, source, &token)) > 0) {
		struct token *tokens;

		if (token.kind == TOKEN_OPEN)
			depth++;
		if (token.kind == TOKEN_CLOSE && --depth == 0)
			break;
		tokens = arena_grow(parser->arena, snippet.tokens, snippet.count, sizeof *tokens);
		if (!tokens)
			return no_room(parser, &token.at);
		snippet.tokens = tokens;
		tokens[snippet.count++] = token;
	}
	if (rc <= 0)
		return rc < 0 ? rc : never_closed(parser, open);
	grown = arena_grow(parser->arena, parser->snippets, parser->snippet_count, sizeof *grown);
	if (!grown)
		return no_room(parser, key);
	parser->snippets = grown;
	grown[parser->snippet_count++] = snippet;
	return 0;
}

static bool key_is_snippet(const struct corefile_token *key)
{
	size_t len = strlen(key->text);

	return !key->quoted && len > 2 && key->text[0] == '(' && key->text[len - 1] == ')';
}

/* Take the comma off a key. True: another key follows, perhaps on the next line.
 * It is looked for in what is written, not in a variable's value. */
static int key_comma(struct parser *parser, struct token *token, bool *more)
{
	size_t len = strlen(token->at.text);

	*more = !token->at.quoted && len && token->at.text[len - 1] == ',';
	if (!*more)
		return 0;
	token->at.text = arena_copy(parser->arena, token->at.text, len - 1);
	return token->at.text ? 0 : no_room(parser, &token->at);
}

struct keys {
	struct corefile_token *items;
	size_t count;
	struct token open; /* the '{', where there is one */
	bool has_open;
};

/* The keys of a block and its '{'; first was read and is a word. */
static int parse_keys(
	struct parser *parser, struct source *source, const struct token *first, struct keys *keys)
{
	struct token token = *first;
	bool more = false;
	int rc = 1;

	do {
		if (token.kind == TOKEN_OPEN && more)
			return corefile_error(parser->err, &token.at,
				"another zone has to follow the comma; take the comma out");
		if (token.kind == TOKEN_OPEN) {
			keys->open = token;
			keys->has_open = true;
			return 0;
		}
		if (token.kind == TOKEN_CLOSE)
			return stray_close(parser, &token);
		if (keys->count && token.first && !more) {
			source_put_back(source, &token);
			return 0;
		}
		if (check_glued_brace(parser, &token, true) < 0)
			return -EINVAL;
		if (key_comma(parser, &token, &more) < 0 || expand(parser, &token.at) < 0)
			return -ENOMEM;
		/* An unset variable leaves out a key, as in CoreDNS. */
		if (token.at.text[0] &&
			tokens_add(parser, &keys->items, &keys->count, &token.at) < 0)
			return -ENOMEM;
		rc = source_next(parser, source, &token);
	} while (rc > 0);
	if (rc == 0 && more)
		return corefile_error(parser->err, &first->at,
			"another zone has to follow the comma; take the comma out");
	return rc;
}

static int blocks_add(struct parser *parser, const struct keys *keys, const struct lines *lines)
{
	struct corefile *corefile = parser->importer->corefile;
	struct corefile_block *grown =
		arena_grow(parser->arena, corefile->blocks, corefile->block_count, sizeof *grown);

	if (!grown)
		return no_room(parser, &keys->items[0]);
	corefile->blocks = grown;
	grown[corefile->block_count++] = (struct corefile_block){
		.keys = keys->items,
		.key_count = keys->count,
		.lines = lines->items,
		.line_count = lines->count,
	};
	return 0;
}

static int parse_block(struct parser *parser, struct source *source, const struct token *first)
{
	struct keys keys = {0};
	struct lines lines = {0};
	int rc = parse_keys(parser, source, first, &keys);

	if (rc < 0)
		return rc;
	if (keys.count == 0)
		return corefile_error(parser->err, &first->at,
			"the server block has no zone; is the environment variable set?");
	if (keys.count == 1 && key_is_snippet(&keys.items[0])) {
		if (!keys.has_open)
			return corefile_error(parser->err, &keys.items[0],
				"the snippet %s has no body; write '%s {' and close it with '}'",
				keys.items[0].text, keys.items[0].text);
		return parse_snippet(parser, source, &keys.items[0], &keys.open);
	}
	rc = parse_lines(parser, source, keys.has_open ? &keys.open : NULL, &lines);
	if (rc < 0)
		return rc;
	return blocks_add(parser, &keys, &lines);
}

static int parse_top(struct parser *parser, struct source *source)
{
	struct token token;
	int rc;

	while ((rc = source_next(parser, source, &token)) > 0) {
		if (token.kind == TOKEN_CLOSE)
			return stray_close(parser, &token);
		if (token.kind == TOKEN_OPEN)
			return corefile_error(parser->err, &token.at,
				"a server block begins with its zones; write for example '.:53 {'");
		if (word_is(&token, "import"))
			rc = parse_import(parser, source, &token, NULL);
		else
			rc = parse_block(parser, source, &token);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int parser_run(
	struct importer *importer, const struct import_file *root, char err[COREFILE_ERROR_MAX])
{
	struct parser parser = {.importer = importer, .arena = importer->arena, .err = err};
	struct source source = {.name = root->path, .dir = root->dir};
	struct corefile_token start = {.text = "", .file = root->path, .line = 1, .col = 1};
	int rc;

	lexer_init(&source.lexer, importer->arena, root->path, root->text, root->len);
	rc = parse_top(&parser, &source);
	if (rc == 0 && importer->corefile->block_count == 0)
		rc = corefile_error(err, &start,
			"there is no server block in it; write at least a zone and what answers "
			"it, for example '.:53 { kubernetes cluster.local }'");
	return rc;
}

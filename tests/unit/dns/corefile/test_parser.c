/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/parser.h"

#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The tree as text, or "!" and the message. */
static const char *parse_with(const struct memory_file *files, const char *text)
{
	static struct tree tree;
	struct memory memory = {.files = files};
	struct corefile_reader reader = memory_reader(&memory);
	struct corefile *corefile = NULL;
	char err[COREFILE_ERROR_MAX] = "";

	if (corefile_parse_with(&reader, text, strlen(text), "F", &corefile, err) < 0) {
		assert_null(corefile);
		tree.len = 0;
		tree_add(&tree, "!%s", err);
		return tree.text;
	}
	tree_write(&tree, corefile);
	corefile_free(corefile);
	return tree.text;
}

static const char *parse(const char *text)
{
	return parse_with(NULL, text);
}

#define assert_starts(text, start)                                                                 \
	do {                                                                                       \
		const char *text_ = (text);                                                        \
		if (strncmp(text_, start, strlen(start)) != 0)                                     \
			fail_msg("'%s' does not begin with '%s'", text_, start);                   \
	} while (0)

static void test_blocks(void **state)
{
	(void)state;
	assert_string_equal(parse(".:53 {\n errors\n}\n"), ".:53{errors;}");
	assert_string_equal(parse("a b {\n}\nc {\n x y z\n}"), "a b{}c{x y z;}");
	assert_string_equal(parse("a\n{\n errors\n}"), "a{errors;}");
	assert_string_equal(parse(". { errors\n}"), ".{errors;}");
	assert_string_equal(parse(". { whoami }"), ".{whoami;}");
	assert_string_equal(parse("a { x } b { y }"), "a{x;}b{y;}");
}

static void test_keys_over_lines(void **state)
{
	(void)state;
	assert_string_equal(parse("a,\nb,\n  c {\n x\n}"), "a b c{x;}");
	assert_string_equal(parse("a, b c {\n x\n}"), "a b c{x;}");
	assert_string_equal(parse("a , b {\n x\n}"), "a b{x;}");
	assert_string_equal(parse("{$UNSET} a {\n x\n}"), "a{x;}");
	assert_string_equal(parse("{$ZONE}:5300 {\n x\n}"), "cluster.local:5300{x;}");
}

static void test_braces_are_optional_for_one_block(void **state)
{
	(void)state;
	assert_string_equal(parse("example.org\nerrors\nhealth {\n lameduck 5s\n}\nlog\n"),
		"example.org{errors;health{lameduck 5s;};log;}");
	assert_string_equal(parse("example.org"), "example.org{}");
	assert_string_equal(parse("a,\nb\nerrors"), "a b{errors;}");
}

static void test_bodies_nest(void **state)
{
	(void)state;
	assert_string_equal(
		parse(". {\n a 1 {\n  b 2 {\n   c\n  }\n  d\n }\n}"), ".{a 1{b 2{c;};d;};}");
	assert_string_equal(parse(". {\n health { lameduck 5s }\n errors { }\n}"),
		".{health{lameduck 5s;};errors{};}");
	/* "}}" is a word, as in CoreDNS. */
	assert_starts(parse(". {\n a {\n b }}\n }"), "!F:1:3: this '{' is never closed");
}

static void test_quoted_braces_are_words(void **state)
{
	(void)state;
	assert_string_equal(parse(". {\n a \"{\" \"}\" {\n b\n }\n}"), ".{a \"{\" \"}\"{b;};}");
	assert_string_equal(parse(". {\n \"import\" x\n}"), ".{\"import\" x;}");
}

static void test_variables_make_no_structure(void **state)
{
	(void)state;
	assert_string_equal(parse(". {\n a {$BRACE} \"{$ZONE}\"\n}"), ".{a { \"cluster.local\";}");
	assert_string_equal(parse(". {\n a {$TWO} {%UNSET%} b\n}"), ".{a a b, {$ZONE}  b;}");
}

static void test_snippets(void **state)
{
	(void)state;
	assert_string_equal(parse("(s) {\n errors\n log . {\n  class all\n }\n}\n"
				  "a {\n import s\n health\n}\nb {\n import s\n}"),
		"a{errors;log .{class all;};health;}b{errors;log .{class all;};}");
	assert_string_equal(parse("(o) { lameduck 5s }\n. {\n health {\n  import o\n }\n}"),
		".{health{lameduck 5s;};}");
	assert_string_equal(
		parse("(a) {\n x\n}\n(b) {\n import a\n y\n}\n. {\n import b\n}"), ".{x;y;}");
	assert_string_equal(parse("(top) {\n a {\n  x\n }\n}\nimport top\nb {\n}"), "a{x;}b{}");
	assert_string_equal(parse("(s) {\n}\n. {\n import s\n}"), ".{}");
	/* The first token of a snippet begins a line wherever it stood. */
	assert_string_equal(parse("(s) { x 1\n y }\n. {\n import s\n}"), ".{x 1;y;}");
	assert_string_equal(
		parse("(s) {\n x {$ZONE}\n}\n. {\n import s\n}"), ".{x cluster.local;}");
}

static void test_imports(void **state)
{
	static const struct memory_file files[] = {{"/abs/f", "x abs"},
		{"conf/a.override", "log\nhealth {\n lameduck 1s\n}"},
		{"conf/b.override", "errors"}, {"conf/c.server", "c.org {\n import ../deep/d\n}"},
		{"conf/../deep/d", "import e"}, {"conf/../deep/e", "whoami"},
		{"snippets", "(s) {\n x\n}"}, {NULL, NULL}};

	(void)state;
	assert_string_equal(parse_with(files, ". {\n import conf/*.override\n ready\n}\n"
					      "import conf/*.server\n"),
		".{log;health{lameduck 1s;};errors;ready;}c.org{whoami;}");
	assert_string_equal(parse_with(files, "import snippets\n. {\n import s\n}"), ".{x;}");
	assert_string_equal(parse_with(files, ". {\n import /abs/f\n}"), ".{x abs;}");
	assert_string_equal(parse_with(files, ".\nimport conf/b.override\nlog"), ".{errors;log;}");
	assert_string_equal(parse_with(files, ". { import /abs/f }"), ".{x abs;}");
}

static void test_brace_errors(void **state)
{
	(void)state;
	assert_starts(parse(". {\n errors\n"), "!F:1:3: this '{' is never closed");
	assert_starts(parse(". {\n health {\n  a\n}\n"), "!F:1:3: this '{' is never closed");
	assert_starts(parse(". {\n}\n}\n"), "!F:3:1: '}' without a '{'");
	assert_starts(parse("a\nx\n}\n"), "!F:3:1: '}' without a '{'");
	assert_starts(parse("}"), "!F:1:1: '}' without a '{'");
	assert_starts(parse("a }"), "!F:1:3: '}' without a '{'");
	assert_starts(parse("{\n}"), "!F:1:1: a server block begins with its zones");
	assert_starts(parse(". {\n health\n {\n  a\n }\n}"), "!F:3:2: '{' on a line of its own");
	assert_starts(parse(". {\n {\n }\n}"), "!F:2:2: '{' on a line of its own");
	assert_starts(parse(". {\n a {\n }\n x { y } z\n}"), "!F:4:10: 'z' stands behind a '}'");
	assert_starts(parse(".:53{\n errors\n}"), "!F:1:1: '.:53{': put a space before");
	assert_starts(parse(". {\n health{\n }\n}"), "!F:2:2: 'health{': put a space before");
	assert_starts(parse(". {\n errors {}\n}"), "!F:2:9: '{}' is one word");
	assert_starts(parse("(s) {\n a"), "!F:1:5: this '{' is never closed");
}

static void test_key_errors(void **state)
{
	(void)state;
	assert_starts(parse("a, {\n}"), "!F:1:4: another zone has to follow the comma");
	assert_starts(parse("a,"), "!F:1:1: another zone has to follow the comma");
	assert_starts(parse("{$UNSET} {\n}"), "!F:1:1: the server block has no zone");
	assert_starts(parse(""), "!F:1:1: there is no server block");
	assert_starts(parse("(s) {\n a\n}"), "!F:1:1: there is no server block");
	assert_starts(parse(". {\n {$UNSET} a\n}"), "!F:2:2: the line begins with an empty word");
}

static void test_snippet_errors(void **state)
{
	(void)state;
	assert_starts(parse("(s) {\n a\n}\n\n(s) {\n b\n}"),
		"!F:5:1: the snippet (s) is there already, at F:1");
	assert_starts(parse("(s)\nerrors"), "!F:1:1: the snippet (s) has no body");
	assert_starts(parse(". {\n import s\n}\n(s) {\n x\n}"),
		"!F:2:9: import 's': there is no such file, and no snippet");
	assert_starts(parse("(s) {\n a {\n}\n. {\n import s\n}"), "!F:1:5: this '{' is never");
}

static void test_import_errors(void **state)
{
	static const struct memory_file files[] = {
		{"close", "}"}, {"open", "health {"}, {"top", "a {\n"}, {NULL, NULL}};

	(void)state;
	assert_starts(parse(". {\n import\n}"), "!F:2:2: import needs the name");
	assert_starts(parse(". {\n import {\n }\n}"), "!F:2:2: import needs the name");
	assert_starts(parse(". {\n import a b\n}"), "!F:2:11: import takes one name");
	assert_starts(parse(". {\n import {$UNSET}\n}"), "!F:2:9: import has an empty name");
	assert_starts(parse("import nothing"), "!F:1:8: import 'nothing': there is no such file");
	/* Braces do not reach over the end of a file. */
	assert_starts(parse_with(files, ". {\n import close\n"), "!close:1:1: '}' without");
	assert_starts(parse_with(files, ". {\n import open\n}\n}"), "!open:1:8: this '{' is");
	assert_starts(parse_with(files, "import top\n}"), "!top:1:3: this '{' is never closed");
}

static void test_cycles_are_shown(void **state)
{
	static const struct memory_file files[] = {{"a", "import b"}, {"b", "x\nimport c"},
		{"c", "import a"}, {"self", "import self"}, {NULL, NULL}};

	(void)state;
	assert_starts(parse_with(files, ". {\n import a\n}"),
		"!c:1:8: import goes in a circle: a -> b -> c -> a; ");
	assert_starts(parse_with(files, "import self"),
		"!self:1:8: import goes in a circle: self -> self; ");
	assert_starts(parse("(s) {\n x\n import s\n}\n. {\n import s\n}"),
		"!F:3:9: import goes in a circle: s -> s; ");
	assert_starts(parse("(s) {\n import F\n}\nimport s"),
		"!F:2:9: import 'F': there is no such file");
}

static void test_same_file_twice_is_no_cycle(void **state)
{
	static const struct memory_file files[] = {{"a", "x"}, {NULL, NULL}};

	(void)state;
	assert_string_equal(parse_with(files, ". {\n import a\n import a\n}"), ".{x;x;}");
}

static void test_nesting_is_limited(void **state)
{
	char text[1024] = ". {\n";

	(void)state;
	for (int i = 0; i < 32; i++)
		strcat(text, "a {\n");
	for (int i = 0; i < 32; i++)
		strcat(text, "}\n");
	strcat(text, "}");
	assert_int_equal(parse(text)[0], '.');
	strcpy(text, ". {\n");
	for (int i = 0; i < 33; i++)
		strcat(text, "a {\n");
	assert_starts(parse(text), "!F:34:3: bodies and imports are nested more than 32 deep");
}

/* Ten snippets that import each other ten times over. */
static void test_expansions_are_limited(void **state)
{
	char text[8192] = "(s0) {\n x\n}\n";
	size_t len = strlen(text);

	(void)state;
	for (int i = 1; i < 10; i++) {
		len += (size_t)snprintf(text + len, sizeof text - len, "(s%d) {\n", i);
		for (int k = 0; k < 10; k++)
			len += (size_t)snprintf(
				text + len, sizeof text - len, " import s%d\n", i - 1);
		len += (size_t)snprintf(text + len, sizeof text - len, "}\n");
	}
	snprintf(text + len, sizeof text - len, ". {\n import s9\n}\n");
	assert_non_null(strstr(parse(text), "snippets are imported more than 10000 times"));
}

static void test_tree_size_is_limited(void **state)
{
	size_t big = 60000;
	char *text = malloc(3 * big + 32768);
	char *at = text;

	(void)state;
	at += sprintf(at, "(s) {\n x");
	for (size_t i = 0; i < big; i++)
		at += sprintf(at, " a");
	at += sprintf(at, "\n}\n. {\n");
	for (size_t i = 0; i < 1000; i++)
		at += sprintf(at, "import s\n");
	sprintf(at, "}\n");
	assert_non_null(strstr(parse(text), "the configuration is too large for memory"));
	free(text);
}

static void test_positions_survive_imports(void **state)
{
	static const struct memory_file files[] = {{"d/f", "\n  x \"y\""}, {NULL, NULL}};
	struct memory memory = {.files = files};
	struct corefile_reader reader = memory_reader(&memory);
	const char *text = "(s) {\n  in snippet\n}\n. {\n import s\n import d/f\n}";
	struct corefile *corefile;
	const struct corefile_line *lines;
	char err[COREFILE_ERROR_MAX];

	(void)state;
	assert_int_equal(corefile_parse_with(&reader, text, strlen(text), "F", &corefile, err), 0);
	lines = corefile->blocks[0].lines;
	assert_string_equal(lines[0].tokens[1].file, "F");
	assert_int_equal(lines[0].tokens[1].line, 2);
	assert_int_equal(lines[0].tokens[1].col, 6);
	assert_string_equal(lines[1].tokens[1].file, "d/f");
	assert_int_equal(lines[1].tokens[1].line, 2);
	assert_int_equal(lines[1].tokens[1].col, 5);
	assert_true(lines[1].tokens[1].quoted);
	assert_false(lines[1].tokens[0].quoted);
	corefile_free(corefile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_keys_over_lines),
		cmocka_unit_test(test_braces_are_optional_for_one_block),
		cmocka_unit_test(test_bodies_nest),
		cmocka_unit_test(test_quoted_braces_are_words),
		cmocka_unit_test(test_variables_make_no_structure),
		cmocka_unit_test(test_snippets),
		cmocka_unit_test(test_imports),
		cmocka_unit_test(test_brace_errors),
		cmocka_unit_test(test_key_errors),
		cmocka_unit_test(test_snippet_errors),
		cmocka_unit_test(test_import_errors),
		cmocka_unit_test(test_cycles_are_shown),
		cmocka_unit_test(test_same_file_twice_is_no_cycle),
		cmocka_unit_test(test_nesting_is_limited),
		cmocka_unit_test(test_expansions_are_limited),
		cmocka_unit_test(test_tree_size_is_limited),
		cmocka_unit_test(test_positions_survive_imports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

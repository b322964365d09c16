/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/corefile/lexer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Tokens as text: "|" before the first of a line, quoted ones in quotes, "@L:C"
 * behind each where positions is set. An error's message follows as "!message". */
static const char *lex_len(const char *text, size_t text_len, bool positions)
{
	static char out[4096];
	struct arena arena = arena_make(ARENA_LIMIT);
	struct lexer lexer;
	struct token token;
	char err[COREFILE_ERROR_MAX];
	size_t len = 0;
	int rc;

	lexer_init(&lexer, &arena, "F", text, text_len);
	out[0] = 0;
	while ((rc = lexer_next(&lexer, &token, err)) > 0) {
		const char *quote = token.at.quoted ? "\"" : "";

		len += (size_t)snprintf(out + len, sizeof out - len, "%s%s%s%s",
			token.first ? "|" : " ", quote, token.at.text, quote);
		if (token.kind != TOKEN_WORD)
			len += (size_t)snprintf(out + len, sizeof out - len, "%s",
				token.kind == TOKEN_OPEN ? "(open)" : "(close)");
		if (positions)
			len += (size_t)snprintf(
				out + len, sizeof out - len, "@%u:%u", token.at.line, token.at.col);
	}
	if (rc < 0)
		snprintf(out + len, sizeof out - len, "!%s", err);
	arena_free(&arena);
	return out;
}

static const char *lex(const char *text)
{
	return lex_len(text, strlen(text), false);
}

static const char *lex_at(const char *text)
{
	return lex_len(text, strlen(text), true);
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(lex(""), "");
	assert_string_equal(lex("  \n\t\n"), "");
	assert_string_equal(lex("a b\tc\n  d"), "|a b c|d");
	assert_string_equal(lex("a {\n}\n"), "|a {(open)|}(close)");
	assert_string_equal(lex("a{ {b }c {}"), "|a{ {b }c {}");
}

static void test_quotes(void **state)
{
	(void)state;
	assert_string_equal(lex("a \"b c\" d"), "|a \"b c\" d");
	assert_string_equal(lex("\"\" x"), "|\"\" x");
	assert_string_equal(lex("\"{\" \"}\""), "|\"{\" \"}\"");
	assert_string_equal(lex("\"a\\\"b\""), "|\"a\"b\"");
	assert_string_equal(lex("\"\\d\\.\\\\\" x"), "|\"\\d\\.\\\\\" x");
	assert_string_equal(lex("\"a\"b"), "|\"a\" b");
	assert_string_equal(lex("a\"b c\""), "|a\"b c\"");
	assert_string_equal(lex("\"a # b\""), "|\"a # b\"");
	assert_string_equal(lex("\"one\ntwo\" three\nfour"), "|\"one\ntwo\" three|four");
	assert_string_equal(lex("\"one\r\ntwo\""), "|\"one\ntwo\"");
}

static void test_comments(void **state)
{
	(void)state;
	assert_string_equal(lex("# a\nb"), "|b");
	assert_string_equal(lex("a # b { \"\nc"), "|a|c");
	assert_string_equal(lex("foo#bar baz\nx"), "|foo|x");
	assert_string_equal(lex("a #"), "|a");
	assert_string_equal(lex("# Gr\xfc\xdf"
				"e\na"),
		"|a");
}

static void test_white_space_of_other_systems(void **state)
{
	(void)state;
	assert_string_equal(lex("a b\r\nc\r\n"), "|a b|c");
	assert_string_equal(lex("a\rb"), "|ab");
	assert_string_equal(lex("\xef\xbb\xbf.:53 {\n}"), "|.:53 {(open)|}(close)");
	assert_string_equal(lex("a\xc2\xa0"
				"b\xe3\x80\x80"
				"c"),
		"|a b c");
}

static void test_positions(void **state)
{
	(void)state;
	assert_string_equal(lex_at("a bc\n\td"), "|a@1:1 bc@1:3|d@2:2");
	assert_string_equal(lex_at("\"x\ny\" z"), "|\"x\ny\"@1:1 z@2:4");
	assert_string_equal(lex_at("\xc3\xa4\xc3\xb6 b"), "|\xc3\xa4\xc3\xb6@1:1 b@1:4");
	assert_string_equal(lex_at("\xef\xbb\xbf"
				   "a"),
		"|a@1:1");
}

static void test_bad_bytes_are_refused(void **state)
{
	static const char *const bad[] = {
		"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(strstr(lex(bad[i]), "!F:1:1: byte 0x"));
	assert_non_null(strstr(lex("a\nb \x1b[31m"), "|a|b!F:2:3: control character 0x1b"));
	assert_non_null(strstr(lex("a\"\x7f"), "!F:1:3: control character 0x7f"));
	assert_non_null(strstr(lex("# \x01"), "!F:1:3: control character 0x01"));
	assert_non_null(strstr(lex_len("a\0b", 3, false), "!F:1:2: control character 0x00"));
	assert_non_null(strstr(lex_len("\"a\0b\"", 5, false), "!F:1:3: control character 0x00"));
}

static void test_unclosed_quote_names_its_start(void **state)
{
	(void)state;
	assert_non_null(strstr(lex("a\n  \"b\nc"), "|a!F:2:3: this quote is never closed"));
	assert_non_null(strstr(lex("\"b\\"), "!F:1:1: this quote is never closed"));
	assert_non_null(strstr(lex("\"b\\\""), "!F:1:1: this quote is never closed"));
}

static void test_no_room_is_an_error(void **state)
{
	struct arena arena = arena_make(8);
	struct lexer lexer;
	struct token token;
	char err[COREFILE_ERROR_MAX];
	const char *text = "a-word-that-is-longer-than-that";

	(void)state;
	lexer_init(&lexer, &arena, "F", text, strlen(text));
	assert_true(lexer_next(&lexer, &token, err) < 0);
	assert_string_equal(err, "F:1:1: the configuration is too large for memory");
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_white_space_of_other_systems),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_bad_bytes_are_refused),
		cmocka_unit_test(test_unclosed_quote_names_its_start),
		cmocka_unit_test(test_no_room_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

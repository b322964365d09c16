/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/wire/reply.h"
#include "dns/wire/type.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every row means what ldns thinks it means. */
static void test_rows_against_ldns(void **state)
{
	static const struct {
		const char *name;
		uint16_t number;
	} rows[] = {
#define TYPE(name, number, rdata) {#name, number},
#include "dns/wire/types.def"
#undef TYPE
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char buf[TYPE_TEXT_MAX];

		assert_string_equal(type_to_text(rows[i].number, buf), rows[i].name);
		assert_int_equal(
			type_from_text(rows[i].name, strlen(rows[i].name)), rows[i].number);
		/* types younger than ldns 1.8.3 are "TYPE64" there */
		if (ldns_get_rr_type_by_name(rows[i].name) != 0)
			assert_int_equal(ldns_get_rr_type_by_name(rows[i].name), rows[i].number);
	}
}

static void test_unknown_ones(void **state)
{
	char buf[TYPE_TEXT_MAX];

	(void)state;
	assert_string_equal(type_to_text(65280, buf), "TYPE65280");
	assert_string_equal(class_to_text(65535, buf), "CLASS65535");
	assert_string_equal(class_to_text(CLASS_IN, buf), "IN");
	assert_string_equal(rcode_to_text(23, buf), "BADCOOKIE");
	assert_string_equal(rcode_to_text(4095, buf), "RCODE4095");
	assert_int_equal(type_from_text("type65280", 9), 65280);
	assert_int_equal(type_from_text("TYPE65536", 9), -1);
	assert_int_equal(type_from_text("TYPE", 4), -1);
	assert_int_equal(type_from_text("TYPE1x", 6), -1);
	assert_int_equal(type_from_text("AA", 2), -1);
	assert_int_equal(type_from_text("aaaa", 4), TYPE_AAAA);
	assert_int_equal(type_from_text("", 0), -1);
}

/* IANA's numbers; and what reply.h and type.h call by a name means the same. */
static void test_classes_and_rcodes(void **state)
{
	static const struct {
		int number;
		const char *text;
	} classes[] = {{1, "IN"}, {3, "CH"}, {4, "HS"}, {254, "NONE"}, {255, "ANY"}, {2, "CLASS2"}},
	  rcodes[] = {{0, "NOERROR"}, {1, "FORMERR"}, {2, "SERVFAIL"}, {3, "NXDOMAIN"},
		  {4, "NOTIMP"}, {5, "REFUSED"}, {6, "YXDOMAIN"}, {7, "YXRRSET"}, {8, "NXRRSET"},
		  {9, "NOTAUTH"}, {10, "NOTZONE"}, {11, "RCODE11"}, {16, "BADVERS"},
		  {23, "BADCOOKIE"}};
	char buf[TYPE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		assert_string_equal(
			class_to_text((uint16_t)classes[i].number, buf), classes[i].text);
	for (size_t i = 0; i < sizeof rcodes / sizeof *rcodes; i++)
		assert_string_equal(rcode_to_text((uint16_t)rcodes[i].number, buf), rcodes[i].text);
	assert_string_equal(class_to_text(CLASS_CH, buf), "CH");
	assert_string_equal(rcode_to_text(RCODE_REFUSED, buf), "REFUSED");
	assert_string_equal(rcode_to_text(RCODE_NOTAUTH, buf), "NOTAUTH");
	assert_string_equal(rcode_to_text(RCODE_BADVERS, buf), "BADVERS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_against_ldns),
		cmocka_unit_test(test_unknown_ones),
		cmocka_unit_test(test_classes_and_rcodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/zones.h"

static unsigned find(const struct zone_set *set, const char *text)
{
	return zones_find(set, (const uint8_t *)text, strlen(text));
}

static void finds(void **state)
{
	static const char texts[] = "\3a.b\1c";
	const size_t size = sizeof(struct zone_set) + 3 * sizeof(uint16_t) + sizeof texts - 1;
	struct zone_set *set = calloc(1, size);

	(void)state;
	set->bytes = (uint32_t)size;
	set->endpoints = 3;
	memcpy(set->zone_of + 3, texts, sizeof texts - 1);
	assert_int_equal(find(set, "a.b"), 1);
	assert_int_equal(find(set, "c"), 2);
	assert_int_equal(find(set, "a"), 0);
	assert_int_equal(find(set, "a.bc"), 0);
	assert_int_equal(find(set, ""), 0);
	assert_int_equal(find(NULL, "c"), 0);
	free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
	};

	return cmocka_run_group_tests_name("zones", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/decode_pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct identity identity = {.ns = "shop", .name = "web", .version = 7};

/* The sanitizer sees a byte too much; the size says that none is wasted. */
static void test_all_in_one(void **state)
{
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};
	struct pack pack;
	struct service *service = (struct service *)pack_start(
		&d, &pack, KIND_SERVICE, &identity, sizeof *service, sizeof(char *) + 5);
	const char **pointers;

	(void)state;
	assert_non_null(service);
	pointers = pack_take(&pack, sizeof *pointers);
	assert_ptr_equal(pointers, service + 1);
	*pointers = pack_text(&pack, "a.bc");
	pack_finish(&pack, &service->head, &identity);
	assert_int_equal(service->head.kind, KIND_SERVICE);
	assert_int_equal(service->head.version, 7);
	assert_int_equal(service->head.size, sizeof *service + sizeof(char *) + 5 + 5 + 4);
	assert_ptr_equal(pack.at, (char *)service + service->head.size);
	assert_string_equal(*pointers, "a.bc");
	assert_string_equal(service->head.ns, "shop");
	assert_string_equal(service->head.name, "web");
	assert_int_equal(service->ip_count, 0);
	object_free(&service->head);
}

static void test_refused(void **state)
{
	char why[DECODE_WHY_MAX] = "";
	struct decoder d = {.why = why};
	struct pack pack;

	(void)state;
	/* more than a size can say */
	assert_null(pack_start(&d, &pack, KIND_POD, &identity, sizeof(struct pod), UINT32_MAX));
	assert_int_equal(d.result, DECODE_NOMEM);
	d.result = DECODE_OK;
	decoder_refuse(&d, "no");
	assert_null(pack_start(&d, &pack, KIND_POD, &identity, sizeof(struct pod), 0));
	assert_int_equal(d.result, DECODE_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_in_one),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("decode_pack", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "proto_build.h"
#include "watch/proto_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char object_bytes[] = "anything";

static void content_types(void **state)
{
	(void)state;
	assert_true(proto_content_type("application/vnd.kubernetes.protobuf"));
	assert_true(proto_content_type("application/vnd.kubernetes.protobuf;stream=watch"));
	assert_true(proto_content_type("application/vnd.kubernetes.protobuf; stream=watch"));
	assert_false(proto_content_type(""));
	assert_false(proto_content_type("application/json"));
	assert_false(proto_content_type("application/vnd.kubernetes.protobuf-like"));
}

static void the_kind_says_which_message(void **state)
{
	const struct proto_message *services = proto_message_of(RESOURCE_SERVICES);
	static const char *const kinds[] = {"Service", "Status", "Services", "Servic", "", "Pod"};
	struct built object = {.len = 0}, built;
	struct document document;

	(void)state;
	built_raw(&object, object_bytes, sizeof object_bytes);
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		built.len = 0;
		built_envelope(&built, kinds[i], &object);
		assert_true(proto_document(built.bytes, built.len, services, 5, &document));
		assert_ptr_equal(document.message, i == 0   ? services
						   : i == 1 ? &proto_status
							    : &proto_unknown);
		assert_true(proto_document(built.bytes, built.len, NULL, 0, &document));
		assert_ptr_equal(document.message, i == 1 ? &proto_status : &proto_unknown);
	}
	built.len = 0;
	built_envelope(&built, "Service", &object);
	assert_true(proto_document(built.bytes, built.len, services, 5, &document));
	assert_int_equal(document.len, sizeof object_bytes);
	assert_memory_equal(document.bytes, object_bytes, sizeof object_bytes);
	assert_int_equal(document.parts, 5);
}

static void half_of_an_envelope_is_none(void **state)
{
	struct built object = {.len = 0}, built = {.len = 0};
	struct document document;
	unsigned whole = 0;

	(void)state;
	built_raw(&object, object_bytes, sizeof object_bytes);
	built_envelope(&built, "Status", &object);
	for (size_t len = 0; len < built.len; len++) {
		char *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, built.bytes, len);
		whole += proto_document(copy, len, NULL, 0, &document);
		free(copy);
	}
	assert_int_equal(whole, 3); /* behind the kind, the object and the encoding */
	assert_false(proto_document("k8s", 3, NULL, 0, &document));
	assert_false(proto_document("{\"kind\":\"Status\"}", 17, NULL, 0, &document));
}

static void what_is_encoded_once_more_is_refused(void **state)
{
	struct built object = {.len = 0}, built = {.len = 0};
	struct document document;

	(void)state;
	built_envelope(&built, "Status", &object);
	assert_true(proto_document(built.bytes, built.len, NULL, 0, &document));
	built_number(&built, 9, 1); /* a field of later */
	assert_true(proto_document(built.bytes, built.len, NULL, 0, &document));
	built_text(&built, 3, "gzip");
	assert_false(proto_document(built.bytes, built.len, NULL, 0, &document));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_types),
		cmocka_unit_test(the_kind_says_which_message),
		cmocka_unit_test(half_of_an_envelope_is_none),
		cmocka_unit_test(what_is_encoded_once_more_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What reaches the sink, and what a body has been; the rest is played by
 * test_reflector.c. */

#include "proto_build.h"
#include "watch/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct intake intake;
	struct sink sink;
	char log[1024];
	bool fail, stop;
};

static void log_add(struct fixture *f, const char *what, const char *name)
{
	const size_t len = strlen(f->log);

	snprintf(f->log + len, sizeof f->log - len, "%s%s%s", len ? " " : "", what, name);
	if (f->stop)
		f->intake.stopped = true;
}

static void on_begin(void *ctx, enum object_kind kind)
{
	(void)kind;
	log_add(ctx, "begin", "");
}

static int on_upsert(void *ctx, struct object *object)
{
	struct fixture *f = ctx;

	log_add(f, "+", object->name);
	object_free(object);
	return f->fail ? -12 : 0;
}

static void on_remove(
	void *ctx, enum object_kind kind, const char *ns, const char *name, uint64_t version)
{
	(void)kind;
	(void)ns;
	(void)version;
	log_add(ctx, "-", name);
}

static void on_end(void *ctx, enum object_kind kind, uint64_t version)
{
	(void)kind;
	(void)version;
	log_add(ctx, "end", "");
}

static void on_abort(void *ctx, enum object_kind kind)
{
	(void)kind;
	log_add(ctx, "abort", "");
}

static void on_settle(void *ctx)
{
	log_add(ctx, "settle", "");
}

static void on_event(void *ctx, const struct watch_event *event)
{
	if (event->type == WATCH_TRIGGERED) {
		log_add(ctx, "triggered:", event->name);
		return;
	}
	if (event->type == WATCH_PUBLISHED) {
		assert_in_range(event->time_ns, 0, 10000000000);
		log_add(ctx, "published:", object_kind_name(event->kind));
		return;
	}
	assert_int_equal(event->type, WATCH_OBJECT_REFUSED);
	log_add(ctx, "refused:", event->name ? event->name : "?");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->sink = (struct sink){
		f, on_begin, on_upsert, on_remove, on_end, on_abort, on_settle, on_event};
	f->intake.sink = &f->sink;
	f->intake.resource = RESOURCE_NAMESPACES;
	*state = f;
	return intake_init(&f->intake, NULL, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	intake_free(&f->intake);
	free(f);
	return 0;
}

static enum outcome bytes(struct fixture *f, const char *data)
{
	return intake_bytes(&f->intake, data, strlen(data));
}

static void told(struct fixture *f, const char *log)
{
	assert_string_equal(f->log, log);
	f->log[0] = '\0';
}

#define A       "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"3\"}}"
#define ADDED_A "{\"type\":\"ADDED\",\"object\":" A "}"

/* Settled once per batch, and at the end. */
static void test_list(void **state)
{
	struct fixture *f = *state;

	intake_begin(&f->intake, INTAKE_LIST, false);
	assert_int_equal(
		bytes(f, "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":["), OUTCOME_NONE);
	told(f, "");
	assert_int_equal(bytes(f, A "," A), OUTCOME_NONE);
	told(f, "begin +a +a settle");
	assert_int_equal(bytes(f, "]"), OUTCOME_NONE);
	assert_int_equal(bytes(f, "}"), OUTCOME_NONE);
	told(f, "");
	assert_false(f->intake.completed);
	assert_int_equal(intake_end(&f->intake), OUTCOME_WHOLE);
	told(f, "end settle");
	assert_true(f->intake.completed);
	assert_int_equal(f->intake.version, 9);
	assert_int_equal(atomic_load(&f->intake.counters.objects), 2);
}

/* A list under way goes on over pages, and not over anything else. */
static void test_pages(void **state)
{
	struct fixture *f = *state;

	intake_begin(&f->intake, INTAKE_LIST, false);
	bytes(f, "{\"items\":[" A "],\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"c\"}}");
	assert_int_equal(intake_end(&f->intake), OUTCOME_PAGE);
	told(f, "begin +a settle");
	intake_begin(&f->intake, INTAKE_LIST, false);
	told(f, "");
	bytes(f, "{\"items\":[" A "]");
	told(f, "+a settle");
	assert_int_equal(intake_end(&f->intake), OUTCOME_BROKEN);
	intake_abort(&f->intake);
	told(f, "abort settle");
	intake_begin(&f->intake, INTAKE_STREAM_LIST, false);
	bytes(f, ADDED_A);
	intake_begin(&f->intake, INTAKE_LIST, false);
	told(f, "begin +a settle abort settle");
}

/* A list under way does not count; nothing of it stays. */
static void test_no_such_resource(void **state)
{
	struct fixture *f = *state;

	intake_none(&f->intake);
	told(f, "begin end settle");
	intake_begin(&f->intake, INTAKE_LIST, false);
	bytes(f, "{\"items\":[" A "]");
	intake_none(&f->intake);
	told(f, "begin +a settle abort settle begin end settle");
	assert_false(f->intake.completed);
	assert_int_equal(f->intake.version, 0);
	assert_int_equal(atomic_load(&f->intake.counters.objects), 0);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;

	intake_begin(&f->intake, INTAKE_WATCH, false);
	assert_int_equal(bytes(f, "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"x\","
				  "\"resourceVersion\":3}}}"),
		OUTCOME_CORRUPT);
	told(f, "refused:?");
	assert_string_equal(f->intake.why, "Namespace x: resourceVersion is not a string");
	assert_int_equal(atomic_load(&f->intake.counters.refused), 1);
}

/* An address that the API server would refuse today: told, counted, left out. */
static void test_partly_refused(void **state)
{
	struct fixture *f = *state;

	f->intake.resource = RESOURCE_ENDPOINTS;
	intake_begin(&f->intake, INTAKE_WATCH, false);
	assert_int_equal(
		bytes(f, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"e\","
			 "\"namespace\":\"d\",\"resourceVersion\":\"3\"},\"subsets\":[{"
			 "\"addresses\":[{\"ip\":\"127.0.0.1\"},{\"ip\":\"10.1.0.1\"}]}]}}"),
		OUTCOME_NONE);
	told(f, "refused:e +e settle published:endpointslices");
	assert_int_equal(atomic_load(&f->intake.counters.refused), 1);
	assert_int_equal(f->intake.version, 3);
}

#define SLICE(name, annotations)                                                                   \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"d\",\"resourceVersion\":\"3\","      \
	"\"labels\":{\"kubernetes.io/service-name\":\"s-" name "\"},\"annotations\":{" annotations \
	"}},\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.1.0.1\"]}]}"
#define CHANGED             "\"endpoints.kubernetes.io/last-change-trigger-time\":\"2026-11-25T19:40:00.5Z\""
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}"

/* Behind the settle, of what a watch tells; of lists, streamed ones too, nothing. */
static void test_triggers(void **state)
{
	struct fixture *f = *state;

	f->intake.resource = RESOURCE_SLICES;
	intake_begin(&f->intake, INTAKE_LIST, false);
	assert_int_equal(bytes(f, "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[" SLICE(
					  "a", CHANGED) "]}"),
		OUTCOME_NONE);
	assert_int_equal(intake_end(&f->intake), OUTCOME_WHOLE);
	told(f, "begin +a settle end settle");
	intake_begin(&f->intake, INTAKE_STREAM_LIST, false);
	assert_int_equal(bytes(f, EVENT("ADDED", SLICE("a", CHANGED))), OUTCOME_NONE);
	intake_abort(&f->intake);
	told(f, "begin +a settle abort settle");
	intake_begin(&f->intake, INTAKE_WATCH, false);
	assert_int_equal(bytes(f, EVENT("ADDED", SLICE("a", CHANGED)) EVENT("MODIFIED",
					  SLICE("b", "")) EVENT("MODIFIED", SLICE("c", CHANGED))),
		OUTCOME_NONE);
	told(f, "+a +b +c settle triggered:s-a triggered:s-c published:endpointslices");
	assert_int_equal(bytes(f, EVENT("DELETED", SLICE("c", CHANGED))), OUTCOME_NONE);
	told(f, "-c settle published:endpointslices");
}

/* Nobody counts: it is not even read. */
static void test_triggers_not_wanted(void **state)
{
	struct fixture *f = *state;

	f->intake.resource = RESOURCE_SLICES;
	f->intake.options.triggered_ns = NULL;
	f->intake.counted = false;
	intake_begin(&f->intake, INTAKE_WATCH, false);
	assert_int_equal(bytes(f, EVENT("ADDED", SLICE("a", CHANGED))), OUTCOME_NONE);
	told(f, "+a settle");
}

static void test_no_memory(void **state)
{
	struct fixture *f = *state;

	f->fail = true;
	intake_begin(&f->intake, INTAKE_WATCH, false);
	assert_int_equal(bytes(f, ADDED_A ADDED_A), OUTCOME_NO_MEMORY);
	told(f, "+a settle");
	assert_int_equal(f->intake.version, 0);
}

/* Stopped from inside a call: nothing more is told. */
static void test_stopped(void **state)
{
	struct fixture *f = *state;

	f->stop = true;
	intake_begin(&f->intake, INTAKE_WATCH, false);
	assert_int_equal(bytes(f, ADDED_A ADDED_A), OUTCOME_NONE);
	told(f, "+a");
}

static void test_stream_errors(void **state)
{
	static const struct {
		const char *status;
		enum outcome outcome;
	} rows[] = {
		{"\"code\":410", OUTCOME_EXPIRED},
		{"\"reason\":\"Expired\"", OUTCOME_EXPIRED},
		{"\"reason\":\"Gone\"", OUTCOME_EXPIRED},
		{"\"code\":429", OUTCOME_THROTTLED},
		{"\"code\":504,\"message\":\"Too large resource version\"", OUTCOME_TOO_LARGE},
		{"\"code\":500", OUTCOME_INTERNAL},
		{"\"code\":403", OUTCOME_ERROR},
		{"\"message\":\"?\"", OUTCOME_ERROR},
		{"\"code\":\"410\"", OUTCOME_CORRUPT},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char event[256];

		snprintf(event, sizeof event,
			"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",%s}}", rows[i].status);
		intake_begin(&f->intake, INTAKE_WATCH, false);
		assert_int_equal(bytes(f, event), rows[i].outcome);
	}
	told(f, "");
}

#define PROTOBUF "application/vnd.kubernetes.protobuf"

static void build_namespace(struct built *built, const char *name, const char *version)
{
	struct built meta = {.len = 0};

	built->len = 0;
	built_meta(&meta, "", name, version);
	built_message(built, 1, &meta);
}

static void test_protobuf_list(void **state)
{
	struct fixture *f = *state;
	struct built list = {.len = 0}, part = {.len = 0}, body = {.len = 0};

	built_text(&part, 2, "9");
	built_message(&list, 1, &part);
	build_namespace(&part, "a", "3");
	built_message(&list, 2, &part);
	built_message(&list, 2, &(struct built){.len = 0}); /* nobody's */
	built_envelope(&body, "NamespaceList", &list);
	intake_begin(&f->intake, INTAKE_LIST, false);
	intake_head(&f->intake, PROTOBUF);
	assert_int_equal(intake_bytes(&f->intake, body.bytes, body.len), OUTCOME_NONE);
	assert_int_equal(intake_end(&f->intake), OUTCOME_WHOLE);
	told(f, "begin +a refused:? settle end settle");
	assert_int_equal(f->intake.version, 9);
	/* The next body may be JSON again. */
	intake_begin(&f->intake, INTAKE_LIST, false);
	intake_head(&f->intake, "application/json");
	bytes(f, "{\"items\":[" A "],\"metadata\":{\"resourceVersion\":\"10\"}}");
	assert_int_equal(intake_end(&f->intake), OUTCOME_WHOLE);
	told(f, "begin +a settle end settle");
	/* A list of something else. */
	list.len = body.len = part.len = 0;
	built_text(&part, 2, "11");
	built_message(&list, 1, &part);
	built_envelope(&body, "PodList", &list);
	intake_begin(&f->intake, INTAKE_LIST, false);
	intake_head(&f->intake, PROTOBUF);
	assert_int_equal(intake_bytes(&f->intake, body.bytes, body.len), OUTCOME_NONE);
	assert_int_equal(intake_end(&f->intake), OUTCOME_CORRUPT);
}

static void test_protobuf_stream(void **state)
{
	struct fixture *f = *state;
	struct built object = {.len = 0}, body = {.len = 0}, meta = {.len = 0};

	build_namespace(&object, "a", "3");
	built_event(&body, "ADDED", "Namespace", &object);
	build_namespace(&object, "b", "4");
	built_event(&body, "DELETED", "Namespace", &object);
	object.len = 0;
	built_text(&meta, 6, "17");
	built_message(&object, 1, &meta);
	built_event(&body, "BOOKMARK", "Namespace", &object);
	intake_begin(&f->intake, INTAKE_WATCH, false);
	intake_head(&f->intake, PROTOBUF ";stream=watch");
	assert_int_equal(intake_bytes(&f->intake, body.bytes, body.len), OUTCOME_NONE);
	told(f, "+a -b settle published:namespaces");
	assert_int_equal(f->intake.version, 17);
	object.len = body.len = 0;
	built_text(&object, 3, "too old");
	built_number(&object, 6, 410);
	built_event(&body, "ERROR", "Status", &object);
	assert_int_equal(intake_bytes(&f->intake, body.bytes, body.len), OUTCOME_EXPIRED);
	assert_string_equal(f->intake.status.message, "too old");
	/* A type of event that does not exist yet, and an object that was not asked for. */
	object.len = body.len = 0;
	built_event(&body, "SURPRISE", "Surprise", &object);
	intake_begin(&f->intake, INTAKE_WATCH, false);
	intake_head(&f->intake, PROTOBUF ";stream=watch");
	assert_int_equal(intake_bytes(&f->intake, body.bytes, body.len), OUTCOME_NONE);
	body.len = 0;
	built_event(&body, "ADDED", "Surprise", &object);
	assert_int_equal(intake_bytes(&f->intake, body.bytes, body.len), OUTCOME_CORRUPT);
	told(f, "refused:?");
	/* JSON, though protobuf was announced. */
	intake_begin(&f->intake, INTAKE_WATCH, false);
	intake_head(&f->intake, PROTOBUF ";stream=watch");
	assert_int_equal(bytes(f, ADDED_A), OUTCOME_CORRUPT);
	intake_begin(&f->intake, INTAKE_WATCH, false);
	intake_head(&f->intake, PROTOBUF ";stream=watch");
	assert_int_equal(intake_bytes(&f->intake, "\0\0\0\1\0", 5), OUTCOME_CORRUPT);
	assert_string_equal(f->intake.why, "the answer is not the protobuf of a list or a watch");
}

/* A CRD is never asked for in it; if it came all the same, it would not be read as JSON. */
static void test_protobuf_of_a_crd(void **state)
{
	struct fixture *f = *state;

	f->intake.resource = RESOURCE_IMPORTS;
	intake_begin(&f->intake, INTAKE_LIST, false);
	intake_head(&f->intake, PROTOBUF);
	assert_int_equal(intake_bytes(&f->intake, "k8s\0", 4), OUTCOME_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_such_resource, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partly_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_triggers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_triggers_not_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protobuf_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protobuf_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protobuf_of_a_crd, setup, teardown),
	};

	return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}

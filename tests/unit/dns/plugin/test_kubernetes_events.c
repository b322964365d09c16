/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/log.h"
#include "dns/plugin/kubernetes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int log_fd;

static int setup(void **state)
{
	char path[] = "/tmp/test_events.XXXXXX";

	(void)state;
	log_fd = mkstemp(path);
	unlink(path);
	log_set_fd(log_fd);
	return log_fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_fd(1);
	return close(log_fd);
}

/* What the event makes the log say; "" for nothing. Valid until the next call. */
static const char *said_when(const struct watch_event *event, bool complete)
{
	static char text[4096];
	ssize_t got;

	assert_int_equal(ftruncate(log_fd, 0), 0);
	lseek(log_fd, 0, SEEK_SET);
	kubernetes_event_log(event, complete);
	got = pread(log_fd, text, sizeof text - 1, 0);
	text[got < 0 ? 0 : got] = '\0';
	return text;
}

static const char *said(const struct watch_event *event)
{
	return said_when(event, false);
}

static void test_each_event_says_what_to_do(void **state)
{
	static const struct {
		struct watch_event event;
		const char *says[4];
	} rows[] = {
		{{.type = WATCH_SYNCED, .kind = KIND_SERVICE},
			{"[INFO] plugin/kubernetes: services", "complete"}},
		{{.type = WATCH_RELISTED, .kind = KIND_SLICE, .detail = "410 Gone"},
			{"endpointslices", "410 Gone"}},
		{{.type = WATCH_UNREACHABLE, .source = "https://x:1", .detail = "refused"},
			{"[ERROR]", "https://x:1", "refused", "what is known"}},
		{{.type = WATCH_REACHABLE, .source = "https://x:1"}, {"[INFO]", "again"}},
		{{.type = WATCH_TLS_FAILED, .source = "https://x:1", .detail = "self signed"},
			{"self signed", "CA", "certificate-authority"}},
		{{.type = WATCH_UNAUTHORIZED, .source = "https://x:1", .detail = "no"},
			{"401", "token", "expired"}},
		{{.type = WATCH_CREDENTIALS, .source = "https://x:1", .detail = "token is empty"},
			{"token is empty"}},
		{{.type = WATCH_FORBIDDEN,
			 .kind = KIND_SLICE,
			 .verb = "watch",
			 .detail = "user u cannot"},
			{"not allowed to watch endpointslices", "discovery.k8s.io",
				"list and watch", "headless"}},
		{{.type = WATCH_FORBIDDEN, .kind = KIND_NAMESPACE, .verb = "list"},
			{"not allowed to list namespaces", "core", "ClusterRole"}},
		{{.type = WATCH_FORBIDDEN, .kind = KIND_IMPORT, .verb = "list"},
			{"not allowed to list serviceimports", "multicluster.x-k8s.io",
				"names of imported Services"}},
		{{.type = WATCH_FORBIDDEN, .kind = KIND_IMPORT_SLICE, .verb = "list"},
			{"list imported endpointslices", "list and watch on endpointslices",
				"discovery.k8s.io"}},
		{{.type = WATCH_API_MISSING, .kind = KIND_IMPORT, .detail = "404"},
			{"[INFO]", "does not serve serviceimports", "about once a minute"}},
		{{.type = WATCH_API_MISSING, .kind = KIND_SLICE, .detail = "404"},
			{"does not serve endpointslices"}},
		{{.type = WATCH_FAILED, .kind = KIND_SERVICE, .status = 503, .detail = "busy"},
			{"list services", "503", "busy"}},
		{{.type = WATCH_OBJECT_REFUSED,
			 .kind = KIND_SERVICE,
			 .ns = "shop",
			 .name = "web",
			 .detail = "no name"},
			{"[WARNING]", "shop/web", "no name"}},
		{{.type = WATCH_OBJECT_REFUSED,
			 .kind = KIND_SERVICE,
			 .file = "a.yaml",
			 .line = 12,
			 .ns = "shop",
			 .name = "web"},
			{"a.yaml:12", "shop/web"}},
		{{.type = WATCH_FILE_REFUSED, .file = "a.yaml", .line = 7, .detail = "tab"},
			{"[ERROR]", "a.yaml:7", "tab", "still served"}},
		{{.type = WATCH_FILES_LOADED, .detail = "3 files"}, {"3 files"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *text = said(&rows[i].event);

		for (size_t s = 0; s < 4 && rows[i].says[s]; s++) {
			if (!strstr(text, rows[i].says[s]))
				fail_msg("row %zu: '%s' does not say '%s'", i, text,
					rows[i].says[s]);
		}
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	}
}

static void test_repeats_are_told_rarely(void **state)
{
	unsigned told = 0;

	(void)state;
	for (unsigned i = 0; i <= 1000; i++) {
		struct watch_event event = {.type = WATCH_FAILED, .repeats = i};

		told += said(&event)[0] != '\0';
	}
	assert_int_equal(told, 5); /* 0, 1, 10, 100, 1000 */
}

static void test_a_refusal_during_a_restart_is_not_told(void **state)
{
	struct watch_event event = {.type = WATCH_FORBIDDEN, .kind = KIND_SLICE};

	(void)state;
	for (; event.repeats < 5; event.repeats++)
		assert_string_equal(said_when(&event, true), "");
	assert_non_null(strstr(said_when(&event, true), "not allowed"));
	event.repeats = 0;
	assert_non_null(strstr(said_when(&event, false), "not allowed"));
}

static void test_no_status_where_there_is_none(void **state)
{
	struct watch_event event = {.type = WATCH_FAILED, .kind = KIND_SERVICE, .detail = "cut"};

	(void)state;
	assert_non_null(strstr(said(&event), "services: cut; trying again"));
}

static void test_text_from_outside_forges_no_line(void **state)
{
	struct watch_event event = {.type = WATCH_FAILED,
		.kind = KIND_SERVICE,
		.detail = "x\n[INFO] all is well\033[2J"};
	const char *text;

	(void)state;
	text = said(&event);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_null(strchr(text, '\033'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_event_says_what_to_do, setup, teardown),
		cmocka_unit_test_setup_teardown(test_repeats_are_told_rarely, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_refusal_during_a_restart_is_not_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_no_status_where_there_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_text_from_outside_forges_no_line, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/observe/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static double value_of(struct metrics *metrics, const char *name)
{
	char *text, *at;
	size_t len;
	double value;

	assert_int_equal(metrics_render(metrics, &text, &len), 0);
	text = realloc(text, len + 1);
	text[len] = 0;
	for (at = text; strncmp(at, name, strlen(name)) != 0; at = strchr(at, '\n') + 1)
		assert_int_not_equal(*at, 0);
	value = strtod(at + strlen(name), NULL);
	free(text);
	return value;
}

static void test_figures_of_this_process(void **state)
{
	struct metrics *metrics;
	struct process process;
	double before;
	int fd;

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(process_measure(&process, metrics), 0);
	before = value_of(metrics, "process_open_fds ");
	fd = open("/dev/null", O_RDONLY);
	assert_true(value_of(metrics, "process_open_fds ") == before + 1);
	close(fd);
	assert_true(before >= 3);
	assert_true(value_of(metrics, "process_max_fds ") > before);
	assert_true(value_of(metrics, "process_threads ") >= 1);
	assert_true(value_of(metrics, "process_resident_memory_bytes ") > 100000);
	assert_true(value_of(metrics, "process_virtual_memory_bytes ") >
		    value_of(metrics, "process_resident_memory_bytes "));
	before = value_of(metrics, "process_cpu_seconds_total ");
	assert_true(before > 0 && before <= value_of(metrics, "process_cpu_seconds_total "));
	metrics_free(metrics);
}

static void test_start_is_near(void **state)
{
	struct metrics *metrics;
	struct process process;
	const double now = (double)time(NULL);

	(void)state;
	assert_int_equal(metrics_new(&metrics), 0);
	assert_int_equal(process_measure(&process, metrics), 0);
	assert_true(process.start_s > now - 3600 && process.start_s < now + 60);
	assert_true(value_of(metrics, "process_start_time_seconds ") > now - 3600);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures_of_this_process),
		cmocka_unit_test(test_start_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

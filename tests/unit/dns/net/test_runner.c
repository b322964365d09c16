/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/net/runner.h"

#include "net_test.h"

struct job {
	struct runner runner;
	int rc;
	sigset_t mask;
	size_t stack;
};

static void *job_run(void *arg)
{
	struct job *job = arg;
	pthread_attr_t attr;

	pthread_sigmask(SIG_SETMASK, NULL, &job->mask);
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstacksize(&attr, &job->stack);
	pthread_attr_destroy(&attr);
	runner_ready(&job->runner, job->rc);
	return job;
}

static void a_runner_has_a_small_stack_and_no_signals(void **state)
{
	struct job job = {.rc = 0};
	sigset_t before, after;
	pthread_t id;
	void *result;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(runner_start(&job.runner, "runner", job_run, &job, &id), 0);
	assert_int_equal(pthread_join(id, &result), 0);
	assert_ptr_equal(result, &job);
	assert_true(sigismember(&job.mask, SIGTERM));
	assert_true(sigismember(&job.mask, SIGHUP));
	/* a sanitizer adds thread-local storage of its own; the default would be 8 MiB */
	assert_in_range(job.stack, RUNNER_STACK_BYTES / 2, RUNNER_STACK_BYTES * 8);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

static void a_failed_start_is_reported_and_joined(void **state)
{
	struct job job = {.rc = -ENOMEM};
	pthread_t id = pthread_self();

	(void)state;
	assert_int_equal(runner_start(&job.runner, "runner", job_run, &job, &id), -ENOMEM);
	assert_true(pthread_equal(id, pthread_self()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_runner_has_a_small_stack_and_no_signals),
		cmocka_unit_test(a_failed_start_is_reported_and_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/net/worker.h"

#include "net_test.h"

struct service {
	struct worker_service service;
	struct worker *worker;
	uv_timer_t timer;
	uv_idle_t idle;
	unsigned started, stopped, closed;
	void *thread;
	pthread_t started_on, stopped_on;
};

static void on_idle(uv_idle_t *idle)
{
	(void)idle;
}

static void on_closed(uv_handle_t *handle)
{
	struct service *service = handle->data;

	service->closed++;
}

static void service_start(struct worker_service *base)
{
	struct service *service = (struct service *)(void *)base;

	service->started++;
	service->started_on = pthread_self();
	service->thread = worker_thread(service->worker);
	uv_idle_start(&service->idle, on_idle);
}

static void service_stop(struct worker_service *base)
{
	struct service *service = (struct service *)(void *)base;

	service->stopped++;
	service->stopped_on = pthread_self();
	uv_close((uv_handle_t *)&service->timer, on_closed);
	uv_close((uv_handle_t *)&service->idle, on_closed);
}

static void service_attach(struct service *service, struct worker *worker)
{
	*service = (struct service){
		.service = {.start = service_start, .stop = service_stop},
		.worker = worker,
	};
	uv_timer_init(worker_loop(worker), &service->timer);
	uv_idle_init(worker_loop(worker), &service->idle);
	service->timer.data = service->idle.data = service;
	worker_attach(worker, &service->service);
}

static void services_start_and_stop_on_the_loop(void **state)
{
	struct recorder recorder;
	struct service a, b;
	struct worker *worker;

	(void)state;
	recorder_init(&recorder);
	assert_int_equal(worker_open(&recorder.handler, &worker), 0);
	assert_ptr_equal(worker_handler(worker), &recorder.handler);
	service_attach(&a, worker);
	service_attach(&b, worker);
	assert_int_equal(worker_run(worker), 0);
	assert_int_equal(recorder.threads_started, 1);
	assert_int_equal(a.started + b.started, 2);
	worker_stop(worker);
	assert_int_equal(a.stopped + b.stopped, 2);
	assert_int_equal(a.closed + b.closed, 4);
	assert_non_null(a.thread);
	assert_true(pthread_equal(a.started_on, a.stopped_on));
	assert_false(pthread_equal(a.started_on, pthread_self()));
	assert_int_equal(recorder.threads_stopped, 1);
	assert_int_equal(recorder.signals_open, 0);
	worker_stop(worker);
	worker_free(worker);
	assert_int_equal(a.stopped, 1);
}

static void one_that_never_ran_is_stopped_where_it_is(void **state)
{
	struct recorder recorder;
	struct service service;
	struct worker *worker;

	(void)state;
	recorder_init(&recorder);
	assert_int_equal(worker_open(&recorder.handler, &worker), 0);
	service_attach(&service, worker);
	worker_free(worker);
	assert_int_equal(service.started, 0);
	assert_int_equal(service.stopped, 1);
	assert_int_equal(service.closed, 2);
	assert_true(pthread_equal(service.stopped_on, pthread_self()));
	assert_int_equal(recorder.threads_started, 0);
	worker_free(NULL);
}

static void a_thread_that_cannot_start_is_an_error(void **state)
{
	struct recorder recorder;
	struct service service;
	struct worker *worker;

	(void)state;
	recorder_init(&recorder);
	recorder.fail_start = true;
	assert_int_equal(worker_open(&recorder.handler, &worker), 0);
	service_attach(&service, worker);
	assert_int_equal(worker_run(worker), -ENOMEM);
	assert_int_equal(service.started, 0);
	worker_free(worker);
	assert_int_equal(service.closed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_start_and_stop_on_the_loop),
		cmocka_unit_test(one_that_never_ran_is_stopped_where_it_is),
		cmocka_unit_test(a_thread_that_cannot_start_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

/* Of one that comes later: its handles are made on the loop thread. */
static void guest_start(struct worker_service *base)
{
	struct service *service = (struct service *)(void *)base;

	uv_timer_init(worker_loop(service->worker), &service->timer);
	uv_idle_init(worker_loop(service->worker), &service->idle);
	service->timer.data = service->idle.data = service;
	service_start(base);
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

/* ---- jobs ---- */

#define POSTERS 4
#define POSTED  5000

struct posted {
	struct worker_job job;
	unsigned poster, number;
};

static struct posted posted[POSTERS][POSTED];
/* The loop thread's. */
static unsigned next_number[POSTERS];
static atomic_uint jobs_run, jobs_cancelled, jobs_disordered;
static struct worker *posting_to;

static void on_posted_job(struct worker_job *base, bool cancelled)
{
	struct posted *job = (struct posted *)(void *)base;

	if (job->number != next_number[job->poster]++)
		jobs_disordered++;
	jobs_cancelled += cancelled;
	jobs_run++;
}

static void *poster_main(void *arg)
{
	const unsigned poster = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < POSTED; i++) {
		struct posted *job = &posted[poster][i];

		*job = (struct posted){{.run = on_posted_job}, poster, i};
		worker_post(posting_to, &job->job);
	}
	return NULL;
}

static struct worker *jobs_open(struct recorder *recorder)
{
	struct worker *worker;

	recorder_init(recorder);
	assert_int_equal(worker_open(&recorder->handler, &worker), 0);
	memset(next_number, 0, sizeof next_number);
	jobs_run = jobs_cancelled = jobs_disordered = 0;
	posting_to = worker;
	return worker;
}

static void posters_run(void)
{
	pthread_t threads[POSTERS];

	for (uintptr_t i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poster_main, (void *)i), 0);
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
}

static void jobs_keep_the_order_of_each_thread(void **state)
{
	struct recorder recorder;
	struct worker *worker = jobs_open(&recorder);

	(void)state;
	assert_int_equal(worker_run(worker), 0);
	posters_run();
	for (int i = 0; i < WAIT_MS && jobs_run < POSTERS * POSTED; i++)
		poll(NULL, 0, 1);
	worker_free(worker);
	assert_int_equal(jobs_run, POSTERS * POSTED);
	assert_int_equal(jobs_disordered + jobs_cancelled, 0);
}

/* Each is run once, and by whom it is: the loop thread, or else who stops it. */
static void jobs_are_cancelled_at_the_end(void **state)
{
	struct recorder recorder;
	struct worker *worker = jobs_open(&recorder);
	pthread_t threads[POSTERS];

	(void)state;
	assert_int_equal(worker_run(worker), 0);
	for (uintptr_t i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poster_main, (void *)i), 0);
	/* Posting goes on while the loop ends, as answering threads may. */
	while (jobs_run < POSTED)
		poll(NULL, 0, 1);
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	worker_stop(worker);
	assert_int_equal(jobs_run, POSTERS * POSTED);
	assert_int_equal(jobs_disordered, 0);
	worker_free(worker);
}

static void jobs_of_one_that_never_ran_are_cancelled(void **state)
{
	struct recorder recorder;
	struct worker *worker = jobs_open(&recorder);

	(void)state;
	posters_run();
	assert_int_equal(jobs_run, 0);
	worker_stop(worker);
	assert_int_equal(jobs_cancelled, POSTERS * POSTED);
	assert_int_equal(jobs_disordered, 0);
	worker_free(worker);
}

static void jobs_from_before_it_runs(void **state)
{
	struct recorder recorder;
	struct worker *worker = jobs_open(&recorder);

	(void)state;
	posters_run();
	assert_int_equal(worker_run(worker), 0);
	for (int i = 0; i < WAIT_MS && jobs_run < POSTERS * POSTED; i++)
		poll(NULL, 0, 1);
	worker_free(worker);
	assert_int_equal(jobs_run, POSTERS * POSTED);
	assert_int_equal(jobs_cancelled + jobs_disordered, 0);
}

/* One that posts itself again: the loop goes on with other things in between. */
struct again {
	struct worker_job job;
	struct worker *worker;
	atomic_uint left;
	atomic_bool cancelled;
};

static void on_again(struct worker_job *base, bool cancelled)
{
	struct again *again = (struct again *)(void *)base;

	if (cancelled)
		again->cancelled = true;
	if (--again->left)
		worker_post(again->worker, base);
}

static void a_job_that_posts_itself(void **state)
{
	struct recorder recorder;
	struct worker *worker = jobs_open(&recorder);
	struct again again = {.job.run = on_again, .worker = worker, .left = 1000};

	(void)state;
	assert_int_equal(worker_run(worker), 0);
	worker_post(worker, &again.job);
	for (int i = 0; i < WAIT_MS && again.left; i++)
		poll(NULL, 0, 1);
	worker_free(worker);
	assert_int_equal(again.left, 0);
	assert_false(again.cancelled);
}

/* What it posts while it is cancelled is not forgotten either. */
static void a_cancelled_job_that_posts_another(void **state)
{
	struct recorder recorder;
	struct worker *worker = jobs_open(&recorder);
	struct again again = {.job.run = on_again, .worker = worker, .left = 3};

	(void)state;
	worker_post(worker, &again.job);
	worker_free(worker);
	assert_int_equal(again.left, 0);
	assert_true(again.cancelled);
}

/* ---- services that come and go ---- */

static void services_come_and_go_while_it_runs(void **state)
{
	struct recorder recorder;
	struct service stays;
	struct worker *worker = jobs_open(&recorder);

	(void)state;
	service_attach(&stays, worker);
	assert_int_equal(worker_run(worker), 0);
	for (int i = 0; i < 50; i++) {
		struct service *guest = calloc(1, sizeof *guest);

		*guest = (struct service){
			.service = {.start = guest_start, .stop = service_stop}, .worker = worker};
		worker_attach(worker, &guest->service);
		assert_int_equal(guest->started, 1);
		assert_false(pthread_equal(guest->started_on, pthread_self()));
		worker_detach(worker, &guest->service);
		assert_int_equal(guest->stopped, 1);
		assert_int_equal(guest->closed, 2);
		assert_true(pthread_equal(guest->started_on, guest->stopped_on));
		free(guest);
	}
	assert_int_equal(stays.stopped, 0);
	worker_stop(worker);
	assert_int_equal(stays.stopped, 1);
	assert_int_equal(stays.closed, 2);
	/* too late for anything to happen */
	worker_detach(worker, &stays.service);
	assert_int_equal(stays.stopped, 1);
	worker_free(worker);
}

static void one_that_stays_attached_ends_with_the_worker(void **state)
{
	struct recorder recorder;
	struct worker *worker = jobs_open(&recorder);
	struct service guest = {
		.service = {.start = guest_start, .stop = service_stop}, .worker = worker};

	(void)state;
	assert_int_equal(worker_run(worker), 0);
	worker_attach(worker, &guest.service);
	worker_stop(worker);
	assert_int_equal(guest.closed, 2);
	worker_free(worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_start_and_stop_on_the_loop),
		cmocka_unit_test(one_that_never_ran_is_stopped_where_it_is),
		cmocka_unit_test(a_thread_that_cannot_start_is_an_error),
		cmocka_unit_test(jobs_keep_the_order_of_each_thread),
		cmocka_unit_test(jobs_are_cancelled_at_the_end),
		cmocka_unit_test(jobs_of_one_that_never_ran_are_cancelled),
		cmocka_unit_test(jobs_from_before_it_runs),
		cmocka_unit_test(a_job_that_posts_itself),
		cmocka_unit_test(a_cancelled_job_that_posts_another),
		cmocka_unit_test(services_come_and_go_while_it_runs),
		cmocka_unit_test(one_that_stays_attached_ends_with_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

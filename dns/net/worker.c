/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "runner.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

struct worker {
	uv_loop_t loop;
	uv_async_t wake;                   /* to stop */
	uv_async_t posted;                 /* there are jobs */
	_Atomic(struct worker_job *) jobs; /* the newest first */
	const struct net_handler *handler;
	struct worker_service *services;
	struct runner runner;
	pthread_t id;
	void *thread;
	bool running, stopped;
};

uv_loop_t *worker_loop(struct worker *worker)
{
	return &worker->loop;
}

const struct net_handler *worker_handler(const struct worker *worker)
{
	return worker->handler;
}

void *worker_thread(const struct worker *worker)
{
	return worker->thread;
}

bool worker_runs(const struct worker *worker)
{
	return worker->running && !worker->stopped;
}

static void services_stop(struct worker *worker)
{
	for (struct worker_service *s = worker->services; s; s = s->next)
		s->stop(s);
	worker->services = NULL;
	uv_close((uv_handle_t *)&worker->wake, NULL);
	uv_close((uv_handle_t *)&worker->posted, NULL);
}

static void on_wake(uv_async_t *wake)
{
	services_stop(wake->data);
}

/* ---- jobs ---- */

static void jobs_run(struct worker *worker, bool cancelled)
{
	struct worker_job *job =
		atomic_exchange_explicit(&worker->jobs, NULL, memory_order_acquire);
	struct worker_job *oldest = NULL;

	while (job) {
		struct worker_job *next = job->next;

		job->next = oldest;
		oldest = job;
		job = next;
	}
	while (oldest) {
		struct worker_job *next = oldest->next;

		oldest->run(oldest, cancelled);
		oldest = next;
	}
}

static void on_posted(uv_async_t *posted)
{
	jobs_run(posted->data, false);
}

void worker_post(struct worker *worker, struct worker_job *job)
{
	struct worker_job *newest = atomic_load_explicit(&worker->jobs, memory_order_relaxed);

	do
		job->next = newest;
	while (!atomic_compare_exchange_weak_explicit(
		&worker->jobs, &newest, job, memory_order_release, memory_order_relaxed));
	/* Whoever put the first one woke it, and it takes all. */
	if (!newest)
		uv_async_send(&worker->posted);
}

/* A service that comes or goes while the worker runs. */
struct change {
	struct worker_job job;
	struct worker *worker;
	struct worker_service *service;
	unsigned turns; /* until its handles are closed */
	sem_t done;
};

static void change_run(struct change *change, void (*run)(struct worker_job *job, bool cancelled))
{
	change->job.run = run;
	sem_init(&change->done, 0, 0);
	worker_post(change->worker, &change->job);
	while (sem_wait(&change->done) < 0)
		;
	sem_destroy(&change->done);
}

static void service_add(struct worker *worker, struct worker_service *service)
{
	service->next = worker->services;
	worker->services = service;
}

static void on_attach(struct worker_job *job, bool cancelled)
{
	struct change *change = (struct change *)(void *)job;

	if (!cancelled) {
		service_add(change->worker, change->service);
		change->service->start(change->service);
	}
	sem_post(&change->done);
}

static void on_turn(struct worker_job *job, bool cancelled)
{
	struct change *change = (struct change *)(void *)job;

	if (!cancelled && --change->turns)
		worker_post(change->worker, job);
	else
		sem_post(&change->done);
}

static void on_detach(struct worker_job *job, bool cancelled)
{
	struct change *change = (struct change *)(void *)job;
	struct worker_service **at = &change->worker->services;

	while (*at && *at != change->service)
		at = &(*at)->next;
	if (*at) {
		*at = change->service->next;
		change->service->stop(change->service);
	}
	job->run = on_turn;
	on_turn(job, cancelled);
}

void worker_attach(struct worker *worker, struct worker_service *service)
{
	struct change change = {.worker = worker, .service = service};

	if (worker_runs(worker))
		change_run(&change, on_attach);
	else
		service_add(worker, service);
}

void worker_detach(struct worker *worker, struct worker_service *service)
{
	struct change change = {.worker = worker, .service = service, .turns = 4};

	if (worker_runs(worker))
		change_run(&change, on_detach);
}

void worker_barrier(struct worker *worker)
{
	struct change change = {.worker = worker, .turns = 1};

	if (worker_runs(worker))
		change_run(&change, on_turn);
}

int worker_open(const struct net_handler *handler, struct worker **out)
{
	struct worker *worker = calloc(1, sizeof *worker);
	int rc;

	if (!worker)
		return -ENOMEM;
	worker->handler = handler;
	rc = uv_loop_init(&worker->loop);
	if (rc < 0)
		goto fail;
	rc = uv_async_init(&worker->loop, &worker->wake, on_wake);
	if (rc < 0) {
		uv_loop_close(&worker->loop);
		goto fail;
	}
	worker->wake.data = worker;
	rc = uv_async_init(&worker->loop, &worker->posted, on_posted);
	if (rc < 0) {
		uv_close((uv_handle_t *)&worker->wake, NULL);
		uv_run(&worker->loop, UV_RUN_DEFAULT);
		uv_loop_close(&worker->loop);
		goto fail;
	}
	worker->posted.data = worker;
	*out = worker;
	return 0;
fail:
	free(worker);
	return rc;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;

	worker->thread = worker->handler->thread_start(worker->handler->ctx);
	if (!worker->thread) {
		runner_ready(&worker->runner, -ENOMEM);
		return NULL;
	}
	for (struct worker_service *s = worker->services; s; s = s->next)
		s->start(s);
	runner_ready(&worker->runner, 0);
	uv_run(&worker->loop, UV_RUN_DEFAULT);
	worker->handler->thread_stop(worker->thread);
	return NULL;
}

int worker_run(struct worker *worker)
{
	int rc = runner_start(&worker->runner, "worker", worker_main, worker, &worker->id);

	worker->running = rc == 0;
	return rc;
}

void worker_stop(struct worker *worker)
{
	if (worker->stopped)
		return;
	worker->stopped = true;
	if (worker->running) {
		uv_async_send(&worker->wake);
		pthread_join(worker->id, NULL);
	} else {
		services_stop(worker);
		uv_run(&worker->loop, UV_RUN_DEFAULT);
	}
	/* One may post another while it is cancelled. */
	while (atomic_load_explicit(&worker->jobs, memory_order_relaxed))
		jobs_run(worker, true);
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	worker_stop(worker);
	uv_loop_close(&worker->loop);
	free(worker);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "runner.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct worker {
	uv_loop_t loop;
	uv_async_t wake;
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

static void services_stop(struct worker *worker)
{
	for (struct worker_service *s = worker->services; s; s = s->next)
		s->stop(s);
	uv_close((uv_handle_t *)&worker->wake, NULL);
}

static void on_wake(uv_async_t *wake)
{
	services_stop(wake->data);
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
	*out = worker;
	return 0;
fail:
	free(worker);
	return rc;
}

void worker_attach(struct worker *worker, struct worker_service *service)
{
	service->next = worker->services;
	worker->services = service;
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
		return;
	}
	services_stop(worker);
	uv_run(&worker->loop, UV_RUN_DEFAULT);
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	worker_stop(worker);
	uv_loop_close(&worker->loop);
	free(worker);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runner.h"

#include <errno.h>
#include <signal.h>

static int runner_spawn(void *(*run)(void *), void *arg, pthread_t *out)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return -rc;
	rc = pthread_attr_setstacksize(&attr, RUNNER_STACK_BYTES);
	/* A thread inherits the mask: no moment is left in which it takes a signal. */
	sigfillset(&all);
	if (rc == 0)
		rc = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (rc == 0) {
		rc = pthread_create(out, &attr, run, arg);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attr);
	return -rc;
}

void runner_ready(struct runner *runner, int rc)
{
	runner->rc = rc;
	sem_post(&runner->done);
}

int runner_start(
	struct runner *runner, const char *name, void *(*run)(void *), void *arg, pthread_t *out)
{
	pthread_t id;
	int rc;

	sem_init(&runner->done, 0, 0);
	rc = runner_spawn(run, arg, &id);
	if (rc == 0) {
		pthread_setname_np(id, name);
		while (sem_wait(&runner->done) < 0)
			;
		rc = runner->rc;
		if (rc < 0)
			pthread_join(id, NULL);
	}
	sem_destroy(&runner->done);
	if (rc == 0)
		*out = id;
	return rc;
}

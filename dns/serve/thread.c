/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"
#include "dns/observe/log.h"
#include "txn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* As many lines as a full batch of ordinary questions makes. */
#define LOG_BUFFER 16384

struct thread {
	uint64_t random;
	_Atomic uint64_t *counters;
	size_t log_len;
	char log[LOG_BUFFER];
	struct name outside;
	struct inner inner[ASK_DEPTH_MAX]; /* pages that are touched when they are needed */
};

struct thread *thread_new(void)
{
	struct thread *thread = malloc(sizeof *thread);

	if (!thread)
		return NULL;
	thread->log_len = 0;
	thread->counters = NULL;
	if (getrandom(&thread->random, sizeof thread->random, GRND_NONBLOCK) < 0)
		thread->random = (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)thread;
	return thread;
}

void thread_free(struct thread *thread)
{
	if (!thread)
		return;
	thread_flush(thread);
	free(thread);
}

void thread_set_counters(struct thread *thread, _Atomic uint64_t *counters)
{
	thread->counters = counters;
}

_Atomic uint64_t *thread_counters(const struct thread *thread)
{
	return thread->counters;
}

struct inner *thread_inner(struct thread *thread, unsigned depth)
{
	return &thread->inner[depth];
}

struct name *thread_outside(struct thread *thread)
{
	return &thread->outside;
}

/* SplitMix64: spreads answers evenly; secrets come from getrandom(). */
uint32_t thread_random(struct thread *thread)
{
	uint64_t z = thread->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)(z >> 32);
}

void thread_flush(struct thread *thread)
{
	if (thread->log_len)
		log_raw(thread->log, thread->log_len);
	thread->log_len = 0;
}

void thread_log(struct thread *thread, const char *lines, size_t len)
{
	if (len > LOG_BUFFER - thread->log_len)
		thread_flush(thread);
	if (len > LOG_BUFFER) {
		log_raw(lines, len);
		return;
	}
	memcpy(thread->log + thread->log_len, lines, len);
	thread->log_len += len;
}

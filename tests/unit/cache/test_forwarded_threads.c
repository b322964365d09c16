/* SPDX-License-Identifier: Apache-2.0 */
/* Two writers, two readers: what is found is whole and belongs to its name, while entries
 * come, are replaced and pushed out. Run under ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "cache/epoch.h"
#include "cache/forwarded.h"
#include "upstream.h"

#define READERS 2
#define WRITERS 2
#define NAMES   64
#define ROUNDS  4000

static struct forwarded *table;
static struct forwarded_answer *answers[NAMES][2]; /* an address; a denial */
static struct upstream_question questions[NAMES];
static atomic_uint running, looked, found;

static void look(unsigned i, uint64_t now_ms, uint8_t *out)
{
	const struct forwarded_question *question = &questions[i].question;
	uint8_t asked[QUERY_ASKED_MAX];
	struct forwarded_hit hit;
	struct query query;
	struct reply reply;

	atomic_fetch_add(&looked, 1);
	if (forwarded_find(table, question, now_ms, &hit) != FORWARDED_FRESH)
		return;
	if (hit.refresh)
		forwarded_claim_refresh(table, question, now_ms);
	query_make(question->name, question->name_len, question->type, asked, &query);
	reply_begin(&reply, &query, out, UINT16_MAX);
	forwarded_answer_put(hit.answer, hit.ttl_s, &reply);
	if (reply.count[0] + reply.count[1] != 1)
		abort();
	/* The rdata ends in the number of the name. */
	if (forwarded_answer_kind(hit.answer) == FORWARDED_POSITIVE && out[reply.len - 1] != i)
		abort();
	atomic_fetch_add(&found, 1);
}

static void *reader(void *user)
{
	uint8_t *out = malloc(UINT16_MAX);
	struct forwarded_stats stats;

	(void)user;
	epoch_thread_start();
	for (uint64_t now_ms = 1; atomic_load(&running); now_ms++) {
		epoch_online();
		for (unsigned i = 0; i < NAMES; i++)
			look(i, now_ms, out);
		epoch_offline();
		forwarded_stats(table, &stats);
	}
	epoch_thread_stop();
	free(out);
	return NULL;
}

static void *writer(void *user)
{
	const unsigned own = (unsigned)(uintptr_t)user;

	for (unsigned round = 0; round < ROUNDS; round++) {
		const unsigned i = (round * 7 + own) % NAMES;

		if (round % 11 == 0)
			forwarded_store_failure(table, &questions[i].question, round);
		else
			forwarded_store(
				table, &questions[i].question, answers[i][round % 5 == 0], round);
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void prepare(unsigned i)
{
	char name[64], line[200];

	sprintf(name, "n%u.example.org.", i);
	upstream_ask(name, "A", false, &questions[i]);
	sprintf(line, "%s 600 A 192.0.2.%u", name, i);
	answers[i][0] = upstream_answer(
		&(struct upstream_reply){.name = name, .type = "A", .answer = line}, false);
	answers[i][1] = upstream_denial(name, "A", LDNS_RCODE_NXDOMAIN, 600);
}

static void readers_and_writers(void **state)
{
	const struct forwarded_policy policy = {.success_bytes = 8 * 1024, /* not enough for all */
		.denial_bytes = 4 * 1024,
		.success_max_s = 3600,
		.denial_max_s = 1800,
		.servfail_ms = 5,
		.prefetch_hits = 2,
		.prefetch_window_ms = 1000,
		.prefetch_percent = 99};
	pthread_t threads[READERS + WRITERS];

	(void)state;
	assert_int_equal(forwarded_new(&policy, &table), 0);
	for (unsigned i = 0; i < NAMES; i++)
		prepare(i);
	atomic_store(&running, WRITERS);
	for (uintptr_t i = 0; i < READERS + WRITERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, i < READERS ? reader : writer, (void *)i),
			0);
	for (unsigned i = 0; i < READERS + WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&looked) > 0);
	forwarded_free(table);
	for (unsigned i = 0; i < NAMES; i++) {
		forwarded_answer_unref(answers[i][0]);
		forwarded_answer_unref(answers[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_and_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

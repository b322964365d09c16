/* SPDX-License-Identifier: Apache-2.0 */
/* Two blocks: alias.test, whose plugin knows aliases, and ".", whose plugin has to find out
 * about every name first. The test is what runs the chain again. */
#include "dns/serve/wait.h"

#include "dns/serve/ask.h"
#include "dns/serve/respond.h"
#include "dns/wire/bytes.h"
#include "dns/wire/message.h"
#include "dns/wire/type.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- findings ---- */

static unsigned findings; /* not released */

struct note {
	struct finding finding;
	const char *alias; /* NULL: an address */
};

static void note_release(struct finding *finding)
{
	findings--;
	free(finding);
}

static struct finding *note_new(const char *alias)
{
	struct note *note = calloc(1, sizeof *note);

	note->finding.release = note_release;
	note->alias = alias;
	findings++;
	return &note->finding;
}

/* ---- plugins ---- */

static unsigned asked, begun, rewritten, done;

static void never_called(void *instance, const struct wait *wait, struct waiter *waiter)
{
	(void)instance;
	(void)wait;
	(void)waiter;
	begun++;
}

static void put_alias(struct txn *txn, const char *text)
{
	struct name target;

	assert_int_equal(name_from_text(text, strlen(text), &target), 0);
	reply_put_rr(
		txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_CNAME, 30, target.wire, target.len);
	ask_outside(txn, &target);
}

static enum plugin_verdict finder_query(void *instance, struct txn *txn)
{
	static const uint8_t address[4] = {192, 0, 2, 7};
	const struct note *note = (const struct note *)(void *)wait_found(txn, instance);

	asked++;
	if (note && note->alias)
		put_alias(txn, note->alias);
	else if (note)
		reply_put_rr(txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
	else if (wait_for(txn, instance, never_called))
		return PLUGIN_WAIT;
	else
		return PLUGIN_NEXT;
	return PLUGIN_DONE;
}

/* "x.alias.test" is "x.test"; "x.y.alias.test" "x.y.test". */
static enum plugin_verdict alias_query(void *instance, struct txn *txn)
{
	char text[NAME_TEXT_MAX];
	char *at;

	(void)instance;
	name_to_text(txn->query->asked, text, sizeof text);
	at = strstr(text, ".alias.test.");
	if (!at)
		return PLUGIN_NEXT;
	strcpy(at, ".test.");
	put_alias(txn, text);
	return PLUGIN_DONE;
}

static void count_rewrite(void *instance, struct txn *txn)
{
	(void)instance;
	(void)txn;
	rewritten++;
}

static uint64_t done_start_ns;

static void count_done(void *instance, struct txn *txn)
{
	(void)instance;
	done_start_ns = txn->start_ns;
	done++;
}

static const struct plugin plugin_finder = {
	.name = "finder", .query = finder_query, .rewrite = count_rewrite, .done = count_done};
static const struct plugin plugin_alias = {
	.name = "alias", .query = alias_query, .rewrite = count_rewrite, .done = count_done};

/* ---- the server ---- */

struct world {
	struct name zones[2];

	struct block_plugin plugins[2];
	struct block blocks[2];
	struct zone_table *table;
	struct thread *thread;
	struct wait wait;
	struct memo memo;
	uint8_t packet[512], out[65535];
	size_t packet_len;
	uint64_t start_ns;
	struct message message;
};

static int setup(void **state)
{
	static char texts[2][16] = {"alias.test.", "."};
	static char *text_at[2] = {texts[0], texts[1]};
	struct world *world = calloc(1, sizeof *world);
	const struct block *blocks[2] = {&world->blocks[0], &world->blocks[1]};
	const char *clash;

	world->plugins[0] = (struct block_plugin){&plugin_alias, NULL};
	world->plugins[1] = (struct block_plugin){&plugin_finder, world};
	for (unsigned i = 0; i < 2; i++) {
		name_from_text(texts[i], strlen(texts[i]), &world->zones[i]);
		world->blocks[i] = (struct block){.zones = &world->zones[i],
			.zone_texts = &text_at[i],
			.zone_count = 1,
			.plugins = &world->plugins[i],
			.plugin_count = 1,
			.rewrites = true};
	}
	world->thread = thread_new();
	asked = begun = rewritten = done = 0;
	*state = world;
	return zone_table_new(blocks, 2, &world->table, &clash);
}

static int teardown(void **state)
{
	struct world *world = *state;

	memo_clear(&world->memo);
	assert_int_equal(findings, 0);
	assert_int_equal(begun, 0);
	zone_table_free(world->table);
	thread_free(world->thread);
	free(world);
	return 0;
}

static void question(struct world *world, const char *text)
{
	struct name name;

	name_from_text(text, strlen(text), &name);
	memcpy(world->packet, "\xab\xcd\1\0\0\1\0\0\0\0\0\0", 12);
	memcpy(world->packet + 12, name.wire, name.len);
	bytes_set_u16(world->packet + 12 + name.len, TYPE_A);
	bytes_set_u16(world->packet + 14 + name.len, CLASS_IN);
	world->packet_len = 16u + name.len;
}

/* True: it waits. */
static bool run(struct world *world, bool may_wait)
{
	struct sockaddr_in peer = {.sin_family = AF_INET};
	const struct respond_packet packet = {.data = world->packet,
		.len = world->packet_len,
		.peer = (struct sockaddr *)&peer,
		.local = (struct sockaddr *)&peer,
		.wait = may_wait ? &world->wait : NULL,
		.memo = &world->memo,
		.start_ns = world->start_ns};
	size_t len;

	world->wait.begin = NULL;
	len = respond(world->thread, world->table, &packet, world->out);
	if (len == 0)
		return may_wait && world->wait.begin;
	assert_true(!may_wait || !world->wait.begin);
	assert_true(message_open(world->out, len, &world->message));
	return false;
}

static void check_wait(const struct world *world, const char *text)
{
	char name[NAME_TEXT_MAX];

	assert_ptr_equal(world->wait.begin, never_called);
	assert_ptr_equal(world->wait.instance, world);
	assert_int_equal(world->wait.type, TYPE_A);
	name_to_text(world->wait.name, name, sizeof name);
	assert_string_equal(name, text);
	assert_int_equal(world->wait.name_len, strlen(text) + 1);
	assert_int_equal(rewritten + done, 0);
}

static void learn(struct world *world, const char *alias)
{
	assert_int_equal(memo_add(&world->memo, &world->wait, note_new(alias)), 0);
}

static void check_reply(const struct world *world, unsigned rcode, unsigned answers)
{
	assert_int_equal(world->message.rcode, rcode);
	assert_int_equal(world->message.counts[REPLY_ANSWER], answers);
	assert_int_equal(rewritten, 1);
	assert_int_equal(done, 1);
}

static void test_waits_and_is_run_again(void **state)
{
	struct world *world = *state;

	question(world, "Web.Test");
	assert_true(run(world, true));
	check_wait(world, "web.test.");
	learn(world, NULL);
	assert_false(run(world, true));
	check_reply(world, RCODE_NOERROR, 1);
	assert_int_equal(asked, 2);
}

static void test_target_of_an_alias(void **state)
{
	struct world *world = *state;

	question(world, "a.alias.test");
	assert_true(run(world, true));
	check_wait(world, "a.test.");
	learn(world, "b.alias.test.");
	assert_true(run(world, true));
	check_wait(world, "b.test.");
	learn(world, "c.test.");
	assert_true(run(world, true));
	check_wait(world, "c.test.");
	learn(world, NULL);
	assert_false(run(world, true));
	/* a.alias, a, b.alias, b, c */
	check_reply(world, RCODE_NOERROR, 5);
	assert_int_equal(world->memo.count, 3);
}

/* However often it runs, it is one question to everybody else. */
static void test_questions_that_never_end(void **state)
{
	struct world *world = *state;
	unsigned runs = 0;

	question(world, "a.alias.test");
	while (run(world, true)) {
		char next[32];

		assert_true(++runs <= MEMO_MAX);
		snprintf(next, sizeof next, "n%u.test.", runs);
		learn(world, strdup(next));
	}
	for (unsigned i = 0; i < world->memo.count; i++)
		free((void *)(uintptr_t)((struct note *)(void *)world->memo.items[i].finding)
				->alias);
	check_reply(world, RCODE_SERVFAIL, ASK_LINKS_MAX + 1);
}

static void test_nothing_can_wait(void **state)
{
	struct world *world = *state;

	question(world, "web.test");
	assert_false(run(world, false));
	check_reply(world, RCODE_SERVFAIL, 0);
}

static void test_nothing_can_wait_any_more(void **state)
{
	struct world *world = *state;

	question(world, "a.alias.test");
	assert_true(run(world, true));
	assert_false(run(world, false));
	/* what is known is told; the target is nobody's here */
	check_reply(world, RCODE_NOERROR, 1);
}

static void test_what_is_waited_for(void **state)
{
	static const uint8_t opt[11] = {0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0};
	struct world *world = *state;

	world->blocks[1].wants_time = true;
	question(world, "web.test");
	assert_true(run(world, true));
	assert_false(world->wait.dnssec_ok);
	assert_false(world->wait.checking_disabled);
	assert_true(world->wait.start_ns > 0);
	world->start_ns = world->wait.start_ns;
	world->packet[3] |= DNS_FLAG_CD;
	world->packet[11] = 1;
	memcpy(world->packet + world->packet_len, opt, sizeof opt);
	world->packet_len += sizeof opt;
	assert_true(run(world, true));
	assert_true(world->wait.dnssec_ok);
	assert_true(world->wait.checking_disabled);
	/* the time is the first run's, to the last */
	assert_int_equal(world->wait.start_ns, world->start_ns);
	learn(world, NULL);
	assert_false(run(world, true));
	assert_int_equal(done_start_ns, world->start_ns);
}

/* ---- the memo alone ---- */

static struct wait wait_of(void *instance, const char *text, uint16_t type)
{
	struct wait wait = {.instance = instance, .type = type};
	struct name name;

	name_from_text(text, strlen(text), &name);
	wait.name_len = name.len;
	memcpy(wait.name, name.wire, name.len);
	return wait;
}

static struct finding *found(
	const struct memo *memo, const void *instance, const char *text, uint16_t type)
{
	uint8_t asked_bytes[QUERY_ASKED_MAX];
	struct query query;
	struct name name;
	struct txn txn = {.query = &query, .memo = memo};

	name_from_text(text, strlen(text), &name);
	query_make(name.wire, name.len, type, asked_bytes, &query);
	return wait_found(&txn, instance);
}

static void test_memo_by_instance_type_and_name(void **state)
{
	struct memo memo = {0};
	int one, two;
	struct finding *at[4] = {note_new(NULL), note_new(NULL), note_new(NULL), note_new(NULL)};
	const struct wait waits[4] = {wait_of(&one, "a.test", TYPE_A),
		wait_of(&one, "a.test", TYPE_AAAA), wait_of(&two, "a.test", TYPE_A),
		wait_of(&one, "b.a.test", TYPE_A)};

	(void)state;
	assert_null(found(NULL, &one, "a.test", TYPE_A));
	assert_null(found(&memo, &one, "a.test", TYPE_A));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(memo_add(&memo, &waits[i], at[i]), 0);
	assert_ptr_equal(found(&memo, &one, "A.Test", TYPE_A), at[0]);
	assert_ptr_equal(found(&memo, &one, "a.test", TYPE_AAAA), at[1]);
	assert_ptr_equal(found(&memo, &two, "a.test", TYPE_A), at[2]);
	assert_ptr_equal(found(&memo, &one, "b.a.test", TYPE_A), at[3]);
	assert_null(found(&memo, &two, "a.test", TYPE_AAAA));
	assert_null(found(&memo, &one, "c.a.test", TYPE_A));
	assert_null(found(&memo, &one, "test", TYPE_A));
	memo_clear(&memo);
	assert_int_equal(findings, 0);
	assert_null(found(&memo, &one, "a.test", TYPE_A));
	memo_clear(&memo);
}

static void test_memo_is_bounded(void **state)
{
	const struct wait wait = wait_of(NULL, "a.test", TYPE_A);
	struct memo memo = {0};

	(void)state;
	for (unsigned i = 0; i < MEMO_MAX; i++)
		assert_int_equal(memo_add(&memo, &wait, note_new(NULL)), 0);
	assert_int_equal(memo_add(&memo, &wait, note_new(NULL)), -E2BIG);
	assert_int_equal(findings, MEMO_MAX);
	memo_clear(&memo);
	assert_int_equal(findings, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_waits_and_is_run_again),
		CASE(test_target_of_an_alias),
		CASE(test_questions_that_never_end),
		CASE(test_nothing_can_wait),
		CASE(test_nothing_can_wait_any_more),
		CASE(test_what_is_waited_for),
		cmocka_unit_test(test_memo_by_instance_type_and_name),
		cmocka_unit_test(test_memo_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

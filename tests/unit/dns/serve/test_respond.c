/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/serve/respond.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A plugin that does what its instance says, and notes what it saw. */
struct double_state {
	enum plugin_verdict verdict;
	uint16_t rcode;
	unsigned asked, done, rewritten, refused;
	const struct block *refused_block;
	unsigned done_order;
	const char *error;
	const char *answered_by;
	size_t reply_len;
	uint64_t start_ns;
	struct stream *stream; /* answer with it where that is possible */
	bool could_stream;
};

static unsigned done_calls;

static enum plugin_verdict double_query(void *instance, struct txn *txn)
{
	struct double_state *state = instance;
	static const uint8_t address[4] = {10, 0, 0, 1};

	state->asked++;
	state->start_ns = txn->start_ns;
	state->could_stream = txn->wake != NULL;
	if (txn->wake)
		txn->stream = state->stream;
	if (state->verdict == PLUGIN_DONE) {
		txn->reply->flags |= DNS_FLAG_AA;
		txn->reply->rcode = state->rcode;
		reply_put_rr(txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
	}
	return state->verdict;
}

static void double_done(void *instance, struct txn *txn)
{
	struct double_state *state = instance;

	state->done++;
	state->done_order = ++done_calls;
	state->error = txn->error;
	state->answered_by = txn->answered_by;
	state->reply_len = txn->reply_len;
}

/* Adds a record, which is before the header and OPT are written. */
static void double_rewrite(void *instance, struct txn *txn)
{
	struct double_state *state = instance;
	static const uint8_t address[4] = {10, 0, 0, 2};

	assert_int_equal(state->done, 0);
	state->rewritten = ++done_calls;
	reply_put_rr(txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
}

static const struct plugin plugin_rewriting = {
	.name = "rewriting", .query = double_query, .rewrite = double_rewrite};

static void double_refused(void *instance, struct txn *txn)
{
	struct double_state *state = instance;

	state->refused++;
	state->refused_block = txn->block;
	state->reply_len = txn->reply_len;
	state->start_ns = txn->start_ns;
	assert_int_equal(txn->reply->rcode, RCODE_REFUSED);
}

static const struct plugin plugin_counter = {
	.name = "counter", .refused = double_refused, .wants_time = true};
static const struct plugin plugin_first = {
	.name = "first", .query = double_query, .done = double_done};
static const struct plugin plugin_second = {
	.name = "second", .query = double_query, .done = double_done};
static const struct plugin plugin_silent = {.name = "silent"};

struct world {
	struct name zone;
	char *text;
	struct double_state first, second;
	struct block_plugin plugins[3];
	struct block block;
	struct zone_table *table;
	struct thread *thread;
	uint8_t packet[512], out[65535];
	size_t packet_len;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	const struct block *block = &world->block;
	const char *clash;

	world->text = strdup("cluster.local.");
	name_from_text(world->text, strlen(world->text), &world->zone);
	world->plugins[0] = (struct block_plugin){&plugin_silent, NULL};
	world->plugins[1] = (struct block_plugin){&plugin_first, &world->first};
	world->plugins[2] = (struct block_plugin){&plugin_second, &world->second};
	world->block = (struct block){.zones = &world->zone,
		.zone_texts = &world->text,
		.zone_count = 1,
		.plugins = world->plugins,
		.plugin_count = 3};
	world->thread = thread_new();
	done_calls = 0;
	*state = world;
	return zone_table_new(&block, 1, &world->table, &clash);
}

static int teardown(void **state)
{
	struct world *world = *state;

	zone_table_free(world->table);
	thread_free(world->thread);
	free(world->text);
	free(world);
	return 0;
}

static void question(struct world *world, const char *text, uint16_t class)
{
	struct name name;
	size_t at = 12;

	assert_int_equal(name_from_text(text, strlen(text), &name), 0);
	memcpy(world->packet, "\xab\xcd\1\0\0\1\0\0\0\0\0\0", 12);
	memcpy(world->packet + at, name.wire, name.len);
	at += name.len;
	bytes_set_u16(world->packet + at, TYPE_A);
	bytes_set_u16(world->packet + at + 2, class);
	world->packet_len = at + 4;
}

static size_t run(struct world *world)
{
	struct sockaddr_in peer = {.sin_family = AF_INET}, local = {.sin_family = AF_INET};
	struct respond_packet packet = {.data = world->packet,
		.len = world->packet_len,
		.peer = (struct sockaddr *)&peer,
		.local = (struct sockaddr *)&local};

	return respond(world->thread, world->table, &packet, world->out);
}

static unsigned rcode(const struct world *world)
{
	return world->out[3] & 15u;
}

static bool aa(const struct world *world)
{
	return world->out[2] & 4;
}

static void test_first_that_answers(void **state)
{
	struct world *world = *state;

	world->first.verdict = PLUGIN_NEXT;
	world->second.verdict = PLUGIN_DONE;
	question(world, "a.Cluster.local", CLASS_IN);
	assert_int_equal(run(world), world->packet_len + 16);
	assert_int_equal(rcode(world), RCODE_NOERROR);
	assert_true(aa(world));
	assert_memory_equal(world->out + 12, world->packet + 12, world->packet_len - 12);
	assert_int_equal(world->first.asked, 1);
	assert_int_equal(world->first.done, 1);
	assert_string_equal(world->first.answered_by, "second");
	assert_int_equal(world->first.reply_len, world->packet_len + 16);
	assert_null(world->first.error);
	/* done hooks run last plugin first */
	assert_int_equal(world->second.done_order, 1);
	assert_int_equal(world->first.done_order, 2);
	assert_int_equal(world->first.start_ns, 0);
}

static void test_later_plugins_are_not_asked(void **state)
{
	struct world *world = *state;

	world->first.verdict = PLUGIN_DONE;
	world->first.rcode = RCODE_NXDOMAIN;
	world->block.wants_time = true;
	question(world, "cluster.local", CLASS_IN);
	assert_true(run(world) > 0);
	assert_int_equal(rcode(world), RCODE_NXDOMAIN);
	assert_int_equal(world->second.asked, 0);
	assert_int_equal(world->second.done, 1);
	assert_true(world->first.start_ns > 0);
}

/* Last one in the order first, and only where the block says that there are any. */
static void test_rewrite(void **state)
{
	struct world *world = *state;

	world->plugins[1].plugin = world->plugins[2].plugin = &plugin_rewriting;
	world->first.verdict = PLUGIN_DONE;
	question(world, "a.cluster.local", CLASS_IN);
	assert_int_equal(run(world), world->packet_len + 16);
	world->block.rewrites = true;
	assert_int_equal(run(world), world->packet_len + 3 * 16);
	assert_int_equal(world->out[7], 3);
	assert_int_equal(world->second.rewritten, 1);
	assert_int_equal(world->first.rewritten, 2);
}

static void test_nobody_answers_is_servfail(void **state)
{
	struct world *world = *state;

	question(world, "a.cluster.local", CLASS_IN);
	assert_int_equal(run(world), world->packet_len);
	assert_int_equal(rcode(world), RCODE_SERVFAIL);
	assert_false(aa(world));
	assert_string_equal(world->first.error, "no next plugin found");
	assert_null(world->first.answered_by);
}

static void test_refused_questions_are_told(void **state)
{
	struct world *world = *state;
	const struct block *block = &world->block;
	struct zone_table *before = world->table;
	const char *clash;

	world->plugins[0] = (struct block_plugin){&plugin_counter, &world->first};
	assert_int_equal(zone_table_new(&block, 1, &world->table, &clash), 0);
	question(world, "example.org", CLASS_IN);
	assert_int_equal(run(world), world->packet_len);
	assert_int_equal(rcode(world), RCODE_REFUSED);
	assert_int_equal(world->first.refused, 1);
	assert_ptr_equal(world->first.refused_block, block);
	assert_int_equal(world->first.reply_len, world->packet_len);
	assert_true(world->first.start_ns > 0);
	question(world, "cluster.local", CLASS_CH);
	assert_int_equal(run(world), world->packet_len);
	assert_int_equal(world->first.refused, 2);
	question(world, "cluster.local", CLASS_IN);
	assert_int_equal(run(world), world->packet_len);
	assert_int_equal(world->first.refused, 2);
	assert_int_equal(world->first.asked, 1);
	zone_table_free(before);
}

static void test_no_block_is_refused(void **state)
{
	struct world *world = *state;

	world->first.verdict = PLUGIN_DONE;
	question(world, "example.org", CLASS_IN);
	assert_int_equal(run(world), world->packet_len);
	assert_int_equal(rcode(world), RCODE_REFUSED);
	assert_int_equal(world->first.asked + world->first.done, 0);
}

static void test_other_classes_are_refused(void **state)
{
	static const uint16_t classes[] = {CLASS_CH, CLASS_HS, CLASS_NONE, CLASS_ANY, 0, 42};
	struct world *world = *state;

	world->first.verdict = PLUGIN_DONE;
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		question(world, "a.cluster.local", classes[i]);
		assert_int_equal(run(world), world->packet_len);
		assert_int_equal(rcode(world), RCODE_REFUSED);
	}
	assert_int_equal(world->first.asked, 0);
}

static void test_stream(void **state)
{
	struct world *world = *state;
	struct sockaddr_in peer = {.sin_family = AF_INET};
	struct stream stream, *got = NULL;
	struct stream_wake wake;
	struct respond_packet packet;

	world->first.verdict = PLUGIN_DONE;
	world->first.stream = &stream;
	question(world, "a.cluster.local", CLASS_IN);
	packet = (struct respond_packet){.data = world->packet,
		.len = world->packet_len,
		.peer = (struct sockaddr *)&peer,
		.local = (struct sockaddr *)&peer,
		.tcp = true,
		.stream = &got,
		.wake = &wake};
	assert_int_equal(respond(world->thread, world->table, &packet, world->out), 0);
	assert_true(world->first.could_stream);
	assert_ptr_equal(got, &stream);
	assert_int_equal(world->first.done, 1);
	assert_int_equal(world->first.reply_len, world->packet_len + 16);
	/* not over UDP */
	assert_true(run(world) > 0);
	assert_false(world->first.could_stream);
}

static void test_drop(void **state)
{
	struct world *world = *state;

	world->first.verdict = PLUGIN_DROP;
	question(world, "a.cluster.local", CLASS_IN);
	assert_int_equal(run(world), 0);
	assert_int_equal(world->first.done, 0);
}

static void test_bad_packets(void **state)
{
	struct world *world = *state;

	question(world, "a.cluster.local", CLASS_IN);
	world->packet[2] = 0x20; /* opcode NOTIFY */
	assert_true(run(world) > 0);
	assert_int_equal(rcode(world), RCODE_NOTIMP);
	world->packet[2] = 0x80; /* an answer */
	assert_int_equal(run(world), 0);
	world->packet[2] = 0;
	world->packet[5] = 2; /* two questions */
	assert_true(run(world) > 0);
	assert_int_equal(rcode(world), RCODE_FORMERR);
	world->packet_len = 11;
	assert_int_equal(run(world), 0);
	assert_int_equal(world->first.asked, 0);
}

static void test_edns_version(void **state)
{
	struct world *world = *state;

	question(world, "a.cluster.local", CLASS_IN);
	world->packet[11] = 1;
	memcpy(world->packet + world->packet_len, "\0\0\x29\4\xd0\0\1\0\0\0\0", 11);
	world->packet_len += 11;
	assert_true(run(world) > 0);
	assert_int_equal(rcode(world), 0);
	/* BADVERS is 16: the upper bits stand in the OPT's TTL. */
	assert_int_equal(world->out[world->packet_len - 6], 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused_questions_are_told, setup, teardown),
		CASE(test_first_that_answers),
		CASE(test_later_plugins_are_not_asked),
		CASE(test_rewrite),
		CASE(test_nobody_answers_is_servfail),
		CASE(test_no_block_is_refused),
		CASE(test_other_classes_are_refused),
		CASE(test_drop),
		CASE(test_stream),
		CASE(test_bad_packets),
		CASE(test_edns_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

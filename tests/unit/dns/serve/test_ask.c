/* SPDX-License-Identifier: Apache-2.0 */
/* Two blocks: alias.test, whose plugin knows aliases that lead out of it, and ".", whose
 * plugin answers what the table says. Replies are written out as text. */
#include "dns/serve/ask.h"
#include "dns/serve/respond.h"
#include "dns/wire/bytes.h"
#include "dns/wire/type.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
	const char *name, *target; /* NULL: an address */
	unsigned rcode;
	enum plugin_verdict verdict;
	const char *error;
	unsigned addresses;
};

/* nN.alias.test leads to mN.test, mN.test to nN+1.alias.test: a chain of two links a
 * round, as long as n counts. */
static const struct row rows[] = {
	{.name = "web.alias.test", .target = "web.test", .verdict = PLUGIN_DONE},
	{.name = "two.alias.test", .target = "via.test", .verdict = PLUGIN_DONE},
	{.name = "gone.alias.test", .target = "gone.test", .verdict = PLUGIN_DONE},
	{.name = "bad.alias.test", .target = "bad.test", .verdict = PLUGIN_DONE},
	{.name = "refused.alias.test", .target = "refused.test", .verdict = PLUGIN_DONE},
	{.name = "nobody.alias.test", .target = "nobody.test", .verdict = PLUGIN_DONE},
	{.name = "dropped.alias.test", .target = "dropped.test", .verdict = PLUGIN_DONE},
	{.name = "loop.alias.test", .target = "back.test", .verdict = PLUGIN_DONE},
	{.name = "self.alias.test", .target = "self.alias.test", .verdict = PLUGIN_DONE},
	{.name = "many.alias.test", .target = "many.test", .verdict = PLUGIN_DONE},
	{.name = "web.test", .addresses = 1, .verdict = PLUGIN_DONE},
	{.name = "many.test", .addresses = 3000, .verdict = PLUGIN_DONE},
	{.name = "via.test", .target = "web.alias.test", .verdict = PLUGIN_DONE},
	{.name = "back.test", .target = "loop.alias.test", .verdict = PLUGIN_DONE},
	{.name = "gone.test", .rcode = RCODE_NXDOMAIN, .verdict = PLUGIN_DONE},
	{.name = "refused.test", .rcode = RCODE_REFUSED, .verdict = PLUGIN_DONE},
	{.name = "bad.test",
		.rcode = RCODE_SERVFAIL,
		.error = "upstream is silent",
		.verdict = PLUGIN_DONE},
	{.name = "dropped.test", .verdict = PLUGIN_DROP},
};

static void put_alias(struct txn *txn, const char *text)
{
	struct name target;

	assert_int_equal(name_from_text(text, strlen(text), &target), 0);
	reply_put_rr(
		txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_CNAME, 30, target.wire, target.len);
	ask_outside(txn, &target);
}

static void put_soa(struct txn *txn)
{
	static const uint8_t rdata[22] = {0, 0, 0, 0, 0, 7};

	reply_put_rr(txn->reply, REPLY_AUTHORITY, DNS_HEADER_LEN, TYPE_SOA, 5, rdata, sizeof rdata);
}

static enum plugin_verdict counted(struct txn *txn, const char *text)
{
	char target[64];
	unsigned n;

	if (sscanf(text, "n%u.alias.test.", &n) == 1)
		snprintf(target, sizeof target, "m%u.test", n);
	else if (sscanf(text, "m%u.test.", &n) == 1 && n)
		snprintf(target, sizeof target, "n%u.alias.test", n - 1);
	else if (strcmp(text, "m0.test.") == 0)
		strcpy(target, "web.test");
	else
		return PLUGIN_NEXT;
	put_alias(txn, target);
	return PLUGIN_DONE;
}

static unsigned asked;

/* What who knows an alias, and who knows addresses, says of its order. */
static bool alias_shuffled, addresses_shuffled;
static uint32_t alias_ttl_most_s, addresses_ttl_most_s;

static enum plugin_verdict table_query(void *instance, struct txn *txn)
{
	char text[NAME_TEXT_MAX];
	const size_t len = name_to_text(txn->query->name, text, sizeof text);

	(void)instance;
	asked++;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *row = &rows[i];
		uint8_t address[4] = {192, 0, 2, 0};

		if (strlen(row->name) + 1 != len || strncmp(row->name, text, len - 1) != 0)
			continue;
		txn->reply->rcode = (uint16_t)row->rcode;
		txn->error = row->error;
		txn->shuffled = row->target ? alias_shuffled : addresses_shuffled;
		txn->ttl_most_s = row->target ? alias_ttl_most_s : addresses_ttl_most_s;
		if (row->rcode == RCODE_NXDOMAIN)
			put_soa(txn);
		if (row->target)
			put_alias(txn, row->target);
		for (unsigned k = 0; k < row->addresses; k++) {
			address[2] = (uint8_t)(k >> 8);
			address[3] = (uint8_t)k;
			reply_put_rr(
				txn->reply, REPLY_ANSWER, DNS_HEADER_LEN, TYPE_A, 30, address, 4);
		}
		return row->verdict;
	}
	return counted(txn, text);
}

static const char *seen_error;
static bool seen_shuffled;
static uint32_t seen_ttl_most_s;

static void table_done(void *instance, struct txn *txn)
{
	(void)instance;
	seen_error = txn->error;
	seen_shuffled = txn->shuffled;
	seen_ttl_most_s = txn->ttl_most_s;
}

static const struct plugin plugin_table = {
	.name = "table", .query = table_query, .done = table_done};

struct world {
	struct name zones[2];
	struct block_plugin plugin;
	struct block blocks[2];
	struct zone_table *table;
	struct thread *thread;
	uint8_t out[65535];
	char text[4096];
	struct message message;
};

static int setup(void **state)
{
	static char texts[2][16] = {"alias.test.", "."};
	static char *text_at[2] = {texts[0], texts[1]};
	struct world *world = calloc(1, sizeof *world);
	const struct block *blocks[2] = {&world->blocks[0], &world->blocks[1]};
	const char *clash;

	world->plugin = (struct block_plugin){&plugin_table, NULL};
	for (unsigned i = 0; i < 2; i++) {
		name_from_text(texts[i], strlen(texts[i]), &world->zones[i]);
		world->blocks[i] = (struct block){.zones = &world->zones[i],
			.zone_texts = &text_at[i],
			.zone_count = 1,
			.plugins = &world->plugin,
			.plugin_count = 1};
	}
	world->thread = thread_new();
	*state = world;
	return zone_table_new(blocks, 2, &world->table, &clash);
}

static int teardown(void **state)
{
	struct world *world = *state;

	zone_table_free(world->table);
	thread_free(world->thread);
	free(world);
	return 0;
}

static void text_name(char *text, const struct message *message, size_t at)
{
	uint8_t name[NAME_MAX_LEN], len;
	char name_text[NAME_TEXT_MAX];

	assert_true(message_name(message, at, name, &len) > 0);
	name_to_text(name, name_text, sizeof name_text);
	strcat(text, name_text);
}

/* "NOERROR web.alias.test. CNAME web.test. | web.test. A" */
static const char *answer(struct world *world, const char *name_text, uint16_t type, bool tcp)
{
	uint8_t packet[512] = "\xab\xcd\1\0\0\1\0\0\0\0\0\0";
	struct sockaddr_in peer = {.sin_family = AF_INET};
	struct respond_packet in = {.data = packet,
		.peer = (struct sockaddr *)&peer,
		.local = (struct sockaddr *)&peer,
		.tcp = tcp};
	char buf[TYPE_TEXT_MAX];
	struct name name;
	struct message_walk walk;
	struct record record;

	name_from_text(name_text, strlen(name_text), &name);
	memcpy(packet + 12, name.wire, name.len);
	bytes_set_u16(packet + 12 + name.len, type);
	packet[15 + name.len] = CLASS_IN;
	in.len = 16u + name.len;
	asked = 0;
	assert_true(message_open(world->out, respond(world->thread, world->table, &in, world->out),
		&world->message));
	strcpy(world->text, rcode_to_text(world->message.rcode, buf));
	message_walk(&world->message, &walk);
	while (message_next(&walk, &record) && strlen(world->text) < sizeof world->text - 600) {
		strcat(world->text, record.section == REPLY_AUTHORITY ? " / " : " | ");
		text_name(world->text, &world->message, record.owner);
		strcat(world->text, " ");
		strcat(world->text, type_to_text(record.type, buf));
		if (record.type == TYPE_CNAME) {
			strcat(world->text, " ");
			text_name(world->text, &world->message, record.rdata);
		}
	}
	return world->text;
}

static void test_target_in_another_block(void **state)
{
	assert_string_equal(answer(*state, "Web.Alias.test", TYPE_A, false),
		"NOERROR | Web.Alias.test. CNAME web.test. | web.test. A");
	assert_null(seen_error);
	assert_int_equal(asked, 2);
}

static void test_there_and_back_again(void **state)
{
	assert_string_equal(answer(*state, "two.alias.test", TYPE_A, false),
		"NOERROR | two.alias.test. CNAME via.test. | via.test. CNAME web.alias.test."
		" | web.alias.test. CNAME web.test. | web.test. A");
}

/* RFC 6604: the rcode of the last name; RFC 2308: its SOA. */
static void test_last_name(void **state)
{
	assert_string_equal(answer(*state, "gone.alias.test", TYPE_A, false),
		"NXDOMAIN | gone.alias.test. CNAME gone.test. / gone.test. SOA");
	assert_null(seen_error);
	assert_string_equal(answer(*state, "bad.alias.test", TYPE_A, false),
		"SERVFAIL | bad.alias.test. CNAME bad.test.");
	assert_string_equal(seen_error, "upstream is silent");
	assert_string_equal(answer(*state, "refused.alias.test", TYPE_A, false),
		"SERVFAIL | refused.alias.test. CNAME refused.test.");
	assert_string_equal(answer(*state, "dropped.alias.test", TYPE_A, false),
		"SERVFAIL | dropped.alias.test. CNAME dropped.test.");
}

/* Who asks can resolve it. */
static void test_nobody_answers_for_the_target(void **state)
{
	assert_string_equal(answer(*state, "nobody.alias.test", TYPE_A, false),
		"NOERROR | nobody.alias.test. CNAME nobody.test.");
	assert_null(seen_error);
}

static void test_loops(void **state)
{
	assert_string_equal(answer(*state, "loop.alias.test", TYPE_A, false),
		"SERVFAIL | loop.alias.test. CNAME back.test. | back.test. CNAME loop.alias.test.");
	assert_string_equal(seen_error, "aliases lead in a circle");
	assert_string_equal(answer(*state, "self.alias.test", TYPE_A, false),
		"SERVFAIL | self.alias.test. CNAME self.alias.test.");
	assert_int_equal(asked, 1);
}

static void test_number_of_links(void **state)
{
	struct world *world = *state;

	/* n7 -> m7 -> n6 ... m0 -> web: 16 links */
	answer(world, "n7.alias.test", TYPE_A, false);
	assert_int_equal(world->message.rcode, RCODE_NOERROR);
	assert_int_equal(world->message.counts[REPLY_ANSWER], 17);
	answer(world, "n8.alias.test", TYPE_A, false);
	assert_int_equal(world->message.rcode, RCODE_SERVFAIL);
	assert_string_equal(seen_error, "too many aliases");
	assert_int_equal(world->message.counts[REPLY_ANSWER], 17);
	answer(world, "n4000.alias.test", TYPE_A, true);
	assert_int_equal(world->message.rcode, RCODE_SERVFAIL);
}

static void test_more_than_fits(void **state)
{
	struct world *world = *state;

	answer(world, "many.alias.test", TYPE_A, false);
	assert_true(world->message.flags & DNS_FLAG_TC);
	assert_true(world->message.counts[REPLY_ANSWER] > 20);
	assert_true(world->message.len <= 512);
	answer(world, "many.alias.test", TYPE_A, true);
	assert_false(world->message.flags & DNS_FLAG_TC);
	assert_int_equal(world->message.counts[REPLY_ANSWER], 3001);
}

/* A reply is in random order if all that it was made of is. */
static void test_shuffled(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		alias_shuffled = i & 1;
		addresses_shuffled = i & 2;
		answer(*state, "web.alias.test", TYPE_A, false);
		assert_int_equal(seen_shuffled, i == 3);
		answer(*state, "web.test", TYPE_A, false);
		assert_int_equal(seen_shuffled, addresses_shuffled);
	}
	alias_shuffled = addresses_shuffled = false;
}

/* The most that a reply's TTLs can be is known if it is of all that it was made of. */
static void test_ttl_most(void **state)
{
	static const struct {
		uint32_t alias_s, addresses_s, seen_s;
	} known[] = {{0, 0, 0}, {0, 5, 0}, {5, 0, 0}, {5, 30, 30}, {30, 5, 30}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		alias_ttl_most_s = known[i].alias_s;
		addresses_ttl_most_s = known[i].addresses_s;
		answer(*state, "web.alias.test", TYPE_A, false);
		assert_int_equal(seen_ttl_most_s, known[i].seen_s);
		answer(*state, "web.test", TYPE_A, false);
		assert_int_equal(seen_ttl_most_s, known[i].addresses_s);
	}
	alias_ttl_most_s = addresses_ttl_most_s = 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_target_in_another_block),
		CASE(test_there_and_back_again),
		CASE(test_last_name),
		CASE(test_nobody_answers_for_the_target),
		CASE(test_loops),
		CASE(test_number_of_links),
		CASE(test_more_than_fits),
		CASE(test_shuffled),
		CASE(test_ttl_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/net/channel_link.h"

#include "channel_test.h"
#include "tests/unit/cache/nomem.h"

/* A link by itself: the test is its channel, and its server. */

struct rig {
	struct fixture *f; /* loop and listener; its channel is not used */
	struct link_io io;
	struct channel_link *link;
	int fd; /* the server's */
	unsigned replies, turns, closed;
	bool gone; /* turned() was called without a link */
	int rc;    /* of the last turn */
	bool close_at_reply;
	struct channel_ask asks[CHANNEL_OUTSTANDING];
	uint8_t frames[CHANNEL_OUTSTANDING][2 + HEADER];
};

static void on_reply(
	struct channel_link *link, struct channel_ask *ask, uint8_t *message, size_t len)
{
	struct rig *rig = link->io->user;

	assert_int_equal(len, HEADER);
	assert_memory_equal(message, ask->frame + 2, 2);
	rig->replies++;
	if (rig->close_at_reply)
		link_close(link);
}

static void on_turned(struct channel_link *link, int rc, void *user)
{
	struct rig *rig = user;

	rig->turns++;
	rig->gone = !link;
	rig->rc = rc;
}

static void on_closed(void *user)
{
	struct rig *rig = user;

	rig->closed++;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);

	assert_non_null(rig);
	rig->f = fixture_new();
	rig->io = (struct link_io){
		.loop = &rig->f->loop,
		.expire_ms = 5000,
		.connect_timeout_ms = 3000,
		.reply = on_reply,
		.turned = on_turned,
		.closed = on_closed,
		.user = rig,
	};
	assert_int_equal(link_open(&rig->io, &rig->f->server.sa, NULL, &rig->link), 0);
	assert_false(link_is_usable(rig->link));
	assert_int_equal(link_due_ms(rig->link), uv_now(&rig->f->loop) + 3000);
	rig->fd = server_accept(rig->f);
	TURN_UNTIL(rig->f, link_is_open(rig->link));
	assert_int_equal(rig->rc, 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	if (!rig->gone)
		link_close(rig->link);
	TURN_UNTIL(rig->f, rig->closed);
	assert_int_equal(rig->closed, 1);
	close(rig->fd);
	fixture_free(rig->f);
	free(rig);
	return 0;
}

static void ask(struct rig *rig, unsigned i)
{
	rig->frames[i][1] = HEADER;
	rig->asks[i].frame = rig->frames[i];
	rig->asks[i].len = sizeof rig->frames[i];
	link_ask(rig->link, &rig->asks[i]);
	assert_int_equal(rig->link->rc, 0);
}

static void serve(struct rig *rig)
{
	uint8_t frame[64] = {0, HEADER};

	TURN_UNTIL(rig->f, fd_ready(rig->fd));
	assert_int_equal(frame_receive(rig->fd, frame + 2), HEADER);
	frame[4] |= 0x80;
	bytes_write(rig->fd, frame, 2 + HEADER);
}

static void it_takes_as_many_as_it_has_slots(void **state)
{
	struct rig *rig = *state;
	unsigned seen[65536 / 8] = {0};

	for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++) {
		unsigned id;

		assert_true(link_is_usable(rig->link));
		ask(rig, i);
		id = (unsigned)(rig->frames[i][2] << 8 | rig->frames[i][3]);
		assert_false(seen[id / 8] & 1u << id % 8);
		seen[id / 8] |= 1u << id % 8;
	}
	assert_false(link_is_usable(rig->link));
	assert_int_equal(link_used(rig->link), CHANNEL_OUTSTANDING);
	assert_true(link_due_ms(rig->link) == UINT64_MAX);
	for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++)
		serve(rig);
	TURN_UNTIL(rig->f, rig->replies == CHANNEL_OUTSTANDING);
	assert_int_equal(link_used(rig->link), 0);
	assert_true(link_is_usable(rig->link));
	assert_int_equal(link_due_ms(rig->link), rig->link->idle_ms + 5000);
}

/* All 65536 IDs come up, none much more often than others. */
static void ids_are_spread(void **state)
{
	struct rig *rig = *state;
	unsigned buckets[64] = {0};

	for (unsigned i = 0; i < 6400; i++) {
		ask(rig, 0);
		buckets[rig->frames[0][2] >> 2]++;
		serve(rig);
		TURN_UNTIL(rig->f, rig->replies == i + 1);
	}
	for (unsigned i = 0; i < 64; i++)
		assert_in_range(buckets[i], 40, 170);
}

static void cancelled_questions_keep_their_slots(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 32; i++) {
		assert_false(link_is_spent(rig->link));
		ask(rig, i);
		link_forget(rig->link, &rig->asks[i]);
	}
	assert_int_equal(rig->link->live, 0);
	assert_int_equal(link_used(rig->link), 32);
	assert_true(link_is_spent(rig->link));
	assert_false(link_is_usable(rig->link));
	for (unsigned i = 0; i < 32; i++)
		serve(rig);
	TURN_UNTIL(rig->f, link_used(rig->link) == 0);
	assert_int_equal(rig->replies, 0);
	assert_true(link_is_usable(rig->link));
}

static void time_is_told_by_the_loop(void **state)
{
	struct rig *rig = *state;

	rig->io.max_age_ms = 4000;
	assert_int_equal(link_due_ms(rig->link), rig->link->opened_ms + 4000);
	rig->link->opened_ms -= 4000;
	assert_true(link_is_spent(rig->link));
	rig->io.max_age_ms = 0;
	ask(rig, 0);
	assert_false(link_is_silent(rig->link));
	rig->link->heard_ms -= 1000;
	assert_true(link_is_silent(rig->link));
	assert_false(link_is_usable(rig->link));
	serve(rig);
	TURN_UNTIL(rig->f, rig->replies == 1);
	assert_false(link_is_silent(rig->link));
	assert_true(link_is_usable(rig->link));
	rig->link->rc = -EPIPE;
	assert_int_equal(link_due_ms(rig->link), 0);
	assert_false(link_is_usable(rig->link));
}

static void it_may_be_closed_within_a_reply(void **state)
{
	struct rig *rig = *state;

	rig->close_at_reply = true;
	ask(rig, 0);
	ask(rig, 1);
	serve(rig);
	serve(rig);
	TURN_UNTIL(rig->f, rig->gone);
	assert_int_equal(rig->replies, 1);
}

static void the_end_is_told_in_words(void **state)
{
	struct rig *rig = *state;
	char words[128];

	ask(rig, 0);
	serve(rig);
	close(rig->fd);
	rig->fd = -1;
	TURN_UNTIL(rig->f, rig->rc < 0);
	assert_int_equal(rig->rc, -ECONNRESET);
	assert_int_equal(rig->replies, 1);
	link_words(rig->link, rig->rc, words, sizeof words);
	assert_string_equal(words, "Connection reset by peer");
	link_words(rig->link, -EPROTO, words, sizeof words);
	assert_string_equal(words, "what came is no reply to a question that was asked");
}

static void without_memory_there_is_none(void **state)
{
	struct rig *rig = *state;
	struct channel_link *link = NULL;

	nomem_at(1);
	assert_int_equal(link_open(&rig->io, &rig->f->server.sa, NULL, &link), -ENOMEM);
	assert_null(link);
	/* A large reply finds no buffer. */
	nomem_at(1);
	bytes_write(rig->fd, (const uint8_t[4000]){0xff, 0xff}, 4000);
	TURN_UNTIL(rig->f, rig->rc < 0);
	nomem_at(0);
	assert_int_equal(rig->rc, -ENOMEM);
	assert_int_equal(rig->replies, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_takes_as_many_as_it_has_slots),
		TEST(ids_are_spread),
		TEST(cancelled_questions_keep_their_slots),
		TEST(time_is_told_by_the_loop),
		TEST(it_may_be_closed_within_a_reply),
		TEST(the_end_is_told_in_words),
		TEST(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

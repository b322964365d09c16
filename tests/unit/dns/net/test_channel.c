/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_test.h"
#include "tests/unit/cache/nomem.h"

static int setup(void **state)
{
	*state = fixture_new();
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void a_question_and_its_answer(void **state)
{
	struct fixture *f = *state;
	struct channel_stats stats;
	int fd;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 7);
	assert_false(channel_took_kept(&f->questions[7].ask));
	fd = server_accept(f);
	assert_int_equal(server_serve(f, fd), 7);
	check_answered(&f->questions[7]);
	question_send(f, 8);
	assert_true(channel_took_kept(&f->questions[8].ask));
	assert_int_equal(server_serve(f, fd), 8);
	check_answered(&f->questions[8]);
	channel_stats(f->channel, &stats);
	assert_int_equal(stats.opened, 1);
	assert_int_equal(stats.connections, 1);
	assert_string_equal(channel_error(f->channel), "");
	close(fd);
}

/* Replies in the opposite order, IDs that are the caller's again and on the wire are not. */
static void replies_come_in_any_order(void **state)
{
	struct fixture *f = *state;
	static uint8_t messages[CHANNEL_OUTSTANDING][1024];
	unsigned same = 0;
	int fd;

	fixture_channel(f, &(struct channel_options){0});
	for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++)
		question_send(f, i);
	fd = server_accept(f);
	for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++) {
		assert_int_equal(server_read(f, fd, messages[i]), i);
		same += messages[i][0] == 0 && messages[i][1] == i;
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(messages[i], messages[k], 2);
	}
	assert_true(same <= 1);
	for (unsigned i = CHANNEL_OUTSTANDING; i-- > 0;)
		server_reply(fd, messages[i]);
	for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++)
		check_answered(&f->questions[i]);
	assert_int_equal(connections(f), 1);
	close(fd);
}

static void more_questions_take_more_connections(void **state)
{
	struct fixture *f = *state;
	const unsigned all = CHANNEL_CONNECTIONS * CHANNEL_OUTSTANDING;
	int fds[CHANNEL_CONNECTIONS];
	uint8_t message[1024];

	fixture_channel(f, &(struct channel_options){0});
	for (unsigned i = 0; i < all + CHANNEL_WAITING; i++) {
		question_send(f, i);
		/* Those that wait are bounded, so the first ones must get out. */
		if (i < all && i % CHANNEL_OUTSTANDING == CHANNEL_OUTSTANDING - 1)
			fds[i / CHANNEL_OUTSTANDING] = server_accept(f);
		if (i == all - 1)
			for (unsigned k = 0; k < 20; k++)
				fixture_turn(f);
	}
	assert_int_equal(connections(f), CHANNEL_CONNECTIONS);
	assert_int_equal(question_try(f, all + CHANNEL_WAITING, "too much"), -EAGAIN);
	assert_int_equal(f->done, 0);
	for (unsigned c = 0; c < CHANNEL_CONNECTIONS; c++) {
		for (unsigned i = 0; i < CHANNEL_OUTSTANDING; i++)
			server_read(f, fds[c], message);
		assert_false(fd_ready(fds[c]));
	}
	server_reply(fds[3], message + 0); /* the ID is of the last connection's: unknown here */
	for (unsigned c = 0; c < CHANNEL_CONNECTIONS; c++)
		close(fds[c]);
	assert_false(fd_ready(f->listener));
}

static void a_new_question_goes_where_the_fewest_are(void **state)
{
	struct fixture *f = *state;
	int a, b;

	fixture_channel(f, &(struct channel_options){0});
	for (unsigned i = 0; i <= CHANNEL_OUTSTANDING; i++)
		question_send(f, i);
	a = server_accept(f);
	b = server_accept(f);
	/* 64 and 1, whichever came first; then those of the full one are answered. */
	for (unsigned i = 0; i <= CHANNEL_OUTSTANDING; i++) {
		TURN_UNTIL(f, fd_ready(a) || fd_ready(b));
		server_serve(f, fd_ready(a) ? a : b);
	}
	TURN_UNTIL(f, f->done == CHANNEL_OUTSTANDING + 1);
	question_send(f, 100);
	question_send(f, 101);
	server_serve(f, a);
	server_serve(f, b);
	check_answered(&f->questions[100]);
	check_answered(&f->questions[101]);
	close(a);
	close(b);
}

static void a_refused_connection_fails_what_waits(void **state)
{
	struct fixture *f = *state;
	char want[128];
	int rc;

	close(f->listener);
	f->listener = -1;
	fixture_channel(f, &(struct channel_options){0});
	rc = question_try(f, 0, "question 0");
	if (rc == 0) {
		check_failed(&f->questions[0], -ECONNREFUSED);
	} else {
		assert_int_equal(rc, -ECONNREFUSED);
		assert_int_equal(f->questions[0].done, 0);
	}
	snprintf(want, sizeof want, "connect: Connection refused (upstream 127.0.0.1:%u)",
		(unsigned)address_port(&f->server));
	assert_string_equal(channel_error(f->channel), want);
	assert_int_equal(connections(f), 0);
}

/* Its backlog is full: the kernel answers no more. */
static void a_connection_that_is_not_made_in_time(void **state)
{
	struct fixture *f = *state;
	int fill[8];

	assert_int_equal(listen(f->listener, 0), 0);
	for (unsigned i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], &f->server.sa, sizeof f->server.v4);
	}
	fixture_channel(f, &(struct channel_options){.connect_timeout_ms = 50});
	question_send(f, 0);
	question_send(f, 1);
	check_failed(&f->questions[0], -ETIMEDOUT);
	check_failed(&f->questions[1], -ETIMEDOUT);
	assert_non_null(strstr(channel_error(f->channel), "Connection timed out"));
	for (unsigned i = 0; i < 8; i++)
		close(fill[i]);
}

static void what_the_server_left_is_asked_again_once(void **state)
{
	struct fixture *f = *state;
	struct channel_stats stats;
	uint8_t message[1024];
	int first, second;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 0);
	first = server_accept(f);
	server_serve(f, first);
	check_answered(&f->questions[0]);
	for (unsigned i = 1; i < 4; i++)
		question_send(f, i);
	server_read(f, first, message);
	server_reply(first, message);
	server_read(f, first, message);
	server_read(f, first, message);
	close(first);
	second = server_accept(f);
	check_answered(&f->questions[1]);
	server_serve(f, second);
	server_read(f, second, message);
	assert_int_equal(f->questions[2].done + f->questions[3].done, 0);
	close(second);
	TURN_UNTIL(f, f->done == 4);
	assert_int_equal(
		(f->questions[2].end == CHANNEL_REPLY) + (f->questions[3].end == CHANNEL_REPLY), 1);
	assert_int_equal(f->questions[2].rc + f->questions[3].rc, -ECONNRESET);
	channel_stats(f->channel, &stats);
	assert_int_equal(stats.asked_again, 2);
	assert_int_equal(stats.opened, 2);
	assert_false(channel_took_kept(&f->questions[2].ask));
}

/* After a restart of the server: the other kept connections are of no more use either. */
static void a_second_kept_connection_is_not_tried_with_it(void **state)
{
	struct fixture *f = *state;
	int fds[2], third;

	fixture_channel(f, &(struct channel_options){0});
	for (unsigned i = 0; i <= CHANNEL_OUTSTANDING; i++)
		question_send(f, i);
	fds[0] = server_accept(f);
	fds[1] = server_accept(f);
	for (unsigned i = 0; i <= CHANNEL_OUTSTANDING; i++) {
		TURN_UNTIL(f, fd_ready(fds[0]) || fd_ready(fds[1]));
		server_serve(f, fds[fd_ready(fds[1])]);
	}
	TURN_UNTIL(f, f->done == CHANNEL_OUTSTANDING + 1);
	question_send(f, 100);
	TURN_UNTIL(f, fd_ready(fds[0]) || fd_ready(fds[1]));
	if (fd_ready(fds[0])) {
		close(fds[0]);
		third = server_accept(f);
		check_server_sees_end(f, fds[1]);
	} else {
		close(fds[1]);
		third = server_accept(f);
		check_server_sees_end(f, fds[0]);
	}
	server_serve(f, third);
	check_answered(&f->questions[100]);
	close(third);
}

static void check_broken(struct fixture *f, const uint8_t *frame, size_t len)
{
	int fd;

	question_send(f, 0);
	question_send(f, 1);
	fd = server_accept(f);
	TURN_UNTIL(f, fd_ready(fd));
	bytes_write(fd, frame, len);
	check_failed(&f->questions[0], -EPROTO);
	check_failed(&f->questions[1], -EPROTO);
	assert_non_null(strstr(channel_error(f->channel), "no reply to a question"));
	assert_int_equal(connections(f), 0);
	close(fd);
	f->questions[0].done = f->questions[1].done = 0;
}

static void what_is_no_reply_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	const uint8_t zero[2] = {0, 0}, tiny[4] = {0, 2, 1, 1};
	uint8_t frame[64], message[1024];
	size_t len;
	int fd;

	fixture_channel(f, &(struct channel_options){0});
	check_broken(f, zero, sizeof zero);
	check_broken(f, tiny, sizeof tiny);
	question_send(f, 0);
	fd = server_accept(f);
	server_read(f, fd, message);
	/* An ID that is not out. */
	len = frame_make(frame, (unsigned)((message[0] << 8 | message[1]) ^ 1), "x");
	frame[2 + 2] |= 0x80;
	bytes_write(fd, frame, len);
	check_failed(&f->questions[0], -EPROTO);
	close(fd);
	question_send(f, 1);
	fd = server_accept(f);
	server_read(f, fd, message);
	/* The question itself: QR is clear. */
	len = frame_make(frame, (unsigned)(message[0] << 8 | message[1]), "x");
	bytes_write(fd, frame, len);
	check_failed(&f->questions[1], -EPROTO);
	close(fd);
}

static void a_late_reply_to_a_cancelled_question(void **state)
{
	struct fixture *f = *state;
	uint8_t message[1024];
	int fd;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 0);
	question_cancel(&f->questions[0]); /* while it waits */
	question_cancel(&f->questions[0]);
	question_send(f, 1);
	fd = server_accept(f);
	assert_int_equal(server_read(f, fd, message), 1);
	question_cancel(&f->questions[1]); /* while it is out */
	server_reply(fd, message);
	question_send(f, 2);
	server_serve(f, fd);
	check_answered(&f->questions[2]);
	assert_int_equal(f->done, 1);
	assert_int_equal(connections(f), 1);
	close(fd);
}

static void a_silent_connection_is_given_up(void **state)
{
	struct fixture *f = *state;
	int dead, fresh;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 0);
	dead = server_accept(f);
	TURN_UNTIL(f, fd_ready(dead));
	for (const uint64_t end_ms = test_now_ms() + 1050; test_now_ms() < end_ms;)
		fixture_turn(f);
	question_send(f, 1);
	fresh = server_accept(f);
	server_serve(f, fresh);
	check_answered(&f->questions[1]);
	assert_int_equal(connections(f), 2);
	question_cancel(&f->questions[0]);
	assert_int_equal(connections(f), 1);
	close(dead);
	close(fresh);
}

/* A server that drops questions: their IDs stay taken, but not for ever. */
static void many_cancelled_questions_use_a_connection_up(void **state)
{
	struct fixture *f = *state;
	int fd, fresh;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 0);
	fd = server_accept(f);
	server_serve(f, fd);
	check_answered(&f->questions[0]);
	for (unsigned i = 1; i <= 32; i++) {
		question_send(f, i);
		assert_true(channel_took_kept(&f->questions[i].ask));
		question_cancel(&f->questions[i]);
	}
	assert_int_equal(connections(f), 0);
	question_send(f, 33);
	fresh = server_accept(f);
	server_serve(f, fresh);
	check_answered(&f->questions[33]);
	close(fd);
	close(fresh);
}

static void idle_connections_are_closed(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_channel(f, &(struct channel_options){.expire_ms = 40});
	question_send(f, 0);
	fd = server_accept(f);
	server_serve(f, fd);
	check_answered(&f->questions[0]);
	check_server_sees_end(f, fd);
	assert_int_equal(connections(f), 0);
	assert_string_equal(channel_error(f->channel), "");
}

static void a_server_may_close_an_idle_connection(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 0);
	fd = server_accept(f);
	server_serve(f, fd);
	check_answered(&f->questions[0]);
	close(fd);
	TURN_UNTIL(f, connections(f) == 0);
	assert_string_equal(channel_error(f->channel), "");
	question_send(f, 1);
	fd = server_accept(f);
	server_serve(f, fd);
	check_answered(&f->questions[1]);
	close(fd);
}

static void old_connections_get_no_new_questions(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_channel(f, &(struct channel_options){.max_age_ms = 60});
	question_send(f, 0);
	fd = server_accept(f);
	server_serve(f, fd);
	check_answered(&f->questions[0]);
	check_server_sees_end(f, fd);
	assert_int_equal(connections(f), 0);
}

/* Its age counts from when it is open: slow servers are asked, too. */
static void a_connection_that_opens_late_is_not_old(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_channel(f, &(struct channel_options){.max_age_ms = 1});
	question_send(f, 0);
	for (const uint64_t end_ms = test_now_ms() + 5; test_now_ms() < end_ms;)
		uv_update_time(&f->loop);
	fd = server_accept(f);
	server_serve(f, fd);
	check_answered(&f->questions[0]);
	close(fd);
}

static void no_more_idle_connections_than_wanted(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	fixture_channel(f, &(struct channel_options){.max_idle = 1});
	for (unsigned i = 0; i <= CHANNEL_OUTSTANDING; i++)
		question_send(f, i);
	fds[0] = server_accept(f);
	fds[1] = server_accept(f);
	for (unsigned i = 0; i <= CHANNEL_OUTSTANDING; i++) {
		TURN_UNTIL(f, fd_ready(fds[0]) || fd_ready(fds[1]));
		server_serve(f, fds[fd_ready(fds[1])]);
	}
	TURN_UNTIL(f, f->done == CHANNEL_OUTSTANDING + 1);
	TURN_UNTIL(f, connections(f) == 1);
	close(fds[0]);
	close(fds[1]);
}

static void the_source_is_the_one_wanted(void **state)
{
	struct fixture *f = *state;
	const union address source = address_v4("127.0.0.9", 0);
	union address peer = {0};
	socklen_t len = sizeof peer;
	int fd;

	fixture_channel(f, &(struct channel_options){.source = &source.sa});
	question_send(f, 0);
	fd = server_accept(f);
	assert_int_equal(getpeername(fd, &peer.sa, &len), 0);
	assert_int_equal(peer.v4.sin_addr.s_addr, source.v4.sin_addr.s_addr);
	close(fd);
}

static void what_is_no_message_is_not_sent(void **state)
{
	struct fixture *f = *state;
	static uint8_t large[65536];
	struct channel_ask ask = {.done = on_done};
	unsigned sent = 0;
	int rc = 0;

	fixture_channel(f, &(struct channel_options){0});
	assert_int_equal(channel_send(f->channel, &ask, large, 11), -EINVAL);
	assert_int_equal(channel_send(f->channel, &ask, large, 65536), -EINVAL);
	question_send(f, 0);
	assert_int_equal(question_try(f, 0, "again"), -EINVAL);
	for (unsigned i = 1; i < 100 && rc == 0; i++) {
		f->questions[i].f = f;
		f->questions[i].ask.user = &f->questions[i];
		f->questions[i].ask.done = on_done;
		rc = channel_send(f->channel, &f->questions[i].ask, large, 65535);
		sent += rc == 0;
	}
	assert_int_equal(rc, -EAGAIN);
	assert_in_range(sent, 60, 64);
}

/* Replies of all sizes up to the largest, to a server that takes its time. */
static void a_large_reply_in_pieces(void **state)
{
	struct fixture *f = *state;
	static uint8_t frame[2 + 65535];
	uint8_t message[1024];
	int fd;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 5);
	fd = server_accept(f);
	server_read(f, fd, message);
	frame[0] = frame[1] = 0xff;
	memcpy(frame + 2, message, HEADER);
	frame[2 + 2] |= 0x80;
	for (size_t at = 0; at < sizeof frame;) {
		const size_t n = at < 5 ? 1 : at < 5000 ? 777 : 20000;

		bytes_write(fd, frame + at, at + n < sizeof frame ? n : sizeof frame - at);
		at += n;
		fixture_turn(f);
	}
	TURN_UNTIL(f, f->questions[5].done);
	assert_int_equal(f->questions[5].len, 65535);
	assert_int_equal(f->questions[5].reply[0] << 8 | f->questions[5].reply[1], 5);
	close(fd);
}

static void question_again(struct question *question)
{
	question->then = NULL;
	assert_int_equal(channel_send(question->f->channel, &question->ask,
				 (const uint8_t *)"0123456789abcdef", 16),
		0);
}

static void others_cancel(struct question *question)
{
	for (unsigned i = 0; i < 4; i++)
		channel_cancel(&question->f->questions[i].ask);
}

static void the_channel_closes(struct question *question)
{
	channel_close(question->f->channel, on_channel_closed, question->f);
}

/* Everything may be called from within done. */
static void done_may_call_what_it_likes(void **state)
{
	struct fixture *f = *state;
	uint8_t message[1024];
	int fd;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 0)->then = question_again;
	fd = server_accept(f);
	server_serve(f, fd);
	TURN_UNTIL(f, fd_ready(fd));
	assert_int_equal(frame_receive(fd, message), 16);
	question_cancel(&f->questions[0]);
	for (unsigned i = 0; i < 4; i++)
		question_send(f, i)->then = others_cancel;
	for (unsigned i = 0; i < 4; i++)
		server_serve(f, fd);
	TURN_UNTIL(f, f->done == 2);
	for (unsigned i = 4; i < 8; i++)
		question_send(f, i);
	f->questions[4].then = the_channel_closes;
	for (unsigned i = 0; i < 4; i++)
		server_serve(f, fd);
	TURN_UNTIL(f, f->closed);
	assert_int_equal(f->done, 6);
	assert_int_equal(f->questions[4].end, CHANNEL_REPLY);
	for (unsigned i = 5; i < 8; i++)
		check_failed(&f->questions[i], -ECANCELED);
	f->channel = NULL;
	close(fd);
}

static void closing_fails_what_is_under_way(void **state)
{
	struct fixture *f = *state;
	uint8_t message[1024];
	int fd;

	fixture_channel(f, &(struct channel_options){0});
	question_send(f, 0);
	fd = server_accept(f);
	server_read(f, fd, message);
	for (unsigned i = 1; i < 3; i++)
		question_send(f, i);
	server_read(f, fd, message);
	server_read(f, fd, message);
	channel_close(f->channel, on_channel_closed, f);
	for (unsigned i = 0; i < 3; i++)
		check_failed(&f->questions[i], -ECANCELED);
	assert_int_equal(question_try(f, 4, "late"), -ECANCELED);
	check_server_sees_end(f, fd);
	TURN_UNTIL(f, f->closed);
	f->channel = NULL;
}

/* Serve whoever comes, over one connection or the next, until the question is done. */
static void serve_until_done(struct fixture *f, const struct question *question)
{
	uint8_t message[1024];
	int fd = -1;

	while (!question->done) {
		if (fd < 0)
			fd = server_accept(f);
		TURN_UNTIL(f, fd_ready(fd) || question->done);
		if (fd_ready(fd) && frame_receive(fd, message) > 0) {
			server_reply(fd, message);
			TURN_UNTIL(f, question->done);
		}
		close(fd);
		fd = -1;
	}
}

/* Each allocation fails once: the question fails with it, or is answered. */
static void without_memory_a_question_fails(void **state)
{
	struct fixture *f = *state;
	struct channel *none = NULL;
	unsigned failed = 0;

	nomem_at(1);
	assert_int_equal(
		channel_new(&f->loop, &f->server.sa, &(struct channel_options){0}, &none), -ENOMEM);
	assert_null(none);
	for (unsigned nth = 1; nth < 6; nth++) {
		int rc;

		fixture_channel(f, &(struct channel_options){0});
		nomem_at(nth);
		rc = question_try(f, nth, "question");
		if (rc == 0)
			serve_until_done(f, &f->questions[nth]);
		nomem_at(0);
		rc = rc == 0 ? f->questions[nth].rc : rc;
		assert_true(rc == 0 || rc == -ENOMEM);
		failed += rc == -ENOMEM;
		f->closed = false;
		channel_close(f->channel, on_channel_closed, f);
		TURN_UNTIL(f, f->closed);
		f->channel = NULL;
	}
	assert_in_range(failed, 2, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_question_and_its_answer),
		TEST(replies_come_in_any_order),
		TEST(more_questions_take_more_connections),
		TEST(a_new_question_goes_where_the_fewest_are),
		TEST(a_refused_connection_fails_what_waits),
		TEST(a_connection_that_is_not_made_in_time),
		TEST(what_the_server_left_is_asked_again_once),
		TEST(a_second_kept_connection_is_not_tried_with_it),
		TEST(what_is_no_reply_ends_the_connection),
		TEST(a_late_reply_to_a_cancelled_question),
		TEST(a_silent_connection_is_given_up),
		TEST(many_cancelled_questions_use_a_connection_up),
		TEST(idle_connections_are_closed),
		TEST(a_server_may_close_an_idle_connection),
		TEST(old_connections_get_no_new_questions),
		TEST(a_connection_that_opens_late_is_not_old),
		TEST(no_more_idle_connections_than_wanted),
		TEST(the_source_is_the_one_wanted),
		TEST(what_is_no_message_is_not_sent),
		TEST(a_large_reply_in_pieces),
		TEST(done_may_call_what_it_likes),
		TEST(closing_fails_what_is_under_way),
		TEST(without_memory_a_question_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

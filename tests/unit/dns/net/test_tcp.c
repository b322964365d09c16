/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/net/tcp.h"

#include "net_test.h"

#include <sys/resource.h>

struct server {
	struct recorder recorder;
	struct worker *worker;
	struct tcp *tcp;
};

static void server_start(
	struct server *server, union address at, int dual, const struct tcp_limits *limits)
{
	recorder_init(&server->recorder);
	assert_int_equal(worker_open(&server->recorder.handler, &server->worker), 0);
	assert_int_equal(tcp_open(&at.sa, dual, limits, "here", &server->tcp), 0);
	assert_int_equal(worker_add_tcp(server->worker, server->tcp), 0);
	assert_int_equal(worker_run(server->worker), 0);
}

static void server_end(struct server *server)
{
	struct tcp_stats stats;

	worker_stop(server->worker);
	tcp_stats(server->tcp, &stats);
	assert_int_equal(stats.open, 0);
	assert_int_equal(stats.queries, server->recorder.answers);
	worker_free(server->worker);
	tcp_free(server->tcp);
	assert_false(server->recorder.broken);
	assert_int_equal(server->recorder.signals_open, 0);
	assert_int_equal(server->recorder.threads_started, server->recorder.threads_stopped);
}

static int fd_connect(int fd, union address to)
{
	assert_int_equal(connect(fd, &to.sa, address_size(&to)), 0);
	return fd;
}

static int client_connect(const struct server *server)
{
	return fd_connect(
		socket(AF_INET, SOCK_STREAM, 0), address_v4("127.0.0.1", tcp_port(server->tcp)));
}

static void ask(int fd, unsigned id, const char *body)
{
	uint8_t out[512];

	bytes_write(fd, out, frame_make(out, id, body));
}

static void check_reply(int fd, unsigned id)
{
	static uint8_t in[65536 + 1];

	assert_true(frame_receive(fd, in) > HEADER);
	assert_int_equal(in[0] << 8 | in[1], id);
}

static void check_served(int fd, unsigned id)
{
	ask(fd, id, "query");
	check_reply(fd, id);
}

static void check_closed(int fd)
{
	uint8_t c;

	assert_int_equal(bytes_receive(fd, &c, 1), 0);
}

static void check_addresses(const struct server *server, union address to)
{
	int fd = fd_connect(socket(to.sa.sa_family, SOCK_STREAM, 0), to);
	char local[64], peer[64], want[200];
	union address me;
	uint8_t in[512];

	(void)server;
	assert_int_equal(socket_local(fd, &me), 0);
	address_text(&to.sa, local, sizeof local);
	address_text(&me.sa, peer, sizeof peer);
	snprintf(want, sizeof want, "peer=%s local=%s tag=here", peer, local);
	ask(fd, 5, "");
	frame_receive(fd, in);
	assert_string_equal((char *)in + HEADER, want);
	close(fd);
}

static void the_handler_is_told_true_addresses(void **state)
{
	struct server server;
	bool v6 = host_has_v6();

	(void)state;
	server_start(&server, v6 ? address_v6("::", 0) : address_v4("0.0.0.0", 0), v6, NULL);
	check_addresses(&server, address_v4("127.0.0.1", tcp_port(server.tcp)));
	check_addresses(&server, address_v4("127.0.0.5", tcp_port(server.tcp)));
	if (v6)
		check_addresses(&server, address_v6("::1", tcp_port(server.tcp)));
	server_end(&server);
	server_start(&server, address_v4("127.0.0.8", 0), 0, NULL);
	check_addresses(&server, address_v4("127.0.0.8", tcp_port(server.tcp)));
	server_end(&server);
}

static void a_hundred_queries_in_one_write(void **state)
{
	struct server server;
	uint8_t out[8192];
	size_t len = 0;
	int fd;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	fd = client_connect(&server);
	for (unsigned i = 0; i < 100; i++)
		len += frame_make(out + len, i, "pipelined");
	bytes_write(fd, out, len);
	for (unsigned i = 0; i < 100; i++)
		check_reply(fd, i);
	check_served(fd, 1000);
	close(fd);
	server_end(&server);
	assert_int_equal(server.recorder.answers, 101);
}

static void half_close_and_broken_lengths(void **state)
{
	const uint8_t zero[2] = {0, 0}, tiny[4] = {0, 2, 1, 1};
	struct server server;
	int fd;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	fd = client_connect(&server);
	for (unsigned i = 0; i < 3; i++)
		ask(fd, i, "half");
	shutdown(fd, SHUT_WR);
	for (unsigned i = 0; i < 3; i++)
		check_reply(fd, i);
	check_closed(fd);
	close(fd);
	fd = client_connect(&server);
	bytes_write(fd, zero, sizeof zero);
	check_closed(fd);
	close(fd);
	fd = client_connect(&server);
	bytes_write(fd, tiny, sizeof tiny);
	check_closed(fd);
	close(fd);
	server_end(&server);
}

static void idle_connections_are_closed(void **state)
{
	const struct tcp_limits limits = {.idle_ms = 60};
	struct server server;
	struct tcp_stats stats;
	int quiet, asked;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, &limits);
	quiet = client_connect(&server);
	asked = client_connect(&server);
	check_served(asked, 1);
	check_closed(quiet);
	check_closed(asked);
	tcp_stats(server.tcp, &stats);
	assert_int_equal(stats.closed_idle, 2);
	assert_int_equal(stats.accepted, 2);
	close(quiet);
	close(asked);
	server_end(&server);
}

/* A message whose bytes keep coming is not activity. */
static void a_dripping_message_is_idle(void **state)
{
	const struct tcp_limits limits = {.idle_ms = 100};
	const uint8_t begin[2] = {0xff, 0xff};
	struct server server;
	struct pollfd pollfd = {.events = POLLIN};
	unsigned dripped = 0;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, &limits);
	pollfd.fd = client_connect(&server);
	bytes_write(pollfd.fd, begin, 2);
	while (poll(&pollfd, 1, 5) == 0 && dripped < 2000) {
		send(pollfd.fd, begin, 1, MSG_NOSIGNAL);
		dripped++;
	}
	assert_in_range(dripped, 1, 1999);
	close(pollfd.fd);
	server_end(&server);
}

static void at_the_cap_the_longest_idle_goes(void **state)
{
	const struct tcp_limits limits = {.max_connections = 3};
	struct server server;
	struct tcp_stats stats;
	int fd[4];

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, &limits);
	for (unsigned i = 0; i < 3; i++) {
		fd[i] = client_connect(&server);
		check_served(fd[i], i);
	}
	check_served(fd[0], 10);
	fd[3] = client_connect(&server);
	check_served(fd[3], 11);
	check_closed(fd[1]);
	check_served(fd[0], 12);
	check_served(fd[2], 13);
	tcp_stats(server.tcp, &stats);
	assert_int_equal(stats.open, 3);
	assert_int_equal(stats.accepted, 4);
	assert_int_equal(stats.closed_cap, 1);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	server_end(&server);
}

static rlim_t descriptors_limit(rlim_t soft)
{
	struct rlimit limit;
	rlim_t before;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	before = limit.rlim_cur;
	limit.rlim_cur = soft;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

/* No further descriptor can be opened; returns the limit before. */
static rlim_t descriptors_exhaust(void)
{
	int next = dup(0);

	close(next);
	return descriptors_limit((rlim_t)next);
}

static void out_of_descriptors(void **state)
{
	struct server server;
	struct tcp_stats stats;
	int first, second, third;
	rlim_t before;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	first = socket(AF_INET, SOCK_STREAM, 0);
	second = socket(AF_INET, SOCK_STREAM, 0);
	third = socket(AF_INET, SOCK_STREAM, 0);

	/* Nobody to close: it waits in the queue until there is room. */
	before = descriptors_exhaust();
	fd_connect(first, address_v4("127.0.0.1", tcp_port(server.tcp)));
	ask(first, 1, "wait");
	fd_connect(second, address_v4("127.0.0.1", tcp_port(server.tcp)));
	descriptors_limit(before);
	check_reply(first, 1);
	check_served(second, 2);
	tcp_stats(server.tcp, &stats);
	assert_int_equal(stats.closed_cap, 0);

	/* The longest idle one makes room. */
	before = descriptors_exhaust();
	fd_connect(third, address_v4("127.0.0.1", tcp_port(server.tcp)));
	check_served(third, 3);
	descriptors_limit(before);
	check_closed(first);
	check_served(second, 4);
	tcp_stats(server.tcp, &stats);
	assert_int_equal(stats.closed_cap, 1);
	close(first);
	close(second);
	close(third);
	server_end(&server);
}

static void a_slow_reader_is_bounded(void **state)
{
	struct server server;
	struct pollfd pollfd = {.events = POLLOUT};
	uint8_t out[64], *in = malloc(65536);
	size_t len = frame_make(out, 0x4141, "L\xea\x60"); /* 60000 bytes */
	unsigned asked = 0;
	size_t at = 0;
	int fd, small = 4096, other;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	fd_connect(fd, address_v4("127.0.0.1", tcp_port(server.tcp)));
	pollfd.fd = fd;
	/* Ask until the server has stopped reading and our own socket is full. */
	while (poll(&pollfd, 1, 300) == 1) {
		ssize_t n = send(fd, out + at, len - at, MSG_DONTWAIT);

		assert_true(n > 0);
		at += (size_t)n;
		asked += at == len;
		at %= len;
		assert_true(asked < 10 * 1000 * 1000);
	}
	assert_true(server.recorder.answers < 100);
	other = client_connect(&server);
	check_served(other, 9);
	close(other);
	/* Reading again brings all that was asked so far, for a while. */
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(frame_receive(fd, in), 60000);
		assert_int_equal(in[59999], 0x41);
	}
	assert_true(asked > 100);
	free(in);
	close(fd);
	server_end(&server);
}

/* Partial messages above the listener's share of memory: their owners go. */
static void buffered_bytes_are_bounded(void **state)
{
	const struct tcp_limits limits = {.max_buffered = 40000};
	static uint8_t part[30000] = {0xff, 0xff};
	struct server server;
	struct tcp_stats stats;
	int idle, first, second;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, &limits);
	idle = client_connect(&server);
	check_served(idle, 1);
	first = client_connect(&server);
	bytes_write(first, part, sizeof part);
	second = client_connect(&server);
	bytes_write(second, part, sizeof part);
	check_closed(first);
	check_served(idle, 2);
	tcp_stats(server.tcp, &stats);
	assert_in_range(stats.closed_cap, 1, 2);
	close(idle);
	close(first);
	close(second);
	server_end(&server);
}

static void stop_answers_what_was_sent(void **state)
{
	struct server server;
	const uint8_t partial[3] = {0, 50, 1};
	int fd[60];

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	for (unsigned i = 0; i < 60; i++) {
		fd[i] = client_connect(&server);
		if (i % 3 == 0)
			bytes_write(fd[i], partial, sizeof partial);
		else if (i % 3 == 1)
			ask(fd[i], i, "stop");
	}
	worker_stop(server.worker);
	for (unsigned i = 0; i < 60; i++) {
		if (i % 3 == 1)
			check_reply(fd[i], i);
		check_closed(fd[i]);
		close(fd[i]);
	}
	server_end(&server);
	assert_int_equal(server.recorder.answers, 20);
}

static void thousands_of_connections(void **state)
{
	struct rlimit limit;
	struct server server;
	struct tcp_stats stats;
	rlim_t before;
	unsigned count;
	int *fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	before = descriptors_limit(limit.rlim_max);
	count = limit.rlim_max > 8000 ? 3000 : (unsigned)(limit.rlim_max / 2 - 60);
	fd = calloc(count, sizeof *fd);
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	for (unsigned i = 0; i < count; i++)
		fd[i] = client_connect(&server);
	for (unsigned i = 0; i < count; i++)
		ask(fd[i], i, "many");
	for (unsigned i = 0; i < count; i++)
		check_reply(fd[i], i);
	tcp_stats(server.tcp, &stats);
	assert_int_equal(stats.open, count);
	assert_int_equal(stats.closed_cap, 0);
	/* Half are closed by us, half by the server. */
	for (unsigned i = 0; i < count; i += 2)
		close(fd[i]);
	server_end(&server);
	for (unsigned i = 1; i < count; i += 2) {
		check_closed(fd[i]);
		close(fd[i]);
	}
	free(fd);
	descriptors_limit(before);
}

/* The wake comes from another thread than the connection's, also for one whose
 * peer has gone meanwhile. */
static void a_stream_is_woken(void **state)
{
	const struct linger reset = {1, 0};
	struct server server;
	uint8_t in[512];
	int fd, gone;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	fd = client_connect(&server);
	gone = client_connect(&server);
	ask(gone, 'g' << 8 | 1, "W\3\1\1");
	while (server.recorder.streams_open < 1)
		usleep(1000);
	setsockopt(gone, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(gone);
	while (server.recorder.streams_closed < 1)
		usleep(1000);
	ask(fd, 'a' << 8 | 1, "W\3\1\1");
	check_served(fd, 7);
	server.recorder.open = true;
	server.recorder.wake.call(server.recorder.wake.ctx);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(frame_receive(fd, in), 0x101);
		assert_int_equal(in[0], 'a');
	}
	check_served(fd, 8);
	assert_int_equal(server.recorder.streams_closed, 2);
	/* one that never has a message ends with the server */
	server.recorder.open = false;
	ask(fd, 'z' << 8 | 1, "W\3\1\1");
	check_served(fd, 9);
	server_end(&server);
	assert_int_equal(server.recorder.streams_closed, 3);
	close(fd);
}

/* A stream that goes on is not idle, however long it takes as a whole; one that
 * the peer does not take is. */
static void a_stream_that_moves_is_not_idle(void **state)
{
	struct tcp_limits limits = {.idle_ms = 300, .max_unsent = 1};
	struct server server;
	static uint8_t in[65536 + 1];
	struct tcp_stats stats;
	int fd, bytes = 1;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, &limits);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	fd_connect(fd, address_v4("127.0.0.1", tcp_port(server.tcp)));
	ask(fd, 'a' << 8 | 1, "S\x14\xff\xff");
	for (int i = 0; i < 20; i++) {
		usleep(50000);
		assert_int_equal(frame_receive(fd, in), 65535);
	}
	ask(fd, 'b' << 8 | 1, "S\xff\xff\xff");
	do {
		usleep(20000);
		tcp_stats(server.tcp, &stats);
	} while (stats.open > 0);
	assert_int_equal(stats.closed_idle, 1);
	assert_int_equal(server.recorder.streams_closed, 2);
	close(fd);
	server_end(&server);
}

/* ---- replies that come later ---- */

struct redeem {
	struct worker_job job;
	struct recorder *recorder;
	unsigned ticket;
	size_t len;
	atomic_bool done;
};

static void on_redeem(struct worker_job *base, bool cancelled)
{
	struct redeem *redeem = (struct redeem *)(void *)base;

	recorder_redeem(redeem->recorder, redeem->ticket, cancelled ? 0 : redeem->len);
	redeem->done = true;
}

/* On the loop thread. */
static void redeem(struct server *server, unsigned ticket, size_t len)
{
	struct redeem job = {{.run = on_redeem}, &server->recorder, ticket, len, false};

	worker_post(server->worker, &job.job);
	for (int i = 0; i < WAIT_MS && !job.done; i++)
		poll(NULL, 0, 1);
	assert_true(job.done);
}

static void check_later(int fd, unsigned byte, size_t len)
{
	static uint8_t in[65536 + 1];

	assert_int_equal(frame_receive(fd, in), len);
	assert_int_equal(in[0], byte);
	assert_int_equal(in[len - 1], byte);
}

static void replies_that_come_later(void **state)
{
	struct server server;
	int fd;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	fd = client_connect(&server);
	for (unsigned i = 0; i < 3; i++)
		ask(fd, 'a' + i, "T");
	check_served(fd, 9);
	tickets_wait(&server.recorder, 3);
	redeem(&server, 1, 65535);
	check_later(fd, 'b', 65535);
	redeem(&server, 2, 30);
	check_later(fd, 'c', 30);
	shutdown(fd, SHUT_WR);
	redeem(&server, 0, 30);
	check_later(fd, 'a', 30);
	check_closed(fd);
	close(fd);
	server_end(&server);
}

static void clients_gone_before_their_reply(void **state)
{
	const struct linger reset = {1, 0};
	struct server server;
	struct tcp_stats stats;
	int fd[4];

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	for (unsigned i = 0; i < 4; i++) {
		fd[i] = client_connect(&server);
		ask(fd[i], 'a' + i, "T");
		tickets_wait(&server.recorder, i + 1);
		if (i % 2)
			setsockopt(fd[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		redeem(&server, i, i < 2 ? 30 : 65535);
	for (int i = 0; i < WAIT_MS; i++) {
		tcp_stats(server.tcp, &stats);
		if (stats.open == 0)
			break;
		poll(NULL, 0, 1);
	}
	assert_int_equal(stats.open, 0);
	server_end(&server);
}

/* The listener goes first, as it does at the end of the program. */
static void tickets_outlive_the_clients(void **state)
{
	struct server server;
	int fd[3];

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	for (unsigned i = 0; i < 3; i++) {
		fd[i] = client_connect(&server);
		ask(fd[i], 'a' + i, "T");
	}
	tickets_wait(&server.recorder, 3);
	worker_stop(server.worker);
	for (unsigned i = 0; i < 3; i++) {
		recorder_redeem(&server.recorder, i, i * 30);
		check_closed(fd[i]);
		close(fd[i]);
	}
	server_end(&server);
}

/* Each asks for much and reads nothing: together they are held to the listener's share. */
static void later_replies_are_bounded(void **state)
{
	const struct tcp_limits limits = {.max_buffered = 200000};
	struct server server;
	struct tcp_stats stats;
	int fd[8], small = 2048;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, &limits);
	for (unsigned i = 0; i < 8; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
		fd_connect(fd[i], address_v4("127.0.0.1", tcp_port(server.tcp)));
		for (unsigned k = 0; k < 8; k++)
			ask(fd[i], 'a' + i, "T");
		tickets_wait(&server.recorder, (i + 1) * 8);
	}
	for (unsigned i = 0; i < 64; i++)
		redeem(&server, i, 65535);
	tcp_stats(server.tcp, &stats);
	assert_true(stats.closed_cap >= 4);
	for (unsigned i = 0; i < 8; i++)
		close(fd[i]);
	server_end(&server);
}

/* What is owed does not keep a connection for ever; a reply starts its time anew. */
static void later_replies_and_idle_time(void **state)
{
	const struct tcp_limits limits = {.idle_ms = 800};
	struct server server;
	struct tcp_stats stats;
	int answered, silent;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, &limits);
	silent = client_connect(&server);
	ask(silent, 's', "T");
	tickets_wait(&server.recorder, 1);
	answered = client_connect(&server);
	ask(answered, 'a', "T");
	tickets_wait(&server.recorder, 2);
	poll(NULL, 0, 500);
	redeem(&server, 1, 30);
	check_later(answered, 'a', 30);
	check_closed(silent);
	poll(NULL, 0, 50);
	check_served(answered, 7);
	tcp_stats(server.tcp, &stats);
	assert_int_equal(stats.closed_idle, 1);
	redeem(&server, 0, 30);
	close(answered);
	close(silent);
	server_end(&server);
}

static void a_port_in_use_is_an_error(void **state)
{
	union address at = address_v4("127.0.0.1", 0);
	struct tcp *first, *second = NULL;

	(void)state;
	assert_int_equal(tcp_open(&at.sa, 0, NULL, NULL, &first), 0);
	at = address_v4("127.0.0.1", tcp_port(first));
	assert_int_equal(tcp_open(&at.sa, 0, NULL, NULL, &second), -EADDRINUSE);
	assert_null(second);
	tcp_free(first);
	/* Free again at once. */
	assert_int_equal(tcp_open(&at.sa, 0, NULL, NULL, &second), 0);
	tcp_free(second);
	at = address_v4("192.0.2.1", 0);
	assert_int_equal(tcp_open(&at.sa, 0, NULL, NULL, &second), -EADDRNOTAVAIL);
}

/* The server closes first, so that its side is left in TIME_WAIT. */
static void a_restart_does_not_wait_for_old_connections(void **state)
{
	struct server server;
	uint16_t port;
	int fd;

	(void)state;
	server_start(&server, address_v4("127.0.0.1", 0), 0, NULL);
	port = tcp_port(server.tcp);
	fd = client_connect(&server);
	check_served(fd, 1);
	server_end(&server);
	check_closed(fd);
	close(fd);
	server_start(&server, address_v4("127.0.0.1", port), 0, NULL);
	fd = client_connect(&server);
	check_served(fd, 2);
	close(fd);
	server_end(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_handler_is_told_true_addresses),
		cmocka_unit_test(a_hundred_queries_in_one_write),
		cmocka_unit_test(half_close_and_broken_lengths),
		cmocka_unit_test(idle_connections_are_closed),
		cmocka_unit_test(a_dripping_message_is_idle),
		cmocka_unit_test(at_the_cap_the_longest_idle_goes),
		cmocka_unit_test(out_of_descriptors),
		cmocka_unit_test(a_slow_reader_is_bounded),
		cmocka_unit_test(buffered_bytes_are_bounded),
		cmocka_unit_test(stop_answers_what_was_sent),
		cmocka_unit_test(thousands_of_connections),
		cmocka_unit_test(a_stream_is_woken),
		cmocka_unit_test(a_stream_that_moves_is_not_idle),
		cmocka_unit_test(replies_that_come_later),
		cmocka_unit_test(clients_gone_before_their_reply),
		cmocka_unit_test(tickets_outlive_the_clients),
		cmocka_unit_test(later_replies_are_bounded),
		cmocka_unit_test(later_replies_and_idle_time),
		cmocka_unit_test(a_port_in_use_is_an_error),
		cmocka_unit_test(a_restart_does_not_wait_for_old_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

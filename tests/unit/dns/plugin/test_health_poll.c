/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at a real HTTP server, at one that says something else, and at none. */
#include "dns/net/http.h"
#include "dns/observe/metric.h"
#include "dns/plugin/health_poll.h"
#include "site.h"

#include <pthread.h>
#include <unistd.h>
#include <uv.h>

struct world {
	uv_loop_t loop;
	struct recorder recorder;
	struct metrics *metrics;
	struct http *http;
	int status;
	unsigned stopped;
};

static void answer(void *user, struct http_reply *reply)
{
	const struct world *world = user;

	reply->status = world->status;
	reply->body = strdup("OK");
	reply->len = 2;
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	const struct http_route route = {"/health", answer, world};

	world->status = 200;
	uv_loop_init(&world->loop);
	recorder_init(&world->recorder);
	world->recorder.host.loop = &world->loop;
	if (metrics_new(&world->metrics) < 0)
		return -1;
	world->recorder.host.metrics = world->metrics;
	*state = world;
	return http_listen("127.0.0.1", 0, &route, 1, &world->http);
}

static int teardown(void **state)
{
	struct world *world = *state;

	http_stop(world->http);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	metrics_free(world->metrics);
	recorder_free(&world->recorder);
	free(world);
	return 0;
}

static bool shows(const struct world *world, const char *line)
{
	char *text;
	size_t len;
	bool found;

	assert_int_equal(metrics_render(world->metrics, &text, &len), 0);
	text = realloc(text, len + 1);
	text[len] = 0;
	found = strstr(text, line) != NULL;
	free(text);
	return found;
}

static void count_stopped(void *user)
{
	++*(unsigned *)user;
}

/* Turn the loop until the line is there, then stop. */
static void look_until(struct world *world, struct health_poll *poll, const char *line)
{
	for (int i = 0; i < 400 && !shows(world, line); i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	assert_true(shows(world, line));
	health_poll_stop(poll, count_stopped, &world->stopped);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->stopped, 1);
	health_poll_free(poll);
}

static void test_healthy(void **state)
{
	struct world *world = *state;
	struct health_poll *poll;

	assert_int_equal(health_poll_start(
				 &world->recorder.host, "localhost", http_port(world->http), &poll),
		0);
	assert_true(shows(world, "coredns_health_request_duration_seconds_count 0\n"));
	look_until(world, poll, "coredns_health_request_duration_seconds_count 2\n");
	assert_true(shows(world, "coredns_health_request_failures_total 0\n"));
}

static void test_another_status_has_failed(void **state)
{
	static struct captured_log log;
	struct world *world = *state;
	struct health_poll *poll;

	world->status = 503;
	captured_open(&log);
	assert_int_equal(
		health_poll_start(&world->recorder.host, "", http_port(world->http), &poll), 0);
	look_until(world, poll, "coredns_health_request_failures_total 2\n");
	assert_true(shows(world, "coredns_health_request_duration_seconds_count 0\n"));
	/* told once */
	assert_string_equal(captured_read(&log),
		"[WARNING] plugin/health: /health does not answer this server itself\n");
	captured_close(&log);
}

static void test_nobody_listens(void **state)
{
	static struct captured_log log;
	struct world *world = *state;
	struct health_poll *poll;
	const uint16_t port = http_port(world->http);

	http_stop(world->http);
	world->http = NULL;
	captured_open(&log);
	assert_int_equal(health_poll_start(&world->recorder.host, "127.0.0.1", port, &poll), 0);
	look_until(world, poll, "coredns_health_request_failures_total 1\n");
	captured_close(&log);
}

/* The kernel takes the connection, and nobody answers: the third tick ends it. */
static void test_no_answer(void **state)
{
	static struct captured_log log;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof address;
	struct world *world = *state;
	struct health_poll *poll;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	captured_open(&log);
	assert_int_equal(health_poll_start(&world->recorder.host, "127.0.0.1",
				 ntohs(address.sin_port), &poll),
		0);
	look_until(world, poll, "coredns_health_request_failures_total 1\n");
	captured_close(&log);
	close(fd);
}

/* A server in a thread: so many answers a connection, and how many connections there were. */
struct few {
	int fd;
	unsigned answers; /* the request behind the last one is read, and the connection ends */
	_Atomic unsigned connections;
	pthread_t thread;
};

static void few_serve(const struct few *few, int conn)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
	char request[256];

	for (unsigned i = 0; read(conn, request, sizeof request) > 0 && i < few->answers; i++)
		assert_int_equal(write(conn, text, sizeof text - 1), sizeof text - 1);
	close(conn);
}

static void *few_run(void *user)
{
	struct few *few = user;
	int conn;

	while ((conn = accept(few->fd, NULL, NULL)) >= 0) {
		few->connections++;
		few_serve(few, conn);
	}
	return NULL;
}

static void look_at_few(struct world *world, struct few *few)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof address;
	struct health_poll *poll;

	few->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(few->fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(few->fd, 4), 0);
	assert_int_equal(getsockname(few->fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(pthread_create(&few->thread, NULL, few_run, few), 0);
	assert_int_equal(health_poll_start(&world->recorder.host, "127.0.0.1",
				 ntohs(address.sin_port), &poll),
		0);
	look_until(world, poll, "coredns_health_request_duration_seconds_count 3\n");
	assert_true(shows(world, "coredns_health_request_failures_total 0\n"));
	shutdown(few->fd, SHUT_RDWR);
	pthread_join(few->thread, NULL);
	close(few->fd);
}

static void test_connection_is_kept(void **state)
{
	struct few few = {.answers = 100};

	look_at_few(*state, &few);
	assert_int_equal(few.connections, 1);
}

/* That a kept connection ends is no failure: the look goes on over a new one. */
static void test_kept_connection_ends(void **state)
{
	struct few few = {.answers = 1};

	look_at_few(*state, &few);
	assert_int_equal(few.connections, 3);
}

/* Stopped in the middle of a look. */
static void test_stop_while_looking(void **state)
{
	struct world *world = *state;
	struct health_poll *poll;
	uint64_t begun;

	assert_int_equal(health_poll_start(
				 &world->recorder.host, "127.0.0.1", http_port(world->http), &poll),
		0);
	begun = uv_now(&world->loop);
	while (uv_now(&world->loop) < begun + 1000)
		uv_run(&world->loop, UV_RUN_ONCE);
	health_poll_stop(poll, count_stopped, &world->stopped);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->stopped, 1);
	health_poll_free(poll);
}

static void test_addresses_that_are_not_asked(void **state)
{
	struct world *world = *state;
	struct health_poll *poll;

	assert_int_equal(health_poll_start(&world->recorder.host, "example.org", 8080, &poll), 1);
	assert_int_equal(health_poll_start(&world->recorder.host, "127.0.0.1", 0, &poll), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_healthy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_status_has_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connection_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_connection_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_while_looking, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses_that_are_not_asked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

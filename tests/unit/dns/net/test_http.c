/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/net/http.h"

#include "net_test.h"

#include <semaphore.h>

struct page {
	const char *text;
	const char *type;
	int status, close;
	atomic_uint calls;
	sem_t *entered, *leave; /* both or none: hold the answer */
	atomic_bool signals_open;
};

static void page_answer(void *user, struct http_reply *reply)
{
	struct page *page = user;
	sigset_t mask;

	page->calls++;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (!sigismember(&mask, SIGTERM))
		page->signals_open = true;
	if (page->entered) {
		sem_post(page->entered);
		sem_wait(page->leave);
	}
	reply->status = page->status;
	reply->content_type = page->type;
	reply->close = page->close;
	if (page->text) {
		reply->body = strdup(page->text);
		reply->len = strlen(page->text);
	}
}

static struct page health = {.text = "OK", .status = 200};
static struct page ready = {.text = "kubernetes", .status = 503, .close = 1};
static struct page metrics = {.text = "a 1\n", .type = "text/plain; version=0.0.4", .status = 200};
static struct page empty = {.status = 200};
static struct page slow = {.text = "slow", .status = 200};

static const struct http_route routes[] = {
	{"/health", page_answer, &health},
	{"/ready", page_answer, &ready},
	{"/metrics", page_answer, &metrics},
	{"/empty", page_answer, &empty},
	{"/slow", page_answer, &slow},
};

static struct http *server_open(const char *host)
{
	struct http *http;

	assert_int_equal(http_listen(host, 0, routes, sizeof routes / sizeof *routes, &http), 0);
	assert_int_not_equal(http_port(http), 0);
	return http;
}

static int client_connect(union address to)
{
	int fd = socket(to.sa.sa_family, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, &to.sa, address_size(&to)), 0);
	return fd;
}

static void request_send(int fd, const char *line, const char *rest)
{
	char text[512];
	int n = snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\n%s", line, rest);

	bytes_write(fd, (const uint8_t *)text, (size_t)n);
}

/* One request on a connection of its own; the whole reply as text. */
static void exchange(union address to, const char *line, const char *rest, char *reply, size_t cap)
{
	int fd = client_connect(to);

	request_send(fd, line, rest);
	reply[bytes_receive(fd, (uint8_t *)reply, cap - 1)] = 0;
	close(fd);
}

#define LAST "Connection: close\r\n\r\n"

static const char *body_of(const char *reply)
{
	const char *end = strstr(reply, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static void routes_answer(void **state)
{
	struct http *http = server_open("127.0.0.1");
	union address to = address_v4("127.0.0.1", http_port(http));
	char reply[2048];

	(void)state;
	exchange(to, "GET /health", LAST, reply, sizeof reply);
	assert_memory_equal(reply, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(reply, "Content-Type: text/plain; charset=utf-8\r\n"));
	assert_string_equal(body_of(reply), "OK");
	exchange(to, "GET /health?full=1", LAST, reply, sizeof reply);
	assert_string_equal(body_of(reply), "OK");
	exchange(to, "GET /ready", "\r\n", reply, sizeof reply);
	assert_memory_equal(reply, "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(reply, "Connection: close\r\n"));
	assert_string_equal(body_of(reply), "kubernetes");
	exchange(to, "GET /metrics", LAST, reply, sizeof reply);
	assert_non_null(strstr(reply, "Content-Type: text/plain; version=0.0.4\r\n"));
	exchange(to, "GET /empty", LAST, reply, sizeof reply);
	assert_memory_equal(reply, "HTTP/1.1 200 OK\r\n", 17);
	assert_string_equal(body_of(reply), "");
	assert_false(health.signals_open);
	http_stop(http);
	http_stop(NULL);
}

static void anything_else_is_refused(void **state)
{
	struct http *http = server_open("127.0.0.1");
	union address to = address_v4("127.0.0.1", http_port(http));
	unsigned calls = health.calls;
	char reply[2048];

	(void)state;
	exchange(to, "GET /", LAST, reply, sizeof reply);
	assert_memory_equal(reply, "HTTP/1.1 404 ", 13);
	exchange(to, "GET /health/", LAST, reply, sizeof reply);
	assert_memory_equal(reply, "HTTP/1.1 404 ", 13);
	exchange(to, "POST /health", "Content-Length: 4\r\nConnection: close\r\n\r\nbody", reply,
		sizeof reply);
	assert_memory_equal(reply, "HTTP/1.1 405 ", 13);
	assert_non_null(strstr(reply, "Allow: GET, HEAD\r\n"));
	exchange(to, "DELETE /health", LAST, reply, sizeof reply);
	assert_memory_equal(reply, "HTTP/1.1 405 ", 13);
	assert_int_equal(health.calls, calls);
	http_stop(http);
}

static void head_has_no_body(void **state)
{
	struct http *http = server_open("127.0.0.1");
	union address to = address_v4("127.0.0.1", http_port(http));
	char reply[2048];

	(void)state;
	exchange(to, "HEAD /health", LAST, reply, sizeof reply);
	assert_memory_equal(reply, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(reply, "Content-Length: 2\r\n"));
	assert_string_equal(body_of(reply), "");
	http_stop(http);
}

/* Probes and scrapers come again over the same connection, also with a body that nobody wants. */
static void connections_are_kept(void **state)
{
	struct http *http = server_open("127.0.0.1");
	const int fd = client_connect(address_v4("127.0.0.1", http_port(http)));
	const unsigned calls = health.calls;
	char replies[4096];
	const char *at = replies;

	(void)state;
	request_send(fd, "GET /health", "\r\n");
	request_send(fd, "GET /health", "Content-Length: 4\r\n\r\nbody");
	request_send(fd, "HEAD /health", "\r\n");
	request_send(fd, "GET /health", LAST);
	replies[bytes_receive(fd, (uint8_t *)replies, sizeof replies - 1)] = 0;
	for (int i = 0; i < 4; i++) {
		at = strstr(at, "HTTP/1.1 200 OK\r\n");
		assert_non_null(at);
		at++;
	}
	assert_null(strstr(at, "HTTP/1.1"));
	assert_int_equal(health.calls, calls + 4);
	close(fd);
	http_stop(http);
}

static void an_empty_host_is_both_families(void **state)
{
	struct http *http = server_open("");
	char reply[2048];

	(void)state;
	exchange(
		address_v4("127.0.0.1", http_port(http)), "GET /health", LAST, reply, sizeof reply);
	assert_string_equal(body_of(reply), "OK");
	if (host_has_v6()) {
		exchange(address_v6("::1", http_port(http)), "GET /health", LAST, reply,
			sizeof reply);
		assert_string_equal(body_of(reply), "OK");
	}
	http_stop(http);
	http = server_open("localhost");
	http_stop(http);
}

static void connections_are_served_side_by_side(void **state)
{
	struct http *http = server_open("127.0.0.1");
	union address to = address_v4("127.0.0.1", http_port(http));
	char reply[1024];
	int fd[24];

	(void)state;
	/* The first says nothing; it must not keep the others waiting. */
	for (int i = 0; i < 24; i++)
		fd[i] = client_connect(to);
	for (int i = 23; i > 0; i--)
		request_send(fd[i], "GET /health", LAST);
	for (int i = 1; i < 24; i++) {
		reply[bytes_receive(fd[i], (uint8_t *)reply, sizeof reply - 1)] = 0;
		assert_string_equal(body_of(reply), "OK");
	}
	for (int i = 0; i < 24; i++)
		close(fd[i]);
	http_stop(http);
}

/* One peer has its share of the connections; others still get in. */
static void one_peer_cannot_take_all_connections(void **state)
{
	struct http *http = server_open("0.0.0.0");
	union address to = address_v4("127.0.0.1", http_port(http));
	union address other = address_v4("127.0.0.7", 0);
	char reply[1024];
	int fd[80], late;

	(void)state;
	for (int i = 0; i < 80; i++)
		fd[i] = client_connect(to);
	late = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(late, &other.sa, sizeof other.v4), 0);
	assert_int_equal(connect(late, &to.sa, sizeof to.v4), 0);
	request_send(late, "GET /health", LAST);
	reply[bytes_receive(late, (uint8_t *)reply, sizeof reply - 1)] = 0;
	assert_string_equal(body_of(reply), "OK");
	close(late);
	for (int i = 0; i < 80; i++)
		close(fd[i]);
	http_stop(http);
}

static void a_port_in_use_is_an_error(void **state)
{
	struct http *http = server_open("127.0.0.1"), *second = NULL;

	(void)state;
	assert_int_equal(
		http_listen("127.0.0.1", http_port(http), routes, 1, &second), -EADDRINUSE);
	assert_int_equal(http_listen("192.0.2.1", 0, routes, 1, &second), -EADDRNOTAVAIL);
	assert_int_equal(http_listen("no such host", 0, routes, 1, &second), -EADDRNOTAVAIL);
	assert_null(second);
	http_stop(http);
}

static struct http_route *one_route(struct page *page)
{
	struct http_route *routes_ = calloc(1, sizeof *routes_);

	*routes_ = (struct http_route){"/slow", page_answer, page};
	return routes_;
}

struct change {
	struct http *http;
	struct page *page;
	atomic_bool done;
};

static void *changer(void *arg)
{
	struct change *change = arg;

	http_set_routes(change->http, one_route(change->page), 1);
	change->done = true;
	return NULL;
}

static void other_routes_wait_for_the_answer(void **state)
{
	struct page new_page = {.text = "new", .status = 200};
	struct http *http = server_open("127.0.0.1");
	struct change change = {http, &new_page, false};
	union address to = address_v4("127.0.0.1", http_port(http));
	int fd = client_connect(to);
	char reply[1024];
	sem_t entered, leave;
	pthread_t id;

	(void)state;
	sem_init(&entered, 0, 0);
	sem_init(&leave, 0, 0);
	slow.entered = &entered;
	slow.leave = &leave;
	request_send(fd, "GET /slow", LAST);
	sem_wait(&entered);
	assert_int_equal(pthread_create(&id, NULL, changer, &change), 0);
	usleep(20000);
	assert_false(change.done);
	sem_post(&leave);
	pthread_join(id, NULL);
	slow.entered = slow.leave = NULL;
	reply[bytes_receive(fd, (uint8_t *)reply, sizeof reply - 1)] = 0;
	assert_string_equal(body_of(reply), "slow");
	close(fd);
	exchange(to, "GET /slow", LAST, reply, sizeof reply);
	assert_string_equal(body_of(reply), "new");
	exchange(to, "GET /health", LAST, reply, sizeof reply);
	assert_non_null(strstr(reply, " 404 "));
	http_stop(http);
}

static void *closer(void *arg)
{
	http_stop(arg);
	return NULL;
}

static void close_waits_for_running_answers(void **state)
{
	struct http *http = server_open("127.0.0.1");
	int fd = client_connect(address_v4("127.0.0.1", http_port(http)));
	char reply[1024];
	sem_t entered, leave;
	pthread_t id;

	(void)state;
	sem_init(&entered, 0, 0);
	sem_init(&leave, 0, 0);
	slow.entered = &entered;
	slow.leave = &leave;
	request_send(fd, "GET /slow", "\r\n");
	sem_wait(&entered);
	assert_int_equal(pthread_create(&id, NULL, closer, http), 0);
	sem_post(&leave);
	reply[bytes_receive(fd, (uint8_t *)reply, sizeof reply - 1)] = 0;
	assert_string_equal(body_of(reply), "slow");
	assert_int_equal(pthread_join(id, NULL), 0);
	sem_destroy(&entered);
	sem_destroy(&leave);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_answer),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(head_has_no_body),
		cmocka_unit_test(connections_are_kept),
		cmocka_unit_test(an_empty_host_is_both_families),
		cmocka_unit_test(connections_are_served_side_by_side),
		cmocka_unit_test(one_peer_cannot_take_all_connections),
		cmocka_unit_test(a_port_in_use_is_an_error),
		cmocka_unit_test(other_routes_wait_for_the_answer),
		cmocka_unit_test(close_waits_for_running_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

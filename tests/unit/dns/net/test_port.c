/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets are taken and given back as if their questions had been answered; the server is a
 * socket of the test, and is heard only where it matters. */
#include "dns/net/port.h"

#include "net_test.h"
#include "tests/unit/cache/nomem.h"

#include <dirent.h>
#include <sys/resource.h>

struct world {
	uv_loop_t loop;
	struct ports *ports;
	union address server;
	int fd;               /* the server's */
	unsigned descriptors; /* that are open before any port is */
	unsigned readable;
	bool takes_errors; /* when it is readable, as a send() of somebody else does */
};

static unsigned descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void server_open(struct world *world)
{
	world->fd = socket(world->server.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(world->fd, &world->server.sa, address_size(&world->server)), 0);
	assert_int_equal(socket_local(world->fd, &world->server), 0);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	assert_int_equal(uv_loop_init(&world->loop), 0);
	world->server = address_v4("127.0.0.1", 0);
	server_open(world);
	assert_int_equal(ports_new(&world->loop, &world->server.sa, NULL, &world->ports), 0);
	uv_run(&world->loop, UV_RUN_NOWAIT);
	world->descriptors = descriptors();
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	ports_close(world->ports);
	assert_int_equal(descriptors(), world->descriptors);
	uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	close(world->fd);
	free(world);
	return 0;
}

static void on_readable(struct port *port)
{
	struct world *world = port->user;
	socklen_t len = sizeof(int);
	int error;

	world->readable++;
	if (world->takes_errors)
		getsockopt(port->fd, SOL_SOCKET, SO_ERROR, &error, &len);
}

static struct port *take(struct world *world, uint32_t random)
{
	struct port *port = NULL;

	assert_int_equal(port_take(world->ports, random, on_readable, world, &port), 0);
	assert_ptr_equal(port->user, world);
	return port;
}

/* So many are idle then, each after one question. */
static void fill(struct world *world, unsigned count, struct port **idle)
{
	for (unsigned i = 0; i < count; i++)
		idle[i] = take(world, 0);
	for (unsigned i = 0; i < count; i++)
		port_give(idle[i]);
	assert_int_equal(descriptors(), world->descriptors + count);
}

static union address local(const struct port *port)
{
	union address address;

	assert_int_equal(socket_local(port->fd, &address), 0);
	return address;
}

static void send_to(const struct world *world, union address to)
{
	assert_int_equal(sendto(world->fd, "x", 1, 0, &to.sa, address_size(&to)), 1);
}

static void run_until_open(struct world *world, unsigned count)
{
	for (int i = 0; i < WAIT_MS && descriptors() != world->descriptors + count; i++) {
		uv_run(&world->loop, UV_RUN_NOWAIT);
		poll(NULL, 0, 1);
	}
	assert_int_equal(descriptors(), world->descriptors + count);
}

/* ---- bounds ---- */

/* Who is asked seldom is asked from another port each time. */
static void a_new_one_while_few_are_idle(void **state)
{
	struct world *world = *state;
	bool seen[65536] = {false};

	for (unsigned i = 0; i <= PORT_IDLE_LEAST; i++) {
		struct port *port = take(world, i);
		const uint16_t at = ntohs(local(port).v4.sin_port);

		assert_int_equal(port->questions, 0);
		assert_false(seen[at]);
		seen[at] = true;
		port_give(port);
	}
	for (unsigned i = 0; i < 100; i++) {
		struct port *port = take(world, i);

		assert_true(port->questions > 0);
		assert_true(seen[ntohs(local(port).v4.sin_port)]);
		port->questions = 1;
		port_give(port);
	}
	assert_int_equal(descriptors(), world->descriptors + PORT_IDLE_LEAST + 1);
}

static void used_for_so_many_questions(void **state)
{
	struct world *world = *state;
	struct port *idle[PORT_IDLE_LEAST + 1];
	static unsigned times[65536];
	unsigned fresh = 0, most = 0;

	memset(times, 0, sizeof times);
	fill(world, PORT_IDLE_LEAST + 1, idle);
	for (uint32_t i = 0, random = 1; i < 5000; i++) {
		struct port *port;

		random = random * 1103515245u + 12345u;
		port = take(world, random >> 16);
		assert_in_range(port->questions, 0, PORT_QUESTIONS_MAX - 1);
		if (port->questions == 0) {
			fresh++;
			times[ntohs(local(port).v4.sin_port)] = 0;
		}
		if (++times[ntohs(local(port).v4.sin_port)] > most)
			most = times[ntohs(local(port).v4.sin_port)];
		port->opened_ms = uv_hrtime() / 1000000u; /* however slow this machine is */
		port_give(port);
		uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(most, PORT_QUESTIONS_MAX);
	assert_in_range(
		fresh, (5000 - 65 * 16) / PORT_QUESTIONS_MAX, 5000 / PORT_QUESTIONS_MAX + 65);
}

static void the_last_question_closes_it(void **state)
{
	struct world *world = *state;
	struct port *port = take(world, 0);

	port->questions = PORT_QUESTIONS_MAX - 1;
	port_give(port);
	assert_int_equal(descriptors(), world->descriptors);
}

static void too_old_when_it_is_given_back(void **state)
{
	struct world *world = *state;
	struct port *port = take(world, 0);

	port->opened_ms -= PORT_AGE_MS;
	port_give(port);
	assert_int_equal(descriptors(), world->descriptors);
}

static void too_old_ones_are_not_taken(void **state)
{
	struct world *world = *state;
	struct port *idle[PORT_IDLE_LEAST + 20], *port;

	fill(world, PORT_IDLE_LEAST + 20, idle);
	for (unsigned i = 0; i < PORT_IDLE_LEAST + 20; i++)
		idle[i]->opened_ms -= PORT_AGE_MS;
	port = take(world, 7);
	assert_int_equal(port->questions, 0);
	assert_int_equal(descriptors(), world->descriptors + PORT_IDLE_LEAST + 1);
	port_close(port);
}

/* Nobody asks any more: they go by themselves, and the loop has nothing to do then. */
static void too_old_ones_are_closed(void **state)
{
	struct world *world = *state;
	struct port *idle[10];
	uint64_t ms = uv_hrtime() / 1000000u;

	fill(world, 10, idle);
	idle[9]->opened_ms += 600; /* not at the first look, nor the second */
	run_until_open(world, 1);
	run_until_open(world, 0);
	ms = uv_hrtime() / 1000000u - ms;
	assert_true(ms >= PORT_AGE_MS);
	assert_false(uv_loop_alive(&world->loop));
	/* and once more, from the beginning */
	fill(world, 1, idle);
	assert_true(uv_loop_alive(&world->loop));
	run_until_open(world, 0);
}

static void so_many_are_idle_and_no_more(void **state)
{
	struct world *world = *state;
	struct port *taken[PORT_IDLE_MAX + 50];

	for (unsigned i = 0; i < PORT_IDLE_MAX + 50; i++)
		taken[i] = take(world, 0);
	assert_int_equal(descriptors(), world->descriptors + PORT_IDLE_MAX + 50);
	for (unsigned i = 0; i < PORT_IDLE_MAX + 50; i++)
		port_give(taken[i]);
	assert_int_equal(descriptors(), world->descriptors + PORT_IDLE_MAX);
}

/* 10,000 draws from 100, some 100 each: five deviations. */
static void chosen_at_random(void **state)
{
	struct world *world = *state;
	struct port *idle[100];
	unsigned times[100] = {0}, same = 0, last = 0;
	uint64_t random = 88172645463325252u;

	fill(world, 100, idle);
	for (unsigned i = 0; i < 10000; i++) {
		struct port *port;
		unsigned at = 0;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		port = take(world, (uint16_t)(random >> 32));
		while (at < 100 && idle[at] != port)
			at++;
		assert_in_range(at, 0, 99);
		times[at]++;
		same += at == last;
		last = at;
		port->questions = 1;
		port->opened_ms = uv_hrtime() / 1000000u;
		port_give(port);
		for (unsigned k = 0; k < 100 && i % 100 == 0; k++)
			idle[k]->opened_ms = port->opened_ms;
	}
	for (unsigned i = 0; i < 100; i++)
		assert_in_range(times[i], 50, 150);
	assert_in_range(same, 50, 150);
}

/* ---- what comes ---- */

static void a_datagram_closes_an_idle_one(void **state)
{
	struct world *world = *state;
	struct port *idle[PORT_IDLE_LEAST + 1], *port;

	fill(world, PORT_IDLE_LEAST + 1, idle);
	send_to(world, local(idle[5]));
	run_until_open(world, PORT_IDLE_LEAST);
	assert_int_equal(world->readable, 0);
	port = take(world, 5);
	assert_int_equal(port->questions, 0);
	port_close(port);
}

static void an_error_closes_an_idle_one(void **state)
{
	struct world *world = *state;
	struct port *port = take(world, 0);

	close(world->fd);
	assert_int_equal(send(port->fd, "x", 1, 0), 1);
	port_give(port);
	server_open(world);
	run_until_open(world, 0);
	assert_int_equal(world->readable, 0);
}

static void who_has_it_is_told(void **state)
{
	struct world *world = *state;
	struct port *port = take(world, 0), *other = take(world, 0);
	uint8_t byte;

	send_to(world, local(port));
	for (int i = 0; i < WAIT_MS && !world->readable; i++)
		uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_int_equal(world->readable, 1);
	assert_int_equal(recv(port->fd, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(recv(other->fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	port_close(port);
	port_give(other);
}

/* libuv has seen an error that is gone when the port is looked at. */
static void heard_after_an_error_too(void **state)
{
	struct world *world = *state;
	struct port *port = take(world, 0);

	world->takes_errors = true;
	close(world->fd);
	assert_int_equal(send(port->fd, "x", 1, 0), 1);
	for (int i = 0; i < WAIT_MS && !world->readable; i++)
		uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_int_equal(world->readable, 1);
	server_open(world);
	uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_int_equal(world->readable, 1);
	send_to(world, local(port));
	for (int i = 0; i < WAIT_MS && world->readable < 2; i++)
		uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_true(world->readable >= 2);
	port_close(port);
}

/* ---- ends ---- */

/* The last one to be given back takes the rest with it, before the timer is closed and after. */
static void closed_while_some_are_taken(void **state)
{
	struct world *world = *state;

	for (unsigned turns = 0; turns < 3; turns++) {
		struct port *a = take(world, 0), *b = take(world, 0), *c = take(world, 0);

		port_give(c);
		ports_close(world->ports);
		assert_int_equal(descriptors(), world->descriptors + 2);
		for (unsigned i = 0; i < turns; i++)
			uv_run(&world->loop, UV_RUN_NOWAIT);
		world->readable = 0;
		send_to(world, local(a));
		for (int i = 0; i < WAIT_MS && turns && !world->readable; i++)
			uv_run(&world->loop, UV_RUN_NOWAIT);
		assert_int_equal(world->readable, turns > 0);
		port_close(a);
		port_give(b);
		assert_int_equal(descriptors(), world->descriptors);
		uv_run(&world->loop, UV_RUN_NOWAIT);
		assert_int_equal(
			ports_new(&world->loop, &world->server.sa, NULL, &world->ports), 0);
	}
	ports_close(NULL);
}

/* ---- what it cannot have ---- */

static void errors(void **state)
{
	struct world *world = *state;
	union address away = address_v4("255.255.255.255", 53), source = address_v4("192.0.2.1", 0);
	struct ports *ports;
	struct port *port = NULL;

	/* broadcast is not allowed to a socket that has not asked for it */
	assert_int_equal(ports_new(&world->loop, &away.sa, NULL, &ports), 0);
	assert_int_equal(port_take(ports, 0, on_readable, world, &port), -EACCES);
	ports_close(ports);
	assert_int_equal(ports_new(&world->loop, &world->server.sa, &source.sa, &ports), 0);
	assert_int_equal(port_take(ports, 0, on_readable, world, &port), -EADDRNOTAVAIL);
	ports_close(ports);
	assert_null(port);
	assert_int_equal(descriptors(), world->descriptors);
}

static void out_of_memory(void **state)
{
	struct world *world = *state;
	struct ports *ports = NULL;
	struct port *port = NULL;

	nomem_at(1);
	assert_int_equal(ports_new(&world->loop, &world->server.sa, NULL, &ports), -ENOMEM);
	assert_null(ports);
	nomem_at(1);
	assert_int_equal(port_take(world->ports, 0, on_readable, world, &port), -ENOMEM);
	nomem_at(0);
	assert_null(port);
	port_give(take(world, 0));
}

/* Idle ones make room for new ones; nothing is asked from one more often because of it. */
static void out_of_descriptors(void **state)
{
	struct world *world = *state;
	struct rlimit limit, few;
	struct port *taken[10], *port = NULL;

	fill(world, 10, taken);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = (rlim_t)dup(world->fd);
	close((int)few.rlim_cur);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (unsigned i = 0; i < 10; i++) {
		taken[i] = take(world, 0);
		assert_int_equal(taken[i]->questions, 0);
	}
	assert_int_equal(port_take(world->ports, 0, on_readable, world, &port), -EMFILE);
	assert_null(port);
	port_close(taken[0]);
	taken[0] = take(world, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(descriptors(), world->descriptors + 10);
	for (unsigned i = 0; i < 10; i++)
		port_close(taken[i]);
}

/* ---- addresses ---- */

static void a_source_address(void **state)
{
	struct world *world = *state;
	union address source = address_v4("127.0.0.3", 0), from = {0};
	socklen_t len = sizeof from;
	struct ports *ports;
	struct port *port;
	uint8_t byte;

	assert_int_equal(ports_new(&world->loop, &world->server.sa, &source.sa, &ports), 0);
	assert_int_equal(port_take(ports, 0, on_readable, world, &port), 0);
	assert_int_equal(send(port->fd, "x", 1, 0), 1);
	fd_wait(world->fd, POLLIN);
	assert_int_equal(recvfrom(world->fd, &byte, 1, 0, &from.sa, &len), 1);
	assert_int_equal(from.v4.sin_addr.s_addr, source.v4.sin_addr.s_addr);
	assert_int_equal(from.v4.sin_port, local(port).v4.sin_port);
	port_close(port);
	ports_close(ports);
}

static void over_ipv6(void **state)
{
	struct world *world = *state;
	union address from = {0};
	socklen_t len = sizeof from;
	struct ports *ports;
	struct port *port;
	uint8_t byte;

	if (!host_has_v6())
		skip();
	close(world->fd);
	world->server = address_v6("::1", 0);
	server_open(world);
	assert_int_equal(ports_new(&world->loop, &world->server.sa, &world->server.sa, &ports), 0);
	/* The port of a source is not free: only an address makes sense. */
	assert_int_equal(port_take(ports, 0, on_readable, world, &port), -EADDRINUSE);
	ports_close(ports);
	assert_int_equal(ports_new(&world->loop, &world->server.sa, NULL, &ports), 0);
	assert_int_equal(port_take(ports, 0, on_readable, world, &port), 0);
	assert_int_equal(send(port->fd, "x", 1, 0), 1);
	fd_wait(world->fd, POLLIN);
	assert_int_equal(recvfrom(world->fd, &byte, 1, 0, &from.sa, &len), 1);
	assert_int_equal(from.v6.sin6_port, local(port).v6.sin6_port);
	port_give(port);
	ports_close(ports);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_new_one_while_few_are_idle),
		CASE(used_for_so_many_questions),
		CASE(the_last_question_closes_it),
		CASE(too_old_when_it_is_given_back),
		CASE(too_old_ones_are_not_taken),
		CASE(too_old_ones_are_closed),
		CASE(so_many_are_idle_and_no_more),
		CASE(chosen_at_random),
		CASE(a_datagram_closes_an_idle_one),
		CASE(an_error_closes_an_idle_one),
		CASE(who_has_it_is_told),
		CASE(heard_after_an_error_too),
		CASE(closed_while_some_are_taken),
		CASE(errors),
		CASE(out_of_memory),
		CASE(out_of_descriptors),
		CASE(a_source_address),
		CASE(over_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

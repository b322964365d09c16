/* SPDX-License-Identifier: Apache-2.0 */
#include "net_test.h"

#include <sys/wait.h>

static int bound_port(int fd)
{
	union address bound;

	assert_int_equal(socket_local(fd, &bound), 0);
	return address_port(&bound);
}

static void a_group_shares_the_chosen_port(void **state)
{
	union address any = address_v4("127.0.0.1", 0);
	int fds[4];

	(void)state;
	assert_int_equal(socket_bind(&any.sa, 0, SOCK_DGRAM, fds, 4), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(bound_port(fds[i]), bound_port(fds[0]));
		assert_int_not_equal(bound_port(fds[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* A process of the same user that holds an address with SO_REUSEPORT: what the
 * kernel alone would let us share. */
static pid_t holder_start(const union address *address, int type, int *port, int *release)
{
	int ready[2], go[2];
	uint16_t number;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		union address mine = *address, bound;
		socklen_t len = sizeof bound;
		int on = 1, fd = socket(mine.sa.sa_family, type, 0);
		char c;

		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
		if (bind(fd, &mine.sa, address_size(&mine)) < 0 ||
			(type == SOCK_STREAM && listen(fd, 1) < 0) ||
			getsockname(fd, &bound.sa, &len) < 0)
			_exit(1);
		number = address_port(&bound);
		close(go[1]);
		if (write(ready[1], &number, sizeof number) != sizeof number)
			_exit(1);
		_exit(read(go[0], &c, 1) == 0 ? 0 : 1);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &number, sizeof number), sizeof number);
	close(ready[0]);
	*port = number;
	*release = go[1];
	return pid;
}

static void holder_end(pid_t pid, int release)
{
	int status;

	close(release);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void check_foreign(const char *theirs, const char *ours, int type)
{
	union address held = address_v4(theirs, 0);
	union address wanted;
	int port, release, fd;
	pid_t pid = holder_start(&held, type, &port, &release);

	wanted = address_v4(ours, (uint16_t)port);
	assert_int_equal(socket_bind(&wanted.sa, 0, type, &fd, 1), -EADDRINUSE);
	holder_end(pid, release);
	assert_int_equal(socket_bind(&wanted.sa, 0, type, &fd, 1), 0);
	close(fd);
}

static void another_process_holding_the_port_is_an_error(void **state)
{
	static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

	(void)state;
	for (int i = 0; i < 2; i++) {
		check_foreign("127.0.0.1", "127.0.0.1", types[i]);
		check_foreign("0.0.0.0", "127.0.0.1", types[i]);
		check_foreign("127.0.0.9", "0.0.0.0", types[i]);
	}
}

static void a_dual_socket_sees_ipv4_holders(void **state)
{
	union address held = address_v4("127.0.0.1", 0);
	union address any;
	int port, release, fd;
	pid_t pid;

	(void)state;
	if (!host_has_v6())
		skip();
	pid = holder_start(&held, SOCK_DGRAM, &port, &release);
	any = address_v6("::", (uint16_t)port);
	assert_int_equal(socket_bind(&any.sa, 1, SOCK_DGRAM, &fd, 1), -EADDRINUSE);
	/* IPv6 alone has nothing to do with it. */
	assert_int_equal(socket_bind(&any.sa, 0, SOCK_DGRAM, &fd, 1), 0);
	close(fd);
	holder_end(pid, release);
}

static void wildcard_and_specific_address_of_one_process(void **state)
{
	static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

	(void)state;
	for (int i = 0; i < 2; i++) {
		union address any = address_v4("0.0.0.0", 0), one;
		int fds[3], again;

		assert_int_equal(socket_bind(&any.sa, 0, types[i], &fds[0], 1), 0);
		one = address_v4("127.0.0.5", (uint16_t)bound_port(fds[0]));
		if (types[i] == SOCK_STREAM)
			assert_int_equal(listen(fds[0], 1), 0);
		assert_int_equal(socket_bind(&one.sa, 0, types[i], &fds[1], 2), 0);
		assert_int_equal(socket_bind(&one.sa, 0, types[i], &again, 1), -EADDRINUSE);
		for (int k = 0; k < 3; k++)
			close(fds[k]);
	}
}

static void errors_leave_nothing_open(void **state)
{
	union address not_ours = address_v4("192.0.2.1", 0);
	union address other = {.sa = {.sa_family = AF_UNIX}};
	int before = dup(0), after, fds[2];

	(void)state;
	close(before);
	assert_int_equal(socket_bind(&not_ours.sa, 0, SOCK_DGRAM, fds, 2), -EADDRNOTAVAIL);
	assert_int_equal(socket_bind(&other.sa, 0, SOCK_DGRAM, fds, 2), -EAFNOSUPPORT);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static void mapped_addresses_become_ipv4(void **state)
{
	union address mapped = address_v6("::ffff:10.1.2.3", 53);
	union address plain = address_v6("2001:db8::1", 53);

	(void)state;
	address_unmap(&mapped);
	assert_int_equal(mapped.sa.sa_family, AF_INET);
	assert_int_equal(ntohl(mapped.v4.sin_addr.s_addr), 0x0a010203);
	assert_int_equal(address_port(&mapped), 53);
	assert_false(address_is_any(&mapped));
	address_unmap(&plain);
	assert_int_equal(plain.sa.sa_family, AF_INET6);
	plain = address_v6("::", 53);
	assert_true(address_is_any(&plain));
	plain = address_v4("0.0.0.0", 1);
	assert_true(address_is_any(&plain));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_shares_the_chosen_port),
		cmocka_unit_test(another_process_holding_the_port_is_an_error),
		cmocka_unit_test(a_dual_socket_sees_ipv4_holders),
		cmocka_unit_test(wildcard_and_specific_address_of_one_process),
		cmocka_unit_test(errors_leave_nothing_open),
		cmocka_unit_test(mapped_addresses_become_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/net/udp.h"

#include "net_test.h"

#include <linux/ipv6.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static char tag[] = "here";

static struct udp *server_open(
	struct recorder *recorder, union address at, int dual, unsigned threads)
{
	struct udp *udp;

	recorder_init(recorder);
	assert_int_equal(udp_open(&at.sa, dual, threads, &recorder->handler, tag, &udp), 0);
	assert_int_not_equal(udp_port(udp), 0);
	return udp;
}

static void server_end(struct udp *udp, struct recorder *recorder)
{
	udp_stop(udp);
	udp_free(udp);
	assert_false(recorder->broken);
	assert_int_equal(recorder->signals_open, 0);
	assert_int_equal(recorder->threads_started, recorder->threads_stopped);
}

static int client_open(int family)
{
	int fd = socket(family, SOCK_DGRAM, 0), bytes = 1 << 20;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	return fd;
}

static void ask(int fd, union address to, unsigned id, const char *body)
{
	uint8_t data[512];
	size_t len = question_make(data, id, body);

	assert_int_equal(sendto(fd, data, len, 0, &to.sa, address_size(&to)), len);
}

/* The next reply, with a 0 behind it, and where it came from. */
static size_t hear(int fd, uint8_t *data, size_t cap, union address *from)
{
	socklen_t len = sizeof *from;
	ssize_t n;

	fd_wait(fd, POLLIN);
	n = recvfrom(fd, data, cap - 1, 0, &from->sa, &len);
	assert_true(n >= 0);
	data[n] = 0;
	return (size_t)n;
}

static void check_answer(const uint8_t *reply, size_t len, const union address *asked, int fd)
{
	char want[160], local[64], peer[64];
	union address me;
	const char *text = (const char *)reply + HEADER;

	(void)len;
	assert_int_equal(socket_local(fd, &me), 0);
	address_text(&asked->sa, local, sizeof local);
	snprintf(want, sizeof want, " local=%s tag=here", local);
	assert_non_null(strstr(text, want));
	address_text(&me.sa, peer, sizeof peer);
	/* The client is not bound to an address: its port has to do. */
	assert_non_null(strstr(text, strrchr(peer, ':')));
}

static void check_asked_at(struct udp *udp, const char *host, int family)
{
	union address to = family == AF_INET ? address_v4(host, udp_port(udp))
					     : address_v6(host, udp_port(udp));
	union address from;
	uint8_t reply[512];
	int fd = client_open(family);
	char a[64], b[64];
	size_t len;

	ask(fd, to, 7, "where");
	len = hear(fd, reply, sizeof reply, &from);
	address_text(&to.sa, a, sizeof a);
	address_text(&from.sa, b, sizeof b);
	assert_string_equal(a, b);
	check_answer(reply, len, &to, fd);
	close(fd);
}

static void replies_leave_from_the_address_asked(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("0.0.0.0", 0), 0, 1);

	(void)state;
	assert_int_equal(udp_run(udp), 0);
	check_asked_at(udp, "127.0.0.1", AF_INET);
	check_asked_at(udp, "127.0.0.5", AF_INET);
	server_end(udp, &recorder);
	assert_memory_equal(recorder.thread_name, "udp:", 4);

	udp = server_open(&recorder, address_v4("127.0.0.6", 0), 0, 1);
	assert_int_equal(udp_run(udp), 0);
	check_asked_at(udp, "127.0.0.6", AF_INET);
	server_end(udp, &recorder);
}

static void a_dual_socket_answers_both_families(void **state)
{
	struct recorder recorder;
	struct udp *udp;

	(void)state;
	if (!host_has_v6())
		skip();
	udp = server_open(&recorder, address_v6("::", 0), 1, 1);
	assert_int_equal(udp_run(udp), 0);
	check_asked_at(udp, "127.0.0.1", AF_INET);
	check_asked_at(udp, "127.0.0.5", AF_INET);
	check_asked_at(udp, "::1", AF_INET6);
	server_end(udp, &recorder);

	udp = server_open(&recorder, address_v6("::1", 0), 0, 1);
	assert_int_equal(udp_run(udp), 0);
	check_asked_at(udp, "::1", AF_INET6);
	server_end(udp, &recorder);
}

/* Questions that lie in the queue before the thread starts come as one batch. */
static void one_batch_keeps_addresses_apart(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "127.0.0.5", "127.0.0.9"};
	struct recorder recorder;
	struct udp *udp = host_has_v6() ? server_open(&recorder, address_v6("::", 0), 1, 1)
					: server_open(&recorder, address_v4("0.0.0.0", 0), 0, 1);
	int fds[3], six = -1;
	union address from, to6 = address_v6("::1", udp_port(udp));
	uint8_t reply[512];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = client_open(AF_INET);
		ask(fds[i], address_v4(hosts[i], udp_port(udp)), i, "batch");
		ask(fds[i], address_v4(hosts[i], udp_port(udp)), i, "N");
	}
	if (host_has_v6()) {
		six = client_open(AF_INET6);
		ask(six, to6, 9, "batch");
	}
	assert_int_equal(udp_run(udp), 0);
	for (unsigned i = 0; i < 3; i++) {
		union address to = address_v4(hosts[i], udp_port(udp));
		size_t len = hear(fds[i], reply, sizeof reply, &from);

		assert_int_equal(from.v4.sin_addr.s_addr, to.v4.sin_addr.s_addr);
		assert_int_equal(reply[1], i);
		check_answer(reply, len, &to, fds[i]);
		close(fds[i]);
	}
	if (six >= 0) {
		check_answer(reply, hear(six, reply, sizeof reply, &from), &to6, six);
		close(six);
	}
	assert_int_equal(recorder.batch_sizes[0], host_has_v6() ? 7 : 6);
	server_end(udp, &recorder);
}

static void a_burst_is_answered_in_batches_of_64(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 1);
	union address to = address_v4("127.0.0.1", udp_port(udp)), from;
	int fd = client_open(AF_INET);
	struct udp_stats stats;
	uint8_t reply[512];
	bool seen[150] = {0};

	(void)state;
	for (unsigned i = 0; i < 150; i++)
		ask(fd, to, i, "burst");
	assert_int_equal(udp_run(udp), 0);
	for (unsigned i = 0; i < 150; i++) {
		hear(fd, reply, sizeof reply, &from);
		assert_in_range(reply[1], 0, 149);
		assert_false(seen[reply[1]]);
		seen[reply[1]] = true;
	}
	udp_stop(udp);
	udp_stats(udp, &stats);
	assert_int_equal(stats.received, 150);
	assert_int_equal(stats.sent, 150);
	assert_int_equal(stats.send_failed, 0);
	assert_int_equal(recorder.batch_sizes[0], 64);
	assert_int_equal(recorder.batch_sizes[1], 64);
	assert_int_equal(recorder.batch_sizes[2], 22);
	server_end(udp, &recorder);
	close(fd);
}

static void the_largest_datagram_passes(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 1);
	union address to = address_v4("127.0.0.1", udp_port(udp)), from;
	uint8_t *sent = malloc(65507), *reply = malloc(65536);
	int fd = client_open(AF_INET);

	(void)state;
	for (size_t i = 0; i < 65507; i++)
		sent[i] = (uint8_t)(i * 7 + i / 256 + 1);
	assert_int_equal(udp_run(udp), 0);
	/* Large ones and small ones in turn: the pages given back must not matter. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sendto(fd, sent, 65507, 0, &to.sa, sizeof to.v4), 65507);
		assert_int_equal(hear(fd, reply, 65536, &from), 65507);
		assert_memory_equal(sent, reply, 65507);
		ask(fd, to, 3, "small");
		check_answer(reply, hear(fd, reply, 65536, &from), &to, fd);
	}
	free(sent);
	free(reply);
	close(fd);
	server_end(udp, &recorder);
}

static void a_reply_that_cannot_be_sent_does_not_hold_up_others(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 1);
	union address to = address_v4("127.0.0.1", udp_port(udp)), from;
	int fd = client_open(AF_INET);
	struct udp_stats stats;
	uint8_t reply[512];

	(void)state;
	ask(fd, to, 1, "first");
	ask(fd, to, 2, "L\xff\xff"); /* 65535 bytes: more than a datagram takes */
	ask(fd, to, 3, "L\xff\xff");
	ask(fd, to, 4, "last");
	assert_int_equal(udp_run(udp), 0);
	hear(fd, reply, sizeof reply, &from);
	assert_int_equal(reply[1], 1);
	hear(fd, reply, sizeof reply, &from);
	assert_int_equal(reply[1], 4);
	udp_stop(udp);
	udp_stats(udp, &stats);
	assert_int_equal(stats.received, 4);
	assert_int_equal(stats.sent, 2);
	assert_int_equal(stats.send_failed, 2);
	server_end(udp, &recorder);
	close(fd);
}

static void stop_answers_what_lies_in_the_queue(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 2);
	union address to = address_v4("127.0.0.1", udp_port(udp)), from;
	int fds[20];
	uint8_t reply[512];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		fds[i] = client_open(AF_INET);
		for (unsigned k = 0; k < 20; k++)
			ask(fds[i], to, k, "drain");
	}
	assert_int_equal(udp_run(udp), 0);
	udp_stop(udp);
	assert_int_equal(recorder.answers, 400);
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned k = 0; k < 20; k++)
			hear(fds[i], reply, sizeof reply, &from);
		close(fds[i]);
	}
	udp_stop(udp);
	server_end(udp, &recorder);
}

/* ---- replies that come later ---- */

static void check_later(int fd, const char *host, struct udp *udp, unsigned byte)
{
	union address from, to = strchr(host, ':') ? address_v6(host, udp_port(udp))
						   : address_v4(host, udp_port(udp));
	char want[64], got[64];
	uint8_t reply[512];

	assert_int_equal(hear(fd, reply, sizeof reply, &from), 30);
	assert_int_equal(reply[0], byte);
	address_text(&to.sa, want, sizeof want);
	address_text(&from.sa, got, sizeof got);
	assert_string_equal(got, want);
}

/* From the address asked, though other questions have come since. */
static void replies_that_come_later(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "127.0.0.5", "::1"};
	const unsigned count = host_has_v6() ? 3 : 2;
	struct recorder recorder;
	struct udp *udp = host_has_v6() ? server_open(&recorder, address_v6("::", 0), 1, 1)
					: server_open(&recorder, address_v4("0.0.0.0", 0), 0, 1);
	struct udp_stats stats;
	int fds[3];

	(void)state;
	assert_int_equal(udp_run(udp), 0);
	for (unsigned i = 0; i < count; i++) {
		const bool v6 = strchr(hosts[i], ':') != NULL;

		fds[i] = client_open(v6 ? AF_INET6 : AF_INET);
		ask(fds[i],
			v6 ? address_v6(hosts[i], udp_port(udp))
			   : address_v4(hosts[i], udp_port(udp)),
			'a' + i, "T");
		tickets_wait(&recorder, i + 1);
	}
	check_asked_at(udp, "127.0.0.9", AF_INET);
	udp_stats(udp, &stats);
	assert_int_equal(stats.owed, count);
	for (unsigned i = count; i-- > 0;) {
		recorder_redeem(&recorder, i, 30);
		check_later(fds[i], hosts[i], udp, 'a' + i);
		close(fds[i]);
	}
	udp_stop(udp);
	udp_stats(udp, &stats);
	assert_int_equal(stats.owed, 0);
	assert_int_equal(stats.sent, count + 1);
	server_end(udp, &recorder);
}

/* What was asked before the end is answered after it. */
static void replies_that_come_after_the_end(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 1);
	union address to = address_v4("127.0.0.1", udp_port(udp));
	struct udp_stats stats;
	int fd = client_open(AF_INET);

	(void)state;
	assert_int_equal(udp_run(udp), 0);
	ask(fd, to, 'a', "T");
	ask(fd, to, 'b', "T");
	tickets_wait(&recorder, 2);
	udp_stop(udp);
	recorder_redeem(&recorder, 0, 0);
	recorder_redeem(&recorder, 1, 30);
	check_later(fd, "127.0.0.1", udp, 'b');
	udp_stats(udp, &stats);
	assert_int_equal(stats.owed, 0);
	assert_int_equal(stats.sent, 1);
	server_end(udp, &recorder);
	close(fd);
}

/* The client has closed its socket, and the reply is more than a datagram takes. */
static void replies_that_nobody_gets(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("0.0.0.0", 0), 0, 1);
	union address to = address_v4("127.0.0.1", udp_port(udp));
	struct udp_stats stats;
	int fd = client_open(AF_INET);

	(void)state;
	assert_int_equal(udp_run(udp), 0);
	for (unsigned i = 0; i < 3; i++)
		ask(fd, to, 'a' + i, "T");
	tickets_wait(&recorder, 3);
	recorder_redeem(&recorder, 0, 65535);
	close(fd);
	recorder_redeem(&recorder, 1, 30);
	recorder_redeem(&recorder, 2, 30);
	check_asked_at(udp, "127.0.0.1", AF_INET);
	udp_stats(udp, &stats);
	assert_int_equal(stats.owed, 0);
	server_end(udp, &recorder);
}

/* Of several threads and clients, and out of order; one has no reply, and one is more than a
 * datagram takes. */
static void replies_that_go_out_together(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "127.0.0.5"};
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("0.0.0.0", 0), 0, 4);
	struct net_reply replies[NET_REPLIES_MAX];
	static uint8_t data[NET_REPLIES_MAX][30], large[65535];
	struct udp_stats stats;
	int fds[NET_REPLIES_MAX];

	(void)state;
	assert_int_equal(udp_run(udp), 0);
	for (unsigned i = 0; i < NET_REPLIES_MAX; i++) {
		fds[i] = client_open(AF_INET);
		ask(fds[i], address_v4(hosts[i % 2], udp_port(udp)), i, "T");
		tickets_wait(&recorder, i + 1);
		memset(data[i], (int)i, sizeof data[i]);
	}
	for (unsigned i = 0; i < NET_REPLIES_MAX; i++) {
		const unsigned of = (i * 7 + 3) % NET_REPLIES_MAX;

		replies[i] = (struct net_reply){recorder.tickets[of], data[of], sizeof data[of]};
		assert_ptr_equal(replies[i].ticket->group, replies[0].ticket->group);
		if (of == 5)
			replies[i].len = 0;
		else if (of == 6)
			replies[i] = (struct net_reply){recorder.tickets[of], large, sizeof large};
	}
	udp_stats(udp, &stats);
	assert_int_equal(stats.owed, NET_REPLIES_MAX);
	udp_stop(udp);
	replies[0].ticket->send_all(replies, NET_REPLIES_MAX);
	for (unsigned i = 0; i < NET_REPLIES_MAX; i++) {
		if (i != 5 && i != 6)
			check_later(fds[i], hosts[i % 2], udp, i);
		close(fds[i]);
	}
	udp_stats(udp, &stats);
	assert_int_equal(stats.owed, 0);
	assert_int_equal(stats.sent, NET_REPLIES_MAX - 2);
	server_end(udp, &recorder);
}

/* Replies of two servers do not go together. */
static void groups_are_those_of_a_server(void **state)
{
	struct recorder recorders[2];
	struct udp *udps[2];
	int fd = client_open(AF_INET);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		udps[i] = server_open(&recorders[i], address_v4("127.0.0.1", 0), 0, 1);
		assert_int_equal(udp_run(udps[i]), 0);
		ask(fd, address_v4("127.0.0.1", udp_port(udps[i])), i, "T");
		tickets_wait(&recorders[i], 1);
	}
	assert_ptr_not_equal(recorders[0].tickets[0]->group, recorders[1].tickets[0]->group);
	for (unsigned i = 0; i < 2; i++) {
		recorder_redeem(&recorders[i], 0, 0);
		server_end(udps[i], &recorders[i]);
	}
	close(fd);
}

static void all_threads_count_together(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("0.0.0.0", 0), 0, 4);
	union address to = address_v4("127.0.0.1", udp_port(udp)), from;
	struct udp_stats stats;
	uint8_t reply[512];

	(void)state;
	assert_int_equal(udp_run(udp), 0);
	assert_int_equal(recorder.threads_started, 4);
	for (unsigned i = 0; i < 200; i++) {
		int fd = client_open(AF_INET);

		ask(fd, to, i, "threads");
		check_answer(reply, hear(fd, reply, sizeof reply, &from), &to, fd);
		close(fd);
	}
	udp_stop(udp);
	udp_stats(udp, &stats);
	assert_int_equal(stats.received, 200);
	assert_int_equal(stats.sent, 200);
	server_end(udp, &recorder);
}

static void a_thread_that_cannot_start_is_an_error(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 3);

	(void)state;
	recorder.fail_start = true;
	assert_int_equal(udp_run(udp), -ENOMEM);
	server_end(udp, &recorder);
	assert_int_equal(recorder.threads_started, 0);

	udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 3);
	server_end(udp, &recorder); /* never ran */
}

static void a_port_in_use_is_an_error(void **state)
{
	struct recorder recorder;
	struct udp *udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 2), *second = NULL;
	union address same = address_v4("127.0.0.1", udp_port(udp));

	(void)state;
	assert_int_equal(udp_open(&same.sa, 0, 2, &recorder.handler, tag, &second), -EADDRINUSE);
	same = address_v4("192.0.2.1", 0);
	assert_int_equal(udp_open(&same.sa, 0, 1, &recorder.handler, tag, &second), -EADDRNOTAVAIL);
	assert_null(second);
	server_end(udp, &recorder);
}

static void a_privileged_port_needs_permission(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		union address at = address_v4("127.0.0.1", 53);
		struct recorder recorder;
		struct udp *udp;

		recorder_init(&recorder);
		/* A namespace of its own has the kernel's default for the first free port. */
		if (unshare(CLONE_NEWNET) < 0 || setuid(65534) < 0)
			_exit(77);
		at.v4.sin_addr.s_addr = htonl(INADDR_ANY);
		_exit(udp_open(&at.sa, 0, 1, &recorder.handler, tag, &udp) == -EACCES ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void source_port_0_is_dropped(void **state)
{
	struct recorder recorder;
	struct udp *udp;
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_UDP), fd;
	union address to, from;
	struct {
		struct udphdr udp;
		uint8_t question[HEADER];
	} packet = {0};
	struct udp_stats stats;
	uint8_t reply[512];

	(void)state;
	if (raw < 0)
		skip();
	udp = server_open(&recorder, address_v4("127.0.0.1", 0), 0, 1);
	assert_int_equal(udp_run(udp), 0);
	to = address_v4("127.0.0.1", 0);
	packet.udp.uh_dport = htons(udp_port(udp));
	packet.udp.uh_ulen = htons(sizeof packet);
	assert_int_equal(
		sendto(raw, &packet, sizeof packet, 0, &to.sa, sizeof to.v4), sizeof packet);
	to = address_v4("127.0.0.1", udp_port(udp));
	fd = client_open(AF_INET);
	ask(fd, to, 1, "after");
	hear(fd, reply, sizeof reply, &from);
	udp_stop(udp);
	udp_stats(udp, &stats);
	assert_int_equal(stats.received, 2);
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(recorder.answers, 1);
	server_end(udp, &recorder);
	close(raw);
	close(fd);
}

static bool v6_add(int fd, int ifindex, const char *host, unsigned prefix)
{
	struct in6_ifreq request = {.ifr6_prefixlen = prefix, .ifr6_ifindex = ifindex};

	inet_pton(AF_INET6, host, &request.ifr6_addr);
	return ioctl(fd, SIOCSIFADDR, &request) == 0;
}

static bool interface_up(int fd, const char *name)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	request.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* Without duplicate address detection, which takes a second. Where it cannot be
 * switched off v6_usable() waits for it. */
static void v6_no_detection(const char *name)
{
	char path[80];
	FILE *file;

	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/accept_dad", name);
	file = fopen(path, "w");
	if (!file)
		return;
	fputs("0", file);
	fclose(file);
}

/* A new address is tentative for a moment: nothing can be bound to it. */
static bool v6_usable(const char *host, int ifindex)
{
	union address address = address_v6(host, 0);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool usable = false;

	address.v6.sin6_scope_id = (uint32_t)ifindex;
	for (int i = 0; i < WAIT_MS && !usable; i++) {
		usable = bind(fd, &address.sa, sizeof address.v6) == 0;
		if (!usable)
			poll(NULL, 0, 1);
	}
	close(fd);
	return usable;
}

static int reply_source(union address to, const char *bind_to, struct udp *udp)
{
	union address me = address_v6(bind_to, 0), from;
	int fd = client_open(AF_INET6);
	uint8_t reply[512];
	int same;

	me.v6.sin6_scope_id = to.v6.sin6_scope_id;
	to.v6.sin6_port = htons(udp_port(udp));
	assert_int_equal(bind(fd, &me.sa, sizeof me.v6), 0);
	ask(fd, to, 1, "scope");
	hear(fd, reply, sizeof reply, &from);
	same = memcmp(&from.v6.sin6_addr, &to.v6.sin6_addr, sizeof from.v6.sin6_addr) == 0 &&
	       from.v6.sin6_scope_id == to.v6.sin6_scope_id;
	close(fd);
	return same;
}

static bool v4_add(const char *name, const char *host)
{
	struct ifreq request = {0};
	union address address = address_v4(host, 0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool added;

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	memcpy(&request.ifr_addr, &address.v4, sizeof address.v4);
	added = ioctl(fd, SIOCSIFADDR, &request) == 0;
	close(fd);
	return added;
}

/* From 127.0.0.1 to an address of another interface. */
static bool v4_answered(const char *host, struct udp *udp)
{
	union address me = address_v4("127.0.0.1", 0), to = address_v4(host, udp_port(udp)), from;
	int fd = client_open(AF_INET);
	uint8_t reply[512];
	bool same;

	assert_int_equal(bind(fd, &me.sa, sizeof me.v4), 0);
	ask(fd, to, 1, "route");
	hear(fd, reply, sizeof reply, &from);
	same = from.v4.sin_addr.s_addr == to.v4.sin_addr.s_addr;
	close(fd);
	return same;
}

/* In a network namespace of its own: link-local addresses keep their scope, and
 * a question that came over an interface with no route back is answered too. */
static int namespace_main(void)
{
	struct recorder recorder;
	union address to;
	struct udp *udp;
	int fd, lo;

	if (unshare(CLONE_NEWNET) < 0)
		return 77;
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	lo = (int)if_nametoindex("lo");
	if (fd < 0 || !interface_up(fd, "lo") || !v6_add(fd, lo, "fe80::5", 64) ||
		!v6_usable("fe80::5", lo) || !v6_usable("::1", 0))
		return 77;
	udp = server_open(&recorder, address_v6("::", 0), 1, 1);
	if (udp_run(udp) < 0)
		return 1;
	to = address_v6("fe80::5", 0);
	to.v6.sin6_scope_id = (uint32_t)lo;
	if (!reply_source(to, "fe80::5", udp))
		return 2;
	/* The bridge module may be missing; the first half has been tested then. */
	if (ioctl(fd, SIOCBRADDBR, "br0") == 0) {
		int br = (int)if_nametoindex("br0");

		v6_no_detection("br0");
		if (!interface_up(fd, "br0") || !v6_add(fd, br, "fd00:5::1", 128) ||
			!v6_usable("fd00:5::1", 0))
			return 77;
		to = address_v6("fd00:5::1", 0);
		if (!reply_source(to, "::1", udp))
			return 3;
		if (!v4_add("br0", "10.99.0.1"))
			return 77;
		if (!v4_answered("10.99.0.1", udp))
			return 4;
	}
	server_end(udp, &recorder);
	close(fd);
	return 0;
}

static void scope_and_unroutable_interface(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (getuid() != 0 || !host_has_v6())
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(namespace_main());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_leave_from_the_address_asked),
		cmocka_unit_test(a_dual_socket_answers_both_families),
		cmocka_unit_test(one_batch_keeps_addresses_apart),
		cmocka_unit_test(a_burst_is_answered_in_batches_of_64),
		cmocka_unit_test(the_largest_datagram_passes),
		cmocka_unit_test(a_reply_that_cannot_be_sent_does_not_hold_up_others),
		cmocka_unit_test(stop_answers_what_lies_in_the_queue),
		cmocka_unit_test(replies_that_come_later),
		cmocka_unit_test(replies_that_come_after_the_end),
		cmocka_unit_test(replies_that_nobody_gets),
		cmocka_unit_test(replies_that_go_out_together),
		cmocka_unit_test(groups_are_those_of_a_server),
		cmocka_unit_test(all_threads_count_together),
		cmocka_unit_test(a_thread_that_cannot_start_is_an_error),
		cmocka_unit_test(a_port_in_use_is_an_error),
		cmocka_unit_test(a_privileged_port_needs_permission),
		cmocka_unit_test(source_port_0_is_dropped),
		cmocka_unit_test(scope_and_unroutable_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

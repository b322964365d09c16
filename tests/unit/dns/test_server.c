/* SPDX-License-Identifier: Apache-2.0 */
/* The whole server in a child process: started with a Corefile, told to stop. */
#include "dns/server.h"

#include "free_port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	char dir[64], corefile[96], manifest[96], pidfile[96];
	uint16_t port, http_port;
	pid_t child;
	int out; /* the child's standard output and error */
	char text[8192];
	size_t len;
};

static void file_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	world->port = free_port();
	do
		world->http_port = free_port();
	while (world->http_port == world->port);
	strcpy(world->dir, "/tmp/test_server.XXXXXX");
	if (!mkdtemp(world->dir))
		return -1;
	snprintf(world->corefile, sizeof world->corefile, "%s/Corefile", world->dir);
	snprintf(world->manifest, sizeof world->manifest, "%s/m.yaml", world->dir);
	snprintf(world->pidfile, sizeof world->pidfile, "%s/pid", world->dir);
	file_write(world->manifest,
		"{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, "
		"spec: {clusterIP: 10.96.0.1}}\n");
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	unlink(world->corefile);
	unlink(world->manifest);
	unlink(world->pidfile);
	rmdir(world->dir);
	close(world->out);
	free(world);
	return 0;
}

static void start(struct world *world, const char *extra)
{
	struct options options = {.conf = world->corefile,
		.conf_given = true,
		.port = world->port,
		.pidfile = world->pidfile};
	char text[512];
	int pipes[2];

	snprintf(text, sizeof text,
		". {\nbind 127.0.0.1\nerrors\n%s\nkubernetes cluster.local {\nmanifests %s\n}\n}\n",
		extra, world->manifest);
	file_write(world->corefile, text);
	assert_int_equal(pipe(pipes), 0);
	world->child = fork();
	assert_true(world->child >= 0);
	if (world->child == 0) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		close(pipes[0]);
		close(pipes[1]);
		alarm(60);
		_exit(server_run(&options));
	}
	close(pipes[1]);
	world->out = pipes[0];
}

/* Read what the child says until it says `word` or is silent for 20 s. */
static bool says(struct world *world, const char *word)
{
	struct pollfd wait = {.fd = world->out, .events = POLLIN};

	while (!strstr(world->text, word)) {
		ssize_t got;

		if (poll(&wait, 1, 20000) <= 0)
			return false;
		got = read(
			world->out, world->text + world->len, sizeof world->text - 1 - world->len);
		if (got <= 0)
			return strstr(world->text, word) != NULL;
		world->len += (size_t)got;
	}
	return true;
}

static int ends(struct world *world)
{
	int status = 0;

	assert_int_equal(waitpid(world->child, &status, 0), world->child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int ask_web(uint16_t port)
{
	static const uint8_t question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\3web\4shop\3svc\7cluster\5local"
					  "\0\0\1\0\1";
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 10};
	uint8_t reply[512];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	ssize_t got;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	connect(fd, (struct sockaddr *)&address, sizeof address);
	send(fd, question, sizeof question - 1, 0);
	got = recv(fd, reply, sizeof reply, 0);
	close(fd);
	return got > 12 ? (reply[3] & 15) << 8 | reply[7] : -1;
}

static void test_start_answer_stop(void **state)
{
	struct world *world = *state;

	start(world, "");
	assert_true(says(world, "Binnacle-"));
	assert_true(says(world, "services: the first list is complete"));
	assert_true(says(world, "endpointslices: the first list is complete"));
	assert_int_equal(ask_web(world->port), 0 << 8 | 1);
	assert_int_equal(access(world->pidfile, R_OK), 0);
	kill(world->child, SIGHUP);
	assert_true(says(world, "Reloading complete"));
	assert_int_equal(ask_web(world->port), 0 << 8 | 1);
	file_write(world->corefile, "oops {");
	kill(world->child, SIGUSR1);
	assert_true(says(world, "Restart failed: "));
	assert_int_equal(ask_web(world->port), 0 << 8 | 1);
	kill(world->child, SIGTERM);
	assert_int_equal(ends(world), 0);
	assert_int_not_equal(access(world->pidfile, R_OK), 0);
}

static void test_lameduck_answers_on(void **state)
{
	struct world *world = *state;
	char extra[64];

	snprintf(extra, sizeof extra, "health 127.0.0.1:%u {\nlameduck 30s\n}",
		(unsigned)world->http_port);
	start(world, extra);
	assert_true(says(world, "Binnacle-"));
	assert_true(says(world, "services: the first list is complete"));
	kill(world->child, SIGTERM);
	assert_true(says(world, "lameduck"));
	assert_true(ask_web(world->port) >= 0);
	kill(world->child, SIGTERM); /* the second one does not wait */
	assert_int_equal(ends(world), 0);
}

static void test_failures_at_start(void **state)
{
	struct world *world = *state;

	start(world, "dnssec example.org");
	assert_int_equal(ends(world), 1);
	assert_true(says(world, "Corefile:4:1"));
	assert_true(says(world, "'dnssec'"));
}

static void test_missing_manifest(void **state)
{
	struct world *world = *state;

	unlink(world->manifest);
	start(world, "");
	assert_int_equal(ends(world), 1);
	assert_true(says(world, "m.yaml"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_start_answer_stop),
		CASE(test_lameduck_answers_on),
		CASE(test_failures_at_start),
		CASE(test_missing_manifest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

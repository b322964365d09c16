/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_TESTS_PLUGIN_FORWARD_WORLD_H
#define BINNACLE_TESTS_PLUGIN_FORWARD_WORLD_H

/* A whole server with real threads, made from the body of a server block, and the upstreams
 * that it asks: sockets on loopback of which the test says what they reply, question by
 * question. UP0, UP1... in the body are their addresses. Probes (". NS") are answered while
 * the test waits for something, unless an upstream is mute.
 *
 *	world_open(&world, 2, "forward . UP0 UP1\n");
 *	world_ask(&world, "web.test", TYPE_A);
 *	up_hear(&world, 0, &asked);
 *	up_say(&world, &asked, SAY_ADDRESS, 7);
 *	assert_string_equal(world_hear(&world), "NOERROR 192.0.2.7 ttl 30");
 */

#include "dns/config.h"
#include "dns/host.h"
#include "dns/listen.h"
#include "dns/observe/log.h"
#include "dns/observe/metric.h"
#include "dns/wire/bytes.h"
#include "dns/wire/message.h"
#include "dns/wire/type.h"
#include "tests/unit/dns/free_port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define WORLD_WAIT_MS 10000
#define WORLD_UPS     4
#define WORLD_CONNS   8
#define WORLD_QUEUE   256

struct up_asked {
	unsigned up;
	int conn; /* -1: over UDP */
	struct sockaddr_in from;
	uint8_t data[512];
	size_t len, question_end;
	char name[NAME_TEXT_MAX];
	unsigned type;
	bool edns;
};

struct up {
	int udp, tcp, conns[WORLD_CONNS];
	uint16_t port;
	bool mute; /* to probes */
	unsigned probes;
	struct up_asked last_probe;
	struct up_asked queue[WORLD_QUEUE];
	unsigned count;
};

struct world {
	uv_loop_t loop;
	struct corefile *corefile;
	struct config *config;
	struct listen *listen;
	struct host *host;
	uint16_t port;
	int client;
	unsigned next_id;
	struct up up[WORLD_UPS];
	unsigned ups;
	uint8_t reply[65535];
	struct message message;
	char text[2048];
	char log[65536];
	int log_fds[2];
	size_t log_len;
};

/* ---- upstreams ---- */

static inline struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* The same port for both transports. */
static inline void up_open(struct up *up)
{
	struct sockaddr_in at;
	socklen_t len = sizeof at;
	int on = 1;

	memset(up, 0, sizeof *up);
	memset(up->conns, -1, sizeof up->conns);
	for (int tries = 0; tries < 100; tries++) {
		at = loopback(up->port);
		up->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(up->udp, (struct sockaddr *)&at, sizeof at), 0);
		getsockname(up->udp, (struct sockaddr *)&at, &len);
		up->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(up->tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (bind(up->tcp, (struct sockaddr *)&at, sizeof at) == 0 &&
			listen(up->tcp, 64) == 0) {
			up->port = ntohs(at.sin_port);
			return;
		}
		close(up->udp);
		close(up->tcp);
	}
	fail_msg("no port is free for both transports");
}

/* Nobody is there any more. */
static inline void up_shut(struct up *up)
{
	for (int i = 0; i < WORLD_CONNS; i++) {
		if (up->conns[i] >= 0)
			close(up->conns[i]);
		up->conns[i] = -1;
	}
	if (up->udp >= 0)
		close(up->udp);
	if (up->tcp >= 0)
		close(up->tcp);
	up->udp = up->tcp = -1;
}

/* And there again, at the same port. */
static inline void up_return(struct up *up)
{
	const struct sockaddr_in at = loopback(up->port);

	up->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(up->udp, (const struct sockaddr *)&at, sizeof at), 0);
}

enum say {
	SAY_ADDRESS, /* A 192.0.2.arg, TTL 30 */
	SAY_BRIEFLY, /* the same with TTL 1 */
	SAY_RCODE,   /* arg, and nothing else */
	SAY_NXDOMAIN,
	SAY_NODATA,
	SAY_LAME,
	SAY_GARBAGE, /* a right header and question, and half a record */
	SAY_CUT,
	SAY_WRONG_ID,
	SAY_WRONG_NAME
};

static inline size_t put_record(
	uint8_t *at, unsigned type, uint32_t ttl_s, const void *rdata, unsigned len)
{
	bytes_set_u16(at, 0xc00c);
	bytes_set_u16(at + 2, (uint16_t)type);
	bytes_set_u16(at + 4, CLASS_IN);
	bytes_set_u16(at + 6, (uint16_t)(ttl_s >> 16));
	bytes_set_u16(at + 8, (uint16_t)ttl_s);
	bytes_set_u16(at + 10, (uint16_t)len);
	memcpy(at + 12, rdata, len);
	return 12u + len;
}

static inline void up_say(
	struct world *world, const struct up_asked *asked, enum say say, unsigned arg)
{
	/* two names that are the question's, and five numbers, the last one 30 */
	static const uint8_t soa[24] = {
		0xc0, 12, 0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30};
	static const uint8_t ns[2] = {0xc0, 12};
	const uint8_t address[4] = {192, 0, 2, (uint8_t)arg};
	struct up *up = &world->up[asked->up];
	uint8_t frame[600], *data = frame + 2;
	size_t len = asked->question_end;

	memcpy(data, asked->data, len);
	data[2] = 0x81;
	data[3] = 0x80;
	memset(data + 6, 0, 6);
	switch (say) {
	case SAY_ADDRESS:
	case SAY_BRIEFLY:
	case SAY_WRONG_ID:
	case SAY_WRONG_NAME:
		data[7] = 1;
		len += put_record(
			data + len, TYPE_A, say == SAY_BRIEFLY ? 1 : 30, address, sizeof address);
		data[0] ^= say == SAY_WRONG_ID;
		data[13] ^= say == SAY_WRONG_NAME;
		break;
	case SAY_RCODE:
		data[3] |= (uint8_t)arg;
		break;
	case SAY_NXDOMAIN:
	case SAY_NODATA:
		data[3] |= say == SAY_NXDOMAIN ? RCODE_NXDOMAIN : 0;
		data[9] = 1;
		len += put_record(data + len, TYPE_SOA, 30, soa, sizeof soa);
		break;
	case SAY_LAME:
		data[9] = 1;
		len += put_record(data + len, TYPE_NS, 30, ns, sizeof ns);
		break;
	case SAY_GARBAGE:
		data[7] = 1;
		len += put_record(data + len, TYPE_A, 30, address, sizeof address) - 9;
		break;
	case SAY_CUT:
		data[2] |= 0x02;
		break;
	}
	bytes_set_u16(frame, (uint16_t)len);
	if (asked->conn >= 0)
		assert_true(send(asked->conn, frame, len + 2, MSG_NOSIGNAL) > 0);
	else
		sendto(up->udp, data, len, 0, (const struct sockaddr *)&asked->from,
			sizeof asked->from);
}

static inline void up_take(struct world *world, struct up_asked *asked)
{
	struct up *up = &world->up[asked->up];
	size_t at = DNS_HEADER_LEN;

	assert_true(asked->len >= DNS_HEADER_LEN + 5);
	while (asked->data[at])
		at += 1u + asked->data[at];
	name_to_text(asked->data + DNS_HEADER_LEN, asked->name, sizeof asked->name);
	asked->type = (unsigned)(asked->data[at + 1] << 8 | asked->data[at + 2]);
	asked->question_end = at + 5;
	asked->edns = asked->data[11] == 1;
	if (asked->type == TYPE_NS || asked->type == TYPE_HINFO) {
		up->probes++;
		up->last_probe = *asked;
		if (!up->mute)
			up_say(world, asked, SAY_RCODE, RCODE_NOERROR);
		return;
	}
	assert_true(up->count < WORLD_QUEUE);
	up->queue[up->count++] = *asked;
}

static inline bool conn_read(struct world *world, unsigned i, int conn)
{
	struct up_asked asked = {.up = i, .conn = conn};
	uint8_t frame[2];

	if (recv(conn, frame, 2, MSG_WAITALL) != 2)
		return false;
	asked.len = (size_t)(frame[0] << 8 | frame[1]);
	assert_true(asked.len <= sizeof asked.data);
	if (recv(conn, asked.data, asked.len, MSG_WAITALL) != (ssize_t)asked.len)
		return false;
	up_take(world, &asked);
	return true;
}

static inline void up_read(struct world *world, unsigned i)
{
	struct up *up = &world->up[i];
	struct up_asked asked = {.up = i, .conn = -1};
	socklen_t len = sizeof asked.from;
	ssize_t n;

	while (up->udp >= 0 && (n = recvfrom(up->udp, asked.data, sizeof asked.data, MSG_DONTWAIT,
					(struct sockaddr *)&asked.from, &len)) > 0) {
		asked.len = (size_t)n;
		up_take(world, &asked);
	}
	for (int c = 0; c < WORLD_CONNS; c++) {
		struct pollfd one = {
			.fd = up->conns[c] < 0 ? up->tcp : up->conns[c], .events = POLLIN};

		if (one.fd < 0 || poll(&one, 1, 0) != 1)
			continue;
		if (up->conns[c] < 0) {
			up->conns[c] = accept4(up->tcp, NULL, NULL, SOCK_CLOEXEC);
		} else if (!conn_read(world, i, up->conns[c])) {
			close(up->conns[c]);
			up->conns[c] = -1;
		}
	}
}

/* Wait for the client's socket (true) or any upstream's. */
static inline bool pump(struct world *world, int ms)
{
	struct pollfd fds[1 + WORLD_UPS * (2 + WORLD_CONNS)] = {
		{.fd = world->client, .events = POLLIN}};
	nfds_t n = 1;

	for (unsigned i = 0; i < world->ups; i++) {
		fds[n++] = (struct pollfd){.fd = world->up[i].udp, .events = POLLIN};
		fds[n++] = (struct pollfd){.fd = world->up[i].tcp, .events = POLLIN};
		for (int c = 0; c < WORLD_CONNS; c++)
			fds[n++] = (struct pollfd){.fd = world->up[i].conns[c], .events = POLLIN};
	}
	uv_run(&world->loop, UV_RUN_NOWAIT);
	poll(fds, n, ms);
	for (unsigned i = 0; i < world->ups; i++)
		up_read(world, i);
	return fds[0].revents & POLLIN;
}

static inline uint64_t clock_ms(void)
{
	return uv_hrtime() / 1000000u;
}

static inline void pump_for(struct world *world, unsigned ms)
{
	const uint64_t end_ms = clock_ms() + ms;

	while (clock_ms() < end_ms) {
		if (pump(world, 5))
			poll(NULL, 0, 1);
	}
}

/* The next question but probes. */
static inline void up_hear(struct world *world, unsigned i, struct up_asked *out)
{
	struct up *up = &world->up[i];
	const uint64_t end_ms = clock_ms() + WORLD_WAIT_MS;

	while (!up->count && clock_ms() < end_ms)
		pump(world, 5);
	assert_true(up->count > 0);
	*out = up->queue[0];
	memmove(up->queue, up->queue + 1, --up->count * sizeof *up->queue);
}

/* Whichever is asked first. */
static inline unsigned any_hear(struct world *world, struct up_asked *out)
{
	const uint64_t end_ms = clock_ms() + WORLD_WAIT_MS;

	while (clock_ms() < end_ms) {
		for (unsigned i = 0; i < world->ups; i++) {
			if (!world->up[i].count)
				continue;
			up_hear(world, i, out);
			return i;
		}
		pump(world, 5);
	}
	fail_msg("no upstream was asked");
	return 0;
}

static inline void up_probed(struct world *world, unsigned i, unsigned count)
{
	const uint64_t end_ms = clock_ms() + WORLD_WAIT_MS;

	while (world->up[i].probes < count && clock_ms() < end_ms)
		pump(world, 5);
	assert_true(world->up[i].probes >= count);
}

/* Nobody is asked for so long. */
static inline void ups_quiet(struct world *world, unsigned ms)
{
	pump_for(world, ms);
	for (unsigned i = 0; i < world->ups; i++)
		assert_int_equal(world->up[i].count, 0);
}

/* ---- the server ---- */

static inline void body_expand(const struct world *world, const char *body, char *out, size_t cap)
{
	size_t at = strlen(out);

	for (; *body; body++) {
		if (strncmp(body, "UP", 2) == 0 && body[2] >= '0' && body[2] <= '9') {
			at += (size_t)snprintf(out + at, cap - at, "127.0.0.1:%u",
				(unsigned)world->up[body[2] - '0'].port);
			body += 2;
			continue;
		}
		assert_true(at + 1 < cap);
		out[at++] = *body;
	}
	out[at] = 0;
}

/* The upstreams have been probed when it returns, but for mute ones. Those of ups that have
 * a port already stay. */
static inline void world_open_at(struct world *world, const char *body)
{
	char text[4096], err[COREFILE_ERROR_MAX] = "";
	int bytes = 1 << 20;

	world->port = free_port();
	snprintf(text, sizeof text, ".:%u {\nbind 127.0.0.1\n", (unsigned)world->port);
	body_expand(world, body, text, sizeof text - 3);
	strcat(text, "}\n");
	world->client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(world->client, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	assert_int_equal(pipe2(world->log_fds, O_NONBLOCK | O_CLOEXEC), 0);
	log_set_fd(world->log_fds[1]);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	if (corefile_parse(text, strlen(text), "F", &world->corefile, err) < 0 ||
		config_new(world->corefile, 53, &world->config, err) < 0 ||
		listen_open(world->config, 1, &world->listen, err) < 0)
		fail_msg("%s", err);
	assert_int_equal(host_new(&world->loop, &world->host), 0);
	host_set_worker(world->host, listen_worker(world->listen));
	if (config_start(world->config, host_plugin(world->host), err) < 0)
		fail_msg("%s", err);
	host_commit(world->host);
	listen_set_metrics(world->listen, host_plugin(world->host)->metrics);
	assert_int_equal(listen_run(world->listen), 0);
	for (unsigned i = 0; i < world->ups; i++) {
		if (!world->up[i].mute)
			up_probed(world, i, 1);
	}
	pump_for(world, 20); /* the answers to the probes are read by then */
}

/* The text is refused with a message that begins so. */
static inline void world_refused(const char *text, const char *start)
{
	struct corefile *corefile;
	struct config *config = NULL;
	char err[COREFILE_ERROR_MAX] = "";

	assert_int_equal(corefile_parse(text, strlen(text), "F", &corefile, err), 0);
	assert_true(config_new(corefile, 53, &config, err) < 0);
	if (strncmp(err, start, strlen(start)) != 0)
		fail_msg("'%s' does not begin with '%s'", err, start);
	corefile_free(corefile);
}

static inline struct world *world_new(unsigned ups)
{
	struct world *world = calloc(1, sizeof *world);

	world->ups = ups;
	for (unsigned i = 0; i < ups; i++)
		up_open(&world->up[i]);
	return world;
}

static inline struct world *world_open(unsigned ups, const char *body)
{
	struct world *world = world_new(ups);

	world_open_at(world, body);
	return world;
}

static inline void world_stopped(void *user)
{
	(void)user;
}

static inline void world_close(struct world *world)
{
	listen_stop(world->listen);
	config_stop(world->config, true, world_stopped, NULL);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	listen_free(world->listen);
	config_free(world->config);
	host_free(world->host);
	corefile_free(world->corefile);
	log_set_fd(1);
	close(world->log_fds[0]);
	close(world->log_fds[1]);
	close(world->client);
	for (unsigned i = 0; i < world->ups; i++)
		up_shut(&world->up[i]);
	free(world);
}

/* All that was logged so far. */
static inline const char *world_log(struct world *world)
{
	ssize_t n;

	while ((n = read(world->log_fds[0], world->log + world->log_len,
			sizeof world->log - 1 - world->log_len)) > 0)
		world->log_len += (size_t)n;
	world->log[world->log_len] = 0;
	return world->log;
}

static inline void world_logs(struct world *world, const char *words)
{
	const uint64_t end_ms = clock_ms() + WORLD_WAIT_MS;

	while (!strstr(world_log(world), words) && clock_ms() < end_ms)
		pump(world, 5);
	if (!strstr(world->log, words))
		fail_msg("'%s' is not in the log: %s", words, world->log);
}

/* ---- clients ---- */

#define ASK_DO 1
#define ASK_CD 2

static inline void world_ask_from(
	struct world *world, int fd, const char *name_text, unsigned type, unsigned how)
{
	static const uint8_t opt[11] = {0, 0, TYPE_OPT, 4, 0xd0, 0, 0, 0x80, 0, 0, 0};
	const struct sockaddr_in to = loopback(world->port);
	uint8_t packet[512] = {0, 0, 1, how & ASK_CD ? DNS_FLAG_CD : 0, 0, 1};
	struct name name;
	size_t len = DNS_HEADER_LEN;

	assert_int_equal(name_from_text(name_text, strlen(name_text), &name), 0);
	bytes_set_u16(packet, (uint16_t)++world->next_id);
	memcpy(packet + len, name.wire, name.len);
	len += name.len;
	bytes_set_u16(packet + len, (uint16_t)type);
	bytes_set_u16(packet + len + 2, CLASS_IN);
	len += 4;
	if (how & ASK_DO) {
		packet[11] = 1;
		memcpy(packet + len, opt, sizeof opt);
		len += sizeof opt;
	}
	assert_int_equal(sendto(fd, packet, len, 0, (const struct sockaddr *)&to, sizeof to), len);
}

static inline void world_ask(struct world *world, const char *name, unsigned type)
{
	world_ask_from(world, world->client, name, type, 0);
}

/* "NOERROR 192.0.2.7 ttl 30", "SERVFAIL" */
static inline const char *reply_text(struct world *world, size_t len)
{
	struct message_walk walk;
	struct record record;
	char rcode[TYPE_TEXT_MAX];
	size_t at;

	assert_true(message_open(world->reply, len, &world->message));
	at = (size_t)snprintf(
		world->text, sizeof world->text, "%s", rcode_to_text(world->message.rcode, rcode));
	message_walk(&world->message, &walk);
	while (message_next(&walk, &record)) {
		const uint8_t *rdata = world->reply + record.rdata;

		if (record.section != REPLY_ANSWER || record.type != TYPE_A)
			continue;
		at += (size_t)snprintf(world->text + at, sizeof world->text - at,
			" %u.%u.%u.%u ttl %u", rdata[0], rdata[1], rdata[2], rdata[3],
			(unsigned)record.ttl_s);
	}
	assert_false(walk.bad);
	return world->text;
}

static inline const char *world_hear(struct world *world)
{
	const uint64_t end_ms = clock_ms() + WORLD_WAIT_MS;
	ssize_t n;

	while (!pump(world, 5) && clock_ms() < end_ms)
		;
	n = recv(world->client, world->reply, sizeof world->reply, MSG_DONTWAIT);
	assert_true(n > 0);
	return reply_text(world, (size_t)n);
}

/* No reply for so long. */
static inline void world_silent(struct world *world, unsigned ms)
{
	const uint64_t end_ms = clock_ms() + ms;

	while (clock_ms() < end_ms)
		assert_false(pump(world, 5));
}

/* Ask, and have the first upstream that is asked say it. */
static inline const char *world_answer(
	struct world *world, const char *name, enum say say, unsigned arg)
{
	struct up_asked asked;

	world_ask(world, name, TYPE_A);
	any_hear(world, &asked);
	up_say(world, &asked, say, arg);
	return world_hear(world);
}

#endif

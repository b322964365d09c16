/* SPDX-License-Identifier: Apache-2.0 */
/* The server is a socket of the test, which says what it likes; loop and server take
 * turns on one thread. */
#include "dns/net/exchange.h"

#include "net_test.h"

#include <dirent.h>

/* example.org. A, its ID 0 until it is asked. */
static const uint8_t question[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7, 'e', 'x', 'a', 'm', 'p',
	'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0, 1};
#define TYPE_AT (sizeof question - 3)

struct world {
	uv_loop_t loop;
	struct exchange_io io;
	struct ports *ports;
	union address server;
	int fd; /* the server's */
	unsigned done;
	enum exchange_end end;
	int rc;
	uint8_t reply[512];
	size_t len;
	struct exchange *exchange;
	bool again; /* ask once more as soon as there is an end */
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);

	assert_int_equal(uv_loop_init(&world->loop), 0);
	exchange_io_init(&world->io, &world->loop);
	world->server = address_v4("127.0.0.1", 0);
	world->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(world->fd, &world->server.sa, sizeof world->server.v4), 0);
	assert_int_equal(socket_local(world->fd, &world->server), 0);
	assert_int_equal(ports_new(&world->loop, &world->server.sa, NULL, &world->ports), 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	ports_close(world->ports);
	uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	if (world->fd >= 0)
		close(world->fd);
	free(world);
	return 0;
}

static void ask(struct world *world);

static void on_done(void *user, enum exchange_end end, int rc, const uint8_t *reply, size_t len)
{
	struct world *world = user;

	world->done++;
	world->end = end;
	world->rc = rc;
	assert_in_range(len, 0, sizeof world->reply);
	memcpy(world->reply, reply, len);
	world->len = len;
	world->exchange = NULL;
	if (world->again) {
		world->again = false;
		ask(world);
		/* what came stays as it is until done() returns */
		assert_memory_equal(world->reply, reply, len);
	}
}

static void ask(struct world *world)
{
	assert_int_equal(exchange_start(&world->io, world->ports, question, sizeof question,
				 on_done, world, &world->exchange),
		0);
}

/* What is asked from now on. */
static void ask_from(struct world *world, const union address *server, const union address *source)
{
	ports_close(world->ports);
	assert_int_equal(
		ports_new(&world->loop, &server->sa, source ? &source->sa : NULL, &world->ports),
		0);
}

static size_t hear(struct world *world, uint8_t *data, size_t cap, union address *from)
{
	socklen_t from_len = sizeof *from;
	ssize_t n;

	fd_wait(world->fd, POLLIN);
	n = recvfrom(world->fd, data, cap, 0, &from->sa, &from_len);
	assert_true(n > 0);
	return (size_t)n;
}

static void say(struct world *world, const union address *to, const uint8_t *data, size_t len)
{
	assert_int_equal(sendto(world->fd, data, len, 0, &to->sa, address_size(to)), len);
}

/* Until so many have ended. */
static void run_until(struct world *world, unsigned done)
{
	for (int i = 0; i < WAIT_MS && world->done < done; i++) {
		uv_run(&world->loop, UV_RUN_NOWAIT);
		if (world->done < done)
			poll(NULL, 0, 1);
	}
	assert_int_equal(world->done, done);
}

/* What is on its way over loopback has come by then; nothing has ended. */
static void run_quietly(struct world *world)
{
	const unsigned done = world->done;

	for (int i = 0; i < 20; i++)
		uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_int_equal(world->done, done);
}

/* Ask, and make of the question the right reply. */
static size_t ask_and_hear(struct world *world, uint8_t *data, size_t cap, union address *from)
{
	size_t len;

	ask(world);
	len = hear(world, data, cap, from);
	assert_int_equal(len, sizeof question);
	data[2] |= 0x80;
	return len;
}

static void the_reply(void **state)
{
	struct world *world = *state;
	uint8_t data[64];
	union address from;
	size_t len;

	ask(world);
	len = hear(world, data, sizeof data, &from);
	assert_int_equal(len, sizeof question);
	assert_memory_equal(data + 2, question + 2, len - 2);
	data[2] |= 0x80;
	data[13] = 'E'; /* letters are the server's affair */
	data[len++] = 0xff;
	say(world, &from, data, len);
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_REPLY);
	assert_int_equal(world->len, len);
	assert_memory_equal(world->reply, data, len);
	assert_int_equal(world->io.wrong, 0);
}

/* The end is the moment at which the next one is asked. */
static void another_question_from_within_the_end(void **state)
{
	struct world *world = *state;
	uint8_t data[64];
	union address from;
	size_t len = ask_and_hear(world, data, sizeof data, &from);

	world->again = true;
	say(world, &from, data, len);
	run_until(world, 1);
	len = hear(world, data, sizeof data, &from);
	data[2] |= 0x80;
	say(world, &from, data, len);
	run_until(world, 2);
	assert_int_equal(world->end, EXCHANGE_REPLY);
}

/* One wrong reply of every kind is thrown away, and the right one counts behind it. */
static void one_wrong_reply_is_thrown_away(void **state)
{
	static const struct {
		size_t at;
		uint8_t flip;
	} wrong[] = {{0, 1}, {1, 1}, {2, 0x80}, {2, 0x08}, {13, 1}, {TYPE_AT, 1}, {TYPE_AT - 1, 1},
		{TYPE_AT + 2, 2}, {TYPE_AT + 1, 1}, {5, 1}, {12, 1}, {12, 0xc0}};
	struct world *world = *state;
	uint8_t data[64];
	union address from;

	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const size_t len = ask_and_hear(world, data, sizeof data, &from);

		data[wrong[i].at] ^= wrong[i].flip;
		say(world, &from, data, len);
		run_quietly(world);
		assert_int_equal(world->io.wrong, i + 1);
		data[wrong[i].at] ^= wrong[i].flip;
		say(world, &from, data, len);
		run_until(world, i + 1);
		assert_int_equal(world->end, EXCHANGE_REPLY);
	}
}

static void cut_replies_and_garbage(void **state)
{
	struct world *world = *state;
	uint8_t data[64], garbage[64];
	union address from;

	for (size_t cut = 0; cut < sizeof question; cut++) {
		const size_t len = ask_and_hear(world, data, sizeof data, &from);

		say(world, &from, data, cut);
		run_quietly(world);
		say(world, &from, data, len);
		run_until(world, (unsigned)cut + 1);
		assert_int_equal(world->end, EXCHANGE_REPLY);
	}
	memset(garbage, 0xa5, sizeof garbage);
	ask_and_hear(world, data, sizeof data, &from);
	say(world, &from, garbage, sizeof garbage);
	say(world, &from, garbage, 1);
	run_until(world, (unsigned)sizeof question + 1);
	assert_int_equal(world->end, EXCHANGE_FORGED);
}

/* A longer name that begins as ours does, and a compressed one. */
static void another_name_with_the_same_beginning(void **state)
{
	static const uint8_t longer[] = {7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 3,
		'n', 'e', 't', 0, 0, 1, 0, 1};
	static const uint8_t pointer[] = {0xc0, 12, 0, 1, 0, 1};
	struct world *world = *state;
	uint8_t data[64];
	union address from;

	ask_and_hear(world, data, sizeof data, &from);
	memcpy(data + HEADER, longer, sizeof longer);
	say(world, &from, data, HEADER + sizeof longer);
	run_quietly(world);
	memcpy(data + HEADER, pointer, sizeof pointer);
	say(world, &from, data, HEADER + sizeof pointer);
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_FORGED);
	assert_int_equal(world->io.wrong, 2);
}

static void forged_after_two(void **state)
{
	struct world *world = *state;
	uint8_t data[64];
	union address from;
	const size_t len = ask_and_hear(world, data, sizeof data, &from);

	data[0] ^= 1;
	say(world, &from, data, len);
	run_quietly(world);
	say(world, &from, data, len);
	data[0] ^= 1;
	say(world, &from, data, len); /* too late */
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_FORGED);
	assert_int_equal(world->io.wrong, EXCHANGE_WRONG_MAX);
}

/* The right bytes from elsewhere are not even seen. */
static void another_sender_is_not_heard(void **state)
{
	struct world *world = *state;
	union address from, other = address_v4("127.0.0.2", 0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t data[64];
	const size_t len = ask_and_hear(world, data, sizeof data, &from);

	assert_int_equal(bind(fd, &other.sa, sizeof other.v4), 0);
	assert_int_equal(sendto(fd, data, len, 0, &from.sa, sizeof from.v4), len);
	run_quietly(world);
	assert_int_equal(world->io.wrong, 0);
	say(world, &from, data, len);
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_REPLY);
	close(fd);
}

static void nobody_there(void **state)
{
	struct world *world = *state;

	close(world->fd);
	world->fd = -1;
	ask(world);
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_FAILED);
	assert_int_equal(world->rc, -ECONNREFUSED);
}

/* It went between the question and the second try, and the third one took the error. */
static void resend_forgets_no_error(void **state)
{
	struct world *world = *state;
	union address from;
	uint8_t data[64];

	ask(world);
	hear(world, data, sizeof data, &from);
	close(world->fd);
	world->fd = -1;
	exchange_resend(world->exchange);
	exchange_resend(world->exchange);
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_FAILED);
	assert_int_equal(world->rc, -ECONNREFUSED);
}

static void what_cannot_be_asked(void **state)
{
	struct world *world = *state;
	union address away = address_v4("255.255.255.255", 53), source = address_v4("192.0.2.1", 0);
	struct exchange *exchange = NULL;
	static uint8_t huge[70000];

	/* broadcast is not allowed to a socket that has not asked for it */
	ask_from(world, &away, NULL);
	assert_int_equal(exchange_start(&world->io, world->ports, question, sizeof question,
				 on_done, world, &exchange),
		-EACCES);
	ask_from(world, &world->server, &source);
	assert_int_equal(exchange_start(&world->io, world->ports, question, sizeof question,
				 on_done, world, &exchange),
		-EADDRNOTAVAIL);
	ask_from(world, &world->server, NULL);
	assert_int_equal(exchange_start(&world->io, world->ports, huge, sizeof huge, on_done, world,
				 &exchange),
		-EMSGSIZE);
	assert_null(exchange);
	assert_int_equal(world->done, 0);
}

static void a_source_address(void **state)
{
	struct world *world = *state;
	union address from, source = address_v4("127.0.0.3", 0);
	uint8_t data[64];
	size_t len;

	ask_from(world, &world->server, &source);
	ask(world);
	len = hear(world, data, sizeof data, &from);
	assert_int_equal(from.v4.sin_addr.s_addr, source.v4.sin_addr.s_addr);
	data[2] |= 0x80;
	say(world, &from, data, len);
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_REPLY);
}

static void resent_with_the_same_id_and_port(void **state)
{
	struct world *world = *state;
	uint8_t first[64], second[64];
	union address from, again;
	size_t len;

	ask(world);
	len = hear(world, first, sizeof first, &from);
	exchange_resend(world->exchange);
	assert_int_equal(hear(world, second, sizeof second, &again), len);
	assert_memory_equal(first, second, len);
	assert_int_equal(from.v4.sin_port, again.v4.sin_port);
	first[2] |= 0x80;
	say(world, &from, first, len);
	say(world, &from, first, len); /* the second one has nobody to hear it */
	run_until(world, 1);
	run_quietly(world);
	assert_int_equal(world->io.wrong, 0);
}

static void cancelled_it_says_nothing(void **state)
{
	struct world *world = *state;
	uint8_t data[64];
	union address from;
	const size_t len = ask_and_hear(world, data, sizeof data, &from);

	say(world, &from, data, len); /* it lies in the socket already */
	exchange_cancel(world->exchange);
	run_quietly(world);
	ask(world);
	exchange_cancel(world->exchange);
	run_quietly(world);
	assert_int_equal(world->done, 0);
}

#define MANY 1000

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static unsigned distinct(uint16_t *values, unsigned count)
{
	unsigned found = 1;

	qsort(values, count, sizeof *values, compare);
	for (unsigned i = 1; i < count; i++)
		found += values[i] != values[i - 1];
	return found;
}

/* RFC 5452: 1,000 draws of 65,536 meet about 7.6 times; 60 would be a wonder. */
static void ids_and_ports_are_not_foreseen(void **state)
{
	struct world *world = *state;
	static uint16_t ids[MANY], ports[MANY];
	unsigned ones[16] = {0}, steps = 0;

	for (unsigned i = 0; i < MANY; i++) {
		uint8_t data[64];
		union address from;

		ask(world);
		hear(world, data, sizeof data, &from);
		exchange_cancel(world->exchange);
		uv_run(&world->loop, UV_RUN_NOWAIT);
		ids[i] = (uint16_t)(data[0] << 8 | data[1]);
		ports[i] = ntohs(from.v4.sin_port);
		steps += i && (uint16_t)(ids[i] - ids[i - 1]) == 1;
		steps += i && (uint16_t)(ports[i] - ports[i - 1]) <= 2;
		for (unsigned bit = 0; bit < 16; bit++)
			ones[bit] += ids[i] >> bit & 1;
	}
	for (unsigned bit = 0; bit < 16; bit++)
		assert_in_range(ones[bit], 400, 600); /* six deviations */
	assert_true(steps < 10);
	assert_true(distinct(ids, MANY) > MANY - 60);
	assert_true(distinct(ports, MANY) > MANY - 120);
}

/* With all of them under way at once no two share a port. */
static void a_hundred_at_once(void **state)
{
	struct world *world = *state;
	union address from[100];
	uint8_t data[100][64];
	uint16_t ports[100];

	for (unsigned i = 0; i < 100; i++)
		ask(world);
	for (unsigned i = 0; i < 100; i++) {
		hear(world, data[i], sizeof data[i], &from[i]);
		ports[i] = from[i].v4.sin_port;
	}
	assert_int_equal(distinct(ports, 100), 100);
	for (unsigned i = 100; i-- > 0;) {
		data[i][2] |= 0x80;
		say(world, &from[i], data[i], sizeof question);
	}
	run_until(world, 100);
	assert_int_equal(world->io.wrong, 0);
}

/* ---- ports that are used again ---- */

#define ENOUGH (PORT_IDLE_LEAST + 1) /* so many idle ones, and one of them is taken */

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

/* ENOUGH under way at once; before says what is to happen before the replies. */
static void ask_enough(struct world *world, union address *from,
	void (*before)(struct world *world, struct exchange *exchange, const union address *from))
{
	static uint8_t data[ENOUGH][64];
	struct exchange *exchanges[ENOUGH];
	union address again;
	const unsigned done = world->done;

	for (unsigned i = 0; i < ENOUGH; i++) {
		ask(world);
		exchanges[i] = world->exchange;
		hear(world, data[i], sizeof data[i], &from[i]);
	}
	for (unsigned i = 0; i < ENOUGH && before; i++)
		before(world, exchanges[i], &from[i]);
	while (poll(&(struct pollfd){.fd = world->fd, .events = POLLIN}, 1, 0) == 1)
		hear(world, (uint8_t[64]){0}, 64, &again);
	for (unsigned i = 0; i < ENOUGH; i++) {
		data[i][2] |= 0x80;
		say(world, &from[i], data[i], sizeof question);
	}
	run_until(world, done + ENOUGH);
	assert_int_equal(world->end, EXCHANGE_REPLY);
}

static bool is_one_of(const union address *from, const union address *many)
{
	for (unsigned i = 0; i < ENOUGH; i++) {
		if (many[i].v4.sin_port == from->v4.sin_port)
			return true;
	}
	return false;
}

static void answered_it_leaves_its_port_to_others(void **state)
{
	struct world *world = *state;
	const unsigned open = descriptors();
	union address first[ENOUGH], from;
	struct exchange *exchange;
	uint8_t data[64];
	uint16_t id;

	ask_enough(world, first, NULL);
	assert_int_equal(descriptors(), open + ENOUGH);
	ask(world);
	exchange = world->exchange;
	hear(world, data, sizeof data, &from);
	assert_true(is_one_of(&from, first));
	id = (uint16_t)(data[0] << 8 | data[1]);
	/* Too few are idle for one more. */
	ask(world);
	hear(world, data, sizeof data, &from);
	assert_false(is_one_of(&from, first));
	assert_int_not_equal(id, data[0] << 8 | data[1]);
	assert_int_equal(descriptors(), open + ENOUGH + 1);
	exchange_cancel(exchange);
	exchange_cancel(world->exchange);
	assert_int_equal(descriptors(), open + ENOUGH - 1);
}

/* The port just given back may be the next one's, in the same breath. */
static void another_question_from_the_same_port(void **state)
{
	struct world *world = *state;
	union address first[ENOUGH], from;
	uint8_t data[64];
	size_t len;

	ask_enough(world, first, NULL);
	for (unsigned i = 0; i < 300; i++) {
		if (i == 0)
			ask(world);
		len = hear(world, data, sizeof data, &from);
		data[2] |= 0x80;
		world->again = true;
		say(world, &from, data, len);
		run_until(world, ENOUGH + i + 1);
		assert_int_equal(world->end, EXCHANGE_REPLY);
	}
	exchange_cancel(world->exchange);
	assert_int_equal(world->io.wrong, 0);
}

static void resend(struct world *world, struct exchange *exchange, const union address *from)
{
	(void)world;
	(void)from;
	exchange_resend(exchange);
}

/* The second reply may come yet. */
static void sent_twice_it_leaves_no_port(void **state)
{
	struct world *world = *state;
	const unsigned open = descriptors();
	union address first[ENOUGH];

	ask_enough(world, first, resend);
	assert_int_equal(descriptors(), open);
}

static void forge(struct world *world, struct exchange *exchange, const union address *from)
{
	(void)exchange;
	say(world, from, question, sizeof question);
}

/* Somebody has found the port. */
static void replied_to_wrongly_it_leaves_no_port(void **state)
{
	struct world *world = *state;
	const unsigned open = descriptors();
	union address first[ENOUGH];

	ask_enough(world, first, forge);
	assert_int_equal(world->io.wrong, ENOUGH);
	assert_int_equal(descriptors(), open);
}

static void cancelled_it_leaves_no_port(void **state)
{
	struct world *world = *state;
	const unsigned open = descriptors();

	ask(world);
	exchange_cancel(world->exchange);
	assert_int_equal(descriptors(), open);
}

/* The descriptor of this process that is bound there. */
static int descriptor_of(const union address *address)
{
	for (int fd = 3; fd < 1024; fd++) {
		union address local;

		if (socket_local(fd, &local) == 0 && local.sa.sa_family == AF_INET &&
			local.v4.sin_port == address->v4.sin_port)
			return fd;
	}
	return -1;
}

/* The server was away for a moment, and all idle ports know it from an ICMP message. */
static void an_idle_port_with_an_error_is_not_used(void **state)
{
	struct world *world = *state;
	union address first[ENOUGH], from;
	uint8_t data[64];
	size_t len;

	ask_enough(world, first, NULL);
	close(world->fd);
	for (unsigned i = 0; i < ENOUGH; i++)
		assert_int_equal(send(descriptor_of(&first[i]), "x", 1, 0), 1);
	world->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(world->fd, &world->server.sa, sizeof world->server.v4), 0);
	ask(world);
	len = hear(world, data, sizeof data, &from);
	assert_int_equal(len, sizeof question);
	assert_false(is_one_of(&from, first));
	data[2] |= 0x80;
	say(world, &from, data, len);
	run_until(world, ENOUGH + 1);
	assert_int_equal(world->end, EXCHANGE_REPLY);
}

/* What was asked before is answered all the same. */
static void the_ports_are_closed_meanwhile(void **state)
{
	struct world *world = *state;
	uint8_t data[64];
	union address from;
	const unsigned open = descriptors();
	const size_t len = ask_and_hear(world, data, sizeof data, &from);

	ask_from(world, &world->server, NULL);
	uv_run(&world->loop, UV_RUN_NOWAIT);
	say(world, &from, data, len);
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_REPLY);
	assert_int_equal(descriptors(), open);
}

static void over_ipv6(void **state)
{
	struct world *world = *state;
	uint8_t data[64];
	union address from;
	size_t len;

	if (!host_has_v6())
		skip();
	close(world->fd);
	world->server = address_v6("::1", 0);
	world->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(world->fd, &world->server.sa, sizeof world->server.v6), 0);
	assert_int_equal(socket_local(world->fd, &world->server), 0);
	ask_from(world, &world->server, NULL);
	len = ask_and_hear(world, data, sizeof data, &from);
	say(world, &from, data, len);
	run_until(world, 1);
	assert_int_equal(world->end, EXCHANGE_REPLY);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_reply),
		CASE(another_question_from_within_the_end),
		CASE(one_wrong_reply_is_thrown_away),
		CASE(cut_replies_and_garbage),
		CASE(another_name_with_the_same_beginning),
		CASE(forged_after_two),
		CASE(another_sender_is_not_heard),
		CASE(nobody_there),
		CASE(resend_forgets_no_error),
		CASE(what_cannot_be_asked),
		CASE(a_source_address),
		CASE(resent_with_the_same_id_and_port),
		CASE(cancelled_it_says_nothing),
		CASE(ids_and_ports_are_not_foreseen),
		CASE(a_hundred_at_once),
		CASE(answered_it_leaves_its_port_to_others),
		CASE(another_question_from_the_same_port),
		CASE(sent_twice_it_leaves_no_port),
		CASE(replied_to_wrongly_it_leaves_no_port),
		CASE(cancelled_it_leaves_no_port),
		CASE(an_idle_port_with_an_error_is_not_used),
		CASE(the_ports_are_closed_meanwhile),
		CASE(over_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

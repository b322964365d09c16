/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFY to sockets of the test's own, on a real loop with short times. */
#include "site.h"

#include "dns/plugin/transfer.h"
#include "source.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <uv.h>

static uv_loop_t loop;
static struct source source;
static struct notify *notify;
static struct captured_log captured;
static int fds[2];
static bool closed, due;
static uv_timer_t timer;

static int secondary(struct sockaddr_storage *address, bool v6)
{
	struct sockaddr_in v4_any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 v6_any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof *address;

	if (v6 && bind(fd, (struct sockaddr *)&v6_any, sizeof v6_any) < 0) {
		close(fd);
		return secondary(address, false);
	}
	if (!v6)
		assert_int_equal(bind(fd, (struct sockaddr *)&v4_any, sizeof v4_any), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

static void start(unsigned first_ms, unsigned interval_ms)
{
	const struct notify_timing timing = {first_ms, interval_ms};
	struct notify_target targets[2] = {0};

	for (unsigned i = 0; i < 2; i++) {
		fds[i] = secondary(&targets[i].address, i == 1);
		targets[i].origin = (struct transfer_origin){&source_transfer, &source, i};
		targets[i].apex = source.zones[i];
	}
	assert_int_equal(notify_open(&loop, &timing, targets, 2, &notify), 0);
}

static int setup(void **state)
{
	(void)state;
	source_init(&source);
	uv_loop_init(&loop);
	uv_timer_init(&loop, &timer);
	captured_open(&captured);
	closed = false;
	return 0;
}

static void on_closed(void *user)
{
	(void)user;
	closed = true;
}

static int teardown(void **state)
{
	(void)state;
	notify_close(notify, on_closed, NULL);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(closed);
	notify_free(notify);
	assert_int_equal(uv_loop_close(&loop), 0);
	captured_close(&captured);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static void on_timer(uv_timer_t *handle)
{
	(void)handle;
	due = true;
}

static void run_for(unsigned ms)
{
	due = false;
	uv_timer_start(&timer, on_timer, ms, 0);
	while (!due)
		uv_run(&loop, UV_RUN_ONCE);
}

struct heard {
	uint8_t packet[600];
	size_t len;
	struct sockaddr_storage from;
	socklen_t from_len;
};

/* What has come to a secondary. */
static bool take(unsigned i, struct heard *out)
{
	ssize_t n;

	out->from_len = sizeof out->from;
	n = recvfrom(fds[i], out->packet, sizeof out->packet, 0, (struct sockaddr *)&out->from,
		&out->from_len);
	out->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* The next NOTIFY, for which the loop runs; its serial. */
static uint32_t hear(unsigned i, struct heard *out)
{
	for (unsigned turns = 0; !take(i, out) && turns < 5000; turns++)
		run_for(2);
	assert_true(out->len > 22);
	return bytes_u32(out->packet + out->len - 20);
}

static void answer(unsigned i, const struct heard *heard, unsigned flags)
{
	uint8_t packet[600];

	memcpy(packet, heard->packet, heard->len);
	bytes_set_u16(packet + 2, (uint16_t)flags);
	bytes_set_u16(packet + 6, 0);
	sendto(fds[i], packet, heard->len - 34, 0, (const struct sockaddr *)&heard->from,
		heard->from_len);
	run_for(5);
}

#define ANSWER 0xa400u

static void test_message(void **state)
{
	struct heard heard;
	ldns_pkt *pkt;
	const ldns_rr *rr;
	char *text;

	(void)state;
	start(10000, 10000);
	hear(0, &heard);
	assert_int_equal(ldns_wire2pkt(&pkt, heard.packet, heard.len), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_get_opcode(pkt), LDNS_PACKET_NOTIFY);
	assert_false(ldns_pkt_qr(pkt));
	assert_true(ldns_pkt_aa(pkt));
	assert_int_equal(ldns_pkt_qdcount(pkt), 1);
	assert_int_equal(ldns_pkt_ancount(pkt), 1);
	assert_int_equal(ldns_pkt_nscount(pkt) + ldns_pkt_arcount(pkt), 0);
	rr = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	assert_int_equal(ldns_rr_get_type(rr), LDNS_RR_TYPE_SOA);
	text = ldns_rdf2str(ldns_rr_owner(rr));
	assert_string_equal(text, "one.");
	free(text);
	rr = ldns_rr_list_rr(ldns_pkt_answer(pkt), 0);
	assert_int_equal(ldns_rdf2native_int32(ldns_rr_rdf(rr, 2)), 100);
	ldns_pkt_free(pkt);
	assert_int_equal(hear(1, &heard), 100);
	assert_memory_equal(heard.packet + 12, "\3two", 5);
}

static void test_until_answered(void **state)
{
	struct heard first, next;

	(void)state;
	start(20, 20);
	hear(0, &first);
	hear(0, &next);
	assert_memory_equal(first.packet, next.packet, first.len);
	/* what is no answer to it */
	answer(0, &first, 0x2400);
	first.packet[0] ^= 1;
	answer(0, &first, ANSWER);
	first.packet[0] ^= 1;
	answer(0, &first, 0x8400);
	answer(1, &first, ANSWER);
	assert_int_equal(hear(0, &next), 100);
	answer(0, &next, ANSWER);
	/* what was on its way when the answer came */
	while (take(0, &next))
		continue;
	run_for(300);
	assert_false(take(0, &next));
	/* the other one says nothing: five in all */
	for (unsigned i = 0; i < 5; i++)
		assert_true(take(1, &next));
	assert_false(take(1, &next));
	run_for(400);
	assert_non_null(
		strstr(captured_read(&captured), "does not answer to NOTIFY for zone two."));
	/* it is told of the next change, and complained about no more */
	source.serial = 101;
	notify_changed(notify);
	assert_int_equal(hear(1, &next), 101);
	assert_int_equal(hear(0, &next), 101);
	answer(0, &next, ANSWER);
	run_for(700);
	assert_string_equal(captured_read(&captured), "");
}

static void test_bursts(void **state)
{
	struct heard heard;
	unsigned count = 0;
	uint32_t serial = 0;
	uint64_t start_ms;

	(void)state;
	start(10000, 100);
	hear(0, &heard);
	answer(0, &heard, ANSWER);
	start_ms = uv_now(&loop);
	while (uv_now(&loop) < start_ms + 350) {
		source.serial++;
		notify_changed(notify);
		run_for(2);
		while (take(0, &heard)) {
			serial = bytes_u32(heard.packet + heard.len - 20);
			answer(0, &heard, ANSWER);
			count++;
		}
	}
	assert_in_range(count, 1, 5);
	/* and the last one is told, too */
	run_for(150);
	while (take(0, &heard))
		serial = bytes_u32(heard.packet + heard.len - 20);
	assert_int_equal(serial, source.serial);
	/* nothing new, nothing to tell */
	notify_changed(notify);
	run_for(150);
	assert_false(take(0, &heard));
}

static void test_waits_for_complete_data(void **state)
{
	struct heard heard;

	(void)state;
	source.complete = false;
	start(20, 20);
	run_for(50);
	assert_false(take(0, &heard));
	source.complete = true;
	notify_changed(notify);
	assert_int_equal(hear(0, &heard), 100);
}

static void test_refused(void **state)
{
	struct heard heard;

	(void)state;
	start(10000, 20);
	hear(0, &heard);
	answer(0, &heard, ANSWER | RCODE_NOTAUTH);
	assert_non_null(
		strstr(captured_read(&captured), "answers NOTAUTH to NOTIFY for zone one."));
}

static void test_nobody(void **state)
{
	const struct notify_timing timing = {0, 0};

	(void)state;
	fds[0] = fds[1] = -1;
	assert_int_equal(notify_open(&loop, &timing, NULL, 0, &notify), 0);
	notify_changed(notify);
	assert_int_equal(uv_run(&loop, UV_RUN_NOWAIT), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_message),
		CASE(test_until_answered),
		CASE(test_bursts),
		CASE(test_waits_for_complete_data),
		CASE(test_refused),
		CASE(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

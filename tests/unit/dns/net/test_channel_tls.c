/* SPDX-License-Identifier: Apache-2.0 */
#include "channel_test.h"
#include "tls_test.h"

/* The channel over TLS: what test_channel.c tests of channels is not repeated. */

struct secure {
	struct certificates certificates;
	struct fixture *f;
	struct tls_client *client;
	SSL_CTX *context;
};

static int setup_all(void **state)
{
	struct secure *secure = calloc(1, sizeof *secure);

	assert_non_null(secure);
	certificates_make(&secure->certificates);
	*state = secure;
	return 0;
}

static int teardown_all(void **state)
{
	struct secure *secure = *state;

	certificates_free(&secure->certificates);
	free(secure);
	return 0;
}

static int setup(void **state)
{
	struct secure *secure = *state;

	secure->f = fixture_new();
	secure->client = client_new(&secure->certificates, NULL, "ca");
	return 0;
}

static int teardown(void **state)
{
	struct secure *secure = *state;

	fixture_free(secure->f);
	SSL_CTX_free(secure->context);
	secure->context = NULL;
	return 0;
}

/* A server with that certificate, and a channel that wants that name. */
static struct fixture *begin(
	struct secure *secure, const char *certificate, struct channel_options options)
{
	secure->context = server_context(&secure->certificates, certificate, 0);
	options.tls = secure->client;
	fixture_channel(secure->f, &options);
	/* The channel needs it no more. */
	tls_client_free(secure->client);
	return secure->f;
}

/* The server's side of the next connection. */
static SSL *session_accept(struct secure *secure)
{
	const int fd = server_accept(secure->f);
	SSL *ssl = SSL_new(secure->context);

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	SSL_set_accept_state(ssl);
	return ssl;
}

static SSL *session_open(struct secure *secure)
{
	SSL *ssl = session_accept(secure);

	TURN_UNTIL(secure->f, SSL_do_handshake(ssl) == 1);
	return ssl;
}

static void session_close(SSL *ssl)
{
	const int fd = SSL_get_fd(ssl);

	SSL_free(ssl);
	close(fd);
}

static void session_read_bytes(struct secure *secure, SSL *ssl, uint8_t *data, size_t len)
{
	size_t have = 0, n;

	while (have < len) {
		TURN_UNTIL(secure->f, SSL_read_ex(ssl, data + have, len - have, &n) == 1);
		have += n;
	}
}

static void session_read(struct secure *secure, SSL *ssl, uint8_t *message)
{
	uint8_t length[2];
	size_t len;

	session_read_bytes(secure, ssl, length, 2);
	len = (size_t)length[0] << 8 | length[1];
	session_read_bytes(secure, ssl, message, len);
	message[len] = 0;
}

static void session_write(struct secure *secure, SSL *ssl, const uint8_t *data, size_t len)
{
	size_t n;

	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	while (len > 0) {
		TURN_UNTIL(secure->f, SSL_write_ex(ssl, data, len, &n) == 1);
		data += n;
		len -= n;
	}
}

static void session_serve(struct secure *secure, SSL *ssl)
{
	uint8_t frame[1024];
	size_t len;

	session_read(secure, ssl, frame + 2);
	len = HEADER + strlen((char *)frame + 2 + HEADER);
	frame[0] = 0;
	frame[1] = (uint8_t)len;
	frame[2 + 2] |= 0x80;
	session_write(secure, ssl, frame, len + 2);
}

static void questions_over_tls(void **state)
{
	struct secure *secure = *state;
	struct fixture *f =
		begin(secure, "good", (struct channel_options){.server_name = "dns.example"});
	struct channel_stats stats;
	SSL *ssl;

	for (unsigned i = 0; i < 20; i++)
		question_send(f, i);
	ssl = session_open(secure);
	assert_true(SSL_version(ssl) >= TLS1_2_VERSION);
	assert_string_equal(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), "dns.example");
	for (unsigned i = 0; i < 20; i++)
		session_serve(secure, ssl);
	for (unsigned i = 0; i < 20; i++)
		check_answered(&f->questions[i]);
	channel_stats(f->channel, &stats);
	assert_int_equal(stats.opened, 1);
	assert_int_equal(stats.resumed, 0);
	assert_string_equal(channel_error(f->channel), "");
	session_close(ssl);
}

/* With close_notify or without. */
static void what_the_server_left_goes_over_a_resumed_session(void **state)
{
	struct secure *secure = *state;
	struct fixture *f = begin(secure, "good", (struct channel_options){0});
	struct channel_stats stats;
	uint8_t message[1024];

	for (unsigned i = 0; i < 2; i++) {
		SSL *ssl;

		question_send(f, 2 * i);
		ssl = session_open(secure);
		session_serve(secure, ssl);
		check_answered(&f->questions[2 * i]);
		question_send(f, 2 * i + 1);
		session_read(secure, ssl, message);
		if (i == 0)
			SSL_shutdown(ssl);
		session_close(ssl);
		ssl = session_open(secure);
		session_serve(secure, ssl);
		check_answered(&f->questions[2 * i + 1]);
		session_close(ssl);
		TURN_UNTIL(f, connections(f) == 0);
	}
	channel_stats(f->channel, &stats);
	assert_int_equal(stats.opened, 4);
	assert_int_equal(stats.resumed, 3);
	assert_int_equal(stats.asked_again, 2);
}

static void check_refused(struct secure *secure, const char *why)
{
	struct fixture *f = secure->f;
	char want[256];
	SSL *ssl;
	uint8_t byte;

	/* Again and again: no attempt makes the next one easier. */
	for (unsigned i = 0; i < 3; i++) {
		question_send(f, 2 * i);
		question_send(f, 2 * i + 1);
		ssl = session_accept(secure);
		TURN_UNTIL(f, (SSL_do_handshake(ssl), f->questions[2 * i].done) &&
				      f->questions[2 * i + 1].done);
		check_failed(&f->questions[2 * i], -EPROTO);
		check_failed(&f->questions[2 * i + 1], -EPROTO);
		snprintf(want, sizeof want,
			"certificate verify failed: %s (upstream tls://127.0.0.1:%u)", why,
			(unsigned)address_port(&f->server));
		assert_string_equal(channel_error(f->channel), want);
		assert_true(SSL_read(ssl, &byte, 1) <= 0);
		assert_int_equal(connections(f), 0);
		session_close(ssl);
	}
	ERR_clear_error();
}

static void an_expired_certificate(void **state)
{
	begin(*state, "expired", (struct channel_options){.server_name = "dns.example"});
	check_refused(*state, "certificate has expired");
}

static void a_certificate_for_another_name(void **state)
{
	begin(*state, "good", (struct channel_options){.server_name = "ns.example"});
	check_refused(*state, "hostname mismatch, it is not for ns.example");
}

static void a_certificate_without_the_address(void **state)
{
	begin(*state, "named", (struct channel_options){0});
	check_refused(*state, "IP address mismatch, it is not for 127.0.0.1; tls_servername says "
			      "which name it has");
}

static void a_certificate_of_another_ca(void **state)
{
	begin(*state, "stranger", (struct channel_options){.server_name = "dns.example"});
	check_refused(*state, "unable to get local issuer certificate");
}

/* What the server sees before it says anything is the beginning of TLS and no question. */
static void nothing_is_said_in_plain_text(void **state)
{
	struct secure *secure = *state;
	struct fixture *f = begin(secure, "good", (struct channel_options){0});
	uint8_t in[4096];
	ssize_t n;
	int fd;

	question_send(f, 0);
	fd = server_accept(f);
	TURN_UNTIL(f, fd_ready(fd));
	n = recv(fd, in, sizeof in, 0);
	assert_true(n > 3);
	assert_memory_equal(in, "\x16\x03\x01", 3);
	assert_null(memmem(in, (size_t)n, "question", 8));
	bytes_write(fd, (const uint8_t *)"220 mail.example ESMTP ready\r\n", 30);
	check_failed(&f->questions[0], -EPROTO);
	assert_non_null(strstr(channel_error(f->channel), "the server does not speak TLS"));
	TURN_UNTIL(f, fd_ready(fd));
	n = recv(fd, in, sizeof in, 0);
	assert_true(n <= 7); /* an alert at most */
	close(fd);
}

static void a_server_that_never_shakes_hands(void **state)
{
	struct secure *secure = *state;
	struct fixture *f =
		begin(secure, "good", (struct channel_options){.connect_timeout_ms = 500});
	int fd;

	question_send(f, 0);
	fd = server_accept(f);
	check_failed(&f->questions[0], -ETIMEDOUT);
	assert_memory_equal(channel_error(f->channel), "TLS handshake: Connection timed out", 35);
	close(fd);
	question_send(f, 1);
	close(server_accept(f));
	check_failed(&f->questions[1], -ECONNRESET);
	assert_memory_equal(channel_error(f->channel), "TLS handshake: ", 15);
}

static void a_server_that_wants_a_certificate(void **state)
{
	struct secure *secure = *state;
	struct fixture *f = begin(secure, "good", (struct channel_options){0});
	SSL *ssl;

	server_wants_client(&secure->certificates, secure->context);
	question_send(f, 0);
	ssl = session_accept(secure);
	TURN_UNTIL(f, (SSL_do_handshake(ssl), f->questions[0].done));
	check_failed(&f->questions[0], -EPROTO);
	assert_non_null(strstr(channel_error(f->channel), "alert certificate required"));
	session_close(ssl);
	ERR_clear_error();
}

static void large_messages_over_tls(void **state)
{
	struct secure *secure = *state;
	struct fixture *f = begin(secure, "good", (struct channel_options){0});
	static uint8_t frame[2 + 65535], message[65536];
	struct question *question = &f->questions[3];
	SSL *ssl;

	question->f = f;
	question->ask.done = on_done;
	question->ask.user = question;
	memset(message, 'q', sizeof message);
	for (unsigned i = 0; i < 3; i++) {
		question->done = 0;
		assert_int_equal(channel_send(f->channel, &question->ask, message, 65535), 0);
		if (i == 0)
			ssl = session_open(secure);
		session_read_bytes(secure, ssl, frame, sizeof frame);
		assert_memory_equal(frame + 4, message + 2, 65533);
		frame[2 + 2] |= 0x80;
		session_write(secure, ssl, frame, sizeof frame);
		TURN_UNTIL(f, question->done);
		assert_int_equal(question->end, CHANNEL_REPLY);
		assert_int_equal(question->len, 65535);
		assert_memory_equal(question->reply, "qq", 2);
	}
	session_close(ssl);
}

static void a_name_that_cannot_be_one(void **state)
{
	struct secure *secure = *state;
	struct channel *channel;
	const struct channel_options options = {.tls = secure->client, .server_name = ""};

	assert_int_equal(
		channel_new(&secure->f->loop, &secure->f->server.sa, &options, &channel), -EINVAL);
	tls_client_free(secure->client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(questions_over_tls),
		TEST(what_the_server_left_goes_over_a_resumed_session),
		TEST(an_expired_certificate),
		TEST(a_certificate_for_another_name),
		TEST(a_certificate_without_the_address),
		TEST(a_certificate_of_another_ca),
		TEST(nothing_is_said_in_plain_text),
		TEST(a_server_that_never_shakes_hands),
		TEST(a_server_that_wants_a_certificate),
		TEST(large_messages_over_tls),
		TEST(a_name_that_cannot_be_one),
	};

	signal(SIGPIPE, SIG_IGN); /* the server's side has no MSG_NOSIGNAL */
	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}

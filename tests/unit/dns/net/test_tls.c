/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_test.h"

/* Handshakes in memory: what one side puts out is the other's input. */

static struct certificates *certificates(void **state)
{
	return *state;
}

struct server {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
};

static void server_open(struct server *server)
{
	server->ssl = SSL_new(server->context);
	server->in = BIO_new(BIO_s_mem());
	server->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(server->in, -1);
	SSL_set_bio(server->ssl, server->in, server->out);
	SSL_set_accept_state(server->ssl);
}

static void server_close(struct server *server)
{
	SSL_set_shutdown(server->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(server->ssl);
	server->ssl = NULL;
}

/* Carry what there is to the other sides. False: nothing. */
static bool carry(struct tls *tls, struct server *server)
{
	uint8_t bytes[4096];
	bool any = false;
	size_t len;
	int n;

	while ((len = tls_output(tls, bytes, sizeof bytes)) > 0) {
		BIO_write(server->in, bytes, (int)len);
		any = true;
	}
	while ((n = BIO_read(server->out, bytes, sizeof bytes)) > 0) {
		assert_int_equal(tls_input(tls, bytes, (size_t)n), 0);
		any = true;
	}
	return any;
}

/* What the client's handshake comes to. */
static int shake(struct tls *tls, struct server *server)
{
	int rc;

	server_open(server);
	do {
		rc = tls_handshake(tls);
		carry(tls, server);
		SSL_do_handshake(server->ssl);
		if (rc == 0)
			carry(tls, server);
	} while (rc == -EAGAIN);
	return rc;
}

static void check_talk(struct tls *tls, struct server *server)
{
	uint8_t bytes[64];
	int n;

	assert_int_equal(tls_write(tls, (const uint8_t *)"question", 8), 0);
	carry(tls, server);
	n = SSL_read(server->ssl, bytes, sizeof bytes);
	assert_int_equal(n, 8);
	assert_memory_equal(bytes, "question", 8);
	assert_int_equal(tls_read(tls, bytes, sizeof bytes), -EAGAIN);
	assert_int_equal(SSL_write(server->ssl, "answer", 6), 6);
	carry(tls, server);
	assert_int_equal(tls_read(tls, bytes, sizeof bytes), 6);
	assert_memory_equal(bytes, "answer", 6);
	assert_int_equal(tls_read(tls, bytes, sizeof bytes), -EAGAIN);
}

struct attempt {
	const char *cert;  /* the server's */
	const char *name;  /* wanted; NULL: the address */
	const char *ca;    /* the client's */
	const char *words; /* NULL: it succeeds */
};

static void attempt_make(struct certificates *all, const struct attempt *attempt)
{
	const union address address = address_v4("127.0.0.1", 853);
	struct tls_client *client = client_new(all, NULL, attempt->ca);
	struct server server = {.context = server_context(all, attempt->cert, 0)};
	struct tls_peer *peer;
	struct tls *tls;

	assert_int_equal(tls_peer_new(client, attempt->name, &address.sa, &peer), 0);
	tls_client_free(client);
	assert_int_equal(tls_open(peer, &tls), 0);
	if (attempt->words) {
		assert_int_equal(shake(tls, &server), -EPROTO);
		assert_string_equal(tls_words(tls), attempt->words);
		assert_int_equal(tls_handshake(tls), -EPROTO);
		assert_int_equal(tls_write(tls, (const uint8_t *)"question", 8), -EPROTO);
	} else {
		assert_int_equal(shake(tls, &server), 0);
		assert_string_equal(tls_words(tls), "");
		assert_false(tls_resumed(tls));
		check_talk(tls, &server);
	}
	tls_free(tls);
	server_close(&server);
	tls_peer_free(peer);
	SSL_CTX_free(server.context);
}

#define FAILED "certificate verify failed: "

static void the_certificate_is_verified(void **state)
{
	static const struct attempt attempts[] = {
		{"good", "dns.example", "ca", NULL},
		{"good", "DNS.Example.", "ca", NULL},
		{"good", NULL, "ca", NULL},
		{"good", "127.0.0.1", "ca", NULL},
		{"good", "::1", "ca", NULL},
		{"named", "one.wild.example", "ca", NULL},
		{"good", "other.example", "ca",
			FAILED "hostname mismatch, it is not for other.example"},
		{"named", "wild.example", "ca",
			FAILED "hostname mismatch, it is not for wild.example"},
		{"named", "a.b.wild.example", "ca",
			FAILED "hostname mismatch, it is not for a.b.wild.example"},
		{"named", NULL, "ca",
			FAILED "IP address mismatch, it is not for 127.0.0.1; tls_servername says "
			       "which name it has"},
		{"dns.example", "dns.example", "ca",
			FAILED "hostname mismatch, it is not for dns.example"},
		{"expired", "dns.example", "ca", FAILED "certificate has expired"},
		{"early", "dns.example", "ca", FAILED "certificate is not yet valid"},
		{"stranger", "dns.example", "ca", FAILED "unable to get local issuer certificate"},
		{"good", "dns.example", NULL, FAILED "unable to get local issuer certificate"},
	};

	for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++)
		attempt_make(certificates(state), &attempts[i]);
}

/* One handshake with a server of at most that version; what it comes to. */
static int version_attempt(struct certificates *all, int version, char *words, size_t cap)
{
	const union address address = address_v6("::1", 853);
	struct tls_client *client = client_new(all, NULL, "ca");
	struct server server = {.context = server_context(all, "good", version)};
	struct tls_peer *peer;
	struct tls *tls;
	int rc;

	assert_int_equal(tls_peer_new(client, NULL, &address.sa, &peer), 0);
	assert_int_equal(tls_open(peer, &tls), 0);
	rc = shake(tls, &server);
	if (rc == 0)
		check_talk(tls, &server);
	snprintf(words, cap, "%s", tls_words(tls));
	tls_free(tls);
	server_close(&server);
	tls_peer_free(peer);
	tls_client_free(client);
	SSL_CTX_free(server.context);
	return rc;
}

static void old_versions_are_refused(void **state)
{
	char words[256];

	assert_int_equal(version_attempt(*state, TLS1_3_VERSION, words, sizeof words), 0);
	assert_int_equal(version_attempt(*state, TLS1_2_VERSION, words, sizeof words), 0);
	assert_int_equal(version_attempt(*state, TLS1_1_VERSION, words, sizeof words), -EPROTO);
	assert_memory_equal(words, "TLS: ", 5);
}

/* The second connection continues the session of the first. */
static void check_resumed(struct certificates *all, int version)
{
	const union address address = address_v4("127.0.0.1", 853);
	struct tls_client *client = client_new(all, NULL, "ca");
	struct server server = {.context = server_context(all, "good", version)};
	struct tls_peer *peer;

	assert_int_equal(tls_peer_new(client, "dns.example", &address.sa, &peer), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct tls *tls;

		assert_int_equal(tls_open(peer, &tls), 0);
		assert_int_equal(shake(tls, &server), 0);
		check_talk(tls, &server);
		assert_int_equal(tls_resumed(tls), i > 0);
		if (i % 2)
			tls_end(tls);
		tls_free(tls);
		server_close(&server);
	}
	tls_peer_free(peer);
	tls_client_free(client);
	SSL_CTX_free(server.context);
}

static void sessions_are_resumed(void **state)
{
	check_resumed(*state, TLS1_2_VERSION);
	check_resumed(*state, TLS1_3_VERSION);
}

static void the_end_of_the_stream(void **state)
{
	const union address address = address_v4("127.0.0.1", 853);
	struct tls_client *client = client_new(*state, NULL, "ca");
	struct server server = {.context = server_context(*state, "good", 0)};
	struct tls_peer *peer;
	struct tls *tls;
	uint8_t byte;

	assert_int_equal(tls_peer_new(client, NULL, &address.sa, &peer), 0);
	assert_int_equal(tls_open(peer, &tls), 0);
	assert_int_equal(shake(tls, &server), 0);
	tls_end(tls);
	carry(tls, &server);
	assert_int_equal(SSL_read(server.ssl, &byte, 1), 0);
	assert_int_equal(SSL_get_error(server.ssl, 0), SSL_ERROR_ZERO_RETURN);
	SSL_shutdown(server.ssl);
	carry(tls, &server);
	assert_int_equal(tls_read(tls, &byte, 1), 0);
	tls_free(tls);
	server_close(&server);
	tls_peer_free(peer);
	tls_client_free(client);
	SSL_CTX_free(server.context);
}

/* Of a server that wants one; with TLS 1.3 the client learns of it after its handshake. */
static void check_client_certificate(struct certificates *all, const char *cert, const char *words)
{
	const union address address = address_v4("127.0.0.1", 853);
	struct tls_client *client = client_new(all, cert, "ca");
	struct server server = {.context = server_context(all, "good", 0)};
	struct tls_peer *peer;
	struct tls *tls;
	uint8_t byte;

	server_wants_client(all, server.context);
	assert_int_equal(tls_peer_new(client, NULL, &address.sa, &peer), 0);
	assert_int_equal(tls_open(peer, &tls), 0);
	assert_int_equal(shake(tls, &server), 0);
	if (!words) {
		check_talk(tls, &server);
	} else {
		assert_int_equal(tls_read(tls, &byte, 1), -EPROTO);
		assert_string_equal(tls_words(tls), words);
	}
	tls_free(tls);
	server_close(&server);
	tls_peer_free(peer);
	tls_client_free(client);
	SSL_CTX_free(server.context);
}

static void certificates_of_ours(void **state)
{
	check_client_certificate(*state, "client", NULL);
	check_client_certificate(*state, NULL, "TLS: tlsv13 alert certificate required");
	check_client_certificate(*state, "stranger", "TLS: tlsv1 alert unknown ca");
}

static void what_is_not_tls(void **state)
{
	const union address address = address_v4("127.0.0.1", 53);
	struct tls_client *client = client_new(*state, NULL, "ca");
	struct tls_peer *peer;
	struct tls *tls;
	uint8_t bytes[2048];

	assert_int_equal(tls_peer_new(client, NULL, &address.sa, &peer), 0);
	assert_int_equal(tls_open(peer, &tls), 0);
	assert_int_equal(tls_handshake(tls), -EAGAIN);
	/* A record of TLS: a handshake of version 3.1. */
	assert_true(tls_output(tls, bytes, sizeof bytes) > 3);
	assert_memory_equal(bytes, "\x16\x03\x01", 3);
	assert_int_equal(tls_input(tls, (const uint8_t *)"HTTP/1.1 400 Bad Request\r\n", 26), 0);
	assert_int_equal(tls_handshake(tls), -EPROTO);
	assert_string_equal(tls_words(tls), "the server does not speak TLS");
	tls_free(tls);
	tls_peer_free(peer);
	tls_client_free(client);
}

static void check_options(const struct tls_options *options, const char *want)
{
	struct tls_client *client = NULL;
	char words[256] = "";

	assert_int_equal(tls_client_new(options, &client, words, sizeof words), -EINVAL);
	assert_null(client);
	if (!strstr(words, want))
		fail_msg("\"%s\" is not in \"%s\"", want, words);
}

static void file_put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A key that would have OpenSSL ask for its passphrase. */
static void locked_key(const struct certificates *all, const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(PEM_write_PrivateKey(file, all->ca.key, EVP_aes_128_cbc(),
				 (const unsigned char *)"secret", 6, NULL, NULL),
		1);
	fclose(file);
}

static void options_that_are_wrong(void **state)
{
	struct certificates *all = *state;
	char *cert = certificate_path(all, "client", "pem");
	char *key = certificate_path(all, "client", "key");
	char *other = certificate_path(all, "good", "key");
	char *missing = certificate_path(all, "missing", "pem");
	char *garbage = certificate_path(all, "garbage", "pem");
	char *locked = certificate_path(all, "locked", "key");

	file_put(garbage, "no certificate\n");
	locked_key(all, locked);
	check_options(&(struct tls_options){.cert = cert}, "needs its key");
	check_options(&(struct tls_options){.key = key}, "needs its key");
	check_options(&(struct tls_options){.ca = missing}, "missing.pem: No such file");
	check_options(&(struct tls_options){.ca = garbage}, "garbage.pem: ");
	check_options(&(struct tls_options){.cert = missing, .key = key}, "missing.pem: No such");
	check_options(&(struct tls_options){.cert = garbage, .key = key}, "garbage.pem: ");
	check_options(&(struct tls_options){.cert = cert, .key = missing}, "missing.pem: No such");
	check_options(&(struct tls_options){.cert = cert, .key = other}, "good.key: ");
	check_options(&(struct tls_options){.cert = cert, .key = locked}, "locked.key: ");
	free(cert);
	free(key);
	free(other);
	free(missing);
	free(garbage);
	free(locked);
}

static void names_that_are_none(void **state)
{
	const union address address = address_v4("127.0.0.1", 853);
	struct tls_client *client = client_new(*state, NULL, NULL);
	struct tls_peer *peer;
	char long_name[300];

	memset(long_name, 'a', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	assert_int_equal(tls_peer_new(client, "", &address.sa, &peer), -EINVAL);
	assert_int_equal(tls_peer_new(client, ".", &address.sa, &peer), -EINVAL);
	assert_int_equal(tls_peer_new(client, ".example", &address.sa, &peer), -EINVAL);
	assert_int_equal(tls_peer_new(client, long_name, &address.sa, &peer), -EINVAL);
	tls_client_free(client);
	tls_client_free(NULL);
	tls_peer_free(NULL);
	tls_free(NULL);
}

static int setup(void **state)
{
	struct certificates *all = calloc(1, sizeof *all);

	assert_non_null(all);
	certificates_make(all);
	*state = all;
	return 0;
}

static int teardown(void **state)
{
	certificates_free(*state);
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_certificate_is_verified),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(sessions_are_resumed),
		cmocka_unit_test(the_end_of_the_stream),
		cmocka_unit_test(certificates_of_ours),
		cmocka_unit_test(what_is_not_tls),
		cmocka_unit_test(options_that_are_wrong),
		cmocka_unit_test(names_that_are_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

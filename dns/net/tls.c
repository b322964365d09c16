/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A session is continued without looking at the certificate again: for this long. */
#define SESSION_S 3600

struct tls_client {
	SSL_CTX *context;
};

struct tls_peer {
	SSL_CTX *context;
	SSL_SESSION *session; /* the last one the server gave us; NULL: none */
	uint8_t address[16];
	size_t address_len; /* 0: the certificate must be for `name` */
	char name[256];     /* or the address in text */
};

struct tls {
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
	struct tls_peer *peer;
	bool failed;
	char words[384];
};

/* --- the client --- */

/* The first reason OpenSSL has for what just failed, and none is left for later. */
static const char *reason_take(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return reason ? reason : "out of memory";
}

static int file_fail(const char *what, const char *path, char *words, size_t cap)
{
	const unsigned long code = ERR_peek_error();

	if (ERR_SYSTEM_ERROR(code)) {
		snprintf(words, cap, "%s %s: %s", what, path, strerror(ERR_GET_REASON(code)));
		ERR_clear_error();
	} else {
		snprintf(words, cap, "%s %s: %s", what, path, reason_take());
	}
	return -EINVAL;
}

/* Without it OpenSSL would ask at the terminal. */
static int on_passphrase(char *text, int cap, int writing, void *user)
{
	(void)text;
	(void)cap;
	(void)writing;
	(void)user;
	return -1;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(ssl);

	SSL_SESSION_free(tls->peer->session);
	tls->peer->session = session;
	return 1; /* the reference is ours */
}

static int context_files(
	SSL_CTX *context, const struct tls_options *options, char *words, size_t cap)
{
	if (options->ca && SSL_CTX_load_verify_file(context, options->ca) != 1)
		return file_fail("CA", options->ca, words, cap);
	if (!options->ca && SSL_CTX_set_default_verify_paths(context) != 1) {
		snprintf(words, cap, "the system's CAs: %s", reason_take());
		return -EINVAL;
	}
	if (!options->cert)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(context, options->cert) != 1)
		return file_fail("certificate", options->cert, words, cap);
	if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1)
		return file_fail("key (without passphrase)", options->key, words, cap);
	if (SSL_CTX_check_private_key(context) != 1)
		return file_fail("key, of another certificate,", options->key, words, cap);
	return 0;
}

static int context_new(const struct tls_options *options, SSL_CTX **out, char *words, size_t cap)
{
	static const unsigned char alpn[] = {3, 'd', 'o', 't'}; /* RFC 7858, IANA */
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int rc;

	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn) != 0) {
		snprintf(words, cap, "TLS: %s", reason_take());
		SSL_CTX_free(context);
		return -ENOMEM;
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_session);
	SSL_CTX_set_default_passwd_cb(context, on_passphrase);
	rc = context_files(context, options, words, cap);
	if (rc < 0) {
		SSL_CTX_free(context);
		return rc;
	}
	*out = context;
	return 0;
}

int tls_client_new(
	const struct tls_options *options, struct tls_client **out, char *words, size_t cap)
{
	struct tls_client *client;
	int rc;

	if (!options->cert != !options->key) {
		snprintf(words, cap, "a certificate needs its key, and a key its certificate");
		return -EINVAL;
	}
	client = calloc(1, sizeof *client);
	if (!client) {
		snprintf(words, cap, "out of memory");
		return -ENOMEM;
	}
	ERR_clear_error();
	rc = context_new(options, &client->context, words, cap);
	if (rc < 0) {
		free(client);
		return rc;
	}
	*out = client;
	return 0;
}

void tls_client_free(struct tls_client *client)
{
	if (!client)
		return;
	SSL_CTX_free(client->context);
	free(client);
}

/* --- peers --- */

static void peer_address(struct tls_peer *peer, int family, const void *address)
{
	peer->address_len = family == AF_INET ? 4 : 16;
	memcpy(peer->address, address, peer->address_len);
	inet_ntop(family, address, peer->name, sizeof peer->name);
}

/* A final dot is how DNS writes a name, not how certificates do. */
static int peer_name(struct tls_peer *peer, const char *name)
{
	uint8_t address[16];
	size_t len = strlen(name);

	if (inet_pton(AF_INET, name, address) == 1) {
		peer_address(peer, AF_INET, address);
		return 0;
	}
	if (inet_pton(AF_INET6, name, address) == 1) {
		peer_address(peer, AF_INET6, address);
		return 0;
	}
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len >= sizeof peer->name || name[0] == '.')
		return -EINVAL;
	memcpy(peer->name, name, len);
	return 0;
}

int tls_peer_new(const struct tls_client *client, const char *name, const struct sockaddr *address,
	struct tls_peer **out)
{
	struct tls_peer *peer = calloc(1, sizeof *peer);
	int rc = 0;

	if (!peer)
		return -ENOMEM;
	if (name)
		rc = peer_name(peer, name);
	else if (address->sa_family == AF_INET)
		peer_address(peer, AF_INET, &((const struct sockaddr_in *)address)->sin_addr);
	else
		peer_address(peer, AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr);
	if (rc < 0) {
		free(peer);
		return rc;
	}
	SSL_CTX_up_ref(client->context);
	peer->context = client->context;
	*out = peer;
	return 0;
}

void tls_peer_free(struct tls_peer *peer)
{
	if (!peer)
		return;
	SSL_SESSION_free(peer->session);
	SSL_CTX_free(peer->context);
	free(peer);
}

/* A ticket of TLS 1.3 is used once, so that nobody can tell by it which connections are of
 * the same client (RFC 8446 appendix C.4). */
static void session_use(struct tls_peer *peer, SSL *ssl)
{
	SSL_SESSION *session = peer->session;
	bool fresh;

	if (!session)
		return;
	fresh = SSL_SESSION_get_time(session) + SESSION_S > time(NULL);
	if (fresh)
		SSL_set_session(ssl, session); /* takes a reference of its own */
	if (fresh && SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION)
		return;
	SSL_SESSION_free(session);
	peer->session = NULL;
}

/* --- connections --- */

static bool identity_set(SSL *ssl, const struct tls_peer *peer)
{
	if (peer->address_len > 0)
		return X509_VERIFY_PARAM_set1_ip(
			       SSL_get0_param(ssl), peer->address, peer->address_len) == 1;
	/* Names in the subject are no longer looked at by anybody (RFC 9525 section 2). */
	SSL_set_hostflags(
		ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return SSL_set1_host(ssl, peer->name) == 1 &&
	       SSL_set_tlsext_host_name(ssl, peer->name) == 1;
}

int tls_open(struct tls_peer *peer, struct tls **out)
{
	struct tls *tls = calloc(1, sizeof *tls);

	if (!tls)
		return -ENOMEM;
	tls->peer = peer;
	tls->ssl = SSL_new(peer->context);
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	if (!tls->ssl || !tls->in || !tls->out || !identity_set(tls->ssl, peer)) {
		BIO_free(tls->in);
		BIO_free(tls->out);
		SSL_free(tls->ssl);
		free(tls);
		ERR_clear_error();
		return -ENOMEM;
	}
	/* An empty one means "later", not the end: that is for whoever has the socket. */
	BIO_set_mem_eof_return(tls->in, -1);
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_connect_state(tls->ssl);
	session_use(peer, tls->ssl);
	*out = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	/* Otherwise OpenSSL takes the session for damaged and will not resume it. A message that
	 * was cut is known by its length. */
	if (!tls->failed && SSL_is_init_finished(tls->ssl))
		SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	free(tls);
}

static void verify_words(struct tls *tls, long verdict)
{
	const char *why = X509_verify_cert_error_string(verdict);
	const char *failed = "certificate verify failed";

	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH)
		snprintf(tls->words, sizeof tls->words, "%s: %s, it is not for %s", failed, why,
			tls->peer->name);
	else if (verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
		snprintf(tls->words, sizeof tls->words,
			"%s: %s, it is not for %s; tls_servername says which name it has", failed,
			why, tls->peer->name);
	else
		snprintf(tls->words, sizeof tls->words, "%s: %s", failed, why);
}

static int tls_fail(struct tls *tls)
{
	const int reason = ERR_GET_REASON(ERR_peek_error());
	const long verdict = SSL_get_verify_result(tls->ssl);

	tls->failed = true;
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
		verify_words(tls, verdict);
	else if (reason == SSL_R_WRONG_VERSION_NUMBER)
		snprintf(tls->words, sizeof tls->words, "the server does not speak TLS");
	else
		snprintf(tls->words, sizeof tls->words, "TLS: %s", reason_take());
	ERR_clear_error();
	return -EPROTO;
}

/* What an operation that gave `result` (not above 0) means. */
static int result_rc(struct tls *tls, int result)
{
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return tls_fail(tls);
	}
}

int tls_handshake(struct tls *tls)
{
	int result, rc;

	if (tls->failed)
		return -EPROTO;
	ERR_clear_error();
	result = SSL_do_handshake(tls->ssl);
	if (result == 1)
		return 0;
	rc = result_rc(tls, result);
	return rc == 0 ? tls_fail(tls) : rc;
}

int tls_input(struct tls *tls, const uint8_t *data, size_t len)
{
	size_t written;

	return BIO_write_ex(tls->in, data, len, &written) == 1 && written == len ? 0 : -ENOMEM;
}

size_t tls_output(struct tls *tls, uint8_t *data, size_t cap)
{
	size_t len;

	return BIO_read_ex(tls->out, data, cap, &len) == 1 ? len : 0;
}

ssize_t tls_read(struct tls *tls, uint8_t *data, size_t cap)
{
	size_t len;
	int result;

	if (tls->failed)
		return -EPROTO;
	ERR_clear_error();
	result = SSL_read_ex(tls->ssl, data, cap, &len);
	return result == 1 ? (ssize_t)len : result_rc(tls, result);
}

int tls_write(struct tls *tls, const uint8_t *data, size_t len)
{
	size_t written;

	if (tls->failed)
		return -EPROTO;
	ERR_clear_error();
	if (SSL_write_ex(tls->ssl, data, len, &written) == 1 && written == len)
		return 0;
	return tls_fail(tls);
}

void tls_end(struct tls *tls)
{
	if (tls->failed || !SSL_is_init_finished(tls->ssl))
		return;
	ERR_clear_error();
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

bool tls_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl) == 1;
}

const char *tls_words(const struct tls *tls)
{
	return tls->words;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's connection to a server in a thread, whose TLS records leave together. */

#include "watch/http_ahead.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	SSL_CTX *context;
	SSL *ssl; /* the server's side, once it is connected */
	int listener;
	char url[48];
	CURL *easy;
};

static void certify(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	assert_true(key && cert);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(context, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int setup(void **state)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->context = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_num_tickets(f->context, 0);
	certify(f->context);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(f->listener, 1), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &len), 0);
	snprintf(f->url, sizeof f->url, "https://127.0.0.1:%d/", ntohs(address.sin_port));
	f->easy = curl_easy_init();
	assert_non_null(f->easy);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	curl_easy_cleanup(f->easy);
	if (f->ssl) {
		close(SSL_get_fd(f->ssl));
		SSL_free(f->ssl);
	}
	SSL_CTX_free(f->context);
	close(f->listener);
	free(f);
	return 0;
}

static void *accept_one(void *user)
{
	struct fixture *f = user;
	SSL *ssl = SSL_new(f->context);

	SSL_set_fd(ssl, accept(f->listener, NULL, NULL));
	if (SSL_accept(ssl) == 1)
		f->ssl = ssl;
	return NULL;
}

static void connect_with(struct fixture *f, const struct access_view *view)
{
	pthread_t thread;

	http_ahead_set(f->easy, view);
	curl_easy_setopt(f->easy, CURLOPT_URL, f->url);
	curl_easy_setopt(f->easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(f->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(f->easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(f->easy, CURLOPT_CONNECT_ONLY, 1L);
	assert_int_equal(pthread_create(&thread, NULL, accept_one, f), 0);
	assert_int_equal(curl_easy_perform(f->easy), CURLE_OK);
	pthread_join(thread, NULL);
	assert_non_null(f->ssl);
	assert_false(http_ahead_left(f->easy));
}

/* Each text is a record; they are one segment. */
static void say(struct fixture *f, const char *const *texts)
{
	const int fd = SSL_get_fd(f->ssl), yes = 1, no = 0;

	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &yes, sizeof yes);
	for (; *texts; texts++)
		assert_true(SSL_write(f->ssl, *texts, (int)strlen(*texts)) > 0);
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &no, sizeof no);
}

/* One turn of libcurl's. */
static CURLcode read_record(struct fixture *f, char text[32])
{
	size_t len = 0;
	CURLcode code = curl_easy_recv(f->easy, text, 31, &len);

	text[len] = '\0';
	return code;
}

static void wait_readable(struct fixture *f, char text[32])
{
	for (int i = 0; i < 1000 && read_record(f, text) == CURLE_AGAIN; i++)
		usleep(1000);
}

static void records_are_taken_together(void **state)
{
	static const char *const texts[] = {"one", "two", "three", NULL};
	const struct access_view view = {.no_proxy = true};
	struct fixture *f = *state;
	char text[32];

	connect_with(f, &view);
	say(f, texts);
	wait_readable(f, text);
	assert_string_equal(text, "one");
	assert_true(http_ahead_left(f->easy));
	assert_int_equal(read_record(f, text), CURLE_OK);
	assert_string_equal(text, "two");
	assert_true(http_ahead_left(f->easy));
	assert_int_equal(read_record(f, text), CURLE_OK);
	assert_string_equal(text, "three");
	assert_false(http_ahead_left(f->easy));
	assert_int_equal(read_record(f, text), CURLE_AGAIN);
}

/* It is asked for once, and then the socket says when there is more. */
static void part_of_a_record(void **state)
{
	static const char *const texts[] = {"whole", "in parts", NULL};
	const struct access_view view = {.no_proxy = true};
	struct fixture *f = *state;
	BIO *bytes = BIO_new(BIO_s_mem()), *socket_bytes;
	char *data, text[32];
	long len;
	int fd;

	connect_with(f, &view);
	fd = SSL_get_fd(f->ssl);
	socket_bytes = SSL_get_wbio(f->ssl);
	assert_true(BIO_up_ref(socket_bytes));
	assert_true(BIO_up_ref(bytes));
	SSL_set0_wbio(f->ssl, bytes);
	for (int i = 0; texts[i]; i++)
		assert_true(SSL_write(f->ssl, texts[i], (int)strlen(texts[i])) > 0);
	len = BIO_get_mem_data(bytes, &data);
	assert_int_equal(write(fd, data, (size_t)len - 3), len - 3);
	wait_readable(f, text);
	assert_string_equal(text, "whole");
	assert_true(http_ahead_left(f->easy));
	assert_int_equal(read_record(f, text), CURLE_AGAIN);
	assert_false(http_ahead_left(f->easy));
	assert_int_equal(write(fd, data + len - 3, 3), 3);
	wait_readable(f, text);
	assert_string_equal(text, "in parts");
	assert_false(http_ahead_left(f->easy));
	SSL_set0_wbio(f->ssl, socket_bytes);
	BIO_free(bytes);
}

/* What a proxy's TLS layer holds could not be seen. */
static void nothing_ahead(struct fixture *f, const struct access_view *view)
{
	static const char *const texts[] = {"one", "two", NULL};
	char text[32];

	connect_with(f, view);
	say(f, texts);
	wait_readable(f, text);
	assert_string_equal(text, "one");
	assert_false(http_ahead_left(f->easy));
}

static void nothing_ahead_with_a_proxy(void **state)
{
	const struct access_view view = {.proxy_url = "https://proxy.test"};

	nothing_ahead(*state, &view);
}

static void nor_with_one_in_the_environment(void **state)
{
	const struct access_view view = {.proxy_url = NULL};

	setenv("https_proxy", "https://proxy.test", 1);
	nothing_ahead(*state, &view);
	unsetenv("https_proxy");
}

static void without_a_connection(void **state)
{
	struct fixture *f = *state;

	assert_false(http_ahead_left(f->easy));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_are_taken_together, setup, teardown),
		cmocka_unit_test_setup_teardown(part_of_a_record, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_ahead_with_a_proxy, setup, teardown),
		cmocka_unit_test_setup_teardown(nor_with_one_in_the_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_connection, setup, teardown),
	};

	return cmocka_run_group_tests_name("http_ahead", tests, NULL, NULL);
}

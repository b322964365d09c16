/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/http_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>

struct row {
	struct http_outcome outcome;
	enum transport_result result;
	const char *detail; /* must be in it */
};

static const struct row rows[] = {
	{{.code = CURLE_OK, .error = ""}, TRANSPORT_DONE, ""},
	{{.code = CURLE_COULDNT_CONNECT, .error = "Failed to connect", .os_errno = ECONNREFUSED},
		TRANSPORT_UNREACHABLE, "Failed to connect: Connection refused"},
	{{.code = CURLE_COULDNT_RESOLVE_HOST, .error = "Could not resolve host: api.test"},
		TRANSPORT_UNREACHABLE, "api.test"},
	{{.code = CURLE_COULDNT_CONNECT, .error = "", .socket_errno = EAFNOSUPPORT},
		TRANSPORT_UNREACHABLE, "connect"},
	{{.code = CURLE_COULDNT_CONNECT, .error = "", .socket_errno = EMFILE}, TRANSPORT_LOCAL,
		"Too many open files"},
	{{.code = CURLE_OPERATION_TIMEDOUT, .error = "Connection timed out"}, TRANSPORT_UNREACHABLE,
		"timed out"},
	{{.code = CURLE_OPERATION_TIMEDOUT, .error = "SSL connection timeout", .connected = true},
		TRANSPORT_TIMEOUT, "TLS does not finish"},
	{{.code = CURLE_OPERATION_TIMEDOUT,
		 .error = "Operation timed out",
		 .connected = true,
		 .requested = true},
		TRANSPORT_TIMEOUT, "Operation timed out"},
	{{.code = CURLE_PEER_FAILED_VERIFICATION,
		 .connected = true,
		 .error = "SSL certificate problem: unable to get local issuer certificate"},
		TRANSPORT_TLS, "check ca.crt"},
	{{.code = CURLE_PEER_FAILED_VERIFICATION,
		 .connected = true,
		 .error = "SSL certificate problem: self-signed certificate in certificate chain"},
		TRANSPORT_TLS, "certificate-authority"},
	{{.code = CURLE_PEER_FAILED_VERIFICATION,
		 .connected = true,
		 .error = "SSL: no alternative certificate subject name matches target host name "
			  "'x'"},
		TRANSPORT_TLS, "tls-server-name"},
	{{.code = CURLE_PEER_FAILED_VERIFICATION,
		 .connected = true,
		 .error = "SSL certificate problem: certificate has expired"},
		TRANSPORT_TLS, "clock"},
	{{.code = CURLE_SSL_CONNECT_ERROR,
		 .connected = true,
		 .error = "error:0A00010B:SSL routines::wrong version number"},
		TRANSPORT_TLS, "does not speak TLS"},
	{{.code = CURLE_SSL_CONNECT_ERROR,
		 .connected = true,
		 .error = "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to x:443"},
		TRANSPORT_BROKEN, "SSL_ERROR_SYSCALL"},
	{{.code = CURLE_RECV_ERROR,
		 .connected = true,
		 .requested = true,
		 .error = "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate "
			  "required, errno 0"},
		TRANSPORT_TLS, "client certificate"},
	{{.code = CURLE_RECV_ERROR,
		 .connected = true,
		 .requested = true,
		 .error = "Recv failure: Connection reset by peer"},
		TRANSPORT_BROKEN, "reset"},
	{{.code = CURLE_SEND_ERROR, .error = ""}, TRANSPORT_BROKEN, "send"},
	{{.code = CURLE_PARTIAL_FILE, .error = "transfer closed"}, TRANSPORT_BROKEN, "closed"},
	{{.code = CURLE_BAD_CONTENT_ENCODING, .error = ""}, TRANSPORT_BROKEN, ""},
	{{.code = CURLE_SSL_CACERT_BADFILE, .error = "error adding trust anchors"},
		TRANSPORT_CREDENTIALS, "CA file holds no usable certificate"},
	{{.code = CURLE_SSL_CERTPROBLEM, .error = "could not load PEM client certificate"},
		TRANSPORT_CREDENTIALS, "key"},
	{{.code = CURLE_UNSUPPORTED_PROTOCOL, .error = "Protocol \"ftp\" not supported"},
		TRANSPORT_LOCAL, "ftp"},
	{{.code = CURLE_UNSUPPORTED_PROTOCOL,
		 .error = "Received HTTP/0.9 when not allowed",
		 .connected = true},
		TRANSPORT_BROKEN, "HTTP/0.9"},
	{{.code = CURLE_OUT_OF_MEMORY, .error = ""}, TRANSPORT_LOCAL, "memory"},
};

static void test_rows(void **state)
{
	char detail[HTTP_DETAIL_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		detail[0] = 'x';
		assert_int_equal(http_verdict(&rows[i].outcome, detail), rows[i].result);
		if (!strcasestr(detail, rows[i].detail))
			fail_msg("row %zu: \"%s\" lacks \"%s\"", i, detail, rows[i].detail);
	}
}

static void test_every_failure_says_something(void **state)
{
	char detail[HTTP_DETAIL_MAX];

	(void)state;
	for (int code = 1; code < CURL_LAST; code++) {
		const struct http_outcome outcome = {.code = code, .error = ""};

		assert_int_not_equal(http_verdict(&outcome, detail), TRANSPORT_DONE);
		assert_true(strlen(detail) > 0);
	}
}

static void test_long_text_is_cut(void **state)
{
	char text[2 * HTTP_DETAIL_MAX], detail[HTTP_DETAIL_MAX];
	const struct http_outcome outcome = {.code = CURLE_RECV_ERROR, .error = text};

	(void)state;
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(http_verdict(&outcome, detail), TRANSPORT_BROKEN);
	assert_int_equal(strlen(detail), HTTP_DETAIL_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_failure_says_something),
		cmocka_unit_test(test_long_text_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

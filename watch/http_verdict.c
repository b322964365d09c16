/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's error codes as transport results. Two cases need more than the code:
 * a handshake that the network cut is not a refused one, and a TLS 1.3 server
 * refuses a client certificate only after the handshake, as a failed read. */

#include "http_verdict.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	CURLcode code;
	enum transport_result result;
} results[] = {
	{CURLE_OK, TRANSPORT_DONE},
	{CURLE_COULDNT_RESOLVE_PROXY, TRANSPORT_UNREACHABLE},
	{CURLE_COULDNT_RESOLVE_HOST, TRANSPORT_UNREACHABLE},
	{CURLE_COULDNT_CONNECT, TRANSPORT_UNREACHABLE},
	{CURLE_SSL_CONNECT_ERROR, TRANSPORT_TLS},
	{CURLE_PEER_FAILED_VERIFICATION, TRANSPORT_TLS},
	{CURLE_SSL_CIPHER, TRANSPORT_TLS},
	{CURLE_SSL_ISSUER_ERROR, TRANSPORT_TLS},
	{CURLE_SSL_INVALIDCERTSTATUS, TRANSPORT_TLS},
	{CURLE_SSL_CLIENTCERT, TRANSPORT_TLS},
	{CURLE_USE_SSL_FAILED, TRANSPORT_TLS},
	{CURLE_SSL_CERTPROBLEM, TRANSPORT_CREDENTIALS},
	{CURLE_SSL_CACERT_BADFILE, TRANSPORT_CREDENTIALS},
	{CURLE_OPERATION_TIMEDOUT, TRANSPORT_TIMEOUT},
	{CURLE_PARTIAL_FILE, TRANSPORT_BROKEN},
	{CURLE_SEND_ERROR, TRANSPORT_BROKEN},
	{CURLE_RECV_ERROR, TRANSPORT_BROKEN},
	{CURLE_GOT_NOTHING, TRANSPORT_BROKEN},
	{CURLE_WEIRD_SERVER_REPLY, TRANSPORT_BROKEN},
	{CURLE_UNSUPPORTED_PROTOCOL, TRANSPORT_BROKEN}, /* HTTP/0.9 or garbage */
	{CURLE_BAD_CONTENT_ENCODING, TRANSPORT_BROKEN},
	{CURLE_WRITE_ERROR, TRANSPORT_BROKEN}, /* broken gzip: our own aborts never get here */
	{CURLE_PROXY, TRANSPORT_BROKEN},
	{CURLE_SSL_SHUTDOWN_FAILED, TRANSPORT_BROKEN},
};

/* The first row whose text is in libcurl's message. */
static const struct {
	const char *text;
	const char *advice;
} advice_table[] = {
	{"unable to get local issuer", "this CA did not sign the API server's certificate: check "
				       "ca.crt, the CA file of 'tls', "
				       "or certificate-authority in the kubeconfig"},
	{"unable to get issuer",
		"the chain of the API server's certificate is not complete: check the CA file"},
	{"self-signed certificate", "this CA did not sign the API server's certificate: check "
				    "ca.crt, the CA file of 'tls', "
				    "or certificate-authority in the kubeconfig"},
	{"certificate signature failure", "this CA has the right name but another key: check that "
					  "the CA file belongs to this "
					  "cluster"},
	{"alternative certificate subject name", "the API server's certificate is not for this "
						 "name or address: check the endpoint, or "
						 "set tls-server-name in the kubeconfig"},
	{"does not match target host", "the API server's certificate is not for this name or "
				       "address: check the endpoint, or "
				       "set tls-server-name in the kubeconfig"},
	{"certificate has expired",
		"check this machine's clock, and renew the API server's certificate"},
	{"not yet valid",
		"check this machine's clock, and that of the machine that made the certificate"},
	{"wrong version number", "what answers there does not speak TLS: check scheme and port"},
	{"alert", "the API server refused the handshake: check the client certificate and its key"},
};

static const char *advice_find(const char *error)
{
	for (size_t i = 0; i < sizeof advice_table / sizeof *advice_table; i++) {
		if (strstr(error, advice_table[i].text))
			return advice_table[i].advice;
	}
	return NULL;
}

static enum transport_result result_find(int code)
{
	for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
		if ((int)results[i].code == code)
			return results[i].result;
	}
	return TRANSPORT_LOCAL;
}

/* Shortage here, not absence there. */
static bool local_shortage(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM || err == EACCES ||
	       err == EPERM;
}

static enum transport_result classify(const struct http_outcome *outcome)
{
	enum transport_result result = result_find(outcome->code);

	if (outcome->code == CURLE_UNSUPPORTED_PROTOCOL && !outcome->connected)
		return TRANSPORT_LOCAL; /* a scheme that is neither http nor https */
	if (result == TRANSPORT_TIMEOUT && !outcome->connected)
		return TRANSPORT_UNREACHABLE;
	if (result == TRANSPORT_UNREACHABLE && local_shortage(outcome->socket_errno))
		return TRANSPORT_LOCAL;
	if (outcome->code == CURLE_SSL_CONNECT_ERROR &&
		(strstr(outcome->error, "SSL_ERROR_SYSCALL") ||
			strstr(outcome->error, "Connection reset") ||
			strstr(outcome->error, "unexpected eof")))
		return TRANSPORT_BROKEN;
	if (outcome->code == CURLE_RECV_ERROR && strstr(outcome->error, " alert "))
		return TRANSPORT_TLS;
	return result;
}

enum transport_result http_verdict(const struct http_outcome *outcome, char detail[HTTP_DETAIL_MAX])
{
	enum transport_result result = classify(outcome);
	const char *text =
		outcome->error[0] ? outcome->error : curl_easy_strerror((CURLcode)outcome->code);
	const char *advice = NULL;

	if (result == TRANSPORT_DONE) {
		detail[0] = '\0';
		return result;
	}
	if (result == TRANSPORT_TLS)
		advice = advice_find(text);
	else if (result == TRANSPORT_CREDENTIALS)
		advice = outcome->code == CURLE_SSL_CACERT_BADFILE
				 ? "the CA file holds no usable certificate"
				 : "the client certificate and its key cannot be used together";
	else if (result == TRANSPORT_LOCAL && outcome->socket_errno)
		advice = strerror(outcome->socket_errno);
	else if (result == TRANSPORT_UNREACHABLE && outcome->code == CURLE_COULDNT_CONNECT &&
		 outcome->os_errno)
		advice = strerror(outcome->os_errno);
	else if (result == TRANSPORT_TIMEOUT && !outcome->requested)
		advice = "TCP connects, but TLS does not finish";
	snprintf(detail, HTTP_DETAIL_MAX, "%s%s%s", text, advice ? ": " : "", advice ? advice : "");
	return result;
}

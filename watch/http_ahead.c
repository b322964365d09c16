/* SPDX-License-Identifier: Apache-2.0 */
#include "http_ahead.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

static bool environment_has_proxy(void)
{
	static const char *const names[] = {
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (getenv(names[i]))
			return true;
	}
	return false;
}

static CURLcode context_made(CURL *easy, void *context, void *user)
{
	(void)easy;
	(void)user;
	SSL_CTX_set_read_ahead(context, 1);
	return CURLE_OK;
}

void http_ahead_set(CURL *easy, const struct access_view *view)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
	const bool is_openssl = info->ssl_version && strncmp(info->ssl_version, "OpenSSL/", 8) == 0;

	if (is_openssl && (view->no_proxy || (!view->proxy_url && !environment_has_proxy())))
		curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, context_made);
}

bool http_ahead_left(CURL *easy)
{
	struct curl_tlssessioninfo *session = NULL;
	SSL *ssl;

	if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || !session ||
		session->backend != CURLSSLBACKEND_OPENSSL)
		return false;
	ssl = session->internals;
	return ssl && SSL_has_pending(ssl) && !SSL_want_read(ssl);
}

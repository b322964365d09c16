/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BINNACLE_WATCH_HTTP_SETUP_H
#define BINNACLE_WATCH_HTTP_SETUP_H

/* The options of one libcurl transfer, as far as they follow from where it goes
 * and as whom. A part of http: no state, no loop. All return 0, or non-zero when
 * memory ran out (or this libcurl does not know an option).
 */

#include "access.h"

#include <curl/curl.h>

/* What a transfer refers to and must outlive it; freed by http_setup_free(). */
struct http_setup {
	struct curl_slist *headers;
	struct curl_slist *connect_to;
};

/* Protocol, TCP and proxy. */
int http_setup_connection(CURL *easy, const struct access_view *view);

/* CA, client certificate, checks. Connections are never shared between views of
 * different tls_generation. */
int http_setup_tls(CURL *easy, const struct access_view *view);

/* URL and headers; protobuf: the answer may be that instead of JSON. Where
 * view->tls_server_name is set, the URL gets that name,
 * the connection goes to the URL's own host, and the Host header stays as it was. */
int http_setup_request(CURL *easy, const struct access_view *view, const char *target,
	bool protobuf, struct http_setup *setup);

void http_setup_free(struct http_setup *setup);

#endif

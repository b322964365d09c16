/* SPDX-License-Identifier: Apache-2.0 */
/* Setters answer CURLE_OK or an error; the errors are or-ed, for only "all well"
 * counts: what can fail here is memory, and an option this libcurl lacks. */

#include "http_setup.h"

#include "proto_document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_S           80  /* the API server closes idle connections at 90 s */
#define SYSTEM_CA_KEEP_S 300 /* the system's CAs are parsed again after that */

int http_setup_connection(CURL *easy, const struct access_view *view)
{
	int bad = 0;

	bad |= (int)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Without it, to cancel a call whose name is being resolved waits for the resolver. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_S);
	if (view->no_proxy)
		bad |= (int)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	else if (view->proxy_url)
		bad |= (int)curl_easy_setopt(easy, CURLOPT_PROXY, view->proxy_url);
	return bad;
}

/* A PEM as a blob. libcurl compares blobs when it looks for a connection to
 * reuse, and PEM readers skip what stands outside of the armour: so a line with
 * the generation keeps connections of different generations apart. */
static int blob_set(CURL *easy, CURLoption option, const char *pem, size_t len, unsigned generation)
{
	char tag[48];
	int tag_len = snprintf(tag, sizeof tag, "\n# generation %u\n", generation);
	char *text = malloc(len + (size_t)tag_len);
	struct curl_blob blob = {
		.data = text, .len = len + (size_t)tag_len, .flags = CURL_BLOB_COPY};
	int bad;

	if (!text)
		return -ENOMEM;
	memcpy(text, pem, len);
	memcpy(text + len, tag, (size_t)tag_len);
	bad = (int)curl_easy_setopt(easy, option, &blob);
	free(text);
	return bad;
}

int http_setup_tls(CURL *easy, const struct access_view *view)
{
	int bad = 0;

	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, view->insecure ? 0L : 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, view->insecure ? 0L : 2L);
	/* Debian's default directory would add the public CAs to ours, and keeps
	 * libcurl from sharing one parsed copy of the system's between connections. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)SYSTEM_CA_KEEP_S);
	if (view->ca_pem)
		bad |= blob_set(easy, CURLOPT_CAINFO_BLOB, view->ca_pem, view->ca_pem_len,
			view->tls_generation);
	if (view->cert_pem && view->key_pem) {
		bad |= blob_set(easy, CURLOPT_SSLCERT_BLOB, view->cert_pem, view->cert_pem_len,
			view->tls_generation);
		bad |= blob_set(easy, CURLOPT_SSLKEY_BLOB, view->key_pem, view->key_pem_len,
			view->tls_generation);
	}
	return bad;
}

static int slist_add(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* TLS wants another name than the URL's: the URL gets that name, the connection
 * goes where it went before, and the Host header stays what it was. */
static int url_rename(CURLU *url, const char *name, struct http_setup *setup)
{
	char *host = NULL, *port = NULL;
	char text[1024];
	int bad = 0;

	bad |= (int)curl_url_get(url, CURLUPART_HOST, &host, 0);
	bad |= (int)curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	if (bad == 0) {
		snprintf(text, sizeof text, "%s:%s:%s:%s", name, port, host, port);
		bad |= slist_add(&setup->connect_to, text);
		snprintf(text, sizeof text, "Host: %s:%s", host, port);
		bad |= slist_add(&setup->headers, text);
		bad |= (int)curl_url_set(url, CURLUPART_HOST, name, 0);
	}
	curl_free(host);
	curl_free(port);
	return bad;
}

static int url_set(
	CURL *easy, const struct access_view *view, const char *target, struct http_setup *setup)
{
	size_t base_len = strlen(view->url), target_len = strlen(target);
	char *text = malloc(base_len + target_len + 1);
	CURLU *url = NULL;
	char *renamed = NULL;
	int bad = -ENOMEM;

	if (!text)
		return bad;
	memcpy(text, view->url, base_len);
	memcpy(text + base_len, target, target_len + 1);
	if (!view->tls_server_name) {
		bad = (int)curl_easy_setopt(easy, CURLOPT_URL, text);
		goto out;
	}
	url = curl_url();
	if (!url)
		goto out;
	bad = (int)curl_url_set(url, CURLUPART_URL, text, 0);
	if (bad == 0)
		bad = url_rename(url, view->tls_server_name, setup);
	if (bad == 0)
		bad = (int)curl_url_get(url, CURLUPART_URL, &renamed, 0);
	if (bad == 0)
		bad = (int)curl_easy_setopt(easy, CURLOPT_URL, renamed);
	if (bad == 0)
		bad = (int)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, setup->connect_to);
out:
	curl_free(renamed);
	curl_url_cleanup(url);
	free(text);
	return bad;
}

int http_setup_request(CURL *easy, const struct access_view *view, const char *target,
	bool protobuf, struct http_setup *setup)
{
	int bad = url_set(easy, view, target, setup);

	if (bad)
		return bad;
	if (slist_add(&setup->headers, protobuf ? "Accept: " PROTO_CONTENT_TYPE ",application/json"
						: "Accept: application/json") < 0)
		return -ENOMEM;
	for (size_t i = 0; view->headers && view->headers[i]; i++) {
		if (slist_add(&setup->headers, view->headers[i]) < 0)
			return -ENOMEM;
	}
	return (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, setup->headers);
}

void http_setup_free(struct http_setup *setup)
{
	curl_slist_free_all(setup->headers);
	curl_slist_free_all(setup->connect_to);
	*setup = (struct http_setup){0};
}
